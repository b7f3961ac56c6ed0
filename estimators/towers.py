"""A stack of R convolutional networks, as grouped convolutions."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from .stack import StackedMLP, silu

_FIRST = 8  # channels, doubled by each convolution
_MOST = 32
_FINE = 8  # places a side that convolutions leave at most
_COARSE = 4  # places a side at which features and pixels are read
_SHARE = 0.1

Shape = tuple[int, ...]


def pyramid(shape: Shape, places: int) -> list[Shape]:
    """Return the shapes (channels, height, width) of an image, and after each convolution, to at most `places` a side.

    There is at least one; it halves a side of more than `places`, rounded up.
    """
    shapes, outputs = [shape], _FIRST
    while len(shapes) == 1 or max(shapes[-1][1:]) > places:
        shapes.append((outputs, *(math.ceil(side / 2) if side > places else side for side in shapes[-1][1:])))
        outputs = min(2 * outputs, _MOST)
    return shapes


def to_maps(images: Tensor) -> Tensor:
    """Return images (R, B, C, H, W) as maps (B, R·C, H, W), of which member r has the r-th group of channels."""
    maps = images.transpose(0, 1).flatten(1, 2)
    # A CPU then takes 0.8 ms a replicate of 256 images (16, 16), not 2.0; im2col and baddbmm would take 1.5.
    return maps if maps.is_cuda else maps.contiguous(memory_format=torch.channels_last)


def from_maps(maps: Tensor, members: int) -> Tensor:
    """Return maps (B, R·C, H, W) as features (R, B, H·W, C)."""
    places = maps.permute(0, 2, 3, 1)
    return places.reshape(len(maps), -1, members, maps.shape[1] // members).permute(2, 0, 1, 3)


class StackedConv(nn.Module):
    """R 3 × 3 convolutions as one of R groups: (B, R·C, H, W) → (B, R·C', H', W'), of shapes `fine` and `coarse`.

    The stride is 2 along a side that is shorter then. Initial weights are Kaiming-uniform as in `torch.nn.Conv2d`.
    """

    def __init__(self, fine: Shape, coarse: Shape, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        self.stride = tuple(1 + (after < before) for before, after in zip(fine[1:], coarse[1:], strict=True))
        inputs, outputs = fine[0], coarse[0]
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
        shape: Shape,
        widths: Sequence[int],
        generators: Sequence[torch.Generator],
        zero_last: bool = False,
    ) -> None:
        super().__init__()
        shapes = pyramid(shape, _FINE)
        self.convolutions = nn.ModuleList(StackedConv(fine, coarse, generators) for fine, coarse in pairwise(shapes))
        features = (shape[0] + shapes[-1][0]) * _COARSE**2
        self.mlp = StackedMLP([features, *widths], generators, zero_last, silu)

    def forward(self, x: Tensor) -> Tensor:
        """Apply network r to the images x[r]."""
        maps = to_maps(x)
        seen = [self._read(maps, len(x))]
        for convolution in self.convolutions:
            maps = silu(convolution(maps))
        # A step of Adam moves the weights of all features at once; at full size they drown those of the pixels.
        seen.append(_SHARE * self._read(maps, len(x)))
        return cast(Tensor, self.mlp(torch.cat(seen, dim=-1).flatten(2)))

    @staticmethod
    def _read(maps: Tensor, replicates: int) -> Tensor:
        """Return the means (R, B, 16, channels) of maps (B, R·channels, H, W) over parts of the image."""
        return from_maps(nn.functional.adaptive_avg_pool2d(maps, _COARSE), replicates)
