import itertools
import math
import re

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import kstest

import mibench
from mibench.distribution import Task
from mibench.errors import MibenchError, SpecError
from mibench.registry import build
from mibench.seeding import derive_seed
from mibench.spec import parse
from mibench.tasks.blob_quadrature import BlobQuadrature
from mibench.tasks.blobs import Blobs, ColorBlobs
from mibench.tasks.digits import Digits, _scans, classes_of
from mibench.tasks.ellipses import Ellipses
from mibench.tasks.gaussian import Gaussian
from mibench.tasks.maps import Uniform
from mibench.tasks.noisy_blobs import NoisyBlobs
from mibench.tasks.nuisance_blobs import NuisanceBlobs
from mibench.tasks.rectangles import Rectangles
from mibench.tasks.stored_truths import STORED_TRUTHS

FAMILIES = ["blobs", "color_blobs", "rectangles", "ellipses", "nuisance_blobs"]


def distribution(spec):
    return build("task", parse(spec))


def images_of(task, latents, seed=0):
    images = task.render(latents)
    return task.disturb(images, np.random.default_rng(seed)) if isinstance(task, NuisanceBlobs) else images


def latents_near_the_edges(k, n=10_000):
    rng = np.random.default_rng(0)
    latents = rng.random((n, k))
    latents[: n // 10] = rng.choice([1e-6, 1e-3, 0.5, 1 - 1e-3, 1 - 1e-6], size=(n // 10, k))
    return latents


def test_blobs_are_the_published_pixels():
    (image,) = Blobs(size=5, mi=1.0, sigma=0.3).render(np.array([[0.25, 0.6]]))
    assert image[1, 2] == pytest.approx(math.exp(-(0.1**2) / (2 * 0.09)))
    assert image[4, 0] == pytest.approx(math.exp(-(0.75**2 + 0.6**2) / (2 * 0.09)))


def test_color_blobs_are_scaled_by_channel():
    (image,) = ColorBlobs(size=5, sigma=0.3).render(np.array([[0.25, 0.6, 0.0, 0.5, 1.0]]))
    grey = math.exp(-(0.75**2 + 0.6**2) / (2 * 0.09))
    assert image[:, 4, 0] == pytest.approx([0.2 * grey, 0.6 * grey, grey])


def test_rectangles_are_the_published_pixels():
    (image,) = Rectangles(size=20).render(np.array([[0.19, 0.25, 0.0, 1.0]]))
    # a = 0.8 (1 − 0.9) = 0.08 and b = 0.25 × 0.72 + 0.28 = 0.46: rows 1.6 to 9.2; columns 0 to 20.
    assert image[:12, 10] == pytest.approx([0, 0, 0.4, 1, 1, 1, 1, 1, 1, 0.2, 0, 0])
    assert image[5] == pytest.approx([0, *[1] * 19])
    assert image[2] == pytest.approx(0.4 * image[5])


def test_rectangle_edges_are_uniform_where_their_latents_are():
    """Over the triangle a ≥ 0, b ≤ 1, b − a ≥ m the mean of a is (1 − m)/3, and of the side m + (1 − m)/3."""
    latents = np.random.default_rng(0).random((20_000, 4))
    profiles = Rectangles(size=200).render(latents[:500]).max(axis=2)
    assert profiles.sum(axis=1).mean() / 200 == pytest.approx(0.2 + 0.8 / 3, abs=0.03)
    assert profiles.argmax(axis=1).mean() / 200 == pytest.approx(0.8 / 3, abs=0.03)


def test_ellipses_are_the_published_pixels():
    p = (0.25, 0.6, 0.3, 0.8, 0.9)
    (image,) = Ellipses(size=33).render(np.array([p]))
    for i, j in itertools.product((0, 7, 20, 32), (0, 9, 31)):
        dx, dy, a, b = i / 32 - p[0], j / 32 - p[1], 1 + p[2], 1 + p[3]
        exponent = (a * dx) ** 2 + (b * dy) ** 2 + (2 * p[4] - 1) * a * b * dx * dy
        assert image[i, j] == pytest.approx(math.exp(-10 * exponent), rel=1e-13)


@pytest.mark.parametrize("size", [3, 8, 9, 70])
def test_ellipses_of_any_size_are_those_of_the_formula(size):
    latents = np.random.default_rng(1).random((70, 5))
    dx, dy = (np.linspace(0, 1, size) - latents[:, axis, None] for axis in (0, 1))
    u, v = (1 + latents[:, 2, None]) * dx, (1 + latents[:, 3, None]) * dy
    u, v = u[:, :, None], v[:, None, :]
    tilt = (2 * latents[:, 4] - 1)[:, None, None]
    expected = np.exp(-10 * (u * u + v * v + tilt * u * v))
    assert np.abs(Ellipses(size=size).render(latents) / expected - 1).max() < 1e-13


def test_nuisances_are_a_factor_and_a_plane():
    task = NuisanceBlobs(size=8)
    centres = np.random.default_rng(0).random((2000, 2))
    blobs, images = task.render(centres), images_of(task, centres)
    axis = np.linspace(-0.5, 0.5, 8)
    plane = np.stack([np.ones((8, 8)), axis[:, None] + np.zeros(8), axis + np.zeros((8, 1))]).reshape(3, -1).T
    found = []
    for image, blob in zip(images, blobs, strict=True):
        basis = np.column_stack([blob.ravel(), plane])
        weights, *_ = np.linalg.lstsq(basis, image.ravel(), rcond=None)
        assert np.abs(basis @ weights - image.ravel()).max() < 1e-13
        found.append(weights)
    for column, low, high in zip(np.array(found).T, (0.5, 0.25, -0.25, -0.25), (1, 0.75, 0.25, 0.25), strict=True):
        assert kstest(column, "uniform", args=(low, high - low)).pvalue > 1e-5
    assert np.abs(np.corrcoef(np.array(found).T) - np.eye(4)).max() < 0.1
    assert images.min() >= 0
    assert images.max() <= 2


def test_nuisances_are_fresh_for_every_image():
    x, y = mibench.task("nuisance_blobs(mi=0)").sample(2000, seed=0)
    backgrounds = np.array([[image.mean(), image[0, 0] - image[0, -1]] for image in (*x, *y)]).reshape(2, 2000, 2)
    for column in range(2):
        assert abs(np.corrcoef(backgrounds[:, :, column])[0, 1]) < 0.1


@pytest.mark.parametrize(
    "spec",
    [
        *FAMILIES,
        "blobs(sigma=0.04)",
        "blobs(sigma=5.0)",
        "color_blobs(size=4, sigma=1.0)",
        "rectangles(size=15)",
        "rectangles(size=40)",
        "ellipses(size=3)",
        "ellipses(size=16)",
        "nuisance_blobs(size=5)",
        "nuisance_blobs(sigma=0.04)",
        "nuisance_blobs(sigma=1.0)",
        "nuisance_blobs(size=5, sigma=0.125)",
    ],
)
def test_an_image_tells_its_latents(spec):
    task = distribution(spec)
    latents = latents_near_the_edges(task.k)
    assert np.abs(task.read(images_of(task, latents)) - latents).max() < 1e-9


@pytest.mark.parametrize("family", FAMILIES)
def test_latents_of_the_draws_are_uniform(family):
    task = mibench.task(f"{family}(mi=3)")
    for images in task.sample(5000, seed=0):
        for column in task.distribution.read(images).T:
            assert kstest(column, "uniform").pvalue > 1e-5


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("mi", [0.0, 1e-6, 2.0, 10.0])
def test_pointwise_mi_is_that_of_the_images(family, mi):
    task = mibench.task(f"{family}(mi={mi})")
    draw = task.draw(2000, seed=1)
    assert task.mutual_information == mi
    assert np.allclose(task.log_density_ratio(draw.x, draw.y), draw.pointwise_mi, atol=1e-6, rtol=1e-6)
    assert abs(draw.pointwise_mi.mean() - mi) <= 4 * draw.pointwise_mi.std() / math.sqrt(2000) + 1e-12


@pytest.mark.parametrize("family", FAMILIES)
def test_draws_at_the_extremes(family):
    most = 30 * mibench.task(family).distribution.k
    task = mibench.task(f"{family}(mi={most})")
    draw = task.draw(1, seed=0)
    assert np.isfinite(draw.x).all()
    assert np.isfinite(draw.y).all()
    assert draw.pointwise_mi == pytest.approx([most], abs=20)
    with pytest.raises(SpecError, match="at most 30 nats"):
        mibench.task(f"{family}(mi={1.01 * most})")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_latents_are_any_task_in_the_unit_cube(family):
    task = mibench.task(f"{family}(latent=quantized(d={distribution(family).k}, mi=2, unit=True))")
    assert str(distribution(task.name)) == task.name
    draw = task.draw(2000, seed=1)
    assert task.mutual_information == 2
    # Of labels in cells, a latent that rounding moves across an edge is told wrong, and these are rare.
    told = task.log_density_ratio(draw.x, draw.y)
    assert (np.abs(told - draw.pointwise_mi) < 1e-6).mean() > 0.999
    other = mibench.task(f"{family}(latent=swap(uniform(gaussian_dense(d={distribution(family).k}, rho=0.5))))")
    assert other.mutual_information == mibench.task(other.name).mutual_information > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_the_default_latent_has_one_name(family):
    k = distribution(family).k
    plain, named = distribution(f"{family}(mi=2)"), distribution(f"{family}(latent=uniform(gaussian(d={k}, mi=2)))")
    assert named == plain
    assert str(named) == str(plain)
    assert "mi=1" in str(distribution(family))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("blobs(size=1)", "size must be at least 2 and at most 1024 pixels, got 1"),
        ("blobs(size=2000)", "at most 1024 pixels, got 2000"),
        ("rectangles(size=14)", "size must be at least 15, so that the shortest side has a pixel of full brightness"),
        ("ellipses(size=2)", "size must be at least 3, so that the log-pixels tell a quadratic"),
        ("nuisance_blobs(size=4)", "size must be at least 5, so that the background"),
        ("blobs(sigma=0.03)", "sigma must be at least 0.04, below which pixels underflow, got 0.03"),
        ("color_blobs(sigma=101)", "sigma must be at most 100.0"),
        ("nuisance_blobs(size=5, sigma=0.1)", "sigma must be at least 0.125, half the distance of two pixels"),
        ("nuisance_blobs(sigma=2)", "at most 1.0"),
        ("ellipses(mi=-1)", "mi must be a finite number of nats, at least 0, got -1"),
        ("blobs(mi=1, latent=uniform(gaussian(d=2)))", "give either mi or latent, not both"),
        ("blobs(latent=3)", "latent must be a task, written as a call, got 3"),
        (
            "blobs(latent=uniform(gaussian(d=3)))",
            r"in (0, 1)^2, such as uniform(gaussian(d=2)); got uniform(gaussian(d=3",
        ),
        ("color_blobs(latent=gaussian(d=5))", "x of shape (5,), y of shape (5,) and support 'real'"),
        ("rectangles(latent=uniform(gaussian(d=4), side='x'))", "support 'real'"),
        ("noisy_blobs(noise=0)", "noise must be above 0"),
        ("noisy_blobs(noise=1e7)", "at most 1e+06, got 10000000.0"),
        ("noisy_blobs(noise=0.01)", "points an axis to integrate over the centres, above 256; raise noise"),
        ("noisy_blobs(latent_mi=10)", "or lower latent_mi or size"),
        ("noisy_blobs(latent_mi=1e9)", "at most 30 nats"),
        ("noisy_blobs(latent_mi=20)", "or lower latent_mi or size"),
        ("noisy_blobs(size=1)", "size must be at least 2"),
        ("noisy_blobs(sigma=0.01)", "sigma must be at least 0.04"),
        ("noisy_blobs(latent_mi=-1)", "mi must be a finite number of nats"),
        ("digits(mi=2.4)", "mi must be at most ln 10 = 2.30259 nats for 10 labels, got 2.4"),
        ("digits(mi=-1)", "mi must be a finite number of nats, at least 0, got -1"),
        ("digits(noise=1.5)", "noise must be a probability, from 0 to 1, got 1.5"),
        ("digits(mi=1, noise=0.5)", "give either mi or noise, not both"),
    ],
)
def test_bad_input_is_named(spec, message):
    with pytest.raises(SpecError, match=re.escape(message)):
        distribution(spec)


