import math

import numpy as np
import pytest
import torch

import mibench
from mibench.errors import SpecError
from mibench.estimators.kde import KDE, Whitened, maximise, whiten


def gaussian(n, d, seed):
    return torch.as_tensor(np.random.default_rng(seed).standard_normal((n, d)))


def entropy(rows):
    density = whiten(rows)
    return -float(density.log_density(density.fit(torch.arange(len(rows)))).mean())


def naive_log_density(points, h):
    n, d = points.shape
    found = np.empty(n)
    for i in range(n):
        others = np.delete(points, i, axis=0)
        kernel = np.exp(-((points[i] - others) ** 2).sum(axis=1) / (2 * h * h)) / (2 * math.pi * h * h) ** (d / 2)
        found[i] = math.log(kernel.mean())
    return found


@pytest.mark.parametrize("d", [1, 3])
@pytest.mark.parametrize("h", [0.1, 0.7])
def test_leave_one_out_density_agrees_with_the_definition(d, h, monkeypatch):
    monkeypatch.setattr("mibench.estimators.kde._BLOCK", 1000)
    points = gaussian(257, d, seed=1)
    found = Whitened(points, half_log_det=0.5).log_density(math.log(h)).numpy()
    assert found == pytest.approx(naive_log_density(points.numpy(), h) - 0.5, abs=1e-10)


def test_density_at_some_queries_is_that_at_all_rows():
    density, chosen = Whitened(gaussian(100, 2, seed=2)), torch.tensor([3, 50, 99])
    assert torch.allclose(density.log_density(-1.0, chosen), density.log_density(-1.0)[chosen], atol=1e-12)


def test_far_outliers_do_not_underflow():
    points = torch.cat([gaussian(50, 1, seed=3), torch.tensor([[1000.0]], dtype=torch.float64)])
    assert float(Whitened(points).log_density(math.log(0.1))[-1]) == pytest.approx(-0.5e8, rel=0.01)


@pytest.mark.parametrize("d", [1, 2, 4])
def test_bandwidth_maximises_the_likelihood(d):
    density, everyone = Whitened(gaussian(400, d, seed=d)), torch.arange(400)
    best = density.fit(everyone)
    grid = np.linspace(best - 2, best + 2, 401)
    likelihood = [float(density.log_density(log_h).mean()) for log_h in grid]
    assert best == pytest.approx(grid[int(np.argmax(likelihood))], abs=0.015)
    assert float(density.log_density(best).mean()) > max(likelihood) - 1e-4


@pytest.mark.parametrize("top", [-6.0, 0.3, 7.0])
def test_search_climbs_from_afar(top):
    assert maximise(lambda t: -((t - top) ** 2), start=0.0) == pytest.approx(top, abs=0.01)


def test_whitened_data_have_unit_covariance_and_the_log_determinant():
    rows = gaussian(500, 3, seed=4) @ torch.tensor([[2.0, 1, 0], [0, 1e-3, 5], [1, 0, 1e4]], dtype=torch.float64)
    white = whiten(rows)
    assert torch.allclose(torch.cov(white.points.T), torch.eye(3, dtype=torch.float64), atol=1e-8)
    assert white.half_log_det == pytest.approx(0.5 * float(torch.cov(rows.T).logdet()), abs=1e-8)


@pytest.mark.parametrize("d", [1, 2])
def test_entropy_of_a_gaussian_converges_to_the_closed_form_from_above(d):
    def excess(n, seed):
        rows = gaussian(n, d, seed)
        sampled = 0.5 * (d * math.log(2 * math.pi) + float(rows.square().sum(dim=1).mean()))
        return entropy(3 * rows) - d * math.log(3) - sampled

    small, large = (np.mean([excess(n, seed) for seed in range(8)]) for n in (100, 1600))
    assert 0 < large < 0.03
    assert large < 0.5 * small


