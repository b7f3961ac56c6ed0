"""The page of a leaderboard before any markup: a section a task, and one a summary."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from .rounding import MISSING, compact, plus_minus, share, with_interval
from .statistics import NOT_OK

LONGEST_MESSAGE = 80
LEGEND = (
    "MI in nats; intervals at 95 %; ok: replicates with an estimate; seconds: an estimate, amortised over the batch. "
    "Ranks are by RMSE, 1 is best; estimators in one group cannot be told apart from its best; vs oracle: geometric "
    "mean over tasks of RMSE / RMSE of the oracle, for estimators that never failed."
)
BASELINE = " (baseline)"


@dataclass(frozen=True)
class Section:
    """A table: title, headers, rows of text, lines that go below it, and the column that names the estimators."""

    title: str
    headers: list[str]
    rows: list[list[str]]
    footnotes: list[str] = field(default_factory=list)
    name_column: int = 0


@dataclass(frozen=True)
class Page:
    """All that a rendered leaderboard, or a comparison, shows."""

    tasks: list[Section]
    summaries: list[Section]
    notes: list[str]
    legend: str = LEGEND


def lay_out(cells: pd.DataFrame, summary: pd.DataFrame, notes: Iterable[str]) -> Page:
    """Return the page of the frames of a `board.Leaderboard`; estimators are sorted by RMSE, failures last."""
    several = cells["seed"].nunique() > 1
    tasks = [_task_section(group, several) for _, group in cells.groupby(["n_samples", "seed", "task"], sort=True)]
    summaries = [_summary_section(group, several) for _, group in summary.groupby(["n_samples", "seed"], sort=True)]
    return Page(tasks, summaries, list(notes))


def _task_section(cells: pd.DataFrame, several_seeds: bool) -> Section:
    first = cells.iloc[0]
    title = f"{first['task']}: true MI {compact(first['mi_true'])} nats, {_setting(first, several_seeds)}"
    columns = ["estimator", "ok", "bias", "std", "RMSE", "seconds", "solo s", "MB"]
    failing = 1 - cells["ok"] / cells["replicates"]
    ordered = cells.assign(failing=failing).sort_values(["failing", "rmse", "estimator"])
    rows = [_cell_row(cell) for _, cell in ordered.iterrows()]
    footnotes = [_failure_line(cell) for _, cell in ordered.iterrows() if cell["status"] != "ok"]
    return _without_empty_columns(Section(title, columns, rows, footnotes))


def _cell_row(cell: "pd.Series[Any]") -> list[str]:
    bias = plus_minus(cell["bias"], (cell["bias_high"] - cell["bias_low"]) / 2)
    return [
        _name(cell),
        f"{cell['ok']}/{cell['replicates']}",
        bias if cell["ok"] else cell["status"],
        with_interval(cell["std"], cell["std_low"], cell["std_high"]),
        with_interval(cell["rmse"], cell["rmse_low"], cell["rmse_high"]),
        compact(cell["seconds"]),
        compact(cell["seconds_solo"]),
        compact(cell["peak_memory_mb"]),
    ]


def _failure_line(cell: "pd.Series[Any]") -> str:
    """Return ``mine(): timeout 2/10, nan 1/10: "longer than 5 s"``."""
    counts = [(int(cell[f"n_{status}"]), status) for status in NOT_OK if cell[f"n_{status}"]]
    told = ", ".join(f"{status} {count}/{cell['replicates']}" for count, status in sorted(counts, reverse=True))
    return f"{cell['estimator']}: {told}" + (f': "{one_line(cell["reason"])}"' if cell["reason"] else "")


def one_line(message: str) -> str:
    """Return `message` on one line of at most 80 characters, without control characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in message).split())
    return line if len(line) <= LONGEST_MESSAGE else line[: LONGEST_MESSAGE - 1].rstrip() + "…"


def _summary_section(summary: pd.DataFrame, several_seeds: bool) -> Section:
    first = summary.iloc[0]
    columns = ["group", "mean rank", "estimator", "bound", "won", "vs oracle", "seconds", "failed", "skipped"]
    tasks = int(first["tasks"])
    title = f"Summary over {tasks} task{'s' * (tasks != 1)}, {_setting(first, several_seeds)}"
    rows = [_summary_row(row) for _, row in summary.iterrows()]
    return _without_empty_columns(Section(title, columns, rows, name_column=2))


def _summary_row(row: "pd.Series[Any]") -> list[str]:
    return [
        _count(row["group"]),
        _rank(row["mean_rank"], row["mean_rank_low"], row["mean_rank_high"]),
        _name(row),
        row["bound"] or MISSING,
        _count(row["won"]),
        MISSING if pd.isna(row["vs_oracle"]) else f"{compact(row['vs_oracle'])}×",
        compact(row["seconds"]),
        share(row["share_failed"]),
        share(row["share_skipped"]) if row["share_skipped"] else MISSING,
    ]


def _rank(value: float, low: float, high: float) -> str:
    if pd.isna(value):
        return MISSING
    return f"{value:.2f}" if pd.isna(low) else f"{value:.2f} [{low:.2f}, {high:.2f}]"


def _count(value: Any) -> str:
    return MISSING if pd.isna(value) else str(value)


def _name(row: "pd.Series[Any]") -> str:
    return f"{row['estimator']}{BASELINE}" if row["baseline"] else str(row["estimator"])


def _setting(row: "pd.Series[Any]", several_seeds: bool) -> str:
    return f"n = {row['n_samples']}" + (f", seed {row['seed']}" if several_seeds else "")


def _without_empty_columns(section: Section) -> Section:
    kept = [i for i in range(len(section.headers)) if any(row[i] != MISSING for row in section.rows)]
    headers = [section.headers[i] for i in kept]
    rows = [[row[i] for i in kept] for row in section.rows]
    return Section(section.title, headers, rows, section.footnotes, kept.index(section.name_column))
