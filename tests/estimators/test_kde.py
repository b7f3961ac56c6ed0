import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad

import mibench
from mibench.errors import SpecError
from mibench.estimators.kde import KDE
from mibench.estimators.kernel_density import Whitened, maximise, whiten
from mibench.estimators.kernels import KERNELS


def gaussian(n, d, seed):
    return torch.as_tensor(np.random.default_rng(seed).standard_normal((n, d)))


def entropy(rows):
    density = whiten(rows)
    return -float(density.log_density(density.fit(torch.arange(len(rows)))).mean())


def kernel_at(name, u):
    """The textbook densities at points u (m, d)."""
    square, d = (u**2).sum(axis=1), u.shape[1]
    if name == "gaussian":
        return np.exp(-square / 2) / (2 * math.pi) ** (d / 2)
    ball = math.pi ** (d / 2) / math.gamma(d / 2 + 1)
    return (d + 2) / (2 * ball) * np.maximum(1 - square, 0)


def naive_log_density(points, h, name="gaussian"):
    n, d = points.shape
    others = [np.delete(points, i, axis=0) for i in range(n)]
    means = np.array([kernel_at(name, (points[i] - others[i]) / h).mean() / h**d for i in range(n)])
    return np.log(means, out=np.full(n, -np.inf), where=means > 0)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("d", [1, 3])
@pytest.mark.parametrize("h", [0.1, 0.7])
def test_leave_one_out_density_agrees_with_the_definition(name, d, h, monkeypatch):
    monkeypatch.setattr("mibench.estimators.kernel_density._BLOCK", 1000)
    points = gaussian(257, d, seed=1)
    found = Whitened(points, 0.5, KERNELS[name]).log_density(math.log(h)).numpy()
    assert found == pytest.approx(naive_log_density(points.numpy(), h, name) - 0.5, abs=1e-9)
    assert np.isfinite(found).any()
    assert np.isneginf(found).any() == (name == "epanechnikov" and (h == 0.1 or d == 3))


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("d", [1, 2, 5])
def test_kernels_are_densities_and_their_canonical_bandwidths_those_of_their_moments(name, d):
    kernel, sphere = KERNELS[name], 2 * math.pi ** (d / 2) / math.gamma(d / 2)

    def moment(power, order):
        def integrand(r):
            profile = kernel.log_sum(torch.tensor([[-0.5 * r * r]], dtype=torch.double))
            return sphere * r ** (d - 1 + order) * math.exp(power * (profile + kernel.log_constant(d)))

        return quad(integrand, 0, 1 if kernel.compact else 12, epsabs=1e-12)[0]

    assert moment(1, 0) == pytest.approx(1, abs=1e-9)
    delta = (moment(2, 0) / (moment(1, 2) / d) ** 2) ** (1 / (d + 4))
    assert kernel.log_canonical(d) == pytest.approx(math.log(delta), abs=1e-9)


def test_density_at_some_queries_is_that_at_all_rows():
    density, chosen = Whitened(gaussian(100, 2, seed=2)), torch.tensor([3, 50, 99])
    assert torch.allclose(density.log_density(-1.0, chosen), density.log_density(-1.0)[chosen], atol=1e-12)


def test_far_outliers_do_not_underflow():
    points = torch.cat([gaussian(50, 1, seed=3), torch.tensor([[1000.0]], dtype=torch.float64)])
    assert float(Whitened(points).log_density(math.log(0.1))[-1]) == pytest.approx(-0.5e8, rel=0.01)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("d", [1, 2, 4])
def test_bandwidth_maximises_the_likelihood(name, d):
    density, everyone = Whitened(gaussian(400, d, seed=d), kernel=KERNELS[name]), torch.arange(400)
    best = density.fit(everyone)
    grid = np.linspace(best - 2, best + 2, 401)
    likelihood = [float(density.log_density(log_h).mean()) for log_h in grid]
    assert best == pytest.approx(grid[int(np.argmax(likelihood))], abs=0.015)
    assert float(density.log_density(best).mean()) > max(likelihood) - 1e-4


