"""Stacks of R flows of y given x, which begin at the residuals of a linear regression of y on x.

As in `flows`, layers act on rows (R, d, B) and return ln|det J| as parts (R, ..., B) to be summed.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from .flow_method import first_logits
from .flows import BOUND, Layout, MarginalSplines, Mixing, move_given, normal_quantiles
from .gaussian_heads import Codes
from .stack import StackedMLP, silu


class Residuals(nn.Module):
    """y less its linear regression on x, each coordinate brought onto [−BOUND, BOUND] by its normal quantiles.

    Fitted to rows x (R, p, n) and y (R, d, n), and not trained: a step of a weight would be many times a small noise.
    """

    def __init__(self, x: Tensor, y: Tensor) -> None:
        super().__init__()
        along = x - x.mean(dim=2, keepdim=True)
        factor = torch.linalg.cholesky_ex(along @ along.mT).L
        slope = torch.cholesky_solve(along @ y.mT, factor).mT
        low, high = normal_quantiles((y - slope @ x).mT, 1).unbind(dim=-1)
        scale = torch.where(high > low, (high - low) / (2 * BOUND), 1)
        values = (slope, (low + high)[..., None] / 2, scale.log()[..., None])
        self.slope, self.centre, self.log_scale = (nn.Parameter(value, requires_grad=False) for value in values)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the residuals of y (R, d, B) given x (R, p, B)."""
        codes = (y - self.slope @ x - self.centre) * (-self.log_scale).exp()
        return codes, -self.log_scale.expand_as(codes)


class ConditionalMap(nn.Module):
    """Maps of some coordinates of y by an MLP of x and of the others; the `index`-th in a cycle of splits.

    These and the two kinds are those of `Coupling`. One coordinate is mapped by x alone, each other time by a spline.
    `sides` are the numbers of coordinates of x and of y.
    """

    def __init__(
        self, index: int, sides: tuple[int, int], layout: Layout, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        given, dim = sides
        bit = index // 2 % max(1, (dim - 1).bit_length())
        self.moved = [j for j in range(dim) if dim == 1 or (j >> bit & 1) == index % 2]
        self.kept = [j for j in range(dim) if j not in self.moved]
        self.bends = layout.coupling == "spline" if dim > 1 else index % 2 == 1
        self.back = sorted(range(dim), key=(self.kept + self.moved).__getitem__)
        outputs = len(self.moved) * (3 * max(2, layout.bins // 2) + 2 if self.bends else 2)
        sizes = [len(self.kept) + given, *layout.hidden, outputs]
        self.conditioner = StackedMLP(sizes, generators, zero_last=True, activation=silu)
        # The other layers do what is the same for all rows; a Gaussian that is profiled leaves a constant shift no
        # gradient but rounding, of which Adam makes whole steps.
        self.conditioner.layers[-1].bias.requires_grad_(False)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Move some coordinates of y (R, d, B) given x (R, p, B)."""
        kept, moved = y[:, self.kept], y[:, self.moved]
        codes, log_slope = move_given(torch.cat([kept, x], dim=1), moved, self.conditioner, self.bends)
        return torch.cat([kept, codes], dim=1)[:, self.back], log_slope


class Unmixed(nn.Module):
    """What stands for `Mixing` where there is one coordinate."""

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return y (R, 1, B) as it is."""
        return y, torch.zeros_like(y)


class ConditionalFlow(nn.Module):
    """Codes of y given x, and marginal codes of x: (R, B, p), (R, B, d) → ((R, B, p), (R, B, d)), ln|det J| (R, B).

    y passes marginal splines, `Residuals` given the marginal splines of x, couplings that see these too with mixings
    between them, and marginal splines again, which `residuals` lets begin at the normal quantiles of the residuals.
    A y of one coordinate has nothing to couple: it is mapped by an affine map and a spline, both by networks of x.
    """

    def __init__(
        self,
        fit: Codes,
        stop: Codes,
        layout: Layout,
        generators: Sequence[torch.Generator],
        marginals: bool,
        residuals: bool,
    ) -> None:
        super().__init__()
        (_, _, given), (members, _, dim) = fit[0].shape, fit[1].shape
        logits = [calm_logits(*rows, layout.bins, marginals) for rows in zip(fit, stop, strict=True)]
        self.of_x, self.of_y = MarginalSplines(logits[0]), MarginalSplines(logits[1])
        with torch.no_grad():
            seen, unseen = ([self.of_x(x.mT)[0], self.of_y(y.mT)[0]] for x, y in (fit, stop))
            self.residuals = Residuals(*seen)
            rests = [self.residuals(*codes)[0].mT for codes in (seen, unseen)]
        self.maps, self.mixings = nn.ModuleList(), nn.ModuleList()
        for index in range(layout.couplings if dim > 1 else min(layout.couplings, 2)):
            self.maps.append(ConditionalMap(index, (given, dim), layout, generators))
            self.mixings.append(Mixing(members, dim) if dim > 1 else Unmixed())
        self.last = MarginalSplines(calm_logits(rests[0], rests[1], layout.bins, residuals))

    def forward(self, rows: Codes) -> tuple[Codes, Tensor]:
        """Return the codes of both sides, and ln|det J| of the map of y."""
        x, _ = self.of_x(rows[0].mT)
        y, bent = self.of_y(rows[1].mT)
        y, scaled = self.residuals(x, y)
        log_det = (bent + scaled).sum(dim=1)
        for conditional, mixing in zip(self.maps, self.mixings, strict=True):
            y, parts = conditional(x, y)
            y, mixed = mixing(y)
            log_det = log_det + parts.sum(dim=1) + mixed.sum(dim=1)
        y, parts = self.last(y)
        return (x.mT, y.mT), cast(Tensor, log_det + parts.sum(dim=1))


def calm_logits(fit: Tensor, stop: Tensor, bins: int, marginals: bool) -> Tensor:
    """Return `first_logits`, with slopes at the edges that are at most 1.

    A slope there follows from the two outermost of few rows, and would throw rows beyond them far from a Gaussian.
    """
    logits = first_logits(fit, stop, bins, marginals)
    logits[:, [2 * bins, 3 * bins]] = logits[:, [2 * bins, 3 * bins]].clamp(max=0)
    return logits
