"""Whichever search runs, its answer is that of float64 arithmetic, ties included."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mibench.estimators import neighbours, neighbours_torch
from mibench.estimators.neighbour_scan import Scan
from mibench.estimators.neighbour_tree import Tree

RNG = np.random.default_rng(0)


def naive(x, y, k, rectangle):
    """Return the k-th joint distances and both counts, by the definition."""
    dx, dy = (np.abs(side[:, None] - side[None]).max(axis=2) for side in (x, y))
    both = np.maximum(dx, dy)
    for distance in (dx, dy, both):
        np.fill_diagonal(distance, np.inf)
    radius = np.sort(both, axis=1)[:, k - 1 : k]
    if not rectangle:
        return radius[:, 0], (dx < radius).sum(axis=1), (dy < radius).sum(axis=1)
    edges = [np.where(both <= radius, side, 0).max(axis=1, keepdims=True) for side in (dx, dy)]
    return radius[:, 0], (dx <= edges[0]).sum(axis=1), (dy <= edges[1]).sum(axis=1)


def by_scan(x, y, k, rectangle):
    return Scan.of(x, y).search(k, rectangle, 2)


def by_trees(x, y, k, rectangle):
    return neighbours._by_trees(Tree.build(np.concatenate([x, y], axis=1), 2), x, y, k, rectangle, 2)


def as_few(x, y, k, rectangle):
    return tuple(part[0] for part in neighbours._joint_of_few(x[None], y[None], k, rectangle))


def in_chunks(x, y, k, rectangle):
    return tuple(part[0] for part in neighbours_torch.joint(x[None], y[None], k, rectangle, "cpu"))


WAYS = [by_scan, by_trees, as_few, in_chunks]


def plain(n, dx, dy):
    x = RNG.standard_normal((n, dx))
    return x, x[:, :1] + 0.3 * RNG.standard_normal((n, dy))


def nearly_tied():
    """Steps of 1, off by less than float32 can tell: only float64 knows which of two neighbours is nearer."""
    x = RNG.integers(0, 12, (700, 2)) + 1e-9 * RNG.standard_normal((700, 2))
    return x, RNG.integers(0, 12, (700, 1)) + 1e-9 * RNG.standard_normal((700, 1))


DATA = {
    "two points": plain(2, 1, 1),
    "one coordinate each": plain(600, 1, 1),
    "several coordinates": plain(601, 2, 5),
    "more than a block": plain(1300, 7, 1),
    "a plane in many coordinates": tuple(side @ RNG.standard_normal((2, 40)) for side in plain(500, 2, 2)),
    "heavy tails": tuple(side**5 for side in (RNG.standard_cauchy((400, 2)), RNG.standard_cauchy((400, 1)))),
    "far from zero": tuple(1e9 + side for side in plain(500, 2, 2)),
    "scales apart": (1e-30 * RNG.standard_normal((400, 2)), 1e30 * RNG.standard_normal((400, 1))),
    "large": tuple(1e200 * side for side in plain(300, 1, 2)),
    "tiny": tuple(1e-200 * side for side in plain(300, 1, 2)),
    "nearly tied": nearly_tied(),
    "rounded": tuple(side.round(1) for side in plain(700, 1, 2)),
    "labels": (RNG.integers(0, 4, (500, 2)).astype(float), RNG.integers(0, 3, (500, 1)).astype(float)),
    "a constant side": (np.full((300, 1), 3.0), RNG.standard_normal((300, 2))),
    "a constant column beside tiny numbers": (
        np.concatenate([np.ones((300, 1)), 1e-60 * RNG.standard_normal((300, 1))], axis=1),
        1e-60 * RNG.standard_normal((300, 1)),
    ),
    "next to nothing": tuple(2.0**-1060 * side.round(2) for side in plain(300, 1, 1)),
    "both constant": (np.full((300, 1), 3.0), np.zeros((300, 2))),
}


@pytest.mark.parametrize("rectangle", [False, True])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", DATA)
def test_every_search_gives_the_answer_of_float64(name, way, rectangle):
    x, y = DATA[name]
    for k in (1, 4, len(x) - 1):
        if k < len(x) and (k < 5 or len(x) < 1000):
            for found, expected in zip(way(x, y, k, rectangle), naive(x, y, k, rectangle), strict=True):
                assert np.array_equal(found, expected)


def test_float32_alone_would_count_wrongly():
    """The data that are meant to need float64 do: in float32 their counts differ."""
    x, y = DATA["nearly tied"]
    rounded = [side.astype(np.float32).astype(float) for side in (x, y)]
    assert (naive(x, y, 4, False)[1] != naive(*rounded, 4, False)[1]).mean() > 0.3


@given(st.integers(0, 2**32), st.integers(2, 300), st.integers(1, 3), st.integers(0, 3), st.integers(1, 6))
@settings(max_examples=40, deadline=None)
def test_searches_agree_on_random_lattices(seed, n, d, digits, k):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, d)).round(digits), rng.standard_normal((n, 1)).round(digits)
    k = min(k, n - 1)
    for rectangle in (False, True):
        answers = [way(x, y, k, rectangle) for way in WAYS]
        for answer in answers[1:]:
            assert all(np.array_equal(a, b) for a, b in zip(answer, answers[0], strict=True))


@pytest.mark.parametrize("euclidean", [False, True])
@pytest.mark.parametrize("name", DATA)
def test_nearest_are_those_of_a_sorted_matrix(name, euclidean):
    points = np.concatenate(DATA[name], axis=1)
    k = min(5, len(points) - 1)
    unit = 2.0 ** math.frexp(np.abs(points).max())[1]  # a power of two, so that dividing by it rounds nothing
    offsets = np.abs(points[:, None] - points[None]) / unit
    matrix = unit * (np.sqrt((offsets**2).sum(axis=2)) if euclidean else offsets.max(axis=2))
    np.fill_diagonal(matrix, np.inf)
    order = np.argsort(matrix, axis=1, kind="stable")[:, :k]
    expected = np.take_along_axis(matrix, order, axis=1)
    distance, index = neighbours.nearest(points[None], k, euclidean=euclidean, device="cpu")
    assert np.allclose(distance[0], expected, rtol=1e-12, atol=0)
    chunked = neighbours_torch.nearest(points[None] / unit, k, euclidean, "cpu")
    assert np.allclose(unit * chunked[0], distance, rtol=1e-12, atol=0)
    if not euclidean:
        assert np.array_equal(distance[0], expected)
        assert np.array_equal(index[0], order)
        assert np.array_equal(chunked[1], index)


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("name", DATA)
def test_counts_are_those_of_the_matrix(name, closed):
    for points in DATA[name]:
        matrix = np.abs(points[:, None] - points[None]).max(axis=2)
        np.fill_diagonal(matrix, np.inf)
        radii = np.sort(matrix, axis=1)[:, len(points) // 3]
        expected = ((matrix <= radii[:, None]) if closed else (matrix < radii[:, None])).sum(axis=1)
        assert np.array_equal(neighbours.counts(points[None], radii[None], closed=closed, device="cpu")[0], expected)
        assert np.array_equal(neighbours_torch.counts(points[None], radii[None], closed, "cpu")[0], expected)


def test_a_replicate_has_the_answer_that_it_has_alone():
    x, y = (np.stack(side) for side in zip(*(plain(400, 2, 1) for _ in range(5)), strict=True))
    together = neighbours.joint(x, y, 3, rectangle=False, device="cpu")
    for r in range(5):
        alone = naive(x[r], y[r], 3, False)
        assert np.array_equal(together.radii[r], alone[0])
        assert np.array_equal(together.x_counts[r], alone[1])


@pytest.mark.parametrize("k", [64, 65, 200, 599])
def test_many_neighbours_are_selected_as_few_are(k):
    x, y = (side.round(2) for side in plain(600, 2, 1))
    for rectangle in (False, True):
        for way in (by_scan, by_trees, in_chunks):
            for found, expected in zip(way(x, y, k, rectangle), naive(x, y, k, rectangle), strict=True):
                assert np.array_equal(found, expected)


def nearest_distances(cell):
    return neighbours.nearest(cell, 3, euclidean=True, device="cpu")[0]


def joint_radii(cell):
    return neighbours.joint(cell, cell[..., :1], 3, rectangle=False, device="cpu").radii


@pytest.mark.parametrize("search", [nearest_distances, joint_radii])
def test_replicates_are_scaled_each_by_itself(search):
    x, _ = plain(400, 2, 1)
    together = search(np.stack([x, 2.0**1010 * x, 2.0**-700 * x]))
    assert np.array_equal(together[1], 2.0**1010 * together[0])
    assert np.array_equal(together[2], 2.0**-700 * together[0])


def test_arrays_are_taken_as_they_come():
    x, y = plain(400, 2, 1)
    expected = neighbours.joint(x[None], y[None], 3, rectangle=True, device="cpu")
    frozen = np.asfortranarray(x)
    frozen.flags.writeable = False
    found = neighbours.joint(frozen[None], np.repeat(y, 2, axis=1)[None, :, ::2], 3, rectangle=True, device="cpu")
    assert np.array_equal(found.x_counts, expected.x_counts)
    single = x.astype(np.float32)
    found = neighbours.joint(single[None], y[None], 3, rectangle=True, device="cpu")
    expected = neighbours.joint(single[None].astype(float), y[None], 3, rectangle=True, device="cpu")
    assert np.array_equal(found.x_counts, expected.x_counts)


def test_warming_up_leaves_nothing_to_compile():
    code = """
