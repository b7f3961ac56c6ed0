"""Pictures of a task for a paper or a slide, in a file, made with matplotlib; no window is opened."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from mibench.errors import MibenchError
from mibench.view import SEED, Side, few_values, limits, luminance, mutual_information, note, sides, within

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mibench.distribution import Array, Task

SUFFIXES = (".png", ".pdf", ".svg")
_COORDINATES = 3  # of each side
_PAIRS = 4  # of images
_BINS = 30
_X, _Y, _BETWEEN, _WITHIN = "#3b6fb6", "#d1762c", "#2b2b2b", "#a8a8a8"
_STYLE: Any = {
    "font.size": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.labelsize": 9,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.formatter.useoffset": False,
    "pdf.fonttype": 42,  # text that can be searched and edited, as that of SVG
    "svg.fonttype": "none",
    "svg.hashsalt": "mibench",  # the same picture, the same bytes
}
_NO_DATE: dict[str, dict[str, Any]] = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}


def check_suffix(file: Path) -> None:
    """Raise `MibenchError` unless a picture can be written to `file`, by its suffix."""
    if file.suffix.lower() not in SUFFIXES:
        raise MibenchError(f"cannot draw {file.name!r}; the name of a picture ends in one of {' '.join(SUFFIXES)}")


def save(task: Task, file: Path) -> None:
    """Write the picture of `task` to `file`; the same task gives the same bytes.

    Raises `MibenchError` where the suffix is not of `SUFFIXES`, `OSError` where the file cannot be written.
    """
    write(lambda: make(task), file)


def write(draw: Callable[[], Figure], file: Path) -> None:
    """Write what `draw` draws, in the style of all pictures; errors as of `save`."""
    from matplotlib import rc_context

    check_suffix(file)
    suffix = file.suffix.lower()
    options: dict[str, Any] = {"format": suffix[1:], "dpi": 200, "metadata": _NO_DATE.get(suffix)}
    with rc_context(_STYLE):
        draw().savefig(file, bbox_inches="tight", pad_inches=0.1, **options)


def make(task: Task) -> Figure:
    """Return the picture of `task`: images, or the scatter matrix of the first coordinates of X and Y."""
    from matplotlib import rc_context

    x, y = sides(task)
    with rc_context(_STYLE):
        figure = _images(x, y) if x.is_image or y.is_image else _scatter_matrix(x, y)
        _title(figure, task)
    return figure


def _scatter_matrix(x: Side, y: Side) -> Figure:
    """Draw coordinates against each other, histograms on the diagonal; dark are those of X against those of Y.

    Where there are but two, the histograms are the margins of the one scatter.
    """
    from matplotlib.figure import Figure

    columns = [(side, j) for side in (x, y) for j in range(min(_COORDINATES, side.vectors.shape[1]))]
    count = len(columns)
    single = count == 2
    size = 3.4 if single else 0.4 + 1.15 * count
    figure = Figure(figsize=(size, size), layout="constrained")
    widths, heights = ((4, 1), (1, 4)) if single else (None, None)
    axes = figure.subplots(count, count, squeeze=False, width_ratios=widths, height_ratios=heights)
    room = 36 if single else 16  # characters along a panel
    for row, (side, j) in enumerate(columns):
        v = side.column(j)
        for column, (other, k) in enumerate(columns):
            ax = axes[row, column]
            sideways = single and row == column == 1
            if column > row:
                ax.set_axis_off()
                continue
            if column == row:
                _histogram(ax, v, _X if side is x else _Y, "horizontal" if sideways else "vertical")
            else:
                _scatter(ax, other.column(k), v, _WITHIN if side is other else _BETWEEN)
                _set_axis(ax, "y", v, room)
            _set_axis(ax, "y" if sideways else "x", other.column(k), room)
            ax.tick_params(labelbottom=row == count - 1, labelleft=column == 0)
            if row == count - 1 and not sideways:
                ax.set_xlabel(_symbol(other, k))
            if column == 0 and row > 0:
                ax.set_ylabel(_symbol(side, j))
    figure.align_labels()
    _note(figure, note(x, y, _COORDINATES))
    return figure


def _histogram(ax: Axes, values: Array, colour: str, orientation: Literal["vertical", "horizontal"]) -> None:
    distinct = few_values(values)
    vertical = orientation == "vertical"
    if distinct is None:
        ax.hist(values, bins=_BINS, range=limits(values), color=colour, orientation=orientation)
    else:
        bars = ax.bar if vertical else ax.barh
        bars(distinct, [np.sum(values == value) for value in distinct], 0.6 * _gap(distinct), color=colour)
    (ax.yaxis if vertical else ax.xaxis).set_visible(False)
    ax.spines["left" if vertical else "bottom"].set_visible(False)


def _scatter(ax: Axes, u: Array, v: Array, colour: str) -> None:
    """Draw v (n,) against u (n,): points, discs as large as they are frequent, or a histogram at each of few values."""
    columns, rows = few_values(u), few_values(v)
    if columns is not None and rows is not None:
        pairs, counts = np.unique(np.stack([u, v], axis=1), axis=0, return_counts=True)
        largest = min(11, 70 / max(len(columns), len(rows))) ** 2  # so that no two discs touch
        ax.scatter(pairs[:, 0], pairs[:, 1], s=largest * counts / counts.max(), color=colour, linewidths=0)
    elif rows is not None:
        _violins(ax, u, v, rows, colour, "vertical")
    elif columns is not None:
        _violins(ax, v, u, columns, colour, "horizontal")
    else:
        shown = within(u, v)
        ax.scatter(u[shown], v[shown], s=2.5, color=colour, alpha=0.5, linewidths=0)


def _violins(
    ax: Axes, u: Array, v: Array, values: Array, colour: str, orientation: Literal["vertical", "horizontal"]
) -> None:
    """Draw the histogram of u (n,) around each of the `values` of v (n,), each on its own scale; no bin vanishes."""
    edges = np.linspace(*limits(u), _BINS + 1)
    for value in values:
        counts, _ = np.histogram(u[v == value], edges)
        half = 0.42 * _gap(values) * np.where(counts > 0, np.maximum(counts / max(counts.max(), 1), 0.05), 0)
        ax.stairs(value + half, edges, baseline=value - half, orientation=orientation, fill=True, color=colour)


def _set_axis(ax: Axes, name: Literal["x", "y"], values: Array, room: int) -> None:
    """Set the range of an axis and its ticks by `values` (n,) alone; their labels fit in `room` characters."""
    from matplotlib.ticker import MaxNLocator

    low, high = limits(values)
    distinct = few_values(values)
    integer = distinct is not None and np.array_equal(distinct, distinct.round())
    pad = max(0.5 * _gap(distinct) if distinct is not None else 0, 0.04 * (high - low))
    low, high = low - pad, high + pad
    locator = MaxNLocator(room // 7, steps=[1, 2, 5, 10], integer=integer)
    ticks = [float(tick) for tick in locator.tick_values(low, high) if low <= tick <= high]
    axis = ax.xaxis if name == "x" else ax.yaxis
    longest = max(map(len, axis.get_major_formatter().format_ticks(ticks)))
    if (longest + 1) * len(ticks) > room:
        ticks = [ticks[0], ticks[-1]]
        axis.set_tick_params(labelsize=5.5)
    axis.set_ticks(ticks)
    ax.set(**{f"{name}lim": (low, high)})


def _gap(distinct: Array) -> float:
    return float(min(np.diff(distinct), default=1.0))


def _images(x: Side, y: Side) -> Figure:
    """Draw pairs, X above Y; where one of them is no image, it is the title of the other."""
    from matplotlib.figure import Figure

    if x.is_image and y.is_image:
        figure = Figure(figsize=(1.25 * _PAIRS, 2.75), layout="constrained")
        axes = figure.subplots(2, _PAIRS, squeeze=False)
        for row, side in zip(axes, (x, y), strict=True):
            for j, ax in enumerate(row):
                _image(ax, side, j)
            row[0].set_ylabel(f"${side.name.upper()}$", rotation=0, labelpad=10, va="center", fontsize=11)
        _note(figure, f"the first {_PAIRS} draws, seed {SEED}")
        return figure
    shown, told = (x, y) if x.is_image else (y, x)
    figure = Figure(figsize=(1.25 * _PAIRS, 3.2), layout="constrained")
    for j, ax in enumerate(figure.subplots(2, _PAIRS).ravel()):
        _image(ax, shown, j)
        ax.set_title(told.value(j), fontsize=7)
    _note(figure, f"the first {2 * _PAIRS} draws, seed {SEED}; each {told.name} is drawn from the law given its image")
    return figure


def _image(ax: Axes, side: Side, draw: int) -> None:
    image = side.draws[draw]
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(True)
    if image.ndim == 3 and len(image) == 3:
        ax.imshow(np.clip(np.moveaxis(image, 0, -1), 0, 1), interpolation="nearest")
        return
    lowest, highest = float(side.draws.min()), float(side.draws.max())
    ax.imshow(luminance(image), cmap="gray", vmin=lowest, vmax=highest, interpolation="nearest")


def _title(figure: Figure, task: Task) -> None:
    """Write the spec, which is no mathematics, and below it the MI."""
    width = int(figure.get_figwidth() * 14)
    text = "\n".join([*wrap(task.name, width, break_on_hyphens=False), f"I(X; Y) = {mutual_information(task, 4)}"])
    figure.suptitle(text, fontsize=9, parse_math=False)


def _note(figure: Figure, text: str) -> None:
    figure.supxlabel("\n".join(wrap(text, int(figure.get_figwidth() * 20))), fontsize=6.5, color="#606060")


def _symbol(side: Side, coordinate: int) -> str:
    index = "" if side.vectors.shape[1] == 1 else f"_{{{coordinate}}}"
    return f"${side.name}{index}$"
