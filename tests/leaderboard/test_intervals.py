"""What intervals promise, counted over experiments with skewed and heavy-tailed errors."""

import numpy as np
import pytest
from scipy import stats

from mibench.bias_interval import bias_interval
from mibench.leaderboard.intervals import (
    efficiency_interval,
    quantile_interval,
    rmse_interval,
    share_interval,
    std_interval,
)

EXPERIMENTS = 8000
SLACK = 4 * np.sqrt(0.98 * 0.02 / EXPERIMENTS)
LAWS = {
    "normal": stats.norm(),
    "uniform": stats.uniform(),
    "skew normal": stats.skewnorm(5),
    "gamma": stats.gamma(2),
    "exponential": stats.expon(),
    "lognormal": stats.lognorm(0.5),
    "laplace": stats.laplace(),
    "t, 5 df": stats.t(5),
    "t, 3 df": stats.t(3),
}
EACH = pytest.mark.parametrize("law", LAWS)


def errors_of(law, replicates, bias=0.0):
    """Errors (EXPERIMENTS, R) of mean `bias` and standard deviation 1."""
    frozen = LAWS[law]
    rng = np.random.default_rng([replicates, len(law), int(10 * abs(bias))])
    drawn = frozen.rvs((EXPERIMENTS, replicates), random_state=rng)
    return (drawn - frozen.mean()) / frozen.std() + bias


def coverage(interval, truth):
    low, high = interval
    assert not np.isnan(low).any()
    return np.mean((low <= truth) & (truth <= high))


def honest(interval, truth):
    return 0.92 - SLACK <= coverage(interval, truth) <= 0.98 + SLACK


def unknown(interval):
    return np.isnan(interval[0]).all() and np.isnan(interval[1]).all()


@EACH
@pytest.mark.parametrize("replicates", [3, 5, 10, 30, 100])
def test_the_interval_of_a_bias_is_honest(law, replicates):
    assert honest(bias_interval(errors_of(law, replicates)), 0.0)


@EACH
@pytest.mark.parametrize("replicates", [10, 30, 100])
def test_the_interval_of_a_standard_deviation_is_honest(law, replicates):
    assert honest(std_interval(errors_of(law, replicates)), 1.0)


@EACH
@pytest.mark.parametrize("bias", [0.0, 0.3, 1.0, 3.0, 20.0, -0.3, -0.5, -1.0, -2.0, -3.0, -20.0])
@pytest.mark.parametrize("replicates", [10, 30])
def test_the_interval_of_an_rmse_is_honest(law, replicates, bias):
    assert honest(rmse_interval(errors_of(law, replicates, bias)), np.hypot(1, bias))


@EACH
@pytest.mark.parametrize("replicates", [5, 10, 30])
def test_the_interval_of_a_median_is_honest(law, replicates):
    frozen = LAWS[law]
    median = (frozen.median() - frozen.mean()) / frozen.std()
    assert honest(quantile_interval(np.sort(errors_of(law, replicates)), 0.5), median)


@EACH
@pytest.mark.parametrize("p", [0.05, 0.95])
def test_the_intervals_of_the_range_are_honest(law, p):
    frozen = LAWS[law]
    ordered = np.sort(errors_of(law, 100))
    assert honest(quantile_interval(ordered, p), (frozen.ppf(p) - frozen.mean()) / frozen.std())
    assert unknown(quantile_interval(ordered[:, :71], p))


@EACH
@pytest.mark.parametrize("shared", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("bias", [0.0, 0.3, 1.0, 20.0, -0.5, -2.0])
@pytest.mark.parametrize("replicates", [10, 30])
def test_the_interval_of_an_efficiency_is_honest(law, shared, bias, replicates):
    """`shared` is how much of the estimator's variance is the sampling noise that the oracle has too."""
    oracle = np.random.default_rng(replicates).normal(size=(EXPERIMENTS, replicates))
    errors = np.sqrt(shared) * oracle + np.sqrt(1 - shared) * errors_of(law, replicates) + bias
    assert honest(efficiency_interval(errors, oracle), np.hypot(1, bias))


@pytest.mark.parametrize("total", [5, 10, 30])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.5, 0.9])
def test_the_interval_of_a_share_covers_at_least_what_it_promises(total, share):
    counts = np.arange(total + 1)
    low, high = share_interval(counts, np.full(total + 1, total))
    held = (low <= share) & (share <= high)
    assert stats.binom.pmf(counts[held], total, share).sum() >= 0.95
    for count in counts:
        expected = stats.binomtest(int(count), total).proportion_ci(method="exact")
        assert (low[count], high[count]) == pytest.approx(tuple(expected))


