"""Reading records: a store, a CSV file or what ships with mibench, and what filters select of them."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from mibench.errors import MibenchError, suggest
from mibench.spec import parse, split_list

if TYPE_CHECKING:
    import pandas as pd

PUBLISHED = "published"  # in place of a store: the records that ship with mibench
REQUIRED = ["task", "mi_true", "estimator", "n_samples", "replicate", "seed", "status", "estimate"]
NAMES = ["task", "estimator", "status"]
TEXTS = ["task_fingerprint", "estimator_params", "estimator_source", "bound", "message", "device", "host"]
WHOLE = ["n_samples", "seed", "replicate"]
NUMBERS = ["mi_true", "estimate", "seconds_amortised", "seconds_solo", "peak_memory_mb"]
USED = list(dict.fromkeys([*REQUIRED, *TEXTS, *NUMBERS, "baseline", "started_at"]))  # of a record's columns


def read_records(
    store: str,
    tasks: Sequence[str] | None = None,
    estimators: Sequence[str] | None = None,
    samples: str | None = None,
    columns: Sequence[str] | None = None,
) -> "pd.DataFrame":
    """Return the records at `store` that the filters select; None selects all.

    `store` is a store, a CSV file of records, or `PUBLISHED`. Of a large store, `columns` alone are read in less time,
    with text as Categorical, where they are given. Raises `MibenchError` where there is no store or no
    record in it, or where a filter selects nothing.
    """
    frame = _read(store, columns)
    if frame.empty:
        raise MibenchError("the store has no records; run `mibench run` first")
    return select(frame, tasks, estimators, samples)


@contextmanager
def naming(store: str, side: str = "") -> Iterator[None]:
    """Name the store, after its `side`, in an error that does not."""
    try:
        yield
    except MibenchError as error:
        raise MibenchError(str(error) if store in str(error) else f"{side}{store}: {error}") from None


def _read(store: str, columns: Sequence[str] | None) -> "pd.DataFrame":
    if store == PUBLISHED:
        from .published import published_records

        return published_records()
    return read_csv(store) if store.endswith((".csv", ".csv.gz")) else _read_store(store, columns)


def _read_store(store: str, columns: Sequence[str] | None) -> "pd.DataFrame":
    from mibench.store import Store

    with closing(Store.open(store, create=False)) as opened:
        return opened.to_frame(columns=columns)


def read_csv(file: str) -> "pd.DataFrame":
    """Read records as ``to_frame().to_csv(file)`` writes them."""
    import zlib

    import pandas as pd

    try:
        frame = pd.read_csv(file, keep_default_na=False, na_values=[""])
    except (OSError, ValueError, EOFError, zlib.error) as error:  # ParserError and EmptyDataError are ValueErrors
        raise MibenchError(f"{file} cannot be read as records: {' '.join(str(error).split())}") from None
    return frame


def select(
    frame: "pd.DataFrame",
    tasks: Sequence[str] | None = None,
    estimators: Sequence[str] | None = None,
    samples: str | None = None,
) -> "pd.DataFrame":
    """Return the rows of `frame` (one a replicate) that all filters select, and the baselines beside them."""
    from .records import are_baselines, require, with_whole_numbers

    given = ((tasks, "task"), (estimators, "estimator"), (samples, "n_samples"))
    require(frame, [column for option, column in given if option is not None])
    if tasks:
        frame = frame[_matching(frame["task"], tasks, "task")]
    if estimators:
        chosen = _matching(frame["estimator"], estimators, "estimator")
        frame = frame[chosen | are_baselines(frame)]
    if samples is not None:
        frame = frame[_matching(with_whole_numbers(frame)["n_samples"].astype(str), [samples], "samples")]
    return frame


def _matching(names: "pd.Series[str]", patterns: Sequence[str], option: str) -> "pd.Series[bool]":
    """Return which of `names` any of `patterns` selects; each of them must select one."""
    names = names.astype(str)
    known = sorted(names.unique(), key=lambda name: (int(name) if option == "samples" else 0, name))
    chosen: set[str] = set()
    given = split_list(",".join(patterns))
    if not given:
        raise MibenchError(f"--{option} names nothing; {suggest('', known)}")
    for pattern in given:
        spelled = _canonical(option, pattern)
        matched = {name for name in known if name in spelled or fnmatchcase(name, pattern)}
        if not matched:
            raise MibenchError(f"--{option} {pattern!r} selects no record; {suggest(pattern, known)}")
        chosen |= matched
    return names.isin(chosen)


def _canonical(option: str, pattern: str) -> set[str]:
    """Return the names that a suite or spec stands for, as the store spells them, and `pattern` itself.

    A spec that cannot be built here, of a plugin say, is only brought into the form in which specs are printed.
    """
    from mibench.selection import select_estimators, select_tasks

    names = {pattern}
    with suppress(MibenchError):
        names.add(str(parse(pattern)))
    with suppress(MibenchError):
        names |= {each.name for each in (select_tasks if option == "task" else select_estimators)(pattern)}
    return names
