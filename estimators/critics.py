"""Critics T(x, y): stacks of R networks that score pairs, from one embedding of each row of either side."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from .stack import StackedLinear, StackedMLP, silu
from .towers import ConvTower

Shape = tuple[int, ...]


class Critic(nn.Module, ABC):
    """R critics; a pair costs what `forward` does with the embeddings of its two rows.

    `pace` is the share of the learning rate that suits it.
    """

    pace: ClassVar[float] = 1.0

    @abstractmethod
    def embed(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the embeddings of rows x (R, B, ...) and y (R, B, ...), twice (R, B, width)."""

    @abstractmethod
    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Return T (R, ...) of embeddings (R, ..., width), which broadcast."""


class JointCritic(Critic):
    """An MLP of the joint vector, that begins at T = 0; its first layer is the sum of a part for each side.

    Vectors come along the axes of the joint vector, which both parts share, and so do the weights.
    """

    def __init__(
        self,
        x_shape: Shape,
        y_shape: Shape,
        hidden: Sequence[int],
        generators: Sequence[torch.Generator],
        outputs: int = 1,
    ) -> None:
        super().__init__()
        self.outputs = outputs
        self.of_x = tower(x_shape, hidden[:1], generators)
        shared = len(x_shape) == len(y_shape) == 1
        self.of_y = self.of_x if shared else tower(y_shape, hidden[:1], generators)
        self.rest = StackedMLP([*hidden, outputs], generators, zero_last=True, activation=silu)

    def embed(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return each side's part of the first layer."""
        return self.of_x(x), self.of_y(y)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Apply the other layers to the sum of both parts; several outputs are a last dimension."""
        hidden = silu(left + right)
        scores = cast(Tensor, self.rest(hidden.flatten(1, -2)))
        return scores.reshape(*hidden.shape[:-1], *[self.outputs] * (self.outputs > 1))


class InnerCritic(Critic):
    """The inner product of the two embeddings.

    A step moves all terms of the sum, and both factors of each, so that at full pace it overshoots.
    """

    pace = 0.2

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Return ⟨left, right⟩."""
        return (left * right).sum(dim=-1)


class SeparableCritic(InnerCritic):
    """f(x)·g(y) + a(x) + b(y), of one MLP a side with outputs (f, a) and (g, b); begins at T = 0."""

    def __init__(
        self, x_shape: Shape, y_shape: Shape, hidden: Sequence[int], generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        outputs = hidden[-1] + 1
        self.of_x = tower(x_shape, [*hidden, outputs], generators)
        self.of_y = tower(y_shape, [*hidden, outputs], generators, zero_last=True)
        with torch.no_grad():  # a(x) begins at 0 too
            last = last_linear(self.of_x)
            last.weight[..., -1] = 0
            last.bias[..., -1] = 0

    def embed(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return (f, a, 1) and (g, 1, b)."""
        left, right = self.of_x(x), self.of_y(y)
        one = torch.ones_like(right[..., :1])
        return torch.cat([left, one], dim=-1), torch.cat([right[..., :-1], one, right[..., -1:]], dim=-1)


class BilinearCritic(InnerCritic):
    """(x, 1)ᵀ W (y, 1), which begins at T = 0; images are flattened."""

    def __init__(
        self, x_shape: Shape, y_shape: Shape, hidden: Sequence[int], generators: Sequence[torch.Generator]
    ) -> None:
        super().__init__()
        d_x, d_y = (torch.Size(shape).numel() for shape in (x_shape, y_shape))
        self.weight = nn.Parameter(torch.zeros(len(generators), d_x + 1, d_y + 1))

    def embed(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return (x, 1)ᵀ W and (y, 1)."""
        left, right = (torch.cat([side.flatten(2), side.new_ones(*side.shape[:2], 1)], dim=-1) for side in (x, y))
        return left @ self.weight, right


CRITICS: dict[str, type[JointCritic | SeparableCritic | BilinearCritic]] = {
    "joint": JointCritic,
    "separable": SeparableCritic,
    "bilinear": BilinearCritic,
}


def tower(
    shape: Shape, widths: Sequence[int], generators: Sequence[torch.Generator], zero_last: bool = False
) -> nn.Module:
    """Return the network of one side: an MLP of a vector; of an image a convolutional tower, and an MLP of that."""
    if len(shape) == 1:
        return StackedMLP([*shape, *widths], generators, zero_last, silu)
    return ConvTower(shape, widths, generators, zero_last)


def last_linear(network: nn.Module) -> StackedLinear:
    """Return the last affine layer of a network."""
    return [layer for layer in network.modules() if isinstance(layer, StackedLinear)][-1]


def awake(critic: Critic, generators: Sequence[torch.Generator]) -> Critic:
    """Return the critic with random weights where it began at T = 0."""
    with torch.no_grad():
        for parameter in critic.parameters():
            if not parameter.any():
                bound = parameter.shape[1] ** -0.5
                for member, generator in zip(parameter, generators, strict=True):
                    member.copy_(torch.empty(member.shape).uniform_(-bound, bound, generator=generator))
    return critic
