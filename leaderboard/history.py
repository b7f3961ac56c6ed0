"""How each estimator's error and seconds went from commit to commit, on the cells that all of its commits have."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd

from mibench.bias_interval import bias_interval
from mibench.errors import MibenchError
from mibench.record import FAILURES

from .commits import commits_of, few
from .comparison import Comparison
from .records import CELL, renumbered
from .shared import DATA, of_each_commit, shared_records
from .stacks import Codes, stacks
from .statistics import cell_statistics

EXACT = 1e-9  # nats; an RMSE below it is rounding
STEP = ["estimator", "position"]
VERDICTS = ["worse", "better", "inconclusive", "equivalent"]  # on a commit: the first that any cell has
ESTIMATOR_COLUMNS = {
    "estimator": "canonical spec of the estimator",
    "position": "place of the commit in the order",
    "name": "the commit for short",
    "cells": "cells that all commits of the estimator have; everything below rests on these",
    "replicates": "replicates in them that all of its commits have",
    "failed": "those that failed",
    "new_failures": "those that failed or were declined and had an estimate at its previous commit",
    "error": "geometric mean over cells of RMSE / RMSE at its first commit, on replicates with an estimate at both",
    "error_low": "lower end of its 95 % interval (of the mean logarithm over cells); NaN below three cells",
    "error_high": "upper end of it",
    "error_cells": "cells with such a ratio",
    "verdict": "on the change from its previous commit: the first of `VERDICTS` that any cell has",
    "worse": "cells whose verdict it is",
    "better": "cells whose verdict it is",
    "seconds": "geometric mean over cells of seconds / seconds at its first commit, of one host and device",
    "seconds_low": "lower end of its 95 % interval",
    "seconds_high": "upper end of it",
    "seconds_cells": "cells with such a ratio",
}
CELL_COLUMNS = {
    "estimator": "canonical spec of the estimator",
    "task": "canonical spec of the task",
    "mi_true": "its mutual information, nats",
    "n_samples": "draws a replicate",
    "seed": "seed of the run",
    "position": "place of the commit in the order",
    "name": "the commit for short",
    "commit": "the commit",
    "replicates": "replicates that all commits of the estimator have",
    "ok": "those with an estimate",
    "failed": "those that failed; the others were declined",
    "rmse": "root mean square error of these, nats",
    "rmse_low": "lower end of its 95 % interval, nats",
    "rmse_high": "upper end of it, nats",
    "error": "RMSE / RMSE at the first commit, on replicates with an estimate at both",
    "verdict": "on the change from the previous commit, as `mibench compare` says; empty at the first",
    "change": "mean difference of absolute errors from the previous commit, nats",
    "change_low": "lower end of its 95 % interval, nats",
    "change_high": "upper end of it, nats",
    "new_failures": "replicates that failed or were declined and had an estimate at the previous commit",
    "reason": "first message of a new failure",
    "seconds_median": "median seconds an estimate, amortised over the batch",
    "seconds": "median seconds / median seconds at the first commit, of one host and device",
    "estimator_source": "hash of the estimator's code",
    "task_fingerprint": "digest of the task's first draws",
}


@dataclass(frozen=True, eq=False)
class History:
    """What records of several commits say; all intervals at 95 %.

    `commits` has the columns of `commits.COMMIT_COLUMNS`, `estimators` those of `ESTIMATOR_COLUMNS`, one row an
    estimator at a commit, `cells` those of `CELL_COLUMNS`, one row a cell at a commit. `notes` holds a sentence on each
    thing that was left out, or that a reader must know.
    """

    commits: pd.DataFrame
    estimators: pd.DataFrame
    cells: pd.DataFrame
    notes: tuple[str, ...]

    @classmethod
    def of(cls, frame: pd.DataFrame, repository: Path | None = None) -> Self:
        """Compute the history of records, one row a replicate, of one commit or more; baselines are left out.

        `repository` is a git repository whose order of commits is taken; see `commits.commits_of`. Raises
        `MibenchError` where there is no record of an estimator, or no cell that all commits of an estimator have.
        """
        commits, position, notes = commits_of(frame, repository)
        names = dict(enumerate(commits["name"].tolist()))
        records = of_each_commit(frame.assign(position=position), names, notes)
        shared = shared_records(records, names, notes)
        if shared.empty:
            remedy = "there is nothing to compare over commits; run the same tasks, n and replicates at each."
            raise MibenchError(" ".join((remedy, *notes)))
        if len(commits) == 1:
            notes.append("there is one commit only; run another one into a store of its own, and give both stores.")
        cells = _cells(shared)
        estimators = _estimators(cells)
        notes += [*_errors_left_out(estimators, names), *_seconds_left_out(shared, names)]
        by_position = commits.set_index("position")
        cells = cells.join(by_position[["name", "commit"]], on="position")[list(CELL_COLUMNS)]
        estimators = estimators.join(by_position["name"], on="position")[list(ESTIMATOR_COLUMNS)]
        return cls(commits, estimators, cells, tuple(notes))


def _cells(shared: pd.DataFrame) -> pd.DataFrame:
    """Return one row a cell at a commit, but for the names of the commits."""
    keys = [*CELL, "position"]
    with np.errstate(over="ignore", invalid="ignore"):  # an estimator may explode: its RMSE is infinite
        parts = [cell_statistics(renumbered(part)).assign(position=place) for place, part in shared.groupby("position")]
    table = pd.concat(parts, ignore_index=True).rename(columns={"seconds": "seconds_median"}).drop(columns="reason")
    table["failed"] = table[[f"n_{status}" for status in FAILURES]].sum(axis=1)
    pairs = _with_first(shared)
    both = pairs[(pairs["status"] == "ok") & (pairs["status_first"] == "ok")]
    squares = both[["error", "error_first"]].pow(2).groupby([both[key] for key in keys]).mean().pow(0.5)
    table = table.join((squares["error"].clip(lower=EXACT) / squares["error_first"])
                       .where(squares["error_first"] > EXACT).rename("error"), on=keys)  # fmt: skip
    here = both[_one_place(both)]
    medians = here.groupby(keys)[["seconds_amortised", "seconds_amortised_first"]].median()
    medians = medians[(medians > 0).all(axis=1)]
    ratio: pd.Series = medians["seconds_amortised"] / medians["seconds_amortised_first"]
    table = table.join(ratio.rename("seconds"), on=keys).merge(_verdicts(shared), on=keys, how="left")
    table[["verdict", "reason"]] = table[["verdict", "reason"]].fillna("")
    return table.sort_values(["estimator", "n_samples", "seed", "task", "position"], ignore_index=True)


def _with_first(shared: pd.DataFrame) -> pd.DataFrame:
    """Return the records with those of the same replicate at the first commit of their estimator beside them."""
    first = shared[shared["position"] == shared.groupby("estimator")["position"].transform("min")]
    kept = [*DATA, "status", "error", "seconds_amortised", "host", "device"]
    return shared.merge(first[kept], on=DATA, suffixes=("", "_first"))


def _one_place(pairs: pd.DataFrame) -> "pd.Series[bool]":
    return (pairs["host"] == pairs["host_first"]) & (pairs["device"] == pairs["device_first"])


def _verdicts(shared: pd.DataFrame) -> pd.DataFrame:
    """Compare each commit with the one before, as `mibench compare` would: all estimators that took the same step."""
    steps = shared[STEP].drop_duplicates().sort_values(STEP)
    steps = steps.assign(before=steps.groupby("estimator")["position"].shift(1)).dropna()
    told = {"difference": "change", "low": "change_low", "high": "change_high"}
    columns = [*CELL, "verdict", *told, "new_failures", "reason"]
    tables = [pd.DataFrame(columns=[*columns, "position"]).rename(columns=told)]
    for (before, position), group in steps.astype({"before": int}).groupby(["before", "position"]):
        own = shared[shared["estimator"].isin(group["estimator"])]
        base, head = (own[own["position"] == place] for place in (before, position))
        if (base["status"] == "ok").any() or (head["status"] == "ok").any():
            found = Comparison.of(base, head).cells[columns]
            tables.append(found.rename(columns=told).assign(position=int(str(position))))
    return pd.concat([table for table in tables if len(table)] or tables).astype({"new_failures": "Int64"})


def _estimators(cells: pd.DataFrame) -> pd.DataFrame:
    """Return one row an estimator at a commit, but for the name of the commit."""
    grouped = cells.assign(**{each: cells["verdict"] == each for each in VERDICTS}).groupby(STEP)
    table = grouped[["replicates", "failed", "worse", "better"]].sum().assign(cells=grouped.size())
    table["new_failures"] = grouped["new_failures"].sum(min_count=1)
    table["verdict"] = np.select([grouped[each].any() for each in VERDICTS], VERDICTS, "")
    for name in ("error", "seconds"):
        table = table.join(_geometric_means(cells, name))
    return table.reset_index()


def _geometric_means(cells: pd.DataFrame, name: str) -> pd.DataFrame:
    known = cells[cells[name].astype(float) > 0].sort_values(STEP)
    names = known[STEP].drop_duplicates().reset_index(drop=True)
    code: Codes = known.groupby(STEP).ngroup().to_numpy(dtype=np.int64)
    parts = [pd.DataFrame(columns=[*STEP, name, f"{name}_low", f"{name}_high", f"{name}_cells"])]
    for here, (logs,) in stacks(code, np.log(known[name].to_numpy(dtype=float))):
        low, high = bias_interval(logs)
        with np.errstate(over="ignore"):  # of cells that contradict each other
            values = {name: np.exp(logs.mean(axis=1)), f"{name}_low": np.exp(low), f"{name}_high": np.exp(high)}
        parts.append(names.loc[here].assign(**values, **{f"{name}_cells": logs.shape[1]}))
    table = pd.concat(parts[1:] or parts).set_index(STEP)
    everywhere = table.reindex(pd.MultiIndex.from_frame(cells[STEP].drop_duplicates()))
    ratios = dict.fromkeys((name, f"{name}_low", f"{name}_high"), float)
    return everywhere.fillna({f"{name}_cells": 0}).astype({f"{name}_cells": int, **ratios})


def _errors_left_out(estimators: pd.DataFrame, names: dict[int, str]) -> Iterator[str]:
    fewer = estimators[estimators["error_cells"] < estimators["cells"]]
    for estimator, rows in fewer.groupby("estimator"):
        at = few([f"{n} at {names[at]}" for n, at in zip(rows["error_cells"], rows["position"], strict=True)])
        yield (
            f"{estimator}: of its {rows['cells'].iloc[0]} cells the error rests on {at}; the others have no estimate"
            " there, or none, or no error, at its first commit."
        )


def _seconds_left_out(shared: pd.DataFrame, names: dict[int, str]) -> Iterator[str]:
    pairs = _with_first(shared)
    for estimator, rows in pairs[~_one_place(pairs)].groupby("estimator"):
        at = few([names[place] for place in sorted(set(rows["position"]))])
        yield f"{estimator}: seconds of another host or device than at its first commit are left out: {at}."