def test_noisy_blobs_add_white_noise():
    task = NoisyBlobs(size=8, noise=0.3)
    draw = task.draw(4000, np.random.default_rng(0))
    clean = Blobs(size=8, mi=2.0).draw(4000, np.random.default_rng(0))
    noise = np.concatenate([draw.x - clean.x, draw.y - clean.y], axis=1).reshape(4000, -1)
    assert draw.pointwise_mi is None
    assert kstest(noise.ravel()[:50_000], "norm", args=(0, 0.3)).pvalue > 1e-5
    assert np.abs(np.corrcoef(noise.T) - np.eye(128)).max() < 0.1


def test_the_pointwise_mi_of_noisy_blobs_is_a_plain_sum_over_both_centres():
    """Trapezoids over the four normal latents, with the densities written out."""
    mi, noise, sigma, size = 1.2, 1.0, 0.3, 3
    x, y = NoisyBlobs(size=size, latent_mi=mi, sigma=sigma, noise=noise).draw(3, np.random.default_rng(7))[:2]
    z = np.linspace(-6, 6, 41)
    weights = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])
    grid = np.linspace(0, 1, size)
    rho = math.sqrt(1 - math.exp(-mi))

    def likelihoods(image):
        found = np.empty((41, 41))
        for (i, row), (j, column) in itertools.product(enumerate(ndtr(z)), repeat=2):
            square = (grid[:, None] - row) ** 2 + (grid - column) ** 2
            residual = image - np.exp(-square / (2 * sigma**2))
            found[i, j] = math.exp(-(residual**2).sum() / (2 * noise**2))
        return found

    density = np.empty((41, 41))
    for (i, a), (j, b) in itertools.product(enumerate(z), repeat=2):
        exponent = -(rho**2 * (a * a + b * b) - 2 * rho * a * b) / (2 * (1 - rho**2))
        density[i, j] = math.exp(exponent) / math.sqrt(1 - rho**2) * weights[i] * weights[j]
    for one, other in zip(x, y, strict=True):
        of_x, of_y = likelihoods(one), likelihoods(other)
        joint = sum(
            of_x[i, j] * (of_y * density[i][:, None] * density[j]).sum()
            for i, j in itertools.product(range(41), repeat=2)
        )
        expected = math.log(joint / (weights @ of_x @ weights) / (weights @ of_y @ weights))
        task = NoisyBlobs(size=size, latent_mi=mi, sigma=sigma, noise=noise)
        assert task.log_density_ratio(one[None], other[None]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("latent_mi", "noise", "size"), [(2, 0.5, 16), (2, 0.25, 16), (2, 5.0, 16), (5, 0.5, 16), (1, 0.5, 4)]
)
def test_the_quadrature_has_converged(latent_mi, noise, size):
    x, y = NoisyBlobs(size=size, latent_mi=latent_mi, noise=noise).draw(40, np.random.default_rng(0))[:2]
    coarse, fine = (
        BlobQuadrature(size=size, mi=latent_mi, sigma=0.2, noise=noise, step=step).log_ratio(x, y)
        for step in (1.0, 0.5)
    )
    assert np.abs(coarse - fine).max() < 1e-5


