"""Pairs of images of a blob over an uneven background, whose centres alone carry the MI."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mibench.distribution import Array, Draw
from mibench.errors import SpecError

from .blobs import Blobs

_STARTS = np.linspace(0, 1, 65)
_NEWTON_STEPS = 8
_LARGEST_SIGMA = 1.0


@dataclass(frozen=True)
class NuisanceBlobs(Blobs):
    """Images b·blob + α + β·row + γ·column, whose b, α, β, γ carry no information.

    The blob is that of `blobs`, the two latents of an image are the (row, column) of its centre. b is uniform on
    [½, 1], α on [¼, ¾], β and γ on [−¼, ¼], rows and columns run from −½ to ½, so that pixels lie in [0, 2]; they are
    independent of each other, of the centres and between X and Y. The image determines its centre, whatever they are,
    so that I(X; Y) is exactly that of the centres, and the dimension of what an encoder may drop is 4.
    """

    smallest_size: ClassVar[int] = 5
    needs_size: ClassVar[str] = "so that the background can be told from the blob"
    published: ClassVar[str] = "this package, after the blobs of Butakov et al. 2024"
    kinds: ClassVar[tuple[str, ...]] = ("image", "nuisance")

    def __post_init__(self) -> None:
        super().__post_init__()
        smallest = 0.5 / (self.size - 1)
        if not smallest <= self.sigma <= _LARGEST_SIGMA:
            raise SpecError(
                f"sigma must be at least {smallest:.3g}, half the distance of two pixels, and at most "
                f"{_LARGEST_SIGMA}, so that a blob can be told from its background, got {self.sigma}"
            )

    @property
    def truth(self) -> str:
        """How the MI of the centres is known, which is at once the upper bound that data processing sets."""
        return (
            f"{self.latents.truth}, through the centres: each image determines its own, so that the MI is no less, and "
            f"the rest of it is independent of the other image, so that by data processing it is no more"
        )

    def draw(self, n: int, rng: np.random.Generator) -> Draw:
        """Return `n` pairs of images and the pointwise MI of their centres."""
        x, y, pointwise = super().draw(n, rng)
        return Draw(self.disturb(x, rng), self.disturb(y, rng), pointwise)

    def disturb(self, images: Array, rng: np.random.Generator) -> Array:
        """Dim `images` (n, size, size) at random and lay them over random planes, in place; return them."""
        n = len(images)
        axis = np.linspace(-0.5, 0.5, self.size)
        brightness, level = 0.5 + 0.5 * rng.random(n), 0.25 + 0.5 * rng.random(n)
        slopes = 0.5 * rng.random((n, 2)) - 0.25
        images *= brightness[:, None, None]
        images += (level[:, None] + slopes[:, :1] * axis)[:, :, None]
        images += (slopes[:, 1:] * axis)[:, None, :]
        return images

    def read(self, images: Array) -> Array:
        """Return the centres (n, 2) of `images`.

        The mixed second difference removes the plane and leaves the product of the two axes' first differences.
        """
        mixed = np.diff(np.diff(images, axis=1), axis=2)
        brightest = (mixed**2).sum(axis=2).argmax(axis=1)
        columns = mixed[np.arange(len(images)), brightest]
        rows = np.matmul(mixed, columns[:, :, None])[:, :, 0]
        return np.stack([self._centre(rows), self._centre(columns)], axis=1)

    def _centre(self, differences: Array) -> Array:
        """Return the centres (n,) of profiles whose `differences` (n, size − 1) are known up to a factor.

        Variable projection: the nearest of a few shapes, then Gauss–Newton on the centre with the factor eliminated.
        """
        unit = differences / np.linalg.norm(differences, axis=1, keepdims=True)
        shapes = self._shape(_STARTS)[0]
        shapes /= np.linalg.norm(shapes, axis=1, keepdims=True)
        centres: Array = _STARTS[np.abs(unit @ shapes.T).argmax(axis=1)]
        for _ in range(_NEWTON_STEPS):
            shape, slope = self._shape(centres)
            power = (shape**2).sum(axis=1)
            factor = (unit * shape).sum(axis=1) / power
            slope -= ((slope * shape).sum(axis=1) / power)[:, None] * shape
            step = (unit * slope).sum(axis=1) / (factor * (slope**2).sum(axis=1))
            centres = centres + np.clip(step, -_STARTS[1], _STARTS[1])
        return centres

    def _shape(self, centres: Array) -> tuple[Array, Array]:
        """Return the differences of the profiles at `centres` (n,), and their derivatives, (n, size − 1) both."""
        offset = (np.linspace(0, 1, self.size) - centres[:, None]) / self.sigma
        profile = np.exp(-(offset**2) / 2)
        return np.diff(profile, axis=1), np.diff(profile * offset / self.sigma, axis=1)
