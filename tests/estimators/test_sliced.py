import math
from dataclasses import dataclass

import numpy as np
import pytest

import mibench
from mibench.errors import SpecError
from mibench.estimation import Estimate, Estimator
from mibench.estimators.gaussian_fit import GaussianFit
from mibench.estimators.kde import KDE
from mibench.estimators.ksg import KSG
from mibench.estimators.sliced import Sliced, haar_frame


@dataclass(frozen=True)
class Norm(Estimator):
    """The mean square of x, which has no number where it is below 1."""

    def estimate(self, x, y, seed):
        value = float((x**2).sum(axis=1).mean())
        return Estimate(value if value >= 1 else math.nan, message="" if value >= 1 else "too small")


def correlated(d, n, rho, seed):
    x, noise = np.random.default_rng(seed).standard_normal((2, n, d))
    return x, rho * x + math.sqrt(1 - rho**2) * noise


def answers(method, d, n, rho, samples):
    return [method.estimate(*correlated(d, n, rho, s), s) for s in range(samples)]


def sphere(d, count, seed):
    rows = np.random.default_rng(seed).standard_normal((count, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("base", [KSG(), KDE(), GaussianFit(unbiased=True)])
def test_narrow_sides_are_left_to_the_base(base):
    x, y = mibench.task("gaussian(d=1, mi=1)").sample(200, seed=0)
    assert Sliced(base).estimate(x, y, 5) == base_answer(base, x, y)
    wide, tall = mibench.task("gaussian(dx=3, dy=2, mi=1)").sample(200, seed=0)
    assert Sliced(base, dim=3).estimate(wide, tall, 5) == base_answer(base, wide, tall)


def base_answer(base, x, y):
    answer = base.estimate(x, y, 5)
    return answer if isinstance(answer, Estimate) else Estimate(answer)


@pytest.mark.parametrize("d", [2, 5])
def test_gaussian_closed_form(d):
    """I of θᵀX and φᵀY is −½ ln(1 − (ρ θᵀφ)²) where Σ_xy = ρ 1; θᵀφ is one coordinate of a point on the sphere."""
    exact = -0.5 * np.log1p(-((0.95 * sphere(d, 400_000, 1)[:, 0]) ** 2)).mean()
    found = answers(Sliced(GaussianFit(unbiased=True)), d, 2000, 0.95, 12)
    error = np.std([e.value for e in found], ddof=1) / math.sqrt(12)
    assert abs(np.mean([e.value for e in found]) - exact) < 4 * error < 0.2 * exact


def test_frames_of_two_directions_against_their_own_determinants():
    rho, rng = 0.9, np.random.default_rng(3)
    cross = [haar_frame(4, 2, rng).T @ haar_frame(4, 2, rng) * rho for _ in range(5000)]
    exact = np.mean([-0.5 * np.linalg.slogdet(np.eye(2) - c @ c.T)[1] for c in cross])
    found = [e.value for e in answers(Sliced(GaussianFit(unbiased=True), dim=2), 4, 2000, rho, 10)]
    assert abs(np.mean(found) - exact) < 4 * np.std(found, ddof=1) / math.sqrt(10) < 0.2 * exact


def test_one_narrow_side_passes_through():
    """Only φ is random: I = −½ ln(1 − ρ² φ_1²) with X correlated to the first coordinate of Y."""
    x, y = correlated(3, 10_000, 0.9, 0)
    found = Sliced(GaussianFit(), projections=1000).estimate(x[:, :1], y, 0)
    exact = -0.5 * np.log1p(-((0.9 * sphere(3, 400_000, 1)[:, 0]) ** 2)).mean()
    assert abs(found.value - exact) < 4 * found.std_error < 0.2 * exact


@pytest.mark.parametrize(("d", "dim"), [(5, 1), (5, 2), (3, 2)])
def test_frames_are_orthonormal_and_uniform(d, dim):
    rng = np.random.default_rng(d)
    frames = np.array([haar_frame(d, dim, rng) for _ in range(4000)])
    assert np.abs(frames.transpose(0, 2, 1) @ frames - np.eye(dim)).max() < 1e-12
    assert np.abs(frames.mean(axis=0)).max() < 5 / math.sqrt(4000 * d)
    assert frames[:, 0, 0].var() == pytest.approx(1 / d, rel=0.12)
    fourth = (frames**4).mean(axis=0)
    assert fourth == pytest.approx(np.full((d, dim), 3 / (d * (d + 2))), rel=0.2)


def test_is_below_the_mi_and_zero_at_independence():
    task, method = mibench.task("gaussian(d=3, mi=2)"), Sliced(KSG(), projections=64)
    assert 0.1 < method.estimate(*task.sample(500, seed=0), 0).value < 1
    x, y = mibench.task("gaussian(d=3, mi=0)").sample(1000, seed=0)
    assert abs(method.estimate(x, y, 0).value) < 0.03


@pytest.mark.parametrize("projections", [8, 64])
def test_standard_error_is_no_less_than_the_scatter_over_samples(projections):
    found = answers(Sliced(GaussianFit(unbiased=True), projections=projections), 3, 200, 0.9, 100)
    scatter = np.std([e.value for e in found], ddof=1)
    assert 0.9 < np.mean([e.std_error for e in found]) / scatter < 2


def test_standard_error_joins_the_two_parts():
    answers = [Estimate(1.0, 0.3), Estimate(2.0, 0.1), Estimate(3.0, 0.2)]
    found = Sliced()._combine(answers)
    assert found.value == pytest.approx(2)
    assert found.std_error == pytest.approx(math.hypot(1 / math.sqrt(3), 0.2))
    assert found.diagnostics == {"projection_error": pytest.approx(1 / math.sqrt(3))}
    assert Sliced()._combine([*answers, Estimate(4.0)]).std_error is None
    assert Sliced()._combine([Estimate(1.0, 0.1)]).std_error is None


def test_seed_decides():
    x, y = mibench.task("gaussian(d=3, mi=2)").sample(200, seed=0)
    method = Sliced(projections=16)
    assert method.estimate(x, y, 5) == method.estimate(x, y, 5)
    assert method.estimate(x, y, 5).value != method.estimate(x, y, 6).value
    stack = method.estimate_batch(np.stack([x, x]), np.stack([y, y]), [6, 5], "cpu")
    assert stack[1] == method.estimate(x, y, 5)


def test_images_are_flattened_and_shifts_do_not_matter():
    x, y = mibench.task("blobs(size=4, mi=1)").sample(100, seed=0)
    value = Sliced(projections=8).estimate(x, y, 0).value
    assert Sliced(projections=8).estimate(x.reshape(100, 16), y.reshape(100, 16), 0).value == value
    assert Sliced(projections=8).estimate(x + 4, y - 2, 0).value == pytest.approx(value, abs=1e-9)


def test_a_failure_of_the_base_is_passed_on():
    x = np.random.default_rng(0).standard_normal((100, 2)) * [0.5, 2]
    found = Sliced(Norm(), projections=50).estimate(x, x, 0)
    assert math.isnan(found.value)
    assert found.message.startswith("no number on ")
    assert found.message.endswith(" of 50 projections: too small")
    assert Sliced(Norm(), projections=50).estimate(4 * x, x, 0).message == ""


def test_limits_are_stated():
    assert "k=3 neighbours" in Sliced().unsupported(3, (16, 16), (1,))
    assert Sliced(GaussianFit(), dim=2).unsupported(6, (16, 16), (9,)) == ""
    assert "4 dimensions" in Sliced(GaussianFit(), dim=2).unsupported(5, (16, 16), (9,))
    for fields in ({"projections": 0}, {"dim": 0}):
        with pytest.raises(SpecError, match=next(iter(fields))):
            Sliced(**fields)
