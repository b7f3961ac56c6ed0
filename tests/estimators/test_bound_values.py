"""Bounds read off given critics, against their definitions, their closed forms, and the jackknife."""

import math

import numpy as np
import pytest
import torch
from given_critics import Given
from scipy.integrate import quad

from mibench.estimators.bound_values import Pairs, against_others, embed, log_mean_exp, read_rows, scores, shifts
from mibench.estimators.flo import FLO
from mibench.estimators.infonce import InfoNCE
from mibench.estimators.jensen_shannon import JS, SMILE
from mibench.estimators.mine import DV, MINE
from mibench.estimators.nishiyama import Nishiyama, least_divergence
from mibench.estimators.nwj import NWJ, TUBA

ALL = 10**7
METHODS = {
    "mine": MINE(),
    "dv": DV(),
    "nwj": NWJ(),
    "tuba": TUBA(),
    "infonce": InfoNCE(),
    "js": JS(),
    "js_nwj": JS(value="nwj"),
    "smile": SMILE(tau=0.7),
    "nishiyama": Nishiyama(),
    "flo": FLO(),
}
DETERMINED = [name for name in METHODS if name not in ("smile", "nishiyama")]  # equal to the MI at their best critic


class Table:
    """A critic of given scores T(i, j) = matrix[r, i, j], of rows that are their own numbers."""

    def __init__(self, matrix):
        self.matrix = torch.as_tensor(matrix)
        numbers = torch.arange(self.matrix.shape[1], dtype=torch.float32)[None, :, None]
        self.rows = Pairs(*[numbers.expand(len(self.matrix), -1, 1)] * 2)

    def embed(self, x, y):
        return x, y

    def __call__(self, left, right):
        member = torch.arange(len(self.matrix)).view(-1, *[1] * (left.ndim - 2))
        return self.matrix[member, left[..., 0].long(), right[..., 0].long()]


def log_ratio(mi):
    """The log density ratio of a Gaussian pair: the critic that attains the bounds."""
    r2 = -math.expm1(-2 * mi)

    def function(x, y):
        return (2 * math.sqrt(r2) * x * y - r2 * (x * x + y * y)) / (2 * (1 - r2)) + mi

    return function


def exact(name, mi):
    """The best critic; `flo` has two outputs, and leaves T any function of x."""
    ratio = log_ratio(mi)
    if name != "flo":
        return Given(ratio)
    return Given(lambda x, y: torch.stack([ratio(x, y) + torch.sin(3 * x), -ratio(x, y)], dim=-1))


def gaussian(mi, replicates, rows, seed=0):
    rng = np.random.default_rng(seed)
    x, noise = rng.normal(size=(2, replicates, rows, 1))
    y = math.sqrt(-math.expm1(-2 * mi)) * x + math.exp(-mi) * noise
    return Pairs(torch.as_tensor(x), torch.as_tensor(y))


def plane(mi):
    """A grid of both coordinates, with the weights of its points under the product and the joint law."""
    axis = np.linspace(-8.5, 8.5, 2001)
    x, y = np.meshgrid(axis, axis, indexing="ij")
    log_product = -(x * x + y * y) / 2 - math.log(2 * math.pi) + 2 * math.log(axis[1] - axis[0])
    ratio = log_ratio(mi)(x, y)
    return ratio, np.exp(log_product), np.exp(log_product + ratio)


def nishiyama(mean_p, variance_p, mean_q, variance_q):
    """The bound as an integral over the mixtures of both laws: the Hammersley–Chapman–Robbins bound of each."""
    square = (mean_p - mean_q) ** 2

    def integrand(share):
        variance = share * variance_p + (1 - share) * variance_q + share * (1 - share) * square
        return (1 - share) * square / variance

    return quad(integrand, 0, 1, epsabs=1e-12)[0]


def defined(name, matched, product):
    """The bound of scores matched (n, ...) and product (n, K, ...), by its definition."""
    if name in ("mine", "dv", "js"):
        return matched.mean() - np.log(np.exp(product).mean())
    if name in ("nwj", "tuba", "js_nwj"):
        return 1 + matched.mean() - np.exp(product).mean()
    if name == "smile":
        return matched.mean() - np.log(np.clip(np.exp(product), math.exp(-0.7), math.exp(0.7)).mean())
    if name == "nishiyama":
        return nishiyama(matched.mean(), matched.var(), product.mean(), product.var())
    rows = []
    for own, others in zip(matched, product, strict=True):
        if name == "infonce":
            rows.append(own - np.log((np.exp(own) + np.exp(others).sum()) / (len(others) + 1)))
        else:
            mean = np.exp(others[:, 0] - own[0]).mean()
            rows.append(1 - own[1] - math.exp(-own[1]) * mean)
    return np.mean(rows)


