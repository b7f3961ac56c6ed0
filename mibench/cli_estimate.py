"""The command ``mibench estimate``: MI between the variables of a data file."""

from __future__ import annotations

import contextlib
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mibench.errors import MibenchError

if TYPE_CHECKING:
    from mibench.estimation import Estimate

Columns = Annotated[
    list[str] | None,
    typer.Option(metavar="COLUMN[,COLUMN...]", help="Columns of a CSV file. Default: x0, x1, … and y0, y1, …"),
]


def estimate(
    data: Annotated[str, typer.Argument(help="An NPZ file with arrays x and y, or a CSV file with a header.")],
    estimator: Annotated[
        str, typer.Option("--estimator", "-e", metavar="SPEC", help="Glob or spec, or several with commas.")
    ] = "ksg",
    x: Columns = None,
    y: Columns = None,
    seed: Annotated[int, typer.Option(help="Seed of the estimator.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    bits: Annotated[bool, typer.Option("--bits", help="Show bits instead of nats.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON (always nats).")] = False,
    plugin: Annotated[list[str] | None, typer.Option(metavar="FILE.py", help="A file that defines more.")] = None,
) -> None:
    """Estimate the MI between x and y in a file.

    Examples: mibench estimate data.npz -e ksg,mine · mibench estimate table.csv --x height,weight --y age
    """
    from mibench import registry
    from mibench.data_file import read
    from mibench.selection import select_estimators

    registry.load_plugins(plugin or ())
    chosen = select_estimators(estimator)
    left, right = read(Path(data), x, y)
    if len(chosen) > 1:
        chosen = [each for each in chosen if not each.needs_truth]
    shown, failed = [], []
    for each in chosen:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                answer = each.estimate(left, right, seed=seed, device=device)
        except MibenchError as error:
            failed.append(str(error))
            continue
        except Exception as error:
            failed.append(f"{each.name} failed: {type(error).__name__}: {error}")
            continue
        facts = {"estimator": each.name, "estimate": _or_none(answer.value), "std_error": answer.std_error}
        shown.append(facts | ({"message": answer.message} if answer.message else {}))
        if not json:
            typer.echo(_line(each.name, answer, len(left), bits))
    if json:
        from json import dumps

        typer.echo(dumps([{**facts, "unit": "nats"} for facts in shown], indent=2))
    if failed:
        raise MibenchError("; ".join(failed))


def _line(name: str, answer: Estimate, n: int, bits: bool) -> str:
    unit, scale = ("bits", math.log(2)) if bits else ("nats", 1.0)
    error = "" if answer.std_error is None else f" ± {answer.std_error / scale:.2g} (standard error)"
    note = f"  [{answer.message}]" if answer.message else ""
    return f"{name}: {answer.value / scale:.4f} {unit}{error}  (n = {n}){note}"


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
