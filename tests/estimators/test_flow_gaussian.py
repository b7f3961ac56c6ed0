import json
import math

import numpy as np
import pytest
import torch

from mibench.errors import SpecError
from mibench.estimators.flow_gaussian import FlowGaussian
from mibench.estimators.flow_method import first_logits, standardise
from mibench.estimators.gaussian_heads import (
    PairedGaussian,
    ProfiledGaussian,
    read_free,
    read_shared,
)
from mibench.estimators.wishart import log_det_bias, mi_bias

HEADS = ("general", "tridiagonal", "shared")


def gaussian(d, mi, n, replicates, seed=0):
    rng = np.random.default_rng(seed)
    rho = math.sqrt(-math.expm1(-2 * mi / d))
    x, noise = rng.normal(size=(2, replicates, n, d))
    return x, rho * x + math.sqrt(1 - rho**2) * noise


def gaussian_codes(d, mi, n, replicates, seed):
    return tuple(torch.as_tensor(side) for side in gaussian(d, mi, n, replicates, seed))


def half_cube(z):
    return np.sign(z) * np.abs(z) ** 1.5


def values(estimates):
    return np.array([estimate.value for estimate in estimates])


def estimate(method, x, y, seed=0):
    return method.estimate_batch(x, y, list(range(seed, seed + len(x))), "cpu")


def cross_fitted_gaussian(x, y, seed, folds):
    """The mean over folds of the unbiased Gaussian MI of each part, straight from covariances."""
    size = len(x) // folds
    order = np.random.default_rng(seed).permutation(len(x))[: size * folds]

    def one(rows):
        bits = [np.linalg.slogdet(np.cov(part.T).reshape(part.shape[1], -1))[1] for part in (x[rows], y[rows])]
        joint = np.linalg.slogdet(np.cov(np.hstack([x[rows], y[rows]]).T))[1]
        return (sum(bits) - joint) / 2 - mi_bias(x.shape[1], y.shape[1], size - 1)

    return np.mean([one(order[start : start + size]) for start in range(0, size * folds, size)])