def random_matrix(name, replicates, rows, seed=0, scale=0.8):
    """Scores with an effect of the row, of the column and of their pair, and more for matched ones."""
    rng = np.random.default_rng(seed)
    outputs = [2] if name == "flo" else []
    sizes = [(rows, 1), (1, rows), (rows, rows)]
    effects = sum(scale * rng.normal(size=(replicates, *size, *outputs)) for size in sizes)
    diagonal = np.eye(rows).reshape(rows, rows, *[1] * len(outputs))
    return effects + 0.7 * diagonal


def cyclic(matrix, count):
    """The matched scores (n, ...) and those of the `count` rows that follow each (n, count, ...)."""
    n = len(matrix)
    product = [[matrix[i, (i + k) % n] for k in range(1, count + 1)] for i in range(n)]
    return matrix[np.arange(n), np.arange(n)], np.array(product)


@pytest.mark.parametrize("block", [4, 60, 10**6])
@pytest.mark.parametrize(("wanted", "count"), [(1, 1), (31, 1), (32, 2), (120, 4), (ALL, 30)])
@pytest.mark.parametrize("name", METHODS)
def test_value_is_that_of_the_definition(name, wanted, count, block, monkeypatch):
    matrix = random_matrix(name, 2, 31)
    critic = Table(matrix)
    whole = METHODS[name].read(critic, critic.rows, wanted)
    monkeypatch.setattr("mibench.estimators.bound_values._BLOCK", block)
    monkeypatch.setattr("mibench.estimators.bound_values._EMBEDDED", block)
    found = METHODS[name].read(critic, critic.rows, wanted)
    expected = [defined(name, *cyclic(one, count)) for one in matrix]
    assert found.value.tolist() == pytest.approx(expected, abs=1e-9)
    assert found.std_error.tolist() == pytest.approx(whole.std_error.tolist(), rel=1e-9)
    assert found.pairs == 31 * count
    assert found.influence.mean(dim=1).abs().max() < 1e-12


@pytest.mark.parametrize("block", [4, 10**6])
@pytest.mark.parametrize(("wanted", "count"), [(1, 1), (120, 4), (ALL, 30)])
def test_product_pairs_of_losses_and_pointwise_values(wanted, count, block, monkeypatch):
    monkeypatch.setattr("mibench.estimators.bound_values._BLOCK", block)
    matrix = random_matrix("js", 2, 31)
    critic = Table(matrix)
    pairs = [cyclic(one, count) for one in matrix]
    cross_entropy = [np.log1p(np.exp(-own)).mean() + np.log1p(np.exp(other)).mean() for own, other in pairs]
    for name in ("js", "js_nwj", "smile"):
        found = METHODS[name].validation_loss(critic, critic.rows, wanted)
        assert found.tolist() == pytest.approx(cross_entropy, abs=1e-9)
    partition = [np.log(np.exp(other).mean()) for _, other in pairs]
    assert log_mean_exp(critic, critic.rows, wanted).tolist() == pytest.approx(partition, abs=1e-9)
    trained = scores(critic, *critic.rows, count).numpy()
    for found, (own, other) in zip(trained, pairs, strict=True):
        assert np.array_equal(found, np.hstack([own[:, None], other]))


@pytest.mark.parametrize("name", [name for name in METHODS if not name.startswith(("js", "smile"))])
def test_training_stops_on_minus_the_bound(name):
    critic = Table(random_matrix(name, 2, 31))
    bound = METHODS[name].read(critic, critic.rows, 120).value
    assert torch.equal(METHODS[name].validation_loss(critic, critic.rows, 120), -bound)


def test_each_y_may_have_its_own_product_pairs_instead():
    def terms(block):
        mean = block[:, :, 1:].mean(dim=2, keepdim=True)
        return block[:, :, 0] - 2 * mean[..., 0], (mean - block[:, :, 1:]) / block.shape[2]

    sample = gaussian(0.5, 2, 31)
    critic = Given(lambda x, y: x * torch.sin(y) + y**2)
    turned = Given(lambda y, x: x * torch.sin(y) + y**2)
    x, y = (side[1, :, 0].numpy() for side in sample)
    matrix = x * np.sin(y[:, None]) + y[:, None] ** 2
    for wanted in (1, 120, ALL):
        over_x = read_rows(critic, sample, wanted, terms, over_x=True)
        same = read_rows(turned, Pairs(sample.y, sample.x), wanted, terms)
        assert torch.allclose(over_x.influence, same.influence)
        own, product = cyclic(matrix, shifts(31, wanted))
        assert float(over_x.value[1]) == pytest.approx(own.mean() - 2 * product.mean(), abs=1e-12)


