"""What estimators of learned densities share: networks trained by maximum likelihood on matched pairs alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from mibench.errors import SpecError
from mibench.estimation import Array
from mibench.seeding import derive_seed

from .bound_values import Pairs, embed
from .critics import Critic
from .neural_bound import Memory, NeuralBound
from .residuals import Residuals
from .standardise import Standardiser

_SCORED = 2**18  # numbers scored at a time: hidden layers and mixtures are some ten times as many
_LEAST_GAP = 1e-3  # of the noise on ties, as a share of the standard deviation


@dataclass(frozen=True)
class LikelihoodEstimator(NeuralBound):
    """An estimator of MI in nats from densities that maximise E_P ln q, with no mismatched pair in training.

    Each side is standardised by itself, an image y as the vector of its pixels. Densities are of the residuals of y
    from a linear regression on x (where x is no image), fitted to training rows, so that the networks begin where
    linear dependence is accounted for.

    A coordinate of y with ties has no density. It gets uniform noise as wide as the least gap between its values,
    which keeps the MI of discrete y, or of a thousandth of its standard deviation, where that is more.
    """

    least_negatives: ClassVar[int] = 0
    continuous: ClassVar[bool] = True  # whether y must have a density

    negatives: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.critic != "joint":
            raise SpecError(f"critic must be 'joint', as densities have none, got {self.critic!r}")
        if self.negatives:
            raise SpecError(f"negatives must be 0, as likelihoods need no mismatched pairs, got {self.negatives}")

    def fit_map(self, x: Array, y: Array, images: Sequence[bool]) -> Standardiser:
        """Return the map of both sides to what densities see, fitted to training rows (n, ...)."""
        return Residuals.fit_rows(x, y, images)

    def _arrange(self, x: Array, y: Array, seeds: Sequence[int], device: str) -> tuple[list[Standardiser], Pairs]:
        if self.continuous:
            y = np.stack([untied(*one) for one in zip(y, seeds, strict=True)])
        return super()._arrange(x, y, seeds, device)

    def loss(self, matched: Tensor, product: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Return the mean negative log-likelihood (R,)."""
        return negative_log_likelihood(matched), None

    def validation_loss(self, critic: Critic, sample: Pairs, pairs: int) -> Tensor:
        """Return the mean negative log-likelihood (R,)."""
        return negative_log_likelihood(matched_scores(critic, sample))

    def limit(self, pairs: int) -> float:
        """Return ∞: what a density says of a row does not rest on how many pairs there are."""
        return math.inf


def negative_log_likelihood(scores: Tensor) -> Tensor:
    """Return minus the mean over rows (R,) of log-densities (R, B), or of the sums of several (R, B, ...)."""
    return -scores.flatten(1).sum(dim=1) / scores.shape[1]


def matched_scores(critic: Critic, sample: Pairs) -> Tensor:
    """Return the scores of all matched pairs (R, n, ...) in float64, computed by chunks."""
    left, right = embed(critic, sample)
    rows = max(1, _SCORED // (len(left) * (left.shape[-1] + right.shape[-1])))
    chunks = zip(torch.split(left, rows, dim=1), torch.split(right, rows, dim=1), strict=True)
    return torch.cat([critic(*chunk).double() for chunk in chunks], dim=1)


def untied(rows: Array, seed: int) -> Array:
    """Return rows (n, ...) with noise on the coordinates that have ties."""
    flat = rows.reshape(len(rows), -1)
    exponent = np.frexp(np.abs(flat).max(axis=0))[1]  # so that no difference overflows
    widths = [_noise(column) for column in np.ldexp(flat, -exponent).T]
    noise = np.random.default_rng(derive_seed(seed, "ties")).random(flat.shape) - 0.5
    return (flat + np.ldexp(widths * noise, exponent)).reshape(rows.shape)


def _noise(column: Array) -> float:
    """Return the width of the noise on a coordinate (n,) of at most 1 in size, 0 where it has no ties."""
    values = np.unique(column)
    if len(values) == len(column):
        return 0.0
    if len(values) == 1:
        return 1.0
    return max(float(np.diff(values).min()), _LEAST_GAP * float(column.std()))
