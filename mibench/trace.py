"""What an estimator must leave as it was: global generators, the working directory, the environment, the terminal."""

import contextlib
import io
import os
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np


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
    generators, settings = _generators(), _settings()
    trace, output = Trace(), io.StringIO()
    try:
        _seed_all(global_seed)
        before = _generators()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            yield trace
        after, now = _generators(), _settings()
        trace.generators = [name for name, state in before.items() if not _same(state, after[name])]
        trace.settings = [name for name, value in settings.items() if value != now[name]]
        trace.printed = len(output.getvalue())
    finally:
        _restore(generators, settings)


def _generators() -> dict[str, Any]:
    found: dict[str, Any] = {"random": random.getstate(), "numpy.random": np.random.get_state()}
    if "torch" in sys.modules:
        found["torch"] = sys.modules["torch"].get_rng_state().numpy()
    return found


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, tuple):
        return all(_same(left, right) for left, right in zip(one, other, strict=True))
    return bool(np.array_equal(one, other))


def _seed_all(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].random.default_generator.manual_seed(seed)


def _settings() -> dict[str, Any]:
    found: dict[str, Any] = {"the working directory": os.getcwd(), "os.environ": dict(os.environ)}
    found["numpy.seterr"] = np.geterr()
    if "torch" in sys.modules:
        found["torch's default dtype"] = sys.modules["torch"].get_default_dtype()
    return found


def _restore(generators: dict[str, Any], settings: dict[str, Any]) -> None:
    random.setstate(generators["random"])
    np.random.set_state(generators["numpy.random"])
    os.chdir(settings["the working directory"])
    if dict(os.environ) != settings["os.environ"]:
        os.environ.clear()
        os.environ.update(settings["os.environ"])
    np.seterr(**settings["numpy.seterr"])
    if "torch" in generators:
        torch = sys.modules["torch"]
        torch.set_rng_state(torch.from_numpy(generators["torch"]))
        torch.set_default_dtype(settings["torch's default dtype"])
