"""Stacks of R splines on each coordinate of rows (R, d, B), whose long dimension comes last.

They are monotone and rational-quadratic (Gregory and Delbourgo 1982; Durkan et al., Neural Spline Flows, 2019,
section 3.1). Inside [−BOUND, BOUND] a spline maps the interval onto itself; outside it goes on as a straight line of
the slope that it has at the edge, so that tails are stretched too.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

BOUND = 3.0
_LEAST = 1e-3  # of a bin, as a share of the box, and of a slope
_UNIT_SLOPE = math.log(math.expm1(1 - _LEAST))  # the logit of slope 1
_PACE = 10.0  # of a logit that is a weight itself, against those that sum the steps of a hidden layer's weights
_TIED = 1e-6  # share of the box that a bin of equal values has beyond the least width
_STEEPEST = 50.0  # slope of a spline that begins at quantiles


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


def normal_quantiles(data: Tensor, bins: int) -> Tensor:
    """Return the quantiles (R, d, bins + 1) of data (R, n, d) at probabilities Φ of evenly spaced points of the box."""
    levels = torch.special.ndtr(torch.linspace(-BOUND, BOUND, bins + 1, device=data.device, dtype=torch.float64))
    ranks = (levels * (data.shape[1] - 1)).round().long()
    return data.sort(dim=1).values[:, ranks].movedim(1, -1)
