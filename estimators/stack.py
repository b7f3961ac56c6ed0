"""R independent networks as one: a stack of MLPs, and the loop that trains a stack with early stopping.

Every parameter has a leading dimension R, one slice a replicate. Losses are summed over it, so that a replicate's
gradient, and with Adam its whole path, does not depend on the others in the stack.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn


class StackedLinear(nn.Module):
    """R affine maps: (R, B, inputs) → (R, B, outputs); Kaiming-uniform weights as in `torch.nn.Linear`."""

    def __init__(self, inputs: int, outputs: int, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        bound = 1 / math.sqrt(max(inputs, 1))
        draws = [torch.empty(inputs + 1, outputs).uniform_(-bound, bound, generator=g) for g in generators]
        stacked = torch.stack(draws)
        self.weight = nn.Parameter(stacked[:, :-1].contiguous())
        self.bias = nn.Parameter(stacked[:, -1:].contiguous())

    def forward(self, x: Tensor) -> Tensor:
        """Apply map r to the rows of x[r]."""
        return torch.baddbmm(self.bias, x, self.weight)

    def transposed(self, x: Tensor) -> Tensor:
        """Apply map r to the columns of x[r]: (R, inputs, B) → (R, outputs, B)."""
        return torch.baddbmm(self.bias.mT, self.weight.mT, x)


class StackedMLP(nn.Module):
    """R independent MLPs with ReLU between layers: (R, B, sizes[0]) → (R, B, sizes[-1])."""

    def __init__(self, sizes: Sequence[int], generators: Sequence[torch.Generator], zero_last: bool = False) -> None:
        super().__init__()
        self.layers = nn.ModuleList(StackedLinear(a, b, generators) for a, b in pairwise(sizes))
        if zero_last:
            for parameter in self.layers[-1].parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Apply network r to the rows of x[r]."""
        for layer in self.layers[:-1]:
            x = torch.relu_(layer(x))
        return cast(Tensor, self.layers[-1](x))

    def transposed(self, x: Tensor) -> Tensor:
        """Map (R, sizes[0], B) → (R, sizes[-1], B), for work that is faster along rows."""
        *inner, last = (cast(StackedLinear, layer) for layer in self.layers)
        for layer in inner:
            x = torch.relu_(layer.transposed(x))
        return last.transposed(x)


def torch_generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """Return one CPU generator a replicate, so that initial weights are the same on every device."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]


class Minibatches:
    """Row indices (R, batch), drawn without replacement within an epoch, by one random stream a replicate."""

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


def take(rows: Tensor, index: Tensor) -> Tensor:
    """Return rows[r, index[r]] for each r: (R, n, d) and (R, B) → (R, B, d)."""
    return torch.take_along_dim(rows, index[..., None], dim=1)


@dataclass(frozen=True)
class Training:
    """How the training of each replicate ended: steps taken, the step that was kept, and its validation loss."""

    steps: list[int]
    best_step: list[int]
    best_loss: list[float]
    converged: list[bool]

    def diagnostics(self, replicate: int) -> dict[str, float | int | bool]:
        """Return one replicate's figures for its record."""
        return {
            "steps": self.steps[replicate],
            "best_step": self.best_step[replicate],
            "validation_loss": self.best_loss[replicate],
            "converged": self.converged[replicate],
        }


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
) -> Training:
    """Minimise the losses (R,) with Adam, and leave each replicate with the weights of its best validation loss.

    `loss` draws its own batch. `validate` is called before the first step and every `check_every` steps; a replicate
    that has not improved by more than a share `tolerance` of its loss for `patience` checks stops, and training ends
    when all have. Step 0 takes part, so weights that begin at the answer stay there. What is validated and kept is the
    exponential moving average of the weights with decay `averaging` (none at 0), which is free of most of the noise of
    the last minibatches.
    """
    optimiser = torch.optim.Adam(parameters, lr=learning_rate)
    averages = [parameter.detach().clone() for parameter in parameters]
    with _one_thread():
        best = _Best(_validate(validate), averages)
        for step in range(1, max_steps + 1):
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss().sum())
            optimiser.step()
            for average, parameter in zip(averages, parameters, strict=True):
                average.lerp_(parameter.detach(), max(1 - averaging, 1 / step))
            if step % check_every and step != max_steps:
                continue
            with _loaded(parameters, averages):
                value = _validate(validate)
            best.note(step, value, averages, tolerance)
            best.active &= step - best.mark_step < patience * check_every
            if not best.active.any():
                break
    _load(parameters, best.weights)
    ended = (best.last_step, best.step, best.loss, ~best.active)
    return Training(*(each.tolist() for each in ended))


class _Best:
    """The best validation loss (R,) of each replicate that has not stopped, its step and its weights.

    `mark` is the last loss that was an improvement by more than the tolerance.
    """

    def __init__(self, loss: Tensor, weights: Sequence[Tensor]) -> None:
        self.loss, self.mark = loss, loss.clone()
        self.step, self.mark_step, self.last_step = (torch.zeros_like(loss, dtype=torch.long) for _ in range(3))
        self.active = torch.ones_like(loss, dtype=torch.bool)
        self.weights = [weight.clone() for weight in weights]

    def note(self, step: int, value: Tensor, weights: Sequence[Tensor], tolerance: float) -> None:
        """Take the validation losses `value` (R,) of the replicates that are active after `step` steps."""
        self.last_step[self.active] = step
        better = self.active & (value < self.loss)
        self.loss = torch.where(better, value, self.loss)
        self.step[better] = step
        for kept, weight in zip(self.weights, weights, strict=True):
            kept[better] = weight[better]
        least = (tolerance * self.mark.abs()).nan_to_num(posinf=0.0)
        ahead = self.active & (value < self.mark - least)
        self.mark = torch.where(ahead, value, self.mark)
        self.mark_step[ahead] = step


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep the CPU's part to one thread: steps this small cost more to share out than to do, by up to ten times."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _loaded(parameters: Sequence[nn.Parameter], values: Sequence[Tensor]) -> Iterator[None]:
    """Give the parameters these values for a while."""
    own = [parameter.detach().clone() for parameter in parameters]
    _load(parameters, values)
    yield
    _load(parameters, own)


def _load(parameters: Sequence[nn.Parameter], values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for parameter, value in zip(parameters, values, strict=True):
            parameter.copy_(value)


def _validate(validate: Callable[[], Tensor]) -> Tensor:
    """Return the validation losses (R,), a diverged one as +inf, which never counts as better."""
    with torch.no_grad():
        value = validate()
    return torch.where(torch.isfinite(value), value, torch.inf)
