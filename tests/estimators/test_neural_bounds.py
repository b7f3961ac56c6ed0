"""Neural bounds as estimators: what they minimise, what they answer, and what they must not depend on."""

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch

import mibench
from mibench.errors import DataError, MibenchError, SpecError
from mibench.estimators.bound_values import Reading, scores
from mibench.estimators.critics import CRITICS
from mibench.estimators.flo import FLO
from mibench.estimators.infonce import InfoNCE
from mibench.estimators.jensen_shannon import JS, SMILE
from mibench.estimators.mine import DV, MINE
from mibench.estimators.nishiyama import Nishiyama
from mibench.estimators.nwj import NWJ, TUBA
from mibench.estimators.stack import torch_generators
from mibench.estimators.standardise import Standardiser
from mibench.estimators.training import Minibatches, train
from mibench.seeding import derive_seed

VARIANTS = [MINE, DV, NWJ, TUBA, InfoNCE, JS, SMILE, Nishiyama, FLO]
PAIRS = [(cls, kind) for cls in VARIANTS for kind in CRITICS if cls is not FLO or kind == "joint"]
SOME = [(cls, "joint") for cls in VARIANTS] + [(MINE, "bilinear"), (TUBA, "separable"), (InfoNCE, "separable")]
SHIFTABLE = (DV, InfoNCE, Nishiyama)  # whose critic may be moved by a constant
QUICK = {"hidden": 8, "batch": 50, "max_steps": 40, "check_every": 20, "pairs": 20_000}
FAST = {"hidden": 16, "batch": 128, "max_steps": 300, "pairs": 100_000}

each_variant = pytest.mark.parametrize("cls", VARIANTS)
some_pairs = pytest.mark.parametrize(("cls", "kind"), SOME)


def sample(spec, n, seeds):
    draws = [mibench.task(spec).sample(n, seed=seed) for seed in seeds]
    return tuple(np.stack(side) for side in zip(*draws, strict=True))


def values(estimates):
    return [estimate.value for estimate in estimates]


def batch_scores(cls, replicates=2, rows=30, negatives=3, seed=0):
    """Random scores of a minibatch: matched (R, B, ...) and product (R, B, K, ...)."""
    generator = torch.Generator().manual_seed(seed)
    shape = [replicates, rows, 1 + negatives] + [2] * (cls is FLO)
    found = torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)
    return found[:, :, 0], found[:, :, 1:]


def moments(t):
    return t.mean(), t.var()


def least_divergence(matched, product):
    """The bound as an integral over mixtures of both laws, by the midpoint rule."""
    (mean_p, var_p), (mean_q, var_q) = moments(matched), moments(product)
    share = (np.arange(20_000) + 0.5) / 20_000
    square = (mean_p - mean_q) ** 2
    return ((1 - share) * square / (share * var_p + (1 - share) * var_q + share * (1 - share) * square)).mean()


def expected_loss(cls, matched, product):
    """What a minibatch costs: minus the bound on its pairs, or the cross-entropy."""
    if cls in (JS, SMILE):
        return np.log1p(np.exp(-matched)).mean() + np.log1p(np.exp(product)).mean()
    if cls is DV:
        return -matched.mean() + np.log(np.exp(product).mean())
    if cls in (NWJ, TUBA):
        return -(1 + matched.mean() - np.exp(product).mean()) + 1
    if cls is InfoNCE:
        total = np.exp(matched) + np.exp(product).sum(axis=1)
        return -np.mean(matched - np.log(total / (1 + product.shape[1])))
    if cls is Nishiyama:
        return -least_divergence(matched, product)
    u, contrast = matched[:, 1], np.exp(product[:, :, 0] - matched[:, :1]).mean(axis=1)
    return -(1 - u - np.exp(-u) * contrast).mean()


