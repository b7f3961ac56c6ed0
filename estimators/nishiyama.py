"""Nishiyama's bound: what the means and variances of T under both laws say of their divergence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mibench.estimation import Shape

from .bound_values import Pairs, Reading, read_moments
from .critics import Critic, awake
from .neural_bound import Memory, NeuralBound

_SMALL = 1e-3  # below which artanh(r)/r is its series, to float32


@dataclass(frozen=True)
class Nishiyama(NeuralBound):
    r"""I ≥ (A − 2 V_P) artanh(D/A)/D + ½ ln(V_P/V_Q) in nats, of the means and variances of T under P and Q.

    A = (E_P − E_Q)² + V_P + V_Q and D² = A² − 4 V_P V_Q: the least divergence that two laws of T with these moments can
    have. Laws on two points attain it; others have more. Scale and shift of T do not matter.
    """

    source: ClassVar[str] = "Nishiyama 2019, theorem 1 (arXiv:1905.06474)"
    learns_pointwise: ClassVar[bool] = False

    def make_critic(self, x_shape: Shape, y_shape: Shape, generators: Sequence[torch.Generator]) -> Critic:
        """Return critics that begin anywhere but at T = 0, where the bound has no gradient."""
        return awake(super().make_critic(x_shape, y_shape, generators), generators)

    def loss(self, matched: Tensor, product: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Return minus the bound of a minibatch."""
        pairs = product.flatten(1)
        moments = ((side.mean(dim=1), side.square().mean(dim=1)) for side in (matched, pairs))
        return -least_divergence(*moments), None

    def read(self, critic: Critic, sample: Pairs, pairs: int) -> Reading:
        """Return the bound."""
        return read_moments(critic, sample, pairs, least_divergence, _first_two, _first_two)


def _first_two(scores: Tensor) -> tuple[Tensor, Tensor]:
    return scores, scores.square()


def _variance(mean: Tensor, square: Tensor) -> Tensor:
    """Return the variance, no less than the rounding error of the second moment `square`."""
    return torch.maximum(square - mean.square(), 16 * torch.finfo(square.dtype).eps * square)


def least_divergence(own: tuple[Tensor, ...], product: tuple[Tensor, ...]) -> Tensor:
    """Return the least KL divergence, in nats, of laws with first and second moments `own` from one with `product`."""
    (mean_p, square_p), (mean_q, square_q) = own, product
    variance_p, variance_q = _variance(mean_p, square_p), _variance(mean_q, square_q)
    a = (mean_p - mean_q).square() + variance_p + variance_q
    ratio2 = 1 - 4 * variance_p * variance_q / a.square()
    near = ratio2 < _SMALL**2
    ratio = torch.where(near, 0.5, ratio2).sqrt()
    slope = torch.where(near, 1 + ratio2 / 3, ratio.atanh() / ratio)
    return (1 - 2 * variance_p / a) * slope + 0.5 * (variance_p / variance_q).log()
