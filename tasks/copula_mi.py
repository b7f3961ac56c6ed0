"""The MI of a pair of each copula, by its parameter: closed forms, and their series where the terms cancel."""

import math

import numpy as np
from scipy.special import exp1, spence

_HARMONIC = [sum(1 / j for j in range(1, n + 1)) for n in range(24)]
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)


def clayton_mi(theta: float) -> float:
    """Return the MI in nats of a pair of parameter θ > 0: −ln(1 − z) − z for z = θ / (1 + θ)."""
    z = theta / (1 + theta)
    if z < 0.1:
        return sum(z**k / k for k in range(18, 1, -1))
    return math.log1p(theta) - z


def frank_mi(theta: float) -> float:
    """Return the MI in nats of a pair of parameter θ > 0: ln(θ / (1 − e^−θ)) − 2 + 2 D₁(θ), D₁ the Debye function."""
    if theta < 1.5:
        orders = enumerate(_BERNOULLI, start=1)
        return sum(
            b * theta ** (2 * k) / math.factorial(2 * k) * (2 * k - 1) / (2 * k * (2 * k + 1)) for k, b in orders
        )
    log_whole = math.log(-math.expm1(-theta))
    debye = (math.pi**2 / 6 - float(spence(-math.expm1(-theta)))) / theta + log_whole
    return math.log(theta) - log_whole - 2 + 2 * debye


def gumbel_mi(excess: float) -> float:
    """Return the MI of a pair in nats, by θ − 1; below 1 by its series Σ_n (H_n − γ − ln(θ−1)) (θ−1)^n / n! / θ."""
    if excess == 0:
        return 0.0
    known = np.euler_gamma + math.log(excess)
    if excess < 1:
        terms = ((_HARMONIC[n] - known) * excess**n / math.factorial(n) for n in range(2, 24))
        return sum(terms) / (1 + excess)
    return known + (_scaled_exp1(excess) - excess) / (1 + excess)


def _scaled_exp1(x: float) -> float:
    """Return e^x E₁(x) for x ≥ 1, by its continued fraction where the exponential integral is small."""
    if x < 10:
        return math.exp(x) * float(exp1(x))
    fraction = 0.0
    for k in range(60, 0, -1):
        fraction = k * k / (x + 2 * k + 1 - fraction)
    return 1 / (x + 1 - fraction)
