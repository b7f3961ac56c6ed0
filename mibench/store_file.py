"""Where a store is and how it is opened: a file is looked at before SQLite may touch it, and errors become one line."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Generator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from mibench.errors import MibenchError
from mibench.store_layout import NoStoreError
from mibench.store_pack import DamagedError

_REMEDIES = {
    "SQLITE_FULL": "the disk is full; make space, and the same command goes on from there",
    "SQLITE_IOERR": "the disk does not take or give the data; see whether it is full, and the same command goes on",
    "SQLITE_BUSY": "another program has locked it; end that or wait, and the same command goes on from there",
    "SQLITE_NOTADB": "it is no SQLite database; give another file with --store",
    "SQLITE_CORRUPT": "it is damaged; take a copy of it, or start a new one with --store",
    "SQLITE_READONLY": "it or its folder may only be read; change that, or give another with --store",
    "SQLITE_CANTOPEN": "it or its folder cannot be opened; check who may read them, or give another with --store",
}
_PATIENCE = 10.0  # seconds to wait for another program's lock
_LOG_BYTES = 2**17  # that SQLite needs beside a store to read it as others may write


def sqlite_file(where: str | Path) -> Path | None:
    """Return the file that a path or an SQLite URL names; None for another database, and for one in memory."""
    text = str(where)
    if "://" not in text:
        return Path(text)
    url = sa.make_url(text)
    named = url.get_backend_name() == "sqlite" and url.database and not url.database.startswith((":memory:", "file:"))
    return Path(str(url.database)) if named else None


def open_file(path: Path, create: bool) -> sa.Engine:
    """Return an engine on an SQLite file, to write in (`create`) or to read; nothing is made or changed yet.

    Raises `MibenchError` where the file, or its folder, is not there or may not be written.
    """
    if path.is_dir():
        raise MibenchError(f"the store {path} is a folder; give the path of a file")
    if not create and not path.exists():
        raise NoStoreError(f"there is no store {path}; `mibench run --store {path}` makes one")
    if not path.parent.is_dir():
        raise MibenchError(f"the store {path} cannot be made: there is no folder {path.parent}; make it first")
    locked = [str(place) for place in (path, path.parent) if place.exists() and not os.access(place, os.W_OK)]
    if locked and create:
        raise MibenchError(f"the store {path} cannot be written: {locked[0]} is read-only; give another with --store")
    url = sa.URL.create("sqlite", database=str(path))
    if not create and (locked or shutil.disk_usage(path.parent).free < _LOG_BYTES):
        # no log can be made here: there is nothing to read in one, unless a run that is under way has made it
        flag = {"mode": "ro"} if _log(path).exists() else {"immutable": "1"}
        url = sa.URL.create("sqlite", database=path.resolve().as_uri(), query={**flag, "uri": "true"})
    engine = sa.create_engine(url, connect_args={"isolation_level": "IMMEDIATE", "timeout": _PATIENCE})
    sa.event.listen(engine, "connect", _configure)
    return engine


def _configure(connection: sqlite3.Connection, record: object) -> None:
    """Leave it to the next checkpoint to wait for the disk: no crash of a program can harm a write-ahead log."""
    connection.execute("PRAGMA synchronous=NORMAL")


def _log(path: Path) -> Path:
    return Path(f"{path.resolve()}-wal")


def check_whole(connection: sa.Connection, path: Path) -> None:
    """Refuse a file that ends within its last page, which SQLite would notice only when it comes to that page."""
    pages, size = (connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "page_size"))
    pending = _log(path).exists() and _log(path).stat().st_size
    if path.stat().st_size < pages * size and not pending:
        raise MibenchError(f"the store {path} is cut off; take a copy of it, or start a new one with --store")


@contextlib.contextmanager
def reported(name: str) -> Generator[None, None, None]:
    """Raise what a database cannot do as a `MibenchError` of one line: what is wrong, and the remedy."""
    try:
        yield
    except (sa.exc.DBAPIError, sqlite3.Error, UnicodeDecodeError, DamagedError) as error:
        cause: Any = getattr(error, "orig", error)
        code = str(getattr(cause, "sqlite_errorname", ""))
        if isinstance(cause, UnicodeDecodeError | DamagedError) or "Could not decode to UTF-8" in str(cause):
            code = "SQLITE_CORRUPT"
        said = next((remedy for prefix, remedy in _REMEDIES.items() if code.startswith(prefix)), None)
        if said is None and isinstance(error, sa.exc.IntegrityError):
            said = "another run has stored records of the same cell just then; the same command goes on from there"
        if said is None and isinstance(error, sa.exc.OperationalError):
            said = "see to it, and the same command goes on from there"
        if said is None:
            raise
        reason = " ".join(str(cause).split())
        raise MibenchError(f"the store {name} cannot be used: {said} ({reason})") from error
