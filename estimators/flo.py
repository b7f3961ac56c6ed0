"""FLO: InfoNCE's contrast, with a network in place of the logarithm of its partition."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mibench.errors import SpecError
from mibench.estimation import Shape

from .bound_values import Pairs, Reading, read_rows
from .critics import Critic, JointCritic
from .neural_bound import Memory, NeuralBound


@dataclass(frozen=True)
class FLO(NeuralBound):
    r"""I ≥ 1 − E_P[u(x, y) + e^{−u(x, y)} E_{p(y')} e^{T(x, y') − T(x, y)}] in nats; T and u are outputs of one MLP.

    The best u is ln E_{p(y')} e^{T(x, y') − T(x, y)}, minus the pointwise MI where T is any critic that is best for
    `infonce`. A mean over y' enters without a logarithm, so that no number of negatives sets a ceiling.
    """

    source: ClassVar[str] = "Guo et al., NeurIPS 2022, eq. 8 (arXiv:2107.01131)"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.critic != "joint":
            raise SpecError(f"critic must be 'joint', which gives u as well, got {self.critic!r}")

    def make_critic(self, x_shape: Shape, y_shape: Shape, generators: Sequence[torch.Generator]) -> Critic:
        """Return critics of two outputs, (..., 2)."""
        return JointCritic(x_shape, y_shape, [self.hidden] * self.layers, generators, outputs=2)

    def loss(self, matched: Tensor, product: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Return minus the bound of a minibatch, with its K mismatched y for each x."""
        contrast = (product[..., 0] - matched[..., :1]).exp().mean(dim=2)
        u = matched[..., 1]
        return (u + (-u).exp() * contrast).mean(dim=1) - 1, None

    def read(self, critic: Critic, sample: Pairs, pairs: int) -> Reading:
        """Return the bound."""
        return read_rows(critic, sample, pairs, _terms)

    def pointwise(self, critic: Critic, left: Tensor, right: Tensor, reference: Pairs) -> Tensor:
        """Return −u."""
        scores: Tensor = -critic(left, right)[..., 1]
        return scores


def _terms(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Return each row's part of the bound, and how it answers to the weights of its mismatched y."""
    own, u = scores[:, :, 0, 0], scores[:, :, 0, 1]
    weights = (scores[:, :, 1:, 0] - (own + u)[..., None]).exp()
    mean = weights.mean(dim=2)
    return 1 - u - mean, (mean[..., None] - weights) / weights.shape[2]
