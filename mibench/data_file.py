"""Files of draws: NPZ with arrays x and y, or CSV; what ``mibench sample`` writes and ``mibench estimate`` reads."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from mibench.errors import DataError, MibenchError

if TYPE_CHECKING:
    import pandas as pd

    from mibench.estimation import Array

SUFFIXES = (".npz", ".csv")


def read(path: Path, x: list[str] | None = None, y: list[str] | None = None) -> tuple[Array, Array]:
    """Return x and y (n, ...), checked, from an NPZ file or from columns of a CSV file; raises `DataError`.

    `x` and `y` name columns, several with commas; without them they are x0, x1, … and y0, y1, …
    """
    from mibench.estimation import check_pair

    if not path.is_file():
        raise DataError(f"there is no file {path}; give an NPZ file with arrays x and y, or a CSV file")
    if path.suffix.lower() == ".csv":
        return check_pair(*_read_csv(path, x, y))
    if x or y:
        raise DataError("--x and --y name columns of a CSV file; an NPZ file holds the arrays x and y")
    return check_pair(*_read_npz(path))


def check_target(path: Path, force: bool) -> None:
    """Raise `MibenchError` where `path` cannot be written: its suffix, its folder, or a file there without `force`."""
    if path.suffix.lower() not in SUFFIXES:
        raise MibenchError(f"cannot tell the format from {path.name!r}; end it in one of {' '.join(SUFFIXES)}")
    if os.path.isdir(path):
        raise MibenchError(f"{path} is a folder; give the path of a file")
    if not os.path.isdir(path.parent):
        raise MibenchError(f"cannot write {path}: there is no folder {path.parent}; make it first")
    if os.path.lexists(path) and not force:
        raise MibenchError(f"{path} exists already; --force replaces it")


def write(path: Path, x: Array, y: Array) -> None:
    """Write x (n, ...) and y (n, ...) to `path`, as its suffix says: all of it, or nothing.

    NPZ keeps the shapes, CSV flattens each draw in C order; both keep every bit of the numbers.
    """
    import numpy as np

    with replacing(path) as draft:
        if path.suffix.lower() == ".npz":
            with draft.open("wb") as handle:
                np.savez(handle, x=x, y=y)
        else:
            with draft.open("w", encoding="ascii", newline="\n") as text:
                text.writelines(csv_lines(x, y))


def csv_lines(x: Array, y: Array) -> Iterator[str]:
    """Return the lines of a CSV file with the header x0,x1,…,y0,y1,…; a float is its shortest text that reads back."""
    left, right = x.reshape(len(x), -1), y.reshape(len(y), -1)
    names = [f"{side}{j}" for side, values in (("x", left), ("y", right)) for j in range(values.shape[1])]
    yield ",".join(names) + "\n"
    for one, other in zip(left, right, strict=True):
        yield ",".join(map(repr, chain(one.tolist(), other.tolist()))) + "\n"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to, which takes its place when all is written and is removed if it is not.

    An `OSError` becomes a `MibenchError` that names `path`.
    """
    target = Path(os.path.realpath(path))
    draft = target.with_name(f".mibench-{os.getpid()}{path.suffix}")
    try:
        try:
            yield draft
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise MibenchError(f"cannot write {path}: {error.strerror or error}") from None


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

    try:
        table = pd.read_csv(path)
    except (OSError, ValueError):
        raise DataError(f"{path} is not a CSV file with a header line") from None
    names = list(map(str, table.columns))
    if not x and not y:
        x, y = ([name for name in names if re.fullmatch(rf"{side}\d*", name)] for side in "xy")
    if not x or not y:
        raise DataError(
            "a CSV file needs --x and --y, the columns of each side, such as --x height,weight --y age; "
            "both may be left out where they are called x0, x1, … and y0, y1, …"
        )
    return _side(table, path, "x", x), _side(table, path, "y", y)


def _side(table: pd.DataFrame, path: Path, name: str, given: list[str]) -> Array:
    import pandas as pd

    columns = [column.strip() for part in given for column in part.split(",")]
    missing = [column for column in columns if column not in table.columns]
    if missing:
        known = ", ".join(map(str, table.columns))
        raise DataError(f"--{name}: there is no column {missing[0]!r} in {path}; it has {known}")
    words = [column for column in columns if not pd.api.types.is_numeric_dtype(table[column])]
    if words:
        raise DataError(f"--{name}: column {words[0]!r} of {path} does not hold numbers alone")
    return table[columns].to_numpy(dtype=float)
