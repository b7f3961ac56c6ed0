import math

import numpy as np
import pytest
from mpmath import mp, mpf
from scipy.stats import kstest

import mibench
from mibench.errors import SpecError
from mibench.tasks.gaussian import Gaussian, GaussianDense, GaussianSparse
from mibench.tasks.linear import haar_orthogonal, mix, reflect_mean_first


def covariance(distribution):
    """The exact covariance of (x, y), from the canonical pairs and the maps."""
    dx, dy = distribution.x_shape[0], distribution.y_shape[0]
    a = distribution.mix(np.eye(dx), np.zeros((dx, dy)))[0].T
    b = distribution.mix(np.zeros((dy, dx)), np.eye(dy))[1].T
    cross = np.zeros((dx, dy))
    pairs = len(distribution.pair_mi)
    cross[range(pairs), range(pairs)] = np.sqrt(-np.expm1(-2 * distribution.pair_mi))
    return np.block([[a @ a.T, a @ cross @ b.T], [b @ cross.T @ a.T, b @ b.T]])


def mi_of_covariance(sigma, dx):
    return sum(np.linalg.slogdet(s)[1] * w for s, w in ((sigma[:dx, :dx], 0.5), (sigma[dx:, dx:], 0.5), (sigma, -0.5)))


CASES = [
    "gaussian(d=3, mi=2)",
    "gaussian(dx=2, dy=4, mi=1.5)",
    "gaussian(d=4, mi=3, mixing='orthogonal')",
    "gaussian(dx=5, dy=2, mi=0.3, mixing='orthogonal')",
    "gaussian_dense(d=4, rho=0.3)",
    "gaussian_dense(d=3, mi=1.2)",
    "gaussian_sparse(d=4, pairs=2, mi=1)",
    "gaussian_sparse(d=3, pairs=3, rho=0.6)",
    "gaussian(d=4, mi=3, mixing='dense', randomized=True)",
    "gaussian(dx=3, dy=6, mi=2, mixing='dense', seed=5)",
]


@pytest.mark.parametrize("spec", CASES)
def test_truth_is_that_of_the_covariance(spec):
    distribution = mibench.task(spec).distribution
    sigma = covariance(distribution)
    assert mi_of_covariance(sigma, distribution.x_shape[0]) == pytest.approx(distribution.mutual_information, abs=1e-12)
    assert np.diag(sigma) == pytest.approx(np.ones(len(sigma)), abs=1e-12)


@pytest.mark.parametrize("spec", CASES)
def test_draws_have_the_covariance(spec):
    n = 200_000
    x, y = mibench.task(spec).sample(n, seed=1)
    z = np.concatenate([x, y], axis=1)
    assert np.abs(z.T @ z / n - covariance(mibench.task(spec).distribution)).max() < 5 * math.sqrt(2 / n)


@pytest.mark.parametrize(("d", "value"), [(2, 0.29389), (3, 0.41334), (5, 0.59281), (25, 1.29218), (50, 1.62427)])
def test_dense_meets_the_published_values(d, value):
    assert GaussianDense(d=d, rho=0.5).mutual_information == pytest.approx(value, abs=6e-6)


@pytest.mark.parametrize("d", [1, 2, 7])
@pytest.mark.parametrize("mi", [1e-6, 0.1, 2.0, 12.0])
def test_dense_solves_for_the_wanted_mi(d, mi):
    rho = 1 - GaussianDense(d=d, mi=mi)._one_minus_rho
    sigma = np.full((2 * d, 2 * d), rho) + (1 - rho) * np.eye(2 * d)
    assert mi_of_covariance(sigma, d) == pytest.approx(mi, rel=1e-5, abs=1e-10)


@pytest.mark.parametrize("d", [1, 3, 50])
@pytest.mark.parametrize("mi", [1e-6, 1e-3, 1.0, 10.0, 30.0, 100.0])
def test_correlation_is_exact_from_tiny_to_huge_mi(d, mi):
    if mi / d > 30:
        with pytest.raises(SpecError, match=r"float64 rounds y onto x.*raise d"):
            Gaussian(d=d, mi=mi)
        return
    with mp.workdps(60):
        residual = mp.exp(-mpf(mi) / d)
        rho = mp.sqrt(1 - residual**2)
        distribution = Gaussian(d=d, mi=mi)
        assert abs(mpf(float(distribution._rho[0])) / rho - 1) < 4e-16
        assert abs(mpf(float(distribution._residual[0])) / residual - 1) < 1e-14
        assert distribution.mutual_information == mi
    pointwise = mibench.task(f"gaussian(d={d}, mi={mi})").draw(100_000, seed=2).pointwise_mi
    assert abs(pointwise.mean() - mi) < 4 * pointwise.std() / math.sqrt(100_000)


