"""Images as tasks: an injective rendering of latents in (0, 1)^k, whose MI is that of the images."""

from abc import abstractmethod
from functools import cached_property
from typing import ClassVar

import numpy as np

from mibench.distribution import Array, Distribution, Draw, Shape
from mibench.errors import SpecError

from .checks import check_mi
from .gaussian import Gaussian
from .maps import Uniform

_LARGEST_SIZE = 1024
_EDGE = 2.0**-53  # a latent that is read from pixels is kept this far from 0 and 1, where rounding may put it


class ImageTask(Distribution):
    """X and Y are images, each an injective rendering of k latents in (0, 1): I(X; Y) is that of the latents.

    The law of the latents is `latent`, any task whose draws lie in (0, 1)^k on both sides, or else the normal CDF of a
    correlated Gaussian with the wanted `mi`, 1 nat by default: `uniform(gaussian(d=k, mi=mi))`.
    A family is a frozen dataclass with the fields `size`, `mi` and `latent`, in any order.
    """

    size: int
    mi: float | None
    latent: Distribution | None

    published: ClassVar[str]
    k: ClassVar[int]  # the number of latents of an image
    smallest_size: ClassVar[int] = 2
    needs_size: ClassVar[str] = ""  # why it is the smallest
    kinds: ClassVar[tuple[str, ...]] = ("image",)

    def __post_init__(self) -> None:
        if not self.smallest_size <= self.size <= _LARGEST_SIZE:
            because = f", {self.needs_size}" if self.needs_size else ""
            raise SpecError(
                f"size must be at least {self.smallest_size}{because} and at most {_LARGEST_SIZE} pixels, "
                f"got {self.size}"
            )
        if self.latent is not None:
            self._check_latent(self.latent)
        elif self.mi is None:
            object.__setattr__(self, "mi", 1.0)
        else:
            check_mi(self.mi)
        assert self.latents is not None  # an MI that cannot be had is an error of the spec

    def _check_latent(self, latent: Distribution) -> None:
        if self.mi is not None:
            raise SpecError("give either mi or latent, not both")
        if {latent.x_shape, latent.y_shape} != {(self.k,)} or latent.support != "unit":
            raise SpecError(
                f"latent must draw x and y in (0, 1)^{self.k}, such as uniform(gaussian(d={self.k})); got {latent}, "
                f"with x of shape {latent.x_shape}, y of shape {latent.y_shape} and support {latent.support!r}"
            )
        if isinstance(latent, Uniform) and latent == self._correlated(latent.mutual_information):
            object.__setattr__(self, "mi", latent.mutual_information)  # one law, one name
            object.__setattr__(self, "latent", None)

    def _correlated(self, mi: float) -> Uniform:
        return Uniform(Gaussian(d=self.k, mi=mi))

    @cached_property
    def latents(self) -> Distribution:
        """The law of the latents of X and Y, (k,) each."""
        return self.latent or self._correlated(self.mi or 0.0)

    @property
    def image_shape(self) -> Shape:
        """(size, size)."""
        return (self.size, self.size)

    @property
    def x_shape(self) -> Shape:
        """That of an image."""
        return self.image_shape

    @property
    def y_shape(self) -> Shape:
        """That of an image."""
        return self.image_shape

    @property
    def tags(self) -> tuple[str, ...]:
        """What kind of image it is, and what its latents are where they are given."""
        return (*self.kinds, *(self.latent.tags if self.latent else ()))

    @property
    def source(self) -> str:
        """That of the images, and of the latents where they are given."""
        return f"{self.published}; latents: {self.latent.source}" if self.latent else self.published

    @property
    def mutual_information(self) -> float:
        """That of the latents, in nats."""
        return self.latents.mutual_information

    @property
    def mi_std_error(self) -> float:
        """That of the latents, in nats."""
        return float(self.latents.mi_std_error)

    @property
    def formula(self) -> str:
        """That of the latents."""
        return str(self.latents.formula)

    @property
    def truth(self) -> str:
        """How the MI of the latents is known, which the images determine."""
        return f"{self.latents.truth}, through the latents, which each image determines"

    @abstractmethod
    def render(self, latents: Array) -> Array:
        """Return the images (n, *image_shape) of `latents` (n, k) in (0, 1)."""

    @abstractmethod
    def read(self, images: Array) -> Array:
        """Return the latents (n, k) of `images` (n, *image_shape): the inverse of `render`."""

    def draw(self, n: int, rng: np.random.Generator) -> Draw:
        """Return `n` pairs of images and the pointwise MI of their latents."""
        u, v, pointwise = Draw(*self.latents.draw(n, rng))
        return Draw(self.render(u), self.render(v), pointwise)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """Return the pointwise MI of the latents, (n,) in nats."""
        u, v = (np.clip(self.read(images), _EDGE, 1 - _EDGE) for images in (x, y))
        return self.latents.log_density_ratio(u, v)
