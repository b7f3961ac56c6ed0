"""What all pages of a site share: the frames, the facts, the addresses, and the files of each table."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ..board import Leaderboard
from . import facts as of
from .columns import GROWTH, SOURCES
from .facts import Facts
from .figures import Style, errors_by_size, styles
from .frames import Setting, each_group, main, settings
from .names import slug
from .overview import by_tag
from .render import write_text
from .table import Column, Link, Table

FURTHER_TABLES: dict[str, tuple[str, list[Column]]] = {
    "growth": ("How the error falls with n", GROWTH),
    "sources": ("Where the scatter comes from", SOURCES),
}


@dataclass(frozen=True)
class Contents:
    """A board and its raw records, and the folder that their pages go to."""

    board: Leaderboard
    records: pd.DataFrame
    folder: Path

    @cached_property
    def cells(self) -> pd.DataFrame:
        """The cells of the board."""
        return self.board.cells

    @cached_property
    def settings(self) -> list[Setting]:
        """The (n_samples, seed), from small n to large."""
        return settings(self.board)

    @cached_property
    def main(self) -> Setting:
        """The one that stands for all where there is room for one."""
        return main(self.settings)

    @cached_property
    def several_seeds(self) -> bool:
        """Whether a row must say of which seed it is."""
        return bool(self.cells["seed"].nunique() > 1)

    @cached_property
    def estimators(self) -> list[str]:
        """All estimators: those that compete by their mean rank at the main setting, then the baselines."""
        last = self.main.summary
        ranks = dict(zip(last["estimator"], last["mean_rank"].astype(float).fillna(1e9), strict=True))
        baseline = {
            str(name): bool(is_one) for name, is_one in self.cells.groupby("estimator")["baseline"].any().items()
        }
        return sorted(baseline, key=lambda name: (baseline[name], ranks.get(name, 1e9), name))

    @cached_property
    def tasks(self) -> list[str]:
        """All tasks, sorted."""
        return sorted(set(self.cells["task"]))

    @cached_property
    def task_facts(self) -> dict[str, Facts]:
        """What is known of each task."""
        prints = self.cells.groupby("task")["task_fingerprint"].last()
        return {name: of.of_task(name, str(prints[name])) for name in self.tasks}

    @cached_property
    def estimator_facts(self) -> dict[str, Facts]:
        """What is known of each estimator."""
        hashes = self.cells.groupby("estimator")["estimator_source"].agg(set)
        return {name: of.of_estimator(name, set(hashes[name])) for name in self.estimators}

    @cached_property
    def tags(self) -> pd.DataFrame:
        """How each estimator does on the tasks of each tag, see `overview.by_tag`."""
        return by_tag(self.cells, {name: facts.get("tags", ()) for name, facts in self.task_facts.items()})

    @cached_property
    def style(self) -> Style:
        """The style of the lines of each estimator, the same on all pages."""
        return styles(self.estimators)

    def links(self, root: str) -> Mapping[str, Link]:
        """Return the addresses of the names in a table on a page that stands `root` above the folder."""
        tasks, estimators = set(self.tasks), set(self.estimators)
        return {
            "task": lambda name: f"{root}tasks/{slug(name)}.html" if name in tasks else None,
            "estimator": lambda name: f"{root}estimators/{slug(name)}.html" if name in estimators else None,
        }

    def table(self, caption: str, frame: pd.DataFrame, columns: list[Column], root: str = "") -> Table:
        """Return a table for a page, and write its downloads."""
        table = Table(caption, frame, columns, self.links(root), _first_words(columns))
        write_text(self.folder / "data" / f"{table.identity}.csv", table.csv())
        write_text(self.folder / "data" / f"{table.identity}.tex", table.latex())
        return table

    def further_tables(self, key: str, name: str, root: str) -> Iterator[tuple[str, Table]]:
        """Return the title and the table of what there is on growth and sources, of the `key` called `name`."""
        for which, (title, columns) in FURTHER_TABLES.items():
            frame = self.board.tables[which]
            own = frame[frame[key] == name]
            if not own.empty:
                kept = [column for column in columns if column.keys != (key,) and self._tells(column)]
                yield title, self.table(f"{title}, {key} {name}", own, kept, root)

    def _tells(self, column: Column) -> bool:
        return column.keys != ("seed",) or self.several_seeds

    def groups(self, key: str) -> dict[str, pd.DataFrame]:
        """Return the cells of each task, or each estimator."""
        return dict(each_group(self.cells, key))

    def page(self, name: str, text: str) -> None:
        """Write a page."""
        write_text(self.folder / name, text)


def errors_plot(cells: pd.DataFrame, whose: str, names: str, style_of: Style, table: str) -> dict[str, Any] | None:
    """Return the plot of the errors of `whose` against n, a line each of `names`; of one n alone, a row each.

    Of several seeds it shows the one that most cells are of: a line through all would jump.
    """
    seed = cells["seed"].value_counts().index[0]
    own = cells[cells["seed"] == seed]
    sizes = sorted(set(own["n_samples"]))
    where = "against n" if len(sizes) > 1 else f"at n = {sizes[0]}"
    told = f"RMSE {whose} {where}" + (f", seed {seed}" if cells["seed"].nunique() > 1 else "")
    made = plot("by-size", f"{told}, with 95 % intervals.", errors_by_size(own, names, style_of), table)
    return None if made is None else made | {"title": "Against n" if len(sizes) > 1 else f"RMSE {where}"}


def _first_words(columns: list[Column]) -> int:
    return next((place for place, column in enumerate(columns) if column.words), 0)


def plot(identity: str, told: str, made: dict[str, Any] | None, table: str) -> dict[str, Any] | None:
    """Return a plot for the templates: what it shows in words, and the element that has its numbers as a table."""
    return None if made is None else {"id": identity, "told": told, "figure": made, "table": table}
