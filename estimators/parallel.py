"""Threads for compiled loops that release the interpreter's lock."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import count as counter
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_CHUNKS = 8  # a thread, so that one that is done early finds more


def threads() -> int:
    """Return how many threads a search may use: ``NUMBA_NUM_THREADS``, or the cores that this process may use."""
    import numba

    return int(vars(numba.config)["NUMBA_NUM_THREADS"])


@lru_cache(maxsize=1)
def _helpers(number: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(number, thread_name_prefix="mibench")


if hasattr(os, "register_at_fork"):  # a child has no threads but the one that forked
    os.register_at_fork(after_in_child=_helpers.cache_clear)


def over_ranges(work: Callable[[int, int], object], count: int, workers: int, grain: int = 1) -> None:
    """Call ``work(begin, end)`` over ranges that make up 0 … count, each of `grain` or more, on `workers` threads."""
    pieces = min(count // max(1, grain), workers * _CHUNKS)
    pieces = max(1, pieces - pieces % workers if workers > 1 else 1)
    edges = [piece * count // pieces for piece in range(pieces + 1)]
    together(lambda piece: work(edges[piece], edges[piece + 1]), range(pieces), workers)


def together(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> list[Result]:
    """Return ``work(item)`` for every item, on `workers` threads, of which the calling one is the first.

    Helpers that have not woken up when all is done are not waited for, so that little work costs little. An error ends
    the work of all of them.
    """
    listed = list(items)
    results: dict[int, Result] = {}
    places = counter()
    failed = False

    def drain() -> None:
        nonlocal failed
        try:
            while not failed and (place := next(places)) < len(listed):
                results[place] = work(listed[place])
        except BaseException:
            failed = True
            raise

    number = min(workers, len(listed)) - 1
    helpers = [_helpers(workers - 1).submit(drain) for _ in range(number)]
    try:
        drain()
    finally:
        awake = [helper for helper in helpers if not helper.cancel()]
        errors = [error for helper in awake if (error := helper.exception())]
    if errors:
        raise errors[0]
    return [results[place] for place in range(len(listed))]