def test_rows_are_embedded_once_and_in_order(monkeypatch):
    monkeypatch.setattr("mibench.estimators.bound_values._EMBEDDED", 14)
    sample = Pairs(torch.randn(2, 31, 1), torch.randn(2, 31, 3, 1))
    seen = []

    class Wide(Given):
        def embed(self, x, y):
            seen.append(x.shape[1])
            return 2 * x, y.flatten(2) + 1

    left, right = embed(Wide(None), sample)
    assert torch.equal(left, 2 * sample.x)
    assert torch.equal(right, sample.y.flatten(2) + 1)
    assert seen == [2] * 15 + [1]


@pytest.mark.parametrize("mi", [0.3, 1.0])
@pytest.mark.parametrize("name", DETERMINED)
def test_best_critic_attains_the_mi(name, mi):
    found = METHODS[name].read(exact(name, mi), gaussian(mi, 25, 800), ALL)
    scatter = float(found.value.std())
    assert scatter < 0.06
    assert float(found.value.mean()) == pytest.approx(mi, abs=3 * scatter / 5)


@pytest.mark.parametrize("name", METHODS)
def test_no_bound_of_another_critic_exceeds_the_mi(name):
    def critic(x, y):
        poor = 0.8 * x * y - 0.4 * y**2 + 0.3 * torch.tanh(x)
        return torch.stack([poor, -0.5 * poor - 0.2], dim=-1) if name == "flo" else poor

    found = METHODS[name].read(Given(critic), gaussian(0.5, 10, 800), ALL).value.mean()
    if name == "smile":
        assert METHODS[name].bound == ""
    else:
        assert METHODS[name].bound == "lower"
        assert float(found) < 0.45


@pytest.mark.parametrize("mi", [0.3, 1.0])
def test_infonce_of_one_negative_is_its_integral(mi):
    node, weight = np.polynomial.hermite_e.hermegauss(60)
    weight = weight / weight.sum()
    x, noise, other = np.meshgrid(node, node, node, indexing="ij")
    y = math.sqrt(-math.expm1(-2 * mi)) * x + math.exp(-mi) * noise
    gain = log_ratio(mi)(x, other) - log_ratio(mi)(x, y)
    integral = math.log(2) - np.einsum("ijk,i,j,k->", np.logaddexp(0, gain), weight, weight, weight)
    found = InfoNCE().read(exact("infonce", mi), gaussian(mi, 40, 4000), 4000)
    assert found.pairs == 4000
    error = float(found.value.std()) / math.sqrt(40)
    assert error < 2e-3
    assert float(found.value.mean()) == pytest.approx(integral, abs=3 * error)


@pytest.mark.parametrize("negatives", [1, 3, 20])
def test_infonce_reaches_its_ceiling_and_no_more(negatives):
    found = InfoNCE().read(exact("infonce", 9.0), gaussian(9.0, 4, 1000), 1000 * negatives)
    assert float(found.value.max()) <= math.log(negatives + 1) + 1e-12
    assert found.value.tolist() == pytest.approx([math.log(negatives + 1)] * 4, abs=0.02)


@pytest.mark.parametrize("mi", [0.3, 1.0])
def test_cross_entropy_of_the_best_critic_is_its_integral(mi):
    ratio, product, joint = plane(mi)
    integral = (joint * np.logaddexp(0, -ratio) + product * np.logaddexp(0, ratio)).sum()
    found = JS().validation_loss(exact("js", mi), gaussian(mi, 25, 800), ALL)
    assert float(found.mean()) == pytest.approx(integral, abs=3 * float(found.std()) / 5)
    assert float(found.std()) < 0.04


@pytest.mark.parametrize(("mi", "tau"), [(0.5, 0.3), (1.0, 1.0), (2.5, 3.0)])
def test_smile_of_the_best_critic_and_a_shift_is_its_integral(mi, tau):
    ratio, product, joint = plane(mi)
    integral = (joint * (ratio + 1)).sum() - math.log((product * np.exp(np.clip(ratio + 1, -tau, tau))).sum())
    critic = Given(lambda x, y: log_ratio(mi)(x, y) + 1)
    found = SMILE(tau=tau).read(critic, gaussian(mi, 25, 800), ALL).value
    assert abs(integral - mi) > 0.1
    assert float(found.mean()) == pytest.approx(integral, abs=3 * float(found.std()) / 5)
    assert float(found.std()) < 0.07


