"""What the k-nearest-neighbour estimators share: they are means of one term a point, with a standard error."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import digamma

from mibench.estimation import Array, BatchEstimator, Estimate, Shape
from mibench.seeding import derive_seed

from . import neighbours
from .checks import at_least

_PARTS, _PART = 20, 100  # disjoint random subsamples, and the most points that one of them has


@dataclass(frozen=True)
class NeighbourEstimator(BatchEstimator):
    """The mean of the terms of all points, in nats.

    The terms of neighbouring points are not independent, so that their scatter over √n understates the standard error.
    By how much is measured: the same formula is held against the actual scatter of the estimates from 20 disjoint
    random subsamples (of at most 100 points, drawn by the seed), and their ratio corrects it. The standard error holds
    the sampling noise, not the bias of the method. Terms that are NaN are left out; where most are, so is the answer.
    """

    k: int = 3

    def __post_init__(self) -> None:
        at_least(1, k=self.k)

    @abstractmethod
    def terms(self, x: Array, y: Array, device: str) -> tuple[Array, list[str]]:
        """Return the terms (R, n) of x (R, n, d_x) and y (R, n, d_y), and what is to be said of each replicate."""

    def estimate_batch(self, x: Array, y: Array, seeds: Sequence[int], device: str) -> list[Estimate]:
        """Return one estimate a replicate, in nats: NaN with a reason where the method has none for most points."""
        if not len(x):
            return []
        left, right = (side.reshape(*side.shape[:2], -1) for side in (x, y))
        terms, messages = self.terms(left, right, device)
        understated = self._understated(left, right, seeds, device)
        return [_estimate(*one) for one in zip(terms, understated, messages, strict=True)]

    def unsupported(self, n: int, x_shape: Shape, y_shape: Shape) -> str:
        """Need k other points."""
        return "" if n > self.k else f"k={self.k} neighbours need n of at least {self.k + 1}, got {n}"

    def warm_up(self, device: str) -> None:
        """Compile the searches, or load them from the cache."""
        neighbours.warm_up(device)

    def _understated(self, x: Array, y: Array, seeds: Sequence[int], device: str) -> Array:
        """Return (R,) by how much the scatter of terms understates that of estimates, as subsamples have it."""
        replicates, n = x.shape[:2]
        parts = min(_PARTS, n // (self.k + 2))
        if parts < 2:
            return np.ones(replicates)
        size = min(_PART, n // parts)
        chosen = [
            np.random.default_rng(derive_seed("subsamples", seed)).permutation(n)[: parts * size] for seed in seeds
        ]
        left, right = (
            np.stack([one[rows] for one, rows in zip(side, chosen, strict=True)]).reshape(replicates * parts, size, -1)
            for side in (x, y)
        )
        terms, _ = self.terms(left, right, device)
        return _ratio(terms.reshape(replicates, parts, size))


@lru_cache(maxsize=8)
def digammas(n: int) -> Array:
    """Return ψ(1), ψ(2), … ψ(n) (n,), which every term is made of."""
    table: Array = digamma(np.arange(1.0, n + 1))
    table.flags.writeable = False
    return table


def of_points(share: float, what: str) -> str:
    """Say what holds of a share of the points, if of any."""
    return f"{share:.1%} of the points {what}" if share else ""


def _ratio(terms: Array) -> Array:
    """Return (R,) the scatter of the means of terms (R, parts, size) over what the scatter of terms has it be."""
    known = np.isfinite(terms)
    number = np.maximum(known.sum(axis=2), 1)
    means = np.where(known, terms, 0).sum(axis=2) / number
    squares = np.where(known, terms - means[..., None], 0) ** 2
    expected = squares.sum(axis=2) / np.maximum(number - 1, 1) / number
    ratios = np.ones(len(terms))
    for r, usable in enumerate(known.sum(axis=2) > 1):
        if usable.sum() > 1 and expected[r, usable].mean() > 0:
            ratios[r] = means[r, usable].std(ddof=1) / math.sqrt(expected[r, usable].mean())
    return ratios


def _estimate(terms: Array, understated: float, message: str) -> Estimate:
    known = terms[np.isfinite(terms)]
    if 2 * len(known) < len(terms):
        return Estimate(math.nan, message=message)
    error = float(known.std(ddof=1) * understated) / math.sqrt(len(known)) if len(known) > 1 else None
    return Estimate(float(known.mean()), error, message=message)
