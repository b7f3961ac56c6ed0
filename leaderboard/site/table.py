"""A table before any markup: what a page shows of a frame, and the same as CSV and LaTeX."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from ..page import Page, Section
from ..tables import to_latex
from .names import slug

Row = Mapping[str, Any]
Link = Callable[[str], str | None]
LAST = 1e300
LONGEST_NAME = 34


@dataclass(frozen=True)
class Column:
    """A column of a page: what it shows of a row, and the columns of the frame that it stands for; the first sorts."""

    header: str
    keys: tuple[str, ...]
    text: Callable[[Row], str]
    help: str = ""
    words: bool = False  # left-aligned, sorted as text
    code: bool = False  # a spec
    wide: bool = False  # long text
    optional: bool = False  # left out where the frame has no such column, or nothing in it


@dataclass(frozen=True)
class Cell:
    """One field: its text, what it is sorted by, and where it leads."""

    text: str
    order: str
    href: str | None = None
    code: bool = False
    words: bool = False
    wide: bool = False


@dataclass(frozen=True)
class Table:
    """A frame as a table of a page; `caption` is plain text, and `links` turn a name in a column into an address."""

    caption: str
    frame: pd.DataFrame
    columns: Sequence[Column]
    links: Mapping[str, Link]
    name_column: int = 0

    @cached_property
    def identity(self) -> str:
        """The name of its files and of its element."""
        return slug(self.caption)

    @cached_property
    def shown(self) -> list[Column]:
        """The columns that the frame can fill."""
        return [column for column in self.columns if _is_filled(self.frame, column)]

    @cached_property
    def name_width(self) -> int:
        """The length of the longest name, or of what of it stands in one line."""
        return name_width(row[self.name_column].text for row in self.rows)

    @cached_property
    def rows(self) -> list[list[Cell]]:
        """The fields, row by row."""
        records: list[dict[str, Any]] = self.frame.to_dict("records")  # type: ignore[assignment]
        return [[self._cell(record, column) for column in self.shown] for record in records]

    def _cell(self, record: Row, column: Column) -> Cell:
        value = record[column.keys[0]]
        link = self.links.get(column.keys[0])
        href = link(str(value)) if link else None
        return Cell(column.text(record), sort_key(value, column.words), href, column.code, column.words, column.wide)

    def csv(self) -> str:
        """Return the columns of the frame behind what is shown, at full precision."""
        keys = dict.fromkeys(key for column in self.shown for key in column.keys if key in self.frame.columns)
        return self.frame[list(keys)].to_csv(index=False, lineterminator="\n")

    def latex(self) -> str:
        """Return the table as it is shown."""
        headers = [column.header for column in self.shown]
        rows = [[cell.text for cell in row] for row in self.rows]
        return latex_table(self.caption, headers, rows, self.name_column)


def name_width(names: Iterable[str]) -> int:
    """Return how many characters a column of names is given."""
    return min(max(map(len, names), default=0), LONGEST_NAME)


def latex_table(caption: str, headers: list[str], rows: list[list[str]], name_column: int = 0) -> str:
    """Return a table of text as LaTeX."""
    section = Section(caption, headers, rows, name_column=name_column)
    return to_latex(Page([], [section], [], legend="")).rstrip() + "\n"


def _is_filled(frame: pd.DataFrame, column: Column) -> bool:
    if not column.optional:
        return True
    return column.keys[0] in frame.columns and bool(frame[column.keys[0]].notna().any())


def sort_key(value: Any, words: bool) -> str:
    """Return what a browser sorts by: text as it is, numbers in full, and what is missing behind all numbers."""
    if words:
        return str(value)
    number = LAST if value is None or pd.isna(value) else float(value)
    return repr(min(max(number, -LAST), LAST))  # what is not finite would make a column one of words
