"""Laws made from others: sides exchanged, side by side, or torn apart."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mibench.distribution import Array, Distribution, Draw, Shape
from mibench.errors import SpecError

from .maps import OnBase


@dataclass(frozen=True)
class Swap(OnBase):
    """The law of (Y, X): the same MI, for estimators that do not treat the two sides alike."""

    base: Distribution

    @property
    def x_shape(self) -> Shape:
        """That of the base's Y."""
        return self.base.y_shape

    @property
    def y_shape(self) -> Shape:
        """That of the base's X."""
        return self.base.x_shape

    @property
    def support(self) -> str:
        """That of the base."""
        return str(self.base.support)

    @property
    def truth(self) -> str:
        """That of the base."""
        return str(self.base.truth)

    def draw(self, n: int, rng: np.random.Generator) -> Draw:
        """Return `n` draws of the base, with sides exchanged."""
        x, y, pointwise = Draw(*self.base.draw(n, rng))
        return Draw(y, x, pointwise)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """Return the base's pointwise MI, (n,) in nats."""
        return self.base.log_density_ratio(y, x)


@dataclass(frozen=True)
class Independent(OnBase):
    """X and Y with the margins of the base, but independent: I = 0."""

    base: Distribution

    formula: ClassVar[str] = "I = 0"
    truth: ClassVar[str] = "independent by construction"
    mi_std_error: ClassVar[float] = 0.0

    @property
    def tags(self) -> tuple[str, ...]:
        """Those of the base, and independent."""
        return (*self.base.tags, "independent")

    @property
    def support(self) -> str:
        """That of the base."""
        return str(self.base.support)

    @property
    def mutual_information(self) -> float:
        """0 nats."""
        return 0.0

    def draw(self, n: int, rng: np.random.Generator) -> Draw:
        """Return X of `n` draws of the base and Y of `n` others."""
        return Draw(self.base.draw(n, rng)[0], self.base.draw(n, rng)[1], np.zeros(n))

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """Return zeros (n,)."""
        return np.zeros(len(x))


@dataclass(frozen=True)
class Join(Distribution):
    """Two independent laws side by side: X = (X₁, X₂), Y = (Y₁, Y₂), so that their MI adds up."""

    first: Distribution
    second: Distribution

    formula: ClassVar[str] = "I = I₁ + I₂"

    def __post_init__(self) -> None:
        for base in (self.first, self.second):
            if len(base.x_shape) != 1 or len(base.y_shape) != 1:
                raise SpecError(f"join needs vectors, got {base} with shapes {base.x_shape} and {base.y_shape}")

    @property
    def x_shape(self) -> Shape:
        """(d_x1 + d_x2,)."""
        return (self.first.x_shape[0] + self.second.x_shape[0],)

    @property
    def y_shape(self) -> Shape:
        """(d_y1 + d_y2,)."""
        return (self.first.y_shape[0] + self.second.y_shape[0],)

    @property
    def mutual_information(self) -> float:
        """The sum, in nats."""
        return self.first.mutual_information + self.second.mutual_information

    @property
    def mi_std_error(self) -> float:
        """That of the sum, in nats."""
        return float(np.hypot(self.first.mi_std_error, self.second.mi_std_error))

    @property
    def source(self) -> str:
        """Those of both."""
        return "; ".join(dict.fromkeys((str(self.first.source), str(self.second.source))))

    @property
    def tags(self) -> tuple[str, ...]:
        """Those of both."""
        return tuple(dict.fromkeys((*self.first.tags, *self.second.tags, "join")))

    @property
    def truth(self) -> str:
        """Those of both."""
        return "sum of: " + "; ".join(dict.fromkeys((str(self.first.truth), str(self.second.truth))))

    @property
    def support(self) -> str:
        """Unit where both are."""
        return "unit" if self.first.support == self.second.support == "unit" else "real"

    def draw(self, n: int, rng: np.random.Generator) -> Draw:
        """Return `n` draws of both."""
        one, other = Draw(*self.first.draw(n, rng)), Draw(*self.second.draw(n, rng))
        x, y = (np.concatenate(sides, axis=1) for sides in ((one.x, other.x), (one.y, other.y)))
        if one.pointwise_mi is None or other.pointwise_mi is None:
            return Draw(x, y, None)
        return Draw(x, y, one.pointwise_mi + other.pointwise_mi)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """Return the sum of the pointwise MI of both, (n,) in nats."""
        dx, dy = self.first.x_shape[0], self.first.y_shape[0]
        first = self.first.log_density_ratio(x[:, :dx], y[:, :dy])
        return first + self.second.log_density_ratio(x[:, dx:], y[:, dy:])
