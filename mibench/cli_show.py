"""The commands that show what there is: ``mibench list`` and ``mibench info``."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mibench.errors import MibenchError, suggest

if TYPE_CHECKING:
    from mibench.component import Component
    from mibench.distribution import Task
    from mibench.estimation import NamedEstimator

KINDS = ("tasks", "maps", "estimators", "suites")
Plugins = Annotated[list[str] | None, typer.Option("--plugin", metavar="FILE.py", help="A file that defines more.")]


def list_(
    kind: Annotated[str | None, typer.Argument(help="One of: tasks, maps, estimators, suites. All by default.")] = None,
    pattern: Annotated[str | None, typer.Argument(help="A glob, or a part of the name.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    plugin: Plugins = None,
) -> None:
    """List the registered tasks, maps, estimators and suites.

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
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        typer.echo(f"{row['kind']:<10} {row['name']:<{width}}  {row['from']}".rstrip())


def info(
    spec: Annotated[str, typer.Argument(help="A task or an estimator, such as 'gaussian(d=2, mi=1)' or ksg.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    plugin: Plugins = None,
) -> None:
    """Say what a task or an estimator is: its parameters, its truth or its bound, its source.

    Examples: mibench info 'gaussian(d=50, mi=25)' · mibench info flow_gaussian
    """
    _load_plugins(plugin)
    facts = describe(spec)
    if json:
        from json import dumps

        typer.echo(dumps(facts, indent=2, default=str))
        return
    width = max(map(len, facts)) + 1
    for key, value in facts.items():
        text = ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
        first, *rest = text.splitlines() or [""]
        typer.echo(f"{key + ':':<{width}} {first}")
        for line in rest:
            typer.echo(f"{'':<{width}} {line}".rstrip())


def describe(spec: str) -> dict[str, Any]:
    """Return the facts on what `spec` names; a family that needs arguments is described without them."""
    from mibench import catalogue, registry
    from mibench.errors import SpecError
    from mibench.spec import parse

    text = catalogue.aliases().get(spec, spec)
    name = parse(text).name
    is_estimator = name in registry.ESTIMATORS.names()
    if not is_estimator and name not in registry.TASKS.names():
        known = registry.ESTIMATORS.names() + registry.TASKS.names()
        raise SpecError(f"there is no task or estimator {name!r}; {suggest(name, known)}")
    if is_estimator:
        return _estimator_facts(registry.estimator(text))
    try:
        return _task_facts(registry.task(text))
    except SpecError:
        if text != name:
            raise
        return _family_facts(name, registry.TASKS.load(name))


def _task_facts(task: Task) -> dict[str, Any]:
    return {
        "task": task.name,
        "mutual information": f"{task.mutual_information:.12g} nats",
        "truth": task.truth,
        "x shape": str(task.x_shape),
        "y shape": str(task.y_shape),
        "tags": task.tags,
        "source": task.source,
        "fingerprint": task.fingerprint,
        **_class_facts(task.distribution),
    }


def _estimator_facts(estimator: NamedEstimator) -> dict[str, Any]:
    method = estimator.method
    return {
        "estimator": estimator.name,
        "bound": method.bound or "none",
        "baseline": "yes" if estimator.baseline else "no",
        "all replicates at once": "yes" if estimator.batched else "no",
        "uses a GPU": "yes" if estimator.uses_device else "no",
        "source": estimator.source,
        **_class_facts(method),
    }


def _family_facts(name: str, cls: type[Component]) -> dict[str, Any]:
    from dataclasses import MISSING

    from mibench.component import parameters

    fields = parameters(cls)
    given = [f.name if f.default is MISSING else f"{f.name}={f.default}" for f in fields]
    source = getattr(cls, "published", None) or getattr(cls, "source", "")
    return {"family": f"{name}({', '.join(given)})", "source": source, "about": _about(cls)}


def _class_facts(component: Component) -> dict[str, Any]:
    from mibench.component import parameters

    values = [f"{f.name}={getattr(component, f.name)}" for f in parameters(type(component))]
    return {"parameters": values or "none", "about": _about(type(component))}


def _about(cls: type) -> str:
    from inspect import cleandoc

    return cleandoc(cls.__doc__ or "no description")


def _rows(kind: str, plugins: list[tuple[str, str]]) -> list[dict[str, Any]]:
    from mibench import catalogue

    known = catalogue.suites().values()
    if kind == "suites":
        return [
            {"kind": "suite", "name": s.name, "from": f"version {s.version}, {len(s.tasks)} tasks", "tasks": s.tasks}
            for s in known
        ]
    one = kind.removesuffix("s")
    rows = [{"kind": one, "name": name, "from": ""} for name in sorted(catalogue.registered(f"mibench.{kind}"))]
    rows += [{"kind": one, "name": name, "from": "plugin"} for of, name in plugins if of == one]
    if kind == "tasks":
        rows += [{"kind": one, "name": name, "from": f"suite {suite.name}"} for suite in known for name in suite.tasks]
    return rows


def _matches(name: str, pattern: str | None) -> bool:
    return pattern is None or pattern in name or fnmatchcase(name, pattern)


def _load_plugins(paths: list[str] | None) -> list[tuple[str, str]]:
    if not paths:
        return []
    from mibench import registry

    return registry.load_plugins(paths)