def test_the_pointwise_mi_of_noisy_blobs_is_calibrated():
    """E e^(−i) over joint pairs and E e^i over independent ones are both 1."""
    task = NoisyBlobs(noise=2.0, latent_mi=1.0)
    x, y = task.draw(4000, np.random.default_rng(0))[:2]
    for values in (np.exp(-task.log_density_ratio(x, y)), np.exp(task.log_density_ratio(x, np.roll(y, 1, axis=0)))):
        assert abs(values.mean() - 1) < 5 * values.std() / math.sqrt(4000)


@pytest.mark.parametrize("spec", STORED_TRUTHS)
def test_stored_truths_are_found_again(spec):
    task = distribution(spec)
    stored, error, draws = STORED_TRUTHS[spec]
    assert (task.mutual_information, task.mi_std_error) == (stored, error)
    assert error <= 1e-3
    assert f"over {draws} draws" in task.truth
    assert "by data processing less than the 2 nats" in task.truth
    again = task.monte_carlo(seed=1, std_error=1.5e-3)
    assert abs(again.value - stored) < 4 * math.hypot(again.std_error, error)


def test_the_mean_on_controls_is_the_plain_mean():
    task = NoisyBlobs(size=4, latent_mi=1.0, noise=0.5)
    mean = task.monte_carlo(seed=0, std_error=3e-3)
    pointwise = task.log_density_ratio(*task.draw(20_000, np.random.default_rng(1))[:2])
    error = math.hypot(pointwise.std() / math.sqrt(20_000), mean.std_error)
    assert abs(pointwise.mean() - mean.value) < 4 * error


