"""DoE and NJEE with exact densities, as estimators, and the codes of the latter."""

import math

import numpy as np
import pytest
import torch
from given_critics import largest_gradients

import mibench
from mibench.errors import MibenchError, SpecError
from mibench.estimators.bound_values import Pairs, scores
from mibench.estimators.doe import DoE
from mibench.estimators.njee import NJEE, Codes, codes_of, edges_of
from mibench.estimators.stack import torch_generators

FAST = {"hidden": 16, "batch": 128, "max_steps": 200}
QUICK = {"hidden": 8, "batch": 50, "max_steps": 40, "check_every": 20}

each = pytest.mark.parametrize("cls", [DoE, NJEE])


class Densities:
    """Given ln p(y | x) and ln p(y) of a Gaussian pair of one coordinate."""

    def __init__(self, mi):
        self.rho, self.variance = math.sqrt(-math.expm1(-2 * mi)), math.exp(-2 * mi)

    def embed(self, x, y):
        return x, y

    def __call__(self, left, right):
        x, y = left[..., 0], right[..., 0]
        given_x = -((y - self.rho * x) ** 2) / (2 * self.variance) - math.log(self.variance) / 2
        return torch.stack([given_x, -(y**2) / 2], dim=-1)


def sample(spec, n, seeds):
    draws = [mibench.task(spec).sample(n, seed=seed) for seed in seeds]
    return tuple(np.stack(side) for side in zip(*draws, strict=True))


def values(estimates):
    return [estimate.value for estimate in estimates]


def mean_value(method, spec, n, replicates=3):
    x, y = sample(spec, n, range(replicates))
    return np.mean(values(method.estimate_batch(x, y, range(replicates), "cpu")))


@pytest.mark.parametrize("mi", [0.0, 0.7, 5.0])
def test_exact_densities_give_the_mean_of_the_true_pointwise_mi(mi):
    task = mibench.task(f"gaussian(d=1, mi={mi})")
    draws = [task.draw(700, seed=seed) for seed in range(300)]
    pairs = Pairs(*(torch.as_tensor(np.stack([draw[side] for draw in draws])) for side in (0, 1)))
    found = DoE().read(Densities(mi), pairs, 1)
    oracle = [draw.pointwise_mi.mean() for draw in draws]
    assert found.value.tolist() == pytest.approx(oracle, abs=1e-6)
    assert found.pairs == 0
    if mi:
        assert 0.8 < float(found.std_error.square().mean().sqrt()) / np.std(oracle, ddof=1) < 1.25
        expected = torch.as_tensor(draws[3].pointwise_mi - oracle[3])
        assert torch.allclose(found.influence[3], expected, atol=1e-6)


@pytest.mark.parametrize(("cls", "below"), [(DoE, 0.05), (NJEE, 0.1)])
def test_a_gaussian(cls, below):
    assert 0.7 - below < mean_value(cls(**FAST), "gaussian(d=1, mi=0.7)", 3000) < 0.73


@pytest.mark.parametrize("head", ["gaussian", "logistic"])
def test_strong_dependence_costs_no_pairs(head):
    assert mean_value(DoE(head=head, **FAST), "gaussian(d=1, mi=8)", 1000) == pytest.approx(8, abs=0.1)


@each
def test_nothing_is_found_where_there_is_nothing(cls):
    assert abs(mean_value(cls(**FAST), "independent(gaussian(d=2, mi=1))", 1000)) < 0.03


def test_one_component_cannot_tell_a_bimodal_law_from_dependence():
    """r alone is wrong where x says which mode y is in: more than the ln 2 that x says."""
    rng = np.random.default_rng(0)
    side = rng.choice([-1.0, 1.0], size=(2000, 1))
    y = side + 0.2 * rng.normal(size=side.shape)
    found = {c: DoE(components=c, **FAST).estimate(side, y, 0).value for c in (1, 4)}
    truth = math.log(2)  # the modes are 10 standard deviations apart
    assert found[1] == pytest.approx(math.log(1 + 25) / 2, abs=0.1)
    assert found[4] == pytest.approx(truth, abs=0.06)
    assert found[1] > truth + 0.5


