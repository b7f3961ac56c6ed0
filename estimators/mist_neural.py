"""The neural estimators of torch-mist."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from mibench.estimation import Array

from .adapter import Adapter
from .checks import at_least, one_of

_METHODS = ("alpha_tuba", "flo", "infonce", "js", "mine", "nwj", "smile", "tuba")


@dataclass(frozen=True)
class MistNeural(Adapter):
    """``estimate_mi`` of torch-mist, in float32, on the CPU; `method` names one of its discriminative estimators.

    The library trains on nine tenths of the rows, stops on the last tenth, and reads the value on all rows, those that
    it has trained on included, which is above the bound by chance. It neither scales the data nor clips the value. It
    stops when its patience, 2 % of the planned epochs, is over; 'infonce' may then still be far off, even below 0.
    """

    method: Literal["alpha_tuba", "flo", "infonce", "js", "mine", "nwj", "smile", "tuba"] = "smile"
    hidden_dims: tuple[int, ...] = (128,)
    batch_size: int = 128
    max_iterations: int = 5000

    library: ClassVar[str] = "torch-mist"
    module: ClassVar[str] = "torch_mist"
    source: ClassVar[str] = "torch-mist (their code), M. Federici"

    def __post_init__(self) -> None:
        one_of(*_METHODS, method=self.method)
        at_least(1, batch_size=self.batch_size, max_iterations=self.max_iterations)
        at_least(1, hidden_dims=min(self.hidden_dims, default=0))

    def nats(self, x: Array, y: Array, seed: int) -> float:
        """Return the estimate of x (n, dx) and y (n, dy)."""
        from torch_mist import estimate_mi

        answer = estimate_mi(
            data={"x": x.astype("float32"), "y": y.astype("float32")},
            estimator=self.method,
            hidden_dims=list(self.hidden_dims),
            batch_size=self.batch_size,
            max_iterations=self.max_iterations,
            verbose=False,
            logger=False,
        )
        return float(answer[0] if isinstance(answer, tuple) else answer)
