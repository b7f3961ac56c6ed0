"""Friedman's test of mean ranks, and Nemenyi's critical difference: what readers of benchmarks know.

Both are in scipy.stats, which takes longer to load than a leaderboard of a hundred thousand records; the tests hold
them to it.
"""

import numpy as np
from scipy import special

from .resampling import Array

LEVEL = 0.05
FEWEST = 3  # estimators that Friedman's test takes
NODES = np.linspace(-8.0, 8.0, 1001)  # of a normal variable; what lies beyond is below rounding


def friedman_p(ranks: Array) -> float:
    """Return p of Friedman's test that E estimators rank alike, from their ranks (T, E) on T tasks.

    NaN with fewer than three estimators or two tasks, or where all tie everywhere.
    """
    tasks, estimators = ranks.shape
    if estimators < FEWEST or tasks < 2 or np.all(ranks == ranks[:, :1]):
        return float("nan")
    middle = (estimators + 1) / 2
    spread = ((ranks - middle) ** 2).sum() / (estimators - 1)  # smaller with ties
    statistic = ((ranks - middle).sum(axis=0) ** 2).sum() / spread
    return float(special.chdtrc(estimators - 1, statistic))


def critical_difference(tasks: int, estimators: int) -> float:
    """Return by how much mean ranks over `tasks` must differ to be told apart at the 5 % level; NaN with one estimator.

    Nemenyi's test, as Demšar (2006, J. Mach. Learn. Res. 7, section 3.2.2) has it: the quantile of the studentised
    range over √2, times √(E (E + 1) / 6 T). It takes a rank a task, and no account of the replicates behind it.
    """
    if estimators < 2 or tasks < 1:
        return float("nan")
    low, high = 0.0, 20.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if _range_cdf(middle, estimators) < 1 - LEVEL else (low, middle)
    return float(low / np.sqrt(2) * np.sqrt(estimators * (estimators + 1) / (6 * tasks)))


def _range_cdf(width: float, number: int) -> float:
    """Return the probability that so many standard normals lie within `width` of each other."""
    density = np.exp(-(NODES**2) / 2) / np.sqrt(2 * np.pi)
    within = special.ndtr(NODES) - special.ndtr(NODES - width)
    return float(number * np.trapezoid(density * within ** (number - 1), NODES))
