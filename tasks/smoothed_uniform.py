"""Uniform X with uniform noise added: the MI depends on the ratio of their widths alone."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import lambertw

from mibench.distribution import Array

from .pairs import IndependentPairs

_ROUNDING = 8 * np.finfo(float).eps


class _UniformNoise(IndependentPairs):
    """Y = shift + s X + w U with X and U uniform on (0, 1); the density of Y is a trapezoid."""

    tags: ClassVar[tuple[str, ...]] = ("uniform", "vector")

    @property
    @abstractmethod
    def _shift_scale_width(self) -> tuple[Array, Array, Array]: ...

    def draw_pairs(self, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Return x, y and the pointwise MI of each pair, all (n, d)."""
        x, u = rng.random((2, n, self.d))
        shift, scale, width = self._shift_scale_width
        return x, x * scale + u * width + shift, self._log_ratio(x, u)

    def pair_log_ratio(self, x: Array, y: Array) -> Array:
        """Return the pointwise MI (n, d) in nats; −∞ where y is out of the reach of x."""
        shift, scale, width = self._shift_scale_width
        u = (y - shift - x * scale) / width
        tolerance = _ROUNDING * (np.abs(shift) + scale + width) / width
        possible = (u >= -tolerance) & (u <= 1 + tolerance)
        return np.where(possible, self._log_ratio(x, np.clip(u, 0, 1)), -np.inf)

    def _log_ratio(self, x: Array, u: Array) -> Array:
        _, scale, width = self._shift_scale_width
        from_below = np.maximum(x * scale + u * width, np.finfo(float).tiny)
        from_above = np.maximum((1 - x) * scale + (1 - u) * width, np.finfo(float).tiny)
        ratio: Array = np.log(scale / np.minimum(np.minimum(from_below, from_above), np.minimum(scale, width)))
        return ratio


def _mi_of_ratio(a: float) -> float:
    return math.log(a) + 1 / (2 * a) if a > 1 else a / 2


def _ratio_of_mi(mi: float) -> float:
    return 2 * mi if mi <= 0.5 else -1 / (2 * float(lambertw(-math.exp(-mi) / 2).real))


@dataclass(frozen=True)
class SmoothedUniform(_UniformNoise):
    """Y_j = X_j + U_j / a, scaled to unit width of the wider term, with X_j and U_j uniform on (0, 1)."""

    a: float | None = None

    parameter: ClassVar[str] = "a"
    formula: ClassVar[str] = "I = Σ_j ln a_j + 1/(2 a_j) where a_j > 1, a_j/2 where a_j ≤ 1"
    source: ClassVar[str] = "Butakov et al. 2024 (normalizing flows)"

    def pair_mi(self, parameter: float) -> float:
        """Return the MI of one pair in nats, by a."""
        return _mi_of_ratio(parameter)

    def solve(self, mi: float) -> float:
        """Return a; by the Lambert W function above half a nat."""
        self.check_positive(mi)
        return _ratio_of_mi(mi)

    @property
    def _shift_scale_width(self) -> tuple[Array, Array, Array]:
        a = self.pair_parameters
        return np.zeros(self.d), np.minimum(1, a), 1 / np.maximum(1, a)


@dataclass(frozen=True)
class AdditiveNoise(_UniformNoise):
    """Y_j = X_j + U(−ε, ε) with X_j uniform on (0, 1)."""

    epsilon: float | None = None

    parameter: ClassVar[str] = "epsilon"
    formula: ClassVar[str] = "I = Σ_j ε_j − ln(2 ε_j) where ε_j ≤ ½, 1/(4 ε_j) above"
    source: ClassVar[str] = "Czyż et al. 2023 (Beyond Normal)"

    def pair_mi(self, parameter: float) -> float:
        """Return the MI of one pair in nats, by ε."""
        return _mi_of_ratio(1 / (2 * parameter))

    def solve(self, mi: float) -> float:
        """Return ε."""
        self.check_positive(mi)
        return 1 / (2 * _ratio_of_mi(mi))

    @property
    def _shift_scale_width(self) -> tuple[Array, Array, Array]:
        epsilon = self.pair_parameters
        return -epsilon, np.ones(self.d), 2 * epsilon
