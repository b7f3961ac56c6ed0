"""Multi-scale flows are densities; the noise of pixels, its cost, and what is left of the MI are as theory says."""

import math

import numpy as np
import pytest
import torch

from mibench.errors import SpecError
from mibench.estimators.couplings import Layout
from mibench.estimators.image_flow_gaussian import ImageFlowGaussian
from mibench.estimators.multiscale import MultiscaleFlow, Scale
from mibench.estimators.stack import torch_generators

MEMBERS = 2
LINEAR = {"couplings": 0, "marginals": False, "max_steps": 0}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def bent(module):
    module = module.double()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.03 if "log" in name else 0.2)
    return module


def multiscale(dim, coarse):
    rows = torch.randn(MEMBERS, 400, dim, dtype=torch.float64)
    layout = Layout(2, "affine", (8,), 6)
    return MultiscaleFlow(rows, rows, coarse, layout, False, torch_generators(range(MEMBERS)))


def log_dets(function, rows):
    """ln|det| of the Jacobian of each row (R, B, d), by autograd."""
    jacobian = torch.autograd.functional.jacobian(lambda x: function(x).sum(dim=1), rows)
    return torch.linalg.slogdet(torch.stack([jacobian[r, :, r].transpose(0, 1) for r in range(len(rows))])).logabsdet


def images(latents, seed):
    """Images 6 × 5 that are linear in latents (R, n, k), of pixels of mean square 1 by their law."""
    maps = np.random.default_rng(seed).normal(size=(latents.shape[-1], 30))
    maps /= math.sqrt((maps**2).sum() / 30)
    return (latents @ maps).reshape(*latents.shape[:2], 6, 5), maps


def correlated(mi, k, n, replicates, seed=0):
    rng = np.random.default_rng(seed)
    rho = math.sqrt(-math.expm1(-2 * mi / k))
    x, noise = rng.normal(size=(2, replicates, n, k))
    return x, rho * x + math.sqrt(1 - rho**2) * noise, rho


def noisy_gaussian_mi(maps_x, maps_y, rho, variance):
    """I of images with noise of this variance on each pixel, straight from covariances of their law."""
    eye = variance * np.eye(30)
    x, y, cross = maps_x.T @ maps_x + eye, maps_y.T @ maps_y + eye, rho * maps_x.T @ maps_y
    joint = np.block([[x, cross], [cross.T, y]])
    bits = [np.linalg.slogdet(matrix)[1] for matrix in (x, y, joint)]
    return (bits[0] + bits[1] - bits[2]) / 2


