"""The picture of a history: error above, seconds below, one line an estimator over the commits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mibench.errors import MibenchError
from mibench.figure import write

from .history import History
from .page import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")  # Okabe and Ito 2008
STYLES = ("-", "--")
MARKS = {"worse": "^", "better": "v", "new failures": "x", "fewer cells": "o"}
TICKS = (1, 1.5, 2, 3, 5, 7)  # of a decade
MOST_LABELS = 40  # commits that are named; of more, every second, third, ...
LONGEST_NAME = 60


def save(history: History, file: Path) -> None:
    """Write `make(history)` to a .png, .pdf or .svg; the same records give the same bytes.

    Raises `MibenchError` where there are too many estimators, `OSError` where the file cannot be written.
    """
    write(lambda: make(history), file)


def make(history: History) -> Figure:
    """Return the picture of `history`, relative to the first commit of each estimator, on logarithmic scales.

    Bars are the 95 % intervals over cells; a triangle upwards marks a commit at which a cell became worse, downwards
    one at which one became better and none worse, a cross at the upper edge new failures; an open circle rests on
    fewer cells than the others. Seconds are left out where no two commits have some of one host and device. Raises
    `MibenchError` for more estimators than there are kinds of line.
    """
    from matplotlib.figure import Figure

    steps = history.estimators
    estimators = sorted(set(steps["estimator"]))
    most = len(COLORS) * len(STYLES)
    if len(estimators) > most:
        raise MibenchError(f"a picture shows at most {most} estimators, got {len(estimators)}; use --estimator")
    rows = ["error", "seconds"] if (steps.groupby("estimator")["seconds"].count() > 1).any() else ["error"]
    names = history.commits["name"].tolist()
    width = min(max(4.5, 2 + 0.25 * len(names)), 12)
    labels = [*map(_label, estimators), *_said(steps, rows)]
    columns = max(int(width * 12) // (max(map(len, labels)) + 8), 1)
    margins = 0.6 + 0.18 * -(-len(labels) // columns) + 0.07 * max(map(len, names))
    figure = Figure(figsize=(width, margins + 1.8 * len(rows)), layout="constrained")
    panels = figure.subplots(len(rows), 1, squeeze=False, sharex=True)[:, 0]
    for ax, name in zip(panels, rows, strict=True):
        for k, estimator in enumerate(estimators):
            shift = 0.03 * (k - (len(estimators) - 1) / 2)  # so that no bar hides another
            _line(ax, steps[steps["estimator"] == estimator], name, k, shift)
        _scale(ax, steps, name)
        ax.set_ylabel(f"{name} / first")
    _name_commits(panels[-1], names)
    figure.align_ylabels()
    legend = figure.legend(_handles(panels[0], labels, len(estimators)), labels, loc="outside upper center",
                           ncols=columns, frameon=False)  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _line(ax: Axes, steps: pd.DataFrame, name: str, k: int, shift: float) -> None:
    color = COLORS[k % len(COLORS)]
    x, y = steps["position"].to_numpy() + shift, steps[name].to_numpy()
    known = np.isfinite(y) & (y > 0)
    ax.plot(x[known], y[known], **_key(k))
    fewer = known & (steps[f"{name}_cells"] < steps["cells"]).to_numpy()
    ax.plot(x[fewer], y[fewer], color=color, ls="", marker=MARKS["fewer cells"], ms=4, mfc="white")
    low, high = (steps[f"{name}_{end}"].to_numpy() for end in ("low", "high"))
    sure = known & np.isfinite(high - low)
    ax.vlines(x[sure], low[sure], high[sure], color=color, lw=0.8, alpha=0.6)
    if name == "seconds":
        return
    for verdict in ("worse", "better"):
        marked = known & (steps["verdict"] == verdict).to_numpy()
        ax.plot(x[marked], y[marked], color=color, ls="", marker=MARKS[verdict], ms=6.5)
    failing = x[steps["new_failures"].fillna(0).to_numpy(dtype=float) > 0]
    ax.plot(failing, [0.96 - 0.05 * (k % 3)] * len(failing), color=color, ls="", marker="x", ms=5,
            transform=ax.get_xaxis_transform())  # fmt: skip


def _scale(ax: Axes, steps: pd.DataFrame, name: str) -> None:
    """Set a logarithmic scale that holds all points, the bars up to four times as far, and half to double at least."""
    values = steps[name][np.isfinite(steps[name]) & (steps[name] > 0)]
    bars = steps[[f"{name}_low", f"{name}_high"]].to_numpy().ravel()
    lowest, highest = min(0.5, values.min()), max(2.0, values.max())
    bars = np.clip(bars[np.isfinite(bars)], lowest / 4, highest * 4)
    low, high = min(lowest, bars.min(initial=np.inf)) / 1.15, max(highest, bars.max(initial=0)) * 1.3
    ax.set_yscale("log")
    ax.set_ylim(low, high)
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    steps_of = TICKS if high / low < 12 else (1, 2, 5) if high / low < 200 else (1,)
    every = max(len(decades) // 8, 1)
    ticks = [float(f"{step}e{decade}") for decade in decades if decade % every == 0 for step in steps_of]
    ax.set_yticks([tick for tick in ticks if low <= tick <= high])
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    ax.minorticks_off()
    ax.axhline(1, color="#a8a8a8", lw=0.8, zorder=0)


def _name_commits(ax: Axes, names: list[str]) -> None:
    every = -(-len(names) // MOST_LABELS)
    shown = range(0, len(names), every)
    labels = [names[place] for place in shown]
    ax.set_xticks(list(shown), labels, rotation=90, family="monospace", parse_math=False)
    ax.set_xlim(-0.5, len(names) - 0.5)
    ax.set_xlabel("commit")


def _label(estimator: str) -> str:
    name = printable(estimator)
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def _said(steps: pd.DataFrame, rows: list[str]) -> list[str]:
    """Return the marks that are drawn."""
    there = {verdict: bool((steps["verdict"] == verdict).any()) for verdict in ("worse", "better")}
    there["new failures"] = bool((steps["new_failures"].fillna(0) > 0).any())
    there["fewer cells"] = any((steps[f"{name}_cells"].between(1, steps["cells"] - 1)).any() for name in rows)
    return [mark for mark, drawn in there.items() if drawn]


def _handles(ax: Axes, labels: list[str], estimators: int) -> list[Line2D]:
    lines = [_key(k) for k in range(estimators)]
    marks = [{"color": "#606060", "ls": "", "marker": MARKS[mark], "ms": 5} for mark in labels[estimators:]]
    hollow = [{"mfc": "none"} if mark == "fewer cells" else {} for mark in labels[estimators:]]
    drawn = [*lines, *(mark | more for mark, more in zip(marks, hollow, strict=True))]
    return [ax.plot([], [], **options)[0] for options in drawn]


def _key(k: int) -> dict[str, Any]:
    return {"color": COLORS[k % len(COLORS)], "ls": STYLES[k // len(COLORS)], "lw": 1.2, "marker": "o", "ms": 2.5}
