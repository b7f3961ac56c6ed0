"""The store: a database of records, none of which is ever half written or held twice."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from mibench.claim import claim
from mibench.errors import MibenchError
from mibench.record import STATUSES, Record
from mibench.store_ahead import reading_ahead
from mibench.store_file import check_whole, open_file, reported, sqlite_file
from mibench.store_layout import CALLS, CELLS, RECORDS, NoStoreError, check_layout, wanted
from mibench.store_write import chunks, write

if TYPE_CHECKING:
    import pandas as pd

_ROWS = 500  # to fetch at a time
Stored = dict[int, tuple[str, float | None]]  # of each replicate its status and solo seconds


@dataclass(frozen=True)
class Selection:
    """Cells by their keys, and of each the replicates below a number."""

    keys: Sequence[str]
    replicates: int


class Store:
    """Records under their cell and replicate, in a file (SQLite) or any database that SQLAlchemy reaches."""

    def __init__(self, engine: sa.Engine, name: str, path: Path | None = None) -> None:
        self._engine = engine
        self._path = path
        self.name = name

    @classmethod
    def open(cls, where: str | Path | None, create: bool = True) -> Store:
        """Open the store at a path or a database URL, to write, or only to read (not `create`); None is in memory.

        Raises `MibenchError` where there is none (unless `create`), or what is there is no store of this schema, or
        cannot be written; what is there stays as it is.
        """
        path = None if where is None else _path(where)
        new = path is not None and not path.exists()
        store = cls(open_file(path, create) if path else _engine(where), str(where or "memory"), path)
        try:
            store._check(create or where is None)
        except BaseException:
            store.close()
            if path and new and path.exists() and not path.stat().st_size:
                path.unlink()  # it could not be made, on a full disk say
            raise
        return store

    @classmethod
    def peek(cls, where: str | Path | None) -> Store:
        """Open the store at a path or a database URL to read; an empty one in memory where there is none yet."""
        try:
            return cls.open(where, create=False)
        except NoStoreError:
            return cls.open(None)

    def claim(self) -> contextlib.ExitStack:
        """Claim a store in a file for one run, until the context ends or the process does; no other needs a claim.

        In a database on a server two runs may do the same work, but the primary key refuses the second record. Raises
        `MibenchError`, which names the holder, where another run holds the claim.
        """
        return claim(self._path) if self._path else contextlib.ExitStack()

    def add(self, records: Sequence[Record]) -> None:
        """Write records in one transaction, in the place of those of the same cell and replicate."""
        with self._connect() as connection:
            write(connection, records)
            connection.commit()

    def stored(self, selection: Selection) -> Iterator[tuple[str, Stored]]:
        """Yield the key of each cell of which something is stored, and what is stored of its replicates."""
        columns = (RECORDS.c.cell, RECORDS.c.replicate, CALLS.c.status, RECORDS.c.seconds_solo)
        for ids in self._ids(selection):
            query = sa.select(*columns).join(CALLS).where(_within(ids, selection)).order_by(RECORDS.c.cell)
            with self._connect() as connection:
                for cell, rows in groupby(connection.execute(query).yield_per(_ROWS), itemgetter(0)):
                    yield ids[cell], {replicate: (status, solo) for _, replicate, status, solo in rows}

    def estimates(self, selection: Selection) -> Iterator[tuple[str, dict[int, float | None]]]:
        """Yield the key of each cell of which something is stored, and the estimate of each replicate, or None."""
        columns = (RECORDS.c.cell, RECORDS.c.replicate, RECORDS.c.estimate)
        for ids in self._ids(selection):
            query = sa.select(*columns).where(_within(ids, selection)).order_by(RECORDS.c.cell)
            with self._connect() as connection:
                for cell, rows in groupby(connection.execute(query).yield_per(_ROWS), itemgetter(0)):
                    yield ids[cell], {replicate: estimate for _, replicate, estimate in rows}

    def counts(self, selection: Selection) -> dict[str, int]:
        """Return how many of the selected records have each status."""
        found = dict.fromkeys(STATUSES, 0)
        for ids in self._ids(selection):
            query = sa.select(CALLS.c.status, sa.func.count()).join(RECORDS).where(_within(ids, selection))
            with self._connect() as connection:
                for status, count in connection.execute(query.group_by(CALLS.c.status)):
                    found[status] += count
        return {status: count for status, count in found.items() if count}

    def timings(self) -> list[tuple[str, str, int, float]]:
        """Return (estimator, task, n_samples, mean amortised seconds) of what is stored and ok."""
        seconds = RECORDS.c.seconds_amortised
        sums = (RECORDS.c.cell, sa.func.sum(seconds).label("sum"), sa.func.count(seconds).label("count"))
        ok = sa.select(*sums).join(CALLS).where(CALLS.c.status == "ok").group_by(RECORDS.c.cell).subquery()
        by = (CELLS.c.estimator, CELLS.c.task, CELLS.c.n_samples)
        mean = sa.func.sum(ok.c["sum"]) / sa.func.sum(ok.c["count"])
        query = sa.select(*by, mean).join(ok, ok.c.cell == CELLS.c.id).where(ok.c["count"] > 0).group_by(*by)
        with self._connect() as connection:
            return [(str(e), str(t), int(n), float(s)) for e, t, n, s in connection.execute(query)]

    def to_frame(self, selection: Selection | None = None, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return one row a record, ordered by task, n, estimator and replicate; the selected ones alone if given.

        With `columns`, the frame has these alone, and text in it is Categorical, which a large store needs to be fast.
        """
        if selection is None:
            with self._connect() as connection, reading_ahead(connection, wanted(RECORDS, columns)) as ahead:
                from mibench.store_frame import frame  # it takes long to load, while the other process reads

                return frame(connection, [sa.true()], columns, ahead)
        from mibench.store_frame import frame

        with self._connect() as connection:
            return frame(connection, [_within(ids, selection) for ids in self._ids(selection)], columns)

    def settle(self) -> None:
        """Bring all that is written from the log into the file, unless another program reads it just then."""
        if self._path:
            with contextlib.suppress(MibenchError), self._connect() as connection:  # in the log it is as safe
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            self.close()  # the next use opens another connection

    def close(self) -> None:
        """Release the connections."""
        self._engine.dispose()

    @contextlib.contextmanager
    def _connect(self) -> Generator[sa.Connection, None, None]:
        with reported(self.name), self._engine.connect() as connection:
            yield connection

    def _check(self, create: bool) -> None:
        with self._connect() as connection:
            check_layout(connection, self.name, create)
            if self._path:
                check_whole(connection, self._path)
        if self._path and create:
            with self._connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")

    def _ids(self, selection: Selection) -> Iterator[dict[int, str]]:
        """Yield the ids and keys of the selected cells, some at a time."""
        for chunk in chunks(selection.keys):
            with self._connect() as connection:
                found = connection.execute(sa.select(CELLS.c.id, CELLS.c.key).where(CELLS.c.key.in_(chunk)))
                ids = {row.id: row.key for row in found}
            if ids:
                yield ids


def _path(where: str | Path) -> Path | None:
    try:
        return sqlite_file(where)
    except sa.exc.ArgumentError:
        raise MibenchError(f"the store {where} cannot be opened: it is no URL; give a path or a database URL") from None


def _engine(where: str | Path | None) -> sa.Engine:
    if where is None:
        return sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool, connect_args={"check_same_thread": False})
    try:
        return sa.create_engine(str(where))
    except (sa.exc.SQLAlchemyError, ImportError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise MibenchError(f"the store {where} cannot be opened: {reason}; give a path or a database URL") from None


def _within(ids: Iterable[int], selection: Selection) -> sa.ColumnElement[bool]:
    return RECORDS.c.cell.in_(list(ids)) & (RECORDS.c.replicate < selection.replicates)
