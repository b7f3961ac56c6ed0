"""Two sides are told apart where their laws differ in a coordinate or in a combination of them, and seldom else."""

import math

import numpy as np
import pytest
from scipy import special, stats

from mibench.estimators.same_law import same_law

ROWS = 5000


def normal(dim, seed, rows=ROWS):
    return np.random.default_rng(seed).normal(size=(rows, dim))


def correlated(rho, dim, seed):
    z = normal(dim, seed)
    z[:, -1] = rho * z[:, 0] + math.sqrt(1 - rho**2) * z[:, -1]
    return z


@pytest.mark.parametrize("dim", [1, 2, 6])
@pytest.mark.parametrize("law", ["standard_normal", "standard_exponential", "standard_cauchy"])
def test_one_law_is_seldom_taken_for_two(law, dim):
    rng = np.random.default_rng(dim)
    pairs = [getattr(rng, law)((2, 60, dim)) for _ in range(200)]
    assert sum(not same_law(x, y) for x, y in pairs) <= 5


@pytest.mark.parametrize("dim", [1, 2, 6])
@pytest.mark.parametrize(
    "change",
    [
        lambda z: z + 0.15,
        lambda z: 1.15 * z,
        lambda z: np.exp(z) - 1,
        lambda z: z**3 / math.sqrt(15),
        lambda z: math.sqrt(2) * special.erf(z / math.sqrt(2)),
    ],
    ids=["mean", "scale", "skew", "tails", "uniform"],
)
def test_another_law_of_one_coordinate_is_found(change, dim):
    x, y = normal(dim, 1), normal(dim, 2)
    assert same_law(x, y)
    y[:, -1] = change(y[:, -1])
    assert not same_law(x, y)


@pytest.mark.parametrize(("dim", "rho"), [(2, 0.4), (2, -0.4), (5, 0.7)])
@pytest.mark.parametrize("units", [1.0, 1e9])
def test_another_dependence_of_the_same_margins_is_found(dim, rho, units):
    scales = np.geomspace(1, units, dim)
    x, y, z = (scales * correlated(r, dim, seed) - scales for seed, r in enumerate((0.0, rho, rho)))
    assert not same_law(x, y)
    assert same_law(y, z)
    assert all(stats.ks_2samp(a, b).pvalue > 1e-3 for a, b in zip(x.T, y.T, strict=True))


def test_order_of_rows_and_of_sides_does_not_matter():
    for seed, shift in enumerate(np.linspace(0, 0.3, 30)):
        x, y = normal(2, seed, 400), normal(2, seed + 100, 400) + shift
        assert same_law(x, y) == same_law(y, x) == same_law(x[::-1], np.roll(y, 7, axis=0))


@pytest.mark.parametrize("dim", [1, 3])
def test_ties_are_no_difference(dim):
    rng = np.random.default_rng(dim)
    x, y, z = (rng.poisson(mean, size=(ROWS, dim)).astype(float) for mean in (1.0, 1.0, 1.2))
    assert same_law(x, y)
    assert not same_law(x, z)
    assert not same_law(z, y)
    assert same_law(np.minimum(x, 1), np.minimum(y, 1))


def test_constant_columns_differ_by_their_value():
    x, y = normal(2, 1), normal(2, 2)
    x[:, 1], y[:, 1] = 0.1, 0.1
    assert same_law(x, y)
    y[:, 1] = 0.2
    assert not same_law(x, y)


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.3])
def test_dependence_is_no_difference(noise):
    for seed in range(20):
        z, x, y = normal(3, (seed, 0), 500), normal(3, (seed, 1), 500), normal(3, (seed, 2), 500)
        assert same_law(np.exp(z + noise * x), np.exp(z + noise * y))


@pytest.mark.parametrize("digits", [0, 1, 9])
def test_one_coordinate_is_the_test_of_kolmogorov_and_smirnov(digits):
    decisions = []
    for seed, shift in enumerate(np.linspace(0, 0.8, 300)):
        x, y = normal(1, (seed, 0), 100).round(digits), (normal(1, (seed, 1), 100) + shift).round(digits)
        distance = stats.ks_2samp(x[:, 0], y[:, 0]).statistic
        decisions.append(same_law(x, y))
        assert decisions[-1] == (special.kolmogorov(math.sqrt(100 / 2) * distance) > 0.01)
    assert 60 < sum(decisions) < 240
