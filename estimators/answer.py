"""What a program prints, read as an estimate."""

import json
import math
from collections.abc import Mapping
from typing import Any

from mibench.errors import MethodError, suggest
from mibench.estimation import Estimate

_MISSING = ("none", "null", "na", "nan")  # in Python, JSON, R and floating point
_KEYS = ("value", "mi", "std_error", "diagnostics", "message")


def read_answer(text: str, nats: float = 1.0) -> Estimate:
    """Return the estimate on the last line of `text`, a number or a JSON object, in a unit of so many `nats`.

    Raises `MethodError` where it is neither.
    """
    line = last_line(text)
    if line.lower() in _MISSING:
        return Estimate(math.nan)
    try:
        answer = json.loads(line) if line.startswith("{") else {"value": float(line)}
    except (ValueError, RecursionError):
        said = f"printed {line[:80]!r} last" if line else "printed nothing"
        raise MethodError(f"the program {said}; print a number, or a JSON object with value, on one line") from None
    unknown = [key for key in answer if key not in _KEYS]
    if unknown:
        raise MethodError(f"the program's answer has an unknown key {unknown[0]!r}; {suggest(unknown[0], _KEYS)}")
    if ("value" in answer) == ("mi" in answer):
        raise MethodError(f"the program's answer must have one of value and mi, got {line[:80]!r}")
    value = _number(answer, "value" if "value" in answer else "mi")
    std_error = _number(answer, "std_error")
    return Estimate(
        math.nan if value is None else value * nats,
        None if std_error is None else std_error * nats,
        _typed(answer, "diagnostics", dict, "a JSON object"),
        _typed(answer, "message", str, "a string"),
    )


def last_line(text: str) -> str:
    """Return the last line that is not blank; R's "Execution halted", which follows the reason, does not count."""
    lines = [line.strip() for line in text.splitlines()]
    return next((line for line in reversed(lines) if line not in ("", "Execution halted")), "")


def _number(answer: Mapping[str, Any], key: str) -> float | None:
    given = answer.get(key)
    if given is None:
        return None
    try:
        if isinstance(given, int | float) and not isinstance(given, bool):
            return float(given)
    except OverflowError:
        pass
    raise MethodError(f"{key} in the program's answer must be a number or null, got {str(given)[:80]!r}")


def _typed(answer: Mapping[str, Any], key: str, kind: type, words: str) -> Any:
    given = answer.get(key)
    if given is None:
        return kind()
    if not isinstance(given, kind):
        raise MethodError(f"{key} in the program's answer must be {words}, got {str(given)[:80]!r}")
    return given
