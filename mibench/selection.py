"""Choosing tasks and estimators: by suite, glob, spec or alias, each in one string or many."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from mibench import catalogue, registry
from mibench.component import required
from mibench.distribution import Task
from mibench.errors import SpecError, suggest
from mibench.estimation import NamedEstimator
from mibench.spec import split_list


def select_tasks(patterns: str | Iterable[str]) -> list[Task]:
    """Return the tasks that suites, globs over the suites' tasks, specs or aliases name, each once.

    "all" is every task of every suite.
    """
    suites = catalogue.suites()
    found: dict[str, Task] = {}
    for pattern in _split(patterns, "task"):
        names: Iterable[str] = [pattern]
        if pattern in suites:
            names = suites[pattern].tasks
        elif pattern == "all" or _is_glob(pattern):
            every = [name for each in suites.values() for name in (*each.tasks, *each.aliases)]
            names = _matching("*" if pattern == "all" else pattern, every, "task")
        elif pattern.isidentifier() and pattern not in registry.TASKS.names():
            known = [*suites, *registry.TASKS.names()]
            raise SpecError(f"there is no task or suite {pattern!r}; {suggest(pattern, known)}")
        for chosen in map(registry.task, names):
            found[chosen.name] = chosen
    return list(found.values())


def select_estimators(patterns: str | Iterable[str]) -> list[NamedEstimator]:
    """Return the estimators that globs or specs name, each once; "all" is every one whose library is installed.

    A glob leaves out those that need arguments.
    """
    found: dict[str, NamedEstimator] = {}
    for pattern in _split(patterns, "estimator"):
        names = [pattern]
        if pattern == "all" or (_is_glob(pattern) and "(" not in pattern):
            every = registry.ESTIMATORS.usable() if pattern == "all" else registry.ESTIMATORS.names()
            matching = _matching("*" if pattern == "all" else pattern, every, "estimator")
            names = [name for name in matching if not required(registry.ESTIMATORS.load(name))] or matching
        for chosen in map(registry.estimator, names):
            found[chosen.name] = chosen
    return list(found.values())


def _split(patterns: str | Iterable[str], kind: str) -> list[str]:
    given = list(patterns) if isinstance(patterns, Iterable) and not isinstance(patterns, str) else [patterns]
    given = [each.name if isinstance(each, Task | NamedEstimator) else each for each in given]
    for pattern in given:
        if not isinstance(pattern, str):
            raise SpecError(f"{kind}s must be strings, specs or 'all', got {pattern!r}; code goes into plugins=")
    whole = catalogue.aliases()  # which may hold commas of their own
    items = [item for pattern in given for item in ([pattern] if pattern in whole else split_list(pattern))]
    if not items:
        raise SpecError(f"no {kind} is given; name a spec or a glob, or 'all'")
    return items


def _is_glob(pattern: str) -> bool:
    return any(mark in pattern for mark in "*?")


def _matching(pattern: str, names: list[str], kind: str) -> list[str]:
    matching = [name for name in names if fnmatchcase(name, pattern)]
    if not matching:
        raise SpecError(f"no {kind} matches {pattern!r}; {suggest(pattern, names)}")
    return matching
