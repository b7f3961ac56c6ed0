"""What all neural bounds share: a stack of critics trained on one part of the rows, and read on another."""

import math
import statistics
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from mibench.errors import MibenchError
from mibench.estimation import Array, BatchEstimator, Estimate, Shape
from mibench.seeding import derive_seed

from .bound_values import Pairs, Reading, log_mean_exp, scores
from .checks import above, at_least, below
from .columns import Index
from .critics import CRITICS, Critic
from .pointwise import PointwiseMean, PointwiseMI
from .stack import torch_generators
from .standardise import Standardiser, is_image
from .training import Minibatches, Training, in_stacks, take, train, warm_up_training

_VALIDATION_PAIRS = 2**14

Memory = Tensor | None


@dataclass(frozen=True)
class NeuralBound(BatchEstimator):
    """A bound on MI in nats, of a critic T(x, y) that is trained to tell matched from mismatched pairs.

    The rows are shuffled. A share `evaluation` of them is touched once, at the end: the value is the bound over these
    rows and at least `pairs` mismatched pairs of them (all there are, where fewer), in float64, with the weights of the
    best validation loss on a share `held_out` of the other rows. With `folds` of 2 or more, each of so many parts is
    the evaluation share of a critic trained on the others, and the answer is the mean.

    The critic is "joint", an MLP of (x, y) with `layers` hidden layers of `hidden` SiLU units; "separable", the inner
    product of an MLP of x and one of y; or "bilinear". A side whose rows are images, (height, width) or (channels,
    height, width) of at least 8 × 8 pixels, goes through convolutions first, unless `flatten`.

    Each coordinate is centred by its median, divided by its interquartile range, and beyond 3 standard deviations bent
    to a logarithm, so that heavy tails stay in range; then the principal axes of the joint vector (of each side, where
    the critic is not joint) along which it varies less than by one unit are stretched to it, which shows the critic how
    far strongly dependent coordinates differ. All of it is a bijection of each side, fitted on training rows; it keeps
    the MI. An image has one mean and one standard deviation.

    Adam ascends over minibatches of `batch` rows, each with `negatives` mismatched pairs, and weights are averaged
    exponentially with decay `averaging`; inner products take a fifth of `learning_rate`. A replicate stops when
    `patience` checks, `check_every` steps apart, have not bettered its validation loss by a share `tolerance`;
    `max_steps` is only a guard.
    """

    bound: ClassVar[str] = "lower"
    least_negatives: ClassVar[int] = 1
    learns_pointwise: ClassVar[bool] = True

    critic: Literal["joint", "separable", "bilinear"] = "joint"
    hidden: int = 64
    layers: int = 2
    flatten: bool = False
    batch: int = 256
    negatives: int = 1
    learning_rate: float = 5e-3
    averaging: float = 0.99
    max_steps: int = 10_000
    check_every: int = 50
    patience: int = 5
    tolerance: float = 1e-3
    held_out: float = 0.2
    evaluation: float = 0.5
    folds: int = 1
    pairs: int = 1_000_000

    def __post_init__(self) -> None:
        at_least(1, hidden=self.hidden, layers=self.layers, pairs=self.pairs, folds=self.folds)
        at_least(1, max_steps=self.max_steps, check_every=self.check_every, patience=self.patience)
        at_least(self.least_negatives, negatives=self.negatives)
        at_least(2, batch=self.batch)
        above(0, learning_rate=self.learning_rate, held_out=self.held_out, evaluation=self.evaluation)
        at_least(0, averaging=self.averaging, tolerance=self.tolerance)
        below(1, averaging=self.averaging, held_out=self.held_out, evaluation=self.evaluation)

    @abstractmethod
    def loss(self, matched: Tensor, product: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Return the training loss (R,) of scores matched (R, B) and product (R, B, K), and what to remember (R,)."""

    @abstractmethod
    def read(self, critic: Critic, sample: Pairs, pairs: int) -> Reading:
        """Return the bound over rows that may be matched with `pairs` mismatched ones."""

    def validation_loss(self, critic: Critic, sample: Pairs, pairs: int) -> Tensor:
        """Return what stops the training (R,): minus the bound."""
        return -self.read(critic, sample, pairs).value

    def make_critic(self, x_shape: Shape, y_shape: Shape, generators: Sequence[torch.Generator]) -> Critic:
        """Return one critic a generator, for rows of these shapes."""
        return CRITICS[self.critic](x_shape, y_shape, [self.hidden] * self.layers, generators)

    def pointwise(self, critic: Critic, left: Tensor, right: Tensor, reference: Pairs) -> Tensor:
        """Return the pointwise MI (R, B) that the critic has learnt: T, less ln E_Q[e^T] over reference rows."""
        scores: Tensor = critic(left, right)
        return scores - log_mean_exp(critic, reference, self.pairs)[:, None]

    def limit(self, pairs: int) -> float:
        """Return what a value must stay below in size to be believed: no more than its product pairs could show."""
        return math.log(pairs + 1)

    @property
    def joint(self) -> bool:
        """Whether the critic looks along the axes of the joint vector."""
        return self.critic == "joint"

    def fit_map(self, x: Array, y: Array, images: Sequence[bool]) -> Standardiser:
        """Return the map of both sides to what the critic sees, fitted to training rows (n, ...) of both."""
        return Standardiser.fit(x, y, images, self.joint)

    def warm_up(self, device: str) -> None:
        """Warm up training."""
        warm_up_training(device)

    def unsupported(self, n: int, x_shape: Shape, y_shape: Shape) -> str:
        """Ask for enough rows that each of the three parts holds a product pair."""
        if min(self._split(n)) < 2:
            return f"n={n} leaves fewer than 2 pairs to fit, to stop or to evaluate the critic; give more"
        return ""

    def estimate(self, x: Array, y: Array, seed: int, device: str = "cpu", return_critic: bool = False) -> Estimate:
        """Return the estimate of a single replicate, with its trained critic where asked for."""
        if return_critic and not self.learns_pointwise:
            raise MibenchError(
                f"the critic of {self} is known but for shift, scale and sign; use mine for pointwise MI"
            )
        return self._estimate_all(x[None], y[None], [seed], device, return_critic)[0]

    def estimate_batch(self, x: Array, y: Array, seeds: Sequence[int], device: str) -> list[Estimate]:
        """Return one estimate a replicate; critics are trained as stacks, on a CPU one stack a core."""
        return self._estimate_all(x, y, seeds, device, return_critic=False)

    def _estimate_all(
        self, x: Array, y: Array, seeds: Sequence[int], device: str, return_critic: bool
    ) -> list[Estimate]:
        def work(part: Index) -> list[Estimate]:
            return self._estimate_stack(x[part], y[part], [seeds[place] for place in part], device, return_critic)

        return in_stacks(work, len(seeds), self.folds, device)

    def _estimate_stack(
        self, x: Array, y: Array, seeds: Sequence[int], device: str, return_critic: bool
    ) -> list[Estimate]:
        """Return one estimate a replicate; the critics of all replicates and folds are trained as one stack."""
        fitted, stopping, held_out = self._split(x.shape[1])
        maps, rows = self._arrange(x, y, seeds, device)
        fit, stop, evaluation = (
            Pairs(*part)
            for part in zip(*(torch.split(side, [fitted, stopping, held_out], dim=1) for side in rows), strict=True)
        )
        streams = [derive_seed(seed, "critic", fold) for seed in seeds for fold in range(self.folds)]
        critic = self.make_critic(rows.x.shape[2:], rows.y.shape[2:], torch_generators(streams)).to(device)
        trainee = _Trainee(self, critic, fit, stop, Minibatches(fitted, self.batch, streams, device))
        outcome = train(
            list(critic.parameters()),
            trainee.loss,
            trainee.validate,
            learning_rate=self.learning_rate * critic.pace,
            max_steps=self.max_steps,
            check_every=self.check_every,
            patience=self.patience,
            averaging=self.averaging,
            tolerance=self.tolerance,
            keep=trainee.keep,
        )
        with torch.no_grad():
            seen = self.validation_loss(critic, Pairs(*(side[:, :stopping] for side in fit)), _VALIDATION_PAIRS)
            reading = self.read(critic, evaluation, self.pairs)
        found = _Found(reading, outcome, seen.tolist())
        answers = [self._combine(found, replicate) for replicate in range(len(seeds))]
        if not return_critic:
            return answers
        shapes = (x.shape[2:], y.shape[2:])
        members = [PointwiseMI(self, maps[m], critic, m, evaluation, shapes) for m in range(len(streams))]
        return [
            Estimate(
                one.value,
                one.std_error,
                one.diagnostics,
                one.message,
                PointwiseMean(members[r * self.folds : (r + 1) * self.folds]),
            )
            for r, one in enumerate(answers)
        ]

    def _split(self, n: int) -> tuple[int, int, int]:
        """Return how many rows fit a critic, stop its training, and carry the estimate."""
        held_out = n // self.folds if self.folds > 1 else round(n * self.evaluation)
        training = held_out * (self.folds - 1) if self.folds > 1 else n - held_out
        stopping = round(training * self.held_out)
        return training - stopping, stopping, held_out

    def _arrange(self, x: Array, y: Array, seeds: Sequence[int], device: str) -> tuple[list[Standardiser], Pairs]:
        """Return the rows of each fold of each replicate in order of use, standardised by its training rows."""
        fitted, stopping, held_out = self._split(x.shape[1])
        used, training = fitted + stopping + held_out, fitted + stopping
        images = [is_image(side.shape[2:]) and not self.flatten and self.critic != "bilinear" for side in (x, y)]
        maps: list[Standardiser] = []
        sides: tuple[list[Tensor], list[Tensor]] = ([], [])
        for left, right, seed in zip(x, y, seeds, strict=True):
            order = np.random.default_rng(derive_seed(seed, "split")).permutation(x.shape[1])[:used]
            for fold in range(self.folds):
                rows = np.roll(order, fold * held_out)
                standardiser = self.fit_map(left[rows[:training]], right[rows[:training]], images)
                maps.append(standardiser)
                for side, mapped in zip(sides, standardiser(left[rows], right[rows]), strict=True):
                    side.append(torch.as_tensor(mapped, dtype=torch.float32))
        return maps, Pairs(*(torch.stack(side).to(device) for side in sides))

    def _combine(self, found: "_Found", replicate: int) -> Estimate:
        """Return the mean over the folds of a replicate."""
        folds = range(replicate * self.folds, (replicate + 1) * self.folds)
        notes = [found.notes(fold) for fold in folds]
        means = {
            key: statistics.fmean(note[key] for note in notes) if self.folds > 1 else notes[0][key] for key in notes[0]
        }
        diagnostics = {key: mean for key, mean in means.items() if math.isfinite(mean)}
        diagnostics["converged"] = all(note["converged"] for note in notes)
        diagnostics["product_pairs"] = found.reading.pairs
        value = statistics.fmean(found.reading.value[folds].tolist())
        if not bool((found.reading.value[folds].abs() < self.limit(found.reading.pairs)).all()):
            pairs = found.reading.pairs
            grounds = f"{pairs} product pairs cannot show" if pairs else "no density has"
            message = f"the critic diverged to what {grounds}: {value:.4g} nats"
            return Estimate(math.nan, diagnostics=diagnostics, message=message)
        return Estimate(value, math.hypot(*found.reading.std_error[folds].tolist()) / self.folds, diagnostics)


@dataclass(frozen=True)
class _Found:
    """What the training and the evaluation of a stack found."""

    reading: Reading
    outcome: Training
    seen: list[float]

    def notes(self, member: int) -> dict[str, float | int | bool]:
        """Return one member's diagnostics; `gap` is how much worse it does on validation rows than on rows it fits."""
        return {**self.outcome.diagnostics(member), "gap": self.outcome.best_loss[member] - self.seen[member]}


class _Trainee:
    """A stack of critics with the rows it learns from."""

    def __init__(self, method: NeuralBound, critic: Critic, fit: Pairs, stop: Pairs, batches: Minibatches) -> None:
        self.method, self.critic, self.fit, self.stop, self.batches = method, critic, fit, stop, batches
        self.memory: Memory = None

    def loss(self) -> Tensor:
        """Return the training losses (R,) of the next minibatch."""
        index = self.batches()
        left, right = self.critic.embed(*(take(side, index) for side in self.fit))
        found = scores(self.critic, left, right, min(self.method.negatives, index.shape[1] - 1))
        loss, self.memory = self.method.loss(found[:, :, 0], found[:, :, 1:], self.memory)
        return loss

    def validate(self) -> Tensor:
        """Return the validation losses (R,)."""
        return self.method.validation_loss(self.critic, self.stop, _VALIDATION_PAIRS)

    def keep(self, places: Tensor) -> None:
        """Go on with these members alone."""
        self.fit, self.stop = (Pairs(*(side[places] for side in part)) for part in (self.fit, self.stop))
        self.batches.keep(places)
        self.memory = None if self.memory is None else self.memory[places]
