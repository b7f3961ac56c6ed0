"""Other margins for a copula: the quantile function of a distribution, applied to each uniform coordinate."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
from scipy import stats
from scipy.special import ndtri

from mibench.distribution import Array
from mibench.errors import SpecError, suggest
from mibench.spec import Spec, parse

from .elementary import exp, log, log1p, logit, tan
from .maps import Map

_PROBES, _TOLERANCE = np.linspace(0.01, 0.99, 99), 1e-8  # probabilities that must come back through the quantiles
_SMALLEST, _LARGEST = np.finfo(float).tiny, 1 - np.finfo(float).epsneg


@dataclass(frozen=True)
class Margins(Map):
    """(u, v) ↦ (F⁻¹(u), G⁻¹(v)): uniform coordinates get the margins `x` and `y`.

    The base has coordinates in (0, 1), such as a copula's or those of `uniform(...)`. A margin is any continuous
    distribution of scipy.stats, written as a call: 'expon', 't(3)', 'lognorm(0.5)', 'gamma(2, scale=3)'; 'normal' is
    norm. Near u = 1 float64 has steps of 1e-16, so that the upper tail of a margin is coarser than its lower one: the
    greatest value that can be drawn is its quantile at 1 − 1e-16. uniform, expon, cauchy, laplace, logistic, pareto,
    weibull_min and gumbel_r are drawn bit for bit the same everywhere; of others the last bit is that of SciPy.
    """

    x: str = "normal"
    y: str = "normal"

    published: ClassVar[str] = "Sklar 1959"

    def __post_init__(self) -> None:
        if self.base.support != "unit":
            raise SpecError(
                f"margins needs a base whose coordinates are uniform on (0, 1), got {self.base}; "
                f"write margins(uniform({self.base}), ...)"
            )
        for side in ("x", "y"):
            if self.side not in ("both", side) and getattr(self, side) != "normal":
                raise SpecError(f"{side}={getattr(self, side)!r} has no effect with side={self.side!r}; leave it out")
            object.__setattr__(self, side, _canonical(side, getattr(self, side)))
        assert self._margins  # a margin that does not exist is an error of the spec

    @property
    def support(self) -> str:
        """The real line, or a part of it."""
        return "real"

    @cached_property
    def _margins(self) -> dict[str, "_Margin"]:
        return {side: _Margin(side, getattr(self, side)) for side in ("x", "y")}

    def map(self, side: Literal["x", "y"], values: Array) -> Array:
        """Return the quantile of each coordinate."""
        with np.errstate(over="ignore", divide="ignore"):
            mapped = self._margins[side].quantile(values)
        if not np.isfinite(mapped).all():
            raise SpecError(
                f"{side}={getattr(self, side)!r} has a tail too heavy for float64: the quantile of a draw is infinite"
            )
        return mapped

    def invert(self, side: Literal["x", "y"], values: Array) -> Array:
        """Return the distribution function at each coordinate, kept within (0, 1) where it rounds to an end."""
        return np.asarray(np.clip(self._margins[side].distribution.cdf(values), _SMALLEST, _LARGEST))


class _Margin:
    """A distribution of scipy.stats by its call, with a quantile function that does not depend on the vector unit."""

    def __init__(self, side: str, text: str) -> None:
        call = parse(text)
        name = _ALIASES.get(call.name, call.name)
        family = getattr(stats, name)
        shapes = _shapes(family)
        values = _bind(side, call, [*shapes, "loc", "scale"])
        self.distribution = family(**values)
        with np.errstate(all="ignore"):
            probes = self.distribution.cdf(self.distribution.ppf(_PROBES))
        if not np.isfinite(probes).all():
            raise SpecError(
                f"{side}={text!r} is not a distribution: {', '.join(values)} must be in the range of scipy's"
            )
        if np.abs(probes - _PROBES).max() > _TOLERANCE:
            raise SpecError(f"float64 cannot tell the values of {side}={text!r} apart; choose a margin less narrow")
        self._standard = _QUANTILES.get(name)
        self._shapes = [values[shape] for shape in shapes]
        self._loc, self._scale = values.get("loc", 0.0), values.get("scale", 1.0)

    def quantile(self, u: Array) -> Array:
        """Return F⁻¹ of each u."""
        if self._standard is None:
            return np.asarray(self.distribution.ppf(u))
        return np.asarray(self._standard(u, *self._shapes) * self._scale + self._loc)


def _bind(side: str, call: Spec, names: list[str]) -> dict[str, float]:
    """Return the arguments of the call by name."""
    if len(call.args) > len(names):
        raise SpecError(f"{side}: {call.name} takes at most {len(names)} arguments, {', '.join(names)}; got {call}")
    values: dict[str, Any] = dict(zip(names, call.args, strict=False))
    for name, value in call.kwargs.items():
        if name not in names or name in values:
            raise SpecError(f"{side}: {call.name} has no further argument {name!r}; it takes {', '.join(names)}")
        values[name] = value
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise SpecError(f"{side}: {name} of {call.name} must be a number, got {value!r}")
    return {name: float(value) for name, value in values.items()}


def _canonical(side: str, text: str) -> str:
    """Return the call as a spec is printed, so that one law has one name."""
    try:
        call = parse(text)
    except SpecError as error:
        raise SpecError(f"{side} must be a distribution of scipy.stats, such as 't(3)': {error}") from None
    family = getattr(stats, _ALIASES.get(call.name, call.name), None)
    if not isinstance(family, stats.rv_continuous):
        raise SpecError(f"{side} names no distribution {call.name!r} of scipy.stats; {suggest(call.name, _names())}")
    shapes = _shapes(family)
    values = _bind(side, call, [*shapes, "loc", "scale"])
    moved = {name: values[name] for name, usual in (("loc", 0), ("scale", 1)) if values.get(name, usual) != usual}
    if missing := [shape for shape in shapes if shape not in values]:
        raise SpecError(f"{side}={text!r} needs {missing[0]}; write {side}='{call.name}({', '.join(shapes)})'")
    return str(Spec("normal" if call.name == "norm" else call.name, tuple(values[shape] for shape in shapes), moved))


def _shapes(family: Any) -> list[str]:
    return [word.strip() for word in (family.shapes or "").split(",") if word.strip()]


def _names() -> list[str]:
    return ["normal", *(name for name in dir(stats) if isinstance(getattr(stats, name), stats.rv_continuous))]


def _laplace(u: Array) -> Array:
    nearer = log(2 * np.minimum(u, 1 - u))
    return np.where(u < 0.5, nearer, -nearer)


def _cauchy(u: Array) -> Array:
    size = 1 / tan(np.pi * np.minimum(u, 1 - u))
    return np.where(u < 0.5, -size, size)


_ALIASES = {"normal": "norm"}
# SciPy computes these by functions of NumPy or of the C library, whose last bit depends on the vector unit.
_QUANTILES: dict[str, Callable[..., Array]] = {
    "expon": lambda u: -log1p(-u),
    "cauchy": _cauchy,
    "lognorm": lambda u, s: exp(s * ndtri(u)),
    "laplace": _laplace,
    "logistic": logit,
    "pareto": lambda u, b: exp(-log1p(-u) / b),
    "weibull_min": lambda u, c: exp(log(-log1p(-u)) / c),
    "gumbel_r": lambda u: -log(-log(u)),
}
