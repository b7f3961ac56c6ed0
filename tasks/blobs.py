"""Pairs of images of a Gaussian blob, whose centres carry the MI."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
from scipy.special import ndtr, ndtri

from mibench.component import SHOWN
from mibench.distribution import Array, Distribution, Draw, Shape
from mibench.errors import SpecError

from .checks import check_mi
from .elementary import exp
from .gaussian import Gaussian

_LARGEST_SIZE = 1024
_SMALLEST_SIGMA = 0.04  # the corner pixel exp(−1/σ²) is then still a normal float64


@dataclass(frozen=True)
class Blobs(Distribution):
    """Images of a blob on a size × size grid over [0, 1]²: pixel g is exp(−‖g − c‖² / (2σ²)).

    The centres c of X and Y, two coordinates each, are uniform on [0, 1]²: the normal CDF of a correlated Gaussian with
    the wanted MI. The image determines its centre, so that I(X; Y) is that of the centres; the latent dimension is 2.
    """

    size: int = field(default=16, metadata=SHOWN)
    mi: float = field(default=1.0, metadata=SHOWN)
    sigma: float = 0.2

    source: ClassVar[str] = "Butakov et al. 2024 (lossy compression); Butakov et al. 2024 (normalizing flows)"
    tags: ClassVar[tuple[str, ...]] = ("image",)
    truth: ClassVar[str] = "closed form, through the latent centres"

    def __post_init__(self) -> None:
        check_mi(self.mi)
        if not 2 <= self.size <= _LARGEST_SIZE:
            raise SpecError(f"size must be at least 2 and at most {_LARGEST_SIZE} pixels, got {self.size}")
        if self.sigma < _SMALLEST_SIGMA:
            raise SpecError(f"sigma must be at least {_SMALLEST_SIGMA}, below which pixels underflow, got {self.sigma}")

    @property
    def x_shape(self) -> Shape:
        """(size, size)."""
        return (self.size, self.size)

    @property
    def y_shape(self) -> Shape:
        """(size, size)."""
        return (self.size, self.size)

    @property
    def mutual_information(self) -> float:
        """The MI that was asked for, in nats."""
        return self.mi

    @cached_property
    def latent(self) -> Gaussian:
        """The Gaussian whose normal CDF gives the centres."""
        return Gaussian(d=2, mi=self.mi)

    def draw(self, n: int, rng: np.random.Generator) -> Draw:
        """Return `n` pairs of images and the pointwise MI of their centres."""
        u, v, pointwise = self.latent.draw(n, rng)
        return Draw(self.render(ndtr(u)), self.render(ndtr(v)), pointwise)

    def render(self, centres: Array) -> Array:
        """Return the images (n, size, size) of blobs at `centres` (n, 2), given as (row, column) in [0, 1]²."""
        grid = np.linspace(0, 1, self.size)
        profiles = exp(-((grid - centres[:, :, None]) ** 2) / (2 * self.sigma**2))
        return profiles[:, 0, :, None] * profiles[:, 1, None, :]

    def centres(self, images: Array) -> Array:
        """Return the centres (n, 2) of `images` (n, size, size): the log-pixels at two opposite edges tell them."""
        logs = np.log(images)
        rows = (logs[:, -1, :] - logs[:, 0, :]).mean(axis=1)
        columns = (logs[:, :, -1] - logs[:, :, 0]).mean(axis=1)
        return 0.5 + self.sigma**2 * np.stack([rows, columns], axis=1)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """Return the pointwise MI of the centres, (n,) in nats."""
        return self.latent.log_density_ratio(ndtri(self.centres(x)), ndtri(self.centres(y)))
