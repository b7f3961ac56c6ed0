import numpy as np
import pytest
from scipy import stats

from mibench.leaderboard.significance import critical_difference, friedman_p


@pytest.mark.parametrize(
    ("estimators", "q"),
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102), (10, 3.164)],
)
def test_the_critical_difference_has_the_quantiles_of_demsars_table_5(estimators, q):
    expected = q * np.sqrt(estimators * (estimators + 1) / (6 * 14))
    assert critical_difference(14, estimators) == pytest.approx(expected, rel=3e-4)


@pytest.mark.parametrize("estimators", [2, 3, 7, 19, 60])
def test_the_critical_difference_is_that_of_scipys_studentized_range(estimators):
    quantile = stats.studentized_range.ppf(0.95, estimators, np.inf) / np.sqrt(2)
    expected = quantile * np.sqrt(estimators * (estimators + 1) / (6 * 27))
    assert critical_difference(27, estimators) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_friedmans_p_is_that_of_scipy_with_ties_too(seed):
    ranks = stats.rankdata(np.random.default_rng(seed).integers(0, 5, size=(9, 6)), axis=1)
    assert friedman_p(ranks) == pytest.approx(stats.friedmanchisquare(*ranks.T).pvalue, rel=1e-9)


def test_equal_estimators_are_told_apart_in_one_of_twenty_contests():
    rng = np.random.default_rng(0)
    ranks = np.argsort(rng.normal(size=(4000, 25, 5)), axis=2).argsort(axis=2) + 1
    mean = ranks.mean(axis=1)
    apart = np.ptp(mean, axis=1) > critical_difference(25, 5)
    assert apart.mean() == pytest.approx(0.05, abs=0.015)


def test_friedmans_test_is_scipys_and_finds_a_constant_order():
    ranks = np.tile([1.0, 2.0, 3.0], (12, 1))
    assert friedman_p(ranks) == pytest.approx(stats.chi2.sf(24, 2))
    mixed = np.argsort(np.random.default_rng(1).normal(size=(12, 3)), axis=1) + 1.0
    assert friedman_p(mixed) > 0.05


@pytest.mark.parametrize("ranks", [np.ones((5, 2)), np.ones((1, 4)), np.ones((5, 4))])
def test_friedmans_test_is_undefined_where_there_is_nothing_to_test(ranks):
    assert np.isnan(friedman_p(ranks))


def test_one_estimator_has_no_critical_difference():
    assert np.isnan(critical_difference(10, 1))
