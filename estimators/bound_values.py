"""The value of a bound on rows that training never saw, over a fixed set of product pairs, with its standard error."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from .critics import Critic

_BLOCK = 2**13  # pairs scored at a time: hidden layers of this many rows stay in a CPU's cache
_BLOCK_GPU = 2**20
_EMBEDDED = 2**20  # numbers embedded at a time


class Pairs(NamedTuple):
    """Matched rows x (R, n, ...) and y (R, n, ...), in random order."""

    x: Tensor
    y: Tensor


@dataclass(frozen=True)
class Reading:
    """The value of each replicate (R,), and the influence (R, n) of each row on it, of mean 0."""

    value: Tensor
    influence: Tensor
    pairs: int

    @property
    def std_error(self) -> Tensor:
        """The standard error (R,), by the delta method, of the draw of the rows."""
        return self.influence.std(dim=1) / math.sqrt(self.influence.shape[1])


def embed(critic: Critic, sample: Pairs) -> tuple[Tensor, Tensor]:
    """Return the embeddings of all rows, computed by chunks."""
    rows = max(1, _EMBEDDED // max(side[:, :1].numel() for side in sample))
    chunks = [critic.embed(x, y) for x, y in zip(*(torch.split(side, rows, dim=1) for side in sample), strict=True)]
    left, right = (torch.cat(side, dim=1) for side in zip(*chunks, strict=True))
    return left, right


def scores(critic: Critic, left: Tensor, right: Tensor, negatives: int) -> Tensor:
    """Return T(x_i, y_{i+k}) as (R, B, 1 + negatives, ...), cyclic: the matched pair, then product pairs.

    Rows are in random order, so that pairing each with those that follow is a uniform choice of mismatched ones.
    """
    shifted = torch.stack([right.roll(-shift, dims=1) for shift in range(negatives + 1)], dim=2)
    found: Tensor = critic(left[:, :, None], shifted)
    return found


def shifts(rows: int, pairs: int) -> int:
    """Return how many mismatched pairs of each row make up `pairs` of them, all there are where fewer."""
    return min(rows - 1, math.ceil(pairs / rows))


def _block_rows(embedded: Tensor, pairs: int) -> int:
    """Return how many rows (R, rows, width), of so many pairs each, are scored at a time."""
    return max(1, (_BLOCK_GPU if embedded.is_cuda else _BLOCK) // (len(embedded) * pairs))


def score_blocks(critic: Critic, sample: Pairs, pairs: int, over_x: bool = False) -> Iterator[tuple[slice, Tensor]]:
    """Yield rows and their scores (R, rows, 1 + K, ...) in float64, of x_i with y_{i+k}, or of y_i with x_{i+k}."""
    left, right = embed(critic, sample)
    fixed, moving = (right, left) if over_x else (left, right)
    rows = fixed.shape[1]
    count = shifts(rows, pairs)
    around = torch.cat([moving, moving[:, :count]], dim=1).unfold(1, count + 1, 1).movedim(-1, 2)
    block = _block_rows(left, count + 1)
    for start in range(0, rows, block):
        chosen = slice(start, min(start + block, rows))
        one, many = fixed[:, chosen, None], around[:, chosen]
        yield chosen, (critic(many, one) if over_x else critic(one, many)).double()


def against_others(
    critic: Critic, left: Tensor, right: Tensor, reference: Pairs, pairs: int, over_x: bool = False
) -> Tensor:
    """Return T(x, y) − ln mean_j e^{T(x, y_j)} (R, B) over reference rows, or with the mean over x_j for each y.

    Their number, that which `pairs` gives each reference row, does not depend on how many rows are asked for.
    """
    others = embed(critic, reference)[0 if over_x else 1]
    others = others[:, None, : 1 + shifts(others.shape[1], pairs)]
    fixed = right if over_x else left
    rows = _block_rows(left, others.shape[2])
    scored = [
        (critic(others, some[:, :, None]) if over_x else critic(some[:, :, None], others)).logsumexp(dim=2)
        for some in torch.split(fixed, rows, dim=1)
    ]
    matched: Tensor = critic(left, right)
    return matched - torch.cat(scored, dim=1) + math.log(others.shape[2])


def log_mean_exp(critic: Critic, sample: Pairs, pairs: int) -> Tensor:
    """Return ln E_Q[e^T] (R,) over product pairs."""
    blocks = [block[:, :, 1:].flatten(1).logsumexp(dim=1) for _, block in score_blocks(critic, sample, pairs)]
    count = sample.x.shape[1] * shifts(sample.x.shape[1], pairs)
    return torch.stack(blocks).logsumexp(dim=0) - math.log(count)


Statistics = Callable[[Tensor], tuple[Tensor, ...]]


def read_moments(
    critic: Critic,
    sample: Pairs,
    pairs: int,
    combine: Callable[[tuple[Tensor, ...], tuple[Tensor, ...]], Tensor],
    of_matched: Statistics,
    of_product: Statistics,
) -> Reading:
    """Read a bound that is a function `combine` of means over matched, and over product pairs, of functions of T.

    By the delta method row i counts through its own statistics, and through the product pairs of x_i and of y_i.
    """
    (replicates, rows), count = sample.x.shape[:2], shifts(sample.x.shape[1], pairs)
    matched: list[tuple[Tensor, ...]] = []
    by_x: list[tuple[Tensor, ...]] = []
    by_y = _Columns(replicates, rows, count, sample.x.device)
    for chosen, block in score_blocks(critic, sample, pairs):
        matched.append(of_matched(block[:, :, 0]))
        found = of_product(block[:, :, 1:])
        by_x.append(tuple(each.mean(dim=2) for each in found))
        by_y.add(chosen, found)
    own, left = ([torch.cat(each, dim=1) for each in zip(*parts, strict=True)] for parts in (matched, by_x))
    means = [each.mean(dim=1).requires_grad_() for each in (*own, *left)]
    with torch.enable_grad():
        value = combine(tuple(means[: len(own)]), tuple(means[len(own) :]))
        slopes = torch.autograd.grad(value.sum(), means, materialize_grads=True)
    totals = [*own, *(x + y for x, y in zip(left, by_y.means(), strict=True))]
    influence = sum(
        (slope[:, None] * total for slope, total in zip(slopes, totals, strict=True)), torch.zeros(()).to(totals[0])
    )
    return Reading(value.detach(), influence - influence.mean(dim=1, keepdim=True), rows * count)


def read_rows(
    critic: Critic,
    sample: Pairs,
    pairs: int,
    terms: Callable[[Tensor], tuple[Tensor, Tensor]],
    over_x: bool = False,
) -> Reading:
    """Read a bound that is a mean over rows of a function of the row's scores.

    `terms` returns it (R, rows), and how it answers to the weight of each of the row's K product pairs (R, rows, K),
    which sum to 0: through these the other side of a pair counts.
    """
    (replicates, rows), count = sample.x.shape[:2], shifts(sample.x.shape[1], pairs)
    own = []
    others = _Columns(replicates, rows, count, sample.x.device)
    for chosen, block in score_blocks(critic, sample, pairs, over_x):
        term, weights = terms(block)
        own.append(term)
        others.add(chosen, (weights,))
    term = torch.cat(own, dim=1)
    value = term.mean(dim=1)
    return Reading(value, term - value[:, None] + count * others.means()[0], rows * count)


class _Columns:
    """Sums over the product pairs of each row as the mismatched one: row j has pairs with rows j−1, …, j−K."""

    def __init__(self, replicates: int, rows: int, count: int, device: torch.device) -> None:
        self.shape, self.rows, self.count, self.device = (replicates, rows + count), rows, count, device
        self.sums: list[Tensor] = []

    def add(self, chosen: slice, statistics: tuple[Tensor, ...]) -> None:
        """Add statistics (R, rows, K) of a block of rows."""
        if not self.sums:
            self.sums = [torch.zeros(self.shape, dtype=torch.float64, device=self.device) for _ in statistics]
        for total, found in zip(self.sums, statistics, strict=True):
            for place in range(min(found.shape[1:])):
                if found.shape[1] < self.count:
                    start = chosen.start + place + 1
                    total[:, start : start + self.count] += found[:, place]
                else:
                    total[:, chosen.start + place + 1 : chosen.stop + place + 1] += found[:, :, place]

    def means(self) -> list[Tensor]:
        """Return the means (R, rows) over the K pairs of each row."""
        for total in self.sums:
            total[:, : self.count] += total[:, self.rows :]
        return [total[:, : self.rows] / self.count for total in self.sums]
