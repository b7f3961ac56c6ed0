"""The laws of MI, held against an estimator's answers to replicates.

MI obeys each law exactly, and an estimate of n pairs only nearly: it has bias, and it scatters. So each law is read as
a mean over 8 replicates, of paired differences where both sides of the law come from the same draws, and it fails where
the mean deviates from the law by more than a tolerance in nats, and by more than scatter explains: Student's t at a
level of 0.001. The draws follow from the seed, so that a verdict does not change from one run to the next. What a
declared bound is not obliged to is not asked of it: its sign at independence, and adding up.
"""

import math
from collections.abc import Callable

import numpy as np

from mibench import registry
from mibench.check_report import Failed, NotApplicable, Skipped
from mibench.check_subject import Subject
from mibench.distribution import Array, Draw
from mibench.invariance import CLAIMS
from mibench.seeding import derive_seed

ROWS = 300  # pairs of a replicate
TOLERANCE = 0.05  # nats, of a change that should not be one
CLAIM_TOLERANCE = 0.01  # nats, of a change that is claimed not to be one
BIAS_TOLERANCE = 0.1  # nats, of what the bias of n pairs enters once; additivity has it three times
_LEVEL = 1e-3
_FEWEST = 4  # replicates that must have an answer
_SCALE = 8.0


def independence(subject: Subject) -> str:
    """Check that independence gives 0, not more of a lower bound, and not less of an upper one."""
    task = registry.task(f"independent({subject.plain_task.name})")
    values = subject.values_of(task, ROWS)
    return _judge("the mean estimate at independence is", values, BIAS_TOLERANCE, subject.named.method.bound)


def symmetry(subject: Subject) -> str:
    """Check that I(X; Y) = I(Y; X)."""
    skewed = [
        draw._replace(y=draw.y + draw.y**3)  # as a law in which x and y could change places would hide a difference
        for draw in subject.replicates(subject.plain_task, ROWS)
    ]
    swapped = [Draw(draw.y, draw.x, draw.pointwise_mi) for draw in skewed]
    return _judge(
        "where x and y are swapped the mean change is", subject.values(swapped) - subject.values(skewed), TOLERANCE
    )


def row_order(subject: Subject) -> str:
    """Check that the order of the pairs does not matter."""

    def shuffled(draw: Draw) -> Draw:
        order = np.random.default_rng(derive_seed("order", subject.seed)).permutation(len(draw.x))
        pointwise = None if draw.pointwise_mi is None else draw.pointwise_mi[order]
        return Draw(draw.x[order], draw.y[order], pointwise)

    return _unchanged(subject, "where the pairs are shuffled", shuffled)


def rescaling(subject: Subject) -> str:
    """Check that the units of x and y do not matter: here x is multiplied by 8 and y divided by 8."""
    return _unchanged(
        subject,
        "where x is multiplied and y divided by 8",
        lambda draw: Draw(draw.x * _SCALE, draw.y / _SCALE, draw.pointwise_mi),
    )


def invariance(subject: Subject) -> str:
    """Check that the maps of each side that the attribute `invariant` claims do not matter."""
    if not subject.named.method.invariant:
        raise NotApplicable("no invariance is claimed; a class attribute `invariant` would")
    seen = []
    for claim in subject.named.method.invariant:
        rng = np.random.default_rng(derive_seed("map", claim, subject.seed))
        change = CLAIMS[claim]
        where = f"under a map of each side that is {claim}"
        mapped = [
            Draw(change(draw.x, rng), change(draw.y, rng), draw.pointwise_mi)
            for draw in subject.replicates(subject.task, ROWS)
        ]
        before = subject.values_of(subject.task, ROWS)
        seen.append(_judge(f"{where} the mean change is", subject.values(mapped) - before, CLAIM_TOLERANCE))
    return "; ".join(seen)


def additivity(subject: Subject) -> str:
    """Check that I(X, X'; Y, Y') = I(X; Y) + I(X'; Y') for independent (X, Y) and (X', Y'); not of a bound."""
    if subject.named.method.bound:
        raise NotApplicable("bounds need not add up")
    task = registry.task("gaussian(d=1, mi=0.5)")
    if subject.plain_task.name != "gaussian(d=1, mi=1)":
        task = subject.plain_task
    if len(task.x_shape) > 1:
        raise NotApplicable("images have no independent blocks")
    blocks = [subject.replicates(task, ROWS, block) for block in ("first", "second")]
    joint = [_beside(*pair) for pair in zip(*blocks, strict=True)]
    apart = [subject.values(block) for block in blocks]
    difference = subject.values(joint) - apart[0] - apart[1]
    return _judge("blocks together differ from their sum by", difference, 2 * BIAS_TOLERANCE)


