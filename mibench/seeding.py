"""Seeds derived by name, so that a draw depends on what it is for and on nothing else."""

import hashlib

PROTOCOL = 1  # version of the derivation; raising it redraws the data of every suite


def derive_seed(*parts: object) -> int:
    """Return a seed in [0, 2**63) that follows from `parts` alone (SHA-256 of their text)."""
    text = "\x1f".join(str(part) for part in ("mibench", PROTOCOL, *parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
