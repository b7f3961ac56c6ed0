"""The store: a database of records, none of which is ever half written or held twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from mibench.errors import MibenchError
from mibench.record import SCHEMA_VERSION, Record

if TYPE_CHECKING:
    import pandas as pd

_METADATA = sa.MetaData()
_KINDS: dict[str, Any] = {
    "int": sa.BigInteger,
    "int | None": sa.BigInteger,
    "float": sa.Float,
    "float | None": sa.Float,
    "bool": sa.Boolean,
    "str": sa.Text,
    "str | None": sa.Text,
}
_CHUNK = 500  # keys in one statement, below every database's limit


def _annotation(hint: object) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)


_RECORDS = sa.Table(
    "records",
    _METADATA,
    sa.Column("key", sa.String(40), primary_key=True),
    *(sa.Column(name, _KINDS[_annotation(hint)]) for name, hint in Record.__annotations__.items()),
)


class Store:
    """Records under their unique key, in a file (SQLite) or any database that SQLAlchemy reaches."""

    def __init__(self, engine: sa.Engine, name: str) -> None:
        self._engine = engine
        self.name = name

    @classmethod
    def open(cls, where: str | Path | None, create: bool = True) -> Store:
        """Open the store at a path or a database URL; None keeps it in memory.

        Raises `MibenchError` where there is none (unless `create`), or what is there is no store of this schema.
        """
        if where is None:
            shared = {"check_same_thread": False}
            memory = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool, connect_args=shared)
            _METADATA.create_all(memory)
            return cls(memory, "memory")
        text = str(where)
        if "://" not in text:
            _check_path(Path(text), create)
            text = f"sqlite:///{text}"
        try:
            engine = sa.create_engine(text)
            _check_schema(engine, str(where), create)
        except MibenchError:
            raise
        except (sa.exc.SQLAlchemyError, ImportError, ValueError) as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise MibenchError(f"the store {where} cannot be opened: {reason}; give a path or a database URL") from None
        return cls(engine, str(where))

    def add(self, records: Sequence[Record]) -> None:
        """Write records in one transaction, in the place of those that have the same key."""
        rows = [{"key": record.key, **asdict(record)} for record in records]
        with self._engine.begin() as connection:
            for keys in _chunks([row["key"] for row in rows]):
                connection.execute(_RECORDS.delete().where(_RECORDS.c.key.in_(keys)))
            if rows:
                connection.execute(_RECORDS.insert(), rows)

    def statuses(self, keys: Iterable[str]) -> dict[str, tuple[str, float | None]]:
        """Return the status and solo seconds of those `keys` that are stored."""
        columns = (_RECORDS.c.key, _RECORDS.c.status, _RECORDS.c.seconds_solo)
        found: dict[str, tuple[str, float | None]] = {}
        with self._engine.connect() as connection:
            for chunk in _chunks(list(keys)):
                rows = connection.execute(sa.select(*columns).where(_RECORDS.c.key.in_(chunk)))
                found.update({key: (status, solo) for key, status, solo in rows})
        return found

    def timings(self) -> list[tuple[str, str, int, float]]:
        """Return (estimator, task, n_samples, mean amortised seconds) of what is stored and ok."""
        by = (_RECORDS.c.estimator, _RECORDS.c.task, _RECORDS.c.n_samples)
        query = sa.select(*by, sa.func.avg(_RECORDS.c.seconds_amortised)).where(_RECORDS.c.status == "ok").group_by(*by)
        with self._engine.connect() as connection:
            return [(str(e), str(t), int(n), float(s)) for e, t, n, s in connection.execute(query)]

    def to_frame(self, keys: Iterable[str] | None = None) -> pd.DataFrame:
        """Return one row a record, ordered by task, n, estimator and replicate; those of `keys` alone if given."""
        import pandas as pd

        columns = [column for column in _RECORDS.c if column.name != "key"]
        with self._engine.connect() as connection:
            if keys is None:
                rows = list(connection.execute(sa.select(*columns)))
            else:
                rows = []
                for chunk in _chunks(list(keys)):
                    rows += connection.execute(sa.select(*columns).where(_RECORDS.c.key.in_(chunk)))
        frame = pd.DataFrame(rows, columns=[column.name for column in columns])
        return frame.sort_values(["task", "n_samples", "estimator", "replicate"], ignore_index=True)

    def close(self) -> None:
        """Release the connections."""
        self._engine.dispose()


def _check_path(path: Path, create: bool) -> None:
    if not create and not path.is_file():
        raise MibenchError(f"there is no store {path}; `mibench run --store {path}` makes one")
    if not path.parent.is_dir():
        raise MibenchError(f"the store {path} cannot be made: there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise MibenchError(f"the store {path} is a folder; give the path of a file")


def _check_schema(engine: sa.Engine, name: str, create: bool) -> None:
    inspector = sa.inspect(engine)
    if not inspector.has_table(_RECORDS.name):
        if not create:
            raise MibenchError(f"{name} is no store of mibench; `mibench run --store FILE` makes one")
        if engine.dialect.name == "sqlite":
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        _METADATA.create_all(engine)
        return
    present = {column["name"] for column in inspector.get_columns(_RECORDS.name)}
    if present != set(_RECORDS.c.keys()):
        raise MibenchError(f"the store {name} is not of schema version {SCHEMA_VERSION}; start a new one with --store")


def _chunks(keys: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(keys), _CHUNK):
        yield keys[start : start + _CHUNK]
