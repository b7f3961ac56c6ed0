"""Seeds derived by name, so that a draw depends on what it is for and on nothing else."""

import hashlib
from numbers import Integral

from mibench.errors import MibenchError

PROTOCOL = 1  # version of the derivation; raising it redraws the data of every suite


def derive_seed(*parts: object) -> int:
    """Return a seed in [0, 2**63) that follows from `parts` alone (SHA-256 of their text)."""
    text = "\x1f".join(str(part) for part in ("mibench", PROTOCOL, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def check_seed(seed: int) -> None:
    """Raise `MibenchError` unless `seed` is an integer that can seed a generator."""
    if not isinstance(seed, Integral) or not 0 <= seed < 2**63:
        raise MibenchError(f"seed must be an integer from 0 to 2**63 - 1, got {seed!r}")
