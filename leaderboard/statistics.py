"""The statistics of every cell: bias, standard deviation and RMSE with their intervals, failures by kind, and cost."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mibench.record import STATUSES

from .error_statistics import ERROR_COLUMNS, error_statistics, with_interval
from .front import on_front
from .intervals import share_interval
from .records import CELL

NOT_OK = tuple(status for status in STATUSES if status != "ok")
CELL_COLUMNS = {
    "task": "canonical spec of the task",
    "mi_true": "its mutual information, nats",
    "estimator": "canonical spec of the estimator",
    "baseline": "whether it brackets the table instead of competing",
    "bound": "lower, upper or empty: the side of the MI that the method bounds",
    "n_samples": "draws a replicate",
    "seed": "seed of the run",
    "replicates": "records counted",
    "ok": "records with a finite estimate; all statistics below rest on these",
    "status": "ok (all are), partial (some are), or the most frequent failure where none is",
    "share_failed": "share of the replicates that ended as error, timeout, oom, crash or nan",
    "share_skipped": "share of the replicates that the estimator declined",
    **{f"n_{status}": f"replicates that ended as {status}" for status in NOT_OK},
    **with_interval("share_failed"),
    **ERROR_COLUMNS,
    "on_front": "whether no estimator without a failure is both more efficient and faster here",
    "seconds": "median seconds an estimate, amortised over the batch",
    "seconds_solo": "median seconds of a replicate that ran alone, where measured",
    "peak_memory_mb": "largest peak memory of a replicate, failed ones included",
    "device": "where it ran; several, separated by commas, where they differ",
    "reason": "first message of the most frequent failure",
    "estimator_params": "all hyperparameters, JSON",
    "estimator_source": "hash of the estimator's code",
    "task_fingerprint": "digest of the task's first draws",
}


def cell_statistics(records: pd.DataFrame) -> pd.DataFrame:
    """Return one row a cell, with the columns of `CELL_COLUMNS`, sorted by n_samples, seed, task and estimator.

    `records` are those of `records.current_records`. What the ok replicates cannot give is NaN: all of it without one,
    the standard deviation with a single one, and intervals as `intervals` has it.
    """
    parts = [_facts(records), _outcomes(records), error_statistics(records), _costs(records)]
    table = pd.concat(parts, axis=1)
    whole = table["status"] == "ok"
    table["on_front"] = False
    table.loc[whole, "on_front"] = on_front(table[whole], ["task", "n_samples", "seed"])
    return table.sort_values(["n_samples", "seed", "task", "estimator"], ignore_index=True)[list(CELL_COLUMNS)]


def _facts(records: pd.DataFrame) -> pd.DataFrame:
    """Take what the records of each cell have in common, with text as str; the index is `cell`, as of all parts."""
    texts = ["bound", "estimator_params", "estimator_source", "task_fingerprint"]
    last = np.flatnonzero(np.diff(records["cell"], append=-1))
    facts = records.take(last).set_index("cell")[[*CELL, "mi_true", "baseline", *texts]]
    return facts.astype({name: str for name in facts if facts[name].dtype == "category"})


def _outcomes(records: pd.DataFrame) -> pd.DataFrame:
    """Count how the replicates of each cell ended; columns replicates, one a status, the shares, status and reason."""
    place = records["cell"].to_numpy() * len(STATUSES) + _codes(records["status"])
    table = np.bincount(place, minlength=len(STATUSES) * (records["cell"].iloc[-1] + 1)).reshape(-1, len(STATUSES))
    counts = pd.DataFrame(table, columns=list(STATUSES)).rename_axis("cell")
    failures = counts[list(NOT_OK)]
    replicates = counts.sum(axis=1)
    leading = failures.idxmax(axis=1)
    status = np.select([counts["ok"] == replicates, counts["ok"] > 0], ["ok", "partial"], default=leading)
    named = failures.add_prefix("n_").assign(ok=counts["ok"])
    failed = failures.drop(columns="skipped").sum(axis=1)
    low, high = share_interval(failed, replicates)
    return named.assign(
        replicates=replicates,
        status=status,
        share_failed=failed / replicates,
        share_failed_low=low,
        share_failed_high=high,
        share_skipped=failures["skipped"] / replicates,
        reason=_reasons(records, leading).reindex(counts.index, fill_value=""),
    )


def _codes(statuses: pd.Series) -> NDArray[np.intp]:
    return pd.Index(STATUSES).get_indexer(pd.Index(statuses))


def _reasons(records: pd.DataFrame, leading: pd.Series) -> pd.Series:
    told = records.loc[(records["status"] != "ok") & (records["message"] != ""), ["cell", "status", "message"]]
    told = told[told["status"].astype(str) == told["cell"].map(leading)]
    return told.astype({"message": str}).groupby("cell")["message"].first()


def _costs(records: pd.DataFrame) -> pd.DataFrame:
    """Take the median seconds of the ok replicates of each cell, the largest memory of all, and the devices."""
    cells = records.groupby("cell")
    seconds = records[["seconds_amortised", "seconds_solo"]].where(records["status"] == "ok")
    return (
        seconds.groupby(records["cell"])
        .median()
        .set_axis(["seconds", "seconds_solo"], axis=1)
        .assign(
            peak_memory_mb=cells["peak_memory_mb"].max(),
            device=_devices(records),
        )
    )


def _devices(records: pd.DataFrame) -> pd.Series:
    """Name the devices of each cell in order, with commas between; nothing where none is known."""
    pairs = records[["cell", "device"]].drop_duplicates().astype({"device": object})
    names: dict[int, str] = dict.fromkeys(pairs["cell"].tolist(), "")
    for cell, device in sorted(zip(pairs["cell"].tolist(), pairs["device"].tolist(), strict=True)):
        names[cell] += f", {device}" if names[cell] else device
    return pd.Series(names, dtype=str)
