"""Linear algebra in a fixed order of operations, so that draws do not depend on the BLAS of the machine."""

import numpy as np

from mibench.distribution import Array


def mix(rows: Array, matrix: Array) -> Array:
    """Return ``rows @ matrix.T``: (n, d) and (k, d) → (n, k), summed over d in order."""
    mixed = np.zeros((len(rows), len(matrix)))
    for column, weights in zip(rows.T, matrix.T, strict=True):
        mixed += column[:, None] * weights
    return mixed


def haar_orthogonal(d: int, rng: np.random.Generator) -> Array:
    """Return a random orthogonal matrix (d, d), uniform over the group: Gram–Schmidt on normal rows."""
    rows = rng.standard_normal((d, d))
    for j in range(d):
        for _ in range(2):  # the second pass removes what rounding leaves of the first
            rows[j] -= (rows[:j] * (rows[:j] * rows[j]).sum(axis=1)[:, None]).sum(axis=0)
        rows[j] /= np.sqrt((rows[j] ** 2).sum())
    return rows


def mean_first_orthogonal(d: int) -> Array:
    """Return the Householder reflection (d, d) whose first row and column are constant, 1/√d."""
    axis = np.full(d, -1 / np.sqrt(d))
    axis[0] += 1
    norm = (axis**2).sum()
    return np.eye(d) - (2 / norm * np.outer(axis, axis) if norm else 0)
