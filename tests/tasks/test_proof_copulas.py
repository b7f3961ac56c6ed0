"""The integrals along the generator, by which copulas are proved, against the textbook densities on the square."""

import math

import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.stats import kendalltau

import mibench

from .proofs.copulas import DENSITIES, FAMILIES, on_grid

GIVEN = [(family, theta) for family in FAMILIES for theta in family.given]


@pytest.mark.parametrize(("family", "theta"), GIVEN, ids=[f"{f}-{t:g}" for f, t in GIVEN])
def test_mi_is_the_integral_of_the_textbook_density(family, theta, proved):
    reference = on_grid(DENSITIES[family.name], theta, step=0.05)
    assert reference == pytest.approx(float(family.mutual_information(theta)), abs=2e-9)
    proved(f"{family} on a grid", family.task(theta=theta).mutual_information, reference, 1e-8)


def debye(theta):
    return quad(lambda t: t / math.expm1(t) if t else 1.0, 0, theta)[0] / theta


TAU = {
    "clayton": lambda theta: theta / (theta + 2),
    "gumbel": lambda theta: 1 - 1 / theta,
    "frank": lambda theta: 1 - 4 * (1 - debye(theta)) / theta,
}


@pytest.mark.parametrize(("family", "theta"), GIVEN, ids=[f"{f}-{t:g}" for f, t in GIVEN])
def test_draws_have_the_rank_correlation(family, theta):
    """Kendall's τ of n draws has a standard error below √(2 / n)."""
    x, y = family.task(theta=theta).sample(20_000, seed=10)
    assert abs(kendalltau(x[:, 0], y[:, 0]).statistic - TAU[family.name](theta)) < 5 * math.sqrt(2 / 20_000)


def test_frank_of_the_other_sign_is_turned(proved):
    """c(u, v; −θ) = c(u, 1 − v; θ)."""
    one, other = mibench.task("frank(theta=5)"), mibench.task("frank(theta=-5)")
    proved("frank", other.mutual_information, one.mutual_information, 1e-12)
    x, y = other.sample(20_000, seed=12)
    assert abs(kendalltau(x[:, 0], y[:, 0]).statistic + TAU["frank"](5)) < 5 * math.sqrt(2 / 20_000)
    assert_allclose(other.log_density_ratio(x, y), one.log_density_ratio(x, 1 - y), atol=1e-6)


C_OF_TWO = {
    "clayton": lambda u: (2 * u**-2 - 1) ** -0.5,
    "gumbel": lambda u: u ** (2**0.5),
    "frank": lambda u: -math.log1p(math.expm1(-2 * u) ** 2 / math.expm1(-2)) / 2,
}


@pytest.mark.parametrize("name", C_OF_TWO)
@pytest.mark.parametrize("share", [0.01, 0.1])
def test_corners_of_the_square_have_their_share(name, share):
    """At θ = 2: Clayton clings together in the lower corner, Gumbel in the upper one, Frank in neither."""
    n, value = 200_000, C_OF_TWO[name]
    x, y = mibench.task(f"{name}(theta=2)").sample(n, seed=11)
    low, high = value(share), 2 * share - 1 + value(1 - share)
    for inside, expected in (((x < share) & (y < share), low), ((x > 1 - share) & (y > 1 - share), high)):
        assert abs(inside.mean() - expected) < 5 * math.sqrt(expected / n)