@pytest.mark.parametrize("bandwidth", ["shared", "separate"])
@pytest.mark.parametrize(("mi", "tolerance"), [(0, 0.012), (1, 0.04), (3, 0.04)])
def test_gaussian_mi(bandwidth, mi, tolerance):
    draws = [mibench.task(f"gaussian(d=1, mi={mi})").sample(2000, seed=seed) for seed in range(4)]
    x, y = (np.stack(side) for side in zip(*draws, strict=True))
    found = KDE(bandwidth=bandwidth).estimate_batch(x, y, range(4), "cpu")
    assert np.mean([e.value for e in found]) == pytest.approx(mi, abs=tolerance)
    assert found[0].diagnostics["rank_joint"] == 2


def test_standard_error_is_the_scatter_over_samples():
    draws = [mibench.task("gaussian(d=1, mi=1)").sample(300, seed=seed) for seed in range(60)]
    found = [KDE().estimate(x, y, 0) for x, y in draws]
    scatter = np.std([e.value for e in found], ddof=1)
    assert np.mean([e.std_error for e in found]) == pytest.approx(scatter, rel=0.3)


@pytest.mark.parametrize("bandwidth", ["shared", "separate"])
def test_is_symmetric_and_invariant_under_linear_maps_of_each_side(bandwidth):
    x, y = mibench.task("gaussian(d=2, mi=1)").sample(300, seed=3)
    method = KDE(bandwidth=bandwidth)
    value = method.estimate(x, y, 0).value
    bent = method.estimate(x @ [[1e3, 2], [-1, 1]], 7 - 1e-4 * y, 0).value
    assert bent == pytest.approx(value, abs=1e-8)
    assert method.estimate(y, x, 0).value == pytest.approx(value, abs=1e-8)


def test_directions_without_variance_are_dropped():
    x, y = mibench.task("gaussian(d=2, mi=1)").sample(300, seed=4)
    wide = np.concatenate([x, x @ [[1.0], [2.0]], np.ones((300, 1))], axis=1).reshape(300, 2, 2)
    found = KDE().estimate(wide, y, 0)
    assert found.diagnostics["rank_x"] == 2
    assert found.value == pytest.approx(KDE().estimate(x, y, 0).value, abs=1e-8)


def test_reversed_views_are_taken():
    x, y = mibench.task("gaussian(d=2, mi=1)").sample(100, seed=0)
    assert KDE().estimate(x[::-1], y[::-1], 0).value == pytest.approx(KDE().estimate(x, y, 0).value, abs=1e-8)


def test_images_are_taken_as_they_come():
    found = KDE().estimate(*mibench.task("blobs(mi=1)").sample(300, seed=0), 0)
    assert found.diagnostics["rank_x"] < 256
    assert math.isfinite(found.value)


def test_bandwidth_from_some_rows_costs_little():
    x, y = mibench.task("gaussian(d=2, mi=1)").sample(1500, seed=5)
    some, same, every = (KDE(queries=q).estimate(x, y, seed=9).value for q in (200, 200, 1500))
    assert some == same
    assert some == pytest.approx(every, abs=0.01)


def test_infinite_mi_is_a_failure_with_its_reason():
    x = np.random.default_rng(0).standard_normal((200, 1))
    linear = KDE().estimate(x, 2 * x + 1, 0)
    assert math.isnan(linear.value)
    assert "linearly" in linear.message
    ties = np.repeat(x, 2, axis=0)
    repeated = KDE().estimate(ties, np.sin(3 * ties), 0)
    assert math.isnan(repeated.value)
    assert "repeated" in repeated.message


def test_limits_are_stated():
    assert "at least 6" in KDE().unsupported(5, (2,), (2,))
    assert KDE().unsupported(6, (2,), (2,)) == ""
    with pytest.raises(SpecError, match="queries must be at least 1, got 0"):
        KDE(queries=0)
    with pytest.raises(SpecError, match="'separate' or 'shared'"):
        mibench.estimator("kde(bandwidth='own')")
