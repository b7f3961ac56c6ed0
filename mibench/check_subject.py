"""An estimator under examination: it is called as mibench calls it, and each call is observed."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from mibench import registry
from mibench.check_report import Failed, Skipped
from mibench.distribution import Array, Draw, Shape, Task
from mibench.errors import MethodError, MibenchError
from mibench.estimation import Estimate, NamedEstimator, as_estimate, call_estimate
from mibench.seeding import derive_seed
from mibench.trace import Trace, observed

ROWS = 200  # pairs of a contract check
REPLICATES = 8  # of a law
_LAWS = ("gaussian(d=2, mi=1)", "gaussian(d=1, mi=1)", "quantized(d=1, mi=1)", "blobs(size=8, mi=1)")


@dataclass
class Call:
    """A call and what it came to: raw answers, or what was raised; the arrays as it left them."""

    x: Array
    y: Array
    replicates: int
    answers: Sequence[Any] = ()
    error: BaseException | None = None
    trace: Trace = field(default_factory=Trace)

    def estimates(self) -> list[Estimate]:
        """Return the answers; raises `Skipped` on a limit that was declared, `Failed` on any other error."""
        if isinstance(self.error, MibenchError) and not isinstance(self.error, MethodError):
            raise Skipped(f"declared: {_one_line(self.error)}")
        if self.error is not None:
            raise Failed(
                f"raised {type(self.error).__name__}: {_one_line(self.error)}; a limit is declared by `unsupported`, "
                "by Estimate(nan, message=...), or by raising MibenchError"
            )
        if len(self.answers) != self.replicates:
            raise Failed(f"estimate_batch returns {len(self.answers)} estimates for {self.replicates} replicates")
        try:
            return [as_estimate(answer) for answer in self.answers]
        except MibenchError as error:
            raise Failed(str(error)) from None

    def value(self) -> float:
        """Return the finite value of the first answer; raises as `estimates` does, and `Skipped` on NaN with reason."""
        found = self.estimates()[0]
        if math.isfinite(found.value):
            return found.value
        if found.message:
            raise Skipped(f"declared: {_one_line(found.message)}")
        raise Failed(f"answered {found.value} without a message; say why in Estimate(nan, message=...)")


@dataclass
class Subject:
    """An estimator with the device and the seed of its examination."""

    named: NamedEstimator
    device: str = "cpu"
    seed: int = 0
    _calls: int = 0
    _known: dict[tuple[str, int], Array] = field(default_factory=dict)

    @cached_property
    def _device(self) -> str:
        return self.named.resolve_device(self.device)

    @cached_property
    def task(self) -> Task:
        """The first of four laws of 1 nat that the method answers: of vectors, numbers, a label, or images."""
        return self._first(_LAWS)

    @cached_property
    def plain_task(self) -> Task:
        """As `task`, but of numbers first, where biases are smallest."""
        return self._first((_LAWS[1], _LAWS[0], *_LAWS[2:]))

    def draw(self, rows: int = ROWS, replicate: int = 0) -> Draw:
        """Return a draw of `task`."""
        return self.task.draw(rows, self.data_seed(replicate))

    def data_seed(self, replicate: int, *what: object) -> int:
        """Return the seed of a replicate's draws."""
        return derive_seed("check", self.seed, replicate, *what)

    def call(self, draw: Draw, seed: int = 0, as_given: bool = False) -> Call:
        """Estimate from one draw, or a copy of it as in the harness; a declared limit is the `error` that says so."""
        x, y = draw[:2] if as_given else (np.array(side, order="C") for side in draw[:2])

        def work() -> list[Any]:
            method, pointwise = self.named.method, draw.pointwise_mi
            return [call_estimate(method, x, y, seed, device=self._device, pointwise_mi=pointwise)]

        return self._observe(Call(x, y, 1), work, x.shape, y.shape)

    def call_batch(self, draws: Sequence[Draw], seeds: Sequence[int]) -> Call:
        """Estimate from copies of draws of equal shape, all in one call."""
        x, y = stacked(draws)

        def work() -> list[Any]:
            return list(self.named.method.estimate_batch(x, y, list(seeds), self._device))

        return self._observe(Call(x, y, len(draws)), work, x.shape[1:], y.shape[1:])

    def values(self, draws: Sequence[Draw]) -> Array:
        """Return the estimates (R,) of replicates r with seeds r; NaN where the method gives none and says why."""
        seeds = range(len(draws))
        if self.named.batched:
            call = self.call_batch(draws, seeds)
            if call.error is None and len(call.answers) != len(draws):
                raise Skipped("estimate_batch returns another number of estimates; see the check batch")
            found = call.estimates()
        else:
            found = [self.call(draw, seed).estimates()[0] for draw, seed in zip(draws, seeds, strict=True)]
        wrong = next((one for one in found if not math.isfinite(one.value) and not one.message), None)
        if wrong is not None:
            raise Failed(f"answered {wrong.value} without a message; say why in Estimate(nan, message=...)")
        return np.array([one.value if math.isfinite(one.value) else math.nan for one in found])

    def values_of(self, task: Task, rows: int) -> Array:
        """Return `values` of the replicates of a task, which several laws start from; computed once."""
        known = self._known.get((task.name, rows))
        if known is None:
            known = self._known[task.name, rows] = self.values(self.replicates(task, rows))
        return known

    def replicates(self, task: Task, rows: int, *what: object) -> list[Draw]:
        """Return the draws of 8 replicates."""
        return [task.draw(rows, self.data_seed(replicate, *what)) for replicate in range(REPLICATES)]

    def _first(self, specs: Sequence[str]) -> Task:
        refused = []
        for task in map(registry.task, specs):
            try:
                self.call(task.draw(ROWS, self.data_seed(0))).value()
            except (Skipped, Failed) as reason:
                refused.append(f"{task.name}: {reason}")
            else:
                return task
        raise Failed(f"answers none of the laws that are tried; {'; '.join(refused)}")

    def _observe(self, call: Call, work: Callable[[], Sequence[Any]], *shapes: Shape) -> Call:
        """Do the work and note what came of it, unless the method declares the shapes (n, ...) unsupported."""
        self._calls += 1
        try:
            with observed(self._calls) as call.trace:
                if shapes and (reason := self.named.method.unsupported(shapes[0][0], shapes[0][1:], shapes[1][1:])):
                    raise MibenchError(reason)
                call.answers = work()
        except (Exception, SystemExit) as error:
            call.error = error
        return call


def stacked(draws: Sequence[Draw]) -> tuple[Array, Array]:
    """Return x (R, n, ...) and y (R, n, ...) of draws of equal shape."""
    return np.stack([draw.x for draw in draws]), np.stack([draw.y for draw in draws])


def _one_line(text: object) -> str:
    return " ".join(str(text).split())[:200]
