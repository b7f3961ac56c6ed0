"""Gaussian pairs of which a share is replaced by independent draws with the same marginals."""

import math
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import ClassVar

import numpy as np
from scipy.optimize import brentq

from mibench.component import SHOWN
from mibench.distribution import Array, Draw
from mibench.errors import SpecError

from .checks import check_mi
from .gaussian import GaussianSparse
from .shapes import EqualDimensions
from .split import FLOAT64_MI

_SMALLEST = 1e-12  # share of either part


@dataclass(frozen=True)
class Inliers(EqualDimensions):
    """A draw of `gaussian_sparse(d, pairs)`, whose y is, with probability `independent_fraction`, drawn anew.

    So 1 − `independent_fraction` of the draws are correlated, and the others are independent but look the same on
    either side. Give the wanted `mi` of the mixture, 1 nat by default, or the correlation `rho` of its Gaussian part.
    With w = 1 − `independent_fraction` and r the Gaussian density ratio, the pointwise MI is ln(w r + 1 − w).
    """

    d: int = field(default=2, metadata=SHOWN)
    pairs: int = field(default=2, metadata=SHOWN)
    mi: float | None = field(default=None, metadata=SHOWN)
    rho: float | None = None
    independent_fraction: float = field(default=0.2, metadata=SHOWN)

    tags: ClassVar[tuple[str, ...]] = ("mixture", "gaussian", "vector", "sparse")
    formula: ClassVar[str] = "I = E ln(w r + 1 − w), w = 1 − independent_fraction, r the Gaussian density ratio"
    source: ClassVar[str] = "Czyż et al. 2023 (pointwise MI profiles; bend and mix models)"
    truth: ClassVar[str] = "quadrature: the trapezoidal rule over the law of ln r, a difference of two chi-squares"

    def __post_init__(self) -> None:
        if not _SMALLEST <= self.independent_fraction <= 1 - _SMALLEST:
            raise SpecError(
                f"independent_fraction must be from {_SMALLEST:g} to 1 − {_SMALLEST:g}, got "
                f"{self.independent_fraction}; at 0 it is gaussian_sparse, at 1 X and Y are independent"
            )
        GaussianSparse(self.d, self.pairs, rho=self.rho)  # which checks them
        if self.rho is None and self.mi is None:
            object.__setattr__(self, "mi", 1.0)
        if self.rho is not None and self.mi is not None:
            raise SpecError("give either rho or mi, such as inliers(d=5, pairs=2, rho=0.8)")
        if self.mi is not None:
            check_mi(self.mi)
        if self.mi is not None and (most := self._solved / self.pairs) > FLOAT64_MI:
            raise SpecError(
                f"mi={self.mi} takes {most:.3g} nats in each Gaussian pair, and float64 holds {FLOAT64_MI:g}; "
                "raise pairs, or lower mi or independent_fraction"
            )

    @property
    def mutual_information(self) -> float:
        """I(X; Y) in nats: the MI that was asked for, or that of the given correlation."""
        if self.mi is not None:
            return self.mi
        return _mixed_mi(self.gaussian.mutual_information, self.pairs, 1 - self.independent_fraction)

    @cached_property
    def gaussian(self) -> GaussianSparse:
        """The law of the correlated draws."""
        if self.mi is None:
            return GaussianSparse(self.d, self.pairs, rho=self.rho)
        return GaussianSparse(self.d, self.pairs, mi=self._solved)

    @property
    def _solved(self) -> float:
        return _solve(self.mi or 0.0, self.pairs, 1 - self.independent_fraction)

    def draw(self, n: int, rng: np.random.Generator) -> Draw:
        """Return `n` draws and their pointwise MI."""
        x, y, log_ratio = self.gaussian.draw(n, rng)
        assert log_ratio is not None
        anew = rng.standard_normal(y.shape)
        independent = rng.random(n) < self.independent_fraction
        y = np.where(independent[:, None], anew, y)
        return Draw(x, y, self._mixed(np.where(independent, self.gaussian.log_density_ratio(x, anew), log_ratio)))

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """Return the pointwise MI of each pair, (n,) in nats."""
        return self._mixed(self.gaussian.log_density_ratio(x, y))

    def _mixed(self, log_ratio: Array) -> Array:
        mixed: Array = np.logaddexp(
            math.log1p(-self.independent_fraction) + log_ratio, math.log(self.independent_fraction)
        )
        return mixed


@cache
def _mixed_mi(gaussian_mi: float, pairs: int, weight: float) -> float:
    """Return the MI in nats of a share `weight` of `pairs` Gaussian pairs, which carry `gaussian_mi`, and the rest.

    In the Gaussian part ln r = `gaussian_mi` + ρ (A − B) / 2 for A, B ~ χ² of `pairs` degrees of freedom, and
    (A − B) / 2 is √(2G) z for G ~ Γ(pairs/2) and z standard normal. A mean over the independent part is one over the
    Gaussian part with weight 1/r. So I = ln(1 − w) + w E (1 + e^−t) ln(1 + e^t) with t = ln r + ln(w / (1 − w)).

    It is computed in extended precision because the correlation that is solved for must not depend on the machine.
    """
    part, w, shape = np.longdouble(gaussian_mi), np.longdouble(weight), np.longdouble(pairs) / 2
    width = np.sqrt(shape)
    low, high = np.log(shape) - 12 / width - 42 / shape, np.log(shape + 12 * width + 40)
    s = np.arange(low, high, 0.2 / np.maximum(1, width))
    z = np.arange(np.longdouble(-9), 9, 0.3 / (1 + 2 * width))
    gamma, normal = np.exp(shape * (s - np.log(shape)) - np.exp(s) + shape), np.exp(-(z**2) / 2)
    rho = np.sqrt(-np.expm1(-2 * part / pairs))
    t = part + np.log(w) - np.log1p(-w) + rho * np.sqrt(2 * np.exp(s))[:, None] * z
    near = np.maximum(t, -40)  # below which the mean's integrand is 1
    values = (gamma[:, None] * normal * ((1 + np.exp(-near)) * np.logaddexp(0, near))).sum()
    return float(np.log1p(-w) + w * values / (gamma.sum() * normal.sum()))


@cache
def _solve(mi: float, pairs: int, weight: float) -> float:
    """Return the MI in nats that the Gaussian part must carry for the mixture to carry `mi`."""
    least = mi / weight**2  # of which the mixture carries w² near independence
    if least < 1e-10:
        return least
    high = least
    while _mixed_mi(high, pairs, weight) < mi:
        high *= 2
    low = 0.99 * mi / weight  # a mixture carries at most w of it
    return float(brentq(lambda part: _mixed_mi(part, pairs, weight) - mi, low, high, xtol=1e-15 * mi, rtol=1e-15))