@each
def test_a_coordinate_is_seen_given_those_before(cls):
    """Either coordinate of y says nothing of x; both together say all: Y₂ = Y₁ · X but for noise."""
    rng = np.random.default_rng(1)
    x, first = rng.choice([-1.0, 1.0], size=(2, 2000, 1))
    y = np.hstack([first, x * first]) + 0.2 * rng.normal(size=(2000, 2))
    assert cls(**{**FAST, "max_steps": 500}).estimate(x, y, 0).value > 0.55
    assert cls(**FAST).estimate(x, y[:, 1:], 0).value == pytest.approx(0, abs=0.03)


@each
def test_a_replicate_does_not_depend_on_its_stack(cls):
    x, y = sample("gaussian(d=2, mi=1)", 200, range(3))
    method = cls(**QUICK, **({"bins": 4} if cls is NJEE else {}))
    alone = [method.estimate(x[r], y[r], 5 + r) for r in range(3)]
    assert values(method.estimate_batch(x, y, [5, 6, 7], "cpu")) == pytest.approx(values(alone), abs=2e-3)
    assert method.estimate(x[0], y[0], 5) == alone[0]
    assert len(set(values(alone))) == 3


@each
def test_every_weight_learns(cls):
    method = cls(hidden=6)
    critic = method.make_critic((3 + 2 * (cls is DoE),), (5 if cls is DoE else 6,), torch_generators([1, 2]))
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 60, 3 + 2 * (cls is DoE), generator=generator)
    seen = torch.randint(5, (2, 60, 2), generator=generator).float()
    y = torch.cat([seen, seen, torch.zeros(2, 60, 1) if cls is DoE else torch.full_like(seen, 5)], dim=-1)

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
        assert cls(**QUICK).estimate(left, right, 0).value == pytest.approx(0, abs=0.05)
    if cls is NJEE:
        assert cls(**QUICK).estimate(x, flat, 0).value == 0


@each
def test_pointwise_value_is_what_was_learnt(cls):
    task = mibench.task("gaussian(d=1, mi=0.7)")
    x, y = task.sample(3000, seed=1)
    found = cls(**FAST).estimate(x, y, 2, return_critic=True)
    draw = task.draw(1000, seed=5)
    ours = found.critic(draw.x, draw.y)
    assert np.corrcoef(ours, draw.pointwise_mi)[0, 1] > 0.93
    assert np.abs(ours - draw.pointwise_mi).mean() < (0.06 if cls is DoE else 0.25)


@each
def test_images_may_be_given_but_not_coded(cls):
    rng = np.random.default_rng(0)
    y = rng.normal(size=(1000, 1))
    image = rng.normal(size=(1000, 8, 8)) + y[..., None] / 4  # ½ ln(1 + 64/16) = 0.8 nats
    assert 0.45 < cls(**FAST).estimate(image, y, 0).value < 0.95
    with pytest.raises(MibenchError, match="y has 144 coordinates, and a chain takes 128 at most"):
        mibench.estimator(cls.__name__.lower()).estimate(y, np.zeros((1000, 12, 12)))


def test_labels_that_have_no_density():
    found = DoE(**FAST).estimate(*mibench.task("noisy_labels(d=1, mi=1)").sample(2000, seed=0), 0)
    assert 0.6 < found.value < 1.2


@pytest.mark.parametrize(
    "spec",
    ["binary_symmetric(d=2, mi=0.6)", "noisy_labels(d=1, levels=4, mi=0.5)", "independent(quantized(d=1, mi=1))"],
)
def test_njee_of_labels_is_exact(spec):
    task = mibench.task(spec)
    x, y = sample(spec, 3000, range(2))
    found = NJEE(**{**FAST, "max_steps": 400}).estimate_batch(x, y, range(2), "cpu")
    scatter = math.hypot(*(one.std_error for one in found)) / 2
    assert np.mean(values(found)) == pytest.approx(task.mutual_information, abs=3 * scatter + 0.02)


