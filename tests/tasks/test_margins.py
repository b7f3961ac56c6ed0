import numpy as np
import pytest
from scipy import stats
from scipy.stats import kstest

import mibench
from mibench.errors import MibenchError, SpecError

FROZEN = {
    "normal": stats.norm(),
    "uniform": stats.uniform(),
    "expon": stats.expon(),
    "cauchy": stats.cauchy(),
    "lognorm(0.5)": stats.lognorm(0.5),
    "laplace": stats.laplace(),
    "logistic": stats.logistic(),
    "pareto(2)": stats.pareto(2),
    "weibull_min(1.5)": stats.weibull_min(1.5),
    "gumbel_r": stats.gumbel_r(),
    "t(3)": stats.t(3),
    "gamma(2, scale=3)": stats.gamma(2, scale=3),
    "expon(1, 2)": stats.expon(1, 2),
    "lognorm(s=0.5, loc=-1)": stats.lognorm(0.5, -1),
}
OWN = ["uniform", "cauchy", "laplace", "logistic", "pareto(2)", "weibull_min(1.5)", "gumbel_r", "expon(1, 2)"]
EVERYWHERE_THE_SAME = [
    *(f"margins(clayton(d=2, mi=2), x={margin!r}, y='expon')" for margin in OWN),
    *(f"{name}(d=2, mi={mi})" for name in ("clayton", "gumbel", "frank") for mi in (0.01, 2, 20)),
    "frank(theta=-3)",
    *("mixture_x", "mixture_ai", "waves", "galaxy", "concentric", "inliers", "inliers(rho=0.5)"),
]


@pytest.mark.parametrize("margin", FROZEN)
def test_draws_have_the_margin(margin):
    task = mibench.task(f"margins(gumbel(d=2, mi=2), x={margin!r}, y='expon')")
    base = mibench.task("gumbel(d=2, mi=2)").distribution.draw(20_000, np.random.default_rng(1))
    draw = task.distribution.draw(20_000, np.random.default_rng(1))
    assert draw.x == pytest.approx(FROZEN[margin].ppf(base.x), rel=1e-13, abs=1e-14)
    for column in draw.x.T:
        assert kstest(column, FROZEN[margin].cdf).pvalue > 1e-5
    assert np.array_equal(draw.pointwise_mi, base.pointwise_mi)
    assert np.abs(task.log_density_ratio(draw.x, draw.y) - draw.pointwise_mi).max() < 1e-8
    assert task.mutual_information == 2


@pytest.mark.parametrize("margin", FROZEN)
def test_inverse_undoes_the_margin(margin):
    distribution = mibench.task(f"margins(clayton(), x={margin!r})").distribution
    u = np.linspace(0.001, 0.999, 999)[:, None]
    assert distribution.invert("x", distribution.map("x", u)) == pytest.approx(u, abs=1e-12)


def test_quantiles_hold_in_both_tails():
    distribution = mibench.task("margins(clayton(), x='cauchy', y='laplace')").distribution
    u = np.array([[1e-300, 1e-12, 0.5, 1 - 2.0**-40]])
    assert distribution.map("x", u) == pytest.approx(
        np.array([[-1 / (np.pi * 1e-300), -1 / (np.pi * 1e-12), 0, 2.0**40 / np.pi]]), rel=1e-12, abs=1e-15
    )
    assert distribution.map("y", u) == pytest.approx(
        np.array([[np.log(2e-300), np.log(2e-12), 0, 39 * np.log(2)]]), rel=1e-12, abs=1e-15
    )


def test_a_side_alone_has_the_margin():
    both, left, right = (
        mibench.task(f"margins(clayton(), {rest})").distribution.draw(50, np.random.default_rng(0))
        for rest in ("x='expon', y='t(3)'", "side='x', x='expon'", "side='y', y='t(3)'")
    )
    base = mibench.task("clayton()").distribution.draw(50, np.random.default_rng(0))
    assert np.array_equal(left.x, both.x)
    assert np.array_equal(left.y, base.y)
    assert np.array_equal(right.x, base.x)
    assert np.array_equal(right.y, both.y)


def test_one_law_has_one_name():
    for spec in ("margins(clayton())", "margins(clayton(), x='norm')", "margins(clayton(), x='norm()', y='normal()')"):
        assert mibench.task(spec).name == "margins(clayton(d=1, mi=1))"
    for margin in ("t(3)", "t(df = 3.0)", "t(3, 0)", "t(3, loc=0, scale=1)"):
        assert mibench.task(f"margins(clayton(), x='{margin}')").name == "margins(clayton(d=1, mi=1), x='t(3)')"
    moved = mibench.task("margins(clayton(), x='expon(2, 3)')").name
    assert moved == "margins(clayton(d=1, mi=1), x='expon(loc=2, scale=3)')"


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("margins(gaussian(d=1, mi=1))", r"write margins\(uniform\(gaussian"),
        ("margins(clayton(), x='expno')", "did you mean expon"),
        ("margins(clayton(), x='norm(loc=1e17)')", "float64 cannot tell"),
        ("margins(clayton(), x='beta(0.01, 0.01)')", "float64 cannot tell"),
        ("margins(clayton(), x='poisson(3)')", "no distribution 'poisson'"),
        ("margins(clayton(), y='t')", r"needs df; write y='t\(df\)'"),
        ("margins(clayton(), x='t(-1)')", "not a distribution"),
        ("margins(clayton(), x='expon(scale=0)')", "not a distribution"),
        ("margins(clayton(), x='t(3, df=2)')", "no further argument 'df'"),
        ("margins(clayton(), x='t(1, 2, 3, 4)')", "at most 3"),
        ("margins(clayton(), x='t(None)')", "must be a number"),
        ("margins(clayton(), x='1 +')", "such as 't"),
        ("margins(clayton(), side='x', y='expon')", "no effect"),
    ],
)
def test_what_cannot_be_is_refused(spec, words):
    with pytest.raises(SpecError, match=words):
        mibench.task(spec)


def test_an_infinite_quantile_is_an_error():
    with pytest.raises(MibenchError, match="tail too heavy"):
        mibench.task("margins(clayton(), x='pareto(0.01)')").sample(10_000)


def test_draws_are_bit_for_bit_the_same_on_other_vector_units(bits_here_and_elsewhere):
    here, elsewhere = bits_here_and_elsewhere(EVERYWHERE_THE_SAME, 500)
    assert here == elsewhere
