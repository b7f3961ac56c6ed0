"""Gaussian mixtures: their draws, their log density and the MI between two groups of their coordinates."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, ClassVar

import numpy as np

from mibench.distribution import Array, Distribution, Draw, Shape

_REACH = 9.0  # standard deviations beyond the outermost means, where less than 1e-18 is left
_STEPS = 5  # of the trapezoidal rule to a standard deviation of the narrowest component


class Normals:
    """k equally likely normal laws N(m, L Lᵀ) in R^D: means (k, D), lower triangular factors L (k, D, D) or (D, D)."""

    def __init__(self, means: Sequence[Sequence[float]] | Array, factors: Any) -> None:
        self.means = np.asarray(means, dtype=float)
        k, dimension = self.means.shape
        self.factors = np.broadcast_to(np.asarray(factors, dtype=float), (k, dimension, dimension))

    @property
    def covariances(self) -> Array:
        """L Lᵀ of each, (k, D, D)."""
        return np.asarray(self.factors @ self.factors.transpose(0, 2, 1))

    def draw(self, n: int, rng: np.random.Generator) -> Array:
        """Return `n` draws (n, D), in a fixed order of operations so that they do not depend on the BLAS."""
        chosen = rng.integers(len(self.means), size=n)
        z = rng.standard_normal((n, self.means.shape[1]))
        draws: Array = self.means[chosen]
        for j, column in enumerate(z.T):
            draws = draws + self.factors[chosen, :, j] * column[:, None]
        return draws

    def log_density(self, points: Array) -> Array:
        """Return the log density (n,) at points (n, D)."""
        logs = np.empty((len(self.means), len(points)))
        for row, mean, factor in zip(logs, self.means, self.factors, strict=True):
            z = (points - mean) @ np.linalg.inv(factor).T
            row[:] = -0.5 * (z**2).sum(axis=1) - np.log(np.diag(factor)).sum()
        constant = math.log(len(self.means)) + points.shape[1] / 2 * math.log(2 * math.pi)
        density: Array = np.logaddexp.reduce(logs, axis=0) - constant
        return density

    @cached_property
    def marginals(self) -> tuple["Normals", "Normals"]:
        """The laws of all coordinates but the last, and of the last."""
        axes = np.eye(self.means.shape[1])
        return self.project(axes[:-1]), self.project(axes[-1:])

    def project(self, matrix: Array) -> "Normals":
        """Return the law of M z, for a matrix M (E, D) of full rank."""
        covariances = matrix @ self.covariances @ matrix.T
        return Normals(self.means @ matrix.T, np.linalg.cholesky(covariances))


@cache
def planar_mi(law: Normals) -> float:
    """Return the MI in nats between the two coordinates of a planar mixture, by the trapezoidal rule.

    Its error falls exponentially with the step where, as here, the integrand is analytic and vanishes at both ends.
    """
    steps = 1 / np.sqrt(np.linalg.inv(law.covariances)[:, [0, 1], [0, 1]].max(axis=0)) / _STEPS
    deviations = np.sqrt(law.covariances[:, [0, 1], [0, 1]])
    low = (law.means - _REACH * deviations).min(axis=0)
    high = (law.means + _REACH * deviations).max(axis=0)
    x, y = (np.arange(a, b + step, step) for a, b, step in zip(low, high, steps, strict=True))
    log_x, log_y = (margin.log_density(axis[:, None]) for margin, axis in zip(law.marginals, (x, y), strict=True))
    total = 0.0
    for value, log_value in zip(x, log_x, strict=True):
        log_joint = law.log_density(np.column_stack([np.full(len(y), value), y]))
        total += float((np.exp(log_joint) * (log_joint - log_value - log_y)).sum())
    return float(total * steps[0] * steps[1])


@dataclass(frozen=True)
class GaussianMixture(Distribution):
    """A Gaussian mixture whose last coordinate is Y and whose others are X, bent by an invertible map."""

    tags: ClassVar[tuple[str, ...]] = ("mixture", "vector")
    formula: ClassVar[str] = "I = E ln p(x, y) − ln p(x) − ln p(y)"
    source: ClassVar[str] = "Czyż et al. 2023 (pointwise MI profiles; bend and mix models)"
    truth: ClassVar[Any] = "quadrature: the trapezoidal rule in the plane"

    law: ClassVar[Normals]  # before the bend
    planar: ClassVar[Normals]  # of two numbers, of X and of Y, that hold all the MI

    @property
    def x_shape(self) -> Shape:
        """The dimension of the mixture, less one."""
        return (self.law.means.shape[1] - 1,)

    @property
    def y_shape(self) -> Shape:
        """(1,)."""
        return (1,)

    @property
    def mutual_information(self) -> float:
        """I(X; Y) in nats, by quadrature."""
        return planar_mi(self.planar)

    def bend(self, x: Array) -> Array:
        """Map x (n, dx) invertibly; by default not at all."""
        return x

    def unbend(self, x: Array) -> Array:
        """Undo `bend`."""
        return x

    def draw(self, n: int, rng: np.random.Generator) -> Draw:
        """Return `n` draws and their pointwise MI."""
        points = self.law.draw(n, rng)
        return Draw(self.bend(points[:, :-1]), points[:, -1:], self._log_ratio(points))

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """Return the pointwise MI of each pair, (n,) in nats."""
        return self._log_ratio(np.column_stack([self.unbend(x), y]))

    def _log_ratio(self, points: Array) -> Array:
        x, y = self.law.marginals
        return self.law.log_density(points) - x.log_density(points[:, :-1]) - y.log_density(points[:, -1:])
