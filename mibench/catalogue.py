"""The names that packages register through entry points, and the suites; no numerical library is imported."""

from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version

from mibench.errors import MibenchError
from mibench.suite import Suite

COMPONENTS = ("mibench.tasks", "mibench.maps", "mibench.estimators")


def registered(*groups: str) -> dict[str, EntryPoint]:
    """Return the entry points of `groups` by name; raises `MibenchError` where two packages claim a name."""
    found: dict[str, EntryPoint] = {}
    for entry in _entries(*groups):
        if entry.name in found and found[entry.name].value != entry.value:
            raise MibenchError(
                f"{entry.name!r} is registered twice, as {found[entry.name].value} and {entry.value}; "
                f"uninstall one of the two packages"
            )
        found[entry.name] = entry
    return found


def is_installed(package: str) -> bool:
    """Return whether the distribution `package` is installed; imports nothing."""
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def install_line(*packages: str) -> str:
    """Return the command that installs `packages`."""
    return f"pip install {' '.join(packages)}"


def missing_packages(entry: EntryPoint) -> list[str]:
    """Return those of the distributions that `entry` names in brackets, as in ``module:Class [a_package]``, not there.

    A hyphen of a name is written as an underscore there.
    """
    return [package for each in entry.extras if not is_installed(package := each.replace("_", "-"))]


def name_of(cls: type) -> str:
    """Return the name under which a package registers `cls`, or else the class's own."""
    return _names().get(f"{cls.__module__}:{cls.__qualname__}", cls.__name__)


@cache
def _names() -> dict[str, str]:
    return {f"{entry.module}:{entry.attr}": entry.name for entry in _entries(*COMPONENTS)}


@cache
def suites() -> dict[str, Suite]:
    """Return the registered suites by name."""
    return {name: entry.load() for name, entry in registered("mibench.suites").items()}


@cache
def aliases() -> dict[str, str]:
    """Return the specs that other benchmarks' names stand for."""
    return {alias: spec for suite in suites().values() for alias, spec in suite.aliases.items()}


def _entries(*groups: str) -> Iterator[EntryPoint]:
    for group in groups:
        yield from entry_points(group=group)
