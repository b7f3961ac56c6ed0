"""Stacks of R normalizing flows on vectors, which begin at the identity: (R, B, d) → codes (R, B, d), ln|det J| (R, B).

Layers act on rows (R, d, B), whose long dimension comes last, and return ln|det J| as parts (R, ..., B) to be summed.
Splines are monotone and rational-quadratic (Gregory and Delbourgo 1982; Durkan et al., Neural Spline Flows, 2019,
section 3.1). Inside [−BOUND, BOUND] a spline maps the interval onto itself; outside it goes on as a straight line of
the slope that it has at the edge, so that tails are stretched too.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from .stack import StackedMLP, silu

BOUND = 3.0
_LEAST = 1e-3  # of a bin, as a share of the box, and of a slope
_UNIT_SLOPE = math.log(math.expm1(1 - _LEAST))  # the logit of slope 1
_PACE = 10.0  # of a logit that is a weight itself, against those that sum the steps of a hidden layer's weights
_TIED = 1e-6  # share of the box that a bin of equal values has beyond the least width
_STEEPEST = 50.0  # slope of a spline that begins at quantiles
_STRETCH = 2.0  # the largest |ln scale| of an affine coupling


@dataclass(frozen=True)
class Layout:
    """How many couplings of which kind, the hidden layers of their networks, and the bins of marginal splines."""

    couplings: int
    coupling: Literal["affine", "spline"]
    hidden: tuple[int, ...]
    bins: int


def spline(x: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Map x (R, d, B) by splines of logits (R, 3K + 1, d, B or 1), and return ln|slope| (R, d, B) too.

    The logits are those of K widths, K heights and K + 1 slopes; zeros give the identity. This is the arithmetic of
    `normflows.utils.splines`, along rows: its sums over the last dimension, of 8 bins, take four times as long.
    """
    bins = logits.shape[1] // 3
    shares = logits[:, : 2 * bins].reshape(len(x), 2, bins, *logits.shape[2:]).softmax(dim=2)
    lengths = _LEAST + (1 - _LEAST * bins) * shares
    ends = (lengths.new_ones(bins, bins).tril() @ lengths.flatten(3)).view_as(lengths)
    inside = x.clamp(-BOUND, BOUND)
    share = (inside + BOUND) / (2 * BOUND)
    own = logits.shape[-1] > 1  # a spline for each row
    with torch.no_grad():
        if own:
            index = (share[:, None] >= ends[:, 0, :-1]).sum(dim=1, keepdim=True)
        else:
            index = torch.searchsorted(ends[:, 0, :-1, :, 0].mT.contiguous(), share.contiguous(), right=True)

    def pick(table: Tensor, at: Tensor) -> Tensor:
        # An expanded table would get a gradient of its expanded size.
        return table.gather(1, at)[:, 0] if own else table[..., 0].mT.gather(2, at)

    width, height = pick(lengths[:, 0], index), pick(lengths[:, 1], index)
    left, bottom = pick(ends[:, 0], index) - width, pick(ends[:, 1], index) - height
    slopes = (pick(logits[:, 2 * bins :], at) for at in (index, index + 1))
    first, last = (_LEAST + functional.softplus(slope + _UNIT_SLOPE) for slope in slopes)
    t, mean = (share - left) / width, height / width
    bend = t * (1 - t)
    below = mean + (first + last - 2 * mean) * bend
    codes = bottom + height * (mean * t.square() + first * bend) / below
    log_slope = 2 * (mean / below).log() + (last * t.square() + 2 * mean * bend + first * (1 - t).square()).log()
    return (2 * codes - 1) * BOUND + log_slope.exp() * (x - inside), log_slope


class MarginalSplines(nn.Module):
    """One learned spline a coordinate, from `logits` (R, 3K + 1, d)."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits[..., None] / _PACE)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map each coordinate of x (R, d, B) by its own spline."""
        return spline(x, _PACE * self.logits)


def knot_logits(knots: Tensor, normal: Tensor) -> Tensor:
    """Return the logits (R, 3K + 1, d) of splines whose knots are `knots` (R, d, K + 1), up to their least width.

    Where `normal` (R, d), the knots go to even places, which makes N(0, 1) of a coordinate whose knots are its
    `normal_quantiles`, with slopes between those of the two bins. Elsewhere they stay, and the spline is the identity.
    """
    bins = knots.shape[-1] - 1
    span = (knots[..., -1:] - knots[..., :1]).clamp(min=_LEAST)
    # What a softmax shares out is beyond the least width; quantiles of data with ties coincide.
    free = (knots.diff(dim=-1) / span - _LEAST).clamp(min=_TIED)
    free = free / free.sum(dim=-1, keepdim=True)
    secants = 1 / bins / (_LEAST + (1 - _LEAST * bins) * free)
    inner = 2 / (1 / secants[..., 1:] + 1 / secants[..., :-1])
    slopes = torch.cat([secants[..., :1], inner, secants[..., -1:]], dim=-1).clamp(2 * _LEAST, _STEEPEST)
    bent = (slopes - _LEAST).expm1().log() - _UNIT_SLOPE
    widths = free.log() - free.log().mean(dim=-1, keepdim=True)
    bends = normal.unsqueeze(-1)
    logits = [widths, torch.where(bends, 0, widths), torch.where(bends, bent, 0)]
    return torch.cat(logits, dim=-1).mT.reshape(len(knots), 3 * bins + 1, -1)


