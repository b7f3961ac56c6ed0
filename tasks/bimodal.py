"""The bimodal map: a normal coordinate becomes a mixture of two normals."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from scipy.special import ndtri

from mibench.distribution import Array

from . import normal
from .maps import Map

_MIXTURES = {"x": ((0.3, 0.0), (0.7, 5.0)), "y": ((0.5, -1.0), (0.5, 3.0))}  # weight and mean, of variance 1 each
_GRID = np.arange(-640, 641) / 64
_NEWTON_STEPS = 5  # from the grid's interpolation, which is off by less than 0.01


@dataclass(frozen=True)
class Bimodal(Map):
    """x ↦ F⁻¹(Φ(x)), with F the CDF of .3 N(0, 1) + .7 N(5, 1) for X, of .5 N(−1, 1) + .5 N(3, 1) for Y."""

    def map(self, side: Literal["x", "y"], values: Array) -> Array:
        """Return the quantile of the mixture at the normal CDF of each coordinate."""
        within = np.clip(values, _GRID[0], _GRID[-1])
        x = np.interp(within, _GRID, _quantiles(side)) + (values - within)
        sign = np.where(values < 0, 1.0, -1.0)  # the nearer tail, which keeps its precision
        target = normal.cdf(-np.abs(values))
        (w, m), (v, k) = _MIXTURES[side]
        for _ in range(_NEWTON_STEPS):
            density = w * normal.density(x - m) + v * normal.density(x - k)
            x = x - sign * (_tail(side, x, sign) - target) / density
        return x

    def invert(self, side: Literal["x", "y"], values: Array) -> Array:
        """Return the normal quantile at the CDF of the mixture of each coordinate."""
        left, right = _tail(side, values, 1.0), _tail(side, values, -1.0)
        return np.where(left < right, ndtri(left), -ndtri(right))


@cache
def _quantiles(side: Literal["x", "y"]) -> Array:
    """Return the map at the points of the grid, by bisection."""
    means = [mean for _, mean in _MIXTURES[side]]
    low, high = _GRID + min(means), _GRID + max(means)
    sign, target = np.where(_GRID < 0, 1.0, -1.0), normal.cdf(-np.abs(_GRID))
    for _ in range(60):
        middle = (low + high) / 2
        above = (_tail(side, middle, sign) > target) == (sign > 0)
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return (low + high) / 2


def _tail(side: Literal["x", "y"], values: Array, sign: Array | float) -> Array:
    """Return the probability of the mixture below each value where `sign` is 1, above it where it is −1."""
    (w, m), (v, k) = _MIXTURES[side]
    probability: Array = w * normal.cdf(sign * (values - m)) + v * normal.cdf(sign * (values - k))
    return probability
