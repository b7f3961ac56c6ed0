"""What an estimator must leave as it was: global generators, the working directory, the environment, the terminal."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mibench.generators import generator_states, seed_everything, set_generators


@dataclass
class Trace:
    """What a call left behind: global generators and other settings that it moved, and the characters it printed."""

    generators: list[str] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)
    printed: int = 0


@contextlib.contextmanager
def observed(global_seed: int) -> Iterator[Trace]:
    """Note what the body leaves behind, and put all of it back; global generators are seeded with `global_seed`.

    torch is watched where it is imported already. What a program prints below Python is not seen.
    """
    generators, settings = generator_states(), _settings()
    trace, output = Trace(), io.StringIO()
    try:
        seed_everything(global_seed)
        before = generator_states()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            yield trace
        after, now = generator_states(), _settings()
        trace.generators = [name for name, state in before.items() if not _same(state, after[name])]
        trace.settings = [name for name, value in settings.items() if value != now[name]]
        trace.printed = len(output.getvalue())
    finally:
        _restore(generators, settings)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, tuple):
        return all(_same(left, right) for left, right in zip(one, other, strict=True))
    return bool(np.array_equal(one, other))


def _settings() -> dict[str, Any]:
    found: dict[str, Any] = {"the working directory": os.getcwd(), "os.environ": dict(os.environ)}
    found["numpy.seterr"] = np.geterr()
    if "torch" in sys.modules:
        found["torch's default dtype"] = sys.modules["torch"].get_default_dtype()
    return found


def _restore(generators: dict[str, Any], settings: dict[str, Any]) -> None:
    set_generators(generators)
    os.chdir(settings["the working directory"])
    if dict(os.environ) != settings["os.environ"]:
        os.environ.clear()
        os.environ.update(settings["os.environ"])
    np.seterr(**settings["numpy.seterr"])
    if "torch's default dtype" in settings:
        sys.modules["torch"].set_default_dtype(settings["torch's default dtype"])
