"""MI of the Gaussian with the sample's covariance, through its canonical correlations."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mibench.estimation import Array, Estimator, Shape


@dataclass(frozen=True)
class GaussianFit(Estimator):
    """I = −½ Σ ln(1 − ρ_j²) over the canonical correlations ρ_j of the sample (Hotelling 1936).

    The plug-in value, biased upwards by about d_x d_y / (2n). Directions in which a side does not vary, to rounding,
    are left out.
    """

    source: ClassVar[str] = "Hotelling 1936; Kullback 1959"

    def estimate(self, x: Array, y: Array, seed: int) -> float:
        """Return the MI in nats; infinite where one side determines a direction of the other."""
        correlations = np.linalg.svd(_orthonormal_scores(x).T @ _orthonormal_scores(y), compute_uv=False)
        with np.errstate(divide="ignore"):
            return float(-0.5 * np.log1p(-(np.minimum(correlations, 1) ** 2)).sum())

    def unsupported(self, n: int, x_shape: Shape, y_shape: Shape) -> str:
        """Need more draws than dimensions, without which every canonical correlation is 1."""
        least = math.prod(x_shape) + math.prod(y_shape) + 2
        return "" if n >= least else f"the covariance of {least - 2} dimensions needs n of at least {least}, got {n}"


def _orthonormal_scores(side: Array) -> Array:
    """Return an orthonormal basis (n, rank) of the centred and scaled columns of `side` (n, ...)."""
    columns = side.reshape(len(side), -1)
    columns = columns - columns.mean(axis=0)
    scales = columns.std(axis=0)
    left, values, _ = np.linalg.svd(columns[:, scales > 0] / scales[scales > 0], full_matrices=False)
    return left[:, values > values.max(initial=0) * len(side) * np.finfo(float).eps]
