import math
from dataclasses import dataclass

import numpy as np
import pytest

import mibench
from mibench.errors import SpecError
from mibench.estimation import Estimate, Estimator
from mibench.estimators.gaussian_fit import GaussianFit
from mibench.estimators.jackknife import Jackknife, combine


@dataclass(frozen=True)
class Variance(Estimator):
    """The plug-in variance of x, whose bias is exactly −σ²/n."""

    def estimate(self, x, y, seed):
        return float(x.var())


@dataclass(frozen=True)
class Mean(Estimator):
    """The mean of x, whose jackknife is known."""

    def estimate(self, x, y, seed):
        return float(x.mean())


@dataclass(frozen=True)
class Noisy(Estimator):
    """Noise by the seed, which must cancel."""

    def estimate(self, x, y, seed):
        return float(np.random.default_rng(seed).standard_normal())


@dataclass(frozen=True)
class Fails(Estimator):
    """No answer to fewer than 20 rows."""

    def estimate(self, x, y, seed):
        return 1.0 if len(x) >= 20 else Estimate(math.nan, message="too few")


def normal(n, seed=0):
    return np.random.default_rng(seed).standard_normal((2, n, 1))


@pytest.mark.parametrize("n", [20, 23])
def test_delete_one_makes_the_plug_in_variance_unbiased(n):
    x, y = normal(n)
    assert Jackknife(Variance(), groups=n).estimate(x, y, 0).value == pytest.approx(x.var(ddof=1), rel=1e-12)


@pytest.mark.parametrize(("n", "groups"), [(20, 10), (23, 10), (11, 4), (7, 7)])
def test_a_bias_of_one_over_n_goes_exactly(n, groups):
    sizes = [len(part) for part in np.array_split(np.arange(n), groups)]
    without = [Estimate(2 + 3 / (n - size)) for size in sizes]
    assert combine(Estimate(2 + 3 / n), without, sizes).value == pytest.approx(2, abs=1e-12)


@pytest.mark.parametrize("n", [30, 34])
def test_groups_that_make_the_variance_unbiased_on_average(n):
    found = [Jackknife(Variance(), groups=10).estimate(*normal(n, seed), seed).value for seed in range(1500)]
    error = np.std(found, ddof=1) / math.sqrt(1500)
    assert abs(np.mean(found) - 1) < 4 * error
    assert 1 / n > 5 * abs(np.mean(found) - np.mean([normal(n, seed)[0].var(ddof=1) for seed in range(1500)]))


def test_equal_groups_are_quenouille_and_tukey():
    x, y = normal(40)
    groups = Jackknife(Variance(), groups=8)._draw_groups(40, 3)
    without = np.array([np.delete(x, group, axis=0).var() for group in groups])
    found = Jackknife(Variance(), groups=8).estimate(x, y, 3)
    assert found.value == pytest.approx(8 * x.var() - 7 * without.mean(), rel=1e-12)
    assert found.std_error == pytest.approx(math.sqrt(7 / 8 * ((without - without.mean()) ** 2).sum()), rel=1e-12)
    assert found.diagnostics["full"] == x.var()


@pytest.mark.parametrize("n", [50, 53])
def test_delete_one_of_a_mean_is_its_textbook_standard_error(n):
    x, y = normal(n)
    found = Jackknife(Mean(), groups=n).estimate(x, y, 0)
    assert found.value == pytest.approx(x.mean(), abs=1e-12)
    assert found.std_error == pytest.approx(x.std(ddof=1) / math.sqrt(n), rel=1e-9)


@pytest.mark.parametrize("n", [50, 57])
def test_variance_of_a_mean_is_unbiased_with_uneven_groups(n):
    found = [Jackknife(Mean()).estimate(*normal(n, seed), seed).std_error ** 2 for seed in range(1000)]
    assert abs(np.mean(found) - 1 / n) < 4 * np.std(found) / math.sqrt(1000) + 0.002 / n


def test_groups_part_the_rows_by_the_seed():
    groups = Jackknife(groups=10)._draw_groups(34, 5)
    assert sorted(np.concatenate(groups)) == list(range(34))
    assert [len(group) for group in groups] == [4] * 4 + [3] * 6
    assert np.array_equal(groups[0], Jackknife(groups=10)._draw_groups(34, 5)[0])
    assert not np.array_equal(groups[0], Jackknife(groups=10)._draw_groups(34, 6)[0])


def test_gaussian_bias_mostly_goes():
    task = mibench.task("gaussian(dx=3, dy=2, mi=0.8)")
    draws = [task.sample(64, seed=s) for s in range(300)]
    methods = GaussianFit(), GaussianFit(unbiased=True), Jackknife(GaussianFit())
    plug_in, exact, jackknifed = (np.array([m.estimate(x, y, 0).value for x, y in draws]) for m in methods)
    paired = jackknifed - exact
    assert plug_in.mean() - exact.mean() > 0.05
    assert abs(paired.mean()) < 0.006 + 4 * paired.std() / math.sqrt(300)


def answers(spec, replicates):
    method, task = mibench.estimator(spec), mibench.task("gaussian(d=1, mi=0.7)")
    found = [method.estimate(*task.sample(305, seed=s), seed=s) for s in range(replicates)]
    return np.array([(e.value, e.diagnostics["full"], e.std_error) for e in found]).T


def test_standard_error_is_the_scatter_over_samples():
    value, _, error = answers("jackknife(gaussian_fit())", 400)
    assert math.sqrt((error**2).mean()) == pytest.approx(value.std(ddof=1), rel=0.12)


def test_standard_error_with_neighbours_lies_between_the_scatter_before_and_after():
    value, full, error = answers("jackknife(ksg(k=3))", 150)
    assert full.std(ddof=1) < math.sqrt((error**2).mean()) < value.std(ddof=1)


def test_the_base_has_one_seed_throughout():
    x, y = normal(35)
    found = Jackknife(Noisy()).estimate(x, y, 9)
    assert found.value == pytest.approx(np.random.default_rng(9).standard_normal(), abs=1e-12)
    assert found.std_error == pytest.approx(0, abs=1e-12)


def test_rows_stay_paired_whatever_their_shape():
    x, y = mibench.task("gaussian(d=4, mi=3)").sample(101, seed=0)
    flat, shaped = (Jackknife(GaussianFit()).estimate(side, y, 0) for side in (x, x.reshape(101, 2, 2)))
    assert flat == shaped
    assert flat.value > 2


def test_a_failure_of_the_base_is_passed_on():
    found = Jackknife(Fails(), groups=10).estimate(*normal(21), 0)
    assert math.isnan(found.value)
    assert found.message == "no number on 10 of 11 samples: too few"


def test_limits_are_stated():
    assert Jackknife().unsupported(9, (1,), (1,)) == "groups=10 need n of at least 10, got 9"
    assert "without one of 10 groups, the covariance" in Jackknife(GaussianFit()).unsupported(24, (10,), (10,))
    assert Jackknife(GaussianFit()).unsupported(25, (10,), (10,)) == ""
    with pytest.raises(SpecError, match="groups must be at least 2, got 1"):
        Jackknife(groups=1)
