"""Pictures of a task in plain characters, without colour, for a terminal or a text file.

They are made here and by no library, as those that plot in a terminal cost more to start than the whole picture takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from shutil import get_terminal_size
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np

from mibench.distribution import Array
from mibench.view import SEED, Side, few_values, limits, luminance, note, sides, within

if TYPE_CHECKING:
    from mibench.distribution import Task

_WIDTH, _HEIGHT = 52, 18  # characters
_IMAGE_HEIGHT = 16
_SHADES = " ░▒▓█"
_LEVELS = " ▁▂▃▄▅▆▇█"
_BRAILLE = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])  # the dots of a character, as bits


def draw(task: Task) -> str:
    """Return the picture: images, or Y against X by their first coordinates; as wide as the terminal, up to 79."""
    room = min(max(get_terminal_size().columns, 30), 79)
    x, y = sides(task)
    if x.is_image or y.is_image:
        height = min(_IMAGE_HEIGHT, (room - 3) // 4)
        return _beside(_first_draw(x, height), _first_draw(y, height)) + f"\nthe first draw of seed {SEED}"
    u, v = x.column(0), y.column(0)
    names = x.label(0), y.label(0)
    x_values, y_values = few_values(u), few_values(v)
    said = note(x, y, 1)
    table = _counts(u, v, x_values, y_values, names) if x_values is not None and y_values is not None else ""
    if table and len(table.partition("\n")[0]) <= room:
        drawn = table
    elif y_values is not None:
        drawn = _histograms(u, v, y_values, names, room)
        said = f"histograms of {names[0]} for each {names[1]}; {said}"
    elif x_values is not None:
        drawn = _histograms(v, u, x_values, names[::-1], room)
        said = f"histograms of {names[1]} for each {names[0]}; {said}"
    else:
        drawn = _scatter(u, v, room)
        said = f"{names[1]} against {names[0]}; {said}"
    return "\n".join([drawn, *wrap(said, room)])


def _scatter(u: Array, v: Array, room: int) -> str:
    """Draw v (n,) against u (n,) in dots, eight a character."""
    (left, right), (bottom, top) = limits(u), limits(v)
    low, high = _ends(bottom, top)
    margins = [high, *[""] * (_HEIGHT - 2), low]
    width = _inner_width(margins, room)
    shown = within(u, v)
    columns = ((u[shown] - left) / (right - left) * (2 * width - 1)).round().astype(int)
    rows = ((top - v[shown]) / (top - bottom) * (4 * _HEIGHT - 1)).round().astype(int)
    dots = np.zeros((4 * _HEIGHT, 2 * width), dtype=bool)
    dots[rows, columns] = True
    codes = (dots.reshape(_HEIGHT, 4, width, 2) * _BRAILLE[:, None, :]).sum(axis=(1, 3))
    lines = ["".join(chr(0x2800 + code) if code else " " for code in line) for line in codes.tolist()]
    return _framed(lines, margins, left, right)


def _histograms(u: Array, v: Array, values: Array, names: Sequence[str], room: int) -> str:
    """Draw the histogram of u (n,), a line for each of the `values` of v (n,)."""
    left, right = limits(u)
    margins = [f"{names[1]} = {_number(value)} ({np.mean(v == value):.1%})" for value in values[::-1]]
    width = _inner_width(margins, room)
    lines = []
    for value in values[::-1]:
        counts, _ = np.histogram(u[v == value], width, (left, right))
        levels = np.ceil(counts / max(counts.max(), 1) * (len(_LEVELS) - 1)).astype(int)
        lines.append("".join(_LEVELS[level] for level in levels.tolist()))
    return _framed(lines, margins, left, right)


def _counts(u: Array, v: Array, x_values: Array, y_values: Array, names: Sequence[str]) -> str:
    """Return how often each pair of values was drawn, as a table."""
    table = [[f"{names[1]} \\ {names[0]}", *map(_number, x_values)]]
    for value in y_values[::-1]:
        table.append([_number(value), *(str(np.sum((u == other) & (v == value))) for other in x_values)])
    first = max(len(row[0]) for row in table)
    width = max(len(cell) for row in table for cell in row[1:]) + 1
    return "\n".join(f"{row[0]:>{first}}" + "".join(f"{cell:>{width}}" for cell in row[1:]) for row in table)


def _first_draw(side: Side, height: int) -> list[str]:
    """Return the first draw of a side: its name and its image, or what it is where it is none."""
    return [side.name, *_shades(luminance(side.draws[0]), height)] if side.is_image else [side.value(0)]


def _shades(image: Array, height: int) -> list[str]:
    """Draw an image (height, width) in shades, from its darkest pixel to its brightest; a character is 1 × 2."""
    rows = min(height, image.shape[0])
    columns = min(2 * height, max(1, round(2 * rows * image.shape[1] / image.shape[0])))
    resampled = _resample(_resample(image, rows).T, columns).T
    span = np.ptp(resampled) or 1.0
    levels = ((resampled - resampled.min()) / span * (len(_SHADES) - 1)).round().astype(int)
    return ["".join(_SHADES[level] for level in line) for line in levels.tolist()]


def _resample(image: Array, rows: int) -> Array:
    """Return `image` (height, width) as (rows, width), each row the mean over its share of the height."""
    resampled: Array = np.repeat(image, rows, axis=0).reshape(rows, len(image), -1).mean(axis=1)
    return resampled


def _beside(left: list[str], right: list[str]) -> str:
    width = max(map(len, left))
    left, right = (lines + [""] * (max(len(left), len(right)) - len(lines)) for lines in (left, right))
    return "\n".join(f"{one:<{width}} │ {other}".rstrip() for one, other in zip(left, right, strict=True))


def _framed(lines: list[str], margins: list[str], left: float, right: float) -> str:
    indent, width = max(map(len, margins)), len(lines[0])
    ends = _ends(left, right)
    return "\n".join(
        [
            f"{'':>{indent}} ┌{'─' * width}┐",
            *(f"{margin:>{indent}} │{line}│" for margin, line in zip(margins, lines, strict=True)),
            f"{'':>{indent}} └{'─' * width}┘",
            f"{'':>{indent}}  {ends[0]} {ends[1]:>{max(width - len(ends[0]) - 1, 0)}}",
        ]
    )


def _inner_width(margins: list[str], room: int) -> int:
    """Return how many columns a frame has inside, in `room` characters with its margin."""
    return max(8, min(_WIDTH, room - max(map(len, margins)) - 3))


def _ends(low: float, high: float) -> tuple[str, str]:
    """Return both as text, with as many digits as their difference needs."""
    for digits in range(3, 17):
        span = float(f"{high:.{digits}g}") - float(f"{low:.{digits}g}")
        if abs(span - (high - low)) < 0.02 * (high - low):
            break
    return _number(low, digits), _number(high, digits)


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}g}".replace("-", "−")
