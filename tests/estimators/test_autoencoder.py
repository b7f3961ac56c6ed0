import json
import math

import numpy as np
import pytest
import torch

import mibench
from mibench.errors import SpecError
from mibench.estimators.autoencoder import Autoencoder, StackedAutoencoder, principal_components
from mibench.estimators.kde import KDE
from mibench.estimators.stack import torch_generators

FAST = Autoencoder(hidden=(16,), batch=64, max_steps=50)


def sample(spec, n, seeds):
    draws = [mibench.task(spec).sample(n, seed=seed) for seed in seeds]
    return tuple(np.stack(side) for side in zip(*draws, strict=True))


def decaying_rows(n, d, seed=0):
    rng = np.random.default_rng(seed)
    mixing = np.linalg.qr(rng.standard_normal((d, d)))[0]
    return rng.standard_normal((n, d)) * 0.5 ** np.arange(d) @ mixing


@pytest.mark.parametrize(("n", "d"), [(300, 12), (30, 60)])
def test_principal_components_are_those_of_the_singular_values(n, d):
    rows = decaying_rows(n, d) + 7
    found, lost = principal_components(torch.as_tensor(rows), 8, remainder=1e-9)
    left, singular, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    expected = (left * singular)[:, :8] * math.sqrt(8 * n / (singular**2).sum())
    assert np.abs(found.numpy()) == pytest.approx(np.abs(expected), abs=2e-3)
    assert lost == pytest.approx(1 - (singular[:8] ** 2).sum() / (singular**2).sum(), abs=1e-6)


def test_components_beyond_the_remainder_are_left_out():
    rows = torch.as_tensor(decaying_rows(2000, 12))
    shares = 0.75 * 0.25 ** np.arange(12)
    found, lost = principal_components(rows, 16, remainder=0.01)
    kept = int((found != 0).any(dim=0).sum())
    assert found.shape == (2000, 16)
    assert shares[:kept].sum() > 0.99 > shares[: kept - 1].sum()
    assert 0 < lost < 0.01


def test_begins_at_principal_component_analysis():
    rows = principal_components(torch.as_tensor(decaying_rows(500, 10)).float(), 6, 1e-9)[0][None]
    network = StackedAutoencoder(6, (8,), rows[..., :2].std(dim=1, keepdim=True), torch_generators([0]))
    assert torch.allclose(network.decode(network.encode(rows))[..., :2], rows[..., :2], atol=1e-5)
    assert network.loss(rows).tolist()[0] == pytest.approx(float(rows[..., 2:].square().sum()) / rows.numel(), rel=1e-4)
    assert network.encode(rows).std(dim=1)[0].tolist() == pytest.approx([1, 1], abs=1e-4)


def test_a_plane_in_many_dimensions_costs_nothing():
    x, y = sample("gaussian(d=2, mi=1)", 400, [1])
    embed = np.random.default_rng(0).standard_normal((2, 30))
    wide = (x @ embed).reshape(1, 400, 5, 6)
    (found,) = FAST.estimate_batch(wide, y, [0], "cpu")
    assert found.value == pytest.approx(KDE().estimate(x[0], y[0], 0).value, abs=0.01)
    assert found.diagnostics["x"]["unexplained"] < 1e-4


def test_a_narrow_side_passes_through():
    (x,), (y,) = sample("gaussian(d=2, mi=1)", 300, [2])
    found, direct = FAST.estimate(x, y, 0), KDE().estimate(x, y, 0)
    assert (found.value, found.std_error) == (direct.value, direct.std_error)
    assert found.diagnostics == {"base": direct.diagnostics}


@pytest.mark.parametrize(("mi", "tolerance"), [(0, 0.15), (2, 0.25)])
def test_mi_of_blobs(mi, tolerance):
    x, y = sample(f"blobs(mi={mi})", 1000, range(2))
    found = Autoencoder(max_steps=500, learning_rate=5e-3).estimate_batch(x, y, [0, 1], "cpu")
    assert np.mean([e.value for e in found]) == pytest.approx(mi, abs=tolerance)
    assert max(e.diagnostics[side]["unexplained"] for e in found for side in "xy") < 0.01
    json.dumps(dict(found[0].diagnostics))


def test_training_explains_what_the_linear_code_cannot():
    x, y = sample("blobs(mi=1)", 500, [0])
    methods = [Autoencoder(max_steps=steps, learning_rate=5e-3) for steps in (1, 300)]
    linear, trained = (method.compress({"x": x, "y": y}, [0], "cpu")[1][0]["x"] for method in methods)
    assert trained["unexplained"] < 0.1 * linear["unexplained"]


def test_codes_of_a_side_know_nothing_of_the_other():
    x, y = sample("blobs(mi=5)", 200, [0])
    first, _ = FAST.compress({"x": x, "y": y}, [3], "cpu")
    second, _ = FAST.compress({"x": x, "y": y[:, ::-1]}, [3], "cpu")
    assert first["x"] == pytest.approx(second["x"], abs=1e-4)


def test_seed_decides_and_the_stack_does_not():
    x, y = sample("blobs(mi=1)", 300, range(3))
    stacked = [e.value for e in FAST.estimate_batch(x, y, [5, 6, 7], "cpu")]
    alone = [FAST.estimate(x[r], y[r], 5 + r).value for r in range(3)]
    assert stacked == pytest.approx(alone, abs=2e-4)
    assert FAST.estimate(x[0], y[0], 5).value == alone[0]
    assert FAST.estimate(x[0], y[0], 8).value != alone[0]


def test_any_estimator_takes_the_codes():
    (x,), (y,) = sample("blobs(mi=2)", 500, [0])
    nested = mibench.estimator("ae(gaussian_fit(), latent=2, hidden=(16,), max_steps=200)")
    assert nested.name == "ae(gaussian_fit, hidden=(16,), max_steps=200)"
    codes, _ = nested.method.compress({"x": x[None], "y": y[None]}, [0], "cpu")
    direct = mibench.estimator("gaussian_fit").estimate(codes["x"][0], codes["y"][0], seed=0)
    assert nested.estimate(x, y, seed=0, device="cpu").value == pytest.approx(direct.value, abs=0.01)
    assert direct.value > 1


def test_a_failure_of_the_base_is_passed_on():
    x = np.random.default_rng(0).standard_normal((100, 1))
    found = Autoencoder().estimate(x, x, 0)
    assert math.isnan(found.value)
    assert "linearly" in found.message


def test_limits_are_stated():
    assert "at least 20" in Autoencoder().unsupported(19, (16, 16), (1,))
    assert Autoencoder().unsupported(20, (16, 16), (1,)) == ""
    assert "27 coordinates" not in Autoencoder(latent=8).unsupported(20, (16, 16), (19,))
    assert "32 coordinates" in Autoencoder(latent=16).unsupported(20, (16, 16), (16,))
    bad = ({"latent": 0}, {"components": 1}, {"hidden": (0,)}, {"held_out": 0.0}, {"learning_rate": 0.0})
    for fields in bad:
        with pytest.raises(SpecError, match=next(iter(fields))):
            Autoencoder(**fields)
    with pytest.raises(SpecError, match="baseline"):
        mibench.estimator("ae(oracle())")
