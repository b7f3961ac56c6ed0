"""Stacks of pairs of flows, one of x and one of y, whose codes are jointly Gaussian."""

import copy
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .flow_method import COVARIANCE_ROWS, ROWS_TO_DIMENSION, Parts, encode
from .gaussian_heads import Codes, PairedGaussian, ProfiledGaussian
from .training import Minibatches, take

# From rows (M, n, d) that fit, rows that stop the training, and their side: 0 for x, or for both, and 1 for y.
MakeFlow = Callable[[Tensor, Tensor, int], nn.Module]


class Head(NamedTuple):
    """Which Gaussian, and where its layers begin: `head` and `start` of `FlowGaussian`."""

    kind: str
    start: str


class PairedFlow(nn.Module):
    """A stack of pairs of flows, or of flows of both sides, and the Gaussian of their codes."""

    def __init__(self, flow: MakeFlow, parts: Parts, head: Head, tied: bool) -> None:
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


class PairedTrainee:
    """A stack of flows with the rows they learn from, in float32."""

    def __init__(self, flows: PairedFlow, batch: int, parts: Parts) -> None:
        self.flows, self.parts = flows, parts
        dim = sum(side.shape[2] for side in parts.fit)
        self.batch, self.reference = max(batch, ROWS_TO_DIMENSION * dim), max(COVARIANCE_ROWS, 10 * dim)

    def begin(self, seeds: Sequence[int]) -> None:
        """Take all members, with new streams of batches."""
        self.fit, self.stop = ((x.float(), y.float()) for x, y in (self.parts.fit, self.parts.stop))
        self.batches = Minibatches(self.fit[0].shape[1], self.batch, seeds, str(self.fit[0].device))

    def draw(self, index: Tensor) -> Codes:
        """Return the rows of a minibatch."""
        return take(self.fit[0], index), take(self.fit[1], index)

    def loss(self) -> Tensor:
        """Return the mean negative log-likelihoods (M,) of the next minibatch."""
        codes, log_det = self.flows(self.draw(self.batches()))
        loss: Tensor = self.flows.head.loss(codes) - log_det.mean(dim=1)
        return loss

    def validate(self) -> Tensor:
        """Return those of the rows that stop the training, under the Gaussian of rows that fit."""
        codes, log_det = encode(self.flows, self.stop)
        sample = (self.fit[0][:, : self.reference], self.fit[1][:, : self.reference])
        score: Tensor = self.flows.head.score(codes, lambda: encode(self.flows, sample)[0]) - log_det.mean(dim=1)
        return score

    def keep(self, places: Tensor) -> None:
        """Go on with these members alone."""
        self.fit, self.stop = ((x[places], y[places]) for x, y in (self.fit, self.stop))
        self.batches.keep(places)
