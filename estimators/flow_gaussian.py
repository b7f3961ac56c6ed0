"""MIENF: two normalizing flows, trained together until their codes are jointly Gaussian, whose MI has a closed form."""

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from mibench.estimation import Array, Estimate
from mibench.seeding import derive_seed

from .checks import one_of
from .columns import Index, varying_stacks
from .flow_method import FlowMethod, Trainee, encode, first_logits
from .flows import StackedFlow
from .gaussian_heads import Reading
from .goodness import Goodness, goodness
from .paired_flow import HeadKind, PairedFlow
from .same_law import same_law
from .stack import torch_generators
from .training import Training, in_stacks, join


@dataclass(frozen=True)
class FlowGaussian(FlowMethod):
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
    tied: bool | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("general", "tridiagonal", "shared", head=self.head)
        one_of("covariance", "likelihood", start=self.start)

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
        trainee = self._trainee(x, y, seeds, streams, tied, device)
        outcome = self._train(trainee, streams, tied)
        flows, parts = trainee.flows.double(), trainee.parts
        with torch.no_grad():
            codes, _ = encode(flows, parts.evaluation)
            reading = flows.head.read(codes, lambda: encode(flows, parts.training)[0])
            fit = goodness(codes)
        found = [
            {**outcome.diagnostics(fold), **fit.diagnostics(fold), **more}
            for fold, more in enumerate(trainee.diagnostics(codes))
        ]
        return [self._combine(reading, fit, found, replicate, tied) for replicate in range(len(seeds))]

    def _trainee(
        self, x: Array, y: Array, seeds: Sequence[int], streams: Sequence[int], tied: bool, device: str
    ) -> Trainee[PairedFlow]:
        """Return the flows of all replicates and folds, as they begin, with the rows they learn from."""
        parts = self._arrange(x, y, seeds, tied, device)
        pairs = max(math.comb(side.shape[2] + 1, 2) for side in parts.fit)
        layout, generators = self._layout(parts.fit[0].shape[1], pairs), torch_generators(streams)

        def flow(fit: Tensor, stop: Tensor, _: int) -> StackedFlow:
            return StackedFlow(first_logits(fit, stop, self.bins, self.marginals), layout, generators)

        flows = PairedFlow(flow, parts, HeadKind(self.head, self.start), tied).to(device)
        return Trainee(flows, self.batch, parts)

    def _train(self, trainee: Trainee[PairedFlow], streams: Sequence[int], tied: bool) -> Training:
        """Train one flow of both sides, if they are tied, until it gains no more; then each by itself."""
        stages = []
        for stage in ["tied", "own"] if tied else ["own"]:
            if stage == "own":
                trainee.flows.untie()
            # A stream of its own, as how long the stack takes for a stage depends on all of its replicates.
            trainee.begin([derive_seed(stream, stage) for stream in streams])
            stages.append(self._minimise(trainee))
        return join(stages)

    def _combine(
        self, reading: Reading, fit: Goodness, diagnosed: Sequence[dict[str, Any]], replicate: int, tied: bool
    ) -> Estimate:
        """Return the mean over the folds of a replicate."""
        folds = range(replicate * self.folds, (replicate + 1) * self.folds)
        found = [diagnosed[fold] for fold in folds]
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
