"""The leaderboard: statistics of every cell, a summary over tasks, notes on both, and their rendering."""

from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
import pandas as pd

from mibench.errors import MibenchError, suggest

from .export import to_csv, to_json
from .growth import growth
from .layout import lay_out
from .ranking import summarise
from .records import current_records
from .sources import sources
from .statistics import cell_statistics
from .tables import to_latex, to_markdown, to_text

FORMATS = ("text", "markdown", "latex", "csv", "json")


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """What a set of records says; all MI in nats, all intervals at 95 %.

    `cells`: one row a (task, estimator, n_samples, seed), with the columns of `statistics.CELL_COLUMNS`.
    `summary`: one row an estimator at each (n_samples, seed), with the columns of `ranking.SUMMARY_COLUMNS`.
    `contests`: one row a (n_samples, seed), with the columns of `ranking.CONTEST_COLUMNS`.
    `growth`: one row a (task, estimator, seed) of several sample sizes, with the columns of `growth.GROWTH_COLUMNS`.
    `sources`: one row a (task, estimator, n_samples) of several seeds, with the columns of `sources.SOURCE_COLUMNS`.
    `notes`: one sentence on each thing that a reader of the tables must know, such as records that were left out.
    """

    cells: pd.DataFrame
    summary: pd.DataFrame
    contests: pd.DataFrame
    growth: pd.DataFrame
    sources: pd.DataFrame
    notes: tuple[str, ...] = ()

    @classmethod
    def from_records(cls, frame: pd.DataFrame) -> Self:
        """Compute the leaderboard of `frame`, one row a replicate; `MibenchError` where it is empty or malformed."""
        records, left_out = current_records(frame)
        with np.errstate(over="ignore", invalid="ignore"):  # an estimator may explode: its RMSE is infinite
            cells = cell_statistics(records)
            summary, contests, caveats = summarise(records, cells)
            return cls(cells, summary, contests, growth(records), sources(records), (*left_out, *caveats))

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """All tables by their names."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "notes"}

    def render(self, format: str = "text", summary: bool = False) -> str:
        """Return the tables in one of `FORMATS`, ending in a newline; `MibenchError` for any other.

        `summary` leaves out the tasks: the CSV then has a line an estimator, and the JSON no cells.
        """
        if format not in FORMATS:
            raise MibenchError(f"unknown format {format!r}; use {', '.join(FORMATS)} ({suggest(format, FORMATS)})")
        if format == "csv":
            return to_csv(self.summary if summary else self.cells)
        if format == "json":
            kept = {name: table for name, table in self.tables.items() if not (summary and name == "cells")}
            return to_json(kept, self.notes)
        page = lay_out(self.tables, self.notes)
        if summary:
            page = replace(page, tasks=[])
        return {"text": to_text, "markdown": to_markdown, "latex": to_latex}[format](page)
