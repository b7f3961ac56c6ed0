"""What a task is: a joint distribution of (X, Y) whose MI is known, and the seeds of its draws."""

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mibench.component import Component
from mibench.errors import MibenchError
from mibench.seeding import check_seed, derive_seed

Array = NDArray[np.float64]
Shape = tuple[int, ...]
_FINGERPRINT_DRAWS = 8
_FINGERPRINT_VALUES = 100_000  # of more, every second, third, … counts


class Draw(NamedTuple):
    """n draws: x (n, *x_shape), y (n, *y_shape), and where it is known the pointwise MI of each (n,), in nats.

    A plain tuple of two or three arrays serves as well.
    """

    x: Array
    y: Array
    pointwise_mi: Array | None = None


class Distribution(Component, ABC):
    """A law of (X, Y), immutable; a subclass is a frozen dataclass whose fields are its parameters.

    It needs `x_shape`, `y_shape`, `mutual_information` and `draw`; float64 throughout, no global state.
    """

    kind: ClassVar[str] = "task"
    source: ClassVar[Any] = ""  # authors, year, where
    tags: ClassVar[Any] = ()
    formula: ClassVar[Any] = ""  # of the MI, in nats
    truth: ClassVar[Any] = "closed form"  # how the MI is known
    mi_std_error: ClassVar[Any] = 0.0  # of the MI in nats, where the truth is a Monte Carlo mean
    support: ClassVar[Any] = "real"  # "unit" where every coordinate lies strictly within (0, 1)

    @property
    @abstractmethod
    def x_shape(self) -> Shape:
        """The shape of one draw of X."""

    @property
    @abstractmethod
    def y_shape(self) -> Shape:
        """The shape of one draw of Y."""

    @property
    @abstractmethod
    def mutual_information(self) -> float:
        """I(X; Y) in nats."""

    @abstractmethod
    def draw(self, n: int, rng: np.random.Generator) -> Draw:
        """Return `n` independent draws, with their pointwise MI where it is known (None where it is not)."""

    def sample(self, n: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return x (n, *x_shape) and y (n, *y_shape)."""
        return self.draw(n, rng)[:2]

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """Return ln p(x, y) − ln p(x) − ln p(y) of each pair, (n,) in nats: the pointwise MI, whose mean is the MI."""
        raise MibenchError(f"the density of {self} is not known; there is no pointwise MI")


@dataclass(frozen=True)
class Task:
    """A distribution under its canonical name, drawn by seed."""

    distribution: Distribution

    @cached_property
    def name(self) -> str:
        """The canonical spec."""
        return str(self.distribution)

    @property
    def mutual_information(self) -> float:
        """I(X; Y) in nats."""
        return self.distribution.mutual_information

    @property
    def mi_std_error(self) -> float:
        """The standard error of `mutual_information` in nats: 0 unless the truth is a Monte Carlo mean."""
        return float(self.distribution.mi_std_error)

    @property
    def x_shape(self) -> Shape:
        """The shape of one draw of X."""
        return self.distribution.x_shape

    @property
    def y_shape(self) -> Shape:
        """The shape of one draw of Y."""
        return self.distribution.y_shape

    @property
    def tags(self) -> tuple[str, ...]:
        """What kind of task it is."""
        return tuple(self.distribution.tags)

    @property
    def source(self) -> str:
        """Who published the distribution."""
        return str(self.distribution.source)

    @property
    def truth(self) -> str:
        """How the MI is known."""
        return str(self.distribution.truth)

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the first draws of replicate 0 to nine digits, which the last bit of a libm does not change."""
        draw = self.draw(_FINGERPRINT_DRAWS, self.replicate_seed(0))
        values = np.concatenate([draw.x.ravel(), draw.y.ravel()])
        values = values[:: 1 + len(values) // _FINGERPRINT_VALUES]
        text = ",".join(f"{value + 0.0:.8e}" for value in values)
        return hashlib.sha256(f"{self.name}:{self.mutual_information:.12g}:{text}".encode()).hexdigest()[:16]

    def replicate_seed(self, replicate: int) -> int:
        """Return the seed of a replicate's draws; it follows from the name and the number alone."""
        return derive_seed("data", self.name, replicate)

    def draw(self, n: int, seed: int = 0) -> Draw:
        """Return `n` draws with their pointwise MI; the same seed gives the same draws."""
        if not isinstance(n, Integral) or n < 1:
            raise MibenchError(f"n must be at least 1, and an integer, got {n!r}")
        check_seed(seed)
        try:
            with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # what comes of it is refused below
                draw = Draw(*self.distribution.draw(n, np.random.default_rng(seed)))
        except MemoryError:
            raise
        except Exception as error:
            reason = error if isinstance(error, MibenchError) else f"{type(error).__name__}: {error}"
            raise MibenchError(f"{self.name} cannot be drawn: {reason}") from error
        for name, values, shape in (("x", draw.x, self.x_shape), ("y", draw.y, self.y_shape)):
            if np.shape(values) != (n, *shape) or values.dtype != np.float64:
                raise MibenchError(
                    f"{self.name} must draw {name} as float64 of shape {(n, *shape)}, "
                    f"got {np.asarray(values).dtype} of shape {np.shape(values)}"
                )
            if not np.isfinite(values).all():
                raise MibenchError(f"{self.name} cannot be drawn: {name} is infinite or NaN in float64")
        return draw

    def sample(self, n: int, seed: int = 0) -> tuple[Array, Array]:
        """Return x (n, *x_shape) and y (n, *y_shape), float64; the same seed gives the same draws."""
        return self.draw(n, seed)[:2]

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """Return the pointwise MI of each pair, (n,) in nats."""
        return self.distribution.log_density_ratio(x, y)
