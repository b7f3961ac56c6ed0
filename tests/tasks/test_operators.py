import numpy as np
import pytest

import mibench
from mibench.errors import MibenchError, SpecError


def test_swap_exchanges_the_sides():
    base, swapped = mibench.task("gaussian(mi=1, dx=2, dy=5)"), mibench.task("swap(gaussian(mi=1, dx=2, dy=5))")
    assert (swapped.x_shape, swapped.y_shape) == (base.y_shape, base.x_shape)
    one, other = base.draw(100, seed=1), swapped.draw(100, seed=1)
    assert np.array_equal(one.x, other.y)
    assert np.array_equal(one.y, other.x)
    assert np.array_equal(one.pointwise_mi, other.pointwise_mi)
    assert swapped.mutual_information == base.mutual_information
    assert np.allclose(swapped.log_density_ratio(other.x, other.y), one.pointwise_mi)


def test_joined_blocks_add_up():
    task = mibench.task("join(student(d=2, df=1), join(gaussian(d=1, mi=1), clayton(d=1, mi=0.5)))")
    assert task.name == "join(student(d=2, df=1), join(gaussian(d=1, mi=1), clayton(d=1, mi=0.5)))"
    excess = mibench.task("student(d=2, df=1)").mutual_information
    assert task.mutual_information == pytest.approx(excess + 1.5, abs=1e-14)
    assert task.x_shape == task.y_shape == (4,)
    draw = task.draw(1000, seed=0)
    assert np.allclose(task.log_density_ratio(draw.x, draw.y), draw.pointwise_mi)


def test_joined_blocks_are_independent():
    x, y = mibench.task("join(gaussian(d=1, mi=1), gaussian(d=1, mi=1))").sample(20_000, seed=0)
    between = np.corrcoef(np.concatenate([x, y], axis=1).T)[[0, 0, 2, 2], [1, 3, 1, 3]]
    assert np.abs(between).max() < 0.03


def test_images_cannot_be_joined():
    with pytest.raises(SpecError, match="join: needs vectors"):
        mibench.task("join(gaussian, blobs)")


def test_independent_keeps_the_margins_alone():
    base, task = mibench.task("gaussian(d=1, mi=5)"), mibench.task("independent(gaussian(d=1, mi=5))")
    x, y = task.sample(20_000, seed=0)
    assert task.mutual_information == 0
    for lag in range(-3, 4):  # in no row, nor between rows
        assert abs(np.corrcoef(np.roll(x[:, 0], lag), y[:, 0])[0, 1]) < 0.03
    assert y.var() == pytest.approx(1, abs=0.05)
    assert np.array_equal(x, base.sample(20_000, seed=0)[0])


@pytest.mark.parametrize("smooth", [False, True])
def test_an_embedding_can_be_read_off(smooth):
    task = mibench.task(f"embed(gaussian(d=2, mi=2), dim=6, noise_dims=3, smooth={smooth})")
    assert task.x_shape == task.y_shape == (9,)
    base = mibench.task("gaussian(d=2, mi=2)").draw(500, seed=1)
    draw = task.draw(500, seed=1)
    for side, values, latent in (("x", draw.x, base.x), ("y", draw.y, base.y)):
        assert np.abs(task.distribution.invert(side, values) - latent).max() < 1e-12
    rank = np.linalg.matrix_rank(draw.x, tol=1e-8)
    assert rank == (9 if smooth else 2 + 3)


def test_an_embedding_keeps_what_a_linear_one_must():
    """A rotation keeps lengths; noise adds those of independent standard normals."""
    x, _ = mibench.task("embed(gaussian(d=2, mi=2), dim=20, noise_dims=5)").sample(50_000, seed=0)
    assert (x**2).sum(axis=1).mean() == pytest.approx(7, abs=0.1)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("embed(gaussian(d=5, mi=1), dim=3)", "at most dim=3"),
        ("embed(gaussian, smooth=True)", "smooth needs dim"),
        ("embed(blobs, dim=2000)", "vector"),
        ("swiss_roll(gaussian)", r"write uniform\(...\)"),
        ("power(gaussian, alpha=0)", "alpha must be from 0.05 to 20"),
        ("affine(gaussian, scale=0)", "scale must be from 1e-100"),
        ("affine(gaussian, shift=1e16)", "shift must be at most"),
        ("spiral(gaussian(d=3), speed=1e17)", "speed must be"),
        ("uniform(gaussian, df=0)", "df must be above 0"),
        ("uniform(student(d=2, df=5))", "give their df"),
        ("embed(gaussian, noise_dims=-1)", "noise_dims must be at least 0"),
        ("embed(gaussian, noise_dims=5000)", "a rotation takes at most 1000"),
    ],
)
def test_impossible_maps_are_refused(spec, message):
    with pytest.raises(SpecError, match=message):
        mibench.task(spec)


def test_a_cdf_that_rounds_to_one_is_refused():
    with pytest.raises(MibenchError, match="rounds the CDF of x to 0 or 1"):
        mibench.task("uniform(power(gaussian, alpha=5))").sample(1000)


def test_a_draw_that_is_infinite_is_refused():
    with pytest.raises(MibenchError, match="x is infinite or NaN"):
        mibench.task("bimodal(student(d=1, df=1))").sample(1000)


@pytest.mark.parametrize(
    "wrap", ["asinh({})", "bimodal({})", "wiggly({})", "affine({}, scale=0.1)", "embed({}, dim=6)"]
)
@pytest.mark.parametrize(
    "base", ["quantized(d=2, mi=3)", "noisy_labels(d=2, mi=2)", "zero_inflated_poisson(d=2, p=0.15)"]
)
def test_labels_are_read_back_through_maps(base, wrap):
    task = mibench.task(wrap.format(base))
    draw = task.draw(2000, seed=0)
    assert np.allclose(task.log_density_ratio(draw.x, draw.y), draw.pointwise_mi, atol=1e-5)
