"""Families of d independent pairs (X_j, Y_j), each of which carries its own share of the MI."""

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import brentq

from mibench.catalogue import name_of
from mibench.component import SHOWN
from mibench.distribution import Array, Draw
from mibench.errors import SpecError

from .checks import check_dimension, check_mi
from .shapes import EqualDimensions
from .split import check_float64, check_seed_is_used, split_mi, splits_at_random


@dataclass(frozen=True)
class IndependentPairs(EqualDimensions):
    """d independent pairs of one family: I(X; Y) is the sum over them.

    Give the wanted `mi`, or the family's own parameter, which then is that of every pair.
    `randomized=True` splits the MI over the pairs at random, and `seed` says which random split.
    """

    d: int = field(default=1, metadata=SHOWN)
    mi: float | None = field(default=None, metadata=SHOWN)
    randomized: bool = False
    seed: int = 0

    parameter: ClassVar[str]  # the field that holds the family's own parameter
    default_mi: ClassVar[float] = 1.0
    tags: ClassVar[Any] = ("vector",)

    def __post_init__(self) -> None:
        check_dimension("d", self.d)
        given = getattr(self, self.parameter)
        if given is None and self.mi is None:
            object.__setattr__(self, "mi", self.default_mi)
        if given is not None and self.mi is not None:
            raise SpecError(f"give either mi or {self.parameter}, not both")
        if given is not None and self.randomized:
            raise SpecError(f"randomized needs mi; with {self.parameter} every pair is the same")
        randomized = splits_at_random(self.mi or 0.0, self.d, self.randomized)
        object.__setattr__(self, "randomized", randomized)  # one law, one name
        check_seed_is_used(self.seed, randomized, "randomized=True and d of at least 2")
        if given is None:
            check_mi(self.mi or 0.0)
        else:
            self.check_parameter(given)
        self.check()
        check_float64(self.shares)
        assert self.pair_parameters is not None  # a wanted MI that cannot be had is an error of the spec

    def check(self) -> None:
        """Raise `SpecError` where the other fields are not what they must be."""

    def check_parameter(self, value: float) -> None:
        """Raise `SpecError` unless `value` can be the family's parameter."""
        if not 1e-100 <= value <= 1e100:
            raise SpecError(f"{self.parameter} must be a positive number, from 1e-100 to 1e100, got {value}")

    @property
    def mutual_information(self) -> float:
        """I(X; Y) in nats: the MI that was asked for, or that of the given parameter."""
        if self.mi is not None:
            return self.mi
        return self.d * self.pair_mi(getattr(self, self.parameter))

    @cached_property
    def pair_parameters(self) -> Array:
        """The parameter of each pair, (d,)."""
        if self.mi is None:
            return np.full(self.d, float(getattr(self, self.parameter)))
        solved = {share: rounded(self.solve(share)) for share in set(self.shares.tolist())}
        return np.array([solved[share] for share in self.shares.tolist()])

    @cached_property
    def shares(self) -> Array:
        """The MI of each pair, (d,) in nats."""
        return split_mi(self, self.mutual_information, self.d, self.randomized)

    @abstractmethod
    def pair_mi(self, parameter: float) -> float:
        """Return the MI of one pair in nats, by its parameter."""

    @abstractmethod
    def solve(self, mi: float) -> float:
        """Return the parameter of a pair whose MI is `mi` nats, or raise `SpecError` where there is none."""

    def check_positive(self, mi: float) -> None:
        """Raise `SpecError` where `mi` is 0 and only a limit of the family has no MI."""
        if mi <= 0:
            name = name_of(type(self))
            raise SpecError(f"mi must be above 0; for X and Y without MI write independent({name}(d={self.d}))")

    def draw(self, n: int, rng: np.random.Generator) -> Draw:
        """Return `n` draws and their pointwise MI."""
        x, y, pointwise = self.draw_pairs(n, rng)
        return Draw(x, y, pointwise.sum(axis=1))

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """Return the pointwise MI of each draw, (n,) in nats; −∞ where x and y cannot go together."""
        total: Array = self.pair_log_ratio(x, y).sum(axis=1)
        return total

    @abstractmethod
    def draw_pairs(self, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Return x, y and the pointwise MI of each pair, all (n, d)."""

    @abstractmethod
    def pair_log_ratio(self, x: Array, y: Array) -> Array:
        """Return ln p(x_j, y_j) − ln p(x_j) − ln p(y_j), (n, d) in nats."""


def root(function: Callable[[float], float], value: float, low: float, high: float) -> float:
    """Return the positive argument between `low` and `high` where the monotone `function` is `value`."""
    return math.exp(brentq(lambda t: function(math.exp(t)) - value, math.log(low), math.log(high), xtol=1e-15))


def rounded(value: float) -> float:
    """Return `value` to 13 digits, which are the same whatever the last bit of a machine's elementary functions."""
    return float(f"{value:.12e}")
