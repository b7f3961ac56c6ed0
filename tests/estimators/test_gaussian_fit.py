import math

import numpy as np
import pytest

import mibench
from mibench.estimators.gaussian_fit import GaussianFit
from mibench.estimators.wishart import mi_bias

FIT, UNBIASED = GaussianFit(), GaussianFit(unbiased=True)


def log_determinants(x, y):
    dx = x.shape[1]
    sigma = np.corrcoef(np.concatenate([x, y], axis=1), rowvar=False)
    parts = sigma[:dx, :dx], sigma[dx:, dx:], sigma
    left, right, joint = (np.linalg.slogdet(np.atleast_2d(part))[1] for part in parts)
    return (left + right - joint) / 2


@pytest.mark.parametrize("spec", ["gaussian(d=1, mi=1)", "gaussian(dx=2, dy=5, mi=3)", "gaussian_dense(d=5, rho=0.5)"])
def test_is_the_log_determinant_formula(spec):
    x, y = mibench.task(spec).sample(300, seed=0)
    assert FIT.estimate(x, y, 0).value == pytest.approx(log_determinants(x, y), abs=1e-10)


def test_is_invariant_under_linear_maps_of_each_side():
    x, y = mibench.task("gaussian(d=3, mi=2)").sample(200, seed=0)
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3, 3))
    assert FIT.estimate(x @ a + 1, y @ b - 2, 0).value == pytest.approx(FIT.estimate(x, y, 0).value, abs=1e-9)


def test_bias_is_that_of_the_plug_in():
    n, d = 500, 4
    task = mibench.task(f"gaussian(d={d}, mi=0)")
    values = np.array([FIT.estimate(*task.sample(n, seed=s), 0).value for s in range(200)])
    assert abs(values.mean() - d * d / (2 * n)) < 4 * values.std() / math.sqrt(200) + 0.0005


def test_unbiased_is_so_on_few_gaussian_rows():
    task = mibench.task("gaussian(dx=3, dy=2, mi=0.8)")
    draws = [task.sample(30, seed=s) for s in range(3000)]
    plug_in, corrected = (np.array([m.estimate(x, y, 0).value for x, y in draws]) for m in (FIT, UNBIASED))
    error = corrected.std(ddof=1) / math.sqrt(3000)
    assert abs(corrected.mean() - 0.8) < 4 * error
    assert plug_in.mean() - 0.8 > 20 * error


@pytest.mark.parametrize(("dx", "dy", "freedom"), [(1, 1, 1), (3, 2, 29), (2, 7, 40)])
def test_bias_is_that_of_simulated_wisharts(dx, dy, freedom):
    rows = np.random.default_rng(freedom).standard_normal((20_000, freedom + dx + dy, dx + dy))
    sigma = rows.transpose(0, 2, 1) @ rows
    joint, left, right = (np.linalg.slogdet(part)[1] for part in (sigma, sigma[:, :dx, :dx], sigma[:, dx:, dx:]))
    found = (left + right - joint) / 2
    assert abs(found.mean() - mi_bias(dx, dy, freedom + dx + dy)) < 4 * found.std() / math.sqrt(20_000)


def test_bias_counts_the_directions_that_are_left():
    x, y = mibench.task("gaussian(d=2, mi=1)").sample(40, seed=0)
    doubled = np.concatenate([x, x, np.ones((40, 1))], axis=1)
    assert UNBIASED.estimate(doubled, y, 0).value == pytest.approx(UNBIASED.estimate(x, y, 0).value, abs=1e-9)


@pytest.mark.parametrize("spec", ["gaussian(dx=3, dy=2, mi=1)", "half_cube(gaussian(d=2, mi=1))"])
def test_standard_error_is_the_scatter_over_samples(spec):
    task = mibench.task(spec)
    found = [FIT.estimate(*task.sample(1000, seed=s), 0) for s in range(400)]
    scatter = np.std([e.value for e in found], ddof=1)
    assert np.mean([e.std_error for e in found]) == pytest.approx(scatter, rel=0.12)


def test_standard_error_is_that_of_the_fitted_pointwise_mi():
    x, y = mibench.task("gaussian(dx=2, dy=3, mi=6)").sample(100, seed=1)

    def norms(side):
        centred = side - side.mean(axis=0)
        return np.einsum("ni,ij,nj->n", centred, np.linalg.inv(np.cov(centred.T, bias=True)), centred)

    pointwise = (norms(x) + norms(y) - norms(np.hstack([x, y]))) / 2
    assert FIT.estimate(x, y, 0).std_error == pytest.approx(pointwise.std(ddof=1) / 10, rel=1e-9)


def test_degenerate_directions_are_left_out():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 2))
    y = x[:, :1] + rng.standard_normal((200, 1))
    doubled = np.concatenate([x, x @ np.ones((2, 1)), np.ones((200, 1))], axis=1)
    assert FIT.estimate(doubled, y, 0).value == pytest.approx(FIT.estimate(x, y, 0).value, abs=1e-9)


def test_a_copy_has_infinite_mi():
    x = np.random.default_rng(0).standard_normal((100, 1))
    assert FIT.estimate(x, 2 * x, 0).value > 15


def test_too_few_draws_are_a_stated_limit():
    assert "n of at least 8, got 7" in FIT.unsupported(7, (3,), (3,))
    assert not FIT.unsupported(8, (3,), (3,))
