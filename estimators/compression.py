"""Compress, then estimate: each side of the data becomes a few numbers, which another estimator takes."""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mibench.estimation import Array, Estimate, Estimator, Shape, as_estimate
from mibench.seeding import derive_seed

from .checks import above, at_least, below
from .columns import Index
from .kde import KDE
from .principal_axes import principal_components
from .same_law import same_law
from .training import in_stacks, warm_up_training
from .wrapper import Wrapper

_LEAST_ROWS = 20
_LOSSY = 0.05  # unexplained share of the variance of which the estimate warns

Notes = dict[str, dict[str, Any]]


class Job(NamedTuple):
    """What one compression learns: one side or both (n, ...), their rows (·, components) in principal axes, a seed."""

    replicate: int
    sides: dict[str, Array]
    rows: Tensor
    lost: float  # share of the variance that the axes leave out
    seed: int

    @property
    def shape(self) -> Shape:
        """That of a row; of rows of two shapes, the numbers that both have."""
        first, *others = (side.shape[1:] for side in self.sides.values())
        return first if all(shape == first for shape in others) else (math.prod(first),)

    @property
    def width(self) -> int:
        """The numbers of a row."""
        return math.prod(self.shape)


class Codes(NamedTuple):
    """The codes (n, latent) of a job, in float64, and the diagnostics of its compression."""

    values: Array
    note: dict[str, Any]


@dataclass(frozen=True)
class Compression(Wrapper):
    """I(X; Y) ≈ I(E_X(X); E_Y(Y)) in nats, with `base` on codes of `latent` numbers a side, or as many as data ask for.

    Each side is flattened, centred, scaled as a whole, and expressed in its leading principal axes: as few as hold all
    but `remainder` of its variance, at most `components`. A side of no more numbers than its code passes through.
    """

    base: Estimator = KDE()  # noqa: RUF009 - frozen, so that sharing it is harmless
    latent: int | None = None
    components: int = 64
    remainder: float = 1e-4
    gain: float = 0.01
    tied: bool | None = None

    least_rows: ClassVar[int] = _LEAST_ROWS

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, components=self.components)
        if self.latent is not None:
            at_least(1, latent=self.latent)
            at_least(self.latent, components=self.components)
        above(0, remainder=self.remainder, gain=self.gain)
        below(1, remainder=self.remainder, gain=self.gain)

    @abstractmethod
    def encode(self, jobs: Sequence[Job], device: str) -> list[Codes]:
        """Return the codes of jobs of equally many rows."""

    def unsupported(self, n: int, x_shape: Shape, y_shape: Shape) -> str:
        """Ask for rows to hold out, and for what `base` asks of the codes."""
        if n < self.least_rows:
            return f"n={n} is too small to train a compression; give at least {self.least_rows} pairs"
        code_shapes = [(min(math.prod(shape), self.latent or 1),) for shape in (x_shape, y_shape)]
        return self.base.unsupported(n, *code_shapes)

    def warm_up(self, device: str) -> None:
        """Warm up training, and `base`."""
        warm_up_training(device)
        super().warm_up(device)

    def estimate_batch(self, x: Array, y: Array, seeds: Sequence[int], device: str) -> list[Estimate]:
        """Return one estimate a replicate; replicates whose codes have the same shapes go to the base together."""
        codes, notes = self.compress(x, y, seeds, device)
        shapes = [(left.shape[1], right.shape[1]) for left, right in codes]
        answers: dict[int, Estimate] = {}
        for shape in sorted(set(shapes)):
            places = [place for place, own in enumerate(shapes) if own == shape]
            left, right = (np.stack([codes[place][side] for place in places]) for side in (0, 1))
            found = self._ask_base(left, right, [seeds[place] for place in places], device)
            answers |= dict(zip(places, found, strict=True))
        return [_annotate(answers[place], note) for place, note in enumerate(notes)]

    def _ask_base(self, left: Array, right: Array, seeds: Sequence[int], device: str) -> list[Estimate]:
        if reason := self.base.unsupported(left.shape[1], left.shape[2:], right.shape[2:]):
            message = f"codes of {left.shape[2]} and {right.shape[2]} numbers are beyond {self.base}: {reason}"
            return [Estimate(math.nan, message=message)] * len(seeds)
        return [as_estimate(answer) for answer in self.base.estimate_batch(left, right, seeds, device)]

    def compress(
        self, x: Array, y: Array, seeds: Sequence[int], device: str
    ) -> tuple[list[tuple[Array, Array]], list[Notes]]:
        """Return the codes of both sides x (R, n, ...) and y (R, n, ...), (n, latent) each, and notes on them."""
        sides = [{"x": left, "y": right} for left, right in zip(x, y, strict=True)]
        jobs = [job for replicate, pair in enumerate(sides) for job in self._jobs(replicate, pair, seeds, device)]
        notes: list[Notes] = [{} for _ in seeds]
        for rows in sorted({len(job.rows) for job in jobs}):
            group = [job for job in jobs if len(job.rows) == rows]

            def work(part: Index, group: list[Job] = group) -> list[Codes]:
                return self.encode([group[place] for place in part], device)

            for job, codes in zip(group, in_stacks(work, len(group), 1, device), strict=True):
                parts = np.split(codes.values, len(job.sides))
                for name, values in zip(job.sides, parts, strict=True):
                    notes[job.replicate][name] = codes.note
                    if values.shape[1] < job.width:
                        sides[job.replicate][name] = values
        return [(_flat(pair["x"]), _flat(pair["y"])) for pair in sides], notes

    def _jobs(self, replicate: int, pair: dict[str, Array], seeds: Sequence[int], device: str) -> list[Job]:
        """Return one job for each side of a replicate that is wider than a code, or one for both."""
        seed = seeds[replicate]
        wide = {name: side for name, side in pair.items() if math.prod(side.shape[1:]) > (self.latent or 1)}
        if len(wide) == 2 and _flat(pair["x"]).shape == _flat(pair["y"]).shape and self.tied is not False:
            rows, lost = self.project(wide, device)
            if self.tied or same_law(*(half.double().cpu().numpy() for half in rows.chunk(2))):
                return [Job(replicate, wide, rows, lost, derive_seed(seed, "both"))]
        alone = [{name: side} for name, side in wide.items()]
        projected = [self.project(sides, device) for sides in alone]
        return [
            Job(replicate, sides, *rows, derive_seed(seed, *sides))
            for sides, rows in zip(alone, projected, strict=True)
        ]

    def project(self, sides: Mapping[str, Array], device: str) -> tuple[Tensor, float]:
        """Return the rows (·, components) of sides in their principal axes, and the share of variance left out."""
        return principal_components(flat_rows(sides, device), self.components, self.remainder)


def flat_rows(sides: Mapping[str, Array], device: str) -> Tensor:
    """Return the rows (·, d) of sides (n, ...), one after the other."""
    rows = np.concatenate([_flat(side) for side in sides.values()])
    return torch.as_tensor(rows, dtype=torch.float32, device=device)


def _flat(side: Array) -> Array:
    return side.reshape(len(side), -1)


def _annotate(answer: Estimate, note: Notes) -> Estimate:
    diagnostics = {**note, "base": dict(answer.diagnostics)}
    lossy = [f"{own['unexplained']:.0%} of that of {name}" for name, own in note.items() if own["unexplained"] > _LOSSY]
    warning = f"codes may lose information: they leave variance unexplained, {' and '.join(lossy)}" if lossy else ""
    message = "; ".join(filter(None, (answer.message, warning)))
    return Estimate(answer.value, answer.std_error, diagnostics, message)
