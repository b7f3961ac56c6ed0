"""The command ``mibench list``: the names of what there is."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Any

import typer

from mibench.errors import MibenchError, suggest

KINDS = ("tasks", "maps", "estimators", "suites")


def list_(
    kind: Annotated[str | None, typer.Argument(help="One of: tasks, maps, estimators, suites. All by default.")] = None,
    pattern: Annotated[str | None, typer.Argument(help="A glob, or a part of the name.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    plugin: Annotated[
        list[str] | None, typer.Option("--plugin", metavar="FILE.py", help="A file that defines more.")
    ] = None,
) -> None:
    """List the registered tasks, maps, estimators and suites; with a pattern or as JSON, the suites' tasks as well.

    Examples: mibench list · mibench list tasks 'blobs*' · mibench list estimators --json
    """
    if kind is not None and kind not in KINDS:
        raise MibenchError(f"there is no kind {kind!r}; {suggest(kind, KINDS)}")
    mine = _load_plugins(plugin)
    rows = [row for each in ([kind] if kind else KINDS) for row in _rows(each, mine) if _matches(row["name"], pattern)]
    if not rows:
        raise MibenchError(f"nothing matches {pattern!r}; `mibench list` shows all names")
    if json:
        from json import dumps

        typer.echo(dumps(rows, indent=2))
        return
    shown = rows if pattern else [row for row in rows if not _is_of_suite(row) and row["kind"] != "alias"]
    width = max(len(row["name"]) for row in shown)
    for row in shown:
        typer.echo(f"{row['kind']:<10} {row['name']:<{width}}  {row['from']}".rstrip())
    if len(shown) < len(rows):
        count = len({row["name"] for row in rows if _is_of_suite(row)})
        typer.echo(f"\nand {count} tasks of suites: mibench info SUITE, or mibench list tasks PATTERN")


def _rows(kind: str, plugins: list[tuple[str, str]]) -> list[dict[str, Any]]:
    from mibench import catalogue

    known = catalogue.suites().values()
    if kind == "suites":
        return [
            {"kind": "suite", "name": s.name, "from": f"version {s.version}, {len(s.tasks)} tasks", "tasks": s.tasks}
            for s in known
        ]
    one = kind.removesuffix("s")
    entries = sorted(catalogue.registered(f"mibench.{kind}").items())
    rows = [{"kind": one, "name": name, "from": _needs(catalogue.missing_packages(entry))} for name, entry in entries]
    rows += [{"kind": one, "name": name, "from": "plugin"} for of, name in plugins if of == one]
    if kind == "tasks":
        rows += [{"kind": one, "name": name, "from": f"suite {suite.name}"} for suite in known for name in suite.tasks]
        rows += [{"kind": "alias", "name": name, "from": f"of {spec}"} for name, spec in catalogue.aliases().items()]
    return rows


def _needs(packages: list[str]) -> str:
    from mibench.catalogue import install_line

    return f"needs {', '.join(packages)}; {install_line(*packages)}" if packages else ""


def _matches(name: str, pattern: str | None) -> bool:
    return pattern is None or pattern in name or fnmatchcase(name, pattern)


def _is_of_suite(row: dict[str, Any]) -> bool:
    return row["kind"] == "task" and str(row["from"]).startswith("suite ")


def _load_plugins(paths: list[str] | None) -> list[tuple[str, str]]:
    if not paths:
        return []
    from mibench import registry

    return registry.load_plugins(paths)
