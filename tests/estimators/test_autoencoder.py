import json
import math

import numpy as np
import pytest
import torch

import mibench
from mibench.errors import SpecError
from mibench.estimators.autoencoder import Autoencoder, last_worth
from mibench.estimators.compression import Job
from mibench.estimators.conv_autoencoder import StackedConvAutoencoder
from mibench.estimators.kde import KDE
from mibench.estimators.pca import PCA
from mibench.estimators.principal_axes import principal_components
from mibench.estimators.stack import torch_generators
from mibench.estimators.stacked_autoencoder import StackedAutoencoder

FAST = Autoencoder(latent=2, hidden=(16,), batch=64, max_steps=50)


def sample(spec, n, seeds):
    draws = [mibench.task(spec).sample(n, seed=seed) for seed in seeds]
    return tuple(np.stack(side) for side in zip(*draws, strict=True))


def decaying_rows(n, d, seed=0):
    rng = np.random.default_rng(seed)
    mixing = np.linalg.qr(rng.standard_normal((d, d)))[0]
    return rng.standard_normal((n, d)) * 0.5 ** np.arange(d) @ mixing


def curved(latents, width, seed):
    """Smooth, injective images (n, width) of latents (n, k): themselves, and random waves of them."""
    rng = np.random.default_rng(seed)
    k = latents.shape[1]
    waves = np.sin(latents @ rng.standard_normal((k, 40)) + rng.uniform(0, 6, 40))
    return np.hstack([latents, waves]) @ rng.standard_normal((k + 40, width))


def wave_images(latents, shape, seed=0):
    """Images (n, *shape) of latents (n, k): sums of plane waves whose phases are linear in them."""
    rng = np.random.default_rng(seed)
    rows, columns = (np.linspace(0, 1, side) for side in shape[-2:])

    def channel():
        down, across = 4 * rng.standard_normal((2, 4))
        phases = latents @ rng.standard_normal((latents.shape[1], 4)) + rng.uniform(0, 6, 4)
        return np.sin(rows[:, None, None] * down + columns[:, None] * across + phases[:, None, None]).sum(axis=-1)

    return np.stack([channel() for _ in range(math.prod(shape[:-2]))], axis=1).reshape(len(latents), *shape)


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


@pytest.mark.parametrize(
    ("errors", "worth"),
    [
        ([1, 0.3, 0.001, 0.0005], 2),  # a further number explains too little
        ([1, 0.2, 0.06, 0.045, 0.04, 0.039], 2),  # of little that is left it explains too little
        ([1, 0.2, 0.06, 0.045, 0.035, 0.002], 5),  # a later one explains most of it
        ([1, 0.2, 0.06, 0.029], 2),
        ([1, 0.8, 0.6, 0.4, 0.2, 0.001], 5),
        ([1, 0.995], 0),
        ([1, 0.16, 0.11, 0.105], 2),  # noise is left
    ],
)
def test_a_number_is_worth_it_where_it_explains_enough(errors, worth):
    assert last_worth(errors, 0.01) == worth


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_latent_dimension_is_found(k):
    rng = np.random.default_rng(k)
    x, y = (curved(rng.uniform(-1, 1, (3000, k)), 30, seed)[None] for seed in (0, 1))
    _, notes = Autoencoder(max_steps=50).compress(x, y, [0], "cpu")
    assert (notes[0]["x"]["latent"], notes[0]["y"]["latent"]) == (k, k)


def test_latent_dimension_of_images_is_found_side_by_side():
    (x,), (y,) = sample("blobs(mi=1)", 2000, [0])
    _, notes = Autoencoder(max_steps=50).compress(x[None], x[None, :, :1, :1] + y[None, :, :1], [0], "cpu")
    assert notes[0]["x"]["latent"] == 2
    assert 1 <= notes[0]["y"]["latent"] <= 3


def test_all_of_unstructured_data_is_kept():
    (x,), (y,) = sample("gaussian(d=4, mi=1)", 1000, [0])
    codes, notes = Autoencoder(max_steps=50).compress(x[None], y[None], [0], "cpu")
    assert notes[0]["x"]["latent"] == 4
    assert np.array_equal(codes[0][0], x)
    assert np.array_equal(codes[0][1], y)


