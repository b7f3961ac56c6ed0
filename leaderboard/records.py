"""The records that count: checked, one version of the code and data a cell, one record a replicate.

A million records hold a few thousand texts. Inside, text is Categorical, and what decides over versions is looked at
once a version, not once a record.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mibench.errors import MibenchError
from mibench.record import STATUSES

from .reading import NAMES, NUMBERS, REQUIRED, TEXTS, WHOLE

Numbers = NDArray[np.integer[Any]]
CELL = ["task", "estimator", "n_samples", "seed"]
CODE = ["estimator_params", "estimator_source"]
LATE = ["started_at", "task_fingerprint", *CODE]  # the order of versions; the later ones decide on equal dates
VERSION = ["task", "mi_true", "estimator", "n_samples", *LATE]


def current_records(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the records that count, with their `error` in nats (NaN where not ok), and notes on what was left out.

    Of a task, the records of the fingerprint that was run last are kept; of an estimator on a task at one n, those of
    the parameters and source that were run last; of a replicate, the last. They are in the order of `CELL` and
    replicate, and `cell` numbers their cells from 0 in that order: to group by it is fast. Text that is given as
    Categorical stays so. Raises `MibenchError` where columns are missing, a status is unknown or there is no record.
    """
    records = _checked(frame)
    notes: list[str] = []
    version, versions = _versions(records)
    current = _latest_code(_latest_data(versions, notes), notes)
    is_current = np.zeros(len(versions), dtype=bool)
    is_current[current.index] = True
    kept = np.flatnonzero(is_current[version])
    last = _last_of_each_replicate(records, kept, versions["rank"].to_numpy()[version])
    if len(last) < len(kept):
        notes.append(f"{len(kept) - len(last)} records of replicates that were run again are left out.")
    if not np.array_equal(last, np.arange(len(records))):
        records, version = records.take(last).reset_index(drop=True), version[last]
    notes.extend(_caveats(records, current[np.bincount(version, minlength=len(versions))[current.index] > 0]))
    for column in ("mi_true", "started_at"):
        records[column] = current[column].reindex(versions.index).array.take(version)
    errors = (records["estimate"] - records["mi_true"]).where(records["status"] == "ok")
    records = records.assign(cell=_numbers(records, CELL), error=errors)
    return records.astype({name: _given(frame, name) for name in (*NAMES, *TEXTS)}), notes


def _checked(frame: pd.DataFrame) -> pd.DataFrame:
    if frame.empty:
        raise MibenchError("the store has no records; run `mibench run` first")
    require(frame, REQUIRED)
    unknown = sorted(set(frame["status"].drop_duplicates().astype(str)) - set(STATUSES))
    if unknown:
        raise MibenchError(f"unknown status {unknown[0]!r} in the records; known: {', '.join(STATUSES)}")
    records = with_whole_numbers(frame.reset_index(drop=True))
    if not np.isfinite(pd.to_numeric(records["mi_true"], errors="coerce").astype(float)).all():
        raise MibenchError("the records hold a mi_true that is no finite number; give one row a replicate")
    for column in NUMBERS:
        records[column] = pd.to_numeric(_column(records, column), errors="coerce").astype(float)
    for column in (*NAMES, *TEXTS):
        records[column] = _each_value(_column(records, column), _text)
    records["baseline"] = are_baselines(records)
    records["started_at"] = _column(records, "started_at")
    _fail_what_is_not_finite(records)
    return records


