"""Mixtures whose dependence no correlation shows: bend and mix models of Czyż et al."""

import math
from dataclasses import dataclass, field
from functools import cache
from typing import ClassVar

import numpy as np
from scipy.special import gammaln, logsumexp

from mibench.component import SHOWN
from mibench.distribution import Array, Distribution, Draw, Shape
from mibench.errors import SpecError

from .checks import check_dimension
from .elementary import sin
from .normal_mixture import GaussianMixture, Normals
from .spiral import turn

_MOST_COMPONENTS = 100


def _factor(x_deviation: float, y_deviation: float, rho: float = 0.0) -> list[list[float]]:
    """Return the lower triangular L of a planar covariance L Lᵀ."""
    return [[x_deviation, 0], [rho * y_deviation, math.sqrt(1 - rho**2) * y_deviation]]


@dataclass(frozen=True)
class MixtureX(GaussianMixture):
    """Half of correlation 0.9, half of −0.9: an X in the plane, with standard normal margins and no correlation."""

    law: ClassVar[Normals] = Normals([(0, 0)] * 2, [_factor(1, 1, rho) for rho in (-0.9, 0.9)])
    planar: ClassVar[Normals] = law


@dataclass(frozen=True)
class MixtureAI(GaussianMixture):
    """Six normals that draw the letters A and I in the plane: a bar and two strokes, a stem and two serifs."""

    law: ClassVar[Normals] = Normals(
        [(1, 0), (1, 1), (1, -1), (-0.8, -0.2), (-1.2, 0), (-0.4, 0)],
        [
            *(
                _factor(math.sqrt(a), math.sqrt(b))
                for a, b in ((0.01, 0.2), (0.05, 0.001), (0.05, 0.001), (0.03, 0.001))
            ),
            *(_factor(0.2, math.sqrt(0.2), rho) for rho in (0.95, -0.95)),
        ],
    )
    planar: ClassVar[Normals] = law


@dataclass(frozen=True)
class Waves(GaussianMixture):
    """Twelve normals, each at one of four levels of Y; bent, X fills wavy bands of the plane. X in R², Y in R.

    Their means are 1.5 (i, 0, i mod 4) for i = 0, ..., 11 and their variances (0.1, 1, 0.1).
    """

    truth: ClassVar[str] = "quadrature: the trapezoidal rule in the plane of x₁ and y, as x₂ is independent of both"
    law: ClassVar[Normals] = Normals(
        [(1.5 * i, 0, 1.5 * (i % 4)) for i in range(12)], np.diag(np.sqrt([0.1, 1.0, 0.1]))
    )
    planar: ClassVar[Normals] = law.project(np.eye(3)[[0, 2]])

    def bend(self, x: Array) -> Array:
        """Map x₁ to x₁ + 5 sin(3 x₂), then (x₁, x₂) to (0.1 x₁ − 0.8, 0.5 x₂)."""
        return np.column_stack([0.1 * (x[:, 0] + 5 * sin(3 * x[:, 1])) - 0.8, 0.5 * x[:, 1]])

    def unbend(self, x: Array) -> Array:
        """Undo the second map, then the first."""
        return np.column_stack([10 * (x[:, 0] + 0.8) - 5 * sin(6 * x[:, 1]), 2 * x[:, 1]])


@dataclass(frozen=True)
class Galaxy(GaussianMixture):
    """Two unit balls in R³, centred at ±1.5 (1, 1, 1), with X, their first two coordinates, wound into a spiral."""

    truth: ClassVar[str] = "quadrature: the trapezoidal rule in the plane of (x₁ + x₂)/√2 and y, which hold all the MI"
    law: ClassVar[Normals] = Normals([[-1.5] * 3, [1.5] * 3], np.eye(3))
    planar: ClassVar[Normals] = law.project(np.array([[math.sqrt(0.5), math.sqrt(0.5), 0], [0, 0, 1]]))

    def bend(self, x: Array) -> Array:
        """Turn each x by half its squared norm."""
        return turn(x, (0, 1), 0.5)

    def unbend(self, x: Array) -> Array:
        """Turn each x back."""
        return turn(x, (0, 1), -0.5)


@dataclass(frozen=True)
class Concentric(Distribution):
    """X ~ N(0, i² I) in R^`dx` and Y ~ N(i, 0.0001), i = 1, ..., `components` equally likely: Y tells how wide X is."""

    components: int = field(default=5, metadata=SHOWN)
    dx: int = 2

    tags: ClassVar[tuple[str, ...]] = GaussianMixture.tags
    formula: ClassVar[str] = "I = E ln p(x | i) − ln p(x)"
    source: ClassVar[str] = GaussianMixture.source
    truth: ClassVar[str] = (
        "quadrature: the trapezoidal rule in ln ‖x‖ for the MI of x and i, which y tells up to e^−1250"
    )

    def __post_init__(self) -> None:
        check_dimension("dx", self.dx)
        if not 1 <= self.components <= _MOST_COMPONENTS:
            raise SpecError(f"components must be from 1 to {_MOST_COMPONENTS}, got {self.components}")

    @property
    def x_shape(self) -> Shape:
        """(dx,)."""
        return (self.dx,)

    @property
    def y_shape(self) -> Shape:
        """(1,)."""
        return (1,)

    @property
    def mutual_information(self) -> float:
        """I(X; Y) in nats, by quadrature."""
        return _concentric_mi(self.components, self.dx)

    def draw(self, n: int, rng: np.random.Generator) -> Draw:
        """Return `n` draws and their pointwise MI."""
        scale = rng.integers(1, self.components, n, endpoint=True).astype(float)[:, None]
        x = scale * rng.standard_normal((n, self.dx))
        y = scale + 0.01 * rng.standard_normal((n, 1))
        return Draw(x, y, self.log_density_ratio(x, y))

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """Return the pointwise MI of each pair, (n,) in nats."""
        scales = np.arange(1.0, self.components + 1)[:, None]
        log_x = -((x**2).sum(axis=1) / scales**2) / 2 - self.dx * np.log(scales)
        log_y = -(((y[:, 0] - scales) / 0.01) ** 2) / 2
        joint, x_alone, y_alone = (np.logaddexp.reduce(logs, axis=0) for logs in (log_x + log_y, log_x, log_y))
        return np.asarray(joint - x_alone - y_alone + math.log(self.components))


@cache
def _concentric_mi(components: int, dx: int) -> float:
    """Return the MI in nats between the component and s = ln ‖x‖, whose log density is dx s − e^(2s)/2i² − dx ln i."""
    step = 1 / (8 * math.sqrt(2 * dx))
    low, high = math.log(dx) / 2 - 7 / math.sqrt(dx) - 42 / dx, math.log(components * (math.sqrt(dx) + 9))
    s = np.arange(low, high, step)
    scales = np.arange(1.0, components + 1)[:, None]
    logs = dx * (s - np.log(scales)) - np.exp(2 * s) / (2 * scales**2)
    logs -= (dx / 2 - 1) * math.log(2) + gammaln(dx / 2)
    ratio = logs - logsumexp(logs, axis=0) + math.log(components)
    return float((np.exp(logs) * ratio).sum() * step / components)
