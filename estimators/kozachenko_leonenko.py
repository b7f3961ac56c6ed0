"""MI as a sum of three differential entropies, each from distances to nearest neighbours."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import digamma, gammaln

from mibench.estimation import Array, Shape

from . import neighbours
from .neighbour_estimator import NeighbourEstimator, of_points


@dataclass(frozen=True)
class ThreeEntropies(NeighbourEstimator):
    """I = h(X) + h(Y) − h(X, Y), from log densities at the points by their Euclidean neighbour distances."""

    k: int = 5

    @abstractmethod
    def weights(self, d: int) -> Array:
        """Return the weights (k,) of the log densities by the first, second, … k-th neighbour in d dimensions."""

    def terms(self, x: Array, y: Array, device: str) -> tuple[Array, list[str]]:
        """Return log p̂(x, y) − log p̂(x) − log p̂(y) at each point (R, n), NaN where one of them is infinite."""
        joint = np.concatenate([x, y], axis=2)
        both, left, right = (self._log_density(space, device) for space in (joint, x, y))
        copied = np.isinf(left) | np.isinf(right) | np.isinf(both)
        terms = np.full(copied.shape, np.nan)
        terms[~copied] = both[~copied] - left[~copied] - right[~copied]
        words = "have copies in x or in y: their density is infinite, and they are left out"
        return terms, [of_points(share, words) for share in copied.mean(axis=1)]

    def _log_density(self, points: Array, device: str) -> Array:
        """Return Σ_j w_j log p̂_j, log p̂_j = ψ(j) − log(n − 1) − log V_d − d log r_j, with V_d r^d a ball's volume."""
        _, n, d = points.shape
        weights = self.weights(d)
        used = np.flatnonzero(weights)
        distance, _ = neighbours.nearest(points, int(used[-1]) + 1, euclidean=True, device=device)
        radii = distance[..., used]
        apart = radii[..., 0] > 0
        log_radii = np.log(np.where(apart[..., None], radii, 1))
        log_ball = d / 2 * math.log(math.pi) - gammaln(d / 2 + 1)
        log_p = digamma(used + 1) - math.log(n - 1) - log_ball - d * log_radii
        density: Array = np.where(apart, log_p @ weights[used], np.inf)
        return density


@dataclass(frozen=True)
class KL(ThreeEntropies):
    """Kozachenko–Leonenko: h = log(n − 1) − ψ(k) + log V_d + d ⟨log r_k⟩, three times.

    Distances are Euclidean on the data as given; nothing is rescaled, and a point with k or more copies in x or in y is
    left out. The biases of the three entropies do not cancel; KSG is made so that they nearly do. k = 5 is what the
    lossy-compression paper uses.

    The standard error is the scatter of the points' terms, corrected for their dependence by subsamples.
    """

    source: ClassVar[str] = "Kozachenko & Leonenko 1987; Goria et al. 2005, eq. 5"

    def weights(self, d: int) -> Array:
        """Return all weight on the k-th neighbour."""
        return _unit(self.k, self.k)


@dataclass(frozen=True)
class WKL(ThreeEntropies):
    """Weighted Kozachenko–Leonenko: log densities of several neighbours, weighted so that leading biases cancel.

    The weights have Σ w_j = 1 and Σ_j w_j Γ(j + 2l/d) / Γ(j) = 0 for l = 1 … ⌊d/4⌋, stand at j = ⌊ik/d⌋ for i = 1 … d,
    and are the smallest such (in least squares). Up to d = 4 the first neighbour alone is used, as in the published
    tables; ``truncated=False`` uses all k neighbours there. Distances are Euclidean on the data as given.

    With the dimension the weights grow, of both signs: to some hundreds in d = 10 and beyond 10⁴ in d = 20, so that the
    answer is mostly noise there, as its standard error says. That is the scatter of the points' terms, corrected for
    their dependence by subsamples.
    """

    truncated: bool = True

    source: ClassVar[str] = "Berrett, Samworth & Yuan, Ann. Statist. 47, 2019; Butakov et al., ICLR 2024"

    def weights(self, d: int) -> Array:
        """Return the weights (k,) in d dimensions."""
        if d <= 4 and self.truncated:
            return _unit(self.k, 1)
        support = np.arange(1, self.k + 1) if d <= 4 else np.unique(np.arange(1, d + 1) * self.k // d)
        support = support[support > 0]
        order = np.arange(d // 4 + 1)[:, None]
        conditions = np.exp(gammaln(support + 2 * order / d) - gammaln(support))
        conditions /= np.linalg.norm(conditions, axis=1, keepdims=True)
        wanted = np.zeros(len(order))
        wanted[0] = 1 / math.sqrt(len(support))
        weights = np.zeros(self.k)
        weights[support - 1] = np.linalg.lstsq(conditions, wanted)[0]
        return weights

    def unsupported(self, n: int, x_shape: Shape, y_shape: Shape) -> str:
        """Need k others, and weights that meet their conditions."""
        d = math.prod(x_shape) + math.prod(y_shape)
        least = d // 4 + 1
        if self.k < least and d > 4:
            return f"k={self.k} neighbours cannot meet the {least} conditions on the weights in d={d}"
        if abs(sum(self.weights(space).sum() for space in (d, math.prod(x_shape), math.prod(y_shape))) - 3) > 1e-6:
            return f"float64 cannot hold the weights in d={d}: they would have to cancel to many digits"
        return super().unsupported(n, x_shape, y_shape)


def _unit(k: int, j: int) -> Array:
    """Return the weights (k,) that are all on the j-th neighbour."""
    weights = np.zeros(k)
    weights[j - 1] = 1
    return weights
