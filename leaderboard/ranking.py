"""The summary over tasks: mean ranks and their intervals, groups, errors relative to the oracle's, seconds."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .contest import Contest
from .front import on_front
from .records import are_of_oracle, is_oracle
from .resampling import (
    Array,
    chance_of_being_best,
    each_task,
    mean_rank_deviations,
    mean_rank_interval,
    ranks_if_ok,
    told_apart,
)
from .significance import critical_difference, friedman_p

RESAMPLES = 2000
MANY_TASKS = 500  # above it mean ranks are all but normal, and half as many resamples show their spread
FEWEST_OF_BEST = 3  # tasks; of two, any could be the best
FEW_TASKS = 6  # below it, agreement of all tasks is no evidence at the 5 % level (sign test)
CONTEST_COLUMNS = {
    "n_samples": "draws a replicate",
    "seed": "seed of the run",
    "tasks": "tasks that all ranked estimators share",
    "estimators": "estimators that are ranked",
    "friedman_p": "p of Friedman's test that all rank alike; NaN with fewer than three estimators or two tasks",
    "critical_difference": "Nemenyi's: mean ranks further apart than it differ at the 5 % level",
    "winner": "lowest mean rank, a failure being worse than any error",
    "winner_if_ok": "lowest mean rank by the replicates that worked",
    "winner_changes": "whether the two differ",
}
STANDING = ["mean_rank", "mean_rank_low", "mean_rank_high", "best", "mean_rank_if_ok", "group", "won"]
SUMMARY_COLUMNS = {
    "n_samples": "draws a replicate; each is ranked on its own",
    "seed": "seed of the run; each is ranked on its own",
    "estimator": "canonical spec of the estimator",
    "baseline": "whether it brackets the table instead of competing; baselines have no rank",
    "bound": "lower, upper or empty: the side of the MI that the method bounds",
    "tasks": "tasks that all ranked estimators share; rank, won, vs_oracle and seconds rest on these",
    "mean_rank": "mean over these tasks of the rank of its RMSE, 1 is best",
    "mean_rank_low": "lower end of its 95 % interval over tasks and replicates",
    "mean_rank_high": "upper end of it",
    "best": "probability that its mean rank is the lowest, over tasks and replicates; NaN below three tasks",
    "mean_rank_if_ok": "mean rank where failures cost nothing: by the RMSE over the replicates that worked",
    "group": "estimators in one group cannot be told apart from the best of the group",
    "won": "tasks on which it has the lowest RMSE and no failure; equals win together",
    "vs_oracle": "geometric mean over tasks of RMSE / RMSE of the oracle; NaN where it failed or there is no oracle",
    "seconds": "median, over those of these tasks that it answered, of the median seconds an estimate",
    "on_front": "whether no other is both at least as close to the oracle and as fast",
    "share_failed": "share of all its replicates that failed",
    "share_skipped": "share of all its replicates that it declined",
}


def summarise(records: pd.DataFrame, cells: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Return one row an estimator at each (n_samples, seed), one row each of these, and notes.

    The columns are those of `SUMMARY_COLUMNS` and of `CONTEST_COLUMNS`.

    `records` are those of `records.current_records`, `cells` their `statistics.cell_statistics`. Nothing is averaged
    over tasks in nats. A failed or declined replicate is worse than any error, however large: see `resampling.ranks`.
    """
    tables: list[pd.DataFrame] = []
    contests: list[dict[str, object]] = []
    notes: list[str] = []
    for (n, seed), here in cells.groupby(["n_samples", "seed"]):
        contest = Contest.of(_at(records[records["n_samples"] == n], seed))
        tables.append(_summary(contest, here))
        contests.append({"n_samples": n, "seed": seed, **_as_a_whole(contest, tables[-1])})
        where = f"n = {n}" + (f", seed {seed}" if records["seed"].nunique() > 1 else "")
        notes.extend(f"{where}: {note}" for note in (*_caveats(contest, here), *_of_winners(contests[-1])))
    table = pd.concat(tables, ignore_index=True)
    return table[list(SUMMARY_COLUMNS)], pd.DataFrame(contests, columns=list(CONTEST_COLUMNS)), notes


def _summary(contest: Contest, cells: pd.DataFrame) -> pd.DataFrame:
    by_estimator = cells.groupby("estimator")
    table = by_estimator[["n_samples", "seed", "baseline", "bound"]].last().assign(tasks=len(contest.errors))
    table = table.join(_standing(contest)).join(_relative_errors(contest))
    shared = cells[cells["task"].isin(list(contest.errors))]
    replicates = by_estimator["replicates"].sum()
    table = table.assign(
        seconds=shared.groupby("estimator")["seconds"].median(),
        share_failed=(cells["share_failed"] * cells["replicates"]).groupby(cells["estimator"]).sum() / replicates,
        share_skipped=by_estimator["n_skipped"].sum() / replicates,
    )
    table["on_front"] = on_front(table.rename(columns={"vs_oracle": "efficiency"}), ["n_samples", "seed"])
    return table.reset_index().sort_values(["baseline", "mean_rank", "estimator"])


def _at(records: pd.DataFrame, seed: object) -> pd.DataFrame:
    """Return the records of a seed; of another one those of an oracle that it lacks, as its answer has no seed."""
    own = records[records["seed"] == seed]
    lacking = are_of_oracle(records) & ~records["estimator"].isin(own["estimator"].unique())
    if not lacking.any():
        return own
    return pd.concat([own, records[lacking].drop_duplicates(["task", "estimator", "replicate"])])