class TestMultiscale:
    @pytest.mark.parametrize("dim", [5, 8])
    def test_a_scale_has_the_determinant_it_says(self, dim):
        scale = bent(Scale(dim, dim // 2, (8,), torch_generators(range(MEMBERS))))
        rows = torch.randn(MEMBERS, 3, dim, dtype=torch.float64)

        def whole(x):
            return torch.cat(scale(x.mT)[:2], dim=1).mT

        assert torch.allclose(scale(rows.mT)[2], log_dets(whole, rows), atol=1e-9)
        assert scale(rows.mT)[2].abs().min() > 0.01

    def test_codes_and_what_left_are_one_density(self):
        flow = bent(multiscale(11, 3))
        rows = torch.randn(MEMBERS, 3, 11, dtype=torch.float64)

        def whole(x):
            coarse, left = x.mT, []
            for scale in flow.scales:
                coarse, fine, _ = scale(coarse)
                left.append(fine)
            return torch.cat([flow.flow(coarse.mT)[0], *(fine.mT for fine in left)], dim=2)

        codes, change = flow(rows)
        all_codes = whole(rows)
        assert torch.allclose(codes, all_codes[..., :3])
        expected = log_dets(whole, rows) - all_codes[..., 3:].square().sum(dim=2) / 2
        assert torch.allclose(change, expected, atol=1e-9)

    def test_scales_halve_down_to_the_coarse_codes(self):
        assert [scale.kept for scale in multiscale(32, 4).scales] == [16, 8, 4]
        assert [scale.kept for scale in multiscale(7, 4).scales] == [4]
        assert len(multiscale(4, 4).scales) == 0

    def test_begins_at_the_leading_coordinates(self):
        rows = torch.randn(MEMBERS, 5, 8, dtype=torch.float64)
        codes, change = multiscale(8, 2).double()(rows)
        assert torch.allclose(codes, rows[..., :2], atol=1e-4)
        assert torch.allclose(change, -rows[..., 2:].square().sum(dim=2) / 2, atol=1e-4)


class TestNoise:
    @pytest.mark.parametrize("noise", [0.05, 0.4])
    def test_linear_images_have_the_mi_of_their_noisy_law(self, noise):
        x, y, rho = correlated(4, 2, 8000, 4)
        (left, maps_x), (right, maps_y) = images(x, 1), images(y, 2)
        truth = noisy_gaussian_mi(maps_x, maps_y, rho, noise**2)
        found = ImageFlowGaussian(noise=noise, coarse=2, **LINEAR).estimate_batch(left, right, range(4), "cpu")
        values = np.array([one.value for one in found])
        assert abs(values.mean() - truth) < 4 * values.std(ddof=1) / 2 + 0.01
        assert truth < 4 - 0.02 if noise == 0.4 else truth > 3.9

    def test_its_cost_is_the_derivative_of_the_mi_in_the_variance(self):
        x, y, rho = correlated(4, 2, 8000, 2)
        (left, maps_x), (right, maps_y) = images(x, 1), images(y, 2)
        noise, step = 0.1, 1e-5
        ends = [noisy_gaussian_mi(maps_x, maps_y, rho, noise**2 + sign * step) for sign in (-1, 1)]
        expected = noise**2 * (ends[0] - ends[1]) / (2 * step)
        found = ImageFlowGaussian(noise=noise, coarse=2, **LINEAR).estimate_batch(left, right, range(2), "cpu")
        costs = [one.diagnostics["noise_cost"] for one in found]
        assert np.allclose(costs, expected, rtol=0.06)

    def test_scale_of_pixels_does_not_matter(self):
        x, y, _ = correlated(2, 2, 1000, 1)
        left, right = images(x, 1)[0], images(y, 2)[0]
        method = ImageFlowGaussian(coarse=2, **LINEAR)
        one, other = (method.estimate_batch(k * left + 5, right / k, [0], "cpu")[0].value for k in (1, 1e3))
        assert one == pytest.approx(other, abs=1e-6)


class TestTraining:
    def test_a_curved_surface_is_flattened(self):
        x, y, _ = correlated(2, 1, 4000, 1, seed=3)
        curve = np.random.default_rng(4).normal(size=(2, 20))

        def draw(latents):
            return (latents * curve[0] + (latents**2 - 1) * curve[1]).reshape(1, -1, 4, 5)

        start, end = (
            ImageFlowGaussian(
                coarse=2, noise=0.1, hidden=(32,), couplings=4, batch=256, max_steps=steps, patience=steps + 1
            ).estimate_batch(draw(x), draw(y), [0], "cpu")[0]
            for steps in (0, 250)
        )
        assert start.value > 3  # two codes hold the one latent
        assert end.value + end.diagnostics["noise_cost"] == pytest.approx(2, abs=0.03)
        assert 0.02 < end.diagnostics["noise_cost"] < 0.08
        assert end.diagnostics["correlations"][1] < 0.1

    def test_replicates_are_estimated_as_if_alone(self):
        x, y, _ = correlated(2, 2, 400, 3)
        sides = images(x, 1)[0], images(y, 2)[0]
        method = ImageFlowGaussian(max_steps=40, check_every=10)
        together = method.estimate_batch(*sides, [5, 6, 7], "cpu")
        alone = method.estimate_batch(sides[0][1:2], sides[1][1:2], [6], "cpu")
        assert together[1].value == pytest.approx(alone[0].value, abs=1e-3)
        assert len({one.value for one in together}) == 3

    def test_a_side_may_be_a_vector(self):
        x, y, _ = correlated(3, 2, 4000, 1)
        found = ImageFlowGaussian(coarse=2, **LINEAR).estimate_batch(images(x, 1)[0], y, [0], "cpu")[0]
        assert found.value == pytest.approx(3, abs=0.1)
        assert not found.diagnostics["tied"]

    def test_sides_of_one_law_begin_with_one_flow(self):
        x, y, _ = correlated(3, 2, 2000, 1)
        sides = images(x, 1)[0], images(y, 1)[0]
        assert ImageFlowGaussian(coarse=2, **LINEAR).estimate_batch(*sides, [0], "cpu")[0].diagnostics["tied"]
        apart = ImageFlowGaussian(coarse=2, tied=False, **LINEAR).estimate_batch(*sides, [0], "cpu")[0]
        assert not apart.diagnostics["tied"]

    @pytest.mark.parametrize("head", ["tridiagonal", "shared"])
    def test_other_heads_agree_where_correlations_are_equal(self, head):
        x, y, _ = correlated(2, 2, 4000, 1)
        sides = images(x, 1)[0], images(y, 2)[0]
        general, other = (
            ImageFlowGaussian(head=kind, coarse=2, **LINEAR).estimate_batch(*sides, [0], "cpu")[0].value
            for kind in ("general", head)
        )
        assert other == pytest.approx(general, abs=0.02)


class TestLimits:
    def test_vectors_are_left_to_flow_gaussian(self):
        assert "use flow_gaussian()" in ImageFlowGaussian().unsupported(1000, (3,), (2,))
        assert ImageFlowGaussian().unsupported(1000, (16, 16), (2,)) == ""
        assert "needs n of at least" in ImageFlowGaussian().unsupported(12, (16, 16), (16, 16))

    def test_a_constant_side_has_no_mi(self):
        x, _, _ = correlated(1, 2, 100, 1)
        found = ImageFlowGaussian().estimate_batch(images(x, 1)[0], np.ones((1, 100, 6, 5)), [0], "cpu")[0]
        assert (found.value, found.std_error) == (0, 0)

    def test_constant_pixels_change_nothing(self):
        x, y, _ = correlated(2, 2, 1000, 1)
        left, right = images(x, 1)[0], images(y, 2)[0]
        framed = np.pad(left, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=7)
        values = []
        for side, share in ((left, 0.1), (framed, 0.1 * math.sqrt(56 / 30))):  # the same noise of a pixel
            method = ImageFlowGaussian(coarse=2, noise=share, **LINEAR)
            values.append(method.estimate_batch(side, right, [0], "cpu")[0].value)
        assert values[0] == pytest.approx(values[1], abs=0.1)

    @pytest.mark.parametrize("field", [{"noise": 0}, {"noise": math.nan}, {"coarse": 1}, {"axes": 3}])
    def test_hyperparameters_have_ranges(self, field):
        with pytest.raises(SpecError, match=next(iter(field))):
            ImageFlowGaussian(**field)
