import math

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.stats import kstest, norm

import mibench
from mibench.tasks.maps import Map

MAPS = ["asinh", "bimodal", "half_cube", "power", "spiral", "uniform", "wiggly"]


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
        ("affine", 3.0, 3.0, 3.0),
        ("power", -3.0, -9.0, -9.0),
        ("bimodal", 0.0, 4.434057008006635, 1.0),  # the medians, that of X by SciPy
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


@pytest.mark.parametrize("spec", ["affine({}, shift=1000, scale=0.001)", "power({}, alpha=0.5)", "uniform({}, df=2)"])
def test_inverse_undoes_the_map_with_other_parameters(spec):
    base = mibench.task("student(d=2, mi=2, df=2)").draw(1000, seed=0)
    distribution = mibench.task(spec.format("student(d=2, mi=2, df=2)")).distribution
    back = distribution.invert("x", distribution.map("x", base.x))
    assert np.allclose(back, base.x, rtol=1e-9, atol=1e-9)


def test_bimodal_coordinates_have_the_published_mixtures():
    x, y = mibench.task("bimodal(gaussian(d=1, mi=1))").sample(50_000, seed=0)
    assert kstest(x[:, 0], lambda v: 0.3 * norm.cdf(v) + 0.7 * norm.cdf(v - 5)).pvalue > 1e-5
    assert kstest(y[:, 0], lambda v: 0.5 * norm.cdf(v + 1) + 0.5 * norm.cdf(v - 3)).pvalue > 1e-5


def test_bimodal_is_exact_far_out():
    distribution = mibench.task("bimodal(gaussian(d=1, mi=1))").distribution
    values = np.linspace(-20, 20, 10_001)[:, None]
    for side in ("x", "y"):
        mapped = distribution.map(side, values)
        assert (np.diff(mapped[:, 0]) > 0).all()
        assert np.abs(distribution.invert(side, mapped) - values).max() < 1e-9


def test_the_swiss_roll_is_the_published_curve():
    task = mibench.task("swiss_roll(uniform(gaussian(d=1, mi=1)))")
    u = np.array([[0.0], [0.25], [1.0]])
    t = 1.5 * math.pi * (1 + 2 * u[:, 0])
    points = task.distribution.map("x", u)
    assert points == pytest.approx(np.stack([t * np.cos(t), t * np.sin(t)], axis=1) / 21)
    assert task.distribution.invert("x", points) == pytest.approx(u, abs=1e-14)
    assert (task.x_shape, task.y_shape) == ((2,), (1,))


def test_the_speed_of_the_spiral_is_the_angle_at_unit_length():
    distribution = mibench.task("spiral(gaussian(d=3, mi=2), speed=0.7)").distribution
    assert distribution.map("x", np.eye(3)[:1]) == pytest.approx(np.array([[math.cos(0.7), math.sin(0.7), 0]]))


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
