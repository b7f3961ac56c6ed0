"""Linear algebra in a fixed order of operations, so that draws do not depend on the BLAS of the machine."""

import numpy as np

from mibench.distribution import Array
from mibench.errors import SpecError

_CACHED = 1 << 14  # numbers that stay in the cache while a chunk of rows is summed


_LARGEST_ROTATION = 1000  # dimensions; a larger rotation takes minutes to find and to apply


def check_rotation(d: int) -> None:
    """Raise `SpecError` where a rotation of `d` dimensions is too large to be drawn."""
    if d > _LARGEST_ROTATION:
        raise SpecError(f"a rotation takes at most {_LARGEST_ROTATION} dimensions, got {d}; lower d, or do not mix")


def mix(rows: Array, matrix: Array) -> Array:
    """Return ``rows @ matrix.T``: (n, d) and (k, d) → (n, k), summed over d in order."""
    mixed = np.zeros((len(rows), len(matrix)))
    chunk = max(1, _CACHED // len(matrix))
    term = np.empty((chunk, len(matrix)))
    for start in range(0, len(rows), chunk):
        part, total = rows[start : start + chunk], mixed[start : start + chunk]
        for column, weights in zip(part.T, matrix.T, strict=True):
            total += np.multiply(column[:, None], weights, out=term[: len(part)])
    return mixed


def haar_orthogonal(d: int, rng: np.random.Generator) -> Array:
    """Return a random orthogonal matrix (d, d), uniform over the group: Gram–Schmidt on normal rows."""
    rows = rng.standard_normal((d, d))
    for j in range(d):
        for _ in range(2):  # the second pass removes what rounding leaves of the first
            rows[j] -= (rows[:j] * (rows[:j] * rows[j]).sum(axis=1)[:, None]).sum(axis=0)
        rows[j] /= np.sqrt((rows[j] ** 2).sum())
    return rows


def reflect_mean_first(rows: Array) -> Array:
    """Reflect each row (n, d) so that its first coordinate and its normed mean, Σ/√d, change places."""
    d = rows.shape[1]
    if d == 1:
        return rows.copy()
    axis = np.full(d, -1 / np.sqrt(d))
    axis[0] += 1
    along = rows[:, 0] - rows.sum(axis=1) / np.sqrt(d)
    reflected: Array = rows - (2 / (axis**2).sum() * along)[:, None] * axis
    return reflected
