"""Normal and Student laws, against integrals of their densities and determinants of their covariances."""

import math

import numpy as np
import pytest
from mpmath import mp
from numpy.testing import assert_allclose
from scipy.stats import kendalltau, kstest, multivariate_normal, multivariate_t, norm
from scipy.stats import t as student_t

import mibench

from .proofs.elliptic import equicorrelated, gaussian_on_grid, of_covariance, student_excess, student_on_grid

RARE = 1e-5


def correlation(mi):
    """ρ of −½ ln(1 − ρ²) = mi."""
    return math.sqrt(-math.expm1(-2 * mi))


def paired(dx, dy, rho, pairs=None):
    """Unit variances, and the correlation `rho` between the first coordinates of x and y."""
    sigma = np.eye(dx + dy)
    for i in range(min(dx, dy) if pairs is None else pairs):
        sigma[i, dx + i] = sigma[dx + i, i] = rho
    return sigma


def dense(d, rho):
    return (1 - rho) * np.eye(2 * d) + rho


def dense_correlation(d, mi):
    """The correlation of all coordinates that has the wanted MI, by bisection on determinants."""
    low, high = mp.mpf(0), mp.mpf(1)
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if equicorrelated(d, middle) < mi else (low, middle)
    return float(low)


def ratio_of(law, x, y, sigma, **more):
    z, dx = np.concatenate([x, y], axis=1), x.shape[1]
    both = law(np.zeros(len(sigma)), sigma, **more).logpdf(z)
    sides = (law(np.zeros(len(s)), s, **more).logpdf(v) for v, s in ((x, sigma[:dx, :dx]), (y, sigma[dx:, dx:])))
    return both - sum(sides)


def at_the_centre(task):
    """The log density ratio where x and y are 0: for a normal law, the MI."""
    return float(task.log_density_ratio(np.zeros((1, *task.x_shape)), np.zeros((1, *task.y_shape)))[0])


@pytest.mark.parametrize("mi", [0.0, 1e-6, 1e-3, 0.1, 1.0, 3.0, 6.0])
def test_gaussian_pair_by_quadrature(mi, proved):
    task = mibench.task(f"gaussian(d=1, mi={mi})")
    proved("gaussian", task.mutual_information, gaussian_on_grid(correlation(at_the_centre(task))), 1e-10)


@pytest.mark.parametrize("mi", [1e-6, 1e-3, 0.5, 10.0, 60.0])
@pytest.mark.parametrize("family", ["gaussian", "gaussian_dense", "gaussian_sparse"])
def test_ratio_at_the_centre_is_the_mi(family, mi, proved):
    """ln p(0, 0) − ln p(0) − ln p(0) = −½ ln det Σ / (det Σ_x det Σ_y)."""
    if family == "gaussian_dense" and mi > 10:
        mi = 15.0
    task = mibench.task(f"{family}(d=3, mi={mi})")
    proved(f"{family} centre", task.mutual_information, at_the_centre(task), 1e-9)


NORMAL = [
    ("gaussian(d=2, mi=1.4)", paired(2, 2, correlation(0.7)), 2),
    ("gaussian(dx=4, dy=2, mi=3)", paired(4, 2, correlation(1.5)), 4),
    ("gaussian(dx=1, dy=3, mi=0.2)", paired(1, 3, correlation(0.2)), 1),
    ("gaussian_sparse(d=4, pairs=2, mi=1)", paired(4, 4, correlation(0.5), pairs=2), 4),
    ("gaussian_sparse(d=3, pairs=1, rho=0.7)", paired(3, 3, 0.7, pairs=1), 3),
    ("gaussian_dense(d=1, rho=0.6)", dense(1, 0.6), 1),
    ("gaussian_dense(d=4, rho=0.3)", dense(4, 0.3), 4),
    ("gaussian_dense(d=3, mi=1.2)", dense(3, dense_correlation(3, 1.2)), 3),
    ("gaussian_dense(d=6, mi=0.01)", dense(6, dense_correlation(6, 0.01)), 6),
    ("gaussian_dense(d=2, mi=4)", dense(2, dense_correlation(2, 4)), 2),
]


@pytest.mark.parametrize(("spec", "sigma", "dx"), NORMAL, ids=[spec for spec, _, _ in NORMAL])
def test_normal_law_of_the_definition(spec, sigma, dx, proved):
    task = mibench.task(spec)
    proved(spec.split("(")[0], task.mutual_information, of_covariance(sigma.tolist(), dx), 1e-10)
    draw = task.draw(2000, seed=1)
    expected = ratio_of(multivariate_normal, draw.x, draw.y, sigma)
    assert_allclose(task.log_density_ratio(draw.x, draw.y), expected, atol=1e-7)
    assert_allclose(draw.pointwise_mi, expected, atol=1e-7)
    z = np.concatenate(task.sample(100_000, seed=2), axis=1)
    assert np.abs(z.T @ z / len(z) - sigma).max() < 5.5 * math.sqrt(2 / len(z))
    for column in z.T:
        assert kstest(column, "norm").pvalue > RARE