class Mixing(nn.Module):
    """R linear maps L U, with L of unit diagonal and U of a positive one."""

    def __init__(self, replicates: int, dim: int) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.zeros(replicates, dim, dim))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mix the coordinates of x (R, d, B)."""
        log_scale = self.factors.diagonal(dim1=1, dim2=2)
        lower = self.factors.tril(-1) + torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        upper = self.factors.triu(1) + torch.diag_embed(log_scale.exp())
        return lower @ upper @ x, log_scale[..., None].expand_as(x)


def move(x: Tensor, outputs: Tensor, bends: bool) -> tuple[Tensor, Tensor]:
    """Map x (R, d, B) by outputs (R, 2 or 3K + 2, d, B) of a network: shifted and scaled, or shifted and bent."""
    if bends:
        return spline(x + outputs[:, 0], outputs[:, 1:])
    log_slope = _STRETCH * (outputs[:, 1] / _STRETCH).tanh()
    return x * log_slope.exp() + outputs[:, 0], log_slope


def move_given(kept: Tensor, moved: Tensor, conditioner: StackedMLP, bends: bool) -> tuple[Tensor, Tensor]:
    """Map `moved` (R, d, B) as `move` does, by the outputs of a network of `kept` (R, k, B)."""
    # A network says nothing of rows that lie far beyond all it has seen, and would multiply them.
    outputs = conditioner.transposed(kept.clamp(-2 * BOUND, 2 * BOUND))
    return move(moved, outputs.reshape(len(moved), -1, *moved.shape[1:]), bends)


class Coupling(nn.Module):
    """Maps of some coordinates, by an MLP of the others; the `index`-th in a cycle of splits.

    Affine: shifted and scaled. Spline: shifted, then bent by a spline. Splits go by the bits of a coordinate's number,
    so that every two coordinates are on opposite sides of one.
    """

    def __init__(self, dim: int, index: int, layout: Layout, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        self.bends = layout.coupling == "spline"
        bit = index // 2 % (dim - 1).bit_length()
        self.moved = [j for j in range(dim) if (j >> bit & 1) == index % 2]
        self.kept = [j for j in range(dim) if j not in self.moved]
        self.back = sorted(range(dim), key=(self.kept + self.moved).__getitem__)
        outputs = len(self.moved) * (3 * max(2, layout.bins // 2) + 2 if self.bends else 2)
        self.conditioner = StackedMLP(
            [len(self.kept), *layout.hidden, outputs], generators, zero_last=True, activation=silu
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Move some coordinates of x (R, d, B) and keep the others."""
        kept, moved = x[:, self.kept], x[:, self.moved]
        codes, log_slope = move_given(kept, moved, self.conditioner, self.bends)
        return torch.cat([kept, codes], dim=1)[:, self.back], log_slope


class StackedFlow(nn.Module):
    """Marginal splines of `logits` (R, 3K + 1, d); then couplings and mixings by turns, and marginal splines again.

    In one dimension, or without couplings, there is only the first layer.
    """

    def __init__(self, logits: Tensor, layout: Layout, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        replicates, _, dim = logits.shape
        layers: list[nn.Module] = [MarginalSplines(logits)]
        if dim > 1 and layout.couplings:
            for index in range(layout.couplings):
                layers += [Coupling(dim, index, layout, generators), Mixing(replicates, dim)]
            layers.append(MarginalSplines(torch.zeros_like(logits)))
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the codes and ln|det J|."""
        codes, log_det = x.mT, x.new_zeros(x.shape[:2])
        for layer in self.layers:
            codes, parts = layer(codes)
            log_det = log_det + parts.sum(dim=1)
        return codes.mT, log_det


def normal_quantiles(data: Tensor, bins: int) -> Tensor:
    """Return the quantiles (R, d, bins + 1) of data (R, n, d) at probabilities Φ of evenly spaced points of the box."""
    levels = torch.special.ndtr(torch.linspace(-BOUND, BOUND, bins + 1, device=data.device, dtype=torch.float64))
    ranks = (levels * (data.shape[1] - 1)).round().long()
    return data.sort(dim=1).values[:, ranks].movedim(1, -1)
