"""What the code installed here says of the tasks and estimators of a store; it may know nothing of a stranger's."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mibench import figure, registry
from mibench.cli_info import describe
from mibench.component import parameters
from mibench.distribution import Task
from mibench.errors import MibenchError

from ..page import one_line

DPI = 140  # of a picture: twice as fine as it is shown


@dataclass(frozen=True)
class Facts:
    """The facts of a task or an estimator by their names, as ``mibench info`` tells them; none where it is unknown.

    `problem` says why there are none, or what of them may not be true of the records.
    """

    known: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    task: Task | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def get(self, name: str, default: Any = "") -> Any:
        """Return a fact, or `default` where it is not known or empty."""
        return self.known.get(name) or default


def of_task(name: str, fingerprint: str) -> Facts:
    """Return the facts of the task `name`, of whose draws the records hold the `fingerprint`."""
    try:
        task = registry.task(name)
        facts = describe(task)
    except Exception as error:  # a stranger's code may raise anything
        return Facts(problem=f"This task is not installed here, so the records alone speak ({_said(error)}).")
    problem = ""
    if fingerprint and facts["fingerprint"] != fingerprint:
        problem = "The task as it is installed here draws other data than the records are of: what follows may differ."
    return Facts(facts, problem, task)


def of_estimator(name: str, source_hashes: set[str]) -> Facts:
    """Return the facts of the estimator `name`, of whose code the records hold the `source_hashes`; it is not run."""
    try:
        estimator = registry.estimator(name)
        facts = describe(estimator)
        defaults = _defaults(estimator.method)
    except Exception as error:
        return Facts(problem=f"This estimator is not installed here, so the records alone speak ({_said(error)}).")
    problem = ""
    if source_hashes - {"", estimator.source_hash}:
        problem = "Records are of another version of its code than is installed here: what follows may differ."
    return Facts(facts, problem, defaults=defaults)


def _said(error: Exception) -> str:
    return one_line(str(error) if isinstance(error, MibenchError) else f"{type(error).__name__}: {error}")


def _defaults(method: Any) -> dict[str, Any]:
    from dataclasses import MISSING

    found: dict[str, Any] = {}
    for each in parameters(type(method)):
        if each.default is not MISSING:
            found[each.name] = each.default
        elif each.default_factory is not MISSING:
            found[each.name] = each.default_factory()
    return found


def hyperparameters(recorded: str, facts: Facts) -> list[tuple[str, str, str]]:
    """Return the name, the value and the default of each hyperparameter; `recorded` is the JSON of the records."""
    try:
        values = json.loads(recorded)
    except ValueError:
        values = {}
    if not isinstance(values, dict):
        return []
    return [(str(key), _shown(value), _default(facts.defaults, str(key))) for key, value in values.items()]


def _default(defaults: Mapping[str, Any], name: str) -> str:
    return _shown(defaults[name]) if name in defaults else ""


def _shown(value: Any) -> str:
    """Return a value as a spec has it, be it from JSON or from Python."""
    if isinstance(value, dict) and len(value) == 1:
        ((name, arguments),) = value.items()
        inner = arguments.items() if isinstance(arguments, dict) else []
        return f"{name}({', '.join(f'{key}={_shown(each)}' for key, each in inner)})"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, list | tuple):
        return f"({', '.join(map(_shown, value))}{',' * (len(value) == 1)})"
    return repr(value) if isinstance(value, str) else str(value)


def draw_picture(facts: Facts, file: Path) -> str:
    """Write the picture of a known task to `file`, a .webp; return why there is none, or an empty string."""
    if facts.task is None:
        return "no picture: the task is not installed here"
    try:
        figure.make(facts.task).savefig(file, dpi=DPI, pil_kwargs={"lossless": True})
    except OSError:
        raise
    except Exception as error:
        file.unlink(missing_ok=True)
        return f"no picture: {_said(error)}"
    return ""
