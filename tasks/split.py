"""How the MI of a task is shared out among its independent components."""

import numpy as np

from mibench.component import Component
from mibench.distribution import Array
from mibench.errors import SpecError
from mibench.seeding import derive_seed

_FLOAT64_MI = 34.0  # nats of a pair, beyond which e^(−I) is below the resolution of float64


def float64_caveat(pair_mi: float) -> str:
    """Return what is to be added to the truth where `pair_mi`, in nats, is more than float64 draws of a pair hold."""
    return "; float64 rounds y onto x, so that these draws carry less" if pair_mi > _FLOAT64_MI else ""


def split_mi(component: Component, mi: float, parts: int, randomized: bool) -> Array:
    """Return `parts` shares (parts,) of `mi` in nats: equal, or where `randomized` I·e_j / Σe, e_j exponential.

    The random shares follow from the spec of `component`. Source: the uneven split of Butakov et al. 2024 (mutinfo).
    """
    if not randomized:
        return np.full(parts, mi / parts)
    shares = np.random.default_rng(derive_seed("split", str(component))).standard_exponential(parts)
    split: Array = mi * (shares / shares.sum())
    return split


def check_seed_is_used(seed: int, used: bool, needs: str) -> None:
    """Raise `SpecError` where a seed is given that changes nothing, so that one law has one name."""
    if seed and not used:
        raise SpecError(f"seed has no effect without {needs}; leave it out")
    if seed < 0:
        raise SpecError(f"seed must be at least 0, got {seed}")
