"""Copulas by one parameter: pairs (U, V), each uniform on (0, 1), that depend on each other the more the larger θ is.

Clayton and Gumbel have the form C(u, v) = ψ(φ(u) + φ(v)) with φ = ψ⁻¹: then S = φ(U) / (φ(U) + φ(V)) is uniform and
independent of W = −ln C(U, V), of which each has a simple law. Frank is drawn by the inverse of V given U. Everything
is kept as logarithms of what was drawn, so that it holds where u or v alone could not tell it.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mibench.distribution import Array
from mibench.errors import SpecError

from .copula_mi import clayton_mi, frank_mi, gumbel_mi
from .elementary import exp, expm1, log, softplus
from .pairs import IndependentPairs, root

_MOST = 25.0  # nats of a pair, beyond which v rounds onto u in more than one of 10⁵ draws
_SMALLEST, _LARGEST = np.finfo(float).tiny, 1 - np.finfo(float).epsneg


@dataclass(frozen=True)
class Copula(IndependentPairs):
    """d independent pairs (U_j, V_j) of one copula, whose parameter is `theta`."""

    theta: float | None = None

    parameter: ClassVar[str] = "theta"
    support: ClassVar[str] = "unit"
    tags: ClassVar[tuple[str, ...]] = ("copula", "vector")

    def check(self) -> None:
        """Raise `SpecError` where float64 does not tell v from u."""
        if (most := float(self.shares.max())) > _MOST:
            raise SpecError(
                f"a pair can carry at most {_MOST:g} nats, got {most:.4g}: beyond, v rounds onto u in float64; "
                "lower mi or theta, or raise d"
            )

    def draw_pairs(self, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Return u, v and the pointwise MI of each pair, all (n, d)."""
        u, v, pointwise = self.draw_unit(n, rng)
        # the nearest floats inside (0, 1) stand for what rounds to its ends, where a quantile would be infinite
        return np.clip(u, _SMALLEST, _LARGEST), np.clip(v, _SMALLEST, _LARGEST), pointwise

    @abstractmethod
    def draw_unit(self, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Return u and v, which may round to 0 or 1, and the pointwise MI of each pair, all (n, d)."""


@dataclass(frozen=True)
class Clayton(Copula):
    """C(u, v) = (u^−θ + v^−θ − 1)^(−1/θ) with θ > 0: small values go together."""

    formula: ClassVar[str] = "I = Σ_j ln(1 + θ_j) − θ_j / (1 + θ_j)"
    source: ClassVar[str] = "Clayton 1978; MI from E ln(1 + φ(U) + φ(V)) = θ + θ / (1 + θ)"

    def pair_mi(self, parameter: float) -> float:
        """Return the MI of one pair in nats, by θ."""
        return clayton_mi(parameter)

    def solve(self, mi: float) -> float:
        """Return θ, which is between √(2I) and e^(I + 1)."""
        self.check_positive(mi)
        return root(clayton_mi, mi, 0.9 * math.sqrt(2 * mi), 2 * math.exp(mi + 1))

    def draw_unit(self, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Return u and v by W = −ln C, the sum of exponentials of means 1 and 1 / (1 + θ), and the pointwise MI."""
        theta = self.pair_parameters
        first, second, left, right = _exponentials(rng, (4, n, self.d))
        w = first + second / (1 + theta)
        log_s, log_t = log(left / (left + right)), log(right / (left + right))
        log_sum = _log_expm1(theta * w)  # of φ(U) + φ(V) = e^(θW) − 1
        u, v = (exp(-softplus(part + log_sum) / theta) for part in (log_s, log_t))
        return u, v, self._log_ratio(w, log_s, log_t)

    def pair_log_ratio(self, x: Array, y: Array) -> Array:
        """Return the pointwise MI (n, d) in nats."""
        theta = self.pair_parameters
        left, right = (_log_expm1(-theta * np.log(values)) for values in (x, y))
        w = softplus(np.logaddexp(left, right)) / theta
        return self._log_ratio(w, -softplus(right - left), -softplus(left - right))

    def _log_ratio(self, w: Array, log_s: Array, log_t: Array) -> Array:
        theta = self.pair_parameters
        both = _log_blend(log_s, log_t, theta * w) + _log_blend(log_t, log_s, theta * w)
        ratio: Array = np.log1p(theta) + w + (1 + 1 / theta) * both
        return ratio


@dataclass(frozen=True)
class Gumbel(Copula):
    """C(u, v) = exp(−((−ln u)^θ + (−ln v)^θ)^(1/θ)) with θ ≥ 1: large values go together; θ = 1 is independence."""

    formula: ClassVar[str] = "I = Σ_j γ + ln(θ_j − 1) + (e^(θ_j − 1) E₁(θ_j − 1) − θ_j + 1) / θ_j"
    source: ClassVar[str] = "Gumbel 1960; draws by Genest & Rivest 1993"

    def check_parameter(self, value: float) -> None:
        """Raise `SpecError` unless θ ≥ 1."""
        if not (math.isfinite(value) and value >= 1):
            raise SpecError(f"theta must be a number of at least 1, got {value}")

    def pair_mi(self, parameter: float) -> float:
        """Return the MI of one pair in nats, by θ."""
        return gumbel_mi(parameter - 1)

    def solve(self, mi: float) -> float:
        """Return θ; θ − 1 is between I and e^(I + 1)."""
        return 1 + root(gumbel_mi, mi, 0.9 * mi, 2 * math.exp(mi + 1)) if mi > 0 else 1.0

    def draw_unit(self, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Return u and v by W = −ln C, exponential, or with probability 1/θ a sum of two, and the pointwise MI."""
        theta = self.pair_parameters
        first, second, left, right = _exponentials(rng, (4, n, self.d))
        w = first + np.where(rng.random((n, self.d)) < 1 / theta, second, 0)
        log_s, log_t = log(left / (left + right)), log(right / (left + right))
        u, v = (exp(-w * exp(part / theta)) for part in (log_s, log_t))
        return u, v, self._log_ratio(w, log_s, log_t)

    def pair_log_ratio(self, x: Array, y: Array) -> Array:
        """Return the pointwise MI (n, d) in nats."""
        theta = self.pair_parameters
        left, right = np.log(-np.log(x)), np.log(-np.log(y))
        log_s, log_t = -softplus(theta * (right - left)), -softplus(theta * (left - right))
        w = exp(np.where(left > right, left - log_s / theta, right - log_t / theta))
        return self._log_ratio(w, log_s, log_t)

    def _log_ratio(self, w: Array, log_s: Array, log_t: Array) -> Array:
        excess = self.pair_parameters - 1
        share = excess / self.pair_parameters
        # s^(1/θ) + t^(1/θ) − 1, where s + t = 1
        beyond = sum(-expm1(share * part) * exp(part / self.pair_parameters) for part in (log_s, log_t))
        ratio: Array = np.log1p(excess / w) + w * beyond + share * (log_s + log_t)
        return ratio


@dataclass(frozen=True)
class Frank(Copula):
    """C(u, v) = −ln(1 + (e^(−θu) − 1)(e^(−θv) − 1) / (e^(−θ) − 1)) / θ with θ ≠ 0; negative θ gives 1 − V for V."""

    formula: ClassVar[str] = "I = Σ_j ln(θ_j / (1 − e^(−θ_j))) − 2 + 2 D₁(θ_j), D₁ the Debye function"
    source: ClassVar[str] = "Frank 1979; draws by Genest 1987"

    def check_parameter(self, value: float) -> None:
        """Raise `SpecError` unless θ ≠ 0."""
        if not (math.isfinite(value) and value != 0):
            raise SpecError(f"theta must be a number other than 0, got {value}")

    def pair_mi(self, parameter: float) -> float:
        """Return the MI of one pair in nats, by θ."""
        return frank_mi(abs(parameter))

    def solve(self, mi: float) -> float:
        """Return the positive θ, which is between √(72 I) and e^(I + 2)."""
        self.check_positive(mi)
        return root(frank_mi, mi, 0.9 * math.sqrt(72 * mi), 2 * math.exp(mi + 2))

    def draw_unit(self, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Return u, v by the inverse of its distribution given u, and the pointwise MI."""
        theta = np.abs(self.pair_parameters)
        left, right, up, down = _exponentials(rng, (4, n, self.d))
        u, beyond_u = left / (left + right), right / (left + right)
        logit = log(up) - log(down)  # of the distribution function of V given u, which is uniform
        rest = softplus(logit - theta * beyond_u)
        v = softplus(logit + theta * u + _log1mexp(theta) - rest) / theta
        return u, np.where(self.pair_parameters > 0, v, 1 - v), self._log_ratio(u, beyond_u, logit)

    def pair_log_ratio(self, x: Array, y: Array) -> Array:
        """Return the pointwise MI (n, d) in nats."""
        theta = np.abs(self.pair_parameters)
        y, beyond_y = np.where(self.pair_parameters > 0, (y, 1 - y), (1 - y, y))
        logit = theta * (y - x) + _log1mexp(theta * y) - _log1mexp(theta * beyond_y)
        return self._log_ratio(x, 1 - x, logit)

    def _log_ratio(self, u: Array, beyond_u: Array, logit: Array) -> Array:
        """Return the derivative of the distribution function of V given u, by that of its logit and of v."""
        theta = np.abs(self.pair_parameters)
        by_v = softplus(-logit - theta * u) + softplus(logit - theta * beyond_u)
        ratio: Array = np.log(theta) - _log1mexp(theta) + by_v - softplus(logit) - softplus(-logit)
        return ratio


def _exponentials(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return standard exponentials; the generator gives 0 once in 2⁵³ times, whose logarithm is infinite."""
    return np.maximum(rng.standard_exponential(shape), _SMALLEST)


def _log1mexp(values: Array) -> Array:
    """Return ln(1 − e^(−x)) for x > 0."""
    return log(-expm1(-values))


def _log_expm1(values: Array) -> Array:
    """Return ln(e^x − 1) for x > 0."""
    return values + _log1mexp(values)


def _log_blend(log_s: Array, log_t: Array, x: Array) -> Array:
    """Return ln(s + t e^(−x)) for s + t = 1 and x ≥ 0, exact where s or x is tiny."""
    near = np.log1p(np.exp(log_t) * np.expm1(-np.minimum(x, 1)))
    return np.where(x > 1, np.logaddexp(log_s, log_t - x), near)
