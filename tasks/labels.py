"""Labels of a wanted entropy, which X shows exactly: the MI is the entropy."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import entr

from mibench.component import SHOWN
from mibench.distribution import Array
from mibench.errors import SpecError

from . import normal
from .checks import check_fraction, nearest_integer
from .pairs import IndependentPairs, rounded
from .split import FLOAT64_MI, split_mi


class LabelLaw(NamedTuple):
    """Labels 0 … count−1, all but the last of probability `share`, the last of probability `residual`."""

    labels: int
    share: float
    residual: float

    def label(self, u: Array) -> Array:
        """Return the label of each quantile u in [0, 1)."""
        return np.minimum(np.floor(u / self.share), self.labels - 1)

    def middle(self, label: Array) -> Array:
        """Return the quantile in the middle of each label's cell."""
        return np.where(label == self.labels - 1, 1 - self.residual / 2, (label + 0.5) * self.share)

    def log_probability(self, label: Array) -> Array:
        """Return ln p of each label; −∞ where it is none."""
        known = (label >= 0) & (label < self.labels) & (label == np.floor(label))
        logs = np.where(label == self.labels - 1, math.log(self.residual), math.log(self.share))
        return np.where(known, logs, -np.inf)


def law_of_entropy(entropy: float) -> LabelLaw:
    """Return ⌈e^H⌉ labels, equally likely but for one no likelier, whose entropy is H = `entropy` nats."""
    if entropy > FLOAT64_MI:
        raise SpecError(f"mi must be at most {FLOAT64_MI:g} nats of labels in a pair, got {entropy:.6g}")
    count = max(1, math.ceil(math.exp(entropy) * (1 - 1e-13)))
    if entropy >= math.log(count):
        return LabelLaw(count, 1 / count, 1 / count)

    def excess(residual: float) -> float:
        rest = 1 - residual
        return rest * (math.log(count - 1) - math.log1p(-residual)) + float(entr(residual)) - entropy

    residual = rounded(brentq(excess, 0.0, 1 / count, xtol=1e-300, rtol=1e-15))
    return LabelLaw(count, (1 - residual) / (count - 1), residual)


class _Labels(IndependentPairs):
    """Families whose own parameter is e^H, the effective number of labels."""

    levels: int | None
    parameter: ClassVar[str] = "levels"

    def check_parameter(self, value: float) -> None:
        """Raise `SpecError` unless `value` is a number of labels."""
        if not 1 <= value <= math.exp(FLOAT64_MI):
            raise SpecError(f"levels must be from 1 to e^{FLOAT64_MI:g}, got {value}")

    @property
    def _laws(self) -> list[LabelLaw]:
        found = {levels: law_of_entropy(math.log(levels)) for levels in set(self.pair_parameters.tolist())}
        return [found[levels] for levels in self.pair_parameters.tolist()]


