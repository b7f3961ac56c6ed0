from dataclasses import dataclass

import numpy as np
import pytest

import mibench
from mibench.errors import SpecError
from mibench.estimation import Estimator
from mibench.estimators import wrapper
from mibench.estimators.autoencoder import Autoencoder
from mibench.estimators.gaussian_fit import GaussianFit
from mibench.estimators.jackknife import Jackknife
from mibench.estimators.sliced import Sliced
from mibench.estimators.wrapper import Member


@dataclass(frozen=True)
class Stacks(Estimator):
    """Answers with the size of its stack and the seed."""

    def estimate(self, x, y, seed):
        raise AssertionError

    def estimate_batch(self, x, y, seeds, device):
        return [100 * len(x) + seed for seed in seeds]


@pytest.mark.parametrize("spec", ["ae(oracle())", "sliced(zero())", "jackknife(oracle())", "jackknife(sliced(zero()))"])
def test_a_baseline_is_refused(spec):
    with pytest.raises(SpecError, match="base must estimate from the data, got the baseline"):
        mibench.estimator(spec)


def test_a_method_that_needs_the_truth_is_refused():
    @dataclass(frozen=True)
    class Peeking(GaussianFit):
        def estimate(self, x, y, seed, pointwise_mi=None):
            return 0.0

    with pytest.raises(SpecError, match="base must estimate from the data"):
        Jackknife(Peeking())


def test_warming_up_is_passed_on():
    seen = []

    class Cold(GaussianFit):
        def warm_up(self, device):
            seen.append(device)

    for wrap in (Autoencoder, Jackknife, Sliced):
        wrap(Cold()).warm_up("cpu")
    assert seen == ["cpu"] * 3


def test_stacks_are_bounded_by_memory(monkeypatch):
    members = [Member(np.zeros((5, 2)), np.zeros((5, 1)), seed) for seed in range(7)]
    method = Jackknife(Stacks())

    def answers():
        return [answer.value for answer in method.estimate_members(iter(members), "cpu")]

    assert answers() == [700, 701, 702, 703, 704, 705, 706]
    monkeypatch.setattr(wrapper, "_VALUES", 50)
    assert answers() == [300, 301, 302, 303, 304, 305, 106]
    monkeypatch.setattr(wrapper, "_VALUES", 1)
    assert answers() == [100, 101, 102, 103, 104, 105, 106]
