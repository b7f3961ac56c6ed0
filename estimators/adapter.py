"""What the adapters of other libraries share: a lazy import, one seed for all randomness, and failures as NaN."""

import contextlib
import importlib
import io
from abc import abstractmethod
from functools import cache
from importlib.metadata import version
from typing import ClassVar

import numpy as np

from mibench.catalogue import install_line, is_installed
from mibench.estimation import Array, Estimate, Estimator, Shape
from mibench.generators import seeded
from mibench.memory import is_out_of_memory


class Adapter(Estimator):
    """An estimator of another library, whose code it runs; its fields have the library's own defaults.

    A subclass names the distribution that holds the library, as its entry point does in brackets, and its module, which
    is imported when it is used. Images become vectors. What the library prints is dropped, and its version is in the
    diagnostics.
    """

    library: ClassVar[str]
    module: ClassVar[str]

    @abstractmethod
    def nats(self, x: Array, y: Array, seed: int) -> float:
        """Return the library's estimate in nats from x (n, dx) and y (n, dy), float64 copies; 0 ≤ seed < 2³¹."""

    def estimate(self, x: Array, y: Array, seed: int) -> Estimate:
        """Return the library's estimate; NaN with its message where it raises."""
        facts = {"library": f"{self.library} {_version(self.library)}"}
        importlib.import_module(self.module)  # and with it torch, before its generator is seeded
        left, right = (np.array(side, np.float64).reshape(len(side), -1) for side in (x, y))
        try:
            with seeded(seed % 2**31), contextlib.redirect_stdout(io.StringIO()):
                return Estimate(float(self.nats(left, right, seed % 2**31)), diagnostics=facts)
        except Exception as error:
            if isinstance(error, ImportError) or is_out_of_memory(error):
                raise
            text = " ".join(str(error).split())
            return Estimate(float("nan"), diagnostics=facts, message=f"{self.library}: {type(error).__name__}: {text}")

    def unsupported(self, n: int, x_shape: Shape, y_shape: Shape) -> str:
        """Return what to install where the library is missing."""
        return "" if is_installed(self.library) else f"needs {self.library}; {install_line(self.library)}"

    def warm_up(self, device: str) -> None:
        """Import the library where it is there."""
        if is_installed(self.library):
            importlib.import_module(self.module)
            _version(self.library)


@cache
def _version(library: str) -> str:
    return version(library)