import numpy as np, mibench
from mibench.estimators import neighbour_kernels as kernels, neighbours
compiled = [kernel for kernel in vars(kernels).values() if hasattr(kernel, "signatures")]
mibench.estimator("ksg").method.warm_up("cpu")
before = [len(kernel.signatures) for kernel in compiled]
x, y = mibench.task("gaussian(d=2, mi=1)").sample(400, seed=0)
labels = (x[:, :1] > 0).astype(float)
for d in (1, 2):
    for n in (100, 400):
        for spec in ("ksg", "ksg(variant=2)", "copula_ksg(variant=2)", "kl", "wkl", "lnc", "mixed_ksg"):
            mibench.estimator(spec).estimate(x[:n, :d], y[:n, :d])
        mibench.estimator("ross").estimate(labels[:n], y[:n, :d])
neighbours.Scan.of(x, y).search(3, True, 2)
print(sum(before), sum(len(kernel.signatures) for kernel in compiled))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before == after > 5


def test_chunks_of_any_size_give_one_answer(monkeypatch):
    x, y = plain(101, 2, 1)
    for room in (1, 101 * 7, 10**6):
        monkeypatch.setattr(neighbours_torch, "_CPU", room)
        for found, expected in zip(in_chunks(x, y, 3, True), naive(x, y, 3, True), strict=True):
            assert np.array_equal(found, expected)


def test_memory_stays_linear_in_the_points():
    import tracemalloc

    x, y = plain(20_000, 5, 5)
    scan = Scan.of(x, y)
    scan.search(3, False, 1)
    tracemalloc.start()
    scan.search(3, False, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 8 * len(x)


@pytest.mark.cuda
@pytest.mark.parametrize("rectangle", [False, True])
def test_a_gpu_gives_the_answer_of_float64(rectangle):
    for x, y in DATA.values():
        k = min(4, len(x) - 1)
        found = neighbours.joint(x[None], y[None], k, rectangle=rectangle, device="cuda")
        radii, left, right = naive(x, y, k, rectangle)
        assert np.array_equal(found.radii[0], radii)
        assert np.array_equal(found.x_counts[0], left)
        assert np.array_equal(found.y_counts[0], right)


@pytest.mark.cuda
def test_a_gpu_holds_a_million_points():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 1, 1_000_000, 5))
    found = neighbours.joint(x, y, 3, rectangle=False, device="cuda")
    assert (np.minimum(found.x_counts, found.y_counts) >= 2).all()
