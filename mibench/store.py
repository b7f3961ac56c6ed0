"""The store: a database of records, none of which is ever half written or held twice."""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from mibench.claim import claim
from mibench.errors import MibenchError
from mibench.record import STATUSES, Record
from mibench.store_file import check_whole, open_file, reported, sqlite_file
from mibench.store_layout import CELLS, TITLE, NoStoreError, check_layout
from mibench.store_pack import listed
from mibench.store_write import chunks, write

if TYPE_CHECKING:
    import pandas as pd

_ROWS = 100  # of cells to fetch at a time
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

        In a database on a server two runs may do the same work, of which the records that come last are kept. Raises
        `MibenchError`, which names the holder, where another run holds the claim.
        """
        return claim(self._path) if self._path else contextlib.ExitStack()

    def add(self, records: Sequence[Record]) -> None:
        """Write records in one transaction, in the place of those of the same cell and replicate.

        Each call writes all records of their cells anew, so that those of a cell had better come together.
        """
        with self._connect() as connection:
            write(connection, records)
            connection.commit()

    def stored(self, selection: Selection) -> Iterator[tuple[str, Stored]]:
        """Yield the key of each cell of which something is stored, and what is stored of its replicates."""
        for key, records in self._records(selection, "status", "seconds_solo"):
            yield key, {replicate: (status, solo) for replicate, status, solo in records}

    def estimates(self, selection: Selection) -> Iterator[tuple[str, dict[int, float | None]]]:
        """Yield the key of each cell of which something is stored, and the estimate of each replicate, or None."""
        for key, records in self._records(selection, "estimate"):
            yield key, dict(records)

    def counts(self, selection: Selection) -> dict[str, int]:
        """Return how many of the selected records have each status."""
        found = Counter(status for _, records in self._records(selection, "status") for _, status in records)
        return {status: found[status] for status in STATUSES if found[status]}

    def timings(self) -> list[tuple[str, str, int, float]]:
        """Return (estimator, task, n_samples, mean amortised seconds) of what is stored and ok."""
        times: dict[tuple[str, str, int], list[float]] = defaultdict(list)
        for cell, records in self._cells([sa.true()], "status", "seconds_amortised"):
            known = [seconds for status, seconds in records if status == "ok" and seconds is not None]
            times[cell.estimator, cell.task, cell.n_samples] += known
        return [(*cell, fmean(seconds)) for cell, seconds in times.items() if seconds]

    def to_frame(self, selection: Selection | None = None, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return one row a record, ordered by task, n, estimator and replicate; the selected ones alone if given.

        With `columns`, the frame has these alone, and text in it is Categorical, which a large store needs to be fast.
        """
        from mibench.store_frame import frame

        with self._connect() as connection:
            if selection is None:
                return frame(connection, [sa.true()], columns)
            return frame(connection, _conditions(selection), columns, selection.replicates)

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

    def _records(self, selection: Selection, *names: str) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
        """Yield the key of each cell of which a selected record is stored, and of these the replicate and `names`."""
        for cell, records in self._cells(_conditions(selection), "replicate", *names):
            if selected := [record for record in records if record[0] < selection.replicates]:
                yield cell.key, selected

    def _cells(
        self, conditions: Iterable[sa.ColumnElement[bool]], *names: str
    ) -> Iterator[tuple[sa.Row[Any], list[tuple[Any, ...]]]]:
        """Yield the cells that any of `conditions` selects, and of the records of each the columns `names`."""
        own = [CELLS.c[name] for name in ("records", "key", *TITLE)]
        query = sa.select(*own, *(CELLS.c[name] for name in names))
        for condition in conditions:
            with self._connect() as connection:
                for cells in connection.execute(query.where(condition)).partitions(_ROWS):
                    counts, titles = [cell.records for cell in cells], [cell[2 : len(own)] for cell in cells]
                    packed = zip(names, zip(*(cell[len(own) :] for cell in cells), strict=True), strict=True)
                    records = zip(*(listed(name, column, counts, titles) for name, column in packed), strict=True)
                    for cell in cells:
                        yield cell, list(islice(records, cell.records))


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


def _conditions(selection: Selection) -> Iterator[sa.ColumnElement[bool]]:
    return (CELLS.c.key.in_(chunk) for chunk in chunks(selection.keys))
