"""Where cells run, and how they are dealt out: to workers on this machine, each of which can be killed at any time."""

import contextlib
import queue
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol

from mibench.device import cores
from mibench.estimation import NamedEstimator
from mibench.job import Job
from mibench.process import Limits, Worker
from mibench.record import Outcome

OnInterrupt = Callable[[int], None]


def tell_nobody(under_way: int) -> None:
    """Take no notice."""


class CellWorker(Protocol):
    """What computes one cell at a time."""

    busy: bool

    def run(self, job: Job) -> list[Outcome]:
        """Compute a cell; what goes wrong becomes outcomes."""

    def close(self) -> None:
        """End for good, from any thread; what runs ends with it."""


class Executor(Protocol):
    """Where the cells of some estimators run."""

    slots: int  # cells that run at once, unless it is asked for otherwise

    def threads(self, workers: int) -> int:
        """Return how many threads each of so many workers has."""

    def device(self, estimator: NamedEstimator) -> str:
        """Return what the worker is to be asked for: "cpu", "cuda" or "auto"."""

    def worker(self, threads: int, limits: Limits) -> CellWorker:
        """Return a new worker."""

    def close(self) -> None:
        """Let go of what was started."""


class LocalExecutor:
    """On this machine."""

    def __init__(self, estimators: Sequence[NamedEstimator], device: str) -> None:
        self._device = device
        devices = {estimator.resolve_device(device) for estimator in estimators}
        self.slots = 1 if "cuda" in devices else cores()

    def threads(self, workers: int) -> int:
        """Share the cores out."""
        return max(1, cores() // workers)

    def device(self, estimator: NamedEstimator) -> str:
        """Return what was asked for."""
        return self._device

    def worker(self, threads: int, limits: Limits) -> Worker:
        """Return a worker that starts its process when it is first used."""
        return Worker(threads, limits)

    def close(self) -> None:
        """Do nothing: a pool closes its workers."""


class Pool:
    """Deals jobs out to workers; jobs of one task stay together, so that its data are drawn once a worker."""

    def __init__(self, workers: Sequence[CellWorker]) -> None:
        self._workers = workers

    def run(
        self, jobs: Sequence[Job], on_interrupt: OnInterrupt = tell_nobody
    ) -> Generator[tuple[int, list[Outcome]], None, None]:
        """Yield (index of the job, its outcomes) as jobs end; closing the iterator kills what still runs.

        The first Ctrl-C calls `on_interrupt` with the number of jobs under way, and starts no more; KeyboardInterrupt
        is raised once those are done, or at the second Ctrl-C.
        """
        waiting = list(enumerate(jobs))
        lock = threading.Lock()
        done: queue.SimpleQueue[Any] = queue.SimpleQueue()

        def serve(worker: CellWorker) -> None:
            data = None
            try:
                while (item := _next_job(waiting, lock, data)) is not None:
                    data = _data_of(item[1])
                    done.put((item[0], worker.run(item[1])))
                done.put(None)
            except BaseException as error:
                done.put(error)

        serving, interrupted = len(self._workers), False
        try:
            for worker in self._workers:
                threading.Thread(target=serve, args=(worker,), daemon=True).start()
            with _interrupts_into(done):
                while serving:
                    result = done.get()
                    if result is None:
                        serving -= 1
                    elif isinstance(result, KeyboardInterrupt) and not interrupted:
                        interrupted = True
                        with lock:
                            waiting.clear()
                        on_interrupt(sum(worker.busy for worker in self._workers))
                    elif isinstance(result, BaseException):
                        raise result
                    else:
                        yield result
                if interrupted:
                    raise KeyboardInterrupt
        finally:
            with lock:
                waiting.clear()
            self.close()

    def close(self) -> None:
        """Kill the workers."""
        for worker in self._workers:
            worker.close()


@contextlib.contextmanager
def _interrupts_into(done: "queue.SimpleQueue[Any]") -> Generator[None, None, None]:
    """Let Ctrl-C arrive as a result: raised wherever the main thread happens to be, it can get lost or break a write.

    The third is raised at once, should the second not get through. Outside the main thread nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT) or signal.default_int_handler
    if before is signal.SIG_IGN:
        yield
        return
    seen = 0

    def note(number: int, frame: object) -> None:
        nonlocal seen
        seen += 1
        if seen == 2:
            signal.signal(signal.SIGINT, before)
        done.put(KeyboardInterrupt())

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _data_of(job: Job) -> tuple[str, int, tuple[int, ...]]:
    return job.task, job.n_samples, job.replicates


def _next_job(waiting: list[tuple[int, Job]], lock: threading.Lock, data: object) -> tuple[int, Job] | None:
    """Take the next job that needs the data at hand, or else the next."""
    with lock:
        if not waiting:
            return None
        same = (position for position, (_, job) in enumerate(waiting) if _data_of(job) == data)
        return waiting.pop(next(same, 0))
