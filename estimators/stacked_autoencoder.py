"""A stack of S autoencoders that begin at principal component analysis."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from .stack import StackedMLP, silu


class StackedAutoencoder(nn.Module):
    """S autoencoders of rows (S, n, inputs) in principal axes, that begin at the first few coordinates themselves.

    `spread` (S, 1, latent) is the standard deviation of those coordinates, which codes have divided out.
    """

    pace: ClassVar[float] = 1.0  # the share of the learning rate that suits it

    def __init__(
        self, inputs: int, hidden: Sequence[int], spread: Tensor, generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        self.latent = spread.shape[-1]
        self.spread = torch.where(spread > 0, spread, 1)
        sizes = [inputs, *hidden, self.latent]
        self.encoder = StackedMLP(sizes, generators, zero_last=True, activation=silu)
        self.decoder = StackedMLP(sizes[::-1], generators, zero_last=True, activation=silu)

    def encode(self, rows: Tensor) -> Tensor:
        """Return the codes (S, n, latent)."""
        correction: Tensor = self.encoder(rows)
        return rows[..., : self.latent] / self.spread + correction

    def decode(self, codes: Tensor) -> Tensor:
        """Return the rows (S, n, inputs) that have these codes."""
        rows: Tensor = self.decoder(codes).clone()
        rows[..., : self.latent] += codes * self.spread
        return rows

    def loss(self, rows: Tensor) -> Tensor:
        """Return the mean square error (S,), which is the unexplained share of variance where rows have unit scale."""
        return (self.decode(self.encode(rows)) - rows).square().mean(dim=(1, 2))
