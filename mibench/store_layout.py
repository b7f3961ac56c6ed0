"""How a database holds records: those of a cell in one row, each column of them in one value; see `store_pack`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import index
from typing import Any

import sqlalchemy as sa

from mibench.errors import MibenchError
from mibench.record import CELL, COLUMNS, Record, digest

ORIGIN = ("mi_true", "baseline", "bound", "threads", "host", "mibench_version", "library_versions", "git_commit")
PACKED = ("origin", *(name for name in COLUMNS if name not in {*CELL, *ORIGIN}))  # what each record has its own of
TITLE = ("task", "estimator", "n_samples")  # of a cell in a message
ORDER = ("task", "n_samples", "estimator", "replicate")  # of the records in a frame
STORE_VERSION = 3
_HINTS = {name: getattr(hint, "__name__", None) or str(hint) for name, hint in Record.__annotations__.items()}
KINDS = {"origin": "int", **{name: hint.removesuffix(" | None") for name, hint in _HINTS.items()}}
_TYPES: dict[str, Any] = {"int": sa.BigInteger, "float": sa.Double, "bool": sa.Boolean, "str": sa.Text}
_NUMBERS = {"int": "<i8", "int | None": "<f8", "float": "<f8", "float | None": "<f8"}
DTYPES = {name: _NUMBERS.get(_HINTS.get(name, "int"), "") for name in PACKED}  # of numbers; texts are held as JSON


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


_AS_STORED: dict[str, Callable[[Any], Any]] = {
    "int": index,
    "float": lambda number: float(number) + 0.0,  # SQLite knows no -0
    "bool": bool,
    "str": _text,
}
_FIRST_VERSION = ("records", {"key", "task_fingerprint", "estimator_source", "schema_version"})


class NoStoreError(MibenchError):
    """There is no store yet where one is to be read."""


def _columns(names: Sequence[str]) -> list[sa.Column[Any]]:
    return [sa.Column(name, _TYPES[KINDS[name]], nullable=False) for name in names]


def _identity() -> sa.Column[int]:
    return sa.Column("id", sa.Integer, primary_key=True)


def _key() -> sa.Column[str]:
    return sa.Column("key", sa.String(40), nullable=False, unique=True)


def _packed(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.LargeBinary(2**32 - 1), nullable=False)  # MySQL cuts a BLOB without a size at 64 kB


METADATA = sa.MetaData()
VERSION = sa.Table("mibench_schema", METADATA, sa.Column("version", sa.Integer, nullable=False))
ORIGINS = sa.Table("mibench_origins", METADATA, _identity(), _key(), *_columns(ORIGIN))
CELLS = sa.Table(
    "mibench_cells",
    METADATA,
    _identity(),
    _key(),
    *_columns(CELL),
    sa.Column("records", sa.BigInteger, nullable=False),  # how many there are, in the order of their replicates
    *map(_packed, PACKED),
)


def key_of(names: Sequence[str], values: Sequence[Any]) -> tuple[str, dict[str, Any]]:
    """Return the key of a row of cells or origins, and the row: `values` of these `names` as a database has them.

    Raises `TypeError` where a value is of another kind than its column.
    """
    row = {name: _AS_STORED[KINDS[name]](value) for name, value in zip(names, values, strict=True)}
    return digest(row.values()), row


def check_layout(connection: sa.Connection, name: str, create: bool) -> None:
    """Make sure that a database holds the tables of this schema; make them, at once or not at all, where `create`.

    Raises `NoStoreError` where there are none and none are to be made, `MibenchError` where there are other ones.
    """
    found = _version_of(connection, name)
    if found is None and create:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # from here on nobody else can make them
            found = _version_of(connection, name)
        if found is None:
            METADATA.create_all(connection)
            connection.execute(VERSION.insert(), {"version": STORE_VERSION})
            connection.commit()
            return
    if found is None:
        raise NoStoreError(f"{name} is no store of mibench; `mibench run --store FILE` makes one")
    if found != STORE_VERSION:
        remedy = "start a new one with --store FILE, or read it with the mibench that made it"
        if found > STORE_VERSION:
            remedy = "upgrade mibench, or start a new one with --store FILE"
        versions = f"of version {found}, and this mibench reads version {STORE_VERSION}"
        raise MibenchError(f"the store {name} is {versions}; {remedy}")


def _version_of(connection: sa.Connection, name: str) -> int | None:
    """Return the version of the store in a database; None where there is no store."""
    inspector = sa.inspect(connection)
    tables = set(inspector.get_table_names())
    if VERSION.name in tables:
        found = connection.scalar(sa.select(VERSION.c.version))
        return found if isinstance(found, int) else 0
    table, columns = _FIRST_VERSION
    if table in tables and columns <= {column["name"] for column in inspector.get_columns(table)}:
        return 1
    if tables and connection.dialect.name == "sqlite":  # servers have databases for several purposes, files have not
        raise MibenchError(f"{name} is a database of something else; give another file with --store")
    return None
