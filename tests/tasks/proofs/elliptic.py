"""Normal and Student laws: integrals over radii and angles, and determinants."""

import numpy as np
from mpmath import mp
from scipy import special, stats

from .quadrature import gauss_legendre, mean_on_grid, trapezoid


def gaussian_on_grid(rho):
    """∫ p ln(p / p p) of one normal pair, on a grid along the principal axes."""
    u, _ = trapezoid(-12, 12, 0.1)
    major, minor = u[:, None] * np.sqrt(1 + rho), u * np.sqrt(1 - rho)
    x, y = (major + minor) / np.sqrt(2), (major - minor) / np.sqrt(2)
    log_joint = -np.log(2 * np.pi) - np.log1p(-(rho**2)) / 2 - (u[:, None] ** 2 + u**2) / 2
    ratio = log_joint - stats.norm.logpdf(x) - stats.norm.logpdf(y)
    return mean_on_grid(np.exp(log_joint), ratio, np.sqrt(1 - rho**2) * 0.1**2)


def of_covariance(sigma, dx):
    """(ln det of each side − ln det of both) / 2, for a covariance of mpmath numbers or floats."""
    with mp.workdps(30):
        sigma = mp.matrix(sigma)
        n = sigma.rows
        x, y = mp.det(sigma[:dx, :dx]), mp.det(sigma[dx:n, dx:n])
        return mp.log(x * y / mp.det(sigma)) / 2


def equicorrelated(d, rho):
    with mp.workdps(30):
        rho = mp.mpf(rho)
        return of_covariance([[mp.mpf(1) if i == j else rho for j in range(2 * d)] for i in range(2 * d)], d)


def student_on_grid(rho, df):
    """∫ p ln(p / p p) of one Student pair, over the log radius and the angle."""
    spread = np.sqrt((1 + np.array([1, -1]) * rho) / 2)
    log_r, weight_r = gauss_legendre(np.arange(-18, 26 / min(df, 2) + 8, 0.5), order=16)
    angle = np.arange(0.5, 1200) * np.pi / 1200
    u, v = np.exp(log_r)[:, None] * np.cos(angle), np.exp(log_r)[:, None] * np.sin(angle)
    x, y = spread[0] * u + spread[1] * v, spread[0] * u - spread[1] * v
    log_joint = -np.log(2 * np.pi) - np.log1p(-(rho**2)) / 2
    log_joint = log_joint - (df / 2 + 1) * np.log1p(np.exp(2 * log_r) / df)
    ratio = log_joint[:, None] - stats.t.logpdf(x, df) - stats.t.logpdf(y, df)
    area = np.sqrt(1 - rho**2) * np.exp(2 * log_r) * weight_r * 2 * np.pi / 1200
    return mean_on_grid(np.exp(log_joint)[:, None], ratio, np.broadcast_to(area[:, None], ratio.shape))


def student_entropy(dimension, df):
    """h of the standard Student law in `dimension` coordinates, by an integral over the log radius."""
    log_r, weight = gauss_legendre(np.arange(-30, 40 / min(df, 2) + 10, 0.5), order=20)
    log_norm = special.gammaln((df + dimension) / 2) - special.gammaln(df / 2) - dimension / 2 * np.log(df * np.pi)
    log_density = log_norm - (df + dimension) / 2 * np.log1p(np.exp(2 * log_r) / df)
    log_sphere = np.log(2) + dimension / 2 * np.log(np.pi) - special.gammaln(dimension / 2)
    mass = np.exp(log_density + log_sphere + dimension * log_r) * weight
    assert abs(mass.sum() - 1) < 1e-9
    return -float(mass @ log_density)


def student_excess(df, dx, dy):
    """The MI of a Student law without any correlation: h(X) + h(Y) − h(X, Y)."""
    return student_entropy(dx, df) + student_entropy(dy, df) - student_entropy(dx + dy, df)
