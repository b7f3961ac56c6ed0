"""The channel with additive white Gaussian noise, Y = X + σZ, for inputs of unit variance."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Literal

import numpy as np
from scipy.special import log_ndtr, logsumexp, ndtr, xlog1py

from mibench.distribution import Array
from mibench.errors import SpecError

from .pairs import IndependentPairs, root

_MOST_LEVELS = 64
_LEAST_SIGMA, _MOST_SIGMA = 1e-13, 1e6
_FAINT = 100.0  # σ above which the output of any input is normal to 1e-17
_REACH = 12.0  # standard deviations of the noise, beyond which its mass is below 10⁻³²
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


@dataclass(frozen=True)
class AWGN(IndependentPairs):
    """Y_j = X_j + σ Z_j with Z_j standard normal and X_j of mean 0 and variance 1.

    `input` is "gaussian", "uniform", or "discrete": `levels` equally spaced, equally likely amplitudes.
    """

    input: Literal["gaussian", "uniform", "discrete"] = "gaussian"
    levels: int = 2
    sigma: float | None = None

    parameter: ClassVar[str] = "sigma"
    default_mi: ClassVar[float] = 0.5
    source: ClassVar[str] = "Shannon 1948; Ungerboeck 1982 (discrete amplitudes)"

    def check_parameter(self, value: float) -> None:
        """Raise `SpecError` unless `value` can be σ."""
        if not _LEAST_SIGMA <= value <= _MOST_SIGMA:
            raise SpecError(f"sigma must be from {_LEAST_SIGMA:g} to {_MOST_SIGMA:g}, got {value}")

    def check(self) -> None:
        """Raise `SpecError` unless levels is a number of amplitudes, given where there are any."""
        if not 2 <= self.levels <= _MOST_LEVELS:
            raise SpecError(f"levels must be from 2 to {_MOST_LEVELS}, got {self.levels}")
        if self.levels != 2 and self.input != "discrete":
            raise SpecError(f"levels needs input='discrete', got input={self.input!r}")

    @property
    def formula(self) -> str:
        """That of the input."""
        if self.input == "gaussian":
            return "I = Σ_j ½ ln(1 + 1/σ_j²)"
        return "I = Σ_j h(Y_j) − ½ ln(2πe σ_j²)"

    @property
    def tags(self) -> tuple[str, ...]:
        """By the input."""
        return ("channel", "vector", self.input, *(["mixed-type"] if self.input == "discrete" else []))

    @property
    def truth(self) -> str:
        """Closed form for Gaussian input, else by quadrature."""
        return "closed form" if self.input == "gaussian" else "Gauss–Legendre quadrature in one dimension"

    def pair_mi(self, parameter: float) -> float:
        """Return the MI of one pair in nats, by σ."""
        if self.input == "gaussian":
            return math.log1p(parameter**-2) / 2
        return _mi_uniform(parameter) if self.input == "uniform" else _mi_discrete(parameter, self.levels)

    def solve(self, mi: float) -> float:
        """Return σ."""
        self.check_positive(mi)
        if self.input == "gaussian":
            return _gaussian_sigma(mi)
        if self.input == "discrete" and mi > math.log(self.levels) - 1e-9:
            raise SpecError(f"mi must be below ln levels = {math.log(self.levels):.9g} nats a pair, got {mi:.9g}")
        most = _gaussian_sigma(mi)  # no input of this variance carries more
        return root(self.pair_mi, mi, most * (0.1 if self.input == "uniform" else 1e-4), most * 1.000001)

    def draw_pairs(self, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Return x, y and the pointwise MI of each pair, all (n, d)."""
        if self.input == "gaussian":
            x = rng.standard_normal((n, self.d))
        else:
            x = rng.random((n, self.d))
            x = (
                math.sqrt(3) * (2 * x - 1)
                if self.input == "uniform"
                else _amplitudes(self.levels)[(x * self.levels).astype(int)]
            )
        noise = rng.standard_normal((n, self.d))
        y = x + self.pair_parameters * noise
        return x, y, self._log_ratio(noise, y)

    def pair_log_ratio(self, x: Array, y: Array) -> Array:
        """Return ln p(y | x) − ln p(y) (n, d) in nats."""
        return self._log_ratio((y - x) / self.pair_parameters, y)

    def _log_ratio(self, noise: Array, y: Array) -> Array:
        sigma = self.pair_parameters
        if self.input == "gaussian":
            log_output = -np.log1p(sigma**2) / 2 - y**2 / (1 + sigma**2) / 2 - math.log(2 * math.pi) / 2
        elif self.input == "uniform":
            log_output = _log_uniform_output(y, sigma)
        else:
            log_output = _log_discrete_output(y, sigma, self.levels)
        ratio: Array = _log_normal(noise) - np.log(sigma) - log_output
        return ratio


