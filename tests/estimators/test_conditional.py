"""Learned densities: each is one, of whatever weights, and sees of y what comes before."""

import math

import numpy as np
import pytest
import torch

import mibench
from mibench.estimators.conditional import Categorical, Chain, ChainCritic, DiagonalGaussian, Mixture
from mibench.estimators.njee import CodeChain
from mibench.estimators.residuals import Residuals, ridge, whitened
from mibench.estimators.stack import torch_generators

GRID = torch.linspace(-12, 12, 361)
STEP = float(GRID[1] - GRID[0])


def shaken(module, scale=0.2):
    """Return the module with random weights, the same whatever it began with."""
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return module


def heads():
    return [Mixture(kind, components) for kind in ("gaussian", "logistic") for components in (1, 3)]


def critics():
    """Critics of two vectors, two coordinates each, with random weights."""
    shapes = ((3 + 2,), (2 * 2 + 1,))
    chains = [ChainCritic(*shapes, head, [12, 12], torch_generators([1, 2])) for head in heads()]
    return [shaken(critic) for critic in (DiagonalGaussian(*shapes, [12, 12], torch_generators([1, 2])), *chains)]


def outputs_of(scores, critic):
    return [scores] if isinstance(critic, DiagonalGaussian) else scores.unbind(dim=-1)


each_critic = pytest.mark.parametrize(
    "critic", critics(), ids=["diagonal", "gaussian-1", "gaussian-3", "logistic-1", "logistic-3"]
)


@pytest.mark.parametrize("head", heads(), ids=lambda head: f"{head.kind}-{head.outputs // 3}")
def test_mixtures_integrate_to_one(head):
    outputs = torch.randn(5, 1, head.outputs, generator=torch.Generator().manual_seed(0)) / 2
    y = torch.linspace(-30, 30, 20_001)[None, :, None].expand(5, -1, 1)
    density = (head(outputs[:, :, None].expand(5, 20_001, 1, -1), y) - math.log(2 * math.pi) / 2).exp()
    assert (density.sum(dim=1) * 60 / 20_000).flatten().tolist() == pytest.approx([1] * 5, abs=1e-3)


@pytest.mark.parametrize(("kind", "most"), [("gaussian", 1e-3), ("logistic", 0.02)])
def test_a_mixture_begins_near_a_normal_law(kind, most):
    head = Mixture(kind, 4)
    log_ratio = head(torch.zeros(1, len(GRID), 1, head.outputs), GRID[None, :, None])[0, :, 0] + GRID**2 / 2
    weight = torch.exp(-(GRID**2) / 2) * STEP / math.sqrt(2 * math.pi)
    assert 0 < float(-(weight * log_ratio).sum()) < most
    means = head.start[:4]
    assert len(set(means.tolist())) == 4


def test_no_scale_vanishes_on_ties():
    head = Mixture("gaussian", 2)
    outputs = torch.full((1, 1, 1, 6), -1e4) * torch.tensor([0, 0, 1, 1, 0, 0])
    assert float(head(outputs, head.start[:1].view(1, 1, 1))) == pytest.approx(9 - math.log(2), abs=1e-3)


@pytest.mark.parametrize("levels", [1, 4, 7])
def test_probabilities_of_the_codes_there_are_sum_to_one(levels):
    head = Categorical(7)
    outputs = torch.randn(2, 3, 1, 7)[:, :, None].expand(2, 3, levels, 1, 7)
    codes = torch.stack([torch.arange(float(levels)), torch.full((levels,), float(levels))], dim=1)
    found = head(outputs, codes.expand(2, 3, levels, 2)).exp() / levels
    assert torch.allclose(found.sum(dim=2), torch.ones(2, 3, 1))


@pytest.mark.parametrize("hidden", [[9], [9, 9], [3, 5, 4]])
def test_a_coordinate_depends_on_those_before_it_alone(hidden):
    chain = shaken(Chain(4, 3, hidden, torch_generators([1])))

    def outputs(y):
        return chain(chain.first(y[None, None]))[0, 0]

    jacobian = torch.autograd.functional.jacobian(outputs, torch.randn(4)).abs().amax(dim=1)
    assert (jacobian.triu() == 0).all()
    reached = jacobian.tril(-1)[1:, :3] > 0
    assert reached.any(dim=1).all() if min(hidden) < 4 else reached[torch.ones(3, 3).tril() > 0].all()


