"""The command ``mibench info``: what a task, an estimator or a suite is, with a picture of a task."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mibench.errors import MibenchError, SpecError, suggest

if TYPE_CHECKING:
    from mibench.component import Component
    from mibench.distribution import Task
    from mibench.estimation import NamedEstimator
    from mibench.suite import Suite


def info(
    spec: Annotated[str, typer.Argument(help="A task, an estimator or a suite: 'gaussian(d=2, mi=1)', ksg, core.")],
    picture: Annotated[
        bool | None,
        typer.Option(
            "--picture/--no-picture",
            help="Draw a task in characters below its facts, or not. Default: in a terminal; never in JSON.",
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a picture of a task to this .png, .pdf or .svg.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    plugin: Annotated[
        list[str] | None, typer.Option("--plugin", metavar="FILE.py", help="A file that defines more.")
    ] = None,
) -> None:
    """Say what a task, an estimator or a suite is: its law and truth, its bound, its tasks, its source.

    Examples: mibench info 'spiral(gaussian(d=3, mi=2))' · mibench info blobs --plot blobs.pdf · mibench info ksg
    """
    from mibench import registry

    registry.load_plugins(plugin or ())
    thing = find(spec)
    if plot is not None:
        _plot(spec, thing, plot)
    text = "" if json else _picture(spec, thing, picture)
    _print_facts(describe(thing), json)
    if text:
        typer.echo(f"\n{text}")


def find(spec: str) -> Suite | Task | NamedEstimator | type[Component]:
    """Return what `spec` names; a family that needs arguments is its class where none are given.

    Raises `SpecError` where there is none of that name, or its arguments cannot be taken.
    """
    from mibench import catalogue, registry
    from mibench.spec import parse

    suites = catalogue.suites()
    if spec in suites:
        return suites[spec]
    text = catalogue.aliases().get(spec, spec)
    name = parse(text).name
    if name in registry.ESTIMATORS.names():
        return registry.estimator(text)
    if name not in registry.TASKS.names():
        known = [*registry.ESTIMATORS.names(), *registry.TASKS.names(), *suites]
        raise SpecError(f"there is no task, estimator or suite {name!r}; {suggest(name, known)}")
    try:
        return registry.task(text)
    except SpecError:
        if text != name:
            raise
        return registry.TASKS.load(name)


def describe(thing: Suite | Task | NamedEstimator | type[Component]) -> dict[str, Any]:
    """Return the facts on what `find` found, by their names."""
    from mibench.distribution import Task
    from mibench.estimation import NamedEstimator
    from mibench.suite import Suite

    if isinstance(thing, Suite):
        return _suite_facts(thing)
    if isinstance(thing, Task):
        return _task_facts(thing)
    if isinstance(thing, NamedEstimator):
        return _estimator_facts(thing)
    return _family_facts(thing)


def _task_facts(task: Task) -> dict[str, Any]:
    from mibench.view import mutual_information

    formula = str(task.distribution.formula)
    return {
        "task": task.name,
        "law": law(task.distribution),
        "mutual information": mutual_information(task),
        **({"formula": formula} if formula else {}),
        "truth": task.truth,
        "source": task.source,
        "x shape": str(task.x_shape),
        "y shape": str(task.y_shape),
        "tags": task.tags,
        "fingerprint": task.fingerprint,
        "parameters": _parameters(task.distribution),
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
        "parameters": _parameters(method),
        "about": _about(type(method)),
    }


def _suite_facts(suite: Suite) -> dict[str, Any]:
    from mibench import registry
    from mibench.view import mutual_information

    tasks = {name: mutual_information(registry.task(name)) for name in suite.tasks}
    return {"suite": suite.name, "version": suite.version, "number of tasks": len(suite.tasks), "tasks": tasks}


def _family_facts(cls: type[Component]) -> dict[str, Any]:
    from dataclasses import MISSING

    from mibench.catalogue import name_of
    from mibench.component import parameters

    given = [f.name if f.default is MISSING else f"{f.name}={f.default}" for f in parameters(cls)]
    source = getattr(cls, "published", None) or getattr(cls, "source", "")
    return {"family": f"{name_of(cls)}({', '.join(given)})", "source": source, "law": _about(cls)}


def law(component: Component) -> str:
    """Return the law of a task in words: the docstring of its class, and of a nested one those of the whole chain."""
    from mibench.catalogue import name_of

    classes = dict.fromkeys(type(part) for part in _chain(component))
    if len(classes) == 1:
        return _about(type(component))
    return "\n\n".join(f"{name_of(cls)}: {_about(cls)}" for cls in classes)


def _chain(component: Component) -> Iterator[Component]:
    """Return `component` and those among its arguments, from the outermost to the innermost."""
    from mibench.component import Component, parameters

    yield component
    for field in parameters(type(component)):
        value = getattr(component, field.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Component):
                yield from _chain(part)


def _parameters(component: Component) -> list[str] | str:
    from mibench.component import parameters

    return [f"{f.name}={getattr(component, f.name)}" for f in parameters(type(component))] or "none"


def _about(cls: type) -> str:
    from inspect import cleandoc

    return cleandoc(cls.__doc__ or "no description")


def _plot(spec: str, thing: object, file: Path) -> None:
    from mibench import figure
    from mibench.data_file import replacing

    figure.check_suffix(file)
    task = _drawable(spec, thing)
    with replacing(file) as draft:
        figure.save(task, draft)
    typer.echo(f"wrote {file}", err=True)


def _picture(spec: str, thing: object, wanted: bool | None) -> str:
    """Return the picture of a task, if it is wanted or, where nothing is said, stdout is a terminal; else ""."""
    from mibench import picture
    from mibench.distribution import Task

    if wanted is None:
        wanted = isinstance(thing, Task) and sys.stdout.isatty()
    return picture.draw(_drawable(spec, thing)) if wanted else ""


def _drawable(spec: str, thing: object) -> Task:
    from mibench.distribution import Task

    if isinstance(thing, Task):
        return thing
    needs = "; give it the arguments that it needs" if isinstance(thing, type) else ""
    raise MibenchError(f"{spec} has no picture, as only a task has one{needs}")


def _print_facts(facts: dict[str, Any], json: bool) -> None:
    if json:
        from json import dumps

        typer.echo(dumps(facts, indent=2, default=str))
        return
    from shutil import get_terminal_size

    indent = max(map(len, facts)) + 2
    columns = min(100, get_terminal_size((100, 24)).columns) - indent
    for key, value in facts.items():
        first, *rest = _lines(value, max(40, columns)) or [""]
        typer.echo(f"{key + ':':<{indent}}{first}")
        for line in rest:
            typer.echo(f"{'':<{indent}}{line}".rstrip())


def _lines(value: object, columns: int) -> list[str]:
    """Return a fact as lines: a table as it is, and prose by its paragraphs, filled to `columns`."""
    from textwrap import wrap

    if isinstance(value, dict):
        width = max(map(len, value), default=0)
        return [f"{name:<{width}}  {fact}" for name, fact in value.items()]
    text = ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
    paragraphs = [wrap(each, columns, break_on_hyphens=False, break_long_words=False) for each in text.split("\n\n")]
    return [line for paragraph in paragraphs for line in (*paragraph, "")][:-1]
