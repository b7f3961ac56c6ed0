"""R independent networks as one: a stack of MLPs, every parameter of which has a leading dimension R."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import cast

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
        if self.weight.shape[2] == 1:  # batched products with a single column take four times as long
            return (x * self.weight.mT).sum(dim=2, keepdim=True) + self.bias
        return torch.baddbmm(self.bias, x, self.weight)

    def transposed(self, x: Tensor) -> Tensor:
        """Apply map r to the columns of x[r]: (R, inputs, B) → (R, outputs, B)."""
        return torch.baddbmm(self.bias.mT, self.weight.mT, x)


def silu(x: Tensor) -> Tensor:
    """Return x·sigmoid(x), in place of `x` where no gradient is asked for."""
    return nn.functional.silu(x, inplace=not torch.is_grad_enabled())


class StackedMLP(nn.Module):
    """R independent MLPs with `activation` between layers: (R, B, sizes[0]) → (R, B, sizes[-1])."""

    def __init__(
        self,
        sizes: Sequence[int],
        generators: Sequence[torch.Generator],
        zero_last: bool = False,
        activation: Callable[[Tensor], Tensor] = torch.relu_,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.layers = nn.ModuleList(StackedLinear(a, b, generators) for a, b in pairwise(sizes))
        if zero_last:
            for parameter in self.layers[-1].parameters():
                nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Apply network r to the rows of x[r]."""
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return cast(Tensor, self.layers[-1](x))

    def transposed(self, x: Tensor) -> Tensor:
        """Map (R, sizes[0], B) → (R, sizes[-1], B), for work that is faster along rows."""
        *inner, last = (cast(StackedLinear, layer) for layer in self.layers)
        for layer in inner:
            x = self.activation(layer.transposed(x))
        return last.transposed(x)


def torch_generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """Return one CPU generator a replicate, so that initial weights are the same on every device."""
    return [torch.Generator().manual_seed(seed) for seed in seeds]
