"""Most records of a large store, read by a second process while this one loads pandas and reads the rest.

The numbers of a database become objects of Python before they become arrays. That takes longer than all else that is
done with a million records, and a process does it on one processor.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mibench.device import cores

if TYPE_CHECKING:
    import sqlalchemy as sa

LARGE = 2**25  # bytes of a file, from which on it pays
_SHARE = 2 / 3  # of the cells; what else the first process does meanwhile takes as long as the others
ROWS = 200  # at a time: so few die young, which spares the garbage collector from looking at them
_PATIENCE = 10.0  # seconds to wait for another program's lock, as in store_file, which would load SQLAlchemy
_TYPES = {"DOUBLE": "f8", "BIGINT": "i8", "INTEGER": "i8"}
_BEGIN, _END = b"records begin", b"records end"  # around what is read, as whatever starts Python may print too


@dataclass(frozen=True)
class Ahead:
    """The records of the cells from `start` on, which a second process reads."""

    start: int
    _process: subprocess.Popen[bytes]
    _dtype: np.dtype[np.void]

    def begun(self) -> None:
        """Wait until it is settled which records these are: what is written later is not among them."""
        self._output.peek(1)

    def columns(self) -> dict[str, NDArray[Any]] | None:
        """Wait for all of them, and return an array a column; None where they could not be read there."""
        found = self._output.read()
        whole = found.startswith(_BEGIN) and found.endswith(_END) and not self._process.wait()
        found = found[len(_BEGIN) : -len(_END)]
        if not whole or len(found) % self._dtype.itemsize:
            return None
        rows = np.frombuffer(found, self._dtype)
        return {name: rows[name] for name in self._dtype.names or ()}

    @property
    def _output(self) -> Any:  # a BufferedReader, of which typeshed knows less
        assert self._process.stdout is not None
        return self._process.stdout


@contextlib.contextmanager
def reading_ahead(connection: sa.Connection, columns: Sequence[sa.Column[Any]]) -> Iterator[Ahead | None]:
    """Have a second process read these columns of most records in a file; None where it cannot or does not pay."""
    fields = [(column.name, _TYPES.get(str(column.type), "")) for column in columns]
    numbers = all(
        kind == "f8" or (kind and not column.nullable) for column, (_, kind) in zip(columns, fields, strict=True)
    )
    process = None
    if numbers and cores() > 1 and (file := _large_file(connection)):
        import sqlalchemy as sa

        cell = columns[0].table.c.cell
        first, last = (connection.scalar(sa.select(end(cell))) or 0 for end in (sa.func.min, sa.func.max))
        start = last - int((last - first) * _SHARE)
        query = sa.select(*columns).where(cell >= start).compile(connection, compile_kwargs={"literal_binds": True})
        process = _started(file, str(query), json.dumps(fields))
    if process is None:
        yield None
        return
    with process:
        try:
            yield Ahead(start, process, np.dtype(fields))
        finally:
            process.kill()


def _large_file(connection: sa.Connection) -> str:
    """Return the file of a large store, as SQLite names it; nothing for others, and where it may only be read."""
    if connection.dialect.name != "sqlite" or connection.engine.url.query:
        return ""
    file = connection.exec_driver_sql("SELECT file FROM pragma_database_list WHERE name = 'main'").scalar()
    with contextlib.suppress(OSError):  # it has been moved, say
        return str(file) if file and os.path.getsize(file) >= LARGE else ""
    return ""


def _started(*words: str) -> subprocess.Popen[bytes] | None:
    command = [sys.executable, "-P", "-m", "mibench.store_ahead", *words]
    quiet = subprocess.DEVNULL
    try:
        return subprocess.Popen(command, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet)
    except (OSError, TypeError):  # there is no room for another process, or no Python to start
        return None


def main(file: str, query: str, fields: str) -> None:
    """Write the rows that `query` finds to standard output, as an array of NumPy has them in memory."""
    dtype = np.dtype([(name, kind) for name, kind in json.loads(fields)])
    with contextlib.closing(sqlite3.connect(file, timeout=_PATIENCE)) as connection:
        cursor = connection.execute(query)
        found = [np.array(cursor.fetchmany(ROWS), dtype)]
        sys.stdout.buffer.write(_BEGIN)
        sys.stdout.buffer.flush()
        found += [np.array(rows, dtype) for rows in iter(lambda: cursor.fetchmany(ROWS), [])]
    for rows in found:  # now, as a pipe holds little and nobody reads from it before
        sys.stdout.buffer.write(rows.tobytes())
    sys.stdout.buffer.write(_END)


if __name__ == "__main__":
    main(*sys.argv[1:])
