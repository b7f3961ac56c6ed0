"""InfoNCE: the bound of a critic that tells which of many y belongs to x."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from .bound_values import Pairs, Reading, against_others, read_rows
from .critics import Critic
from .neural_bound import Memory, NeuralBound


@dataclass(frozen=True)
class InfoNCE(NeuralBound):
    r"""I ≥ E[T(x, y) − ln mean_j e^{T(x, y_j)}] in nats, the mean over y itself and K other y_j, for each x.

    Its value cannot exceed ln(K + 1), however strong the dependence. In training K is `negatives`, which does not move
    the best critic; the evaluation takes K large, min(rows − 1, pairs / rows), so that the ceiling is far off: of the
    5 000 rows that evaluate n = 10 000, ln 1 001 = 6.9 nats.
    """

    source: ClassVar[str] = "van den Oord et al. 2018, eq. 4 (arXiv:1807.03748); Poole et al., ICML 2019, eq. 12"

    negatives: int = 15
    pairs: int = 5_000_000

    def loss(self, matched: Tensor, product: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Return the cross-entropy of the matched y among 1 + K, less ln(K + 1)."""
        scores = torch.cat([matched[..., None], product], dim=2)
        return (scores.logsumexp(dim=2) - matched).mean(dim=1) - math.log(scores.shape[2]), None

    def read(self, critic: Critic, sample: Pairs, pairs: int) -> Reading:
        """Return E[T(x, y) − ln mean_j e^{T(x, y_j)}]."""
        return read_rows(critic, sample, pairs, _terms)

    def pointwise(self, critic: Critic, left: Tensor, right: Tensor, reference: Pairs) -> Tensor:
        """Return T(x, y) − ln E_{p(y)}[e^{T(x, y)}], as the bound leaves T any function of x."""
        return against_others(critic, left, right, reference, self.pairs)


def _terms(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return each row's part of the bound, and how it answers to the weights of its negatives."""
    partition = scores.logsumexp(dim=2)
    weights = (scores[:, :, 1:] - partition[..., None]).exp()
    return scores[:, :, 0] - partition + math.log(scores.shape[2]), weights.mean(dim=2, keepdim=True) - weights
