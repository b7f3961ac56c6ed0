"""The estimator of infomeasure."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from mibench.estimation import Array

from .adapter import Adapter
from .checks import at_least, one_of


@dataclass(frozen=True)
class InfomeasureKSG(Adapter):
    """``mutual_information(approach="ksg")`` of infomeasure: KSG, variant 1 (eq. 8) or 2, its ``ksg_id``.

    Its variant 2 takes the counts of the square about a point, the point itself included, where eq. 9 has those of a
    rectangle without it, and so answers about 1/k too little (version 0.6.3). The library adds Gaussian noise of
    standard deviation `noise_level`, and clips nothing.
    """

    k: int = 4
    variant: Literal[1, 2] = 1
    noise_level: float = 1e-10

    library: ClassVar[str] = "infomeasure"
    module: ClassVar[str] = "infomeasure"
    source: ClassVar[str] = "infomeasure (their code); Kraskov, Stögbauer & Grassberger 2004"

    def __post_init__(self) -> None:
        at_least(1, k=self.k)
        one_of(1, 2, variant=self.variant)
        at_least(0, noise_level=self.noise_level)

    def nats(self, x: Array, y: Array, seed: int) -> float:
        """Return the estimate of x (n, dx) and y (n, dy)."""
        from infomeasure import mutual_information

        options = {"k": self.k, "ksg_id": self.variant, "noise_level": self.noise_level}
        return float(mutual_information(x, y, approach="ksg", base="e", seed=seed, **options))
