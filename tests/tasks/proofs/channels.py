"""Discrete channels and labels: MI as a sum over the joint table, or as the entropy of a label."""

import math

import numpy as np
from mpmath import mp
from scipy import stats

from .family import Family
from .quadrature import tanh_sinh


def of_table(joint):
    """The MI of a table of joint probabilities (rows of mpmath numbers)."""
    rows, columns = [mp.fsum(row) for row in joint], [mp.fsum(column) for column in zip(*joint, strict=True)]
    return mp.fsum(
        p * mp.log(p / (rows[i] * columns[j])) for i, row in enumerate(joint) for j, p in enumerate(row) if p > 0
    )


def redraw_table(noise, levels):
    noise = mp.mpf(noise)
    return [[((1 - noise) * (i == j) + noise / levels) / levels for j in range(levels)] for i in range(levels)]


def noisy_labels(levels):
    def mutual_information(noise):
        with mp.workdps(40):
            return of_table(redraw_table(noise, levels))

    return mutual_information


def noisy_labels_log_ratio(levels):
    return lambda x, y, noise: np.log(levels * ((1 - noise) * (x == y) + noise / levels))


def binary_symmetric(p):
    with mp.workdps(40):
        p = mp.mpf(p)
        return of_table([[(1 - p) / 2, p / 2], [p / 2, (1 - p) / 2]])


def poisson_log_law(x, k, p):
    """ln P(Y = k | X = x), and ln P(Y = k): the rate being Exp(1), k has the probability 2^(−k−1) without inflation."""
    with np.errstate(divide="ignore"):
        given = np.log(p * (k == 0) + (1 - p) * np.exp(stats.poisson.logpmf(k, x)))
        alone = np.log(p * (k == 0) + (1 - p) * np.exp2(-k - 1.0))
    return given, alone


def zero_inflated_poisson(p):
    """The sum over counts of the integral over the rate."""
    x, w = tanh_sinh([0, 0.5, 2, 6, 15, 40, 80])
    given, alone = poisson_log_law(x[:, None], np.arange(160), p)
    finite = np.isfinite(given)
    terms = np.where(finite, np.exp(given) * (np.where(finite, given, 0) - alone), 0)
    return float(np.exp(-x) * w @ terms.sum(axis=1))


def smoothed_discrete(levels, width):
    """X ~ U{0..m−1}, Y = X + width U(0, 1): h(Y) − ln width, h(Y) being a sum over the steps of its density."""
    steps = np.unique(np.concatenate([np.arange(levels), np.arange(levels) + width]))
    density = smoothed_discrete_density((steps[1:] + steps[:-1]) / 2, levels, width)
    terms = density * np.log(np.where(density > 0, density, 1)) * np.diff(steps)
    return -math.fsum(terms) - math.log(width)


def smoothed_discrete_density(y, levels, width):
    """The share of labels k with k < y < k + width, over the width."""
    above = np.minimum(np.floor(y), levels - 1)
    below = np.maximum(np.ceil(y - width), 0)
    return np.maximum(above - below + 1, 0) / (levels * width)


def smoothed_discrete_cdf(y, levels, width):
    return np.mean(np.clip((y[..., None] - np.arange(levels)) / width, 0, 1), axis=-1)


def probabilities_with_residual(entropy):
    """ceil(e^H) probabilities of entropy H, all equal but for a last one that is no greater."""
    with mp.workdps(40):
        entropy = mp.mpf(entropy)
        n = max(int(mp.ceil(mp.exp(entropy) * (1 - mp.mpf(10) ** -13))), 1)
        if n == 1:
            return [mp.mpf(1)]

        def of(p):
            rest = 1 - (n - 1) * p
            return -(n - 1) * p * mp.log(p) - (rest * mp.log(rest) if rest > 0 else 0)

        low, high = 1 / mp.mpf(n), 1 / mp.mpf(n - 1)
        for _ in range(120):
            middle = (low + high) / 2
            low, high = (middle, high) if of(middle) > entropy else (low, middle)
        return [low] * (n - 1) + [1 - (n - 1) * low]


def _smoothed_discrete(levels, wanted):
    return Family(
        "smoothed_discrete",
        "width",
        lambda width: smoothed_discrete(levels, width),
        lambda x, y, width: -np.log(width * smoothed_discrete_density(y, levels, width)),
        given=(0.3, 1.0, 1.7, 2.0, 3.5, 40.0),
        wanted=wanted,
        x_margin=lambda width: np.full(levels, 1 / levels),
        y_margin=lambda y, width: smoothed_discrete_cdf(y, levels, width),
        discrete="x",
        fixed={"levels": levels},
    )


def _noisy_labels(levels, wanted):
    uniform = np.full(levels, 1 / levels)
    return Family(
        "noisy_labels",
        "noise",
        noisy_labels(levels),
        noisy_labels_log_ratio(levels),
        given=(0.0, 0.01, 0.3, 0.9, 1.0),
        wanted=wanted,
        x_margin=lambda noise: uniform,
        y_margin=lambda noise: uniform,
        discrete="xy",
        symmetric=True,
        fixed={"levels": levels},
    )


FAMILIES = [
    _smoothed_discrete(2, (1e-6, 1e-3, 0.1, 0.5, 0.69)),
    _smoothed_discrete(10, (1e-3, 0.1, 1.0, 2.0, 2.3)),
    _noisy_labels(10, (1e-6, 1e-3, 0.1, 1.0, 2.0, 2.3, math.log(10))),
    _noisy_labels(3, (1e-6, 1e-3, 0.5, 1.0, 1.09)),
    Family(
        "binary_symmetric",
        "p",
        binary_symmetric,
        lambda x, y, p: np.log(2 * np.where(x == y, 1 - p, p)),
        given=(0.0, 0.01, 0.11, 0.3, 0.5),
        wanted=(1e-6, 1e-3, 0.1, 0.5, 0.69, math.log(2)),
        x_margin=lambda p: np.array([0.5, 0.5]),
        y_margin=lambda p: np.array([0.5, 0.5]),
        discrete="xy",
        symmetric=True,
    ),
    Family(
        "zero_inflated_poisson",
        "p",
        zero_inflated_poisson,
        lambda x, y, p: np.subtract(*poisson_log_law(x, y, p)),
        given=(0.0, 0.15, 0.5, 0.99),
        wanted=(1e-6, 1e-3, 0.1, 0.22978, 0.3),
        x_margin=lambda x, p: -np.expm1(-x),
        y_margin=lambda p: (1 - p) * np.exp2(-np.arange(60) - 1.0) + p * (np.arange(60) == 0),
        discrete="y",
    ),
]
