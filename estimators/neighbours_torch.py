"""The searches of `neighbours` on a GPU: all pairs in float64, in chunks that fit, over all replicates at once."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from mibench.estimation import Array

from .neighbour_kernels import Ints

_BUFFERS = 8  # arrays of a chunk's distances that are alive together, with room for sorting
_MOST = 2**27  # distances of a chunk: beyond, the launches no longer matter
_CPU = 2**20  # distances of a chunk on a CPU, where this path only serves to be checked


def joint(x: Array, y: Array, k: int, rectangle: bool, device: str) -> tuple[Array, Ints, Ints]:
    """Return the k-th joint distances and the counts in x and in y, each (R, n); see `neighbours.joint`."""
    left, right = _on(device, x), _on(device, y)
    parts = []
    for rows in _chunks(left):
        dx, dy = _distances(left, rows, False), _distances(right, rows, False)
        both = torch.maximum(dx, dy)
        radius = _kth(both, k)
        if rectangle:
            near = both <= radius
            edges = [torch.where(near, side, 0).amax(dim=2, keepdim=True) for side in (dx, dy)]
            numbers = [(side <= edge).sum(dim=2) for side, edge in zip((dx, dy), edges, strict=True)]
        else:
            numbers = [(side < radius).sum(dim=2) for side in (dx, dy)]
        parts.append((radius[..., 0], *numbers))
    radii, x_counts, y_counts = (torch.cat(part, dim=1).cpu().numpy() for part in zip(*parts, strict=True))
    return radii, x_counts, y_counts


def nearest(points: Array, k: int, euclidean: bool, device: str) -> tuple[Array, Ints]:
    """Return the distances and the rows of the k nearest others, each (R, n, k); see `neighbours.nearest`."""
    given = _on(device, points)
    parts = []
    for rows in _chunks(given):
        distance = _distances(given, rows, euclidean)
        edge = _kth(distance, k)
        parts.append(_first_nearest(distance, edge, k))
    found = [torch.cat(part, dim=1) for part in zip(*parts, strict=True)]
    distance = found[0].sqrt() if euclidean else found[0]
    return distance.cpu().numpy(), found[1].cpu().numpy()


def counts(points: Array, radii: Array, closed: bool, device: str) -> Ints:
    """Return how many others are within radii, (R, n); see `neighbours.counts`."""
    given, edges = _on(device, points), _on(device, radii[..., None])
    parts = []
    for rows in _chunks(given):
        distance, edge = _distances(given, rows, False), edges[:, rows]
        parts.append(((distance <= edge) if closed else (distance < edge)).sum(dim=2))
    found: Ints = torch.cat(parts, dim=1).cpu().numpy()
    return found


def _on(device: str, array: Array) -> Tensor:
    return torch.as_tensor(np.ascontiguousarray(array), device=device)


def _chunks(points: Tensor) -> Iterator[slice]:
    """Cut the n rows so that the distances of a chunk to all rows fit into memory."""
    replicates, n, _ = points.shape
    room = _CPU
    if points.is_cuda:
        room = min(_MOST, torch.cuda.mem_get_info(points.device)[0] // (_BUFFERS * points.element_size()))
    step = max(1, int(room) // (replicates * n))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def _distances(points: Tensor, rows: slice, euclidean: bool) -> Tensor:
    """Return the distances (R, rows, n) to all points, infinite to oneself; squared where Euclidean, else Chebyshev."""
    columns = points.movedim(2, 0)
    shape = points.shape[0], rows.stop - rows.start, points.shape[1]
    total = torch.zeros(shape, device=points.device, dtype=points.dtype)
    for column in columns:
        difference = column[:, None, :] - column[:, rows, None]
        if euclidean:
            total.add_(difference.square_())
        else:
            torch.maximum(total, difference.abs_(), out=total)
    own = torch.arange(rows.start, rows.stop, device=points.device)
    total[:, own - rows.start, own] = torch.inf
    return total


def _kth(distance: Tensor, k: int) -> Tensor:
    """Return the k-th smallest distance (R, rows, 1)."""
    return distance.topk(k, dim=2, largest=False).values.amax(dim=2, keepdim=True)


def _first_nearest(distance: Tensor, edge: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k smallest distances, ascending, and where they are; of equals those that come first."""
    inside = distance < edge
    spare = k - inside.sum(dim=2, keepdim=True)
    on_edge = distance == edge
    chosen = inside | (on_edge & (on_edge.cumsum(dim=2, dtype=torch.int32) <= spare))
    index = chosen.nonzero()[:, 2].reshape(*distance.shape[:2], k)
    values, order = distance.gather(2, index).sort(dim=2, stable=True)
    return values, index.gather(2, order)
