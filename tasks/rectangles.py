"""Pairs of images of a rectangle, whose edges carry the MI."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from mibench.component import SHOWN
from mibench.distribution import Array, Distribution

from .images import ImageTask

_SHORTEST = 0.2  # the shortest side m, as a share of the image's


@dataclass(frozen=True)
class Rectangles(ImageTask):
    """Images of a bright rectangle [a, b] × [a', b'] in [0, 1]², with sides of at least m = 0.2.

    The four latents of an image are (u₁, u₂) of the rows, then of the columns: a = (1 − m)(1 − √(1 − u₁)) and
    b = a + m + u₂ (1 − a − m), so that uniform latents give uniform (a, b). A pixel i of N along an axis is
    clip(min(i − aN, bN − i), 0, 1), which tells where within a pixel an edge lies; the image is the product of both
    axes. Without `latent` they are the normal CDF of a correlated Gaussian with the wanted MI, 1 nat by default.
    """

    size: int = field(default=16, metadata=SHOWN)
    mi: float | None = field(default=None, metadata=SHOWN)
    latent: Distribution | None = None

    k: ClassVar[int] = 4
    smallest_size: ClassVar[int] = 15
    needs_size: ClassVar[str] = "so that the shortest side has a pixel of full brightness between its edges,"
    published: ClassVar[str] = "Butakov et al. 2024 (lossy compression); Butakov et al. 2024 (normalizing flows)"

    def render(self, latents: Array) -> Array:
        """Return the images (n, size, size) of `latents` (n, 4): u₁, u₂ of the rows, then of the columns."""
        low = (1 - _SHORTEST) * (1 - np.sqrt(1 - latents[:, 0::2]))
        high = latents[:, 1::2] * (1 - low - _SHORTEST) + low + _SHORTEST
        pixels = np.arange(self.size)
        inside = np.minimum(pixels - self.size * low[:, :, None], self.size * high[:, :, None] - pixels)
        profiles = np.clip(inside, 0, 1)
        images: Array = profiles[:, 0, :, None] * profiles[:, 1, None, :]
        return images

    def read(self, images: Array) -> Array:
        """Return the latents (n, 4) of `images`: with p a pixel of full brightness, aN = p − Σ_{i≤p} f_i, bN alike."""
        profiles = np.stack([images.max(axis=2), images.max(axis=1)], axis=1)
        pixels = np.arange(self.size)
        full = profiles.argmax(axis=2)
        before = pixels <= full[:, :, None]
        after = pixels >= full[:, :, None]
        low = (full - (profiles * before).sum(axis=2)) / self.size
        high = (full + (profiles * after).sum(axis=2)) / self.size
        first = 1 - (1 - low / (1 - _SHORTEST)) ** 2
        second = (high - low - _SHORTEST) / (1 - low - _SHORTEST)
        return np.stack([first, second], axis=2).reshape(-1, 4)
