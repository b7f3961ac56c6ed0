"""What an estimator may change in the process that it shares with the cells after it, put back as it was."""

import concurrent.futures.thread
import contextlib
import decimal
import gc
import os
import resource
import signal
import sys
import threading
import warnings
from typing import Any

import numpy as np

from mibench.memory import has_children, resident_mb

_GROWTH_MB = 256.0  # resident memory that a cell may leave behind in a process that goes on
_SIGNALS = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
_RESOURCES = (resource.RLIMIT_NOFILE, resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_STACK)


class Surroundings:
    """The state of a process before a cell."""

    def __init__(self) -> None:
        self._folder, self._environment, self._umask = os.getcwd(), dict(os.environ), _umask()
        self._path, self._streams = list(sys.path), (sys.stdin, sys.stdout, sys.stderr)
        self._outputs = {number: os.dup(number) for number in (1, 2)}
        self._filters, self._errors, self._depth = list(warnings.filters), np.geterr(), sys.getrecursionlimit()
        self._decimal = decimal.getcontext().copy()
        self._handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        self._torch = _torch_state()
        self._limits = _limits()
        self._threads = set(threading.enumerate())
        self._resident = resident_mb(os.getpid())

    def restore(self, imports: bool = False) -> bool:
        """Put everything back; return whether something cannot be, after which the process should take no other cell.

        What `imports` may change for good, environment variables, ``sys.path`` and filters of warnings, stays then.
        """
        for timer in _TIMERS:
            signal.setitimer(timer, 0)
        for signal_, handler in self._handlers.items():
            if handler is not None and signal.getsignal(signal_) != handler:
                signal.signal(signal_, handler)
        with contextlib.suppress(OSError):
            os.chdir(self._folder)
        os.umask(self._umask)
        for number, copy in self._outputs.items():
            os.dup2(copy, number)
            os.close(copy)
        sys.stdin, sys.stdout, sys.stderr = self._streams
        if sys.stdout.closed or sys.stderr.closed:
            sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
            sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc]
        if not imports:
            if dict(os.environ) != self._environment:
                os.environ.clear()
                os.environ.update(self._environment)
            sys.path[:] = self._path
            warnings.filters[:] = self._filters  # type: ignore[index]
        sys.setrecursionlimit(self._depth)
        sys.settrace(None)
        sys.setprofile(None)
        np.seterr(**self._errors)
        decimal.setcontext(self._decimal)
        gc.enable()
        _restore_torch(self._torch)
        return (
            any(not _waits_for_work(thread) for thread in set(threading.enumerate()) - self._threads)
            or has_children()
            or _limits() != self._limits
            or resident_mb(os.getpid()) - self._resident > _GROWTH_MB
        )


def _waits_for_work(thread: threading.Thread) -> bool:
    """Return whether a thread is an idle one of a pool of `concurrent.futures`."""
    frame = sys._current_frames().get(thread.ident or 0)
    return frame is None or frame.f_code is concurrent.futures.thread._worker.__code__


def _limits() -> list[object]:
    """Return which cores the process may use, and how much else."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    return [cores, *(resource.getrlimit(kind) for kind in _RESOURCES)]


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _torch_state() -> dict[str, Any]:
    """Return torch's settings; nothing where it is not imported yet."""
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    return {
        "set_num_threads": torch.get_num_threads(),
        "set_default_dtype": torch.get_default_dtype(),
        "set_grad_enabled": torch.is_grad_enabled(),
        "use_deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "set_default_device": torch.get_default_device(),
    }


def _restore_torch(before: dict[str, Any]) -> None:
    """Put torch's settings back, or to what it begins with in a worker where it was not imported before."""
    torch = sys.modules.get("torch")
    if torch is None:
        return
    first = {"set_num_threads": 1, "set_default_dtype": torch.float32, "set_grad_enabled": True}
    first |= {"use_deterministic_algorithms": False, "set_default_device": torch.device("cpu")}
    now = _torch_state()
    for setter, value in (before or first).items():
        if now[setter] != value:
            getattr(torch, setter)(value)
