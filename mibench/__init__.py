"""mibench: a benchmark of mutual-information estimators. MI is in nats throughout."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mibench.api import Results, estimator, run, task, tasks
    from mibench.distribution import Distribution, Draw, Task
    from mibench.errors import DataError, MibenchError, SpecError
    from mibench.estimation import BatchEstimator, Estimate, Estimator, NamedEstimator
    from mibench.suite import Suite

_HOMES = {
    "mibench.api": ["Results", "estimator", "run", "task", "tasks"],
    "mibench.distribution": ["Distribution", "Draw", "Task"],
    "mibench.errors": ["DataError", "MibenchError", "SpecError"],
    "mibench.suite": ["Suite"],
    "mibench.estimation": ["BatchEstimator", "Estimate", "Estimator", "NamedEstimator"],
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}
__all__ = [
    "BatchEstimator",
    "DataError",
    "Distribution",
    "Draw",
    "Estimate",
    "Estimator",
    "MibenchError",
    "NamedEstimator",
    "Results",
    "SpecError",
    "Suite",
    "Task",
    "estimator",
    "run",
    "task",
    "tasks",
]


def __dir__() -> list[str]:
    """List the public names, those not yet imported too."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used, so that ``import mibench`` stays light."""
    if name in _HOME_OF:
        return getattr(import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module 'mibench' has no attribute {name!r}")
