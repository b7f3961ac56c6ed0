"""The k-nearest-neighbour estimators of Kraskov, Stögbauer & Grassberger, on the data and on their normal scores."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from mibench.estimation import Array

from . import neighbours
from .checks import one_of
from .neighbour_estimator import NeighbourEstimator, digammas, of_points


@dataclass(frozen=True)
class KSG(NeighbourEstimator):
    """Kraskov, Stögbauer & Grassberger, Phys. Rev. E 69, 066138 (2004); variant 1 is eq. 8, variant 2 is eq. 9.

    Distances are Chebyshev on the data as given: nothing is rescaled and no noise is added. In variant 1 a neighbour
    counts where it is strictly nearer than the k-th of the joint space, so that with ties fewer than k may count; in
    variant 2 it counts up to and at the edge of the smallest rectangle that holds all points no farther than the k-th.
    So the order of the rows does not matter. Its −1/k is meant for two continuous sides: where one is constant or
    discrete, variant 2 answers about 1/k too little. NaN where most points have k or more copies. The paper recommends
    k from 2 to 4: bias grows with k, scatter falls.

    The standard error is the scatter of the points' terms, corrected for their dependence by subsamples.
    """

    variant: Literal[1, 2] = 1

    source: ClassVar[str] = "Kraskov, Stögbauer & Grassberger 2004, eqs. 8 and 9"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(1, 2, variant=self.variant)

    def terms(self, x: Array, y: Array, device: str) -> tuple[Array, list[str]]:
        """Return ψ(k) + ψ(n) − ψ(n_x + 1) − ψ(n_y + 1), or of variant 2 ψ(k) − 1/k + ψ(n) − ψ(n_x) − ψ(n_y)."""
        found = neighbours.joint(x, y, self.k, rectangle=self.variant == 2, device=device)
        psi = digammas(x.shape[1])  # psi[m] is that of m + 1
        own, edge = (0, 0.0) if self.variant == 1 else (1, 1 / self.k)
        terms = psi[self.k - 1] - edge + psi[-1] - psi[found.x_counts - own] - psi[found.y_counts - own]
        copied = (found.radii == 0).mean(axis=1)
        terms[copied > 0.5] = np.nan
        words = f"have {self.k} or more copies; KSG is for continuous data; use mixed_ksg"
        return terms, [of_points(share, words) for share in copied]


@dataclass(frozen=True)
class CopulaKSG(KSG):
    """KSG on normal scores: each coordinate's ranks r in 1 … n, mapped to the quantiles Φ⁻¹(r / (n + 1)) of a normal.

    MI does not change under monotone maps of coordinates, and KSG's error does: scores undo scales, skew and heavy
    tails. Equal values share their mean rank, so that ties stay ties. The pairs are no longer independent draws, which
    the standard error allows for, as each subsample is ranked anew.
    """

    invariant: ClassVar[tuple[str, ...]] = ("scale", "monotone")
    source: ClassVar[str] = "Kraskov, Stögbauer & Grassberger 2004, section II, on the scores of van der Waerden 1952"

    def terms(self, x: Array, y: Array, device: str) -> tuple[Array, list[str]]:
        """Return KSG's terms (R, n) for the normal scores of both sides."""
        return super().terms(_normal_scores(x), _normal_scores(y), device)


def _normal_scores(side: Array) -> Array:
    scores: Array = ndtri(rankdata(side, axis=1) / (side.shape[1] + 1))
    return scores