def test_a_plane_in_many_dimensions_costs_nothing():
    x, y = sample("gaussian(d=2, mi=1)", 400, [1])
    embed = np.random.default_rng(0).standard_normal((2, 30))
    wide = (x @ embed).reshape(1, 400, 5, 6)
    (found,) = FAST.estimate_batch(wide, y, [0], "cpu")
    assert found.value == pytest.approx(KDE().estimate(x[0], y[0], 0).value, abs=0.01)
    assert found.diagnostics["x"]["unexplained"] <= 1.01e-4
    assert found.message == ""


def test_a_narrow_side_passes_through():
    (x,), (y,) = sample("gaussian(d=2, mi=1)", 300, [2])
    found, direct = FAST.estimate(x, y, 0), KDE().estimate(x, y, 0)
    assert (found.value, found.std_error) == (direct.value, direct.std_error)
    assert found.diagnostics == {"base": direct.diagnostics}


@pytest.mark.parametrize(("mi", "tolerance"), [(0, 0.15), (2, 0.25)])
def test_mi_of_blobs(mi, tolerance):
    x, y = sample(f"blobs(mi={mi})", 1000, range(2))
    found = Autoencoder(max_steps=500).estimate_batch(x, y, [0, 1], "cpu")
    assert np.mean([e.value for e in found]) == pytest.approx(mi, abs=tolerance)
    assert max(e.diagnostics[side]["unexplained"] for e in found for side in "xy") < 0.01
    assert {e.diagnostics[side]["latent"] for e in found for side in "xy"} == {2}
    json.dumps(dict(found[0].diagnostics))


def test_ten_nats_in_images_are_read_by_flows():
    (x,), (y,) = sample("blobs(mi=10)", 3000, [0])
    method = mibench.estimator("ae(flow_gaussian(max_steps=100), max_steps=600)")
    assert method.estimate(x, y, seed=0, device="cpu").value == pytest.approx(10, abs=0.15)


def test_training_explains_what_the_linear_code_cannot():
    x, y = sample("blobs(mi=1)", 500, [0])
    methods = [Autoencoder(latent=2, max_steps=steps) for steps in (1, 300)]
    linear, trained = (method.compress(x, y, [0], "cpu")[1][0]["x"] for method in methods)
    assert trained["unexplained"] < 0.1 * linear["unexplained"]


def test_what_a_code_leaves_out_is_told():
    x, y = sample("blobs(mi=1)", 300, [0])
    (found,) = Autoencoder(latent=1, hidden=(8,), max_steps=20).estimate_batch(x, y, [0], "cpu")
    assert "of that of x and" in found.message
    assert f"{found.diagnostics['x']['unexplained']:.0%}" in found.message


def test_one_autoencoder_learns_sides_of_one_law():
    x, y = sample("blobs(mi=5)", 300, [0])
    tied = FAST.compress(x, y, [0], "cpu")[1][0]
    own = Autoencoder(latent=2, hidden=(16,), batch=64, max_steps=50, tied=False).compress(x, y, [0], "cpu")[1][0]
    lit = FAST.compress(x, 1 - y, [0], "cpu")[1][0]
    assert tied["x"] == tied["y"]
    assert own["x"] != own["y"]
    assert lit["x"] != lit["y"]


def test_codes_of_a_side_know_nothing_of_the_pairs():
    x, y = sample("blobs(mi=5)", 200, [0])
    for tied in (True, False):
        method = Autoencoder(latent=2, hidden=(16,), batch=64, max_steps=50, tied=tied)
        ((first, _),), _ = method.compress(x, y, [3], "cpu")
        ((second, _),), _ = method.compress(x, y[:, ::-1], [3], "cpu")
        assert first == pytest.approx(second, abs=0.3 if tied else 1e-4)  # a tied one takes the rows in another order


def test_seed_decides_and_the_stack_does_not():
    x, y = sample("blobs(mi=1)", 300, range(3))
    y[1] = 1 - y[1]
    stacked = [e.value for e in FAST.estimate_batch(x, y, [5, 6, 7], "cpu")]
    alone = [FAST.estimate(x[r], y[r], 5 + r).value for r in range(3)]
    assert stacked == pytest.approx(alone, abs=2e-4)
    assert FAST.estimate(x[0], y[0], 5).value == alone[0]
    assert FAST.estimate(x[0], y[0], 8).value != alone[0]


