"""What estimators of learned densities share: networks trained by maximum likelihood on matched pairs alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from mibench.errors import SpecError
from mibench.estimation import Array

from .bound_values import Pairs, embed
from .critics import Critic
from .neural_bound import Memory, NeuralBound
from .standardise import Standardiser

_SCORED = 2**18  # numbers scored at a time: hidden layers and mixtures are some ten times as many


@dataclass(frozen=True)
class LikelihoodEstimator(NeuralBound):
    """An estimator of MI in nats from densities of y that maximise E_P ln q, with no mismatched pair in training.

    Each side is standardised by itself; an image y is the vector of its pixels.
    """

    least_negatives: ClassVar[int] = 0

    negatives: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.critic != "joint":
            raise SpecError(f"critic is not used by densities; leave it at 'joint', got {self.critic!r}")
        if self.negatives:
            raise SpecError(f"negatives are not used by maximum likelihood; leave them at 0, got {self.negatives}")

    @property
    def joint(self) -> bool:
        """Whether y is seen along axes that it shares with x: a density is of y alone."""
        return False

    def fit_map(self, x: Array, y: Array, images: Sequence[bool]) -> Standardiser:
        """Return the map of both sides, y as a vector, fitted to training rows (n, ...).

        It whitens y by a symmetric matrix: densities take its coordinates one by one, and these stay what they are.
        """
        along_axes = super().fit_map(x, y, [images[0], False])
        turned, stretched, _ = np.linalg.svd(along_axes.rotations[1])
        return replace(along_axes, rotations=(along_axes.rotations[0], turned * stretched @ turned.T))

    def loss(self, matched: Tensor, product: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Return the mean negative log-likelihood (R,)."""
        return negative_log_likelihood(matched), None

    def validation_loss(self, critic: Critic, sample: Pairs, pairs: int) -> Tensor:
        """Return the mean negative log-likelihood (R,)."""
        return negative_log_likelihood(matched_scores(critic, sample))

    def limit(self, pairs: int) -> float:
        """Return ∞: what a density says of a row does not rest on mismatched pairs."""
        return math.inf


def negative_log_likelihood(scores: Tensor) -> Tensor:
    """Return minus the mean over rows (R,) of log-densities (R, B), or of the sums of several (R, B, ...)."""
    return -scores.flatten(1).sum(dim=1) / scores.shape[1]


def matched_scores(critic: Critic, sample: Pairs) -> Tensor:
    """Return the scores of all matched pairs (R, n, ...) in float64, computed by chunks."""
    left, right = embed(critic, sample)
    rows = max(1, _SCORED // (len(left) * (left.shape[-1] + right.shape[-1])))
    chunks = zip(left.split(rows, dim=1), right.split(rows, dim=1), strict=True)
    return torch.cat([critic(*chunk).double() for chunk in chunks], dim=1)
