"""A worker process: reads jobs from its standard input, answers on what was its standard output, until it is killed.

It is a program of its own and not a `multiprocessing` child, so that a script that calls `mibench.run` is never
imported a second time, and needs no ``if __name__ == "__main__"``.
"""

import os
import pickle
import signal
from functools import partial

from mibench.memory import adopt_orphans, watch


def main() -> None:
    """Serve the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # what an estimator starts must not read the requests,
    os.dup2(2, 1)  # and what it prints must not get between the replies
    for pipe in (requests, replies):  # a copy of this process must not keep them open when this one has died
        os.register_at_fork(after_in_child=partial(os.close, pipe.fileno()))
    adopt_orphans()
    watch()
    from mibench import job
    from mibench.errors import StaleError
    from mibench.surroundings import Surroundings

    own = os.getpid()
    while True:
        try:
            step, request = pickle.load(requests)
        except EOFError:
            return
        surroundings = Surroundings()
        try:
            reply: tuple[str, object] = ("ok", job.compute(request) if step == "compute" else job.prepare(request).name)
        except BaseException as error:
            kind = "stale" if isinstance(error, StaleError) else "error"
            reply = (kind, f"{type(error).__name__}: {' '.join(str(error).split())}"[:500])
        if os.getpid() != own:
            os._exit(0)  # a copy of this process that an estimator made, and let return
        soiled = surroundings.restore(imports=step == "prepare")
        pickle.dump((*reply, soiled and step == "compute"), replies)
        replies.flush()


if __name__ == "__main__":
    main()
