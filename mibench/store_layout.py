"""How a database holds records: what those of a cell, of a call or of one installation have in common is held once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from mibench.errors import MibenchError
from mibench.record import CELL, COLUMNS, SCHEMA_VERSION, Record

ORIGIN = ("mi_true", "baseline", "bound", "threads", "host", "mibench_version", "library_versions", "git_commit")
CALL = ("status", "message", "batch", "device", "started_at")
REPLICATE = tuple(name for name in COLUMNS if name not in {*CELL, *ORIGIN, *CALL})
ORDER = ("task", "n_samples", "estimator", "replicate")  # of the records in a frame
_TYPES: dict[str, Any] = {"int": sa.BigInteger, "float": sa.Double, "bool": sa.Boolean, "str": sa.Text}
_FIRST_VERSION = ("records", {"key", "task_fingerprint", "estimator_source", "schema_version"})


class NoStoreError(MibenchError):
    """There is no store yet where one is to be read."""


def _columns(names: Sequence[str]) -> list[sa.Column[Any]]:
    hints = {name: getattr(hint, "__name__", None) or str(hint) for name, hint in Record.__annotations__.items()}
    return [sa.Column(name, _TYPES[hints[name].removesuffix(" | None")]) for name in names]


def _identity() -> sa.Column[int]:
    return sa.Column("id", sa.Integer, primary_key=True)


def _key() -> sa.Column[str]:
    return sa.Column("key", sa.String(40), nullable=False, unique=True)


METADATA = sa.MetaData()
VERSION = sa.Table("mibench_schema", METADATA, sa.Column("version", sa.Integer, nullable=False))
CELLS = sa.Table("mibench_cells", METADATA, _identity(), _key(), *_columns(CELL))
ORIGINS = sa.Table("mibench_origins", METADATA, _identity(), _key(), *_columns(ORIGIN))
CALLS = sa.Table(
    "mibench_calls",
    METADATA,
    _identity(),
    sa.Column("origin", sa.ForeignKey(ORIGINS.c.id), nullable=False),
    *_columns(CALL),
)
RECORDS = sa.Table(
    "mibench_records",
    METADATA,
    sa.Column("cell", sa.ForeignKey(CELLS.c.id), nullable=False),
    sa.Column("call", sa.ForeignKey(CALLS.c.id), nullable=False),
    *_columns(REPLICATE),
    sa.PrimaryKeyConstraint("cell", "replicate"),  # cells follow each other, so a store grows at its end
    sqlite_with_rowid=False,
)


def wanted(table: sa.Table, columns: Sequence[str] | None) -> list[sa.Column[Any]]:
    """Return the columns of a table that give `columns` of the records, all by default, and those that join tables."""
    needed = {"id", "cell", "call", "origin", *ORDER, *(columns or COLUMNS)}
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
            connection.execute(VERSION.insert(), {"version": SCHEMA_VERSION})
            connection.commit()
            return
    if found is None:
        raise NoStoreError(f"{name} is no store of mibench; `mibench run --store FILE` makes one")
    if found != SCHEMA_VERSION:
        remedy = "start a new one with --store FILE, or read it with the mibench that made it"
        if found > SCHEMA_VERSION:
            remedy = "upgrade mibench, or start a new one with --store FILE"
        versions = f"of schema version {found}, and this mibench reads version {SCHEMA_VERSION}"
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
