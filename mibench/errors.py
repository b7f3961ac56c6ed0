"""The errors that mibench raises on bad input: one line each, naming the problem and the remedy."""

from collections.abc import Iterable
from difflib import get_close_matches


class MibenchError(ValueError):
    """Base of all errors about input; the command line prints its text on one line and exits with 2."""


class SpecError(MibenchError):
    """A spec that cannot be parsed, or that names something or gives it a value that does not exist."""


class DataError(MibenchError):
    """Data on which MI cannot be estimated."""


class MethodError(MibenchError):
    """A method, such as a program, that broke down or gave no answer: a failure, not a limit that it declares."""


class StaleError(MibenchError):
    """What a worker finds is not what the run was planned with."""


_MOST_KNOWN = 40  # names that an error lists


def suggest(given: str, choices: Iterable[str]) -> str:
    """Say which of `choices` come nearest to `given`, whatever their case, or else which there are, the first 40."""
    known = sorted(choices)
    lower = {name.lower(): name for name in known}
    near = get_close_matches(given.lower(), lower, n=3, cutoff=0.5)
    if near:
        return "did you mean " + " or ".join(lower[name] for name in near) + "?"
    more = f" and {len(known) - _MOST_KNOWN} more" if len(known) > _MOST_KNOWN else ""
    return "known: " + (", ".join(known[:_MOST_KNOWN]) + more if known else "none")
