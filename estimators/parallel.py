"""Threads for compiled loops that release the interpreter's lock."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

import numba

Item = TypeVar("Item")
Result = TypeVar("Result")

_CHUNKS = 8  # a thread, so that one that is done early finds more


def threads() -> int:
    """Return how many threads a search may use: ``NUMBA_NUM_THREADS``, or the cores that this process may use."""
    return int(vars(numba.config)["NUMBA_NUM_THREADS"])


@lru_cache(maxsize=1)
def _pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="mibench")


os.register_at_fork(after_in_child=_pool.cache_clear)


def over_ranges(work: Callable[[int, int], object], count: int, workers: int, grain: int = 1) -> None:
    """Call ``work(begin, end)`` over ranges that make up 0 … count, each of `grain` or more, on `workers` threads."""
    pieces = min(count // max(1, grain), workers * _CHUNKS)
    pieces = max(1, pieces - pieces % workers if workers > 1 else 1)
    edges = [piece * count // pieces for piece in range(pieces + 1)]
    together(lambda piece: work(edges[piece], edges[piece + 1]), range(pieces), workers)


def together(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> list[Result]:
    """Return ``work(item)`` for every item, on `workers` threads; `work` itself must not ask for more than one."""
    listed = list(items)
    if workers == 1 or len(listed) == 1:
        return [work(item) for item in listed]
    return list(_pool(workers).map(work, listed))