def require(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raise `MibenchError` where a frame of records lacks a column, or has one twice."""
    remedy = "give one row a replicate, as Store.to_frame() does"
    if missing := [column for column in columns if column not in frame.columns]:
        raise MibenchError(f"the records lack {', '.join(missing)}; {remedy}")
    if twice := sorted(set(frame.columns[frame.columns.duplicated()].astype(str))):
        raise MibenchError(f"the records have several columns {', '.join(twice)}; {remedy}")


def with_whole_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Return records with n_samples, seed and replicate as integers; `MibenchError` where one is none."""
    return frame.assign(**{column: _whole(frame[column]) for column in WHOLE if column in frame.columns})


def _whole(column: pd.Series) -> pd.Series:
    if pd.api.types.is_integer_dtype(column) and not column.hasnans:
        return column.astype(np.int64)
    numbers = pd.to_numeric(column, errors="coerce")
    if not (np.isfinite(numbers.astype(float)) & (numbers == numbers.round())).all():
        raise MibenchError(f"the records hold a {column.name} that is no whole number; give one row a replicate")
    return numbers.astype(np.int64)


def is_oracle(estimator: str) -> bool:
    """Return whether a spec is of the oracle, whatever its arguments."""
    return estimator.partition("(")[0] == "oracle"


def are_baselines(records: pd.DataFrame) -> "pd.Series[bool]":
    """Return which records are of baselines; none that does not say so."""
    said = _each_value(_column(records, "baseline"), lambda value: str(value).lower() in ("true", "1", "1.0"))
    return said.astype(bool)


def are_of_oracle(records: pd.DataFrame) -> "pd.Series[bool]":
    """Return which of `current_records` are of the oracle."""
    names = [name for name in records["estimator"].unique() if is_oracle(name)]
    return records["baseline"] & records["estimator"].isin(names)


def _column(records: pd.DataFrame, name: str) -> pd.Series:
    return records[name] if name in records.columns else pd.Series(None, index=records.index, dtype=object)


def _each_value(column: pd.Series, function: Callable[[Any], Any]) -> pd.Series:
    """Map a column of many records and few values, to a Categorical with its categories in order."""
    if column.dtype == "category":
        codes, values = column.cat.codes.to_numpy(), list(column.cat.categories)
        if column.cat.categories.is_monotonic_increasing and values == [*map(function, values)] and (codes >= 0).all():
            return column
        if (codes < 0).any():
            values.append(None)  # the last, which -1 stands for
    else:
        codes, found = pd.factorize(column, use_na_sentinel=False)
        values = list(found)
    return pd.Series([function(value) for value in values]).astype("category").take(codes).set_axis(column.index)


def _text(value: Any) -> str:
    """Return what UTF-8 can hold of a value; nothing where it is missing."""
    return "" if pd.isna(value) else str(value).encode(errors="replace").decode()


def _given(frame: pd.DataFrame, name: str) -> Any:
    """Return what kind of column of text `name` is in `frame`: Categorical, or plain."""
    if name in frame.columns and (frame[name].dtype == "category"):
        return "category"
    return frame[name].dtype if name in NAMES and not pd.api.types.is_numeric_dtype(frame[name]) else str


def _fail_what_is_not_finite(records: pd.DataFrame) -> None:
    not_finite = (records["status"] == "ok") & ~np.isfinite(records["estimate"])
    silent = not_finite & (records["message"] == "")
    said = "the estimate is not a finite number"
    for column, where, value in (("message", silent, said), ("status", not_finite, "nan")):
        if where.any():
            records[column] = records[column].astype(object).mask(where, value).astype("category")


def _numbers(records: pd.DataFrame, columns: Sequence[str], **options: Any) -> Numbers:
    """Return the number of each row's values in `columns`, in their order from 0; -1 where one is not known.

    `options` are those of ``groupby``. Records of a cell mostly follow each other: of a run of rows that are alike, the
    first is looked at.
    """
    opens = np.zeros(len(records), dtype=bool)
    opens[:1] = True
    for name in columns:
        values = _comparable(records[name])
        opens[1:] |= values[1:] != values[:-1]
    first = np.flatnonzero(opens)
    found = records[list(columns)].take(first).groupby(list(columns), observed=True, **options).ngroup()
    return np.repeat(found.to_numpy(), np.diff(first, append=len(records)))


def _comparable(column: pd.Series) -> NDArray[Any]:
    if column.dtype == "category":
        return column.cat.codes.to_numpy()
    return column.to_numpy() if pd.api.types.is_numeric_dtype(column) else pd.factorize(column)[0]


def _versions(records: pd.DataFrame) -> tuple[Numbers, pd.DataFrame]:
    """Return the number of each record's version, and the versions: how many records each has, and their `rank`.

    A version is what records with the same values in `VERSION` have in common; these are in the order in which they
    ran, and among equals, which share a rank, in that of their last records.
    """
    found = _numbers(records, VERSION, dropna=False, sort=False)
    last = np.zeros(found.max() + 1, dtype=np.int64)
    last[found] = np.arange(len(found))  # of several, the last one stays
    last.sort()
    versions = records.loc[last, VERSION].assign(found=found[last], records=np.bincount(found)[found[last]])
    versions["started_at"] = _dates(versions)
    versions = versions.sort_values(LATE, na_position="first", kind="stable")
    versions["rank"] = versions.groupby(LATE, dropna=False, observed=True, sort=False).ngroup()
    number = np.empty(len(versions), dtype=np.int64)
    number[versions.pop("found")] = np.arange(len(versions))
    return number[found], versions.reset_index(drop=True)


def _dates(versions: pd.DataFrame) -> "pd.Series[pd.Timestamp]":
    """Return when each version was started; one that does not say, as a killed one may not, is as late as its code."""
    told = versions["started_at"].astype(str)
    known = pd.to_datetime(told, utc=True, format="ISO8601", errors="coerce")
    latest = known.groupby([versions[name] for name in ("estimator", *CODE)], observed=True).transform("max")
    return known.fillna(latest)


def _latest_data(versions: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    tasks = versions.groupby("task", observed=True)
    keep = versions["task_fingerprint"] == tasks["task_fingerprint"].transform("last")
    for task, count in versions[~keep].groupby("task", observed=True)["records"].sum().items():
        notes.append(f"{task}: {count} records of an earlier version of its data are left out.")
    kept = versions[keep]
    truth = kept.groupby("task", observed=True)["mi_true"].transform("last")
    if (truth != kept["mi_true"]).any():
        changed = sorted(kept.loc[truth != kept["mi_true"], "task"].unique())
        notes.append(f"{', '.join(changed)}: the true MI was revised; errors are taken from the latest value.")
    return kept.assign(mi_true=truth)


def _latest_code(versions: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    latest = versions.groupby(["task", "estimator", "n_samples"], observed=True)[CODE].transform("last")
    keep = (versions[CODE] == latest).all(axis=1)
    for estimator, old in versions[~keep].groupby("estimator", observed=True):
        number, count = old["task"].nunique(), old["records"].sum()
        where = f"on {number} task{'s' * (number > 1)}"
        notes.append(f"{estimator}: {count} records of earlier code or parameters ({where}) are left out.")
    return versions[keep]


def renumbered(records: pd.DataFrame) -> pd.DataFrame:
    """Return records that were selected from those of `current_records`, with their cells numbered from 0 again."""
    return records.assign(cell=_numbers(records, CELL)).sort_values(["cell", "replicate"], ignore_index=True)


def _last_of_each_replicate(records: pd.DataFrame, kept: Numbers, rank: Numbers) -> Numbers:
    """Return the places of the records that ran last, of those at `kept`, in the order of `CELL` and replicate."""
    cell, replicate = _numbers(records, CELL)[kept], records["replicate"].to_numpy()[kept]
    if _increasing(cell, replicate).all():  # as the store gives them
        return kept
    order = np.lexsort((rank[kept], replicate, cell))
    last = np.append(_increasing(cell[order], replicate[order]), True)
    return np.asarray(kept[order][last])


def _increasing(cell: Numbers, replicate: Numbers) -> NDArray[np.bool_]:
    """Return whether each record but the last is followed by one of a later cell, or of a later replicate."""
    return np.asarray((np.diff(cell) > 0) | ((np.diff(cell) == 0) & (np.diff(replicate) > 0)))


def _caveats(records: pd.DataFrame, versions: pd.DataFrame) -> Iterator[str]:
    codes = versions.drop_duplicates(["estimator", *CODE]).groupby("estimator", observed=True).size()
    for estimator, count in codes[codes > 1].items():
        yield f"{estimator}: its cells come from {count} versions of its code or parameters."
    hosts = sorted(set(records["host"].unique()) - {""})
    if len(hosts) > 1:
        yield f"seconds were measured on {len(hosts)} hosts and do not compare across them: {', '.join(hosts)}."