@dataclass(frozen=True)
class Quantized(_Labels):
    """X_j standard normal, Y_j the number of the quantile cell that X_j falls in, counted from 0.

    There are ⌈e^I⌉ cells, equally likely but for the last, which makes H(Y_j) the wanted MI; `levels` gives a number of
    equal ones instead. With `unit=True` X_j is uniform on (0, 1) and Y_j the middle of its cell there.
    """

    levels: int | None = None
    unit: bool = False

    formula: ClassVar[str] = "I = Σ_j H(Y_j)"
    source: ClassVar[str] = "Butakov et al. 2024 (mutinfo)"
    tags: ClassVar[tuple[str, ...]] = ("mixed-type", "vector", "deterministic")

    @property
    def support(self) -> str:
        """Unit where asked for."""
        return "unit" if self.unit else "real"

    def pair_mi(self, parameter: float) -> float:
        """Return ln of the effective number of labels."""
        return math.log(parameter)

    def solve(self, mi: float) -> float:
        """Return e^I, the effective number of labels."""
        self.check_positive(mi)
        law_of_entropy(mi)
        return math.exp(mi)

    def draw_pairs(self, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Return x, y and the pointwise MI of each pair, all (n, d)."""
        z = rng.standard_normal((n, self.d))
        u = normal.cdf(z)
        labels = self._label(u)
        y = _columns(labels, [law.middle for law in self._laws]) if self.unit else labels
        return u if self.unit else z, y, -self._log_probability(labels)

    def pair_log_ratio(self, x: Array, y: Array) -> Array:
        """Return −ln p(y) (n, d) in nats; −∞ where y is not the label of x."""
        labels = self._label(y) if self.unit else nearest_integer(y)
        expected = self._label(x if self.unit else normal.cdf(x))
        return np.where(labels == expected, -self._log_probability(labels), -np.inf)

    def _label(self, u: Array) -> Array:
        return _columns(u, [law.label for law in self._laws])

    def _log_probability(self, labels: Array) -> Array:
        return _columns(labels, [law.log_probability for law in self._laws])


@dataclass(frozen=True)
class RareEvent(_Labels):
    """A label L_j that is 0 with probability `failure`, else one of 1, 2, …; X_j = L_j + U_j and Y_j = L_j + U'_j.

    U_j and U'_j are independent and uniform on (0, 1), so that both sides are continuous and share the label alone.
    The labels after 0 are ⌈e^H⌉ in number, equally likely but for the last, with the H that the wanted MI needs, or
    `levels` equal ones.
    """

    levels: int | None = None
    failure: float = field(default=0.5, metadata=SHOWN)

    formula: ClassVar[str] = "I = Σ_j h(q) + (1 − q) H_j, q = failure, h(q) = −q ln q − (1−q) ln(1−q)"
    source: ClassVar[str] = "after the rare-event channel of Butakov et al. 2024 (mutinfo)"
    tags: ClassVar[tuple[str, ...]] = ("uniform", "vector", "piecewise")

    def check(self) -> None:
        """Raise `SpecError` unless failure is a probability between 0 and 1."""
        check_fraction("failure", self.failure)

    @cached_property
    def shares(self) -> Array:
        """The MI of each pair, (d,) in nats: the entropy of `failure`, and a share of what is left."""
        least = self._failure_entropy
        return split_mi(self, self.mutual_information - self.d * least, self.d, self.randomized) + least

    @property
    def _failure_entropy(self) -> float:
        return float(entr(self.failure) + entr(1 - self.failure))

    def pair_mi(self, parameter: float) -> float:
        """Return the entropy of one label in nats, by the effective number of labels after 0."""
        return self._failure_entropy + (1 - self.failure) * math.log(parameter)

    def solve(self, mi: float) -> float:
        """Return the effective number of labels after 0."""
        rest = mi - self._failure_entropy
        if rest < -1e-12 or (self.failure == 1 and rest > 0):
            raise SpecError(
                f"mi must be at least h(failure) = {self._failure_entropy:.6g} nats a pair, got {mi:.6g}; "
                "change failure or mi"
            )
        entropy = max(0.0, rest) / (1 - self.failure) if self.failure < 1 else 0.0
        law_of_entropy(entropy)
        return math.exp(entropy)

    def draw_pairs(self, n: int, rng: np.random.Generator) -> tuple[Array, Array, Array]:
        """Return x, y and the pointwise MI of each pair, all (n, d)."""
        fails = rng.random((n, self.d)) < self.failure
        rest = _columns(rng.random((n, self.d)), [law.label for law in self._laws]) + 1
        labels = np.where(fails, 0.0, rest)
        u, v = rng.random((2, n, self.d))
        below = np.nextafter(labels + 1, 0)  # where a large label plus u would round up to the next
        return np.minimum(labels + u, below), np.minimum(labels + v, below), -self._log_probability(labels)

    def pair_log_ratio(self, x: Array, y: Array) -> Array:
        """Return −ln p(label) (n, d) in nats; −∞ where the labels of x and y differ."""
        labels = np.floor(x)
        return np.where(labels == np.floor(y), -self._log_probability(labels), -np.inf)

    def _log_probability(self, labels: Array) -> Array:
        with np.errstate(divide="ignore"):
            fails, rest = np.log(self.failure), np.log(1 - self.failure)
        after = _columns(labels - 1, [law.log_probability for law in self._laws])
        logs: Array = np.where(labels == 0, fails, rest + after)
        return logs


def _columns(values: Array, functions: list[Callable[[Array], Array]]) -> Array:
    mapped: Array = np.stack([function(column) for function, column in zip(functions, values.T, strict=True)], axis=1)
    return mapped
