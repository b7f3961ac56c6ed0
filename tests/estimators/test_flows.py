"""Each layer is a smooth bijection of known determinant, and a flow of them a density, the identity at its start."""

import math

import numpy as np
import pytest
import torch
from normflows.utils.splines import unconstrained_rational_quadratic_spline
from scipy import stats

from mibench.estimators.couplings import Coupling, Layout, MixedCouplings, Mixings
from mibench.estimators.flows import StackedFlow
from mibench.estimators.splines import BOUND, MarginalSplines, knot_logits, normal_quantiles, spline
from mibench.estimators.stack import torch_generators

KINDS = ("affine", "spline")
MEMBERS = 2


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def layout(kind, couplings=4):
    return Layout(couplings, kind, (8,), 6)


def bent(module, amount=0.25):
    """Every parameter in float64, moved from where it begins."""
    module = module.double()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.add_(torch.randn_like(parameter), alpha=amount / 3 if name.endswith("logits") else amount)
    return module


def bent_flow(dim, kind, couplings=4, amount=0.25):
    logits = torch.zeros(MEMBERS, 19, dim)
    return bent(StackedFlow(logits, layout(kind, couplings), torch_generators(range(MEMBERS))), amount)


class Rows(torch.nn.Module):
    """One layer as a map of rows (R, B, d)."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        codes, parts = self.layer(x.mT)
        return codes.mT, parts.sum(dim=1)


class Mixed(torch.nn.Module):
    """Two mixings, from one order of coordinates to another and back."""

    def __init__(self, dim):
        super().__init__()
        places = list(range(dim))
        self.mixings = Mixings(MEMBERS, [places, places[::-1], places])

    def forward(self, x):
        (one, two), log_det = self.mixings()
        return two @ one @ x, log_det[:, None].expand(-1, -1, x.shape[2])


def built(name, dim):
    """The map of that name, bent, in that many dimensions."""
    kind, _, index = name.partition(" ")
    if index == "flow":
        return bent_flow(dim, kind)
    if kind == "splines":
        return Rows(bent(MarginalSplines(torch.zeros(MEMBERS, 25, dim))))
    if kind == "mixings":
        return Rows(bent(Mixed(dim)))
    return Rows(bent(Coupling(dim, int(index), layout(kind), torch_generators(range(MEMBERS)))))


ALONE = ("splines", *(f"{kind} flow" for kind in KINDS))
SPLITS = ("mixings", *(f"{kind} {index}" for kind in KINDS for index in range(4)))
MAPS = [(name, dim) for dim in (1, 2, 3, 5) for name in (ALONE if dim == 1 else ALONE + SPLITS)]


def bisected(layer, codes, kept=0):
    """The x (R, d, B) that a layer which keeps the first of them maps to these codes, by halving of intervals."""
    low, high = torch.full_like(codes, -1e4), torch.full_like(codes, 1e4)
    low[:, :kept], high[:, :kept] = codes[:, :kept], codes[:, :kept]
    for _ in range(70):
        middle = (low + high) / 2
        above = layer(middle)[0] > codes
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return (low + high) / 2


def unmixed(couplings, codes):
    """The x (R, d, B) that couplings and mixings map to these codes."""
    matrices, _ = couplings.mixings()
    for coupling, matrix in reversed(list(zip(couplings.couplings, matrices, strict=True))):
        codes = bisected(coupling, torch.linalg.solve(matrix, codes), len(coupling.kept))
    return codes[:, np.argsort(couplings.first)]


def inverted(layer, codes):
    """The rows (R, B, d) that a flow or a layer of rows maps to these codes."""
    codes = codes.mT
    if isinstance(layer, StackedFlow):
        if layer.coupled:
            codes = unmixed(layer.couplings, bisected(layer.last, codes))
        return bisected(layer.first, codes).mT
    if isinstance(layer.layer, Mixed):
        (one, two), _ = layer.layer.mixings()
        return torch.linalg.solve(two @ one, codes).mT
    return bisected(layer.layer, codes, len(getattr(layer.layer, "kept", []))).mT


class TestSpline:
    def test_is_that_of_normflows_inside_the_box(self):
        x = torch.empty(2, 3, 50, dtype=torch.double).uniform_(-BOUND, BOUND)
        logits = torch.randn(2, 25, 3, 50, dtype=torch.double)
        logits[:, 16], logits[:, 24] = 0, 0  # normflows' linear tails have slope 1
        widths, heights, slopes = logits.movedim(1, -1).split([8, 8, 9], dim=-1)
        shifted = slopes[..., 1:-1] + math.log(math.expm1(1 - 1e-3))
        expected = unconstrained_rational_quadratic_spline(x, widths, heights, shifted, tail_bound=BOUND)
        for ours, theirs in zip(spline(x, logits), expected, strict=True):
            assert torch.allclose(ours, theirs, atol=1e-4)  # theirs moves the last edge by 1e-6

    @pytest.mark.parametrize("side", [-1, 1])
    def test_tails_go_on_at_the_slope_of_the_edge(self, side):
        logits = torch.randn(1, 25, 1, 1, dtype=torch.double)
        x = side * torch.tensor([[[BOUND, BOUND + 1, BOUND + 50]]], dtype=torch.double)
        codes, log_slope = spline(x, logits)
        assert torch.allclose(log_slope, log_slope[..., :1].expand_as(log_slope))
        assert torch.allclose(codes - side * BOUND, log_slope.exp() * (x - side * BOUND))
        edge = math.log(1e-3 + math.log1p(math.exp(logits[0, 16 if side < 0 else 24]) * math.expm1(1 - 1e-3)))
        assert log_slope.flatten()[0].item() == pytest.approx(edge)

    def test_one_spline_for_all_rows_is_that_of_each(self):
        x, logits = 2 * torch.randn(2, 3, 40, dtype=torch.double), torch.randn(2, 25, 3, 1, dtype=torch.double)
        for one, each in zip(spline(x, logits), spline(x, logits.expand(-1, -1, -1, 40)), strict=True):
            assert torch.allclose(one, each, atol=1e-12)

    def test_zeros_are_the_identity(self):
        x = 3 * torch.randn(2, 4, 100, dtype=torch.double)
        codes, log_slope = spline(x, torch.zeros(2, 25, 4, 1, dtype=torch.double))
        assert torch.allclose(codes, x, atol=1e-12)
        assert log_slope.abs().max() < 1e-12


class TestMaps:
    @pytest.mark.parametrize(("name", "dim"), MAPS)
    def test_log_determinant_is_that_of_the_jacobian(self, name, dim):
        flow = built(name, dim)
        x = 2.5 * torch.randn(MEMBERS, 5, dim, dtype=torch.double)
        jacobian = torch.autograd.functional.jacobian(lambda x: flow(x)[0], x)
        own = torch.stack([torch.stack([jacobian[r, b, :, r, b] for b in range(5)]) for r in range(MEMBERS)])
        expected = torch.linalg.slogdet(own)
        assert torch.allclose(expected.logabsdet, flow(x)[1], atol=1e-9)
        assert expected.logabsdet.abs().max() > 0.01
        assert (expected.sign > 0).all()
        # Nothing passes between rows or members.
        assert float(own.abs().sum()) == pytest.approx(float(jacobian.abs().sum()), rel=1e-12)

    @pytest.mark.parametrize(("name", "dim"), MAPS)
    def test_has_an_inverse(self, name, dim):
        flow = built(name, dim)
        x = 2.5 * torch.randn(MEMBERS, 50, dim, dtype=torch.double)
        with torch.no_grad():
            codes = flow(x)[0]
            assert (codes - x).abs().max() > 0.1
            assert torch.allclose(inverted(flow, codes), x, atol=1e-8)

    @pytest.mark.parametrize("couplings", [0, 3])
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("dim", [1, 2])
    def test_density_integrates_to_one(self, dim, kind, couplings):
        flow = bent_flow(dim, kind, couplings, 0.12)
        step, reach = (0.002, 20) if dim == 1 else (0.04, 11)
        axis = torch.arange(-reach, reach, step, dtype=torch.double)
        grid = torch.cartesian_prod(*[axis] * dim).reshape(-1, dim)
        with torch.no_grad():
            codes, log_det = flow(grid.expand(MEMBERS, -1, -1))
        log_density = log_det - codes.square().sum(dim=2) / 2 - dim / 2 * math.log(2 * math.pi)
        mass = log_density.exp().sum(dim=1) * step**dim
        assert mass.tolist() == pytest.approx([1, 1], abs=1e-3)

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("dim", [1, 2, 3, 5])
    def test_is_affine_along_rays_far_out(self, dim, kind):
        rays = torch.randn(MEMBERS, 20, dim, dtype=torch.double)
        far = rays.sign() * (rays.abs() + 0.3) * 1e6
        flow = bent_flow(dim, kind)
        with torch.no_grad():
            (first, change), (second, same), (third, _) = flow(far), flow(2 * far), flow(3 * far)
        assert torch.allclose(third - second, second - first, rtol=1e-9, atol=1e-6)
        assert torch.allclose(change, same, atol=1e-10)
        assert (second - first).norm(dim=2).min() > 10


class TestCoupling:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("index", range(4))
    def test_moves_each_coordinate_by_itself_and_those_that_stay(self, kind, index):
        coupling = bent(Coupling(5, index, layout(kind), torch_generators(range(MEMBERS))))
        x = torch.randn(MEMBERS, 5, 1, dtype=torch.double)
        jacobian = torch.autograd.functional.jacobian(lambda x: coupling(x)[0], x)
        codes, log_slope = coupling(x)
        stay = len(coupling.kept)
        assert sorted(coupling.kept + coupling.moved) == list(range(5))
        assert torch.equal(codes[:, :stay], x[:, :stay])
        for member in range(MEMBERS):
            own = jacobian[member, stay:, 0, member, :, 0]
            assert torch.allclose(own[:, stay:], log_slope[member, :, 0].exp().diag(), atol=1e-12)
            assert (own[:, :stay].abs() > 1e-6).all()

    @pytest.mark.parametrize("dim", [1, 3])
    def test_moves_by_what_is_given_too(self, dim):
        coupling = bent(Coupling(dim, 0, layout("affine"), torch_generators(range(MEMBERS)), given=2))
        x, given = (torch.randn(MEMBERS, k, 7, dtype=torch.double) for k in (dim, 2))
        stay = len(coupling.kept)
        assert stay == dim // 2
        assert torch.equal(coupling(x, given)[0][:, :stay], x[:, :stay])
        assert (coupling(x, given)[0][:, stay:] - coupling(x, given + 1)[0][:, stay:]).abs().min() > 1e-6
        assert torch.allclose(bisected(lambda x: coupling(x, given), coupling(x, given)[0], stay), x, atol=1e-9)

    @pytest.mark.parametrize("dim", [2, 3, 6, 9])
    def test_every_two_coordinates_are_parted_by_one_of_a_cycle(self, dim):
        cycle = 2 * (dim - 1).bit_length()
        splits = [Coupling(dim, index, layout("affine"), torch_generators([0])) for index in range(cycle + 1)]
        parted = {(a, b) for split in splits[:-1] for a in split.kept for b in split.moved}
        assert parted == {(a, b) for a in range(dim) for b in range(dim) if a != b}
        assert splits[-1].moved == splits[0].moved

    def test_scale_of_an_affine_one_is_bounded(self):
        coupling = Coupling(2, 0, layout("affine"), torch_generators([0]))
        with torch.no_grad():
            coupling.conditioner.layers[-1].bias.fill_(100)
        assert coupling(torch.randn(1, 2, 9))[1].detach().numpy() == pytest.approx(2, abs=1e-3)


class TestStart:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("dim", [1, 2, 5])
    def test_is_the_identity_where_nothing_is_to_be_made_normal(self, dim, kind):
        data = 2 * torch.randn(MEMBERS, 300, dim, dtype=torch.double).exp()
        logits = knot_logits(normal_quantiles(data, 6), torch.zeros(MEMBERS, dim, dtype=torch.bool))
        flow = StackedFlow(logits, layout(kind), torch_generators(range(MEMBERS))).double()
        codes, log_det = flow(data - 3)
        assert torch.allclose(codes, data - 3, atol=1e-9)
        assert log_det.abs().max() < 1e-9

    @pytest.mark.parametrize(("dim", "couplings", "coupled"), [(1, 4, False), (2, 0, False), (2, 2, True)])
    def test_one_dimension_has_no_coupling(self, dim, couplings, coupled):
        flow = bent_flow(dim, "affine", couplings)
        assert flow.coupled == coupled
        assert [name for name, _ in flow.named_children()] == ["first", "couplings", "last"][: 3 if coupled else 1]
        assert not coupled or len(flow.couplings.couplings) == couplings

    @pytest.mark.parametrize("count", [0, 1, 3])
    def test_couplings_and_mixings_begin_at_the_identity(self, count):
        couplings = MixedCouplings(5, count, layout("spline"), torch_generators(range(MEMBERS))).double()
        x = torch.randn(MEMBERS, 5, 9, dtype=torch.double)
        codes, log_det = couplings(x)
        assert torch.allclose(codes, x, atol=1e-12)
        assert torch.allclose(log_det, torch.zeros_like(log_det), atol=1e-12)

    def test_mixings_are_products_of_triangles_between_orders(self):
        orders = [[2, 0, 3, 1], [1, 3, 0, 2], [0, 1, 2, 3]]
        mixings = bent(Mixings(1, orders))
        matrices, _ = mixings()
        for matrix, factors, old, new in zip(matrices, mixings.factors[0], orders, orders[1:], strict=False):
            lower, upper = factors.tril(-1) + torch.eye(4), factors.triu(1) + factors.diagonal().exp().diag()
            assert torch.allclose(matrix[0], (lower @ upper)[new][:, old])

    def test_one_coordinate_is_not_mixed(self):
        mixings = Mixings(MEMBERS, [[0], [0]])
        assert not mixings.factors.requires_grad
        assert torch.equal(mixings()[0][0], torch.ones(MEMBERS, 1, 1))


LAWS = {
    "exponential": stats.expon(),
    "uniform": stats.uniform(),
    "log-normal": stats.lognorm(1),
    "student": stats.t(2),
    "normal": stats.norm(),
}


def boxed(columns, seen=None):
    """Columns (n, d) as one member, with the outer normal quantiles of the first rows at the ends of the box."""
    data = torch.as_tensor(columns)[None]
    low, high = normal_quantiles(data[:, :seen], 1).unbind(dim=-1)
    return (2 * data - low[:, None] - high[:, None]) * BOUND / (high - low)[:, None]


class TestMarginals:
    def test_quantiles_are_at_normal_levels(self):
        data = np.random.default_rng(0).permutation(2002.0 + np.arange(2002)).reshape(1, -1, 2)
        found = normal_quantiles(torch.as_tensor(data), 12)
        levels = stats.norm.cdf(np.linspace(-BOUND, BOUND, 13))
        assert found.shape == (1, 2, 13)
        assert found[0].T.numpy() == pytest.approx(np.quantile(data[0], levels, axis=0, method="nearest"))

    @pytest.mark.parametrize("bins", [4, 8, 12])
    @pytest.mark.parametrize("law", ["uniform", "log-normal", "student", "normal"])
    def test_knots_go_to_even_places(self, law, bins):
        knots = normal_quantiles(boxed(LAWS[law].rvs(size=(20_000, 2), random_state=1)), bins)
        assert knots.diff(dim=-1).min() > 1.1e-3 * 2 * BOUND
        logits = knot_logits(knots, torch.tensor([[True, False]]))
        codes, log_slope = spline(knots, logits[..., None])
        even = torch.linspace(-BOUND, BOUND, bins + 1, dtype=torch.double)
        assert torch.allclose(codes[0, 0], even, atol=1e-3)
        assert torch.allclose(codes[0, 1], knots[0, 1], atol=1e-9)
        secants = (2 * BOUND / bins / knots[0, 0].diff()).log()
        slopes = log_slope[0, 0, 1:-1]
        assert (slopes > torch.minimum(secants[1:], secants[:-1]) - 1e-3).all()
        assert (slopes < torch.maximum(secants[1:], secants[:-1]) + 1e-3).all()

    @pytest.mark.parametrize("law", LAWS)
    def test_make_any_smooth_law_normal_before_a_step(self, law):
        data = boxed(LAWS[law].rvs(size=(40_000, 1), random_state=2), seen=20_000)
        seen, unseen = data.split(20_000, dim=1)
        logits = knot_logits(normal_quantiles(seen, 16), torch.tensor([[True]]))
        codes = StackedFlow(logits, layout("affine"), torch_generators([0])).double()(unseen)[0].flatten().detach()
        assert stats.kstest(codes, "norm").statistic < 0.02
        inner = codes[codes.abs() < BOUND]
        spread = stats.truncnorm(-BOUND, BOUND)
        assert abs(stats.skew(inner)) < 0.1
        assert stats.kurtosis(inner) == pytest.approx(float(spread.stats("k")), abs=0.15)
        assert float(inner.std()) == pytest.approx(spread.std(), abs=0.03)

    @pytest.mark.parametrize("normal", [False, True])
    def test_ties_and_spikes_are_finite_and_invertible(self, normal):
        rng = np.random.default_rng(0)
        spike = rng.normal(size=2000) * (rng.random(2000) < 0.05)
        columns = [rng.integers(0, 2, 2000), rng.poisson(3, 2000), spike, np.full(2000, 0.1), np.arange(2000) == 0]
        data = torch.as_tensor(np.stack([np.asarray(column, dtype=float) for column in columns], axis=-1))[None]
        data = (data - data.mean(dim=1)) / (data.std(dim=1) + 1e-9)
        logits = knot_logits(normal_quantiles(data, 16), torch.full((1, 5), normal))
        flow = StackedFlow(logits, layout("spline"), torch_generators([0])).double()
        x = torch.cat([data[:, :100], 3 * torch.randn(1, 200, 5)], dim=1).requires_grad_()
        codes, log_det = flow(x)
        (codes.sum() + log_det.sum()).backward()
        gradients = [parameter.grad for parameter in flow.parameters()]
        assert all(torch.isfinite(values).all() for values in (codes, log_det, x.grad, *gradients))
        with torch.no_grad():
            assert torch.allclose(inverted(flow, codes), x, atol=1e-6)
            assert normal or torch.allclose(codes, x, atol=1e-6)
