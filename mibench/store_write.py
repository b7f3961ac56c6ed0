"""How records come into the tables of a store: cell by cell, in the place of those that they replace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any

import sqlalchemy as sa

from mibench.record import CELL, Record
from mibench.store_layout import CELLS, ORIGIN, ORIGINS, PACKED, TITLE, key_of
from mibench.store_pack import listed, pack

_CHUNK = 500  # values in one statement, below every database's limit
_cell, _origin, _own = (attrgetter(*names) for names in (CELL, ORIGIN, PACKED[1:]))


def chunks(values: Sequence[Any]) -> Iterator[list[Any]]:
    """Yield `values` in as many as one statement takes."""
    remaining = iter(values)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk


def write(connection: sa.Connection, records: Iterable[Record]) -> None:
    """Write records in the place of those of the same cell and replicate; of two among them the last counts."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # what is read here is what is replaced
    cells: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        cells.setdefault(_cell(record), []).append(record)
    for values, group in cells.items():
        key, row = key_of(CELL, values)
        new = connection.scalar(sa.select(CELLS.c.id).where(CELLS.c.key == key)) is None
        rows = {} if new else _stored(connection, key)
        origins = {origin: _origin_id(connection, origin) for origin in set(map(_origin, group))}
        rows |= {record.replicate: (origins[_origin(record)], *_own(record)) for record in group}
        columns = zip(PACKED, zip(*(rows[replicate] for replicate in sorted(rows)), strict=True), strict=True)
        packed = {"records": len(rows), **{name: pack(name, column) for name, column in columns}}
        if new:
            connection.execute(CELLS.insert(), {"key": key, **row, **packed})
        else:
            connection.execute(CELLS.update().where(CELLS.c.key == key), packed)


def _stored(connection: sa.Connection, key: str) -> dict[int, tuple[Any, ...]]:
    """Return of each replicate of a cell what is its own, in the order of PACKED, and keep others from writing it."""
    query = sa.select(*(CELLS.c[name] for name in ("records", *TITLE, *PACKED))).where(CELLS.c.key == key)
    count, *found = connection.execute(query.with_for_update()).one()
    title, packed = found[: len(TITLE)], found[len(TITLE) :]
    columns = [listed(name, [column], [count], [title]) for name, column in zip(PACKED, packed, strict=True)]
    return dict(zip(columns[PACKED.index("replicate")], zip(*columns, strict=True), strict=True))


def _origin_id(connection: sa.Connection, values: tuple[Any, ...]) -> int:
    """Return the id of the row of origins with these values, which is added where there is none."""
    key, row = key_of(ORIGIN, values)
    found = connection.scalar(sa.select(ORIGINS.c.id).where(ORIGINS.c.key == key))
    if found is None:
        done = connection.execute(ORIGINS.insert(), {"key": key, **row})
        assert done.inserted_primary_key is not None
        found = done.inserted_primary_key[0]
    return int(found)
