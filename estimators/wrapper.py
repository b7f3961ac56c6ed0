"""What estimators that put another one to work have in common."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from inspect import signature
from itertools import islice
from typing import NamedTuple

import numpy as np

from mibench.errors import SpecError
from mibench.estimation import Array, BatchEstimator, Estimate, Estimator, as_estimate

_VALUES = 2**23  # numbers handed to the base at a time, 64 MB


class Member(NamedTuple):
    """One sample for the base: x (n, ...), y (n, ...) and its seed."""

    x: Array
    y: Array
    seed: int


@dataclass(frozen=True)
class Wrapper(BatchEstimator):
    """An estimator around `base`, which must estimate from the data alone."""

    base: Estimator

    def __post_init__(self) -> None:
        if self.base.baseline or "pointwise_mi" in signature(self.base.estimate).parameters:
            raise SpecError(f"base must estimate from the data, got the baseline {self.base}")

    def warm_up(self, device: str) -> None:
        """Warm up `base`."""
        self.base.warm_up(device)

    def estimate_members(self, members: Iterator[Member], device: str) -> list[Estimate]:
        """Return the base's answer to each of `members`, all of one shape, in stacks of bounded memory."""
        answers: list[Estimate] = []
        for first in members:
            most = max(1, _VALUES // (first.x.size + first.y.size))
            stack = [first, *islice(members, most - 1)]
            x, y = np.stack([one.x for one in stack]), np.stack([one.y for one in stack])
            found = self.base.estimate_batch(x, y, [one.seed for one in stack], device)
            answers += map(as_estimate, found)
        return answers


def first_message(answers: Sequence[Estimate]) -> str:
    """Return what the base first had to say, if anything."""
    return next((answer.message for answer in answers if answer.message), "")
