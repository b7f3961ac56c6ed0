"""The two baselines that bracket every table: the sampling noise alone, and no answer at all."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mibench.errors import MibenchError
from mibench.estimation import Array, Estimate, Estimator


@dataclass(frozen=True)
class Oracle(Estimator):
    """The sample mean of the true pointwise MI: what is left is sampling noise."""

    source: ClassVar[str] = "the definition of MI"
    baseline: ClassVar[bool] = True

    def estimate(self, x: Array, y: Array, seed: int, pointwise_mi: Array | None = None) -> Estimate:
        """Return the mean of `pointwise_mi` (n,) and its standard error, in nats; `MibenchError` without it."""
        if pointwise_mi is None:
            raise MibenchError("oracle needs the true pointwise MI, which only a run on a task can give")
        n = len(pointwise_mi)
        return Estimate(float(pointwise_mi.mean()), float(pointwise_mi.std(ddof=1) / np.sqrt(n)) if n > 1 else None)


@dataclass(frozen=True)
class Zero(Estimator):
    """The answer 0, whatever the data."""

    source: ClassVar[str] = "none"
    bound: ClassVar[str] = "lower"
    baseline: ClassVar[bool] = True

    def estimate(self, x: Array, y: Array, seed: int) -> float:
        """Return 0."""
        return 0.0
