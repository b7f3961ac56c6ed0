"""The spiral: a rotation by an angle that grows with the squared norm."""

from dataclasses import dataclass
from typing import Literal

from mibench.distribution import Array
from mibench.errors import SpecError

from .elementary import cos, sin
from .maps import Map

_MOST_SPEED = 1e4  # radians by squared length
_PLANES = {"x": (0, 1), "y": (1, 2)}


@dataclass(frozen=True)
class Spiral(Map):
    """x ↦ exp(v G ‖x‖²) x, where G generates the rotation of coordinates (0, 1) of X and (1, 2) of Y.

    `speed` is v; by default 1/dimension. The norm is kept, so that the inverse turns back by the same angle.
    """

    speed: float | None = None

    def __post_init__(self) -> None:
        if self.speed is not None and not 0 < abs(self.speed) <= _MOST_SPEED:
            raise SpecError(f"speed must be a number other than 0, at most {_MOST_SPEED:g} in size, got {self.speed}")
        for side, shape in (("x", self.x_shape), ("y", self.y_shape)):
            needed = max(_PLANES[side]) + 1
            if self.side in ("both", side) and (len(shape) != 1 or shape[0] < needed):
                other = "y" if side == "x" else "x"
                raise SpecError(
                    f"spiral turns {side} in coordinates {_PLANES[side]}, so {side} must be a vector of dimension "
                    f"{needed} or more, got shape {shape}; use side='{other}' or a larger base"
                )

    def map(self, side: Literal["x", "y"], values: Array) -> Array:
        """Turn each vector."""
        return turn(values, _PLANES[side], self._speed(values))

    def invert(self, side: Literal["x", "y"], values: Array) -> Array:
        """Turn each vector back."""
        return turn(values, _PLANES[side], -self._speed(values))

    def _speed(self, values: Array) -> float:
        return 1 / values.shape[1] if self.speed is None else self.speed


def turn(values: Array, plane: tuple[int, int], speed: float) -> Array:
    """Turn each vector of (n, d) in a coordinate plane, by an angle in radians of `speed` times its squared norm."""
    angle = speed * (values**2).sum(axis=1)
    i, j = plane
    turned = values.copy()
    turned[:, i] = cos(angle) * values[:, i] - sin(angle) * values[:, j]
    turned[:, j] = sin(angle) * values[:, i] + cos(angle) * values[:, j]
    return turned
