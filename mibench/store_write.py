"""How records come into the tables of a store: cell by cell, in the place of those that they replace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any

import sqlalchemy as sa

from mibench.record import CELL, Record, digest
from mibench.store_layout import CALL, CALLS, CELLS, ORIGIN, ORIGINS, RECORDS, REPLICATE

_CHUNK = 500  # values in one statement, below every database's limit


def chunks(values: Sequence[Any]) -> Iterator[list[Any]]:
    """Yield `values` in as many as one statement takes."""
    remaining = iter(values)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk


def write(connection: sa.Connection, records: Iterable[Record]) -> None:
    """Write records in the place of those of the same cell and replicate; of two among them the last counts."""
    for values, group in _grouped(records, attrgetter(*CELL)).items():
        cell, new = _intern(connection, CELLS, dict(zip(CELL, values, strict=True)))
        latest = {record.replicate: record for record in group}
        for chunk in chunks([] if new else list(latest)):
            taken = (RECORDS.c.cell == cell) & RECORDS.c.replicate.in_(chunk)
            connection.execute(RECORDS.delete().where(taken))
        for made, same in _grouped(latest.values(), attrgetter(*ORIGIN)).items():
            origin, _ = _intern(connection, ORIGINS, dict(zip(ORIGIN, made, strict=True)))
            for told, alike in _grouped(same, attrgetter(*CALL)).items():
                # a call of which every record is replaced later stays, and is not seen
                call = _inserted(connection, CALLS, {"origin": origin, **dict(zip(CALL, told, strict=True))})
                rows = [{name: getattr(record, name) for name in REPLICATE} for record in alike]
                connection.execute(RECORDS.insert(), [{"cell": cell, "call": call, **row} for row in rows])


def _grouped(records: Iterable[Record], by: Callable[[Record], Any]) -> dict[Any, list[Record]]:
    groups: dict[Any, list[Record]] = {}
    for record in records:
        groups.setdefault(by(record), []).append(record)
    return groups


def _intern(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> tuple[int, bool]:
    """Return the id of the row of `table` (cells or origins) with these values, and whether it had to be added."""
    key = digest(values.values())
    found = connection.scalar(sa.select(table.c.id).where(table.c.key == key))
    return (_inserted(connection, table, {"key": key, **values}), True) if found is None else (int(found), False)


def _inserted(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> int:
    done = connection.execute(table.insert(), values)
    assert done.inserted_primary_key is not None
    return int(done.inserted_primary_key[0])
