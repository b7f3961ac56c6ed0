"""The page of a leaderboard before any markup: a section a task, and one a summary."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any

import pandas as pd

from .details import growth_section, source_section
from .page import BASELINE, Page, Row, Section, legible, one_line, rows_of
from .rounding import MISSING, around, chance, compact, share, with_interval
from .statistics import NOT_OK

SETTING = ["n_samples", "seed"]
SECTION = [*SETTING, "task", "mi_true"]
TOLD_BELOW = [
    *SECTION, "estimator", "bound", "violated", "status", "reason", "ok", "replicates",
    *(f"n_{status}" for status in NOT_OK),
]  # fmt: skip
_A_BOUND = {"lower": "a lower", "upper": "an upper"}


def lay_out(tables: Mapping[str, pd.DataFrame], notes: Iterable[str]) -> Page:
    """Return the page of the tables of a `board.Leaderboard`; estimators are sorted by RMSE, failures last."""
    tables = {name: legible(table) for name, table in tables.items()}
    cells = tables["cells"]
    several = cells["seed"].nunique() > 1
    ordered = cells.assign(failing=1 - cells["ok"] / cells["replicates"])
    tasks = list(_task_sections(ordered.sort_values([*SECTION, "failing", "rmse", "estimator"]), several))
    groups = groupby(rows_of(tables["summary"]), itemgetter(*SETTING))
    facts = {(fact["n_samples"], fact["seed"]): fact for fact in rows_of(tables["contests"])}
    summaries = [_summary_section(list(group), facts[key], several) for key, group in groups]
    details = [*growth_section(tables["growth"], several), *source_section(tables["sources"])]
    return Page(tasks, summaries, list(notes), details=details)


def _task_sections(cells: pd.DataFrame, several_seeds: bool) -> Iterator[Section]:
    columns = _columns(cells)
    told = cells.loc[(cells["status"] != "ok") | (cells["violated"] > 0), TOLD_BELOW]
    below = {key: list(group) for key, group in groupby(rows_of(told), itemgetter(*SECTION))}
    keys = zip(*(cells[name].tolist() for name in SECTION), strict=True)
    lines = zip(keys, zip(*columns.values(), strict=True), strict=True)
    for key, group in groupby(lines, itemgetter(0)):
        facts = dict(zip(SECTION, key, strict=True))
        title = f"{facts['task']}: true MI {compact(facts['mi_true'])} nats, {_setting(facts, several_seeds)}"
        footnotes = [_failure_line(cell) for cell in below.get(key, ()) if cell["status"] != "ok"]
        footnotes += [_violation_line(cell) for cell in below.get(key, ()) if cell["violated"] > 0]
        yield _without_empty_columns(Section(title, list(columns), [list(row) for _, row in group], footnotes))


def _columns(cells: pd.DataFrame) -> dict[str, list[str]]:
    """Return the columns of the tables of all tasks: of many cells, it takes half as long as a row at a time."""

    def of(function: Callable[..., str], *names: str) -> list[str]:
        return list(map(function, *(cells[name].tolist() for name in names)))

    return {
        "estimator": of(_name, "estimator", "baseline"),
        "ok": of(lambda ok, replicates: f"{ok}/{replicates}", "ok", "replicates"),
        "bias": of(_bias, "bias", "bias_low", "bias_high", "ok", "status"),
        "std": of(with_interval, "std", "std_low", "std_high"),
        "RMSE": of(with_interval, "rmse", "rmse_low", "rmse_high"),
        "vs oracle": of(_times, "efficiency"),
        "seconds": of(compact, "seconds"),
        "solo s": of(compact, "seconds_solo"),
        "MB": of(compact, "peak_memory_mb"),
    }


def _bias(value: float, low: float, high: float, ok: int, status: str) -> str:
    return around(value, low, high) if ok else status


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
        _name(row["estimator"], row["baseline"]),
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


def _name(estimator: str, baseline: bool) -> str:
    return f"{estimator}{BASELINE}" if baseline else estimator


def _setting(row: Row, several_seeds: bool) -> str:
    return f"n = {row['n_samples']}" + (f", seed {row['seed']}" if several_seeds else "")


def _without_empty_columns(section: Section) -> Section:
    kept = [i for i in range(len(section.headers)) if any(row[i] != MISSING for row in section.rows)]
    headers = [section.headers[i] for i in kept]
    rows = [[row[i] for i in kept] for row in section.rows]
    return Section(section.title, headers, rows, section.footnotes, kept.index(section.name_column))
