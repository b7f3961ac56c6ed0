"""Nearest neighbours and neighbour counts of whole cells: the one answer of float64 arithmetic, by the fastest search.

On a CPU a fused scan over all pairs competes with k-d trees (`neighbour_kernels`); on a GPU all pairs are looked at in
chunks (`neighbours_torch`). Points that tie are treated alike by all of them. Memory is O(n d) and a few rows of n
numbers a thread, never O(n²).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from mibench.estimation import Array

from . import neighbour_kernels as kernels
from .parallel import over_ranges, threads, together

Counts = NDArray[np.int64]
Result = TypeVar("Result")

_WIDTH = 1024  # points of a block of the scan: with some tens of coordinates it stays in a core's cache
_LEAF = 64  # points of a leaf in low dimension; twice as many where boxes are wide
_FEW = 256  # points that need neither a scan in float32 nor a tree
_SMALL = 2**22  # pairs below which replicates run side by side, each on one thread
# Points, leaves and coordinates of pairs (a pair itself costs as much as some) that are worth the start of a thread.
_POINTS, _LEAVES, _GRAIN, _PAIR = 1000, 4, 2**20, 6
_PILOTS = 8  # leaves that say what the others will cost, or one of 32 where that is fewer

# Seconds on one core, fitted once to timings over n, d and intrinsic dimension (tests/benchmarks/fit_search_cost.py);
# only their ratios matter.
_SCAN_PAIR, _SCAN_COORDINATE, _SCAN_POINT = 3.7e-10, 5.7e-11, 7.5e-7
_TREE_PAIR, _TREE_COORDINATE, _TREE_POINT = 3.5e-9, 1.8e-10, 3.7e-7


@dataclass(frozen=True)
class Neighbourhoods:
    """Of each point (R, n): its k-th joint distance, and how many others are that near in x and in y."""

    radii: Array
    x_counts: Counts
    y_counts: Counts


def joint(x: Array, y: Array, k: int, *, rectangle: bool, device: str) -> Neighbourhoods:
    """Return the neighbourhoods of x (R, n, d_x) and y (R, n, d_y) under the larger of both Chebyshev distances.

    Counted are the others that are nearer than the k-th joint distance. With `rectangle` each side has a distance of
    its own, the largest among all points that are no farther than the k-th, and those up to it count.
    """
    if device == "cuda":
        from .neighbours_torch import joint as on_gpu

        return Neighbourhoods(*on_gpu(x, y, k, rectangle, device))
    if x.shape[1] <= _FEW:
        return _joint_of_few(x, y, k, rectangle)
    found = _each(lambda r, workers: _joint(x[r], y[r], k, rectangle, workers), x)
    return Neighbourhoods(*(np.stack(part) for part in zip(*found, strict=True)))


def nearest(points: Array, k: int, *, euclidean: bool = False, device: str) -> tuple[Array, Counts]:
    """Return the distances (R, n, k) to the nearest others, ascending, and whose they are; of equals the first row.

    Distances between points (R, n, d) are Chebyshev or Euclidean.
    """
    if euclidean:  # squares neither overflow nor vanish once the largest number is near 1
        largest = np.abs(points).max()
        unit = 2.0 ** math.frexp(largest)[1] if largest > 0 else 1.0
        distance, index = _nearest(points / unit, k, euclidean, device)
        return distance * unit, index
    return _nearest(points, k, euclidean, device)


def _nearest(points: Array, k: int, euclidean: bool, device: str) -> tuple[Array, Counts]:
    if device == "cuda":
        from .neighbours_torch import nearest as on_gpu

        return on_gpu(points, k, euclidean, device)
    found = _each(lambda r, workers: Tree.build(points[r], workers).nearest(k, euclidean, workers), points)
    return np.stack([distance for distance, _ in found]), np.stack([index for _, index in found])


def warm_up(device: str) -> None:
    """Compile every search, or load it from the cache, and start the device."""
    points = np.arange(6.0).reshape(1, 3, 2)
    for rectangle in (False, True):
        joint(points, points, 1, rectangle=rectangle, device=device)
        if device == "cpu":
            Scan.of(points[0], points[0]).search(1, rectangle, 1)
            _by_trees(Tree.build(points[0], 1), points[0], points[0, :, :1], 1, rectangle, 1)


def counts(points: Array, radii: Array, *, closed: bool, device: str) -> Counts:
    """Return how many others (R, n) of points (R, n, d) are nearer than radii (R, n), or if `closed` not farther."""
    if device == "cuda":
        from .neighbours_torch import counts as on_gpu

        return on_gpu(points, radii, closed, device)
    return np.stack(_each(lambda r, workers: _counts(points[r], radii[r], closed, workers), points))


def _each(work: Callable[[int, int], Result], cell: Array) -> list[Result]:
    """Return ``work(r, threads)`` of each replicate: side by side where they are many and small, else in turn."""
    replicates, n = cell.shape[:2]
    if n * n < _SMALL and replicates >= threads():
        return together(lambda r: work(r, 1), range(replicates), threads())
    return [work(r, threads()) for r in range(replicates)]


def _joint_of_few(x: Array, y: Array, k: int, rectangle: bool) -> Neighbourhoods:
    left, right = (np.ascontiguousarray(side.transpose(0, 2, 1)) for side in (x, y))
    shape = x.shape[:2]
    found = np.empty(shape), np.empty(shape, np.int64), np.empty(shape, np.int64)
    grain = _GRAIN // (shape[1] ** 2 * (x.shape[2] + y.shape[2] + 3 * _PAIR))
    over_ranges(lambda i, j: kernels.small(left, right, k, rectangle, i, j, *found), shape[0], threads(), grain)
    return Neighbourhoods(*found)


def _joint(x: Array, y: Array, k: int, rectangle: bool, workers: int) -> tuple[Array, Counts, Counts]:
    n, d = len(x), x.shape[1] + y.shape[1]
    scan_cost = n * (n * (_SCAN_PAIR + d * _SCAN_COORDINATE) + _SCAN_POINT)
    if scan_cost > n * _tree_cost(3 * _LEAF, d):  # about the least that a search looks at
        tree = Tree.build(np.concatenate([x, y], axis=1), workers)
        if scan_cost > n * _tree_cost(tree.pilot(k), d):
            return _by_trees(tree, x, y, k, rectangle, workers)
    return Scan.of(x, y).search(k, rectangle, workers)


def _tree_cost(pairs: float, d: int) -> float:
    """Return the seconds a point that trees take where the search in the joint space looks at `pairs` others."""
    return pairs * (_TREE_PAIR + d * _TREE_COORDINATE) + _TREE_POINT


def _by_trees(
    tree: "Tree", x: Array, y: Array, k: int, rectangle: bool, workers: int
) -> tuple[Array, Counts, Counts]:
    n = len(x)
    distance, index = tree.nearest(min(k + 1, n - 1) if rectangle else k, False, workers)
    radii = distance[:, k - 1].copy()
    edges = (radii, radii)
    if rectangle:
        tied = distance[:, -1] == radii if distance.shape[1] > k else np.zeros(n, bool)
        edges = np.empty(n), np.empty(n)
        over_ranges(partial(kernels.rectangles, x, y, index[:, :k], radii, tied, *edges), n, workers, _POINTS)
    left, right = (_counts(side, edge, rectangle, workers) for side, edge in zip((x, y), edges, strict=True))
    return radii, left, right


def _counts(points: Array, radii: Array, closed: bool, workers: int) -> Counts:
    if points.shape[1] > 1:
        return Tree.build(points, workers).counts(radii, closed, workers)
    found = np.empty(len(points), np.int64)
    order = np.argsort(points[:, 0])
    ascending = np.empty_like(found)
    values, edges = points[order, 0], radii[order]
    given = values, edges, closed
    over_ranges(lambda i, j: kernels.sorted_counts(*given, i, j, ascending), len(points), workers, _POINTS)
    found[order] = ascending
    return found


@dataclass(frozen=True)
class Tree:
    """A k-d tree of points (n, d) in float64: its leaves as blocks, and the boxes of all its nodes."""

    blocks: Array
    ids: Counts
    low: Array
    high: Array
    n: int

    @classmethod
    def build(cls, points: Array, workers: int) -> Self:
        """Sort `points` into leaves."""
        n, d = points.shape
        rows = np.ascontiguousarray(points)
        depth = max(0, math.ceil(math.log2(n / (_LEAF if d < 3 else 2 * _LEAF))))
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

    def nearest(self, k: int, euclidean: bool, workers: int) -> tuple[Array, Counts]:
        """Return the distances (n, k) and the rows (n, k) of the nearest others."""
        distance, index = np.empty((self.n, k)), np.empty((self.n, k), np.int64)
        over_ranges(partial(self._search, euclidean, self.n, distance, index), len(self.blocks), workers, _LEAVES)
        return np.sqrt(distance, out=distance) if euclidean else distance, index

    def counts(self, radii: Array, closed: bool, workers: int) -> Counts:
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
        pairs = sum(self._search(False, _LEAF // 4, distance, index, int(leaf), int(leaf) + 1) for leaf in chosen)
        return float(pairs / np.minimum((self.ids[chosen] >= 0).sum(axis=1), _LEAF // 4).sum())

    def _search(self, euclidean: bool, most: int, distance: Array, index: Counts, begin: int, end: int) -> int:
        arrays = self.blocks, self.ids, self.low, self.high
        return int(kernels.tree_nearest(*arrays, euclidean, most, begin, end, distance, index))


@dataclass(frozen=True)
class Scan:
    """Both sides as rows in float64 and as blocks of float32, for looking at all pairs."""

    x: Array
    y: Array
    x_blocks: NDArray[np.float32]
    y_blocks: NDArray[np.float32]
    scale: float
    doubt: float
    reach: Array

    @classmethod
    def of(cls, x: Array, y: Array) -> Self:
        """Centre each side and scale both alike, by a power of two, to at most 1."""
        x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
        edges = [(side.min(axis=0), side.max(axis=0)) for side in (x, y)]
        centres = [low / 2 + high / 2 for low, high in edges]
        largest = max(float((high / 2 - low / 2).max()) for low, high in edges)
        scale = 2.0 ** -math.frexp(largest)[1] if largest > 0 else 1.0
        offset = max(float(np.abs(edge).max()) for edge in edges)
        doubt = 2.0**-50 * offset * scale + 2.0**-126  # centring rounds in float64, and float32 ends there
        reach = np.zeros(len(x))
        x_blocks, y_blocks = (_pack(*side, scale, reach) for side in zip((x, y), centres, strict=True))
        return cls(x, y, x_blocks, y_blocks, scale, doubt, reach)

    def search(self, k: int, rectangle: bool, workers: int) -> tuple[Array, Counts, Counts]:
        """Return the k-th joint distances and both counts, each (n,)."""
        n = len(self.x)
        found = np.empty(n), np.empty(n, np.int64), np.empty(n, np.int64)
        grain = _GRAIN // (n * (self.x.shape[1] + self.y.shape[1] + _PAIR))
        given = self.x_blocks, self.y_blocks, self.x, self.y, k, rectangle, self.scale, self.doubt, self.reach
        over_ranges(lambda i, j: kernels.scan(*given, i, j, *found), n, workers, grain)
        return found


def _pack(rows: Array, centre: Array, scale: float, reach: Array) -> NDArray[np.float32]:
    """Return rows (n, d) as blocks (blocks, d, width) of about `_WIDTH` points, padded with infinity."""
    n, d = rows.shape
    count = -(-n // _WIDTH)
    width = -(-n // (count * kernels.TILE)) * kernels.TILE
    blocks = np.empty((count, d, width), np.float32)
    kernels.pack(rows, centre, scale, blocks, reach)
    return blocks
