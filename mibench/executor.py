"""Where cells run: a pool of worker processes on this machine, each of which can be killed at any time."""

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mibench.job import Job
from mibench.memory import EXIT_OUT_OF_MEMORY
from mibench.provenance import now
from mibench.record import FAILURES, Outcome

PREPARE_LIMIT = 600.0  # seconds for imports, draws and warm-up, which the cell's own limit leaves out


@dataclass(frozen=True)
class Limits:
    """What a cell may take: seconds of wall-clock time, MB of resident memory; None is no limit."""

    seconds: float | None = None
    memory_mb: float | None = None


class WorkerError(Exception):
    """The worker did not answer: its status and why."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


class Worker:
    """One persistent process, started on first use and again after each death."""

    def __init__(self, threads: int, limits: Limits) -> None:
        self._threads = threads
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: Any = None
        self._closed = False
        self._starting = threading.Lock()

    def run(self, job: Job) -> list[Outcome]:
        """Compute a cell; a worker that dies or takes too long gives its replicates a failed outcome."""
        started_at = now()
        try:
            self._ask("prepare", job, PREPARE_LIMIT)
            outcomes: list[Outcome] = self._ask("compute", job, self._limits.seconds)
        except WorkerError as failure:
            outcomes = [Outcome(failure.status, str(failure))] * len(job.replicates)
        if any(o.device == "cuda" and o.status in FAILURES for o in outcomes):
            self.kill()  # an error may leave the CUDA context unusable
        return [o if o.started_at else replace(o, started_at=started_at) for o in outcomes]

    def close(self) -> None:
        """End the process for good, from any thread; whoever waits for its answer is told that it died."""
        with self._starting:
            self._closed = True
            process = self._process
        if process is not None:
            _kill_group(process)
            process.wait()

    def kill(self) -> None:
        """End the process at once; the next job starts another."""
        if self._process is not None:
            _kill_group(self._process)
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]
            self._errors.close()
            self._process = None

    def _ask(self, step: str, job: Job, limit: float | None) -> Any:
        with self._starting:
            process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        expired = threading.Event()

        def end() -> None:
            expired.set()
            _kill_group(process)

        timer = threading.Timer(limit or 0, end)
        timer.daemon = True
        if limit:
            timer.start()
        try:
            pickle.dump((step, job), process.stdin)
            process.stdin.flush()
            kind, answer = pickle.load(process.stdout)
        except Exception:  # the pipe broke, or what came through it is no answer
            failure = self._explain(process, step, limit if expired.is_set() else None)
            self.kill()
            raise failure from None
        finally:
            timer.cancel()
        if kind == "error":
            raise WorkerError("error", answer)
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        if self._closed:
            raise WorkerError("crash", "the run was ended")
        threads = str(self._threads)
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process lives
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "mibench.worker", str(self._limits.memory_mb or 0)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **dict.fromkeys(names, threads)},
            start_new_session=True,
        )
        return self._process

    def _explain(self, process: subprocess.Popen[bytes], step: str, expired: float | None) -> WorkerError:
        _kill_group(process)
        code = process.wait()
        if expired is not None:
            what = "longer than" if step == "compute" else "importing and warming up took longer than"
            return WorkerError("timeout", f"{what} {expired:g} s")
        if code == EXIT_OUT_OF_MEMORY and self._limits.memory_mb:
            return WorkerError("oom", f"more than {self._limits.memory_mb:g} MB of memory")
        ending = f"killed by {signal.Signals(-code).name}" if code < 0 else f"the process exited with code {code}"
        self._errors.seek(0)
        last = self._errors.read()[-2000:].decode(errors="replace").strip().rpartition("\n")[2]
        return WorkerError("crash", f"{ending}: {last}" if last else ending)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a worker and whatever it started, which may hold its pipes open."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


class LocalExecutor:
    """Runs jobs on `workers` processes; jobs of one task stay together, so that its data are drawn once a worker."""

    def __init__(self, workers: int, threads: int, limits: Limits) -> None:
        self._workers = [Worker(threads, limits) for _ in range(workers)]

    def run(self, jobs: Sequence[Job]) -> Generator[tuple[int, list[Outcome]], None, None]:
        """Yield (index of the job, its outcomes) as jobs end; closing the iterator kills what still runs."""
        waiting = list(enumerate(jobs))
        lock = threading.Lock()
        done: queue.SimpleQueue[tuple[int, list[Outcome]] | BaseException] = queue.SimpleQueue()

        def serve(worker: Worker) -> None:
            data = None
            try:
                while (item := _next_job(waiting, lock, data)) is not None:
                    data = _data_of(item[1])
                    done.put((item[0], worker.run(item[1])))
            except BaseException as error:
                done.put(error)

        try:
            for worker in self._workers:
                threading.Thread(target=serve, args=(worker,), daemon=True).start()
            with _interrupts_into(done):
                for _ in jobs:
                    result = done.get()
                    if isinstance(result, BaseException):
                        raise result
                    yield result
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

    A second Ctrl-C is raised at once. Outside the main thread nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT) or signal.default_int_handler

    def note(number: int, frame: object) -> None:
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
