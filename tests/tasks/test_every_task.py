"""Laws that every task of every suite keeps; a new one is tested by being in a suite."""

import hashlib
import math

import numpy as np
import pytest
from scipy.special import expit

import mibench
from mibench import catalogue
from mibench.component import parameters
from mibench.errors import MibenchError
from mibench.registry import TASKS
from mibench.tasks.pairs import IndependentPairs

SUITES = catalogue.suites()
NAMES = sorted({name for suite in SUITES.values() for name in suite.tasks})
FROZEN = {
    ("bend_and_mix", 1): "d43f76de2ef10477",
    ("bmi40", 1): "b4ea8afb7445e481",
    ("copulas", 1): "ce40e28f3d4c1ae4",
    ("core", 2): "92be39b9153346e7",
    ("highdim", 1): "1816a32ba0ad907a",
    ("images", 1): "060734481ea2436c",
    ("independence", 1): "42b5662418583383",
    ("manifolds", 1): "646dcca5fc07c49e",
    ("mixed", 1): "db07f62b310151b9",
    ("mutinfo_lowdim", 1): "9c3d59d82ffc0186",
    ("tails", 1): "122493a02cba54d1",
}
FAMILIES = sorted(catalogue.registered("mibench.tasks"))
SOLVED = [name for name in FAMILIES if issubclass(TASKS.load(name), IndependentPairs)]


@pytest.fixture(params=NAMES)
def task(request):
    return mibench.task(request.param)


def few(task, images, vectors):
    """How many draws: an image is a thousand numbers."""
    return images if len(task.x_shape) > 1 else vectors


def pointwise(task, n, seed):
    """The pointwise MI of draws, by the density where the draw itself does not know it, which is slow."""
    draw = task.draw(n, seed)
    if draw.pointwise_mi is not None:
        return draw, draw.pointwise_mi
    return draw, task.log_density_ratio(draw.x, draw.y)


def test_suites_hold_canonical_names():
    assert [mibench.task(name).name for name in NAMES] == NAMES


def test_frozen_suites_draw_the_same_data_for_ever():
    found = {}
    for suite in SUITES.values():
        prints = ",".join(mibench.task(name).fingerprint for name in suite.tasks)
        found[suite.name, suite.version] = hashlib.sha256(prints.encode()).hexdigest()[:16]
    assert found == FROZEN, "raise the version of a suite, do not change its tasks"


def test_all_is_every_task_of_every_suite_once():
    assert sorted(task.name for task in mibench.tasks("all")) == NAMES


def test_another_benchmarks_names_name_the_same_tasks():
    aliases = SUITES["bmi40"].aliases
    assert len(aliases) == len(SUITES["bmi40"].tasks) == 40
    assert [mibench.task(alias).name for alias in aliases] == list(SUITES["bmi40"].tasks)
    assert {task.name for task in mibench.tasks("student-identity-*")} < set(SUITES["bmi40"].tasks)


def test_draws_have_the_stated_shape_and_follow_from_the_seed(task):
    x, y = task.sample(20, seed=3)
    assert x.shape == (20, *task.x_shape)
    assert y.shape == (20, *task.y_shape)
    assert x.dtype == y.dtype == np.float64
    assert np.isfinite(x).all()
    assert np.isfinite(y).all()
    again = mibench.task(task.name).sample(20, seed=3)
    assert np.array_equal(x, again[0])
    assert np.array_equal(y, again[1])
    other = task.sample(20, seed=4)
    assert not np.array_equal(x, other[0])
    assert not np.array_equal(y, other[1])


def test_pointwise_mi_of_the_draw_is_that_of_the_density(task):
    draw = task.draw(500, seed=5)
    if task.mi_std_error > 0:  # where it takes too long to come with the draw
        assert draw.pointwise_mi is None
    else:
        assert np.allclose(task.log_density_ratio(draw.x, draw.y), draw.pointwise_mi, atol=1e-6, rtol=1e-6)


def test_mean_pointwise_mi_meets_the_truth(task):
    slow = task.mi_std_error > 0
    parts = [pointwise(task, 1000 if slow else 10_000, seed)[1] for seed in range(1 if slow else few(task, 2, 10))]
    values = np.concatenate(parts)
    error = math.hypot(values.std() / math.sqrt(len(values)), task.mi_std_error)
    assert abs(values.mean() - task.mutual_information) <= 4.5 * error + 1e-12


