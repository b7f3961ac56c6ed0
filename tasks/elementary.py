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
