"""A k-d tree in compiled code: searches of points near each other share the way down."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np

from mibench.estimation import Array

from . import neighbour_kernels as kernels
from .neighbour_kernels import Ints
from .parallel import over_ranges, together

LEAF = 64  # points of a leaf in low dimension; twice as many where boxes are wide
_LEAVES = 4  # that are worth the start of a thread
_PILOTS, _PILOT = 8, 16  # leaves (or one of 32 if that is fewer) and points of each that say what a search will cost


@dataclass(frozen=True)
class Tree:
    """A k-d tree of points (n, d) in float64: its leaves as blocks, and the boxes of all its nodes."""

    blocks: Array
    ids: Ints
    low: Array
    high: Array
    n: int

    @classmethod
    def build(cls, points: Array, workers: int) -> Self:
        """Sort `points` into leaves."""
        n, d = points.shape
        rows = np.ascontiguousarray(points)
        depth = max(0, math.ceil(math.log2(n / (LEAF if d < 3 else 2 * LEAF))))
        leaves = 2**depth
        order, keys = np.arange(n), np.empty(n)
        low, high = np.empty((2 * leaves, d)), np.empty((2 * leaves, d))
        top = min(depth, (workers - 1).bit_length())  # as many subtrees as threads
        arrays = order, keys, low, high
        kernels.build_tree(rows, leaves, 1, top, *arrays)
        roots = range(2**top, 2 ** (top + 1)) if depth > top else ()
        together(lambda root: kernels.build_tree(rows, leaves, root, depth - top, *arrays), roots, workers)
        most = -(-n // leaves)
        blocks = np.empty((leaves, d, -(-most // kernels.LANES) * kernels.LANES))
        ids = np.empty((leaves, most), np.int64)
        over_ranges(lambda i, j: kernels.fill_blocks(rows, order, i, j, blocks, ids), leaves, workers, 4 * _LEAVES)
        return cls(blocks, ids, low, high, n)

    def nearest(self, k: int, euclidean: bool, workers: int) -> tuple[Array, Ints]:
        """Return the distances (n, k) and the rows (n, k) of the nearest others."""
        distance, index = np.empty((self.n, k)), np.empty((self.n, k), np.int64)
        over_ranges(partial(self._search, euclidean, self.n, distance, index), len(self.blocks), workers, _LEAVES)
        return np.sqrt(distance, out=distance) if euclidean else distance, index

    def counts(self, radii: Array, closed: bool, workers: int) -> Ints:
        """Return the number of others within radii (n,)."""
        found = np.empty(self.n, np.int64)
        arrays = self.blocks, self.ids, self.low, self.high
        over_ranges(
            lambda i, j: kernels.tree_counts(*arrays, closed, i, j, radii, found), len(self.blocks), workers, _LEAVES
        )
        return found

    def pilot(self, k: int) -> float:
        """Return how many others the search for k neighbours looks at a point, judged by a few leaves."""
        distance, index = np.empty((self.n, k)), np.empty((self.n, k), np.int64)
        leaves = len(self.blocks)
        pilots = max(1, min(_PILOTS, leaves // 32))
        chosen = (2 * np.arange(pilots) + 1) * leaves // (2 * pilots)
        pairs = sum(self._search(False, _PILOT, distance, index, int(leaf), int(leaf) + 1) for leaf in chosen)
        return float(pairs / np.minimum((self.ids[chosen] >= 0).sum(axis=1), _PILOT).sum())

    def _search(self, euclidean: bool, most: int, distance: Array, index: Ints, begin: int, end: int) -> int:
        arrays = self.blocks, self.ids, self.low, self.high
        return int(kernels.tree_nearest(*arrays, euclidean, most, begin, end, distance, index))
