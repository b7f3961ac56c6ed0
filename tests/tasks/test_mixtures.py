import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logsumexp

import mibench
from mibench.errors import SpecError
from mibench.tasks import mixtures, normal_mixture
from mibench.tasks.inliers import Inliers
from mibench.tasks.normal_mixture import Normals, planar_mi

# Means and standard errors of 2 million draws of the published implementation, bmi 0.1.3.
PUBLISHED = {
    "mixture_x": (0.408621, 0.000527),
    "mixture_ai": (0.775190, 0.000615),
    "waves": (1.307182, 0.000272),
    "galaxy": (0.494805, 0.000361),
    "concentric(components=3)": (0.253365, 0.000379),
    "concentric(components=5)": (0.336826, 0.000429),
    "concentric(components=10)": (0.422771, 0.000481),
    "concentric(components=5, dx=1)": (0.187121, 0.000331),
    "concentric(components=5, dx=3)": (0.456301, 0.000472),
    "concentric(components=10, dx=5)": (0.752044, 0.000563),
    "inliers(rho=0.8)": (0.636606, 0.000818),
    "inliers(d=5, rho=0.8, independent_fraction=0.5)": (0.269439, 0.000595),
}
# To ten digits: they are part of the names' meaning and must not drift.
FOUND = {
    "mixture_x": 0.4084425498,
    "mixture_ai": 0.7759526158,
    "waves": 1.3070173659,
    "galaxy": 0.4942976971,
    "concentric(components=5)": 0.3372461385,
    "inliers(rho=0.8)": 0.6357589016,
}
PLANAR = [mixtures.MixtureX, mixtures.MixtureAI, mixtures.Waves, mixtures.Galaxy]
TASKS = [*PUBLISHED, "inliers(d=4, pairs=3, mi=2, independent_fraction=0.6)", "inliers(pairs=1, mi=5)"]


@pytest.mark.parametrize("spec", PUBLISHED)
def test_truth_meets_the_published_monte_carlo(spec):
    value, error = PUBLISHED[spec]
    assert abs(mibench.task(spec).mutual_information - value) < 4 * error


@pytest.mark.parametrize("spec", FOUND)
def test_truth_stays(spec):
    assert mibench.task(spec).mutual_information == pytest.approx(FOUND[spec], abs=6e-11)


@pytest.mark.parametrize("spec", TASKS)
def test_pointwise_mi_is_calibrated_and_has_the_mean(spec):
    task = mibench.task(spec)
    n = 50_000
    draw, other = task.draw(n, seed=1), task.draw(n, seed=2)
    assert np.abs(task.log_density_ratio(draw.x, draw.y) - draw.pointwise_mi).max() < 1e-9
    assert abs(draw.pointwise_mi.mean() - task.mutual_information) < 4.5 * draw.pointwise_mi.std() / math.sqrt(n)
    joint, product = expit(-draw.pointwise_mi), expit(task.log_density_ratio(draw.x, other.y))
    assert abs(joint.mean() - product.mean()) < 5 * math.sqrt((joint.var() + product.var()) / n)


@pytest.mark.parametrize("family", PLANAR)
def test_draws_are_those_of_the_mixture_before_its_bend(family):
    n = 200_000
    distribution = family()
    x, y, pointwise = distribution.draw(n, np.random.default_rng(3))
    points = np.column_stack([distribution.unbend(x), y])
    law = distribution.law
    mean = law.means.mean(axis=0)
    covariance = law.covariances.mean(axis=0) + np.cov(law.means.T, bias=True)
    assert np.abs(points.mean(axis=0) - mean).max() < 5 * math.sqrt(covariance.max() / n)
    assert np.abs(np.cov(points.T) - covariance).max() < 8 * covariance.max() / math.sqrt(n)
    normals = [stats.multivariate_normal(m, c) for m, c in zip(law.means, law.covariances, strict=True)]
    logs = logsumexp([normal.logpdf(points[:100]) for normal in normals], axis=0) - math.log(len(normals))
    assert law.log_density(points[:100]) == pytest.approx(logs, abs=1e-10)
    margins = [
        logsumexp([np.atleast_1d(stats.multivariate_normal.logpdf(points[:100, part], m[part], c[part, part]))
                   for m, c in zip(law.means, law.covariances, strict=True)], axis=0) - math.log(len(normals))
        for part in (slice(0, -1), slice(-1, None))
    ]  # fmt: skip
    assert pointwise[:100] == pytest.approx(logs - margins[0] - margins[1], abs=1e-9)


