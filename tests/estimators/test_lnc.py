import math

import numpy as np
import pytest

import mibench
from mibench.errors import SpecError
from mibench.estimators.ksg import KSG
from mibench.estimators.lnc import LNC, log_volume_ratio, simulate_alpha


def test_without_correction_it_is_variant_2():
    x, y = mibench.task("gaussian(d=1, mi=2)").sample(500, seed=0)
    assert LNC(alpha=0).estimate(x, y, 0).value == pytest.approx(KSG(5, 2).estimate(x, y, 0).value, abs=1e-12)


def test_correction_agrees_with_the_definition():
    """Point by point, with the neighbours by sorting and the axes by the singular value decomposition."""
    x, y = mibench.task("gaussian(d=1, mi=4)").sample(200, seed=1)
    points, k, alpha = np.hstack([x, y]), 6, 0.5
    total = 0.0
    for i, point in enumerate(points):
        distance = np.abs(points - point).max(axis=1)
        distance[i] = np.inf
        offsets = points[np.argsort(distance)[:k]] - point
        axes = np.linalg.svd(offsets)[2]
        ratio = np.abs(offsets @ axes.T).max(axis=0).prod() / np.abs(offsets).max(axis=0).prod()
        total += math.log(ratio) if ratio < alpha else 0.0
    expected = KSG(k, 2).estimate(x, y, 0).value - total / 200
    assert LNC(k, alpha).estimate(x, y, 0).value == pytest.approx(expected, abs=1e-10)


def test_volume_of_a_slanted_box():
    """Neighbours on the diagonal, a tenth of its length off it: the slanted box has a fifth of the upright one."""
    along, across = np.array([1.0, 1.0]), np.array([0.1, -0.1])
    offsets = np.array([along + across, along - across, -along + across, -along - across])
    assert log_volume_ratio(offsets, (1, 1)) == pytest.approx(math.log(2 * 0.1 / 1.1**2), abs=1e-12)
    assert log_volume_ratio(np.array([along, -along, 2 * along]), (1, 1)) == 0  # flat: no volume to speak of


def test_sides_of_several_coordinates_have_one_half_width_each():
    offsets = np.random.default_rng(0).uniform(-1, 1, (30, 3)) * [1.0, 0.2, 0.5]
    upright = 2 * math.log(np.abs(offsets[:, :2]).max()) + math.log(np.abs(offsets[:, 2]).max())
    axes = np.linalg.eigh(offsets.T @ offsets)[1]
    slanted = np.log(np.abs(offsets @ axes).max(axis=0)).sum()
    assert log_volume_ratio(offsets, (2, 1)) == pytest.approx(slanted - upright, abs=1e-12)


def test_alpha_is_met_by_five_of_a_thousand_uniform_boxes():
    offsets = np.random.default_rng(7).uniform(-1, 1, (40_000, 5, 2))
    share = (log_volume_ratio(offsets, (1, 1)) < math.log(simulate_alpha(5, 1, 1))).mean()
    assert share == pytest.approx(5e-3, abs=4 * math.sqrt(5e-3 / 40_000))
    assert simulate_alpha(5, 1, 1) < simulate_alpha(10, 1, 1) < 1


def test_strong_dependence_is_estimated_better_and_independence_as_well():
    def mean(method, mi):
        task = mibench.task(f"gaussian(d=1, mi={mi})")
        return np.mean([method.estimate(*task.sample(500, seed=s), 0).value for s in range(20)])

    plain, corrected = mean(KSG(5, 2), 7), mean(LNC(5), 7)
    assert 7 - corrected < 0.9 * (7 - plain)
    assert mean(LNC(5), 0) == pytest.approx(0, abs=0.02)


def test_limits_are_stated():
    assert "k of at least 6" in LNC().unsupported(100, (3,), (3,))
    assert "need n of at least 6" in LNC().unsupported(5, (1,), (1,))
    assert LNC(6).unsupported(100, (3,), (3,)) == ""
    with pytest.raises(SpecError, match="alpha must be at least 0, got -1"):
        mibench.estimator("lnc(alpha=-1)")


def test_constants_and_copies():
    y = np.random.default_rng(0).standard_normal((100, 1))
    assert LNC().estimate(np.ones((100, 1)), y, 0).value == KSG(5, 2).estimate(np.ones((100, 1)), y, 0).value
    labels = np.repeat(np.arange(5.0), 20)[:, None]
    nothing = LNC().estimate(labels, labels, 0)
    assert math.isnan(nothing.value)
    assert "copies" in nothing.message
