"""The spiral: a rotation by an angle that grows with the squared norm."""

from dataclasses import dataclass
from typing import Literal

from mibench.distribution import Array
from mibench.errors import SpecError

from .elementary import cos, sin
from .maps import Map

_PLANES = {"x": (0, 1), "y": (1, 2)}


@dataclass(frozen=True)
class Spiral(Map):
    """x ↦ exp(v G ‖x‖²) x, where G generates the rotation of coordinates (0, 1) of X and (1, 2) of Y.

    `speed` is v; by default 1/dimension. The norm is kept, so that the inverse turns back by the same angle.
    """

    speed: float | None = None

    def __post_init__(self) -> None:
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
        return self._turn(side, values, +1)

    def invert(self, side: Literal["x", "y"], values: Array) -> Array:
        """Turn each vector back."""
        return self._turn(side, values, -1)

    def _turn(self, side: Literal["x", "y"], values: Array, sign: int) -> Array:
        speed = 1 / values.shape[1] if self.speed is None else self.speed
        angle = sign * speed * (values**2).sum(axis=1)
        i, j = _PLANES[side]
        turned = values.copy()
        turned[:, i] = cos(angle) * values[:, i] - sin(angle) * values[:, j]
        turned[:, j] = sin(angle) * values[:, i] + cos(angle) * values[:, j]
        return turned
