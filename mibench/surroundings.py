"""What an estimator may change in the process that it shares with the cells after it, put back as it was."""

import concurrent.futures.thread
import contextlib
import decimal
import gc
import os
import random
import signal
import sys
import threading
import warnings
from typing import Any

import numpy as np

from mibench.memory import has_children, resident_mb

_GROWTH_MB = 256.0  # resident memory that a cell may leave behind in a process that goes on
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD, signal.SIGPIPE, signal.SIGHUP)


def seed_everything(seed: int) -> None:
    """Seed the global random numbers, for methods that draw from them."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed % 2**63)


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
        self._threads = set(threading.enumerate())
        self._resident = resident_mb(os.getpid())

    def restore(self) -> str:
        """Put everything back; return what cannot be, after which the process should take no other cell."""
        with contextlib.suppress(OSError):
            os.chdir(self._folder)
        if dict(os.environ) != self._environment:
            os.environ.clear()
            os.environ.update(self._environment)
        os.umask(self._umask)
        for number, copy in self._outputs.items():
            os.dup2(copy, number)
            os.close(copy)
        sys.path[:], (sys.stdin, sys.stdout, sys.stderr) = self._path, self._streams
        sys.setrecursionlimit(self._depth)
        sys.settrace(None)
        sys.setprofile(None)
        warnings.filters[:] = self._filters  # type: ignore[index]
        np.seterr(**self._errors)
        decimal.setcontext(self._decimal)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._handlers.items():
            if handler is not None and signal.getsignal(number) != handler:
                signal.signal(number, handler)
        gc.enable()
        _restore_torch(self._torch)
        if any(not _waits_for_work(thread) for thread in set(threading.enumerate()) - self._threads):
            return "threads that still run"
        if has_children():
            return "processes that still run"
        if resident_mb(os.getpid()) - self._resident > _GROWTH_MB:
            return "memory that is not freed"
        return ""


def _waits_for_work(thread: threading.Thread) -> bool:
    """Return whether a thread is an idle one of a pool of `concurrent.futures`."""
    frame = sys._current_frames().get(thread.ident or 0)
    return frame is None or frame.f_code.co_filename == concurrent.futures.thread.__file__


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _torch_state() -> dict[str, Any]:
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


def _restore_torch(state: dict[str, Any]) -> None:
    if not state:
        return
    torch = sys.modules["torch"]
    now = _torch_state()
    for setter, value in state.items():
        if now[setter] != value:
            getattr(torch, setter)(value)
