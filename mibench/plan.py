"""What a run has to do: its cells, which replicates of them are stored already, and how long the rest may take."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from numbers import Integral
from typing import Any, Self

from mibench.distribution import Task
from mibench.errors import MibenchError, suggest
from mibench.estimation import NamedEstimator
from mibench.record import FAILURES, SCHEMA_VERSION, digest
from mibench.store import Selection, Store, Stored

PROFILES = {"smoke": (1_000, 3), "standard": (5_000, 10), "full": (10_000, 30)}  # n, replicates


@dataclass(frozen=True)
class Cell:
    """A task, an estimator and n, with the replicates to compute."""

    task: Task
    estimator: NamedEstimator
    n_samples: int
    replicates: tuple[int, ...]
    seed: int

    @cached_property
    def key(self) -> str:
        """The key of the cell, a digest of all that its records have in common in what makes them unique."""
        task, estimator = self.task, self.estimator
        code = (estimator.name, estimator.parameters, estimator.source_hash)
        return digest((task.name, task.fingerprint, *code, self.n_samples, self.seed, SCHEMA_VERSION))


@dataclass(frozen=True)
class Plan:
    """All cells of a run, and those that are still to be computed, with the replicates that they lack."""

    cells: list[Cell]
    to_do: list[Cell]

    @cached_property
    def selection(self) -> Selection:
        """The records of the run, computed or not."""
        most = max((len(cell.replicates) for cell in self.cells), default=0)
        return Selection([cell.key for cell in self.cells], most)


@dataclass
class CostModel:
    """Predicts a cell's seconds from the times of cells that ran: the same, else the same estimator's, else none."""

    _seconds: dict[tuple[str, str, int], float] = field(default_factory=dict)
    _rates: dict[str, tuple[float, int]] = field(default_factory=dict)  # of each estimator the sum and how many

    @classmethod
    def of(cls, store: Store) -> Self:
        """Begin with the times that a store holds."""
        model = cls()
        for estimator, task, n, seconds in store.timings():
            model.observe(estimator, task, n, seconds)
        return model

    def observe(self, estimator: str, task: str, n_samples: int, seconds: float) -> None:
        """Note the seconds that one replicate took."""
        cell = (estimator, task, n_samples)
        rates, count = self._rates.get(estimator, (0.0, 0))
        known = self._seconds.get(cell)
        if known is not None:
            rates, count = rates - known / n_samples, count - 1
        self._rates[estimator] = (rates + seconds / n_samples, count + 1)
        self._seconds[cell] = seconds

    def predict(self, cell: Cell) -> float | None:
        """Return the seconds of `cell`, or None where its estimator has not been timed; n counts linearly."""
        known = self._seconds.get((cell.estimator.name, cell.task.name, cell.n_samples))
        if known is None:
            rates, count = self._rates.get(cell.estimator.name, (0.0, 0))
            known = rates / count * cell.n_samples if count else None
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
    wanted = tuple(range(replicates))
    cells = [Cell(task, estimator, n, wanted, seed) for task in tasks for n in n_samples for estimator in estimators]
    plan = Plan(cells, cells)
    if force:
        return plan
    lacking = {cell.key: cell for cell in cells}
    for key, stored in store.stored(plan.selection):
        lacking[key] = _without(stored, lacking[key], solo, retry)
    return Plan(cells, [cell for cell in lacking.values() if cell.replicates])


def _without(stored: Stored, cell: Cell, solo: bool, retry: bool) -> Cell:
    """Return `cell` with the replicates that are still to be computed."""
    kept = {replicate for replicate, (status, _) in stored.items() if not (retry and status in FAILURES)}
    if solo and all(time is None for _, time in stored.values()):  # both times of a cell are of one run, in one call
        kept = {replicate for replicate in kept if stored[replicate][0] != "ok"}
    return replace(cell, replicates=tuple(replicate for replicate in cell.replicates if replicate not in kept))
