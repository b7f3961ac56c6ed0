"""A stack of convolutional networks, as grouped convolutions."""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from .stack import StackedMLP, silu

_CHANNELS = 8
_MOST_CHANNELS = 32
_LEFT = 4


class StackedConv(nn.Module):
    """x"""

    def __init__(self, inputs: int, outputs: int, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        bound = 1 / math.sqrt(9 * inputs)
        draws = [torch.empty(9 * inputs + 1, outputs).uniform_(-bound, bound, generator=g) for g in generators]
        stacked = torch.stack(draws).mT
        self.weight = nn.Parameter(stacked[..., :-1].reshape(len(generators), outputs, inputs, 3, 3).contiguous())
        self.bias = nn.Parameter(stacked[..., -1].contiguous())

    def forward(self, x: Tensor) -> Tensor:
        """x"""
        return nn.functional.conv2d(
            x, self.weight.flatten(0, 1), self.bias.flatten(), stride=2, padding=1, groups=len(self.weight)
        )


class ConvTower(nn.Module):
    """x"""

    def __init__(
        self,
        shape: tuple[int, ...],
        widths: Sequence[int],
        generators: Sequence[torch.Generator],
        zero_last: bool = False,
    ) -> None:
        super().__init__()
        channels, height, width = shape
        convolutions = []
        outputs = _CHANNELS
        while max(height, width) > _LEFT:
            convolutions.append(StackedConv(channels, outputs, generators))
            channels, outputs = outputs, min(2 * outputs, _MOST_CHANNELS)
            height, width = -(-height // 2), -(-width // 2)
        self.convolutions = nn.ModuleList(convolutions)
        self.mlp = StackedMLP([channels * height * width, *widths], generators, zero_last, silu)

    def forward(self, x: Tensor) -> Tensor:
        """x"""
        replicates, rows = x.shape[:2]
        maps = x.transpose(0, 1).flatten(1, 2)
        for convolution in self.convolutions:
            maps = silu(convolution(maps))
        features = maps.reshape(rows, replicates, -1).transpose(0, 1)
        return cast(Tensor, self.mlp(features))
