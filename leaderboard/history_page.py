"""A history as text, Markdown, LaTeX, CSV or JSON."""

import json
from typing import Any

import pandas as pd

from .export import rows, to_csv
from .history import History
from .page import Page, Section, one_line, printable
from .rounding import MISSING, with_interval
from .tables import to_latex, to_markdown, to_text

SCHEMA = 1
LEGEND = (
    "error: geometric mean over cells (in brackets: of how many, where not all) of RMSE / RMSE at the first commit, on"
    " the same replicates; seconds: the same of seconds, on one host and device; intervals at 95 %, over cells. change:"
    " from the commit before, as `mibench compare` judges its cells. new: failures that had an estimate before."
)


def render(history: History, format: str) -> str:
    """Return the history as "text", "markdown", "latex", "csv" (one line a cell at a commit) or "json"."""
    if format == "csv":
        return to_csv(history.cells)
    if format == "json":
        return _to_json(history)
    dates = {place: start[:10] for place, start in history.commits["started_at"].items()}
    sections = [_section(history, str(name), steps, dates) for name, steps in history.estimators.groupby("estimator")]
    page = Page([], sections, [printable(note) for note in history.notes], LEGEND)
    return {"text": to_text, "markdown": to_markdown, "latex": to_latex}[format](page)


def _section(history: History, estimator: str, steps: pd.DataFrame, dates: dict[Any, str]) -> Section:
    number = int(steps["cells"].iloc[0])
    title = f"{printable(estimator)}: {number} cell{'s' * (number != 1)}, {steps['replicates'].iloc[0]} replicates"
    headers = ["commit", "run on", "error", "change", "failed", "new", "seconds"]
    own = history.cells[history.cells["estimator"] == estimator]
    failing = own[own["new_failures"].fillna(0) > 0]
    footnotes = [_failure(cell) for _, cell in failing.iterrows()]
    return Section(title, headers, [_row(step, dates) for _, step in steps.iterrows()], footnotes)


def _row(step: "pd.Series[Any]", dates: dict[Any, str]) -> list[str]:
    new = step["new_failures"]
    return [
        step["name"],
        dates[step["position"]] or MISSING,
        _ratio(step, "error"),
        _change(step),
        str(step["failed"]),
        MISSING if pd.isna(new) else str(new),
        _ratio(step, "seconds"),
    ]


def _ratio(step: "pd.Series[Any]", name: str) -> str:
    text = with_interval(step[name], step[f"{name}_low"], step[f"{name}_high"])
    number = step[f"{name}_cells"]
    return f"{text} ({number} of {step['cells']})" if 0 < number < step["cells"] else text


def _change(step: "pd.Series[Any]") -> str:
    """Return the verdict, and of how many cells it holds where it is worse or better."""
    counts = [f"{step[verdict]} {verdict}" for verdict in ("worse", "better") if step[verdict]]
    return ", ".join(counts) or step["verdict"] or MISSING


def _failure(cell: "pd.Series[Any]") -> str:
    reason = f": {one_line(cell['reason'])}" if cell["reason"] else ""
    where = f"{printable(cell['task'])}, n = {cell['n_samples']}" + (f", seed {cell['seed']}" if cell["seed"] else "")
    return f"fails anew at {cell['name']} on {where} (replicates: {cell['new_failures']}){reason}"


def _to_json(history: History) -> str:
    tables = {name: rows(getattr(history, name)) for name in ("commits", "estimators", "cells")}
    document = {"schema": SCHEMA, "units": "nats", **tables, "notes": list(history.notes)}
    return json.dumps(document, indent=1, allow_nan=False) + "\n"