def test_another_setting_is_computed_from_its_name():
    task = NoisyBlobs(size=3, latent_mi=0.01, noise=1.0)
    expected = task.monte_carlo(derive_seed("truth", str(task)))
    assert Task(task).mutual_information == expected.value <= 0.01
    assert Task(task).mi_std_error == expected.std_error <= 1e-3


def test_noise_takes_from_nothing_to_all():
    assert NoisyBlobs(size=8, noise=0.1, latent_mi=0.5).monte_carlo(0, 5e-3).value == pytest.approx(0.5, abs=0.03)
    assert NoisyBlobs(noise=100.0).monte_carlo(0).value == pytest.approx(0, abs=1e-3)
    assert NoisyBlobs(latent_mi=0.0).mutual_information == 0
    small, large = (NoisyBlobs(noise=noise).monte_carlo(0, 0.02).value for noise in (0.5, 1.0))
    assert large < small < 2


def test_digits_are_all_different_and_evenly_drawn():
    images, counts, known = _scans()
    assert len(known) == len(images) == counts.sum() == 1797
    task = mibench.task("digits(mi=1)")
    x, _ = task.sample(20_000, seed=0)
    values, times = np.unique(classes_of(x), return_counts=True)
    assert np.array_equal(values, np.arange(10))
    assert np.abs(times - 2000).max() < 5 * math.sqrt(2000)
    per_image = np.unique(x.reshape(-1, 64), axis=0, return_counts=True)[1]
    assert len(per_image) == 1797
    assert 0 <= x.min() < x.max() <= 1


