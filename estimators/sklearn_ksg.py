"""The estimator of scikit-learn."""

from dataclasses import dataclass
from typing import ClassVar

from mibench.estimation import Array, Shape

from .adapter import Adapter
from .checks import at_least


@dataclass(frozen=True)
class SklearnKSG(Adapter):
    """``mutual_info_regression`` of scikit-learn: variant 1 of KSG (eq. 8), between two numbers.

    The library divides each side by its standard deviation, adds noise of 1e-10 to it, and answers 0 for what is
    negative. `k` is its ``n_neighbors``.
    """

    k: int = 3

    library: ClassVar[str] = "scikit-learn"
    module: ClassVar[str] = "sklearn.feature_selection"
    source: ClassVar[str] = "scikit-learn, mutual_info_regression (their code); Kraskov, Stögbauer & Grassberger 2004"

    def __post_init__(self) -> None:
        at_least(1, k=self.k)

    def nats(self, x: Array, y: Array, seed: int) -> float:
        """Return the estimate of x (n, 1) and y (n, 1)."""
        from sklearn.feature_selection import mutual_info_regression

        (found,) = mutual_info_regression(x, y.ravel(), n_neighbors=self.k, random_state=seed)
        return float(found)

    def unsupported(self, n: int, x_shape: Shape, y_shape: Shape) -> str:
        """Ask for sides of one coordinate."""
        wide = any(shape != (1,) for shape in (x_shape, y_shape))
        reason = "scikit-learn takes one coordinate a side" if wide else ""
        return super().unsupported(n, x_shape, y_shape) or reason
