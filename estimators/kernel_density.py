"""Leave-one-out kernel densities of whitened rows, and the bandwidth of largest likelihood."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from mibench.errors import DataError

from .kernels import KERNELS, Kernel

_NULL = 1e-12  # share of the largest eigenvalue of a correlation matrix below which a direction is rounding error
_BLOCK = 2**18  # entries of the distance matrix held at a time: 2 MB, which stays in a CPU's cache
_BLOCK_GPU = 2**25
_DOUBLINGS = 20  # of Silverman's bandwidth, either way, before the search gives up
_LOG_TOLERANCE = 0.005  # of the bandwidth: the likelihood is flat at its top, so this costs 1e-5 d nats


@dataclass(frozen=True)
class Whitened:
    """Points (n, d) of identity covariance, ½ log|Σ̂| of the rows they were made from, and the kernel put on them."""

    points: Tensor
    half_log_det: float = 0.0
    kernel: Kernel = KERNELS["gaussian"]

    def log_density(self, log_h: float, queries: Tensor | None = None) -> Tensor:
        """Return log p̂ of the rows before whitening, each left out of its own estimate, at all rows or `queries`.

        It is −∞ at a row that a compact kernel leaves alone.
        """
        n, d = self.points.shape
        index = torch.arange(n, device=self.points.device) if queries is None else queries
        sums = self._reduce(log_h, index, self.kernel.log_sum)
        return sums - math.log(n - 1) + self.kernel.log_constant(d) - d * log_h - self.half_log_det

    def fit(self, queries: Tensor) -> float:
        """Return the log bandwidth of largest mean leave-one-out log density at the rows `queries`."""
        n, d = self.points.shape
        silverman = math.log(4 / ((d + 2) * n)) / (d + 4)
        start = silverman + self.kernel.log_canonical(d) - KERNELS["gaussian"].log_canonical(d)
        least = self.log_reach(queries) if self.kernel.compact else -math.inf
        return maximise(lambda log_h: float(self.log_density(log_h, queries).mean()), start, least)

    def log_reach(self, queries: Tensor) -> float:
        """Return the log of the largest distance from one of `queries` to its nearest other row."""
        nearest = self._reduce(0.0, queries, lambda exponents: exponents.amax(dim=1))
        return 0.5 * float((-2 * nearest.amin()).clamp(min=0).log())

    def _reduce(self, log_h: float, queries: Tensor, reduce: Callable[[Tensor], Tensor]) -> Tensor:
        """Return what `reduce` makes, block by block, of −|z_i − z_j|²/2h² (B, n), which is −∞ at j = i."""
        scaled = self.points * math.exp(-log_h)
        half_square = 0.5 * scaled.square().sum(dim=1)
        rows = max(1, (_BLOCK_GPU if scaled.is_cuda else _BLOCK) // len(scaled))
        return torch.cat([reduce(_exponents(scaled, half_square, block)) for block in torch.split(queries, rows)])


def whiten(rows: Tensor, kernel: Kernel = KERNELS["gaussian"]) -> Whitened:
    """Return rows (n, d) as uncorrelated coordinates of unit variance, without the directions that have none."""
    varying = rows.amax(dim=0) > rows.amin(dim=0)  # not the rounded scale, which a constant 0.1 leaves above 0
    scale = rows.std(dim=0)[varying]
    standard = (rows[:, varying] - rows[:, varying].mean(dim=0)) / scale
    values, vectors = torch.linalg.eigh(standard.T @ standard / (len(rows) - 1))
    kept = values > _NULL * values[-1:]
    half_log_det = 0.5 * values[kept].log().sum() + scale.log().sum()
    return Whitened(standard @ (vectors[:, kept] / values[kept].sqrt()), float(half_log_det), kernel)


def maximise(objective: Callable[[float], float], start: float, least: float = -math.inf) -> float:
    """Return the maximiser of a function of a log bandwidth: climb from `start` by factors of 2, then Brent's method.

    The function is −∞ up to `least`, which the search keeps above. Raises `DataError` where it grows without bound as
    the bandwidth shrinks, as it does where rows are repeated.
    """
    step = math.log(2)
    start = max(start, least + step / 2)
    centre, value, below, above = start, objective(start), objective(start - step), objective(start + step)
    for _ in range(_DOUBLINGS):
        if value >= max(below, above):
            bounds = (max(centre - step, least), centre + step)
            found = minimize_scalar(
                lambda log_h: -objective(log_h), bounds=bounds, method="bounded", options={"xatol": _LOG_TOLERANCE}
            )
            return float(found.x)
        if below > above:
            centre, value, above = centre - step, below, value
            below = objective(centre - step)
        else:
            centre, value, below = centre + step, above, value
            above = objective(centre + step)
    raise DataError("the likelihood of the kernel density has no maximum in the bandwidth: are there repeated rows?")


def _exponents(scaled: Tensor, half_square: Tensor, block: Tensor) -> Tensor:
    exponent = torch.addmm(-half_square, scaled[block], scaled.T).sub_(half_square[block, None])
    exponent[torch.arange(len(block), device=block.device), block] = -torch.inf
    return exponent
