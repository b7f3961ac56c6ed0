"""Pairs of images of an elliptic blob, whose centre, widths and tilt carry the MI."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from mibench.component import SHOWN
from mibench.distribution import Array, Distribution

from .elementary import exp
from .images import ImageTask

_BATCH = 64  # images rendered at a time, so that they stay in the cache


@dataclass(frozen=True)
class Ellipses(ImageTask):
    """Images exp(−10 [a² dx² + b² dy² + (2p₅ − 1) a b dx dy]) with a = 1 + p₃, b = 1 + p₄ on a grid over [0, 1]².

    dx and dy are the row and the column less those of the centre (p₁, p₂). The five latents of an image are p₁ … p₅.
    Without `latent` they are uniform: the normal CDF of a correlated Gaussian with the wanted MI, 1 nat by default.
    """

    size: int = field(default=32, metadata=SHOWN)
    mi: float | None = field(default=None, metadata=SHOWN)
    latent: Distribution | None = None

    k: ClassVar[int] = 5
    smallest_size: ClassVar[int] = 3
    needs_size: ClassVar[str] = "so that the log-pixels tell a quadratic"
    published: ClassVar[str] = "Butakov et al. 2024 (lossy compression)"

    def render(self, latents: Array) -> Array:
        """Return the images (n, size, size) of `latents` (n, 5)."""
        images = np.empty((len(latents), self.size, self.size))
        for start in range(0, len(latents), _BATCH):
            batch = self._render_last(latents[start : start + _BATCH].T)
            images[start : start + _BATCH] = batch.T
        return images

    def _render_last(self, latents: Array) -> Array:
        """Return images (columns, rows, n) of `latents` (5, n), with 3 size exponentials each.

        With κ = −10 (2p₅ − 1) a b, the factor e^(κ dx (column − p₂)) is geometric in the column, so that only products
        are left for the size² pixels; they are off by a rounding for each column at most.
        """
        grid = np.linspace(0, 1, self.size)[:, None]
        dx, dy = grid - latents[0], grid - latents[1]
        a, b = 1 + latents[2], 1 + latents[3]
        slope = -10 * (2 * latents[4] - 1) * a * b * dx
        rows = exp(-10 * (a * dx) ** 2 - slope * latents[1])
        columns = exp(-10 * (b * dy) ** 2)
        ratio = exp(slope / (self.size - 1))
        images = np.empty((self.size, self.size, latents.shape[1]))
        for j in range(self.size):
            np.multiply(rows, columns[j], out=images[j])
            rows *= ratio
        return images

    def read(self, images: Array) -> Array:
        """Return the latents (n, 5) of `images`, whose logarithm is a quadratic in row and column, by least squares."""
        grid = np.linspace(-0.5, 0.5, self.size)
        x, y = (axis.ravel() for axis in np.meshgrid(grid, grid, indexing="ij"))
        basis = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y])
        logs = np.log(images).reshape(len(images), -1)
        _, gx, gy, xx, yy, xy = np.linalg.pinv(basis).T @ logs.T / -10
        # The gradient vanishes at the centre.
        determinant = 4 * xx * yy - xy**2
        row, column = (xy * gy - 2 * yy * gx) / determinant, (xy * gx - 2 * xx * gy) / determinant
        a, b = np.sqrt(xx), np.sqrt(yy)
        return np.stack([row + 0.5, column + 0.5, a - 1, b - 1, (xy / (a * b) + 1) / 2], axis=1)
