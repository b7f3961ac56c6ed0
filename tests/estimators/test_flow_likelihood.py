import json
import math

import numpy as np
import pytest
import torch

import mibench
from mibench.errors import MibenchError, SpecError
from mibench.estimators.conditional_flow import ConditionalFlow
from mibench.estimators.couplings import Layout
from mibench.estimators.flow_densities import FlowDensities
from mibench.estimators.flow_doe import FlowDoE
from mibench.estimators.flow_likelihood import FlowDensity
from mibench.estimators.gaussian_heads import ConditionalGaussian
from mibench.estimators.stack import torch_generators

METHODS = (FlowDensities, FlowDoE)
SHAPES = ((1, 1), (3, 3), (3, 1), (1, 2))
QUICK = {"couplings": 2, "hidden": (16,), "bins": 8}


def gaussian(d_x, d_y, n, replicates=1, mi=1.0, seed=0):
    rng = np.random.default_rng(seed)
    pairs = min(d_x, d_y)
    rho = math.sqrt(-math.expm1(-2 * mi / pairs))
    x, y = (rng.normal(size=(replicates, n, d)) for d in (d_x, d_y))
    y[..., :pairs] = rho * x[..., :pairs] + math.sqrt(1 - rho**2) * y[..., :pairs]
    return x, y


def estimate(method, x, y, seed=0):
    return method.estimate_batch(x, y, list(range(seed, seed + len(x))), "cpu")


def values(estimates):
    return np.array([found.value for found in estimates])


def cross_fitted_gaussian(x, y, seed, folds):
    """The mean pointwise MI of each part under the Gaussian of the other parts, straight from densities."""
    size = len(x) // folds
    order = np.random.default_rng(seed).permutation(len(x))[: size * folds]

    def log_density(rows, seen):
        covariance = np.cov(seen.T).reshape(rows.shape[1], -1)
        off = rows - seen.mean(axis=0)
        return -(off * np.linalg.solve(covariance, off.T).T).sum(axis=1) / 2 - np.linalg.slogdet(covariance)[1] / 2

    def one(start):
        held = order[start : start + size]
        seen = np.setdiff1d(order, held)
        x_y = np.hstack([x, y])
        return log_density(x_y[held], x_y[seen]) - sum(log_density(side[held], side[seen]) for side in (x, y))

    return np.mean([one(start) for start in range(0, size * folds, size)])


def bent(dims, kind, amount=0.3):
    """A conditional flow in float64 of two members, away from its start."""
    rng = np.random.default_rng(3)
    p, d = dims
    x = torch.as_tensor(rng.uniform(-3, 3, size=(2, 100, p)))
    y = torch.as_tensor(rng.uniform(-3, 3, size=(2, 100, d)))
    layout = Layout(4, kind, (8,), 6)
    flow = ConditionalFlow((x, y), (x, y), layout, torch_generators([0, 1]), True, True).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in flow.parameters():
            if parameter.requires_grad:
                parameter.add_(amount * torch.randn(parameter.shape, generator=generator).double())
    return flow, x[:, :5], y[:, :5]


