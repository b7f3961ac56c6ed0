"""The range checks that hyperparameters share: each raises `SpecError` naming the field, its range and what was given.

Values come as keywords, ``at_least(1, k=self.k)``; NaN is in no range.
"""

import operator
from collections.abc import Callable, Mapping

from mibench.errors import SpecError


def at_least(least: float, **values: float) -> None:
    """Ask for values ≥ `least`."""
    _check(values, operator.ge, least, "at least")


def at_most(most: float, **values: float) -> None:
    """Ask for values ≤ `most`."""
    _check(values, operator.le, most, "at most")


def above(bound: float, **values: float) -> None:
    """Ask for values > `bound`."""
    _check(values, operator.gt, bound, "above")


def below(bound: float, **values: float) -> None:
    """Ask for values < `bound`."""
    _check(values, operator.lt, bound, "below")


def one_of(*choices: object, **values: object) -> None:
    """Ask for one of `choices`."""
    for name, value in values.items():
        if value not in choices:
            raise SpecError(f"{name} must be {' or '.join(map(repr, choices))}, got {value!r}")


def _check(values: Mapping[str, float], holds: Callable[[float, float], bool], bound: float, words: str) -> None:
    for name, value in values.items():
        if not holds(value, bound):
            raise SpecError(f"{name} must be {words} {bound}, got {value}")
