"""The maps that an estimator may claim not to notice; none of them changes MI."""

from collections.abc import Callable

import numpy as np

from mibench.distribution import Array

Map = Callable[[Array, np.random.Generator], Array]


def _scale(side: Array, rng: np.random.Generator) -> Array:
    """Multiply a side by a positive number, and shift it."""
    return side * float(np.exp(rng.uniform(-3, 3))) + float(rng.uniform(-3, 3))


def _affine(side: Array, rng: np.random.Generator) -> Array:
    """Apply an invertible matrix of condition number 4, and shift."""
    flat = side.reshape(len(side), -1)
    left, right = (np.linalg.qr(rng.standard_normal((flat.shape[1],) * 2))[0] for _ in range(2))
    matrix = left @ np.diag(np.geomspace(0.5, 2, flat.shape[1])) @ right
    mapped: Array = (flat @ matrix + rng.uniform(-3, 3, flat.shape[1])).reshape(side.shape)
    return mapped


def _monotone(side: Array, rng: np.random.Generator) -> Array:
    """Map each coordinate by an increasing function, t + a t³."""
    mapped: Array = side + rng.uniform(1.0, 3.0, side.shape[1:]) * side**3
    return mapped


CLAIMS: dict[str, Map] = {"scale": _scale, "affine": _affine, "monotone": _monotone}