def test_njee_only_sees_the_order_of_y():
    (x,), (y,) = sample("gaussian(d=2, mi=1)", 600, [0])
    method = NJEE(**QUICK)
    assert method.estimate(x, np.exp(5 * y), 0).value == method.estimate(x, y, 0).value
    assert method.estimate(x, 2.0**900 * y, 0).value == method.estimate(x, y, 0).value


@pytest.mark.parametrize("bins", [2, 8])
def test_njee_cannot_exceed_the_entropy_of_its_codes(bins):
    found = mean_value(NJEE(bins=bins, **{**FAST, "max_steps": 400}), "gaussian(d=1, mi=5)", 2000, 1)
    assert 0.9 * math.log(bins) < found < math.log(bins) + 0.02


@pytest.mark.parametrize("bins", [2, 7, 32])
def test_codes_have_equal_shares_of_the_rows(bins):
    column = np.random.default_rng(0).normal(size=1000)
    edges = edges_of(column, bins, bins)
    counts = np.bincount(codes_of(column[:, None], [edges])[:, 0].astype(int), minlength=bins)
    assert len(edges) == bins - 1
    assert counts.max() - counts.min() <= 1


def test_codes_of_few_values_are_these_values():
    column = np.array([3.0, -1, 3, 7, 7, 7, 100])
    codes = codes_of(column[:, None], [edges_of(column, 4, 2)])
    assert codes[:, 0].tolist() == [1, 0, 1, 2, 2, 2, 3]
    assert len(edges_of(np.zeros(5), 4, 4)) == 0
    assert codes_of(np.array([[-5.0], [1e9]]), [edges_of(column, 4, 2)])[:, 0].tolist() == [0, 3]


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
def test_a_frequent_value_is_not_cut_in_two_nor_lost_among_others(share):
    rng = np.random.default_rng(0)
    column = np.where(rng.random(2000) < share, 0.5, rng.normal(size=2000))
    codes = codes_of(column[:, None], [edges_of(column, 16, 16)])[:, 0]
    assert len(set(codes[column == 0.5])) == 1
    assert len(set(codes)) <= 16
    alone = (codes == codes[column == 0.5][0]) & (column != 0.5)
    assert alone.sum() <= 2000 / 16
    assert (np.diff(codes[np.argsort(column)]) >= 0).all()


def test_rows_of_codes_are_the_codes_and_their_standardised_values():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(500, 2)), np.column_stack([rng.normal(size=500), np.ones(500)])
    _, rows = Codes.fit_rows(x, y, [False, False], 32)(x, y)  # of 50 rows each
    assert rows[:, :2].mean(axis=0) == pytest.approx([0, 0], abs=1e-12)
    assert rows[:, :2].std(axis=0) == pytest.approx([1, 0])
    assert set(rows[:, 2]) == set(range(10))
    assert set(rows[:, 3]) == {0}
    assert rows[0, 4:].tolist() == [10, 1]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("doe(critic='bilinear')", "critic must be 'joint'"),
        ("doe(negatives=3)", "negatives must be 0"),
        ("doe(pairs=5)", "pairs must be 1000000"),
        ("doe(head='cauchy')", "head must be 'gaussian' or 'logistic'"),
        ("doe(components=0)", "components must be at least 1"),
        ("njee(bins=1)", "bins must be at least 2"),
        ("njee(pairs=5)", "pairs must be 1000000"),
    ],
)
def test_limits_are_stated(spec, words):
    with pytest.raises(SpecError, match=words):
        mibench.estimator(spec)


def test_neither_is_a_bound():
    assert DoE.bound == NJEE.bound == ""
