"""The plots of the pages, from the frames of a board."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from ..rounding import around, compact, with_interval
from .plots import Figure, axis, bars, by_name, figure, label, log_axis, sizes_axis, style

Style = Callable[[str], dict[str, Any]]
SIDES = {"top center": (0, 1), "bottom center": (0, -1), "middle right": (1, 0), "middle left": (-1, 0)}
LETTER, LINE, DOT = 0.008, 0.045, np.array([0.007, 0.016])  # width, height and half a dot, in shares of the plot
LONGEST = 22  # letters of a name in the plot
BEYOND = 1.15  # of the largest truth, where a plot of biases ends: a method that explodes would flatten all others
HOVER = "%{customdata}<extra></extra>"


def ranks(summary: pd.DataFrame) -> Figure | None:
    """Draw the mean ranks with their intervals, the best on top; None where nothing is ranked."""
    ranked = summary[summary["mean_rank"].notna()].sort_values(["mean_rank", "estimator"])
    if ranked.empty:
        return None
    names = ranked["estimator"].tolist()
    places = [*range(len(names))]
    value, low, high = (ranked[f"mean_rank{end}"].tolist() for end in ("", "_low", "_high"))
    told = [
        f"<b>{label(name, 80)}</b><br>mean rank {middle:.2f}"
        + (f" [{down:.2f}, {up:.2f}]" if not math.isnan(up) else "")
        for name, middle, down, up in zip(names, value, low, high, strict=True)
    ]
    data: list[dict[str, Any]] = [
        {
            "type": "scatter", "mode": "markers", "x": value, "y": places, "customdata": told, "hovertemplate": HOVER,
            "error_x": bars(low, value, high) | {"color": "@accent"}, "marker": {"color": "@accent", "size": 10},
            "name": "a failure ranks last",
        }
    ]  # fmt: skip
    forgiven = "mean_rank_if_ok" in ranked.columns and ranked["mean_rank_if_ok"].notna().any()
    if forgiven:
        data.append({
            "type": "scatter", "mode": "markers", "x": ranked["mean_rank_if_ok"].tolist(), "y": places,
            "marker": {"color": "@second", "size": 11, "symbol": "diamond-open", "line": {"width": 1.6}},
            "name": "failures are forgiven", "hovertemplate": "mean rank %{x:.2f}, failures forgiven<extra></extra>",
        })  # fmt: skip
    x = axis("mean rank over tasks, 1 is best", range=[0.8, len(names) + 0.2], dtick=max(1, len(names) // 8))
    if not forgiven:
        return by_name(data, x, names)
    legend = {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0}
    return by_name(data, x, names, margin={"l": 12, "r": 12, "t": 40, "b": 52}, showlegend=True, legend=legend)


def errors_by_name(cells: pd.DataFrame, names: str) -> Figure | None:
    """Draw the RMSE of cells of one n with its interval, a row a task or an estimator, as `names` says."""
    drawn = cells[(cells["rmse"] > 0) & np.isfinite(cells["rmse"])].sort_values(["rmse", names])
    if drawn.empty:
        return None
    rows = drawn[names].tolist()
    value, low, high = (drawn[f"rmse{end}"].tolist() for end in ("", "_low", "_high"))
    trace = {
        "type": "scatter", "mode": "markers", "x": value, "y": [*range(len(rows))], "customdata": _told(drawn, names),
        "hovertemplate": HOVER, "error_x": bars(low, value, high) | {"color": "@accent"},
        "marker": {"color": "@accent", "size": 9},
    }  # fmt: skip
    return by_name([trace], log_axis("RMSE, nats", value), rows)


def errors_by_size(cells: pd.DataFrame, names: str, style_of: Style) -> Figure | None:
    """Draw the RMSE against n, a line a task or an estimator, as `names` says; of one n alone a row each."""
    sizes = sorted(set(cells["n_samples"]))
    if len(sizes) == 1:
        return errors_by_name(cells, names)
    data = []
    for name, own in cells[(cells["rmse"] > 0) & np.isfinite(cells["rmse"])].groupby(names, sort=True):
        line = own.sort_values("n_samples")
        value, low, high = (line[f"rmse{end}"].tolist() for end in ("", "_low", "_high"))
        drawn = style_of(str(name))
        error = bars(low, value, high) | {"color": drawn["line"]["color"], "thickness": 1}
        data.append({
            "type": "scatter", "mode": "lines+markers", "name": label(str(name)), "x": line["n_samples"].tolist(),
            "y": value, "error_y": error, "customdata": _told(line, names), "hovertemplate": HOVER, **drawn,
        })  # fmt: skip
    if not data:
        return None
    y = log_axis("RMSE, nats", [value for line in data for value in line["y"]])
    return figure(data, sizes_axis(sizes), y, showlegend=True, height=460)


def errors_by_truth(cells: pd.DataFrame, style_of: Style) -> Figure | None:
    """Draw the bias against the MI over tasks of one family at one n, a line an estimator."""
    data = []
    for name, own in cells[cells["bias"].notna()].groupby("estimator", sort=True):
        line = own.sort_values("mi_true")
        value, low, high = (line[f"bias{end}"].tolist() for end in ("", "_low", "_high"))
        drawn = style_of(str(name))
        told = [
            f"<b>{label(str(name), 80)}</b><br>true MI {compact(truth)}<br>bias {around(middle, down, up)}"
            for truth, middle, down, up in zip(line["mi_true"], value, low, high, strict=True)
        ]
        error = bars(low, value, high) | {"color": drawn["line"]["color"], "thickness": 1}
        data.append({
            "type": "scatter", "mode": "lines+markers", "name": label(str(name)), "x": line["mi_true"].tolist(),
            "y": value, "error_y": error, "customdata": told, "hovertemplate": HOVER, **drawn,
        })  # fmt: skip
    if not data or cells["mi_true"].nunique() < 2:
        return None
    reach = BEYOND * float(cells["mi_true"].max())
    drawn_to = {"range": [-reach, reach]} if cells["bias"].abs().max() > reach > 0 else {}
    y = axis("bias, nats", zeroline=True, zerolinewidth=1.5, **drawn_to)
    return figure(data, axis("true MI, nats"), y, showlegend=True, height=460)


def pareto(points: pd.DataFrame) -> Figure | None:
    """Draw efficiency against seconds, one point an estimator; see `overview.pareto_points`."""
    costs = points[["seconds", "efficiency"]].astype(float)
    drawn = points[((costs > 0) & np.isfinite(costs)).all(axis=1)].sort_values("seconds")
    if drawn.empty:
        return None
    front, sides = drawn[drawn["on_front"]], _sides(drawn)
    data: list[dict[str, Any]] = [{
        "type": "scatter", "mode": "lines", "x": front["seconds"].tolist(), "y": front["efficiency"].tolist(),
        "line": {"color": "@line", "width": 1.5, "shape": "hv", "dash": "dot"}, "hoverinfo": "skip", "name": "front",
    }]  # fmt: skip
    for failed in (False, True):
        own = drawn[(drawn["tasks_failed"] > 0) == failed]
        told = [
            f"<b>{label(row['estimator'], 80)}</b><br>{compact(row['efficiency'])} × oracle<br>"
            f"{compact(row['seconds'])} s an estimate<br>{row['tasks']} tasks, {row['tasks_failed']} failed"
            for row in own.to_dict("records")
        ]
        size = np.where(own["on_front"], 13, 9).tolist()
        data.append({
            "type": "scatter", "mode": "markers+text", "x": own["seconds"].tolist(), "y": own["efficiency"].tolist(),
            "text": [label(name, LONGEST) for name in own["estimator"]], "textposition": sides[own.index].tolist(),
            "textfont": {"size": 11, "color": "@ink"}, "customdata": told, "hovertemplate": HOVER, "cliponaxis": False,
            "name": "",
            "marker": {"color": "@second" if failed else "@accent", "size": size,
                       "symbol": "circle-open" if failed else "circle", "line": {"width": 2}},
        })  # fmt: skip
    x = log_axis("seconds an estimate, amortised", drawn["seconds"], range=_room(drawn["seconds"]))
    y = log_axis("RMSE / oracle", drawn["efficiency"], range=_room(drawn["efficiency"]))
    return figure(data, x, y, height=440) | {"narrow": {}}


def _sides(drawn: pd.DataFrame) -> "pd.Series[str]":
    """Return on which side of its point each name stands: the first where it covers least of other names and points."""
    logs = np.log10(drawn[["seconds", "efficiency"]].to_numpy(dtype=float))
    ranges = np.array([_room(drawn[key]) for key in ("seconds", "efficiency")])
    points = (logs - ranges[:, 0]) / np.ptp(ranges, axis=1)
    taken = [(point, DOT) for point in points]
    sides = []
    for point, name in zip(points, drawn["estimator"], strict=True):
        half = np.array([LETTER * len(label(name, LONGEST)), LINE]) / 2
        middles = {side: point + 1.01 * (half + DOT) * towards for side, towards in SIDES.items()}
        covered = {side: sum(np.prod(np.maximum(half + room - np.abs(middle - other), 0)) for other, room in taken)
                   for side, middle in middles.items()}  # fmt: skip
        sides.append(min(SIDES, key=covered.__getitem__))
        taken.append((middles[sides[-1]], half))
    return pd.Series(sides, index=drawn.index)


def _room(values: "pd.Series[float]") -> list[float]:
    """Return the range of a logarithmic axis around `values`, with room for the names beside the points."""
    low, high = np.log10(values.min()), np.log10(values.max())
    pad = max(0.12 * (high - low), 0.15)
    return [float(low - pad), float(high + pad)]


def _told(cells: pd.DataFrame, names: str) -> list[str]:
    shown = cells[[names, "n_samples", "rmse", "rmse_low", "rmse_high", "ok", "replicates"]]
    return [
        f"<b>{label(str(row[names]), 80)}</b><br>n = {row['n_samples']}<br>"
        f"RMSE {with_interval(row['rmse'], row['rmse_low'], row['rmse_high'])}<br>{row['ok']}/{row['replicates']} ok"
        for row in shown.to_dict("records")
    ]


def styles(names: list[str]) -> Style:
    """Return the style of each of `names`, the same on every page."""
    places = {name: place for place, name in enumerate(names)}
    return lambda name: style(places.get(name, 0))
