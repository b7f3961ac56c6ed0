"""The compiled search behind the k-nearest-neighbour estimators: all distances of one point at a time, none kept."""

import numba
import numpy as np
from numpy.typing import NDArray

_BLOCK = 64  # points that share their buffers


@numba.njit(parallel=True, cache=True, nogil=True)
def marginal_counts(
    x: NDArray[np.float64], y: NDArray[np.float64], k: int, rectangle: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Count each point's neighbours in x and in y within its joint k-neighbourhood (Chebyshev).

    x (d_x, n) and y (d_y, n) are contiguous. Without `rectangle` the radius is the k-th joint distance, and those
    strictly nearer count; with it each side has the largest distance of the k neighbours, which itself counts. The
    k-th joint distances (n,) are returned too.
    """
    n = x.shape[1]
    x_counts, y_counts, radii = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n)
    for block in numba.prange((n + _BLOCK - 1) // _BLOCK):
        x_distance, y_distance = np.empty(n), np.empty(n)
        nearest, nearest_index = np.empty(k), np.empty(k, np.int64)
        for i in range(block * _BLOCK, min(n, (block + 1) * _BLOCK)):
            _distances(x, i, x_distance)
            _distances(y, i, y_distance)
            _nearest(x_distance, y_distance, i, nearest, nearest_index)
            radii[i] = nearest[k - 1]
            if rectangle:
                x_radius, y_radius = x_distance[nearest_index].max(), y_distance[nearest_index].max()
                x_counts[i] = (x_distance <= x_radius).sum() - 1
                y_counts[i] = (y_distance <= y_radius).sum() - 1
            else:
                x_counts[i] = max((x_distance < radii[i]).sum() - 1, 0)
                y_counts[i] = max((y_distance < radii[i]).sum() - 1, 0)
    return x_counts, y_counts, radii


@numba.njit(cache=True, nogil=True)
def _distances(columns: NDArray[np.float64], i: int, out: NDArray[np.float64]) -> None:
    """Write the Chebyshev distances of point i to all points."""
    out[:] = 0.0
    for c in range(columns.shape[0]):
        column, centre = columns[c], columns[c, i]
        for j in range(out.size):
            out[j] = max(out[j], abs(column[j] - centre))


@numba.njit(cache=True, nogil=True)
def _nearest(
    x_distance: NDArray[np.float64],
    y_distance: NDArray[np.float64],
    i: int,
    nearest: NDArray[np.float64],
    nearest_index: NDArray[np.int64],
) -> None:
    """Write the k smallest joint distances from point i to others, ascending, and whose they are."""
    nearest[:] = np.inf
    last = nearest.size - 1
    for j in range(x_distance.size):
        distance = max(x_distance[j], y_distance[j])
        if distance < nearest[last] and j != i:
            slot = last
            while slot > 0 and nearest[slot - 1] > distance:
                nearest[slot], nearest_index[slot] = nearest[slot - 1], nearest_index[slot - 1]
                slot -= 1
            nearest[slot], nearest_index[slot] = distance, j