@pytest.mark.parametrize("negatives", [1, 5])
@pytest.mark.parametrize("cls", [cls for cls in VARIANTS if cls is not MINE])
def test_loss_of_a_minibatch_is_minus_the_bound_of_its_pairs(cls, negatives):
    matched, product = batch_scores(cls, negatives=negatives)
    found, memory = cls().loss(matched, product, None)
    expected = [
        expected_loss(cls, *(side[member].detach().numpy() for side in (matched, product))) for member in (0, 1)
    ]
    assert found.tolist() == pytest.approx(expected, abs=1e-7)
    assert memory is None


@pytest.mark.parametrize("memory", [None, torch.tensor([5.0, -3.0])])
def test_gradient_of_mine_is_that_of_the_bound_where_the_average_does_not_lag(memory):
    gradients = []
    for method, remembered in ((MINE(rate=1.0), memory), (DV(), None)):
        matched, product = batch_scores(MINE)
        loss, _ = method.loss(matched, product, remembered)
        gradients.append(torch.autograd.grad(loss.sum(), [matched, product]))
    for ours, expected in zip(*gradients, strict=True):
        assert torch.allclose(ours, expected, atol=1e-12)


def test_denominator_of_mine_is_a_moving_average():
    method, memory, average = MINE(rate=0.3), None, None
    for seed in range(4):
        matched, product = batch_scores(MINE, seed=seed)
        loss, memory = method.loss(matched, product, memory)
        mean = product.detach().exp().mean(dim=(1, 2))
        average = mean if average is None else 0.7 * average + 0.3 * mean
        assert torch.allclose(memory.exp(), average, atol=1e-12)
        assert not memory.requires_grad
        down, up = torch.autograd.grad(loss.sum(), [matched, product])
        assert torch.allclose(down, torch.full_like(down, -1 / 30))
        assert torch.allclose(up, product.exp() / average[:, None, None] / 90, atol=1e-12)


@each_variant
def test_only_some_losses_hold_the_critic_in_its_place(cls):
    matched, product = batch_scores(cls)
    shift = torch.zeros(2, 1, requires_grad=True)
    outputs = shift if cls is not FLO else torch.stack([shift, torch.zeros_like(shift)], dim=-1)
    method = cls(rate=1.0) if cls is MINE else cls()
    loss, _ = method.loss(matched.detach() + outputs, product.detach() + outputs[..., None, :], None)
    (gradient,) = torch.autograd.grad(loss.sum(), shift)
    free = issubclass(cls, (*SHIFTABLE, FLO))
    assert (gradient.abs() < 1e-9).all() if free else (gradient.abs() > 1e-2).all()


@pytest.mark.parametrize(("cls", "kind"), PAIRS)
def test_every_weight_learns(cls, kind):
    """From where the critic begins, no weight is beyond the reach of the gradient."""
    method = cls(critic=kind, hidden=6, negatives=2)
    shapes = ((4,), (4,)) if kind == "joint" else ((3,), (4,))
    critic = method.make_critic(*shapes, torch_generators([1, 2]))
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(2, 60, *shape, generator=generator) for shape in shapes)
    y[..., :3] += x[..., :3]
    before = [parameter.detach().clone() for parameter in critic.parameters()]
    largest = [torch.zeros(2) for _ in before]

    def loss():
        for parameter, most in zip(critic.parameters(), largest, strict=True):
            if parameter.grad is not None:
                most.copy_(torch.maximum(most, parameter.grad.flatten(1).abs().amax(dim=1)))
        found = scores(critic, *critic.embed(x, y), 2)
        return method.loss(found[:, :, 0], found[:, :, 1:], None)[0]

    losses = []
    settings = {"learning_rate": 1e-2, "max_steps": 41, "check_every": 10, "patience": 99}

    def validate():
        losses.append(loss())
        return losses[-1]

    train(list(critic.parameters()), loss, validate, **settings)
    assert (losses[-1] < losses[0] - 0.03).all()
    free = ["rest.layers.1.bias"] if issubclass(cls, SHIFTABLE) else []  # adds a constant to T
    free += ["of_y.layers.2.bias"] if cls is InfoNCE else []  # and this a function of x
    for (name, parameter), old, most in zip(critic.named_parameters(), before, largest, strict=True):
        if name in free:
            continue
        assert (most > 1e-4).all(), name
        assert ((parameter - old).flatten(1).abs().amax(dim=1) > 1e-3).all(), name


