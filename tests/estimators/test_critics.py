"""Critics score any pair of rows from one embedding of each, and members of a stack know nothing of each other."""

import numpy as np
import pytest
import torch

from mibench.estimators.critics import CRITICS, JointCritic, awake, last_linear, tower
from mibench.estimators.flo import FLO
from mibench.estimators.nishiyama import Nishiyama
from mibench.estimators.nwj import TUBA
from mibench.estimators.stack import torch_generators

VECTORS = ((3,), (3,))
MIXED = ((1, 16, 12), (3,))
IMAGES = ((1, 8, 8), (2, 9, 20))
SHAPES = {"vectors": VECTORS, "mixed": MIXED, "images": IMAGES}


def rows(shapes, count, replicates=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(replicates, count, *shape, generator=generator) for shape in shapes)


def randomised(critic, scale=0.5):
    """The critic with every weight random."""
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return critic


def build(kind, shapes, seeds=(1, 2), hidden=(8, 5)):
    return CRITICS[kind](*shapes, list(hidden), torch_generators(seeds))


def matrix(critic, x, y):
    """T(x_i, y_j) as (R, n, m), from embeddings that broadcast."""
    left, _ = critic.embed(x, y[:, :1].expand(-1, x.shape[1], *y.shape[2:]))
    _, right = critic.embed(x[:, :1].expand(-1, y.shape[1], *x.shape[2:]), y)
    return critic(left[:, :, None], right[:, None])


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("kind", CRITICS)
def test_begins_at_zero_and_wakes(kind, shapes):
    critic, (x, y) = build(kind, shapes), rows(shapes, 6)
    assert not matrix(critic, x, y).any()
    awake(critic, torch_generators([3, 4]))
    scores = matrix(critic, x, y)
    assert (scores.std(dim=(1, 2)) > 1e-3).all()
    assert all(parameter.any() for parameter in critic.parameters())
    again = matrix(awake(build(kind, shapes), torch_generators([3, 4])), x, y)
    assert torch.equal(scores, again)


