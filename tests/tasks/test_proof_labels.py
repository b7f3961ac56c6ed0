"""Labels: MI as the entropy of a label, whose probabilities come from an equation of their own."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chisquare, kstest, norm, spearmanr
from sklearn.datasets import load_digits

import mibench
from mibench.errors import MibenchError

from .proofs.channels import noisy_labels, probabilities_with_residual, smoothed_discrete

RARE = 1e-5
ENTROPIES = [1e-3, 0.1, 0.6, math.log(2), 1.0, 2.0, 3.5, math.log(50), 6.0]


def entropy(probabilities):
    return -math.fsum(p * math.log(p) for p in map(float, probabilities) if p > 0)


def binary_entropy(p):
    return entropy([p, 1 - p])


def label_law(task, labels_of, n=100_000):
    """The probability of each label that n draws meet, as the pointwise MI tells it, and the counts."""
    draw = task.draw(n, seed=1)
    labels = labels_of(draw)
    values, first, inverse, counts = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    probabilities = np.exp(-draw.pointwise_mi)[first]
    assert_allclose(np.exp(-draw.pointwise_mi), probabilities[inverse], rtol=1e-9)
    assert_allclose(task.log_density_ratio(draw.x, draw.y), draw.pointwise_mi, rtol=1e-9)
    return values, probabilities, counts


def assert_among(wanted, probabilities):
    """Each is one of the two or three different values that are wanted."""
    values = np.unique(wanted)
    assert np.abs(values[:, None] / probabilities - 1).min(axis=0).max() < 1e-5


def assert_frequencies(counts, probabilities, n=100_000):
    """Pearson's test, of all labels seen and of those that were too rare to be seen, together."""
    seen = probabilities * n > 5
    observed = np.append(counts[seen], n - counts[seen].sum())
    expected = np.append(probabilities[seen] * n, max(n - (probabilities[seen] * n).sum(), 0))
    if expected[-1] < 5:
        assert observed[-1] < 40
        observed, expected = observed[:-1], expected[:-1] * observed[:-1].sum() / expected[:-1].sum()
    if len(observed) > 1:
        assert chisquare(observed, expected).pvalue > RARE


@pytest.mark.parametrize("mi", ENTROPIES)
@pytest.mark.parametrize("unit", [False, True])
def test_quantized(mi, unit, proved):
    task = mibench.task(f"quantized(mi={mi}, unit={unit})")
    wanted = np.array(probabilities_with_residual(mi), dtype=float)
    proved("quantized", task.mutual_information, entropy(wanted), 1e-10)
    _, probabilities, counts = label_law(task, lambda draw: draw.y[:, 0])
    assert len(probabilities) <= len(wanted)
    assert_among(wanted, probabilities)
    if len(probabilities) == len(wanted):
        proved("quantized", mi, entropy(probabilities), 1e-9)
        assert probabilities.sum() == pytest.approx(1, abs=1e-9)
    assert_frequencies(counts, probabilities)


@pytest.mark.parametrize("spec", ["quantized(mi=1.3)", "quantized(levels=7)", "quantized(mi=1.3, unit=True)"])
def test_quantized_side_is_a_step_function_of_the_other(spec):
    x, y = (side[:, 0] for side in mibench.task(spec).sample(100_000, seed=2))
    order = np.argsort(x)
    assert (np.diff(y[order]) >= 0).all()
    margin = (x, "uniform") if "unit" in spec else (norm.cdf(x), "uniform")
    assert kstest(*margin).pvalue > RARE
    if "unit" in spec:
        for value in np.unique(y):
            inside = x[y == value]
            assert (inside.min() + inside.max()) / 2 == pytest.approx(value, abs=2e-3)
    else:
        assert set(np.unique(y)) == set(range(len(np.unique(y))))


@pytest.mark.parametrize("levels", [2, 3, 10, 64])
def test_quantized_into_equal_bins(levels, proved):
    task = mibench.task(f"quantized(levels={levels})")
    proved("quantized", task.mutual_information, math.log(levels), 1e-12)
    x, y = task.sample(100_000, seed=3)
    assert np.array_equal(y[:, 0], np.floor(norm.cdf(x[:, 0]) * levels))


def rare_event_law(mi, failure):
    """The probability `failure`, and the others: of entropy (H − h(failure)) / (1 − failure) among themselves."""
    inner = probabilities_with_residual((mi - binary_entropy(failure)) / (1 - failure))
    return np.array([failure, *(float(p) * (1 - failure) for p in inner)])


