"""The command ``mibench history``: from stores of several commits to a table or a picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import DEFAULT_STORE, Estimators, Samples, Tasks
from .output import FORMAT_OF_SUFFIX, PICTURE, check_output, chosen_format, written
from .reading import naming, read_records, select

if TYPE_CHECKING:
    from .history import History


def history(
    stores: Annotated[
        list[str] | None,
        typer.Argument(metavar="[STORE]...", help="Stores, or records as CSV, pooled. Default: mibench.db.",
                       show_default=False),
    ] = None,
    repository: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Git repository that orders the commits. Default: the one here.")
    ] = None,
    task: Tasks = None,
    estimator: Estimators = None,
    samples: Samples = None,
    format: Annotated[
        str | None, typer.Option(help="text, markdown, latex, csv or json. Default: as --output ends, or text.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE",
                     help="Write to this .txt, .md, .tex, .csv or .json, or a .svg, .pdf or .png."),
    ] = None,
) -> None:  # fmt: skip
    """Show how each estimator's error and seconds went from commit to commit, relative to its first.

    Stores, mibench.db by default, and records in CSV are pooled. Only the cells count that all commits of an estimator
    have, on the same draws; what is left out is said. Seconds are compared on one host and device alone. Where `mibench
    compare` calls a step worse or better, it is marked. Commits are in git's order where the repository knows them all,
    and else in that of their earliest records.

    Examples: mibench history stores/*.db · mibench history stores/*.db -e 'ksg*' -o history.svg · mibench history
    old.csv.gz mibench.db --repository ~/my-estimator --format json
    """
    chosen = chosen_format(format, output, tuple(FORMAT_OF_SUFFIX.values()), pictures=True)
    given = stores or [DEFAULT_STORE]
    check_output(output, given)
    found = _read(given, repository, task, estimator, samples)
    if output is None:
        from .history_page import render

        typer.echo(render(found, chosen), nl=False)
    else:
        written(output, chosen, lambda: _write(output, found, chosen))


def _read(
    stores: list[str], repository: Path | None, task: list[str] | None, estimator: list[str] | None, samples: str | None
) -> "History":
    from .history import History
    from .shared import pool

    frames = []
    for store in stores:
        with naming(store):
            frames.append(read_records(store))
    frame = pool(frames, stores)
    return History.of(select(frame, task, estimator, samples), repository)


def _write(output: Path, found: "History", chosen: str) -> None:
    from .history_page import render
    from .history_picture import save

    if chosen == PICTURE:
        save(found, output)
    else:
        output.write_text(render(found, chosen), encoding="utf-8")
