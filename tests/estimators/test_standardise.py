"""What a critic sees is a bijection of each side, of unit scale and with no long tail, whatever the data were."""

import numpy as np
import pytest

from mibench.estimators.standardise import Scale, Standardiser, axes, is_image

VECTORS = (False, False)


def correlated(n, rho=0.999, seed=0):
    """Rows x (n, 2) and y (n, 1), whose last coordinates nearly agree."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    return x, rho * x[:, 1:] + np.sqrt(1 - rho**2) * rng.normal(size=(n, 1))


def principal_deviations(rows):
    return np.sqrt(np.linalg.eigvalsh(np.cov(rows.T, bias=True)))


@pytest.mark.parametrize(
    ("shape", "image"),
    [((8, 8), True), ((1, 16, 16), True), ((3, 8, 20), True), ((7, 20), False), ((8,), False), ((1, 1, 8, 8), False)],
)
def test_images_are_told_from_vectors(shape, image):
    assert is_image(shape) == image


def test_a_coordinate_is_centred_by_its_median_and_divided_by_its_quartiles():
    rows = np.array([[0.0, 1, 2, 3, 4, 5, 6, 7, 1000]]).T
    scale = (6 - 2) / 1.349
    found = Scale.fit(rows, image=False)(np.array([[4.0], [4 + scale], [4 - 2.5 * scale], [4 + 10 * scale], [-1e9]]))
    bent = -3 - np.log1p((1e9 + 4) / scale - 3)
    assert found[:, 0] == pytest.approx([0, 1, -2.5, 3 + np.log(8), bent], rel=1e-12)


def test_an_image_has_one_mean_and_one_deviation():
    rng = np.random.default_rng(0)
    rows = 50 + 7 * rng.standard_t(3, size=(20, 2, 8, 9)) * np.arange(1, 10)
    found, same = Standardiser.fit(rows, rows, (True, True), joint=True)(rows, rows)
    assert found.shape == rows.shape
    inside = np.abs(rows - rows.mean()) < 3 * rows.std()
    assert 0.9 < inside.mean() < 1
    assert found[inside] == pytest.approx(((rows - rows.mean()) / rows.std())[inside], abs=1e-12)
    assert np.array_equal(found, same)
    grey = rows[:, 0]
    one, flat = Standardiser.fit(grey, grey, (True, False), joint=True)(grey, grey)
    assert one.shape == (20, 1, 8, 9)
    assert flat.shape == (20, 72)


@pytest.mark.parametrize("law", ["normal", "cauchy", "rounded", "spike"])
def test_each_coordinate_is_mapped_one_to_one(law):
    rng = np.random.default_rng(1)
    draws = {
        "normal": rng.normal(size=500),
        "cauchy": rng.standard_cauchy(500),
        "rounded": np.round(rng.normal(size=500)),
        "spike": np.where(rng.uniform(size=500) < 0.9, 0, rng.normal(size=500)),
    }
    rows = draws[law][:, None]
    scale = Scale.fit(rows, image=False)
    values = np.unique(np.concatenate([rows, np.linspace(-1e4, 1e4, 5001)[:, None]]))[:, None]
    found = scale(values)
    assert (np.diff(found[:, 0]) > 0).all()
    even = np.sign(found) * np.where(np.abs(found) > 3, 2 + np.exp(np.abs(found) - 3), np.abs(found))
    assert even * scale.scale + scale.centre == pytest.approx(values * 0.5**scale.exponent, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("n", [100, 100_000])
def test_heavy_tails_stay_in_range(n):
    rows = np.random.default_rng(2).standard_cauchy((n, 3))
    assert np.abs(rows).max() > 100
    assert np.abs(Scale.fit(rows, image=False)(rows)).max() < 25
    for joint in (True, False):
        sides = Standardiser.fit(rows, rows[:, :1], VECTORS, joint)(rows, rows[:, :1])
        assert all(np.isfinite(side).all() for side in sides)


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("image", [True, False])
@pytest.mark.parametrize(("factor", "shift"), [(2.0**1000, 0), (2.0**-900, 0), (-1e-3, 7), (3.0, -1e4)])
def test_location_and_scale_do_not_matter(factor, shift, image, joint):
    x, y = (side[..., None, None] * np.ones(8 * 8).reshape(8, 8) if image else side for side in correlated(60))
    plain = Standardiser.fit(x, y, (image, image), joint)(x, y)
    moved = x * factor + shift
    found = Standardiser.fit(moved, y, (image, image), joint)(moved, y)
    for ours, own in zip(found, plain, strict=True):
        same = ours if factor > 0 or not image else np.sign(own) * np.abs(ours)
        # Principal axes have no sign.
        assert np.abs(same) == pytest.approx(np.abs(own), rel=1e-6, abs=1e-6)
    if not shift:
        assert all(np.array_equal(ours, own) for ours, own in zip(found, plain, strict=True))


def test_constants_become_zeros_and_new_values_stay_finite():
    x, y = correlated(50)
    x[:, 0], y[:] = 7e5, -1e-3
    for joint in (True, False):
        fitted = Standardiser.fit(x, y, VECTORS, joint)
        left, right = fitted(x, y)
        assert left.std(axis=0).max() > 0.5
        assert np.abs(right).max() == 0
        varied = fitted(x, y + 1e300)
        assert np.isfinite(varied[1]).all()
        assert np.abs(left).max() < 10
    flat = np.full((10, 8, 8), 3.0)
    assert np.abs(Standardiser.fit(flat, flat, (True, True), True)(flat, flat)).max() == 0


@pytest.mark.parametrize(("rare", "most"), [(1.0, 25), (1e-12, 25), (1e12, 25)])
def test_a_rare_event_is_seen(rare, most):
    rows = np.zeros((2000, 1))
    rows[:3] = rare
    found = Scale.fit(rows, image=False)(rows)
    assert found[3:].tolist() == [[0]] * 1997
    assert 1 < found[0, 0] < most


@pytest.mark.parametrize("rho", [0.0, 0.9, 0.9999])
def test_no_axis_of_the_joint_vector_is_smaller_than_one(rho):
    x, y = correlated(4000, rho)
    fitted = Standardiser.fit(x, y, VECTORS, joint=True)
    left, right = fitted(x, y)
    mapped = np.hstack([scale(side) for scale, side in zip(fitted.scales, (x, y), strict=True)])
    assert left.shape == right.shape == (4000, 3)
    assert left + right == pytest.approx(mapped @ axes(mapped), abs=1e-8)
    deviations = principal_deviations(left + right)
    assert deviations[0] == pytest.approx(1, abs=5e-3)
    assert deviations[-1] == pytest.approx(np.sqrt(1 + rho), abs=0.03)


def test_axes_are_those_of_each_side_where_the_critic_is_not_joint():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(3000, 1)) + 0.01 * rng.normal(size=(3000, 3))
    y = rng.normal(size=(3000, 2)) + 5 * x[:, :1]
    left, right = Standardiser.fit(x, y, VECTORS, joint=False)(x, y)
    assert (left.shape, right.shape) == ((3000, 3), (3000, 2))
    assert principal_deviations(left) == pytest.approx([1, 1, np.sqrt(3)], abs=0.02)
    assert principal_deviations(right)[0] == pytest.approx(1, abs=0.01)


def test_axes_keep_what_varies_more_and_turn_nothing_else():
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(5000, 2)) @ np.array([[1.0, 0.6], [0.0, 0.8]])
    matrix = axes(rows)
    scaled = rows / rows.std(axis=0)
    variance = np.linalg.eigvalsh(np.cov(scaled.T, bias=True))
    covariance = np.cov((rows @ matrix).T, bias=True)
    assert covariance == pytest.approx(np.diag([1, variance[1]]), abs=1e-5)


@pytest.mark.parametrize(("n", "d"), [(10, 10), (10, 30), (10, 1)])
def test_axes_of_a_small_sample_are_left_alone(n, d):
    rows = np.random.default_rng(6).normal(size=(n, d)) * np.arange(1, d + 1)
    assert axes(rows) == pytest.approx(np.diag(1 / rows.std(axis=0)), rel=1e-12)


def test_axes_are_shrunk_the_less_the_larger_the_sample():
    small, large = (np.random.default_rng(7).normal(size=(n, 20)) for n in (30, 400))
    least = principal_deviations(small @ axes(small))[0]
    assert principal_deviations(small / small.std(axis=0))[0] < least < 0.6
    assert 0.97 < principal_deviations(large @ axes(large))[0] <= 1 + 1e-9


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("copies", [0, 1])
def test_each_side_is_mapped_one_to_one(joint, copies):
    """A linear map of full rank loses nothing, of coordinates that agree as well."""
    x, y = correlated(300, rho=1.0 if copies else 0.99999)
    x = np.hstack([x] + [x[:, :1]] * copies)
    fitted = Standardiser.fit(x, y, VECTORS, joint)
    for scale, side, rotation in zip(fitted.scales, (x, y), fitted.rotations, strict=True):
        assert np.linalg.matrix_rank(rotation) == side.shape[1]
        assert np.linalg.cond(rotation) < 1e6
        mapped = scale(side)
        assert (mapped @ rotation) @ np.linalg.pinv(rotation) == pytest.approx(mapped, abs=1e-6)
    left, right = fitted(x, y)
    assert max(np.abs(left).max(), np.abs(right).max()) < 1e5


def test_each_row_is_mapped_alone():
    x, y = correlated(200)
    fitted = Standardiser.fit(x[:100], y[:100], VECTORS, joint=True)
    whole = fitted(x, y)
    part = fitted(x[150:151], y[150:151])
    for side, one in zip(whole, part, strict=True):
        assert side[150] == pytest.approx(one[0], abs=1e-12)
