import math

import numpy as np
import pytest

import mibench
from mibench.estimators.gaussian_fit import GaussianFit

FIT = GaussianFit()


def log_determinants(x, y):
    dx = x.shape[1]
    sigma = np.corrcoef(np.concatenate([x, y], axis=1), rowvar=False)
    parts = sigma[:dx, :dx], sigma[dx:, dx:], sigma
    left, right, joint = (np.linalg.slogdet(np.atleast_2d(part))[1] for part in parts)
    return (left + right - joint) / 2


@pytest.mark.parametrize("spec", ["gaussian(d=1, mi=1)", "gaussian(dx=2, dy=5, mi=3)", "gaussian_dense(d=5, rho=0.5)"])
def test_is_the_log_determinant_formula(spec):
    x, y = mibench.task(spec).sample(300, seed=0)
    assert FIT.estimate(x, y, 0) == pytest.approx(log_determinants(x, y), abs=1e-10)


def test_is_invariant_under_linear_maps_of_each_side():
    x, y = mibench.task("gaussian(d=3, mi=2)").sample(200, seed=0)
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3, 3))
    assert FIT.estimate(x @ a + 1, y @ b - 2, 0) == pytest.approx(FIT.estimate(x, y, 0), abs=1e-9)


def test_bias_is_that_of_the_plug_in():
    n, d = 500, 4
    task = mibench.task(f"gaussian(d={d}, mi=0)")
    values = np.array([FIT.estimate(*task.sample(n, seed=s), 0) for s in range(200)])
    assert abs(values.mean() - d * d / (2 * n)) < 4 * values.std() / math.sqrt(200) + 0.0005


def test_degenerate_directions_are_left_out():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 2))
    y = x[:, :1] + rng.standard_normal((200, 1))
    doubled = np.concatenate([x, x @ np.ones((2, 1)), np.ones((200, 1))], axis=1)
    assert FIT.estimate(doubled, y, 0) == pytest.approx(FIT.estimate(x, y, 0), abs=1e-9)


def test_a_copy_has_infinite_mi():
    x = np.random.default_rng(0).standard_normal((100, 1))
    assert FIT.estimate(x, 2 * x, 0) > 15


def test_too_few_draws_are_a_stated_limit():
    assert "n of at least 8, got 7" in FIT.unsupported(7, (3,), (3,))
    assert not FIT.unsupported(8, (3,), (3,))