@pytest.mark.parametrize(("d", "rho"), [(2, 0.5), (5, 0.5), (25, 0.5), (10, 0.05), (3, 0.999), (50, 1e-3)])
def test_dense_determinants(d, rho, proved):
    claimed = mibench.task(f"gaussian_dense(d={d}, rho={rho})").mutual_information
    proved("gaussian_dense", claimed, equicorrelated(d, rho), 1e-10)


MIXED = [
    "gaussian(d=4, mi=3, mixing='orthogonal')",
    "gaussian(dx=5, dy=2, mi=0.3, mixing='orthogonal')",
    "gaussian(d=3, mi=2, mixing='dense')",
    "gaussian(dx=2, dy=6, mi=1, mixing='dense', seed=3)",
    "gaussian(d=5, mi=4, randomized=True)",
    "gaussian(d=5, mi=4, randomized=True, mixing='dense', seed=1)",
    "gaussian_sparse(d=5, pairs=2, mi=2)",
    "gaussian_dense(d=5, mi=1)",
]


@pytest.mark.parametrize("spec", MIXED)
def test_covariance_of_draws_has_the_mi(spec, proved):
    """The canonical correlations of n draws have variances (1 − ρ²)² / n, so their MI has the variance Σρ² / n."""
    task, n = mibench.task(spec), 200_000
    x, y = task.sample(n, seed=3)
    sigma = np.cov(np.concatenate([x, y], axis=1).T)
    dx, dy = x.shape[1], y.shape[1]
    estimate = float(of_covariance(sigma.tolist(), dx)) - dx * dy / (2 * n)
    name = spec.split("(")[0]
    proved(f"{name} draws", task.mutual_information, estimate, 5 * math.sqrt(min(dx, dy) / n))
    proved(name, task.mutual_information, at_the_centre(task), 1e-9)
    for column, variance in zip(np.concatenate([x, y], axis=1).T, np.diag(sigma), strict=True):
        assert kstest(column, norm(0, math.sqrt(variance)).cdf).pvalue > RARE
    expected = ratio_of(multivariate_normal, x, y, sigma)
    assert np.abs(task.log_density_ratio(x, y) - expected).mean() < 0.03


@pytest.mark.parametrize("df", [1, 2, 3, 5, 30])
@pytest.mark.parametrize("more", [0.0, 0.1, 1.0, 4.0])
def test_student_pair_by_quadrature(df, more, proved):
    mi = student_excess(df, 1, 1) + more
    task = mibench.task(f"student(d=1, mi={mi!r}, df={df})" if more else f"student(d=1, df={df})")
    rho = correlation(more)
    proved(f"student df={df}", task.mutual_information, student_on_grid(rho, df), 5e-6 if df < 2 else 1e-8)
    proved("student entropies", task.mutual_information, mi, 1e-10)
    draw = task.draw(2000, seed=4)
    sigma = paired(1, 1, rho)
    expected = ratio_of(multivariate_t, draw.x, draw.y, sigma, df=df)
    assert_allclose(task.log_density_ratio(draw.x, draw.y), expected, atol=1e-6)
    x, y = task.sample(100_000, seed=5)
    for side in (x, y):
        assert kstest(side[:, 0], student_t(df).cdf).pvalue > RARE
    tau = kendalltau(x[:20_000, 0], y[:20_000, 0]).statistic
    assert abs(tau - 2 / math.pi * math.asin(rho)) < 5 * math.sqrt(2 / 20_000)


@pytest.mark.parametrize(("dx", "dy"), [(2, 2), (3, 5), (1, 4), (10, 10)])
@pytest.mark.parametrize("df", [1, 2, 4])
@pytest.mark.parametrize("more", [0.0, 1.5])
def test_student_in_any_dimension(dx, dy, df, more, proved):
    mi = student_excess(df, dx, dy) + more
    task = mibench.task(f"student(dx={dx}, dy={dy}, df={df}{f', mi={mi!r}' if more else ''})")
    proved("student entropies", task.mutual_information, mi, 1e-9)
    sigma = paired(dx, dy, correlation(more / min(dx, dy)))
    draw = task.draw(20_000, seed=6)
    expected = ratio_of(multivariate_t, draw.x, draw.y, sigma, df=df)
    assert_allclose(task.log_density_ratio(draw.x, draw.y), expected, atol=1e-6)
    error = draw.pointwise_mi.std() / math.sqrt(len(draw.x))
    assert abs(draw.pointwise_mi.mean() - mi) < 4.5 * error
    for column in np.concatenate([draw.x, draw.y], axis=1).T:
        assert kstest(column, student_t(df).cdf).pvalue > RARE


@pytest.mark.parametrize("mixing", ["orthogonal", "dense"])
def test_mixed_student_keeps_the_mi(mixing, proved):
    task = mibench.task(f"student(d=3, mi=2, df=3, mixing='{mixing}', randomized=True)")
    pointwise = task.draw(150_000, seed=7).pointwise_mi
    assert 4 * pointwise.std() / math.sqrt(150_000) < 0.02
    proved("student mean", task.mutual_information, pointwise.mean(), 0.02)