def test_density_ratio_is_calibrated(task):
    """With i the log density ratio, the mean of σ(−i) over joint pairs is that of σ(i) over independent ones.

    Both are ∫ p q / (p + q), for p the joint density and q the product of the marginals; only the true i does this.
    """
    n = 500 if task.mi_std_error > 0 else few(task, 2_000, 20_000)
    (draw, joint), other = pointwise(task, n, 1), task.draw(n, seed=2)
    joint, product = expit(-joint), expit(task.log_density_ratio(draw.x, other.y))
    spread = product.var() if joint.mean() * n > 100 else joint.mean()  # few independent pairs are likely at all
    error = math.sqrt((joint.var() + spread) / n)
    assert abs(joint.mean() - product.mean()) <= 5 * error + 1e-12


def test_facts_are_stated(task):
    assert task.source
    assert task.truth
    assert task.tags
    assert task.distribution.formula
    assert len(task.fingerprint) == 16
    assert task.mutual_information >= 0
    assert 0 <= task.mi_std_error <= 1e-3


def test_the_range_of_the_core_suite():
    truths = [mibench.task(name).mutual_information for name in SUITES["core"].tasks]
    assert min(truths) == 0
    assert max(truths) == 25
    assert 20 <= len(truths) <= 28


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("arguments", ["mi=1e-6", "mi=100", "d=1000", "d=1000, mi=100"])
def test_extremes_work_or_are_refused_in_words(family, arguments):
    names = {field.name for field in parameters(TASKS.load(family))}
    if not {argument.split("=")[0] for argument in arguments.split(", ")} <= names:
        arguments = "mi=0"
    try:
        task = mibench.task(f"{family}({arguments})")
        x, y = task.sample(1)
    except MibenchError as error:
        assert len(str(error)) > 20
        assert "\n" not in str(error)
    else:
        assert np.isfinite(x).all()
        assert np.isfinite(y).all()


@pytest.mark.parametrize("name", [n for n in SUITES["core"].tasks if math.prod(mibench.task(n).x_shape) <= 3])
def test_a_million_draws(name):
    assert len(mibench.task(name).sample(1_000_000)[0]) == 1_000_000


@pytest.mark.parametrize("family", SOLVED)
def test_the_solved_parameter_has_the_wanted_mi(family):
    solved = 0
    for mi in (1e-6, 1e-3, 0.1, 0.3, 0.5, 0.69, 1, 2, 5, 10, 20, 50, 100):
        for more in ("", ", log=True") if family == "gamma_exponential" else ("",):
            try:
                distribution = mibench.task(f"{family}(mi={mi}{more})").distribution
            except MibenchError:
                continue
            if family == "smoothed_discrete":  # whose number of levels follows from the wanted MI
                levels, width = distribution.pair_levels(mi), float(distribution.pair_parameters[0])
                if levels > 10**6:  # more than can be given
                    continue
                reached = mibench.task(f"smoothed_discrete(levels={levels}, width={width!r})").mutual_information
            else:
                reached = distribution.pair_mi(float(distribution.pair_parameters[0]))
            assert reached == pytest.approx(mi, rel=1e-10, abs=1e-12)
            solved += 1
    assert solved >= 3


@pytest.mark.parametrize("family", SOLVED)
def test_an_uneven_split_keeps_the_sum_and_follows_from_the_seed(family):
    log = ", log=True" if family == "gamma_exponential" else ""
    mi = {"rare_event": 20, "zero_inflated_poisson": 0.4}.get(family, 1)
    spec = f"{family}(d=4, mi={mi}{log}, randomized=True"
    one, other = mibench.task(spec + ")").distribution, mibench.task(spec + ", seed=1)").distribution
    assert one.shares.sum() == pytest.approx(mi, rel=1e-14)
    assert np.ptp(one.shares) > 0.01
    assert not np.allclose(one.shares, other.shares)
    assert np.array_equal(one.shares, mibench.task(str(one)).distribution.shares)


def test_draws_are_bit_for_bit_the_same_on_other_vector_units_and_libraries(bits_here_and_elsewhere):
    here, elsewhere = bits_here_and_elsewhere(NAMES, 50)
    assert here == elsewhere
