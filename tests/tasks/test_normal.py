import numpy as np
from mpmath import mp, mpf, ncdf

from mibench.tasks import normal


def test_cdf_is_exact_to_a_few_units_in_the_last_place():
    values = np.concatenate([np.random.default_rng(0).standard_normal(1000), np.linspace(-37, 8, 400), [0.0, 1e-300]])
    with mp.workdps(40):
        exact = [ncdf(mpf(float(value))) for value in values]
        error = np.array([float(abs(mpf(float(p)) / e - 1)) for p, e in zip(normal.cdf(values), exact, strict=True)])
    assert error[np.abs(values) < 6].max() < 3e-15
    assert error.max() < 1e-13


def test_density_and_far_tails():
    densities = normal.density(np.array([0.0, 1.0]))
    assert np.allclose(densities, np.array([1, np.exp(-0.5)]) / np.sqrt(2 * np.pi), rtol=1e-15)
    assert np.array_equal(normal.cdf(np.array([-1e6, 1e6, -50.0])), [0, 1, 0])


def test_shape_is_kept_and_order_too():
    values = np.sort(np.random.default_rng(1).standard_normal(50_000)).reshape(500, 100).T
    found = normal.cdf(values)
    assert found.shape == (100, 500)
    assert (np.diff(found.T.ravel()) >= 0).all()
