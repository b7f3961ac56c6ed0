"""CLUB and L1Out against closed forms with the exact conditional, against their definitions, and as estimators."""

import math

import numpy as np
import pytest
import torch
from given_critics import Given, largest_gradients

import mibench
from mibench.errors import SpecError
from mibench.estimators.bound_values import Pairs, Reading, against_others, scores
from mibench.estimators.club import CLUB, L1Out
from mibench.estimators.likelihood import untied
from mibench.estimators.stack import torch_generators

ALL = 10**7
FAST = {"hidden": 16, "batch": 128, "max_steps": 200, "pairs": 200_000}
QUICK = {"hidden": 8, "batch": 50, "max_steps": 40, "check_every": 20, "pairs": 20_000}

each = pytest.mark.parametrize("cls", [CLUB, L1Out])


def table(matrix):
    """Scores T(i, j) = matrix[i, j] of rows that are their own numbers, as a critic and its rows."""
    numbers = torch.arange(float(len(matrix)))[None, :, None]
    found = torch.as_tensor(matrix)
    return Given(lambda x, y: found[x.long(), y.long()]), Pairs(numbers, numbers)


def random_matrix(rows, seed=0, scale=0.6):
    rng = np.random.default_rng(seed)
    effects = sum(scale * rng.normal(size=size) for size in ((rows, 1), (1, rows), (rows, rows)))
    return effects + 0.7 * np.eye(rows)


def gaussian_conditional(mi, slope=1.0):
    """ln p(y | x) of a Gaussian pair, but for a constant; with a `slope` other than 1, a poor one."""
    r2 = -math.expm1(-2 * mi)
    return Given(lambda x, y: -((y - slope * math.sqrt(r2) * x) ** 2) / (2 * (1 - r2)))


def gaussian(mi, replicates, rows, seed=0):
    rng = np.random.default_rng(seed)
    x, noise = rng.normal(size=(2, replicates, rows, 1))
    y = math.sqrt(-math.expm1(-2 * mi)) * x + math.exp(-mi) * noise
    return Pairs(torch.as_tensor(x), torch.as_tensor(y))


def sample(spec, n, seeds):
    draws = [mibench.task(spec).sample(n, seed=seed) for seed in seeds]
    return tuple(np.stack(side) for side in zip(*draws, strict=True))


def values(estimates):
    return [estimate.value for estimate in estimates]


def defined(cls, matrix, count):
    """The bound of scores T(x_i, y_j), with the `count` rows that follow each as the mismatched ones."""
    n = len(matrix)
    own = np.diag(matrix)
    if cls is CLUB:
        return (own - np.mean([[matrix[i, (i + k) % n] for k in range(1, count + 1)] for i in range(n)], axis=1)).mean()
    others = np.array([[matrix[(i + k) % n, i] for k in range(1, count + 1)] for i in range(n)])
    return (own - np.log(np.exp(others).mean(axis=1))).mean()


@each
@pytest.mark.parametrize(("wanted", "count"), [(1, 1), (120, 4), (ALL, 30)])
def test_value_is_that_of_the_definition(cls, wanted, count):
    matrix = random_matrix(31)
    found = cls().read(*table(matrix), wanted)
    assert float(found.value) == pytest.approx(defined(cls, matrix, count), abs=1e-9)
    assert found.pairs == 31 * count


@pytest.mark.parametrize("mi", [0.2, 0.7, 1.5])
def test_club_of_the_true_conditional_is_its_closed_form(mi):
    r2 = -math.expm1(-2 * mi)
    found = CLUB().read(gaussian_conditional(mi), gaussian(mi, 40, 1500), 100_000).value
    error = float(found.std()) / math.sqrt(40)
    assert float(found.mean()) == pytest.approx(r2 / (1 - r2), abs=3 * error)
    assert error < 0.03 * r2 / (1 - r2)
    assert r2 / (1 - r2) > mi


@pytest.mark.parametrize("mi", [0.2, 0.7, 1.5])
def test_l1out_of_the_true_conditional_tends_to_the_mi(mi):
    found = L1Out().read(gaussian_conditional(mi), gaussian(mi, 40, 1000), ALL).value
    error = float(found.std()) / math.sqrt(40)
    assert float(found.mean()) == pytest.approx(mi, abs=3 * error + 0.005)
    assert error < 0.01