@each_critic
def test_densities_of_y_given_x_integrate_to_one(critic):
    """Whatever the regression was: T is the logarithm of a density against N(0, 1), here of two coordinates."""
    white = torch.cartesian_prod(GRID, GRID)[None].expand(2, -1, -1)
    sharp = torch.tensor([[2.0, -0.5], [0.0, 1.5]])
    log_det = torch.full_like(white[..., :1], math.log(3.0))
    y = torch.cat([white, white @ sharp, log_det], dim=-1)
    x = torch.randn(2, 1, 5, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        left, right = critic.embed(x, y)
        log_normal = -white.square().sum(dim=-1) / 2 - math.log(2 * math.pi)
        for scores in outputs_of(critic(left, right), critic):
            total = (scores + log_normal).exp().sum(dim=1) * STEP**2
            assert total.tolist() == pytest.approx([1, 1], abs=2e-3)


def test_probabilities_of_codes_given_x_sum_to_one():
    critic = shaken(CodeChain((3,), (6,), Categorical(5), [12, 12], torch_generators([1, 2])))
    codes = torch.cartesian_prod(torch.arange(5.0), torch.arange(4.0))[None].expand(2, -1, -1)
    levels = torch.tensor([5.0, 4.0]).expand(2, 20, 2)
    left, right = critic.embed(torch.randn(2, 1, 3), torch.cat([codes - 2, codes, levels], dim=-1))
    assert (critic(left, right).exp().sum(dim=1) / 20).detach().flatten().tolist() == pytest.approx([1] * 4, abs=1e-5)


@each_critic
def test_embeddings_broadcast(critic):
    x, y = torch.randn(2, 4, 5), torch.randn(2, 6, 5)
    left, right = critic.embed(x, torch.zeros(2, 4, 5))[0], critic.embed(torch.zeros(2, 6, 5), y)[1]
    every = critic(left[:, :, None], right[:, None])
    for i in range(4):
        one = critic(*critic.embed(x[:, [i]].expand(2, 6, 5), y))
        assert torch.allclose(every[:, i], one, atol=1e-4)


def test_both_chains_begin_alike():
    critic = ChainCritic((1 + 2,), (5,), Mixture("gaussian", 3), [8], torch_generators([1]))
    rows = torch.randn(1, 50, 2)
    y = torch.cat([rows, rows, torch.zeros(1, 50, 1)], dim=-1)
    x = torch.cat([torch.randn(1, 50, 1), torch.zeros(1, 50, 2)], dim=-1)
    scores = critic(*critic.embed(x, y))
    assert torch.allclose(scores[..., 0], scores[..., 1], atol=1e-6)


@pytest.mark.parametrize("kind", [DiagonalGaussian, ChainCritic])
def test_begins_where_linear_dependence_is_accounted_for(kind):
    task = mibench.task("gaussian_dense(d=3, rho=0.6)")
    x, y = task.sample(20_000, seed=1)
    fitted = Residuals.fit_rows(x[:10_000], y[:10_000], [False, False])
    rows = [torch.as_tensor(side, dtype=torch.float32)[None] for side in fitted(x, y)]
    shapes = [side.shape[2:] for side in rows]
    head = [Mixture("gaussian", 4)] if kind is ChainCritic else []
    critic = kind(*shapes, *head, [8], torch_generators([1]))
    with torch.no_grad():
        found = critic(*(side[:, 10_000:] for side in critic.embed(*rows)))
    ratio = found if kind is DiagonalGaussian else found[..., 0] - found[..., 1]
    draw = task.draw(20_000, seed=1)
    assert ratio[0].numpy() - draw.pointwise_mi[10_000:] == pytest.approx(0, abs=0.5)
    assert float(ratio.mean()) == pytest.approx(draw.pointwise_mi[10_000:].mean(), abs=0.01)


def test_rows_are_made_white_by_a_triangular_map():
    rows = np.random.default_rng(0).normal(size=(2000, 3)) @ [[1, 2, 3], [0, 0.1, 1], [0, 0, 4]] + 7
    white, coefficients = whitened(rows)
    assert np.cov(white.T, bias=True) == pytest.approx(np.eye(3), abs=0.01)
    assert np.array_equal(np.tril(coefficients[1:], -1), np.zeros((3, 3)))
    assert coefficients[0] + rows @ coefficients[1:] == pytest.approx(white)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n", [4, 20, 400])
def test_regression_finds_what_is_linear_and_nothing_else(n):
    rng = np.random.default_rng(n)
    x, noise = rng.normal(size=(n, 10)) + 3, rng.normal(size=(n, 2))
    found = ridge(x, x[:, :2] - 5 + 1e-3 * noise)
    if n == 400:
        assert found[1:] == pytest.approx(np.eye(10, 2), abs=1e-3)
        assert found[0] == pytest.approx([-5, -5], abs=5e-3)
        assert np.abs(ridge(x, noise)[1:]).max() < 0.1
    assert np.isfinite(found).all()
    assert np.isfinite(ridge(np.zeros((n, 3)), noise)).all()


@pytest.mark.filterwarnings("error")
def test_more_coordinates_than_rows():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 12, 30))
    y[:, 4] = 3.0
    found = Residuals.fit_rows(x[:8], y[:8], [False, False])(x, y)
    assert all(np.abs(side).max() < 100 for side in found)