def _as_a_whole(contest: Contest, table: pd.DataFrame) -> dict[str, object]:
    """Return what holds of a contest as a whole; `table` are its rows of the summary."""
    tasks, estimators = len(contest.errors), len(contest.ranked)
    standing = table[table["mean_rank"].notna()].set_index("estimator")
    winners = [_lowest(standing[column]) for column in ("mean_rank", "mean_rank_if_ok")]
    return {
        "tasks": tasks,
        "estimators": estimators,
        "friedman_p": friedman_p(contest.ranks),
        "critical_difference": critical_difference(tasks, estimators),
        "winner": ", ".join(winners[0]),
        "winner_if_ok": ", ".join(winners[1]),
        "winner_changes": winners[0] != winners[1],
    }


def _lowest(ranks: "pd.Series[float]") -> list[str]:
    return sorted(ranks.index[ranks == ranks.min()])


def _of_winners(facts: dict[str, object]) -> Iterator[str]:
    if facts["winner_changes"]:
        yield (
            f"the winner depends on what a failure costs: {facts['winner']} where it is the worst of all,"
            f" {facts['winner_if_ok']} where only the replicates that worked count."
        )


def _standing(contest: Contest) -> pd.DataFrame:
    """Rank the estimators of `contest`: mean_rank, its interval, group and won; no row where none can be ranked."""
    tasks, names = contest.matrices, contest.ranked
    if not tasks or not names:
        return pd.DataFrame(columns=STANDING, dtype=float).astype({"group": "Int64", "won": "Int64"})
    mean = contest.ranks.mean(axis=0)
    resamples = RESAMPLES if len(tasks) <= MANY_TASKS else RESAMPLES // 2
    deviations = mean_rank_deviations(tasks, resamples, np.random.default_rng(0))
    low, high = mean_rank_interval(mean, deviations)
    group = groups(mean, told_apart(mean, deviations, len(tasks))) if len(tasks) > 1 else np.full(len(names), np.nan)
    best = chance_of_being_best(mean, deviations) if len(tasks) >= FEWEST_OF_BEST else np.full(len(names), np.nan)
    if_ok = each_task(tasks, ranks_if_ok).mean(axis=0)
    values = (mean, low, high, best, if_ok, group, _won(contest))
    table = pd.DataFrame(dict(zip(STANDING, values, strict=True)), index=names)
    return table.astype({"group": "Int64", "won": "Int64"})


def groups(mean: Array, apart: NDArray[np.bool_]) -> Array:
    """Return the group (E,), from 1 on: the best and all that cannot be told apart from it, then the same of the rest.

    `mean` (E,) are mean ranks; `apart` (E, E) says whether the first is worse than the second by more than chance.
    """
    group = np.zeros(len(mean))
    while (left := group == 0).any():
        best = int(np.argmin(np.where(left, mean, np.inf)))
        group[left & ~apart[:, best]] = group.max() + 1
    return group


def _won(contest: Contest) -> Array:
    whole = [~np.isnan(errors).any(axis=1) for errors in contest.matrices]
    first = contest.ranks == contest.ranks.min(axis=1, keepdims=True)
    return np.asarray((first & np.array(whole)).sum(axis=0), dtype=np.float64)


def _relative_errors(contest: Contest) -> pd.Series:
    """Take the geometric mean over tasks of RMSE / RMSE of the oracle, as `vs_oracle`, on the oracle's own replicates.

    Tasks on which the oracle has no error (where X and Y are independent) are left out for all; an estimator that
    failed on any task has no such mean.
    """
    if not len(contest.relative):
        return pd.Series(dtype=float, name="vs_oracle")
    with np.errstate(divide="ignore"):  # of an estimator that is exact
        mean = np.exp(np.log(contest.relative).mean(axis=0))
    failed = np.any([np.isnan(errors).any(axis=1) for errors in contest.matrices], axis=0)
    mean[: len(contest.ranked)][failed] = np.nan
    return pd.Series(mean, index=contest.ranked + contest.baselines, name="vs_oracle")


def _of_replicates(contest: Contest, competing: pd.DataFrame) -> Iterator[str]:
    most = competing.groupby("task")["replicates"].max()
    shared = {task: errors.shape[1] for task, errors in contest.errors.items() if errors.shape[1] < most.get(task, 0)}
    if shared:
        task = min(shared, key=lambda task: shared[task] / most[task])
        fewest = competing[competing["task"] == task].sort_values(["replicates", "estimator"]).iloc[0]
        yield (
            f"ranks rest on the replicates that all {len(contest.ranked)} estimators share, on {task} {shared[task]} of"
            f" {most[task]}; {fewest['estimator']} has {fewest['replicates']}."
        )


def _caveats(contest: Contest, cells: pd.DataFrame) -> Iterator[str]:
    number, everywhere = len(contest.errors), cells["task"].nunique()
    competing = cells[~cells["baseline"]]
    if number < everywhere and contest.ranked:
        ran_on = competing.groupby("estimator")["task"].nunique().sort_values(kind="stable")
        yield (
            f"ranks rest on the {number} of {everywhere} tasks that all {len(contest.ranked)} estimators ran on;"
            f" {ran_on.index[0]} ran on {ran_on.iloc[0]}."
        )
    elif number < FEW_TASKS and len(contest.ranked) > 1:
        yield f"with {number} task{'s' * (number != 1)}, ranks say little about other tasks."
    yield from _of_replicates(contest, competing)
    without = number - len(contest.relative)
    if without and any(map(is_oracle, contest.baselines)):
        yield f"vs oracle leaves out {without} of {number} tasks, where the oracle was not run or has no error."
