"""Noise added to an input, and the gamma-exponential pair: MI as an integral of the density."""

import math

import numpy as np
from mpmath import mp
from scipy import special, stats

from .family import Family
from .quadrature import gauss_legendre, tanh_sinh

ROOT3 = math.sqrt(3)


def smoothed_uniform(a):
    """X ~ U(0, 1), Y = X + U(0, 1) / a: h(Y) + ln a, with h(Y) integrated over the pieces of the density of Y."""
    with mp.workdps(80):
        a = mp.mpf(a)

        def density(y):
            return a * max(min(mp.mpf(1), y) - max(mp.mpf(0), y - 1 / a), mp.mpf(0))

        def integrand(y):
            p = density(y)
            return p * mp.log(a / p) if p > 0 else mp.mpf(0)

        return mp.quad(integrand, sorted({mp.mpf(0), mp.mpf(1), 1 / a, 1 + 1 / a}))


def smoothed_uniform_log_ratio(x, y, a):
    density = a * (np.minimum(1, y) - np.maximum(0, y - 1 / a))
    return math.log(a) - np.log(density)


def smoothed_uniform_cdf(y, a):
    """∫ of the distribution function of U(0, 1) over (y − 1/a, y), times a."""

    def primitive(t):
        return np.where(t < 0, 0, np.where(t < 1, t**2 / 2, t - 0.5))

    return a * (primitive(y) - primitive(y - 1 / a))


def gamma_exponential(kappa):
    """X ~ Gamma(1/κ), Y | X ~ Exp(X): the mean of ln[x e^(−xy)] less that of the log density of Y.

    With e = xy standard exponential, E[ln x − e] = ψ(1/κ) − 1; Y has P(Y > y) = (1 + y)^(−1/κ), so ln(1 + Y) is
    exponential of mean κ and E[ln p(Y)] = −ln κ − (1/κ + 1) κ.
    """
    with mp.workdps(40):
        kappa = mp.mpf(kappa)
        return mp.digamma(1 / kappa) - 1 + mp.log(kappa) + 1 + kappa


def gamma_exponential_on_grid(kappa):
    """The same as a double integral of p ln(p / p p) over ln x and ln(xy)."""
    shape = 1 / kappa
    low = -60 / shape
    knots = [low * f for f in (1, 0.5, 0.25, 0.1, 0.03, 0.01) if low * f < -40]
    centre, width = math.log(shape), 1 / math.sqrt(shape)
    body = centre + width * np.arange(-12, 13, 2) if shape > 1 else np.arange(-40, 5, 4)
    s, ws = gauss_legendre([*knots, *body])
    t, wt = gauss_legendre(np.arange(-40, 6, 2.5))
    log_s = shape * s - np.exp(s) - special.gammaln(shape)
    log_t = t - np.exp(t)
    weight = (np.exp(log_s) * ws)[:, None] * (np.exp(log_t) * wt)
    ratio = s[:, None] - np.exp(t) - math.log(shape) + (shape + 1) * np.logaddexp(0, t - s[:, None])
    return float(np.sum(weight * ratio)), float(np.sum(weight))


def gamma_exponential_log_ratio(x, y, kappa):
    return np.log(x) - x * y + math.log(kappa) + (1 / kappa + 1) * np.log1p(y)


def gamma_exponential_log_ratio_of_logs(x, y, kappa):
    """The same of x = ln X − ψ(1/κ) and y = ln Y + ψ(1/κ)."""
    x, y = x + special.digamma(1 / kappa), y - special.digamma(1 / kappa)
    return x - np.exp(x + y) + math.log(kappa) + (1 / kappa + 1) * np.logaddexp(0, y)


def log_gamma_cdf(x, kappa):
    """P(ln X < x + ψ(1/κ)), by the first term of the series where X is tiny."""
    x = x + special.digamma(1 / kappa)
    body = stats.gamma.cdf(np.exp(np.maximum(x, -40)), 1 / kappa)
    return np.where(
        x > -40, body, np.exp(np.minimum(x, 0) / kappa) / special.gamma(1 / kappa + 1) if kappa > 0.1 else 0
    )


def awgn_gaussian(sigma):
    with mp.workdps(30):
        return mp.log1p(1 / mp.mpf(sigma) ** 2) / 2


def uniform_output(y, sigma):
    """The density of U(−√3, √3) + σZ."""
    y = np.abs(y)
    return (special.ndtr((ROOT3 - y) / sigma) - special.ndtr((-ROOT3 - y) / sigma)) / (2 * ROOT3)


def awgn_uniform(sigma):
    """h(Y) − h(σZ), twice the integral over y > 0."""
    edges = ROOT3 + sigma * np.arange(-12, 41, 2)
    y, w = tanh_sinh([0, *edges[edges > 0]])
    density = uniform_output(y, sigma)
    spread = density * (
        np.log(np.where(density > 0, density, 1)) + math.log(sigma) + math.log(2 * math.pi * math.e) / 2
    )
    return -2 * float(np.sum(spread * w))


def awgn_uniform_log_ratio(x, y, sigma):
    return stats.norm.logpdf(y, x, sigma) - np.log(uniform_output(y, sigma))


