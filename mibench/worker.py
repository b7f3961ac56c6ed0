"""A worker process: reads jobs from its standard input, answers on what was its standard output, until it is killed.

It is a program of its own and not a `multiprocessing` child, so that a script that calls `mibench.run` is never
imported a second time, and needs no ``if __name__ == "__main__"``.
"""

import os
import pickle
import signal
import sys

from mibench.memory import watch


def main() -> None:
    """Serve the parent; the argument is the memory limit in MB, 0 for none."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # what an estimator starts must not read the requests,
    os.dup2(2, 1)  # and what it prints must not get between the replies
    watch(float(sys.argv[1]) or None)
    from mibench import job

    while True:
        try:
            step, request = pickle.load(requests)
        except EOFError:
            return
        try:
            reply: tuple[str, object] = ("ok", job.compute(request) if step == "compute" else job.prepare(request).name)
        except BaseException as error:
            reply = ("error", f"{type(error).__name__}: {' '.join(str(error).split())}"[:500])
        pickle.dump(reply, replies)
        replies.flush()


if __name__ == "__main__":
    main()
