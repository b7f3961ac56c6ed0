"""Where the commands write what they say: in which format, and to which file."""

from collections.abc import Callable, Sequence
from pathlib import Path

import typer

from mibench.errors import MibenchError

FORMAT_OF_SUFFIX = {".txt": "text", ".md": "markdown", ".tex": "latex", ".csv": "csv", ".json": "json"}
PICTURE_SUFFIXES = (".svg", ".pdf", ".png")
PICTURE = "picture"  # which the suffix alone asks for
SITE = "html"  # a folder of pages


def chosen_format(format: str | None, output: Path | None, accepted: Sequence[str], pictures: bool = False) -> str:
    """Return the one of the `accepted` formats that is asked for, or that the suffix of `output` names, or text.

    With `pictures`, the suffix may name `PICTURE` too. Raises `MibenchError` where there is none.
    """
    if format is None and output is not None:
        known = {suffix: name for suffix, name in FORMAT_OF_SUFFIX.items() if name in accepted}
        known |= dict.fromkeys(PICTURE_SUFFIXES, PICTURE) if pictures else {}
        if output.suffix.lower() not in known:
            suffixes = " ".join(known) + (", or in / for a folder of HTML pages" if SITE in accepted else "")
            raise MibenchError(
                f"cannot tell the format from {output.name!r}; give --format, or end it in one of {suffixes}"
            )
        return known[output.suffix.lower()]
    chosen = "text" if format is None else format
    if chosen not in accepted:
        raise MibenchError(f"unknown format {chosen!r}; use {', '.join(accepted)}")
    return chosen


def check_output(output: Path | None, stores: Sequence[str]) -> None:
    """Raise `MibenchError` where `output` is one of the files that records are read from."""
    for store in stores:
        if output is not None and output.exists() and Path(store).exists() and output.samefile(store):
            raise MibenchError(f"--output {output} would overwrite the records that it is made from; give another name")


def written(output: Path, kind: str, write: Callable[[], object]) -> None:
    """Write `output`, and say so."""
    try:
        write()
    except OSError as error:
        raise MibenchError(f"cannot write {output}: {error.strerror or error}") from None
    typer.echo(f"wrote {output} ({kind})", err=True)
