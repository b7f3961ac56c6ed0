"""NJEE: MI as the difference of two joint entropies of codes, each a chain of classifiers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from mibench.estimation import Array, Shape

from .checks import at_least
from .conditional import Categorical, ChainCritic, Rows
from .doe import DifferenceOfEntropies
from .standardise import Standardiser

_ROWS_TO_CODE = 50  # training rows, below which classifiers only learn noise
_FEWEST = 4  # parts that a coordinate is cut into, however few the rows


@dataclass(frozen=True)
class NJEE(DifferenceOfEntropies):
    r"""I(X; C) = H(C) − H(C | X) ≈ Σ_k E_P[ln q(c_k | c_<k, x) − ln r(c_k | c_<k)] in nats, C the codes of Y.

    Each term is the cross-entropy of classifiers of one coordinate given those before it. A coordinate that takes no
    more than `bins` values in training rows is coded by these; another one is cut into `bins` parts of equal shares of
    the rows, or fewer of 50 rows each, and then I(X; C) < I(X; Y), by little where the parts are fine against the
    noise: no MI of codes exceeds ln(bins) a coordinate. x is not coded. It is no bound: both terms are above their
    entropies.
    """

    source: ClassVar[str] = "Shalev, Painsky and Ben-Gal, IEEE Trans. Neural Netw. Learn. Syst. 2022 (arXiv:2012.11197)"
    continuous: ClassVar[bool] = False

    bins: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(2, bins=self.bins)

    def fit_map(self, x: Array, y: Array, images: Sequence[bool]) -> Standardiser:
        """Return the map of x to standardised rows and of y to codes, fitted to training rows (n, ...)."""
        return Codes.fit_rows(x, y, images, self.bins)

    def make_critic(self, x_shape: Shape, y_shape: Shape, generators: Sequence[torch.Generator]) -> ChainCritic:
        """Return one pair of chains of classifiers a generator."""
        return CodeChain(x_shape, y_shape, Categorical(self.bins), [self.hidden] * self.layers, generators)


@dataclass(frozen=True)
class Codes(Standardiser):
    """The map of one sample to rows x and (standardised codes, codes, how many there are), fitted to its training rows.

    Coordinate k of y has the code j if j of the `edges[k]` are less than it.
    """

    edges: tuple[Array, ...]
    centre: Array
    spread: Array

    @classmethod
    def fit_rows(cls, x: Array, y: Array, images: Sequence[bool], bins: int) -> Self:
        """Fit to rows x (n, ...) and y (n, ...), of which `images` says which are images; y is taken as a vector."""
        y = y.reshape(len(y), -1)
        own = Standardiser.fit(x, y[:, :1], [images[0], False], joint=False)
        parts = min(bins, max(_FEWEST, len(y) // _ROWS_TO_CODE))
        edges = tuple(edges_of(column, bins, parts) for column in y.T)
        codes = codes_of(y, edges)
        spread = codes.std(axis=0)
        return cls(own.scales, own.rotations, edges, codes.mean(axis=0), np.where(spread > 0, spread, 1))

    def __call__(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Map rows of both sides."""
        codes = codes_of(y.reshape(len(y), -1), self.edges)
        levels = np.array([len(edges) + 1.0 for edges in self.edges])
        return self._map(0, x), np.hstack([(codes - self.centre) / self.spread, codes, np.tile(levels, (len(y), 1))])


class CodeChain(ChainCritic):
    """ln q and ln r of rows of `Codes`."""

    def shapes(self, x_shape: Shape, y_shape: Shape) -> tuple[Shape, int]:
        """Return the shape of x, and how many coordinates y has."""
        return x_shape, y_shape[0] // 3

    def rows(self, x: Tensor, y: Tensor) -> Rows:
        """Return the parts of rows."""
        coordinates = y.shape[-1] // 3
        seen, codes = y[..., :coordinates], y[..., coordinates:]
        none = torch.zeros_like(codes[..., :1])
        return Rows(x, torch.zeros_like(codes), seen, codes, seen, codes, none, none)


def edges_of(column: Array, bins: int, parts: int) -> Array:
    """Return the greatest value in each code but the last, of a coordinate (n,): `bins` values, or `parts` at most."""
    values, counts = np.unique(column, return_counts=True)
    if len(values) <= bins:
        return values[:-1]
    # A value's code is that of the middle of its rows' ranks, so that one value is never cut in two.
    codes = (2 * counts.cumsum() - counts) * parts // (2 * len(column))
    return values[:-1][np.diff(codes) > 0]


def codes_of(y: Array, edges: Sequence[Array]) -> Array:
    """Return the codes (n, d) of rows y (n, d)."""
    return np.stack([np.searchsorted(e, column) for e, column in zip(edges, y.T, strict=True)], axis=1).astype(float)
