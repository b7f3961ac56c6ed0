"""What of a draw is worth a look: which coordinates, over which range, and which images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mibench.distribution import Array

if TYPE_CHECKING:
    from mibench.distribution import Shape, Task

DRAWS = 1000
SEED = 0
_IMAGES = 8  # draws of a task that has images: more than one picture shows
_FEW = 12  # distinct values, up to which a coordinate counts as discrete


@dataclass(frozen=True)
class Side:
    """The draws (n, ...) of X or of Y, under the name "x" or "y"."""

    name: str
    draws: Array

    @property
    def shape(self) -> Shape:
        """The shape of one draw."""
        return self.draws.shape[1:]

    @property
    def is_image(self) -> bool:
        """Whether a draw has two axes or more."""
        return len(self.shape) >= 2

    @property
    def vectors(self) -> Array:
        """The draws as (n, d)."""
        return self.draws.reshape(len(self.draws), -1)

    def label(self, coordinate: int) -> str:
        """Return ``x`` where there is one coordinate, ``x[0]`` where there are more."""
        return self.name if self.vectors.shape[1] == 1 else f"{self.name}[{coordinate}]"

    def value(self, draw: int) -> str:
        """Return what a draw is, in a few characters, such as ``y = 7`` or ``y = (0.1, −2, …)``."""
        values = self.vectors[draw]
        numbers = [f"{number:.3g}" for number in values] if len(values) == 1 else [f"{v:.2g}" for v in values[:2]]
        text = ", ".join([*numbers, *(["…"] if len(values) > 2 else [])]).replace("-", "−")
        return f"{self.name} = {text}" if len(values) == 1 else f"{self.name} = ({text})"


def sides(task: Task) -> tuple[Side, Side]:
    """Return the draws of X and of Y that pictures show; they follow from the task alone."""
    images = len(task.x_shape) >= 2 or len(task.y_shape) >= 2
    x, y = task.sample(_IMAGES if images else DRAWS, SEED)
    return Side("x", x), Side("y", y)


def mutual_information(task: Task, digits: int = 12) -> str:
    """Return the MI in nats as text, with its standard error where it has one."""
    error = f" ± {task.mi_std_error:.2g}" if task.mi_std_error > 0 else ""
    return f"{task.mutual_information:.{digits}g}{error} nats"


def few_values(values: Array) -> Array | None:
    """Return the distinct `values` (n,), sorted, or None where they are many."""
    distinct = np.unique(values)
    return distinct if len(distinct) <= _FEW else None


def limits(values: Array) -> tuple[float, float]:
    """Return the range of `values` (n,) to show: all of it, except for the far ends of heavy tails."""
    lowest, low, high, highest = (float(q) for q in np.quantile(values, [0, 0.05, 0.95, 1]))
    reach = 0.9 * (high - low)  # a normal sample lies within
    if reach > 0 and few_values(values) is None:
        lowest, highest = max(lowest, low - reach), min(highest, high + reach)
    return (lowest, highest) if lowest < highest else (lowest - 1, highest + 1)


def luminance(image: Array) -> Array:
    """Return an image (..., height, width) as (height, width): the mean over its channels."""
    grey: Array = image.reshape(-1, *image.shape[-2:]).mean(axis=0)
    return grey
