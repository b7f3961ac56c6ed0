"""The Swiss roll: a number in (0, 1) becomes a point of a spiral in the plane."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mibench.distribution import Array, Shape
from mibench.errors import SpecError

from .elementary import cos, sin
from .maps import Map


@dataclass(frozen=True)
class SwissRoll(Map):
    """u ↦ (t cos t, t sin t) / 21 with t = 1.5π(1 + 2u), each coordinate u in (0, 1) of X; twice as many come out."""

    side: Literal["both", "x", "y"] = "x"

    def __post_init__(self) -> None:
        if self.base.support != "unit":
            raise SpecError(f"swiss_roll needs coordinates in (0, 1), and {self.base} has others; write uniform(...)")

    def mapped_shape(self, shape: Shape) -> Shape:
        """(2d,)."""
        return (2 * shape[0], *shape[1:])

    def map(self, side: Literal["x", "y"], values: Array) -> Array:
        """Return the points: first the cosines of all coordinates, then the sines."""
        t = 1.5 * math.pi * (1 + 2 * values)
        return np.concatenate([t * cos(t), t * sin(t)], axis=1) / 21

    def invert(self, side: Literal["x", "y"], values: Array) -> Array:
        """Return the coordinates, by the distance from the centre."""
        cosines, sines = np.split(values, 2, axis=1)
        return (21 * np.hypot(cosines, sines) / (1.5 * math.pi) - 1) / 2