def awgn_uniform_cdf(y, sigma):
    """The mean of Φ((y − x) / σ) over x, by the primitive tΦ(t) + φ(t) of Φ."""

    def primitive(t):
        return t * special.ndtr(t) + np.exp(-(t**2) / 2) / math.sqrt(2 * math.pi)

    return sigma * (primitive((y + ROOT3) / sigma) - primitive((y - ROOT3) / sigma)) / (2 * ROOT3)


def points(levels):
    centred = np.arange(levels) - (levels - 1) / 2
    return centred / math.sqrt((levels**2 - 1) / 12)


def log_output(y, sigma, levels):
    """The log density of a mixture of `levels` normals around the points."""
    return special.logsumexp(stats.norm.logpdf(y[..., None], points(levels), sigma), axis=-1) - math.log(levels)


def awgn_discrete(levels):
    def mutual_information(sigma):
        z, w = tanh_sinh(np.arange(-14, 15, 0.5), step=0.1, reach=3.2)
        y = points(levels)[:, None] + sigma * z
        ratio = stats.norm.logpdf(z) - math.log(sigma) - log_output(y, sigma, levels)
        return float(np.mean(ratio @ (w * stats.norm.pdf(z))))

    return mutual_information


def awgn_discrete_log_ratio(levels):
    return lambda x, y, sigma: stats.norm.logpdf(y, x, sigma) - log_output(y, sigma, levels)


def _awgn_discrete(levels, wanted):
    return Family(
        "awgn",
        "sigma",
        awgn_discrete(levels),
        awgn_discrete_log_ratio(levels),
        given=(0.1, 0.7, 3.0),
        wanted=wanted,
        y_margin=lambda y, s: np.mean(special.ndtr((y[..., None] - points(levels)) / s), axis=-1),
        fixed={"input": "discrete", "levels": levels},
    )


# Y = X + U / a may be scaled, so that the wider of the two terms has the width 1.
FAMILIES = [
    Family(
        "smoothed_uniform",
        "a",
        smoothed_uniform,
        lambda x, y, a: smoothed_uniform_log_ratio(x, y / min(a, 1), a),
        given=(0.01, 0.5, 1.0, 3.0, 1e4),
        wanted=(1e-6, 1e-3, 0.1, 0.5, 1.0, 3.0, 10.0, 30.0),
        x_margin=lambda x, a: x,
        y_margin=lambda y, a: smoothed_uniform_cdf(y / min(a, 1), a),
    ),
    Family(
        "additive_noise",
        "epsilon",
        lambda epsilon: smoothed_uniform(1 / (2 * mp.mpf(epsilon))),
        lambda x, y, epsilon: smoothed_uniform_log_ratio(x, y + epsilon, 1 / (2 * epsilon)),
        given=(1e-4, 0.1, 0.5, 2.0),
        wanted=(1e-6, 1e-3, 0.1, 0.5, 1.0, 3.0, 10.0, 30.0),
        x_margin=lambda x, epsilon: x,
        y_margin=lambda y, epsilon: smoothed_uniform_cdf(y + epsilon, 1 / (2 * epsilon)),
    ),
    Family(
        "gamma_exponential",
        "kappa",
        gamma_exponential,
        gamma_exponential_log_ratio,
        given=(0.01, 0.5, 1.0, 2.0),
        wanted=(1e-6, 1e-3, 0.1, 1.0, 2.0),
        x_margin=lambda x, kappa: stats.gamma.cdf(x, 1 / kappa),
        y_margin=lambda y, kappa: -np.expm1(-np.log1p(y) / kappa),
    ),
    Family(
        "gamma_exponential",
        "kappa",
        gamma_exponential,
        gamma_exponential_log_ratio_of_logs,
        given=(0.01, 0.03, 0.5, 2.0, 30.0, 1e4),
        wanted=(1e-6, 1e-3, 0.1, 1.0, 3.0, 10.0, 25.0),
        x_margin=log_gamma_cdf,
        y_margin=lambda y, kappa: -np.expm1(-np.logaddexp(0, y - special.digamma(1 / kappa)) / kappa),
        fixed={"log": True},
    ),
    Family(
        "awgn",
        "sigma",
        awgn_gaussian,
        lambda x, y, s: stats.norm.logpdf(y, x, s) - stats.norm.logpdf(y, 0, np.sqrt(1 + s**2)),
        given=(1e-3, 0.1, 1.0, 10.0),
        wanted=(1e-6, 1e-3, 0.1, 1.0, 3.0, 10.0, 30.0),
        x_margin=lambda x, s: special.ndtr(x),
        y_margin=lambda y, s: special.ndtr(y / np.sqrt(1 + s**2)),
    ),
    Family(
        "awgn",
        "sigma",
        awgn_uniform,
        awgn_uniform_log_ratio,
        given=(1e-3, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 10.0),
        wanted=(1e-6, 1e-3, 0.1, 1.0, 1.5, 1.8, 2.0, 3.0, 10.0),
        x_margin=lambda x, s: (x + ROOT3) / (2 * ROOT3),
        y_margin=awgn_uniform_cdf,
        fixed={"input": "uniform"},
    ),
    _awgn_discrete(2, (1e-6, 1e-3, 0.1, 0.5, 0.69)),
    _awgn_discrete(8, (1e-3, 0.5, 2.0, 2.07)),
]
