"""A trained critic as a function of anyone's rows: the pointwise MI it has learnt."""

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from mibench.errors import DataError
from mibench.estimation import Array, Shape, check_side

from .bound_values import Pairs, embed
from .critics import Critic
from .standardise import Standardiser

if TYPE_CHECKING:
    from .neural_bound import NeuralBound


class PointwiseMI(nn.Module):
    """ln p(x, y) / (p(x) p(y)) in nats, as one critic has learnt it, of rows x (n, ...) and y (n, ...)."""

    def __init__(
        self,
        method: "NeuralBound",
        standardiser: Standardiser,
        critic: Critic,
        member: int,
        evaluation: Pairs,
        shapes: tuple[Shape, Shape],
    ) -> None:
        super().__init__()
        self.shapes = shapes
        self.standardiser = standardiser
        self.critic = copy.deepcopy(critic)
        for parameter in self.critic.parameters():
            parameter.data = parameter.data[[member]]
        self.method = method
        self.evaluation = Pairs(*(side[[member]] for side in evaluation))

    @torch.no_grad()
    def forward(self, x: Array, y: Array) -> Array:
        """Return the pointwise MI (n,)."""
        x, y = check_side("x", x), check_side("y", y)
        if len(x) != len(y):
            raise DataError(f"x has {len(x)} rows and y has {len(y)}; they must be pairs")
        for name, side, shape in zip("xy", (x, y), self.shapes, strict=True):
            if side.shape[1:] != shape:
                raise DataError(f"{name} has rows of shape {side.shape[1:]}, and the critic was trained on {shape}")
        mapped = self.standardiser(x, y)
        sides = [torch.as_tensor(side, dtype=torch.float32) for side in mapped]
        rows = Pairs(*(side[None].to(self.evaluation.x.device) for side in sides))
        left, right = embed(self.critic, rows)
        found: Array = self.method.pointwise(self.critic, left, right, self.evaluation)[0].double().cpu().numpy()
        return found


class PointwiseMean(nn.Module):
    """The mean over the critics of several folds."""

    def __init__(self, members: Sequence[PointwiseMI]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x: Array, y: Array) -> Array:
        """Return the pointwise MI (n,) in nats of rows x (n, ...) and y (n, ...)."""
        mean: Array = np.mean([member(x, y) for member in self.members], axis=0)
        return mean
