"""A discrete uniform X with uniform noise added: discrete on one side, continuous on the other."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mibench.distribution import Array
from mibench.errors import SpecError

from .checks import nearest_integer
from .pairs import IndependentPairs, root

_MOST_LEVELS = 10**6
_MOST_SOLVED_LEVELS = 2**40  # beyond, the noise is within a few roundings of the labels

_LN_GLAISHER = 0.2487544770337843  # Glaisher–Kinkelin constant


@dataclass(frozen=True)
class SmoothedDiscrete(IndependentPairs):
    """X_j uniform on {0, …, m−1}, Y_j = X_j + s U_j with U_j uniform on (0, 1); m is `levels`, s is `width`.

    The wanted MI takes m = ⌈e^I⌉ levels, or those given, and solves for s. `width=2` is the mixed law of Gao et al.
    2017, with I = ln m − ((m−1)/m) ln 2.
    """

    levels: int | None = None
    width: float | None = None

    parameter: ClassVar[str] = "width"
    formula: ClassVar[str] = "I = Σ_j ln m − E ln #{k : k ≤ Y_j ≤ k + s}, a finite sum of hyperfactorials"
    source: ClassVar[str] = "Gao et al. 2017; Butakov et al. 2024 (normalizing flows)"
    tags: ClassVar[tuple[str, ...]] = ("mixed-type", "vector")

    def check(self) -> None:
        """Raise `SpecError` where levels and width do not go together."""
        if self.levels is not None and not 2 <= self.levels <= _MOST_LEVELS:
            raise SpecError(f"levels must be from 2 to {_MOST_LEVELS}, got {self.levels}")
        if self.width is not None and self.levels is None:
            raise SpecError("width needs levels, such as smoothed_discrete(levels=5, width=2)")
        if self.mi is not None and self.levels is None and math.exp(min(self.mi, 99)) > _MOST_SOLVED_LEVELS * self.d:
            raise SpecError(f"mi must be at most {math.log(_MOST_SOLVED_LEVELS):.4g} nats a pair, got {self.mi}")

    def pair_mi(self, parameter: float) -> float:
        """Return the MI of one pair in nats, by the width, where the number of levels is given."""
        if self.levels is None:
            raise ValueError("the number of levels follows from the wanted MI")
        return _mi(self.levels, parameter)

    def pair_levels(self, mi: float) -> int:
        """Return the number of levels of a pair whose MI is `mi` nats."""
        return self.levels or max(2, math.ceil(math.exp(mi) * (1 - 1e-12)))

    def solve(self, mi: float) -> float:
        """Return the width of the noise of a pair."""
        self.check_positive(mi)
        levels = self.pair_levels(mi)
        if mi > math.log(levels) * (1 + 1e-12):
            raise SpecError(f"mi must be at most ln levels = {math.log(levels):.6g} nats a pair, got {mi:.6g}")
        widest = 1e18 if self.levels or levels == 2 else 2.0  # ⌈e^I⌉ levels, 3 or more, need less than that
        return root(lambda width: _mi(levels, width), mi, 1.0, widest) if mi < math.log(levels) else 1.0

    @property
    def _levels(self) -> Array:
        if self.mi is None or self.levels is not None:
            return np.full(self.d, float(self.levels or 0))
        return np.array([float(self.pair_levels(mi)) for mi in self.shares])

    def draw_pairs(self, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Return x, y and the pointwise MI of each pair, all (n, d)."""
        x = np.floor(rng.random((n, self.d)) * self._levels)
        noise = rng.random((n, self.d)) * self.pair_parameters
        return x, x + noise, self._log_ratio(x, noise)

    def pair_log_ratio(self, x: Array, y: Array) -> Array:
        """Return the pointwise MI (n, d) in nats; −∞ where y is out of the reach of x."""
        x = nearest_integer(x)
        noise = y - x
        tolerance = 1e-9 * np.maximum(1, np.abs(y))
        possible = (noise >= -tolerance) & (noise <= self.pair_parameters + tolerance)
        return np.where(possible, self._log_ratio(x, np.clip(noise, 0, self.pair_parameters)), -np.inf)

    def _log_ratio(self, x: Array, noise: Array) -> Array:
        levels = self._levels
        above = np.minimum(np.floor(noise), levels - 1 - x)
        below = np.minimum(np.floor(self.pair_parameters - noise), x)
        ratio: Array = np.log(levels) - np.log(above + below + 1)
        return ratio


def _mi(m: int, s: float) -> float:
    """Return ln m less the mean log-number of levels that reach y."""
    if s <= 1:
        return math.log(m)
    if s >= m:
        return ((m - 1) * math.log(m) - 2 / m * _log_hyperfactorial(m - 1)) / s
    n = math.floor(s)
    part = s - n
    inner = (1 - part) * (m - n - 1) * n * math.log(n) + part * (m - n) * (n + 1) * math.log(n + 1)
    return math.log(m) - (2 * _log_hyperfactorial(n) + inner) / (s * m)


def _log_hyperfactorial(n: int) -> float:
    """Return Σ_{k ≤ n} k ln k; by the Euler–Maclaurin series where n is large."""
    if n > 1000:
        return _LN_GLAISHER + (n * (n + 1) / 2 + 1 / 12) * math.log(n) - n * n / 4 + 1 / (720 * n * n)
    k = np.arange(1, n + 1, dtype=float)
    return float(np.sum(k * np.log(k)))
