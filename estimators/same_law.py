"""Whether two samples may have the same law, for estimators that could then learn one map of both sides."""

import math

import numpy as np

from mibench.estimation import Array

_PROJECTIONS = 32
_LEVEL = 0.01  # of all comparisons together


def same_law(x: Array, y: Array) -> bool:
    """Return whether no coordinate, and none of 32 random projections, of x and y (n, d) tells their laws apart.

    The two-sample test is that of Kolmogorov and Smirnov at 1 % for all comparisons together, by its asymptotic bound.
    Dependence between x and y makes it more cautious to reject.
    """
    turn = np.random.default_rng(0).standard_normal((x.shape[1], _PROJECTIONS))
    both = np.vstack([x, y])
    centre, scale = both.mean(axis=0), both.std(axis=0)
    even = (both - centre) / np.where(scale > 0, scale, 1)
    columns = np.hstack([even, even @ turn]) if x.shape[1] > 1 else even
    order = columns.argsort(axis=0, kind="stable")
    ranked = np.take_along_axis(columns, order, axis=0)
    steps = np.where(order < len(x), 1 / len(x), -1 / len(y)).cumsum(axis=0)
    ends = np.vstack([ranked[1:] > ranked[:-1], np.ones((1, columns.shape[1]), dtype=bool)])  # ties jump together
    distance = float(np.abs(np.where(ends, steps, 0)).max())
    size = len(x) * len(y) / (len(x) + len(y))
    return bool(2 * columns.shape[1] * math.exp(-2 * size * distance**2) > _LEVEL)
