"""Discrete channels: a uniform label that is sometimes drawn again before it is seen."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.optimize import brentq
from scipy.special import xlogy

from mibench.distribution import Array
from mibench.errors import SpecError

from .checks import check_fraction, nearest_integer
from .pairs import IndependentPairs

_MOST_LEVELS = 2**40


def channel_mi(levels: int, redraw: float) -> float:
    """Return I(X; Y) in nats for X uniform over m `levels` and Y = X, but with probability `redraw` any of them."""
    same = 1 - redraw * (1 - 1 / levels)
    return math.log(levels) + float(xlogy(same, same) + xlogy(1 - same, redraw / levels))


def solve_channel(levels: int, mi: float) -> float:
    """Return the probability of a new draw for the wanted MI, or raise `SpecError` where there is none."""
    most = math.log(levels)
    if mi > most * (1 + 1e-12):
        raise SpecError(f"mi must be at most ln {levels} = {most:.6g} nats for {levels} labels, got {mi:.6g}")
    if mi >= most:
        return 0.0
    if mi <= channel_mi(levels, 1.0):  # 0, but for rounding
        return 1.0
    return float(brentq(lambda redraw: channel_mi(levels, redraw) - mi, 0.0, 1.0, xtol=1e-300, rtol=1e-15))


class _Channel(IndependentPairs):
    """Independent labels 0 … m−1 through one symmetric channel each."""

    tags: ClassVar[tuple[str, ...]] = ("discrete", "vector")

    @property
    @abstractmethod
    def _count(self) -> int: ...

    @property
    @abstractmethod
    def _redraw(self) -> Array: ...

    def draw_pairs(self, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Return x, y and the pointwise MI of each pair, all (n, d)."""
        x, other, u = rng.random((3, n, self.d))
        x, other = np.floor(x * self._count), np.floor(other * self._count)
        y = np.where(u < self._redraw, other, x)
        return x, y, self.pair_log_ratio(x, y)

    def pair_log_ratio(self, x: Array, y: Array) -> Array:
        """Return ln m + ln p(y | x) (n, d) in nats."""
        x, y = nearest_integer(x), nearest_integer(y)
        with np.errstate(divide="ignore"):
            differ = np.log(self._redraw)
        ratio: Array = np.where(x == y, np.log(self._count - self._redraw * (self._count - 1)), differ)
        return ratio


@dataclass(frozen=True)
class NoisyLabels(_Channel):
    """X_j uniform over {0, …, m−1}, Y_j = X_j, but with probability r a new label; r is `noise`, m is `levels`."""

    levels: int = 10
    noise: float | None = None

    parameter: ClassVar[str] = "noise"
    formula: ClassVar[str] = "I = Σ_j ln m + s ln s + (1 − s) ln(r/m), s = 1 − r (1 − 1/m)"
    source: ClassVar[str] = "Butakov et al. 2024 (mutinfo)"

    def check(self) -> None:
        """Raise `SpecError` unless there are labels to confuse."""
        if not 2 <= self.levels <= _MOST_LEVELS:
            raise SpecError(f"levels must be from 2 to {_MOST_LEVELS}, got {self.levels}")

    def check_parameter(self, value: float) -> None:
        """Raise `SpecError` unless `value` is a probability."""
        check_fraction("noise", value)

    def pair_mi(self, parameter: float) -> float:
        """Return the MI of one pair in nats, by the noise."""
        return channel_mi(self.levels, parameter)

    def solve(self, mi: float) -> float:
        """Return the noise."""
        return solve_channel(self.levels, mi)

    @property
    def _count(self) -> int:
        return self.levels

    @property
    def _redraw(self) -> Array:
        return self.pair_parameters


@dataclass(frozen=True)
class BinarySymmetric(_Channel):
    """d fair bits, each flipped with probability p."""

    p: float | None = None

    parameter: ClassVar[str] = "p"
    default_mi: ClassVar[float] = 0.5
    formula: ClassVar[str] = "I = Σ_j ln 2 + p_j ln p_j + (1 − p_j) ln(1 − p_j)"
    source: ClassVar[str] = "Shannon 1948; Lee & Rhee 2024 (mibenchmark)"

    def check_parameter(self, value: float) -> None:
        """Raise `SpecError` unless `value` is a probability up to one half."""
        if not 0 <= value <= 0.5:
            raise SpecError(f"p must be from 0 to 0.5, got {value}")

    def pair_mi(self, parameter: float) -> float:
        """Return the MI of one pair in nats, by p."""
        return channel_mi(2, 2 * parameter)

    def solve(self, mi: float) -> float:
        """Return p, half the probability of a new draw."""
        return solve_channel(2, mi) / 2

    @property
    def _count(self) -> int:
        return 2

    @property
    def _redraw(self) -> Array:
        return 2 * self.pair_parameters
