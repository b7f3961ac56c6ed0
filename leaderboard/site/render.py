"""Templates and what they need; whatever comes from a store is text to them, never markup."""

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from mibench.provenance import mibench_version

from .prose import formula, paragraphs, with_code

if TYPE_CHECKING:
    from jinja2 import Environment

_HERE = Path(__file__).parent
_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


@cache
def environment() -> "Environment":
    """Return the templates, which escape all that they are given."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= {
        "paragraphs": paragraphs,
        "code": with_code,
        "formula": formula,
        "json": embedded,
        "spec": breakable,
    }
    made.globals |= {"version": mibench_version()}
    return made


def breakable(spec: str) -> Markup:
    """Return a spec that may be broken after its brackets, commas and underscores."""
    parts = re.split(r"(?<=[(,_=])(?=[^ ])", spec)
    return Markup("<wbr>").join(parts)


def embedded(value: Any) -> Markup:
    """Return `value` as JSON for a script element, which nothing in it can end; an undefined number is null."""
    text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(_ESCAPES))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if hasattr(value, "item"):
        return _finite(value.item())
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def page(template: str, **context: Any) -> str:
    """Return a page."""
    return environment().get_template(template).render(**context)


def write_text(file: Path, text: str) -> None:
    """Write text; what is no character, as half a surrogate pair is not, becomes a question mark."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", errors="replace", newline="\n") as stream:
        stream.write(text)
