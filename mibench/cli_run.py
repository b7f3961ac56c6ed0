"""The commands ``mibench plan`` and ``mibench run``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mibench.errors import MibenchError

if TYPE_CHECKING:
    from mibench.harness import Run

EXIT_FAILED_CELLS = 3

Task = Annotated[
    list[str] | None,
    typer.Option("--task", "-t", metavar="SPEC", help="Suite, glob or spec, or several with commas. Default: core."),
]
Estimator = Annotated[
    list[str] | None,
    typer.Option("--estimator", "-e", metavar="SPEC", help="Glob or spec, or several with commas. Default: core."),
]
Samples = Annotated[str | None, typer.Option(metavar="N[,N...]", help="Sample sizes. Default: the profile's.")]
Replicates = Annotated[int | None, typer.Option(metavar="R", help="Replicates of a cell. Default: the profile's.")]
Profile = Annotated[str, typer.Option(help="smoke: n=1000 x 3, standard: 5000 x 10, full: 10000 x 30.")]
Store = Annotated[str, typer.Option(metavar="FILE|URL", help="Where records are kept and found again.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Jobs = Annotated[int | None, typer.Option(metavar="J", help="Worker processes. Default: one a core, or one on a GPU.")]
Timeout = Annotated[float | None, typer.Option(metavar="SECONDS", help="Longest time of a cell, after warm-up.")]
Memory = Annotated[float | None, typer.Option(metavar="MB", help="Most resident memory of a worker.")]
Solo = Annotated[bool, typer.Option("--solo", help="Also time one replicate of each cell alone.")]
Seed = Annotated[int, typer.Option(help="Seed of the estimators; the data follow from the task.")]
Plugin = Annotated[list[str] | None, typer.Option(metavar="FILE.py", help="A file that defines more estimators.")]
Retry = Annotated[bool, typer.Option("--retry", help="Compute stored failures again.")]
Force = Annotated[bool, typer.Option("--force", help="Compute everything again.")]
Precision = Annotated[
    float | None, typer.Option(metavar="NATS", help="Add replicates until the 95 % interval of a bias is within ±NATS.")
]
MaxReplicates = Annotated[int, typer.Option(metavar="R", help="Most replicates of a cell with --precision.")]
Executor = Annotated[str, typer.Option(help="Where cells run: local, or ray for a Ray cluster.")]
Address = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Ray cluster. Default: one that is found.")]


def plan(
    task: Task = None, estimator: Estimator = None, samples: Samples = None, replicates: Replicates = None,
    profile: Profile = "standard", store: Store = "mibench.db", device: Device = "auto", jobs: Jobs = None,
    solo: Solo = False, seed: Seed = 0, plugin: Plugin = None, retry: Retry = False, force: Force = False,
    precision: Precision = None, max_replicates: MaxReplicates = 200,
) -> None:  # fmt: skip
    """Show what a run would do: its cells, how many are stored already, and the time that the rest may take.

    Example: mibench plan --task all --estimator ksg,mine --profile full
    """
    from tabulate import tabulate

    from mibench.plan import CostModel
    from mibench.progress import duration

    run = _planned(task, estimator, samples, plugin, replicates=replicates, profile=profile, store=store, device=device,
                   jobs=jobs, solo=solo, seed=seed, retry=retry, force=force, precision=precision,
                   max_replicates=max_replicates, dry=True)  # fmt: skip
    costs = CostModel.of(run.store)
    to_do = [*run.plan.to_do, *run.foreseen().to_do]
    left = {cell.key for cell in to_do}
    rows = []
    for name in dict.fromkeys(cell.estimator.name for cell in run.plan.cells):
        cells = [cell for cell in run.plan.cells if cell.estimator.name == name]
        own = [cell for cell in to_do if cell.estimator.name == name]
        seconds, unknown = costs.total(own)
        predicted = "no timing stored" if unknown else (duration(seconds) if own else "done")
        done = sum(cell.key not in left for cell in cells)
        rows.append([name, len(cells), done, sum(len(cell.replicates) for cell in own), predicted])
    typer.echo(tabulate(rows, headers=["estimator", "cells", "stored", "replicates to do", "core time"]))
    seconds, unknown = costs.total(to_do)
    typer.echo(f"\n{len(run.plan.cells)} cells, {len(run.plan.cells) - len(left)} stored in {store}")
    if precision is not None and run.plan.to_do:
        typer.echo("what is not stored yet counts with as many replicates as a run begins with")
    if to_do:
        without = f" and what {', '.join(unknown)} take, of which the store has no timing yet" if unknown else ""
        typer.echo(f"predicted time with {run.workers} workers: {duration(seconds / run.workers)}{without}")


def run(
    task: Task = None, estimator: Estimator = None, samples: Samples = None, replicates: Replicates = None,
    profile: Profile = "standard", store: Store = "mibench.db", device: Device = "auto", jobs: Jobs = None,
    timeout: Timeout = None, memory: Memory = None, solo: Solo = False, seed: Seed = 0, plugin: Plugin = None,
    retry: Retry = False, force: Force = False, executor: Executor = "local", address: Address = None,
    precision: Precision = None, max_replicates: MaxReplicates = 200,
) -> None:  # fmt: skip
    """Run estimators on tasks and store a record of each replicate; what is stored already is not computed again.

    Interrupted or killed, it goes on where it stopped when it is run again. Exit code 3: some cells failed.

    Examples: mibench run --task all --profile smoke · mibench run -t 'gaussian(d=2, mi=1)' -e 'ksg,ae(ksg, latent=1)'
    """
    run = _planned(task, estimator, samples, plugin, replicates=replicates, profile=profile, store=store, device=device,
                   jobs=jobs, timeout=timeout, memory=memory, solo=solo, seed=seed, retry=retry, force=force,
                   executor=executor, address=address, precision=precision, max_replicates=max_replicates)  # fmt: skip
    _announce(run)
    _execute(run, store)
    counts = run.store.counts(run.plan.selection)
    typer.echo(f"{', '.join(f'{count} {status}' for status, count in counts.items())} · {_next_step(store)}", err=True)
    failed = sum(count for status, count in counts.items() if status not in ("ok", "skipped"))
    if failed:
        if not retry:
            typer.echo("failed replicates are kept as they are; --retry computes them again", err=True)
        raise typer.Exit(EXIT_FAILED_CELLS)


def _planned(
    task: list[str] | None, estimator: list[str] | None, samples: str | None, plugin: list[str] | None,
    dry: bool = False, **options: Any,
) -> Run:  # fmt: skip
    from mibench.harness import Options, Run

    return Run(Options(task or "core", estimator or "all", _sizes(samples), plugins=plugin or (), **options), dry)


def _sizes(samples: str | None) -> list[int] | None:
    if samples is None:
        return None
    try:
        return [int(size) for size in samples.split(",")]
    except ValueError:
        raise MibenchError(f"--samples must be integers with commas, such as 1000,5000; got {samples!r}") from None


def _announce(run: Run) -> None:
    stored = len(run.plan.cells) - len(run.plan.to_do)
    done = f", {stored} of them stored already" if stored else ""
    parts = [(len(run.plan.cells), "cell"), (run.workers, "worker"), (run.threads, "thread")]
    cells, workers, threads = (f"{count} {noun}{'s' * (count != 1)}" for count, noun in parts)
    typer.echo(f"{cells}{done}; {workers} of {threads}", err=True)


def _execute(run: Run, store: str) -> None:
    from mibench.progress import ConsoleReporter

    try:
        with ConsoleReporter(run) as reporter:
            run.execute(reporter)
    except KeyboardInterrupt:
        typer.echo(f"interrupted; what was done is in {store}, and the same command goes on from there", err=True)
        raise typer.Exit(130) from None


def _next_step(store: str) -> str:
    return "mibench leaderboard" + ("" if store == "mibench.db" else f" --store {store}")