def test_textbook_intervals_would_not_be_honest():
    errors = errors_of("exponential", 10)
    mean, std = errors.mean(axis=1), errors.std(axis=1, ddof=1)
    half = stats.t.ppf(0.975, 9) * std / np.sqrt(10)
    assert coverage((mean - half, mean + half), 0) < 0.92
    low, high = (np.sqrt(9 / stats.chi2.ppf(p, 9)) * std for p in (0.975, 0.025))
    assert coverage((low, high), 1) < 0.8


def test_the_quantile_interval_is_that_of_scipy():
    ordered = np.sort(np.random.default_rng(0).normal(size=(1, 90)))
    for p in (0.05, 0.3, 0.5, 0.95):
        expected = stats.quantile_test(ordered[0], p=p).confidence_interval(0.95)
        assert np.ravel(quantile_interval(ordered, p)) == pytest.approx(tuple(expected))


def test_the_bias_interval_of_symmetric_errors_is_that_of_a_t_test():
    errors = np.array([[-3.0, -1.0, 0.0, 1.0, 3.0]]) + 2
    expected = stats.ttest_1samp(errors[0], 0).confidence_interval()
    assert np.ravel(bias_interval(errors)) == pytest.approx(tuple(expected), rel=1e-12)


def test_a_skewed_sample_moves_the_bias_interval_to_the_side_of_its_tail():
    errors = np.random.default_rng(1).exponential(size=(1, 20))
    (low,), (high,) = bias_interval(errors)
    assert high - errors.mean() > 1.2 * (errors.mean() - low)


def test_at_many_gaussian_errors_intervals_are_those_of_scipy():
    errors = np.random.default_rng(2).normal(0.5, 1.0, size=(1, 4000))
    found = stats.bootstrap((errors[0] ** 2,), np.mean, rng=np.random.default_rng(3)).confidence_interval
    (low,), (high,) = rmse_interval(errors)
    assert low == pytest.approx(np.sqrt(found.low), abs=0.005)
    assert np.sqrt(found.high) - 0.005 < high < np.sqrt(found.high) + 0.03  # its upper tail is smaller


def test_intervals_scale_with_the_unit_and_mirror_with_the_sign():
    errors = errors_of("gamma", 12, 0.3)[:50]
    for interval in (bias_interval, std_interval, rmse_interval):
        low, high = interval(errors)
        assert np.array(interval(errors * 1.44)) == pytest.approx(np.array([low, high]) * 1.44)
        mirrored = (-high, -low) if interval is bias_interval else (low, high)
        assert np.array(interval(-errors)) == pytest.approx(np.array(mirrored))


def test_intervals_hold_the_estimate():
    errors = errors_of("gamma", 10, 0.2)[:500]
    rmse = np.sqrt(np.mean(errors**2, axis=1))
    for value, (low, high) in [
        (errors.mean(axis=1), bias_interval(errors)),
        (errors.std(axis=1, ddof=1), std_interval(errors)),
        (rmse, rmse_interval(errors)),
        (np.median(errors, axis=1), quantile_interval(np.sort(errors), 0.5)),
    ]:
        assert np.all((low <= value) & (value <= high))


def test_intervals_are_unknown_where_replicates_are_few():
    assert unknown(bias_interval(np.ones((3, 2))))
    assert unknown(std_interval(np.ones((3, 9))))
    assert unknown(rmse_interval(np.ones((3, 9))))
    assert unknown(efficiency_interval(np.ones((3, 9)), np.ones((3, 9))))
    assert unknown(quantile_interval(np.ones((3, 4)), 0.5))
    assert unknown(share_interval(np.zeros(1), np.zeros(1)))


def test_an_estimator_without_scatter_has_exact_intervals():
    errors = np.full((2, 10), -2.0)
    assert np.array(bias_interval(errors)) == pytest.approx(-2.0)
    assert np.array(std_interval(errors)) == pytest.approx(0.0)
    assert np.array(rmse_interval(errors)) == pytest.approx(2.0)
    assert np.array(efficiency_interval(errors, errors / 4)) == pytest.approx(4.0)
