"""Adaptive replication: how many replicates bring the interval of a cell's bias to a width that is asked for."""

import math
import statistics
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from mibench.plan import Cell, Plan
from mibench.store import Selection, Store

_CONFIDENCE = 0.95
_COUNTLESS = 2**60
GROWTH = 2  # at most, from one round to the next, as a deviation of few replicates says little


def half_width(errors: Sequence[float]) -> float:
    """Return the longer side of the 95 % interval of the mean of errors; infinite for fewer than three."""
    import numpy as np

    from mibench.bias_interval import LEAST, bias_interval

    if len(errors) < LEAST:
        return math.inf
    (low,), (high,) = bias_interval(np.array([errors], dtype=float))
    mean = statistics.fmean(errors)
    return float(max(high - mean, mean - low))


def needed(errors: Sequence[float], precision: float) -> int:
    """Return how many errors of this standard deviation have Student's interval of the mean within ± `precision`."""
    spread = statistics.stdev(errors) / precision
    counts = range(2, _COUNTLESS)
    return counts[bisect_left(counts, True, key=lambda count: _quantile(count) * spread <= math.sqrt(count))]


def extended(
    cells: Sequence[Cell], store: Store, precision: float, most: int, growth: float = GROWTH, anew: bool = False
) -> Plan:
    """Return the plan of cells with as many replicates as they ask for next, of which to do is what is not stored.

    A cell asks for more by the replicates that it has, until the interval of its bias is within ± `precision`, or it
    has `most`; at most `growth` times as many at once. What is stored beyond them has no say, so that a run which goes
    on does what it would have done, and with `anew` is to be done too.
    """
    wanted, to_do = list(cells), []
    places = {cell.key: place for place, cell in enumerate(cells)}
    selection = Selection(list(places), most)
    for key, found in store.estimates(selection):
        cell = cells[places[key]]
        count = len(cell.replicates)
        errors = [v - cell.task.mutual_information for k, v in found.items() if k < count and v is not None]
        if len(errors) < 2 or half_width(errors) <= precision:
            continue
        more = max(int(min(needed(errors, precision), growth * len(errors), most)) - len(errors), 1)
        replicates = tuple(range(max(count, min(most, count + more))))
        wanted[places[key]] = replace(cell, replicates=replicates)
        lacking = tuple(replicate for replicate in replicates[count:] if anew or replicate not in found)
        if lacking:
            to_do.append(replace(cell, replicates=lacking))
    return Plan(wanted, to_do)


def _quantile(count: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(count - 1, (1 + _CONFIDENCE) / 2))