def consistency(subject: Subject) -> str:
    """Check that at four times as many pairs the mean is not farther from the truth."""
    truth = subject.plain_task.mutual_information
    few, many = (_known(subject.values_of(subject.plain_task, n)) for n in (ROWS, 4 * ROWS))
    bias = [float(values.mean()) - truth for values in (few, many)]
    growth = abs(bias[1]) - abs(bias[0])
    margin = _margin(few.std(ddof=1) / math.sqrt(len(few)), many.std(ddof=1) / math.sqrt(len(many)), len(few))
    told = f"bias {bias[0]:+.3f} nats at n = {ROWS} and {bias[1]:+.3f} at {4 * ROWS}"
    if growth > TOLERANCE and growth > margin:
        raise Failed(f"{told}; grows by {growth:.3f}, tolerance {TOLERANCE} nats, scatter explains {margin:.3f}")
    return told


def bound(subject: Subject) -> str:
    """Check that a declared lower bound is not above the truth, an upper bound not below."""
    if not subject.named.method.bound:
        raise NotApplicable("declares no bound")
    truth = subject.plain_task.mutual_information
    values = subject.values_of(subject.plain_task, 4 * ROWS)
    return _judge("the mean estimate less the truth is", values - truth, TOLERANCE, subject.named.method.bound)


def dependence(subject: Subject) -> str:
    """Check that X and Y of 1 nat get at least 0.2 nats more than independent ones."""
    if subject.named.baseline:
        raise NotApplicable("a baseline")
    far = subject.values_of(subject.plain_task, ROWS)
    near = subject.values_of(registry.task(f"independent({subject.plain_task.name})"), ROWS)
    gain = float(_known(far).mean() - _known(near).mean())
    if gain < 0.2:
        raise Failed(f"1 nat of dependence raises the mean estimate by {gain:.3f} nats; at least 0.2 is expected")
    return f"1 nat of dependence raises the mean estimate by {gain:.3f} nats"


def _unchanged(subject: Subject, where: str, change: Callable[[Draw], Draw]) -> str:
    draws = subject.replicates(subject.plain_task, ROWS)
    changed = subject.values([change(draw) for draw in draws])
    difference = changed - subject.values_of(subject.plain_task, ROWS)
    return _judge(f"{where} the mean change is", difference, TOLERANCE)


def _judge(what: str, deviations: Array, tolerance: float, side: str = "") -> str:
    """Return the mean deviation (R,) in words; raise `Failed` where it is above tolerance and scatter alike.

    Of a "lower" bound only a positive deviation counts, of an "upper" one only a negative one.
    """
    known = _known(deviations)
    mean, margin = float(known.mean()), _margin(known.std(ddof=1) / math.sqrt(len(known)), 0.0, len(known))
    counted = {"lower": mean, "upper": -mean}.get(side, abs(mean))
    told = f"{what} {mean:+.4f} nats"
    if counted > tolerance and counted > margin:
        raise Failed(f"{told}; tolerance {tolerance:g}, scatter of {len(known)} replicates explains {margin:.4f}")
    return told


def _known(values: Array) -> Array:
    known = values[np.isfinite(values)]
    if len(known) < _FEWEST:
        raise Skipped(f"only {len(known)} of {len(values)} replicates have an answer, the others NaN with a message")
    return known


def _margin(one: float, other: float, replicates: int) -> float:
    """Return what standard errors of independent means explain, at the level of the laws."""
    from scipy.stats import t

    return float(t.ppf(1 - _LEVEL / 2, replicates - 1)) * math.hypot(one, other)


def _beside(one: Draw, other: Draw) -> Draw:
    pointwise = None
    if one.pointwise_mi is not None and other.pointwise_mi is not None:
        pointwise = one.pointwise_mi + other.pointwise_mi
    return Draw(np.hstack([one.x, other.x]), np.hstack([one.y, other.y]), pointwise)
