import time

import numpy as np
import pytest
from scipy import stats

from mibench.leaderboard.resampling import (
    mean_rank_deviations,
    mean_rank_interval,
    ranks,
    ranks_by_task,
    told_apart,
)

NAN = np.nan


def rank(errors):
    errors = np.array(errors, dtype=float)
    return ranks(errors, np.ones((1, errors.shape[1])))[0].tolist()


def test_ranks_follow_rmse_and_not_bias_or_sign():
    assert rank([[0.3, -0.3], [0.1, 0.1], [-5.0, 0.0]]) == [2, 1, 3]


def test_equals_share_the_mean_of_their_ranks():
    assert rank([[1.0, 0.0], [0.0, 1.0], [0.5, 0.0], [0.0, -1.0]]) == [3, 3, 1, 3]


def test_rounding_decides_nothing_but_nine_digits_do():
    value = 0.1 * 3
    assert rank([[value], [0.3], [0.3 * (1 + 1e-7)]]) == [1.5, 1.5, 3]


def test_a_failure_is_worse_than_any_error_and_more_of_them_are_worse():
    assert rank([[1e12, 1.0, 1.0], [0.0, 0.0, NAN], [0.0, NAN, NAN], [9.0, 9.0, NAN]]) == [1, 2.5, 4, 2.5]


def test_when_all_fail_all_are_equal():
    assert rank([[NAN, NAN], [NAN, NAN]]) == [1.5, 1.5]


def test_a_replicate_that_is_not_drawn_does_not_count():
    errors = np.array([[0.0, NAN, 3.0], [1.0, 1.0, 1.0]])
    weights = np.array([[3.0, 0, 0], [1, 1, 1], [0, 0, 3], [2, 0, 1]])
    assert ranks(errors, weights).tolist() == [[1, 2], [2, 1], [2, 1], [2, 1]]


@pytest.mark.parametrize("factor", [1e-6, 0.3, 1e9])
def test_ranks_do_not_depend_on_the_unit(factor):
    errors = np.random.default_rng(0).normal(size=(6, 10))
    weights = np.random.default_rng(1).integers(0, 4, size=(50, 10)) + 0.5
    assert np.array_equal(ranks(errors, weights), ranks(factor * errors, weights))


def test_deviations_at_many_tasks_are_those_of_scipys_bootstrap():
    rng = np.random.default_rng(2)
    tasks = list(rng.normal(size=(400, 3, 1)) * np.array([1.0, 1.2, 2.0])[:, None])
    spread = mean_rank_deviations(tasks, 3000, rng).std(axis=0)
    each = np.array([rank(errors) for errors in tasks])
    expected = stats.bootstrap((each,), np.mean, axis=0, n_resamples=3000, method="percentile", rng=rng).standard_error
    assert spread == pytest.approx(expected, rel=0.06)


def simulate(tasks, replicates, estimators, worlds, law, resamples=200):
    """How often the intervals hold the expected mean rank, and any two estimators are told apart."""
    rng = np.random.default_rng([tasks, replicates, estimators])

    def draw(number):
        return list(law(rng, number, estimators)[..., None] + 0.3 * rng.normal(size=(number, estimators, replicates)))

    truth = stats.rankdata((np.array(draw(20000)) ** 2).mean(axis=2), axis=1).mean(axis=0)
    covered, apart = np.zeros(estimators), 0
    for _ in range(worlds):
        sample = draw(tasks)
        value, deviations = ranks_by_task(sample).mean(axis=0), mean_rank_deviations(sample, resamples, rng)
        low, high = mean_rank_interval(value, deviations)
        covered += (low <= truth) & (truth <= high)
        apart += told_apart(value, deviations, tasks).any()
    return covered / worlds, apart / worlds


def equal(rng, tasks, estimators):
    return rng.normal(size=(tasks, estimators))


def ordered(rng, tasks, estimators):
    return rng.normal(size=(tasks, estimators)) * 0.5 + 0.4 * np.arange(estimators)


def upset(rng, tasks, estimators):
    """Nearly always in order, but on a tenth of the tasks the first comes last."""
    errors = np.tile(np.arange(1.0, estimators + 1), (tasks, 1)) * 2
    errors[rng.random(tasks) < 0.1, 0] = 2.0 * estimators + 3
    return errors


@pytest.mark.parametrize(("tasks", "worlds"), [(2, 100), (5, 100), (26, 60)])
@pytest.mark.parametrize("law", [equal, ordered, upset])
def test_mean_rank_intervals_cover(tasks, worlds, law):
    covered, _ = simulate(tasks, 3, 4, worlds, law)
    assert covered.mean() >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / worlds)
    assert covered.min() >= 0.84


@pytest.mark.parametrize(
    ("tasks", "estimators", "worlds", "resamples"),
    [(2, 5, 100, 200), (5, 5, 100, 200), (26, 5, 60, 200), (27, 17, 300, 1000)],
)
def test_equal_estimators_are_rarely_told_apart(tasks, estimators, worlds, resamples):
    _, apart = simulate(tasks, 3, estimators, worlds, equal, resamples)
    assert apart <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / worlds)


@pytest.mark.parametrize(("tasks", "expected"), [(2, False), (4, False), (8, True), (26, True)])
def test_agreement_of_all_tasks_is_evidence_once_there_are_enough_as_in_a_sign_test(tasks, expected):
    errors = [np.array([[0.1, 0.1], [1.0, 1.0]])] * tasks
    value = ranks_by_task(errors).mean(axis=0)
    apart = told_apart(value, mean_rank_deviations(errors, 2000, np.random.default_rng(0)), tasks)
    assert apart[1, 0] == expected
    assert not apart[0].any()


def test_the_interval_holds_the_mean_rank_and_stays_among_the_ranks():
    tasks = list(np.random.default_rng(5).normal(size=(7, 5, 4)) * np.arange(1, 6)[:, None])
    value = ranks_by_task(tasks).mean(axis=0)
    low, high = mean_rank_interval(value, mean_rank_deviations(tasks, 2000, np.random.default_rng(0)))
    assert np.all((low >= 1) & (low <= value) & (value <= high) & (high <= 5))
    assert np.all(high > low)


def test_one_task_has_no_interval():
    deviations = mean_rank_deviations([np.ones((3, 10))], 50, np.random.default_rng(0))
    assert np.isnan(deviations).all()
    assert np.isnan(mean_rank_interval(np.ones(3), deviations)).all()


def test_deviations_are_centred_and_repeatable():
    tasks = list(np.random.default_rng(6).normal(size=(5, 4, 3)))
    draws = [mean_rank_deviations(tasks, 200, np.random.default_rng(9)) for _ in range(2)]
    assert np.array_equal(*draws)
    assert draws[0].mean(axis=0) == pytest.approx(np.zeros(4), abs=1e-12)
    assert draws[0].sum(axis=1) == pytest.approx(np.zeros(200), abs=1e-9)


def test_two_thousand_resamples_of_a_full_table_take_less_than_two_seconds():
    tasks = list(np.random.default_rng(7).normal(size=(26, 8, 10)))
    start = time.process_time()
    told_apart(ranks_by_task(tasks).mean(axis=0), mean_rank_deviations(tasks, 2000, np.random.default_rng(0)), 26)
    assert time.process_time() - start < 2
