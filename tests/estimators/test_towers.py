import math

import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d, conv2d, linear, silu

from mibench.estimators.critics import JointCritic, SeparableCritic, awake
from mibench.estimators.stack import torch_generators
from mibench.estimators.towers import _SHARE, ConvTower

SHAPES = [(c, *sides) for c in (1, 3) for sides in ((8, 8), (16, 16), (9, 13), (33, 17))]
SEEDS = (3, 1, 4)


def images(shape, rows=5, seed=0):
    return torch.randn(len(SEEDS), rows, *shape, generator=torch.Generator().manual_seed(seed))


def tower(shape, seeds=SEEDS, widths=(6, 4), **options):
    return ConvTower(shape, widths, torch_generators(seeds), **options)


def separate(network, member, x):
    """The network of one member, applied to images (B, C, H, W) by torch's own functions."""
    maps = x
    for convolution in network.convolutions:
        stride = [1 + (side > 8) for side in maps.shape[-2:]]
        maps = silu(conv2d(maps, convolution.weight[member], convolution.bias[member], stride, padding=1))
    seen = torch.cat([adaptive_avg_pool2d(x, 4), _SHARE * adaptive_avg_pool2d(maps, 4)], 1).movedim(1, -1).flatten(1)
    *inner, last = network.mlp.layers
    for layer in inner:
        seen = silu(linear(seen, layer.weight[member].T, layer.bias[member, 0]))
    return linear(seen, last.weight[member].T, last.bias[member, 0])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_stack_is_separate_networks(shape):
    network, x = tower(shape), images(shape)
    expected = torch.stack([separate(network, member, x[member]) for member in range(len(SEEDS))])
    assert expected.shape == (3, 5, 4)
    assert torch.allclose(network(x), expected, atol=1e-6)
    assert expected.std(dim=1).min() > 1e-3


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_parameter_of_every_member_learns(shape):
    network = tower(shape)
    network(images(shape)).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert len(parameter) == len(SEEDS), name
        assert parameter.grad.flatten(1).any(dim=1).all(), name


def test_gradients_are_those_of_separate_networks():
    network, x = tower((3, 16, 16)), images((3, 16, 16))
    parameters = list(network.parameters())
    expected = torch.autograd.grad(sum(separate(network, r, x[r]).square().sum() for r in range(3)), parameters)
    for found, wanted in zip(torch.autograd.grad(network(x).square().sum(), parameters), expected, strict=True):
        assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_weights_follow_from_the_seed_of_a_member_alone():
    stack = tower((3, 16, 16))
    for member, seed in enumerate(SEEDS):
        for whole, alone in zip(stack.parameters(), tower((3, 16, 16), [seed]).parameters(), strict=True):
            assert torch.equal(whole[member], alone[0])
    first, second, _ = stack.convolutions[0].weight
    assert not torch.equal(first, second)


def test_convolutions_begin_uniform_within_the_bound_of_torch():
    weight = tower((3, 32, 32), range(50)).convolutions[1].weight
    bound = math.sqrt(1 / (9 * 8))
    assert 0.99 * bound < weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)


def test_a_stack_goes_on_with_some_members():
    network, x = tower((3, 9, 13)), images((3, 9, 13))
    whole, places = network(x), torch.tensor([0, 2])
    for parameter in network.parameters():
        parameter.data = parameter.data[places]
    assert torch.allclose(network(x[places]), whole[places], atol=1e-6)


def test_the_last_layer_begins_at_zero_on_request():
    network = tower((1, 8, 8), zero_last=True)
    assert not network(images((1, 8, 8))).any()
    assert all(layer.weight.any() for layer in (*network.convolutions, *network.mlp.layers[:-1]))


@pytest.mark.parametrize("shape", [(1, 8, 64), (1, 100, 8), (3, 256, 256)], ids=str)
def test_the_mlp_does_not_grow_with_the_image(shape):
    network = tower(shape)
    assert network(images(shape, rows=2)).shape == (3, 2, 4)
    assert network.mlp.layers[0].weight.shape[1] <= (32 + shape[0]) * 16


def test_evaluation_leaves_its_input_alone():
    x = images((1, 16, 16))
    kept, network = x.clone(), tower((1, 16, 16))
    with_gradient = network(x)
    with torch.no_grad():
        assert torch.equal(network(x), with_gradient)
    assert torch.equal(x, kept)


def test_a_member_sees_its_own_images_alone():
    network, x = tower((3, 16, 16)), images((3, 16, 16))
    other = x.clone()
    other[1] += 1
    changed = (network(other) != network(x)).any(dim=2)
    assert changed.all(dim=1).tolist() == changed.any(dim=1).tolist() == [False, True, False]


@pytest.mark.parametrize("make", [JointCritic, SeparableCritic])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_critic_of_an_image_and_a_vector(make, swapped):
    shapes = [(3, 9, 13), (2,)]
    sides = [images(shape, seed=seed) for seed, shape in enumerate(shapes)]
    if swapped:
        shapes, sides = shapes[::-1], sides[::-1]
    critic = make(*shapes, [8, 8], torch_generators(SEEDS))
    assert not critic(*critic.embed(*sides)).any()
    left, right = awake(critic, torch_generators(SEEDS)).embed(*sides)
    scores = critic(left[:, :, None], right[:, None])
    assert scores.shape == (3, 5, 5)
    assert min(scores.std(dim=1).min(), scores.std(dim=2).min()) > 0
    scores.square().sum().backward()
    assert all(parameter.grad.flatten(1).any(dim=1).all() for parameter in critic.parameters())