def test_l1out_falls_from_club_to_the_mi_as_it_takes_more_x():
    pairs = gaussian(0.7, 20, 2000)
    found = [L1Out().read(gaussian_conditional(0.7), pairs, 2000 * count).value for count in (1, 2, 8, 100)]
    club = CLUB().read(gaussian_conditional(0.7), pairs, 2000)
    turned = Pairs(*(side.flip(1) for side in pairs))  # so that the next row is the one before
    assert torch.allclose(CLUB().read(gaussian_conditional(0.7), turned, 2000).value, found[0])
    assert float(club.value.mean()) == pytest.approx(float(found[0].mean()), abs=0.05)
    means = [float(value.mean()) for value in found]
    assert means == sorted(means, reverse=True)
    assert means[-1] > 0.7 - 3 * float(found[-1].std()) / math.sqrt(20)


@pytest.mark.parametrize("slope", [-1.0, 0.3, 1.6])
def test_a_wrong_density_is_no_upper_bound(slope):
    poor, pairs = gaussian_conditional(0.5, slope), gaussian(0.5, 10, 800)
    r2 = -math.expm1(-1.0)
    assert float(L1Out().read(poor, pairs, ALL).value.mean()) < 0.5 - 0.02
    # E_P − E_Q of −(y − a x)² / 2(1 − ρ²) is 2 a ρ / 2(1 − ρ²), whatever the law beside its covariance.
    club = CLUB().read(poor, pairs, ALL).value
    assert float(club.mean()) == pytest.approx(slope * r2 / (1 - r2), abs=0.15 * abs(slope) * r2 / (1 - r2))


@each
def test_standard_error_is_that_of_the_jackknife(cls):
    matrix = random_matrix(200, seed=3, scale=0.5)

    def bound(rows):
        return defined(cls, matrix[np.ix_(rows, rows)], len(rows) - 1)

    without = np.array([bound(np.delete(np.arange(200), i)) for i in range(0, 200, 5)])
    jackknife = 199 * (bound(np.arange(200)) - without)
    found = cls().read(*table(matrix), ALL)
    influence = found.influence[0, ::5].numpy()
    assert np.corrcoef(influence, jackknife)[0, 1] > 0.99
    assert influence.std() == pytest.approx(jackknife.std(), rel=0.03)


@each
@pytest.mark.parametrize("wanted", [3000, ALL])
@pytest.mark.parametrize("mi", [0.3, 1.0])
def test_standard_error_is_the_scatter_over_draws(cls, wanted, mi):
    found = cls().read(gaussian_conditional(mi), gaussian(mi, 300, 150), wanted)
    typical = float(found.std_error.square().mean().sqrt())
    assert 0.8 < typical / float(found.value.std()) < 1.25


def test_mixture_is_over_the_x_of_reference_rows(monkeypatch):
    matrix = random_matrix(31)
    critic, rows = table(matrix)
    expected = np.diag(matrix) - np.log(np.exp(matrix).mean(axis=0))
    for block in (40, 10**6):
        monkeypatch.setattr("mibench.estimators.bound_values._BLOCK", block)
        assert against_others(critic, *rows, rows, ALL, over_x=True)[0].numpy() == pytest.approx(expected, abs=1e-9)
        some = against_others(critic, rows.x[:, :3], rows.y[:, :3], rows, ALL, over_x=True)
        assert some[0].numpy() == pytest.approx(expected[:3], abs=1e-9)  # however few are asked for
    few = [against_others(critic, rows.x[:, :k], rows.y[:, :k], rows, 100, over_x=True)[0, 0] for k in (1, 31)]
    assert few[0] == few[1]


def test_pointwise_value_is_what_was_learnt():
    task = mibench.task("gaussian(d=1, mi=0.7)")
    x, y = task.sample(2000, seed=1)
    found = L1Out(**FAST).estimate(x, y, 2, return_critic=True)
    draw = task.draw(1000, seed=5)
    ours = found.critic(draw.x, draw.y)
    assert np.corrcoef(ours, draw.pointwise_mi)[0, 1] > 0.98
    assert np.abs(ours - draw.pointwise_mi).mean() < 0.1


@each
def test_a_gaussian(cls):
    x, y = sample("gaussian(d=1, mi=0.7)", 3000, range(4))
    found = cls(**FAST).estimate_batch(x, y, range(4), "cpu")
    expected = math.expm1(1.4) if cls is CLUB else 0.7
    assert np.mean(values(found)) == pytest.approx(expected, abs=0.3 if cls is CLUB else 0.04)
    assert all(one.diagnostics["converged"] in (True, False) for one in found)


@each
def test_nothing_is_found_where_there_is_nothing(cls):
    x, y = sample("independent(gaussian(d=2, mi=1))", 1000, range(3))
    assert abs(np.mean(values(cls(**FAST).estimate_batch(x, y, range(3), "cpu")))) < 0.03


