"""From the tables of a store to one data frame: what the records of a cell share is looked at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from mibench.record import CELL, COLUMNS, digest
from mibench.store_layout import CELLS, KINDS, ORDER, ORIGIN, ORIGINS, PACKED, TITLE
from mibench.store_pack import DamagedError, unpack

_Array = npt.NDArray[Any]


def frame(
    connection: sa.Connection,
    conditions: Iterable[sa.ColumnElement[bool]],
    columns: Sequence[str] | None = None,
    replicates: float = np.inf,
) -> pd.DataFrame:
    """Return the records of the cells that any of `conditions` selects, with the columns of `record.COLUMNS`.

    They are ordered by task, n, estimator and replicate; a number that is not known is NaN. Where `columns` are given,
    no others are read, and those of text are Categorical: a million records share a few thousand texts. Replicates
    from the number `replicates` on are left out.
    """
    chosen = [name for name in COLUMNS if name in (columns or COLUMNS)]
    packed = [name for name in PACKED if name in {"origin", "replicate", *chosen}]
    cells = _read(connection, CELLS, CELL, conditions, "records", *packed)
    origins = _read(connection, ORIGINS, ORIGIN, [sa.true()])  # after the cells, as they refer to these
    held = _held(cells, origins, packed)
    replicate = np.repeat(*held["replicate"])
    found = {name: _column(KINDS[name], *held[name], columns is not None) for name in chosen}
    rows = _rows(cells, replicate, replicates)
    whole = pd.DataFrame(found, pd.RangeIndex(len(replicate)), copy=False)
    return whole if rows is None else whole.take(rows).reset_index(drop=True)


def _read(
    connection: sa.Connection,
    table: sa.Table,
    keyed: Sequence[str],
    conditions: Iterable[sa.ColumnElement[bool]],
    *others: str,
) -> dict[str, _Array]:
    """Return the rows that any of `conditions` selects as arrays: in `ORDER` as far as the table has it, else by id.

    Raises `DamagedError` where the columns `keyed` of a row are not those that its key was made of.
    """
    names = ["id", "key", *keyed, *others]
    query = sa.select(*(table.c[name] for name in names)).order_by(table.c.id)
    rows = [tuple(row) for condition in conditions for row in connection.execute(query.where(condition)).all()]
    for row in rows:
        if digest(row[2 : 2 + len(keyed)]) != row[1]:
            raise DamagedError(f"{table.name} with id {row[0]} is not what was written")
    if order := [names.index(name) for name in ORDER if name in keyed]:
        rows.sort(key=itemgetter(*order))
    return {name: np.array([row[place] for row in rows], object) for place, name in enumerate(names)}


def _held(
    cells: Mapping[str, _Array], origins: Mapping[str, _Array], packed: Sequence[str]
) -> dict[str, tuple[_Array, _Array]]:
    """Return the values of each column of the records, and of how many records in a row each value is."""
    counts = cells["records"].tolist()
    titles = list(zip(*(cells[name] for name in TITLE), strict=True))
    own = {name: unpack(name, cells[name].tolist(), counts, titles) for name in packed}
    ids, times = own["origin"]
    place_of = {each: place for place, each in enumerate(origins["id"])}
    try:
        places = np.array([place_of[each] for each in ids.tolist()], np.int64)
    except KeyError as error:
        raise DamagedError(f"{ORIGINS.name} with id {error} is not there any more") from None
    of_cells = {name: (cells[name], np.array(counts, np.int64)) for name in CELL}
    return {**of_cells, **own, **{name: (origins[name][places], times) for name in ORIGIN}}


def _column(kind: str, values: _Array, times: _Array, compact: bool) -> Any:
    if kind == "str":
        return pd.Categorical(values).repeat(times) if compact else np.repeat(values, times)
    if kind == "int":
        kind = "float" if pd.isna(values).any() else "int64"
    return np.repeat(values.astype(kind), times)


def _rows(cells: Mapping[str, _Array], replicate: _Array, replicates: float) -> _Array | None:
    """Return which rows are wanted in which order; None where it is all of them as they are.

    Cells follow each other in order, and so do the records of each; but of several cells of a task, n and estimator,
    of two seeds say, the records of a replicate belong together.
    """
    opens = np.ones(len(cells["id"]), dtype=bool)
    opens[1:] = np.any([cells[name][1:] != cells[name][:-1] for name in ORDER[:-1]], axis=0)
    if opens.all() and replicates == np.inf:
        return None
    order = np.arange(len(replicate))
    if not opens.all():
        order = np.lexsort((replicate, np.repeat(np.cumsum(opens), cells["records"].astype(np.int64))))
    return order[replicate[order] < replicates]
