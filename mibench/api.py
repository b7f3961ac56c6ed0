"""The Python interface: tasks and estimators by name, and runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from mibench import registry
from mibench.distribution import Task
from mibench.estimation import NamedEstimator
from mibench.selection import select_tasks

if TYPE_CHECKING:
    import pandas as pd

    from mibench.store import Selection, Store


def task(spec: str) -> Task:
    """Return the task that `spec` names, such as ``gaussian(d=10, mi=2)``; `SpecError` where it names none."""
    return registry.task(spec)


def tasks(*patterns: str) -> list[Task]:
    """Return the tasks that suites, globs over the suites' tasks, specs or aliases name; all by default."""
    return select_tasks(patterns or "all")


def estimator(spec: str) -> NamedEstimator:
    """Return the estimator that `spec` names, such as ``ksg(k=5)``; `SpecError` where it names none."""
    return registry.estimator(spec)


class Results:
    """The records of a run; failed replicates are records too."""

    def __init__(self, store: Store, selection: Selection) -> None:
        self._store = store
        self._selection = selection

    def to_frame(self) -> pd.DataFrame:
        """Return one row a record, ordered by task, n, estimator and replicate; MI in nats, times in seconds."""
        return self._store.to_frame(self._selection)

    def counts(self) -> dict[str, int]:
        """Return how many records have each status."""
        return self._store.counts(self._selection)

    def __repr__(self) -> str:
        counts = self.counts()
        shown = ", ".join(f"{count} {status}" for status, count in counts.items())
        return f"<Results of {sum(counts.values())} records: {shown}; store: {self._store.name}>"


def run(
    tasks: str | Iterable[str] = "core",
    estimators: str | Iterable[str] = "all",
    n_samples: int | Sequence[int] | None = None,
    replicates: int | None = None,
    *,
    progress: bool = False,
    **options: Any,
) -> Results:
    """Run every estimator on every task, and return the records; what the store holds already is not computed again.

    `tasks` and `estimators` are suites, globs or specs, in one string or several. Further `options`, by default:

    - ``profile="standard"``: gives n_samples and replicates where they are not given: smoke 1 000 × 3,
      standard 5 000 × 10, full 10 000 × 30
    - ``store="mibench.db"``: a path or database URL; None keeps the records in memory
    - ``device="auto"``: or "cpu", "cuda"
    - ``jobs=None``: worker processes; by default one a core, or one where a GPU is used
    - ``timeout=None``, ``memory=None``: limits of a cell, in seconds and MB
    - ``solo=False``: time one replicate alone too
    - ``seed=0``: that of the estimators alone; the data follow from the task
    - ``retry=False``, ``force=False``: compute stored failures again, or everything
    - ``precision=None``: add replicates until the 95 % interval of each bias is within ± that many nats, or there are
      ``max_replicates=200``
    - ``executor="local"``: or "ray", on the cluster at ``address`` or one that is found
    - ``plugins=()``: Python files that define more tasks and estimators

    Raises `MibenchError` on input that names nothing or cannot be; an estimator that fails is a record, not an error.
    """
    from mibench.harness import Options, Run
    from mibench.progress import ConsoleReporter, Silent

    planned = Run(Options(tasks, estimators, n_samples, replicates, **options))
    with ConsoleReporter(planned) if progress else Silent() as reporter:
        planned.execute(reporter)
    return Results(planned.store, planned.plan.selection)