def test_replicates_may_have_codes_of_different_dimensions():
    rng = np.random.default_rng(0)
    x = np.stack([curved(rng.uniform(-1, 1, (500, k)), 20, k) for k in (1, 3)])
    y = rng.standard_normal((2, 500, 1))
    method = mibench.estimator("ae(gaussian_fit, max_steps=50)").method
    found = method.estimate_batch(x, y, [0, 1], "cpu")
    assert [e.diagnostics["x"]["latent"] for e in found] == [1, 3]
    for replicate, one in enumerate(found):
        alone = method.estimate(x[replicate], y[replicate], replicate)
        assert one.value == pytest.approx(alone.value, abs=1e-3)


def test_any_estimator_takes_the_codes():
    (x,), (y,) = sample("blobs(mi=2)", 500, [0])
    nested = mibench.estimator("ae(gaussian_fit(), latent=2, hidden=(16,), max_steps=200)")
    assert nested.name == "ae(gaussian_fit, latent=2, hidden=(16,), max_steps=200)"
    ((left, right),), _ = nested.method.compress(x[None], y[None], [0], "cpu")
    direct = mibench.estimator("gaussian_fit").estimate(left, right, seed=0)
    assert nested.estimate(x, y, seed=0, device="cpu").value == pytest.approx(direct.value, abs=0.01)
    assert direct.value > 1


def test_codes_beyond_the_base_are_no_crash():
    x, y = sample("gaussian(d=20, mi=1)", 22, [0])
    (found,) = mibench.estimator("ae(gaussian_fit, hidden=(8,), search_steps=1)").method.estimate_batch(
        x, y, [0], "cpu"
    )
    assert math.isnan(found.value)
    assert "beyond gaussian_fit" in found.message


def test_a_failure_of_the_base_is_passed_on():
    x = np.random.default_rng(0).standard_normal((100, 1))
    found = Autoencoder().estimate(x, x, 0)
    assert math.isnan(found.value)
    assert "linearly" in found.message


