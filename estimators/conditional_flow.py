"""Stacks of R flows of y given x, which begin at the residuals of a linear regression of y on x.

Layers act on rows (R, d, B), whose long dimension comes last.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from .couplings import Layout, MixedCouplings
from .flow_method import first_logits
from .gaussian_heads import Codes
from .splines import BOUND, MarginalSplines, normal_quantiles


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
        given, dim = (side.shape[2] for side in fit)
        logits = [calm_logits(*rows, layout.bins, marginals) for rows in zip(fit, stop, strict=True)]
        self.of_x, self.of_y = MarginalSplines(logits[0]), MarginalSplines(logits[1])
        with torch.no_grad():
            seen, unseen = ([self.of_x(x.mT)[0], self.of_y(y.mT)[0]] for x, y in (fit, stop))
            self.residuals = Residuals(*seen)
            rests = [self.residuals(*codes)[0].mT for codes in (seen, unseen)]
        count = layout.couplings if dim > 1 else min(layout.couplings, 2)
        self.couplings = MixedCouplings(dim, count, layout, generators, given)
        self.last = MarginalSplines(calm_logits(rests[0], rests[1], layout.bins, residuals))

    def forward(self, rows: Codes) -> tuple[Codes, Tensor]:
        """Return the codes of both sides, and ln|det J| of the map of y."""
        x, _ = self.of_x(rows[0].mT)
        y, bent = self.of_y(rows[1].mT)
        y, scaled = self.residuals(x, y)
        log_det = (bent + scaled).sum(dim=1)
        y, change = self.couplings(y, x)
        y, parts = self.last(y)
        return (x.mT, y.mT), cast(Tensor, log_det + change + parts.sum(dim=1))


def calm_logits(fit: Tensor, stop: Tensor, bins: int, marginals: bool) -> Tensor:
    """Return `first_logits`, with slopes at the edges that are at most 1.

    A slope there follows from the two outermost of few rows, and would throw rows beyond them far from a Gaussian.
    """
    logits = first_logits(fit, stop, bins, marginals)
    logits[:, [2 * bins, 3 * bins]] = logits[:, [2 * bins, 3 * bins]].clamp(max=0)
    return logits
