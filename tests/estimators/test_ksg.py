import numpy as np
import pytest
from scipy.special import digamma

import mibench
from mibench.estimators.ksg import KSG


def ksg(x, y, **parameters):
    return KSG(**parameters).estimate(x, y, 0).value


# KSG-1 with k = 5 of two public libraries (npeet-plus 0.2.0, infomeasure 0.6.3) on seed 1, in nats.
PEERS = [
    ("gaussian(d=1, mi=1)", 2000, 1.0043242895643498, 1.0043242895643503),
    ("gaussian(d=3, mi=2)", 1000, 1.680005776750338, 1.6800057767503385),
    ("half_cube(gaussian(d=2, mi=3))", 1500, 2.717803722411414, 2.7178037224114133),
]


@pytest.mark.parametrize(("spec", "n", "npeet", "infomeasure"), PEERS)
def test_variant_1_agrees_with_two_public_implementations(spec, n, npeet, infomeasure):
    x, y = mibench.task(spec).sample(n, seed=1)
    ours = ksg(x, y, k=5)
    assert ours == pytest.approx(npeet, abs=1e-9)
    assert ours == pytest.approx(infomeasure, abs=1e-9)


def naive(x, y, k, variant):
    """Equations 8 and 9 of the paper, point by point."""
    n = len(x)
    dx = np.abs(x[:, None] - x[None]).max(axis=2)
    dy = np.abs(y[:, None] - y[None]).max(axis=2)
    total = 0.0
    for i in range(n):
        others = np.delete(np.arange(n), i)
        nearest = others[np.argsort(np.maximum(dx, dy)[i, others], kind="stable")[:k]]
        if variant == 1:
            radius = max(np.maximum(dx, dy)[i, nearest])
            total += digamma((dx[i, others] < radius).sum() + 1) + digamma((dy[i, others] < radius).sum() + 1)
        else:
            total += digamma((dx[i, others] <= dx[i, nearest].max()).sum())
            total += digamma((dy[i, others] <= dy[i, nearest].max()).sum())
    return digamma(k) - (variant == 2) / k + digamma(n) - total / n


@pytest.mark.parametrize("variant", [1, 2])
@pytest.mark.parametrize(("n", "dx", "dy", "k"), [(2, 1, 1, 1), (70, 1, 2, 1), (200, 3, 1, 4), (65, 5, 5, 64)])
def test_agrees_with_the_definition(variant, n, dx, dy, k):
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, dx))
    y = x[:, :1] + rng.standard_normal((n, dy))
    assert ksg(x, y, k=k, variant=variant) == pytest.approx(naive(x, y, k, variant), abs=1e-12)


def test_ties_count_as_stated_and_are_told():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((100, 1))
    x[:40] = np.repeat(np.arange(10.0), 4)[:, None]
    for variant in (1, 2):
        found = KSG(k=3, variant=variant).estimate(x, x, 0)
        assert found.value == pytest.approx(naive(x, x, 3, variant), abs=1e-12)
        assert found.message.startswith("40.0% of the points have 3 or more copies")
    assert KSG(k=4).estimate(x, x, 0).message == ""


def test_discrete_data_have_no_estimate():
    x = np.repeat(np.arange(10.0), 20)[:, None]
    found = KSG().estimate(x, x, 0)
    assert np.isnan(found.value)
    assert "KSG is for continuous data" in found.message


@pytest.mark.parametrize("variant", [1, 2])
def test_is_symmetric_and_ignores_order_and_common_scale(variant):
    x, y = mibench.task("gaussian(dx=2, dy=3, mi=1)").sample(500, seed=2)
    order = np.random.default_rng(0).permutation(500)
    value = ksg(x, y, variant=variant)
    assert ksg(y, x, variant=variant) == pytest.approx(value, abs=1e-12)
    assert ksg(x[order], y[order], variant=variant) == pytest.approx(value, abs=1e-12)
    assert ksg(4 * x + 1, 4 * y - 2, variant=variant) == pytest.approx(value, abs=1e-12)


def test_images_are_flattened():
    x, y = mibench.task("blobs(size=4, mi=1)").sample(100, seed=0)
    assert ksg(x, y) == ksg(x.reshape(100, 16), y.reshape(100, 16))


@pytest.mark.parametrize("variant", [1, 2])
def test_bias_and_scatter_on_a_bivariate_gaussian(variant):
    task = mibench.task("gaussian(d=1, mi=1)")
    values = [ksg(*task.sample(2000, seed=s), variant=variant) for s in range(20)]
    assert abs(np.mean(values) - 1) < 0.02
    assert np.std(values) < 0.05


def test_independence_gives_zero_without_clipping():
    task = mibench.task("gaussian(d=2, mi=0)")
    values = np.array([ksg(*task.sample(1000, seed=s)) for s in range(30)])
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(30) + 0.005
    assert (values < 0).any()


def test_the_published_figures_are_met():
    """Correlated normal with the MI split unevenly over rotated components, n = 10 000, k = 1: mean absolute error.

    The public tables of mutinfo (July 2026) have 0.05 at 2 nats and 0.45 at 4, over d = 1, 2, 3 and ten seeds each.
    """
    for mi, published in ((2.0, 0.05), (4.0, 0.45)):
        errors = []
        for d in (1, 2, 3):
            for seed in (42, 43, 44, 45):
                share = np.random.RandomState(seed).exponential(size=d)
                pairs = mi * share / share.sum()
                rng = np.random.default_rng(seed)
                x, noise = rng.standard_normal((2, 10_000, d))
                y = np.sqrt(-np.expm1(-2 * pairs)) * x + np.exp(-pairs) * noise
                q, r = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
                errors.append(abs(ksg(x @ q, y @ r, k=1) - mi))
        assert abs(np.mean(errors) - published) < 0.12
