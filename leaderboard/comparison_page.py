"""A comparison as text, Markdown or JSON."""

import json
from collections.abc import Iterator
from typing import Any

import pandas as pd

from .comparison import Comparison
from .export import rows
from .page import Page, Section, legible, one_line
from .rounding import compact, plus_minus, with_interval
from .tables import to_markdown, to_text

SCHEMA = 1
EXACT = 1e-9  # nats; an uncertainty below it is rounding
LEGEND = (
    "difference: mean of |error in HEAD| - |error in BASE| over the pairs of replicates, in nats, with its 95 % "
    "interval; equivalent: within ± margin; detectable: the smallest that, if no other cell had one, would be called "
    "worse four times in five."
)


def render(comparison: Comparison, format: str) -> str:
    """Return the comparison as "text", "markdown" or "json", ending in a newline."""
    if format == "json":
        return _to_json(comparison)
    page = Page([], [*_sections(comparison)], list(comparison.notes), LEGEND)
    return (to_markdown if format == "markdown" else to_text)(page)


def headline(comparison: Comparison) -> str:
    """Return what a reader wants to know first."""
    counts = {verdict: comparison.count(verdict) for verdict in ("worse", "inconclusive", "better", "equivalent")}
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    number = len(comparison.cells)
    return f"{number} cell{'s' * (number != 1)}: {told}"


def _sections(comparison: Comparison) -> Iterator[Section]:
    """Yield the cells that are not equivalent, or all where there is no other, and the runtimes."""
    cells = legible(comparison.cells)
    shown = cells[cells["verdict"] != "equivalent"]
    headers = ["estimator on task", "n", "verdict", "difference", "margin", "detectable", "pairs"]
    seeds = cells["seed"].nunique() > 1
    lines = [_line(cell, seeds) for _, cell in (cells if shown.empty else shown).iterrows()]
    footnotes = [_failure(cell, seeds) for _, cell in cells[cells["new_failures"] > 0].iterrows()]
    footnotes += [_repair(cell, seeds) for _, cell in cells[cells["fixed"] > 0].iterrows()]
    yield Section(headline(comparison), headers, lines, footnotes)
    if len(comparison.runtimes):
        headers = ["estimator", "seconds in HEAD / BASE", "cells", "verdict"]
        runtimes = legible(comparison.runtimes).to_dict("records")
        lines = [[r["estimator"], _ratio(r), str(r["cells"]), r["verdict"]] for r in runtimes]
        yield Section("Runtime", headers, lines)


def _line(cell: "pd.Series[Any]", seeds: bool) -> list[str]:
    half = (cell["high"] - cell["low"]) / 2
    numbers = [
        plus_minus(cell["difference"], 0 if half < EXACT else half),
        compact(cell["margin"]),
        compact(cell["detectable"]),
    ]
    name = f"{cell['estimator']} on {_where(cell, seeds)}"
    return [name, str(cell["n_samples"]), cell["verdict"], *numbers, str(cell["pairs"])]


def _where(cell: "pd.Series[Any]", seeds: bool) -> str:
    return f"{cell['task']}, seed {cell['seed']}" if seeds else str(cell["task"])


def _failure(cell: "pd.Series[Any]", seeds: bool) -> str:
    reason = f": {one_line(cell['reason'])}" if cell["reason"] else ""
    at = f"{_where(cell, seeds)}, n = {cell['n_samples']}"
    return f"{cell['estimator']} fails anew on {at} (replicates: {cell['new_failures']}){reason}"


def _repair(cell: "pd.Series[Any]", seeds: bool) -> str:
    at = f"{_where(cell, seeds)}, n = {cell['n_samples']}"
    return f"{cell['estimator']} fails no more on {at} (replicates: {cell['fixed']})"


def _ratio(row: dict[Any, Any]) -> str:
    return with_interval(row["ratio"], row["low"], row["high"])


def _to_json(comparison: Comparison) -> str:
    counts = comparison.cells["verdict"].value_counts().to_dict()
    tables = {"cells": rows(comparison.cells), "runtimes": rows(comparison.runtimes)}
    document = {"schema": SCHEMA, "units": "nats", "verdicts": counts, **tables, "notes": list(comparison.notes)}
    return json.dumps(document, indent=1, allow_nan=False) + "\n"
