"""Estimators of bmi, the library of the benchmark of Czyż et al."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from mibench.estimation import Array, Shape

from .adapter import Adapter
from .checks import above, at_least, below, one_of

_NAMES = {"mine": "MINE", "infonce": "InfoNCE", "nwj": "NWJ", "dv": "DonskerVaradhan"}


@dataclass(frozen=True)
class BmiKSG(Adapter):
    """``KSGEnsembleFirstEstimator`` of bmi: the mean over `neighborhoods` of variant 1 of KSG (eq. 8).

    The library standardises each coordinate where `standardize` says so, measures by `metric` within a side (KSG's own
    is 'chebyshev'), and answers 0 for what is negative, neighbourhood by neighbourhood.
    """

    neighborhoods: tuple[int, ...] = (5, 10)
    standardize: bool = True
    metric: Literal["euclidean", "manhattan", "chebyshev"] = "euclidean"

    library: ClassVar[str] = "benchmark-mi"
    module: ClassVar[str] = "bmi.estimators"
    source: ClassVar[str] = "bmi (their code); Czyż, Grabowski, Vogt, Beerenwinkel & Marx, NeurIPS 2023"

    def __post_init__(self) -> None:
        at_least(1, neighborhoods=min(self.neighborhoods, default=0))
        one_of("euclidean", "manhattan", "chebyshev", metric=self.metric)

    def nats(self, x: Array, y: Array, seed: int) -> float:
        """Return the estimate of x (n, dx) and y (n, dy)."""
        from bmi.estimators import KSGEnsembleFirstEstimator

        method = KSGEnsembleFirstEstimator(self.neighborhoods, standardize=self.standardize, metric_x=self.metric)
        return float(method.estimate(x, y))


@dataclass(frozen=True)
class BmiNeural(Adapter):
    """The neural lower bounds of bmi, in JAX and float32; `method` is 'mine', 'infonce', 'nwj' or 'dv'.

    The library trains on a share `train_test_split` of the rows and reports the greatest value that it has seen on the
    others while it trained, which is above the bound by chance. It clips nothing.
    """

    method: Literal["mine", "infonce", "nwj", "dv"] = "mine"
    hidden_layers: tuple[int, ...] = (16, 8)
    batch_size: int = 256
    max_n_steps: int = 10_000
    learning_rate: float = 0.1
    train_test_split: float = 0.5
    test_every_n_steps: int = 250
    standardize: bool = True

    library: ClassVar[str] = "benchmark-mi"
    module: ClassVar[str] = "bmi.estimators"
    source: ClassVar[str] = BmiKSG.source
    bound: ClassVar[str] = "lower"

    def __post_init__(self) -> None:
        one_of(*_NAMES, method=self.method)
        at_least(1, batch_size=self.batch_size, max_n_steps=self.max_n_steps)
        at_least(1, test_every_n_steps=self.test_every_n_steps, hidden_layers=min(self.hidden_layers, default=0))
        above(0, learning_rate=self.learning_rate, train_test_split=self.train_test_split)
        below(1, train_test_split=self.train_test_split)

    def nats(self, x: Array, y: Array, seed: int) -> float:
        """Return the estimate of x (n, dx) and y (n, dy)."""
        import bmi.estimators

        method = getattr(bmi.estimators, f"{_NAMES[self.method]}Estimator")(
            batch_size=self.batch_size,
            max_n_steps=self.max_n_steps,
            train_test_split=self.train_test_split,
            test_every_n_steps=self.test_every_n_steps,
            learning_rate=self.learning_rate,
            hidden_layers=self.hidden_layers,
            standardize=self.standardize,
            verbose=False,
            seed=seed,
        )
        return float(method.estimate(x, y))

    def unsupported(self, n: int, x_shape: Shape, y_shape: Shape) -> str:
        """Ask for a batch of training rows, below which the library answers NaN."""
        rows = int(n * self.train_test_split)
        reason = f"{rows} training rows are less than batch_size={self.batch_size}" if rows < self.batch_size else ""
        return super().unsupported(n, x_shape, y_shape) or reason
