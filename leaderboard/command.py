"""The command ``mibench leaderboard``: from a store to a table on the screen or in a file."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mibench.errors import MibenchError, suggest
from mibench.spec import parse, split_list

if TYPE_CHECKING:
    import pandas as pd

FORMAT_OF_SUFFIX = {".txt": "text", ".md": "markdown", ".tex": "latex", ".csv": "csv", ".json": "json"}
PICTURES = (".svg", ".pdf", ".png")
SITE = "html"  # a folder of pages


def leaderboard(
    store: Annotated[str, typer.Option(metavar="FILE|URL", help="Where the records are.")] = "mibench.db",
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
    task: Annotated[
        list[str] | None, typer.Option("--task", "-t", metavar="SPEC", help="Suites, globs or specs, with commas.")
    ] = None,
    estimator: Annotated[
        list[str] | None,
        typer.Option("--estimator", "-e", metavar="SPEC", help="Glob or spec, or several with commas; baselines stay."),
    ] = None,
    samples: Annotated[str | None, typer.Option(metavar="N[,N...]", help="Sample sizes. Default: all.")] = None,
) -> None:
    """Show how far off each estimator is on each task, and how the estimators rank over the tasks.

    A picture, .svg, .pdf or .png, shows estimated against true MI.

    Examples: mibench leaderboard -t 'gaussian*' -e 'ksg*,mine' · mibench leaderboard --samples 1000 -o results.tex ·
    mibench leaderboard -t 'blobs*' -o estimates.pdf · mibench leaderboard -o site/
    """
    path = None if output is None else Path(output)
    if path is not None and format is None and path.suffix.lower() in PICTURES and not names_folder(output):
        frame = read_records(store, task, estimator, samples)
        from .picture import save

        _written(path, "picture", lambda: save(frame, path))
        return
    chosen = SITE if format is None and names_folder(output) else chosen_format(format, path)
    if chosen == SITE and path is None:
        raise MibenchError("--format html writes a folder of pages; say which with --output, such as --output site/")
    frame = read_records(store, task, estimator, samples)

    from .board import Leaderboard

    board = Leaderboard.from_records(frame)
    if path is not None and chosen == SITE:
        from .site import write_site

        _written(path / "index.html", SITE, lambda: write_site(board, frame, path))
        return
    text = board.render(chosen)
    if path is None:
        typer.echo(text, nl=False)
        return
    _written(path, chosen, lambda: path.write_text(text, encoding="utf-8"))


def names_folder(output: str | None) -> bool:
    """Return whether `output` is a folder, or is written as one."""
    if output is None:
        return False
    separators = tuple(each for each in (os.sep, os.altsep) if each)
    return output.endswith(separators) or Path(output).is_dir()


def _written(output: Path, kind: str, write: Callable[[], object]) -> None:
    """Write `output`, and say so."""
    try:
        write()
    except OSError as error:
        raise MibenchError(f"cannot write {output}: {error.strerror or error}") from None
    typer.echo(f"wrote {output} ({kind})", err=True)


def chosen_format(format: str | None, output: Path | None) -> str:
    """Return the format that is asked for, or that the suffix of `output` names; `MibenchError` where it is unknown."""
    accepted = [*FORMAT_OF_SUFFIX.values(), SITE]
    if format:
        if format not in accepted:
            raise MibenchError(f"unknown format {format!r}; use {', '.join(accepted)}")
        return format
    if output is None:
        return "text"
    if output.suffix.lower() not in FORMAT_OF_SUFFIX:
        suffixes = " ".join((*FORMAT_OF_SUFFIX, *PICTURES))
        raise MibenchError(
            f"cannot tell the format from {output.name!r}; give --format, or end it in one of {suffixes}, "
            "or in / for a folder of HTML pages"
        )
    return FORMAT_OF_SUFFIX[output.suffix.lower()]


def read_records(
    store: str, tasks: Sequence[str] | None = None, estimators: Sequence[str] | None = None, samples: str | None = None
) -> "pd.DataFrame":
    """Return the records at `store`, a store or a CSV file of records, that the filters select; None selects all.

    Raises `MibenchError` where there is no store or no record in it, or where a filter selects nothing.
    """
    frame = _read_csv(store) if store.endswith((".csv", ".csv.gz")) else _read_store(store)
    if frame.empty:
        raise MibenchError("the store has no records; run `mibench run` first")
    return select(frame, tasks, estimators, samples)


def _read_store(store: str) -> "pd.DataFrame":
    from mibench.store import Store

    opened = Store.open(store, create=False)
    frame = opened.to_frame()
    opened.close()
    return frame


def _read_csv(file: str) -> "pd.DataFrame":
    """Read records as ``to_frame().to_csv(file)`` writes them."""
    import pandas as pd

    try:
        frame = pd.read_csv(file, keep_default_na=False, na_values=[""])
    except (OSError, ValueError, EOFError) as error:  # ParserError and EmptyDataError are ValueErrors
        raise MibenchError(f"{file} cannot be read as records: {' '.join(str(error).split())}") from None
    return frame


def select(
    frame: "pd.DataFrame",
    tasks: Sequence[str] | None = None,
    estimators: Sequence[str] | None = None,
    samples: str | None = None,
) -> "pd.DataFrame":
    """Return the rows of `frame` (one a replicate) that all filters select, and the baselines beside them."""
    if tasks:
        frame = frame[_matching(frame["task"], tasks, "task")]
    if estimators:
        frame = frame[_matching(frame["estimator"], estimators, "estimator") | frame["baseline"].astype(bool)]
    if samples:
        frame = frame[_matching(frame["n_samples"].astype(str), [samples], "samples")]
    return frame


def _matching(names: "pd.Series[str]", patterns: Sequence[str], option: str) -> "pd.Series[bool]":
    """Return which of `names` any of `patterns` selects; each of them must select one."""
    known = sorted(set(names))
    chosen: set[str] = set()
    given = split_list(",".join(patterns))
    if not given:
        raise MibenchError(f"--{option} names nothing; {suggest('', known)}")
    for pattern in given:
        spelled = _canonical(option, pattern)
        matched = {name for name in known if name in spelled or fnmatchcase(name, pattern)}
        if not matched:
            raise MibenchError(f"--{option} {pattern!r} selects no record; {suggest(pattern, known)}")
        chosen |= matched
    return names.isin(chosen)


def _canonical(option: str, pattern: str) -> set[str]:
    """Return the names that a suite or spec stands for, as the store spells them, and `pattern` itself.

    A spec that cannot be built here, of a plugin say, is only brought into the form in which specs are printed.
    """
    from mibench.selection import select_estimators, select_tasks

    names = {pattern}
    with suppress(MibenchError):
        names.add(str(parse(pattern)))
    with suppress(MibenchError):
        names |= {each.name for each in (select_tasks if option == "task" else select_estimators)(pattern)}
    return names
