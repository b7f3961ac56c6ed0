"""The errors that mibench raises on bad input: one line each, naming the problem and the remedy."""

from collections.abc import Iterable
from difflib import get_close_matches


class MibenchError(ValueError):
    """Base of all errors about input; the command line prints its text on one line and exits with 2."""


class SpecError(MibenchError):
    """A spec that cannot be parsed, or that names something or gives it a value that does not exist."""


class DataError(MibenchError):
    """Data on which MI cannot be estimated."""


def suggest(given: str, choices: Iterable[str]) -> str:
    """Say which of `choices` come nearest to `given`, or all of them where none is near."""
    known = sorted(choices)
    near = get_close_matches(given, known, n=3, cutoff=0.5)
    if near:
        return "did you mean " + " or ".join(near) + "?"
    return "known: " + (", ".join(known) if known else "none")
