"""Multivariate Student-t: a correlated Gaussian over a common random scale, which alone makes X and Y dependent."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
from scipy.special import gammaln, psi

from mibench.component import SHOWN
from mibench.distribution import Array, Distribution, Draw, Shape
from mibench.errors import SpecError

from .checks import check_mi
from .elementary import gamma
from .gaussian import Gaussian

_LEAST_DF, _MOST_DF = 0.1, 1e6  # below, draws overflow float64
_SERIES_FROM = 200.0  # degrees of freedom, where the next term is below 1e-11 of the sum


@dataclass(frozen=True)
class Student(Distribution):
    """(X, Y) = z / √(χ²/ν) with one χ² of ν = `df` degrees of freedom for all of z, a correlated Gaussian.

    The common scale carries MI of its own, so that X and Y depend on each other even where z is uncorrelated, which is
    the default; `mi` solves for the correlation and cannot be below that. Further arguments are those of `gaussian`.
    """

    d: int | None = field(default=None, metadata=SHOWN)
    mi: float | None = field(default=None, metadata=SHOWN)
    df: float = field(default=3.0, metadata=SHOWN)
    dx: int | None = None
    dy: int | None = None
    mixing: Literal["orthogonal", "dense"] | None = None
    randomized: bool = False
    seed: int = 0

    formula: ClassVar[str] = "I = I_Gauss + c(ν) + c(ν+d_x+d_y) − c(ν+d_x) − c(ν+d_y), c(m) = ln Γ(m/2) − (m/2) ψ(m/2)"
    source: ClassVar[str] = "Arellano-Valle, Contreras-Reyes & Genton 2013; Czyż et al. 2023 (Beyond Normal)"

    def __post_init__(self) -> None:
        if not _LEAST_DF <= self.df <= _MOST_DF:
            raise SpecError(f"df must be from {_LEAST_DF} to {_MOST_DF:.0f}, got {self.df}")
        if self.mi is not None:
            check_mi(self.mi)
            if self.mi < self.excess * (1 - 1e-12):
                raise SpecError(
                    f"mi must be at least {self.excess:.12g} nats, which the common scale of {self._dx} + {self._dy} "
                    f"coordinates with df={self.df:g} carries by itself, got {self.mi}; raise df or mi"
                )
        for name in ("d", "dx", "dy", "randomized"):
            object.__setattr__(self, name, getattr(self.core, name))

    @property
    def _dx(self) -> int:
        return self.dx or self.d or 1

    @property
    def _dy(self) -> int:
        return self.dy or self.d or 1

    @property
    def x_shape(self) -> Shape:
        """(d_x,)."""
        return (self._dx,)

    @property
    def y_shape(self) -> Shape:
        """(d_y,)."""
        return (self._dy,)

    @property
    def tags(self) -> tuple[str, ...]:
        """Those of the Gaussian, and the tails."""
        return ("student", "heavy-tailed", *self.core.tags[1:])

    @property
    def mutual_information(self) -> float:
        """I(X; Y) in nats."""
        return self.excess if self.mi is None else self.mi

    @cached_property
    def excess(self) -> float:
        """The MI that the common scale carries, in nats: what is left where z is uncorrelated."""
        nu, dx, dy = self.df, self._dx, self._dy
        if nu < _SERIES_FROM:
            return _c(nu) + _c(nu + dx + dy) - _c(nu + dx) - _c(nu + dy)
        # the terms of Stirling's series of c(m) in ln m and in powers of 1/m
        powers = (((1 / 3), 1), (-4 / 45, 3), (16 / 105, 5))
        rest = sum(a * (nu**-k - (nu + dx) ** -k - ((nu + dy) ** -k - (nu + dx + dy) ** -k)) for a, k in powers)
        return rest - math.log1p(-dx * dy / ((nu + dx) * (nu + dy))) / 2

    @cached_property
    def core(self) -> Gaussian:
        """The Gaussian z."""
        mi = 0.0 if self.mi is None else max(0.0, self.mi - self.excess)
        return Gaussian(self.d, mi, self.dx, self.dy, self.mixing, self.randomized, self.seed)

    def draw(self, n: int, rng: np.random.Generator) -> Draw:
        """Return `n` draws and their pointwise MI."""
        u, v, noise = self.core.draw_canonical(n, rng)
        scale = np.sqrt(self.df / (2 * gamma(rng, self.df / 2, n)))[:, None]
        x, y = self.core.mix(u * scale, v * scale)
        return Draw(x, y, self._pointwise(u * scale, v * scale, noise * scale))

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """Return the pointwise MI of each pair, (n,) in nats."""
        return self._pointwise(*self.core.to_canonical(x, y))

    def _pointwise(self, u: Array, v: Array, noise: Array) -> Array:
        nu, dx, dy = self.df, self._dx, self._dy
        qx, qy = (u**2).sum(axis=1), (v**2).sum(axis=1)
        joint = qx + (noise**2).sum(axis=1) + (v[:, noise.shape[1] :] ** 2).sum(axis=1)
        constant = gammaln((nu + dx + dy) / 2) + gammaln(nu / 2) - gammaln((nu + dx) / 2) - gammaln((nu + dy) / 2)
        tails = (nu + dx) * np.log1p(qx / nu) + (nu + dy) * np.log1p(qy / nu) - (nu + dx + dy) * np.log1p(joint / nu)
        pointwise: Array = self.core.mi + constant + tails / 2
        return pointwise


def _c(m: float) -> float:
    return math.lgamma(m / 2) - m / 2 * float(psi(m / 2))
