"""Learned conditional densities as critics: stacks of R networks that give ln q(y | x) of pairs, in nats.

Densities are relative to a fixed one, of a standard normal y or of uniform codes, which cancels in every bound, so that
T begins at 0 or near it.
"""

import copy
import math
from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, softplus

from .critics import Critic, Shape, tower
from .stack import StackedLinear, StackedMLP, silu

_LEAST_LOG_SCALE = -9.0  # of a coordinate of about unit scale: the finest that float32 can tell from a tie
_HALF_LOG_TAU = math.log(2 * math.pi) / 2


class DiagonalGaussian(Critic):
    """T(x, y) = ln N(y; μ(x), σ(x)²) − ln N(y; 0, 1), with one network of x for all μ_k and ln σ_k; begins at T = 0."""

    def __init__(
        self, x_shape: Shape, y_shape: Shape, hidden: Sequence[int], generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        outputs = 2 * y_shape[0]
        self.of_x = tower(x_shape, hidden[:1], generators)
        self.rest = StackedMLP([*hidden, outputs], generators, zero_last=True, activation=silu)
        self.skip = zeroed(StackedLinear(hidden[0], outputs, generators))

    def embed(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return (μ, ln σ) and y."""
        first = self.of_x(x)
        outputs = self.skip(first) + self.rest(silu(first))
        mean, log_scale = outputs.chunk(2, dim=-1)
        return torch.cat([mean, bounded(log_scale)], dim=-1), y

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Return T (R, ...)."""
        mean, log_scale = left.chunk(2, dim=-1)
        scaled = (right - mean) * (-log_scale).exp()
        return ((right.square() - scaled.square()) / 2 - log_scale).sum(dim=-1)


class Mixture(nn.Module):
    """The density of one coordinate as a mixture of `components` Gaussian or logistic laws, relative to N(0, 1)."""

    def __init__(self, kind: Literal["gaussian", "logistic"], components: int) -> None:
        super().__init__()
        self.kind = kind
        self.outputs = 3 * components
        quantiles = torch.special.ndtri((torch.arange(components, dtype=torch.float64) + 0.5) / components)
        log_scale = -math.log(components) / 2 - (math.log(math.sqrt(3) / math.pi) if kind == "logistic" else 0)
        zeros = torch.zeros_like(quantiles)
        self.start: Tensor
        self.register_buffer("start", torch.cat([quantiles, zeros + log_scale, zeros]).float())

    def coordinates(self, y_shape: Shape) -> int:
        """Return how many coordinates rows y of this shape have."""
        return y_shape[0]

    def split(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return what later coordinates see of rows y (R, B, ...), and what the density is of, both (R, B, d)."""
        return y, y

    def forward(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the log-density (R, ..., d) of y (R, ..., d) by outputs (R, ..., d, 3 · components)."""
        mean, log_scale, weight = (outputs + self.start).chunk(3, dim=-1)
        log_scale = bounded(log_scale)
        scaled = (y[..., None] - mean) * (-log_scale).exp()
        if self.kind == "gaussian":
            shape = -scaled.square() / 2
        else:
            shape = logsigmoid(scaled) + logsigmoid(-scaled) + _HALF_LOG_TAU
        density: Tensor = (weight.log_softmax(dim=-1) + shape - log_scale).logsumexp(dim=-1) + y.square() / 2
        return density


class Categorical(nn.Module):
    """The probability of one code out of 0 … levels − 1, relative to 1 / levels; rows y hold inputs, then codes."""

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.outputs = levels

    def coordinates(self, y_shape: Shape) -> int:
        """Return how many coordinates rows y of this shape have."""
        return y_shape[0] // 2

    def split(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return what later coordinates see of rows y (R, B, 2 d), and the codes, both (R, B, d)."""
        seen, codes = y.chunk(2, dim=-1)
        return seen, codes

    def forward(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the log-probability (R, ..., d) of codes y (R, ..., d) by outputs (R, ..., d, levels)."""
        chosen = outputs.gather(-1, y[..., None].long())[..., 0]
        return chosen - outputs.logsumexp(dim=-1) + math.log(self.outputs)


class Chain(nn.Module):
    """Networks of all coordinates' densities given those before them: a hidden unit sees the first m, and units like it.

    A masked autoencoder (Germain et al., ICML 2015), with a linear path beside its hidden layers.
    """

    def __init__(
        self, coordinates: int, outputs: int, hidden: Sequence[int], generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        self.coordinates = coordinates
        numbers = torch.arange(coordinates)
        seen = [torch.arange(width) * coordinates // width for width in hidden]
        last = numbers.repeat_interleave(outputs)
        self.first = MaskedLinear(numbers[:, None] < seen[0], generators)
        self.inner = nn.ModuleList(
            MaskedLinear(a[:, None] <= b, generators) for a, b in zip(seen[:-1], seen[1:], strict=True)
        )
        self.last = zeroed(MaskedLinear(seen[-1][:, None] <= last, generators))
        self.skip = zeroed(MaskedLinear(seen[0][:, None] <= last, generators))

    def forward(self, first: Tensor) -> Tensor:
        """Return the outputs (R, ..., d, outputs) by the first layer (R, ..., width) before its activation."""
        flat = first.flatten(1, -2)
        outputs = self.skip(flat)
        flat = silu(flat)
        for layer in self.inner:
            flat = silu(layer(flat))
        outputs = outputs + self.last(flat)
        return cast(Tensor, outputs.reshape(*first.shape[:-1], self.coordinates, -1))


class ChainCritic(Critic):
    """ln q(y | x) and ln r(y) as two outputs (..., 2), each a sum over coordinates given those before.

    Both begin as the same function of y, so that what a network learns of y alone cancels in their difference.
    """

    def __init__(
        self,
        x_shape: Shape,
        y_shape: Shape,
        head: Mixture | Categorical,
        hidden: Sequence[int],
        generators: Sequence[torch.Generator],
    ) -> None:
        super().__init__()
        self.head = head
        self.width = hidden[0]
        self.of_x = tower(x_shape, hidden[:1], generators)
        self.given_x = Chain(head.coordinates(y_shape), head.outputs, hidden, generators)
        self.alone = copy.deepcopy(self.given_x)

    def embed(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the part of x in the first layer; that of y, what the density is of, and ln r(y)."""
        seen, y = self.head.split(y)
        alone = self.head(self.alone(self.alone.first(seen)), y).sum(dim=-1, keepdim=True)
        return self.of_x(x), torch.cat([self.given_x.first(seen), y, alone], dim=-1)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Return ln q and ln r (R, ..., 2)."""
        y, alone = right[..., self.width : -1], right[..., -1]
        given_x = self.head(self.given_x(left + right[..., : self.width]), y).sum(dim=-1)
        return torch.stack([given_x, alone.expand_as(given_x)], dim=-1)


class MaskedLinear(StackedLinear):
    """R affine maps (R, B, inputs) → (R, B, outputs), of the weights alone that `mask` (inputs, outputs) lets through."""

    def __init__(self, mask: Tensor, generators: Sequence[torch.Generator]) -> None:
        super().__init__(*mask.shape, generators)
        self.mask: Tensor
        self.register_buffer("mask", mask.float())

    def forward(self, x: Tensor) -> Tensor:
        """Apply map r to the rows of x[r]."""
        return torch.baddbmm(self.bias, x, self.weight * self.mask)


def zeroed(layer: StackedLinear) -> StackedLinear:
    """Return the layer with weights and biases of 0."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def bounded(log_scale: Tensor) -> Tensor:
    """Return ln σ kept above its least value, softly: ties of y would send the likelihood to infinity."""
    return _LEAST_LOG_SCALE + softplus(log_scale - _LEAST_LOG_SCALE)
