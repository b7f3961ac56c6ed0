"""MI of the Gaussian with the sample's covariance, through its canonical correlations."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mibench.estimation import Array, Estimate, Estimator, Shape

from .columns import varying
from .wishart import mi_bias


@dataclass(frozen=True)
class GaussianFit(Estimator):
    """I = −½ Σ ln(1 − ρ_j²) over the canonical correlations ρ_j of the sample (Hotelling 1936).

    The plug-in value, biased upwards by about d_x d_y / (2n); `unbiased` subtracts that bias, which is known exactly
    where the data are Gaussian. Directions in which a side does not vary, to rounding, are left out.

    The standard error is the scatter of the fitted pointwise MI, the influence function of the log determinants, over
    √n; it asks for no normality. It is that of a smooth functional: near independence, where the influence vanishes,
    it is too large by about √2.
    """

    invariant: ClassVar[tuple[str, ...]] = ("scale", "affine")
    source: ClassVar[str] = "Hotelling 1936; Kullback 1959; bias: Anderson 2003, section 7.5"

    unbiased: bool = False

    def estimate(self, x: Array, y: Array, seed: int) -> Estimate:
        """Return the MI in nats; infinite where one side determines a direction of the other."""
        scores_x, scores_y = _orthonormal_scores(x), _orthonormal_scores(y)
        left, correlations, right = np.linalg.svd(scores_x.T @ scores_y, full_matrices=False)
        rho = np.minimum(correlations, 1)
        with np.errstate(divide="ignore"):
            value = float(-0.5 * np.log1p(-(rho**2)).sum()) + 0.0  # no −0
        if not math.isfinite(value):
            return Estimate(value)
        scatter = _pointwise(scores_x @ left, scores_y @ right.T, rho).std(ddof=1)
        bias = mi_bias(scores_x.shape[1], scores_y.shape[1], len(x) - 1) if self.unbiased else 0.0
        return Estimate(value - bias, float(scatter) / math.sqrt(len(x)))

    def unsupported(self, n: int, x_shape: Shape, y_shape: Shape) -> str:
        """Need more draws than dimensions, without which every canonical correlation is 1."""
        least = math.prod(x_shape) + math.prod(y_shape) + 2
        return "" if n >= least else f"the covariance of {least - 2} dimensions needs n of at least {least}, got {n}"


def _orthonormal_scores(side: Array) -> Array:
    """Return an orthonormal basis (n, rank) of the centred and scaled columns of `side` (n, ...)."""
    columns = varying(side)
    columns = columns - columns.mean(axis=0)
    left, values, _ = np.linalg.svd(columns / columns.std(axis=0), full_matrices=False)
    return left[:, values > values.max(initial=0) * len(side) * np.finfo(float).eps]


def _pointwise(u: Array, v: Array, rho: Array) -> Array:
    """Return the Gaussian pointwise MI (n,), up to a constant, of canonical variates u, v (n, m) of unit norm.

    Σ_j (ρ u v − ½ ρ² (u² + v²)) / (1 − ρ²) with variates of unit variance, rearranged to keep its digits at ρ near 1.
    """
    terms = rho * u * v / (1 + rho) - 0.5 * rho**2 * (u - v) ** 2 / (1 - rho**2)
    pointwise: Array = len(u) * terms.sum(axis=1)
    return pointwise