class TestHeads:
    def test_log_determinant_bias_is_the_mean_of_simulated_wisharts(self):
        rng = np.random.default_rng(0)
        dim, freedom = 4, 9
        draws = rng.normal(size=(40_000, freedom, dim))
        found = np.linalg.slogdet(draws.transpose(0, 2, 1) @ draws / freedom)[1]
        assert abs(found.mean() - log_det_bias(dim, freedom)) < 4 * found.std() / 200
        assert log_det_bias(dim, freedom) < -1

    @pytest.mark.parametrize(("d_x", "d_y"), [(1, 1), (3, 2), (2, 4)])
    def test_readings_are_unbiased_on_few_gaussian_rows(self, d_x, d_y):
        rng = np.random.default_rng(1)
        mi, rho, pairs = 0.0, 0.6, min(d_x, d_y)
        x, y = rng.normal(size=(20_000, 16, d_x)), rng.normal(size=(20_000, 16, d_y))
        y[..., :pairs] = rho * x[..., :pairs] + math.sqrt(1 - rho**2) * y[..., :pairs]
        mi = -pairs / 2 * math.log1p(-(rho**2))
        value = read_free((torch.as_tensor(x), torch.as_tensor(y))).value
        assert abs(value.mean() - mi) < 4 * value.std() / math.sqrt(20_000)

    @pytest.mark.parametrize(("d", "mi"), [(1, 0.5), (3, 0), (3, 2), (3, 6)])
    @pytest.mark.parametrize(("rows", "fitted"), [(100, 100), (100, 300)])
    def test_shared_reading_cancels_what_fitting_layers_adds(self, d, mi, rows, fitted):
        codes, training = gaussian_codes(d, mi, rows, 2000, 0), gaussian_codes(d, mi, fitted, 2000, 1)
        value = read_shared(codes, training).value
        parameters = d * d / 2 + 0.5  # of the pairs and ρ, at least, over the rows
        assert abs(value.mean() - mi) < 0.1 * parameters / rows + 4 * value.std() / math.sqrt(2000)

    @pytest.mark.parametrize(
        "read", [read_free, lambda codes: read_shared(codes, gaussian_codes(2, 1.5, 400, 2000, 5))]
    )
    def test_standard_error_is_the_spread_over_samples(self, read):
        reading = read(gaussian_codes(2, 1.5, 400, 2000, 0))
        assert float(reading.std_error.mean()) == pytest.approx(float(reading.value.std()), rel=0.05)

    def test_paired_likelihood_is_that_of_the_joint_normal(self):
        torch.manual_seed(0)
        codes = torch.randn(1, 50, 3, dtype=torch.double), torch.randn(1, 50, 2, dtype=torch.double)
        head = PairedGaussian(codes, shared=False).double()
        x, y = head.scores(codes)
        rho = (-torch.expm1(-2 * torch.nn.functional.softplus(head.logit))).sqrt()[0]
        joint = torch.eye(5, dtype=torch.double)
        joint[:2, 3:], joint[3:, :2] = rho.diag(), rho.diag()
        normal = torch.distributions.MultivariateNormal(torch.zeros(5, dtype=torch.double), joint)
        log_det = sum(torch.linalg.slogdet(layer[0]).logabsdet for layer in (head.to_x, head.to_y))
        expected = -normal.log_prob(torch.cat([x, y], dim=-1)[0]).mean() - log_det - 2.5 * math.log(2 * math.pi)
        assert torch.allclose(head.loss(codes)[0], expected)

    def test_profiled_score_is_that_of_the_fitted_normal(self):
        torch.manual_seed(0)
        ours, others = ((torch.randn(1, 40, 2).double(), torch.randn(1, 40, 1).double()) for _ in range(2))
        joint, fitted = (torch.cat(codes, dim=-1)[0] for codes in (ours, others))
        normal = torch.distributions.MultivariateNormal(fitted.mean(dim=0), torch.cov(fitted.T))
        expected = -normal.log_prob(joint).mean() - 1.5 * math.log(2 * math.pi)
        assert torch.allclose(ProfiledGaussian().score(ours, lambda: others)[0], expected)

    def test_even_start_makes_the_cross_covariance_a_multiple_of_the_identity(self):
        generator = torch.Generator().manual_seed(3)
        x = torch.randn(1, 500, 3, generator=generator, dtype=torch.float64)
        mixing = torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.7, 0.2], [0.3, 0.0, 0.4]], dtype=torch.float64)
        y = x @ mixing + torch.randn(1, 500, 3, generator=generator, dtype=torch.float64)
        u, v = PairedGaussian((x, y), shared=True, even=True).double().scores((x, y))
        cross = u[0].T @ v[0] / 499
        assert (cross - cross[0, 0] * torch.eye(3)).abs().max() < 1e-5
        assert 0.1 < cross[0, 0].item() < 1

    @pytest.mark.parametrize("shared", [False, True])
    def test_canonical_start_survives_independence_and_collinearity(self, shared):
        x = torch.randn(1, 500, 3)
        for y in (torch.randn(1, 500, 2), x[..., :1].repeat(1, 1, 2)):
            assert torch.isfinite(PairedGaussian((x, y), shared).loss((x, y))).all()


