"""The page of a leaderboard before any markup: a section a task, and one a summary."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from .rounding import MISSING, compact, plus_minus, share, with_interval
from .statistics import NOT_OK

LONGEST_MESSAGE = 80
LEGEND = (
    "MI in nats; intervals at 95 %; ok: replicates with an estimate; seconds: an estimate, amortised over the batch. "
    "Ranks are by RMSE, 1 is best; estimators in one group cannot be told apart from its best; vs oracle: geometric "
    "mean over tasks of RMSE / RMSE of the oracle, for estimators that never failed; best: probability of the lowest "
    "mean rank; front: no other is both as close to the oracle and as fast. Intervals that the replicates are too few "
    "to know are left out: those of a bias need 3, of std, RMSE and vs oracle 10."
)
BASELINE = " (baseline)"
_A_BOUND = {"lower": "a lower", "upper": "an upper"}


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


def lay_out(tables: Mapping[str, pd.DataFrame], notes: Iterable[str]) -> Page:
    """Return the page of the tables of a `board.Leaderboard`; estimators are sorted by RMSE, failures last."""
    cells, summary = tables["cells"], tables["summary"]
    several = cells["seed"].nunique() > 1
    tasks = [_task_section(group, several) for _, group in cells.groupby(["n_samples", "seed", "task"], sort=True)]
    groups = (group for _, group in summary.groupby(["n_samples", "seed"], sort=True))
    facts = (row for _, row in tables["contests"].iterrows())
    summaries = [_summary_section(group, fact, several) for group, fact in zip(groups, facts, strict=True)]
    details = [*_growth_section(tables["growth"], several), *_source_section(tables["sources"])]
    return Page(tasks, summaries, list(notes), details=details)


def _task_section(cells: pd.DataFrame, several_seeds: bool) -> Section:
    first = cells.iloc[0]
    title = f"{first['task']}: true MI {compact(first['mi_true'])} nats, {_setting(first, several_seeds)}"
    columns = ["estimator", "ok", "bias", "std", "RMSE", "vs oracle", "seconds", "solo s", "MB"]
    failing = 1 - cells["ok"] / cells["replicates"]
    ordered = cells.assign(failing=failing).sort_values(["failing", "rmse", "estimator"])
    rows = [_cell_row(cell) for _, cell in ordered.iterrows()]
    footnotes = [_failure_line(cell) for _, cell in ordered.iterrows() if cell["status"] != "ok"]
    footnotes += [_violation_line(cell) for _, cell in ordered.iterrows() if cell["violated"] > 0]
    return _without_empty_columns(Section(title, columns, rows, footnotes))


def _cell_row(cell: "pd.Series[Any]") -> list[str]:
    bias = plus_minus(cell["bias"], (cell["bias_high"] - cell["bias_low"]) / 2)
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


def _failure_line(cell: "pd.Series[Any]") -> str:
    """Return ``mine(): timeout 2/10, nan 1/10: "longer than 5 s"``."""
    counts = [(int(cell[f"n_{status}"]), status) for status in NOT_OK if cell[f"n_{status}"]]
    told = ", ".join(f"{status} {count}/{cell['replicates']}" for count, status in sorted(counts, reverse=True))
    return f"{cell['estimator']}: {told}" + (f': "{one_line(cell["reason"])}"' if cell["reason"] else "")


def _violation_line(cell: "pd.Series[Any]") -> str:
    """Return ``mine(): above the MI 3/10, though a lower bound``."""
    side = {"lower": "above", "upper": "below"}[cell["bound"]]
    wrong = round(cell["violated"] * cell["ok"])
    return f"{cell['estimator']}: {side} the MI {wrong}/{cell['ok']}, though {_A_BOUND[cell['bound']]} bound"


def one_line(message: str) -> str:
    """Return `message` on one line of at most 80 characters, without control characters."""
    line = " ".join("".join(char if char.isprintable() else " " for char in message).split())
    return line if len(line) <= LONGEST_MESSAGE else line[: LONGEST_MESSAGE - 1].rstrip() + "…"


def _summary_section(summary: pd.DataFrame, facts: "pd.Series[Any]", several_seeds: bool) -> Section:
    first = summary.iloc[0]
    columns = [
        "group", "mean rank", "estimator", "bound", "best", "won", "vs oracle", "seconds", "front", "failed", "skipped",
    ]  # fmt: skip
    tasks = int(first["tasks"])
    title = f"Summary over {tasks} task{'s' * (tasks != 1)}, {_setting(first, several_seeds)}"
    rows = [_summary_row(row) for _, row in summary.iterrows()]
    return _without_empty_columns(Section(title, columns, rows, list(_significance(facts)), name_column=2))


def _significance(facts: "pd.Series[Any]") -> Iterator[str]:
    if not pd.isna(facts["friedman_p"]):
        yield (
            f"Friedman's test that all rank alike: p = {compact(facts['friedman_p'])};"
            f" Nemenyi's critical difference of mean ranks at the 5 % level: {facts['critical_difference']:.2f}"
        )


def _growth_section(growth: pd.DataFrame, several_seeds: bool) -> list[Section]:
    """Return a table of the biases that grow with n, where there are any."""
    flagged = growth[growth["grows"].astype(bool)]
    if flagged.empty:
        return []
    headers = ["task", "estimator", "sizes", "bias at first", "bias at last", "RMSE ~ n^"]
    rows = [
        [
            row["task"],
            row["estimator"] + (f", seed {row['seed']}" if several_seeds else ""),
            row["sizes"],
            compact(row["bias_first"]),
            compact(row["bias_last"]),
            with_interval(row["rate"], row["rate_low"], row["rate_high"]),
        ]
        for _, row in flagged.iterrows()
    ]
    title = f"Biases that grow with n, in {len(flagged)} of {len(growth)} series (false discovery rate 5 %)"
    return [Section(title, headers, rows)]


def _source_section(sources: pd.DataFrame) -> list[Section]:
    """Return a table of where the scatter comes from, where cells were run with several seeds."""
    if sources.empty:
        return []
    headers = ["task", "estimator", "n", "replicates x seeds", "std of the data", "std of the training"]
    rows = [
        [
            row["task"],
            row["estimator"],
            str(row["n_samples"]),
            f"{row['replicates']:.0f} x {row['seeds']:.0f}",
            *(with_interval(row[k], row[f"{k}_low"], row[f"{k}_high"]) for k in ("std_data", "std_training")),
        ]
        for _, row in sources.iterrows()
    ]
    title = "Scatter by its source: other draws, or other seeds of the training on the same draws"
    return [Section(title, headers, rows)]


def _summary_row(row: "pd.Series[Any]") -> list[str]:
    return [
        _count(row["group"]),
        _rank(row["mean_rank"], row["mean_rank_low"], row["mean_rank_high"]),
        _name(row),
        row["bound"] or MISSING,
        MISSING if pd.isna(row["best"]) else share(round(row["best"], 2)),
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


def _name(row: "pd.Series[Any]") -> str:
    return f"{row['estimator']}{BASELINE}" if row["baseline"] else str(row["estimator"])


def _setting(row: "pd.Series[Any]", several_seeds: bool) -> str:
    return f"n = {row['n_samples']}" + (f", seed {row['seed']}" if several_seeds else "")


def _without_empty_columns(section: Section) -> Section:
    kept = [i for i in range(len(section.headers)) if any(row[i] != MISSING for row in section.rows)]
    headers = [section.headers[i] for i in kept]
    rows = [[row[i] for i in kept] for row in section.rows]
    return Section(section.title, headers, rows, section.footnotes, kept.index(section.name_column))
