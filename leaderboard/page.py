"""A page before any markup: titled tables of text, and notes."""

from dataclasses import dataclass, field
from typing import Any

import pandas as pd

LONGEST_MESSAGE = 80
BASELINE = " (baseline)"
Row = dict[str, Any]
LEGEND = (
    "MI in nats; intervals at 95 %; ok: replicates with an estimate; seconds: an estimate, amortised over the batch. "
    "Ranks are by RMSE, 1 is best; estimators in one group cannot be told apart from its best; vs oracle: geometric "
    "mean over tasks of RMSE / RMSE of the oracle, for estimators that never failed or declined; best: probability of "
    "the lowest mean rank; front: no other is both as close to the oracle and as fast. Intervals that the replicates "
    "are too few to know are left out: those of a bias need 3, of std, RMSE and vs oracle 10."
)


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
    details: list[Section] = field(default_factory=list)


def rows_of(table: pd.DataFrame) -> list[Row]:
    """Return the rows of a table; it is much faster than `iterrows`."""
    names = list(table.columns)
    columns = (table[name].astype(object).tolist() for name in names)
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def legible(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with the names in it on one line each, without control characters."""
    names = [name for name in ("task", "estimator") if name in table]
    clean = {each: printable(each) for name in names for each in table[name].unique() if not each.isprintable()}
    return table.assign(**{name: table[name].replace(clean) for name in names}) if clean else table


def printable(text: str) -> str:
    """Return text on one line without control characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def one_line(message: str) -> str:
    """Return `message` on one line of at most 80 characters, without control characters."""
    line = printable(message)
    return line if len(line) <= LONGEST_MESSAGE else line[: LONGEST_MESSAGE - 1].rstrip() + "…"
