"""A stack of R convolutional networks, as grouped convolutions."""

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from .stack import StackedMLP, silu

_FIRST = 8  # channels, doubled by each convolution
_MOST = 32
_FINE = 8  # places a side that convolutions leave at most
_COARSE = 4  # places a side at which features and pixels are read
_SHARE = 0.1


class StackedConv(nn.Module):
    """R 3 × 3 convolutions as one of R groups: (B, R·inputs, H, W) → (B, R·outputs, ⌈H/stride⌉, ⌈W/stride⌉).

    Initial weights are Kaiming-uniform as in `torch.nn.Conv2d`.
    """

    def __init__(
        self, inputs: int, outputs: int, stride: tuple[int, int], generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        self.stride = stride
        bound = 1 / math.sqrt(9 * inputs)
        draws = [torch.empty(outputs, 9 * inputs + 1).uniform_(-bound, bound, generator=g) for g in generators]
        stacked = torch.stack(draws)
        self.weight = nn.Parameter(stacked[..., :-1].reshape(*stacked.shape[:2], inputs, 3, 3))
        self.bias = nn.Parameter(stacked[..., -1].contiguous())

    def forward(self, x: Tensor) -> Tensor:
        """Apply convolution r to the r-th group of channels."""
        weight, bias = self.weight.flatten(0, 1), self.bias.flatten()
        return nn.functional.conv2d(x, weight, bias, self.stride, padding=1, groups=len(self.weight))


class ConvTower(nn.Module):
    """R networks of images (channels, height, width) = `shape`: (R, B, *shape) → (R, B, widths[-1]).

    Convolutions with SiLU, of stride 2 along a side of more than 8 places, leave at most 8 × 8 places. The pixels, and
    a tenth of these features, are averaged over 4 × 4 parts of the image, and an MLP with layers of `widths` follows.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        widths: Sequence[int],
        generators: Sequence[torch.Generator],
        zero_last: bool = False,
    ) -> None:
        super().__init__()
        pixels, *sides = shape
        channels, outputs = pixels, _FIRST
        convolutions: list[StackedConv] = []
        while not convolutions or max(sides) > _FINE:
            stride = (1 + (sides[0] > _FINE), 1 + (sides[1] > _FINE))
            convolutions.append(StackedConv(channels, outputs, stride, generators))
            channels, outputs = outputs, min(2 * outputs, _MOST)
            sides = [math.ceil(side / step) for side, step in zip(sides, stride, strict=True)]
        self.convolutions = nn.ModuleList(convolutions)
        self.mlp = StackedMLP([(pixels + channels) * _COARSE**2, *widths], generators, zero_last, silu)

    def forward(self, x: Tensor) -> Tensor:
        """Apply network r to the images x[r]."""
        maps = x.transpose(0, 1).flatten(1, 2)
        # A CPU then takes 0.8 ms a replicate of 256 images (16, 16), not 2.0; im2col and baddbmm would take 1.5.
        if not x.is_cuda:
            maps = maps.contiguous(memory_format=torch.channels_last)
        seen = [self._read(maps, len(x))]
        for convolution in self.convolutions:
            maps = silu(convolution(maps))
        # A step of Adam moves the weights of all features at once; at full size they drown those of the pixels.
        seen.append(_SHARE * self._read(maps, len(x)))
        return cast(Tensor, self.mlp(torch.cat(seen, dim=-1).flatten(2)))

    @staticmethod
    def _read(maps: Tensor, replicates: int) -> Tensor:
        """Return the means (R, B, 16, channels) of maps (B, R·channels, H, W) over parts of the image."""
        means = nn.functional.adaptive_avg_pool2d(maps, _COARSE).permute(0, 2, 3, 1)
        return means.reshape(len(maps), _COARSE**2, replicates, -1).permute(2, 0, 1, 3)
