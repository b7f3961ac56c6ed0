"""MINE and DV: the Donsker–Varadhan bound of a learnt critic."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from .bound_values import Pairs, Reading, read_moments
from .checks import above, at_most
from .critics import Critic
from .neural_bound import Memory, NeuralBound


@dataclass(frozen=True)
class DV(NeuralBound):
    r"""I ≥ E_P[T] − ln E_Q[e^T] in nats, P the joint law and Q the product law, trained on that bound of minibatches.

    The gradient of a minibatch's logarithm is biased; `mine` is the same bound without that bias.
    """

    source: ClassVar[str] = "Donsker and Varadhan 1983; Belghazi et al., ICML 2018, eq. 5 (arXiv:1801.04062)"

    def loss(self, matched: Tensor, product: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Return minus the bound of a minibatch."""
        pairs = product.flatten(1)
        return pairs.logsumexp(dim=1) - math.log(pairs.shape[1]) - matched.mean(dim=1), None

    def read(self, critic: Critic, sample: Pairs, pairs: int) -> Reading:
        """Return E_P[T] − ln E_Q[e^T]."""
        return donsker_varadhan(critic, sample, pairs)


@dataclass(frozen=True)
class MINE(DV):
    r"""I ≥ E_P[T] − ln E_Q[e^T] in nats, with the gradient of the paper: an average of E_Q[e^T] that moves by `rate`.

    The moving average in the denominator removes the bias that the gradient of a minibatch's logarithm has.
    """

    source: ClassVar[str] = "Belghazi et al., ICML 2018, eq. 10 and section 3.2 (arXiv:1801.04062)"

    rate: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        above(0, rate=self.rate)
        at_most(1, rate=self.rate)

    def loss(self, matched: Tensor, product: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Return a loss with the gradient of minus the bound; what is remembered is ln of the moving average."""
        pairs = product.flatten(1)
        log_mean = pairs.detach().logsumexp(dim=1) - math.log(pairs.shape[1])
        if memory is not None:
            kept = math.log1p(-self.rate) if self.rate < 1 else -math.inf
            log_mean = torch.logaddexp(memory + kept, log_mean + math.log(self.rate))
        return (pairs - log_mean[:, None]).exp().mean(dim=1) - matched.mean(dim=1), log_mean


def donsker_varadhan(critic: Critic, sample: Pairs, pairs: int) -> Reading:
    """Read E_P[T] − ln E_Q[e^T]."""
    return read_moments(
        critic, sample, pairs, lambda own, product: own[0] - product[0].log(), lambda t: (t,), lambda t: (t.exp(),)
    )
