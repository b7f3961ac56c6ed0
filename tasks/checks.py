"""The checks that all families share."""

import math

import numpy as np

from mibench.distribution import Array
from mibench.errors import SpecError

_NEAR = 1e-6
_MOST = 100_000  # dimensions: one draw of more is no task for a table


def check_dimension(name: str, value: int) -> None:
    """Raise `SpecError` unless `value` is a dimension."""
    if value < 1:
        raise SpecError(f"{name} must be at least 1, got {value}")
    if value > _MOST:
        raise SpecError(f"{name} must be at most {_MOST}, got {value}")


def check_mi(value: float, name: str = "mi") -> None:
    """Raise `SpecError` unless `value` can be an MI in nats."""
    if not (math.isfinite(value) and value >= 0):
        raise SpecError(f"{name} must be a finite number of nats, at least 0, got {value}")


def check_rho(value: float) -> None:
    """Raise `SpecError` unless `value` is a correlation from 0 to below 1."""
    if not 0 <= value < 1:
        raise SpecError(f"rho must be in [0, 1), got {value}")


def check_fraction(name: str, value: float) -> None:
    """Raise `SpecError` unless `value` is a probability."""
    if not 0 <= value <= 1:
        raise SpecError(f"{name} must be a probability, from 0 to 1, got {value}")


def nearest_integer(labels: Array) -> Array:
    """Return labels that the inverse of a map has left next to an integer as that integer, and others as they are."""
    nearest = np.rint(labels)
    return np.where(np.abs(labels - nearest) < _NEAR, nearest, labels)
