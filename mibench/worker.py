"""A worker process: reads jobs from its standard input, answers on what was its standard output, until it is killed.

It is a program of its own and not a `multiprocessing` child, so that a script that calls `mibench.run` is never
imported a second time, and needs no ``if __name__ == "__main__"``.
"""

import os
import pickle
import signal

from mibench.memory import adopt_orphans, watch


def main() -> None:
    """Serve the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # what an estimator starts must not read the requests,
    os.dup2(2, 1)  # and what it prints must not get between the replies
    adopt_orphans()
    watch()
    from mibench import job
    from mibench.surroundings import Surroundings

    own = os.getpid()
    while True:
        try:
            step, request = pickle.load(requests)
        except EOFError:
            return
        surroundings = Surroundings() if step == "compute" else None
        try:
            reply: tuple[str, object] = ("ok", job.compute(request) if step == "compute" else job.prepare(request).name)
        except BaseException as error:
            reply = ("error", f"{type(error).__name__}: {' '.join(str(error).split())}"[:500])
        if os.getpid() != own:
            os._exit(0)  # a copy of this process that an estimator made, and let return
        pickle.dump((*reply, surroundings.restore() if surroundings else ""), replies)
        replies.flush()


if __name__ == "__main__":
    main()
