"""Mixtures of normals in two and three dimensions, on grids fine enough for their narrowest component."""

import numpy as np
from scipy import stats
from scipy.special import logsumexp

from .quadrature import gauss_legendre, mean_on_grid, tanh_sinh, trapezoid


def log_mixture(points, means, covariances):
    """The log density (...,) of equally weighted normals at points (..., d)."""
    logs = [
        stats.multivariate_normal.logpdf(points, mean, covariance)
        for mean, covariance in zip(means, covariances, strict=True)
    ]
    return logsumexp(logs, axis=0) - np.log(len(means))


def on_grid(means, covariances, dx, axes):
    """∫ p ln(p / p p) where X is the first `dx` coordinates, by the trapezoidal rule on `axes` of (low, high, step)."""
    means, covariances = np.asarray(means, dtype=float), np.asarray(covariances, dtype=float)
    nodes = [trapezoid(*axis)[0] for axis in axes]
    cell = np.prod([node[1] - node[0] for node in nodes])
    grid = np.stack(np.meshgrid(*nodes, indexing="ij"), axis=-1)
    joint = log_mixture(grid, means, covariances)
    first = grid[..., :dx].reshape(*[len(node) for node in nodes[:dx]], -1, dx)[..., 0, :]
    last = grid.reshape(-1, *grid.shape[dx:])[0][..., dx:]
    log_x = log_mixture(first, means[:, :dx], covariances[:, :dx, :dx])
    log_y = log_mixture(last, means[:, dx:], covariances[:, dx:, dx:])
    ratio = joint - log_x.reshape(log_x.shape + (1,) * (joint.ndim - dx)) - log_y
    return mean_on_grid(np.exp(joint), ratio, cell)


def mixture_x():
    means, covariances = np.zeros((2, 2)), [[[1, r], [r, 1]] for r in (0.9, -0.9)]
    return means, covariances, 1, [(-10, 10, 0.05)] * 2


def mixture_ai():
    tilt = 0.95 * np.sqrt(0.04 * 0.2)
    means = [(1, 0), (1, 1), (1, -1), (-0.8, -0.2), (-1.2, 0), (-0.4, 0)]
    flat = [np.diag(v) for v in ((0.01, 0.2), (0.05, 0.001), (0.05, 0.001), (0.03, 0.001))]
    tilted = [np.array([[0.04, s], [s, 0.2]]) for s in (tilt, -tilt)]
    return means, [*flat, *tilted], 1, [(-3.4, 3.4, 0.0125), (-5, 5, 0.01)]


def waves():
    means = [(1.5 * i, 0, 1.5 * (i % 4)) for i in range(12)]
    return means, [np.diag([0.1, 1, 0.1])] * 12, 2, [(-3.4, 20, 0.08), (-9, 9, 0.9), (-3.4, 7.9, 0.08)]


def galaxy():
    return [(1.5, 1.5, 1.5), (-1.5, -1.5, -1.5)], [np.eye(3)] * 2, 2, [(-10, 10, 0.25)] * 3


def concentric(components, dx):
    """Over the radius of X and around each value that Y can take; the law of X does not depend on its angle."""
    scales = np.arange(1, components + 1)
    r, wr = gauss_legendre(np.linspace(0, 12 * components, 6 * components + 1))
    z, wz = gauss_legendre(np.arange(-12, 13, 2))
    y = (scales[:, None] + 0.01 * z).ravel()
    wy = np.tile(0.01 * wz, components)
    log_ring = stats.chi.logpdf(r, dx, scale=scales[:, None])
    log_label = stats.norm.logpdf(y, scales[:, None], 0.01)
    joint = np.mean(np.exp(log_ring)[:, :, None] * np.exp(log_label)[:, None, :], axis=0)
    x_alone, y_alone = np.mean(np.exp(log_ring), axis=0), np.mean(np.exp(log_label), axis=0)
    ratio = np.log(np.where(joint > 0, joint, 1)) - np.log(x_alone)[:, None] - np.log(y_alone)
    return mean_on_grid(joint, ratio, wr[:, None] * wy)


def inliers(weight, rho):
    """A share `weight` of two normal pairs of correlation rho, and 1 − weight of the product of its marginals.

    With a, b the sums of squares of (x + y) / √2 and of (x − y) / √2 over the two pairs, the log ratio of the
    normal part is −ln(1 − ρ²) + ρ a / (2 (1 + ρ)) − ρ b / (2 (1 − ρ)). In the normal part a / 2 and b / 2 are
    exponential of mean 1 ± ρ, in the product both of mean 1; the difference of the two terms has a law of two slopes.
    """
    part = -np.log1p(-(rho**2))
    normal = _mean_over_laplace(weight, part, rho, rho)
    product = _mean_over_laplace(weight, part, rho / (1 + rho), rho / (1 - rho))
    return weight * normal + (1 - weight) * product


def inliers_of_one_pair(weight, rho):
    """The same for one pair, each part integrated over the principal axes of its own law."""
    u, step = trapezoid(-10, 10, 0.02)
    step = step[0] ** 2
    mass = stats.norm.pdf(u[:, None]) * stats.norm.pdf(u) * step
    total = 0.0
    for share, major, minor in ((weight, 1 + rho, 1 - rho), (1 - weight, 1, 1)):
        a, b = major * u[:, None] ** 2, minor * u**2
        log_r = -np.log1p(-(rho**2)) / 2 + rho * a / (2 * (1 + rho)) - rho * b / (2 * (1 - rho))
        if share > 0:
            total += share * np.sum(
                mass * np.logaddexp(np.log(weight) + log_r, np.log1p(-weight) if weight < 1 else -np.inf)
            )
    return float(total)


def _mean_over_laplace(weight, part, up, down):
    """E ln(weight e^(part + up E − down E') + 1 − weight) for E, E' standard exponential."""

    def value(t):
        return np.logaddexp(np.log(weight) + part + t, np.log1p(-weight) if weight < 1 else -np.inf)

    if up == 0:
        return float(value(0.0))
    total = 0.0
    for sign, scale in ((1, up), (-1, down)):
        kink = sign * (np.log1p(-weight) - np.log(weight) - part) / scale if weight < 1 else 0
        breaks = [0, 0.1, 0.5, 1, 2, 4, 8, 16, 32, 64]
        breaks = np.unique([*breaks, *(max(kink + k / scale, 0) for k in (-30, -10, -3, 0, 3, 10, 30) if kink < 64)])
        t, w = tanh_sinh(breaks)
        total += scale / (up + down) * float(np.exp(-t) * w @ value(sign * scale * t))
    return total
