"""95 % intervals of what the errors of a cell say: bias, spread, quantiles, efficiency, and shares of replicates.

Errors of estimators are skewed and heavy-tailed, and ten of them do not show how much so. The textbook intervals take
Gaussian ones for granted: of ten exponential errors, Student's covers the mean in 90 % of experiments and chi-square
the standard deviation in 77 %. Those here cover 92 to 98 % from the number of replicates on that each states, for
errors up to the skewness of an exponential law and the tails of Student's t with 3 degrees of freedom; the tests count
it. Below that number the interval is unknown, NaN. None knows of a tail that no replicate has shown.

`errors` (C, R) holds the errors in nats of R replicates of each of C cells; an interval is two arrays (C,).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import special  # which is loaded in a fifth of the time of scipy.stats

from mibench.bias_interval import TAIL, Array, Interval, bias_interval, halls_quantile, standard_moment

LEAST_OF_SPREAD = 10  # replicates
RARE = 0.0005  # upper tail of a standard deviation: few replicates mostly show too little of it
RARE_OF_RATIO = 0.0035  # upper tail of an efficiency
TINY = 1e-12


def std_interval(errors: Array) -> Interval:
    """Return the interval of the standard deviation; unknown below ten replicates.

    Bonett's (2006, Computational Statistics & Data Analysis 50, 775), on the logarithm, with the kurtosis of the
    errors; its upper tail is `RARE`.
    """
    cells, count = errors.shape
    if count < LEAST_OF_SPREAD:
        return _unknown(cells)
    cut = int(count / (2 * np.sqrt(count - 4)))
    trimmed = np.sort(errors, axis=1)[:, cut : count - cut].mean(axis=1)
    square = errors.var(axis=1, ddof=1)
    fourth = np.square((errors - trimmed[:, None]) ** 2).sum(axis=1)
    scale = np.where(square > 0, square, 1.0)
    kurtosis = count * fourth / ((count - 1) * scale) ** 2
    correction = count / (count - special.ndtri(1 - TAIL))
    deviation = correction * np.sqrt(np.maximum(kurtosis - (count - 3) / count, 0) / (count - 1))
    low, high = (np.exp((np.log(correction) + special.ndtri(p) * deviation) / 2) for p in (TAIL, 1 - RARE))
    return np.sqrt(square) * low, np.sqrt(square) * high


def rmse_interval(errors: Array, of_bias: Interval | None = None, of_std: Interval | None = None) -> Interval:
    """Return the interval of the RMSE √(bias² + variance); unknown below ten replicates.

    `of_bias` and `of_std` are the intervals of these, where they are at hand.

    The intervals of bias² and of the variance are combined by the method of variance estimates recovery for dependent
    estimates (Zou 2007, Psychological Methods 12, 399): where errors are skewed, the two rise and fall together. Where
    they offset each other that is too wide, as one interval is wider for its standard error than the other; there it
    is no wider than the standard error of the sum allows. The lower bound is that of the mean of the squared errors
    where this is the closer one.
    """
    cells, count = errors.shape
    if count < LEAST_OF_SPREAD:
        return _unknown(cells)
    mean, variance = errors.mean(axis=1), errors.var(axis=1, ddof=1)
    low, high = of_bias or bias_interval(errors)
    least = np.where((low <= 0) & (high >= 0), 0.0, np.minimum(np.abs(low), np.abs(high)))
    bias_low, bias_high = least**2, np.maximum(np.abs(low), np.abs(high)) ** 2
    spread_low, spread_high = (bound**2 for bound in of_std or std_interval(errors))
    bias = np.clip(mean**2 - variance / count, bias_low, bias_high)
    peakedness = np.maximum(standard_moment(errors, 4) - 1, TINY)
    together = np.clip(np.sign(mean) * standard_moment(errors, 3) / np.sqrt(peakedness), -1, 1)
    error_of_bias, error_of_variance = 2 * np.abs(mean) * np.sqrt(variance), variance * np.sqrt(peakedness)
    either = np.hypot(error_of_bias, error_of_variance)
    both = np.sqrt(_square_of_sum(error_of_bias, error_of_variance, together))
    offset = np.divide(both, either, out=np.ones_like(both), where=either > 0)  # above 1 where they add up
    below = _of_dependent(bias - bias_low, variance - spread_low, together, offset)
    above = _of_dependent(bias_high - bias, spread_high - variance, together, offset)
    total = bias + variance
    return np.maximum(np.sqrt(np.maximum(total - below, 0)), _low_of_squares(errors)), np.sqrt(total + above)


def efficiency_interval(errors: Array, oracle: Array) -> Interval:
    """Return the interval of RMSE / RMSE of the oracle, whose errors are those on the same draws; unknown below ten.

    A jackknife of the logarithm over the pairs, with Student's t; its upper tail is `RARE_OF_RATIO`.
    """
    cells, count = errors.shape
    if count < LEAST_OF_SPREAD:
        return _unknown(cells)
    own, ideal = errors**2, oracle**2
    with np.errstate(divide="ignore", invalid="ignore"):
        whole = np.log(own.sum(axis=1) / ideal.sum(axis=1)) / 2
        without = np.log((own.sum(axis=1, keepdims=True) - own) / (ideal.sum(axis=1, keepdims=True) - ideal)) / 2
        pseudo = count * whole[:, None] - (count - 1) * without
        deviation = pseudo.std(axis=1, ddof=1) / np.sqrt(count)
        low, high = (pseudo.mean(axis=1) + special.stdtrit(count - 1, p) * deviation
                     for p in (TAIL, 1 - RARE_OF_RATIO))  # fmt: skip
        return np.exp(low), np.exp(high)


def quantile_interval(ordered: Array, p: float) -> Interval:
    """Return the interval of the quantile `p` of the errors, which are sorted in each cell, from two of them.

    It covers whatever the law of the errors is (the binomial distribution of those below the quantile; Conover 1999,
    section 3.2). At most 2.5 % lie in either tail: it is unknown below five replicates for the median, and below 72 for
    the quantiles .05 and .95. Five replicates are let off: their extremes hold the median at 93.75 %.
    """
    cells, count = ordered.shape
    tail = 0.032 if count == 5 else TAIL  # of 1/32, all five lie on one side of the median
    at_most = special.bdtr(np.arange(count + 1.0), count, p)
    below, above = (int(place) for place in np.searchsorted(at_most, [tail, 1 - tail]))
    above += 1
    if below < 1 or above > count:
        return _unknown(cells)
    return ordered[:, below - 1], ordered[:, above - 1]


def share_interval(count: ArrayLike, total: ArrayLike) -> Interval:
    """Return Clopper and Pearson's interval of a share, `count` of `total`; it covers at least 95 % at any share."""
    hits, number = (np.asarray(value, dtype=np.float64) for value in (count, total))
    low, high = (
        special.betaincinv(hits, number - hits + 1, TAIL),
        special.betaincinv(hits + 1, number - hits, 1 - TAIL),
    )
    known = number > 0
    low, high = np.where(hits == 0, 0.0, low), np.where(hits == number, 1.0, high)
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


def _unknown(cells: int) -> Interval:
    return np.full(cells, np.nan), np.full(cells, np.nan)


def _low_of_squares(errors: Array) -> Array:
    """Return the lower bound of the RMSE on the logarithm of the mean of e², by Hall's quantile or the normal one."""
    count, squares = errors.shape[1], errors**2
    mean = squares.mean(axis=1)
    squares /= np.where(mean > 0, mean, 1.0)[:, None]
    student, normal = special.stdtrit(count - 1, 1 - TAIL), special.ndtri(1 - TAIL)
    quantile = np.maximum(halls_quantile(student, standard_moment(squares, 3), count), normal / np.sqrt(count))
    return np.asarray(np.sqrt(mean) * np.exp(-quantile * squares.std(axis=1) / 2), dtype=np.float64)


def _of_dependent(one: Array, other: Array, correlation: Array, offset: Array) -> Array:
    together = np.sqrt(_square_of_sum(one, other, correlation))
    return np.where(offset < 1, np.minimum(together, offset * np.hypot(one, other)), together)


def _square_of_sum(one: Array, other: Array, correlation: Array) -> Array:
    return np.maximum(one**2 + other**2 + 2 * correlation * one * other, 0)
