"""MIENF: two normalizing flows, trained together until their codes are jointly Gaussian, whose MI has a closed form."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from mibench.estimation import Array, BatchEstimator, Estimate, Shape
from mibench.seeding import derive_seed

from .checks import above, at_least, at_most, below
from .columns import varying_stacks
from .flows import BOUND, StackedFlow, normal_quantiles
from .gaussian_heads import Codes, PairedGaussian, ProfiledGaussian, Reading
from .stack import torch_generators
from .training import Minibatches, Training, take, train

_CODED_VALUES = 2**18  # numbers coded at a time without gradient: the spline needs some hundred times their memory
_AVERAGING = 0.98  # decay of the moving average of the weights: over the last 50 steps
_ROWS_TO_COUPLE = 10  # training rows to a dimension of both sides, below which conditioners only learn noise
_COVARIANCE_ROWS = 1024  # that score the rows held out, the same at each check, or more in many dimensions
_ROWS_TO_DIMENSION = 4  # of a batch, below which its covariance says little
_SPIKE = 1e-3  # share of the standard deviation below which a range of quantiles is no measure of scale


@dataclass(frozen=True)
class FlowGaussian(BatchEstimator):
    r"""I(X; Y) = I(f_X(X); f_Y(Y)), with flows f_X, f_Y of the greatest joint likelihood under a Gaussian of the codes.

    `head` says which Gaussian. "general": any covariance, in closed form at every batch. "tridiagonal": unit variances
    and one correlation ρ_j for each pair of codes, learned, behind a learned affine layer a side. "shared": the same
    with one ρ for all pairs, which only fits where all canonical correlations are equal; its layers begin, by `start`,
    where the cross-covariance is a multiple of the identity, or at the greatest likelihood.

    The rows are shuffled and split in `folds` parts. The flows of a fold code one part and are trained on the others,
    but for a share `held_out` of them that says when to stop: first the marginal splines alone, at most `max_steps`,
    then all layers, as many again. The answer is the mean over folds of the MI of the codes, in nats, less its bias on
    Gaussian codes, which is known exactly. As the last linear layer of a general or tridiagonal head has a closed form,
    canonical variables, theirs is that of the held-out codes themselves. Flows begin at the identity, so the answer
    before the first step is that of a Gaussian fitted to the data. Couplings need 10 training rows a dimension.

    Couplings, bins and box are those of the code of Neural Spline Flows (Durkan et al. 2019), Adam's rate is its
    published one; the conditioners are smaller, for speed.

    The standard error is that of the sample given the flows, by the influence function of the Gaussian MI; the parts
    share no row, so the errors of the folds are taken as independent. It knows nothing of dependence that is left when
    the codes are not Gaussian: of a mixture, say, the method sees only a part (remark 4.5 of the paper).
    """

    source: ClassVar[str] = "Butakov et al., NeurIPS 2024, section 4 (arXiv:2403.02187)"

    head: Literal["general", "tridiagonal", "shared"] = "general"
    start: Literal["covariance", "likelihood"] = "covariance"
    couplings: int = 10
    hidden: tuple[int, ...] = (32, 32)
    bins: int = 8
    learning_rate: float = 1e-3
    batch: int = 256
    max_steps: int = 2_000
    check_every: int = 10
    patience: int = 5
    held_out: float = 0.2
    folds: int = 2

    def __post_init__(self) -> None:
        at_least(0, couplings=self.couplings, max_steps=self.max_steps)
        at_least(1, check_every=self.check_every, patience=self.patience, hidden=min(self.hidden, default=1))
        at_least(2, bins=self.bins, batch=self.batch, folds=self.folds)
        at_most(100, bins=self.bins)
        above(0, learning_rate=self.learning_rate, held_out=self.held_out)
        below(1, held_out=self.held_out)

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
            found = self._estimate_stack(left, right, [seeds[replicate] for replicate in replicates], device)
            for replicate, answer in zip(replicates, found, strict=True):
                answers[replicate] = answer
        return answers

    def _estimate_stack(self, x: Array, y: Array, seeds: Sequence[int], device: str) -> list[Estimate]:
        """Return one estimate a replicate; the flows of all replicates and folds are trained as one stack."""
        streams = [derive_seed("flow_gaussian", seed, fold) for seed in seeds for fold in range(self.folds)]
        fitted, stopping, held_out = self._split(x.shape[1])
        sizes = [fitted, stopping, held_out]
        parts_x, parts_y = (torch.split(self._arrange(side, seeds, device), sizes, dim=1) for side in (x, y))
        fit, stop, evaluation = zip(parts_x, parts_y, strict=True)
        flows = PairedFlow(self, fit, streams).to(device)
        outcome = self._train(flows, _floats(fit), _floats(stop), streams)
        with torch.no_grad():
            reading = flows.double().read(evaluation)
        return [self._combine(reading, outcome, replicate) for replicate in range(len(seeds))]

    def _split(self, n: int) -> tuple[int, int, int]:
        """Return how many rows of a fold fit the flows, stop the training, and carry the estimate."""
        held_out = n // self.folds
        training = held_out * (self.folds - 1)
        stopping = max(1, round(training * self.held_out))
        return training - stopping, stopping, held_out

    def _arrange(self, side: Array, seeds: Sequence[int], device: str) -> Tensor:
        """Return the rows of each fold of each replicate, (R · folds, n, d) in order of use, on one scale."""
        fitted, _, held_out = self._split(side.shape[1])
        orders = [np.random.default_rng(seed).permutation(side.shape[1])[: held_out * self.folds] for seed in seeds]
        folded = np.stack([np.roll(order, fold * held_out) for order in orders for fold in range(self.folds)])
        flat = side.reshape(*side.shape[:2], -1).repeat(self.folds, axis=0)
        rows = torch.as_tensor(np.take_along_axis(flat, folded[..., None], axis=1), device=device)
        return standardise(rows, fitted)

    def _train(self, flows: "PairedFlow", fit: Codes, stop: Codes, streams: Sequence[int]) -> Training:
        """Train the marginal splines until they gain no more, then all layers."""
        device, (_, rows, dim_x), dim_y = str(fit[0].device), fit[0].shape, fit[1].shape[2]
        batch = max(self.batch, _ROWS_TO_DIMENSION * (dim_x + dim_y))
        stages = []
        for depth in sorted({1, flows.depth}):
            flows.depth = depth
            # A stream of its own, as how long the stack takes for a stage depends on all of its replicates.
            batches = Minibatches(rows, batch, [derive_seed(stream, depth) for stream in streams], device)
            stages.append(self._train_stage(flows, fit, stop, batches))
        return _join(stages)

    def _train_stage(self, flows: "PairedFlow", fit: Codes, stop: Codes, batches: Minibatches) -> Training:
        def loss() -> Tensor:
            index = batches()
            codes, log_det = flows.forward((take(fit[0], index), take(fit[1], index)))
            return flows.head.loss(codes) - log_det.mean(dim=1)

        enough = max(_COVARIANCE_ROWS, _ROWS_TO_COUPLE * sum(side.shape[2] for side in fit))
        sample = (fit[0][:, :enough], fit[1][:, :enough])

        def validate() -> Tensor:
            codes, log_det = flows.encode(stop)
            score = flows.head.score(codes, lambda: flows.encode(sample)[0])
            return score - log_det.mean(dim=1)

        return train(
            flows.used_parameters(),
            loss,
            validate,
            learning_rate=self.learning_rate,
            max_steps=self.max_steps,
            check_every=self.check_every,
            patience=self.patience,
            averaging=_AVERAGING,
        )

    def _combine(self, reading: Reading, outcome: Training, replicate: int) -> Estimate:
        """Return the mean over the folds of a replicate."""
        folds = range(replicate * self.folds, (replicate + 1) * self.folds)
        found = [outcome.diagnostics(fold) for fold in folds]
        means = {key: statistics.fmean(each[key] for each in found) for key in found[0]}
        diagnostics = {key: mean for key, mean in means.items() if math.isfinite(mean)}
        diagnostics["converged"] = all(each["converged"] for each in found)
        value = statistics.fmean(reading.value[folds].tolist())
        if not math.isfinite(value):
            message = "the held-out codes have no Gaussian MI: a covariance is singular, or the flow diverged"
            return Estimate(math.nan, diagnostics=diagnostics, message=message)
        return Estimate(value, math.hypot(*reading.std_error[folds].tolist()) / self.folds, diagnostics)


class PairedFlow(nn.Module):
    """A stack of pairs of flows and the Gaussian of their codes."""

    def __init__(self, method: FlowGaussian, fit: Codes, seeds: Sequence[int]) -> None:
        super().__init__()
        rows, dim = fit[0].shape[1], fit[0].shape[2] + fit[1].shape[2]
        couplings = method.couplings if rows >= _ROWS_TO_COUPLE * dim else 0
        generators = torch_generators(seeds)
        layers = (couplings, method.hidden, method.bins, generators)
        self.flow_x, self.flow_y = StackedFlow(fit[0], *layers), StackedFlow(fit[1], *layers)
        self.depth = max(len(self.flow_x.layers), len(self.flow_y.layers))
        self.head: ProfiledGaussian | PairedGaussian
        shared = method.head == "shared"
        even = shared and method.start == "covariance"
        self.head = ProfiledGaussian() if method.head == "general" else PairedGaussian(fit, shared, even)

    def forward(self, pair: Codes) -> tuple[Codes, Tensor]:
        """Return the codes of both sides, and ln|det J| (R, B) of the two flows together."""
        codes_x, change_x = self.flow_x(pair[0], self.depth)
        codes_y, change_y = self.flow_y(pair[1], self.depth)
        return (codes_x, codes_y), change_x + change_y

    def used_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the head and of the first `depth` layers."""
        used = [self.head, *self.flow_x.layers[: self.depth], *self.flow_y.layers[: self.depth]]
        return [parameter for module in used for parameter in module.parameters()]

    def encode(self, pair: Codes) -> tuple[Codes, Tensor]:
        """Return the same by chunks of rows, for large numbers of them without gradient."""
        rows = max(1, _CODED_VALUES // (len(pair[0]) * max(side.shape[-1] for side in pair)))
        pieces = zip(*(torch.split(side, rows, dim=1) for side in pair), strict=True)
        chunks = [self(piece) for piece in pieces]
        codes_x, codes_y = zip(*(codes for codes, _ in chunks), strict=True)
        return (torch.cat(codes_x, dim=1), torch.cat(codes_y, dim=1)), torch.cat([c for _, c in chunks], dim=1)

    def read(self, pair: Codes) -> Reading:
        """Return the MI of the codes of rows that the flows have not seen."""
        return self.head.read(self.encode(pair)[0])


def _floats(pair: Codes) -> Codes:
    return pair[0].float(), pair[1].float()


def _join(stages: Sequence[Training]) -> Training:
    """Return the training of stages one after the other: steps add up, the last loss counts."""
    return Training(
        [sum(steps) for steps in zip(*(stage.steps for stage in stages), strict=True)],
        [sum(steps) for steps in zip(*(stage.best_step for stage in stages), strict=True)],
        stages[-1].best_loss,
        [all(each) for each in zip(*(stage.converged for stage in stages), strict=True)],
    )


def standardise(rows: Tensor, fitted: int) -> Tensor:
    """Bring each coordinate of rows (R, n, d) onto [−BOUND, BOUND], by the normal quantiles of the first `fitted`."""
    edges = normal_quantiles(rows[:, :fitted], 1)[:, None]
    low, high = edges[..., 0], edges[..., 1]
    floor = _SPIKE * rows[:, :fitted].std(dim=1, keepdim=True)
    scale = torch.maximum((high - low) / (2 * BOUND), floor)
    return (rows - (low + high) / 2) / torch.where(scale > 0, scale, 1)
