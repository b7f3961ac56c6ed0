"""Pairs of images of a blob in pixel noise, which no encoder can undo."""

import itertools
import math
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.polynomial.hermite_e import hermeval
from scipy.special import ndtr

from mibench.component import SHOWN
from mibench.distribution import Array, Distribution, Draw, Shape
from mibench.errors import SpecError
from mibench.seeding import derive_seed

from .blob_quadrature import BlobQuadrature
from .blobs import Blobs
from .checks import check_mi
from .stored_truths import STORED_TRUTHS

_MOST_POINTS = 256  # nodes of the quadrature in each dimension, where a draw costs 4 ms
_MOST_NOISE = 1e6
_STD_ERROR = 1e-3
_BLOCK = 2048
_DEGREE = 4  # of the control variates


class MonteCarlo(NamedTuple):
    """An MI in nats, its standard error, and how many draws it is the mean of."""

    value: float
    std_error: float
    draws: int


@dataclass(frozen=True)
class NoisyBlobs(Distribution):
    """Images of `blobs` with independent N(0, `noise`²) added to each pixel of X and of Y.

    The centres have `latent_mi` nats; the noise hides them in part, so that I(X; Y) < latent_mi. It is the mean of the
    exact pointwise MI, a quadrature over both centres, over enough draws for a standard error of 1e-3 nats. Settings of
    common use are stored; another one takes about ten seconds when its MI is first asked for, minutes at large
    `latent_mi` or small `noise`. A draw comes without its pointwise MI, which takes 0.05 to 4 ms for each.
    """

    size: int = field(default=16, metadata=SHOWN)
    latent_mi: float = field(default=2.0, metadata=SHOWN)
    sigma: float = 0.2
    noise: float = field(default=0.5, metadata=SHOWN)

    source: ClassVar[str] = "this package, after the blobs of Butakov et al. 2024"
    tags: ClassVar[tuple[str, ...]] = ("image", "noisy")
    formula: ClassVar[str] = "I = E ln p(x, y) / (p(x) p(y)), p(x, y) = ∫∫ p(x | c) p(y | c′) p(c, c′) dc dc′"

    def __post_init__(self) -> None:
        check_mi(self.latent_mi, "latent_mi")
        if not 0 < self.noise <= _MOST_NOISE:
            raise SpecError(
                f"noise must be above 0, where it would be blobs(...), and at most {_MOST_NOISE:g}, got {self.noise}"
            )
        assert self._blobs is not None  # a bad size or sigma is an error of the spec
        points = self._quadrature.points
        if points >= _MOST_POINTS + 1:
            raise SpecError(
                f"noise={self.noise}, latent_mi={self.latent_mi} and size={self.size} need {points:.4g} points an axis "
                f"to integrate over the centres, above {_MOST_POINTS}; raise noise, or lower latent_mi or size"
            )

    @cached_property
    def _blobs(self) -> Blobs:
        return Blobs(size=self.size, mi=self.latent_mi, sigma=self.sigma)

    @cached_property
    def _quadrature(self) -> BlobQuadrature:
        return BlobQuadrature(size=self.size, mi=self.latent_mi, sigma=self.sigma, noise=self.noise)

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
        """I(X; Y) in nats, a Monte Carlo mean."""
        return _known(self).value

    @property
    def mi_std_error(self) -> float:
        """The standard error of the MI in nats."""
        return _known(self).std_error

    @property
    def truth(self) -> str:
        """The number of draws and the error; and the bound that data processing sets."""
        _, error, draws = _known(self)
        return (
            f"Monte Carlo mean of the exact pointwise MI over {draws} draws, standard error {error:.2g}; "
            f"by data processing less than the {self.latent_mi:g} nats of the centres"
        )

    def draw(self, n: int, rng: np.random.Generator) -> Draw:
        """Return `n` pairs of images, without their pointwise MI."""
        x, y, _ = self._blobs.draw(n, rng)
        noise = np.empty_like(x)
        for images in (x, y):
            rng.standard_normal(out=noise)
            noise *= self.noise
            np.add(images, noise, out=images)
        return Draw(x, y, None)

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """Return the pointwise MI of each pair, (n,) in nats, to 1e-5 by quadrature."""
        return self._quadrature.log_ratio(x, y)

    def monte_carlo(self, seed: int, std_error: float = _STD_ERROR) -> MonteCarlo:
        """Return the mean pointwise MI over as many draws as it takes to bring its standard error to `std_error`.

        The mean is the intercept of a regression on control variates, whose expectation is 0: it takes about a tenth
        of the draws. The same seed gives the same draws.
        """
        rng = np.random.default_rng(seed)
        moments = np.zeros(())
        draws = 0
        while True:
            controls, pointwise = self._controlled(rng)
            columns = np.stack([np.ones(_BLOCK), *controls, pointwise])
            moments, draws = moments + columns @ columns.T, draws + _BLOCK
            inverse = np.linalg.inv(moments[:-1, :-1])
            weights = inverse @ moments[:-1, -1]
            residual = max(0.0, moments[-1, -1] - weights @ moments[:-1, -1]) / (draws - len(weights))
            error = math.sqrt(residual * inverse[0, 0])
            if error <= std_error:
                value = min(max(0.0, float(weights[0])), self.latent_mi)
                return MonteCarlo(round(value, 6), round(error, 6), draws)  # digits that do not depend on the BLAS

    def _controlled(self, rng: np.random.Generator) -> tuple[list[Array], Array]:
        """Return control variates, (block,) each, and the pointwise MI (block,) of new draws.

        The controls are orthonormal polynomials in four independent standard normals of each axis: the latent of X,
        what that of Y has of its own, and the pixel noise of each image along the derivative by its centre. Those
        of odd degree change sign where the images are mirrored, which the pointwise MI does not.
        """
        latents = rng.standard_normal((2, _BLOCK, 2))
        other = math.sqrt(-math.expm1(-self.latent_mi)) * latents[0] + self._quadrature.width * latents[1]
        normals, images = [*latents], []
        for centres in (ndtr(latents[0]), ndtr(other)):
            noise = rng.standard_normal((_BLOCK, self.size, self.size))
            profiles, slopes = self._quadrature.profiles(centres)
            images.append(profiles[:, 0, :, None] * profiles[:, 1, None, :] + self.noise * noise)
            profiles /= np.linalg.norm(profiles, axis=2, keepdims=True)
            slopes /= np.linalg.norm(slopes, axis=2, keepdims=True)
            along_rows = np.einsum("nij,ni,nj->n", noise, slopes[:, 0], profiles[:, 1], optimize=True)
            along_columns = np.einsum("nij,ni,nj->n", noise, profiles[:, 0], slopes[:, 1], optimize=True)
            normals.append(np.stack([along_rows, along_columns], axis=1))
        return _hermite_products(normals), self.log_density_ratio(*images)


def _hermite_products(normals: list[Array]) -> list[Array]:
    """Return products of Hermite polynomials of `normals`, (n, 2) each, of even degree, summed over the two axes."""
    powers = [
        [hermeval(normal, [0] * degree + [1]) / math.sqrt(math.factorial(degree)) for degree in range(_DEGREE + 1)]
        for normal in normals
    ]
    orders = itertools.product(range(_DEGREE + 1), repeat=len(normals))
    return [
        np.prod([power[degree] for power, degree in zip(powers, order, strict=True)], axis=0).sum(axis=1)
        for order in orders
        if sum(order) in range(2, _DEGREE + 1, 2)
    ]


@cache
def _known(task: NoisyBlobs) -> MonteCarlo:
    if str(task) in STORED_TRUTHS:
        return MonteCarlo(*STORED_TRUTHS[str(task)])
    return task.monte_carlo(derive_seed("truth", str(task)))
