import math

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

import mibench
from mibench.errors import SpecError
from mibench.estimators.histogram import Histogram, cells, default_bins, equal_mass, equal_width

PLAIN, CORRECTED = Histogram(), Histogram(correction="miller_madow")


def value(x, y, **fields):
    return Histogram(**fields).estimate(np.asarray(x), np.asarray(y), 0).value


def entropy(labels):
    share = np.bincount(labels) / len(labels)
    return -sum(p * math.log(p) for p in share if p)


def table(counts):
    """Return columns x and y with these counts, one row of the table to a value of x."""
    pairs = [(a, b) for a, row in enumerate(counts) for b, count in enumerate(row) for _ in range(count)]
    return tuple(np.array(side, dtype=float)[:, None] for side in zip(*pairs, strict=True))


@pytest.mark.parametrize("equal", ["mass", "width"])
def test_value_of_a_table_by_hand(equal):
    x, y = table([[3, 1], [1, 3]])
    expected = 6 / 8 * math.log(6 / 8 / 0.5) + 2 / 8 * math.log(2 / 8 / 0.5)
    found = Histogram(bins=2, equal=equal).estimate(x, y, 0)
    assert found.value == pytest.approx(expected, abs=1e-14)
    pointwise = np.array([math.log(1.5)] * 6 + [math.log(0.5)] * 2)
    assert found.std_error == pytest.approx(pointwise.std(ddof=1) / math.sqrt(8), abs=1e-14)
    assert found.diagnostics == {"bins": 2, "cells_x": 2, "cells_y": 2, "cells_joint": 4}
    corrected = value(x, y, bins=2, equal=equal, correction="miller_madow")
    assert corrected == pytest.approx(expected - 1 / 16, abs=1e-14)


@pytest.mark.parametrize("equal", ["mass", "width"])
@pytest.mark.parametrize(("dx", "dy"), [(1, 1), (2, 3)])
def test_is_that_of_the_codes(equal, dx, dy):
    x, y = mibench.task(f"gaussian(dx={dx}, dy={dy}, mi=1)").sample(500, seed=0)
    cut = equal_mass if equal == "mass" else equal_width
    left, right = ([str(row) for row in cut(side, 3)] for side in (x, y))
    assert value(x, y, bins=3, equal=equal) == pytest.approx(mutual_info_score(left, right), abs=1e-12)


@pytest.mark.parametrize("equal", ["mass", "width"])
def test_a_side_tells_its_own_entropy_about_itself(equal):
    x, _ = mibench.task("gaussian(d=2, mi=1)").sample(300, seed=0)
    cut = equal_mass if equal == "mass" else equal_width
    assert value(x, x, bins=4, equal=equal) == pytest.approx(entropy(cells(cut(x, 4))), abs=1e-12)


def test_mi_is_the_sum_of_entropies_less_the_joint_one():
    x, y = mibench.task("gaussian(dx=2, dy=1, mi=1)").sample(400, seed=1)
    codes = [equal_mass(side, 4) for side in (x, y)]
    parts = [entropy(cells(each)) for each in (*codes, np.hstack(codes))]
    assert value(x, y, bins=4) == pytest.approx(parts[0] + parts[1] - parts[2], abs=1e-12)


def test_bins_of_equal_mass_are_even_and_keep_equal_values_together():
    column = np.random.default_rng(0).permutation(103)[:, None] ** 3.0
    assert set(np.bincount(equal_mass(column, 10)[:, 0])) <= {10, 11}
    tied = np.array([0.0] * 7 + [1.0] * 3 + [2.0] * 90)[:, None]
    for bins in (2, 3, 10, 100):
        codes = equal_mass(tied, bins)[:, 0]
        assert len({*zip(codes, tied[:, 0], strict=True)}) == 3
    for ones in range(1, 20):  # two values never fall in one of two bins, however rare one is
        assert len(set(equal_mass(np.repeat([0.0, 1.0], [20 - ones, ones])[:, None], 2)[:, 0])) == 2


def test_bins_of_equal_width_are_those_of_numpy():
    column = np.random.default_rng(1).standard_normal((500, 1))
    assert np.bincount(equal_width(column, 12)[:, 0]).tolist() == np.histogram(column, bins=12)[0].tolist()


def test_equal_mass_is_invariant_under_increasing_maps():
    x, y = mibench.task("gaussian(d=2, mi=1)").sample(250, seed=2)
    assert value(np.exp(3 * x), y**3) == value(x, y)
    assert value(np.exp(3 * x), y, equal="width") != value(x, y, equal="width")
    assert value(y, x) == pytest.approx(value(x, y), abs=1e-12)


def test_miller_madow_removes_the_leading_bias():
    rng = np.random.default_rng(0)
    draws = rng.integers(0, [[[4], [3]]], size=(4000, 2, 100)).astype(float)[..., None]
    plain, corrected = (
        np.array([Histogram(bins=9, equal="width", correction=c).estimate(x, y, 0).value for x, y in draws])
        for c in ("none", "miller_madow")
    )
    error = plain.std() / math.sqrt(len(draws))
    second_order = (4 * 4 * 3 * 3 - 4 * 4 - 3 * 3 + 1) / (12 * 100**2)
    assert abs(plain.mean() - 3 * 2 / 200 - second_order) < 4 * error
    assert abs(corrected.mean() - second_order) < 4 * error
    assert plain.mean() > 30 * error


def test_standard_error_is_the_scatter_over_samples():
    task = mibench.task("gaussian(d=1, mi=0.5)")
    found = [Histogram(bins=5).estimate(*task.sample(1000, seed=s), 0) for s in range(300)]
    scatter = np.std([e.value for e in found], ddof=1)
    assert np.mean([e.std_error for e in found]) == pytest.approx(scatter, rel=0.12)


def test_converges_to_the_mi_of_the_quantised_pair():
    x, y = mibench.task("binary_symmetric").sample(20_000, seed=0)
    found = PLAIN.estimate(x, y, 0)
    assert abs(found.value - mibench.task("binary_symmetric").mutual_information) < 4 * found.std_error


@pytest.mark.parametrize(
    ("n", "d", "bins"), [(10, 2, 2), (45, 2, 3), (44, 2, 2), (320, 3, 4), (319, 3, 3), (500, 2, 10), (100, 512, 2)]
)
def test_default_bins_leave_five_pairs_to_a_cell(n, d, bins):
    assert default_bins(n, d) == bins


def test_constant_columns_take_no_share_of_the_bins():
    x, y = mibench.task("gaussian(d=1, mi=1)").sample(500, seed=0)
    wide = np.hstack([x, np.full((500, 3), 0.1)])
    assert PLAIN.estimate(wide, y, 0) == PLAIN.estimate(x, y, 0)


def test_memory_does_not_grow_with_the_grid():
    x, y = mibench.task("blobs(mi=1)").sample(200, seed=0)
    found = Histogram(bins=1000).estimate(x, y, 0)
    assert found.value <= math.log(200) + 1e-12


def test_a_bin_for_every_row_is_told():
    x, y = mibench.task("gaussian(d=1, mi=0)").sample(50, seed=0)
    found = Histogram(bins=50).estimate(x, y, 0)
    assert found.value == pytest.approx(math.log(50))
    assert "bin to itself" in found.message
    assert PLAIN.estimate(x, y, 0).message == ""


@pytest.mark.parametrize("fields", [{"bins": 0}, {"bins": 10**7}, {"equal": "both"}, {"correction": "none at all"}])
def test_limits_are_stated(fields):
    with pytest.raises(SpecError, match=next(iter(fields))):
        Histogram(**fields)
