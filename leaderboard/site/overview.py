"""What the pages say across cells: accuracy against cost, and where an estimator is strong or weak."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from .frames import SETTING, Setting

FEWEST_TASKS = 2  # of a tag, to be called a strength or a weakness
MOST_OF_THE_TASKS = 0.75  # of the most common tag: what is said of nearly all tasks is no strength of a kind
TAG_COLUMNS = ["estimator", "tag", *SETTING, "tasks", "failed", "efficiency", "relative"]


def pareto_points(setting: Setting) -> pd.DataFrame:
    """Return the accuracy and the cost of each competing estimator over the tasks of a setting.

    `efficiency` is the geometric mean over tasks of RMSE / RMSE of the oracle. Of an estimator that failed on some,
    it is that over the others, `tasks_failed` says on how many, and it is on no front.
    """
    cells, summary = setting.cells, setting.summary[~setting.summary["baseline"].astype(bool)]
    whole = cells[(cells["ok"] == cells["replicates"]) & (cells["efficiency"] > 0)]
    spared = np.exp(np.log(whole["efficiency"]).groupby(whole["estimator"]).mean())
    failed = (cells["ok"] < cells["replicates"]).groupby(cells["estimator"]).sum()
    points = summary[["estimator", "seconds"]].assign(
        efficiency=summary["vs_oracle"].astype(float).fillna(summary["estimator"].map(spared)),
        tasks=summary["estimator"].map(cells.groupby("estimator")["task"].nunique()),
        tasks_failed=summary["estimator"].map(failed),
    )
    front = summary["on_front"].astype(bool) & (points["tasks_failed"] == 0)
    return points.assign(on_front=front).sort_values(["efficiency", "estimator"], ignore_index=True)


def by_tag(cells: pd.DataFrame, tags: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return how each estimator does on the tasks of each tag, at each (n_samples, seed), as `TAG_COLUMNS`.

    `efficiency` is the median over the tasks of RMSE / RMSE of the oracle; `relative` that of RMSE / median RMSE of the
    other competing estimators on the same task. A cell of which any replicate has no estimate counts as worse than any
    other, in both.
    """
    tables = [_relative(own) for _, own in cells.groupby(SETTING)]
    scored = pd.concat(tables, ignore_index=True)
    scored["tag"] = [list(tags.get(task, ())) for task in scored["task"]]
    long = scored.explode("tag").dropna(subset=["tag"])
    if long.empty:
        return pd.DataFrame(columns=TAG_COLUMNS)
    found = long.groupby(["estimator", "tag", *SETTING]).agg(
        tasks=("task", "nunique"), failed=("failed", "sum"), efficiency=("score", "median"),
        relative=("relative", "median"),
    ).reset_index()  # fmt: skip
    return found[TAG_COLUMNS]


def _relative(cells: pd.DataFrame) -> pd.DataFrame:
    """Score the cells of one setting: `score` by the oracle, `relative` by the other competing estimators."""
    failed = (cells["ok"] < cells["replicates"]).to_numpy()
    own = np.where(failed, np.inf, cells["rmse"])
    table = cells.assign(own=own).pivot_table(index="task", columns="estimator", values="own", aggfunc="last")
    competing = sorted(set(cells.loc[~cells["baseline"].astype(bool), "estimator"]))
    others = {name: _middle(table[[each for each in competing if each != name]]) for name in table.columns}
    pairs: list[tuple[Any, Any]] = list(zip(cells["estimator"], cells["task"], strict=True))
    beside = np.array([others[name].get(task, np.nan) for name, task in pairs], dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.where(np.isinf(own) & np.isinf(beside), 1.0, own / beside)
    measured = cells["efficiency"].notna().groupby(cells["task"]).transform("any")  # where the oracle has an error
    score = np.where(failed & measured, np.inf, cells["efficiency"])
    return cells[["task", "estimator", *SETTING]].assign(failed=failed, relative=relative, score=score)


def _middle(table: pd.DataFrame) -> "pd.Series[float]":
    """Return the median of each row, of what is there; pandas takes no infinity for missing."""
    return table.median(axis=1) if table.shape[1] else pd.Series(dtype=float)


def strengths(tags: pd.DataFrame, most: int = 3) -> tuple[list[str], list[str]]:
    """Return the tags on which an estimator does best and worst beside the others, at its largest n.

    `tags` are its rows of `by_tag`. A strength is below 0.8 times the others' error, a weakness above 1.25 times.
    """
    if tags.empty:
        return [], []
    last = tags[tags["n_samples"] == tags["n_samples"].max()]
    last = last[(last["tasks"] >= FEWEST_TASKS) & (last["tasks"] <= MOST_OF_THE_TASKS * last["tasks"].max())]
    last = last.dropna(subset=["relative"]).drop_duplicates("tag").sort_values("relative")
    strong = last.loc[last["relative"] < 0.8, "tag"].head(most).tolist()
    weak = last.loc[last["relative"] > 1.25, "tag"].tail(most).tolist()[::-1]
    return strong, weak
