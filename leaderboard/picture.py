"""Estimated against true MI: one small plot an estimator, one line a family of tasks that differ in their MI alone."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from mibench.errors import MibenchError, SpecError
from mibench.figure import write
from mibench.spec import Spec, parse

from .records import current_records

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#3b6fb6", "#d1762c", "#3a8f5d", "#8b5fa8", "#b0413e", "#6b6b6b")  # of families, told apart by colour-blind
MARKERS = "os^DvP"
_COLUMNS = 6
_SIZE = 1.35  # inches a panel
_ROOM = 1.15  # of the plot's range, beyond the largest truth


def save(frame: pd.DataFrame, file: Path) -> None:
    """Write `make(frame)` to a .png, .pdf or .svg; the same records give the same bytes.

    Raises `MibenchError` where there is nothing to draw, `OSError` where the file cannot be written.
    """
    write(lambda: make(frame), file)


def make(frame: pd.DataFrame) -> Figure:
    """Return the picture of records, one a replicate, of one sample size.

    Points are means over replicates, bars reach two standard deviations to each side. What lies beyond a plot, which
    ends a little above the largest truth and as much below zero, is an open triangle at its edge. Raises `MibenchError`
    where there are several sample sizes, more families than colours, or no estimate.
    """
    from matplotlib.figure import Figure

    records, _ = current_records(frame)
    sizes = sorted(set(records["n_samples"]))
    if len(sizes) > 1:
        raise MibenchError(f"a picture shows one sample size; choose one with --samples: {', '.join(map(str, sizes))}")
    points = summarise(records)
    families = sorted(set(points["family"]))
    if len(families) > len(COLORS):
        raise MibenchError(f"a picture shows at most {len(COLORS)} families of tasks, got {len(families)}; use --task")
    estimators = list(
        dict.fromkeys(points.sort_values(["baseline", "estimator"], ascending=[False, True])["estimator"])
    )
    columns = min(_COLUMNS, len(estimators))
    rows = math.ceil(len(estimators) / columns)
    width = max(3.2, _SIZE * columns)
    figure = Figure(figsize=(width, _SIZE * rows + 0.7), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    top = _ROOM * max(points["mi_true"].max(), 0.1)
    for ax, name in zip(panels, estimators, strict=False):
        _panel(ax, points[points["estimator"] == name], families, top)
        ax.set_title(name, fontsize=7, pad=3, parse_math=False)
    for place, ax in enumerate(panels[: len(estimators)]):
        ax.tick_params(labelbottom=place + columns >= len(estimators))
    for ax in panels[len(estimators) :]:
        ax.remove()
    figure.supxlabel("true MI, nats", fontsize=9)
    figure.supylabel("estimated MI, nats", fontsize=9)
    handles = [panels[0].plot([], [], color=COLORS[k], marker=MARKERS[k], ms=4)[0] for k in range(len(families))]
    labels = [f"{family}, n = {sizes[0]}" for family in families]
    columns = min(3, len(families))
    legend = figure.legend(handles, labels, loc="outside upper center", ncols=columns, frameon=False, fontsize=8)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def summarise(records: pd.DataFrame) -> pd.DataFrame:
    """Return the mean and standard deviation of the estimates of each estimator on each task, and the task's family."""
    found = records[records["status"] == "ok"]
    if found.empty:
        raise MibenchError("no record has an estimate to draw")
    keys = ["task", "mi_true", "estimator", "baseline"]
    grouped = found.groupby(keys, observed=True)["estimate"]
    points = grouped.agg(["mean", "std"]).fillna({"std": 0.0}).reset_index().astype({"task": str, "estimator": str})
    return points.assign(family=[family(task) for task in points["task"]]).sort_values("mi_true")


def family(task: str) -> str:
    """Return the spec of a task without the `mi` of any law in it, as it is printed; what is no spec is its own."""
    try:
        return str(_without_mi(parse(task)))
    except SpecError:
        return task


def _without_mi(spec: Spec) -> Spec:
    args = tuple(_without_mi(value) if isinstance(value, Spec) else value for value in spec.args)
    named = {
        key: _without_mi(value) if isinstance(value, Spec) else value
        for key, value in spec.kwargs.items()
        if key != "mi"
    }
    return Spec(spec.name, args, named)


def _panel(ax: Axes, points: pd.DataFrame, families: list[str], top: float) -> None:
    low, edge = top / _ROOM - top, 0.03 * top
    ax.plot([0, top], [0, top], color="#a8a8a8", lw=0.8, zorder=0)
    for k, name in enumerate(families):
        own = points[points["family"] == name]
        inside = own[own["mean"].between(low, top)]
        ax.errorbar(
            inside["mi_true"],
            inside["mean"],
            2 * inside["std"],
            color=COLORS[k],
            marker=MARKERS[k],
            ms=3,
            lw=1,
            elinewidth=0.8,
        )
        for beyond, place, marker in ((own["mean"] > top, top - edge, "^"), (own["mean"] < low, low + edge, "v")):
            where = own["mi_true"][beyond]
            ax.plot(where, [place] * len(where), ls="", marker=marker, ms=4, mfc="none", color=COLORS[k])
    ax.set_xlim(low, top)
    ax.set_ylim(low, top)
