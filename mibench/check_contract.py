"""The contract of an estimator: what must hold exactly, on any data, whatever the method is worth."""

import json
import math
import numbers
from collections.abc import Callable
from typing import Any, cast

import numpy as np

from mibench import registry
from mibench.check_report import Failed, NotApplicable, Skipped
from mibench.check_subject import ROWS, Call, Subject, stacked
from mibench.distribution import Array, Draw
from mibench.estimation import Estimate
from mibench.invariance import CLAIMS

STACK_TOLERANCE = 2e-3  # nats; what rounding grows to in the training of a network
_REPLICATES = 3
_CHATTER = 500  # characters that a call may print, a warning or two


def answer(subject: Subject) -> str:
    """Check that an estimate of ordinary data is a real number, or an `Estimate` of real numbers, JSON and text."""
    subject.named.method.warm_up(subject.named.resolve_device(subject.device))
    call = subject.call(subject.draw())
    call.estimates()
    (found,) = call.answers
    if not isinstance(found, Estimate):
        _check_real("the answer", found)
        return f"{call.value():.4f} nats on {subject.task.name}"
    _check_real("Estimate.value", found.value)
    if found.std_error is not None:
        _check_real("Estimate.std_error", found.std_error)
        if not float(found.std_error) >= 0:
            raise Failed(f"Estimate.std_error is {found.std_error}; give a standard error in nats, or None")
    if not isinstance(found.message, str):
        raise Failed(f"Estimate.message is of type {type(found.message).__name__}; give a string")
    try:
        json.dumps(dict(found.diagnostics))
    except (TypeError, ValueError) as error:
        raise Failed(f"Estimate.diagnostics are no JSON: {error}; give numbers, strings, lists and dicts") from None
    return f"{call.value():.4f} nats on {subject.task.name}"


def declaration(subject: Subject) -> str:
    """Check that the name is a spec that builds the same estimator; `bound` and `invariant` hold known words."""
    named, method = subject.named, subject.named.method
    if method.bound not in ("", "lower", "upper"):
        raise Failed(f"bound is {method.bound!r}; it must be '', 'lower' or 'upper'")
    if unknown := [claim for claim in method.invariant if claim not in CLAIMS]:
        raise Failed(f"invariant holds {unknown[0]!r}; known: {', '.join(CLAIMS)}")
    again = type(method).from_spec(method.spec(), registry.build)
    if str(again) != named.name or again.parameters_json() != method.parameters_json():
        raise Failed(f"the name {named.name} builds {again} with {again.parameters_json()}")
    return ""


def inputs(subject: Subject) -> str:
    """Check that the arrays that it is given are left as they were."""
    draw = subject.draw()
    _compare_sides(subject.call(draw), draw.x, draw.y)
    if subject.named.batched:
        draws = _draws(subject)
        call = subject.call_batch(draws, range(_REPLICATES))
        _compare_sides(call, *stacked(draws))
    return ""


def determinism(subject: Subject) -> str:
    """Check that the same data and seed give the same bits, whatever the state of global generators."""
    draw = subject.draw()
    first, second = (subject.call(draw, seed=7).value() for _ in range(2))
    if first != second:
        raise Failed(f"{first!r}, then {second!r} nats from the same data and seed; draw from the seed alone")
    return ""


def generators(subject: Subject) -> str:
    """Check that the global generators of random, numpy and torch are neither used nor seeded."""
    if moved := subject.call(subject.draw()).trace.generators:
        raise Failed(f"moves the global generator of {', '.join(moved)}; use np.random.default_rng(seed)")
    return ""


def surroundings(subject: Subject) -> str:
    """Check that the working directory, the environment and the settings of numpy and torch are left as they were."""
    if changed := subject.call(subject.draw()).trace.settings:
        raise Failed(f"changes {', '.join(changed)}; put it back before returning")
    return ""


def silence(subject: Subject) -> str:
    """Check that a call prints at most 500 characters."""
    printed = subject.call(subject.draw()).trace.printed
    if printed > _CHATTER:
        raise Failed(f"prints {printed} characters a call; at most {_CHATTER} are tolerated; report in diagnostics")
    return ""


def batch(subject: Subject) -> str:
    """Check that `estimate_batch` gives each replicate what it gets alone, up to floating point (0.002 nats)."""
    if not subject.named.batched:
        raise NotApplicable("estimate_batch is the default, a loop over estimate")
    draws, seeds = _draws(subject), [5, 6, 7]
    together = [found.value for found in subject.call_batch(draws, seeds).estimates()]
    alone = [subject.call(draw, seed).value() for draw, seed in zip(draws, seeds, strict=True)]
    return _compare("together and alone", together, alone, STACK_TOLERANCE)


def layout(subject: Subject) -> str:
    """Check that it takes arrays in another order than C's, as a wrapper may hand them over, for what they hold."""
    draw = subject.draw()
    orders: dict[str, Callable[[Array], Array]] = {
        "Fortran's": np.asfortranarray,
        "strided": lambda side: np.repeat(side, 2, axis=0)[::2],
        "reversed": lambda side: side[::-1].copy()[::-1],
    }
    value = subject.call(draw, seed=3).value()
    seen = []
    for name, order in orders.items():
        given = Draw(order(draw.x), order(draw.y), draw.pointwise_mi)
        found = subject.call(given, seed=3, as_given=True).value()
        seen.append(_compare(f"{name} and contiguous arrays", [found], [value], STACK_TOLERANCE))
    return max(seen, key=len)


