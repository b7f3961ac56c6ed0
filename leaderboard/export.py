"""The leaderboard for programs: CSV of all cells, JSON of everything, both at full precision."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

SCHEMA = 1


def to_csv(cells: pd.DataFrame) -> str:
    """Return one line a cell, with the columns of `statistics.CELL_COLUMNS`; an undefined number is an empty field."""
    return cells.to_csv(index=False, lineterminator="\n")


def to_json(tables: Mapping[str, pd.DataFrame], notes: Iterable[str], indent: int | None = 1) -> str:
    """Return strict JSON: schema, units, each table and notes; an undefined or infinite number is null."""
    each = {name: rows(table) for name, table in tables.items()}
    document = {"schema": SCHEMA, "units": "nats", **each, "notes": list(notes)}
    return json.dumps(document, indent=indent, allow_nan=False) + "\n"


def rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table as JSON takes it: an undefined or infinite number is null."""
    columns = {name: [_plain(value) for value in table[name].tolist()] for name in table.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _plain(value: Any) -> Any:
    undefined = value is pd.NA or (isinstance(value, float) and not math.isfinite(value))
    return None if undefined else value
