"""Stacks of R normalizing flows on vectors, which begin at the identity or at marginal splines."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .couplings import Layout, MixedCouplings
from .splines import MarginalSplines


class StackedFlow(nn.Module):
    """Maps of (R, B, d) → codes (R, B, d), ln|det J| (R, B).

    Marginal splines of `logits` (R, 3K + 1, d); then couplings and mixings by turns, and marginal splines again. In one
    dimension, or without couplings, there is only the first layer.
    """

    def __init__(self, logits: Tensor, layout: Layout, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        dim = logits.shape[2]
        self.first = MarginalSplines(logits)
        self.coupled = dim > 1 and layout.couplings > 0
        if self.coupled:
            self.couplings = MixedCouplings(dim, layout.couplings, layout, generators)
            self.last = MarginalSplines(torch.zeros_like(logits))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the codes and ln|det J|."""
        codes, log_slope = self.first(x.mT)
        log_det = log_slope.sum(dim=1)
        if self.coupled:
            codes, change = self.couplings(codes)
            codes, log_slope = self.last(codes)
            log_det = log_det + change + log_slope.sum(dim=1)
        return codes.mT, log_det