def single_precision(subject: Subject) -> str:
    """Check that it answers float32 arrays themselves too, of which mibench makes float64."""
    draw = subject.draw()
    x, y = (cast(Array, side.astype(np.float32)) for side in draw[:2])
    return _answered(subject.call(Draw(x, y, draw.pointwise_mi)))


def vectors(subject: Subject) -> str:
    """Check that sides of one number, (n, 1), are answered; mibench makes them of (n,)."""
    return _answered(subject.call(_law(subject, "gaussian(d=1, mi=1)")))


def columns(subject: Subject) -> str:
    """Check that sides of several numbers, also of a different many, are answered, or declared unsupported."""
    wide = _law(subject, "gaussian(d=3, mi=1)")
    pointwise = wide.pointwise_mi
    return _all_answered(subject, [("x of 3", Draw(wide.x, wide.y[:, :1], pointwise)), ("both of 3", wide)])


def images(subject: Subject) -> str:
    """Check that sides (n, height, width) are answered, or declared unsupported."""
    return _answered(subject.call(_law(subject, "blobs(size=8, mi=1)")))


def ties(subject: Subject) -> str:
    """Check that data with many equal values get a finite answer, or NaN with a message."""
    return _altered(subject, lambda side: np.round(side * 2) / 2)


def duplicates(subject: Subject) -> str:
    """Check that data in which every row is there four times get a finite answer, or NaN with a message."""
    draw = subject.draw(ROWS // 4)
    pointwise = None if draw.pointwise_mi is None else np.repeat(draw.pointwise_mi, 4)
    return _answered(subject.call(Draw(np.repeat(draw.x, 4, axis=0), np.repeat(draw.y, 4, axis=0), pointwise)))


def constants(subject: Subject) -> str:
    """Check that a side that does not vary, and two, get a finite answer, or NaN with a message."""
    draw = subject.draw()
    x, y = (np.full_like(side, 0.1) for side in draw[:2])
    p = draw.pointwise_mi
    return _all_answered(
        subject, [("x", Draw(x, draw.y, p)), ("y", Draw(draw.x, y, p)), ("x and y", Draw(x, y, p))], "constant "
    )


def constant_column(subject: Subject) -> str:
    """Check that a column that does not vary, among others that do, gets a finite answer, or NaN with a message."""
    draw = subject.draw()
    if draw.x.ndim > 2:
        return _altered(subject, lambda side: np.where(np.arange(side.shape[-1]) == 0, 0.1, side))
    return _answered(subject.call(draw._replace(x=np.hstack([np.full((len(draw.x), 1), 0.1), draw.x]))))


def few_rows(subject: Subject) -> str:
    """Check that 2, 3 and 5 pairs get a finite answer, or NaN with a message, or are declared too few."""
    return _all_answered(subject, [(f"{n} pairs", subject.draw(n)) for n in (2, 3, 5)])


def _draws(subject: Subject) -> list[Draw]:
    return [subject.draw(replicate=replicate) for replicate in range(_REPLICATES)]


def _law(subject: Subject, spec: str) -> Draw:
    return registry.task(spec).draw(ROWS, subject.data_seed(0))


def _answered(call: Call) -> str:
    return f"{call.value():.4f} nats"


def _altered(subject: Subject, change: Callable[[Array], Array]) -> str:
    draw = subject.draw()
    return _answered(subject.call(Draw(change(draw.x), change(draw.y), draw.pointwise_mi)))


def _all_answered(subject: Subject, cases: list[tuple[str, Draw]], prefix: str = "") -> str:
    """Return what all cases came to; one failure fails all, and one declared limit skips all."""
    told, declared = [], False
    for name, draw in cases:
        try:
            told.append(f"{prefix}{name}: {_answered(subject.call(draw))}")
        except Skipped as reason:
            told.append(f"{prefix}{name}: {reason}")
            declared = True
        except Failed as reason:
            raise Failed(f"{prefix}{name}: {reason}") from None
    if declared:
        raise Skipped("; ".join(told))
    return "; ".join(told)


def _compare(what: str, one: list[float], other: list[float], tolerance: float) -> str:
    """Return the largest difference in words, or raise `Failed` where it is above `tolerance`."""
    largest = max(abs(left - right) for left, right in zip(one, other, strict=True))
    if not largest <= tolerance:
        raise Failed(f"{what} differ by {largest:.3g} nats; tolerance {tolerance:g}")
    return f"{what} differ by {largest:.2g} nats"


def _compare_sides(call: Call, x: Array, y: Array) -> None:
    for name, now, before in (("x", call.x, x), ("y", call.y, y)):
        if not np.array_equal(now, before):
            share = np.mean(now != before) if now.shape == before.shape else 1.0
            raise Failed(f"writes on {share:.0%} of the values of {name}; work on a copy")


def _check_real(name: str, found: Any) -> None:
    real = isinstance(found, numbers.Real) or (hasattr(found, "__float__") and not np.iscomplexobj(found))
    if not real or math.prod(getattr(found, "shape", ())) != 1:
        raise Failed(f"{name} is of type {type(found).__name__}; give a real number")
