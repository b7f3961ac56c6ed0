"""The loop that trains a stack of networks at once, with early stopping for each of them.

Losses are summed over the stack, so that a member's gradient, and with Adam its whole path, does not depend on the
others.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from .columns import Index
from .parallel import threads, together

Result = TypeVar("Result")

_LARGEST = 31 * 2**20
_STACK = 8  # networks trained together on a CPU, whose hidden layers its cache holds


class Minibatches:
    """Row indices (R, batch), drawn without replacement within an epoch, by one random stream a member."""

    def __init__(self, n: int, batch: int, seeds: Sequence[int], device: str) -> None:
        self.n, self.batch, self.device = n, min(batch, n), device
        self._streams = [np.random.default_rng(seed) for seed in seeds]
        self._order = torch.empty(0)
        self._next = self.n

    def __call__(self) -> Tensor:
        """Return the next batch of indices."""
        if self._next + self.batch > self.n:
            order = np.stack([stream.permutation(self.n) for stream in self._streams])
            self._order = torch.as_tensor(order, device=self.device)
            self._next = 0
        chosen = self._order[:, self._next : self._next + self.batch]
        self._next += self.batch
        return chosen

    def keep(self, members: Tensor) -> None:
        """Go on with these members alone."""
        self._streams = [self._streams[member] for member in members.tolist()]
        self._order = self._order[members] if len(self._order) else self._order


def take(rows: Tensor, index: Tensor) -> Tensor:
    """Return rows[r, index[r]] for each r: (R, n, ...) and (R, B) → (R, B, ...)."""
    flat = index + torch.arange(len(rows), device=rows.device)[:, None] * rows.shape[1]
    return rows.flatten(0, 1).index_select(0, flat.flatten()).view(*index.shape, *rows.shape[2:])


@dataclass(frozen=True)
class Training:
    """How the training of each member ended: steps taken, the step that was kept, and its validation loss."""

    steps: list[int]
    best_step: list[int]
    best_loss: list[float]
    converged: list[bool]

    def diagnostics(self, member: int) -> dict[str, float | int | bool]:
        """Return one member's figures for its record."""
        return {
            "steps": self.steps[member],
            "best_step": self.best_step[member],
            "validation_loss": self.best_loss[member],
            "converged": self.converged[member],
        }


def join(stages: Sequence[Training]) -> Training:
    """Return the training of stages one after the other: steps add up, the last loss counts."""
    return Training(
        [sum(steps) for steps in zip(*(stage.steps for stage in stages), strict=True)],
        [sum(steps) for steps in zip(*(stage.best_step for stage in stages), strict=True)],
        stages[-1].best_loss,
        [all(each) for each in zip(*(stage.converged for stage in stages), strict=True)],
    )


def train(
    parameters: Sequence[nn.Parameter],
    loss: Callable[[], Tensor],
    validate: Callable[[], Tensor],
    *,
    learning_rate: float,
    max_steps: int,
    check_every: int,
    patience: int,
    averaging: float = 0.0,
    tolerance: float = 0.0,
    keep: Callable[[Tensor], None] | None = None,
) -> Training:
    """Minimise the losses (R,) with Adam, and leave each member with the weights of its best validation loss.

    `loss` draws its own batch. `validate` is called before the first step and every `check_every` steps; a member that
    has not improved by more than a share `tolerance` of its loss for `patience` checks stops, and training ends when
    all have. Step 0 takes part, so weights that begin at the answer stay there. What is validated and kept is the
    exponential moving average of the weights with decay `averaging` (none at 0), which is free of most of the noise of
    the last minibatches.

    When members stop, `keep` is asked to restrict both functions to those, by their places in the stack, that go on;
    without it the stack is whole until the last one stops.
    """
    optimiser = torch.optim.Adam(parameters, lr=learning_rate, fused=True)
    averages = [parameter.detach().clone() for parameter in parameters]
    with one_thread():
        best = _Best(_validate(validate), averages)
        for step in range(1, max_steps + 1):
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss().sum())
            optimiser.step()
            with torch.no_grad():
                torch._foreach_lerp_(averages, list(parameters), max(1 - averaging, 1 / step))
            if step % check_every and step != max_steps:
                continue
            with _loaded(parameters, averages):
                value = _validate(validate)
            best.note(step, value, averages, tolerance)
            going_on = best.stop(step - patience * check_every)
            if not len(going_on):
                break
            if keep and len(going_on) < len(value):
                keep(going_on)
                _compact(optimiser, parameters, averages, going_on)
                best.keep(going_on)
    for parameter, weight in zip(parameters, best.weights, strict=True):
        parameter.data = weight
    return Training(best.last_step.tolist(), best.step.tolist(), best.loss.tolist(), (~best.active).tolist())