def given_weights(network, seed=0):
    """The network with random weights where it began at zero."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        if not parameter.any():
            parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
    return network


class TestConvolutions:
    """What `network='conv'` changes."""

    SHAPES = ((1, 8, 8), (1, 7, 7), (3, 9, 13), (1, 5, 20), (2, 28, 28), (1, 16, 4))

    @pytest.mark.parametrize("shape", SHAPES, ids=str)
    def test_a_stack_is_separate_networks(self, shape):
        generator = torch.Generator().manual_seed(1)
        d = math.prod(shape)
        images, axes = torch.randn(3, 5, d, generator=generator), torch.randn(3, 2, d, generator=generator)
        stack = given_weights(StackedConvAutoencoder(shape, (6,), axes, torch_generators([3, 1, 4])))
        codes = stack.encode(images)
        restored, losses = stack.decode(codes), stack.loss(images)
        assert codes.shape == (3, 5, 2)
        assert restored.shape == images.shape
        for member in range(3):
            alone = StackedConvAutoencoder(shape, (6,), axes[[member]], torch_generators([0]))
            for own, stacked in zip(alone.parameters(), stack.parameters(), strict=True):
                own.data = stacked.data[[member]]
            assert torch.allclose(alone.encode(images[[member]]), codes[[member]], rtol=1e-4, atol=1e-4)
            assert torch.allclose(alone.decode(codes[[member]]), restored[[member]], rtol=1e-4, atol=1e-4)
            assert alone.loss(images[[member]]).item() == pytest.approx(losses[member].item(), rel=1e-4)
        losses.sum().backward()
        for name, parameter in stack.named_parameters():
            assert parameter.grad.flatten(1).any(dim=1).all(), name

    def test_a_code_reaches_every_pixel_and_every_pixel_its_code(self):
        for shape in self.SHAPES:
            images = torch.zeros(1, 1, math.prod(shape), requires_grad=True)
            axes = torch.zeros(1, 1, images.shape[2])
            network = given_weights(StackedConvAutoencoder(shape, (6,), axes, torch_generators([0])))
            (reach,) = torch.autograd.grad(network.encode(images).sum(), images)
            assert (reach != 0).all()
            codes = torch.tensor([[[-2.0], [3.0]]])
            assert (network.decode(codes).diff(dim=1) != 0).all()

    @pytest.mark.parametrize("shape", [(9, 13), (3, 8, 8)], ids=str)
    def test_begins_at_principal_component_analysis(self, shape):
        images = wave_images(np.random.default_rng(0).uniform(-1, 1, (400, 3)), shape)
        first = [{"x": images}, {"x": images[:200], "y": images[200:]}]
        jobs = [Job(0, sides, *Autoencoder().project(sides, "cpu"), seed=0) for sides in first]
        rows, network = Autoencoder(network="conv").begin(jobs, 2, (1,) * (3 - len(shape)) + shape, "cpu")
        flat = images.reshape(400, -1) - images.reshape(400, -1).mean(axis=0)
        left, singular, right = np.linalg.svd(flat, full_matrices=False)
        shares = singular**2 / (singular**2).sum()
        assert rows.shape == (2, 400, math.prod(shape))
        assert network.loss(rows).tolist() == pytest.approx([1 - shares[:2].sum()] * 2, abs=1e-4)
        assert network.encode(rows)[0].detach().abs().numpy() == pytest.approx(np.abs(left[:, :2]) * 399**0.5, abs=2e-2)
        expected = (left[:, :2] * singular[:2]) @ right[:2] / math.sqrt((flat**2).mean())
        assert network.decode(network.encode(rows))[0].detach().numpy() == pytest.approx(expected, abs=1e-2)

    @pytest.mark.parametrize("shape", [(8, 8), (7, 7), (3, 6, 10)], ids=str)
    def test_images_are_restored_better_than_by_principal_axes(self, shape):
        latents = np.random.default_rng(1).uniform(-2, 2, (1000, 2))
        x, y = wave_images(latents, shape)[None], latents[None, :, :1]
        conv = Autoencoder(network="conv", latent=2, max_steps=200)
        linear, found = (method.compress(x, y, [0], "cpu")[1][0]["x"] for method in (PCA(latent=2), conv))
        assert found["unexplained"] < 0.2 * linear["unexplained"]

    @pytest.mark.parametrize("k", [1, 2, 3])
    def test_latent_dimension_is_found(self, k):
        x = wave_images(np.random.default_rng(k).uniform(-1, 1, (2000, k)), (7, 9))[None]
        _, notes = Autoencoder(network="conv", max_steps=20).compress(x, x[:, :, 0, :1], [0], "cpu")
        assert notes[0]["x"]["latent"] == k

    def test_the_unexplained_share_is_that_of_pixels(self):
        rng = np.random.default_rng(0)
        images = 5 + 3 * rng.standard_normal((1, 2000, 4, 4))
        method = Autoencoder(network="conv", latent=4, components=4, max_steps=1)
        _, notes = method.compress(images, images[..., 0, :1], [0], "cpu")
        assert notes[0]["x"]["unexplained"] == pytest.approx(12 / 16, abs=0.05)

    def test_vectors_and_small_images_are_left_to_the_mlp(self):
        (x,), (y,) = sample("gaussian(d=9, mi=1)", 200, [0])
        conv, mlp = (Autoencoder(network=name, latent=2, hidden=(8,), max_steps=50) for name in ("conv", "mlp"))
        for shape in ((9,), (3, 3)):
            left, right = x.reshape(1, 200, *shape), y.reshape(1, 200, *shape)
            expected = mlp.estimate_batch(left, right, [0], "cpu")
            assert conv.estimate_batch(left, right, [0], "cpu") == expected
        mixed = wave_images(x[:, :2], (4, 4))[None]
        ((codes, same),), notes = conv.compress(mixed, y[None], [0], "cpu")
        ((other, expected),), _ = mlp.compress(mixed, y[None], [0], "cpu")
        assert np.array_equal(same, expected)
        assert not np.allclose(codes, other, atol=1e-3)
        assert notes[0].keys() == {"x", "y"}

    def test_seed_decides_and_the_stack_does_not(self):
        method = Autoencoder(network="conv", latent=1, hidden=(8,), batch=32, max_steps=20)
        rng = np.random.default_rng(0)
        x, y = (wave_images(rng.uniform(-1, 1, (200, 2)), shape) for shape in ((8, 8), (5, 6)))
        stacked = [e.value for e in method.estimate_batch(np.stack([x] * 2), np.stack([y] * 2), [5, 6], "cpu")]
        alone = [method.estimate(x, y, seed).value for seed in (5, 6)]
        assert stacked == pytest.approx(alone, abs=2e-4)
        assert alone[0] != alone[1]

    def test_one_autoencoder_learns_images_of_one_law(self):
        x, y = (wave_images(np.random.default_rng(seed).uniform(-1, 1, (1, 300, 2))[0], (6, 6)) for seed in (0, 1))
        tied = Autoencoder(network="conv", latent=2, hidden=(8,), max_steps=20)
        notes = [tied.compress(x[None], side[None], [0], "cpu")[1][0] for side in (y, 1 - y**2)]
        assert [own["x"] == own["y"] for own in notes] == [True, False]

    def test_sides_of_two_shapes_share_an_mlp(self):
        x = wave_images(np.random.default_rng(0).uniform(-1, 1, (300, 2)), (6, 6))
        fields = {"latent": 2, "hidden": (8,), "max_steps": 50, "tied": True}
        methods = [Autoencoder(network=name, **fields) for name in ("conv", "mlp")]
        for y, same in ((x[::-1].reshape(300, 4, 9), True), (x[::-1], False)):
            first, second = (method.compress(x[None], y[None], [0], "cpu")[1] for method in methods)
            assert (first == second) == same

    def test_constant_images_tell_nothing(self):
        y = np.random.default_rng(0).standard_normal((100, 1))
        for latent in (None, 2):
            method = Autoencoder(base=mibench.estimator("kde").method, network="conv", latent=latent, max_steps=10)
            found = method.estimate(np.full((100, 6, 6), 0.1), y, 0)
            assert found.value == pytest.approx(0, abs=1e-9)


class TestPCA:
    def test_codes_are_the_leading_axes(self):
        rows = decaying_rows(1000, 10)
        y = np.random.default_rng(1).standard_normal((1000, 1))
        ((left, _),), notes = mibench.estimator("pca(kde(), latent=3)").method.compress(rows[None], y[None], [0], "cpu")
        centred = rows - rows.mean(axis=0)
        u, singular, _ = np.linalg.svd(centred, full_matrices=False)
        assert np.abs(left) == pytest.approx(np.abs(u[:, :3]) * math.sqrt(999), abs=2e-2)
        shares = singular**2 / (singular**2).sum()
        assert notes[0]["x"]["unexplained"] == pytest.approx(1 - shares[:3].sum(), abs=1e-4)

    def test_latent_counts_the_axes_that_hold_the_gain(self):
        rows = decaying_rows(4000, 10)  # shares 0.75, 0.19, 0.047, 0.012, 0.003, ...
        y = np.random.default_rng(1).standard_normal((4000, 1))
        latents = {
            gain: mibench.estimator(f"pca(gain={gain})").method.compress(rows[None], y[None], [0], "cpu")[1][0]["x"]
            for gain in (0.3, 0.03, 0.01)
        }
        assert [note["latent"] for note in latents.values()] == [1, 3, 4]

    def test_a_plane_in_many_dimensions_costs_nothing(self):
        (x,), (y,) = sample("gaussian(d=2, mi=1)", 1000, [1])
        embed = np.random.default_rng(0).standard_normal((2, 30))
        found = mibench.estimator("pca(gaussian_fit)").estimate(x @ embed, y, seed=0)
        assert found.diagnostics["x"]["latent"] == 2
        direct = mibench.estimator("gaussian_fit").estimate(x, y, seed=0)
        assert found.value == pytest.approx(direct.value, abs=1e-4)


def test_limits_are_stated():
    assert "at least 20" in Autoencoder().unsupported(19, (16, 16), (1,))
    assert Autoencoder().unsupported(20, (16, 16), (1,)) == ""
    assert "27 coordinates" not in Autoencoder(latent=8).unsupported(20, (16, 16), (19,))
    assert "32 coordinates" in Autoencoder(latent=16).unsupported(20, (16, 16), (16,))
    bad = ({"latent": 0}, {"components": 0}, {"hidden": (0,)}, {"held_out": 0.0}, {"learning_rate": 0.0}, {"gain": 1.0})
    for fields in bad:
        with pytest.raises(SpecError, match=next(iter(fields))):
            Autoencoder(**fields)
    with pytest.raises(SpecError, match="components"):
        Autoencoder(latent=8, components=4)
    with pytest.raises(SpecError, match="'mlp' or 'conv'"):
        Autoencoder(network="convolutional")
    with pytest.raises(SpecError, match="baseline"):
        mibench.estimator("ae(oracle())")
