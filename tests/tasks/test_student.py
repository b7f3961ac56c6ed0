import math

import numpy as np
import pytest
from scipy.stats import kstest, t

import mibench
from mibench.errors import SpecError


@pytest.mark.parametrize(
    ("d", "df", "value"),
    [
        (1, 1, 0.22417),
        (2, 1, 0.43195),
        (2, 2, 0.19315),
        (3, 2, 0.29092),
        (3, 3, 0.17871),
        (5, 2, 0.44815),
        (5, 3, 0.29854),
    ],
)
def test_uncorrelated_student_meets_the_published_values(d, df, value):
    assert mibench.task(f"student(d={d}, df={df})").mutual_information == pytest.approx(value, abs=6e-6)


@pytest.mark.parametrize("df", [0.5, 1, 2, 3, 10])
def test_margins_are_students(df):
    x, y = mibench.task(f"student(d=2, mi=4, df={df}, mixing='orthogonal')").sample(50_000, seed=1)
    for column in (*x.T, *y.T):
        assert kstest(column, t(df).cdf).pvalue > 1e-5


def test_the_common_scale_divides():
    """Var t = ν / (ν − 2); a sampler that multiplied by √(χ²/ν) would have variance 1, and one scale shows in x² y²."""
    x, y = mibench.task("student(d=1, df=10)").sample(400_000, seed=2)
    assert x.var() == pytest.approx(10 / 8, rel=0.02)
    both = 10**2 / ((10 - 2) * (10 - 4))  # E (ν/χ²)²
    assert np.mean(x**2 * y**2) == pytest.approx(both, rel=0.05)


def test_a_wanted_mi_below_the_scales_own_is_refused():
    least = mibench.task("student(d=3, df=2)").mutual_information
    with pytest.raises(SpecError, match=r"at least 0\.29092.*raise df or mi"):
        mibench.task("student(d=3, mi=0.29, df=2)")
    assert mibench.task(f"student(d=3, mi={least}, df=2)").mutual_information == least


def test_many_degrees_of_freedom_are_a_gaussian():
    task = mibench.task("student(d=2, mi=1, df=1000000)")
    assert task.distribution.excess == pytest.approx(0, abs=1e-8)
    draw = task.draw(100_000, seed=0)
    assert draw.pointwise_mi.mean() == pytest.approx(1, abs=4 * draw.pointwise_mi.std() / math.sqrt(100_000))


@pytest.mark.parametrize("df", [0, 0.01, -1, 1e7])
def test_degrees_of_freedom_are_checked(df):
    with pytest.raises(SpecError, match="df must be"):
        mibench.task(f"student(d=1, df={df})")
