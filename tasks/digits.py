"""Handwritten digits and their noisy labels."""

import math
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.special import entr

from mibench.component import SHOWN
from mibench.distribution import Array, Distribution, Draw, Shape
from mibench.errors import MibenchError, SpecError

from .channels import channel_mi, solve_channel
from .checks import check_fraction, check_mi, nearest_integer

_CLASSES = 10
_READER_ERROR = 21 / 1797  # of a nearest neighbour, each image left out in its turn


class _Scans(NamedTuple):
    """The images (1797, 8, 8) in [0, 1] by class, the number in each class, and the class by the bytes of an image."""

    images: Array
    counts: np.ndarray
    class_of: dict[bytes, int]


@dataclass(frozen=True)
class Digits(Distribution):
    """X is a handwritten digit, 8 × 8 in [0, 1]; Y is its label, drawn again from all ten with probability `noise`.

    X is one of the 1797 images that scikit-learn comes with: a class 0 … 9 at random, then an image of it. Give the
    wanted `mi`, 1 nat by default and at most ln 10, or `noise`. No two of the images are the same, so that each tells
    its class, and the MI is exact for this law. It is not that of all digits ever written: a nearest neighbour among
    the other images takes 21 of the 1797, 1.17 %, for another class. By Fano's inequality a reader of such error e
    loses at most h(e) + e ln 9 = 0.0893 nats.
    """

    mi: float | None = field(default=None, metadata=SHOWN)
    noise: float | None = None

    formula: ClassVar[str] = "I = ln m + s ln s + (1 − s) ln(r/m), s = 1 − r (1 − 1/m), m = 10, r = noise"
    source: ClassVar[str] = "digits: Alpaydin & Kaynak 1998 (UCI); noisy labels: Butakov et al. 2024 (mutinfo)"
    tags: ClassVar[tuple[str, ...]] = ("image", "mixed-type")

    def __post_init__(self) -> None:
        if self.mi is not None and self.noise is not None:
            raise SpecError("give either mi or noise, not both")
        if self.noise is not None:
            check_fraction("noise", self.noise)
            return
        if self.mi is None:
            object.__setattr__(self, "mi", 1.0)
        check_mi(self.mutual_information)
        solve_channel(_CLASSES, self.mutual_information)

    @property
    def x_shape(self) -> Shape:
        """(8, 8)."""
        return (8, 8)

    @property
    def y_shape(self) -> Shape:
        """(1,)."""
        return (1,)

    @property
    def mutual_information(self) -> float:
        """I(X; Y) in nats: the MI that was asked for, or that of the noise."""
        return self.mi if self.mi is not None else channel_mi(_CLASSES, self.noise or 0.0)

    @property
    def truth(self) -> str:
        """Closed form, and how much of it a reader of unseen images has at least."""
        loss = float(entr(_READER_ERROR) + entr(1 - _READER_ERROR)) + _READER_ERROR * math.log(_CLASSES - 1)
        least = max(0.0, self.mutual_information - loss)
        return (
            f"closed form for the law of these 1797 images; a reader who takes {_READER_ERROR:.2%} of images for "
            f"another class, as a nearest neighbour does on an unseen one, still has {least:.4f} nats or more (Fano)"
        )

    @cached_property
    def _redraw(self) -> float:
        return self.noise if self.noise is not None else solve_channel(_CLASSES, self.mutual_information)

    def draw(self, n: int, rng: np.random.Generator) -> Draw:
        """Return `n` images, their noisy labels, and the pointwise MI."""
        scans = _scans()
        classes = rng.integers(_CLASSES, size=n)
        firsts = np.cumsum(scans.counts) - scans.counts
        x = scans.images[firsts[classes] + rng.integers(scans.counts[classes])]
        others = rng.integers(_CLASSES, size=n)
        labels = np.where(rng.random(n) < self._redraw, others, classes)
        return Draw(x, labels[:, None].astype(np.float64), self._pointwise(classes, labels))

    def log_density_ratio(self, x: Array, y: Array) -> Array:
        """Return the pointwise MI, (n,) in nats; raises `MibenchError` where an x is none of the images."""
        classes = classes_of(x)
        return self._pointwise(classes, nearest_integer(y[:, 0]))

    def _pointwise(self, classes: np.ndarray, labels: np.ndarray) -> Array:
        """Return ln m + ln p(label | class); p(label | class) is r/m, and what is left to 1 where the two agree."""
        with np.errstate(divide="ignore"):
            differ = np.log(self._redraw)
        agree = np.log(_CLASSES - self._redraw * (_CLASSES - 1))
        return np.asarray(np.where(labels == classes, agree, differ))


def classes_of(images: Array) -> np.ndarray:
    """Return the digit (n,) that each of `images` (n, 8, 8) is; raises `MibenchError` where one is none of them."""
    known = _scans().class_of
    try:
        return np.array([known[image.tobytes()] for image in np.rint(16 * images).astype(np.uint8)])
    except KeyError:
        raise MibenchError("x must be images of this task; at least one is not of the 1797 digits") from None


@cache
def _scans() -> _Scans:
    from sklearn.datasets import load_digits

    found = load_digits()
    order = np.argsort(found.target, kind="stable")
    images, classes = found.images[order] / 16, found.target[order]
    scans = found.images[order].astype(np.uint8)
    class_of = {scan.tobytes(): int(label) for scan, label in zip(scans, classes, strict=True)}
    return _Scans(images, np.bincount(classes), class_of)
