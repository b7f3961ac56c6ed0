"""How a database holds records: those of a cell in one row, each column of them in one value; see `store_pack`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from mibench.errors import MibenchError
from mibench.record import CELL, COLUMNS, Record

ORIGIN = ("mi_true", "baseline", "bound", "threads", "host", "mibench_version", "library_versions", "git_commit")
PACKED = ("origin", *(name for name in COLUMNS if name not in {*CELL, *ORIGIN}))  # what each record has its own of
ORDER = ("task", "n_samples", "estimator", "replicate")  # of the records in a frame
LAYOUT_VERSION = 3
_HINTS = {name: getattr(hint, "__name__", None) or str(hint) for name, hint in Record.__annotations__.items()}
KINDS = {"origin": "int", **{name: hint.removesuffix(" | None") for name, hint in _HINTS.items()}}
_TYPES: dict[str, Any] = {"int": sa.BigInteger, "float": sa.Double, "bool": sa.Boolean, "str": sa.Text}
_NUMBERS = {"int": "<i8", "int | None": "<f8", "float": "<f8", "float | None": "<f8"}
DTYPES = {name: _NUMBERS.get(_HINTS.get(name, "int"), "") for name in PACKED}  # of numbers; texts are held as JSON
_FIRST_VERSION = ("records", {"key", "task_fingerprint", "estimator_source", "schema_version"})


class NoStoreError(MibenchError):
    """There is no store yet where one is to be read."""


def _columns(names: Sequence[str]) -> list[sa.Column[Any]]:
    return [sa.Column(name, _TYPES[KINDS[name]]) for name in names]


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


def wanted(table: sa.Table, columns: Sequence[str]) -> list[sa.Column[Any]]:
    """Return the columns of a table that give `columns` of the records, and those that join tables and order them."""
    needed = {"id", "records", "origin", *ORDER, *columns}
    return [column for column in table.c if column.name in needed]


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
            connection.execute(VERSION.insert(), {"version": LAYOUT_VERSION})
            connection.commit()
            return
    if found is None:
        raise NoStoreError(f"{name} is no store of mibench; `mibench run --store FILE` makes one")
    if found != LAYOUT_VERSION:
        remedy = "start a new one with --store FILE, or read it with the mibench that made it"
        if found > LAYOUT_VERSION:
            remedy = "upgrade mibench, or start a new one with --store FILE"
        versions = f"of schema version {found}, and this mibench reads version {LAYOUT_VERSION}"
        raise MibenchError(f"the store {name} is {versions}; {remedy}")


def _version_of(connection: sa.Connection, name: str) -> int | None:
    """Return the schema version of the store in a database; None where there is no store."""
    inspector = sa.inspect(connection)
    tables = set(inspector.get_table_names())
    if VERSION.name in tables:
        return connection.scalar(sa.select(VERSION.c.version)) or 0
    table, columns = _FIRST_VERSION
    if table in tables and columns <= {column["name"] for column in inspector.get_columns(table)}:
        return 1
    if tables and connection.dialect.name == "sqlite":  # servers have databases for several purposes, files have not
        raise MibenchError(f"{name} is a database of something else; give another file with --store")
    return None
