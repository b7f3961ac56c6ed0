"""MIENF: two normalizing flows, trained together until their codes are jointly Gaussian, whose MI has a closed form."""

import copy
import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mibench.estimation import Array, BatchEstimator, Estimate, Shape
from mibench.seeding import derive_seed

from .checks import above, at_least, at_most, below, one_of
from .columns import Index, varying_stacks
from .flows import BOUND, Layout, StackedFlow, knot_logits, normal_quantiles, spline
from .gaussian_heads import Codes, PairedGaussian, ProfiledGaussian, Reading
from .goodness import Goodness, goodness
from .same_law import same_law
from .stack import torch_generators
from .training import Minibatches, Training, in_stacks, join, take, train

_CODED_VALUES = 2**18  # numbers coded at a time without gradient: splines need some hundred times their memory
_COVARIANCE_ROWS = 1024  # that score the rows held out, the same at each check, or more in many dimensions
_ROWS_TO_PAIR = 10  # training rows to a pair of coordinates of a side, below which conditioners only learn noise
_ROWS_TO_DIMENSION = 4  # of a batch, below which its covariance says little
_SPIKE = 1e-3  # share of the standard deviation below which a range of quantiles is no measure of scale


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


@dataclass(frozen=True)
class FlowGaussian(BatchEstimator):
    r"""I(X; Y) = I(f_X(X); f_Y(Y)), with flows f_X, f_Y of the greatest joint likelihood under a Gaussian of the codes.

    `head` says which Gaussian. "general": any covariance, in closed form at every batch. "tridiagonal": unit variances
    and one correlation ρ_j for each pair of codes, learned, behind a learned affine layer a side. "shared": the same
    with one ρ for all pairs, which only fits where all canonical correlations are equal; its layers begin, by `start`,
    where the cross-covariance is a multiple of the identity, or at the greatest likelihood.

    Flows begin at the identity, where the answer is that of a Gaussian fitted to the data; but with `marginals`, a
    coordinate whose likelihood on held-out rows gains from it, by more than a standard error, begins at a spline
    through its normal quantiles, which makes any smooth law of one coordinate Gaussian before the first step.
    `couplings` couplings and linear mixings follow, "affine" (RealNVP) or "spline" (Neural Spline Flows), then splines
    again. Couplings need 10 training rows for each pair of coordinates of a side. Where both sides have as many
    coordinates, and no test tells their laws apart, one flow of both is trained first (`tied` = None; True and False
    decide it), so that both sides of strong dependence are bent alike; then each goes on by itself.

    The rows are shuffled and split in `folds` parts. The flows of a fold code one part and are trained on the others,
    but for a share `held_out` of them that says when to stop. The answer is the mean over folds of the MI of the codes,
    in nats, less its bias on Gaussian codes, which is known exactly. As the last linear layer of a general or
    tridiagonal head has a closed form, canonical variables, theirs is that of the held-out codes themselves.

    The standard error is that of the sample given the flows, by the influence function of the Gaussian MI; the parts
    share no row, so the errors of the folds are taken as independent. It knows nothing of dependence that is left when
    the codes are not Gaussian: of a mixture, say, the method sees only a part (remark 4.5 of the paper). Diagnostics
    show it: `residual` is what KSG finds, in nats, between the codes of x and what these leave of the codes of y, and
    `kurtosis` how many standard errors Mardia's kurtosis of the codes is from that of a Gaussian.
    """

    source: ClassVar[str] = "Butakov et al., NeurIPS 2024, section 4 (arXiv:2403.02187)"

    head: Literal["general", "tridiagonal", "shared"] = "general"
    start: Literal["covariance", "likelihood"] = "covariance"
    marginals: bool = True
    tied: bool | None = None
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
        one_of("general", "tridiagonal", "shared", head=self.head)
        one_of("covariance", "likelihood", start=self.start)
        one_of("affine", "spline", coupling=self.coupling)
        at_least(0, couplings=self.couplings, max_steps=self.max_steps, averaging=self.averaging)
        at_least(1, check_every=self.check_every, patience=self.patience, hidden=min(self.hidden, default=1))
        at_least(2, bins=self.bins, batch=self.batch, folds=self.folds)
        at_most(100, bins=self.bins)
        above(0, learning_rate=self.learning_rate, held_out=self.held_out)
        below(1, held_out=self.held_out, averaging=self.averaging)

    def unsupported(self, n: int, x_shape: Shape, y_shape: Shape) -> str:
        """Take vectors only, and enough rows for the covariance of both sides in each part."""
        if max(len(x_shape), len(y_shape)) > 1:
            return "images need compression first; use ae(flow_gaussian())"
        dim = math.prod(x_shape) + math.prod(y_shape)
        least = next(n for n in range(2 * self.folds, 10**9) if min(self._split(n)[::2]) >= dim + 2)
        return "" if n >= least else f"the covariance of {dim} dimensions needs n of at least {least}, got {n}"

    def estimate_batch(self, x: Array, y: Array, seeds: Sequence[int], device: str) -> list[Estimate]:
        """Return one estimate a replicate, by the columns that vary: 0 where a side has none."""
        answers = [Estimate(0.0, 0.0)] * len(seeds)
        for replicates, left, right in varying_stacks(x, y):
            for places, tied in self._tied(left, right):
                members = replicates[places]
                chosen = left[places], right[places], [seeds[member] for member in members]
                for replicate, answer in zip(members, self._estimate(*chosen, tied, device), strict=True):
                    answers[replicate] = answer
        return answers

    def _tied(self, x: Array, y: Array) -> Iterator[tuple[Index, bool]]:
        """Yield the replicates whose sides begin with one flow, and those whose do not."""
        alike = np.full(len(x), bool(self.tied) and x.shape == y.shape)
        if self.tied is None and x.shape == y.shape:
            alike = np.array([same_law(*sides) for sides in zip(x, y, strict=True)])
        for tied in (True, False):
            if (places := np.flatnonzero(alike == tied)).size:
                yield places, tied

    def _estimate(self, x: Array, y: Array, seeds: Sequence[int], tied: bool, device: str) -> list[Estimate]:
        def work(part: Index) -> list[Estimate]:
            return self._estimate_stack(x[part], y[part], [seeds[place] for place in part], tied, device)

        return in_stacks(work, len(seeds), self.folds, device)

    def _estimate_stack(self, x: Array, y: Array, seeds: Sequence[int], tied: bool, device: str) -> list[Estimate]:
        """Return one estimate a replicate; the flows of all replicates and folds are trained as one stack."""
        streams = [derive_seed("flow_gaussian", seed, fold) for seed in seeds for fold in range(self.folds)]
        parts = self._arrange(x, y, seeds, tied, device)
        flows = PairedFlow(self, parts, tied, streams).to(device)
        trainee = _Trainee(flows, self.batch, parts)
        outcome = self._train(trainee, streams, tied)
        with torch.no_grad():
            codes, _ = flows.double().encode(parts.evaluation)
            reading = flows.head.read(codes, lambda: flows.encode(parts.training)[0])
            fit = goodness(codes)
        return [self._combine(reading, fit, outcome, replicate, tied) for replicate in range(len(seeds))]

    def _split(self, n: int) -> tuple[int, int, int]:
        """Return how many rows of a fold fit the flows, stop the training, and carry the estimate."""
        held_out = n // self.folds
        training = held_out * (self.folds - 1)
        stopping = max(1, round(training * self.held_out))
        return training - stopping, stopping, held_out

    def _arrange(self, x: Array, y: Array, seeds: Sequence[int], tied: bool, device: str) -> Parts:
        """Return the rows of each fold of each replicate in order of use; those of tied sides are on one scale."""
        sizes = self._split(x.shape[1])
        used = sizes[2] * self.folds
        orders = [np.random.default_rng(seed).permutation(x.shape[1])[:used] for seed in seeds]
        folded = np.stack([np.roll(order, fold * sizes[2]) for order in orders for fold in range(self.folds)])
        sides = []
        for side in (x, y):
            flat = side.reshape(*side.shape[:2], -1).repeat(self.folds, axis=0)
            sides.append(torch.as_tensor(np.take_along_axis(flat, folded[..., None], axis=1), device=device))
        fitted = sizes[0]
        if tied:
            seen = torch.cat([side[:, :fitted] for side in sides], dim=1)
            sides = [standardise(side, seen) for side in sides]
        else:
            sides = [standardise(side, side[:, :fitted]) for side in sides]
        left, right = (torch.split(side, list(sizes), dim=1) for side in sides)
        return Parts(*zip(left, right, strict=True))

    def _train(self, trainee: "_Trainee", streams: Sequence[int], tied: bool) -> Training:
        """Train one flow of both sides, if they are tied, until it gains no more; then each by itself."""
        stages = []
        for stage in ["tied", "own"] if tied else ["own"]:
            if stage == "own":
                trainee.flows.untie()
            # A stream of its own, as how long the stack takes for a stage depends on all of its replicates.
            trainee.begin([derive_seed(stream, stage) for stream in streams])
            stages.append(
                train(
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
            )
        return join(stages)

    def _combine(self, reading: Reading, fit: Goodness, outcome: Training, replicate: int, tied: bool) -> Estimate:
        """Return the mean over the folds of a replicate."""
        folds = range(replicate * self.folds, (replicate + 1) * self.folds)
        found = [{**outcome.diagnostics(fold), **fit.diagnostics(fold)} for fold in folds]
        means = {key: statistics.fmean(each[key] for each in found) for key in found[0]}
        diagnostics: dict[str, Any] = {key: mean for key, mean in means.items() if math.isfinite(mean)}
        diagnostics["converged"] = all(each["converged"] for each in found)
        diagnostics["tied"] = tied
        value = statistics.fmean(reading.value[folds].tolist())
        if not math.isfinite(value):
            message = "the held-out codes have no Gaussian MI: a covariance is singular, or the flow diverged"
            return Estimate(math.nan, diagnostics=diagnostics, message=message)
        diagnostics["correlations"] = fit.correlations[folds].mean(dim=0).tolist()
        return Estimate(value, math.hypot(*reading.std_error[folds].tolist()) / self.folds, diagnostics)


class PairedFlow(nn.Module):
    """A stack of pairs of flows, or of flows of both sides, and the Gaussian of their codes."""

    def __init__(self, method: FlowGaussian, parts: Parts, tied: bool, seeds: Sequence[int]) -> None:
        super().__init__()
        fit, stop = parts.fit, parts.stop
        rows, pairs = fit[0].shape[1], max(math.comb(side.shape[2] + 1, 2) for side in fit)
        couplings = method.couplings if rows >= _ROWS_TO_PAIR * pairs else 0
        layout = Layout(couplings, method.coupling, method.hidden, method.bins)
        generators = torch_generators(seeds)

        def flow(fit: Tensor, stop: Tensor) -> StackedFlow:
            return StackedFlow(first_logits(fit, stop, method.bins, method.marginals), layout, generators)

        if tied:
            self.flow_x = self.flow_y = flow(torch.cat(fit, dim=1), torch.cat(stop, dim=1))
        else:
            self.flow_x, self.flow_y = (flow(*sides) for sides in zip(fit, stop, strict=True))
        self.head: ProfiledGaussian | PairedGaussian = ProfiledGaussian()
        if method.head != "general":
            with torch.no_grad():
                codes, _ = self.to(fit[0].device).double().encode(fit)
            shared = method.head == "shared"
            self.head = PairedGaussian(codes, shared, even=shared and method.start == "covariance")
        self.float()

    def untie(self) -> None:
        """Give y a flow of its own, which begins as that of both."""
        if self.flow_x is self.flow_y:
            self.flow_y = copy.deepcopy(self.flow_x)

    def forward(self, pair: Codes) -> tuple[Codes, Tensor]:
        """Return the codes of both sides, and ln|det J| (M, B) of the two flows together."""
        if self.flow_x is self.flow_y:
            codes, change = self.flow_x(torch.cat(pair, dim=1))
            codes_x, codes_y = codes.chunk(2, dim=1)
            change_x, change_y = change.chunk(2, dim=1)
        else:
            (codes_x, change_x), (codes_y, change_y) = self.flow_x(pair[0]), self.flow_y(pair[1])
        return (codes_x, codes_y), change_x + change_y

    def encode(self, pair: Codes) -> tuple[Codes, Tensor]:
        """Return the same by chunks of rows, for large numbers of them without gradient."""
        rows = max(1, _CODED_VALUES // (len(pair[0]) * max(side.shape[-1] for side in pair)))
        pieces = zip(*(torch.split(side, rows, dim=1) for side in pair), strict=True)
        chunks = [self(piece) for piece in pieces]
        codes_x, codes_y = zip(*(codes for codes, _ in chunks), strict=True)
        return (torch.cat(codes_x, dim=1), torch.cat(codes_y, dim=1)), torch.cat([c for _, c in chunks], dim=1)


class _Trainee:
    """A stack of flows with the rows they learn from, in float32."""

    def __init__(self, flows: PairedFlow, batch: int, parts: Parts) -> None:
        self.flows, self.parts = flows, parts
        dim = sum(side.shape[2] for side in parts.fit)
        self.batch, self.reference = max(batch, _ROWS_TO_DIMENSION * dim), max(_COVARIANCE_ROWS, 10 * dim)

    def begin(self, seeds: Sequence[int]) -> None:
        """Take all members, with new streams of batches."""
        self.fit, self.stop = ((x.float(), y.float()) for x, y in (self.parts.fit, self.parts.stop))
        self.batches = Minibatches(self.fit[0].shape[1], self.batch, seeds, str(self.fit[0].device))

    def loss(self) -> Tensor:
        """Return the mean negative log-likelihoods (M,) of the next minibatch."""
        index = self.batches()
        codes, log_det = self.flows((take(self.fit[0], index), take(self.fit[1], index)))
        loss: Tensor = self.flows.head.loss(codes) - log_det.mean(dim=1)
        return loss

    def validate(self) -> Tensor:
        """Return those of the rows that stop the training, under the Gaussian of rows that fit."""
        codes, log_det = self.flows.encode(self.stop)
        sample = (self.fit[0][:, : self.reference], self.fit[1][:, : self.reference])
        score: Tensor = self.flows.head.score(codes, lambda: self.flows.encode(sample)[0]) - log_det.mean(dim=1)
        return score

    def keep(self, places: Tensor) -> None:
        """Go on with these members alone."""
        self.fit, self.stop = ((x[places], y[places]) for x, y in (self.fit, self.stop))
        self.batches.keep(places)


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
