"""Nearest-neighbour estimators for data with discrete parts."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from mibench.estimation import Array

from . import neighbours
from .checks import one_of
from .neighbour_estimator import NeighbourEstimator, digammas, of_points

_Labels = NDArray[np.int64]


@dataclass(frozen=True)
class MixedKSG(NeighbourEstimator):
    """Gao, Kannan, Oh & Viswanath: KSG for any mixture of discrete and continuous parts.

    Î = ⟨ψ(k̃) + log n − ψ(n_x) − ψ(n_y)⟩. Where the k-th joint distance is positive, k̃ is k and n_x and n_y count the
    points strictly nearer; where it is 0, all three count the copies; a point counts as its own copy. So it is KSG's
    variant 1 on continuous data (up to log n for ψ(n)), and close to the plug-in estimate on discrete data. It takes ψ
    of the points strictly nearer, as the authors' own program does, where their Algorithm 1 prints log(n_x + 1) of
    those not farther.

    The standard error is the scatter of the points' terms, corrected for their dependence by subsamples.
    """

    k: int = 5

    source: ClassVar[str] = "Gao, Kannan, Oh & Viswanath, NeurIPS 2017, Algorithm 1"

    def terms(self, x: Array, y: Array, device: str) -> tuple[Array, list[str]]:
        """Return the terms (R, n)."""
        n = x.shape[1]
        found = neighbours.joint(x, y, self.k, rectangle=False, device=device)
        apart = found.radii > 0
        numbers = np.stack([np.full_like(found.x_counts, self.k), found.x_counts + 1, found.y_counts + 1])
        for r in np.flatnonzero(~apart.all(axis=1)):
            copies = [_copies(side) for side in (np.concatenate([x[r], y[r]], axis=1), x[r], y[r])]
            numbers[:, r] = np.where(apart[r], numbers[:, r], copies)
        both, left, right = digammas(n)[numbers - 1]
        return both + np.log(n) - left - right, [""] * len(x)


@dataclass(frozen=True)
class Ross(NeighbourEstimator):
    """Ross: MI between a discrete and a continuous variable, I = ψ(n) + ⟨ψ(k) − ψ(n_c) − ψ(m)⟩.

    Of each point, n_c is the size of its class, and m the number of points of any class that are no farther than its
    k-th neighbour within the class (Chebyshev, the point itself left out). A class of no more than k points uses all
    of its others; a point alone in its class is left out. With ties k counts all of its class that are as near. The
    discrete side is the one with fewer different values, or say which.

    The standard error is the scatter of the points' terms, corrected for their dependence by subsamples.
    """

    discrete: Literal["auto", "x", "y"] = "auto"

    source: ClassVar[str] = "Ross, PLoS ONE 9(2): e87357, 2014, eq. 2"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("auto", "x", "y", discrete=self.discrete)

    def terms(self, x: Array, y: Array, device: str) -> tuple[Array, list[str]]:
        """Return the terms (R, n), NaN for the points that are alone in their class."""
        found = [self._terms(*sides, device) for sides in zip(x, y, strict=True)]
        words = "are alone in their class and left out; ross needs one discrete side"
        return np.stack(found), [of_points(float(np.isnan(terms).mean()), words) for terms in found]

    def _terms(self, x: Array, y: Array, device: str) -> Array:
        n = len(x)
        labels, values = self._split(x, y)
        terms, radii = np.full(n, np.nan), np.zeros(n)
        sizes = np.bincount(labels)[labels]
        near = np.zeros(n, np.int64)
        for label in np.flatnonzero(np.bincount(labels) > 1):
            chosen = labels == label
            members = values[None, chosen]
            distance, _ = neighbours.nearest(members, min(self.k, members.shape[1] - 1), device=device)
            radii[chosen] = distance[0, :, -1]
            near[chosen] = neighbours.counts(members, radii[None, chosen], closed=True, device=device)[0]
        within = neighbours.counts(values[None], radii[None], closed=True, device=device)[0]
        told = sizes > 1
        psi = digammas(n)
        terms[told] = psi[n - 1] + psi[near[told] - 1] - psi[sizes[told] - 1] - psi[within[told] - 1]
        return terms

    def _split(self, x: Array, y: Array) -> tuple[_Labels, Array]:
        """Return the labels (n,) of the discrete side, and the continuous one (n, d)."""
        left, right = _labels(x), _labels(y)
        if self.discrete == "x" or (self.discrete == "auto" and left.max() <= right.max()):
            return left, y
        return right, x


def _labels(side: Array) -> _Labels:
    """Return a number (n,) for each row of `side` (n, d), the same for equal rows."""
    labels: _Labels = np.unique(side, axis=0, return_inverse=True)[1].reshape(-1)
    return labels


def _copies(side: Array) -> _Labels:
    """Return how many rows of `side` (n, d) equal each of them, itself included."""
    labels = _labels(side)
    return np.bincount(labels)[labels]
