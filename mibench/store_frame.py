"""From the tables of a store to one data frame: numbers in arrays, and of every text that repeats one copy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from mibench.record import COLUMNS
from mibench.store_layout import CALLS, CELLS, ORIGINS, RECORDS

_ROWS = 5_000  # at a time, so that they stay in the cache
_ORDER = ["task", "n_samples", "estimator"]


def frame(connection: sa.Connection, queries: Iterable[sa.Select[Any]]) -> pd.DataFrame:
    """Return the records that `queries` on the table of records find, with the columns of `record.COLUMNS`.

    They are ordered by task, n, estimator and replicate; a number that is not known is NaN.
    """
    records = _records(connection, queries)  # first: what they refer to is there, whoever writes meanwhile
    cells, calls, origins = (_table(connection, table) for table in (CELLS, CALLS, ORIGINS))
    calls = _beside(calls, origins.take(_positions(origins, calls.pop("origin"))))
    cell, call = _positions(cells, records.pop("cell")), _positions(calls, records.pop("call"))
    rank = cells.groupby(_ORDER).ngroup().to_numpy()[cell]
    order = np.lexsort((cell, records["replicate"], rank))
    rows = _beside(records.take(order), cells.take(cell[order]), calls.take(call[order]))
    return rows[list(COLUMNS)].reset_index(drop=True)


def _beside(*frames: pd.DataFrame) -> pd.DataFrame:
    """Return frames of as many rows side by side, under the index of the first."""
    return pd.concat([part.set_axis(frames[0].index) for part in frames], axis=1)


def _positions(table: pd.DataFrame, ids: pd.Series[Any]) -> npt.NDArray[np.intp]:
    return table.index.get_indexer(pd.Index(ids))


def _table(connection: sa.Connection, table: sa.Table) -> pd.DataFrame:
    columns = [column for column in table.c if column.name != "key"]
    rows = connection.execute(sa.select(*columns)).all()
    return pd.DataFrame(rows, columns=[column.name for column in columns]).set_index("id")


def _records(connection: sa.Connection, queries: Iterable[sa.Select[Any]]) -> pd.DataFrame:
    copies: dict[str, str] = {}
    parts: dict[str, list[Any]] = {column.name: [] for column in RECORDS.c}
    for query in queries:
        for rows in connection.execute(query).partitions(_ROWS):
            for column, values in zip(RECORDS.c, zip(*rows, strict=True), strict=True):
                parts[column.name].append(_array(column, values, copies))
    return pd.DataFrame({column.name: _joined(column, parts[column.name]) for column in RECORDS.c})


def _array(column: sa.Column[Any], values: Sequence[Any], copies: dict[str, str]) -> Any:
    if isinstance(column.type, sa.Text):
        return [copies.setdefault(text, text) for text in values]
    return np.array(values, dtype=float if isinstance(column.type, sa.Double) else np.int64)


def _joined(column: sa.Column[Any], parts: list[Any]) -> Any:
    if isinstance(column.type, sa.Text):
        return list(chain.from_iterable(parts))
    return np.concatenate(parts) if parts else np.empty(0)
