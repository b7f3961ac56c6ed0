"""The command ``mibench compare``: a verdict on a change, for a terminal, a pull request and programs."""

import os
from pathlib import Path
from typing import Annotated

import typer

from .options import Estimators, Tasks
from .output import check_output, chosen_format, written
from .reading import USED, naming, read_records

EXIT_REGRESSION = 4
EXIT_INCONCLUSIVE = 5
FORMATS = ("text", "markdown", "json")


def compare(
    base: Annotated[str, typer.Argument(metavar="BASE", help="Store, or records as CSV, of before the change.")],
    head: Annotated[str, typer.Argument(metavar="HEAD", help="Store, or records as CSV, of after it.")],
    margin: Annotated[float, typer.Option(metavar="NATS", help="Differences within it count as equivalent ...")] = 0.02,
    relative_margin: Annotated[
        float, typer.Option(metavar="SHARE", help="... or within this share of the MI, whichever is more.")
    ] = 0.02,
    runtime_margin: Annotated[float, typer.Option(metavar="RATIO", help="The same for seconds.")] = 1.25,
    fail_on_runtime: Annotated[
        bool, typer.Option("--fail-on-runtime", help="A slower estimator is exit 4 too.")
    ] = False,
    task: Tasks = None,
    estimator: Estimators = None,
    format: Annotated[
        str | None, typer.Option(help="text, markdown or json. Default: as --output ends, or text.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write to this file in place of the screen.")
    ] = None,
) -> None:
    """Say of each cell whether a change made it worse, on the same draws, replicate by replicate.

    A cell is worse where the absolute error has grown by more than the margin, and by more than chance (paired t-test,
    false discovery rate 5 % over all cells), or where an estimate has become a failure. Exit code 4: some are worse; 5:
    none is, but some may be. Where GITHUB_STEP_SUMMARY names a file, the verdicts are appended to it as Markdown.

    Example: mibench compare base.db head.db
    """
    chosen = chosen_format(format, output, FORMATS)
    check_output(output, (base, head))
    with naming(base, "BASE, "):
        before = read_records(base, task, estimator, columns=USED)
    with naming(head, "HEAD, "):
        after = read_records(head, task, estimator, columns=USED)
    from .comparison import Comparison
    from .comparison_page import render

    found = Comparison.of(before, after, margin, relative_margin, runtime_margin)
    text = render(found, chosen)
    if output is None:
        typer.echo(text, nl=False)
    else:
        written(output, chosen, lambda: output.write_text(text, encoding="utf-8"))
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with open(summary, "a", encoding="utf-8") as stream:
                stream.write(render(found, "markdown"))
        except OSError as error:  # which must not hide the verdict
            typer.echo(f"mibench: GITHUB_STEP_SUMMARY: cannot write {summary}: {error.strerror or error}", err=True)
    if found.count("worse") or (fail_on_runtime and found.slower):
        raise typer.Exit(EXIT_REGRESSION)
    if found.count("inconclusive"):
        raise typer.Exit(EXIT_INCONCLUSIVE)
