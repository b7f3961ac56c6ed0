"""The critical-difference diagram (Demšar 2006, JMLR 7): mean ranks on a line, bars over what cannot be told apart."""

import math
from dataclasses import dataclass

from .names import shortened

WIDTH, SIDE, ROW, TOP = 880.0, 250.0, 24.0, 62.0  # pixels: all, room for names at each side, a name, above the axis
CLIQUE = 9.0
LONGEST_NAME = 30


@dataclass(frozen=True)
class Leaf:
    """An estimator: where it stands on the axis, how far down its line goes, and at which side its name is."""

    name: str
    shown: str
    rank: float
    x: float
    y: float
    end: float
    anchor: str


@dataclass(frozen=True)
class Diagram:
    """All lengths in pixels."""

    width: float
    height: float
    axis: float
    ticks: list[tuple[float, int]]
    leaves: list[Leaf]
    cliques: list[tuple[float, float, float]]
    bar: tuple[float, float]
    difference: float

    @property
    def told(self) -> str:
        """The same in words."""
        order = ", ".join(f"{leaf.name} {leaf.rank:.2f}" for leaf in sorted(self.leaves, key=lambda leaf: leaf.rank))
        return f"Mean ranks, 1 is best: {order}. Critical difference {self.difference:.2f}."


def diagram(ranked: list[tuple[str, float]], difference: float) -> Diagram | None:
    """Return the diagram of names and their mean ranks, or None where there are fewer than two or no difference."""
    count = len(ranked)
    if count < 2 or not math.isfinite(difference) or difference <= 0:
        return None
    order = sorted(ranked, key=lambda pair: (pair[1], pair[0]))

    def place(rank: float) -> float:
        return SIDE + (rank - 1) / (count - 1) * (WIDTH - 2 * SIDE)

    groups = cliques([rank for _, rank in order], difference)
    first = TOP + 14 + CLIQUE * len(groups) + 12
    half = (count + 1) // 2
    leaves = []
    for k, (name, rank) in enumerate(order):
        left = k < half
        y = first + ROW * (k if left else count - 1 - k)
        end, anchor = (SIDE - 12, "end") if left else (WIDTH - SIDE + 12, "start")
        leaves.append(Leaf(name, shortened(name, LONGEST_NAME), rank, place(rank), y, end, anchor))
    bars = [(place(order[a][1]) - 5, place(order[b][1]) + 5, TOP + 12 + CLIQUE * k) for k, (a, b) in enumerate(groups)]
    span = (place(1), place(1 + min(difference, count - 1)))
    height = first + ROW * (half - 1) + 18
    ticks = [(place(rank), rank) for rank in range(1, count + 1)]
    return Diagram(WIDTH, height, TOP, ticks, leaves, bars, span, difference)


def cliques(ranks: list[float], difference: float) -> list[tuple[int, int]]:
    """Return the first and last place of each largest set of sorted `ranks` that lie within `difference`."""
    found: list[tuple[int, int]] = []
    for first, rank in enumerate(ranks):
        last = max(k for k, other in enumerate(ranks) if other - rank <= difference)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found
