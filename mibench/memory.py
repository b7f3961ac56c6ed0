"""How much memory a call takes, and the watch that ends a worker which takes too much or has lost its parent."""

import os
import threading
from types import TracebackType
from typing import Self

import psutil

EXIT_OUT_OF_MEMORY = 87
_INTERVAL = 0.02  # seconds between two looks
_MB = 2.0**20

_process = psutil.Process()


class _Seen:
    """The largest resident memory, in bytes, since it was last set."""

    peak = 0


def _resident() -> int:
    return int(_process.memory_info().rss)


class PeakMeter:
    """Measures what a block adds to the resident memory of the process, or on a GPU what it allocates there."""

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


def _end(code: int) -> None:
    """Leave at once, and take along what the estimator started."""
    for child in _process.children(recursive=True):
        child.kill()
    os._exit(code)


def watch(limit_mb: float | None) -> None:
    """Look at this process from a thread: follow its peak, and end it above the limit or without its parent."""
    parent = os.getppid()

    def look() -> None:
        pause = threading.Event()
        while not pause.wait(_INTERVAL):
            resident = _resident()
            _Seen.peak = max(_Seen.peak, resident)
            if limit_mb is not None and resident > limit_mb * _MB:
                _end(EXIT_OUT_OF_MEMORY)
            if os.getppid() != parent:
                _end(1)

    threading.Thread(target=look, daemon=True).start()
