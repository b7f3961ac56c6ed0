"""Whether a change made an estimator worse: two sets of records, paired replicate by replicate."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mibench.errors import MibenchError
from mibench.record import FAILURES

from .records import CELL, current_records

Array = NDArray[np.float64]
RATE = 0.05  # false discoveries among the verdicts of one kind
POWER = 0.8  # with which the minimal detectable effect is found
LISTED = 40  # cells on one side only; of more, each estimator is told in one line
ROUNDING = 1e-12  # nats a nat; a difference below it is none
LARGEST = 1e100  # nats; beyond it differences count as this
FAR = 100.0  # times the median size of the differences of a cell, beyond which one of them would decide a t-test alone
COLUMNS = {
    "verdict": "worse, better, equivalent or inconclusive",
    "task": "canonical spec of the task",
    "mi_true": "its mutual information, nats",
    "estimator": "canonical spec of the estimator",
    "n_samples": "draws a replicate",
    "seed": "seed of the run",
    "pairs": "replicates with an estimate on both sides",
    "new_failures": "replicates with an estimate in BASE and none in HEAD",
    "fixed": "replicates with an estimate in HEAD and none in BASE",
    "difference": "mean over the pairs of |error in HEAD| - |error in BASE|, nats",
    "low": "lower end of its 95 % interval (Student's t), nats",
    "high": "upper end of it, nats",
    "margin": "what counts as equivalent, nats",
    "detectable": "smallest difference that, if no other cell had one, would be called worse four times in five, nats",
    "q_worse": "false discovery rate at which the difference is above 0",
    "q_better": "the same for below 0",
    "q_equivalent": "the same for within the margin",
    "reason": "first message of a new failure",
}
RUNTIME_COLUMNS = {
    "estimator": "canonical spec of the estimator",
    "cells": "cells with seconds on both sides, from one host and device",
    "ratio": "geometric mean over them of seconds in HEAD / seconds in BASE",
    "low": "lower end of its 95 % interval (Student's t of the logarithms over cells)",
    "high": "upper end of it",
    "verdict": "slower, faster, equivalent or inconclusive",
}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Verdicts on every cell that both sides have: `cells` with the columns of `COLUMNS`, `runtimes` of the other.

    `notes` holds a sentence on each thing that was not compared, or that a reader must know.
    """

    cells: pd.DataFrame
    runtimes: pd.DataFrame
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        base: pd.DataFrame,
        head: pd.DataFrame,
        margin: float = 0.02,
        relative_margin: float = 0.02,
        runtime_margin: float = 1.25,
    ) -> Self:
        """Compare two frames of records, one row a replicate; the last of each replicate counts.

        `margin` is in nats, `relative_margin` a share of the MI; the larger of the two holds. A cell is *worse* where
        its mean difference of absolute errors is above the margin and, by a paired t-test, above 0, or where HEAD has a
        new failure; *better* is the reverse, or where failures are gone and none is new; *equivalent* where the
        difference is within ± the margin (two one-sided t-tests), or no estimate has changed; *inconclusive* otherwise.
        Each kind is at a false discovery rate of 5 % over all cells in which an estimate has changed (Benjamini &
        Hochberg 1995). Where one replicate explodes, Wilcoxon's signed ranks say whether a cell is worse or better, so
        that it does not hide what the others show. Errors on both sides are from HEAD's truth. Raises `MibenchError`
        where nothing can be compared.
        """
        for option, value, least in (("--margin", margin, 0), ("--runtime-margin", runtime_margin, 1)):
            if not least < value < np.inf:
                raise MibenchError(f"{option} must be above {least} and finite, got {value}")
        if not 0 <= relative_margin < np.inf:
            raise MibenchError(f"--relative-margin must be at least 0 and finite, got {relative_margin}")
        left, said_of_base = _competing(base, "BASE")
        right, said_of_head = _competing(head, "HEAD")
        pairs, notes = _paired(left, right)
        notes = [*said_of_base, *said_of_head, *notes]
        if pairs.empty:
            raise MibenchError("; ".join(("BASE and HEAD have no replicate of a cell in common", *notes)))
        return cls(_judged(pairs, margin, relative_margin), _runtimes(pairs, runtime_margin), tuple(notes))

    def count(self, verdict: str) -> int:
        """Return how many cells have a verdict."""
        return int((self.cells["verdict"] == verdict).sum())

    @property
    def slower(self) -> list[str]:
        """The estimators that became slower."""
        return self.runtimes.loc[self.runtimes["verdict"] == "slower", "estimator"].tolist()


