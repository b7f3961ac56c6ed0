"""What is left beside a Gaussian fit: nothing of Gaussian codes, and of others what theory or an integral says."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from mibench.estimators.goodness import goodness


def normals(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gaussian(members, rows, correlations, seed=0):
    x, noise = normals(2, members, rows, len(correlations), seed=seed)
    rho = torch.as_tensor(correlations, dtype=torch.float64)
    return x, rho * x + (1 - rho.square()).sqrt() * noise


def flipped(members, rows, dim, share, noise, seed=0):
    """Codes ξ and ±ξ plus noise, whose sign is + with probability `share`."""
    xi, other = normals(2, members, rows, dim, seed=seed)
    generator = torch.Generator().manual_seed(seed + 1)
    signs = 2 * torch.bernoulli(torch.full(xi.shape, share, dtype=torch.float64), generator=generator) - 1
    return xi, signs * xi + noise * other


def mixture_entropy(means, scales, shares):
    """The entropies in nats of mixtures of two normal laws, along the last axis of means and scales."""
    z = np.linspace(-12, 12, 4801)[:, None]
    density = sum(
        w * stats.norm.pdf(z, mean, scale)
        for w, mean, scale in zip(shares, np.moveaxis(means, -1, 0), np.moveaxis(scales, -1, 0), strict=True)
    )
    return -np.where(density > 0, density * np.log(np.maximum(density, 1e-300)), 0).sum(axis=0) * 0.005


class TestGaussianCodes:
    @pytest.mark.parametrize("correlations", [[0.0], [0.9, 0.2], [0.99, 0.99, 0.5, 0.0]])
    def test_leave_nothing(self, correlations):
        found = goodness(gaussian(40, 1000, correlations))
        assert abs(float(found.residual.mean())) < 0.03
        assert float(found.residual.abs().max()) < 0.15
        assert (found.kurtosis.abs() < 4).double().mean() >= 0.95

    @pytest.mark.parametrize(("d_x", "d_y"), [(1, 1), (3, 2)])
    def test_kurtosis_has_the_moments_of_mardia(self, d_x, d_y):
        members, n, p = 4000, 100, d_x + d_y
        found = goodness((normals(members, n, d_x), normals(members, n, d_y, seed=1))).kurtosis
        variance = n * (n - 3) * (n - p - 1) * (n - p + 1) / ((n + 1) ** 2 * (n + 3) * (n + 5))
        assert abs(float(found.mean())) < 4 * math.sqrt(variance / members)
        assert float(found.std()) == pytest.approx(math.sqrt(variance), rel=0.07)

    def test_kurtosis_is_standard_normal_on_many_rows(self):
        found = goodness((normals(300, 3000, 2), normals(300, 3000, 2, seed=1))).kurtosis
        assert abs(float(found.mean())) < 4 / math.sqrt(300)
        assert float(found.std()) == pytest.approx(1, abs=0.16)

    @pytest.mark.parametrize(("d_x", "d_y"), [(1, 1), (3, 2), (2, 4)])
    def test_correlations_are_those_of_the_covariance(self, d_x, d_y):
        joint = normals(2, 300, d_x + d_y)
        joint = joint - joint.mean(dim=1, keepdim=True)
        white = joint @ torch.linalg.inv(torch.linalg.cholesky(joint.mT @ joint / 299)).mT
        u, v = white.split([d_x, d_y], dim=2)
        pairs = min(d_x, d_y)
        rho = torch.tensor([[0.9, 0.4], [0.999, 0.0]], dtype=torch.float64)[:, :pairs]
        v = v.clone()
        v[..., :pairs] = rho[:, None] * u[..., :pairs] + (1 - rho[:, None].square()).sqrt() * v[..., :pairs]
        found = goodness((u @ normals(2, d_x, d_x, seed=2) + 5, v @ normals(2, d_y, d_y, seed=3) - 7))
        assert found.correlations.shape == (2, pairs)
        assert torch.allclose(found.correlations, rho, atol=1e-9)


class TestOtherCodes:
    def test_a_random_sign_hides_all_from_correlations_and_nothing_from_the_rest(self):
        found = goodness(flipped(10, 2000, 2, 0.5, 0.05))
        assert float(found.correlations.max()) < 0.15
        assert float(found.residual.min()) > 1
        assert float(found.kurtosis.min()) > 10

    @pytest.mark.parametrize("share", [0.5, 0.8])
    def test_residual_is_what_gaussian_mi_and_negentropies_leave(self, share):
        noise, rho = 0.3, (2 * share - 1) / math.hypot(1, 0.3)
        found = goodness(flipped(40, 1000, 1, share, noise))
        u = np.linspace(-8, 8, 1601)
        entropies = mixture_entropy(np.stack([u, -u], axis=-1), np.full((len(u), 2), noise), (share, 1 - share))
        mi = math.log(2 * math.pi * math.e * (1 + noise**2)) / 2 - (stats.norm.pdf(u) * entropies).sum() * 0.01
        mean = 2 * share - 1
        rest = np.sqrt(((np.array([[1.0, -1.0]]) - mean) ** 2 + noise**2) / (1 + noise**2 - mean**2))
        negentropy = math.log(2 * math.pi * math.e) / 2 - mixture_entropy(0 * rest, rest, (share, 1 - share))[0]
        expected = mi + math.log1p(-(rho**2)) / 2 - negentropy
        assert expected > 0.3
        assert float(found.residual.mean()) == pytest.approx(expected, abs=0.03)

    @pytest.mark.parametrize(("law", "fourth"), [(stats.uniform, 1.8), (stats.laplace, 6.0)])
    def test_kurtosis_is_that_of_independent_codes(self, law, fourth):
        n, dim = 10_000, 3
        draws = torch.as_tensor(law.rvs(size=(20, n, dim), random_state=0))
        expected = dim * (fourth - 3) / math.sqrt(8 * dim * (dim + 2) / n)
        found = goodness((draws[..., :1], draws[..., 1:]))
        assert float(found.kurtosis.mean()) == pytest.approx(expected, rel=0.05)

    def test_linear_maps_of_a_side_change_nothing(self):
        x, y = flipped(3, 500, 2, 0.8, 0.3)
        maps = [torch.tensor([[2.0, 0.3], [-1.0, 5.0]]), torch.tensor([[0.1, 7.0], [0.4, -3.0]])]
        found, turned = goodness((x, y)), goodness((x @ maps[0].double() - 9, y @ maps[1].double() + 1))
        for name in ("correlations", "kurtosis", "residual"):
            assert torch.allclose(getattr(found, name), getattr(turned, name), atol=1e-6)

    def test_diagnostics_are_those_of_one_member(self):
        found = goodness(gaussian(3, 200, [0.5]))
        for member in range(3):
            told = found.diagnostics(member)
            assert told == {"kurtosis": found.kurtosis[member].item(), "residual": found.residual[member].item()}


def singular(kind, x, y):
    if kind == "equal":
        y[0] = x[0]
    elif kind == "linear":
        y[0] = x[0] @ torch.tensor([[1.0, 0.5], [0.2, 0.7]], dtype=torch.float64)
    elif kind == "constant":
        x[0, :, 1] = 1.5
    elif kind == "collinear":
        x[0, :, 1] = 0.3 * x[0, :, 0] + 1
    elif kind == "repeated":
        y[0, :, 1] = y[0, :, 0]
    elif kind == "common":
        y[0, :, 0] = x[0, :, 0]
    else:
        x[0, 3, 0] = float(kind)


@pytest.mark.parametrize("kind", ["equal", "linear", "constant", "collinear", "repeated", "common", "nan", "inf"])
def test_codes_without_a_gaussian_are_nan_and_spare_the_others(kind):
    x, y = gaussian(3, 300, [0.8, 0.3])
    alone = goodness((x[1:], y[1:]))
    singular(kind, x, y)
    found = goodness((x, y))
    for name in ("kurtosis", "residual"):
        bad, *good = getattr(found, name).tolist()
        assert math.isnan(bad)
        assert good == pytest.approx(getattr(alone, name).tolist(), abs=1e-9)
