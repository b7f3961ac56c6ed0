"""Maps that keep MI: injective, applied to each coordinate of either side or both."""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from scipy.optimize.elementwise import find_root
from scipy.special import ndtri, stdtr, stdtrit

from mibench.catalogue import name_of
from mibench.component import SHOWN
from mibench.distribution import Array, Distribution, Draw, Shape
from mibench.errors import MibenchError, SpecError

from . import normal
from .elementary import arcsinh, power, sin

_LEAST_POWER, _MOST_POWER = 0.05, 20.0  # exponents that leave float64 apart what it told apart
_LEAST_SCALE, _MOST_SHIFT = 1e-100, 1e9


class OnBase(Distribution):
    """A law made from another one, `base`, of which it keeps all that it does not change."""

    base: Distribution
    published: ClassVar[str] = ""

    @property
    def source(self) -> str:
        """That of the base, and of the change where it is published."""
        return f"{self.base.source}; {name_of(type(self))}: {self.published}" if self.published else self.base.source

    @property
    def x_shape(self) -> Shape:
        """That of the base."""
        return self.base.x_shape

    @property
    def y_shape(self) -> Shape:
        """That of the base."""
        return self.base.y_shape

    @property
    def mutual_information(self) -> float:
        """That of the base, in nats."""
        return self.base.mutual_information

    @property
    def mi_std_error(self) -> float:
        """That of the base, in nats."""
        return float(self.base.mi_std_error)

    @property
    def formula(self) -> str:
        """That of the base."""
        return str(self.base.formula)

    @property
    def tags(self) -> tuple[str, ...]:
        """Those of the base, and the name of the change."""
        return (*self.base.tags, name_of(type(self)))


@dataclass(frozen=True)
class Map(OnBase):
    """The law of (f(X), g(Y)) for invertible f and g: its MI, and its pointwise MI, are those of (X, Y)."""

    base: Distribution
    side: Literal["both", "x", "y"] = "both"

    published: ClassVar[str] = "Czyż et al. 2023 (Beyond Normal)"

    @property
    def x_shape(self) -> Shape:
        """That of the base, or what the map makes of it."""
        return self.mapped_shape(self.base.x_shape) if self.side in ("both", "x") else self.base.x_shape

    @property
    def y_shape(self) -> Shape:
        """That of the base, or what the map makes of it."""
        return self.mapped_shape(self.base.y_shape) if self.side in ("both", "y") else self.base.y_shape

    def mapped_shape(self, shape: Shape) -> Shape:
        """Return the shape that the map makes of `shape`: the same, unless a map says otherwise."""
        return shape

    @property
    def truth(self) -> str:
        """That of the base, kept by an invertible map."""
        kept = ", kept by an invertible map"
        return f"{self.base.truth.removesuffix(kept)}{kept}"

    def draw(self, n: int, rng: np.random.Generator) -> Draw:
        """Return `n` mapped draws of the base."""
        x, y, pointwise = Draw(*self.base.draw(n, rng))
        return Draw(self._apply("x", x, inverse=False), self._apply("y", y, inverse=False), pointwise)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """Return the base's pointwise MI at the inverse images, (n,) in nats."""
        return self.base.log_density_ratio(self._apply("x", x, inverse=True), self._apply("y", y, inverse=True))

    def _apply(self, side: Literal["x", "y"], values: Array, inverse: bool) -> Array:
        if self.side not in ("both", side):
            return values
        return self.invert(side, values) if inverse else self.map(side, values)

    @abstractmethod
    def map(self, side: Literal["x", "y"], values: Array) -> Array:
        """Map the draws (n, ...) of a side."""

    @abstractmethod
    def invert(self, side: Literal["x", "y"], values: Array) -> Array:
        """Undo `map`."""


@dataclass(frozen=True)
class Asinh(Map):
    """x ↦ asinh(x) = ln(x + √(1 + x²)): shortens the tails."""

    def map(self, side: Literal["x", "y"], values: Array) -> Array:
        """Return asinh of each coordinate."""
        return arcsinh(values)

    def invert(self, side: Literal["x", "y"], values: Array) -> Array:
        """Return sinh of each coordinate."""
        return np.sinh(values)


@dataclass(frozen=True)
class HalfCube(Map):
    """x ↦ sign(x)|x|^(3/2): lengthens the tails."""

    def map(self, side: Literal["x", "y"], values: Array) -> Array:
        """Return x √|x| of each coordinate."""
        return values * np.sqrt(np.abs(values))

    def invert(self, side: Literal["x", "y"], values: Array) -> Array:
        """Return sign(x) |x|^(2/3) of each coordinate."""
        return np.sign(values) * np.cbrt(values**2)


