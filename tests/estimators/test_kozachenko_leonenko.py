import math

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import digamma, gammaln

import mibench
from mibench.estimators.kozachenko_leonenko import KL, WKL


def draws(spec, n, replicates):
    task = mibench.task(spec)
    return (np.stack(side) for side in zip(*(task.sample(n, seed=s) for s in range(replicates)), strict=True))


def means(method, x, y):
    return method.terms(x.reshape(*x.shape[:2], -1), y.reshape(*y.shape[:2], -1), "cpu")[0].mean(axis=1)


def entropy(points, k):
    """Return ψ(n) − ψ(k) + log V_d + d ⟨log r_k⟩, with log(n − 1) for ψ(n)."""
    n, d = points.shape
    radii = np.sort(cdist(points, points), axis=1)[:, k]
    ball = d / 2 * math.log(math.pi) - gammaln(d / 2 + 1)
    return math.log(n - 1) - digamma(k) + ball + d * np.log(radii).mean()


@pytest.mark.parametrize(("n", "dx", "dy", "k"), [(2, 1, 1, 1), (60, 2, 1, 4), (300, 3, 5, 5)])
def test_kl_is_the_sum_of_three_entropies(n, dx, dy, k):
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, dx))
    y = x[:, :1] + rng.standard_normal((n, dy))
    expected = entropy(x, k) + entropy(y, k) - entropy(np.hstack([x, y]), k)
    assert KL(k).estimate(x, y, 0).value == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("d", [5, 6, 8, 10, 13, 20])
@pytest.mark.parametrize("k", [9, 17])
def test_weights_meet_their_conditions(d, k):
    weights, j = WKL(k).weights(d), np.arange(1, k + 1)
    assert weights.sum() == pytest.approx(1, abs=1e-9)
    for power in range(1, d // 4 + 1):
        terms = weights * np.exp(gammaln(j + 2 * power / d) - gammaln(j))
        assert terms.sum() == pytest.approx(0, abs=1e-9 * np.abs(terms).max() + 1e-12)
    assert set(np.flatnonzero(weights) + 1) <= {i * k // d for i in range(1, d + 1)}


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_weights_in_low_dimension(d):
    assert np.array_equal(WKL(5).weights(d), [1, 0, 0, 0, 0])
    weights = WKL(5, truncated=False).weights(d)
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    if d < 4:
        assert weights == pytest.approx(np.full(5, 0.2), abs=1e-12)
    else:
        j = np.arange(1, 6)
        assert (weights * np.exp(gammaln(j + 0.5) - gammaln(j))).sum() == pytest.approx(0, abs=1e-12)


def test_smallest_weights_are_taken():
    """In five dimensions three more neighbours than conditions: any other solution has a larger norm."""
    weights, rng = WKL(9).weights(5), np.random.default_rng(0)
    support = np.flatnonzero(weights)
    j = support + 1
    conditions = np.stack([np.ones(len(j)), np.exp(gammaln(j + 0.4) - gammaln(j))])
    kernel = np.linalg.svd(conditions)[2][2:]
    for step in 0.1 * rng.standard_normal((20, len(kernel))):
        assert np.linalg.norm(weights[support] + step @ kernel) > np.linalg.norm(weights)


def test_wkl_with_one_neighbour_is_kl_in_low_dimension():
    x, y = mibench.task("gaussian(d=1, mi=1)").sample(200, seed=0)
    assert WKL(7).estimate(x, y, 0).value == KL(1).estimate(x, y, 0).value


def test_weighting_removes_most_of_the_bias_of_an_entropy():
    """A uniform cube's entropy is 0; in d = 8 boundaries make the plain estimate too large."""
    points = np.random.default_rng(0).random((20, 1000, 8))
    plain, weighted = (-method._log_density(points, "cpu").mean() for method in (KL(17), WKL(17)))
    assert abs(weighted) < 0.35 * abs(plain)


@pytest.mark.parametrize("method", [KL(), WKL(), WKL(truncated=False)])
@pytest.mark.parametrize("mi", [0, 1])
def test_gaussian_mi(method, mi):
    values = means(method, *draws(f"gaussian(d=1, mi={mi})", 2000, 20))
    assert values.mean() == pytest.approx(mi, abs=0.03)


@pytest.mark.parametrize("method", [KL(), WKL(9)])
def test_standard_error_covers_the_sampling_noise(method):
    for spec in ("gaussian(d=1, mi=1)", "gaussian(d=3, mi=1)"):
        x, y = draws(spec, 400, 100)
        found = method.estimate_batch(x, y, range(100), "cpu")
        values, errors = (np.array([getattr(e, name) for e in found]) for name in ("value", "std_error"))
        assert (np.abs(values - values.mean()) < 1.96 * errors).mean() > 0.87
        assert np.sqrt((errors**2).mean()) < 2 * values.std(ddof=1)


def test_invariance_and_symmetry():
    x, y = mibench.task("gaussian(dx=2, dy=3, mi=1)").sample(300, seed=1)
    for method in (KL(), WKL()):
        value = method.estimate(x, y, 0).value
        assert method.estimate(y, x, 0).value == pytest.approx(value, abs=1e-9)
        assert method.estimate(7 * x - 3, 7 * y + 1, 0).value == pytest.approx(value, abs=1e-9)
        rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
        assert method.estimate(x, y @ rotation, 0).value == pytest.approx(value, abs=1e-9)
        for unit in (1e-200, 1e200):
            assert method.estimate(unit * x, unit * y, 0).value == pytest.approx(value, abs=1e-9)


def test_copies_are_left_out_and_told_and_labels_have_no_density():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200, 1)), rng.standard_normal((200, 1))
    x[:60] = np.repeat(np.arange(10.0), 6)[:, None]
    found = KL(5).estimate(x, y, 0)
    assert math.isfinite(found.value)
    assert found.message.startswith("30.0% of the points have copies")
    for side in (rng.integers(0, 3, (200, 1)).astype(float), np.ones((200, 1))):
        nothing = KL(5).estimate(side, y, 0)
        assert math.isnan(nothing.value)
        assert "density is infinite" in nothing.message


def test_a_copied_pair_is_left_out_by_every_weighting():
    """The joint weights begin at a nearer neighbour than those of the sides: it has a copy where they have none."""
    x, y = mibench.task("gaussian(d=5, mi=1)").sample(300, seed=0)
    x[1], y[1] = x[0], y[0]
    terms, (message,) = WKL(17).terms(x[None], y[None], "cpu")
    assert np.isnan(terms[0, :2]).all()
    assert np.isfinite(terms[0, 2:]).all()
    assert message.startswith("0.7% of the points have copies")


def test_limits_are_stated():
    assert "k=5 neighbours need n of at least 6" in KL().unsupported(5, (1,), (1,))
    assert "cannot meet the 6 conditions" in WKL().unsupported(100, (10,), (10,))
    assert "float64 cannot hold the weights in d=100" in WKL(40).unsupported(100, (50,), (50,))
    assert WKL(6).unsupported(100, (10,), (10,)) == ""
    assert WKL(1).unsupported(100, (2,), (2,)) == ""
