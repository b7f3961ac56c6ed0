import math

import numpy as np
import pytest
from mpmath import mp, mpf
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import kendalltau, kstest

import mibench
from mibench.errors import SpecError
from mibench.tasks.copulas import Clayton, Frank, Gumbel

FAMILIES = {"clayton": Clayton, "gumbel": Gumbel, "frank": Frank}
THETAS = {"clayton": (0.4, 3.0, 40.0), "gumbel": (1.2, 2.5, 20.0), "frank": (-6.0, 0.5, 8.0, 18.0)}
CASES = [(name, theta) for name in FAMILIES for theta in THETAS[name]]
N = 20_000


def textbook_cdf(name, u, v, theta):
    if name == "clayton":
        return (u**-theta + v**-theta - 1) ** (-1 / theta)
    if name == "gumbel":
        return math.exp(-(((-math.log(u)) ** theta + (-math.log(v)) ** theta) ** (1 / theta)))
    return -math.log1p(math.expm1(-theta * u) * math.expm1(-theta * v) / math.expm1(-theta)) / theta


def textbook_density(name, u, v, theta):
    if name == "clayton":
        return (1 + theta) * (u * v) ** (-1 - theta) * (u**-theta + v**-theta - 1) ** (-2 - 1 / theta)
    if name == "gumbel":
        a, b = -np.log(u), -np.log(v)
        t = (a**theta + b**theta) ** (1 / theta)
        return np.exp(-t) * (a * b) ** (theta - 1) / (u * v) * t ** (1 - 2 * theta) * (t + theta - 1)
    rest = -np.expm1(-theta) - np.expm1(-theta * u) * np.expm1(-theta * v)
    return theta * -np.expm1(-theta) * np.exp(-theta * (u + v)) / rest**2


def kendall(name, theta):
    if name == "clayton":
        return theta / (theta + 2)
    if name == "gumbel":
        return 1 - 1 / theta
    debye = quad(lambda t: t / math.expm1(t) if t else 1.0, 0, theta)[0] / theta
    return 1 - 4 / theta * (1 - debye)


def in_many_digits(name, theta):
    """The closed forms, in 60 digits."""
    with mp.workdps(60):
        t = mpf(theta)
        if name == "clayton":
            return mp.log(1 + t) - t / (1 + t)
        if name == "gumbel":
            return mp.euler + mp.log(t - 1) + (mp.exp(t - 1) * mp.e1(t - 1) - t + 1) / t
        debye = (mp.pi**2 / 6 - mp.polylog(2, mp.exp(-t))) / t + mp.log(1 - mp.exp(-t))
        return mp.log(t / (1 - mp.exp(-t))) - 2 + 2 * debye


@pytest.mark.parametrize(("name", "theta"), CASES)
def test_draws_have_the_textbook_law(name, theta):
    x, y = mibench.task(f"{name}(theta={theta})").sample(N, seed=1)
    for a, b in ((0.02, 0.03), (0.3, 0.3), (0.2, 0.7), (0.9, 0.6), (0.98, 0.97)):
        expected = textbook_cdf(name, a, b, theta)
        error = math.sqrt(max(expected * (1 - expected), 1e-4) / N)
        assert abs(np.mean((x < a) & (y < b)) - expected) < 5 * error


@pytest.mark.parametrize(("name", "theta"), CASES)
def test_rank_correlation_is_kendalls(name, theta):
    x, y = mibench.task(f"{name}(theta={theta})").sample(N, seed=2)
    tau = kendall(name, theta)
    assert abs(kendalltau(x[:, 0], y[:, 0]).statistic - tau) < 5 * math.sqrt(2 * (1 - tau**2) / N)


@pytest.mark.parametrize(("name", "theta"), CASES)
def test_pointwise_mi_is_the_textbook_density(name, theta):
    draw = mibench.task(f"{name}(theta={theta})").draw(2000, seed=3)
    density = np.log(textbook_density(name, draw.x[:, 0], draw.y[:, 0], theta))
    assert draw.pointwise_mi == pytest.approx(density, abs=1e-6)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("mi", [1e-9, 1e-6, 1e-3, 0.1, 1.0, 3.0, 10.0, 25.0])
