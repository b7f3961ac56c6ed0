"""Sliced MI: the mean MI of random low-dimensional projections of both sides."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mibench.estimation import Array, Estimate, Estimator, Shape
from mibench.seeding import derive_seed

from .checks import at_least
from .ksg import KSG
from .wrapper import Member, Wrapper, first_message


@dataclass(frozen=True)
class Sliced(Wrapper):
    r"""SI(X; Y) = E I(ΘᵀX; ΦᵀY) in nats, over independent uniform directions Θ, Φ, by the mean of `projections`.

    With `dim` above 1 these are orthonormal frames of so many directions, uniform too (Haar). A side of no more than
    `dim` coordinates passes through; where both do, the answer is that of `base`. A projection can only lose
    information, so that SI ≤ I; it vanishes only at independence, but it is another functional than MI, and neither
    equal to it nor invariant.

    The standard error joins two parts by the law of total variance: the scatter between projections over
    √projections, and the mean standard error of `base`, as if its errors on all projections were one and the same.
    They share their rows but not their directions, so the truth is at most that: it is conservative, more so the more
    projections there are. Without one from `base` there is none; the first part alone is in the diagnostics.
    """

    source: ClassVar[str] = "Goldfeld & Greenewald, NeurIPS 2021 (arXiv:2110.05279); Goldfeld et al., NeurIPS 2022"
    bound: ClassVar[str] = "lower"

    base: Estimator = KSG()  # noqa: RUF009 - frozen, so that sharing it is harmless
    projections: int = 128
    dim: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, projections=self.projections, dim=self.dim)

    def unsupported(self, n: int, x_shape: Shape, y_shape: Shape) -> str:
        """Say what `base` says of the projections."""
        return self.base.unsupported(n, *((min(math.prod(shape), self.dim),) for shape in (x_shape, y_shape)))

    def estimate_batch(self, x: Array, y: Array, seeds: Sequence[int], device: str) -> list[Estimate]:
        """Return one estimate a replicate; all projections of a replicate are stacked."""
        return [self._estimate(*replicate, device) for replicate in zip(x, y, seeds, strict=True)]

    def _estimate(self, x: Array, y: Array, seed: int, device: str) -> Estimate:
        left, right = (side.reshape(len(side), -1) for side in (x, y))
        if max(left.shape[1], right.shape[1]) <= self.dim:
            return self.estimate_members(iter([Member(left, right, seed)]), device)[0]
        return self._combine(self.estimate_members(self._project(left, right, seed), device))

    def _project(self, left: Array, right: Array, seed: int) -> Iterator[Member]:
        """Yield each projection of x (n, d_x) and y (n, d_y), with the seed of its own for the base."""
        stream = np.random.default_rng(derive_seed("sliced", seed))
        # About the median, which leaves a constant column exactly zero: it must not turn into rounding noise.
        centred = [side - np.median(side, axis=0) for side in (left, right)]
        for index in range(self.projections):
            views = [side @ haar_frame(side.shape[1], self.dim, stream) for side in centred]
            yield Member(views[0], views[1], derive_seed("sliced", seed, index))

    def _combine(self, answers: Sequence[Estimate]) -> Estimate:
        values = np.array([answer.value for answer in answers])
        failed, message = int((~np.isfinite(values)).sum()), first_message(answers)
        if failed:
            reason = f"no number on {failed} of {len(values)} projections: {message or 'no reason given'}"
            return Estimate(math.nan, message=reason)
        between = float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else None
        errors = [answer.std_error for answer in answers if answer.std_error is not None]
        diagnostics = {} if between is None else {"projection_error": between}
        if between is None or len(errors) < len(values):
            return Estimate(float(values.mean()), None, diagnostics, message)
        return Estimate(float(values.mean()), math.hypot(between, float(np.mean(errors))), diagnostics, message)


def haar_frame(d: int, dim: int, stream: np.random.Generator) -> Array:
    """Return `dim` orthonormal directions (d, dim) in d dimensions, uniform; the identity where d ≤ dim."""
    if d <= dim:
        return np.eye(d)
    frame, triangle = np.linalg.qr(stream.standard_normal((d, dim)))
    return frame * np.sign(np.diag(triangle))
