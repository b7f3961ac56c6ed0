import numpy as np
import pytest
from scipy import stats

from mibench.leaderboard.intervals import bias_interval, rmse_interval, std_interval

REPETITIONS = 4000


def summary(errors):
    return errors.mean(axis=-1), errors.std(axis=-1, ddof=1), errors.shape[-1]


def coverage(interval, truth):
    low, high = interval
    return np.mean((low <= truth) & (truth <= high))


@pytest.mark.parametrize("replicates", [2, 3, 5, 10, 30])
@pytest.mark.parametrize("ratio", [0.0, 0.3, 1.0, 3.0, 20.0])
def test_intervals_cover_what_they_promise(replicates, ratio):
    rng = np.random.default_rng([replicates, int(10 * ratio)])
    errors = 0.7 * (ratio + rng.normal(size=(REPETITIONS, replicates)))
    mean, std, count = summary(errors)
    slack = 4 * np.sqrt(0.95 * 0.05 / REPETITIONS)
    assert coverage(bias_interval(mean, std, count), 0.7 * ratio) == pytest.approx(0.95, abs=slack)
    assert coverage(std_interval(std, count), 0.7) == pytest.approx(0.95, abs=slack)
    truth = 0.7 * np.sqrt(1 + ratio**2)
    assert 0.94 - slack <= coverage(rmse_interval(mean, std, count), truth) <= 0.97 + slack


def test_a_percentile_bootstrap_of_three_replicates_would_not_cover():
    rng = np.random.default_rng(0)
    squares = rng.normal(size=(1000, 3)) ** 2
    draws = np.take_along_axis(squares[:, None], rng.integers(0, 3, (1000, 300, 3)), axis=2).mean(axis=2)
    assert coverage(np.quantile(draws, [0.025, 0.975], axis=1), 1.0) < 0.75


def test_the_bias_interval_is_that_of_a_t_test():
    errors = np.random.default_rng(1).normal(0.3, 2.0, size=7)
    expected = stats.ttest_1samp(errors, 0).confidence_interval()
    assert bias_interval(*summary(errors)) == pytest.approx(tuple(expected), rel=1e-12)


def test_the_ends_of_the_std_interval_are_where_a_chi_square_test_rejects():
    low, high = std_interval(2.0, 6)
    assert stats.chi2.sf(5 * 4.0 / low**2, 5) == pytest.approx(0.025)
    assert stats.chi2.cdf(5 * 4.0 / high**2, 5) == pytest.approx(0.025)


def test_the_rmse_interval_agrees_with_scipys_bootstrap_at_many_replicates():
    errors = np.random.default_rng(2).normal(0.5, 1.0, size=400)
    rng = np.random.default_rng(3)
    result = stats.bootstrap((errors**2,), np.mean, vectorized=True, n_resamples=4000, rng=rng).confidence_interval
    rmse = np.sqrt(np.mean(errors**2))
    assert rmse_interval(*summary(errors)) == pytest.approx(np.sqrt(tuple(result)), abs=0.01 * rmse)


def test_without_bias_the_rmse_interval_starts_where_that_of_the_standard_deviation_does():
    assert rmse_interval(0.0, 1.0, 10)[0] == pytest.approx(std_interval(1.0, 10)[0])


def test_where_bias_dominates_the_rmse_interval_is_that_of_the_bias():
    assert rmse_interval(-1000.0, 1.0, 10) == pytest.approx(bias_interval(1000.0, 1.0, 10), rel=1e-6)


def test_rmse_intervals_scale_with_the_unit_and_ignore_the_sign_of_the_bias():
    low, high = rmse_interval(0.3, 0.5, 5)
    assert rmse_interval(-0.3 * 1.44, 0.5 * 1.44, 5) == pytest.approx((low * 1.44, high * 1.44))


def test_intervals_hold_the_estimate():
    errors = np.random.default_rng(4).normal(0.2, 1.0, size=(500, 3))
    mean, std, count = summary(errors)
    rmse = np.sqrt(np.mean(errors**2, axis=1))
    for value, (low, high) in [(mean, bias_interval(mean, std, count)), (std, std_interval(std, count))]:
        assert np.all((low < value) & (value < high))
    low, high = rmse_interval(mean, std, count)
    assert np.all((low < rmse) & (rmse < high))


@pytest.mark.parametrize("count", [0, 1])
def test_intervals_are_undefined_below_two_replicates(count):
    for interval in (bias_interval(0.1, np.nan, count), std_interval(np.nan, count), rmse_interval(0.1, np.nan, count)):
        assert np.all(np.isnan(interval))


def test_an_estimator_without_scatter_has_exact_intervals():
    assert np.array(bias_interval(-2.0, 0.0, 4)) == pytest.approx(-2.0)
    assert np.array(rmse_interval(-2.0, 0.0, 4)) == pytest.approx(2.0)