@pytest.mark.parametrize("outlier", [30.0, 1e6])
def test_a_compact_kernel_reaches_from_the_outlier_to_its_neighbour(outlier):
    points = torch.cat([gaussian(80, 1, seed=3), torch.tensor([[outlier]], dtype=torch.float64)])
    density, everyone = Whitened(points, kernel=KERNELS["epanechnikov"]), torch.arange(81)
    reach = math.log(outlier - float(points[:-1].max()))
    assert density.log_reach(everyone) == pytest.approx(reach, abs=1e-6)
    best = density.fit(everyone)
    assert math.isfinite(float(density.log_density(best).mean()))
    assert float(density.log_density(reach - 1e-3)[-1]) == -math.inf
    grid = [float(density.log_density(log_h).mean()) for log_h in np.linspace(reach + 1e-3, reach + 3, 301)]
    assert float(density.log_density(best).mean()) > max(grid) - 1e-4


@pytest.mark.parametrize("top", [-6.0, 0.3, 7.0])
def test_search_climbs_from_afar(top):
    assert maximise(lambda t: -((t - top) ** 2), start=0.0) == pytest.approx(top, abs=0.01)


@pytest.mark.parametrize("top", [4.001, 4.5, 9.0])
def test_search_climbs_out_of_where_there_is_no_likelihood(top):
    def objective(t):
        return -((t - top) ** 2) if t > 4 else -math.inf

    assert maximise(objective, start=-3.0, least=4.0) == pytest.approx(top, abs=0.01)


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


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("bandwidth", ["shared", "separate"])
@pytest.mark.parametrize(("mi", "tolerance"), [(0, 0.015), (1, 0.04), (3, 0.04)])
def test_gaussian_mi(kernel, bandwidth, mi, tolerance):
    draws = [mibench.task(f"gaussian(d=1, mi={mi})").sample(2000, seed=seed) for seed in range(4)]
    x, y = (np.stack(side) for side in zip(*draws, strict=True))
    found = KDE(bandwidth=bandwidth, kernel=kernel).estimate_batch(x, y, range(4), "cpu")
    assert np.mean([e.value for e in found]) == pytest.approx(mi, abs=tolerance)
    assert found[0].diagnostics["rank_joint"] == 2


@pytest.mark.parametrize("kernel", KERNELS)
def test_standard_error_is_the_scatter_over_samples(kernel):
    draws = [mibench.task("gaussian(d=1, mi=1)").sample(300, seed=seed) for seed in range(100)]
    found = [KDE(kernel=kernel).estimate(x, y, 0) for x, y in draws]
    scatter = np.std([e.value for e in found], ddof=1)
    assert np.mean([e.std_error for e in found]) == pytest.approx(scatter, rel=0.3)


@pytest.mark.parametrize("bandwidth", ["shared", "separate"])
def test_rows_out_of_reach_are_left_out_and_told(bandwidth):
    (x, y), method = mibench.task("gaussian(d=1, mi=1)").sample(300, seed=0), KDE(bandwidth, 40, "epanechnikov")
    queries = method._choose_queries(300, 7, "cpu").tolist()
    far = next(row for row in range(300) if row not in queries)
    x[far], y[far] = 40, -60
    found = method.estimate(x, y, 7)
    h = {name: found.diagnostics[f"bandwidth_{name}"] for name in ("joint", "x", "y")}
    rows = {"x": x, "y": y, "joint": np.hstack([x, y])}
    log_p = {}
    for name, side in rows.items():
        white = whiten(torch.as_tensor(side))
        log_p[name] = naive_log_density(white.points.numpy(), h[name], "epanechnikov") - white.half_log_det
    kept = np.isfinite(log_p["joint"])
    pointwise = log_p["joint"][kept] - log_p["x"][kept] - log_p["y"][kept]
    assert not kept[far]
    assert found.diagnostics["rows_left_out"] == (~kept).sum()
    assert found.message == f"{(~kept).sum()} of 300 rows are beyond reach of all others and left out"
    assert found.value == pytest.approx(pointwise.mean(), abs=1e-9)
    assert found.std_error == pytest.approx(pointwise.std(ddof=1) / math.sqrt(kept.sum()), rel=1e-9)
    assert KDE(bandwidth, 300, "epanechnikov").estimate(x, y, 7).message == ""


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("bandwidth", ["shared", "separate"])
def test_is_symmetric_and_invariant_under_linear_maps_of_each_side(kernel, bandwidth):
    x, y = mibench.task("gaussian(d=2, mi=1)").sample(300, seed=3)
    method = KDE(bandwidth=bandwidth, kernel=kernel)
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
    with pytest.raises(SpecError, match="kernel must be 'gaussian' or 'epanechnikov', got 'tophat'"):
        mibench.estimator("kde(kernel='tophat')")
    with pytest.raises(SpecError, match="'separate' or 'shared'"):
        mibench.estimator("kde(bandwidth='own')")
