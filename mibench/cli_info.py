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
    of_kind = registry.ESTIMATORS if name in registry.ESTIMATORS.names() else registry.TASKS
    if name not in of_kind.names():
        known = [*registry.ESTIMATORS.names(), *registry.TASKS.names(), *suites]
        raise SpecError(f"there is no task, estimator or suite {name!r}; {suggest(name, known)}")
    try:
        return registry.estimator(text) if of_kind is registry.ESTIMATORS else registry.task(text)
    except SpecError:
        if text != name:
            raise
        return of_kind.load(name)


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
    formula = str(task.distribution.formula)
    return {
        "task": task.name,
        "law": law(task.distribution),
        "mutual_information": task.mutual_information,
        "mi_std_error": task.mi_std_error,
        **({"formula": formula} if formula else {}),
        "truth": task.truth,
        **({"source": task.source} if task.source else {}),
        "x_shape": task.x_shape,
        "y_shape": task.y_shape,
        "tags": task.tags,
        "fingerprint": task.fingerprint,
        "parameters": _parameters(task.distribution),
    }


def _estimator_facts(estimator: NamedEstimator) -> dict[str, Any]:
    method = estimator.method
    return {
        "estimator": estimator.name,
        "bound": method.bound or None,
        "baseline": estimator.baseline,
        "all_replicates_at_once": estimator.batched,
        "uses_a_GPU": estimator.uses_device,
        **_needs(estimator.name),
        "source": estimator.source,
        "parameters": _parameters(method),
        "about": _about(type(method)),
    }


def _needs(spec: str) -> dict[str, str]:
    """Return the libraries of an estimator that are not installed, with the line that installs them."""
    from mibench import catalogue
    from mibench.spec import parse

    entry = catalogue.registered("mibench.estimators").get(parse(spec).name)
    missing = catalogue.missing_packages(entry) if entry else []
    return {"needs": f"{', '.join(missing)}; {catalogue.install_line(*missing)}"} if missing else {}


def _suite_facts(suite: Suite) -> dict[str, Any]:
    from mibench import registry

    tasks = {name: registry.task(name).mutual_information for name in suite.tasks}
    facts = {"suite": suite.name, "version": suite.version, "number_of_tasks": len(suite.tasks), "tasks": tasks}
    return {**facts, "aliases": dict(suite.aliases)} if suite.aliases else facts


def _family_facts(cls: type[Component]) -> dict[str, Any]:
    from dataclasses import MISSING

    from mibench.catalogue import name_of
    from mibench.component import parameters

    given = [f.name if f.default is MISSING else f"{f.name}={f.default}" for f in parameters(cls)]
    source = getattr(cls, "published", None) or getattr(cls, "source", "")
    kind, about = ("family", "law") if cls.kind == "task" else ("estimator", "about")
    facts = {kind: f"{name_of(cls)}({', '.join(given)})", about: _about(cls)}
    return {**facts, "source": source} if isinstance(source, str) and source else facts


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


def _parameters(component: Component) -> dict[str, Any]:
    from mibench.component import Component, parameters

    values = {f.name: getattr(component, f.name) for f in parameters(type(component))}
    return {name: str(value) if isinstance(value, Component) else value for name, value in values.items()}


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
    from mibench.distribution import Distribution, Task

    if isinstance(thing, Task):
        return thing
    family = isinstance(thing, type) and issubclass(thing, Distribution)
    needs = "; give it the arguments that it needs" if family else ""
    raise MibenchError(f"{spec} has no picture, as only a task has one{needs}")


def _print_facts(facts: dict[str, Any], json: bool) -> None:
    if json:
        from json import dumps

        typer.echo(dumps(facts, indent=2, default=str))
        return
    from shutil import get_terminal_size

    error = facts.pop("mi_std_error", 0.0)
    if error:
        facts["mutual_information"] = f"{facts['mutual_information']:.12g} ± {error:.2g} nats"
    elif "mutual_information" in facts:
        facts["mutual_information"] = _nats(facts["mutual_information"])
    indent = max(map(len, facts)) + 2
    columns = max(40, min(100, get_terminal_size((100, 24)).columns) - indent)
    for key, value in facts.items():
        first, *rest = _lines(key, value, columns) or [""]
        typer.echo(f"{key.replace('_', ' ') + ':':<{indent}}{first}")
        for line in rest:
            typer.echo(f"{'':<{indent}}{line}".rstrip())


def _lines(key: str, value: object, columns: int) -> list[str]:
    """Return a fact as lines: a table as it is, and prose by its paragraphs, filled to `columns`."""
    from textwrap import wrap

    if key in ("tasks", "aliases") and isinstance(value, dict):
        width = max(map(len, value))
        return [f"{name:<{width}}  {_nats(fact) if key == 'tasks' else fact}" for name, fact in value.items()]
    paragraphs = [
        wrap(each, columns, break_on_hyphens=False, break_long_words=False) for each in _text(value).split("\n\n")
    ]
    return [line for paragraph in paragraphs for line in (*paragraph, "")][:-1]


def _text(value: object) -> str:
    match value:
        case dict():
            return ", ".join(f"{name}={fact}" for name, fact in value.items()) or "none"
        case list() | tuple() if value and isinstance(value[0], str):
            return ", ".join(value)
        case bool():
            return "yes" if value else "no"
        case None:
            return "none"
    return str(value)


def _nats(value: float) -> str:
    return f"{value:.12g} nats"
