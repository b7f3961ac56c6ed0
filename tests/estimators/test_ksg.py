import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import digamma
from scipy.stats import norm, rankdata

import mibench
from mibench.errors import SpecError
from mibench.estimators.ksg import KSG, CopulaKSG


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
        radius = np.sort(np.maximum(dx, dy)[i, others])[k - 1]
        nearest = others[np.maximum(dx, dy)[i, others] <= radius]
        if variant == 1:
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


@pytest.mark.parametrize(("copied", "answered"), [(200, True), (204, False)])
def test_copies_of_most_points_leave_no_estimate(copied, answered):
    x = np.random.default_rng(0).standard_normal((400, 1))
    x[:copied] = np.repeat(np.arange(copied / 4), 4)[:, None]
    assert np.isfinite(ksg(x, x)) == answered


def test_discrete_data_have_no_estimate():
    x = np.repeat(np.arange(10.0), 20)[:, None]
    found = KSG().estimate(x, x, 0)
    assert np.isnan(found.value)
    assert "KSG is for continuous data" in found.message


@given(
    seed=st.integers(0, 2**32),
    n=st.integers(4, 400),
    d=st.integers(1, 4),
    variant=st.sampled_from([1, 2]),
    shift=st.floats(-100, 100),
    scale=st.floats(0.01, 100),
)
@settings(max_examples=40, deadline=None)
def test_order_sides_shift_and_scale_do_not_matter(seed, n, d, variant, shift, scale):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    y = x[:, :1] + rng.standard_normal((n, 2))
    order = rng.permutation(n)
    value = ksg(x, y, variant=variant)
    assert ksg(y, x, variant=variant) == pytest.approx(value, abs=1e-9)
    assert ksg(x[order], y[order], variant=variant) == pytest.approx(value, abs=1e-9)
    assert ksg(scale * (x + shift), scale * (y - shift), variant=variant) == pytest.approx(value, abs=1e-9)


@given(seed=st.integers(0, 2**32), n=st.integers(4, 400), variant=st.sampled_from([1, 2]))
@settings(max_examples=20, deadline=None)
def test_order_does_not_matter_where_points_tie(seed, n, variant):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((n, 1)).round(1), rng.standard_normal((n, 2)).round(1)
    order = rng.permutation(n)
    value = ksg(x, y, variant=variant)
    assert ksg(y, x, variant=variant) == pytest.approx(value, abs=1e-9, nan_ok=True)
    assert ksg(x[order], y[order], variant=variant) == pytest.approx(value, abs=1e-9, nan_ok=True)


def test_copula_ksg_is_ksg_on_normal_scores_and_ignores_monotone_maps():
    x, y = mibench.task("gaussian(d=2, mi=1)").sample(300, seed=3)
    scores = [norm.ppf(rankdata(side, axis=0) / 301) for side in (x, y)]
    value = CopulaKSG().estimate(x, y, 0).value
    assert value == pytest.approx(ksg(*scores), abs=1e-12)
    assert CopulaKSG().estimate(np.exp(3 * x), y**3, 0).value == value


def test_copula_ksg_helps_where_tails_are_heavy():
    draws = [mibench.task("power(gaussian(d=1, mi=1), alpha=4)").sample(500, seed=s) for s in range(10)]
    plain, scored = (np.mean([m.estimate(*draw, 0).value for draw in draws]) for m in (KSG(), CopulaKSG()))
    assert abs(scored - 1) < 0.06 < abs(plain - 1)


def test_ties_keep_their_mean_rank():
    x = np.repeat(np.arange(50.0), 2)[:, None]
    y = np.random.default_rng(0).standard_normal((100, 1))
    scores = [norm.ppf(rankdata(side, axis=0) / 101) for side in (x, y)]
    assert CopulaKSG().estimate(x, y, 0).value == pytest.approx(ksg(*scores), abs=1e-12)


def test_a_constant_side_carries_nothing():
    x = np.random.default_rng(0).standard_normal((100, 2))
    assert ksg(np.ones((100, 1)), x) == pytest.approx(0, abs=1e-12)
    assert ksg(np.ones((100, 1)), x, variant=2) == pytest.approx(-1 / 3 + 1 / 99, abs=1e-12)  # as its docstring says
    assert ksg(np.concatenate([x, np.ones((100, 1))], axis=1), x[:, :1]) == ksg(x, x[:, :1])


