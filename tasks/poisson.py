"""Zero-inflated Poissonisation: a continuous rate seen through counts that are sometimes lost."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import entr, gammaln, psi

from mibench.distribution import Array
from mibench.errors import SpecError

from .checks import nearest_integer
from .pairs import IndependentPairs, root

_COUNTS = 80  # terms of the sum over counts, whose tail is below 2⁻⁷⁰

_LEAST_MI = 1e-9  # nats of a pair; a lower one is lost in the rounding of the sum


@dataclass(frozen=True)
class ZeroInflatedPoisson(IndependentPairs):
    """X_j exponential of rate 1, Y_j = 0 with probability p, else a Poisson count of mean X_j.

    I = H(Y) − E H(Y | X) is a sum over counts. The closed form (1 − p) · 0.3012 that circulates holds at p = 0 alone.
    """

    p: float | None = None

    parameter: ClassVar[str] = "p"
    default_mi: ClassVar[float] = 0.2
    formula: ClassVar[str] = "I = Σ_j Σ_k −P(k) ln P(k) + ∫₀^∞ e^(−x) P(k|x) ln P(k|x) dx"
    source: ClassVar[str] = "Gao et al. 2017; Czyż et al. 2023 (Beyond Normal)"
    tags: ClassVar[tuple[str, ...]] = ("mixed-type", "vector", "counts")
    truth: ClassVar[str] = "exact summation, each integral in closed form"

    def check_parameter(self, value: float) -> None:
        """Raise `SpecError` unless `value` is a probability below 1."""
        if not 0 <= value < 1:
            raise SpecError(f"p must be from 0 to below 1, got {value}")

    def pair_mi(self, parameter: float) -> float:
        """Return the MI of one pair in nats, by p."""
        return _mi_of_kept(1 - parameter)

    def solve(self, mi: float) -> float:
        """Return p."""
        self.check_positive(mi)
        if mi < _LEAST_MI:
            raise SpecError(f"mi must be at least {_LEAST_MI:g} nats a pair, got {mi:.6g}")
        most = _mi_of_kept(1.0)
        if mi > most * (1 + 1e-12):
            raise SpecError(f"mi must be at most {most:.6g} nats a pair, that of p=0, got {mi:.6g}")
        return 1 - root(_mi_of_kept, mi, mi, 1.0) if mi < most else 0.0

    def draw_pairs(self, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Return x, y and the pointwise MI of each pair, all (n, d)."""
        x = rng.standard_exponential((n, self.d))
        lost = rng.random((n, self.d)) < self.pair_parameters
        y = np.where(lost, 0, rng.poisson(x)).astype(np.float64)
        return x, y, self.pair_log_ratio(x, y)

    def pair_log_ratio(self, x: Array, y: Array) -> Array:
        """Return ln p(y | x) − ln p(y) (n, d) in nats."""
        p, y = self.pair_parameters, nearest_integer(y)
        zero = np.log(p + (1 - p) * np.exp(-x)) - np.log1p(-(1 - p) / 2)
        count = y * np.log(2 * x) - gammaln(y + 1) - x + math.log(2)
        ratio: Array = np.where(y == 0, zero, count)
        return ratio


def _mi_of_kept(kept: float) -> float:
    """Return the MI in nats of one pair by 1 − p, the share of the counts that are not lost."""
    k = np.arange(1, _COUNTS)
    weight = kept * 0.5 ** (k + 1)
    seen = weight * (np.log(kept) - gammaln(k + 1) - (k + 1) / 2 + k * (psi(k + 1) - math.log(2)))
    lost = 1 - kept
    zero = -(1 + lost) / 4 - (lost**2 * math.log1p(-kept) / (2 * kept) if lost else 0.0)
    share = kept / 2
    zero_entropy = -(1 - share) * math.log1p(-share)
    return float(seen.sum() + zero + zero_entropy + entr(weight).sum())
