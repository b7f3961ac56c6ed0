"""The page of a leaderboard before any markup: a section a task, and one a summary."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

import pandas as pd

from .details import growth_section, source_section
from .page import BASELINE, Page, Row, Section, legible, one_line, rows_of
from .rounding import MISSING, around, chance, compact, share, with_interval
from .statistics import NOT_OK

SETTING = ["n_samples", "seed"]
SECTION = [*SETTING, "task"]
SHOWN = [
    *SECTION, "mi_true", "estimator", "baseline", "bound", "violated", "status", "reason", "ok", "replicates",
    *(f"n_{status}" for status in NOT_OK),
    *(name + end for name in ("bias", "std", "rmse") for end in ("", "_low", "_high")),
    "efficiency", "seconds", "seconds_solo", "peak_memory_mb",
]  # fmt: skip
_A_BOUND = {"lower": "a lower", "upper": "an upper"}


def lay_out(tables: Mapping[str, pd.DataFrame], notes: Iterable[str]) -> Page:
    """Return the page of the tables of a `board.Leaderboard`; estimators are sorted by RMSE, failures last."""
    tables = {name: legible(table) for name, table in tables.items()}
    cells = tables["cells"]
    several = cells["seed"].nunique() > 1
    failing = 1 - cells["ok"] / cells["replicates"]
    ordered = cells.assign(failing=failing).sort_values([*SECTION, "failing", "rmse", "estimator"])[SHOWN]
    tasks = [_task_section(list(group), several) for _, group in groupby(rows_of(ordered), itemgetter(*SECTION))]
    groups = groupby(rows_of(tables["summary"]), itemgetter(*SETTING))
    facts = {(fact["n_samples"], fact["seed"]): fact for fact in rows_of(tables["contests"])}
    summaries = [_summary_section(list(group), facts[key], several) for key, group in groups]
    details = [*growth_section(tables["growth"], several), *source_section(tables["sources"])]
    return Page(tasks, summaries, list(notes), details=details)


def _task_section(cells: list[Row], several_seeds: bool) -> Section:
    first = cells[0]
    title = f"{first['task']}: true MI {compact(first['mi_true'])} nats, {_setting(first, several_seeds)}"
    columns = ["estimator", "ok", "bias", "std", "RMSE", "vs oracle", "seconds", "solo s", "MB"]
    footnotes = [_failure_line(cell) for cell in cells if cell["status"] != "ok"]
    footnotes += [_violation_line(cell) for cell in cells if cell["violated"] > 0]
    return _without_empty_columns(Section(title, columns, [_cell_row(cell) for cell in cells], footnotes))


def _cell_row(cell: Row) -> list[str]:
    bias = around(cell["bias"], cell["bias_low"], cell["bias_high"])
    return [
        _name(cell),
        f"{cell['ok']}/{cell['replicates']}",
        bias if cell["ok"] else cell["status"],
        with_interval(cell["std"], cell["std_low"], cell["std_high"]),
        with_interval(cell["rmse"], cell["rmse_low"], cell["rmse_high"]),
        _times(cell["efficiency"]),
        compact(cell["seconds"]),
        compact(cell["seconds_solo"]),
        compact(cell["peak_memory_mb"]),
    ]


def _failure_line(cell: Row) -> str:
    """Return ``mine(): timeout 2/10, nan 1/10: "longer than 5 s"``."""
    counts = [(int(cell[f"n_{status}"]), status) for status in NOT_OK if cell[f"n_{status}"]]
    told = ", ".join(f"{status} {count}/{cell['replicates']}" for count, status in sorted(counts, reverse=True))
    return f"{cell['estimator']}: {told}" + (f': "{one_line(cell["reason"])}"' if cell["reason"] else "")


def _violation_line(cell: Row) -> str:
    """Return ``mine(): above the MI 3/10, though a lower bound``."""
    side = {"lower": "above", "upper": "below"}[cell["bound"]]
    wrong = round(cell["violated"] * cell["ok"])
    return f"{cell['estimator']}: {side} the MI {wrong}/{cell['ok']}, though {_A_BOUND[cell['bound']]} bound"


def _summary_section(rows: list[Row], facts: Row, several_seeds: bool) -> Section:
    columns = [
        "group", "mean rank", "estimator", "bound", "best", "won", "vs oracle", "seconds", "front", "failed", "skipped",
    ]  # fmt: skip
    tasks = int(rows[0]["tasks"])
    title = f"Summary over {tasks} task{'s' * (tasks != 1)}, {_setting(rows[0], several_seeds)}"
    lines = [_summary_row(row) for row in rows]
    return _without_empty_columns(Section(title, columns, lines, list(_significance(facts)), name_column=2))


def _significance(facts: Row) -> Iterator[str]:
    if not pd.isna(facts["friedman_p"]):
        yield (
            f"Friedman's test that all rank alike: p = {compact(facts['friedman_p'])};"
            f" Nemenyi's critical difference of mean ranks at the 5 % level: {facts['critical_difference']:.2f}"
        )


def _summary_row(row: Row) -> list[str]:
    return [
        _count(row["group"]),
        _rank(row["mean_rank"], row["mean_rank_low"], row["mean_rank_high"]),
        _name(row),
        row["bound"] or MISSING,
        chance(row["best"]),
        _count(row["won"]),
        _times(row["vs_oracle"]),
        compact(row["seconds"]),
        "yes" if row["on_front"] else MISSING,
        share(row["share_failed"]),
        share(row["share_skipped"]) if row["share_skipped"] else MISSING,
    ]


def _times(ratio: float) -> str:
    return MISSING if pd.isna(ratio) else f"{compact(ratio)}×"


def _rank(value: float, low: float, high: float) -> str:
    if pd.isna(value):
        return MISSING
    return f"{value:.2f}" if pd.isna(low) else f"{value:.2f} [{low:.2f}, {high:.2f}]"


def _count(value: Any) -> str:
    return MISSING if pd.isna(value) else str(value)


def _name(row: Row) -> str:
    return f"{row['estimator']}{BASELINE}" if row["baseline"] else str(row["estimator"])


def _setting(row: Row, several_seeds: bool) -> str:
    return f"n = {row['n_samples']}" + (f", seed {row['seed']}" if several_seeds else "")


def _without_empty_columns(section: Section) -> Section:
    kept = [i for i in range(len(section.headers)) if any(row[i] != MISSING for row in section.rows)]
    headers = [section.headers[i] for i in kept]
    rows = [[row[i] for i in kept] for row in section.rows]
    return Section(section.title, headers, rows, section.footnotes, kept.index(section.name_column))
