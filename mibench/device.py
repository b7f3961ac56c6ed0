"""What this process may compute on: a GPU, asked without importing torch where there cannot be one, and cores."""

import ctypes
import os
import sys
from functools import cache


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def has_cuda() -> bool:
    """Return whether torch sees a GPU."""
    if not _has_driver():
        return False
    import torch

    return bool(torch.cuda.is_available())


def _has_driver() -> bool:
    """Look for the driver of NVIDIA, or of AMD, which torch calls CUDA too: importing torch takes a second."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return os.path.exists("/dev/kfd")
    return True
