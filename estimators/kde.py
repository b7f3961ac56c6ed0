"""Three entropies, each from a leave-one-out kernel density estimate of whitened data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from mibench.errors import DataError
from mibench.estimation import Array, BatchEstimator, Estimate, Shape

from .checks import at_least, one_of
from .columns import varying
from .kernel_density import Whitened, whiten
from .kernels import KERNELS


@dataclass(frozen=True)
class KDE(BatchEstimator):
    r"""I = h(X) + h(Y) − h(X, Y), each h = −mean log p̂(z_i), in nats, with p̂ leaving z_i out.

    Every density is estimated on coordinates whitened by Σ̂^{-1/2}, which adds ½ log|Σ̂| to its entropy and makes the
    estimate invariant under linear maps of each side. Directions of (numerically) no variance are dropped side by
    side; a joint that is degenerate where its sides are not means infinite MI, answered by NaN. The bandwidth
    maximises the leave-one-out likelihood over log h, judged at `queries` rows drawn by the seed against all n rows;
    the estimate itself uses every row. ``bandwidth="shared"`` is the paper's: fitted on the joint and reused for both
    sides, so that their smoothing biases partly cancel; ``"separate"`` fits each density its own.

    The Epanechnikov kernel is compact: its bandwidth must reach from each of the queries to another row, which one
    outlier among them makes wide, and rows beyond reach of all others, whose density is 0, are left out of the mean and
    counted in the diagnostics.

    The standard error is that of the mean of log p̂(x,y) − log p̂(x) − log p̂(y), the first-order influence of a pair:
    it holds the sampling noise, not the smoothing bias, nor the noise of the bandwidth, which can double the scatter of
    the compact kernel near independence. Memory is O(n); work is O(n²).
    """

    source: ClassVar[str] = "Butakov et al., ICLR 2024 (arXiv:2305.08013), section 4 and appendix"

    bandwidth: Literal["separate", "shared"] = "shared"
    queries: int = 1000
    kernel: Literal["gaussian", "epanechnikov"] = "gaussian"

    def __post_init__(self) -> None:
        one_of("separate", "shared", bandwidth=self.bandwidth)
        one_of(*KERNELS, kernel=self.kernel)
        at_least(1, queries=self.queries)

    def unsupported(self, n: int, x_shape: Shape, y_shape: Shape) -> str:
        """Ask for a joint covariance of full rank."""
        d = math.prod(x_shape) + math.prod(y_shape)
        return f"n={n} pairs cannot whiten {d} coordinates; give at least {d + 2}" if n < d + 2 else ""

    def estimate_batch(self, x: Array, y: Array, seeds: Sequence[int], device: str) -> list[Estimate]:
        """Return one estimate a replicate: they run one after another, since one alone fills the device."""
        return [self._estimate(left, right, seed, device) for left, right, seed in zip(x, y, seeds, strict=True)]

    def _estimate(self, x: Array, y: Array, seed: int, device: str) -> Estimate:
        kernel = KERNELS[self.kernel]
        sides = varying(x), varying(y)
        if min(side.shape[1] for side in sides) == 0:
            return Estimate(0.0, 0.0)
        left, right = (whiten(torch.as_tensor(side, device=device)).points for side in sides)
        joint = whiten(torch.cat([left, right], dim=1), kernel)
        if joint.points.shape[1] < left.shape[1] + right.shape[1]:
            return Estimate(math.nan, message="x and y determine each other linearly: the joint density is degenerate")
        densities = {"joint": joint, "x": Whitened(left, kernel=kernel), "y": Whitened(right, kernel=kernel)}
        try:
            log_h = self._fit(densities, self._choose_queries(len(x), seed, device))
        except DataError as error:
            return Estimate(math.nan, message=str(error))
        return _evaluate(densities, log_h)

    def _choose_queries(self, n: int, seed: int, device: str) -> Tensor:
        if self.queries >= n:
            return torch.arange(n, device=device)
        chosen = np.random.default_rng(seed).choice(n, self.queries, replace=False)
        return torch.as_tensor(np.sort(chosen), device=device)

    def _fit(self, densities: dict[str, Whitened], queries: Tensor) -> dict[str, float]:
        if self.bandwidth == "shared":
            return dict.fromkeys(densities, densities["joint"].fit(queries))
        return {name: density.fit(queries) for name, density in densities.items()}


def _evaluate(densities: dict[str, Whitened], log_h: dict[str, float]) -> Estimate:
    """Return the mean of log p̂(x,y) − log p̂(x) − log p̂(y) over the rows where all three are finite."""
    log_p = {name: density.log_density(log_h[name]) for name, density in densities.items()}
    pointwise = (log_p["joint"] - log_p["x"] - log_p["y"]).cpu().numpy()
    kept = pointwise[np.isfinite(pointwise)]
    alone = len(pointwise) - len(kept)
    error = float(kept.std(ddof=1)) / math.sqrt(len(kept)) if len(kept) > 1 else None
    diagnostics: dict[str, float | int] = {f"bandwidth_{name}": math.exp(value) for name, value in log_h.items()}
    diagnostics |= {f"rank_{name}": density.points.shape[1] for name, density in densities.items()}
    message = f"{alone} of {len(pointwise)} rows are beyond reach of all others and left out" if alone else ""
    return Estimate(float(kept.mean()), error, diagnostics | {"rows_left_out": alone}, message)
