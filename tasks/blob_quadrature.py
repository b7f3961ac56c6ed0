"""The densities of noisy blobs, integrated over the centres."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize.elementwise import find_root
from scipy.special import ndtr

from mibench.distribution import Array

_TAIL = 6.0  # standard deviations of a normal latent, which leave out 2e-9 of it
_STEP = 1.0  # in units of the narrowest factor of the integrand; halving it changes a pointwise MI by less than 1e-5
_BATCH = 2**17  # nodes of one batch, that it stays in the cache


@dataclass(frozen=True)
class BlobQuadrature:
    """Integrates over the centres of noisy blobs: an image is blob(c) plus N(0, noise²) in each pixel.

    A centre is Φ(z), row and column, and each coordinate z of X is correlated with that of Y alone, at `mi`/2 nats.
    Over z the integrand is a product of smooth bumps. The likelihood is about s = `likelihood_width` wide in Φ(z), and
    the density of z given that of the other image is κ = e^(−mi/2) wide in z. In t = Φ(z)/s + z/κ neither is narrower
    than 1, so that the trapezoid rule converges as it does for a Gaussian.
    """

    size: int
    mi: float
    sigma: float
    noise: float
    step: float = _STEP

    @property
    def points(self) -> float:
        """The number of nodes in each of the four dimensions, before any is laid out; it may be beyond reach."""
        return 2 + (1 / self.likelihood_width + 2 * _TAIL * math.exp(min(self.mi / 2, 700.0))) / self.step

    @property
    def width(self) -> float:
        """The standard deviation of a normal latent given that of the other image, κ."""
        return math.exp(-self.mi / 2)

    @cached_property
    def likelihood_width(self) -> float:
        """The least standard deviation of a coordinate of the centre, by the Fisher information of an image."""
        profiles, slopes = self.profiles(np.linspace(0, 1, 257))
        information = (slopes**2).sum(axis=1).max() * (profiles**2).sum(axis=1).max()
        return float(self.noise / np.sqrt(information))

    def profiles(self, centres: Array) -> tuple[Array, Array]:
        """Return exp(−(g − c)² / (2σ²)) on the grid and its derivative by c, for centres (...) → (..., size)."""
        offset = (np.linspace(0, 1, self.size) - centres[..., None]) / self.sigma
        profiles = np.exp(-(offset**2) / 2)
        return profiles, profiles * offset / self.sigma

    @cached_property
    def _nodes(self) -> tuple[Array, Array]:
        """The nodes z and the weights, density included, both (points,)."""

        def excess(z: Array, t: Array) -> Array:
            return ndtr(z) / self.likelihood_width + z / self.width - t

        low, high = excess(np.array([-_TAIL, _TAIL]), np.zeros(2))
        t = np.linspace(low, high, int(self.points))
        ends = np.full_like(t, -_TAIL), np.full_like(t, _TAIL)
        z = np.asarray(find_root(excess, ends, args=(t,)).x)
        density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        return z, (t[1] - t[0]) * density / (density / self.likelihood_width + 1 / self.width)

    @cached_property
    def _kernel(self) -> Array:
        """The ratio of the joint density of (z, z') to its marginals', times both weights, (points, points)."""
        z, weights = self._nodes
        square = -math.expm1(-self.mi)  # ρ²
        z, other = z[:, None], z[None, :]
        exponent = (math.sqrt(square) * z * other - square * (z**2 + other**2) / 2) / self.width**2
        return np.exp(self.mi / 2 + exponent) * weights[:, None] * weights

    @cached_property
    def _blobs(self) -> tuple[Array, Array]:
        """The profiles at the nodes (points, size), and the squared norm of the blob at each pair (points, points)."""
        profiles, _ = self.profiles(ndtr(self._nodes[0]))
        norms = (profiles**2).sum(axis=1)
        return profiles, norms[:, None] * norms

    def log_ratio(self, x: Array, y: Array) -> Array:
        """Return ln p(x, y) − ln p(x) − ln p(y) of images x and y (n, size, size), (n,) in nats."""
        batch = max(1, _BATCH // int(self.points) ** 2)
        parts = [self._log_ratio(x[i : i + batch], y[i : i + batch]) for i in range(0, len(x), batch)]
        return np.concatenate(parts)

    def _log_ratio(self, x: Array, y: Array) -> Array:
        _, weights = self._nodes
        of_x, of_y = self._likelihood(x), self._likelihood(y)
        joint = (np.matmul(of_x, self._kernel) * np.matmul(self._kernel, of_y)).sum(axis=(1, 2))
        alone = [np.matmul(np.matmul(likelihood, weights), weights) for likelihood in (of_x, of_y)]
        ratio: Array = np.log(joint) - np.log(alone[0]) - np.log(alone[1])
        return ratio

    def _likelihood(self, images: Array) -> Array:
        """Return p(image | centre) up to a factor, (n, points, points); a blob is a product of two profiles."""
        profiles, norms = self._blobs
        logs = np.matmul(np.matmul(profiles, images), profiles.T)
        logs -= norms / 2
        logs /= self.noise**2
        logs -= logs.max(axis=(1, 2), keepdims=True)
        likelihood: Array = np.exp(logs, out=logs)
        return likelihood
