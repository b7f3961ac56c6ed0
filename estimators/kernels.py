"""Kernels of a density estimate in d dimensions, as functions of −|u|²/2, with u in units of the bandwidth."""

import math
from abc import ABC, abstractmethod

from torch import Tensor


class Kernel(ABC):
    """A spherical density K(u); `compact` where it vanishes outside |u| < 1."""

    compact: bool

    @abstractmethod
    def log_sum(self, exponents: Tensor) -> Tensor:
        """Return log Σ_j K(u_j)/K's constant (B,) from −|u_j|²/2 (B, n), which it may overwrite; −∞ adds nothing."""

    @abstractmethod
    def log_constant(self, d: int) -> float:
        """Return the log of what makes it integrate to 1."""

    @abstractmethod
    def log_canonical(self, d: int) -> float:
        """Return the log of δ = (∫K² / (∫u_1² K)²)^{1/(d+4)}: bandwidths in its ratio smooth alike (Marron & Nolan)."""


class Gaussian(Kernel):
    """K(u) ∝ exp(−|u|²/2)."""

    compact = False

    def log_sum(self, exponents: Tensor) -> Tensor:
        """Sum relative to the largest term, which far rows would underflow without."""
        largest = exponents.amax(dim=1, keepdim=True)
        return exponents.sub_(largest).exp_().sum(dim=1).log_() + largest[:, 0]

    def log_constant(self, d: int) -> float:
        """Return −(d/2) ln 2π."""
        return -0.5 * d * math.log(2 * math.pi)

    def log_canonical(self, d: int) -> float:
        """∫K² = (4π)^{−d/2} and ∫u_1² K = 1."""
        return -0.5 * d * math.log(4 * math.pi) / (d + 4)


class Epanechnikov(Kernel):
    """K(u) = (d + 2)/(2 V_d) (1 − |u|²)₊, V_d the volume of the unit ball (Epanechnikov 1969; Silverman 1986, 4.4)."""

    compact = True

    def log_sum(self, exponents: Tensor) -> Tensor:
        """Return −∞ for a row that no other is near to."""
        return exponents.mul_(2).add_(1).clamp_(min=0).sum(dim=1).log_()

    def log_constant(self, d: int) -> float:
        """Return ln (d + 2)/(2 V_d)."""
        return math.log((d + 2) / 2) - _log_ball(d)

    def log_canonical(self, d: int) -> float:
        """∫K² = 2(d + 2)/((d + 4) V_d) and ∫u_1² K = 1/(d + 4)."""
        return (math.log(2 * (d + 2) * (d + 4)) - _log_ball(d)) / (d + 4)


def _log_ball(d: int) -> float:
    return 0.5 * d * math.log(math.pi) - math.lgamma(0.5 * d + 1)


KERNELS: dict[str, Kernel] = {"gaussian": Gaussian(), "epanechnikov": Epanechnikov()}
