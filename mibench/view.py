"""What of a draw is worth a look: which coordinates, over which range, and which images."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log10
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

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

    def column(self, coordinate: int) -> Array:
        """Return a coordinate of the draws (n,), where they are clusters with their centres in place of them."""
        return _centred(self.vectors[:, coordinate])

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
    """Return the MI in nats as text; where it has a standard error, with that and with no digit below it."""
    error = task.mi_std_error
    if error == 0:
        return f"{task.mutual_information:.{digits}g} nats"
    decimals = max(1 - floor(log10(error)), 0)
    return f"{task.mutual_information:.{decimals}f} ± {error:.{decimals}f} nats"


def note(x: Side, y: Side, coordinates: int) -> str:
    """Return what of two sides a picture shows that has the first `coordinates` of each."""
    said = f"{len(x.draws)} draws, seed {SEED}"
    for d in dict.fromkeys(side.vectors.shape[1] for side in (x, y)):
        if d > coordinates:
            names = " and ".join(side.name for side in (x, y) if side.vectors.shape[1] == d)
            said += f"; the first {coordinates} of {d} coordinates of {names}".replace("first 1 ", "first ")
    shown = [(side, j) for side in (x, y) for j in range(min(coordinates, side.vectors.shape[1]))]
    clusters = [side.label(j) for side, j in shown if np.any(side.column(j) != side.vectors[:, j])]
    if clusters:
        said += f"; each cluster of {', '.join(clusters)} as one value"
    outside = np.sum(~within(*(side.column(j) for side, j in shown)))
    return f"{said}; {outside} outside" if outside else said


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


def within(*columns: Array) -> NDArray[np.bool_]:
    """Return which draws are in the `limits` of all `columns` (n,), as (n,)."""
    ends = [limits(values) for values in columns]
    inside = [(low <= values) & (values <= high) for values, (low, high) in zip(columns, ends, strict=True)]
    all_inside: NDArray[np.bool_] = np.all(inside, axis=0)
    return all_inside


def _centred(values: Array) -> Array:
    """Return `values` (n,), each the rounded centre of its cluster where all are in a few that are narrow and apart."""
    order = np.argsort(values)
    apart = 0.02 * float(np.ptp(values))
    clusters = np.split(order, np.flatnonzero(np.diff(values[order]) > apart) + 1)
    if few_values(values) is not None or not 1 < len(clusters) <= _FEW:
        return values
    if min(map(len, clusters)) < 0.01 * len(values) or max(np.ptp(values[cluster]) for cluster in clusters) > apart:
        return values
    centred = np.empty_like(values)
    for cluster in clusters:
        centred[cluster] = np.median(values[cluster]).round(-floor(log10(apart)))
    return centred


def luminance(image: Array) -> Array:
    """Return an image (..., height, width) as (height, width): the mean over its channels."""
    grey: Array = image.reshape(-1, *image.shape[-2:]).mean(axis=0)
    return grey
