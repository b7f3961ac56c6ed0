"""Where the records come from, and the commands that compute them again."""

import json
import shlex
from collections import defaultdict
from collections.abc import Iterable

import pandas as pd

from mibench import catalogue
from mibench.errors import SpecError
from mibench.spec import parse

from ..rounding import MISSING
from .names import shortened

ORIGIN = ["mibench_version", "git_commit", "host", "device", "threads", "library_versions"]
LONGEST_LIBRARIES = 160  # characters; CSV has all
LINE = " \\\n    "


def commands(cells: pd.DataFrame) -> list[str]:
    """Return the calls of ``mibench run`` that make up `cells`: as few as full grids of equal replicates allow."""
    grids: dict[tuple[int, int], dict[str, set[tuple[str, int]]]] = defaultdict(lambda: defaultdict(set))
    for row in cells[["task", "estimator", "n_samples", "seed", "replicates"]].to_dict("records"):
        key = int(row["seed"]), int(row["replicates"])
        grids[key][str(row["estimator"])].add((str(row["task"]), int(row["n_samples"])))
    found = []
    for (seed, replicates), by_estimator in sorted(grids.items()):
        together: dict[frozenset[tuple[str, int]], list[str]] = defaultdict(list)
        for estimator, pairs in by_estimator.items():
            together[frozenset(pairs)].append(estimator)
        for grid, estimators in together.items():
            found += [_command(tasks, estimators, sizes, replicates, seed) for tasks, sizes in _grids(grid)]
    return found


def _grids(pairs: Iterable[tuple[str, int]]) -> list[tuple[list[str], list[int]]]:
    """Split (task, n) pairs into full grids: sizes that the same tasks were run at go together."""
    tasks_of: dict[int, set[str]] = defaultdict(set)
    for task, n in pairs:
        tasks_of[n].add(task)
    sizes_of: dict[frozenset[str], list[int]] = defaultdict(list)
    for n, tasks in sorted(tasks_of.items()):
        sizes_of[frozenset(tasks)].append(n)
    return [(sorted(tasks), sizes) for tasks, sizes in sizes_of.items()]


def _command(tasks: list[str], estimators: list[str], sizes: list[int], replicates: int, seed: int) -> str:
    options = {
        "task": _suite(tasks) or ",".join(tasks),
        "estimator": ",".join(estimators),
        "samples": ",".join(map(str, sizes)),
        "replicates": str(replicates),
        **({"seed": str(seed)} if seed else {}),
    }
    return LINE.join(["mibench run", *(f"--{name} {_quoted(value)}" for name, value in options.items())])


def _quoted(value: str) -> str:
    """Return `value` as a word of the shell; what cannot be seen, or turns text around, is spelled out for bash."""
    if value.isprintable():
        return shlex.quote(value)
    shown = "".join(
        "\\" + char if char in "'\\" else char if char.isprintable() else f"\\U{ord(char):08x}" for char in value
    )
    return f"$'{shown}'"


def _suite(tasks: list[str]) -> str:
    """Return the suite that `tasks` are, all of it and nothing else, or an empty string."""
    for name, suite in catalogue.suites().items():
        if len(suite.tasks) == len(tasks) and {_canonical(spec) for spec in suite.tasks} == set(tasks):
            return name
    return ""


def _canonical(spec: str) -> str:
    try:
        return str(parse(spec))
    except SpecError:
        return spec


def provenance(records: pd.DataFrame) -> pd.DataFrame:
    """Return one row a version, commit, host and device in the raw `records`, with how many there are and from when."""
    origin = pd.DataFrame({name: _texts(records, name) for name in ORIGIN}, index=records.index)
    started = _texts(records, "started_at")
    origin = origin.assign(first=started.where(started != ""), last=started.where(started != ""))
    found = origin.groupby(ORIGIN, sort=True).agg(
        records=("host", "size"), first=("first", _least), last=("last", _greatest)
    )
    return found.reset_index()


def _texts(records: pd.DataFrame, name: str) -> "pd.Series[str]":
    if name not in records.columns:
        return pd.Series("", index=records.index)
    column = records[name]
    return column.astype(object).where(column.notna(), "").map(str)


def _least(values: "pd.Series[str]") -> str:
    return min(values.dropna(), default="")


def _greatest(values: "pd.Series[str]") -> str:
    return max(values.dropna(), default="")


def commit(value: str) -> str:
    """Return a commit as short as Git shows it, and whether the files were changed."""
    digest, plus, changed = value.partition("+")
    return digest[:12] + plus + changed or MISSING


def moment(value: str) -> str:
    """Return a time of ISO 8601 for a reader."""
    return value.replace("T", " ").replace("+00:00", " UTC") or MISSING


def libraries(value: str) -> str:
    """Return versions of libraries, which records hold as JSON, for a reader."""
    try:
        versions = json.loads(value)
    except ValueError:
        return value or MISSING
    told = ", ".join(f"{name} {each}" for name, each in versions.items()) if isinstance(versions, dict) else value
    return shortened(told, LONGEST_LIBRARIES)
