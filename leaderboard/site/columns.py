"""The columns of the pages. Those marked optional are shown where the frame has them: one list for all pages."""

import math
from typing import Any

import pandas as pd

from ..page import one_line
from ..rounding import MISSING, around, chance, compact, share, with_interval
from ..statistics import NOT_OK
from .table import Column, Row


def name(key: str, header: str = "") -> Column:
    """Return the column of a spec."""
    return Column(header or key, (key,), lambda row: str(row[key]), words=True, code=True)


def text(key: str, header: str, help: str = "", optional: bool = False, wide: bool = False) -> Column:
    """Return a column of words."""

    def shown(row: Row) -> str:
        return one_line(str(row[key])) or MISSING

    return Column(header, (key,), shown, help, words=True, wide=wide, optional=optional)


def count(key: str, header: str, help: str = "", optional: bool = False) -> Column:
    """Return a column of whole numbers."""
    return Column(
        header, (key,), lambda row: MISSING if pd.isna(row[key]) else f"{int(row[key])}", help, optional=optional
    )


def number(key: str, header: str, help: str = "", unit: str = "", optional: bool = False) -> Column:
    """Return a column of numbers without an interval."""
    return Column(header, (key,), lambda row: _with(compact(_float(row, key)), unit), help, optional=optional)


def interval(key: str, header: str, help: str = "", optional: bool = False, signed: bool = False) -> Column:
    """Return a column of numbers with their intervals; a signed one is written with ±."""

    def shown(row: Row) -> str:
        value, low, high = (_float(row, name) for name in (key, f"{key}_low", f"{key}_high"))
        return around(value, low, high) if signed else with_interval(value, low, high)

    return Column(header, (key, f"{key}_low", f"{key}_high"), shown, help, optional=optional)


def portion(key: str, header: str, help: str = "", optional: bool = False) -> Column:
    """Return a column of shares, with their intervals where they have one."""

    def shown(row: Row) -> str:
        value, low, high = (_float(row, name) for name in (key, f"{key}_low", f"{key}_high"))
        if math.isnan(value):
            return MISSING
        return share(value) + ("" if math.isnan(low) or not value else f" [{share(low)}, {share(high)}]")

    return Column(header, (key, f"{key}_low", f"{key}_high"), shown, help, optional=optional)


def yes(key: str, header: str, help: str = "", optional: bool = True) -> Column:
    """Return a column of yes and no."""

    def shown(row: Row) -> str:
        return MISSING if pd.isna(row[key]) else ("yes" if row[key] else "no")

    return Column(header, (key,), shown, help, optional=optional)


def rank(key: str, header: str, help: str = "", optional: bool = False) -> Column:
    """Return a column of mean ranks, with two decimals."""

    def shown(row: Row) -> str:
        value, low, high = (_float(row, name) for name in (key, f"{key}_low", f"{key}_high"))
        if math.isnan(value):
            return MISSING
        return f"{value:.2f}" if math.isnan(low) else f"{value:.2f} [{low:.2f}, {high:.2f}]"

    return Column(header, (key, f"{key}_low", f"{key}_high"), shown, help, optional=optional)


def _float(row: Row, key: str) -> float:
    value: Any = row.get(key)
    return math.nan if value is None or pd.isna(value) else float(value)


def _with(shown: str, unit: str) -> str:
    return shown if shown == MISSING else "∞" if shown == "inf" else shown + unit


def _chance_of_best(row: Row) -> str:
    return chance(_float(row, "best"))


def _outcome(row: Row) -> str:
    """Return ``3/3``, and of a cell without any estimate how it ended, as ``0/3 timeout``."""
    return f"{row['ok']}/{row['replicates']}" + ("" if row["ok"] else f" {row['status']}")


def _what_failed(row: Row) -> str:
    """Return ``timeout 2, nan 1: longer than 5 s``, or a dash."""
    counts = [(int(row[f"n_{status}"]), status) for status in NOT_OK if row[f"n_{status}"]]
    told = ", ".join(f"{status} {number}" for number, status in sorted(counts, reverse=True))
    return (told + (f": {one_line(row['reason'])}" if row["reason"] else "")) or MISSING


SETTING = [count("n_samples", "n", "draws a replicate")]
SEED = count("seed", "seed", "seed of the run")
ERRORS = [
    Column("ok", ("ok", "replicates"), _outcome, "replicates with an estimate, of all"),
    interval("bias", "bias", "mean error, nats", signed=True),
    interval("std", "std", "standard deviation of the estimates, nats"),
    interval("rmse", "RMSE", "root mean square error, nats"),
    interval("efficiency", "RMSE / oracle", "1 is the sampling noise alone, and bias may buy less", optional=True),
    number("seconds", "seconds", "median seconds an estimate, amortised over the batch"),
    interval("median", "median error", "median error, nats", optional=True, signed=True),
    interval("q05", "5 %", "5 % quantile of the error, nats", optional=True),
    interval("q95", "95 %", "95 % quantile of the error, nats", optional=True),
    portion("violated", "bound violated", "share of estimates on the wrong side of the MI", optional=True),
    portion("share_failed", "failed", "share of replicates that failed"),
    yes("on_front", "on the front", "whether none is both more accurate and faster on this task"),
    number("seconds_solo", "solo s", "median seconds of a replicate that ran alone", optional=True),
    number("peak_memory_mb", "MB", "largest peak memory of a replicate", optional=True),
    Column("what failed", ("reason", *(f"n_{status}" for status in NOT_OK)), _what_failed, words=True, wide=True),
]
SUMMARY = [
    count("group", "group", "estimators in one group cannot be told apart from its best"),
    name("estimator"),
    rank("mean_rank", "mean rank", "mean over tasks of the rank by RMSE, 1 is best; a failure ranks last"),
    rank("mean_rank_if_ok", "… if failures are forgiven", "a failed cell ranks by what worked", optional=True),
    count("won", "won", "tasks on which it has the lowest RMSE"),
    Column("P(best)", ("best",), _chance_of_best, "probability of being best over resampled tasks", optional=True),
    number("vs_oracle", "vs oracle", "geometric mean over tasks of RMSE / RMSE of the oracle", unit="×"),
    number("seconds", "seconds", "median, over the tasks that it answered, of the seconds an estimate"),
    yes("on_front", "on the front", "whether none is both more accurate and faster"),
    text("bound", "bound", "the side of the MI that the method bounds"),
    portion("share_failed", "failed", "share of all replicates that failed"),
    portion("share_skipped", "skipped", "share of all replicates that it declined"),
]
GROWTH = [
    name("task"),
    name("estimator"),
    SEED,
    text("sizes", "sizes", "the sample sizes that the rate rests on"),
    interval("rate", "rate", "RMSE falls as n to this power; −½ is that of a mean"),
    yes("grows", "bias grows", "whether the size of the bias grows significantly with n"),
]
SOURCES = [
    name("task"),
    name("estimator"),
    *SETTING,
    interval("std_data", "std of the data", "scatter that the draws cause, nats"),
    interval("std_training", "std of the training", "scatter that the estimator's own seed causes, nats"),
]
