"""A stack of S convolutional autoencoders of images, as grouped convolutions."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from .stack import StackedMLP, silu
from .towers import Shape, StackedConv, from_maps, pyramid, to_maps

_PLACES = 4  # a side, between convolutions and MLP


class StackedConvAutoencoder(nn.Module):
    """S autoencoders of images (S, n, C·H·W), each centred, that begin at projection onto `axes` (S, latent, C·H·W).

    `axes` are the leading principal axes, as long as the standard deviation along them. A code is the coordinates in
    these units, and what convolutions of stride 2 to at most 4 × 4 places, and an MLP through `hidden`, add to them. An
    image is the code times the axes, and what the mirrored networks add to it.
    """

    pace: ClassVar[float] = 0.3  # a step moves what all places of an image see: at full pace training may not settle

    def __init__(
        self, shape: Shape, hidden: Sequence[int], axes: Tensor, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        self.axes = axes
        squares = axes.square().sum(dim=-1, keepdim=True)
        self.duals = (axes / torch.where(squares > 0, squares, 1)).mT
        shapes = pyramid(shape, _PLACES)
        widths = [math.prod(shapes[-1]), *hidden, axes.shape[1]]
        self.encoder = ConvEncoder(shapes, widths, generators)
        self.decoder = ConvDecoder(shapes[::-1], widths[::-1], generators)

    def encode(self, images: Tensor) -> Tensor:
        """Return the codes (S, n, latent)."""
        return torch.baddbmm(self.encoder(images), images, self.duals)

    def decode(self, codes: Tensor) -> Tensor:
        """Return the images (S, n, C·H·W) that have these codes."""
        return torch.baddbmm(self.decoder(codes), codes, self.axes)

    def loss(self, images: Tensor) -> Tensor:
        """Return the mean square error (S,): the unexplained share of variance, where pixels have unit scale."""
        return (self.decode(self.encode(images)) - images).square().mean(dim=(1, 2))


class ConvEncoder(nn.Module):
    """S convolutional networks with SiLU, to maps of `shapes`, then MLPs through `widths`: (S, n, C·H·W) → (S, n, k).

    They begin at zero.
    """

    def __init__(self, shapes: Sequence[Shape], widths: Sequence[int], generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        self.shape = shapes[0]
        self.convolutions = nn.ModuleList(StackedConv(fine, coarse, generators) for fine, coarse in pairwise(shapes))
        self.mlp = StackedMLP(widths, generators, zero_last=True, activation=silu)

    def forward(self, images: Tensor) -> Tensor:
        """Apply network s to images[s]."""
        maps = to_maps(images.reshape(*images.shape[:2], *self.shape))
        for convolution in self.convolutions:
            maps = silu(convolution(maps))
        return cast(Tensor, self.mlp(from_maps(maps, len(images)).flatten(2)))


class ConvDecoder(nn.Module):
    """S MLPs through `widths`, then convolutions of maps of `shapes`, magnified first: (S, n, k) → (S, n, C·H·W).

    They begin at zero.
    """

    def __init__(self, shapes: Sequence[Shape], widths: Sequence[int], generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        self.shapes = shapes
        self.mlp = StackedMLP(widths, generators, activation=silu)
        self.convolutions = nn.ModuleList(
            StackedConv((before[0], *after[1:]), after, generators) for before, after in pairwise(shapes)
        )
        for parameter in self.convolutions[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, codes: Tensor) -> Tensor:
        """Apply network s to codes[s]."""
        maps = to_maps(self.mlp(codes).reshape(*codes.shape[:2], *self.shapes[0]))
        for convolution, shape in zip(self.convolutions, self.shapes[1:], strict=True):
            # Each place is repeated up to the size before the stride of 2, which is odd or even.
            maps = convolution(nn.functional.interpolate(silu(maps), size=shape[1:]))
        return maps.reshape(len(maps), len(codes), -1).transpose(0, 1)
