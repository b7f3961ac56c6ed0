"""Columns that vary: a constant one carries no information, and must not reach a method as rounding noise."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mibench.estimation import Array

Index = NDArray[np.integer[Any]]


def varying(side: Array) -> Array:
    """Return the columns of `side` (n, ...) that are not constant, (n, d), each scaled to at most 1.

    The scales are powers of two, which round nothing, so that no square or difference overflows or vanishes.
    """
    columns = side.reshape(len(side), -1)
    kept = columns[:, columns.max(axis=0) > columns.min(axis=0)]
    scaled: Array = np.ldexp(kept, -np.frexp(np.abs(kept).max(axis=0))[1])
    return scaled


def varying_stacks(x: Array, y: Array) -> Iterator[tuple[Index, Array, Array]]:
    """Yield the replicates of x (R, n, ...) and y (R, n, ...) that vary in the same columns, with these columns alone.

    Each is (replicates, x, y); those of which a whole side is constant are not among them.
    """
    left, right = (side.reshape(*side.shape[:2], -1) for side in (x, y))
    masks = np.hstack([side.max(axis=1) > side.min(axis=1) for side in (left, right)])
    patterns, which = np.unique(masks, axis=0, return_inverse=True)
    for place, pattern in enumerate(patterns):
        kept_x, kept_y = np.split(pattern, [left.shape[2]])
        replicates = np.flatnonzero(which == place)
        if kept_x.any() and kept_y.any():
            yield replicates, left[replicates][..., kept_x], right[replicates][..., kept_y]
