"""The global generators of random numbers: Python's, NumPy's, and torch's where it is imported."""

import contextlib
import random
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np


def seed_everything(seed: int) -> None:
    """Seed them, for methods that draw from them."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed % 2**63)


def generator_states() -> dict[str, Any]:
    """Return the state of each."""
    found: dict[str, Any] = {"random": random.getstate(), "numpy.random": np.random.get_state()}
    if torch := sys.modules.get("torch"):
        found["torch"] = torch.get_rng_state()
    return found


def set_generators(states: dict[str, Any]) -> None:
    """Put states back."""
    random.setstate(states["random"])
    np.random.set_state(states["numpy.random"])
    if "torch" in states:
        sys.modules["torch"].set_rng_state(states["torch"])


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed them for a while, and put their states back afterwards."""
    states = generator_states()
    seed_everything(seed)
    try:
        yield
    finally:
        set_generators(states)
