"""Pairs of images of a Gaussian blob, whose centres and colours carry the MI."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from mibench.component import SHOWN
from mibench.distribution import Array, Distribution, Shape
from mibench.errors import SpecError

from .elementary import exp
from .images import ImageTask

_SMALLEST_SIGMA = 0.04  # the corner pixel exp(−1/σ²) is then still a normal float64
_LARGEST_SIGMA = 100.0  # pixels then still tell the centre to about 1e-11


@dataclass(frozen=True)
class Blobs(ImageTask):
    """Images of a blob on a size × size grid over [0, 1]²: pixel g is exp(−‖g − c‖² / (2σ²)).

    The two latents of an image are the (row, column) of its centre c. Without `latent` the centres of X and Y are
    uniform on [0, 1]²: the normal CDF of a correlated Gaussian with the wanted MI, 1 nat by default.
    """

    size: int = field(default=16, metadata=SHOWN)
    mi: float | None = field(default=None, metadata=SHOWN)
    sigma: float = 0.2
    latent: Distribution | None = None

    k: ClassVar[int] = 2
    published: ClassVar[str] = "Butakov et al. 2024 (lossy compression); Butakov et al. 2024 (normalizing flows)"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.sigma >= _SMALLEST_SIGMA:
            raise SpecError(f"sigma must be at least {_SMALLEST_SIGMA}, below which pixels underflow, got {self.sigma}")
        if self.sigma > _LARGEST_SIGMA:
            raise SpecError(
                f"sigma must be at most {_LARGEST_SIGMA}, above which pixels do not tell the centre, got {self.sigma}"
            )

    def render(self, latents: Array) -> Array:
        """Return the images (n, size, size) of blobs at the centres `latents` (n, 2), given as (row, column)."""
        grid = np.linspace(0, 1, self.size)
        profiles = exp(-((grid - latents[:, :, None]) ** 2) / (2 * self.sigma**2))
        return profiles[:, 0, :, None] * profiles[:, 1, None, :]

    def read(self, images: Array) -> Array:
        """Return the centres (n, 2) of `images` (n, size, size): the log-pixels at two opposite edges tell them."""
        logs = np.log(images)
        rows = (logs[:, -1, :] - logs[:, 0, :]).mean(axis=1)
        columns = (logs[:, :, -1] - logs[:, :, 0]).mean(axis=1)
        return 0.5 + self.sigma**2 * np.stack([rows, columns], axis=1)


@dataclass(frozen=True)
class ColorBlobs(Blobs):
    """RGB images (3, size, size) of a blob: channel c is (0.2 + 0.8 u_c) exp(−‖g − centre‖² / (2σ²)).

    The five latents of an image are the (row, column) of its centre and its colour u. Without `latent` they are
    uniform: the normal CDF of a correlated Gaussian with the wanted MI, 1 nat by default.
    """

    k: ClassVar[int] = 5
    published: ClassVar[str] = "this package, after the grey blobs of Butakov et al. 2024"
    kinds: ClassVar[tuple[str, ...]] = ("image", "color")

    @property
    def image_shape(self) -> Shape:
        """(3, size, size): channel, row, column."""
        return (3, self.size, self.size)

    def render(self, latents: Array) -> Array:
        """Return the images (n, 3, size, size) of `latents` (n, 5): row and column of the centre, then the colour."""
        channels = 0.2 + 0.8 * latents[:, 2:]
        return channels[:, :, None, None] * super().render(latents[:, :2])[:, None]

    def read(self, images: Array) -> Array:
        """Return the latents (n, 5) of `images`: the centre of any channel, then the scale of each channel."""
        centres = super().read(images.reshape(-1, self.size, self.size)).reshape(-1, 3, 2).mean(axis=1)
        blobs = super().render(centres)[:, None]
        channels = (images * blobs).sum(axis=(2, 3)) / (blobs**2).sum(axis=(2, 3))
        return np.concatenate([centres, (channels - 0.2) / 0.8], axis=1)
