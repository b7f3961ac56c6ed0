"""Laws that every nearest-neighbour method keeps, on data of every type, shape and size."""

import math

import numpy as np
import pytest

import mibench
from mibench.errors import MibenchError

pytestmark = pytest.mark.filterwarnings("error")

SPECS = [
    "ksg(k=3)",
    "ksg(k=3, variant=2)",
    "copula_ksg(k=3)",
    "kl(k=3)",
    "wkl(k=3)",
    "wkl(k=3, truncated=False)",
    "lnc(k=3)",
    "mixed_ksg(k=3)",
    "ross(k=3)",
]
CONTINUOUS = mibench.task("gaussian(d=1, mi=1)").sample(400, seed=0)
LABELLED = mibench.task("quantized(d=1, mi=1)").sample(400, seed=0)


@pytest.fixture(params=SPECS)
def method(request):
    return mibench.estimator(request.param)


@pytest.fixture
def data(method):
    return LABELLED if method.name.startswith("ross") else CONTINUOUS


def answer(method, x, y):
    """Return the answer; a NaN has its reason."""
    found = method.estimate(x, y, seed=1)
    assert math.isfinite(found.value) or found.message
    return found


def test_answers_with_a_standard_error(method, data):
    found = answer(method, *data)
    assert found.value == pytest.approx(1, abs=0.25)
    assert 0.005 < found.std_error < 0.2


def test_layout_of_memory_does_not_matter(method, data):
    x, y = data
    expected = answer(method, x, y)
    frozen = x.copy()
    frozen.flags.writeable = False
    wide = np.repeat(x, 2, axis=1)[:, ::2]
    for same in (frozen, wide, np.asfortranarray(x), x[::-1][::-1], x[:, 0]):
        assert answer(method, same, y) == expected
    assert answer(method, x[::-1], y[::-1]).value == pytest.approx(expected.value, abs=1e-12)


def test_numbers_of_any_type(method, data):
    for kind in (np.float32, np.int64, np.float16):
        x, y = (np.round(100 * side).astype(kind) for side in data)
        assert answer(method, x, y) == answer(method, x.astype(float), y.astype(float))


def test_an_image_is_its_pixels(method, data):
    x, y = data
    image = np.concatenate([x, 2 * x, x**3, x], axis=1)
    if method.name.startswith("lnc"):
        with pytest.raises(MibenchError, match="k=3 neighbours do not span the 5 dimensions"):
            method.estimate(image.reshape(400, 2, 2), y)
    else:
        assert answer(method, image.reshape(400, 2, 2), y) == answer(method, image, y)


def test_extreme_numbers(method, data):
    expected = answer(method, *data).value
    for scale in (2.0**1020, 2.0**-900):
        assert answer(method, *(scale * side for side in data)).value == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("constant", [0.0, 0.1, -1e300])
def test_constants(method, data, constant):
    x, y = data
    side = np.full((400, 1), constant)
    nothing = {"ksg(variant=2)": -1 / 3 + 1 / 399, "lnc(k=3)": -1 / 3 + 1 / 399}.get(method.name, 0.0)
    for left, right in ((side, x), (y, side), (side, side)):
        found = answer(method, left, right)
        if math.isnan(found.value):
            assert method.name.startswith(("kl", "wkl", "ross")) or left is right is side
        else:
            assert found.value == pytest.approx(nothing, abs=0.02)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 12, 30])
def test_few_points(method, data, n):
    x, y = (side[:n] for side in data)
    if n <= 3:
        with pytest.raises(MibenchError, match=f"k=3 neighbours need n of at least 4, got {n}"):
            method.estimate(x, y)
    else:
        answer(method, x, y)
    one = mibench.estimator(method.name.split("(")[0] + ("(k=2)" if "lnc" in method.name else "(k=1)"))
    if n > one.method.k:
        answer(one, x, y)


def test_as_many_neighbours_as_there_are_others(method, data):
    x, y = (side[:300] for side in data)
    answer(mibench.estimator(method.name.split("(")[0] + "(k=299)"), x, y)


def test_a_cell_is_its_replicates(method, data):
    rng = np.random.default_rng(0)
    orders = [rng.permutation(400) for _ in range(3)]
    scales = np.array([1.0, 2.0**1010, 2.0**-300])[:, None, None]
    x, y = (scales * np.stack([side[order] for order in orders]) for side in data)
    found = method.method.estimate_batch(x, y, [4, 5, 6], "cpu")
    assert found == [method.estimate(x[r], y[r], seed=4 + r) for r in range(3)]
    assert method.method.estimate_batch(x[:0], y[:0], [], "cpu") == []
    assert all(type(one.std_error) is float for one in found)
