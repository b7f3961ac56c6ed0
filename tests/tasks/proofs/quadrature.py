"""Nodes and weights of composite rules, for integrands that are smooth between the given breaks."""

import numpy as np


def tanh_sinh(breaks, step=0.05, reach=3.4):
    """Nodes and weights (panels * k,): double exponential rule on each panel, which tames singular ends."""
    breaks = np.asarray(breaks, dtype=float)
    t = np.arange(-reach, reach + step / 2, step)
    nodes = np.tanh(np.pi / 2 * np.sinh(t))
    weights = step * np.pi / 2 * np.cosh(t) / np.cosh(np.pi / 2 * np.sinh(t)) ** 2
    return _on_panels(breaks, nodes, weights)


def gauss_legendre(breaks, order=24):
    """Nodes and weights (panels * order,): Gauss-Legendre rule on each panel."""
    return _on_panels(np.asarray(breaks, dtype=float), *np.polynomial.legendre.leggauss(order))


def trapezoid(low, high, step):
    """Nodes and weights of the trapezoidal rule, spectrally exact where an analytic integrand decays at both ends."""
    nodes = np.linspace(low, high, round((high - low) / step) + 1)
    return nodes, np.full(len(nodes), nodes[1] - nodes[0])


def _on_panels(breaks, nodes, weights):
    low, high = breaks[:-1, None], breaks[1:, None]
    half = (high - low) / 2
    return ((low + high) / 2 + half * nodes).ravel(), (half * weights).ravel()


def mean_on_grid(joint, log_ratio, weights):
    """The integral of joint * log_ratio on a grid, after a check that the joint density integrates to one."""
    mass = np.sum(joint * weights)
    assert abs(mass - 1) < 1e-7, f"the reference density integrates to {mass}"
    return float(np.sum(np.where(joint > 0, joint * log_ratio, 0.0) * weights))
