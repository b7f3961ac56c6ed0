"""Tasks, maps and estimators as frozen dataclasses: built from a spec, printed back as one."""

import dataclasses
import json
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, Union

from mibench.catalogue import name_of
from mibench.errors import SpecError, suggest
from mibench.spec import Spec

Resolve = Callable[[str, Spec], "Component"]
SHOWN = {"shown": True}  # metadata of a field whose value the name always states, such as the MI of a task
_WORDS: dict[type, str] = {int: "an integer", float: "a finite number", str: "a string", bool: "True or False"}


class Component:
    """A thing that a spec names: its dataclass fields are the arguments of the call."""

    kind: ClassVar[str] = "component"

    def spec(self) -> Spec:
        """Return the canonical spec: fields in declared order, defaults left out where the field is not `SHOWN`."""
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        for position, field in enumerate(parameters(type(self))):
            value = _as_literal(getattr(self, field.name))
            if value == _as_literal(_default(field)) and (value is None or not field.metadata.get("shown")):
                continue
            if position == len(args) and isinstance(value, Spec):
                args.append(value)
            else:
                kwargs[field.name] = value
        return Spec(name_of(type(self)), tuple(args), kwargs)

    def source_files(self) -> set[Path]:
        """Return files beyond its module that count as its code, such as a program that it runs."""
        return set()

    def parameters_json(self) -> str:
        """Return every hyperparameter, defaults included, as JSON; a nested component is a JSON object."""
        return json.dumps(self._parameters(), sort_keys=True)

    def _parameters(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for field in parameters(type(self)):
            value = getattr(self, field.name)
            found[field.name] = {name_of(type(value)): value._parameters()} if isinstance(value, Component) else value
        return found

    def __str__(self) -> str:
        return str(self.spec())

    @classmethod
    def from_spec(cls, spec: Spec, resolve: Resolve) -> Self:
        """Build from `spec`; `resolve(kind, spec)` builds nested ones. Errors name the argument and the remedy."""
        fields = parameters(cls)
        names = [field.name for field in fields]
        if len(spec.args) > len(fields):
            raise SpecError(f"{spec.name} takes at most {len(fields)} arguments, got {len(spec.args)}")
        given = dict(zip(names, spec.args, strict=False))
        for key, value in spec.kwargs.items():
            if key not in names:
                raise SpecError(f"{spec.name} has no argument {key!r}; {suggest(key, names)}")
            if key in given:
                raise SpecError(f"{spec.name}: {key} is given twice")
            given[key] = value
        for name in required(cls):
            if name not in given:
                raise SpecError(f"{spec.name} needs {name}; write {spec.name}({name}=...)")
        hints = typing.get_type_hints(cls)
        try:
            return cls(**{key: coerce(key, value, hints[key], resolve) for key, value in given.items()})
        except (TypeError, ValueError, ArithmeticError) as error:
            text = " ".join(str(error).split())
            said = text.removeprefix(f"{spec.name}: ").removeprefix(f"{spec.name} ")
            raise SpecError(f"{spec.name}: {said}") from None


def parameters(cls: type) -> list[dataclasses.Field[Any]]:
    """Return the dataclass fields that a spec may set; none where `cls` is no dataclass."""
    return [f for f in dataclasses.fields(cls) if f.init] if dataclasses.is_dataclass(cls) else []


def required(cls: type) -> list[str]:
    """Return the names of the parameters that a spec must give."""
    return [field.name for field in parameters(cls) if _default(field) is dataclasses.MISSING]


def coerce(name: str, value: Any, annotation: Any, resolve: Resolve) -> Any:
    """Return `value` as the type that `annotation` names, or raise `SpecError` saying what is accepted."""
    origin = typing.get_origin(annotation)
    if origin in (Union, types.UnionType):
        return _coerce_union(name, value, typing.get_args(annotation), resolve)
    if origin is Literal:
        choices = typing.get_args(annotation)
        if value not in choices or isinstance(value, bool) != isinstance(choices[0], bool):
            raise SpecError(f"{name} must be {' or '.join(map(repr, choices))}, got {_shown(value)}")
        return value
    if origin is tuple:
        if not isinstance(value, tuple):
            raise SpecError(f"{name} must be a tuple such as (64, 64), got {_shown(value)}")
        return tuple(coerce(name, item, typing.get_args(annotation)[0], resolve) for item in value)
    if isinstance(annotation, type) and issubclass(annotation, Component):
        if not isinstance(value, Spec):
            raise SpecError(f"{name} must be a {annotation.kind}, written as a call, got {_shown(value)}")
        return resolve(annotation.kind, value)
    if annotation is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) + 0.0  # one zero, one name
    if annotation in _WORDS and (not isinstance(value, annotation) or (annotation is int and isinstance(value, bool))):
        raise SpecError(f"{name} must be {_WORDS[annotation]}, got {_shown(value)}")
    return value


def _coerce_union(name: str, value: Any, options: tuple[Any, ...], resolve: Resolve) -> Any:
    if value is None and type(None) in options:
        return None
    failures = []
    for option in options:
        if option is not type(None):
            try:
                return coerce(name, value, option, resolve)
            except SpecError as error:
                failures.append(error)
    raise failures[0]


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _as_literal(value: Any) -> Any:
    return value.spec() if isinstance(value, Component) else value


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, Spec) else repr(value)