def test_bends_are_the_published_maps():
    x = np.array([[1.0, 0.5], [-2.0, 0.3]])
    wave = [[0.1 * (a + 5 * math.sin(3 * b)) - 0.8, 0.5 * b] for a, b in x]
    assert mixtures.Waves().bend(x) == pytest.approx(np.array(wave))
    angle = 0.5 * (x**2).sum(axis=1)
    spiral = np.column_stack(
        [np.cos(angle) * x[:, 0] - np.sin(angle) * x[:, 1], np.sin(angle) * x[:, 0] + np.cos(angle) * x[:, 1]]
    )
    assert mixtures.Galaxy().bend(x) == pytest.approx(spiral)
    for family in (mixtures.Waves, mixtures.Galaxy):
        values = np.random.default_rng(0).normal(size=(1000, 2)) * 3
        assert family().unbend(family().bend(values)) == pytest.approx(values, abs=1e-12)


def test_a_single_normal_has_its_closed_form():
    for rho in (0.1, 0.6, 0.95):
        law = Normals([(0.3, -2.0)], [[2.0, 0.0], [3 * rho, 3 * math.sqrt(1 - rho**2)]])
        assert planar_mi(law) == pytest.approx(-0.5 * math.log1p(-(rho**2)), abs=1e-12)


@pytest.mark.parametrize("family", PLANAR)
def test_quadrature_has_converged(family, monkeypatch):
    value = family().mutual_information
    monkeypatch.setattr(normal_mixture, "_STEPS", 4)
    monkeypatch.setattr(normal_mixture, "_REACH", 8.0)
    assert planar_mi.__wrapped__(family.planar) == pytest.approx(value, abs=1e-9)


def test_components_far_apart_carry_their_entropy():
    assert planar_mi(Normals([(0, 0), (50, 50)], np.eye(2))) == pytest.approx(math.log(2), abs=1e-12)
    assert mibench.task("concentric(components=7, dx=100000)").mutual_information == pytest.approx(math.log(7))
    assert mibench.task("concentric(components=1)").mutual_information == 0


def test_concentric_rings():
    x, y = mibench.task("concentric(components=3)").sample(60_000, seed=1)
    labels = np.round(y[:, 0])
    assert np.abs(y[:, 0] - labels).max() < 0.06
    for i in (1, 2, 3):
        ring = x[labels == i]
        assert abs(len(ring) - 20_000) < 600
        assert ring.std() == pytest.approx(i, rel=0.03)


def test_inliers_look_the_same_but_are_independent():
    x, y = mibench.task("inliers(d=3, rho=0.9, independent_fraction=0.3)").sample(200_000, seed=1)
    correlation = x.T @ y / 200_000
    assert np.abs(correlation - np.diag([0.63, 0.63, 0])).max() < 0.02
    for column in (*x.T, *y.T):
        assert stats.kstest(column, "norm").pvalue > 1e-5


@pytest.mark.parametrize("pairs", [1, 2, 5])
@pytest.mark.parametrize("fraction", [1e-9, 0.2, 0.9])
def test_inliers_solve_for_the_wanted_mi(pairs, fraction):
    for mi in (1e-20, 1e-6, 1e-3, 0.3, 1.0, 2.0):
        solved = Inliers(d=5, pairs=pairs, mi=mi, independent_fraction=fraction)
        rho = math.sqrt(-math.expm1(-2 * solved.gaussian.mutual_information / pairs))
        if rho < 1 - 1e-9:
            given = Inliers(d=5, pairs=pairs, rho=rho, independent_fraction=fraction)
            assert given.mutual_information == pytest.approx(mi, rel=1e-6, abs=1e-14)
    nearly = Inliers(pairs=2, rho=0.6, independent_fraction=1e-12)
    assert nearly.mutual_information == pytest.approx(nearly.gaussian.mutual_information, abs=1e-10)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("concentric(components=0)", "components must be from 1 to 100, got 0"),
        ("concentric(components=101)", "components must be from 1 to 100"),
        ("concentric(dx=0)", "dx must be at least 1"),
        ("inliers(independent_fraction=0)", "gaussian_sparse"),
        ("inliers(independent_fraction=1)", "independent"),
        ("inliers(d=1)", "pairs must be between 1 and d=1"),
        ("inliers(rho=1)", "rho must be"),
        ("inliers(mi=1, rho=0.5)", "either rho or mi"),
        ("inliers(mi=-1)", "mi must be"),
        ("inliers(mi=100, independent_fraction=0.9)", "lower mi or independent_fraction"),
    ],
)
def test_what_cannot_be_is_refused(spec, words):
    with pytest.raises(SpecError, match=words):
        mibench.task(spec)