@pytest.mark.parametrize("failure", [0.05, 0.5, 0.8])
@pytest.mark.parametrize("excess", [0.0, 1e-3, 0.2, 0.5, 1.0])
def test_rare_event(failure, excess, proved):
    mi = binary_entropy(failure) + excess + 1e-12
    task = mibench.task(f"rare_event(mi={mi}, failure={failure})")
    wanted = rare_event_law(mi, failure)
    proved("rare_event", task.mutual_information, entropy(wanted), 1e-9)
    draw = task.draw(100_000, seed=4)
    labels = np.floor(draw.x[:, 0])
    assert np.array_equal(labels, np.floor(draw.y[:, 0]))
    values, probabilities, counts = label_law(task, lambda draw: np.floor(draw.x[:, 0]))
    assert values[0] == 0
    assert probabilities[0] == pytest.approx(failure, rel=1e-9)
    assert_among(wanted, probabilities)
    assert len(probabilities) <= len(wanted)
    if len(probabilities) == len(wanted):
        proved("rare_event", mi, entropy(probabilities), 1e-9)
    assert_frequencies(counts, probabilities)
    u, v = draw.x[:, 0] - labels, draw.y[:, 0] - labels
    assert kstest(u, "uniform").pvalue > RARE
    assert kstest(v, "uniform").pvalue > RARE
    assert abs(spearmanr(u, v).statistic) < 5 / math.sqrt(100_000)


def test_rare_event_cannot_have_less_mi_than_its_failure():
    with pytest.raises(MibenchError):
        mibench.task("rare_event(mi=0.5, failure=0.5)")


@pytest.mark.parametrize("name", ["quantized", "rare_event"])
@pytest.mark.parametrize("randomized", [False, True])
def test_label_pairs_add(name, randomized, proved):
    failure = ", failure=0.001" if name == "rare_event" else ""
    task = mibench.task(f"{name}(d=3, mi=4.2, randomized={randomized}{failure})")
    draw = task.draw(100_000, seed=5)
    parts = []
    for column in (draw.y if name == "quantized" else np.floor(draw.y)).T:
        _, counts = np.unique(column, return_counts=True)
        frequencies = counts / counts.sum()
        parts.append(entropy(frequencies) + (len(counts) - 1) / (2 * counts.sum()))
    scatter = draw.pointwise_mi.std() / math.sqrt(100_000)
    proved(f"{name} frequencies", task.mutual_information, sum(parts), 0.02)
    proved(f"{name} mean", task.mutual_information, draw.pointwise_mi.mean(), 0.02)
    assert 4.5 * scatter < 0.02
    if not randomized:
        assert parts == pytest.approx([1.4] * 3, abs=0.02)


@pytest.mark.parametrize("mi", [1e-3, 0.1, 0.5, 1.0, 2.0, 4.0, 6.0, 9.0])
def test_smoothed_discrete_of_any_mi(mi, proved):
    """The levels are the smallest number that can hold the MI; the density tells them and the width."""
    task = mibench.task(f"smoothed_discrete(mi={mi})")
    levels = max(math.ceil(math.exp(mi)), 2)
    (width,) = map(float, task.distribution.pair_parameters)
    proved("smoothed_discrete", mi, smoothed_discrete(levels, width), 1e-9)
    x, y = task.sample(100_000, seed=6)
    assert np.unique(x).size <= levels
    assert x.max() <= levels - 1
    noise = (y - x)[:, 0] / width
    assert kstest(noise, "uniform").pvalue > RARE


@pytest.mark.parametrize("levels", [2, 5, 100])
def test_smoothed_discrete_of_the_source(levels, proved):
    task = mibench.task(f"smoothed_discrete(levels={levels}, width=2)")
    proved("smoothed_discrete", task.mutual_information, math.log(levels) - (levels - 1) / levels * math.log(2), 1e-12)


@pytest.mark.parametrize("levels", [1, 2, 7])
def test_rare_event_of_equal_levels(levels, proved):
    task = mibench.task(f"rare_event(levels={levels}, failure=0.3)")
    proved("rare_event", task.mutual_information, entropy([0.3] + [0.7 / levels] * levels), 1e-12)
    _, probabilities, counts = label_law(task, lambda draw: np.floor(draw.y[:, 0]))
    assert_allclose(probabilities, [0.3] + [0.7 / levels] * levels)
    assert_frequencies(counts, probabilities)


@pytest.mark.parametrize("mi", [0.01, 0.5, 1.5, 2.2])
def test_digits(mi, proved):
    """The label of an image is that of scikit-learn; the noise is what its agreement with Y tells."""
    task, n = mibench.task(f"digits(mi={mi})"), 20_000
    draw = task.draw(n, seed=7)
    data = load_digits()
    known = {image.tobytes(): label for image, label in zip(data.images, data.target, strict=True)}
    assert len(known) == len(data.target)
    labels = np.array([known[image.tobytes()] for image in np.rint(draw.x * 16)])
    agree = labels == draw.y[:, 0]
    assert_allclose(draw.x, np.rint(draw.x * 16) / 16)
    noise = 1 - (np.exp(draw.pointwise_mi[agree][0]) - 1) / 9
    proved("digits", mi, noisy_labels(10)(noise), 1e-9)
    assert_allclose(draw.pointwise_mi, np.log(10 * ((1 - noise) * agree + noise / 10)), rtol=1e-6)
    assert_allclose(task.log_density_ratio(draw.x, draw.y), draw.pointwise_mi, rtol=1e-9)
    expected = 1 - noise * 0.9
    assert abs(agree.mean() - expected) < 5 * math.sqrt(expected * (1 - expected) / n) + 1e-9
    for side in (labels, draw.y[:, 0]):
        assert chisquare(np.bincount(side.astype(int), minlength=10)).pvalue > RARE