def _gaussian_sigma(mi: float) -> float:
    return 1 / math.sqrt(math.expm1(2 * mi))


def _amplitudes(levels: int) -> Array:
    """Return equally spaced points of mean 0 and variance 1."""
    points: Array = (np.arange(levels, dtype=np.float64) - (levels - 1) / 2) * math.sqrt(12 / (levels**2 - 1))
    return points


def _log_normal(z: Array) -> Array:
    density: Array = -(z**2) / 2 - math.log(2 * math.pi) / 2
    return density


def _log_uniform_output(y: Array, sigma: Array | float) -> Array:
    """Return ln of the density of a uniform input plus noise: the difference of two normal CDFs."""
    near, far = (math.sqrt(3) - np.abs(y)) / sigma, (-math.sqrt(3) - np.abs(y)) / sigma
    upper = log_ndtr(near)
    with np.errstate(divide="ignore"):
        density: Array = upper + np.log1p(-np.exp(log_ndtr(far) - upper)) - math.log(2 * math.sqrt(3))
    return density


def _log_discrete_output(y: Array, sigma: Array | float, levels: int) -> Array:
    scaled = [_log_normal((y - amplitude) / sigma) for amplitude in _amplitudes(levels)]
    density: Array = logsumexp(np.stack(scaled), axis=0) - math.log(levels) - np.log(sigma)
    return density


def _integrate(low: float, high: float, panels: int) -> tuple[Array, Array]:
    """Return the nodes and weights of composite Gauss–Legendre quadrature."""
    edges = np.linspace(low, high, panels + 1)
    half = np.diff(edges)[:, None] / 2
    return ((edges[:-1, None] + half) + half * _NODES).ravel(), (half * _WEIGHTS).ravel()


def _gaussian_bound_less(log_density: Callable[[Array], Array], edge: float, sigma: float) -> float:
    """Return ½ ln(1 + 1/σ²) − KL(Y ‖ normal), a KL whose every term is positive: exact at any low MI.

    `edge` is the largest input. The density of Y is even, and the normal one, of the same variance, reaches farther.
    """
    variance = 1 + sigma**2
    if sigma > _FAINT:
        return math.log1p(sigma**-2) / 2
    y, weights = _integrate(0.0, edge + _REACH * math.sqrt(variance), 16)
    log_output = log_density(y)
    log_normal = _log_normal(y / math.sqrt(variance)) - math.log(variance) / 2
    excess = np.expm1(log_output - log_normal)
    divergence = np.exp(log_normal) * (xlog1py(1 + excess, excess) - excess)
    return math.log1p(sigma**-2) / 2 - 2 * float(weights @ divergence)


def _mi_uniform(sigma: float) -> float:
    edge = math.sqrt(3)
    if edge / sigma < _REACH:
        return _gaussian_bound_less(lambda y: _log_uniform_output(y, sigma), edge, sigma)
    # h(Y) is that of the input, and what each edge adds where the density falls off
    return math.log(2 * edge / sigma) - math.log(2 * math.pi * math.e) / 2 + _edge_entropy() * sigma / edge


@cache
def _edge_entropy() -> float:
    z, weights = _integrate(-_REACH, _REACH, 8)
    return float(weights @ (-ndtr(z) * log_ndtr(z)))


def _mi_discrete(sigma: float, levels: int) -> float:
    points = _amplitudes(levels)
    if sigma > 1:
        return _gaussian_bound_less(lambda y: _log_discrete_output(y, sigma, levels), points[-1], sigma)
    z, weights = _integrate(-_REACH, _REACH, 16)
    weights = weights * np.exp(_log_normal(z))
    lost = 0.0
    for point in points:
        others = points[points != point]
        # −ln P(point | y) = ln(1 + Σ of the likelihood ratios of the other amplitudes)
        gaps = (point - others[:, None]) / sigma
        lost += float(weights @ np.logaddexp(0, logsumexp(-gaps * z - gaps**2 / 2, axis=0)))
    return math.log(levels) - lost / levels