@pytest.mark.parametrize("kind", ["affine", "spline"])
class TestConditionalFlow:
    @pytest.mark.parametrize("dims", [(1, 1), (2, 1), (2, 3)])
    def test_change_of_volume_is_that_of_autograd(self, dims, kind):
        flow, x, y = bent(dims, kind)
        for row in range(y.shape[1]):
            at = [side[:, row : row + 1] for side in (x, y)]
            jacobian = torch.autograd.functional.jacobian(lambda y, x=at[0]: flow((x, y))[0][1], at[1])
            for member in range(2):
                expected = torch.linalg.slogdet(jacobian[member, 0, :, member, 0]).logabsdet
                assert torch.allclose(flow(at)[1][member, 0], expected, atol=1e-9)

    @pytest.mark.parametrize("dims", [(1, 1), (2, 1)])
    def test_density_integrates_to_one_given_any_x(self, dims, kind):
        flow, x, y = bent(dims, kind, amount=0.03)
        fitted = flow((x.repeat(1, 20, 1) + 0.1, y.repeat(1, 20, 1)))[0]
        grid = torch.linspace(-60, 60, 240_001, dtype=torch.float64)[None, :, None].expand(2, -1, -1)
        noise = torch.randn(fitted[1].shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        for row in range(3):
            codes, change = flow((x[:, row : row + 1].expand(-1, grid.shape[1], -1), grid))
            density = (
                change - ConditionalGaussian().costs(codes, (fitted[0], fitted[1] + noise)) - math.log(2 * math.pi) / 2
            ).exp()
            assert torch.allclose(density.sum(dim=1) / 2000, torch.ones(2, dtype=torch.float64), atol=2e-3)

    @pytest.mark.parametrize("dims", [(1, 1), (2, 1), (2, 3)])
    def test_start_is_linear_in_y_given_x(self, dims, kind):
        p, d = dims
        x, y = (torch.as_tensor(side) for side in gaussian(p, d, 300, 2))
        flow = ConditionalFlow((x, y), (x, y), Layout(4, kind, (8,), 6), torch_generators([0, 1]), False, False)
        (same, codes), _ = flow.float()((x.float(), y.float()))
        assert torch.allclose(same, x.float(), atol=1e-5)
        inside = y.abs().max(dim=2).values < 3  # the spline's own box, beyond which it goes on as the identity
        design = torch.cat([x, y, torch.ones_like(x[..., :1])], dim=2)
        solution = torch.linalg.lstsq(design, codes.double()).solution
        assert (design @ solution - codes.double())[inside].abs().max() < 1e-4
        regression = torch.linalg.lstsq(torch.cat([x, torch.ones_like(x[..., :1])], dim=2), codes.double()).solution
        assert regression[:, :p].abs().max() < 1e-4


@pytest.mark.parametrize("method", METHODS)
class TestEstimates:
    @pytest.mark.parametrize("dims", SHAPES)
    @pytest.mark.parametrize("folds", [2, 3])
    def test_before_the_first_step_it_is_the_cross_fitted_gaussian(self, method, dims, folds):
        x, y = gaussian(*dims, n=100, replicates=2)
        x, y = x @ (np.eye(dims[0]) + 0.3) + 5, 1e3 * y**3
        found = values(estimate(method(marginals=False, max_steps=0, folds=folds), x, y, seed=4))
        expected = [cross_fitted_gaussian(x[r], y[r], 4 + r, folds) for r in range(2)]
        assert found == pytest.approx(expected, abs=1e-4)

    @pytest.mark.parametrize("d", [1, 3])
    def test_right_on_gaussian_data(self, method, d):
        x, y = gaussian(d, d, n=4000, mi=1.5)
        (found,) = estimate(method(**QUICK), x, y)
        assert abs(found.value - 1.5) < 3 * found.std_error
        assert found.std_error < 0.04

    @pytest.mark.parametrize("marginals", [True, False])
    def test_standard_error_is_the_spread_over_replicates(self, method, marginals):
        x, y = gaussian(2, 2, n=200, replicates=100)
        found = estimate(method(max_steps=0, marginals=marginals, **QUICK), x, y)
        errors = np.array([one.std_error for one in found])
        assert errors.mean() == pytest.approx(values(found).std(ddof=1), rel=0.25)
        assert abs(values(found).mean() - 1) < 4 / 100 + 3 * errors.mean() / 10

    def test_a_replicate_does_not_depend_on_its_stack(self, method):
        x, y = gaussian(2, 1, n=300, replicates=3)
        y = np.abs(y) * np.exp(x[..., :1] / 2)
        trained = method(**QUICK, max_steps=40, patience=3)
        alone = [estimate(trained, x[r : r + 1], y[r : r + 1], seed=r)[0].value for r in range(3)]
        assert values(estimate(trained, x, y)) == pytest.approx(alone, abs=2e-3)

    def test_follows_monotone_maps_of_coordinates(self, method):
        x, y = gaussian(2, 2, n=2000)
        straight, curved = (
            estimate(method(max_steps=0), *sides)[0].value for sides in ((x, y), (np.exp(1.5 * x), y + y**3))
        )
        assert curved == pytest.approx(straight, abs=0.12)

    def test_a_constant_side_tells_nothing(self, method):
        x, y = gaussian(1, 1, n=100, replicates=3)
        y[1] = 0.1
        found = values(estimate(method(max_steps=0), x, y))
        assert found[1] == 0
        assert (found[[0, 2]] > 0.5).all()

    def test_singular_data_have_no_answer_and_spare_the_others(self, method):
        x, y = gaussian(2, 2, n=200, replicates=4)
        x[1, :, 1] = 2 * x[1, :, 0] - 1
        y[2] = x[2]
        steps = method(**QUICK, max_steps=20)
        found = estimate(steps, x, y)
        for member in (1, 2):
            assert math.isnan(found[member].value)
            assert "singular" in found[member].message
        alone = [estimate(steps, x[r : r + 1], y[r : r + 1], seed=r)[0].value for r in (0, 3)]
        assert values(found)[[0, 3]] == pytest.approx(alone, abs=2e-3)

    def test_diagnostics_name_each_density(self, method):
        x, y = gaussian(1, 1, n=200)
        (found,) = estimate(method(**QUICK, max_steps=20), x, y)
        for term in method.terms:
            assert found.diagnostics[f"{term.name}_steps"] == 20
        assert found.diagnostics["converged"] is False
        json.dumps(found.diagnostics)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("couplings", -1),
            ("coupling", "cubic"),
            ("hidden", (0,)),
            ("bins", 1),
            ("bins", 101),
            ("learning_rate", 0.0),
            ("batch", 1),
            ("averaging", 1.0),
            ("max_steps", -1),
            ("check_every", 0),
            ("patience", 0),
            ("held_out", 0.0),
            ("held_out", 1.0),
            ("folds", 1),
        ],
    )
    def test_bad_hyperparameters_are_named(self, method, field, value):
        with pytest.raises(SpecError, match=field):
            method(**{field: value})

    def test_takes_vectors_and_enough_rows_only(self, method):
        name = method().spec().name
        assert method().unsupported(100, (4, 4), (1,)) == f"images need compression first; use ae({name}())"
        assert method().unsupported(1000, (5,), (5,)) == ""
        limit = next(n for n in range(4, 100) if not method().unsupported(n, (5,), (5,)))
        assert f"at least {limit}, got {limit - 1}" in method().unsupported(limit - 1, (5,), (5,))
        (found,) = estimate(method(max_steps=0), *gaussian(5, 5, n=limit))
        assert math.isfinite(found.value)
        with pytest.raises(MibenchError, match=r"use ae\(flow_"):
            mibench.estimator(name).estimate(np.zeros((50, 3, 3)), np.zeros((50, 1)))


