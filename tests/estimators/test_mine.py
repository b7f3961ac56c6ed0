import math

import numpy as np
import pytest
import torch

import mibench
from mibench.errors import SpecError
from mibench.estimators.mine import MINE, Bound, Critic, Pairs, _Ascent, donsker_varadhan
from mibench.estimators.stack import torch_generators
from mibench.seeding import derive_seed

FAST = MINE(learning_rate=5e-3, hidden=16, batch=64, max_steps=100, pairs=20_000)


def sample(spec, n, seeds):
    draws = [mibench.task(spec).sample(n, seed=seed) for seed in seeds]
    return tuple(np.stack(side) for side in zip(*draws, strict=True))


def random_pairs(replicates, rows, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return Pairs(*(torch.randn(replicates, rows, d, generator=generator) for d in (2, 1)))


def random_critic(seeds=(1, 2)):
    critic = Critic(2, 1, hidden=8, layers=2, generators=torch_generators(seeds))
    with torch.no_grad():
        for parameter, generator in zip(critic.parameters(), torch_generators(range(10)), strict=False):
            parameter.normal_(std=0.7, generator=generator)
    return critic


def score_matrix(critic, pairs):
    """T(x_i, y_j) as (R, rows, rows), one column at a time."""
    left, right = critic.embed(*pairs)
    return torch.stack([critic(left, right[:, [j]].expand_as(left)) for j in range(right.shape[1])], dim=2).detach()


class Exact:
    """The log density ratio of a Gaussian pair, the critic that attains the bound."""

    def __init__(self, mi):
        self.square = -math.expm1(-2 * mi)

    def embed(self, x, y):
        return x, y

    def __call__(self, x, y):
        r2 = self.square
        cross = 2 * math.sqrt(r2) * x * y
        return ((cross - r2 * (x * x + y * y)) / (2 * (1 - r2)) - 0.5 * math.log1p(-r2))[..., 0]


def test_critic_is_an_mlp_of_the_joint_vector():
    critic, pairs = random_critic(), random_pairs(2, 5)
    plain = torch.relu(critic.first(torch.cat(pairs, dim=2)))
    assert torch.allclose(critic(*critic.embed(*pairs)), critic.rest(plain)[..., 0], atol=1e-5)


@pytest.mark.parametrize("block", [4, 1000])
@pytest.mark.parametrize("wanted", [1, 100, 10**6])
def test_bound_agrees_with_the_definition(wanted, block, monkeypatch):
    monkeypatch.setattr("mibench.estimators.mine._BLOCK", block)
    critic, pairs = random_critic(), random_pairs(2, 31)
    with torch.no_grad():
        found = donsker_varadhan(critic, pairs, wanted)
    shifts = min(30, math.ceil(wanted / 31))
    scores = score_matrix(critic, pairs).double().numpy()
    for r, matrix in enumerate(scores):
        product = [matrix[i, (i + k) % 31] for i in range(31) for k in range(1, shifts + 1)]
        weights = np.exp(product)
        assert float(found.value[r]) == pytest.approx(np.diag(matrix).mean() - np.log(weights.mean()), abs=1e-5)
        assert float(found.effective[r]) == pytest.approx(weights.sum() ** 2 / (weights**2).sum(), rel=1e-4)
        assert found.pairs == len(product)


def test_standard_error_is_that_of_the_jackknife():
    critic, pairs = random_critic(), random_pairs(2, 200)
    matrix = score_matrix(critic, pairs).double().numpy()[0]

    def bound(rows):
        inside = matrix[np.ix_(rows, rows)]
        product = np.exp(inside[~np.eye(len(rows), dtype=bool)])
        return np.diag(inside).mean() - np.log(product.mean())

    without = [bound(np.delete(np.arange(200), i)) for i in range(200)]
    jackknife = math.sqrt(199 / 200 * ((without - np.mean(without)) ** 2).sum())
    with torch.no_grad():
        found = donsker_varadhan(critic, pairs, 10**6)
    assert float(found.std_error[0]) == pytest.approx(jackknife, rel=0.05)


@pytest.mark.parametrize("mi", [0.5, 2.0])
def test_exact_critic_attains_the_mi(mi):
    x, y = (torch.as_tensor(side) for side in sample(f"gaussian(d=1, mi={mi})", 4000, [1]))
    found = donsker_varadhan(Exact(mi), Pairs(x, y), 10**6)
    assert float(found.value) == pytest.approx(mi, abs=3 * float(found.std_error))
    assert 0 < float(found.std_error) < 0.05


def test_gradient_is_that_of_the_bound_where_the_average_does_not_lag():
    critic, pairs = random_critic(), random_pairs(2, 50)
    everything = torch.arange(50).expand(2, 50)
    _Ascent(critic, pairs, lambda: everything, rate=1.0)().sum().backward()
    left, right = critic.embed(*pairs)
    mismatched = critic(left, right.roll(1, dims=1))
    bound = critic(left, right).mean(dim=1) - mismatched.logsumexp(dim=1) + math.log(50)
    expected = torch.autograd.grad(-bound.sum(), list(critic.parameters()))
    for parameter, gradient in zip(critic.parameters(), expected, strict=True):
        assert torch.allclose(parameter.grad, gradient, atol=1e-5)


def test_denominator_is_a_moving_average():
    critic, pairs = random_critic(), random_pairs(2, 40)
    batches = [torch.arange(20).expand(2, 20), torch.arange(20, 40).expand(2, 20)]
    ascent = _Ascent(critic, pairs, iter(batches).__next__, rate=0.3)
    means = []
    for batch in batches:
        ascent()
        left, right = critic.embed(pairs.x[:, batch[0]], pairs.y[:, batch[0]])
        means.append(critic(left, right.roll(1, dims=1)).exp().mean(dim=1))
    assert torch.allclose(ascent.log_mean.exp(), 0.7 * means[0] + 0.3 * means[1], rtol=1e-5)


@pytest.mark.parametrize(("mi", "low", "high"), [(0, -0.03, 0.01), (1, 0.92, 1.05)])
def test_gaussian_mi(mi, low, high):
    x, y = sample(f"gaussian(d=1, mi={mi})", 2000, range(3))
    found = MINE(hidden=32, batch=256, max_steps=500, pairs=200_000).estimate_batch(x, y, range(3), "cpu")
    assert low < np.mean([e.value for e in found]) < high


def test_seed_decides_and_the_stack_does_not():
    x, y = sample("gaussian(d=2, mi=1)", 400, range(3))
    stacked = [e.value for e in FAST.estimate_batch(x, y, [5, 6, 7], "cpu")]
    alone = [FAST.estimate(x[r], y[r], 5 + r).value for r in range(3)]
    assert stacked == pytest.approx(alone, abs=1e-4)
    assert FAST.estimate(x[0], y[0], 5).value == alone[0]
    assert FAST.estimate(x[0], y[0], 8).value != pytest.approx(alone[0], abs=1e-4)


def test_evaluation_half_is_not_touched_in_training():
    (x,), (y,) = sample("gaussian(d=2, mi=1)", 400, [1])
    evaluation = np.random.default_rng(derive_seed(3, "split")).permutation(400)[200:]
    other = y.copy()
    other[evaluation] = other[evaluation][::-1]
    first, second = FAST.estimate(x, y, 3), FAST.estimate(x, other, 3)
    for name in ("steps", "best_step", "validation_loss"):
        assert first.diagnostics[name] == second.diagnostics[name]
    assert first.value > 0.5
    assert second.value < first.value - 0.5


def test_location_and_scale_do_not_matter():
    (x,), (y,) = sample("gaussian(d=2, mi=1)", 400, [2])
    moved = FAST.estimate(1e3 * x + 5, 1e-3 * y - 1, 0).value
    assert moved == pytest.approx(FAST.estimate(x, y, 0).value, abs=1e-3)


def test_images_with_constant_pixels():
    x, y = mibench.task("blobs(mi=2)").sample(200, seed=0)
    x[:, 0] = 0
    found = FAST.estimate(x, y, 0)
    assert math.isfinite(found.value)
    assert found.diagnostics["product_pairs"] == 100 * 99


@pytest.mark.parametrize("value", [math.inf, math.nan, 12.0])
def test_a_diverged_critic_is_a_failure_with_its_reason(value):
    bound = Bound(*(torch.tensor([number]) for number in (value, 0.1, 1.0)), pairs=10_000)
    found = bound.estimate(0, {"steps": 5})
    assert math.isnan(found.value)
    assert "10000 product pairs" in found.message
    assert found.diagnostics["steps"] == 5


def test_limits_are_stated():
    assert "fewer than 2" in MINE().unsupported(10, (1,), (1,))
    assert MINE().unsupported(20, (1,), (1,)) == ""
    for bad in ({"hidden": 0}, {"batch": 1}, {"rate": 0.0}, {"held_out": 1.0}, {"averaging": 1.0}):
        with pytest.raises(SpecError, match=next(iter(bad))):
            MINE(**bad)
