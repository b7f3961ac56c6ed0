"""Families of independent pairs: the claimed MI, the pointwise MI and the draws, against the definition of one pair."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chisquare, kstest, spearmanr

import mibench
from mibench.errors import MibenchError

from .proofs import additive, channels, copulas

FAMILIES = [*additive.FAMILIES, *channels.FAMILIES, *copulas.FAMILIES]
RARE = 1e-5  # p-value under which a test of fit fails


def over(*lists):
    """Parametrise over (family, value) for the values that each family has in `lists`."""
    pairs = [(family, value) for family in FAMILIES for name in lists for value in getattr(family, name)]
    return pytest.mark.parametrize(("family", "value"), pairs, ids=[f"{f}-{v:g}" for f, v in pairs])


def each_family():
    return pytest.mark.parametrize("family", FAMILIES, ids=str)


def middle(family):
    """A wanted MI in the middle of the family's range."""
    return family.wanted[len(family.wanted) // 2]


def solved(task):
    return [float(value) for value in task.distribution.pair_parameters]


@over("given")
def test_mi_of_a_parameter(family, value, proved):
    reference = family.mutual_information(value)
    claimed = family.task(**{family.parameter: value}).mutual_information
    proved(family, claimed, reference, family.tolerance * max(1, reference))


LINEAR = [(kappa, False) for kappa in (2e-3, 0.1, 1.0, 3.0)]  # above, the law is too wide for float64


@pytest.mark.parametrize(("kappa", "log"), [*LINEAR, *((kappa, True) for kappa in (2e-3, 0.1, 1.0, 3.0, 50.0, 3e4))])
def test_gamma_exponential_on_a_grid(kappa, log, proved):
    reference, mass = additive.gamma_exponential_on_grid(kappa)
    assert mass == pytest.approx(1, abs=1e-9)
    task = mibench.task(f"gamma_exponential(kappa={kappa}, log={log})")
    proved("gamma_exponential on a grid", task.mutual_information, reference, 1e-9)


@over("wanted")
def test_solved_parameter_has_the_wanted_mi(family, value, proved):
    task = family.task(mi=value)
    assert task.mutual_information == pytest.approx(value, rel=1e-12)
    (parameter,) = solved(task)
    reference = family.mutual_information(parameter)
    assert float(reference) == pytest.approx(value, rel=1e-5)
    proved(f"{family} solved", value, reference, family.tolerance * max(1, value))


@each_family()
def test_independent_pairs_add(family, proved):
    wanted = middle(family)
    task = family.task(d=3, mi=3 * wanted)
    parts = [family.mutual_information(parameter) for parameter in solved(task)]
    assert task.x_shape == task.y_shape == (3,)
    assert [float(part) for part in parts] == pytest.approx([wanted] * 3, abs=1e-9)
    proved(f"{family} sum", task.mutual_information, sum(parts), 1e-9 * max(1, wanted))
    parameter = family.given[1]
    triple = family.task(d=3, **{family.parameter: parameter}).mutual_information
    proved(f"{family} sum", triple, 3 * family.mutual_information(parameter), 1e-9 * max(1, wanted))


@each_family()
def test_randomized_pairs_add(family, proved):
    wanted = 3 * middle(family) / 2
    one, other = (family.task(d=3, mi=wanted, randomized=True, seed=seed) for seed in (0, 1))
    parts = [float(family.mutual_information(parameter)) for parameter in solved(one)]
    assert min(parts) >= 0
    assert len(set(parts)) == 3
    assert solved(one) != solved(other)
    assert one.mutual_information == other.mutual_information == pytest.approx(wanted)
    proved(f"{family} randomized", one.mutual_information, sum(parts), 1e-9 * max(1, wanted))


@over("given")
def test_pointwise_mi_is_that_of_the_definition(family, value):
    task = family.task(**{family.parameter: value})
    draw = task.draw(2000, seed=3)
    expected = family.log_ratio(draw.x[:, 0], draw.y[:, 0], value)
    assert_allclose(task.log_density_ratio(draw.x, draw.y), expected, atol=1e-6, rtol=1e-6)
    assert_allclose(draw.pointwise_mi, expected, atol=1e-6, rtol=1e-6)


@each_family()
def test_pointwise_mi_of_pairs_adds(family):
    task = family.task(d=3, mi=3 * middle(family))
    draw = task.draw(500, seed=4)
    expected = sum(family.log_ratio(x, y, solved(task)[0]) for x, y in zip(draw.x.T, draw.y.T, strict=True))
    assert_allclose(task.log_density_ratio(draw.x, draw.y), expected, atol=1e-6, rtol=1e-6)


@over("given", "wanted")
def test_draws_have_the_mi(family, value):
    task = family.task(**{"mi" if value in family.wanted else family.parameter: value})
    pointwise = task.draw(50_000, seed=5).pointwise_mi
    error = pointwise.std() / math.sqrt(len(pointwise))
    rare = task.mutual_information if task.mutual_information < 1e-3 else 0  # may come from draws too rare to be met
    assert abs(pointwise.mean() - task.mutual_information) <= 4.5 * error + rare + 1e-12 * max(1, value)


@each_family()
@pytest.mark.parametrize("mi", [1e-12, 30.0, 60.0, 150.0])
def test_extremes_are_right_or_refused_with_a_reason(family, mi):
    try:
        task = family.task(mi=mi)
    except MibenchError as error:
        assert "mi" in str(error) or "nats" in str(error)
        return
    pointwise = task.draw(20_000, seed=5).pointwise_mi
    error = pointwise.std() / math.sqrt(len(pointwise))
    assert abs(pointwise.mean() - mi) <= 4.5 * error + 1e-6


MARGINS = [
    (family, value, side)
    for family in FAMILIES
    for value in family.given
    for side in "xy"
    if getattr(family, f"{side}_margin") is not None
]


@pytest.mark.parametrize(("family", "value", "side"), MARGINS, ids=[f"{f}-{v:g}-{s}" for f, v, s in MARGINS])
def test_margins_are_those_of_the_definition(family, value, side):
    margin = getattr(family, f"{side}_margin")
    x, y = family.task(**{family.parameter: value}).sample(100_000, seed=6)
    values = (x if side == "x" else y)[:, 0]
    if side in family.discrete:
        probabilities = np.asarray(margin(value))
        counts = np.bincount(values.astype(int), minlength=len(probabilities))
        assert np.array_equal(values, values.astype(int))
        seen = probabilities * len(values) > 5
        assert counts[~seen].sum() <= 60
        expected = counts[seen].sum() * probabilities[seen] / probabilities[seen].sum()
        assert chisquare(counts[seen], expected).pvalue > RARE
    else:
        assert kstest(values, lambda points: margin(points, value)).pvalue > RARE


@pytest.mark.parametrize("levels", [2, 3, 8])
def test_discrete_input_is_equally_spaced_and_likely(levels):
    x, _ = mibench.task(f"awgn(input='discrete', levels={levels}, sigma=0.3)").sample(50_000, seed=6)
    values, counts = np.unique(x, return_counts=True)
    assert_allclose(values, additive.points(levels), atol=1e-12)
    assert np.mean(values**2) == pytest.approx(1)
    assert chisquare(counts).pvalue > RARE


@each_family()
def test_replicates_and_pairs_are_independent(family):
    task = family.task(d=2, mi=2 * middle(family))
    (x, y), (x_other, y_other) = task.sample(20_000, seed=7), task.sample(20_000, seed=8)
    for one, other in [(x, x_other), (y, y_other), (x, y_other), (x, x[:, ::-1]), (x, y[:, ::-1]), (y, y[:, ::-1])]:
        assert abs(spearmanr(one[:, 0], other[:, 0]).statistic) < 5 / math.sqrt(20_000)


@each_family()
def test_swapping_sides_keeps_mi(family):
    spec = family.spec(mi=middle(family))
    task, swapped = mibench.task(spec), mibench.task(f"swap({spec})")
    assert swapped.mutual_information == task.mutual_information
    x, y = task.sample(500, seed=9)
    forward, backward = task.log_density_ratio(x, y), swapped.log_density_ratio(y, x)
    assert_allclose(backward, forward)
    if family.symmetric:
        assert_allclose(task.log_density_ratio(y, x), forward, atol=1e-7)