@pytest.mark.parametrize(("cls", "low"), [(cls, 0.75 if cls is Nishiyama else 0.92) for cls in VARIANTS])
def test_one_nat_of_a_gaussian(cls, low):
    x, y = sample("gaussian(d=1, mi=1)", 2000, range(3))
    found = cls(**FAST).estimate_batch(x, y, range(3), "cpu")
    assert low < np.mean(values(found)) < 1.03
    assert 0.02 < np.mean([one.std_error for one in found]) < 0.04


@each_variant
def test_nothing_is_found_where_there_is_nothing(cls):
    x, y = sample("independent(gaussian(d=1, mi=1))", 2000, range(3))
    found = cls(**FAST).estimate_batch(x, y, range(3), "cpu")
    assert -0.02 < np.mean(values(found)) < 0.01
    assert np.max(np.abs(values(found))) < 0.03


@pytest.mark.parametrize(("kind", "low", "high"), [("separable", 0.85, 1.03), ("bilinear", 0.4, 0.75)])
def test_other_critics_find_what_they_can(kind, low, high):
    """The best bilinear critic of a Gaussian falls short, as it has no squares."""
    x, y = sample("gaussian(d=1, mi=1)", 2000, range(3))
    method = InfoNCE(critic=kind, learning_rate=0.05, **FAST)
    assert low < np.mean(values(method.estimate_batch(x, y, range(3), "cpu"))) < high


@some_pairs
def test_a_replicate_does_not_depend_on_its_stack(cls, kind):
    x, y = sample("gaussian(d=2, mi=1)", 200, range(4))
    method = cls(critic=kind, **QUICK)
    alone = [method.estimate(x[r], y[r], 5 + r) for r in range(3)]
    assert values(method.estimate_batch(x[:3], y[:3], [5, 6, 7], "cpu")) == pytest.approx(values(alone), abs=1e-3)
    others = method.estimate_batch(x[[3, 2, 0]], y[[3, 2, 0]], [9, 7, 5], "cpu")
    assert values(others[1:]) == pytest.approx(values([alone[2], alone[0]]), abs=1e-3)
    assert [one.diagnostics["steps"] for one in others[1:]] == [alone[r].diagnostics["steps"] for r in (2, 0)]
    again = method.estimate(x[0], y[0], 5)
    assert (again.value, again.std_error) == (alone[0].value, alone[0].std_error)
    assert again.diagnostics == alone[0].diagnostics
    assert method.estimate(x[0], y[0], 8).value != pytest.approx(again.value, abs=1e-4)
    assert len(set(values(alone))) == 3


@pytest.mark.parametrize(("cls", "kind"), [(MINE, "joint"), (TUBA, "joint"), (InfoNCE, "bilinear"), (FLO, "joint")])
def test_those_that_go_on_do_not_feel_the_others_stop(cls, kind):
    """Two stop early, as they have nothing to learn; the others keep their rows, batches and memory."""
    x, y = sample("gaussian(d=2, mi=1)", 200, range(4))
    x[[1, 3]] = 2.0
    method = cls(critic=kind, hidden=8, batch=50, learning_rate=0.01, max_steps=200, check_every=10, patience=3)
    found = method.estimate_batch(x, y, [7, 5, 8, 6], "cpu")
    steps = [int(one.diagnostics["steps"]) for one in found]
    assert max(steps[1], steps[3]) < min(steps[0], steps[2])
    alone = [method.estimate(x[r], y[r], seed) for r, seed in ((0, 7), (2, 8))]
    assert [steps[0], steps[2]] == [one.diagnostics["steps"] for one in alone]
    assert [found[0].value, found[2].value] == pytest.approx(values(alone), abs=1e-3)


