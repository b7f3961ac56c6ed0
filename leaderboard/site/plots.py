"""Plotly figures as the plain dictionaries that become JSON. Colours are names of the theme, such as ``@ink``.

Plotly reads tags in every label, so each text that comes from records is escaped before it becomes one.
"""

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from .names import shortened

Figure = dict[str, Any]
LABEL, NARROW_LABEL = 34, 15  # characters beside an axis, on a wide screen and on a narrow one
SERIES = 8  # colours of the theme, @s0 to @s7
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "star", "hexagon", "x")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
LEGEND_OF_A_NARROW_SCREEN = 8  # lines; a longer legend would hide the plot
ROW = 27  # pixels
FEW_DECADES = 2.5


def label(text: str, room: int = LABEL) -> str:
    """Return a text as a label that shows it as it is; newlines and control characters become spaces."""
    plain = "".join(char if char.isprintable() else " " for char in text)
    return escape(shortened(plain, room), quote=False)  # Plotly knows no &quot;


def axis(title: str, **more: Any) -> dict[str, Any]:
    """Return an axis."""
    style = {"gridcolor": "@grid", "linecolor": "@line", "zerolinecolor": "@line", "automargin": True}
    named = {"text": title, "standoff": 8, "font": {"size": 13}}
    return {"type": "linear", "title": named, **style, "ticks": "outside", "tickcolor": "@line", **more}


def log_axis(title: str, values: Iterable[float], **more: Any) -> dict[str, Any]:
    """Return a logarithmic axis with a tick at each power of ten around `values`, at 2 and 5 too where they are few."""
    positive = [value for value in values if value > 0 and math.isfinite(value)]
    low, high = math.log10(min(positive)), math.log10(max(positive))
    steps = (1, 2, 5) if high - low < FEW_DECADES else (1,)
    powers = range(math.floor(low) - 1, math.ceil(high) + 2)
    ticks = [step * 10.0**power for power in powers for step in steps]
    return axis(title, **{"type": "log", "tickvals": ticks, "ticktext": [_tick(value) for value in ticks]} | more)


def _tick(value: float) -> str:
    if 0.00099 < value < 99_999:
        return f"{value:g}"
    power = math.floor(math.log10(value) + 1e-9)
    step = round(value / 10.0**power)
    return (f"{step}·" if step > 1 else "") + f"10<sup>{power}</sup>".replace("-", "−")


def sizes_axis(sizes: Iterable[int]) -> dict[str, Any]:
    """Return a logarithmic axis of sample sizes, with a tick at each."""
    ticks = sorted(set(sizes))
    texts = [f"{n:,}".replace(",", "\u202f") for n in ticks]
    return axis("n, draws a replicate", type="log", tickvals=ticks, ticktext=texts)


def names_axis(names: Sequence[str]) -> dict[str, Any]:
    """Return an axis with a name at each of 0, 1, …, from the top down."""
    return axis("") | {
        "tickvals": [*range(len(names))], "ticktext": [label(name) for name in names], "ticks": "",
        "range": [len(names) - 0.5, -0.5], "showgrid": True, "zeroline": False,
    }  # fmt: skip


def figure(data: list[dict[str, Any]], x: dict[str, Any], y: dict[str, Any], **layout: Any) -> Figure:
    """Return a figure; `narrow` holds what differs on a narrow screen."""
    base: dict[str, Any] = {
        "xaxis": x,
        "yaxis": y,
        "font": {"size": 13, "color": "@ink"},
        "paper_bgcolor": "@clear",
        "plot_bgcolor": "@clear",
        "hoverlabel": {"bgcolor": "@card", "bordercolor": "@line", "font": {"color": "@ink"}, "align": "left"},
        "margin": {"l": 64, "r": 16, "t": 16, "b": 52},
        "hovermode": "closest",
        "showlegend": False,
        "height": 420,
    }
    below = {"orientation": "h", "y": -0.2, "yanchor": "top", "x": 0}
    crowded = len(data) > LEGEND_OF_A_NARROW_SCREEN
    narrow: dict[str, Any] = {"showlegend": False} if crowded else {"legend": below}
    return {"data": data, "layout": base | layout, "narrow": narrow}


def by_name(data: list[dict[str, Any]], x: dict[str, Any], names: Sequence[str], **layout: Any) -> Figure:
    """Return a figure with a row for each of `names`."""
    size = {"height": 90 + ROW * len(names), "margin": {"l": 12, "r": 12, "t": 10, "b": 52}}
    made = figure(data, x, names_axis(names), **size | layout)
    return made | {"narrow": {"yaxis.ticktext": [label(name, NARROW_LABEL) for name in names]}}


def bars(low: Sequence[float], value: Sequence[float], high: Sequence[float]) -> dict[str, Any]:
    """Return error bars from `low` to `high` (NaN where there is none) around `value`."""
    up = [_gap(end, middle) for end, middle in zip(high, value, strict=True)]
    down = [_gap(middle, end) for end, middle in zip(low, value, strict=True)]
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down, "thickness": 1.4, "width": 0}


def _gap(upper: float, lower: float) -> float:
    difference = upper - lower
    return difference if difference > 0 else 0.0


def style(place: int) -> dict[str, Any]:
    """Return the colour, the symbol and the dash of the series at `place`: no two of the first 40 agree in all."""
    return {
        "line": {"color": f"@s{place % SERIES}", "width": 1.8, "dash": DASHES[place // SERIES % len(DASHES)]},
        "marker": {"color": f"@s{place % SERIES}", "symbol": SYMBOLS[place % len(SYMBOLS)], "size": 8},
    }