def _competing(frame: pd.DataFrame, side: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the records of `frame` that count and are not of baselines, and notes on what was left out."""
    records, notes = current_records(frame)
    texts = records.select_dtypes("category").columns  # of which two frames have different ones
    competing = records[~records["baseline"].astype(bool)].astype(dict.fromkeys(texts, str))
    return competing, [f"in {side}, {note}" for note in notes if "seconds were measured" not in note]


def _paired(base: pd.DataFrame, head: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the replicates that both sides hold on the same data, and notes on what has no counterpart."""
    notes = []
    old, new = (set(side[[*CELL, "replicate"]].itertuples(index=False, name=None)) for side in (base, head))
    for name, here, there in (("BASE", old, new), ("HEAD", new, old)):
        cells, others, fewer = ({record[:-1] for record in side} for side in (here, there, here - there))
        notes += [f"only in {name}: {each}." for each in _listed(sorted(cells - others))]
        notes += [f"some replicates only in {name}: {each}." for each in _listed(sorted(fewer & others))]
    kept = [*CELL, "replicate", "task_fingerprint", "mi_true", "status", "estimate", "error", "message",
            "seconds_amortised", "host", "device"]  # fmt: skip
    pairs = base[kept].merge(head[kept], on=[*CELL, "replicate"], suffixes=("_base", "_head"))
    same = pairs["task_fingerprint_base"] == pairs["task_fingerprint_head"]
    notes += [f"not compared, as its data have changed: {task}." for task in sorted(set(pairs.loc[~same, "task"]))]
    pairs = pairs[same].reset_index(drop=True)
    revised = sorted(set(pairs.loc[pairs["mi_true_base"] != pairs["mi_true_head"], "task"]))
    notes += [f"the true MI was revised; errors on both sides are from HEAD's: {task}." for task in revised]
    pairs["error_base"] = (pairs["estimate_base"] - pairs["mi_true_head"]).where(pairs["status_base"] == "ok")
    answered = (pairs["status_base"] == "ok") | (pairs["status_head"] == "ok")
    some = answered.groupby([pairs[name] for name in CELL]).transform("any").astype(bool)
    silent = set(pairs.loc[~some, CELL].itertuples(index=False, name=None))
    notes += [f"not compared, as neither side has an estimate: {_cell_name(cell)}." for cell in sorted(silent)]
    return pairs[some].reset_index(drop=True), notes


def _listed(cells: Sequence[tuple[object, ...]]) -> list[str]:
    """Name each of a few cells, or of many the estimators, with how many cells each has."""
    if len(cells) <= LISTED:
        return [_cell_name(cell) for cell in cells]
    estimators = Counter(str(estimator) for _, estimator, _, _ in cells)
    return [f"{count} cells of {estimator}" for estimator, count in sorted(estimators.items())]


def _cell_name(cell: Sequence[object]) -> str:
    task, estimator, n, seed = cell
    return f"{task} · {estimator} · n={n}" + (f" · seed {seed}" if seed else "")


def _judged(pairs: pd.DataFrame, margin: float, relative_margin: float) -> pd.DataFrame:
    """Return one row a cell, with the columns of `COLUMNS`, the worst first."""
    base_ok, head_ok = (pairs[f"status_{side}"] == "ok" for side in ("base", "head"))
    failed = base_ok & (pairs["status_head"].isin(FAILURES) | (pairs["status_head"] == "skipped"))
    both = base_ok & head_ok
    difference = (pairs["error_head"].abs() - pairs["error_base"].abs()).where(both).clip(-LARGEST, LARGEST)
    scale = ROUNDING * (1 + pairs["error_base"].abs() + pairs["mi_true_head"])
    grouped = pairs.assign(
        difference=difference, both=both, failed=failed, fixed=head_ok & ~base_ok, scale=scale,
        changed=difference.abs() > scale,
        told=pairs["message_head"].where(failed & (pairs["message_head"] != "")),
    ).groupby(CELL)  # fmt: skip
    table = pd.DataFrame({
        "mi_true": grouped["mi_true_head"].last(),
        "pairs": grouped["both"].sum(),
        "new_failures": grouped["failed"].sum(),
        "fixed": grouped["fixed"].sum(),
        "difference": grouped["difference"].mean(),
        "reason": grouped["told"].first().fillna(""),
    })  # fmt: skip
    table["margin"] = (relative_margin * table["mi_true"]).clip(lower=margin)
    changed = grouped["changed"].any()
    spread = grouped["difference"].std(ddof=1).clip(lower=grouped["scale"].median())
    table = table.join(_tested(table, spread, changed, _signed_ranks(pairs[CELL].assign(difference=difference))))
    table["verdict"] = _verdicts(table, changed)
    order = table["verdict"].map({"worse": 0, "inconclusive": 1, "better": 2, "equivalent": 3})
    table = table.assign(order=order).reset_index().sort_values(["order", "estimator", "n_samples", "task", "seed"])
    return table[list(COLUMNS)].reset_index(drop=True)


def _signed_ranks(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return p of differences above and below 0 by Wilcoxon's test, a row a cell in which one of them is `FAR`."""
    known = pairs[pairs["difference"].notna()]
    size = known["difference"].abs().groupby([known[name] for name in CELL])
    usual = size.transform("median")
    exploded = known[(usual > 0) & (size.transform("max") > FAR * usual)]

    def p_of(alternative: Literal["greater", "less"]) -> "pd.Series[float]":
        return exploded.groupby(CELL)["difference"].agg(lambda d: float(stats.wilcoxon(d, alternative=alternative)[1]))

    return pd.DataFrame({"p_above": p_of("greater"), "p_below": p_of("less")}, dtype=float)


def _tested(table: pd.DataFrame, spread: pd.Series, changed: pd.Series, by_rank: pd.DataFrame) -> pd.DataFrame:
    """Return the interval of each mean difference, what could be detected, and q of the three alternatives.

    The cells that are `changed` are judged together; q of the others is their p. Of some cells, p is that `by_rank`.
    """
    mean, margin, pairs = table["difference"], table["margin"], table["pairs"]
    error, freedom = spread / np.sqrt(pairs.where(pairs > 1)), (pairs - 1).where(pairs > 1)
    half = stats.t.ppf(1 - RATE / 2, freedom) * error
    alone = RATE / max(int((changed & (pairs > 1)).sum()), 1)  # the level at which one of them is found
    to_find, to_err = stats.t.ppf(POWER, freedom) * error, stats.t.ppf(1 - alone, freedom) * error
    columns = {"low": mean - half, "high": mean + half, "detectable": np.maximum(margin, to_err) + to_find}
    p_within = np.maximum(stats.t.cdf((mean - margin) / error, freedom), stats.t.sf((mean + margin) / error, freedom))
    ranked = by_rank.reindex(table.index)
    p_above = ranked["p_above"].fillna(pd.Series(stats.t.sf(mean / error, freedom), table.index))
    p_below = ranked["p_below"].fillna(pd.Series(stats.t.cdf(mean / error, freedom), table.index))
    for name, p in {"q_worse": p_above, "q_better": p_below, "q_equivalent": p_within}.items():
        columns[name] = np.where(changed, _discovery_rates(np.where(changed, p, np.nan)), p)
    return pd.DataFrame(columns, index=table.index)


def _discovery_rates(p: Array) -> Array:
    """Return the false discovery rate at which each p is rejected; NaN where it is NaN."""
    known = ~np.isnan(p)
    rates = np.full(len(p), np.nan)
    if known.any():
        rates[known] = stats.false_discovery_control(p[known])
    return rates


def _verdicts(table: pd.DataFrame, changed: pd.Series) -> Array:
    mean, margin = table["difference"], table["margin"]
    worse = (table["new_failures"] > 0) | ((mean > margin) & (table["q_worse"] <= RATE))
    better = (table["fixed"] > 0) | ((mean < -margin) & (table["q_better"] <= RATE))
    equivalent = (table["q_equivalent"] <= RATE) | ~changed
    return np.select([worse, better, equivalent], ["worse", "better", "equivalent"], "inconclusive")


def _runtimes(pairs: pd.DataFrame, margin: float) -> pd.DataFrame:
    """Return one row an estimator, with the columns of `RUNTIME_COLUMNS`."""
    one_place = (pairs["host_base"] == pairs["host_head"]) & (pairs["device_base"] == pairs["device_head"])
    both = (pairs["status_base"] == "ok") & (pairs["status_head"] == "ok")
    medians = pairs[one_place & both].groupby(CELL)[["seconds_amortised_base", "seconds_amortised_head"]].median()
    medians = medians[(medians > 0).all(axis=1)]
    ratios: pd.Series = medians["seconds_amortised_head"] / medians["seconds_amortised_base"]
    logs = ratios.transform(np.log).groupby("estimator")
    cells, mean = logs.size(), logs.mean()
    freedom = (cells - 1).where(cells > 1)
    half = stats.t.ppf(1 - RATE / 2, freedom) * logs.std(ddof=1) / np.sqrt(cells)
    low, high, wide = mean - half, mean + half, np.log(margin)
    chosen = [(mean > wide) & (low > 0), (mean < -wide) & (high < 0), (low > -wide) & (high < wide)]
    verdict = np.select(chosen, ["slower", "faster", "equivalent"], "inconclusive")
    columns = {"cells": cells, "ratio": np.exp(mean), "low": np.exp(low), "high": np.exp(high), "verdict": verdict}
    return pd.DataFrame(columns, index=cells.index).reset_index()[list(RUNTIME_COLUMNS)]
