"""Maps and operators: quadrature in the mapped coordinates, and the pointwise MI that a map has to keep."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import expit

import mibench

from .proofs.quadrature import mean_on_grid, tanh_sinh

RARE = 1e-5
RHO = math.sqrt(-math.expm1(-2))
PAIR = "gaussian(d=1, mi=1)"


class Bimodal:
    def __init__(self, weight, first, second):
        self.parts = [(weight, stats.norm(first)), (1 - weight, stats.norm(second))]

    def __getattr__(self, name):
        return lambda t: sum(weight * getattr(part, name)(t) for weight, part in self.parts)


def by_margin(margin):
    """Normal scores z of a margin, and dz/du."""

    def scores(u):
        cdf, sf = margin.cdf(u), margin.sf(u)
        z = np.where(cdf < 0.5, stats.norm.ppf(cdf), -stats.norm.ppf(sf))
        with np.errstate(divide="ignore"):
            return z, margin.pdf(u) / stats.norm.pdf(z)

    return scores


def power(exponent):
    return lambda u: (np.sign(u) * np.abs(u) ** (1 / exponent), np.abs(u) ** (1 / exponent - 1) / exponent)


EXPON, LOGNORM, STUDENT = stats.expon(), stats.lognorm(0.5), stats.t(3)
LEFT, RIGHT = Bimodal(0.3, 0, 5), Bimodal(0.5, -1, 3)
WIDE = [-2e4, -2e3, -300, -60, -15, -4, 0, 4, 15, 60, 300, 2e3, 2e4]
ON_GRID = {
    f"asinh({PAIR})": ((lambda u: (np.sinh(u), np.cosh(u)), np.arange(-3, 3.1, 0.5)),) * 2,
    f"half_cube({PAIR})": ((power(1.5), [-25, -6, -1, 0, 1, 6, 25]),) * 2,
    f"power({PAIR}, alpha=2)": ((power(2), [-64, -16, -4, -0.1, -1e-4, -1e-8, 0, 1e-8, 1e-4, 0.1, 4, 16, 64]),) * 2,
    f"power({PAIR}, alpha=0.5)": ((power(0.5), [-2.9, -2, -1, 0, 1, 2, 2.9]),) * 2,
    f"affine({PAIR}, shift=3, scale=-2)": ((lambda u: ((u - 3) / -2, np.full_like(u, 0.5)), np.arange(-13, 20, 2)),)
    * 2,
    f"bimodal({PAIR})": (
        (by_margin(LEFT), np.arange(-8, 13.1, 1.5)),
        (by_margin(RIGHT), np.arange(-9, 11.1, 1.5)),
    ),
    f"margins(uniform({PAIR}), x='expon', y='lognorm(0.5)')": (
        (by_margin(EXPON), [0, 1e-6, 1e-3, 0.05, 0.5, 1.5, 4, 9, 16, 25]),
        (by_margin(LOGNORM), [0.02, 0.1, 0.3, 0.6, 1, 1.7, 3, 7, 25]),
    ),
    f"margins(uniform({PAIR}), x='t(3)')": ((by_margin(STUDENT), WIDE), (by_margin(stats.norm), np.arange(-8, 9, 1))),
    f"uniform({PAIR})": ((by_margin(stats.uniform), [0, 1e-8, 1e-4, 0.02, 0.5, 0.98, 1 - 1e-4, 1 - 1e-8, 1]),) * 2,
}


@pytest.mark.parametrize("spec", ON_GRID)
def test_mi_by_quadrature_in_the_mapped_coordinates(spec, proved):
    """∫ p ln(p / p p), with the joint density from the normal scores; the claimed pointwise MI has the same mean."""
    (x_scores, x_breaks), (y_scores, y_breaks) = ON_GRID[spec]
    (u, wu), (v, wv) = tanh_sinh(x_breaks, step=0.1, reach=3), tanh_sinh(y_breaks, step=0.1, reach=3)
    (a, da), (b, db) = x_scores(u), y_scores(v)
    known_u, known_v = np.isfinite(a) & (np.abs(a) < 8.2), np.isfinite(b) & (np.abs(b) < 8.2)
    u, wu, a, da = (part[known_u] for part in (u, wu, a, da))
    v, wv, b, db = (part[known_v] for part in (v, wv, b, db))
    log_margins = stats.norm.logpdf(a)[:, None] + np.log(da)[:, None] + stats.norm.logpdf(b) + np.log(db)
    ratio = (2 * RHO * a[:, None] * b - RHO**2 * (a[:, None] ** 2 + b**2)) / (2 * (1 - RHO**2)) + 1
    joint, weights = np.exp(log_margins + ratio), wu[:, None] * wv
    task = mibench.task(spec)
    proved("maps", task.mutual_information, mean_on_grid(joint, ratio, weights), 1e-7)
    n = len(u)
    claimed = np.stack([task.log_density_ratio(u[:, None], np.full((n, 1), value)) for value in v], axis=1)
    proved("maps, their pointwise MI", task.mutual_information, mean_on_grid(joint, claimed, weights), 1e-6)


def wiggle_x(x):
    return x + 0.4 * np.sin(x) + 0.2 * np.sin(1.7 * x + 1) + 0.03 * np.sin(3.3 * x - 2.5)


def roll(u):
    t = 1.5 * np.pi * (1 + 2 * u)
    return np.stack([t * np.cos(t), t * np.sin(t)], axis=-1) / 21


BASE = "gaussian(d=3, mi=2)"
FORMULAS = {
    f"asinh({BASE})": np.arcsinh,
    f"half_cube({BASE})": lambda x: np.sign(x) * np.abs(x) ** 1.5,
    f"power({BASE}, alpha=3)": lambda x: x**3,
    f"affine({BASE}, shift=-1, scale=4)": lambda x: 4 * x - 1,
    f"uniform({BASE})": stats.norm.cdf,
    f"wiggly({BASE})": wiggle_x,
    f"margins(uniform({BASE}), x='gamma(2, scale=3)')": lambda x: stats.gamma(2, scale=3).ppf(stats.norm.cdf(x)),
}


@pytest.mark.parametrize("spec", FORMULAS)
def test_maps_are_their_formulas(spec):
    x, _ = mibench.task(BASE).sample(2000, seed=1)
    assert_allclose(mibench.task(spec).sample(2000, seed=1)[0], FORMULAS[spec](x), rtol=1e-9, atol=1e-12)


def test_swiss_roll_winds_each_coordinate():
    spec = "uniform(gaussian(d=2, mi=1))"
    (u, v), (x, y) = (mibench.task(s).sample(500, seed=2) for s in (spec, f"swiss_roll({spec})"))
    assert_allclose(y, v)
    rolled = roll(u)
    options = [rolled.reshape(500, 4), np.concatenate([rolled[..., 0], rolled[..., 1]], axis=1)]
    assert min(np.abs(x - option).max() for option in options) < 1e-9


def test_bimodal_margins():
    x, y = mibench.task("bimodal(gaussian(d=2, mi=1))").sample(100_000, seed=3)
    for column in range(2):
        assert stats.kstest(x[:, column], LEFT.cdf).pvalue > RARE
        assert stats.kstest(y[:, column], RIGHT.cdf).pvalue > RARE


@pytest.mark.parametrize("df", [1, 3])
def test_student_becomes_uniform(df):
    for side in mibench.task(f"uniform(student(d=2, df={df}), df={df})").sample(100_000, seed=4):
        for column in side.T:
            assert stats.kstest(column, "uniform").pvalue > RARE


def test_spiral_keeps_the_norm():
    (x, y), (u, v) = (mibench.task(spec).sample(2000, seed=5) for spec in (BASE, f"spiral({BASE})"))
    for before, after in ((x, u), (y, v)):
        assert not np.allclose(before, after)
        assert_allclose(np.linalg.norm(after, axis=1), np.linalg.norm(before, axis=1))


KEPT = [
    *FORMULAS,
    f"spiral({BASE})",
    f"bimodal({BASE})",
    f"swiss_roll(uniform({BASE}))",
    f"margins(uniform({BASE}), x='t(2)', y='expon')",
    f"wiggly(asinh({BASE}))",
    f"embed({BASE})",
    f"embed({BASE}, dim=7)",
    f"embed({BASE}, dim=7, smooth=True)",
    f"embed({BASE}, dim=5, smooth=True, noise_dims=4)",
    f"embed(swiss_roll(uniform({BASE})), dim=8, side='x')",
]


@pytest.mark.parametrize("spec", KEPT)
def test_maps_keep_the_mi(spec, proved):
    """The mean of the pointwise MI, which is that of the base, and calibration: ∫ p q / (p + q) by p and by q."""
    task, n = mibench.task(spec), 40_000
    draw, other = task.draw(n, seed=6), task.draw(n, seed=7)
    assert task.mutual_information == 2
    error = draw.pointwise_mi.std() / math.sqrt(n)
    assert 4 * error < 0.035
    proved("maps, mean", task.mutual_information, draw.pointwise_mi.mean(), 0.035)
    assert_allclose(
        task.log_density_ratio(draw.x[:2000], draw.y[:2000]), draw.pointwise_mi[:2000], atol=1e-5, rtol=1e-5
    )
    joint, product = expit(-draw.pointwise_mi), expit(task.log_density_ratio(draw.x, other.y))
    assert abs(joint.mean() - product.mean()) < 5 * math.sqrt((joint.var() + product.var()) / n)


@pytest.mark.parametrize("noise", [0, 3])
def test_linear_embedding_by_the_covariance(noise, proved):
    """Canonical correlations do not see a rotation, nor coordinates of noise."""
    n = 100_000
    x, y = mibench.task(f"embed(gaussian(d=2, mi=1), noise_dims={noise})").sample(n, seed=8)
    assert x.shape[1] == y.shape[1] == 2 + noise
    sigma = np.cov(np.concatenate([x, y], axis=1).T)
    dx = 2 + noise
    parts = [np.linalg.slogdet(part)[1] for part in (sigma[:dx, :dx], sigma[dx:, dx:], sigma)]
    proved("embed draws", 1.0, (parts[0] + parts[1] - parts[2]) / 2 - dx**2 / (2 * n), 5 * math.sqrt(2 / n))


def test_smooth_embedding_keeps_its_directions():
    x, y = mibench.task(f"embed({BASE}, dim=9)").sample(2000, seed=9)
    for side in (x, y):
        assert side.shape[1] == 9
        assert (np.linalg.svd(side, compute_uv=False)[3:] < 1e-8).all()
    x, _ = mibench.task(f"embed({BASE}, dim=9, smooth=True)").sample(2000, seed=9)
    assert (np.linalg.svd(x, compute_uv=False) > 1).all()


def test_join_adds():
    first, second = "clayton(mi=0.7)", "gaussian(dx=2, dy=3, mi=1.5)"
    one, two, both = (mibench.task(spec) for spec in (first, second, f"join({first}, {second})"))
    assert both.mutual_information == pytest.approx(2.2, abs=1e-12)
    draw = both.draw(50_000, seed=10)
    assert draw.x.shape[1:] == (3,)
    assert draw.y.shape[1:] == (4,)
    parts = one.log_density_ratio(draw.x[:, :1], draw.y[:, :1]) + two.log_density_ratio(draw.x[:, 1:], draw.y[:, 1:])
    assert_allclose(draw.pointwise_mi, parts, atol=1e-8)
    assert abs(parts.mean() - 2.2) < 4.5 * parts.std() / math.sqrt(50_000)
    for a, b in ((draw.x[:, 0], draw.x[:, 1]), (draw.x[:, 0], draw.y[:, 1]), (draw.y[:, 0], draw.x[:, 1])):
        assert abs(stats.spearmanr(a, b).statistic) < 5 / math.sqrt(50_000)


@pytest.mark.parametrize("base", ["clayton(mi=1)", "gaussian(d=2, mi=3)", "asinh(student(d=2, df=1))"])
def test_independent_has_the_margins_and_no_mi(base):
    task, n = mibench.task(f"independent({base})"), 50_000
    assert task.mutual_information == 0
    draw, other = task.draw(n, seed=11), mibench.task(base).sample(n, seed=12)
    assert not task.log_density_ratio(draw.x, draw.y).any()
    for side, known in ((draw.x, other[0]), (draw.y, other[1])):
        assert stats.ks_2samp(side[:, 0], known[:, 0]).pvalue > RARE
    assert abs(stats.spearmanr(draw.x[:, 0], draw.y[:, 0]).statistic) < 5 / math.sqrt(n)
    assert abs(stats.spearmanr(np.abs(draw.x[:, 0] - 0.5), np.abs(draw.y[:, 0] - 0.5)).statistic) < 5 / math.sqrt(n)


def test_swap_exchanges_the_sides():
    spec = "gamma_exponential(d=2, mi=0.6)"
    (x, y), (u, v) = (mibench.task(s).sample(100, seed=13) for s in (spec, f"swap({spec})"))
    assert np.array_equal(x, v)
    assert np.array_equal(y, u)
