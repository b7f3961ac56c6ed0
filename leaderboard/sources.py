"""Where the scatter of estimates comes from: noisy data, or training that ends elsewhere each time."""

import numpy as np
import pandas as pd

from mibench.bias_interval import Array, Interval, bias_interval

from .error_statistics import with_interval
from .intervals import LEAST_OF_SPREAD, std_interval
from .stacks import complete_series

TAIL_OF_SQUARES = 0.015  # variances are more skewed than errors
CELL_OF_SEEDS = ["task", "estimator", "n_samples"]
SOURCE_COLUMNS = {
    "task": "canonical spec of the task",
    "estimator": "canonical spec of the estimator",
    "n_samples": "draws a replicate",
    "replicates": "replicates with an estimate at every seed, on which all else rests",
    "seeds": "seeds of the estimator",
    "std_data": "standard deviation that the draws cause, nats",
    **with_interval("std_data"),
    "std_training": "standard deviation of estimates on the same draws, nats",
    **with_interval("std_training"),
}


def sources(records: pd.DataFrame) -> pd.DataFrame:
    """Return one row a (task, estimator, n_samples) that was run with several seeds, with `SOURCE_COLUMNS`.

    `records` are those of `records.current_records`. Of the estimate on replicate r with seed s, the error is a mean,
    plus what the draws of r cause, plus what the training does: the model of random effects in one way (Searle, Casella
    & McCulloch 1992, section 3.5), in which an interaction of both belongs to the training. Intervals are unknown below
    ten replicates.
    """
    tables = [
        names.assign(seeds=len(seeds)).join(pd.DataFrame(variances(errors)))
        for names, seeds, errors in complete_series(records, CELL_OF_SEEDS, "seed")
        if errors.shape[1] > 1
    ]
    if not tables:
        return pd.DataFrame(columns=list(SOURCE_COLUMNS))
    return pd.concat(tables).sort_values(CELL_OF_SEEDS, ignore_index=True)[list(SOURCE_COLUMNS)]


def variances(errors: Array) -> dict[str, Array]:
    """Split the variance of errors (C, R, S) of C cells, R replicates and S seeds; the interval of each root too."""
    replicates, seeds = errors.shape[1:]
    means, within = errors.mean(axis=2), errors.var(axis=2, ddof=1)
    training = within.mean(axis=1)
    whole = means.var(axis=1, ddof=1)
    data = whole - training / seeds
    training_low, training_high = _of_training(within)
    whole_low, whole_high = (bound**2 for bound in std_interval(means))
    below = np.hypot(whole - whole_low, (training_high - training) / seeds)
    above = np.hypot(whole_high - whole, (training - training_low) / seeds)
    squares = {
        "std_data": data,
        "std_data_low": data - below,
        "std_data_high": data + above,
        "std_training": training,
        "std_training_low": training_low,
        "std_training_high": training_high,
    }
    roots = {name: np.sqrt(np.maximum(square, 0)) for name, square in squares.items()}
    return {"replicates": np.full(len(errors), float(replicates)), **roots}


def _of_training(within: Array) -> Interval:
    """Return the interval of the mean of the variances within replicates, which are skewed but independent."""
    if within.shape[1] < LEAST_OF_SPREAD:
        return np.full(len(within), np.nan), np.full(len(within), np.nan)
    low, high = bias_interval(within, TAIL_OF_SQUARES)
    return np.maximum(low, 0), high
