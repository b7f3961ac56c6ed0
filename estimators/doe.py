"""DoE: MI as the difference of two entropies, each the least cross-entropy of a learned density."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, Literal

import torch
from torch import Tensor

from mibench.errors import SpecError
from mibench.estimation import Shape

from .bound_values import Pairs, Reading
from .checks import at_least, one_of
from .conditional import ChainCritic, Mixture
from .critics import Critic
from .likelihood import LikelihoodEstimator, matched_scores

_MOST_COORDINATES = 128


@dataclass(frozen=True)
class DifferenceOfEntropies(LikelihoodEstimator):
    """E_P[ln q(y | x)] − E_P[ln r(y)] in nats, q and r each a chain over the coordinates of y, and of two outputs."""

    bound: ClassVar[str] = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        (unused,) = [field.default for field in fields(self) if field.name == "pairs"]
        if self.pairs != unused:
            raise SpecError(f"pairs must be {unused}, as the value has none, got {self.pairs}")

    @abstractmethod
    def make_critic(self, x_shape: Shape, y_shape: Shape, generators: Sequence[torch.Generator]) -> ChainCritic:
        """Return one pair of chains a generator."""

    def unsupported(self, n: int, x_shape: Shape, y_shape: Shape) -> str:
        """Take no more coordinates of y than a chain can have links."""
        coordinates = torch.Size(y_shape).numel()
        if coordinates > _MOST_COORDINATES:
            return f"y has {coordinates} coordinates, and a chain takes {_MOST_COORDINATES} at most; swap the sides"
        return super().unsupported(n, x_shape, y_shape)

    def read(self, critic: Critic, sample: Pairs, pairs: int) -> Reading:
        """Return E_P[ln q(y | x) − ln r(y)], which takes no product pairs."""
        difference = log_ratio(matched_scores(critic, sample))
        value = difference.mean(dim=1)
        return Reading(value, difference - value[:, None], 0)

    def pointwise(self, critic: Critic, left: Tensor, right: Tensor, reference: Pairs) -> Tensor:
        """Return ln q(y | x) − ln r(y)."""
        return log_ratio(critic(left, right))


@dataclass(frozen=True)
class DoE(DifferenceOfEntropies):
    r"""I = h(Y) − h(Y | X) ≈ E_P[ln q(y | x)] − E_P[ln r(y)] in nats, with q and r of greatest likelihood.

    Each term misses its entropy by a divergence, and the two may cancel: where q fits worse than r, the value is below
    the MI, else above it, so that this is no bound. Both densities are products over the coordinates of y, each given
    those before it, of mixtures of `components` laws, "gaussian" or "logistic"; the paper's have one component, and no
    coordinate depends on another but through x.
    """

    source: ClassVar[str] = "McAllester and Stratos, AISTATS 2020 (arXiv:1811.04251)"

    head: Literal["gaussian", "logistic"] = "gaussian"
    components: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("gaussian", "logistic", head=self.head)
        at_least(1, components=self.components)

    def make_critic(self, x_shape: Shape, y_shape: Shape, generators: Sequence[torch.Generator]) -> ChainCritic:
        """Return one pair of densities a generator."""
        head = Mixture(self.head, self.components)
        return ChainCritic(x_shape, y_shape, head, [self.hidden] * self.layers, generators)


def log_ratio(scores: Tensor) -> Tensor:
    """Return ln q − ln r of the two outputs of a chain."""
    return scores[..., 0] - scores[..., 1]