def test_each_critic_has_its_own_random_numbers(monkeypatch):
    seen = {"torch_generators": [], "Minibatches": []}

    def watch(name, place, function):
        def watched(*args):
            seen[name] += args[place]
            return function(*args)

        monkeypatch.setattr(f"mibench.estimators.neural_bound.{name}", watched)

    watch("torch_generators", 0, torch_generators)
    watch("Minibatches", 2, Minibatches)
    x, y = sample("gaussian(d=2, mi=1)", 60, range(3))
    MINE(folds=2, **QUICK).estimate_batch(x, y, [5, 6, 7], "cpu")
    expected = sorted(derive_seed(seed, "critic", fold) for seed in (5, 6, 7) for fold in (0, 1))
    assert {name: sorted(seeds) for name, seeds in seen.items()} == {
        "torch_generators": expected,
        "Minibatches": expected,
    }


@pytest.mark.parametrize(("stack", "threads", "folds"), [(2, 1, 1), (8, 3, 1), (3, 2, 2)])
def test_stacks_and_threads_do_not_matter(stack, threads, folds, monkeypatch):
    x, y = sample("gaussian(d=2, mi=1)", 200, range(5))
    method = MINE(folds=folds, **QUICK)
    expected = values(method.estimate_batch(x, y, range(5), "cpu"))
    monkeypatch.setattr("mibench.estimators.training._STACK", stack)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = values(method.estimate_batch(x, y, range(5), "cpu"))
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert found == pytest.approx(expected, abs=1e-3)
    assert len(set(found)) == 5


@dataclass(frozen=True)
class Watched(MINE):
    """MINE that notes what it reads at the end."""

    def read(self, critic, sample, pairs):
        reading = super().read(critic, sample, pairs)
        if pairs == self.pairs:
            WATCHED.append((sample, reading))
        return reading


WATCHED = []


@pytest.fixture
def watched(monkeypatch):
    """Readings at the end, and the maps with the rows they are fitted to."""
    WATCHED.clear()
    fits, fit = [], Standardiser.fit

    def spy(x, y, images, joint):
        fitted = fit(x, y, images, joint)
        fits.append((x, y, fitted))
        return fitted

    monkeypatch.setattr(Standardiser, "fit", spy)
    return WATCHED, fits


