"""What MI estimators by densities of flows share: I(X; Y) is a sum of ± E[ln q(a | b)], each q of greatest likelihood.

A density is a flow whose codes are jointly Gaussian. The mean and covariance are always those of the codes at hand, so
that ½ ln det Σ̂ is left of the likelihood while it is trained, and those of training codes where it is held out.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from mibench.estimation import Array, Estimate
from mibench.seeding import derive_seed

from .columns import Index, varying_stacks
from .conditional_flow import ConditionalFlow, calm_logits
from .couplings import Layout
from .flow_method import FlowMethod, Parts, Trainee, encode
from .flows import StackedFlow
from .gaussian_heads import Codes, ConditionalGaussian, covariance_log_det
from .stack import torch_generators
from .training import Training, in_stacks


class Term(NamedTuple):
    """sign · E[ln q(of | given)], with the sides, 0 for x and 1 for y, that make up `of` and `given`."""

    name: str
    sign: int
    of: tuple[int, ...]
    given: tuple[int, ...] = ()

    def rows(self, pair: Codes) -> Codes:
        """Return the rows (M, n, p) of what is given, p = 0 where that is nothing, and those (M, n, d) of the rest."""
        given = torch.cat([pair[0][..., :0], *(pair[side] for side in self.given)], dim=2)
        return given, torch.cat([pair[side] for side in self.of], dim=2)


@dataclass(frozen=True)
class FlowLikelihood(FlowMethod):
    """The mean over held-out rows of Σ ± ln q(of | given), in nats, of the flows of a subclass's `terms`.

    The rows are shuffled and split in `folds` parts: each is evaluated with flows trained on the others, but for a
    share `held_out` of them that stops the training of each density by itself.
    """

    terms: ClassVar[tuple[Term, ...]]

    def _least_part(self, n: int) -> int:
        return self._split(n)[0]

    def estimate_batch(self, x: Array, y: Array, seeds: Sequence[int], device: str) -> list[Estimate]:
        """Return one estimate a replicate, by the columns that vary: 0 where a side has none."""
        answers = [Estimate(0.0, 0.0)] * len(seeds)
        for replicates, left, right in varying_stacks(x, y):

            def work(part: Index, replicates: Index = replicates, x: Array = left, y: Array = right) -> list[Estimate]:
                return self._estimate_stack(x[part], y[part], [seeds[member] for member in replicates[part]], device)

            for replicate, answer in zip(replicates, in_stacks(work, len(replicates), self.folds, device), strict=True):
                answers[replicate] = answer
        return answers

    def _estimate_stack(self, x: Array, y: Array, seeds: Sequence[int], device: str) -> list[Estimate]:
        """Return one estimate a replicate; each density of all replicates and folds is trained as one stack."""
        streams = [derive_seed(self.spec().name, seed, fold) for seed in seeds for fold in range(self.folds)]
        parts = self._arrange(x, y, seeds, False, device)
        regular = torch.isfinite(covariance_log_det(torch.cat(parts.training, dim=2)))
        ratio, outcomes = torch.zeros_like(parts.evaluation[0][..., 0]), {}
        for term in self.terms:
            own = [derive_seed(stream, term.name) for stream in streams]
            rows = Parts(*(term.rows(pair) for pair in parts))
            density, outcomes[term.name] = self._fit(rows, own)
            with torch.no_grad():
                codes, change = encode(density.double(), rows.evaluation)
                fitted, _ = encode(density, rows.training)
                ratio += term.sign * (change - density.head.costs(codes, fitted))
        ratio[~regular] = torch.nan
        return [self._combine(ratio, outcomes, replicate) for replicate in range(len(seeds))]

    def _fit(self, rows: Parts, seeds: Sequence[int]) -> tuple["FlowDensity", Training]:
        """Return the trained density of rows, each a pair of what is given and of the rest."""
        density = self._start(rows, seeds)
        trainee = Trainee(density, self.batch, rows)
        trainee.begin([derive_seed(seed, "batches") for seed in seeds])
        return density, self._minimise(trainee)

    def _start(self, rows: Parts, seeds: Sequence[int]) -> "FlowDensity":
        """Return a density that begins with marginal splines, for the members whose held-out rows gain from them.

        Splines that make each coordinate normal may bend what depended linearly.
        """
        fit, stop = rows.fit, rows.stop
        given, dim = (side.shape[2] for side in fit)
        layout = self._layout(fit[1].shape[1], math.comb(dim + 1, 2) + given * dim)
        straight = FlowDensity(fit, stop, layout, seeds, False, self.marginals)
        if self.marginals:
            bent = FlowDensity(fit, stop, layout, seeds, True, True)
            with torch.no_grad():
                costs = [self._cost(density, rows, seeds) for density in (bent, straight)]
            gains = costs[0] < costs[1]
            for ours, theirs in zip(straight.parameters(), bent.parameters(), strict=True):
                ours.data[gains] = theirs.data[gains]
        return straight

    def _cost(self, density: "FlowDensity", rows: Parts, seeds: Sequence[int]) -> Tensor:
        """Return the loss (M,) of a density on the rows that stop its training."""
        trainee = Trainee(density, self.batch, rows)
        trainee.begin(seeds)
        return trainee.validate().nan_to_num(math.inf)

    def _combine(self, ratio: Tensor, outcomes: dict[str, Training], replicate: int) -> Estimate:
        """Return the mean over the folds of a replicate, of log-ratios (M, n)."""
        folds = range(replicate * self.folds, (replicate + 1) * self.folds)
        diagnostics: dict[str, Any] = {"converged": True}
        for name, outcome in outcomes.items():
            found = [outcome.diagnostics(fold) for fold in folds]
            means = {key: statistics.fmean(each[key] for each in found) for key in found[0]}
            diagnostics["converged"] &= means.pop("converged") == 1
            diagnostics |= {f"{name}_{key}": mean for key, mean in means.items() if math.isfinite(mean)}
        own = ratio[folds]
        value, errors = float(own.mean()), own.std(dim=1) / math.sqrt(own.shape[1])
        if not math.isfinite(value):
            message = "the codes have no Gaussian density: a covariance is singular, or a flow diverged"
            return Estimate(math.nan, diagnostics=diagnostics, message=message)
        return Estimate(value, math.hypot(*errors.tolist()) / self.folds, diagnostics)


class FlowDensity(nn.Module):
    """A stack of flows of rows (M, B, d) given rows (M, B, p), p ≥ 0, whose codes are jointly Gaussian."""

    def __init__(
        self, fit: Codes, stop: Codes, layout: Layout, seeds: Sequence[int], marginals: bool, residuals: bool
    ) -> None:
        super().__init__()
        self.head = ConditionalGaussian()
        self.flow: nn.Module
        if fit[0].shape[2]:
            self.flow = ConditionalFlow(fit, stop, layout, torch_generators(seeds), marginals, residuals)
        else:
            logits = calm_logits(fit[1], stop[1], layout.bins, marginals)
            self.flow = StackedFlow(logits, layout, torch_generators(seeds))
        self.to(fit[1].device).float()

    def forward(self, rows: Codes) -> tuple[Codes, Tensor]:
        """Return the codes of what is given and of the rest, and ln|det J| (M, B) of the map of the rest."""
        if rows[0].shape[2]:
            codes, change = self.flow(rows)
            return codes, change
        code, change = self.flow(rows[1])
        return (rows[0], code), change
