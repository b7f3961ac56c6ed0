import math

import numpy as np
import pytest
from scipy.special import digamma
from sklearn.feature_selection import mutual_info_classif

import mibench
from mibench.errors import SpecError
from mibench.estimators.ksg import KSG
from mibench.estimators.mixed import MixedKSG, Ross


def sample(spec, n, seed):
    return mibench.task(spec).sample(n, seed=seed)


def mean(method, spec, n=1000, replicates=30):
    draws = [sample(spec, n, seed) for seed in range(replicates)]
    values = np.array([method.estimate(*draw, 0).value for draw in draws])
    return values.mean(), values.std(ddof=1) / math.sqrt(replicates)


def naive_mixed(x, y, k):
    """Gao et al. 2017, Algorithm 1, point by point; a point counts as its own copy."""
    n = len(x)
    dx, dy = (np.abs(side[:, None] - side[None]).max(axis=2) for side in (x, y))
    total = 0.0
    for i in range(n):
        joint = np.maximum(dx[i], dy[i])
        radius = np.sort(joint)[k]
        near = (lambda d: d == 0) if radius == 0 else (lambda d: d < radius)  # noqa: B023
        number = (joint == 0).sum() if radius == 0 else k
        total += digamma(number) - digamma(near(dx[i]).sum()) - digamma(near(dy[i]).sum())
    return total / n + math.log(n)


@pytest.mark.parametrize(
    "spec", ["gaussian(d=2, mi=1)", "quantized(d=1, mi=1)", "noisy_labels", "zero_inflated_poisson"]
)
def test_mixed_ksg_agrees_with_the_definition(spec):
    x, y = sample(spec, 300, 0)
    assert MixedKSG().estimate(x, y, 0).value == pytest.approx(naive_mixed(x, y, 5), abs=1e-11)


def test_mixed_ksg_is_ksg_on_continuous_data():
    x, y = sample("gaussian(d=2, mi=1)", 500, 0)
    expected = KSG(5).estimate(x, y, 0).value + math.log(500) - digamma(500)
    assert MixedKSG().estimate(x, y, 0).value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "spec",
    ["noisy_labels(mi=1)", "binary_symmetric", "quantized(d=1, mi=1)", "smoothed_discrete(d=1, mi=1)",
     "zero_inflated_poisson", "gaussian(d=1, mi=1)"],
)  # fmt: skip
def test_mixed_ksg_finds_the_mi_of_every_mixture(spec):
    found, _ = mean(MixedKSG(), spec, n=4000, replicates=10)
    assert found == pytest.approx(mibench.task(spec).mutual_information, abs=0.06)


def naive_ross(labels, values, k):
    """Ross 2014, eq. 2, point by point; with ties k is the number of the class that are as near."""
    n, total = len(labels), 0.0
    for i in range(n):
        distance = np.abs(values - values[i]).max(axis=1)
        distance[i] = np.inf
        mine = labels == labels[i]
        mine[i] = False
        radius = np.sort(distance[mine])[k - 1]
        near = distance <= radius
        total += digamma(near[mine].sum()) - digamma(mine.sum() + 1) - digamma(near.sum())
    return total / n + digamma(n)


@pytest.mark.parametrize("d", [1, 3])
def test_ross_agrees_with_the_definition_whichever_side_is_discrete(d):
    rng = np.random.default_rng(d)
    labels = rng.integers(0, 4, 200)
    values = labels[:, None] + rng.standard_normal((200, d))
    expected = naive_ross(labels, values, 3)
    for method in (Ross(), Ross(discrete="x")):
        assert method.estimate(labels[:, None] * 1.0, values, 0).value == pytest.approx(expected, abs=1e-11)
    for method in (Ross(), Ross(discrete="y")):
        assert method.estimate(values, labels[:, None] * 1.0, 0).value == pytest.approx(expected, abs=1e-11)


def test_ross_counts_ties_alike_on_both_sides():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 200)
    values = (labels[:, None] + rng.standard_normal((200, 1))).round(1)
    expected = naive_ross(labels, values, 3)
    assert Ross().estimate(labels[:, None] * 1.0, values, 0).value == pytest.approx(expected, abs=1e-11)


def test_ross_agrees_with_scikit_learn():
    """Which counts to just below its own radius and clips at 0, scales and adds noise of 1e-10: equal to rounding."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 500)
    values = (labels + rng.standard_normal(500))[:, None]
    theirs = mutual_info_classif(values, labels, n_neighbors=3, random_state=0)[0]
    assert Ross().estimate(labels[:, None] * 1.0, values, 0).value == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize("spec", ["quantized(d=1, mi=1)", "smoothed_discrete(d=1, mi=0.5)", "noisy_labels(mi=1)"])
def test_ross_finds_the_mi(spec):
    found, _ = mean(Ross(), spec)
    assert found == pytest.approx(mibench.task(spec).mutual_information, abs=0.04)


def test_small_classes_use_what_they_have_and_loners_are_left_out():
    labels = np.array([0] * 60 + [1] * 38 + [2] * 2 + [3])[:, None] * 1.0
    values = np.random.default_rng(0).standard_normal((101, 1))
    found = Ross().estimate(labels, values, 0)
    assert math.isfinite(found.value)
    assert found.message.startswith("1.0% of the points are alone in their class")
    nothing = Ross().estimate(values, values, 0)
    assert math.isnan(nothing.value)
    assert "one discrete side" in nothing.message


@pytest.mark.parametrize("method", [MixedKSG(), Ross()])
def test_independence_gives_zero(method):
    task = mibench.task("independent(quantized(d=1, mi=1))")
    values = np.array([method.estimate(*task.sample(300, seed=s), 0).value for s in range(100)])
    assert abs(values.mean()) < 3 * values.std(ddof=1) / math.sqrt(100) + 0.003


@pytest.mark.parametrize("method", [MixedKSG(), Ross()])
@pytest.mark.parametrize("classes", [2, 30])
@pytest.mark.parametrize("step", [0, 1])
def test_standard_error_covers_the_sampling_noise(method, classes, step):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, (100, 500, 1)).astype(float)
    values = step * labels + rng.standard_normal((100, 500, 1))
    found = method.estimate_batch(labels, values, range(100), "cpu")
    answers, errors = (np.array([getattr(e, name) for e in found]) for name in ("value", "std_error"))
    ratio = np.sqrt((errors**2).mean()) / answers.std(ddof=1)
    assert 0.8 < ratio < 1.75


@pytest.mark.parametrize("method", [MixedKSG(), Ross()])
def test_order_of_rows_and_constants(method):
    x, y = sample("zero_inflated_poisson", 200, 0)
    order = np.random.default_rng(0).permutation(200)
    assert method.estimate(x[order], y[order], 0).value == pytest.approx(method.estimate(x, y, 0).value, abs=1e-12)
    for side in (x, np.ones((200, 1))):
        assert method.estimate(np.ones((200, 1)), side, 0).value == pytest.approx(0, abs=0.01)


def test_the_discrete_side_is_one_of_three_words():
    with pytest.raises(SpecError, match="discrete must be 'auto' or 'x' or 'y', got 'z'"):
        mibench.estimator("ross(discrete='z')")
