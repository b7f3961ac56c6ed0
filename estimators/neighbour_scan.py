"""A scan over all pairs of points in float32, which leaves to float64 what its rounding cannot tell."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mibench.estimation import Array

from . import neighbour_kernels as kernels
from .neighbour_kernels import Ints
from .parallel import over_ranges

_WIDTH = 1024  # points of a block: with some tens of coordinates it stays in a core's cache
_GRAIN = 2**20  # coordinates of pairs that are worth the start of a thread,
_PAIR = 6  # where a pair itself costs as much as some


@dataclass(frozen=True)
class Scan:
    """Both sides as rows in float64 and as blocks of float32, for looking at all pairs."""

    x: Array
    y: Array
    x_blocks: NDArray[np.float32]
    y_blocks: NDArray[np.float32]
    scale: float
    x_reach: Array
    y_reach: Array

    @classmethod
    def of(cls, x: Array, y: Array) -> Self:
        """Centre each side and scale both alike, by a power of two, to at most 1."""
        x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
        halves = [(side.min(axis=0) / 2, side.max(axis=0) / 2) for side in (x, y)]
        centres = [low + high for low, high in halves]
        largest = max(float((high - low).max()) for low, high in halves)
        scale = 2.0 ** min(1000, -math.frexp(largest)[1])
        (x_blocks, x_reach), (y_blocks, y_reach) = (
            _pack(*side, scale) for side in zip((x, y), centres, strict=True)
        )
        return cls(x, y, x_blocks, y_blocks, scale, x_reach, y_reach)

    def search(self, k: int, rectangle: bool, workers: int) -> tuple[Array, Ints, Ints]:
        """Return the k-th joint distances and both counts, each (n,)."""
        n = len(self.x)
        found = np.empty(n), np.empty(n, np.int64), np.empty(n, np.int64)
        grain = _GRAIN // (n * (self.x.shape[1] + self.y.shape[1] + _PAIR))
        given = self.x_blocks, self.y_blocks, self.x, self.y, k, rectangle, self.scale, self.x_reach, self.y_reach
        over_ranges(lambda i, j: kernels.scan(*given, i, j, *found), n, workers, grain)
        return found


def _pack(rows: Array, centre: Array, scale: float) -> tuple[NDArray[np.float32], Array]:
    """Return rows (n, d) as blocks (blocks, d, width) of about `_WIDTH` points, and the largest coordinate of each.

    What is left of the last block is padded with infinity.
    """
    n, d = rows.shape
    count = -(-n // _WIDTH)
    width = -(-n // (count * kernels.TILE)) * kernels.TILE
    blocks, reach = np.empty((count, d, width), np.float32), np.empty(n)
    kernels.pack(rows, centre, scale, blocks, reach)
    return blocks, reach
