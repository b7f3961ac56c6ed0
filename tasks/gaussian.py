"""Correlated Gaussians: every family is d independent pairs (u_j, v_j), mixed by a linear map on each side.

The MI of a pair is I_j = −½ ln(1 − ρ_j²), so that ρ_j = √(−expm1(−2 I_j)) and √(1 − ρ_j²) = exp(−I_j), both exact for
any I_j.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np

from mibench.component import SHOWN
from mibench.distribution import Array, Distribution, Draw, Shape
from mibench.errors import SpecError
from mibench.seeding import derive_seed

from .checks import check_dimension, check_mi, check_rho
from .elementary import exp, expm1
from .linear import check_rotation, haar_orthogonal, mix, reflect_mean_first
from .shapes import EqualDimensions
from .split import check_float64, check_seed_is_used, split_mi, splits_at_random


class CanonicalGaussian(Distribution):
    """A Gaussian by its canonical pairs: x = A u and y = B v with corr(u_j, v_j) = ρ_j and all else independent."""

    @property
    @abstractmethod
    def pair_mi(self) -> Array:
        """The MI of each canonical pair, (min(d_x, d_y),) in nats."""

    @cached_property
    def bases(self) -> tuple[Array | None, Array | None]:
        """The maps A (d_x, d_x) and B (d_y, d_y); None is the identity."""
        return None, None

    def draw(self, n: int, rng: np.random.Generator) -> Draw:
        """Return `n` draws and their pointwise MI, computed from the noise of y so that it holds at any MI."""
        u, v, noise = self.draw_canonical(n, rng)
        return Draw(*self.mix(u, v), self._pointwise(v[:, : len(self.pair_mi)], noise))

    def draw_canonical(self, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Return u (n, d_x), v (n, d_y), and the standard normal noise (n, pairs) with v = ρu + √(1 − ρ²) noise."""
        u = rng.standard_normal((n, *self.x_shape))
        v = rng.standard_normal((n, *self.y_shape))
        pairs = len(self.pair_mi)
        noise = v[:, :pairs].copy()
        v[:, :pairs] = self._rho * u[:, :pairs] + self._residual * noise
        return u, v, noise

    def mix(self, u: Array, v: Array) -> tuple[Array, Array]:
        """Return x = A u (n, d_x) and y = B v (n, d_y)."""
        a, b = self.bases
        return (u if a is None else mix(u, a)), (v if b is None else mix(v, b))

    def unmix(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Return u = A⁻¹ x and v = B⁻¹ y."""
        a, b = self.bases
        return (x if a is None else mix(x, np.linalg.inv(a).astype(float))), (
            y if b is None else mix(y, np.linalg.inv(b).astype(float))
        )

    def to_canonical(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        """Return the canonical u, v and noise of draws."""
        u, v = self.unmix(x, y)
        pairs = len(self.pair_mi)
        return u, v, (v[:, :pairs] - self._rho * u[:, :pairs]) / self._residual

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """Return the pointwise MI of each pair, (n,) in nats."""
        _, v, noise = self.to_canonical(x, y)
        return self._pointwise(v[:, : len(self.pair_mi)], noise)

    @cached_property
    def _rho(self) -> Array:
        return np.sqrt(-expm1(-2 * self.pair_mi))

    @cached_property
    def _residual(self) -> Array:
        return exp(-self.pair_mi)

    def _pointwise(self, v: Array, noise: Array) -> Array:
        """Return ln p(v | u) − ln p(v), where v given u is ρu plus `noise` scaled by √(1 − ρ²)."""
        pointwise: Array = (self.pair_mi + (v**2 - noise**2) / 2).sum(axis=1)
        return pointwise


@dataclass(frozen=True)
class Gaussian(CanonicalGaussian):
    """X, Y in R^d, standard normal, with correlated corresponding components, all alike unless `randomized`.

    `d` is 1 by default; `dx` and `dy` are the dimensions where they differ from it; min(dx, dy) components then
    correspond, and the others are independent. `randomized=True` splits the MI over the components at random.
    `mixing="orthogonal"` rotates each side by a random orthogonal matrix, and `mixing="dense"` gives each side a random
    covariance, of eigenvalues 1 to 10 before it is scaled to unit variances. What is random follows from the spec;
    `seed` says which it is.
    """

    d: int | None = field(default=None, metadata=SHOWN)
    mi: float = field(default=1.0, metadata=SHOWN)
    dx: int | None = None
    dy: int | None = None
    mixing: Literal["orthogonal", "dense"] | None = None
    randomized: bool = False
    seed: int = 0

    formula: ClassVar[str] = "I = −½ Σ_j ln(1 − ρ_j²), ρ_j = √(1 − e^(−2 I_j)), Σ_j I_j = mi"
    source: ClassVar[str] = "Kraskov, Stögbauer & Grassberger 2004; Czyż et al. 2023 (Beyond Normal)"

    def __post_init__(self) -> None:
        for name in ("d", "dx", "dy"):
            if getattr(self, name) is not None:
                check_dimension(name, getattr(self, name))
        check_mi(self.mi)
        dx, dy = self.dx or self.d or 1, self.dy or self.d or 1
        randomized = splits_at_random(self.mi, min(dx, dy), self.randomized)
        object.__setattr__(self, "randomized", randomized)
        check_seed_is_used(self.seed, randomized or self.mixing is not None, "mixing, or randomized and MI to split")
        if self.mixing is not None:
            check_rotation(max(dx, dy))
        same = dx == dy  # one law, one name
        object.__setattr__(self, "d", dx if same else None)
        object.__setattr__(self, "dx", None if same else dx)
        object.__setattr__(self, "dy", None if same else dy)
        check_float64(self.pair_mi)

    @property
    def x_shape(self) -> Shape:
        """(d_x,)."""
        return (self.dx or self.d or 1,)

    @property
    def y_shape(self) -> Shape:
        """(d_y,)."""
        return (self.dy or self.d or 1,)

    @property
    def tags(self) -> tuple[str, ...]:
        """Gaussian, and how it differs from plain pairs."""
        return (
            "gaussian",
            "vector",
            *({"orthogonal": ["rotated"], "dense": ["dense"]}.get(self.mixing or "", [])),
            *(["uneven"] if self.randomized else []),
        )

    @property
    def mutual_information(self) -> float:
        """The MI that was asked for, in nats."""
        return self.mi

    @cached_property
    def pair_mi(self) -> Array:
        """The share of each of the min(d_x, d_y) pairs."""
        return split_mi(self, self.mi, min(*self.x_shape, *self.y_shape), self.randomized)

    @cached_property
    def bases(self) -> tuple[Array | None, Array | None]:
        """The matrices of the mixing, or None without."""
        if self.mixing is None:
            return None, None
        rng = np.random.default_rng(derive_seed("mixing", str(self)))
        rotations = [haar_orthogonal(d, rng) for d in (*self.x_shape, *self.y_shape)]
        if self.mixing == "orthogonal":
            return rotations[0], rotations[1]
        return _dense(rotations[0]), _dense(rotations[1])


def _dense(rotation: Array) -> Array:
    """Return A with A Aᵀ of unit diagonal: the eigenvectors of `rotation`, eigenvalues spread evenly over 1 to 10."""
    matrix = rotation * np.sqrt(np.linspace(1, 10, len(rotation)))
    scaled: Array = matrix / np.sqrt((matrix**2).sum(axis=1))[:, None]
    return scaled


@dataclass(frozen=True)
class GaussianDense(EqualDimensions, CanonicalGaussian):
    """X, Y in R^d, unit variances, the same correlation ρ between any two of the 2d coordinates.

    Give either `rho` in [0, 1) or the wanted `mi`. The only dependence is that of the two coordinate means, whose
    correlation is r = dρ / (1 + (d−1)ρ): I = −½ ln(1 − r²).
    """

    d: int = field(default=2, metadata=SHOWN)
    rho: float | None = None
    mi: float | None = None

    formula: ClassVar[str] = "I = −½ ln(1 − r²), r = dρ / (1 + (d−1)ρ)"
    source: ClassVar[str] = "Czyż et al. 2023 (Beyond Normal)"
    tags: ClassVar[tuple[str, ...]] = ("gaussian", "vector", "dense")

    def __post_init__(self) -> None:
        check_dimension("d", self.d)
        if (self.rho is None) == (self.mi is None):
            raise SpecError("give either rho or mi, such as gaussian_dense(d=5, rho=0.5)")
        if self.mi is not None:
            check_mi(self.mi)
        if self.rho is not None:
            check_rho(self.rho)
        check_float64(self.pair_mi)

    @property
    def mutual_information(self) -> float:
        """I(X; Y) in nats."""
        if self.mi is not None:
            return self.mi
        rho, d = self.rho or 0.0, self.d
        # 1 − r² = (1 − ρ)(1 + (2d−1)ρ) / (1 + (d−1)ρ)²
        return math.log1p((d - 1) * rho) - (math.log1p(-rho) + math.log1p((2 * d - 1) * rho)) / 2

    @cached_property
    def pair_mi(self) -> Array:
        """All the MI is in the first pair, the coordinate means."""
        return np.array([self.mutual_information, *[0.0] * (self.d - 1)])

    def mix(self, u: Array, v: Array) -> tuple[Array, Array]:
        """Reflect the first pair onto the means, all scaled to the variances of the mean and of what is left."""
        return reflect_mean_first(u * self._scales), reflect_mean_first(v * self._scales)

    def unmix(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Undo `mix`."""
        return reflect_mean_first(x) / self._scales, reflect_mean_first(y) / self._scales

    @cached_property
    def _scales(self) -> Array:
        d, one_minus_rho = self.d, self._one_minus_rho
        scales: Array = np.sqrt(np.array([d - (d - 1) * one_minus_rho, *[one_minus_rho] * (d - 1)]))
        return scales

    @property
    def _one_minus_rho(self) -> float:
        """1 − ρ, which stays exact where ρ rounds to 1; from r = √(1 − e^(−2I)), ρ = r / (d − (d−1) r)."""
        if self.rho is not None:
            return 1 - self.rho
        mi, d = self.mutual_information, self.d
        r = math.sqrt(-math.expm1(-2 * mi))
        one_minus_r = math.exp(-2 * mi) / (1 + r)
        return d * one_minus_r / (d - (d - 1) * r)


@dataclass(frozen=True)
class GaussianSparse(EqualDimensions, CanonicalGaussian):
    """X, Y in R^d, standard normal; the first `pairs` coordinates correspond, the others are noise.

    Give the wanted `mi`, 1 nat by default, or the correlation `rho`: I = −(pairs/2) ln(1 − ρ²).
    """

    d: int = field(default=3, metadata=SHOWN)
    pairs: int = field(default=2, metadata=SHOWN)
    mi: float | None = field(default=None, metadata=SHOWN)
    rho: float | None = None

    formula: ClassVar[str] = "I = −(pairs/2) ln(1 − ρ²)"
    source: ClassVar[str] = "Czyż et al. 2023 (Beyond Normal)"
    tags: ClassVar[tuple[str, ...]] = ("gaussian", "vector", "sparse")

    def __post_init__(self) -> None:
        check_dimension("d", self.d)
        if not 1 <= self.pairs <= self.d:
            raise SpecError(f"pairs must be between 1 and d={self.d}, got {self.pairs}")
        if self.rho is None and self.mi is None:
            object.__setattr__(self, "mi", 1.0)
        if self.rho is not None and self.mi is not None:
            raise SpecError("give either rho or mi, such as gaussian_sparse(d=5, pairs=2, rho=0.8)")
        if self.mi is not None:
            check_mi(self.mi)
        if self.rho is not None:
            check_rho(self.rho)
        check_float64(self.pair_mi)

    @property
    def mutual_information(self) -> float:
        """I(X; Y) in nats."""
        if self.mi is not None:
            return self.mi
        return -self.pairs / 2 * math.log1p(-((self.rho or 0.0) ** 2))

    @cached_property
    def pair_mi(self) -> Array:
        """The MI over `pairs`, in each of the interacting pairs; the others are left out."""
        return np.full(self.pairs, self.mutual_information / self.pairs)
