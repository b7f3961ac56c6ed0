"""Stacks of R normalizing flows on vectors, which begin at the identity: (R, B, d) → codes (R, B, d), ln|det J| (R, B).

The layers are monotone rational-quadratic splines (Gregory and Delbourgo 1982; Durkan et al., Neural Spline Flows,
2019, section 3.1). Inside [−BOUND, BOUND] a spline maps the interval onto itself; outside it goes on as a straight line
of the slope that it has at the edge, so that tails are stretched too.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from .stack import StackedMLP

BOUND = 3.0
_LEAST = 1e-3  # of a bin, as a share of the box, and of a slope
_UNIT_SLOPE = math.log(math.expm1(1 - _LEAST))  # the logit of slope 1
_PACE = 10.0  # of a logit that is a weight itself, against those that sum the steps of a hidden layer's weights


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
    with torch.no_grad():
        index = (share[:, None] >= ends[:, 0, :-1]).sum(dim=1, keepdim=True)

    def pick(table: Tensor, at: Tensor) -> Tensor:
        return table.expand(*table.shape[:-1], x.shape[-1]).gather(1, at)[:, 0]

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
    """One learned spline a coordinate, with knots (R, d, K + 1) to begin with, on both axes."""

    def __init__(self, knots: Tensor) -> None:
        super().__init__()
        least = _LEAST * (knots[..., -1:] - knots[..., :1]).clamp(min=_LEAST)  # quantiles of data with ties coincide
        widths = (knots.diff(dim=-1) + least).log()
        self.start: Tensor
        self.register_buffer("start", torch.cat([widths, widths, torch.zeros_like(knots)], dim=-1).mT[..., None])
        self.change = nn.Parameter(torch.zeros_like(self.start))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map each coordinate of x (R, d, B) by its own spline."""
        return spline(x, self.start + _PACE * self.change)


class Coupling(nn.Module):
    """Shifts and splines of some coordinates, by an MLP of the others; the `index`-th in a cycle of splits.

    Splits go by the bits of a coordinate's number, so that every two coordinates are on opposite sides of one.
    """

    def __init__(
        self, dim: int, index: int, hidden: Sequence[int], bins: int, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        bit = index // 2 % (dim - 1).bit_length()
        self.moved = [j for j in range(dim) if (j >> bit & 1) == index % 2]
        self.kept = [j for j in range(dim) if j not in self.moved]
        self.back = sorted(range(dim), key=(self.kept + self.moved).__getitem__)
        sizes = [len(self.kept), *hidden, len(self.moved) * (3 * bins + 2)]
        self.conditioner = StackedMLP(sizes, generators, zero_last=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Move some coordinates of x (R, d, B) and keep the others."""
        kept, moved = x[:, self.kept], x[:, self.moved]
        # A network says nothing of rows that lie far beyond all it has seen, and would multiply them.
        outputs = self.conditioner.transposed(kept.clamp(-2 * BOUND, 2 * BOUND)).reshape(len(x), -1, *moved.shape[1:])
        codes, log_slope = spline(moved + outputs[:, 0], outputs[:, 1:])
        return torch.cat([kept, codes], dim=1)[:, self.back], log_slope


class StackedFlow(nn.Module):
    """Marginal splines, then couplings (none in one dimension).

    The first knots of the marginal splines are quantiles of `data` (R, n, d), standardised, at the probabilities that
    evenly spaced knots have under N(0, 1): a coordinate of any law then has its rows spread over the bins.
    """

    def __init__(
        self, data: Tensor, couplings: int, hidden: Sequence[int], bins: int, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        dim = data.shape[-1]
        self.layers = nn.ModuleList([MarginalSplines(normal_quantiles(data, bins).float())])
        self.layers.extend(Coupling(dim, i, hidden, bins, generators) for i in range(couplings if dim > 1 else 0))

    def forward(self, x: Tensor, depth: int | None = None) -> tuple[Tensor, Tensor]:
        """Return the codes and ln|det J| of the first `depth` layers, all by default."""
        codes, log_det = x.mT, x.new_zeros(x.shape[:2])
        for layer in self.layers[:depth]:
            codes, log_slopes = layer(codes)
            log_det = log_det + log_slopes.sum(dim=1)
        return codes.mT, log_det


def normal_quantiles(data: Tensor, bins: int) -> Tensor:
    """Return the quantiles (R, d, bins + 1) of data (R, n, d) at probabilities Φ of evenly spaced points of the box."""
    levels = torch.special.ndtr(torch.linspace(-BOUND, BOUND, bins + 1, device=data.device))
    ranks = (levels * (data.shape[1] - 1)).round().long()
    return data.sort(dim=1).values[:, ranks].movedim(1, -1)
