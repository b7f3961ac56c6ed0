"""NWJ and TUBA: bounds that are linear in E_Q[e^T], and so without bias on any number of pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from mibench.estimation import Shape

from .bound_values import Pairs, Reading, read_moments
from .critics import Critic, tower
from .neural_bound import Memory, NeuralBound


@dataclass(frozen=True)
class NWJ(NeuralBound):
    r"""I ≥ 1 + E_P[T] − E_Q[e^T] in nats, P the joint law and Q the product law (f-MINE; its T is one less).

    It is attained by T = ln p(x, y)/(p(x) p(y)) alone, where `mine` leaves T a constant.
    """

    source: ClassVar[str] = (
        "Nguyen, Wainwright and Jordan, IEEE Trans. Inf. Theory 2010; Poole et al., ICML 2019, eq. 6"
    )

    def loss(self, matched: Tensor, product: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Return minus the bound, less 1."""
        return product.flatten(1).exp().mean(dim=1) - matched.mean(dim=1), None

    def read(self, critic: Critic, sample: Pairs, pairs: int) -> Reading:
        """Return 1 + E_P[T] − E_Q[e^T]."""
        return nguyen_wainwright_jordan(critic, sample, pairs)


@dataclass(frozen=True)
class TUBA(NWJ):
    r"""I ≥ 1 + E_P[T − ln a(y)] − E_Q[e^T / a(y)] in nats, with a baseline a(y) that is learnt beside the critic.

    The best baseline is the partition function E_{p(x)}[e^{T(x, y)}], which T then need not know.
    """

    source: ClassVar[str] = "Poole et al., ICML 2019, eq. 5 (arXiv:1905.06922)"

    def make_critic(self, x_shape: Shape, y_shape: Shape, generators: Sequence[torch.Generator]) -> Critic:
        """Return critics T(x, y) − ln a(y)."""
        widths = [self.hidden] * self.layers
        return BaselineCritic(super().make_critic(x_shape, y_shape, generators), y_shape, widths, generators)


class BaselineCritic(Critic):
    """T(x, y) − b(y) of a critic T and a network b, which begins at 0."""

    def __init__(
        self, critic: Critic, y_shape: Shape, hidden: Sequence[int], generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        self.critic = critic
        self.baseline: nn.Module = tower(y_shape, [*hidden, 1], generators, zero_last=True)

    def embed(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the critic's embeddings, that of y with b(y) at its end."""
        left, right = self.critic.embed(x, y)
        return left, torch.cat([right, self.baseline(y)], dim=-1)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Return T − b."""
        scores: Tensor = self.critic(left, right[..., :-1]) - right[..., -1]
        return scores


def nguyen_wainwright_jordan(critic: Critic, sample: Pairs, pairs: int) -> Reading:
    """Read 1 + E_P[T] − E_Q[e^T]."""
    return read_moments(
        critic, sample, pairs, lambda own, product: 1 + own[0] - product[0], lambda t: (t,), lambda t: (t.exp(),)
    )
