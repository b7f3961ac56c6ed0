"""The command ``mibench estimate``: MI between the variables of a data file."""

from __future__ import annotations

import contextlib
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mibench.errors import DataError, MibenchError

if TYPE_CHECKING:
    from mibench.estimation import Array, Estimate

Columns = Annotated[list[str] | None, typer.Option(metavar="COLUMN[,COLUMN...]", help="Columns of a CSV file.")]


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
        shown.append({"estimator": each.name, "estimate": _or_none(answer.value), "std_error": answer.std_error})
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


def read(path: Path, x: list[str] | None, y: list[str] | None) -> tuple[Array, Array]:
    """Return x and y, checked, from an NPZ file or from columns of a CSV file; raises `DataError`."""
    from mibench.estimation import check_pair

    if not path.is_file():
        raise DataError(f"there is no file {path}; give an NPZ file with arrays x and y, or a CSV file")
    if path.suffix.lower() == ".csv":
        return check_pair(*_read_csv(path, x, y))
    if x or y:
        raise DataError("--x and --y name columns of a CSV file; an NPZ file holds the arrays x and y")
    return check_pair(*_read_npz(path))


def _read_npz(path: Path) -> tuple[Array, Array]:
    import numpy as np

    try:
        loaded = np.load(path, allow_pickle=False)
        names = loaded.files if isinstance(loaded, np.lib.npyio.NpzFile) else ["one array without a name"]
        arrays = {name: loaded[name] for name in ("x", "y") if name in names}
    except Exception:  # a broken archive fails in many ways
        raise DataError(f"{path} is not an NPZ file of numbers; write one with np.savez(file, x=x, y=y)") from None
    if len(arrays) < 2:
        raise DataError(f"{path} holds {', '.join(names)}, not x and y; write it with np.savez(file, x=x, y=y)")
    return arrays["x"], arrays["y"]


def _read_csv(path: Path, x: list[str] | None, y: list[str] | None) -> tuple[Array, Array]:
    import pandas as pd

    if not x or not y:
        raise DataError("a CSV file needs --x and --y, the columns of each side, such as --x height,weight --y age")
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError):
        raise DataError(f"{path} is not a CSV file with a header line") from None
    sides = []
    for name, given in (("x", x), ("y", y)):
        columns = [column.strip() for part in given for column in part.split(",")]
        missing = [column for column in columns if column not in table.columns]
        if missing:
            known = ", ".join(map(str, table.columns))
            raise DataError(f"--{name}: there is no column {missing[0]!r} in {path}; it has {known}")
        words = [column for column in columns if not pd.api.types.is_numeric_dtype(table[column])]
        if words:
            raise DataError(f"--{name}: column {words[0]!r} of {path} does not hold numbers alone")
        sides.append(table[columns].to_numpy(dtype=float))
    return sides[0], sides[1]


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