def test_draws_from_independence_to_the_limit_of_float64(name, mi):
    task = mibench.task(f"{name}(mi={mi})")
    draw, other = task.draw(100_000, seed=4), task.draw(100_000, seed=5)
    for column in (draw.x, draw.y):
        assert column.min() > 0
        assert column.max() < 1
        assert kstest(column[:, 0], "uniform").pvalue > 1e-5
    assert (draw.x == draw.y).sum() <= 10
    error = draw.pointwise_mi.std() / math.sqrt(100_000)
    assert abs(draw.pointwise_mi.mean() - mi) < 4.5 * error
    if mi <= 10:
        again = task.log_density_ratio(draw.x, draw.y)
        assert np.abs(again - draw.pointwise_mi).max() < 1e-6
        joint, product = expit(-draw.pointwise_mi), expit(task.log_density_ratio(draw.x, other.y))
        assert abs(joint.mean() - product.mean()) < 5 * math.sqrt((joint.var() + product.var()) / 100_000) + 1e-12


@pytest.mark.parametrize("name", FAMILIES)
def test_the_mi_is_exact_near_independence_and_far_from_it(name):
    for strength in (1e-6, 1e-3, 0.05, 0.111, 0.2, 0.99, 1.01, 1.49, 1.51, 3, 9.9, 10.1, 50, 300, 1e4, 1e8):
        theta = strength + 1 if name == "gumbel" else strength
        assert FAMILIES[name](d=1, theta=theta).pair_mi(theta) == pytest.approx(
            float(in_many_digits(name, theta)), rel=1e-12
        )


@pytest.mark.parametrize("name", FAMILIES)
def test_the_solved_parameter_has_the_wanted_mi(name):
    copula = FAMILIES[name]()
    for mi in np.geomspace(1e-9, 25, 60):
        assert copula.pair_mi(copula.solve(mi)) == pytest.approx(mi, rel=1e-10)


@pytest.mark.parametrize(("name", "theta"), CASES)
def test_copulas_are_symmetric(name, theta):
    task = mibench.task(f"{name}(theta={theta})")
    x, y = np.random.default_rng(0).uniform(0.01, 0.99, (2, 1000, 1))
    assert task.log_density_ratio(x, y) == pytest.approx(task.log_density_ratio(y, x), rel=1e-9, abs=1e-9)


def test_negative_frank_reflects_v():
    one, other = (mibench.task(f"frank(d=2, theta={theta})").distribution for theta in (4.0, -4.0))
    x, y, pointwise = one.draw(1000, np.random.default_rng(0))
    again = other.draw(1000, np.random.default_rng(0))
    assert np.array_equal(again.x, x)
    assert again.y == pytest.approx(1 - y)
    assert np.array_equal(again.pointwise_mi, pointwise)
    assert other.mutual_information == one.mutual_information


def test_gumbel_of_one_is_independence():
    task = mibench.task("gumbel(theta=1)")
    assert task.mutual_information == 0
    assert np.abs(task.draw(1000).pointwise_mi).max() < 1e-14
    assert mibench.task("gumbel(mi=0)").distribution.pair_parameters == 1


@pytest.mark.parametrize("name", FAMILIES)
def test_many_pairs_share_the_mi(name):
    task = mibench.task(f"{name}(d=4, mi=2, randomized=True, seed=1)")
    pointwise = np.concatenate([task.draw(10_000, seed).pointwise_mi for seed in range(4)])
    assert abs(pointwise.mean() - 2) < 4.5 * pointwise.std() / 200
    x, y = task.sample(1)
    assert x.shape == y.shape == (1, 4)
    assert mibench.task(f"{name}(d=1000, mi=100)").sample(1)[0].shape == (1, 1000)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("clayton(mi=26)", "at most 25 nats"),
        ("gumbel(d=3, theta=1e30)", "at most 25 nats"),
        ("clayton(theta=0)", "positive"),
        ("gumbel(theta=0.9)", "at least 1"),
        ("frank(theta=0)", "other than 0"),
        ("frank(mi=0)", "independent"),
        ("clayton(mi=1, theta=2)", "either"),
    ],
)
def test_what_cannot_be_is_refused(spec, words):
    with pytest.raises(SpecError, match=words):
        mibench.task(spec)
