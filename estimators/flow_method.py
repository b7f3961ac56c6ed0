"""What MI estimators by normalizing flows share: their hyperparameters, their folds of rows, and where flows begin."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from mibench.estimation import Array, BatchEstimator, Shape

from .checks import above, at_least, at_most, below, one_of
from .couplings import Layout
from .gaussian_heads import Codes
from .splines import BOUND, knot_logits, normal_quantiles, spline
from .training import Minibatches, Training, take, train, warm_up_training

CODED_VALUES = 2**18  # numbers coded at a time without gradient: splines need some hundred times their memory
COVARIANCE_ROWS = 1024  # that score the rows held out, the same at each check, or more in many dimensions
ROWS_TO_DIMENSION = 4  # of a batch, below which its covariance says little
_SPIKE = 1e-3  # share of the standard deviation below which a range of quantiles is no measure of scale
_ROWS_TO_PAIR = 10  # training rows to a pair of coordinates, below which conditioners only learn noise


class Parts(NamedTuple):
    """Rows (M, n, d) of each side that fit the flows of M members, stop their training, and carry the estimate."""

    fit: Codes
    stop: Codes
    evaluation: Codes

    @property
    def training(self) -> Codes:
        """The rows that the flows may have seen."""
        left, right = zip(self.fit, self.stop, strict=True)
        return torch.cat(left, dim=1), torch.cat(right, dim=1)


class Head(Protocol):
    """The law that codes of a pair of rows are to have."""

    def loss(self, codes: Codes) -> Tensor:
        """Return the mean negative log-likelihood (M,), up to a constant."""

    def score(self, codes: Codes, others: Callable[[], Codes]) -> Tensor:
        """Return that of codes that were not trained on, by what a head takes from the codes of other rows."""


class Flows(Protocol):
    """A stack of M flows of pairs of rows (M, B, d), and the law of their codes."""

    @property
    def head(self) -> Head:
        """Return that law."""

    def __call__(self, pair: Codes) -> tuple[Codes, Tensor]:
        """Return the codes, and ln|det J| (M, B)."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """Return what is trained."""


FlowsT = TypeVar("FlowsT", bound=Flows)


class Trainee(Generic[FlowsT]):
    """A stack of flows with the rows it learns from, in float32."""

    def __init__(self, flows: FlowsT, batch: int, parts: Parts) -> None:
        self.flows, self.parts = flows, parts
        dim = sum(side.shape[2] for side in parts.fit)
        self.batch, self.reference = max(batch, ROWS_TO_DIMENSION * dim), max(COVARIANCE_ROWS, 10 * dim)

    def begin(self, seeds: Sequence[int]) -> None:
        """Take all members, with new streams of batches."""
        self.fit, self.stop = ((x.float(), y.float()) for x, y in (self.parts.fit, self.parts.stop))
        self.batches = Minibatches(self.fit[1].shape[1], self.batch, seeds, str(self.fit[1].device))

    def draw(self, index: Tensor) -> Codes:
        """Return the rows of a minibatch."""
        return take(self.fit[0], index), take(self.fit[1], index)

    def loss(self) -> Tensor:
        """Return the mean negative log-likelihoods (M,) of the next minibatch."""
        codes, log_det = self.flows(self.draw(self.batches()))
        loss: Tensor = self.flows.head.loss(codes) - log_det.mean(dim=1)
        return loss

    def validate(self) -> Tensor:
        """Return those of the rows that stop the training, under the law of codes of rows that fit."""
        codes, log_det = encode(self.flows, self.stop)
        sample = (self.fit[0][:, : self.reference], self.fit[1][:, : self.reference])
        score: Tensor = self.flows.head.score(codes, lambda: encode(self.flows, sample)[0]) - log_det.mean(dim=1)
        return score

    def keep(self, places: Tensor) -> None:
        """Go on with these members alone."""
        self.fit, self.stop = ((x[places], y[places]) for x, y in (self.fit, self.stop))
        self.batches.keep(places)

    def diagnostics(self, codes: Codes) -> list[dict[str, float]]:
        """Return what else is known of each member, by the codes of its evaluation rows."""
        return [{} for _ in codes[0]]


@dataclass(frozen=True)
class FlowMethod(BatchEstimator):
    """An estimator that trains flows of vectors on a part of the rows in each of `folds`, read on the rest."""

    marginals: bool = True
    couplings: int = 8
    coupling: Literal["affine", "spline"] = "affine"
    hidden: tuple[int, ...] = (32, 32)
    bins: int = 16
    learning_rate: float = 5e-3
    batch: int = 512
    averaging: float = 0.98
    max_steps: int = 2_000
    check_every: int = 20
    patience: int = 5
    held_out: float = 0.2
    folds: int = 2

    def __post_init__(self) -> None:
        one_of("affine", "spline", coupling=self.coupling)
        at_least(0, couplings=self.couplings, max_steps=self.max_steps, averaging=self.averaging)
        at_least(1, check_every=self.check_every, patience=self.patience, hidden=min(self.hidden, default=1))
        at_least(2, bins=self.bins, batch=self.batch, folds=self.folds)
        at_most(100, bins=self.bins)
        above(0, learning_rate=self.learning_rate, held_out=self.held_out)
        below(1, held_out=self.held_out, averaging=self.averaging)

    def warm_up(self, device: str) -> None:
        """Warm up training."""
        warm_up_training(device)

    def unsupported(self, n: int, x_shape: Shape, y_shape: Shape) -> str:
        """Take vectors only, and enough rows for the covariance of both sides."""
        if max(len(x_shape), len(y_shape)) > 1:
            return f"images need compression first; use ae({self.spec().name}())"
        dim = math.prod(x_shape) + math.prod(y_shape)
        least = next(n for n in range(2 * self.folds, 10**9) if self._least_part(n) >= dim + 2)
        return "" if n >= least else f"the covariance of {dim} dimensions needs n of at least {least}, got {n}"

    def _least_part(self, n: int) -> int:
        """Return the least number of rows of which a covariance is taken."""
        fitted, _, evaluation = self._split(n)
        return min(fitted, evaluation)

    def _split(self, n: int) -> tuple[int, int, int]:
        """Return how many rows of a fold fit the flows, stop the training, and carry the estimate."""
        held_out = n // self.folds
        training = held_out * (self.folds - 1)
        stopping = max(1, round(training * self.held_out))
        return training - stopping, stopping, held_out

    def _arrange(self, x: Array, y: Array, seeds: Sequence[int], tied: bool, device: str) -> Parts:
        """Return the rows of each fold of each replicate in order of use; those of tied sides are on one scale."""
        sides = self._in_order(x, y, seeds, device)
        fitted = self._split(x.shape[1])[0]
        if tied:
            seen = torch.cat([side[:, :fitted] for side in sides], dim=1)
            return self._parted([standardise(side, seen) for side in sides])
        return self._parted([standardise(side, side[:, :fitted]) for side in sides])

    def _in_order(self, x: Array, y: Array, seeds: Sequence[int], device: str) -> list[Tensor]:
        """Return the rows (R · folds, n, d) of both sides, shuffled, with those that a fold is read from at the end."""
        held_out = self._split(x.shape[1])[2]
        orders = [np.random.default_rng(seed).permutation(x.shape[1])[: held_out * self.folds] for seed in seeds]
        folded = np.stack([np.roll(order, fold * held_out) for order in orders for fold in range(self.folds)])
        flat = [side.reshape(*side.shape[:2], -1).repeat(self.folds, axis=0) for side in (x, y)]
        return [torch.as_tensor(np.take_along_axis(side, folded[..., None], axis=1), device=device) for side in flat]

    def _parted(self, sides: Sequence[Tensor]) -> Parts:
        """Return rows (M, n, d) in order by what they are used for."""
        sizes = self._split(sides[0].shape[1])  # which is a multiple of `folds`
        left, right = (torch.split(side, list(sizes), dim=1) for side in sides)
        return Parts(*zip(left, right, strict=True))

    def _layout(self, rows: int, pairs: int) -> Layout:
        """Return the layers of a flow that is fitted to `rows` and may couple so many pairs of coordinates."""
        couplings = self.couplings if rows >= _ROWS_TO_PAIR * pairs else 0
        return Layout(couplings, self.coupling, self.hidden, self.bins)

    def _minimise(self, trainee: Trainee[Any]) -> Training:
        return train(
            list(trainee.flows.parameters()),
            trainee.loss,
            trainee.validate,
            learning_rate=self.learning_rate,
            max_steps=self.max_steps,
            check_every=self.check_every,
            patience=self.patience,
            averaging=self.averaging,
            keep=trainee.keep,
        )


def encode(flow: Callable[[Codes], tuple[Codes, Tensor]], pair: Codes) -> tuple[Codes, Tensor]:
    """Return what a flow of pairs of rows (M, n, d) does, by chunks of rows, for many of them without gradient."""
    size = max(1, CODED_VALUES // (len(pair[0]) * max(side.shape[2] for side in pair)))
    chunks = [flow(piece) for piece in zip(*(torch.split(side, size, dim=1) for side in pair), strict=True)]
    left, right = zip(*(codes for codes, _ in chunks), strict=True)
    return (torch.cat(left, dim=1), torch.cat(right, dim=1)), torch.cat([change for _, change in chunks], dim=1)


def first_logits(fit: Tensor, stop: Tensor, bins: int, marginals: bool) -> Tensor:
    """Return the logits (M, 3K + 1, d) of the splines that flows begin with, by rows (M, n, d) that fit and stop."""
    knots = normal_quantiles(fit, bins)
    none = torch.zeros(knots.shape[:2], dtype=torch.bool, device=fit.device)
    if not marginals:
        return knot_logits(knots, none)
    bent = knot_logits(knots, ~none)[..., None]
    codes = [spline(rows.mT, bent) for rows in (fit, stop)]
    gain = _normal_cost(fit.mT, stop.mT) - _normal_cost(codes[0][0], codes[1][0]) + codes[1][1]
    return knot_logits(knots, gain.mean(dim=2) > gain.std(dim=2, correction=0) / math.sqrt(gain.shape[2]))


def _normal_cost(fit: Tensor, stop: Tensor) -> Tensor:
    """Return the negative log-likelihoods (M, d, n) of `stop` (M, d, n) under normal laws of `fit`, less ½ ln 2π."""
    mean, scale = fit.mean(dim=2, keepdim=True), fit.std(dim=2, keepdim=True)
    return ((stop - mean) / scale).square() / 2 + scale.log()


def standardise(rows: Tensor, seen: Tensor) -> Tensor:
    """Bring each coordinate of rows (M, n, d) onto [−BOUND, BOUND], by the normal quantiles of those `seen`."""
    edges = normal_quantiles(seen, 1)[:, None]
    low, high = edges[..., 0], edges[..., 1]
    floor = _SPIKE * seen.std(dim=1, keepdim=True)
    scale = torch.maximum((high - low) / (2 * BOUND), floor)
    return (rows - (low + high) / 2) / torch.where(scale > 0, scale, 1)
