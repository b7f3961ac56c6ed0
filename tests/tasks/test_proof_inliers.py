"""A mixture of a normal law and of the product of its margins, by integrals over the law of its density ratio."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import kstest

import mibench

from .proofs.mixtures import inliers, inliers_of_one_pair

RARE = 1e-5
INTEGRALS = {1: inliers_of_one_pair, 2: inliers}


def log_ratio(x, y, pairs, rho, weight):
    x, y = x[:, :pairs], y[:, :pairs]
    quadratic = (2 * rho * x * y - rho**2 * (x**2 + y**2)) / (2 * (1 - rho**2))
    normal = np.sum(quadratic - math.log1p(-(rho**2)) / 2, axis=1)
    return np.log(weight * np.exp(normal) + 1 - weight)


@pytest.mark.parametrize("pairs", [1, 2])
@pytest.mark.parametrize("rho", [0.0, 0.3, 0.8, 0.95])
@pytest.mark.parametrize("independent", [0.05, 0.2, 0.5, 0.9])
def test_mi_by_quadrature(pairs, rho, independent, proved):
    spec = f"inliers(d=3, pairs={pairs}, rho={rho}, independent_fraction={independent})"
    task, weight = mibench.task(spec), 1 - independent
    proved("inliers", task.mutual_information, INTEGRALS[pairs](weight, rho), 1e-8)
    draw = task.draw(20_000, seed=1)
    expected = log_ratio(draw.x, draw.y, pairs, rho, weight)
    assert_allclose(draw.pointwise_mi, expected, atol=1e-7)
    assert_allclose(task.log_density_ratio(draw.x, draw.y), expected, atol=1e-7)
    error = expected.std() / math.sqrt(len(expected))
    assert abs(expected.mean() - task.mutual_information) <= 4.5 * error + 1e-12
    for column in (*draw.x.T, *draw.y.T):
        assert kstest(column, "norm").pvalue > RARE


@pytest.mark.parametrize(("pairs", "mi"), [(1, 1e-3), (1, 0.1), (1, 0.4), (2, 1e-3), (2, 0.1), (2, 1.0), (2, 5.0)])
@pytest.mark.parametrize("independent", [0.2, 0.5])
def test_solved_correlation_has_the_wanted_mi(pairs, mi, independent, proved):
    """The ratio at the centre, w (1 − ρ²)^(−pairs/2) + 1 − w, tells the correlation."""
    weight = 1 - independent
    task = mibench.task(f"inliers(d=2, pairs={pairs}, mi={mi}, independent_fraction={independent})")
    centre = float(task.log_density_ratio(np.zeros((1, 2)), np.zeros((1, 2)))[0])
    normal = math.expm1(centre) / weight + 1
    rho = math.sqrt(1 - normal ** (-2 / pairs))
    proved("inliers solved", mi, INTEGRALS[pairs](weight, rho), 1e-8)
    assert task.mutual_information == pytest.approx(mi, rel=1e-9)