def test_waking_leaves_weights_that_are_not_zero():
    critic = build("joint", VECTORS)
    before = [parameter.clone() for parameter in critic.parameters()]
    for parameter, old in zip(awake(critic, torch_generators([3, 4])).parameters(), before, strict=True):
        assert torch.equal(parameter, old) == bool(old.any())


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("kind", CRITICS)
def test_a_pair_has_its_score_wherever_it_stands(kind, shapes):
    critic, (x, y) = randomised(build(kind, shapes)), rows(shapes, 5)
    scores = matrix(critic, x, y)
    assert scores.shape == (2, 5, 5)
    for i, j in ((0, 0), (1, 4), (4, 2)):
        one = critic(*critic.embed(x[:, [i]], y[:, [j]]))
        assert torch.allclose(one[:, 0], scores[:, i, j], rtol=1e-4, atol=1e-4)
    with torch.no_grad():  # where activations may be computed in place
        left, right = critic.embed(x, y)
        kept = left.clone(), right.clone()
        first, second = critic(left, right), critic(left, right)
    assert torch.equal(first, second)
    assert torch.equal(left, kept[0])
    assert torch.equal(right, kept[1])
    assert torch.allclose(first, scores.diagonal(dim1=1, dim2=2), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("kind", CRITICS)
def test_members_are_independent(kind, shapes):
    critic, (x, y) = randomised(build(kind, shapes)), rows(shapes, 4)
    critic(*critic.embed(x, y))[0].sum().backward()
    for parameter in critic.parameters():
        assert len(parameter) == 2
        assert parameter.grad[0].any()
        assert not parameter.grad[1].any()


@pytest.mark.parametrize("kind", CRITICS)
def test_weights_follow_from_the_seed_of_the_member(kind):
    stack, alone = (awake(build(kind, MIXED, seeds), torch_generators(seeds)) for seeds in ((1, 2, 1), (2,)))
    for many, one in zip(stack.parameters(), alone.parameters(), strict=True):
        assert torch.equal(many[[1]], one)
        assert torch.equal(many[0], many[2])
        assert not torch.equal(many[0], many[1])


@pytest.mark.parametrize("outputs", [1, 2])
def test_joint_critic_is_an_mlp_of_the_sum_of_both_sides(outputs):
    critic = randomised(JointCritic((3,), (3,), [8, 5], torch_generators([1, 2]), outputs))
    x, y = rows(VECTORS, 6)
    found = critic(*critic.embed(x, y))
    assert found.shape == (2, 6) if outputs == 1 else (2, 6, 2)
    weights = [parameter.detach().double().numpy() for parameter in critic.parameters()]
    assert [weight.shape[1:] for weight in weights] == [(3, 8), (1, 8), (8, 5), (1, 5), (5, outputs), (1, outputs)]
    for member in range(2):
        first, bias, *rest = [weight[member] for weight in weights]
        hidden = (x + y)[member].double().numpy() @ first + 2 * bias
        for weight, bias in zip(rest[::2], rest[1::2], strict=True):
            hidden = hidden / (1 + np.exp(-hidden)) @ weight + bias
        assert found[member].detach().reshape(6, outputs).numpy() == pytest.approx(hidden, abs=1e-4)


def test_joint_critic_does_not_confuse_the_sides_where_one_is_an_image():
    critic, (x, y) = randomised(build("joint", IMAGES)), rows(IMAGES, 4)
    left, right = critic.embed(x, y)
    other, _ = critic.embed(x + 1, y)
    assert not torch.allclose(left, other)
    assert torch.equal(right, critic.embed(x + 1, y)[1])
    assert sum(parameter.numel() for parameter in critic.of_x.parameters()) != sum(
        parameter.numel() for parameter in critic.of_y.parameters()
    )


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
def test_separable_critic_is_an_inner_product_and_a_part_of_each_side(shapes):
    critic, (x, y) = randomised(build("separable", shapes, hidden=(8, 3))), rows(shapes, 40)
    with torch.no_grad():
        scores = matrix(critic, x, y).double()
        (f, a), (g, b) = (side.double().split([3, 1], dim=-1) for side in (critic.of_x(x), critic.of_y(y)))
    expected = f @ g.mT + a + b.mT
    assert torch.allclose(scores, expected, rtol=1e-4, atol=1e-4 * float(scores.abs().max()))
    assert (f.std() > 0.01) & (g.std() > 0.01) & (a.std() > 0.01) & (b.std() > 0.01)


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
def test_bilinear_critic_is_a_matrix_between_both_sides(shapes):
    critic, (x, y) = randomised(build("bilinear", shapes)), rows(shapes, 5)
    (weight,) = critic.parameters()
    assert weight.shape == (2, np.prod(shapes[0]) + 1, np.prod(shapes[1]) + 1)
    left, right = (np.concatenate([side.flatten(2).numpy(), np.ones((2, 5, 1))], axis=2) for side in (x, y))
    expected = np.einsum("rid,rde,rje->rij", left, weight.detach().numpy(), right)
    assert matrix(critic, x, y).detach().numpy() == pytest.approx(expected, rel=1e-4, abs=1e-3)


@pytest.mark.parametrize("shape", [(4,), (1, 8, 8), (3, 16, 16), (1, 32, 20), (2, 9, 28)])
@pytest.mark.parametrize("zero_last", [False, True])
def test_tower_gives_the_widths_asked_for(shape, zero_last):
    network = tower(shape, [7, 3], torch_generators([1, 2]), zero_last)
    (x,) = rows([shape], 5)
    found = network(x)
    assert found.shape == (2, 5, 3)
    assert bool(found.any()) != zero_last
    assert last_linear(network).weight.shape == (2, 7, 3)
    whole = network(torch.cat([x, 2 * x], dim=1))
    assert torch.allclose(whole[:, :5], found, atol=1e-5)


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
def test_baseline_of_tuba_is_a_function_of_y_alone(shapes):
    method = TUBA(hidden=8, critic="separable")
    critic = method.make_critic(*shapes, torch_generators([1, 2]))
    x, y = rows(shapes, 6)
    assert not matrix(critic, x, y).any()
    randomised(critic)
    with torch.no_grad():
        taken = matrix(critic.critic, x, y) - matrix(critic, x, y)
        assert torch.allclose(taken, critic.baseline(y)[..., 0][:, None].expand_as(taken), rtol=1e-3, atol=1e-3)
        assert (taken.std(dim=2) > 0.01).all()


def test_flo_scores_twice_and_nishiyama_does_not_begin_at_zero():
    x, y = rows(VECTORS, 6)
    assert matrix(FLO(hidden=8).make_critic(*VECTORS, torch_generators([1, 2])), x, y).shape == (2, 6, 6, 2)
    for kind in CRITICS:
        scores = matrix(Nishiyama(critic=kind, hidden=8).make_critic(*VECTORS, torch_generators([1, 2])), x, y)
        assert (scores.std(dim=(1, 2)) > 1e-3).all()
