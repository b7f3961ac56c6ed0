"""Archimedean copulas: the textbook densities on a grid, and one-dimensional integrals for any strength.

With generator ψ, U = ψ(wS) and V = ψ((1 − w)S) for w uniform on (0, 1) independent of S, whose density is s ψ''(s); the
copula's density is ψ''(s) / (ψ'(ws) ψ'((1 − w)s)).
"""

import numpy as np
from mpmath import mp

from .family import Family
from .quadrature import mean_on_grid, trapezoid


def log1mexp(t):
    """ln(1 − e^(−t)) for t > 0."""
    return np.where(t < 0.7, np.log(-np.expm1(-np.minimum(t, 1))), np.log1p(-np.exp(-np.maximum(t, 0.5))))


def clayton_log_density(log_u, log_v, theta):
    """(1 + θ) (uv)^(−1−θ) (u^−θ + v^−θ − 1)^(−2−1/θ)."""
    high, low = -theta * np.minimum(log_u, log_v), -theta * np.maximum(log_u, log_v)
    total = high + np.log1p(np.exp(-high) * np.expm1(low))
    return np.log1p(theta) - (1 + theta) * (log_u + log_v) - (2 + 1 / theta) * total


def gumbel_log_density(log_u, log_v, theta):
    """C (ab)^(θ−1) A^(1/θ−2) (A^(1/θ) + θ − 1) / (uv) for a = −ln u, b = −ln v and A = a^θ + b^θ."""
    log_a, log_b = np.log(-log_u), np.log(-log_v)
    log_total = np.logaddexp(theta * log_a, theta * log_b)
    root = np.exp(log_total / theta)
    powers = (theta - 1) * (log_a + log_b) + (1 / theta - 2) * log_total
    return -root + powers + np.log(root + (theta - 1)) - log_u - log_v


def frank_log_density(log_u, log_v, theta):
    """θ (1 − e^−θ) e^(−θ(u+v)) / (1 − e^−θ − (1 − e^−θu)(1 − e^−θv))², where the bracket is a sum of positive parts."""
    u, v = np.exp(log_u), np.exp(log_v)
    bracket = np.logaddexp(-theta * u + log1mexp(-theta * np.expm1(log_u)), -theta * v + log1mexp(theta * u))
    return np.log(theta) + np.log(-np.expm1(-theta)) - theta * (u + v) - 2 * bracket


def on_grid(log_density, theta, step=0.1, reach=42):
    """∫ c ln c over the unit square, in logistic scores u = 1 / (1 + e^−a), which reach both tails evenly."""
    a, _ = trapezoid(-reach, reach, step)
    log_u = -np.logaddexp(0, -a)
    log_jacobian = log_u - np.logaddexp(0, a)
    log_c = log_density(log_u[:, None], log_u, theta)
    return mean_on_grid(np.exp(log_c + log_jacobian[:, None] + log_jacobian), log_c, step**2)


def clayton(theta):
    """ψ(s) = (1 + s)^(−1/θ), integrated over L = ln(1 + S), with the mean over w of ln(1 + ws) = (1 + s) L / s − 1."""
    with mp.workdps(30):
        a = 1 / mp.mpf(theta)

        def integrand(length):
            s = mp.expm1(length)
            mean_log = (1 + s) * length / s - 1
            weight = a * (a + 1) * -mp.expm1(-length) * mp.exp(-a * length)
            return weight * (2 * (a + 1) * mean_log - (a + 2) * length)

        edges = {mp.mpf(0), *(f / (1 + a) for f in (1, 4, 10, 30)), *(f / a for f in (1, 5, 20, 70))}
        return mp.log1p(1 / a) + mp.quad(integrand, [*sorted(edges)])


def gumbel(theta):
    """ψ(s) = exp(−s^(1/θ)), integrated over t = s^(1/θ), with E[w^(1/θ)] = θ / (θ + 1) and E[ln w] = −1."""
    with mp.workdps(30):
        theta = mp.mpf(theta)
        if theta == 1:
            return mp.mpf(0)

        def integrand(t):
            ratio = mp.log(t + theta - 1) - mp.log(t) + t * (theta - 1) / (theta + 1) - 2 * (1 - 1 / theta)
            return mp.exp(-t) * (t + theta - 1) / theta * ratio

        return mp.quad(integrand, sorted({mp.mpf(0), min(theta - 1, mp.mpf("0.5")), mp.mpf(1), 4, 12, 30, 90}))


def frank(theta):
    """ψ(s) = −ln(1 − q e^−s) / θ with q = 1 − e^−θ, so ln c = ln(θ / q) + θ (2C − U − V) for the value C = ψ(S).

    U and V have mean 1/2; C has the density s ψ''(s) / |ψ'(s)| = s e^(θt) at t = ψ(s).
    """
    with mp.workdps(40):
        theta = abs(mp.mpf(theta))

        def log1mexp(power):
            return mp.log1p(-mp.exp(-power)) if power > 1 else mp.log(-mp.expm1(-power))

        log_q = log1mexp(theta)

        def integrand(t):
            return t * (log_q - log1mexp(theta * t)) * mp.exp(theta * t) if 0 < t < 1 else mp.mpf(0)

        inner = [x for f in ("0.1", 1, 5, 20, 60) for x in (mp.mpf(f) / theta, 1 - mp.mpf(f) / theta) if 0 < x < 1]
        mean = mp.quad(integrand, sorted({mp.mpf(0), mp.mpf(1), mp.mpf("0.5"), *inner}))
        return mp.log(theta) - log_q + theta * (2 * mean - 1)


def _family(name, mutual_information, log_density, given, wanted):
    return Family(
        name,
        "theta",
        mutual_information,
        lambda x, y, theta: log_density(np.log(x), np.log(y), theta),
        given=given,
        wanted=wanted,
        x_margin=lambda x, theta: x,
        y_margin=lambda y, theta: y,
        symmetric=True,
    )


DENSITIES = {"clayton": clayton_log_density, "gumbel": gumbel_log_density, "frank": frank_log_density}
FAMILIES = [
    _family("clayton", clayton, clayton_log_density, (0.05, 0.5, 2.0, 8.0), (1e-6, 1e-3, 0.1, 1.0, 3.0, 10.0, 20.0)),
    _family("gumbel", gumbel, gumbel_log_density, (1.0, 1.1, 2.0, 6.0), (1e-6, 1e-3, 0.1, 1.0, 3.0, 10.0, 20.0)),
    _family("frank", frank, frank_log_density, (0.1, 1.0, 5.0, 30.0), (1e-6, 1e-3, 0.1, 1.0, 3.0, 10.0, 20.0)),
]
