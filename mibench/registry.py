"""What exists: tasks, maps, estimators and suites, found through entry points and plugin files.

Nothing is imported until it is asked for, and the built-in ones come in by the same door as a stranger's.
"""

import ast
import contextlib
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from functools import cached_property
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from mibench.catalogue import aliases, missing_packages, registered
from mibench.component import Component
from mibench.distribution import Distribution, Task
from mibench.errors import MibenchError, SpecError, suggest
from mibench.estimation import Estimator, NamedEstimator, function_estimator
from mibench.spec import Spec, parse


class Registry:
    """The components of one kind, by name; loaded on first use."""

    def __init__(self, kind: str, *groups: str) -> None:
        self.kind = kind
        self.groups = groups
        self._loaded: dict[str, type[Component]] = {}

    @cached_property
    def _found(self) -> dict[str, EntryPoint]:
        return registered(*self.groups)

    def names(self) -> list[str]:
        """Return the registered names, sorted; loads nothing."""
        return sorted({*self._found, *self._loaded})

    def usable(self) -> list[str]:
        """Return the names whose libraries are installed, sorted; loads nothing."""
        return [name for name in self.names() if name not in self._found or not missing_packages(self._found[name])]

    def add(self, name: str, cls: type[Component]) -> None:
        """Register `cls` as `name`; a built-in name cannot be taken."""
        if name in self._found:
            raise MibenchError(f"the {self.kind} {name!r} exists already; give the one in the plugin another name")
        cls.__name__ = name
        self._loaded[name] = cls

    def load(self, name: str) -> type[Component]:
        """Return the class registered as `name`, or raise `SpecError` with the nearest names."""
        if name not in self._loaded:
            if name not in self._found:
                raise SpecError(f"there is no {self.kind} {name!r}; {suggest(name, self.names())}")
            self._loaded[name] = self._found[name].load()
        return self._loaded[name]


TASKS = Registry("task", "mibench.tasks", "mibench.maps")
ESTIMATORS = Registry("estimator", "mibench.estimators")
_plugins: dict[Path, list[tuple[Registry, str, type[Component]]]] = {}


def build(kind: str, spec: Spec) -> Component:
    """Build the task or estimator that `spec` names, its nested ones included."""
    registry = TASKS if kind == "task" else ESTIMATORS
    return registry.load(spec.name).from_spec(spec, build)


def task(spec: str) -> Task:
    """Return the task that `spec`, or an alias of one, names."""
    text = aliases().get(spec, spec) if isinstance(spec, str) else spec
    try:
        return Task(cast(Distribution, build("task", parse(text))))
    except SpecError:
        near = get_close_matches(spec, aliases(), n=3, cutoff=0.75) if isinstance(spec, str) else []
        if not near:
            raise
        raise SpecError(f"there is no task {spec!r}; did you mean {' or '.join(near)}?") from None


def estimator(spec: str) -> NamedEstimator:
    """Return the estimator that `spec` names."""
    method = cast(Estimator, build("estimator", parse(spec)))
    return NamedEstimator(method, source_hash(method))


def load_plugin(path: str | Path) -> list[tuple[str, str]]:
    """Import a Python file and register what it defines, once; return the (kind, name) of each.

    Registered are the subclasses of `Distribution`, the classes that have a method ``estimate``, and the functions
    whose first two parameters are ``x`` and ``y``; names that begin with an underscore are left alone.
    """
    file = Path(path).resolve()
    if file not in _plugins:
        _plugins[file] = _find_components(_import_file(Path(path)))
    for registry, name, cls in _plugins[file]:
        registry.add(name, cls)  # each time, as another file may have taken the name since
    return [(registry.kind, name) for registry, name, _ in _plugins[file]]


def load_plugins(paths: Iterable[str | Path]) -> list[tuple[str, str]]:
    """Load several files, none of which may define what another one does; return the (kind, name) of each."""
    found: list[tuple[str, str]] = []
    for path in paths:
        for kind, name in load_plugin(path):
            if (kind, name) in found:
                raise MibenchError(f"two plugins define the {kind} {name!r}; give one of them another name")
            found.append((kind, name))
    return found


