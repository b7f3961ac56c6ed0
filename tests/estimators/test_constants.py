"""Data without information, of other types and shapes, and next to none: an answer, or one line that says why not."""

import math

import numpy as np
import pytest

import mibench
from mibench.errors import MibenchError
from mibench.estimators.columns import varying, varying_stacks
from mibench.estimators.principal_axes import principal_components

pytestmark = pytest.mark.filterwarnings("error")

INVARIANT = [
    "gaussian_fit",
    "gaussian_fit(unbiased=True)",
    "histogram",
    "histogram(equal='width', correction='miller_madow')",
    "kde",
    "kde(bandwidth='separate', kernel='epanechnikov')",
    "flow_gaussian(couplings=1, max_steps=10)",
    "flow_gaussian(head='tridiagonal', couplings=0, max_steps=10)",
    "flow_gaussian(head='shared', couplings=0, max_steps=10)",
    "flow_doe(couplings=1, max_steps=10)",
    "flow_densities(couplings=1, max_steps=10)",
    "jackknife(gaussian_fit())",
]
SPECS = [
    *INVARIANT,
    "mine(max_steps=60)",
    "ae(max_steps=20)",
    "sliced(projections=8)",
    "sliced(gaussian_fit(), projections=8, dim=2)",
    "jackknife",
]
X, Y = mibench.task("gaussian(d=2, mi=1)").sample(120, seed=0)
CONSTANT = np.full((120, 1), 0.1)  # whose rounded mean is not 0.1


@pytest.fixture(params=SPECS)
def method(request):
    return mibench.estimator(request.param)


def answer(method, x, y):
    """Return the answer, None for a declared limit; a NaN has its reason, and every reason is one line."""
    try:
        found = method.estimate(x, y, seed=1, device="cpu")
    except MibenchError as error:
        assert "cannot take these data: " in str(error)
        assert "\n" not in str(error)
        return None
    assert math.isfinite(found.value) or found.message
    assert "\n" not in found.message
    return found


@pytest.mark.parametrize("shape", [(120,), (120, 2), (120, 2, 3)])
def test_a_constant_side_tells_nothing(method, shape):
    flat = len(shape) < 3 or "flow" not in method.name
    for x, y in ((np.full(shape, 0.1), Y), (X, np.full(shape, 1e6))):
        found = answer(method, x, y)
        assert (found is not None) == flat
        assert not flat or found.value == pytest.approx(0, abs=1e-9)


def test_two_constant_sides(method):
    found = answer(method, CONSTANT, CONSTANT + 1)
    assert found.value == 0 or math.isnan(found.value)


def test_a_constant_column_among_others(method):
    with_it, without = answer(method, np.hstack([CONSTANT, X]), Y), answer(method, X, Y)
    assert with_it.value > 0.05
    if method.name in [mibench.estimator(spec).name for spec in INVARIANT]:
        assert with_it.value == pytest.approx(without.value, abs=1e-9)


def test_numbers_of_any_type(method):
    for kind in (np.float32, np.int64):
        x, y = (np.round(20 * side, 2).astype(kind) for side in (X, Y))
        found, same = answer(method, x, y), answer(method, x.astype(float), y.astype(float))
        assert found == same
        assert found.value > 0.05


def test_a_vector_is_a_column(method):
    assert answer(method, X[:, 0], Y[:, 0]) == answer(method, X[:, :1], Y[:, :1])


def test_an_image_is_its_pixels(method):
    image = X @ np.random.default_rng(0).standard_normal((2, 6)) + np.random.default_rng(1).standard_normal((120, 6))
    found = answer(method, image.reshape(120, 2, 3), Y)
    assert (found is None) == method.name.startswith("flow_")
    assert found is None or found == answer(method, image, Y)


@pytest.mark.parametrize("scale", [2.0**1020, 2.0**-900])
@pytest.mark.parametrize("spec", ["gaussian_fit", "histogram", "histogram(equal='width')", "kde", "sliced(dim=2)"])
def test_numbers_of_any_size(spec, scale):
    method = mibench.estimator(spec)
    expected = answer(method, X, Y).value
    assert answer(method, scale * X, scale * Y).value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_handful_of_pairs(method, n):
    for x, y in ((X[:n], Y[:n]), (X[:n, 0], Y[:n, 0]), (CONSTANT[:n], Y[:n]), (CONSTANT[:n], CONSTANT[:n])):
        answer(method, x, y)


def test_columns_that_vary_are_kept_in_order():
    side = np.zeros((120, 2, 3))
    side[:, 0, 1], side[:, 1, 2] = X.T
    assert np.array_equal(varying(side), X / 2.0 ** np.frexp(np.abs(X).max(axis=0))[1])
    assert np.array_equal(varying(2.0**900 * side), varying(2.0**-900 * side))
    assert varying(CONSTANT).shape == (120, 0)


def test_replicates_are_grouped_by_the_columns_that_vary():
    x, y = np.stack([X] * 4), np.stack([Y] * 4)
    x[1, :, 0], x[3, :, 0], y[2] = 0.1, 7.0, 0.3
    found = {tuple(members): (left, right) for members, left, right in varying_stacks(x, y)}
    assert found.keys() == {(0,), (1, 3)}
    assert np.array_equal(found[1, 3][0], x[[1, 3], :, 1:])
    assert np.array_equal(found[0,][1], Y[None])


def test_flows_answer_each_replicate_in_its_place():
    method = mibench.estimator("flow_gaussian(couplings=1, max_steps=10)").method
    x, y = np.stack([X] * 3), np.stack([Y, np.full_like(Y, 0.1), Y[::-1]])
    found = [e.value for e in method.estimate_batch(x, y, [1, 2, 3], "cpu")]
    assert found[1] == 0
    assert [found[0], found[2]] == pytest.approx([method.estimate(x[r], y[r], r + 1).value for r in (0, 2)], abs=1e-4)


def test_principal_components_of_what_does_not_vary():
    import torch

    found, lost = principal_components(torch.full((50, 6), 0.1), 4, remainder=1e-4)
    assert (found == 0).all()
    assert found.shape == (50, 4)
    assert lost == 0