@pytest.mark.parametrize("mi", [0.05, 0.3, 1.0])
def test_nishiyama_of_the_log_ratio_is_that_of_its_moments(mi):
    r2 = -math.expm1(-2 * mi)
    means, variances = (mi, mi - r2 / (1 - r2)), (r2, r2 * (1 + r2) / (1 - r2) ** 2)
    expected = nishiyama(means[0], variances[0], means[1], variances[1])
    found = Nishiyama().read(exact("nishiyama", mi), gaussian(mi, 25, 800), ALL).value
    assert 0.3 * mi < expected < mi
    assert float(found.mean()) == pytest.approx(expected, abs=3 * float(found.std()) / 5)
    assert float(found.std()) < 0.04


@pytest.mark.parametrize(("p", "q"), [(0.9, 0.2), (0.5, 0.49), (0.5, 0.5), (0.01, 0.6), (0.3, 0.3 + 1e-7)])
def test_nishiyama_is_the_divergence_of_laws_on_two_points(p, q):
    divergence = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    low, high = -1.5, 4.0
    moments = [
        tuple(torch.tensor([share * high**k + (1 - share) * low**k], dtype=torch.float64) for k in (1, 2))
        for share in (p, q)
    ]
    assert float(least_divergence(*moments)) == pytest.approx(divergence, abs=1e-12)


@pytest.mark.parametrize("name", ["mine", "dv", "js", "infonce", "nishiyama"])
def test_a_shift_of_the_critic_does_not_matter(name):
    matrix = random_matrix(name, 2, 31)
    near, far = (METHODS[name].read(Table(each), Table(each).rows, 120) for each in (matrix, matrix + 3))
    assert torch.allclose(near.value, far.value, atol=1e-9)
    assert torch.allclose(near.influence, far.influence, atol=1e-9)


def test_large_scores_neither_overflow_nor_vanish():
    matrix = random_matrix("infonce", 2, 31)
    for name in ("infonce", "mine"):
        critic = Table(matrix + 600)
        assert METHODS[name].read(critic, critic.rows, ALL).value.isfinite().all()
    assert torch.allclose(
        log_mean_exp(Table(matrix - 2000), Table(matrix).rows, ALL),
        log_mean_exp(Table(matrix), Table(matrix).rows, ALL) - 2000,
    )


@pytest.mark.parametrize("name", METHODS)
def test_standard_error_is_that_of_the_jackknife(name):
    matrix = random_matrix(name, 1, 200, seed=3, scale=0.5)[0]

    def bound(rows):
        inside = matrix[np.ix_(rows, rows)]
        product = np.array([np.delete(line, i, axis=0) for i, line in enumerate(inside)])
        return defined(name, inside[np.arange(len(rows)), np.arange(len(rows))], product)

    without = np.array([bound(np.delete(np.arange(200), i)) for i in range(200)])
    jackknife = 199 / 200 * (np.sum(without) - 200 * without)
    critic = Table(matrix[None])
    found = METHODS[name].read(critic, critic.rows, ALL)
    assert float(found.std_error[0]) == pytest.approx(jackknife.std(ddof=1) / math.sqrt(200), rel=0.03)
    assert np.corrcoef(found.influence[0], jackknife)[0, 1] > 0.995


@pytest.mark.parametrize("wanted", [2000, ALL])
@pytest.mark.parametrize("name", METHODS)
def test_standard_error_is_the_scatter_over_draws(name, wanted):
    def critic(x, y):
        poor = 0.4 * x * y + 0.6 * torch.sin(2 * y) - 0.4 * torch.tanh(x)
        return torch.stack([poor, 0.3 * x - 0.5 * y], dim=-1) if name == "flo" else poor

    found = METHODS[name].read(Given(critic), gaussian(0.5, 400, 100), wanted)
    ratio = float(found.std_error.square().mean().sqrt() / found.value.std())
    if wanted == ALL:
        assert ratio == pytest.approx(1, abs=0.1)
    else:  # what is not shared by the pairs of a row is counted for both of a pair's rows
        assert 0.92 < ratio < 1.25


@pytest.mark.parametrize("rows", [3, 20])
def test_partition_of_each_x_is_the_mean_over_reference_rows(rows):
    matrix = np.stack([random_matrix("infonce", 1, 31, seed=seed)[0] for seed in (1, 2)])
    critic = Table(matrix)
    x, y = (side[:, :rows] for side in critic.rows)
    found = against_others(critic, x, y, critic.rows, ALL).numpy()
    partition = np.log(np.exp(matrix).mean(axis=2))[:, :rows]
    expected = np.stack([np.diag(one)[:rows] for one in matrix]) - partition
    assert found == pytest.approx(expected, abs=1e-9)
