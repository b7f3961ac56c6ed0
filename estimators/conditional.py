"""Learned densities of y, given x or alone, as critics: stacks of R networks that give ln q(y | x) in nats.

Densities are relative to N(0, 1) of the whitened y, or to uniform codes; this cancels in every bound, and makes the
likelihood that training sees about as large as the MI. Rows are those of `Residuals`, or codes.
"""

import copy
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, softplus

from .critics import Critic, Shape, tower
from .stack import StackedLinear, StackedMLP, silu

_LEAST_LOG_SCALE = -9.0  # of a residual of unit scale: about the finest that float32 can tell from a tie


class DiagonalGaussian(Critic):
    """T(x, y) = ln N(A r; μ(x), diag σ(x)²) + ln det A − ln N(w; 0, 1), with one network of x for μ and ln σ.

    It begins at μ = 0 and σ = 1, where T is what the linear regression says.
    """

    def __init__(
        self, x_shape: Shape, y_shape: Shape, hidden: Sequence[int], generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        x_shape, coordinates = residual_shapes(x_shape, y_shape)
        self.of_x = tower(x_shape, hidden[:1], generators)
        self.rest = StackedMLP([*hidden, 2 * coordinates], generators, zero_last=True, activation=silu)
        self.skip = zeroed(StackedLinear(hidden[0], 2 * coordinates, generators))

    def embed(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return (s − μ, ln σ) and (v, ln det A − ln N(w; 0, 1))."""
        rows = residual_rows(x, y)
        first = self.of_x(rows.x)
        mean, log_scale = (self.skip(first) + self.rest(silu(first))).chunk(2, dim=-1)
        return torch.cat([rows.shift - mean, bounded(log_scale)], dim=-1), torch.cat([rows.y, rows.constant], dim=-1)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Return T (R, ...)."""
        shift, log_scale = left.chunk(2, dim=-1)
        scaled = (right[..., :-1] + shift) * (-log_scale).exp()
        return right[..., -1] - (scaled.square() / 2 + log_scale).sum(dim=-1)


class Mixture(nn.Module):
    """The density of one coordinate as a mixture of Gaussian or logistic laws; begins near N(0, 1)."""

    def __init__(self, kind: Literal["gaussian", "logistic"], components: int) -> None:
        super().__init__()
        self.kind = kind
        self.outputs = 3 * components
        # Means that differ tell the components apart; close together, they begin as all but one normal law.
        means = torch.special.ndtri((torch.arange(components, dtype=torch.float64) + 0.5) / components) / 2
        unit = 1 if kind == "gaussian" else 3 / math.pi**2  # squared scale of a law of variance 1
        log_scales = (unit * (1 - means.square().mean())).log().expand_as(means) / 2
        self.start: Tensor
        self.register_buffer("start", torch.cat([means, log_scales, torch.zeros_like(means)]).float())

    def forward(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return ln q (R, ..., d) + ½ ln 2π of y (R, ..., d) by outputs (R, ..., d, 3 · components)."""
        mean, log_scale, weight = (outputs + self.start).chunk(3, dim=-1)
        log_scale = bounded(log_scale)
        scaled = (y[..., None] - mean) * (-log_scale).exp()
        if self.kind == "gaussian":
            shape = -scaled.square() / 2
        else:
            shape = logsigmoid(scaled) + logsigmoid(-scaled) + math.log(2 * math.pi) / 2
        density: Tensor = (weight + shape - log_scale).logsumexp(dim=-1) - weight.logsumexp(dim=-1)
        return density


class Categorical(nn.Module):
    """The probability of one code out of 0 … levels − 1, where `levels` may be fewer than there are outputs."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.outputs = most

    def forward(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return ln q (R, ..., d) + ln levels, by outputs (R, ..., d, most), of rows y (code, levels) (R, ..., 2 d)."""
        code, levels = y.chunk(2, dim=-1)
        beyond = torch.arange(self.outputs, device=y.device) >= levels[..., None]
        chosen = outputs.gather(-1, code[..., None].long())[..., 0]
        return chosen - outputs.masked_fill(beyond, -math.inf).logsumexp(dim=-1) + levels.log()


class Chain(nn.Module):
    """Networks of the densities of d coordinates, each given those before it: hidden units see the first m alone.

    A masked autoencoder (Germain et al., ICML 2015), with a linear path beside its hidden layers.
    """

    def __init__(
        self, coordinates: int, outputs: int, hidden: Sequence[int], generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        self.coordinates = coordinates
        own = torch.arange(coordinates)
        seen = [torch.arange(width) * coordinates // width for width in hidden]
        of_outputs = own.repeat_interleave(outputs)
        self.first = MaskedLinear(own[:, None] < seen[0], generators)
        self.inner = nn.ModuleList(MaskedLinear(a[:, None] <= b, generators) for a, b in pairwise(seen))
        self.last = zeroed(MaskedLinear(seen[-1][:, None] <= of_outputs, generators))
        self.skip = zeroed(MaskedLinear(seen[0][:, None] <= of_outputs, generators))

    def forward(self, first: Tensor) -> Tensor:
        """Return the outputs (R, ..., d, outputs) by the first layer (R, ..., width) before its activation."""
        hidden = first.flatten(1, -2)
        straight = self.skip(hidden)
        hidden = silu(hidden)
        for layer in self.inner:
            hidden = silu(layer(hidden))
        outputs = straight + self.last(hidden)
        return cast(Tensor, outputs.reshape(*first.shape[:-1], self.coordinates, -1))


class Rows(NamedTuple):
    """Rows as a chain takes them: density of `y` + `shift` given x, by a network of x and of `seen`; of y alone too.

    `constant` and `constant_alone` (R, B, 1) are added to the two.
    """

    x: Tensor
    shift: Tensor
    seen: Tensor
    y: Tensor
    seen_alone: Tensor
    alone: Tensor
    constant: Tensor
    constant_alone: Tensor


class ChainCritic(Critic):
    """ln q(y | x) and ln r(y) as two outputs (..., 2), each a sum over coordinates given those before."""

    def __init__(
        self,
        x_shape: Shape,
        y_shape: Shape,
        head: Mixture | Categorical,
        hidden: Sequence[int],
        generators: Sequence[torch.Generator],
    ) -> None:
        super().__init__()
        x_shape, coordinates = self.shapes(x_shape, y_shape)
        self.head = head
        self.width = hidden[0]
        self.of_x = tower(x_shape, hidden[:1], generators)
        self.given_x = Chain(coordinates, head.outputs, hidden, generators)
        # As both begin alike, much of what they learn of y alone, right or wrong, cancels in their difference.
        self.alone = copy.deepcopy(self.given_x)

    def shapes(self, x_shape: Shape, y_shape: Shape) -> tuple[Shape, int]:
        """Return the shape of what the network sees of x, and how many coordinates y has."""
        return residual_shapes(x_shape, y_shape)

    def rows(self, x: Tensor, y: Tensor) -> Rows:
        """Return the parts of rows."""
        return residual_rows(x, y)

    def embed(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the first layer's part of x, with the shift; that of y, with y, the constant and ln r(y)."""
        rows = self.rows(x, y)
        outputs = self.alone(self.alone.first(rows.seen_alone))
        alone = self.head(outputs, rows.alone).sum(dim=-1, keepdim=True) + rows.constant_alone
        left = [self.of_x(rows.x) + self.given_x.first(rows.shift[..., : rows.seen.shape[-1]]), rows.shift]
        return torch.cat(left, dim=-1), torch.cat([self.given_x.first(rows.seen), rows.y, rows.constant, alone], dim=-1)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Return ln q and ln r (R, ..., 2)."""
        sums = left + right[..., :-2]
        outputs = self.given_x(sums[..., : self.width])
        given_x = self.head(outputs, sums[..., self.width :]).sum(dim=-1) + right[..., -2]
        return torch.stack([given_x, right[..., -1].expand_as(given_x)], dim=-1)


class MaskedLinear(StackedLinear):
    """R affine maps (R, B, inputs) → (R, B, outputs), whose weights are 0 where `mask` (inputs, outputs) is."""

    def __init__(self, mask: Tensor, generators: Sequence[torch.Generator]) -> None:
        super().__init__(mask.shape[0], mask.shape[1], generators)
        self.mask: Tensor
        self.register_buffer("mask", mask.float())

    def forward(self, x: Tensor) -> Tensor:
        """Apply map r to the rows of x[r]."""
        return torch.baddbmm(self.bias, x, self.weight * self.mask)


def residual_shapes(x_shape: Shape, y_shape: Shape) -> tuple[Shape, int]:
    """Return the shape of x in rows of `Residuals`, and how many coordinates y has."""
    coordinates = y_shape[0] // 2
    return ((x_shape[0] - coordinates,) if len(x_shape) == 1 else x_shape), coordinates


def residual_rows(x: Tensor, y: Tensor) -> Rows:
    """Return the parts of rows of `Residuals`."""
    coordinates = y.shape[-1] // 2
    white, sharp, log_det = torch.split(y, [coordinates, coordinates, 1], dim=-1)
    shift = torch.zeros_like(white)
    if x.ndim == 3:
        x, shift = x[..., :-coordinates], x[..., -coordinates:]
    normal = white.square().sum(dim=-1, keepdim=True) / 2
    return Rows(x, shift, sharp, sharp, white, white, normal + log_det, normal)


def zeroed(layer: StackedLinear) -> StackedLinear:
    """Return the layer with weights and biases of 0."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def bounded(log_scale: Tensor) -> Tensor:
    """Return ln σ kept above its least value, softly: ties of y would send the likelihood to infinity."""
    return _LEAST_LOG_SCALE + softplus(log_scale - _LEAST_LOG_SCALE)