@dataclass(frozen=True)
class Uniform(Map):
    """x ↦ F(x), the normal CDF, or Student's of `df` degrees of freedom: such coordinates become uniform on (0, 1)."""

    df: float | None = None

    def __post_init__(self) -> None:
        if self.df is not None and self.df <= 0:
            raise SpecError(f"df must be above 0, got {self.df}")
        if self.df is None and "heavy-tailed" in self.base.tags and "asinh" not in self.base.tags:
            raise SpecError(
                f"the normal CDF of tails as heavy as those of {self.base} rounds to 0 or 1; give their df, as in "
                "uniform(student(df=3), df=3)"
            )

    @property
    def support(self) -> str:
        """Unit, where both sides are mapped."""
        return "unit" if self.side == "both" else "real"

    def map(self, side: Literal["x", "y"], values: Array) -> Array:
        """Return F of each coordinate."""
        mapped = np.asarray(normal.cdf(values) if self.df is None else stdtr(self.df, values), dtype=np.float64)
        if mapped.min() <= 0 or mapped.max() >= 1:
            raise MibenchError(
                f"float64 rounds the CDF of {side} to 0 or 1, where tails are this heavy; "
                "for a Student base give its df"
            )
        return mapped

    def invert(self, side: Literal["x", "y"], values: Array) -> Array:
        """Return the quantile of each coordinate."""
        return np.asarray(ndtri(values) if self.df is None else stdtrit(self.df, values), dtype=np.float64)


@dataclass(frozen=True)
class Power(Map):
    """x ↦ sign(x)|x|^α with α = `alpha`: lengthens the tails where α > 1."""

    alpha: float = field(default=2.0, metadata=SHOWN)

    def __post_init__(self) -> None:
        if not _LEAST_POWER <= self.alpha <= _MOST_POWER:
            raise SpecError(f"alpha must be from {_LEAST_POWER:g} to {_MOST_POWER:g}, got {self.alpha}")

    def map(self, side: Literal["x", "y"], values: Array) -> Array:
        """Return sign(x)|x|^α of each coordinate."""
        return np.sign(values) * power(np.abs(values), self.alpha)

    def invert(self, side: Literal["x", "y"], values: Array) -> Array:
        """Return sign(x)|x|^(1/α) of each coordinate."""
        return np.sign(values) * np.abs(values) ** (1 / self.alpha)


@dataclass(frozen=True)
class Affine(Map):
    """x ↦ shift + scale · x: other units, or a constant with little noise where the shift is large."""

    shift: float = 0.0
    scale: float = 1.0

    published: ClassVar[str] = ""

    def __post_init__(self) -> None:
        if not _LEAST_SCALE <= abs(self.scale) <= 1 / _LEAST_SCALE:
            raise SpecError(f"scale must be from {_LEAST_SCALE:g} to {1 / _LEAST_SCALE:g} in size, got {self.scale}")
        if abs(self.shift) > _MOST_SHIFT * abs(self.scale):
            raise SpecError(
                f"shift must be at most {_MOST_SHIFT:g} times scale, as float64 would round x away, got {self.shift}"
            )

    def map(self, side: Literal["x", "y"], values: Array) -> Array:
        """Return shift + scale · x of each coordinate."""
        return self.shift + self.scale * values

    def invert(self, side: Literal["x", "y"], values: Array) -> Array:
        """Return (x − shift) / scale of each coordinate."""
        return (values - self.shift) / self.scale


# Amplitude, frequency and phase of the sines that are added to each side (Czyż et al. 2023).
_WIGGLES = {
    "x": ((0.4, 1.0, 0.0), (0.2, 1.7, 1.0), (0.03, 3.3, -2.5)),
    "y": ((-0.4, 0.4, 0.0), (0.17, 1.3, 3.5), (0.02, 4.3, -2.5)),
}


@dataclass(frozen=True)
class Wiggly(Map):
    """x ↦ x + Σ a sin(ωx + φ), increasing since Σ |aω| < 1; other sines on Y than on X."""

    def map(self, side: Literal["x", "y"], values: Array) -> Array:
        """Add the sines to each coordinate."""
        return values + sum(a * sin(w * values + phase) for a, w, phase in _WIGGLES[side])

    def invert(self, side: Literal["x", "y"], values: Array) -> Array:
        """Find each root, which lies within the summed amplitudes of the value."""
        reach = sum(abs(a) for a, *_ in _WIGGLES[side]) + 1e-9
        bracket = (values - reach, values + reach)

        def excess(x: Array, target: Array) -> Array:
            return self.map(side, x) - target

        return np.asarray(find_root(excess, bracket, args=(values,)).x)
