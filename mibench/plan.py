"""What a run has to do: its cells, which replicates of them are stored already, and how long the rest may take."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any, Self

from mibench.distribution import Task
from mibench.errors import MibenchError, suggest
from mibench.estimation import NamedEstimator
from mibench.record import FAILURES, SCHEMA_VERSION, record_key
from mibench.store import Store

PROFILES = {"smoke": (1_000, 3), "standard": (5_000, 10), "full": (10_000, 30)}  # n, replicates


@dataclass(frozen=True)
class Cell:
    """A task, an estimator and n, with the replicates to compute."""

    task: Task
    estimator: NamedEstimator
    n_samples: int
    replicates: tuple[int, ...]
    seed: int

    def key(self, replicate: int) -> str:
        """Return the key of one replicate's record."""
        return record_key(
            task=self.task.name,
            task_fingerprint=self.task.fingerprint,
            estimator=self.estimator.name,
            estimator_params=self.estimator.method.parameters_json(),
            estimator_source=self.estimator.source_hash,
            n_samples=self.n_samples,
            replicate=replicate,
            seed=self.seed,
            schema_version=SCHEMA_VERSION,
        )

    @property
    def keys(self) -> list[str]:
        """The keys of its replicates."""
        return [self.key(replicate) for replicate in self.replicates]


@dataclass(frozen=True)
class Plan:
    """All cells of a run, and those that are still to be computed, with the replicates that they lack."""

    cells: list[Cell]
    to_do: list[Cell]


@dataclass
class CostModel:
    """Predicts a cell's seconds from the times of cells that ran: the same, else the same estimator's, else none."""

    _seconds: dict[tuple[str, str, int], float] = field(default_factory=dict)

    @classmethod
    def of(cls, store: Store) -> Self:
        """Begin with the times that a store holds."""
        return cls({(estimator, task, n): seconds for estimator, task, n, seconds in store.timings()})

    def observe(self, estimator: str, task: str, n_samples: int, seconds: float) -> None:
        """Note the seconds that one replicate took."""
        self._seconds[estimator, task, n_samples] = seconds

    def predict(self, cell: Cell) -> float | None:
        """Return the seconds of `cell`, or None where its estimator has not been timed; n counts linearly."""
        known = self._seconds.get((cell.estimator.name, cell.task.name, cell.n_samples))
        if known is None:
            rates = [s / n for (e, _, n), s in self._seconds.items() if e == cell.estimator.name]
            known = statistics.fmean(rates) * cell.n_samples if rates else None
        return None if known is None else known * len(cell.replicates)

    def total(self, cells: Sequence[Cell]) -> tuple[float, list[str]]:
        """Return the predicted seconds of `cells` and the estimators of which nothing is known yet."""
        predicted = [(cell, self.predict(cell)) for cell in cells]
        unknown = {cell.estimator.name for cell, seconds in predicted if seconds is None}
        return sum(seconds for _, seconds in predicted if seconds is not None), sorted(unknown)


def sizes(profile: str, n_samples: Any, replicates: int | None) -> tuple[list[int], int]:
    """Return the sample sizes and the number of replicates: those given, else the profile's."""
    if profile not in PROFILES:
        raise MibenchError(f"there is no profile {profile!r}; {suggest(profile, PROFILES)}")
    n, count = PROFILES[profile]
    chosen = [n] if n_samples is None else list(n_samples) if isinstance(n_samples, Iterable) else [n_samples]
    if not chosen:
        raise MibenchError("n_samples is empty; give at least one sample size")
    count = count if replicates is None else replicates
    for name, value, least in [("replicates", count, 1), *(("n_samples", size, 2) for size in chosen)]:
        if not isinstance(value, Integral) or isinstance(value, bool) or not least <= int(value) < 2**31:
            raise MibenchError(f"{name} must be an integer of at least {least}, got {value!r}")
    return [int(size) for size in dict.fromkeys(chosen)], int(count)


def make_plan(
    tasks: Sequence[Task],
    estimators: Sequence[NamedEstimator],
    n_samples: Sequence[int],
    replicates: int,
    *,
    store: Store,
    seed: int = 0,
    solo: bool = False,
    retry: bool = False,
    force: bool = False,
) -> Plan:
    """Cross tasks, sizes and estimators, and take away what is stored.

    A stored failure is kept unless `retry`; `solo` wants a solo time in each cell; `force` computes everything anew.
    """
    cells = [
        Cell(task, estimator, n, tuple(range(replicates)), seed)
        for task in tasks
        for n in n_samples
        for estimator in estimators
    ]
    stored = {} if force else store.statuses(key for cell in cells for key in cell.keys)
    missing = [_without_stored(cell, stored, solo, retry) for cell in cells]
    return Plan(cells, [cell for cell in missing if cell.replicates])


def _without_stored(cell: Cell, stored: dict[str, tuple[str, float | None]], solo: bool, retry: bool) -> Cell:
    found = {replicate: stored[key] for replicate, key in zip(cell.replicates, cell.keys, strict=True) if key in stored}
    kept = {replicate for replicate, (status, _) in found.items() if not (retry and status in FAILURES)}
    if solo and all(time is None for _, time in found.values()):
        kept -= set([replicate for replicate, (status, _) in found.items() if status == "ok"][:1])
    return replace(cell, replicates=tuple(replicate for replicate in cell.replicates if replicate not in kept))