@pytest.mark.parametrize(("n", "folds", "evaluation"), [(200, 2, 0.5), (201, 3, 0.5), (200, 1, 0.5), (200, 1, 0.25)])
def test_each_row_is_evaluated_once_by_a_critic_that_has_not_seen_it(n, folds, evaluation, watched):
    (x,), (y,) = sample("gaussian(d=2, mi=1)", n, [1])
    found = Watched(folds=folds, evaluation=evaluation, **QUICK).estimate(x, y, 3)
    ((rows, reading),), fits = watched
    assert len(fits) == folds
    assert rows.x.shape[:2] == (folds, n // folds if folds > 1 else n * evaluation)
    evaluated = []
    for fold, (seen_x, seen_y, fitted) in enumerate(fits):
        held = [i for i in range(n) if not (seen_x == x[i]).all(axis=1).any()]
        assert len(seen_x) + len(held) == n
        assert {tuple(row) for row in seen_y} == {tuple(y[i]) for i in range(n) if i not in held}
        for ours, side in zip(rows, fitted(x[held], y[held]), strict=True):
            assert sorted(map(tuple, ours[fold].tolist())) == sorted(map(tuple, side.astype(np.float32).tolist()))
        evaluated += held
    assert sorted(evaluated) == list(range(n)) if folds > 1 else len(evaluated) == n * evaluation
    assert found.value == pytest.approx(float(reading.value.mean()))
    assert found.std_error == pytest.approx(float(reading.std_error.square().sum().sqrt()) / folds)


def test_two_folds_are_two_halves():
    x, y = sample("gaussian(d=1, mi=1)", 1000, range(4))
    one, two = (MINE(folds=folds, **FAST).estimate_batch(x, y, range(4), "cpu") for folds in (1, 2))
    ratio = np.mean([b.std_error for b in two]) / np.mean([a.std_error for a in one])
    assert ratio == pytest.approx(math.sqrt(0.5), abs=0.05)
    assert np.abs(np.subtract(values(one), values(two))).max() < 0.15
    assert np.abs(np.subtract(values(one), values(two))).max() > 1e-3
    assert one[0].diagnostics["product_pairs"] == two[0].diagnostics["product_pairs"]


def test_the_first_of_two_folds_is_that_of_one(watched):
    (x,), (y,) = sample("gaussian(d=2, mi=1)", 200, [1])
    for folds in (1, 2):
        Watched(folds=folds, **QUICK).estimate(x, y, 3)
    (_, one), (_, two) = watched[0]
    assert float(two.value[0]) == pytest.approx(float(one.value[0]), abs=1e-3)


@some_pairs
def test_rows_of_the_evaluation_are_not_touched_in_training(cls, kind, watched):
    (x,), (y,) = sample("gaussian(d=2, mi=1)", 400, [1])
    evaluation = np.random.default_rng(derive_seed(3, "split")).permutation(400)[200:]
    x_other, y_other = x.copy(), y.copy()
    x_other[evaluation] = 1e3 * x[evaluation][::-1]
    y_other[evaluation] = np.random.default_rng(0).standard_cauchy((200, 2))
    method = cls(critic=kind, **QUICK)
    first, second = method.estimate(x, y, 3), method.estimate(x_other, y_other, 3)
    for name in ("steps", "best_step", "validation_loss", "gap"):
        assert first.diagnostics[name] == second.diagnostics[name]
    assert first.diagnostics["best_step"] > 0
    assert first.value != pytest.approx(second.value, abs=0.01)
    (*_, one), (*_, two) = watched[1]
    assert np.array_equal(np.hstack(one(x, y)), np.hstack(two(x, y)))


@pytest.mark.parametrize("kind", CRITICS)
@pytest.mark.parametrize(("factor", "shift"), [(1e3, 5), (-1e-3, -1), (2.0**1000, 0), (2.0**-900, 0)])
def test_location_and_scale_do_not_matter(factor, shift, kind):
    (x,), (y,) = sample("gaussian(d=2, mi=1)", 200, [2])
    method = MINE(critic=kind, **QUICK)
    if factor < 0:
        assert math.isfinite(method.estimate(factor * x + shift, y, 0).value)  # axes may change their signs
    else:
        plain = method.estimate(x, y, 0).value
        assert method.estimate(factor * x + shift, y, 0).value == pytest.approx(plain, abs=1e-3)


def latent(n, x_shape, seed=0):
    """A latent number as y, and as the contrast of a pattern in rows x of this shape."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n)
    pattern = np.sin(1 + np.arange(math.prod(x_shape))).reshape(x_shape)
    x = z.reshape(n, *[1] * len(x_shape)) * pattern + 0.3 * rng.normal(size=(n, *x_shape))
    return x, z + 0.3 * rng.normal(size=n)


@pytest.mark.parametrize("kind", CRITICS)
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (16, 16), (1, 16, 16), (3, 8, 9)])
def test_rows_of_any_shape(shape, kind):
    x, y = latent(300, shape)
    rate = 0.01 if kind == "joint" or 16 in shape or 8 in shape else 0.1
    steps = 300 if kind == "separable" else 100  # of a fifth of the rate
    method = InfoNCE(critic=kind, hidden=8, negatives=4, batch=50, max_steps=steps, learning_rate=rate)
    name = str(method).replace("InfoNCE", "infonce")
    found = mibench.estimator(name).estimate(x, y, seed=1, device="cpu")
    turned = mibench.estimator(name).estimate(y, x, seed=1, device="cpu")
    assert min(found.value, turned.value) > 0.3
    assert max(found.value, turned.value) < 2
    assert found.diagnostics["product_pairs"] == 150 * 149


@pytest.mark.parametrize("kind", CRITICS)
def test_what_is_no_image_is_a_vector(kind):
    x, y = latent(200, (2, 6))
    y = y[:, None]
    method = DV(critic=kind, **QUICK)
    flat = method.estimate(x.reshape(200, 12), y, 0).value
    assert method.estimate(x, y, 0).value == flat
    assert method.estimate(x.reshape(200, 12, 1), y, 0).value == flat


@pytest.mark.parametrize("kind", CRITICS)
def test_images_are_seen_as_such_unless_flattened(kind):
    x, y = latent(200, (16, 16))
    y = y[:, None]
    grey, channel, flat = x, x[:, None], x.reshape(200, 256)
    method, flattening = (DV(critic=kind, flatten=flatten, **QUICK) for flatten in (False, True))
    seen = method.estimate(grey, y, 0).value
    assert method.estimate(channel, y, 0).value == seen
    assert flattening.estimate(grey, y, 0).value == method.estimate(flat, y, 0).value
    assert (seen == flattening.estimate(grey, y, 0).value) == (kind == "bilinear")


@each_variant
def test_fewer_rows_than_a_batch(cls):
    (x,), (y,) = sample("gaussian(d=1, mi=2)", 60, [0])
    for batch, negatives in ((256, 1), (2, 15), (24, 100)):
        found = cls(batch=batch, negatives=negatives, hidden=8, max_steps=40, check_every=20).estimate(x, y, 0)
        assert -3 < found.value < 3
        assert found.diagnostics["product_pairs"] == 30 * 29


def test_a_batch_has_no_more_negatives_than_other_rows():
    (x,), (y,) = sample("gaussian(d=1, mi=2)", 60, [0])
    most, more = (
        InfoNCE(batch=4, negatives=negatives, hidden=8, max_steps=40, check_every=20).estimate(x, y, 0)
        for negatives in (3, 9)
    )
    assert (most.value, most.std_error, most.diagnostics) == (more.value, more.std_error, more.diagnostics)


@pytest.mark.parametrize("folds", [1, 2, 5])
def test_as_few_rows_as_have_a_product_pair_in_each_part(folds):
    method = MINE(folds=folds, max_steps=20, check_every=10)
    taken = [n for n in range(2, 60) if not method.unsupported(n, (1,), (1,))]
    least = {1: 16, 2: 16, 5: 10}[folds]
    assert taken == list(range(least, 60))
    (x,), (y,) = sample("gaussian(d=1, mi=1)", least, [0])
    assert math.isfinite(method.estimate(x, y, 0).value)
    name = f"mine(folds={folds})"
    with pytest.raises(MibenchError, match=f"n={least - 1} leaves fewer than 2 pairs"):
        mibench.estimator(name).estimate(x[1:], y[1:])


@pytest.mark.parametrize("cls", [MINE, NWJ, InfoNCE, FLO])
def test_ties(cls):
    x, y = (np.round(side) for side in sample("gaussian(d=1, mi=1)", 2000, range(2)))
    big = [np.round(side[0, :, 0]).astype(int) for side in sample("gaussian(d=1, mi=1)", 200_000, [9])]
    table = np.histogram2d(*big, bins=np.arange(-6.5, 7))[0] / 200_000
    product = table.sum(axis=1, keepdims=True) * table.sum(axis=0)
    truth = (table[table > 0] * np.log(table[table > 0] / product[table > 0])).sum()
    found = values(cls(**FAST).estimate_batch(x, y, range(2), "cpu"))
    assert np.mean(found) == pytest.approx(truth, abs=0.06)


@each_variant
def test_constants_carry_no_information(cls):
    (x,), (y,) = sample("gaussian(d=2, mi=1)", 200, [0])
    flat, method = np.full_like(x, 7e5), cls(**QUICK)
    for left, right in ((flat, y), (x, flat), (flat, flat)):
        found = method.estimate(left, right, 0)
        assert found.value == pytest.approx(0, abs=0.01)
        assert found.std_error < 0.01


@pytest.mark.parametrize("kind", CRITICS)
def test_a_constant_column_changes_little(kind):
    (x,), (y,) = sample("gaussian(d=2, mi=1)", 1000, [0])
    wide = np.hstack([x, np.full((1000, 1), -3.0)])
    method = MINE(critic=kind, learning_rate=5e-3 if kind == "joint" else 0.02, **FAST)
    assert method.estimate(wide, y, 0).value == pytest.approx(method.estimate(x, y, 0).value, abs=0.08)


@each_variant
def test_nan_is_a_data_error(cls):
    (x,), (y,) = sample("gaussian(d=2, mi=1)", 100, [0])
    y[17, 1] = math.nan
    with pytest.raises(DataError, match=r"y holds NaN or infinity in 1 of 100 rows, first in row 17"):
        mibench.estimator(cls.__name__.lower()).estimate(x, y)


@pytest.mark.parametrize("found", [[math.inf], [math.nan], [12.0], [-12.0], [1.0, math.nan], [math.nan, 1.0], [1, 9.3]])
def test_a_diverged_critic_is_a_failure_with_its_reason(found, monkeypatch):
    def read(self, critic, sample, pairs):
        return Reading(torch.tensor(found), torch.ones(len(found), sample.x.shape[1]), 10_000)

    monkeypatch.setattr(MINE, "read", read)
    monkeypatch.setattr(MINE, "validation_loss", lambda *_: torch.zeros(len(found)))
    (x,), (y,) = sample("gaussian(d=2, mi=1)", 100, [0])
    answer = MINE(folds=len(found), **QUICK).estimate(x, y, 0)
    assert math.isnan(answer.value)
    assert answer.std_error is None
    assert "10000 product pairs" in answer.message
    assert answer.diagnostics["steps"] == 40
    json.dumps(dict(answer.diagnostics))


def test_a_value_that_its_pairs_can_show_is_believed(monkeypatch):
    monkeypatch.setattr(MINE, "read", lambda *_: Reading(torch.tensor([9.2]), torch.ones(1, 5), 10_000))
    monkeypatch.setattr(MINE, "validation_loss", lambda *_: torch.zeros(1))
    (x,), (y,) = sample("gaussian(d=2, mi=1)", 100, [0])
    answer = MINE(**QUICK).estimate(x, y, 0)
    assert (answer.value, answer.message) == (pytest.approx(9.2), "")


@each_variant
def test_training_that_diverges_leaves_the_critic_where_it_began(cls):
    (x,), (y,) = sample("gaussian(d=2, mi=1)", 100, [0])
    found = cls(learning_rate=1e30, **QUICK).estimate(x, y, 0)
    assert found.diagnostics["best_step"] == 0
    assert found.value == 0 or cls is Nishiyama
    assert math.isfinite(found.value)


@pytest.mark.parametrize(
    "bad",
    [{name: 0} for name in ("hidden", "layers", "pairs", "folds", "max_steps", "check_every", "patience", "negatives")]
    + [{"batch": 1}]
    + [{name: value} for name in ("learning_rate", "held_out", "evaluation") for value in (0.0, -0.1, math.nan)]
    + [{name: 1.0} for name in ("held_out", "evaluation", "averaging")]
    + [{name: value} for name in ("averaging", "tolerance") for value in (-0.1, math.nan)],
)
def test_limits_are_stated(bad):
    (name,) = bad
    for cls in VARIANTS:
        with pytest.raises(SpecError, match=f"^{name} must be"):
            cls(**bad)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("mine(rate=0.0)", "rate must be above 0"),
        ("mine(rate=1.5)", "rate must be at most 1"),
        ("smile(tau=0)", "tau must be above 0"),
        ("js(value='js')", "value must be 'dv' or 'nwj'"),
        ("smile(value='dv')", "smile has no argument 'value'"),
        ("flo(critic='separable')", "critic must be 'joint'"),
        ("nwj(critic='concat')", "critic must be 'joint' or 'separable' or 'bilinear'"),
        ("infonce(hidden=1.5)", "hidden must be an integer"),
    ],
)
def test_limits_of_one_method_are_stated(spec, words):
    with pytest.raises(SpecError, match=words):
        mibench.estimator(spec)
