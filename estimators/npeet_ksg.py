"""The estimator of NPEET, in its maintained form npeet-plus."""

import math
from dataclasses import dataclass
from typing import ClassVar

from mibench.estimation import Array

from .adapter import Adapter
from .checks import at_least


@dataclass(frozen=True)
class NpeetKSG(Adapter):
    """``mi`` of npeet-plus: variant 1 of KSG (eq. 8), asked for nats where its default is bits.

    The library adds uniform noise of up to 1e-10, which is drawn from NumPy's global generator, and clips nothing.
    With `alpha` above 0 it adds the correction for local non-uniformity.
    """

    k: int = 3
    alpha: float = 0.0

    library: ClassVar[str] = "npeet-plus"
    module: ClassVar[str] = "npeet_plus"
    source: ClassVar[str] = "npeet-plus, after Ver Steeg's NPEET (their code); Gao, Ver Steeg & Galstyan, AISTATS 2015"

    def __post_init__(self) -> None:
        at_least(1, k=self.k)
        at_least(0, alpha=self.alpha)

    def nats(self, x: Array, y: Array, seed: int) -> float:
        """Return the estimate of x (n, dx) and y (n, dy)."""
        from npeet_plus import mi

        return float(mi(x, y, k=self.k, base=math.e, alpha=self.alpha))
