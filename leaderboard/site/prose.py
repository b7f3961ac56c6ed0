"""Docstrings as HTML: paragraphs, and code where backticks mark it; all else is text."""

import re

from markupsafe import Markup, escape

_CODE = re.compile(r"(`+)(.+?)\1", re.DOTALL)


def paragraphs(text: str) -> Markup:
    """Return `text` as paragraphs, which a blank line parts."""
    parts = [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]
    return Markup("\n").join(Markup("<p>{}</p>").format(with_code(part)) for part in parts)


def formula(text: str) -> Markup:
    """Return a formula with its indices and exponents set as such: ``Σ_j``, ``ρ_j²``, ``e^(−2 I_j)``, ``R^d``."""
    indexed = re.sub(r"(?<=[^\W\d_])_([A-Za-z0-9])(?![A-Za-z0-9_])", r"<sub>\1</sub>", str(escape(text)))
    return Markup(re.sub(r"\^\(([^()]*)\)|\^(\w+)", r"<sup>\1\2</sup>", indexed))


def with_code(text: str) -> Markup:
    """Return `text` in one line, with what stands between backticks as code."""
    line = " ".join(text.split())
    parts, end = [], 0
    for found in _CODE.finditer(line):
        parts += [escape(line[end : found.start()]), Markup("<code>{}</code>").format(found[2])]
        end = found.end()
    return Markup("").join([*parts, escape(line[end:])])