@pytest.mark.parametrize("spec", ["digits", "digits(mi=1e-6)", "digits(mi=2.302585092994045)", "digits(noise=0.3)"])
def test_digits_have_the_mi_of_the_channel(spec):
    task = mibench.task(spec)
    draw = task.draw(50_000, seed=0)
    classes = classes_of(draw.x)
    agree = (classes == draw.y[:, 0]).mean()
    noise = task.distribution._redraw
    assert agree == pytest.approx(1 - 0.9 * noise, abs=0.01)
    stay = 1 - 0.9 * noise
    mi = math.log(10) + sum(p * math.log(p) for p in [stay, *[noise / 10] * 9] if p > 0)
    assert task.mutual_information == pytest.approx(mi, rel=1e-9, abs=1e-14)
    assert np.array_equal(task.log_density_ratio(draw.x, draw.y), draw.pointwise_mi)
    assert abs(draw.pointwise_mi.mean() - mi) <= 4 * draw.pointwise_mi.std() / math.sqrt(50_000) + 1e-12


def test_the_stated_error_of_a_reader_of_digits_is_that_of_a_nearest_neighbour():
    images, counts, _ = _scans()
    flat, classes = images.reshape(1797, 64), np.repeat(np.arange(10), counts)
    distances = (flat**2).sum(axis=1)[:, None] + (flat**2).sum(axis=1) - 2 * flat @ flat.T
    np.fill_diagonal(distances, np.inf)
    assert (classes[distances.argmin(axis=1)] != classes).sum() == 21
    e = 21 / 1797
    loss = -e * math.log(e) - (1 - e) * math.log(1 - e) + e * math.log(9)
    assert f"still has {1 - loss:.4f} nats or more" in Digits(mi=1.0).truth
    assert loss == pytest.approx(0.0893, abs=5e-5)


def test_an_image_that_is_no_digit_is_refused():
    with pytest.raises(MibenchError, match="not of the 1797 digits"):
        mibench.task("digits").log_density_ratio(np.zeros((1, 8, 8)), np.zeros((1, 1)))


def test_the_truth_of_nuisance_blobs_says_that_both_bounds_meet():
    assert "no less" in NuisanceBlobs().truth
    assert "data processing it is no more" in NuisanceBlobs().truth
    assert Uniform(Gaussian(d=2, mi=1.0)).truth in NuisanceBlobs().truth
