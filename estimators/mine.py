"""MINE: the Donsker–Varadhan bound of a learnt critic, trained on one half of the sample and evaluated on the other."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mibench.estimation import Array, BatchEstimator, Estimate, Shape
from mibench.seeding import derive_seed

from .checks import above, at_least, at_most, below
from .stack import Minibatches, StackedLinear, StackedMLP, take, torch_generators, train

_BLOCK = 2**13  # pairs scored at a time: hidden layers of this many rows stay in a CPU's cache
_BLOCK_GPU = 2**20
_VALIDATION_PAIRS = 2**14
_SPIKE = 1e-3  # share of the standard deviation below which the interquartile range is no measure of scale


@dataclass(frozen=True)
class MINE(BatchEstimator):
    r"""I ≥ E_P[T] − log E_Q[e^T] in nats, with T a joint MLP critic of (x, y), P the joint law and Q the product law.

    The rows are shuffled and halved. On the first half Adam ascends the bound, with the paper's gradient: the
    denominator E_Q[e^T] is an exponential moving average of `rate`, which removes the bias of a minibatch ratio.
    Marginal draws are shuffles of y within the batch. Weights are an exponential moving average too, of decay
    `averaging`; a share `held_out` of that half only stops the training, at the weights of its best bound. The second
    half is touched once, at the end: E_P over its rows, E_Q over at least `pairs` distinct mismatched pairs of them
    (all there are, where fewer), in float64.

    Widths, batch and Adam's rate are those that public implementations share; when to stop is left to the data.

    Each coordinate is centred by the median and scaled by the interquartile range of the training half. The standard
    error is the delta method's: T(x_i, y_i) less the influence of row i, through x_i and through y_i, on the log mean.
    """

    source: ClassVar[str] = "Belghazi et al., ICML 2018, eq. 10 and section 3.2 (arXiv:1801.04062)"
    bound: ClassVar[str] = "lower"

    hidden: int = 64
    layers: int = 2
    batch: int = 512
    learning_rate: float = 1e-3
    rate: float = 0.1
    averaging: float = 0.99
    max_steps: int = 10_000
    check_every: int = 50
    patience: int = 5
    tolerance: float = 1e-3
    held_out: float = 0.2
    pairs: int = 1_000_000

    def __post_init__(self) -> None:
        at_least(1, hidden=self.hidden, layers=self.layers, pairs=self.pairs)
        at_least(1, max_steps=self.max_steps, check_every=self.check_every, patience=self.patience)
        at_least(2, batch=self.batch)
        above(0, learning_rate=self.learning_rate, rate=self.rate, held_out=self.held_out)
        at_most(1, rate=self.rate)
        at_least(0, averaging=self.averaging, tolerance=self.tolerance)
        below(1, averaging=self.averaging, held_out=self.held_out)

    def unsupported(self, n: int, x_shape: Shape, y_shape: Shape) -> str:
        """Ask for enough rows that each of the three parts holds a product pair."""
        if min(self._split(n)) < 2:
            return f"n={n} leaves fewer than 2 pairs to fit, to stop or to evaluate the critic; give more"
        return ""

    def estimate_batch(self, x: Array, y: Array, seeds: Sequence[int], device: str) -> list[Estimate]:
        """Return one estimate a replicate; all critics are trained as one stack."""
        fitted, held_out, _ = self._split(x.shape[1])
        streams = [np.random.default_rng(derive_seed(seed, "split")) for seed in seeds]
        orders = np.stack([stream.permutation(x.shape[1]) for stream in streams])
        training = fitted + held_out
        parts = [_prepare(side, orders, training, device) for side in (x, y)]
        fit = Pairs(*(rows[:, :fitted] for rows in parts))
        validation = Pairs(*(rows[:, fitted:training] for rows in parts))
        evaluation = Pairs(*(rows[:, training:] for rows in parts))
        generators = torch_generators(seeds)
        critic = Critic(parts[0].shape[-1], parts[1].shape[-1], self.hidden, self.layers, generators).to(device)
        ascent = _Ascent(critic, fit, Minibatches(fitted, self.batch, seeds, device), self.rate)
        outcome = train(
            list(critic.parameters()),
            ascent,
            lambda: -donsker_varadhan(critic, validation, _VALIDATION_PAIRS).value,
            learning_rate=self.learning_rate,
            max_steps=self.max_steps,
            check_every=self.check_every,
            patience=self.patience,
            averaging=self.averaging,
            tolerance=self.tolerance,
        )
        with torch.no_grad():
            bound = donsker_varadhan(critic, evaluation, self.pairs)
        return [bound.estimate(r, outcome.diagnostics(r)) for r in range(len(seeds))]

    def _split(self, n: int) -> tuple[int, int, int]:
        """Return how many rows fit the critic, stop the training, and carry the estimate."""
        training = n // 2
        held_out = round(training * self.held_out)
        return training - held_out, held_out, n - training


class Pairs(NamedTuple):
    """Matched rows x (R, m, d_x) and y (R, m, d_y), in random order."""

    x: Tensor
    y: Tensor


class Critic(nn.Module):
    """R joint critics T(x, y), MLPs of `layers` hidden layers that begin at T = 0.

    Their first layer is applied to the two sides once each, and a pair costs the sum: with images, and with many
    product pairs to each row, that layer is nearly all the work.
    """

    def __init__(self, d_x: int, d_y: int, hidden: int, layers: int, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        self.d_x = d_x
        self.first = StackedLinear(d_x + d_y, hidden, generators)
        self.rest = StackedMLP([hidden] * layers + [1], generators, zero_last=True)

    def embed(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return each side's part of the first layer, (R, B, d_x) and (R, B, d_y) → twice (R, B, hidden)."""
        weight_x, weight_y = self.first.weight[:, : self.d_x], self.first.weight[:, self.d_x :]
        return torch.baddbmm(self.first.bias, x, weight_x), torch.bmm(y, weight_y)

    def forward(self, embedded_x: Tensor, embedded_y: Tensor) -> Tensor:
        """Return T (R, B) of pairs of embedded rows."""
        scores: Tensor = self.rest(torch.relu_(embedded_x + embedded_y))
        return scores[..., 0]


