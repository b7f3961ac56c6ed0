"""Three entropies, each from a leave-one-out Gaussian kernel density estimate of whitened data."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from mibench.errors import DataError
from mibench.estimation import Array, BatchEstimator, Estimate, Shape

from .checks import at_least, one_of

_NULL = 1e-12  # share of the largest eigenvalue of a correlation matrix below which a direction is rounding error
_BLOCK = 2**18  # entries of the distance matrix held at a time: 2 MB, which stays in a CPU's cache
_BLOCK_GPU = 2**25
_DOUBLINGS = 20  # of Silverman's bandwidth, either way, before the search gives up
_LOG_TOLERANCE = 0.005  # of the bandwidth: the likelihood is flat at its top, so this costs 1e-5 d nats


@dataclass(frozen=True)
class KDE(BatchEstimator):
    r"""I = h(X) + h(Y) − h(X, Y), each h = −mean log p̂(z_i), in nats, with p̂ leaving z_i out.

    Every density is estimated on coordinates whitened by Σ̂^{-1/2}, which adds ½ log|Σ̂| to its entropy and makes the
    estimate invariant under linear maps of each side. Directions of (numerically) no variance are dropped side by
    side; a joint that is degenerate where its sides are not means infinite MI, answered by NaN. The bandwidth
    maximises the leave-one-out likelihood over log h, judged at `queries` rows drawn by the seed against all n rows;
    the estimate itself uses every row. ``bandwidth="shared"`` is the paper's: fitted on the joint and reused for both
    sides, so that their smoothing biases partly cancel; ``"separate"`` fits each density its own.

    The standard error is that of the mean of log p̂(x,y) − log p̂(x) − log p̂(y), the first-order influence of a pair:
    it holds the sampling noise, not the smoothing bias. Memory is O(n); work is O(n²).
    """

    source: ClassVar[str] = "Butakov et al., ICLR 2024 (arXiv:2305.08013), section 4 and appendix"

    bandwidth: Literal["separate", "shared"] = "shared"
    queries: int = 1000

    def __post_init__(self) -> None:
        one_of("separate", "shared", bandwidth=self.bandwidth)
        at_least(1, queries=self.queries)

    def unsupported(self, n: int, x_shape: Shape, y_shape: Shape) -> str:
        """Ask for a joint covariance of full rank."""
        d = math.prod(x_shape) + math.prod(y_shape)
        return f"n={n} pairs cannot whiten {d} coordinates; give at least {d + 2}" if n < d + 2 else ""

    def estimate_batch(self, x: Array, y: Array, seeds: Sequence[int], device: str) -> list[Estimate]:
        """Return one estimate a replicate: they run one after another, since one alone fills the device."""
        return [self._estimate(left, right, seed, device) for left, right, seed in zip(x, y, seeds, strict=True)]

    def _estimate(self, x: Array, y: Array, seed: int, device: str) -> Estimate:
        flat = [np.ascontiguousarray(side.reshape(len(side), -1)) for side in (x, y)]
        left, right = (whiten(torch.as_tensor(side, device=device)).points for side in flat)
        joint = whiten(torch.cat([left, right], dim=1))
        if joint.points.shape[1] < left.shape[1] + right.shape[1]:
            return Estimate(math.nan, message="x and y determine each other linearly: the joint density is degenerate")
        queries = self._choose_queries(len(x), seed, device)
        densities = {"joint": joint, "x": Whitened(left), "y": Whitened(right)}
        try:
            log_h = self._fit(densities, queries)
        except DataError as error:
            return Estimate(math.nan, message=str(error))
        log_p = {name: density.log_density(log_h[name]) for name, density in densities.items()}
        pointwise = (log_p["joint"] - log_p["x"] - log_p["y"]).cpu().numpy()
        diagnostics: dict[str, float | int] = {f"bandwidth_{name}": math.exp(value) for name, value in log_h.items()}
        diagnostics |= {f"rank_{name}": density.points.shape[1] for name, density in densities.items()}
        return Estimate(float(pointwise.mean()), float(pointwise.std(ddof=1)) / math.sqrt(len(x)), diagnostics)

    def _choose_queries(self, n: int, seed: int, device: str) -> Tensor:
        if self.queries >= n:
            return torch.arange(n, device=device)
        chosen = np.random.default_rng(seed).choice(n, self.queries, replace=False)
        return torch.as_tensor(np.sort(chosen), device=device)

    def _fit(self, densities: dict[str, "Whitened"], queries: Tensor) -> dict[str, float]:
        if self.bandwidth == "shared":
            return dict.fromkeys(densities, densities["joint"].fit(queries))
        return {name: density.fit(queries) for name, density in densities.items()}


@dataclass(frozen=True)
class Whitened:
    """Points (n, d) of identity covariance, and ½ log|Σ̂| of the rows they were made from."""

    points: Tensor
    half_log_det: float = 0.0

    def log_density(self, log_h: float, queries: Tensor | None = None) -> Tensor:
        """Return log p̂ of the rows before whitening, each left out of its own estimate, at all rows or `queries`."""
        n, d = self.points.shape
        index = torch.arange(n, device=self.points.device) if queries is None else queries
        scaled = self.points * math.exp(-log_h)
        half_square = 0.5 * scaled.square().sum(dim=1)
        rows = max(1, (_BLOCK_GPU if scaled.is_cuda else _BLOCK) // n)
        sums = torch.cat([_log_kernel_sum(scaled, half_square, block) for block in torch.split(index, rows)])
        return sums - math.log(n - 1) - d * (log_h + 0.5 * math.log(2 * math.pi)) - self.half_log_det

    def fit(self, queries: Tensor) -> float:
        """Return the log bandwidth of largest mean leave-one-out log density at the rows `queries`."""
        n, d = self.points.shape
        silverman = math.log(4 / ((d + 2) * n)) / (d + 4)
        return maximise(lambda log_h: float(self.log_density(log_h, queries).mean()), silverman)


def whiten(rows: Tensor) -> Whitened:
    """Return rows (n, d) as uncorrelated coordinates of unit variance, without the directions that have none."""
    scale = rows.std(dim=0)
    varying = scale > 0
    standard = (rows - rows.mean(dim=0))[:, varying] / scale[varying]
    values, vectors = torch.linalg.eigh(standard.T @ standard / (len(rows) - 1))
    kept = values > _NULL * values[-1]
    half_log_det = 0.5 * values[kept].log().sum() + scale[varying].log().sum()
    return Whitened(standard @ (vectors[:, kept] / values[kept].sqrt()), float(half_log_det))


def maximise(objective: Callable[[float], float], start: float) -> float:
    """Return the maximiser of a function of a log bandwidth: climb from `start` by factors of 2, then Brent's method.

    Raises `DataError` where it grows without bound as the bandwidth shrinks, as it does where rows are repeated.
    """
    step = math.log(2)
    centre, value, below, above = start, objective(start), objective(start - step), objective(start + step)
    for _ in range(_DOUBLINGS):
        if value >= max(below, above):
            bounds = (centre - step, centre + step)
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


def _log_kernel_sum(scaled: Tensor, half_square: Tensor, block: Tensor) -> Tensor:
    """Return log Σ_{j≠i} exp(−|z_i − z_j|²/2) for the rows i in `block`, of points in units of the bandwidth."""
    exponent = torch.addmm(-half_square, scaled[block], scaled.T).sub_(half_square[block, None])
    exponent[torch.arange(len(block), device=block.device), block] = -torch.inf
    largest = exponent.amax(dim=1, keepdim=True)
    return exponent.sub_(largest).exp_().sum(dim=1).log_() + largest[:, 0]
