"""The command ``mibench verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXIT_DIFFERS = 3
EXIT_INCONCLUSIVE = 5

Store = Annotated[str, typer.Argument(metavar="STORE", help="A store of records: a file or a database URL.")]
Sample = Annotated[int, typer.Option(min=1, metavar="K", help="How many stored estimates are picked at random.")]
Seed = Annotated[int, typer.Option(help="Seed of the choice.")]
Jobs = Annotated[int | None, typer.Option(min=1, metavar="J", help="Worker processes. Default: one a core.")]
Plugin = Annotated[list[str] | None, typer.Option(metavar="FILE.py", help="A file that defines more estimators.")]
Timeout = Annotated[float | None, typer.Option(min=0.001, metavar="SECONDS", help="Longest time of a call.")]


def verify(
    store: Store = "mibench.db", sample: Sample = 20, seed: Seed = 0, jobs: Jobs = None, plugin: Plugin = None,
    timeout: Timeout = None,
) -> None:  # fmt: skip
    """Compute stored estimates again, picked at random, and report any that differ: on a CPU in any bit.

    Exit code 3: some differ, or do not come out. Those whose code has changed since are counted, and not tried; exit
    code 5: there are no others.

    Example: mibench verify mibench.db --sample 20
    """
    from collections import Counter

    from rich.console import Console
    from rich.progress import Progress

    from mibench import registry
    from mibench.device import cores
    from mibench.store import Store as Records
    from mibench.verify import verify as verdicts

    plugins = [str(Path(path).resolve()) for path in plugin or ()]
    registry.load_plugins(plugins)
    workers = jobs or cores()
    threads = max(1, cores() // workers)
    counts: Counter[str] = Counter()
    records = Records.open(store, create=False)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        line = bar.add_task("estimates", total=None)
        for found in verdicts(
            records, sample, seed=seed, workers=workers, threads=threads, plugins=plugins, timeout=timeout
        ):
            for one in found:
                counts[one.verdict] += 1
                if one.verdict != "same":
                    again = "" if one.found is None else f", now {one.found!r}"
                    why = f" ({one.message})" if one.message else ""
                    where = f"{one.task} · {one.estimator} · n={one.n_samples} · replicate {one.replicate}"
                    typer.echo(f"{one.verdict}: {where}: stored {one.stored!r}{again}{why}")
            bar.update(line, completed=sum(counts.values()))
    typer.echo(", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    if counts["differs"] or counts["failed"]:
        raise typer.Exit(EXIT_DIFFERS)
    if not counts["same"]:
        raise typer.Exit(EXIT_INCONCLUSIVE)
