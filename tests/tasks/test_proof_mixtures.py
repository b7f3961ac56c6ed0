"""Mixtures of normals: quadrature of the density in two and three dimensions."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import kstest, norm

import mibench

from .proofs import mixtures

RARE = 1e-5


def margin(means, variances):
    """The distribution function of equally weighted normals on the line."""
    return lambda t: np.mean([norm.cdf(t, m, math.sqrt(v)) for m, v in zip(means, variances, strict=True)], axis=0)


def assert_law(x, y, law, columns):
    """Each of the coordinates `columns` of (x, y) has the margin that the mixture gives it."""
    means, covariances = (np.asarray(part, dtype=float) for part in law[:2])
    for column, values in zip(columns, np.concatenate([x, y], axis=1)[:, columns].T, strict=True):
        assert kstest(values, margin(means[:, column], covariances[:, column, column])).pvalue > RARE


def log_ratio(x, y, law):
    means, covariances, dx, _ = law
    means, covariances = np.asarray(means, dtype=float), np.asarray(covariances, dtype=float)
    joint = mixtures.log_mixture(np.concatenate([x, y], axis=1), means, covariances)
    log_x = mixtures.log_mixture(x, means[:, :dx], covariances[:, :dx, :dx])
    return joint - log_x - mixtures.log_mixture(y, means[:, dx:], covariances[:, dx:, dx:])


def unbend_waves(x):
    """The inverse of x1 += 5 sin(3 x2), then (x1, x2) -> (x1 / 10 − 0.8, x2 / 2)."""
    second = 2 * x[:, 1]
    return np.stack([10 * (x[:, 0] + 0.8) - 5 * np.sin(3 * second), second], axis=1)


@pytest.mark.parametrize("name", ["mixture_x", "mixture_ai", "waves", "galaxy"])
def test_mi_by_quadrature(name, proved):
    proved(name, mibench.task(name).mutual_information, mixtures.on_grid(*getattr(mixtures, name)()), 1e-7)


@pytest.mark.parametrize("name", ["mixture_x", "mixture_ai", "waves"])
def test_draws_are_of_the_mixture(name):
    law = getattr(mixtures, name)()
    draw = mibench.task(name).draw(100_000, seed=1)
    x = unbend_waves(draw.x) if name == "waves" else draw.x
    assert_law(x, draw.y, law, range(x.shape[1] + 1))
    expected = log_ratio(x[:5000], draw.y[:5000], law)
    assert_allclose(draw.pointwise_mi[:5000], expected, atol=1e-6)
    assert_allclose(mibench.task(name).log_density_ratio(draw.x, draw.y)[:5000], expected, atol=1e-6)


def test_galaxy_turns_by_an_angle_that_grows_with_the_squared_radius():
    """The radius and Y keep their laws, and one speed of turning gives back the density ratio of the mixture."""
    law = mixtures.galaxy()
    task = mibench.task("galaxy")
    draw = task.draw(50_000, seed=2)
    assert_law(draw.x, draw.y, law, [2])
    straight = np.random.default_rng(0).standard_normal((50_000, 2)) + 1.5
    scale = norm.fit(np.linalg.norm(draw.x, axis=1))[1] / norm.fit(np.linalg.norm(straight, axis=1))[1]
    scale = min((0.1, 0.2, 0.25, 0.3, 0.5, 1.0, 2.0), key=lambda known: abs(math.log(known / scale)))
    x = draw.x[:400] / scale
    radius = np.sum(x**2, axis=1)
    z = x[:, 0] + 1j * x[:, 1]
    gaps = {}
    for speed in np.round(np.arange(-3, 3.01, 0.05), 2):
        back = z * np.exp(1j * speed * radius)
        back = np.stack([back.real, back.imag], axis=1)
        gaps[speed] = np.abs(log_ratio(back, draw.y[:400], law) - draw.pointwise_mi[:400]).max()
    assert min(gaps.values()) < 1e-6, min(gaps, key=gaps.get)


@pytest.mark.parametrize(("components", "dx"), [(1, 2), (2, 2), (3, 2), (5, 2), (10, 2), (4, 1), (4, 3), (5, 10)])
def test_concentric(components, dx, proved):
    task = mibench.task(f"concentric(components={components}, dx={dx})")
    proved("concentric", task.mutual_information, mixtures.concentric(components, dx), 1e-8)
    draw = task.draw(50_000, seed=3)
    widths = np.arange(1, components + 1)
    labels = np.rint(draw.y[:, 0])
    assert kstest(draw.y[:, 0], margin(widths, np.full(components, 1e-4))).pvalue > RARE
    for column in (draw.x / labels[:, None]).T:
        assert kstest(column, "norm").pvalue > RARE
    logs = -np.sum(draw.x**2, axis=1)[:, None] / (2 * widths**2) - dx * np.log(widths)
    chosen = np.take_along_axis(logs, labels.astype(int)[:, None] - 1, axis=1)[:, 0]
    expected = chosen - np.log(np.mean(np.exp(logs), axis=1))
    assert_allclose(draw.pointwise_mi, expected, atol=1e-7)


def test_mean_pointwise_mi():
    for name in ("mixture_x", "mixture_ai", "waves", "galaxy", "concentric(components=4)"):
        task = mibench.task(name)
        pointwise = task.draw(100_000, seed=4).pointwise_mi
        error = pointwise.std() / math.sqrt(len(pointwise))
        assert abs(pointwise.mean() - task.mutual_information) < 4.5 * error < 0.02
