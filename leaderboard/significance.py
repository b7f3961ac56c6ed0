"""Friedman's test of mean ranks, and Nemenyi's critical difference: what readers of benchmarks know."""

import numpy as np
from scipy import stats

from .resampling import Array

LEVEL = 0.05
FEWEST = 3  # estimators that Friedman's test takes


def friedman_p(ranks: Array) -> float:
    """Return p of Friedman's test that E estimators rank alike, from their ranks (T, E) on T tasks.

    NaN with fewer than three estimators or two tasks, or where all tie everywhere.
    """
    tasks, estimators = ranks.shape
    if estimators < FEWEST or tasks < 2 or np.all(ranks == ranks[:, :1]):
        return float("nan")
    return float(stats.friedmanchisquare(*ranks.T).pvalue)


def critical_difference(tasks: int, estimators: int) -> float:
    """Return by how much mean ranks over `tasks` must differ to be told apart at the 5 % level; NaN with one estimator.

    Nemenyi's test, as Demšar (2006, J. Mach. Learn. Res. 7, section 3.2.2) has it: the quantile of the studentised
    range over √2, times √(E (E + 1) / 6 T). It takes a rank a task, and no account of the replicates behind it.
    """
    if estimators < 2 or tasks < 1:
        return float("nan")
    quantile = stats.studentized_range.ppf(1 - LEVEL, estimators, np.inf)
    return float(quantile / np.sqrt(2) * np.sqrt(estimators * (estimators + 1) / (6 * tasks)))