def _find_components(module: ModuleType) -> list[tuple[Registry, str, type[Component]]]:
    found: list[tuple[Registry, str, type[Component]]] = []
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        registry = ESTIMATORS
        cls: type[Component] | None = None
        if inspect.isabstract(thing) and not issubclass(thing, Distribution):
            continue
        if inspect.isabstract(thing):
            missing = ", ".join(sorted(thing.__abstractmethods__))
            raise MibenchError(
                f"{name} in {module.__file__} lacks {missing}; give them, or begin the name of a base class with _"
            )
        if inspect.isclass(thing) and issubclass(thing, Distribution):
            registry, cls = TASKS, thing
        elif inspect.isclass(thing) and callable(getattr(thing, "estimate", None)):
            cls = as_estimator_class(thing)
        elif not inspect.isclass(thing) and callable(thing) and _first_parameters(thing) == ["x", "y"]:
            cls = function_estimator(thing)
        if cls is not None:
            found.append((registry, name, cls))
    if not found:
        raise MibenchError(
            f"{module.__file__} defines no estimator and no task; write a function (x, y) -> float, a class with "
            "estimate(x, y), or a subclass of mibench.Distribution"
        )
    return found


def _first_parameters(function: Callable[..., Any]) -> list[str]:
    try:
        return [*inspect.signature(function).parameters][:2]
    except (TypeError, ValueError):
        return []


def as_estimator_class(cls: type) -> type[Estimator]:
    """Return `cls`, or of a stranger's class with an ``estimate`` a subclass that is an `Estimator`."""
    if issubclass(cls, Estimator):
        return cls
    return type(cls.__name__, (cls, Estimator), {"__module__": cls.__module__})


def source_hash(component: Component) -> str:
    """Return a digest of the code behind `component`: its module, those in the same folder that it imports, programs.

    A nested component counts with its own. It changes when the method's code does, so that stored results of older
    code are not taken for those of the present one.
    """
    digest = hashlib.sha256()
    for name, content in sorted((file.name, file.read_bytes()) for file in source_files(component)):
        digest.update(name.encode() + content)
    return digest.hexdigest()[:16]


def source_files(component: Component) -> set[Path]:
    """Return the files that hold the code behind `component`, those that it names itself among them."""
    files: set[Path] = set()
    for part in _with_nested(component):
        home = getattr(sys.modules.get(type(part).__module__), "__file__", None)
        for file in ({Path(home)} if home else set()) | part.source_files():
            _collect_files(file, files)
    return files


def _with_nested(component: Component) -> Iterator[Component]:
    yield component
    for value in vars(component).values():
        if isinstance(value, Component):
            yield from _with_nested(value)


def _collect_files(file: Path, found: set[Path]) -> None:
    """Add `file` and the files in its folder that it imports, by the statements of its source, wherever they stand."""
    if file in found or not file.is_file():
        return
    found.add(file)
    if file.suffix != ".py":
        return
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # written for another Python than this
        return
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module] if node.module else [alias.name for alias in node.names]
        for name in names:
            _collect_files(file.with_name(name.rpartition(".")[2] + ".py"), found)


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise MibenchError(f"the plugin {path} is not there; give the path of a Python file")
    name = f"mibench_plugin_{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    definition = importlib.util.spec_from_file_location(name, path)
    if definition is None or definition.loader is None:
        raise MibenchError(f"the plugin {path} is not a Python file; its name must end in .py")
    module = importlib.util.module_from_spec(definition)
    sys.modules[name] = module
    if str(path.parent.resolve()) not in sys.path:
        sys.path.append(str(path.parent.resolve()))  # last, so that a plugin's neighbours shadow no library
    try:
        with contextlib.redirect_stdout(sys.stderr):
            definition.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise MibenchError(f"the plugin {path} cannot be imported: {type(error).__name__}: {error}") from error
    return module
