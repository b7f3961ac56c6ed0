"""Couplings, affine or spline, with linear mixings between them: stacks of R, alone or given other rows.

As in `splines`, layers act on rows (R, d, B), whose long dimension comes last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from .splines import BOUND, spline
from .stack import StackedMLP, silu

_STRETCH = 2.0  # the largest |ln scale| of an affine coupling


@dataclass(frozen=True)
class Layout:
    """How many couplings of which kind, the hidden layers of their networks, and the bins of marginal splines."""

    couplings: int
    coupling: Literal["affine", "spline"]
    hidden: tuple[int, ...]
    bins: int


class Coupling(nn.Module):
    """Maps of some coordinates, by an MLP of the others and of `given` more; the `index`-th in a cycle of splits.

    Affine: shifted and scaled. Spline: shifted, then bent by a spline. Splits go by the bits of a coordinate's number,
    so that every two coordinates are on opposite sides of one. Rows come and go in the order of `kept`, then `moved`.
    One coordinate is moved each time, by what is given alone: affinely, and by a spline, by turns.
    """

    def __init__(
        self, dim: int, index: int, layout: Layout, generators: Sequence[torch.Generator], given: int = 0
    ) -> None:
        super().__init__()
        self.bends = layout.coupling == "spline" if dim > 1 else index % 2 == 1
        bit = index // 2 % max(1, (dim - 1).bit_length())
        self.moved = [j for j in range(dim) if dim == 1 or (j >> bit & 1) == index % 2]
        self.kept = [j for j in range(dim) if j not in self.moved]
        outputs = len(self.moved) * (3 * max(2, layout.bins // 2) + 2 if self.bends else 2)
        sizes = [len(self.kept) + given, *layout.hidden, outputs]
        self.conditioner = StackedMLP(sizes, generators, zero_last=True, activation=silu)
        if given:
            # The other layers do what is the same for all rows; a Gaussian that is profiled leaves a constant shift no
            # gradient but rounding, of which Adam makes whole steps.
            self.conditioner.layers[-1].bias.requires_grad_(False)

    def forward(self, x: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the codes of x (R, d, B) given rows (R, p, B), and ln|slope| of those moved."""
        kept, moved = x[:, : len(self.kept)], x[:, len(self.kept) :]
        seen = kept if given is None else torch.cat([kept, given], dim=1)
        codes, log_slope = move_given(seen, moved, self.conditioner, self.bends)
        return torch.cat([kept, codes], dim=1), log_slope


def move_given(seen: Tensor, moved: Tensor, conditioner: StackedMLP, bends: bool) -> tuple[Tensor, Tensor]:
    """Map `moved` (R, d, B), shifted and scaled or shifted and bent, by the outputs of a network of `seen` (R, k, B).

    ln|slope| (R, d, B) is returned too.
    """
    # A network says nothing of rows that lie far beyond all it has seen, and would multiply them.
    outputs = conditioner.transposed(seen.clamp(-2 * BOUND, 2 * BOUND))
    outputs = outputs.reshape(len(moved), -1, *moved.shape[1:])
    if bends:
        return spline(moved + outputs[:, 0], outputs[:, 1:])
    shift, logit = outputs.unbind(dim=1)
    log_slope = _STRETCH * (logit / _STRETCH).tanh()
    return moved * log_slope.exp() + shift, log_slope


class Mixings(nn.Module):
    """R stacks of linear maps L U, with L of unit diagonal and U of a positive one; the map of one coordinate is fixed.

    The i-th takes coordinates in the i-th of `orders`, and returns them in the next.
    """

    places: Tensor

    def __init__(self, replicates: int, orders: Sequence[Sequence[int]]) -> None:
        super().__init__()
        dim, layers = len(orders[0]), len(orders) - 1
        self.factors = nn.Parameter(torch.zeros(replicates, layers, dim, dim), requires_grad=dim > 1)
        places = [[i * dim + j for i in new for j in old] for old, new in pairwise(orders)]
        self.register_buffer("places", torch.tensor(places, dtype=torch.long).view(layers, dim * dim))

    def forward(self) -> tuple[Sequence[Tensor], Tensor]:
        """Return the matrices (R, d, d), and ln|det| (R, 1) of all together."""
        log_scale = self.factors.diagonal(dim1=2, dim2=3)
        unit = torch.eye(self.factors.shape[3], dtype=self.factors.dtype, device=self.factors.device)
        matrices = (self.factors.tril(-1) + unit) @ (self.factors.triu(1) + torch.diag_embed(log_scale.exp()))
        ordered = matrices.flatten(2).gather(2, self.places.expand(len(matrices), -1, -1))
        return ordered.view_as(matrices).unbind(dim=1), log_scale.sum(dim=(1, 2))[:, None]


class MixedCouplings(nn.Module):
    """`count` couplings, each with a mixing after it: (R, d, B) → codes (R, d, B), ln|det J| (R, B) or (R, 1)."""

    def __init__(
        self, dim: int, count: int, layout: Layout, generators: Sequence[torch.Generator], given: int = 0
    ) -> None:
        super().__init__()
        found = [Coupling(dim, index, layout, generators, given) for index in range(count)]
        orders = [*(each.kept + each.moved for each in found), list(range(dim))]
        self.couplings, self.mixings, self.first = nn.ModuleList(found), Mixings(len(generators), orders), orders[0]

    def forward(self, x: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the codes of x given rows (R, p, B), and ln|det J|."""
        matrices, log_det = self.mixings()
        codes = x[:, self.first]
        for coupling, matrix in zip(self.couplings, matrices, strict=True):
            codes, log_slope = coupling(codes, given)
            codes, log_det = matrix @ codes, log_det + log_slope.sum(dim=1)
        return codes, log_det