def test_bounded_noise_is_learnt_beyond_a_gaussian():
    x, y = mibench.task("smoothed_uniform(d=1, mi=1)").sample(5000, seed=0)
    gap = {
        name: abs(mibench.estimator(name).estimate(x, y, seed=0, device="cpu").value - 1)
        for name in ("flow_doe(max_steps=60)", "flow_gaussian(max_steps=60)")
    }
    assert gap["flow_doe(max_steps=60)"] < 0.04 < gap["flow_gaussian(max_steps=60)"]


@pytest.mark.parametrize("d", [1, 2])
def test_noise_whose_scale_follows_x_is_learnt(d):
    # y = e^{x} ε, of which a Gaussian sees no dependence at all: I = h(Y) − h(ε) − E[x], with h(Y) by quadrature.
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, 1, 4000, d))
    u, grid = np.linspace(-6, 6, 601), np.concatenate([[0], np.geomspace(1e-6, 1e4, 6000)])
    law = np.exp(-(u**2) / 2) / np.exp(-(u**2) / 2).sum()
    density = (law * np.exp(-((grid[:, None] / np.exp(u)) ** 2) / 2 - u)).sum(axis=1) / math.sqrt(2 * math.pi)
    entropy = -2 * np.trapezoid(density * np.log(density + 1e-300), grid)
    truth = d * (entropy - math.log(2 * math.pi * math.e) / 2)
    (found,) = estimate(FlowDoE(couplings=4), x, noise * np.exp(x))
    (linear,) = estimate(FlowDoE(max_steps=0), x, noise * np.exp(x))
    assert abs(linear.value) < 0.2 * truth
    assert found.value == pytest.approx(truth, rel=0.15)


def test_density_of_nothing_given_is_that_of_a_flow_alone():
    rows = torch.as_tensor(np.random.default_rng(0).normal(size=(1, 50, 2)))
    density = FlowDensity((rows[..., :0], rows), (rows[..., :0], rows), Layout(1, "affine", (4,), 4), [0], True, True)
    (given, codes), change = density((rows[..., :0].float(), rows.float()))
    assert given.shape == (1, 50, 0)
    assert torch.equal(codes, density.flow(rows.float())[0])
    assert torch.equal(change, density.flow(rows.float())[1])
