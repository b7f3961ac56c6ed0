"""The command ``mibench sample``: draws of a task, into a file or a pipe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mibench.errors import MibenchError

if TYPE_CHECKING:
    from mibench.distribution import Array, Task


def sample(
    spec: Annotated[str, typer.Argument(help="A task, such as 'gaussian(d=2, mi=1)'.")],
    samples: Annotated[int, typer.Option("--samples", "-n", metavar="N", help="How many draws.")] = 1000,
    seed: Annotated[int | None, typer.Option(help="Seed of the draws. Default: 0.")] = None,
    replicate: Annotated[
        int | None, typer.Option(metavar="R", help="Instead of a seed: the data of replicate R of `mibench run`.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write to this .npz or .csv. Default: CSV to stdout."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    plugin: Annotated[
        list[str] | None, typer.Option("--plugin", metavar="FILE.py", help="A file that defines more.")
    ] = None,
) -> None:
    """Draw from a task: arrays x and y (NPZ), or columns x0,x1,...,y0,y1,... (CSV, each draw flattened in C order).

    Examples: mibench sample 'gaussian(d=2, mi=1)' -n 5000 -o data.npz · mibench sample blobs --replicate 0 -o data.csv
    """
    from mibench import data_file, registry

    if output is not None:
        data_file.check_target(output, force)
    registry.load_plugins(plugin or ())
    task = registry.task(spec)
    chosen, said = _seed(task, seed, replicate)
    x, y = task.sample(samples, chosen)
    if output is None:
        _print(x, y)
    else:
        data_file.write(output, x, y)
    typer.echo(_report(task, x, y, said, output), err=True)


def _seed(task: Task, seed: int | None, replicate: int | None) -> tuple[int, str]:
    """Return the seed of the draws, and the words that say which it is."""
    if replicate is None:
        return seed or 0, f"seed {seed or 0}"
    if seed is not None:
        raise MibenchError("--seed and --replicate exclude each other; the seed of a replicate follows from the task")
    if replicate < 0:
        raise MibenchError(f"--replicate must be at least 0, got {replicate}")
    chosen = task.replicate_seed(replicate)
    return chosen, f"replicate {replicate} (seed {chosen})"


def _print(x: Array, y: Array) -> None:
    from mibench.data_file import csv_lines

    sys.stdout.writelines(csv_lines(x, y))
    sys.stdout.flush()


def _report(task: Task, x: Array, y: Array, said: str, output: Path | None) -> str:
    from mibench.view import mutual_information

    where = f"wrote {output}: " if output else ""
    return f"{where}{task.name}, x {x.shape}, y {y.shape}, {mutual_information(task)}, {said}"
