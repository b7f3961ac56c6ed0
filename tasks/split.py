"""How the MI of a task is shared out among its independent components."""

import numpy as np

from mibench.component import Component
from mibench.distribution import Array
from mibench.errors import SpecError
from mibench.seeding import derive_seed

FLOAT64_MI = (
    30.0  # nats of a pair, where e^(−I) is some hundred times the resolution of float64; beyond, draws carry less
)


def check_float64(shares: Array) -> None:
    """Raise `SpecError` where a pair would carry more MI than its float64 draws can hold."""
    if (most := float(shares.max())) > FLOAT64_MI:
        raise SpecError(
            f"a pair of coordinates can carry at most {FLOAT64_MI:g} nats, got {most:.6g}: beyond, float64 rounds y "
            "onto x, and the draws carry less than they should; lower mi, or raise d"
        )


def split_mi(component: Component, mi: float, parts: int, randomized: bool) -> Array:
    """Return `parts` shares (parts,) of `mi` in nats: equal, or where `randomized` I·e_j / Σe, e_j exponential.

    The random shares follow from the spec of `component`. Source: the uneven split of Butakov et al. 2024 (mutinfo).
    """
    if not randomized:
        return np.full(parts, mi / parts)
    shares = np.random.default_rng(derive_seed("split", str(component))).standard_exponential(parts)
    split: Array = mi * (shares / shares.sum())
    return split


def splits_at_random(mi: float, parts: int, randomized: bool) -> bool:
    """Return whether `randomized` makes a law of its own: there must be MI, and parts to split it over."""
    return randomized and parts > 1 and mi > 0


def check_seed_is_used(seed: int, used: bool, needs: str) -> None:
    """Raise `SpecError` where a seed is given that changes nothing, so that one law has one name."""
    if seed and not used:
        raise SpecError(f"seed has no effect without {needs}; leave it out")
    if seed < 0:
        raise SpecError(f"seed must be at least 0, got {seed}")
