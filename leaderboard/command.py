"""The command ``mibench leaderboard``: from a store to a table on the screen or in a file."""

import atexit
import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mibench.errors import MibenchError

from .options import DEFAULT_STORE, Estimators, Samples, Tasks
from .output import FORMAT_OF_SUFFIX, PICTURE, SITE, check_output, chosen_format, written
from .reading import PUBLISHED, USED, read_records

if TYPE_CHECKING:
    import pandas as pd

PICTURED = ("estimates", "efficiency")
FORMATS = (*FORMAT_OF_SUFFIX.values(), SITE)


def leaderboard(
    store: Annotated[str, typer.Option(metavar="FILE|URL", help="Where the records are.")] = DEFAULT_STORE,
    format: Annotated[
        str | None, typer.Option(help="text, markdown, latex, csv, json or html. Default: as --output ends, or text.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE|FOLDER/",
            help="Write to this .txt, .md, .tex, .csv or .json, a .svg, .pdf or .png, or HTML pages to a folder.",
        ),
    ] = None,
    task: Tasks = None,
    estimator: Estimators = None,
    samples: Samples = None,
    summary: Annotated[bool, typer.Option("--summary", help="Only the ranks over tasks, not each task.")] = False,
    with_published: Annotated[
        bool, typer.Option("--with-published", help="Beside the records of other estimators that ship with mibench.")
    ] = False,
    picture: Annotated[
        str, typer.Option(help="What a picture shows: estimates (against true MI) or efficiency (task by estimator).")
    ] = "estimates",
) -> None:
    """Show how far off each estimator is on each task, and how the estimators rank over the tasks.

    The store "published" is the records that ship with mibench. Baselines stay, whatever --estimator selects.

    Examples: mibench leaderboard -t 'gaussian*' -e 'ksg*,mine' · mibench leaderboard --samples 1000 -o results.tex ·
    mibench leaderboard -o site/ · mibench leaderboard --store published --summary ·
    mibench leaderboard --with-published --samples 10000 --picture efficiency -o efficiency.pdf
    """
    path = None if output is None else Path(output)
    if picture not in PICTURED:
        raise MibenchError(f"unknown picture {picture!r}; use {', '.join(PICTURED)}")
    folder = format is None and _names_folder(output)
    chosen = SITE if folder else chosen_format(format, path, FORMATS, pictures=True)
    if summary and chosen in (PICTURE, SITE):
        raise MibenchError("--summary is for tables; leave it out for a picture or HTML pages")
    if picture != PICTURED[0] and chosen != PICTURE:
        raise MibenchError(f"--picture {picture} needs a file to draw to, such as --output {picture}.svg")
    if chosen == SITE and path is None:
        raise MibenchError("--format html writes a folder of pages; say which with --output, such as --output site/")
    check_output(path, [store])
    gc.set_threshold(10**6)  # a million records make many objects and little garbage: to look for it took .3 s
    atexit.register(gc.freeze)  # else Python looks at every object of all libraries once more, for .2 s, to free it
    columns = None if chosen == SITE else USED
    read = _with_published if with_published else read_records
    frame = read(store, task, estimator, samples, columns)
    if path is not None and chosen == PICTURE:
        written(path, PICTURE, lambda: _draw(frame, picture, path))
        return

    from .board import Leaderboard

    board = Leaderboard.from_records(frame)
    if path is not None and chosen == SITE:
        from .site import write_site

        written(path / "index.html", SITE, lambda: write_site(board, frame, path))
        return
    text = board.render(chosen, summary)
    if path is None:
        typer.echo(text, nl=False)
        return
    written(path, chosen, lambda: path.write_text(text, encoding="utf-8"))


def _with_published(
    store: str, task: list[str] | None, estimator: list[str] | None, samples: str | None, columns: list[str] | None
) -> "pd.DataFrame":
    """Return the records of `store` beside the published ones, those alone where there is no store yet."""
    if store == PUBLISHED or (store == DEFAULT_STORE and not Path(store).exists()):
        return read_records(PUBLISHED, task, estimator, samples)
    from .published import with_published
    from .reading import select

    own = read_records(store, columns=columns)
    together = with_published(own)
    added = together.head(len(together) - len(own))
    if len(added) and not set(added["seed"]) & set(together["seed"].iloc[len(added) :]):
        seeds = ", ".join(map(str, sorted(set(added["seed"]))))
        typer.echo(f"mibench: the published records are of seed {seeds} and ranked apart from other seeds", err=True)
    return select(together, task, estimator, samples)


def _draw(frame: "pd.DataFrame", picture: str, file: Path) -> None:
    if picture == "efficiency":
        from .board import Leaderboard
        from .efficiency_picture import save as save_efficiency

        save_efficiency(Leaderboard.from_records(frame), file)
        return
    from .picture import save

    save(frame, file)


def _names_folder(output: str | None) -> bool:
    """Return whether `output` is a folder, or is written as one."""
    if output is None:
        return False
    separators = tuple(each for each in (os.sep, os.altsep) if each)
    return output.endswith(separators) or Path(output).is_dir()
