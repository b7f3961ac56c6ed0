"""CLUB and L1Out: upper bounds of a learned conditional density of y given x."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mibench.estimation import Shape

from .bound_values import Pairs, Reading, against_others, read_moments, read_rows
from .conditional import DiagonalGaussian
from .critics import Critic
from .likelihood import LikelihoodEstimator


@dataclass(frozen=True)
class CLUB(LikelihoodEstimator):
    r"""I ≤ E_P[ln q(y | x)] − E_Q[ln q(y | x)] in nats if q(y | x) = p(y | x), P the joint law and Q the product law.

    q is Gaussian with a mean and a variance of each coordinate that are networks of x, and of greatest likelihood. A q
    that is not p may push the value below the MI, or far above it. With q = p the gap is the divergence of Q from P,
    which grows as e^{2I} where the MI only grows as I: for Gaussians of correlation ρ the value is ρ²/(1 − ρ²).
    """

    source: ClassVar[str] = "Cheng et al., ICML 2020, sections 3.1 and 3.2 (arXiv:2006.12013)"
    bound: ClassVar[str] = "upper"

    def make_critic(self, x_shape: Shape, y_shape: Shape, generators: Sequence[torch.Generator]) -> Critic:
        """Return one density a generator."""
        return DiagonalGaussian(x_shape, y_shape, [self.hidden] * self.layers, generators)

    def read(self, critic: Critic, sample: Pairs, pairs: int) -> Reading:
        """Return E_P[T] − E_Q[T]."""
        return read_moments(
            critic, sample, pairs, lambda own, product: own[0] - product[0], lambda t: (t,), lambda t: (t,)
        )

    def pointwise(self, critic: Critic, left: Tensor, right: Tensor, reference: Pairs) -> Tensor:
        """Return ln q(y | x) − ln mean_j q(y | x_j) over reference rows."""
        return against_others(critic, left, right, reference, self.pairs, over_x=True)


@dataclass(frozen=True)
class L1Out(CLUB):
    r"""I ≤ E[ln q(y_i | x_i) − ln mean_{j≠i} q(y_i | x_j)] in nats if q(y | x) = p(y | x); q is that of `club`.

    With q = p and K other x_j it exceeds the MI by the mean divergence of p(y) from a mixture of K laws p(y | x_j),
    which falls as 1/K where the x_j cover p(x). It falls short by what q misses of p(y | x), less what the mixture q(y)
    of all x misses of p(y): for K → ∞ the value of a q that is not p is below the MI. The evaluation takes K large,
    min(rows − 1, pairs / rows).
    """

    source: ClassVar[str] = "Poole et al., ICML 2019, section 2.5 (arXiv:1905.06922); Cheng et al., ICML 2020"

    pairs: int = 5_000_000

    def read(self, critic: Critic, sample: Pairs, pairs: int) -> Reading:
        """Return E[T(x_i, y_i) − ln mean_{j≠i} e^{T(x_j, y_i)}]."""
        return read_rows(critic, sample, pairs, _terms, over_x=True)


def _terms(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return each row's part of the bound, and how it answers to the weights of the other x."""
    others = scores[:, :, 1:]
    partition = others.logsumexp(dim=2)
    weights = (others - partition[..., None]).exp()
    return scores[:, :, 0] - partition + math.log(others.shape[2]), weights.mean(dim=2, keepdim=True) - weights
