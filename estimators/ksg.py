"""The k-nearest-neighbour estimators of Kraskov, Stögbauer & Grassberger."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from scipy.special import digamma

from mibench.errors import SpecError
from mibench.estimation import Array, Estimate, Estimator, Shape


@dataclass(frozen=True)
class KSG(Estimator):
    """Kraskov, Stögbauer & Grassberger, Phys. Rev. E 69, 066138 (2004); variant 1 is eq. 8, variant 2 is eq. 9.

    Distances are Chebyshev on the data as given: nothing is rescaled and no noise is added. In variant 1 a neighbour
    counts where it is strictly nearer than the k-th of the joint space, so that with ties fewer than k may count; in
    variant 2 it counts up to and at the edge of the rectangle of the k nearest.
    """

    k: int = 3
    variant: Literal[1, 2] = 1

    source: ClassVar[str] = "Kraskov, Stögbauer & Grassberger 2004, eqs. 8 and 9"

    def __post_init__(self) -> None:
        if self.k < 1:
            raise SpecError(f"k must be at least 1, got {self.k}")

    def estimate(self, x: Array, y: Array, seed: int) -> Estimate:
        """Return the MI in nats: NaN where most points have k or more copies, with a message where some have."""
        from .neighbours import marginal_counts

        n, k = len(x), self.k
        x_counts, y_counts, radii = marginal_counts(_columns(x), _columns(y), k, self.variant == 2)
        psi = digamma(np.arange(1, n + 1))  # psi[m] is that of m + 1
        if self.variant == 1:
            value = psi[k - 1] + psi[n - 1] - (psi[x_counts] + psi[y_counts]).mean()
        else:
            value = psi[k - 1] - 1 / k + psi[n - 1] - (psi[x_counts - 1] + psi[y_counts - 1]).mean()
        copied = float((radii == 0).mean())
        message = f"{copied:.1%} of the points have {k} or more copies; KSG is for continuous data" if copied else ""
        return Estimate(float(value) if copied <= 0.5 else math.nan, message=message)

    def unsupported(self, n: int, x_shape: Shape, y_shape: Shape) -> str:
        """Need k other points."""
        return "" if n > self.k else f"k={self.k} neighbours need n of at least {self.k + 1}, got {n}"

    def warm_up(self, device: str) -> None:
        """Compile the kernel."""
        data = np.arange(self.k + 2.0)[:, None]
        self.estimate(data, data, 0)


def _columns(side: Array) -> Array:
    """Return the flattened draws as contiguous columns, (d, n)."""
    return np.ascontiguousarray(side.reshape(len(side), -1).T)
