"""Stacks of pairs of flows, one of x and one of y, whose codes are jointly Gaussian."""

import copy
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .flow_method import Parts, encode
from .gaussian_heads import Codes, PairedGaussian, ProfiledGaussian

# From rows (M, n, d) that fit, rows that stop the training, and their side: 0 for x, or for both, and 1 for y.
MakeFlow = Callable[[Tensor, Tensor, int], nn.Module]


class HeadKind(NamedTuple):
    """Which Gaussian, and where its layers begin: `head` and `start` of `FlowGaussian`."""

    kind: str
    start: str


class PairedFlow(nn.Module):
    """A stack of pairs of flows, or of flows of both sides, and the Gaussian of their codes."""

    def __init__(self, flow: MakeFlow, parts: Parts, head: HeadKind, tied: bool) -> None:
        super().__init__()
        fit, stop = parts.fit, parts.stop
        if tied:
            self.flow_x = self.flow_y = flow(torch.cat(fit, dim=1), torch.cat(stop, dim=1), 0)
        else:
            self.flow_x, self.flow_y = (flow(*rows, side) for side, rows in enumerate(zip(fit, stop, strict=True)))
        self.head: ProfiledGaussian | PairedGaussian = ProfiledGaussian()
        if head.kind != "general":
            with torch.no_grad():
                codes, _ = encode(self.to(fit[0].device).double(), fit)
            shared = head.kind == "shared"
            self.head = PairedGaussian(codes, shared, even=shared and head.start == "covariance")
        self.float()

    def untie(self) -> None:
        """Give y a flow of its own, which begins as that of both."""
        if self.flow_x is self.flow_y:
            self.flow_y = copy.deepcopy(self.flow_x)

    def forward(self, pair: Codes) -> tuple[Codes, Tensor]:
        """Return the codes of both sides, and ln|det J| (M, B) of the two flows together."""
        if self.flow_x is self.flow_y:
            codes, change = self.flow_x(torch.cat(pair, dim=1))
            codes_x, codes_y = codes.chunk(2, dim=1)
            change_x, change_y = change.chunk(2, dim=1)
        else:
            (codes_x, change_x), (codes_y, change_y) = self.flow_x(pair[0]), self.flow_y(pair[1])
        return (codes_x, codes_y), change_x + change_y
