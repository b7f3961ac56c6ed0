"""How much memory processes take, what they have started, and how all of it is ended."""

import contextlib
import ctypes
import os
import signal
import sys
import threading
from types import TracebackType
from typing import Self

import psutil

_INTERVAL = 0.02  # seconds between two looks
_MB = 2.0**20
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)

_process = psutil.Process()


class _Seen:
    """The largest resident memory, in bytes, since it was last set."""

    peak = 0


def _resident() -> int:
    """Return the resident memory of this process, and of programs that run in it, in bytes."""
    if _has_started_any():
        return int(resident_mb(_process.pid, with_children=True) * _MB)
    return int(_process.memory_info().rss)


def _has_started_any() -> bool:
    """Return whether this process has children; one system call, where a list of them takes a look at all processes."""
    if not hasattr(os, "waitid"):
        return False
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def resident_mb(pid: int, with_children: bool = False) -> float:
    """Return the resident memory of a process, in MB, and that of what it started, shared pages left out; 0 if gone."""
    total = 0.0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        total = process.memory_info().rss
        for child in process.children(recursive=True) if with_children else ():
            with contextlib.suppress(psutil.Error):
                info = child.memory_info()
                total += info.rss - getattr(info, "shared", 0)
    return total / _MB


class PeakMeter:
    """Measures what a block adds to the resident memory of the process and its programs, or what it takes on a GPU."""

    def __init__(self, device: str) -> None:
        self._device = device
        self.peak_mb = 0.0

    def __enter__(self) -> Self:
        if self._device == "cuda":
            import torch

            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        self._before = _Seen.peak = _resident()
        return self

    def synchronise(self) -> None:
        """Wait for the device, so that the clock sees all of the work."""
        if self._device == "cuda":
            import torch

            torch.cuda.synchronize()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._device == "cuda":
            import torch

            self.peak_mb = torch.cuda.max_memory_allocated() / _MB
        else:
            self.peak_mb = (max(_Seen.peak, _resident()) - self._before) / _MB


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory could not be had, on the CPU or a GPU."""
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "DefaultCPUAllocator" in str(error)  # a bare RuntimeError of torch
    )


def limit_allocator(memory_mb: float) -> None:
    """Have torch allocate no more than this on the GPU."""
    import torch

    total = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, memory_mb * _MB / total))


def release_allocator() -> None:
    """Give back what torch keeps on the GPU for later, as another process may be the next to need it."""
    import torch

    torch.cuda.empty_cache()


def adopt_orphans() -> None:
    """Have what descends from this process become its child when its own parent ends, so that none gets away."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def has_children() -> bool:
    """Return whether anything that this process started is still there."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass  # what has ended, and nobody has waited for
        return True
    return False


def kill_tree(pid: int) -> None:
    """Kill a process and all that it started, whatever process group or session that is in."""
    stopped: list[psutil.Process] = []  # before any is killed, lest one of them start another meanwhile
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        while found := [each for each in (root, *root.children(recursive=True)) if each not in stopped]:
            stopped += found
            for each in found:
                with contextlib.suppress(psutil.Error):
                    each.suspend()
    for each in stopped:
        with contextlib.suppress(psutil.Error):
            each.kill()
    kill_group(pid)


def kill_group(pid: int) -> None:
    """Kill what is left of the process group that a process began."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def watch() -> None:
    """Look at this process from a thread: follow its peak memory, and end it once its parent is gone."""
    parent = os.getppid()

    def look() -> None:
        pause = threading.Event()
        while not pause.wait(_INTERVAL):
            _Seen.peak = max(_Seen.peak, _resident())
            if os.getppid() != parent:
                with contextlib.suppress(psutil.Error):
                    for child in _process.children(recursive=True):
                        with contextlib.suppress(psutil.Error):
                            child.kill()
                os._exit(1)

    threading.Thread(target=look, daemon=True).start()
