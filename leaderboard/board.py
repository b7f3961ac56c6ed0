"""The leaderboard: statistics of every cell, a summary over tasks, notes on both, and their rendering."""

from dataclasses import dataclass
from typing import Self

import pandas as pd

from mibench.errors import MibenchError, suggest

from .export import to_csv, to_json
from .layout import lay_out
from .ranking import summarise
from .records import current_records
from .statistics import cell_statistics
from .tables import to_latex, to_markdown, to_text

FORMATS = ("text", "markdown", "latex", "csv", "json")


@dataclass(frozen=True, eq=False)
class Leaderboard:
    """What a set of records says; all MI in nats, all intervals at 95 %.

    `cells`: one row a (task, estimator, n_samples, seed), with the columns of `statistics.CELL_COLUMNS`.
    `summary`: one row an estimator at each (n_samples, seed), with the columns of `ranking.SUMMARY_COLUMNS`.
    `notes`: one sentence on each thing that a reader of the tables must know, such as records that were left out.
    """

    cells: pd.DataFrame
    summary: pd.DataFrame
    notes: tuple[str, ...] = ()

    @classmethod
    def from_records(cls, frame: pd.DataFrame) -> Self:
        """Compute the leaderboard of `frame`, one row a replicate; `MibenchError` where it is empty or malformed."""
        records, left_out = current_records(frame)
        cells = cell_statistics(records)
        summary, caveats = summarise(records, cells)
        return cls(cells, summary, (*left_out, *caveats))

    def render(self, format: str = "text") -> str:
        """Return the tables in one of `FORMATS`, ending in a newline; `MibenchError` for any other."""
        if format not in FORMATS:
            raise MibenchError(f"unknown format {format!r}; use {', '.join(FORMATS)} ({suggest(format, FORMATS)})")
        if format == "csv":
            return to_csv(self.cells)
        if format == "json":
            return to_json(self.cells, self.summary, self.notes)
        page = lay_out(self.cells, self.summary, self.notes)
        return {"text": to_text, "markdown": to_markdown, "latex": to_latex}[format](page)
