"""Specs: tasks, maps and estimators written as nested calls, such as ``ae(kde(), latent=2)``.

A spec is parsed with `ast` and never evaluated: it may hold literals and names, nothing else.
"""

import ast
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from mibench.errors import SpecError

MAX_LENGTH = 4096  # longer text is no spec, and deep nesting exhausts the parser's stack


@dataclass(frozen=True)
class Spec:
    """A call that has not been made: a name, positional and keyword arguments (literals or specs)."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        parts = [_print(value) for value in self.args]
        parts += [f"{key}={_print(value)}" for key, value in self.kwargs.items()]
        return f"{self.name}({', '.join(parts)})" if parts else self.name


def parse(text: str) -> Spec:
    """Parse a call, or a bare name, into a `Spec`; a hyphen in a name reads as an underscore.

    Raises `SpecError` where `text` is anything else.
    """
    if not isinstance(text, str):
        raise SpecError(f"a spec is a string, such as 'gaussian(d=2, mi=1)', got {text!r}")
    if not text.strip():
        raise SpecError("the spec is empty; write a name or a call, such as ksg or gaussian(d=2, mi=1)")
    if len(text) > MAX_LENGTH:
        raise SpecError(f"the spec is {len(text)} characters long; at most {MAX_LENGTH} are read")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        value = _read(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, SpecError):
            raise SpecError(f"cannot read {_brief(text)}: {error}") from None
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise SpecError(f"cannot read {_brief(text)}: {reason}; write a call, such as gaussian(d=2, mi=1)") from None
    if not isinstance(value, Spec):
        raise SpecError(f"cannot read {_brief(text)}: a spec is a name or a call, such as gaussian(d=2, mi=1)")
    return value


def split_list(text: str) -> list[str]:
    """Split at the commas that stand outside brackets and quotes: ``'ksg,ae(kde(), latent=2)'`` holds two."""
    items, start = [], 0
    for position in _outer_commas(text):
        items.append(text[start:position].strip())
        start = position + 1
    items.append(text[start:].strip())
    return [item for item in items if item]


def _outer_commas(text: str) -> Iterator[int]:
    depth, quote, escaped = 0, "", False
    for position, char in enumerate(text):
        if quote:
            quote = "" if char == quote and not escaped else quote
            escaped = char == "\\" and not escaped
        elif char in "'\"":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "," and depth == 0:
            yield position


def _read(node: ast.expr) -> Any:
    match node:
        case ast.Call(func=func, args=args, keywords=keywords):
            names = [keyword.arg for keyword in keywords]
            if None in names:
                raise SpecError("** is not part of a spec")
            if len(set(names)) < len(names):
                raise SpecError("an argument is given twice")
            kwargs = {str(keyword.arg): _read(keyword.value) for keyword in keywords}
            return Spec(_read_name(func), tuple(_read(arg) for arg in args), kwargs)
        case ast.Name() | ast.BinOp(op=ast.Sub()):
            return _join_hyphens(node)
        case ast.Constant(value=bool() | int() | float() | str() | None as value):
            if isinstance(value, float) and not math.isfinite(value):
                raise SpecError("a number is too large")
            return value
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=ast.Constant(value=int() | float() as value)):
            if isinstance(value, bool):
                raise SpecError("a sign needs a number")
            return -_read(node.operand) if isinstance(sign, ast.USub) else _read(node.operand)
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return tuple(_read(item) for item in items)
    raise SpecError(f"{ast.unparse(node)} is neither a literal nor a name")


def _read_name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    raise SpecError(f"{ast.unparse(node)} is not a name that can be called")


def _join_hyphens(node: ast.expr) -> Spec:
    """Read ``flow-gaussian(k=1)``, which Python takes for a subtraction, as the call of flow_gaussian."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        left, right = _join_hyphens(node.left), _read(node.right)
        if isinstance(right, Spec) and not left.args and not left.kwargs:
            return Spec(f"{left.name}_{right.name}", right.args, right.kwargs)
    elif isinstance(node, ast.Name):
        return Spec(node.id)
    raise SpecError(f"{ast.unparse(node)} is neither a literal nor a name")


def _print(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return repr(int(value))
    if isinstance(value, tuple | list):
        items = [_print(item) for item in value]
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    return str(value) if isinstance(value, Spec) else repr(value)


def _brief(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
