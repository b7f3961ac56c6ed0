"""What densities of y given x see: y less its linear regression on x, which leaves the networks what is not linear."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from mibench.estimation import Array

from .standardise import Scale, Standardiser

_LEAST_VARIANCE = 1e-8  # of a residual, as a share of that of a coordinate: float32 sees no finer
_RIDGES = np.geomspace(1e-6, 1e4, 31)  # as shares of the variance of a coordinate of x


@dataclass(frozen=True)
class Residuals(Standardiser):
    """The map of one sample to rows (x, s) and (w, v, ln det A), fitted to its training rows.

    x and y are standardised by themselves, y coordinate by coordinate; w is y made white by a triangular matrix.
    Residuals r of w from its ridge regression on x are made white by a triangular matrix A too: their rows are
    A r = v + s, of v = A w and s = −A ŵ(x). Where x is an image, there is no s, and ŵ = 0.
    """

    white: Array
    sharp: Array
    slope: Array

    @classmethod
    def fit_rows(cls, x: Array, y: Array, images: Sequence[bool]) -> Self:
        """Fit to rows x (n, ...) and y (n, ...), of which `images` says which are images; y is taken as a vector."""
        y = y.reshape(len(y), -1)
        of_x = Standardiser.fit(x, y[:, :1], [images[0], False], joint=False)
        own = Standardiser((of_x.scales[0], Scale.fit(y, image=False)), (of_x.rotations[0], np.eye(y.shape[1])))
        x, y = own(x, y)
        y, white = whitened(y)
        if images[0]:
            return cls(own.scales, own.rotations, white, np.eye(y.shape[1]), np.zeros((0, y.shape[1])))
        slope = ridge(x, y)
        sharp = whitened(y - predicted(x, slope))[1][1:]
        return cls(own.scales, own.rotations, white, sharp, slope)

    def __call__(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Map rows of both sides."""
        x, y = super().__call__(x, y)
        y = predicted(y, self.white)
        log_det = np.full((len(y), 1), np.log(np.diag(self.sharp)).sum())
        rows = np.hstack([y, y @ self.sharp, log_det])
        return (np.hstack([x, -predicted(x, self.slope) @ self.sharp]) if len(self.slope) else x), rows


def predicted(x: Array, coefficients: Array) -> Array:
    """Return the affine map of rows x (n, p) with offsets and slopes `coefficients` (1 + p, d)."""
    found: Array = coefficients[0] + x @ coefficients[1:]
    return found


def whitened(rows: Array) -> tuple[Array, Array]:
    """Return rows (n, d) of unit covariance, each a function of the coordinates up to its own, and the affine map.

    As in `axes`, the correlation matrix is shrunk towards the identity by (d / n)².
    """
    (n, d), centre, scale = rows.shape, rows.mean(axis=0), rows.std(axis=0)
    scale = np.where(scale > 0, scale, 1)
    even = (rows - centre) / scale
    correlation = (1 - min(1.0, d / n) ** 2) * even.T @ even / n
    np.fill_diagonal(correlation, 1 + _LEAST_VARIANCE)
    turn = np.linalg.inv(np.linalg.cholesky(correlation)).T / scale[:, None]
    return (rows - centre) @ turn, np.vstack([-centre @ turn, turn])


def ridge(x: Array, y: Array) -> Array:
    """Return the coefficients (1 + p, d) of the ridge regression of least generalised cross-validation error."""
    n, centre, level = len(x), x.mean(axis=0), y.mean(axis=0)
    left, singular, right = np.linalg.svd(x - centre, full_matrices=False)
    along = left.T @ (y - level)
    rest = np.square(y - level - left @ along).sum(axis=0)

    def error(penalty: float) -> float:
        lost = penalty / (singular**2 + penalty)
        squares = rest + (np.square(lost)[:, None] * np.square(along)).sum(axis=0)
        freedom = max((n - 1 - len(lost) + lost.sum()) / n, _LEAST_VARIANCE)
        return float(np.log(np.maximum(squares / freedom**2, _LEAST_VARIANCE * n)).sum())

    penalty = min(_RIDGES * n, key=error)
    slope = right.T @ ((singular / (singular**2 + penalty))[:, None] * along)
    return np.vstack([level - centre @ slope, slope])
