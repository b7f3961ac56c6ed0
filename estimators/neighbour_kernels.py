"""The compiled searches for neighbours: a fused scan in float32 that answers as float64 would, and a k-d tree.

Both keep points as blocks (blocks, d, width), padded with infinity, so that the distances from one point to a block
are loops over contiguous numbers. All of them are in one file because Numba's cache looks at no other.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]  # float64, and of the scan's blocks and distances float32
Ints = NDArray[np.int64]

LANES = 16  # float32 numbers that a processor treats at once, or a multiple of it
TILE = LANES * LANES  # the width of a block of the scan is a multiple of it
QUERIES = 8  # points that share one pass over the blocks
MANY = 64  # neighbours from which on selecting is quicker than inserting
_LARGEST, _SMALLEST = float(np.finfo(np.float32).max), float(np.finfo(np.float32).tiny)
_FAST = {"nnan", "nsz", "reassoc"}
_compiled = numba.njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")


@_compiled
def _distances(blocks: Floats, b: int, home: int, lane: int, euclidean: bool, out: Floats, row: int) -> None:
    """Write the distances from point (home, lane) to those of block b; squared where Euclidean, else Chebyshev."""
    d, width = blocks.shape[1], blocks.shape[2]
    p = blocks[home, 0, lane]
    for j in range(width):
        e = blocks[b, 0, j] - p
        out[row, j] = e * e if euclidean else abs(e)
    c = 1
    while c + 4 <= d:
        p, q, r, s = (blocks[home, c, lane], blocks[home, c + 1, lane], blocks[home, c + 2, lane],
                      blocks[home, c + 3, lane])  # fmt: skip
        for j in range(width):
            e, f = blocks[b, c, j] - p, blocks[b, c + 1, j] - q
            g, h = blocks[b, c + 2, j] - r, blocks[b, c + 3, j] - s
            if euclidean:
                out[row, j] += (e * e + f * f) + (g * g + h * h)
            else:
                out[row, j] = max(out[row, j], abs(e), abs(f), abs(g), abs(h))
        c += 4
    while c < d:
        p = blocks[home, c, lane]
        for j in range(width):
            e = blocks[b, c, j] - p
            if euclidean:
                out[row, j] += e * e
            else:
                out[row, j] = max(out[row, j], abs(e))
        c += 1


@_compiled
def _exact(rows: Floats, i: int, j: int) -> float:
    """Return the Chebyshev distance of two rows in float64."""
    largest = 0.0
    for c in range(rows.shape[1]):
        largest = max(largest, abs(rows[i, c] - rows[j, c]))
    return largest


@_compiled
def _insert(nearest: Floats, row: int, value: float) -> None:
    """Put a value that is below the last of an ascending row into its place."""
    slot = nearest.shape[1] - 1
    while slot > 0 and nearest[row, slot - 1] > value:
        nearest[row, slot] = nearest[row, slot - 1]
        slot -= 1
    nearest[row, slot] = value


@_compiled
def pack(rows: Floats, centre: Floats, scale: float, blocks: Floats, reach: Floats) -> None:
    """Write the centred and scaled rows (n, d) as blocks, and into reach (n,) their largest coordinates."""
    n, d = rows.shape
    width = blocks.shape[2]
    reach[:] = 0.0
    for b in range(blocks.shape[0]):
        for c in range(d):
            for j in range(width):
                i = b * width + j
                value = (rows[i, c] - centre[c]) * scale if i < n else np.inf
                blocks[b, c, j] = value
                if i < n:
                    reach[i] = max(reach[i], abs(value))


@_compiled
def scan(
    x_blocks: Floats,
    y_blocks: Floats,
    x: Floats,
    y: Floats,
    k: int,
    rectangle: bool,
    scale: float,
    x_reach: Floats,
    y_reach: Floats,
    begin: int,
    end: int,
    radii: Floats,
    x_counts: Ints,
    y_counts: Ints,
) -> None:
    """Write the k-th joint distances and the marginal counts of the points from `begin` to `end`.

    The blocks hold the centred data times `scale` in float32, in the order of the rows x (n, d_x) and y (n, d_y).
    A distance in float32 is off by less than 2⁻²²(reach + distance), in units of the blocks, where x_reach and y_reach
    (n,) are the largest coordinates of each point; what that leaves open is decided on the rows in float64.
    """
    n, width = x.shape[0], x_blocks.shape[2]
    count = x_blocks.shape[0]
    x_distance = np.empty((QUERIES * count, width), np.float32)
    y_distance = np.empty((QUERIES * count, width), np.float32)
    x_rows, y_rows = x_distance.reshape((QUERIES, count * width)), y_distance.reshape((QUERIES, count * width))
    x_tiles = x_distance.reshape((QUERIES, count * width // TILE, LANES, LANES))
    y_tiles = y_distance.reshape((QUERIES, count * width // TILE, LANES, LANES))
    minima = np.empty((count * width // TILE, LANES), np.float32)
    hits, hit_distance = np.empty(n, np.int64), np.empty(n, np.float64)
    nearest = np.empty((1, k))
    for first in range(begin, end, QUERIES):
        many = min(QUERIES, end - first)
        for b in range(count):
            for q in range(many):
                home, lane = (first + q) // width, (first + q) % width
                _distances(x_blocks, b, home, lane, False, x_distance, q * count + b)
                _distances(y_blocks, b, home, lane, False, y_distance, q * count + b)
        for q in range(many):
            i = first + q
            x_rows[q, i], y_rows[q, i] = np.inf, np.inf
            reach = max(x_reach[i], y_reach[i])
            found = _gather(x_tiles, y_tiles, q, minima, nearest, reach, hits, hit_distance)
            for h in range(found):
                hit_distance[h] = max(_exact(x, i, hits[h]), _exact(y, i, hits[h]))
            radius = _kth_smallest(hit_distance, found, nearest)
            x_radius, y_radius = radius, radius
            if rectangle:
                x_radius, y_radius = _sides(x, y, i, hits, found, hit_distance, radius)
            radii[i] = radius
            x_counts[i] = _count(x_rows, q, x, i, x_radius, rectangle, scale, x_reach[i], hits, found)
            y_counts[i] = _count(y_rows, q, y, i, y_radius, rectangle, scale, y_reach[i], hits, found)


@_compiled
def _gather(
    x_tiles: Floats, y_tiles: Floats, q: int, minima: Floats, nearest: Floats, reach: float, hits: Ints,
    hit_distance: Floats,
) -> int:  # fmt: skip
    """List the points that may be among the k nearest, and return how many there are.

    The k-th smallest of the minima of many small groups is no smaller than the k-th distance: it says which groups to
    look into. A group is one lane of a tile, so that the minima of all lanes are found at once.
    """
    for t in range(minima.shape[0]):
        for lane in range(LANES):
            least = np.float32(np.inf)
            for s in range(LANES):
                least = min(least, max(x_tiles[q, t, s, lane], y_tiles[q, t, s, lane]))
            minima[t, lane] = least
    bound = _beyond(_kth_smallest(minima.reshape(minima.size), minima.size, nearest), reach)
    found = 0
    for t in range(minima.shape[0]):
        for lane in range(LANES):
            if minima[t, lane] <= bound:
                for s in range(LANES):
                    distance = max(x_tiles[q, t, s, lane], y_tiles[q, t, s, lane])
                    if distance <= bound:
                        hits[found], hit_distance[found] = t * TILE + s * LANES + lane, distance
                        found += 1
    bound = _beyond(_kth_smallest(hit_distance, found, nearest), reach)
    kept = 0
    for h in range(found):
        if hit_distance[h] <= bound:
            hits[kept] = hits[h]
            kept += 1
    return kept


@_compiled
def _kth_smallest(values: Floats, count: int, nearest: Floats) -> float:
    """Return the k-th smallest of the first `count` values, infinity where they are fewer; nearest (1, k) is room."""
    k = nearest.shape[1]
    if count < k:
        return np.inf
    if k > MANY:
        return float(np.partition(values[:count], k - 1)[k - 1])
    nearest[0, :] = np.inf
    for h in range(count):
        if values[h] < nearest[0, k - 1]:
            _insert(nearest, 0, values[h])
    return float(nearest[0, k - 1])


@_compiled
def _error(distance: float, reach: float) -> float:
    """Return twice what rounding two coordinates of up to `reach` + `distance`, and their difference, can amount to."""
    return 2.0**-22 * (reach + distance) + _SMALLEST


@_compiled
def _beyond(distance: float, reach: float) -> float:
    """Return what no float32 distance exceeds whose float64 is at most that of a point at `distance`."""
    if distance == np.inf:
        return _LARGEST
    return distance + 2 * _error(distance, reach)


@_compiled
def _sides(
    x: Floats, y: Floats, i: int, hits: Ints, found: int, hit_distance: Floats, radius: float
) -> tuple[float, float]:
    """Return the half-widths of the smallest rectangle around point i that holds all points within `radius`."""
    x_radius, y_radius = 0.0, 0.0
    for h in range(found):
        if hit_distance[h] <= radius:
            x_radius = max(x_radius, _exact(x, i, hits[h]))
            y_radius = max(y_radius, _exact(y, i, hits[h]))
    return x_radius, y_radius


@_compiled
def _count(
    distances: Floats, q: int, rows: Floats, i: int, radius: float, closed: bool, scale: float, reach: float,
    hits: Ints, found: int,
) -> int:  # fmt: skip
    """Count the points nearer than `radius`, or where `closed` not farther.

    Those in the narrow band that float32 leaves open are counted by float64; nearly always they are `hits`.
    """
    centre = radius * scale
    error = _error(centre, reach)
    low, high = np.float32(centre - error), np.float32(centre + error)
    inside, within = np.int32(0), np.int32(0)
    for j in range(distances.shape[1]):
        inside = np.int32(inside + (distances[q, j] < low))
        within = np.int32(within + (distances[q, j] <= high))
    if inside == within:
        return int(inside)
    seen, decided = 0, 0
    for h in range(found):
        if low <= distances[q, hits[h]] <= high:
            seen += 1
            decided += _holds(_exact(rows, i, hits[h]), radius, closed)
    if seen == within - inside:
        return int(inside) + decided
    decided = 0
    for j in range(distances.shape[1]):
        if low <= distances[q, j] <= high:
            decided += _holds(_exact(rows, i, j), radius, closed)
    return int(inside) + decided


@_compiled
def _holds(distance: float, radius: float, closed: bool) -> int:
    return int(distance < radius or (closed and distance == radius))


@_compiled
def build_tree(
    rows: Floats, leaves: int, root: int, levels: int, order: Ints, keys: Floats, low: Floats, high: Floats
) -> None:
    """Sort the points of rows (n, d) into `leaves`, a power of two, halving the widest side of each box.

    Leaf b holds the points order[b n // leaves : (b + 1) n // leaves]. Node v of the heap has the children 2v and
    2v + 1, and the leaves are the last; low and high (2 leaves, d) are the corners of the boxes of all nodes. This does
    the node `root` and `levels` of nodes below it.
    """
    n, d = rows.shape
    span = leaves
    while root >= 2 * leaves // span:
        span //= 2
    for level in range(levels + 1):
        for node in range(root << level, (root + 1) << level):
            first = (node * span - leaves) * n // leaves
            last = ((node + 1) * span - leaves) * n // leaves
            widest, width = 0, -1.0
            for c in range(d):
                low[node, c], high[node, c] = np.inf, -np.inf
            for i in range(first, last):
                for c in range(d):
                    value = rows[order[i], c]
                    low[node, c] = min(low[node, c], value)
                    high[node, c] = max(high[node, c], value)
            for c in range(d):
                if high[node, c] - low[node, c] > width:
                    widest, width = c, high[node, c] - low[node, c]
            if span > 1:
                middle = ((2 * node + 1) * (span // 2) - leaves) * n // leaves
                for i in range(first, last):
                    keys[i] = rows[order[i], widest]
                _partition(keys, order, first, last - 1, middle)
        span //= 2


@_compiled
def fill_blocks(rows: Floats, order: Ints, begin: int, end: int, blocks: Floats, ids: Ints) -> None:
    """Copy the points of leaves `begin` to `end` into their blocks, and write who they are (−1 where room is left)."""
    leaves, d, width = blocks.shape
    n = rows.shape[0]
    for b in range(begin, end):
        first, last = b * n // leaves, (b + 1) * n // leaves
        for j in range(ids.shape[1]):
            ids[b, j] = order[first + j] if first + j < last else -1
        for c in range(d):
            for j in range(width):
                blocks[b, c, j] = rows[order[first + j], c] if first + j < last else np.inf


@_compiled
def _partition(keys: Floats, order: Ints, first: int, last: int, middle: int) -> None:
    """Reorder first … last so that no key before `middle` exceeds one from it on (Hoare's selection)."""
    while first < last:
        pivot = keys[(first + last) // 2]
        i, j = first, last
        while i <= j:
            while keys[i] < pivot:
                i += 1
            while keys[j] > pivot:
                j -= 1
            if i <= j:
                keys[i], keys[j] = keys[j], keys[i]
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if middle <= j:
            last = j
        elif middle >= i:
            first = i
        else:
            return


@_compiled
def _box_distance(low: Floats, high: Floats, v: int, w: int, euclidean: bool) -> float:
    """Return how near two boxes are; squared where Euclidean."""
    total = 0.0
    for c in range(low.shape[1]):
        gap = max(low[v, c] - high[w, c], low[w, c] - high[v, c], 0.0)
        total = total + gap * gap if euclidean else max(total, gap)
    return total


@_compiled
def _box_reach(low: Floats, high: Floats, v: int, w: int) -> float:
    """Return how far (Chebyshev) a point of one box may be from one of the other."""
    total = 0.0
    for c in range(low.shape[1]):
        total = max(total, high[v, c] - low[w, c], high[w, c] - low[v, c])
    return total


@_compiled
def _how_near(blocks: Floats, g: int, low: Floats, high: Floats, v: int, euclidean: bool, near: Floats) -> None:
    """Write how near the box v is at least to each point of block g; squared where Euclidean."""
    width = blocks.shape[2]
    near[:] = 0.0
    for c in range(blocks.shape[1]):
        floor, ceiling = low[v, c], high[v, c]
        for q in range(width):
            gap = max(floor - blocks[g, c, q], blocks[g, c, q] - ceiling, 0.0)
            if euclidean:
                near[q] += gap * gap
            else:
                near[q] = max(near[q], gap)


@_compiled
def _how_far(blocks: Floats, g: int, low: Floats, high: Floats, v: int, far: Floats) -> None:
    """Write how far (Chebyshev) the box v is at most from each point of block g."""
    width = blocks.shape[2]
    far[:] = 0.0
    for c in range(blocks.shape[1]):
        floor, ceiling = low[v, c], high[v, c]
        for q in range(width):
            far[q] = max(far[q], ceiling - blocks[g, c, q], blocks[g, c, q] - floor)


@_compiled
def tree_nearest(
    blocks: Floats, ids: Ints, low: Floats, high: Floats, euclidean: bool, most: int, begin: int, end: int,
    nearest: Floats, index: Ints,
) -> int:  # fmt: skip
    """Write the k nearest distances and whose they are, (n, k), of the points in leaves `begin` to `end`.

    Of each leaf at most its first `most` points are searched for. Equal distances go to the point of the lower number.
    Euclidean distances come squared. Returns the number of pairs of points that were looked at.
    """
    leaves, _, width = blocks.shape
    k = nearest.shape[1]
    distance, near = np.empty((1, width)), np.empty(width)
    best, whose = np.empty((width, k)), np.empty((width, k), np.int64)
    stack = np.empty(128, np.int64)
    slack = 1.0 + 1e-12 if euclidean else 1.0
    looked = 0
    for g in range(begin, end):
        home, size = g + leaves, min(most, _size(ids, g))
        best[:, :], whose[:, :] = np.inf, -1
        stack[0], depth = 1, 1
        near[:] = 0.0
        looked += _visit(blocks, ids, g, size, g, euclidean, distance, best, whose, near)
        while depth > 0:
            depth -= 1
            node = stack[depth]
            worst = 0.0
            for q in range(size):
                worst = max(worst, best[q, k - 1])
            if _box_distance(low, high, home, node, euclidean) > worst * slack:
                continue
            if node < leaves:
                left = _box_distance(low, high, home, 2 * node, euclidean)
                right = _box_distance(low, high, home, 2 * node + 1, euclidean)
                stack[depth] = 2 * node if left > right else 2 * node + 1
                stack[depth + 1] = 4 * node + 1 - stack[depth]
                depth += 2
            elif node != home:
                _how_near(blocks, g, low, high, node, euclidean, near)
                looked += _visit(blocks, ids, g, size, node - leaves, euclidean, distance, best, whose, near)
        for q in range(size):
            nearest[ids[g, q], :], index[ids[g, q], :] = best[q], whose[q]
    return looked


@_compiled
def _size(ids: Ints, b: int) -> int:
    width = int(ids.shape[1])
    return width if ids[b, width - 1] >= 0 else width - 1


@_compiled
def _visit(
    blocks: Floats, ids: Ints, g: int, size: int, b: int, euclidean: bool, distance: Floats, best: Floats, whose: Ints,
    near: Floats,
) -> int:  # fmt: skip
    """Let the first `size` points of block g look for neighbours in block b where that is `near` enough.

    Returns how many pairs of points were looked at.
    """
    k, width = best.shape[1], blocks.shape[2]
    looked = 0
    slack = 1.0 + 1e-12 if euclidean else 1.0
    for q in range(size):
        if near[q] > best[q, k - 1] * slack:
            continue
        looked += width
        _distances(blocks, b, g, q, euclidean, distance, 0)
        if b == g:
            distance[0, q] = np.inf
        least = np.inf
        for j in range(width):
            least = min(least, distance[0, j])
        if least > best[q, k - 1]:
            continue
        for j in range(_size(ids, b)):
            value, name = distance[0, j], ids[b, j]
            if j == q and b == g:
                continue
            if value < best[q, k - 1] or (value == best[q, k - 1] and name < whose[q, k - 1]):
                slot = k - 1
                while slot > 0 and (
                    best[q, slot - 1] > value or (best[q, slot - 1] == value and whose[q, slot - 1] > name)
                ):
                    best[q, slot], whose[q, slot] = best[q, slot - 1], whose[q, slot - 1]
                    slot -= 1
                best[q, slot], whose[q, slot] = value, name
    return looked


@_compiled
def tree_counts(
    blocks: Floats, ids: Ints, low: Floats, high: Floats, closed: bool, begin: int, end: int, radii: Floats,
    counts: Ints,
) -> None:  # fmt: skip
    """Count the other points nearer than radii (n,), or where `closed` not farther (Chebyshev), leaf by leaf."""
    leaves, _, width = blocks.shape
    distance, near, far = np.empty((1, width)), np.empty(width), np.empty(width)
    radius, count = np.empty(width), np.empty(width, np.int64)
    stack = np.empty(128, np.int64)
    for g in range(begin, end):
        home, size = g + leaves, _size(ids, g)
        least, most, common = np.inf, 0.0, 0
        for q in range(size):
            radius[q] = radii[ids[g, q]]
            count[q] = -1 if closed or radius[q] > 0 else 0
            least, most = min(least, radius[q]), max(most, radius[q])
        stack[0], depth = 1, 1
        while depth > 0:
            depth -= 1
            node = stack[depth]
            if _box_distance(low, high, home, node, False) > most:
                continue
            if _box_reach(low, high, home, node) < least:
                common += _below(ids, node, leaves)
            elif node < leaves:
                stack[depth], stack[depth + 1] = 2 * node, 2 * node + 1
                depth += 2
            else:
                _how_near(blocks, g, low, high, node, False, near)
                _how_far(blocks, g, low, high, node, far)
                _count_leaf(blocks, ids, g, node - leaves, closed, radius, near, far, distance, count)
        for q in range(size):
            counts[ids[g, q]] = common + count[q]


@_compiled
def _below(ids: Ints, node: int, leaves: int) -> int:
    """Return the number of points below a node."""
    first, last = node, node
    while first < leaves:
        first, last = 2 * first, 2 * last + 1
    total = 0
    for b in range(first - leaves, last - leaves + 1):
        total += _size(ids, b)
    return total


@_compiled
def _count_leaf(
    blocks: Floats, ids: Ints, g: int, b: int, closed: bool, radius: Floats, near: Floats, far: Floats,
    distance: Floats, count: Ints,
) -> None:  # fmt: skip
    for q in range(_size(ids, g)):
        if near[q] > radius[q]:
            continue
        if far[q] < radius[q]:
            count[q] += _size(ids, b)
            continue
        _distances(blocks, b, g, q, False, distance, 0)
        count[q] += _within(distance, radius[q], closed)


@_compiled
def sorted_counts(values: Floats, radii: Floats, closed: bool, begin: int, end: int, counts: Ints) -> None:
    """Count, for ascending values (n,) from `begin` to `end`, the others nearer than radii (n,), or not farther."""
    n = values.size
    for i in range(begin, end):
        left, right = -1, i  # the last that is out, the first that is in
        while right - left > 1:
            middle = (left + right) // 2
            if _holds(values[i] - values[middle], radii[i], closed):
                right = middle
            else:
                left = middle
        inside, outside = i, n
        while outside - inside > 1:
            middle = (inside + outside) // 2
            if _holds(values[middle] - values[i], radii[i], closed):
                inside = middle
            else:
                outside = middle
        counts[i] = inside - right


@_compiled
def rectangles(
    x: Floats, y: Floats, index: Ints, radii: Floats, tied: NDArray[np.bool_], x_radii: Floats, y_radii: Floats,
    begin: int, end: int,
) -> None:  # fmt: skip
    """Write the half-widths of the smallest rectangles that hold all points within radii (n,).

    They are the neighbours index (n, k), and where a point's k-th distance is `tied` whoever else is as near.
    """
    for i in range(begin, end):
        x_radii[i], y_radii[i] = 0.0, 0.0
        for h in range(x.shape[0] if tied[i] else index.shape[1]):
            j = h if tied[i] else index[i, h]
            x_distance, y_distance = _exact(x, i, j), _exact(y, i, j)
            if max(x_distance, y_distance) <= radii[i]:
                x_radii[i], y_radii[i] = max(x_radii[i], x_distance), max(y_radii[i], y_distance)


@_compiled
def small(
    x_blocks: Floats, y_blocks: Floats, k: int, rectangle: bool, begin: int, end: int, radii: Floats, x_counts: Ints,
    y_counts: Ints,
) -> None:  # fmt: skip
    """Do what `scan` does for whole replicates (R, d, n) of few points, from `begin` to `end`, in float64."""
    n = x_blocks.shape[2]
    x_distance, y_distance, nearest = np.empty((1, n)), np.empty((1, n)), np.empty((1, k))
    for r in range(begin, end):
        for i in range(n):
            _distances(x_blocks, r, r, i, False, x_distance, 0)
            _distances(y_blocks, r, r, i, False, y_distance, 0)
            x_distance[0, i], y_distance[0, i] = np.inf, np.inf
            nearest[0, :] = np.inf
            for j in range(n):
                distance = max(x_distance[0, j], y_distance[0, j])
                if distance < nearest[0, k - 1]:
                    _insert(nearest, 0, distance)
            radius = nearest[0, k - 1]
            x_radius, y_radius = radius, radius
            if rectangle:
                x_radius, y_radius = 0.0, 0.0
                for j in range(n):
                    if max(x_distance[0, j], y_distance[0, j]) <= radius:
                        x_radius = max(x_radius, x_distance[0, j])
                        y_radius = max(y_radius, y_distance[0, j])
            radii[r, i] = radius
            x_counts[r, i] = _within(x_distance, x_radius, rectangle)
            y_counts[r, i] = _within(y_distance, y_radius, rectangle)


@_compiled
def _within(distance: Floats, radius: float, closed: bool) -> int:
    found = 0
    if closed:
        for j in range(distance.shape[1]):
            found += distance[0, j] <= radius
    else:
        for j in range(distance.shape[1]):
            found += distance[0, j] < radius
    return found