@each
def test_what_is_not_linear_is_learnt(cls):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3000, 1))
    y = np.sin(2 * x) + 0.3 * rng.normal(size=x.shape)
    found = values(cls(**{**FAST, "max_steps": 600}).estimate_batch(x, y, range(2), "cpu"))
    reach = np.var(np.sin(2 * x)) / 0.09  # what club tends to: E_Q − E_P of (y − μ(x))² / 2σ²
    assert np.mean(found) == pytest.approx(reach, rel=0.15) if cls is CLUB else 0.8 < np.mean(found) < 1.3


@each
def test_a_replicate_does_not_depend_on_its_stack(cls):
    x, y = sample("gaussian(d=2, mi=1)", 200, range(3))
    method = cls(**QUICK)
    alone = [method.estimate(x[r], y[r], 5 + r) for r in range(3)]
    assert values(method.estimate_batch(x, y, [5, 6, 7], "cpu")) == pytest.approx(values(alone), abs=2e-3)
    assert method.estimate(x[0], y[0], 5) == alone[0]
    assert len(set(values(alone))) == 3


def test_every_weight_learns():
    method = CLUB(hidden=6)
    critic = method.make_critic((3 + 2,), (5,), torch_generators([1, 2]))
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(2, 60, 5, generator=generator) for _ in range(2))

    def loss():
        found = scores(critic, *critic.embed(x, y), 0)
        return method.loss(found[:, :, 0], found[:, :, 1:], None)[0]

    for name, largest in largest_gradients(critic, loss).items():
        assert (largest > 1e-4).all(), name


@each
def test_constants_carry_no_information(cls):
    (x,), (y,) = sample("gaussian(d=2, mi=1)", 400, [0])
    flat = np.full_like(x, 7e5)
    for left, right in ((flat, y), (x, flat), (flat, flat)):
        assert cls(**QUICK).estimate(left, right, 0).value == pytest.approx(0, abs=0.03)


@each
def test_location_and_scale_do_not_matter(cls):
    (x,), (y,) = sample("gaussian(d=2, mi=1)", 300, [2])
    y[:, 1] = np.round(y[:, 1])
    method = cls(**QUICK)
    for factor, shift in ((-1e3, 5.0), (2.0**1000, 0.0), (2.0**-900, 0.0)):
        moved = method.estimate(x / factor, factor * y + shift, 0).value
        assert abs(moved) == pytest.approx(abs(method.estimate(x, abs(factor) / factor * y, 0).value), abs=0.02)


def test_labels_have_a_density_once_they_are_untied():
    (x,), (y,) = sample("noisy_labels(d=2, mi=1)", 500, [0])
    noisy = untied(y, 3)
    assert np.array_equal(np.round(noisy), y)
    assert len(np.unique(noisy)) == 1000
    assert np.array_equal(untied(y, 3), noisy)
    assert not np.array_equal(untied(y, 4), noisy)
    assert np.array_equal(untied(x + np.arange(500)[:, None] / 1e3, 3), x + np.arange(500)[:, None] / 1e3)
    found = L1Out(**FAST).estimate(x, y, 0)
    assert 0 < found.value < 1.2


def test_images():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(1000, 1))
    image = rng.normal(size=(1000, 8, 8)) + y[..., None] / 4  # ½ ln(1 + 64/16) = 0.8 nats
    assert 0.5 < L1Out(**FAST).estimate(image, y, 0).value < 0.95
    assert 0.5 < L1Out(**FAST).estimate(y, image, 0).value < 0.95
    assert math.isfinite(CLUB(**QUICK).estimate(image, image, 0).value)


@each
@pytest.mark.parametrize(("found", "believed"), [(1e9, True), (-1e9, True), (math.inf, False), (math.nan, False)])
def test_only_what_is_no_number_is_a_failure(cls, found, believed, monkeypatch):
    monkeypatch.setattr(cls, "read", lambda *_: Reading(torch.tensor([found]), torch.ones(1, 5), 100))
    (x,), (y,) = sample("gaussian(d=1, mi=1)", 100, [0])
    answer = cls(**QUICK).estimate(x, y, 0)
    assert (answer.value == found) is believed
    assert bool(answer.message) is not believed


@each
@pytest.mark.parametrize("bad", [{"critic": "separable"}, {"critic": "bilinear"}, {"negatives": 1}, {"negatives": -1}])
def test_what_has_no_use_cannot_be_set(cls, bad):
    with pytest.raises(SpecError, match=f"^{next(iter(bad))} must be"):
        cls(**bad)


def test_bounds_are_stated():
    assert CLUB.bound == L1Out.bound == "upper"
    assert "fewer than 2" in CLUB().unsupported(4, (1,), (1,))
    assert CLUB().unsupported(200, (16, 16), (16, 16)) == ""
