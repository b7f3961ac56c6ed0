"""Efficiency of every estimator on every task as a heat map: what is close to the oracle, what is not, what failed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mibench.errors import MibenchError
from mibench.figure import write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .board import Leaderboard

_MOST = 1000.0  # times the oracle's RMSE, from which on shades no longer differ
_CELL = (0.42, 0.23)  # inches
_LIGHT = 0.45  # of the scale, up to which ink is dark


def save(board: Leaderboard, file: Path) -> None:
    """Write `make(board)` to a .png, .pdf or .svg; the same records give the same bytes.

    Raises `MibenchError` where there is nothing to draw, `OSError` where the file cannot be written.
    """
    write(lambda: make(board), file)


def make(board: Leaderboard) -> Figure:
    """Return the heat map of a leaderboard of one sample size and seed: a row a task, a column an estimator by rank.

    A number is RMSE / RMSE of the oracle; a dot stands where the estimator declined, a cross where it failed in any
    replicate. Raises `MibenchError` where there are several sample sizes or seeds, or no efficiency.
    """
    cells = board.cells[~board.cells["baseline"].astype(bool)]
    for column, remedy in (("n_samples", "choose one with --samples"), ("seed", "select one")):
        if cells[column].nunique() > 1:
            told = ", ".join(map(str, sorted(cells[column].unique())))
            raise MibenchError(f"a picture of efficiency shows one {column}; {remedy}: {told}")
    if cells["efficiency"].notna().sum() == 0:
        raise MibenchError("no cell has an efficiency to draw; run the estimator `oracle` too")
    ranked = board.summary.loc[~board.summary["baseline"].astype(bool), "estimator"].tolist()
    whole = cells["efficiency"].where(cells["status"] == "ok")
    table = cells.assign(whole=whole).pivot(index="task", columns="estimator", values="whole")[ranked]
    known = table.index[table.notna().any(axis=1)]
    signs = cells.assign(sign=_signs(cells)).pivot(index="task", columns="estimator", values="sign")
    if known.empty:
        raise MibenchError("no cell without a failure has an efficiency to draw")
    return _draw(table.loc[known], signs.loc[known, ranked].fillna(""))


def _signs(cells: pd.DataFrame) -> list[str]:
    """Return what stands in each cell: its efficiency, a dot or a cross."""
    return [
        _short(value) if status == "ok" else "·" if status == "skipped" else "×"
        for status, value in zip(cells["status"], cells["efficiency"], strict=True)
    ]


def _short(value: float) -> str:
    if math.isnan(value):
        return ""
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}" if value < 9999.5 else f"{value:.0e}".replace("e+0", "e")


def _draw(table: pd.DataFrame, signs: pd.DataFrame) -> Figure:
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    rows, columns = table.shape
    figure = Figure(figsize=(4.6 + _CELL[0] * columns, 1.6 + _CELL[1] * rows), layout="constrained")
    ax = figure.subplots()
    values = table.to_numpy(dtype=float)
    norm = LogNorm(1, _MOST)
    shades = ax.imshow(np.clip(values, 1, _MOST), norm=norm, cmap="cividis_r", aspect="auto")
    ax.set_xticks(range(columns), table.columns, rotation=45, ha="left", fontsize=7, parse_math=False)
    ax.set_yticks(range(rows), table.index, fontsize=7, parse_math=False)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    for (row, column), sign in np.ndenumerate(signs.to_numpy()):
        value = values[row, column]
        dark = math.isnan(value) or math.log(max(float(value), 1.0), _MOST) < _LIGHT
        ax.text(column, row, sign, ha="center", va="center", fontsize=6, color="#1a1a1a" if dark else "#ffffff")
    bar = figure.colorbar(shades, ax=ax, fraction=0.025, pad=0.01)
    bar.ax.tick_params(labelsize=7)
    bar.set_label("RMSE / RMSE of the oracle", fontsize=8)
    return figure
