"""KSG with a local correction where the neighbours of a point lie along a slanted box."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from mibench.estimation import Array, Shape

from . import neighbours
from .checks import at_least
from .ksg import KSG
from .neighbour_estimator import NeighbourEstimator
from .neighbour_kernels import Ints

_TRIALS, _LEAST_TRIALS, _LEVEL = 100_000, 10_000, 5e-3  # of uniform boxes, of which this share is taken for slanted
_WORK = 2**28  # multiplications of a simulation, as far as the number of trials allows: some seconds
_CHUNK = 2**22  # numbers that are held at a time


@dataclass(frozen=True)
class LNC(NeighbourEstimator):
    """Local non-uniformity correction: KSG's variant 2, minus the mean of log(V̄_i / V_i) where that ratio is below α.

    V_i is the volume of KSG's box around point i, V̄_i that of the box along the principal axes of its k neighbours
    about it. Where dependence is strong the neighbours fill a thin slanted box, V̄ ≪ V, and KSG, which takes them for
    uniform in the upright one, falls short. α is the level below which the ratio falls for five of a thousand sets of
    k uniform points in an upright box, by simulation; or give `alpha`, where 0 corrects nothing. The axes need
    k ≥ d_x + d_y neighbours; of points that tie for the k-th, those that come first are taken.

    The standard error is the scatter of the points' terms, corrected for their dependence by subsamples.
    """

    k: int = 5
    alpha: float | None = None

    source: ClassVar[str] = "Gao, Ver Steeg & Galstyan, AISTATS 2015, eq. 12 and appendix B"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alpha is not None:
            at_least(0, alpha=self.alpha)

    def unsupported(self, n: int, x_shape: Shape, y_shape: Shape) -> str:
        """Need k others, and as many neighbours as there are axes."""
        d = int(np.prod(x_shape)) + int(np.prod(y_shape))
        if self.k < d:
            return f"k={self.k} neighbours do not span the {d} dimensions of x and y; give k of at least {d}"
        return super().unsupported(n, x_shape, y_shape)

    def terms(self, x: Array, y: Array, device: str) -> tuple[Array, list[str]]:
        """Return the terms of variant 2 minus the correction log(V̄ / V), (R, n)."""
        terms, messages = KSG(self.k, 2).terms(x, y, device)
        dims = x.shape[2], y.shape[2]
        alpha = simulate_alpha(self.k, *dims) if self.alpha is None else self.alpha
        if alpha > 0:
            points = np.concatenate([x, y], axis=2)
            _, index = neighbours.nearest(points, self.k, device=device)
            for r, replicate in enumerate(points):
                terms[r] -= _corrections(replicate, index[r], dims, alpha)
        return terms, messages


def _corrections(points: Array, index: Ints, dims: tuple[int, int], alpha: float) -> Array:
    """Return log(V̄ / V) of each point (n,) where that is below log α, else 0."""
    found = np.zeros(len(points))
    step = max(1, _CHUNK // (index.shape[1] * points.shape[1]))
    for start in range(0, len(points), step):
        rows = slice(start, start + step)
        found[rows] = log_volume_ratio(points[index[rows]] - points[rows, None], dims)
    return np.where(found < np.log(alpha), found, 0.0)


def log_volume_ratio(offsets: Array, dims: tuple[int, int]) -> Array:
    """Return log(V̄ / V) for the offsets (..., k, d_x + d_y) of neighbours, or 0 where one of them is flat.

    Both boxes are centred at the point. V has one half-width for x and one for y, as variant 2 of KSG has; V̄ has one
    for each principal axis.
    """
    largest = np.abs(offsets).max(axis=(-2, -1), keepdims=True)
    offsets = offsets / np.where(largest > 0, largest, 1)  # so that squares keep their digits
    size = np.abs(offsets)
    sides = np.stack([size[..., : dims[0]].max(axis=(-2, -1)), size[..., dims[0] :].max(axis=(-2, -1))])
    axes = np.linalg.eigh(np.swapaxes(offsets, -1, -2) @ offsets)[1]
    reach = np.abs(offsets @ axes).max(axis=-2)
    with np.errstate(divide="ignore", invalid="ignore"):
        upright = dims[0] * np.log(sides[0]) + dims[1] * np.log(sides[1])
        ratio = np.log(reach).sum(axis=-1) - upright
    flat = (sides == 0).any(axis=0) | (reach == 0).any(axis=-1)
    return np.where(flat, 0.0, ratio)


@lru_cache(maxsize=64)
def simulate_alpha(k: int, d_x: int, d_y: int) -> float:
    """Return the ratio V̄ / V below which 5 of 1000 sets of k points lie that are uniform in an upright box."""
    rng = np.random.default_rng(0)
    d = d_x + d_y
    step = max(1, _CHUNK // (k * d))
    trials = min(_TRIALS, max(_LEAST_TRIALS, _WORK // (k * d * d)))
    ratios = [
        log_volume_ratio(rng.uniform(-1, 1, (min(step, trials - start), k, d)), (d_x, d_y))
        for start in range(0, trials, step)
    ]
    return float(np.exp(np.quantile(np.concatenate(ratios), _LEVEL)))