def test_bad_numbers_of_neighbours_are_refused():
    with pytest.raises(SpecError, match="k must be at least 1, got 0"):
        mibench.estimator("ksg(k=0)")
    with pytest.raises(SpecError, match="variant must be 1 or 2, got 3"):
        mibench.estimator("ksg(variant=3)")
    assert "k=3 neighbours need n of at least 4, got 3" in KSG().unsupported(3, (1,), (1,))
    assert np.isfinite(ksg([[0.0], [1.0]] * np.ones(1), np.array([[0.0], [2.0]]), k=1))


def test_images_are_flattened():
    x, y = mibench.task("blobs(size=4, mi=1)").sample(100, seed=0)
    assert ksg(x, y) == ksg(x.reshape(100, 16), y.reshape(100, 16))


@pytest.mark.parametrize("variant", [1, 2])
def test_bias_and_scatter_on_a_bivariate_gaussian(variant):
    task = mibench.task("gaussian(d=1, mi=1)")
    values = [ksg(*task.sample(2000, seed=s), variant=variant) for s in range(20)]
    assert abs(np.mean(values) - 1) < 0.02
    assert np.std(values) < 0.05


@pytest.mark.parametrize("variant", [1, 2])
@pytest.mark.parametrize("d", [1, 3])
def test_independence_gives_zero_without_clipping(variant, d):
    task = mibench.task(f"gaussian(d={d}, mi=0)")
    x, y = (np.stack(side) for side in zip(*(task.sample(500, seed=s) for s in range(200)), strict=True))
    values = KSG(variant=variant).terms(x, y, "cpu")[0].mean(axis=1)
    assert abs(values.mean()) < 3 * values.std(ddof=1) / np.sqrt(200)
    assert (values < 0).any()


def test_systematic_errors_depend_on_k_over_n():
    """Kraskov et al. 2004, section III: curves for different n fall onto each other when drawn against k / n."""
    task = mibench.task("gaussian(d=1, mi=0.8303655)")  # r = 0.9
    errors = {}
    for k, n in ((4, 200), (8, 400), (16, 800), (16, 200), (32, 400)):
        x, y = (np.stack(side) for side in zip(*(task.sample(n, seed=s) for s in range(300)), strict=True))
        values = KSG(k).terms(x, y, "cpu")[0].mean(axis=1) - 0.8303655
        errors[k, n] = values.mean(), values.std(ddof=1) / np.sqrt(300)
    for one, other in (((4, 200), (8, 400)), ((8, 400), (16, 800)), ((16, 200), (32, 400))):
        (a, a_error), (b, b_error) = errors[one], errors[other]
        assert abs(a - b) < 3 * np.hypot(a_error, b_error) + 0.003
    assert errors[16, 200][0] < errors[4, 200][0] - 0.03


@pytest.mark.parametrize("spec", ["gaussian(d=1, mi=0)", "gaussian(d=1, mi=1)", "gaussian(d=3, mi=2)", "student(df=3)"])
@pytest.mark.parametrize("n", [200, 1000])
def test_standard_error_covers_the_sampling_noise(spec, n):
    task = mibench.task(spec)
    x, y = (np.stack(side) for side in zip(*(task.sample(n, seed=s) for s in range(150)), strict=True))
    found = KSG().estimate_batch(x, y, range(150), "cpu")
    values, errors = (np.array([getattr(e, name) for e in found]) for name in ("value", "std_error"))
    assert (np.abs(values - values.mean()) < 1.96 * errors).mean() > 0.87
    assert 0.85 < np.sqrt((errors**2).mean()) / values.std(ddof=1) < 1.75


def test_standard_error_follows_from_the_seed_and_the_value_does_not():
    x, y = mibench.task("gaussian(d=1, mi=1)").sample(300, seed=0)
    first, again, other = (KSG().estimate(x, y, seed) for seed in (1, 1, 2))
    assert first == again
    assert first.value == other.value
    assert first.std_error != other.std_error