class _Best:
    """The best validation loss (R,) of each member that has not stopped, its step and its weights.

    `mark` is the last loss that was an improvement by more than the tolerance; `members` are those in the stack.
    """

    def __init__(self, loss: Tensor, weights: Sequence[Tensor]) -> None:
        self.loss, self.mark = loss, loss.clone()
        self.step, self.mark_step, self.last_step = (torch.zeros_like(loss, dtype=torch.long) for _ in range(3))
        self.active = torch.ones_like(loss, dtype=torch.bool)
        self.members = torch.arange(len(loss), device=loss.device)
        self.weights = [weight.clone() for weight in weights]

    def note(self, step: int, value: Tensor, weights: Sequence[Tensor], tolerance: float) -> None:
        """Take the validation losses `value` of the stack after `step` steps, for those that are active."""
        active = self.active[self.members]
        self.last_step[self.members[active]] = step
        better = active & (value < self.loss[self.members])
        places = self.members[better]
        self.loss[places] = value[better]
        self.step[places] = step
        for kept, weight in zip(self.weights, weights, strict=True):
            kept[places] = weight[better]
        mark = self.mark[self.members]
        ahead = active & (value < mark - (tolerance * mark.abs()).nan_to_num(posinf=0.0))
        self.mark[self.members[ahead]] = value[ahead]
        self.mark_step[self.members[ahead]] = step

    def stop(self, deadline: int) -> Tensor:
        """Stop members whose last improvement is no later than `deadline`; return the places of those that go on."""
        self.active &= self.mark_step > deadline
        return self.active[self.members].nonzero()[:, 0]

    def keep(self, places: Tensor) -> None:
        """Take the stack to be those at `places` of what it was."""
        self.members = self.members[places]


def _compact(
    optimiser: torch.optim.Optimizer, parameters: Sequence[nn.Parameter], averages: list[Tensor], places: Tensor
) -> None:
    """Leave these members alone in the parameters, their averages and the state of the optimiser."""
    averages[:] = [average[places] for average in averages]
    for parameter in parameters:
        parameter.grad = None
        size = len(parameter)
        parameter.data = parameter.data[places]
        state = optimiser.state[parameter]
        state.update({key: value[places] for key, value in state.items() if value.ndim and len(value) == size})


def warm_up_training(device: str) -> None:
    """Take a step, as the first one of a process loads a second's worth of torch."""
    parameter = nn.Parameter(torch.zeros(1, device=device))
    optimiser = torch.optim.Adam([parameter], fused=True)
    torch.autograd.backward(nn.functional.silu(parameter).sum())
    optimiser.step()


def in_stacks(work: Callable[[Index], list[Result]], count: int, networks: int, device: str) -> list[Result]:
    """Return ``work(part)`` of parts of the replicates 0 … count, one after the other, that train `networks` each.

    A GPU takes them all as one stack; a CPU an even number of stacks of no more than 8 networks, each on one thread,
    so that what is found does not depend on how many threads there are.
    """
    if device != "cpu":
        return work(np.arange(count))
    parts = np.array_split(np.arange(count), min(count, 2 * math.ceil(count * networks / (2 * _STACK))))

    def alone(part: Index) -> list[Result]:
        torch.set_num_threads(1)  # of this thread
        return work(part)

    with one_thread():
        return [result for results in together(alone, parts, threads()) for result in results]


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep the CPU's part to one thread: steps this small cost more to share out than to do, by up to ten times."""
    _hold_memory()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _hold_memory() -> None:
    """Have the C library keep what each step frees for the next one, a third of whose time can be page faults.

    glibc gives freed memory back to the system above twice the largest block that it has seen freed, up to 64 MB.
    """
    torch.empty(_LARGEST, dtype=torch.uint8)


@contextmanager
def _loaded(parameters: Sequence[nn.Parameter], values: Sequence[Tensor]) -> Iterator[None]:
    """Give the parameters these values for a while."""
    own = [parameter.data for parameter in parameters]
    for parameter, value in zip(parameters, values, strict=True):
        parameter.data = value
    yield
    for parameter, value in zip(parameters, own, strict=True):
        parameter.data = value


def _validate(validate: Callable[[], Tensor]) -> Tensor:
    """Return the validation losses (R,), a diverged one as +inf, which never counts as better."""
    with torch.no_grad():
        value = validate()
    return torch.where(torch.isfinite(value), value, torch.inf)
