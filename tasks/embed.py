"""Manifolds and nuisance: the same law in a higher dimension, among coordinates that mean nothing."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from mibench.distribution import Array, Draw, Shape
from mibench.errors import SpecError
from mibench.seeding import derive_seed

from .checks import check_dimension
from .linear import check_rotation, haar_orthogonal, mix
from .maps import Map


@dataclass(frozen=True)
class Embed(Map):
    """A vector x of d coordinates becomes Q (x, s(x), ε): a rotation of x, of a smooth function of x, and of noise.

    `dim` ≥ d is the dimension of (x, s(x)), d by default. s(x) is 0, or with `smooth=True` 2t / (1 + t²), t = W x + b
    with standard normal W and b, so that draws lie on a curved manifold; either way x can be read off, and the MI is
    that of the base. ε has `noise_dims` independent standard normal coordinates. Q, W and b follow from the spec.
    """

    dim: int | None = None
    noise_dims: int = 0
    smooth: bool = False

    published: ClassVar[str] = "after Gowri et al. 2024 (low-dimensional structure in high dimension)"

    def __post_init__(self) -> None:
        if self.dim is not None:
            check_dimension("dim", self.dim)
        if self.noise_dims < 0:
            raise SpecError(f"noise_dims must be at least 0, got {self.noise_dims}")
        for side, shape in (("x", self.base.x_shape), ("y", self.base.y_shape)):
            if self.side in ("both", side) and (len(shape) != 1 or (self.dim or shape[0]) < shape[0]):
                most = f" of at most dim={self.dim} coordinates" if self.dim else ""
                raise SpecError(f"embed needs {side} to be a vector{most}, got one of shape {shape}")
            if self.side in ("both", side):
                check_rotation(self.mapped_shape(shape)[0])
        if self.smooth and self.dim is None:
            raise SpecError("smooth needs dim, the dimension of the curved manifold's space")

    def mapped_shape(self, shape: Shape) -> Shape:
        """(dim + noise_dims,)."""
        return ((self.dim or shape[0]) + self.noise_dims,)

    def draw(self, n: int, rng: np.random.Generator) -> Draw:
        """Return `n` embedded draws of the base, each with noise of its own."""
        x, y, pointwise = Draw(*self.base.draw(n, rng))
        return Draw(self._embed("x", x, rng), self._embed("y", y, rng), pointwise)

    def _embed(self, side: Literal["x", "y"], values: Array, rng: np.random.Generator) -> Array:
        if self.side not in ("both", side):
            return values
        noise = rng.standard_normal((len(values), self.noise_dims))
        return mix(np.concatenate([self.map(side, values), noise], axis=1), self._layers[side][0])

    def map(self, side: Literal["x", "y"], values: Array) -> Array:
        """Return (x, s(x)), (n, dim)."""
        _, weights, offsets = self._layers[side]
        if not self.smooth:
            return np.concatenate([values, np.zeros((len(values), len(weights)))], axis=1)
        t = mix(values, weights) + offsets
        return np.concatenate([values, 2 * t / (1 + t**2)], axis=1)

    def invert(self, side: Literal["x", "y"], values: Array) -> Array:
        """Turn back, and return the first coordinates."""
        d = (self.base.x_shape if side == "x" else self.base.y_shape)[0]
        return mix(values, self._layers[side][0].T[:d])

    @property
    def truth(self) -> str:
        """That of the base, to which the noise adds nothing."""
        return f"{super().truth}{', beside independent noise' if self.noise_dims else ''}"

    @cached_property
    def _layers(self) -> dict[str, tuple[Array, Array, Array]]:
        rng = np.random.default_rng(derive_seed("embedding", str(self)))
        layers = {}
        for side, before, after in (("x", self.base.x_shape, self.x_shape), ("y", self.base.y_shape, self.y_shape)):
            if self.side in ("both", side):
                d, more = before[0], after[0] - self.noise_dims - before[0]
                rotation = haar_orthogonal(after[0], rng)
                layers[side] = rotation, rng.standard_normal((more, d)), rng.standard_normal(more)
        return layers
