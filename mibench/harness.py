"""A run: plan, compute, record, store."""

import contextlib
import math
import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from mibench import provenance, registry
from mibench.errors import MibenchError
from mibench.estimation import NamedEstimator, check_device
from mibench.executor import Executor, LocalExecutor, Pool
from mibench.job import Job
from mibench.plan import Cell, Plan, make_plan, sizes
from mibench.precision import GROWTH, extended
from mibench.process import Limits
from mibench.record import Outcome, Record
from mibench.seeding import check_seed
from mibench.selection import select_estimators, select_tasks
from mibench.store import Store

EXECUTORS = ("local", "ray")


class Reporter(Protocol):
    """What is told about the cells of a run."""

    def on_cell(self, cell: Cell, records: list[Record]) -> None:
        """Note a cell that ended."""

    def on_more(self, cells: Sequence[Cell]) -> None:
        """Note cells that are to be computed besides."""

    def on_interrupt(self, under_way: int) -> None:
        """Note that the run ends after the cells under way."""


@dataclass(frozen=True)
class Options:
    """What a run is asked to do; see `mibench.run`."""

    tasks: str | Iterable[str] = "core"
    estimators: str | Iterable[str] = "all"
    n_samples: int | Sequence[int] | None = None
    replicates: int | None = None
    profile: str = "standard"
    store: str | Path | None = "mibench.db"
    device: str = "auto"
    jobs: int | None = None
    timeout: float | None = None
    memory: float | None = None
    solo: bool = False
    seed: int = 0
    retry: bool = False
    force: bool = False
    plugins: str | Path | Iterable[str | Path] = ()
    executor: str = "local"
    address: str | None = None
    precision: float | None = None
    max_replicates: int = 200

    def __post_init__(self) -> None:
        most_seconds = threading.TIMEOUT_MAX
        limits = (("jobs", int, 1024), ("timeout", float, most_seconds), ("memory", float, 1e12))
        for name, kind, most in (*limits, ("precision", float, 1e12), ("max_replicates", int, 1e9)):
            value = getattr(self, name)
            wrong = not isinstance(value, int | kind) or isinstance(value, bool)
            if value is not None and (wrong or not 0 < value <= most):
                raise MibenchError(f"{name} must be more than 0 and at most {most:g}, got {value!r}")
        check_seed(self.seed)
        check_device(self.device)
        if self.executor not in EXECUTORS:
            raise MibenchError(f"there is no executor {self.executor!r}; known: {', '.join(EXECUTORS)}")
        if self.address is not None and self.executor != "ray":
            raise MibenchError("an address is that of a Ray cluster; give --executor ray as well")


class Run:
    """A run that is planned: nothing has been computed, and the store is open.

    Unless it is only to be looked at (`dry`), its store is claimed until `execute` has ended.
    """

    def __init__(self, options: Options, dry: bool = False) -> None:
        self._options = options
        plugins = [options.plugins] if isinstance(options.plugins, str | Path) else list(options.plugins)
        registry.load_plugins(plugins)
        self._plugins = tuple(str(Path(path).resolve()) for path in plugins)
        tasks, estimators = select_tasks(options.tasks), select_estimators(options.estimators)
        n_samples, replicates = sizes(options.profile, options.n_samples, options.replicates)
        with contextlib.ExitStack() as opened:
            self._executor = _executor(options, estimators)
            opened.callback(self._executor.close)
            self.store = Store.peek(options.store) if dry else Store.open(options.store)
            if not dry:
                opened.enter_context(self.store.claim())
                opened.callback(self.store.settle)
            self.plan: Plan = make_plan(
                tasks,
                estimators,
                n_samples,
                replicates,
                store=self.store,
                seed=options.seed,
                solo=options.solo,
                retry=options.retry,
                force=options.force,
            )
            self._opened = opened.pop_all()
        wanted = options.jobs or self._executor.slots
        self.workers = max(1, min(wanted, len(self.plan.to_do if options.precision is None else self.plan.cells)))
        self.threads = self._executor.threads(self.workers)

    def execute(self, reporter: Reporter) -> None:
        """Compute what is to be done, and what the precision asks for then; records are committed when they arrive.

        The first Ctrl-C lets the cells under way end; the second, as anything else that ends the run early, loses them,
        and nothing else.
        """
        with self._opened:
            self._compute(reporter)
            while self._options.precision is not None:
                before, self.plan = self.plan, self.foreseen(GROWTH)
                if self.plan.cells == before.cells:
                    break
                reporter.on_more(self.plan.to_do)
                self._compute(reporter)

    def foreseen(self, growth: float = math.inf) -> Plan:
        """Return the plan of what the precision asks for next by what is stored; all of it without limit of growth."""
        asked, most = self._options.precision, self._options.max_replicates
        if asked is None:
            return self.plan
        return extended(self.plan.cells, self.store, asked, most, growth, self._options.force)

    def _compute(self, reporter: Reporter) -> None:
        limits = Limits(self._options.timeout, self._options.memory)
        pool = Pool([self._executor.worker(self.threads, limits) for _ in range(self.workers)])
        jobs = [self._job(cell) for cell in self.plan.to_do]
        with contextlib.closing(pool.run(jobs, reporter.on_interrupt)) as results:
            for index, outcomes in results:
                cell = self.plan.to_do[index]
                records = _records(cell, outcomes)
                self.store.add(records)
                reporter.on_cell(cell, records)

    def _job(self, cell: Cell) -> Job:
        return Job(
            cell.task.name,
            cell.estimator.name,
            cell.estimator.source_hash,
            cell.n_samples,
            cell.replicates,
            cell.seed,
            self._executor.device(cell.estimator),
            self._options.solo,
            self._plugins,
            self._options.memory,
        )


def _executor(options: Options, estimators: Sequence[NamedEstimator]) -> Executor:
    if options.executor == "local":
        return LocalExecutor(estimators, options.device)
    from mibench.cluster import RayExecutor

    return RayExecutor(estimators, options.device, options.address)


def _records(cell: Cell, outcomes: Sequence[Outcome]) -> list[Record]:
    method = cell.estimator.method
    common: dict[str, Any] = {
        "task": cell.task.name,
        "task_fingerprint": cell.task.fingerprint,
        "mi_true": cell.task.mutual_information,
        "estimator": cell.estimator.name,
        "estimator_params": cell.estimator.parameters,
        "estimator_source": cell.estimator.source_hash,
        "baseline": cell.estimator.baseline,
        "bound": method.bound,
        "n_samples": cell.n_samples,
        "seed": cell.seed,
        "mibench_version": provenance.mibench_version(),
        "library_versions": provenance.library_versions(),
        "git_commit": provenance.git_commit(),
    }
    return [
        Record(**common, replicate=r, data_seed=cell.task.replicate_seed(r), **asdict(outcome))
        for r, outcome in zip(cell.replicates, outcomes, strict=True)
    ]
