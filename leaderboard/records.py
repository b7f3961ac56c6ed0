"""The records that count: checked, one version of the code and data a cell, one record a replicate."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from mibench.errors import MibenchError
from mibench.record import STATUSES

CELL = ["task", "estimator", "n_samples", "seed"]
REQUIRED = ["task", "mi_true", "estimator", "n_samples", "replicate", "seed", "status", "estimate"]
TEXTS = ["task_fingerprint", "estimator_params", "estimator_source", "bound", "message", "device", "host"]
NUMBERS = ["mi_true", "estimate", "seconds_amortised", "seconds_solo", "peak_memory_mb"]
CODE = ["estimator_params", "estimator_source"]


def current_records(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the records that count, with their `error` in nats (NaN where not ok), and notes on what was left out.

    Of a task, the records of the fingerprint that was run last are kept; of an estimator on a task at one n, those of
    the parameters and source that were run last; of a replicate, the last. Raises `MibenchError` where columns are
    missing, a status is unknown or there is no record.
    """
    records = _checked(frame)
    notes: list[str] = []
    records = _latest_data(records, notes)
    records = _latest_code(records, notes)
    last = records.drop_duplicates([*CELL, "replicate"], keep="last")
    if len(last) < len(records):
        notes.append(f"{len(records) - len(last)} records of replicates that were run again are left out.")
    notes.extend(_caveats(last))
    errors = (last["estimate"] - last["mi_true"]).where(last["status"] == "ok")
    return last.assign(error=errors).sort_values([*CELL, "replicate"], ignore_index=True), notes


def _checked(frame: pd.DataFrame) -> pd.DataFrame:
    missing = [column for column in REQUIRED if column not in frame.columns]
    if frame.empty:
        raise MibenchError("the store has no records; run `mibench run` first")
    if missing:
        raise MibenchError(f"the records lack {', '.join(missing)}; give one row a replicate, as Store.to_frame() does")
    unknown = sorted(set(frame["status"].astype(str)) - set(STATUSES))
    if unknown:
        raise MibenchError(f"unknown status {unknown[0]!r} in the records; known: {', '.join(STATUSES)}")
    records = frame.reset_index(drop=True)
    for column in TEXTS:
        records[column] = _each_value(_column(records, column), lambda value: "" if pd.isna(value) else str(value))
    for column in NUMBERS:
        records[column] = pd.to_numeric(_column(records, column), errors="coerce").astype(float)
    records["baseline"] = _each_value(_column(records, "baseline"), lambda value: not pd.isna(value) and bool(value))
    records["started_at"] = _dates(records)
    _fail_what_is_not_finite(records)
    return records.sort_values(["started_at", "task_fingerprint", *CODE], na_position="first", kind="stable")


def _column(records: pd.DataFrame, name: str) -> pd.Series:
    return records[name] if name in records.columns else pd.Series(None, index=records.index, dtype=object)


def _each_value(column: pd.Series, function: Callable[[Any], Any]) -> pd.Series:
    """Map a column of many records and few values."""
    codes, values = pd.factorize(column, use_na_sentinel=False)
    return pd.Series(np.array([function(value) for value in values])[codes], index=column.index)


def _dates(records: pd.DataFrame) -> "pd.Series[pd.Timestamp]":
    """Return when each record was started; one that does not say, as a killed one may not, is as late as its code."""
    known = pd.to_datetime(_column(records, "started_at"), utc=True, format="ISO8601", errors="coerce")
    latest = known.groupby([records[name] for name in ("estimator", *CODE)]).transform("max")
    return known.fillna(latest)


def _fail_what_is_not_finite(records: pd.DataFrame) -> None:
    not_finite = (records["status"] == "ok") & ~np.isfinite(records["estimate"])
    records.loc[not_finite & (records["message"] == ""), "message"] = "the estimate is not a finite number"
    records.loc[not_finite, "status"] = "nan"


def _latest_data(records: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    keep = records["task_fingerprint"] == records.groupby("task")["task_fingerprint"].transform("last")
    for task, count in records.loc[~keep, "task"].value_counts().sort_index().items():
        notes.append(f"{task}: {count} records of an earlier version of its data are left out.")
    kept = records[keep]
    truth = kept.groupby("task")["mi_true"].transform("last")
    if (truth != kept["mi_true"]).any():
        changed = sorted(kept.loc[truth != kept["mi_true"], "task"].unique())
        notes.append(f"{', '.join(changed)}: the true MI was revised; errors are taken from the latest value.")
    return kept.assign(mi_true=truth)


def _latest_code(records: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    latest = records.groupby(["task", "estimator", "n_samples"])[CODE].transform("last")
    keep = (records[CODE] == latest).all(axis=1)
    for estimator, old in records[~keep].groupby("estimator"):
        number = old["task"].nunique()
        where = f"on {number} task{'s' * (number > 1)}"
        notes.append(f"{estimator}: {len(old)} records of earlier code or parameters ({where}) are left out.")
    return records[keep]


def _caveats(records: pd.DataFrame) -> Iterator[str]:
    versions = records.drop_duplicates(["estimator", *CODE])["estimator"].value_counts().sort_index()
    for estimator, count in versions[versions > 1].items():
        yield f"{estimator}: its cells come from {count} versions of its code or parameters."
    hosts = sorted(set(records["host"]) - {""})
    if len(hosts) > 1:
        yield f"seconds were measured on {len(hosts)} hosts and do not compare across them: {', '.join(hosts)}."
