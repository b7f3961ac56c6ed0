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
from mibench.store_ahead import ROWS, Ahead
from mibench.store_layout import CALLS, CELLS, ORDER, ORIGINS, RECORDS, wanted


def frame(
    connection: sa.Connection,
    conditions: Sequence[sa.ColumnElement[bool]],
    columns: Sequence[str] | None = None,
    ahead: Ahead | None = None,
) -> pd.DataFrame:
    """Return the records that any of `conditions` selects, with the columns of `record.COLUMNS`.

    They are ordered by task, n, estimator and replicate; a number that is not known is NaN. Where `columns` are given,
    no others are read, and those of text are Categorical: a million records share a few thousand texts. `ahead` are
    those that a second process reads.
    """
    compact = columns is not None
    chosen = wanted(RECORDS, columns)
    query = sa.select(*chosen) if ahead is None else sa.select(*chosen).where(RECORDS.c.cell < ahead.start)
    records = _read(connection, [query.where(condition) for condition in conditions], chosen)
    if ahead is not None:
        ahead.begun()
    # what the records refer to is there from now on, whoever writes meanwhile
    cells, calls, origins = (_table(connection, wanted(table, columns), compact) for table in (CELLS, CALLS, ORIGINS))
    if ahead is not None:
        others = ahead.columns()
        if others is None:
            return frame(connection, conditions, columns)
        records = pd.concat([records, pd.DataFrame(others)], ignore_index=True)
    calls = _beside(calls, origins.take(_positions(origins, calls.pop("origin"))))
    cell, call = _positions(cells, records.pop("cell")), _positions(calls, records.pop("call"))
    rank = cells.groupby(list(ORDER[:-1]), observed=True).ngroup().to_numpy()[cell]
    order = np.lexsort((cell, records["replicate"], rank))
    found = _beside(records.take(order), cells.take(cell[order]), calls.take(call[order]))
    return found[[name for name in COLUMNS if name in (columns or COLUMNS)]].reset_index(drop=True)


def _beside(*frames: pd.DataFrame) -> pd.DataFrame:
    """Return frames of as many rows side by side, under the index of the first."""
    return pd.concat([part.set_axis(frames[0].index) for part in frames], axis=1)


def _positions(table: pd.DataFrame, ids: pd.Series[Any]) -> npt.NDArray[np.intp]:
    return table.index.get_indexer(pd.Index(ids))


def _table(connection: sa.Connection, columns: Sequence[sa.Column[Any]], compact: bool) -> pd.DataFrame:
    texts = [column.name for column in columns if compact and isinstance(column.type, sa.Text)]
    return _read(connection, [sa.select(*columns)], columns).set_index("id").astype(dict.fromkeys(texts, "category"))


def _read(
    connection: sa.Connection, queries: Iterable[sa.Select[Any]], columns: Sequence[sa.Column[Any]]
) -> pd.DataFrame:
    copies: dict[str | None, str | None] = {}
    parts: dict[str, list[Any]] = {column.name: [] for column in columns}
    for query in queries:
        for rows in connection.execute(query).partitions(ROWS):
            for column, values in zip(columns, zip(*rows, strict=True), strict=True):
                parts[column.name].append(_array(column, values, copies))
    return pd.DataFrame({column.name: _joined(column, parts[column.name]) for column in columns}, copy=False)


def _array(column: sa.Column[Any], values: Sequence[Any], copies: dict[str | None, str | None]) -> Any:
    if isinstance(column.type, sa.Text):
        return [copies.setdefault(text, text) for text in values]
    if isinstance(column.type, sa.Boolean):
        return np.array(values, dtype=bool)
    known = not isinstance(column.type, sa.Double) and None not in values
    return np.array(values, dtype=np.int64 if known else float)


def _joined(column: sa.Column[Any], parts: list[Any]) -> Any:
    if isinstance(column.type, sa.Text):
        return list(chain.from_iterable(parts))
    return np.concatenate(parts) if parts else np.empty(0)
