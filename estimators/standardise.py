"""Standardisation of what a critic sees: fitted on training rows, a bijection of each side, so that it keeps the MI."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from mibench.estimation import Array

_SPIKE = 1e-3  # share of the standard deviation below which the interquartile range is no measure of scale
_TAIL = 3.0  # standard deviations beyond which a coordinate grows as a logarithm
_SMALLEST_IMAGE = 8  # pixels a side, below which an array is a vector of its entries


def is_image(shape: tuple[int, ...], smallest: int = _SMALLEST_IMAGE) -> bool:
    """Return whether a side of this shape is an image: (height, width) or (channels, height, width)."""
    return len(shape) in (2, 3) and min(shape[-2:]) >= smallest


@dataclass(frozen=True)
class Scale:
    """The map of one side onto coordinates of unit scale: centred, divided, and bent to logarithms in the tails.

    Of a vector, each coordinate has its own median and interquartile range. An image, whose pixels only mean
    something beside each other, has one mean and one standard deviation for all.
    """

    exponent: Array
    centre: Array
    scale: Array

    @classmethod
    def fit(cls, rows: Array, image: bool) -> Self:
        """Fit to rows (n, ...)."""
        # Powers of two round nothing, and let no difference overflow.
        exponent = np.frexp(np.abs(rows).max(axis=None if image else 0))[1]
        small = np.ldexp(rows, -exponent)
        if image:
            centre, scale = small.mean(), small.std()
        else:
            low, centre, high = np.quantile(small, [0.25, 0.5, 0.75], axis=0)
            scale = np.maximum((high - low) / 1.349, _SPIKE * small.std(axis=0))
            scale = np.where(small.max(axis=0) > small.min(axis=0), scale, 0)
        return cls(np.asarray(exponent), np.asarray(centre), np.where(scale > 0, scale, 1))

    def __call__(self, rows: Array) -> Array:
        """Map rows (n, ...)."""
        even = (np.ldexp(rows, -self.exponent) - self.centre) / self.scale
        beyond = np.maximum(np.abs(even) - _TAIL, 0)
        bent: Array = np.clip(even, -_TAIL, _TAIL) + np.sign(even) * np.log1p(beyond)
        return bent


def axes(rows: Array) -> Array:
    """Return the matrix (d, d) that brings rows (n, d) onto principal axes, where none varies less than one unit.

    Axes of small variance, along which coordinates nearly agree, are stretched to unit variance; large ones keep
    their size. The correlation matrix is shrunk towards the identity by (d / n)², so that the axes of a sample that
    is small for its dimension are left alone.
    """
    n, d = rows.shape
    shrinkage = min(1.0, d / n) ** 2
    scale = rows.std(axis=0)
    scale = np.where(scale > 0, scale, 1)
    if shrinkage == 1 or d < 2:
        return np.diag(1 / scale)
    correlation = (1 - shrinkage) * np.cov((rows / scale).T, bias=True) + shrinkage * np.eye(d)
    variance, vectors = np.linalg.eigh(correlation)
    stretched: Array = vectors / np.sqrt(np.clip(variance, _least(d), 1)) / scale[:, None]
    return stretched


def _least(d: int) -> float:
    """Return the rounding error of an eigenvalue of a correlation matrix (d, d)."""
    return d * math.sqrt(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Standardiser:
    """The map of both sides of one sample, fitted to its training rows; vectors leave it along principal axes.

    `joint` takes the axes of (x, y), both of whose parts then have as many coordinates as both sides together: their
    sum is the joint vector. An image stays an image (channels, height, width).
    """

    scales: tuple[Scale, Scale]
    rotations: tuple[Array | None, Array | None]

    @classmethod
    def fit(cls, x: Array, y: Array, images: Sequence[bool], joint: bool) -> Self:
        """Fit to rows x (n, ...) and y (n, ...), of which `images` says which are images."""
        sides = [side if image else side.reshape(len(side), -1) for side, image in zip((x, y), images, strict=True)]
        scales = tuple(Scale.fit(side, image) for side, image in zip(sides, images, strict=True))
        mapped = [scale(side) for scale, side in zip(scales, sides, strict=True)]
        rotations: list[Array | None] = [
            None if image else axes(rows) for rows, image in zip(mapped, images, strict=True)
        ]
        if joint and not any(images):
            rotations = list(np.split(axes(np.hstack(mapped)), [mapped[0].shape[1]]))
        return cls((scales[0], scales[1]), (rotations[0], rotations[1]))

    def __call__(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Map rows of both sides."""
        return self._map(0, x), self._map(1, y)

    def _map(self, place: int, side: Array) -> Array:
        scale, rotation = self.scales[place], self.rotations[place]
        if rotation is None:
            return scale(side).reshape(len(side), -1, *side.shape[-2:])
        return scale(side.reshape(len(side), -1)) @ rotation
