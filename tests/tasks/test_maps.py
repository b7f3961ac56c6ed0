import math

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.stats import kstest, norm

import mibench
from mibench.tasks.blobs import Blobs
from mibench.tasks.maps import Map

MAPS = ["asinh", "half_cube", "uniform", "wiggly", "spiral"]


def mapped(name, side="both"):
    return mibench.task(f"{name}(gaussian(d=3, mi=2), side='{side}')").distribution


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("side", ["x", "y"])
def test_inverse_undoes_the_map(name, side):
    values = np.random.default_rng(0).standard_normal((1000, 3))
    distribution = mapped(name)
    assert isinstance(distribution, Map)
    back = distribution.invert(side, distribution.map(side, values))
    assert np.abs(back - values).max() < 1e-11


@pytest.mark.parametrize("name", MAPS)
def test_a_side_alone_is_mapped(name):
    base = mibench.task("gaussian(d=3, mi=2)").sample(50, seed=1)
    both, left, right = (mibench.task(str(mapped(name, side))).sample(50, seed=1) for side in ("both", "x", "y"))
    assert np.array_equal(left[0], both[0])
    assert np.array_equal(left[1], base[1])
    assert np.array_equal(right[0], base[0])
    assert np.array_equal(right[1], both[1])
    assert not np.allclose(both[0], base[0])


def test_maps_compose_and_keep_mi():
    task = mibench.task("spiral(uniform(wiggly(gaussian_sparse(d=5, pairs=2, mi=1.5))), side='x', speed=2)")
    assert task.mutual_information == 1.5
    assert task.tags == ("gaussian", "vector", "sparse", "wiggly", "uniform", "spiral")
    draw = task.draw(2000, seed=0)
    assert np.allclose(task.log_density_ratio(draw.x, draw.y), draw.pointwise_mi, atol=1e-8)


@pytest.mark.parametrize(
    ("name", "x", "mapped_x", "mapped_y"),
    [
        ("asinh", 2.0, math.log(2 + math.sqrt(5)), math.log(2 + math.sqrt(5))),
        ("half_cube", -4.0, -8.0, -8.0),
        ("uniform", 1.96, norm.cdf(1.96), norm.cdf(1.96)),
        (
            "wiggly",
            0.7,
            0.7 + 0.4 * math.sin(0.7) + 0.2 * math.sin(1.7 * 0.7 + 1) + 0.03 * math.sin(3.3 * 0.7 - 2.5),
            0.7 - 0.4 * math.sin(0.4 * 0.7) + 0.17 * math.sin(1.3 * 0.7 + 3.5) + 0.02 * math.sin(4.3 * 0.7 - 2.5),
        ),
    ],
)
def test_maps_are_as_published(name, x, mapped_x, mapped_y):
    distribution = mapped(name)
    assert distribution.map("x", np.array([[x]])) == pytest.approx(mapped_x)
    assert distribution.map("y", np.array([[x]])) == pytest.approx(mapped_y)


def test_spiral_turns_the_published_planes():
    distribution = mapped("spiral")
    x = np.array([[1.0, 2.0, 3.0]])
    angle = 14 / 3
    c, s = math.cos(angle), math.sin(angle)
    assert distribution.map("x", x) == pytest.approx(np.array([[c - 2 * s, s + 2 * c, 3.0]]))
    assert distribution.map("y", x) == pytest.approx(np.array([[1.0, 2 * c - 3 * s, 2 * s + 3 * c]]))


def test_uniform_marginals_are_uniform():
    x, y = mibench.task("uniform(gaussian(d=2, mi=1, mixing='orthogonal'))").sample(20_000, seed=0)
    for column in (*x.T, *y.T):
        assert kstest(column, "uniform").pvalue > 1e-4


def test_mi_of_a_mapped_pair_meets_quadrature():
    """I(X; Y) of asinh(gaussian(d=1, mi=1)), integrated from the density in the mapped coordinates."""
    rho = math.sqrt(1 - math.exp(-2))

    def integrand(v, u):
        x, y = math.sinh(u), math.sinh(v)
        marginal_x, marginal_y = norm.pdf(x) * math.cosh(u), norm.pdf(y) * math.cosh(v)
        quadratic = (x * x - 2 * rho * x * y + y * y) / (2 * (1 - rho**2))
        joint = math.exp(-quadratic) / (2 * math.pi * math.sqrt(1 - rho**2)) * math.cosh(u) * math.cosh(v)
        return joint * math.log(joint / (marginal_x * marginal_y)) if joint > 0 else 0.0

    value, _ = dblquad(integrand, -2.6, 2.6, -2.6, 2.6, epsabs=1e-7)
    assert value == pytest.approx(mibench.task("asinh(gaussian(d=1, mi=1))").mutual_information, abs=1e-5)


def test_blobs_are_the_published_pixels():
    blobs = Blobs(size=5, mi=1.0, sigma=0.3)
    (image,) = blobs.render(np.array([[0.25, 0.6]]))
    assert image[1, 2] == pytest.approx(math.exp(-(0.1**2) / (2 * 0.09)))
    assert image[4, 0] == pytest.approx(math.exp(-(0.75**2 + 0.6**2) / (2 * 0.09)))


@pytest.mark.parametrize("sigma", [0.04, 0.2, 1.0, 5.0])
def test_a_blob_tells_its_centre(sigma):
    blobs = Blobs(size=16, mi=10.0, sigma=sigma)
    centres = np.random.default_rng(0).uniform(size=(200, 2))
    assert np.abs(blobs.centres(blobs.render(centres)) - centres).max() < 1e-10


def test_blob_centres_are_uniform():
    x, _ = mibench.task("blobs(size=8, mi=3)").sample(5000, seed=0)
    for column in Blobs(size=8, mi=3.0).centres(x).T:
        assert kstest(column, "uniform").pvalue > 1e-4
