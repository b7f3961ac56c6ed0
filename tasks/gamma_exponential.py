"""A gamma variable as the rate of an exponential one, and the logarithms of both."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import psi

from mibench.distribution import Array
from mibench.errors import SpecError

from .elementary import exp, log
from .pairs import IndependentPairs, root, rounded
from .split import check_float64

_SERIES_FROM = 20.0  # of the shape, from where the asymptotic series is exact to float64
_LEAST_LINEAR_SHAPE = 0.06  # a gamma variable of smaller shape underflows float64 more often than once in 10¹⁸ draws


@dataclass(frozen=True)
class GammaExponential(IndependentPairs):
    """X_j ~ Γ(shape 1/κ), and Y_j given X_j exponential of rate X_j.

    `log=True` gives their logarithms, ln X − ψ(1/κ) and ln Y + ψ(1/κ), which have the same MI and are the only form
    that float64 can hold where it is high.
    """

    kappa: float | None = None
    log: bool = False

    parameter: ClassVar[str] = "kappa"
    formula: ClassVar[str] = "I = Σ_j ψ(1/κ_j) + κ_j + ln κ_j"
    source: ClassVar[str] = "Kraskov, Stögbauer & Grassberger 2004; Butakov et al. 2024 (normalizing flows)"
    tags: ClassVar[tuple[str, ...]] = ("gamma", "vector", "skewed")

    def check(self) -> None:
        """Raise `SpecError` where the gamma variable underflows."""
        check_float64(self.shares)
        shape = 1 / float(self.pair_parameters.max())
        if not self.log and shape < _LEAST_LINEAR_SHAPE:
            most = self.pair_mi(1 / _LEAST_LINEAR_SHAPE)
            raise SpecError(
                f"the gamma variable underflows float64 above {most:.3g} nats a pair, "
                f"and kappa={1 / shape:.4g} has more; add log=True"
            )

    def pair_mi(self, parameter: float) -> float:
        """Return the MI of one pair in nats, by κ: ψ(1 + 1/κ) + ln κ, or its series where these cancel."""
        shape = 1 / parameter
        if shape < _SERIES_FROM:
            return float(psi(1 + shape)) + math.log(parameter)
        terms = (1 / 2, -1 / 12, 1 / 120, -1 / 252, 1 / 240, -1 / 132)
        return sum(term * parameter ** max(1, 2 * i) for i, term in enumerate(terms))

    def solve(self, mi: float) -> float:
        """Return κ, which is between 2I at low MI and e^(I + γ) at high MI."""
        self.check_positive(mi)
        return root(self.pair_mi, mi, mi, 4 * mi * math.exp(mi + 1))

    def draw_pairs(self, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Return x, y and the pointwise MI of each pair, all (n, d)."""
        shape = 1 / self.pair_parameters
        # a gamma variable of shape + 1 times U^(1/shape) has the given shape, however small
        log_x = log(rng.standard_gamma(shape + 1, (n, self.d))) - rng.standard_exponential((n, self.d)) / shape
        product = rng.standard_exponential((n, self.d))
        log_y = log(product) - log_x
        pointwise = self._log_ratio(log_x, log_y, product)
        if self.log:
            return log_x - self._shift, log_y + self._shift, pointwise
        return exp(log_x), exp(log_y), pointwise

    def pair_log_ratio(self, x: Array, y: Array) -> Array:
        """Return the pointwise MI (n, d) in nats."""
        log_x, log_y = (x + self._shift, y - self._shift) if self.log else (np.log(x), np.log(y))
        with np.errstate(over="ignore"):  # where y is far beyond the reach of x
            return self._log_ratio(log_x, log_y, np.exp(log_x + log_y))

    @property
    def _shift(self) -> Array:
        return np.array([rounded(float(psi(1 / kappa))) for kappa in self.pair_parameters])

    def _log_ratio(self, log_x: Array, log_y: Array, product: Array) -> Array:
        shape = 1 / self.pair_parameters
        ratio: Array = log_x - product - np.log(shape) + (shape + 1) * np.logaddexp(0, log_y)
        return ratio
