"""One worker process as its driver sees it: asked, watched, killed with all that it started, and replaced."""

import contextlib
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import IO, Any

from mibench.errors import MibenchError
from mibench.job import Job, clean
from mibench.memory import kill_group, kill_tree, resident_mb
from mibench.provenance import host, now
from mibench.record import FAILURES, Outcome

PREPARE_LIMIT = 600.0  # seconds for imports, draws and warm-up, which the cell's own limit leaves out
_LOOK = 0.02  # seconds between two looks at a process that has a limit
_SINGLE_THREADED = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_TAIL = 4096  # bytes kept of what a worker prints


@dataclass(frozen=True)
class Limits:
    """What a cell may take: seconds of wall-clock time, MB of resident memory; None is no limit."""

    seconds: float | None = None
    memory_mb: float | None = None


class WorkerError(Exception):
    """The worker did not answer: its status and why, and whether somebody else killed it."""

    def __init__(self, status: str, message: str, from_outside: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.from_outside = from_outside


class Worker:
    """One persistent process, started on first use and again after each death."""

    def __init__(self, threads: int, limits: Limits, folder: str | None = None) -> None:
        self.busy = False
        self._threads = threads
        self._limits = limits
        self._folder = folder
        self._process: _Process | None = None
        self._closed = False
        self._starting = threading.Lock()

    def run(self, job: Job) -> list[Outcome]:
        """Compute a cell; a worker that dies or takes too long gives its replicates a failed outcome.

        A cell whose worker was killed from outside is tried once more. Raises `MibenchError` where the code is not
        what the run was planned with.
        """
        self.busy, started_at = True, now()
        try:
            outcomes = self._try(job)
        except WorkerError as failure:
            outcomes = [Outcome(failure.status, clean(failure))] * len(job.replicates)
        finally:
            self.busy = False
        if any(o.device == "cuda" and o.status in FAILURES for o in outcomes):
            self.kill()  # an error may leave the CUDA context unusable
        return [replace(o, started_at=o.started_at or started_at, host=host(), threads=self._threads) for o in outcomes]

    def close(self) -> None:
        """End the process for good, from any thread; whoever waits for its answer is told that it died."""
        with self._starting:
            self._closed = True
            process = self._process
        if process is not None:
            process.close()

    def kill(self) -> None:
        """End the process at once; the next job starts another."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def _try(self, job: Job) -> list[Outcome]:
        try:
            return self._compute(job)
        except WorkerError as failure:
            if not failure.from_outside or self._closed:
                raise
            return self._compute(job)

    def _compute(self, job: Job) -> list[Outcome]:
        self._ask("prepare", job, PREPARE_LIMIT)
        outcomes: list[Outcome] = self._ask("compute", job, self._limits.seconds)
        return outcomes

    def _ask(self, step: str, job: Job, seconds: float | None) -> Any:
        with self._starting:
            if self._closed:
                raise WorkerError("crash", "the run was ended")
            try:
                process = self._process = self._process or _Process(self._threads, self._folder)
            except OSError as error:
                raise WorkerError("crash", f"no worker could be started: {error.strerror or error}") from None
        limits = Limits(seconds, self._limits.memory_mb)
        with _Watch(process, limits) as watch:
            try:
                kind, answer, soiled = process.ask(step, job)
            except Exception:  # the pipe broke, or what came through it is no answer
                failure = _explain(process, step, limits, watch.crossed)
                self.kill()
                raise failure from None
        if soiled:
            self.kill()
        if kind == "stale":
            raise MibenchError(answer)
        if kind == "error":
            raise WorkerError("error", answer)
        return answer


class _Process:
    """A worker program, and the end of what it has printed."""

    def __init__(self, threads: int, folder: str | None) -> None:
        one = dict.fromkeys(_SINGLE_THREADED, "1")  # sums that are shared out differ in their last digits
        self._popen = subprocess.Popen(
            [sys.executable, "-P", "-m", "mibench.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **one, "NUMBA_NUM_THREADS": str(threads)},
            cwd=folder,
            start_new_session=True,
        )
        self.pid = self._popen.pid
        self._printed: deque[bytes] = deque(maxlen=2)
        self._reader = threading.Thread(target=self._read, args=(self._popen.stderr,), daemon=True)
        self._reader.start()

    def ask(self, step: str, job: Job) -> Any:
        """Send a request, and wait for its answer."""
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        pickle.dump((step, job), self._popen.stdin)
        self._popen.stdin.flush()
        return pickle.load(self._popen.stdout)

    def end(self) -> int:
        """Kill it with all that it started, which may outlive it, and return its exit code."""
        if self._popen.returncode is None:  # else its number may be another's by now
            kill_tree(self.pid)
        return self._popen.wait()

    def close(self) -> None:
        """End it, and close its pipes."""
        self.end()
        for pipe in (self._popen.stdin, self._popen.stdout):
            with contextlib.suppress(OSError):
                pipe.close()  # type: ignore[union-attr]

    def exit_code(self) -> int | None:
        """Return the exit code of a process that is about to end; None where it goes on."""
        try:
            code = self._popen.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return None
        kill_group(self.pid)
        return code

    def last_line(self) -> str:
        """Return the last line that it printed."""
        self._reader.join(timeout=1)
        return b"".join(self._printed)[-2000:].decode(errors="replace").strip().rpartition("\n")[2]

    def _read(self, pipe: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError), pipe:
            while chunk := os.read(pipe.fileno(), 2**16):
                self._printed.append(chunk[-_TAIL:])


class _Watch:
    """A thread that kills a process at a limit; `crossed` tells which: "timeout" or "oom"."""

    def __init__(self, process: _Process, limits: Limits) -> None:
        self.crossed = ""
        self._process = process
        self._limits = limits
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "_Watch":
        if self._limits != Limits():
            self._thread = threading.Thread(target=self._look, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        if self._thread:
            self._thread.join()

    def _look(self) -> None:
        seconds, memory = self._limits.seconds, self._limits.memory_mb
        deadline = time.monotonic() + (seconds or math.inf)
        looks = 0
        while not self._over.wait(_LOOK if memory else max(deadline - time.monotonic(), 0)):
            if time.monotonic() >= deadline:
                self.crossed = "timeout"
            elif memory and resident_mb(self._process.pid, with_children=looks % 10 == 0) > memory:
                self.crossed = "oom"
            if self.crossed:
                self._process.end()
                return
            looks += 1


def _explain(process: _Process, step: str, limits: Limits, crossed: str) -> WorkerError:
    code = process.exit_code()
    if crossed == "timeout":
        what = "longer than" if step == "compute" else "importing and warming up took longer than"
        return WorkerError("timeout", f"{what} {limits.seconds:g} s")
    if crossed == "oom":
        return WorkerError("oom", f"more than {limits.memory_mb:g} MB of memory")
    if code is None:
        return WorkerError("crash", "the process closed its pipes, or wrote what is no answer on them")
    ending = f"killed by {_signal_name(-code)}" if code < 0 else f"the process exited with code {code}"
    last = process.last_line()
    from_outside = -code in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP)
    return WorkerError("crash", f"{ending}: {last}" if last else ending, from_outside)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
