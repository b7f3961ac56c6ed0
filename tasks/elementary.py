"""Elementary functions in extended precision, then rounded.

The last bit of a draw must not depend on the vector unit that NumPy finds on a machine, nor on its version.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from mibench.distribution import Array


def _rounded(function: Callable[[Any], Any]) -> Callable[[Array], Array]:
    def apply(values: Array) -> Array:
        return np.asarray(function(values.astype(np.longdouble)), dtype=np.float64)

    return apply


exp = _rounded(np.exp)
expm1 = _rounded(np.expm1)
sin = _rounded(np.sin)
cos = _rounded(np.cos)
arcsinh = _rounded(np.arcsinh)
log = _rounded(np.log)
log1p = _rounded(np.log1p)
tan = _rounded(np.tan)
softplus = _rounded(lambda values: np.logaddexp(0, values))
logit = _rounded(lambda values: np.log(values) - np.log1p(-values))


def power(values: Array, exponent: float) -> Array:
    """Return each value, at least 0, to the power `exponent`."""
    return np.asarray(np.power(values.astype(np.longdouble), np.longdouble(exponent)), dtype=np.float64)


def gamma(rng: np.random.Generator, shape: float, size: int) -> Array:
    """Return gamma variables (size,); those of shape below 1 by one of shape + 1 times U^(1/shape)."""
    if shape >= 1:
        return rng.standard_gamma(shape, size)
    return rng.standard_gamma(shape + 1, size) * power(rng.random(size), 1 / shape)
