"""Nearest neighbours and neighbour counts of whole cells: the one answer of float64 arithmetic, by the fastest search.

On a CPU a fused scan over all pairs competes with k-d trees (`neighbour_kernels`); on a GPU all pairs are looked at in
chunks (`neighbours_torch`). Points that tie are treated alike by all of them. Memory is O(n d) and a few rows of n
numbers a thread, never O(n²).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from mibench.estimation import Array

from . import neighbour_kernels as kernels
from .neighbour_kernels import Ints
from .neighbour_scan import Scan
from .neighbour_tree import LEAF, Tree
from .parallel import over_ranges, threads, together

Result = TypeVar("Result")

_FEW = 256  # points that need neither a scan in float32 nor a tree
_LARGE = 2.0**1000  # beyond, differences may overflow
_SMALL = 2**22  # pairs below which replicates run side by side, each on one thread
_POINTS, _PAIRS = 1000, 2**16  # points and pairs of points that are worth the start of a thread

# Seconds on one core, fitted once to timings over n, d = d_x = d_y and intrinsic dimension, for k = 3 and variant 1
# (tests/benchmarks/fit_search_cost.py); only their ratios matter.
_SCAN_PAIR, _SCAN_COORDINATE, _SCAN_POINT = 3.7e-10, 5.7e-11, 7.5e-7
_TREE_PAIR, _TREE_COORDINATE, _TREE_POINT = 3.5e-9, 1.8e-10, 3.7e-7
_TREE_INSERTION = 9e-10  # times k², for keeping the nearest sorted; from timings at k = 500


@dataclass(frozen=True)
class Neighbourhoods:
    """Of each point (R, n): its k-th joint distance, and how many others are that near in x and in y."""

    radii: Array
    x_counts: Ints
    y_counts: Ints


def joint(x: Array, y: Array, k: int, *, rectangle: bool, device: str) -> Neighbourhoods:
    """Return the neighbourhoods of x (R, n, d_x) and y (R, n, d_y) under the larger of both Chebyshev distances.

    Counted are the others that are nearer than the k-th joint distance. With `rectangle` each side has a distance of
    its own, the largest among all points that are no farther than the k-th, and those up to it count.
    """
    unit = _unit(_LARGE, x, y)
    x, y = _plain(x, unit), _plain(y, unit)
    if device == "cuda":
        from .neighbours_torch import joint as on_gpu

        radii, x_counts, y_counts = on_gpu(x, y, k, rectangle, device)
    elif x.shape[1] <= _FEW:
        radii, x_counts, y_counts = _joint_of_few(x, y, k, rectangle)
    else:
        found = _each(lambda r, workers: _joint(x[r], y[r], k, rectangle, workers), x)
        radii, x_counts, y_counts = (np.stack(part) for part in zip(*found, strict=True))
    return Neighbourhoods(radii * unit[..., 0], x_counts, y_counts)


def nearest(points: Array, k: int, *, euclidean: bool = False, device: str) -> tuple[Array, Ints]:
    """Return the distances (R, n, k) to the nearest others, ascending, and whose they are; of equals the first row.

    Distances between points (R, n, d) are Chebyshev or Euclidean. Squares of what is less than 10⁻¹⁵⁴ of the largest
    number vanish.
    """
    unit = _unit(0.0 if euclidean else _LARGE, points)
    points = _plain(points, unit)
    if device == "cuda":
        from .neighbours_torch import nearest as on_gpu

        distance, index = on_gpu(points, k, euclidean, device)
    else:
        found = _each(lambda r, workers: Tree.build(points[r], workers).nearest(k, euclidean, workers), points)
        distance, index = (np.stack(part) for part in zip(*found, strict=True))
    return distance * unit, index


def counts(points: Array, radii: Array, *, closed: bool, device: str) -> Ints:
    """Return how many others (R, n) of points (R, n, d) are nearer than radii (R, n), or if `closed` not farther."""
    unit = _unit(_LARGE, points)
    points, radii = _plain(points, unit), _plain(radii, unit[..., 0])
    if device == "cuda":
        from .neighbours_torch import counts as on_gpu

        return on_gpu(points, radii, closed, device)
    return np.stack(_each(lambda r, workers: _counts(points[r], radii[r], closed, workers), points))


def warm_up(device: str) -> None:
    """Compile every search, or load it from the cache, and start the device."""
    points = np.random.default_rng(0).random((1, 5, 2))
    one = np.ascontiguousarray(points[..., :1])
    for rectangle in (False, True):
        joint(points, one, 1, rectangle=rectangle, device=device)
        nearest(points, 1, euclidean=rectangle, device=device)
        for side in (points, one):
            counts(side, side[..., 0], closed=rectangle, device=device)
        if device == "cpu":
            Scan.of(points[0], one[0]).search(1, rectangle, 1)
            _by_trees(Tree.build(points[0], 1), points[0], one[0], 1, rectangle, 1)


def _plain(array: Array, unit: Array) -> Array:
    """Return the array in units of `unit`, as the compiled searches take it."""
    return np.require(array if (unit == 1).all() else array / unit, np.float64, ["C", "W"])


def _unit(bound: float, *cells: Array) -> Array:
    """Return a power of two (R, 1, 1) for each replicate of which a number exceeds `bound`: dividing rounds nothing."""
    largest = np.max([np.abs(cell).max(axis=(1, 2)) for cell in cells], axis=0).astype(np.float64)
    exponent = np.where(largest > bound, np.frexp(largest)[1], 0)
    return np.ldexp(1.0, np.minimum(exponent, 1023))[:, None, None]


def _each(work: Callable[[int, int], Result], cell: Array) -> list[Result]:
    """Return ``work(r, threads)`` of each replicate: side by side where they are many and small, else in turn."""
    replicates, n = cell.shape[:2]
    if n * n < _SMALL and replicates >= threads():
        return together(lambda r: work(r, 1), range(replicates), threads())
    return [work(r, threads()) for r in range(replicates)]


def _joint_of_few(x: Array, y: Array, k: int, rectangle: bool) -> tuple[Array, Ints, Ints]:
    left, right = (np.ascontiguousarray(side.transpose(0, 2, 1)) for side in (x, y))
    shape = x.shape[:2]
    found = np.empty(shape), np.empty(shape, np.int64), np.empty(shape, np.int64)
    grain = _PAIRS // shape[1] ** 2
    over_ranges(lambda i, j: kernels.small(left, right, k, rectangle, i, j, *found), shape[0], threads(), grain)
    return found


def _joint(x: Array, y: Array, k: int, rectangle: bool, workers: int) -> tuple[Array, Ints, Ints]:
    n, d = len(x), x.shape[1] + y.shape[1]
    scan_cost = n * (n * (_SCAN_PAIR + d * _SCAN_COORDINATE) + _SCAN_POINT)
    if scan_cost > n * _tree_cost(3 * LEAF, d, k):  # about the least that a search looks at
        tree = Tree.build(np.concatenate([x, y], axis=1), workers)
        if scan_cost > n * _tree_cost(tree.pilot(k), d, k):
            return _by_trees(tree, x, y, k, rectangle, workers)
    return Scan.of(x, y).search(k, rectangle, workers)


def _tree_cost(pairs: float, d: int, k: int) -> float:
    """Return the seconds a point that trees take where the search in the joint space looks at `pairs` others."""
    return pairs * (_TREE_PAIR + d * _TREE_COORDINATE) + _TREE_POINT + k**2 * _TREE_INSERTION


def _by_trees(
    tree: Tree, x: Array, y: Array, k: int, rectangle: bool, workers: int
) -> tuple[Array, Ints, Ints]:
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


def _counts(points: Array, radii: Array, closed: bool, workers: int) -> Ints:
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