def test_sparse_pairs_alone_interact():
    x, y = mibench.task("gaussian_sparse(d=4, pairs=2, mi=2)").sample(100_000, seed=0)
    correlation = (x.T @ y) / 100_000
    rho = math.sqrt(1 - math.exp(-2))
    assert np.abs(correlation - np.diag([rho, rho, 0, 0])).max() < 0.02
    assert GaussianSparse(d=4, pairs=2, mi=2).pair_mi.sum() == pytest.approx(2)


def test_orthogonal_matrices_are_orthogonal():
    q = haar_orthogonal(40, np.random.default_rng(0))
    assert np.abs(q @ q.T - np.eye(40)).max() < 1e-14
    h = reflect_mean_first(np.eye(7))
    assert np.abs(h @ h.T - np.eye(7)).max() < 1e-14
    assert h[:, 0] == pytest.approx(np.full(7, 1 / math.sqrt(7)))
    assert np.array_equal(reflect_mean_first(np.eye(1)), np.eye(1))


def test_haar_is_uniform():
    entries = np.array([haar_orthogonal(3, np.random.default_rng(seed)) for seed in range(4000)])
    assert np.abs(entries.mean(axis=0)).max() < 0.04
    assert np.abs((entries**2).mean(axis=0) - 1 / 3).max() < 0.03


def test_mix_is_the_matrix_product():
    rng = np.random.default_rng(0)
    rows, matrix = rng.standard_normal((10, 4)), rng.standard_normal((3, 4))
    assert mix(rows, matrix) == pytest.approx(rows @ matrix.T)


def test_mixing_follows_from_the_spec_alone():
    one, other = Gaussian(d=5, mi=1, mixing="orthogonal"), Gaussian(d=5, mi=2, mixing="orthogonal")
    assert np.array_equal(one.bases[0], Gaussian(d=5, mi=1, mixing="orthogonal").bases[0])
    assert not np.allclose(one.bases[0], other.bases[0])
    assert not np.allclose(one.bases[0], one.bases[1])


def test_dense_mixing_gives_each_side_a_covariance_of_its_own():
    a, b = Gaussian(d=50, mi=1, mixing="dense").bases
    for matrix in (a, b):
        assert 8 < np.linalg.cond(matrix @ matrix.T) < 12
    assert np.abs(a - b).max() > 0.1
    assert np.abs(a @ a.T - b @ b.T).max() > 0.1


def test_an_uneven_split_is_uniform_over_the_simplex():
    """Of exponentials over their sum: of two, the first share is uniform; of three, the mean square is 1/6."""
    two = [Gaussian(d=2, mi=1, randomized=True, seed=seed).pair_mi[0] for seed in range(2000)]
    three = [Gaussian(d=3, mi=1, randomized=True, seed=seed).pair_mi for seed in range(2000)]
    assert kstest(two, "uniform").pvalue > 1e-4
    assert np.mean(np.square(three)) == pytest.approx(1 / 6, rel=0.04)


@pytest.mark.parametrize(
    "spec",
    [
        "gaussian(d=1, randomized=True, seed=5)",
        "gaussian(d=3, mi=0, randomized=True, seed=5)",
        "clayton(d=1, randomized=True, seed=3)",
        "student(d=3, df=2, randomized=True, seed=4)",
    ],
)
def test_a_seed_that_changes_nothing_is_refused(spec):
    with pytest.raises(SpecError, match="seed has no effect"):
        mibench.task(spec)


def test_a_split_of_nothing_has_no_name_of_its_own():
    assert mibench.task("gaussian(d=1, mi=2, randomized=True)").name == "gaussian(d=1, mi=2)"
    assert mibench.task("student(d=3, df=2, randomized=True)").name == "student(d=3, df=2)"
