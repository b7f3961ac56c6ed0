"""DoE: the difference of two entropies, each the least cross-entropy of a learned density."""

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
from .conditional import Categorical, ChainCritic, Mixture
from .critics import Critic
from .likelihood import LikelihoodEstimator, matched_scores


@dataclass(frozen=True)
class DifferenceOfEntropies(LikelihoodEstimator):
    """E_P[ln q(y | x) − ln r(y)] in nats, both densities a chain over the coordinates of y: no mismatched pairs."""

    bound: ClassVar[str] = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        (unused,) = [field.default for field in fields(self) if field.name == "pairs"]
        if self.pairs != unused:
            raise SpecError(f"pairs are not used, as no mismatched ones are; leave them at {unused}, got {self.pairs}")

    @abstractmethod
    def make_head(self) -> Mixture | Categorical:
        """Return the density of one coordinate."""

    def make_critic(self, x_shape: Shape, y_shape: Shape, generators: Sequence[torch.Generator]) -> Critic:
        """Return one pair of densities a generator."""
        return ChainCritic(x_shape, y_shape, self.make_head(), [self.hidden] * self.layers, generators)

    def read(self, critic: Critic, sample: Pairs, pairs: int) -> Reading:
        """Return E_P[ln q(y | x) − ln r(y)]."""
        scores = matched_scores(critic, sample)
        difference = scores[..., 0] - scores[..., 1]
        value = difference.mean(dim=1)
        return Reading(value, difference - value[:, None], 0)

    def pointwise(self, critic: Critic, left: Tensor, right: Tensor, reference: Pairs) -> Tensor:
        """Return ln q(y | x) − ln r(y)."""
        scores = critic(left, right)
        return scores[..., 0] - scores[..., 1]


@dataclass(frozen=True)
class DoE(DifferenceOfEntropies):
    r"""I ≈ E_P[ln q(y | x)] − E_P[ln r(y)] in nats: each term is less than its entropy, so that neither side is bounded.
    """

    source: ClassVar[str] = "McAllester and Stratos, AISTATS 2020, section 6 (arXiv:1811.04251)"

    head: Literal["gaussian", "logistic"] = "gaussian"
    components: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("gaussian", "logistic", head=self.head)
        at_least(1, components=self.components)

    def make_head(self) -> Mixture:
        """Return the mixture."""
        return Mixture(self.head, self.components)
