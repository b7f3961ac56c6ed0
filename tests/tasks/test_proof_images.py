"""Images, rendered a second time from latents that are known: the pointwise MI has to be that of the latents."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit, ndtr, ndtri
from scipy.stats import kstest

import mibench

SIGMA = 0.2


def axis_profile(centre, size, sigma=SIGMA):
    return np.exp(-((np.linspace(0, 1, size) - centre[:, None]) ** 2) / (2 * sigma**2))


def blobs(p, size):
    return axis_profile(p[:, 0], size)[:, :, None] * axis_profile(p[:, 1], size)[:, None, :]


def color_blobs(p, size):
    return (0.2 + 0.8 * p[:, 2:, None, None]) * blobs(p, size)[:, None]


def nuisance_blobs(p, size):
    rng = np.random.default_rng(len(p))
    b, base, row, column = rng.uniform([0.5, 0.25, -0.25, -0.25], [1, 0.75, 0.25, 0.25], (len(p), 4)).T[
        :, :, None, None
    ]
    ramp = np.linspace(-0.5, 0.5, size)
    return b * blobs(p, size) + base + row * ramp[:, None] + column * ramp


def ellipses(p, size):
    grid = np.linspace(0, 1, size)
    dx, dy = grid[:, None] - p[:, 0, None, None], grid - p[:, 1, None, None]
    a, b, tilt = 1 + p[:, 2, None, None], 1 + p[:, 3, None, None], 2 * p[:, 4, None, None] - 1
    return np.exp(-10 * (a**2 * dx**2 + b**2 * dy**2 + tilt * a * b * dx * dy))


def rectangles(p, size):
    def side(u, v):
        low = 0.8 * (1 - np.sqrt(1 - u))
        high = low + 0.2 + v * (0.8 - low)
        return np.clip(np.minimum(np.arange(size) - low[:, None] * size, high[:, None] * size - np.arange(size)), 0, 1)

    return side(p[:, 0], p[:, 1])[:, :, None] * side(p[:, 2], p[:, 3])[:, None, :]


RENDER = {
    "blobs": (blobs, 2, 8),
    "color_blobs": (color_blobs, 5, 8),
    "nuisance_blobs": (nuisance_blobs, 2, 8),
    "ellipses": (ellipses, 5, 16),
    "rectangles": (rectangles, 4, 16),
}


def latents(mi, k, n, seed=0):
    """Normal scores (n, k) of X and of Y, each pair with mi / k nats."""
    rho = math.sqrt(-math.expm1(-2 * mi / k))
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, k))
    return x, rho * x + math.exp(-mi / k) * rng.standard_normal((n, k)), rho


def log_ratio(x, y, rho):
    return np.sum((2 * rho * x * y - rho**2 * (x**2 + y**2)) / (2 * (1 - rho**2)) - math.log1p(-(rho**2)) / 2, axis=-1)


@pytest.mark.parametrize("name", RENDER)
@pytest.mark.parametrize("mi", [0.1, 2.0, 6.0])
def test_images_have_the_pointwise_mi_of_their_latents(name, mi):
    render, k, size = RENDER[name]
    x, y, rho = latents(mi, k, 300)
    task = mibench.task(f"{name}(size={size}, mi={mi})")
    assert_allclose(
        task.log_density_ratio(render(ndtr(x), size), render(ndtr(y), size)), log_ratio(x, y, rho), atol=1e-4
    )


@pytest.mark.parametrize("name", RENDER)
def test_mean_and_calibration_of_images(name, proved):
    """Over draws: the mean pointwise MI, and ∫ p q / (p + q) from draws of p and from draws of the product q."""
    _, _, size = RENDER[name]
    task = mibench.task(f"{name}(size={size}, mi=1)")
    pointwise = np.concatenate([task.draw(6_000, seed=seed).pointwise_mi for seed in range(12)])
    assert 4 * pointwise.std() / math.sqrt(len(pointwise)) < 0.02
    proved(f"{name} mean", task.mutual_information, pointwise.mean(), 0.02)
    (x, y), (_, other) = task.sample(4000, seed=1), task.sample(4000, seed=2)
    assert_allclose(task.log_density_ratio(x, y), task.draw(4000, seed=1).pointwise_mi, atol=1e-5)
    joint, product = expit(-pointwise), expit(task.log_density_ratio(x, other))
    assert abs(joint.mean() - product.mean()) < 5 * math.sqrt(joint.var() / len(joint) + product.var() / len(product))


def test_centres_of_blobs_are_uniform():
    """ln pixel = (g·c − ‖c‖²/2 − ‖g‖²/2) / σ² tells the centre c by a straight line in g."""
    size = 8
    grid = np.linspace(0, 1, size)
    x, y = mibench.task(f"blobs(size={size}, mi=2)").sample(20_000, seed=3)
    scores = []
    for images in (x, y):
        for axis in (1, 2):
            profile = np.log(images).mean(axis=3 - axis) * SIGMA**2 + grid**2 / 2
            centre = np.polyfit(grid, profile.T, 1)[0]
            assert kstest(centre, "uniform").pvalue > 1e-5
            scores.append(ndtri(centre))
    correlation = np.corrcoef(scores)
    assert abs(correlation[0, 2] - math.sqrt(-math.expm1(-2))) < 0.01
    assert abs(correlation[1, 3] - math.sqrt(-math.expm1(-2))) < 0.01
    assert np.abs(correlation[[0, 0, 1, 2], [1, 3, 2, 3]]).max() < 0.04


class NoisyBlobs:
    """The pointwise MI of two blobs in noise, summed over a grid of normal scores of both centres."""

    def __init__(self, size, mi, noise):
        self.noise = noise
        self.scores, step = np.linspace(-5.2, 5.2, 161, retstep=True)
        weights = step * np.exp(-(self.scores**2) / 2) / math.sqrt(2 * math.pi)
        rho = math.sqrt(-math.expm1(-mi))
        a, b = self.scores[:, None], self.scores
        self.kernel = np.exp((2 * rho * a * b - rho**2 * (a**2 + b**2)) / (2 * (1 - rho**2)) + mi / 2)
        self.kernel *= weights[:, None] * weights
        self.weights = weights
        self.profile = axis_profile(ndtr(self.scores), size)
        self.squares = np.sum(self.profile**2, axis=1)

    def likelihood(self, image):
        """The likelihood of both coordinates of the centre, and the slices of them where it is not negligible."""
        log = self.profile @ image @ self.profile.T - self.squares[:, None] * self.squares / 2
        log = (log - log.max()) / self.noise**2
        rows, columns = (np.flatnonzero(log.max(axis=axis) > -35) for axis in (1, 0))
        rows, columns = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        return np.exp(log[rows, columns]), rows, columns

    def __call__(self, x, y):
        return np.array([self.of_images(a, b) for a, b in zip(x, y, strict=True)])

    def of_images(self, x, y):
        (a, i, j), (b, k, m) = self.likelihood(x), self.likelihood(y)
        margins = (self.weights[i] @ a @ self.weights[j]) * (self.weights[k] @ b @ self.weights[m])
        return math.log(np.sum((self.kernel[i, k].T @ a @ self.kernel[j, m]) * b) / margins)


def test_noisy_blobs_by_a_sum_over_their_centres(proved):
    """A fresh simulation; what noise takes from the pointwise MI of the centres scatters less than that itself."""
    size, mi, noise, n = 16, 2.0, 0.5, 5000
    task, pointwise = (
        mibench.task(f"noisy_blobs(size={size}, latent_mi={mi}, noise={noise})"),
        NoisyBlobs(size, mi, noise),
    )
    x, y, rho = latents(mi, 2, n, seed=5)
    rng = np.random.default_rng(6)
    images = [blobs(ndtr(z), size) + noise * rng.standard_normal((n, size, size)) for z in (x, y)]
    lost = log_ratio(x, y, rho) - pointwise(*images)
    error = lost.std() / math.sqrt(n)
    assert task.mi_std_error <= 1e-3
    assert 4 * error < 0.05
    proved("noisy_blobs", task.mutual_information, mi - lost.mean(), 4 * math.hypot(error, task.mi_std_error))
    x, y = task.sample(60, seed=7)
    assert_allclose(task.log_density_ratio(x, y), pointwise(x, y), atol=1e-3)


@pytest.mark.parametrize("latent_mi", [0.5, 2.0])
def test_noise_takes_information(latent_mi):
    task = mibench.task(f"noisy_blobs(size=16, latent_mi={latent_mi}, noise=0.5)")
    assert 0 < task.mutual_information < latent_mi
    assert 0 < task.mi_std_error <= 1e-3
