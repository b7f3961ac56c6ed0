"""The plug-in MI of binned data."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from mibench.estimation import Array, Estimate, Estimator

from .checks import at_least, at_most, one_of
from .columns import varying

Codes = NDArray[np.integer[Any]]
_EXPECTED = 5  # pairs in a cell of the product, were the sides independent: Cochran's rule
_ALONE = "every row has a bin to itself on both sides, so that the value follows from n alone; give fewer bins"
_MOST_BINS = 1_000_000  # so that a cell's number stays an integer


@dataclass(frozen=True)
class Histogram(Estimator):
    """I = Σ p̂(a, b) ln[p̂(a, b) / (p̂(a) p̂(b))] in nats, over the cells a of binned x and b of binned y.

    Every coordinate is cut into `bins`, of equal width over its range or of equal mass: there a value goes by its
    mid-rank, so that equal values share a bin. None takes as many as leave 5 pairs to each cell of the product grid,
    (n/5)^{1/(d_x + d_y)} over the coordinates that vary, at least 2 (Cellucci et al. 2005, who bin one coordinate a
    side by equal mass). Only cells that hold a pair are counted, in memory O(n d).

    The value is biased upwards by about (K_xy − K_x − K_y + 1)/(2n), with K the numbers of occupied cells, which
    ``correction="miller_madow"`` subtracts. Binning loses information, which pulls the other way. Where every row has a
    cell to itself on both sides, as in many dimensions, the value is ln n and nothing else. The standard error is the
    scatter of the plug-in pointwise MI over √n.
    """

    source: ClassVar[str] = "Cellucci, Albano & Rapp 2005 (bins); Miller 1955 (correction)"

    bins: int | None = None
    equal: Literal["mass", "width"] = "mass"
    correction: Literal["none", "miller_madow"] = "none"

    def __post_init__(self) -> None:
        if self.bins is not None:
            at_least(1, bins=self.bins)
            at_most(_MOST_BINS, bins=self.bins)
        one_of("mass", "width", equal=self.equal)
        one_of("none", "miller_madow", correction=self.correction)

    def estimate(self, x: Array, y: Array, seed: int) -> Estimate:
        """Return the MI of the codes; diagnostics hold the bins of a coordinate and the occupied cells."""
        left, right = varying(x), varying(y)
        bins = self.bins or default_bins(len(x), left.shape[1] + right.shape[1])
        cut = equal_mass if self.equal == "mass" else equal_width
        cells_x, cells_y = cells(cut(left, bins)), cells(cut(right, bins))
        return self.of_cells(cells_x, cells_y, bins)

    def of_cells(self, x: Codes, y: Codes, bins: int) -> Estimate:
        """Return the MI between cell numbers x and y (n,), each from 0 without gaps."""
        n, joint = len(x), cells(np.stack([x, y], axis=1))
        counts_x, counts_y, counts = np.bincount(x), np.bincount(y), np.bincount(joint)
        pointwise = np.log(counts[joint] * n / (counts_x[x] * counts_y[y]))
        bias = (len(counts) - len(counts_x) - len(counts_y) + 1) / (2 * n)
        value = float(pointwise.mean()) - (bias if self.correction == "miller_madow" else 0)
        diagnostics = {"bins": bins, "cells_x": len(counts_x), "cells_y": len(counts_y), "cells_joint": len(counts)}
        message = _ALONE if len(counts_x) == len(counts_y) == n else ""
        return Estimate(value, float(pointwise.std(ddof=1)) / math.sqrt(n), diagnostics, message)


def default_bins(n: int, dimensions: int) -> int:
    """Return ⌊(n/5)^{1/d}⌋, at least 2, to the integer: a root in floating point can fall short of it."""
    nearest: int = round((n / _EXPECTED) ** (1 / max(dimensions, 1)))
    return max(2, nearest if _EXPECTED * nearest**dimensions <= n else nearest - 1)


def equal_mass(columns: Array, bins: int) -> Codes:
    """Return the bin (n, d), from 0, of each value's mid-rank in its column, in exact arithmetic."""
    twice = (2 * rankdata(columns, axis=0)).astype(np.int64)
    return (twice - 1) * bins // (2 * len(columns))


def equal_width(columns: Array, bins: int) -> Codes:
    """Return the bin (n, d), from 0, of each value between the extremes of its column; the last one is closed."""
    share = (columns - columns.min(axis=0)) / np.ptp(columns, axis=0)
    codes: Codes = np.minimum((share * bins).astype(np.int64), bins - 1)
    return codes


def cells(codes: Codes) -> Codes:
    """Return the number (n,) of each distinct row of codes (n, d), without gaps: column by column, so never bins^d."""
    labels = np.zeros(len(codes), np.int64)
    for column in codes.T:
        labels = np.unique(labels * (int(column.max()) + 1) + column, return_inverse=True)[1]
    return labels
