"""How errors change with the sample size: the fitted rate of the RMSE, and biases that grow."""

import numpy as np
import pandas as pd
from scipy import special

from .resampling import Array
from .stacks import complete_series

RATE = 0.05  # false discoveries among the biases that are said to grow
LEAST = 3  # replicates
TAILS = (0.015, 0.985)  # of the jackknife, which is a little too sure of itself at few replicates
ROUNDING = 1e-12
SERIES = ["task", "estimator", "seed"]
GROWTH_COLUMNS = {
    "task": "canonical spec of the task",
    "estimator": "canonical spec of the estimator",
    "seed": "seed of the run",
    "sizes": "sample sizes, separated by commas",
    "replicates": "replicates with an estimate at all of them, on which all else rests",
    "rate": "r of RMSE ~ n**r, by least squares on the logarithms; -0.5 is that of sampling noise",
    "rate_low": "lower end of its 95 % interval (jackknife over replicates); the sizes are taken as they are",
    "rate_high": "upper end of it",
    "bias_first": "mean error at the smallest size, nats",
    "bias_last": "mean error at the largest size, nats",
    "q_grows": "false discovery rate at which |bias| is larger at the largest size than at the smallest",
    "grows": "whether that is at most 5 %",
}


def growth(records: pd.DataFrame) -> pd.DataFrame:
    """Return one row a (task, estimator, seed) with several sample sizes, with the columns of `GROWTH_COLUMNS`.

    `records` are those of `records.current_records`. Replicates with an estimate at every size count; of one replicate,
    the draws at different sizes may share randomness, so that replicates are left out and compared whole.
    """
    tables = [
        names.join(_statistics(errors, np.array(sizes, dtype=float)))
        for names, sizes, errors in complete_series(records, SERIES, "n_samples")
    ]
    if not tables:
        return pd.DataFrame(columns=list(GROWTH_COLUMNS))
    table = pd.concat(tables, ignore_index=True).sort_values(SERIES, ignore_index=True)
    tested = table["q_grows"].notna()
    from scipy import stats  # late, as it takes long to load

    table.loc[tested, "q_grows"] = stats.false_discovery_control(table.loc[tested, "q_grows"])
    return table.assign(grows=table["q_grows"] <= RATE)[list(GROWTH_COLUMNS)]


def _statistics(errors: Array, sizes: Array) -> pd.DataFrame:
    """Return the columns of C series from their errors (C, R, K) at sizes (K,); q_grows holds p of each test yet."""
    replicates = errors.shape[1]
    centred = np.log(sizes) - np.log(sizes).mean()
    weights = centred / (centred**2).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        total = (errors**2).sum(axis=1)
        rate = (weights * np.log(total) / 2).sum(axis=1)
        without = (weights * np.log(total[:, None] - errors**2) / 2).sum(axis=2)
        pseudo = replicates * rate[:, None] - (replicates - 1) * without
        low = high = np.full(len(errors), np.nan)
        if replicates >= LEAST:
            deviation = pseudo.std(axis=1, ddof=1) / np.sqrt(replicates)
            low, high = (pseudo.mean(axis=1) + special.stdtrit(replicates - 1, p) * deviation for p in TAILS)
    first, last = errors[:, :, 0], errors[:, :, -1]
    return pd.DataFrame({
        "sizes": ", ".join(str(int(n)) for n in sizes),
        "replicates": replicates,
        "rate": rate, "rate_low": low, "rate_high": high,
        "bias_first": first.mean(axis=1), "bias_last": last.mean(axis=1),
        "q_grows": _p_grows(first, last),
    })  # fmt: skip


def _p_grows(first: Array, last: Array) -> Array:
    """Return p of |mean of last| <= |mean of first|, both (C, R), by paired t-tests.

    |b| > |a| where b, turned to be positive, exceeds both a and -a: the larger p of the two tests holds, twice as the
    side of b is read off the data.
    """
    replicates = first.shape[1]
    if replicates < LEAST:
        return np.full(len(first), np.nan)
    turned = np.sign(last.mean(axis=1, keepdims=True)) * last
    worst = np.zeros(len(first))
    for difference in (turned - first, turned + first):
        mean, deviation = difference.mean(axis=1), difference.std(axis=1, ddof=1)
        error = np.maximum(deviation, ROUNDING * (1 + np.abs(mean))) / np.sqrt(replicates)
        worst = np.maximum(worst, special.stdtr(replicates - 1, -mean / error))
    return np.minimum(2 * worst, 1)