class _Ascent:
    """The training loss (R,), whose gradient is that of minus the bound with a moving average in the denominator."""

    def __init__(self, critic: Critic, rows: Pairs, batches: Callable[[], Tensor], rate: float) -> None:
        self.critic, self.rows, self.batches, self.rate = critic, rows, batches, rate
        self.log_kept = math.log1p(-rate) if rate < 1 else -math.inf
        self.log_mean: Tensor | None = None

    def __call__(self) -> Tensor:
        index = self.batches()
        left, right = self.critic.embed(take(self.rows.x, index), take(self.rows.y, index))
        # Rows are in random order, so that pairing each with the next is a uniform shuffle without fixed points.
        matched, mismatched = self.critic(left, right), self.critic(left, right.roll(1, dims=1))
        now = mismatched.detach().logsumexp(dim=1) - math.log(index.shape[1])
        before = now if self.log_mean is None else self.log_mean
        self.log_mean = torch.logaddexp(before + self.log_kept, now + math.log(self.rate))
        loss: Tensor = (mismatched - self.log_mean[:, None]).exp().mean(dim=1) - matched.mean(dim=1)
        return loss


@dataclass(frozen=True)
class Bound:
    """The bound of each replicate on one part of the rows, its standard error, and the size of the product sample."""

    value: Tensor
    std_error: Tensor
    effective: Tensor
    pairs: int

    def estimate(self, replicate: int, diagnostics: dict[str, Any]) -> Estimate:
        """Return one replicate's estimate: NaN where the bound is not finite or beyond what its pairs could show."""
        value = float(self.value[replicate])
        found = diagnostics | {"product_pairs": self.pairs, "effective_pairs": float(self.effective[replicate])}
        if not value < math.log(self.pairs):
            message = f"the critic diverged: a bound of {value:.4g} nats cannot come from {self.pairs} product pairs"
            return Estimate(math.nan, diagnostics=found, message=message)
        return Estimate(value, float(self.std_error[replicate]), found)


def donsker_varadhan(critic: Critic, sample: Pairs, pairs: int) -> Bound:
    """Return mean T(x_i, y_i) − log mean e^{T(x_i, y_{i+k})} over rows i and shifts k = 1, 2, …, until `pairs` are met.

    The effective size is (Σ e^T)² / Σ e^{2T}.
    """
    left, right = critic.embed(sample.x, sample.y)
    matched = critic(left, right).double()
    rows = sample.x.shape[1]
    shifts = min(rows - 1, math.ceil(pairs / rows))
    reference = matched.amax(dim=1, keepdim=True)
    by_x, by_y, squares = _product_sums(critic, left, right, shifts, reference)
    mean = by_x.sum(dim=1, keepdim=True) / (rows * shifts)
    influence = matched - (by_x + by_y) / (shifts * mean)
    value = matched.mean(dim=1) - (mean.log() + reference)[:, 0]
    std_error = influence.std(dim=1) / math.sqrt(rows)
    return Bound(value, std_error, by_x.sum(dim=1).square() / squares, rows * shifts)


def _product_sums(
    critic: Critic, left: Tensor, right: Tensor, shifts: int, reference: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Sum e^{T − reference} over the mismatched pairs of each x (R, m) and of each y (R, m), and its squares (R,)."""
    replicates, rows, _ = left.shape
    block = max(1, (_BLOCK_GPU if left.is_cuda else _BLOCK) // replicates)
    around = torch.cat([right, right[:, :shifts]], dim=1)
    by_x = reference.new_zeros(replicates, rows)
    by_y = reference.new_zeros(replicates, rows + shifts)
    squares = reference.new_zeros(replicates)
    for start in range(0, rows, block):
        stop = min(start + block, rows)
        for shift in range(1, shifts + 1):
            weight = (critic(left[:, start:stop], around[:, start + shift : stop + shift]).double() - reference).exp()
            by_x[:, start:stop] += weight
            by_y[:, start + shift : stop + shift] += weight
            squares += weight.square().sum(dim=1)
    by_y[:, :shifts] += by_y[:, rows:]
    return by_x, by_y[:, :rows], squares


def _prepare(side: Array, orders: NDArray[np.integer[Any]], training: int, device: str) -> Tensor:
    """Return rows (R, n, ...) in the given orders, flattened, and standardised by the first `training` of them."""
    flat = side.reshape(*side.shape[:2], -1)
    rows = np.take_along_axis(flat, orders[..., None], axis=1)
    seen = rows[:, :training]
    low, middle, high = np.quantile(seen, [0.25, 0.5, 0.75], axis=1, keepdims=True)
    scale = np.maximum((high - low) / 1.349, _SPIKE * seen.std(axis=1, keepdims=True))
    return torch.as_tensor((rows - middle) / np.where(scale > 0, scale, 1), dtype=torch.float32, device=device)