class TestFlowGaussian:
    @pytest.mark.parametrize("head", ["general", "tridiagonal"])
    @pytest.mark.parametrize(("d_x", "d_y", "folds"), [(1, 1, 2), (3, 2, 2), (2, 3, 5)])
    def test_before_the_first_step_it_is_the_gaussian_fit(self, head, d_x, d_y, folds):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(1, 401, d_x)) * 30 + 1000
        y = np.exp(rng.normal(size=(1, 401, d_y)) + 0.02 * x[..., :1])
        found = FlowGaussian(head=head, marginals=False, max_steps=0, folds=folds).estimate_batch(x, y, [3], "cpu")[0]
        assert found.value == pytest.approx(cross_fitted_gaussian(x[0], y[0], 3, folds), abs=1e-9)

    @pytest.mark.parametrize("head", HEADS)
    def test_is_right_on_gaussian_data(self, head):
        x, y = gaussian(1, 1, 4000, 3)
        found = estimate(FlowGaussian(head=head), x, y)
        fitted = values(estimate(FlowGaussian(max_steps=0), x, y))
        assert values(found) == pytest.approx(fitted, abs=0.01)
        assert abs(values(found).mean() - 1) < 3 * found[0].std_error / math.sqrt(3)
        assert found[0].std_error == pytest.approx(math.sqrt(-math.expm1(-2) / 4000), rel=0.1)

    @pytest.mark.parametrize("head", HEADS)
    def test_does_not_clip_at_independence(self, head):
        found = values(estimate(FlowGaussian(head=head, max_steps=0), *gaussian(2, 0, 100, 200)))
        assert abs(found.mean()) < 4 * found.std() / math.sqrt(200)
        assert found.min() < 0

    @pytest.mark.parametrize(("marginals", "steps"), [(True, 0), (False, 2000)])
    def test_bends_marginals_at_once_or_by_learning(self, marginals, steps):
        x, y = gaussian(1, 1, 4000, 3)
        fitted, bent = (
            values(estimate(FlowGaussian(marginals=m, max_steps=s), half_cube(x), half_cube(y))).mean()
            for m, s in ((False, 0), (marginals, steps))
        )
        straight = values(estimate(FlowGaussian(marginals=False, max_steps=0), x, y)).mean()
        assert fitted < straight - 0.03
        assert abs(bent - straight) < abs(fitted - straight) / 4

    def test_gaussian_coordinates_keep_the_identity(self):
        x, y = gaussian(3, 2, 4000, 2)
        y = np.exp(y)
        rows = torch.as_tensor(np.concatenate([x, y], axis=2))
        fit, stop = standardise(rows, rows[:, :3000]).split([3000, 1000], dim=1)
        logits = first_logits(fit, stop, 16, marginals=True)
        bent = (logits[:, -17:] != 0).any(dim=1)
        assert bent[:, 3:].all()
        assert bent[:, :3].float().mean() <= 0.2
        assert not first_logits(fit, stop, 16, marginals=False)[:, -17:].any()

    def test_many_dimensions_at_25_nats(self):
        x, y = gaussian(50, 25, 3000, 1)
        for side in (x, half_cube(x)):
            (found,) = estimate(FlowGaussian(max_steps=20), side, y)
            assert abs(found.value - 25) < 0.4

    def test_one_flow_of_both_sides_bends_them_alike(self):
        x, y = gaussian(2, 12, 2000, 2)
        bend = lambda z: np.stack([z[..., 0], z[..., 1] + z[..., 0] ** 2], axis=-1)  # noqa: E731
        tied, own = (
            values(estimate(FlowGaussian(max_steps=100, tied=tied), bend(x), bend(y))).mean() for tied in (None, False)
        )
        assert tied > own + 0.3
        assert abs(tied - 12) < 0.5

    def test_sides_are_tied_where_they_may_have_one_law(self):
        x, y = gaussian(2, 1, 500, 2)
        y[1] = 2 * y[1]
        found = estimate(FlowGaussian(max_steps=1), x, y)
        assert [one.diagnostics["tied"] for one in found] == [True, False]
        assert estimate(FlowGaussian(max_steps=1), x, y[..., :1])[0].diagnostics["tied"] is False
        assert estimate(FlowGaussian(max_steps=1, tied=True), x, y)[1].diagnostics["tied"] is True

    def test_mi_does_not_change_when_a_side_goes_through_a_linear_map(self):
        x, y = gaussian(3, 2, 3000, 1)
        turn = np.array([[1.0, 2.0, 0.5], [0.0, -1.0, 0.3], [0.4, 0.0, 3.0]])
        for head in HEADS:
            method = FlowGaussian(head=head, marginals=False, max_steps=0)
            straight, turned = (values(estimate(method, side, y))[0] for side in (x, x @ turn + 5))
            assert turned == pytest.approx(straight, abs=1e-6)
        straight, turned = (values(estimate(FlowGaussian(), side, y))[0] for side in (x, x @ turn + 5))
        assert turned == pytest.approx(straight, abs=0.02)

    def test_heads_differ_where_canonical_correlations_do(self):
        x, y = gaussian(2, 2, 5000, 1)
        rng = np.random.default_rng(5)
        y[..., 1] = rng.normal(size=y[..., 1].shape)  # one pair of 1 nat, one of none
        general, tridiagonal, shared = (
            values(estimate(FlowGaussian(head=head, max_steps=0), x, y))[0] for head in HEADS
        )
        assert general == pytest.approx(tridiagonal, abs=1e-6)
        rho = math.sqrt(-math.expm1(-2)) / 2  # the mean of both correlations
        assert general == pytest.approx(1, abs=0.06)
        assert shared == pytest.approx(-math.log1p(-(rho**2)), abs=0.03)

    def test_crossed_components_are_paired_by_both_free_heads(self):
        x, y = gaussian(2, 2, 5000, 1)
        for head in ("general", "tridiagonal"):
            straight, crossed = (
                values(estimate(FlowGaussian(head=head, max_steps=0), x, side))[0] for side in (y, y[..., ::-1].copy())
            )
            assert crossed == pytest.approx(straight, abs=1e-6)

    def test_learns_dependence_between_the_coordinates_of_a_side(self):
        x, y = gaussian(2, 2, 3000, 1)
        bent = np.stack([x[..., 0], x[..., 1] + x[..., 0] ** 2], axis=-1)
        fitted, learned = (values(estimate(FlowGaussian(couplings=2, max_steps=steps), bent, y)) for steps in (0, 150))
        straight = values(estimate(FlowGaussian(max_steps=0), x, y))
        assert fitted < straight - 0.3
        assert abs(learned - straight) < abs(fitted - straight) / 4

    def test_a_replicate_is_the_same_alone_and_in_a_stack(self):
        x, y = gaussian(2, 1, 300, 3)
        x = half_cube(x)
        x[..., 1] += x[..., 0] ** 2
        method = FlowGaussian(couplings=2, max_steps=10, check_every=2)
        stacked = method.estimate_batch(x, y, [5, 6, 7], "cpu")
        alone = [method.estimate(x[r], y[r], 5 + r) for r in range(3)]
        assert values(stacked) == pytest.approx(values(alone), abs=1e-4)
        assert [e.diagnostics["steps"] for e in stacked] == [e.diagnostics["steps"] for e in alone]

    def test_follows_from_its_seed(self):
        x, y = gaussian(2, 1, 200, 1)
        method = FlowGaussian(couplings=2, max_steps=20)
        first, again, other = (method.estimate(x[0], y[0], seed) for seed in (1, 1, 2))
        assert first == again
        assert first.value != other.value

    def test_diagnostics_go_into_json(self):
        x, y = gaussian(1, 1, 100, 1)
        diagnostics = FlowGaussian(max_steps=20).estimate(x[0], y[0], 0).diagnostics
        assert json.loads(json.dumps(diagnostics, allow_nan=False)) == diagnostics
        assert {"steps", "best_step", "converged", "validation_loss"} <= diagnostics.keys()

    @pytest.mark.parametrize("head", HEADS)
    def test_infinite_mi_is_nan_with_a_reason_and_spares_the_others(self, head):
        x, y = gaussian(2, 1, 200, 2)
        y[0] = x[0]
        bad, good = estimate(FlowGaussian(head=head, couplings=2, max_steps=10), x, y)
        assert math.isnan(bad.value)
        assert "singular" in bad.message
        alone = estimate(FlowGaussian(head=head, couplings=2, max_steps=10), x[1:], y[1:], seed=1)[0]
        assert good.value == pytest.approx(alone.value, abs=1e-5)

    @pytest.mark.parametrize("head", ["general", "tridiagonal"])
    def test_collinear_and_all_but_constant_columns_are_nan_before_training(self, head):
        x, y = gaussian(2, 1, 200, 2)
        x[0, :, 1], x[1, :, 1] = x[0, :, 0], np.arange(200) == 0
        for found in estimate(FlowGaussian(head=head, max_steps=0), x, y):
            assert math.isnan(found.value)
            assert "singular" in found.message
            json.dumps(found.diagnostics, allow_nan=False)

    def test_large_mi_survives_single_precision(self):
        x, y = gaussian(1, 9, 1000, 2)
        assert values(estimate(FlowGaussian(), x, y)) == pytest.approx(9, abs=0.15)

    def test_says_what_it_cannot_take(self):
        method = FlowGaussian()
        assert "ae(flow_gaussian())" in method.unsupported(1000, (16, 16), (3,))
        reason = method.unsupported(100, (50,), (50,))
        least = int(reason.split("at least ")[1].split(",")[0])
        assert method.unsupported(least - 1, (50,), (50,))
        assert not method.unsupported(least, (50,), (50,))
        x, y = gaussian(50, 25, least, 1)
        assert math.isfinite(estimate(FlowGaussian(max_steps=2), x, y)[0].value)

    @pytest.mark.parametrize(
        "given",
        [
            {"hidden": (0,)},
            {"couplings": -1},
            {"bins": 1},
            {"bins": 101},
            {"learning_rate": 0.0},
            {"held_out": 1.0},
            {"folds": 1},
            {"head": "diagonal"},
            {"start": "zero"},
            {"coupling": "additive"},
            {"averaging": 1.0},
        ],
    )
    def test_refuses_bad_hyperparameters(self, given):
        with pytest.raises(SpecError, match=next(iter(given))):
            FlowGaussian(**given)
