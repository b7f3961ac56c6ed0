"""What the errors of each cell say: bias, spread, quantiles, efficiency and violations of bounds, with intervals."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mibench.bias_interval import Array, bias_interval

from .intervals import (
    efficiency_interval,
    quantile_interval,
    rmse_interval,
    share_interval,
    std_interval,
)
from .records import are_of_oracle
from .stacks import Codes, stacks

EXACT = 1e-9  # nats; an RMSE of the oracle below it is rounding


def with_interval(name: str) -> dict[str, str]:
    """Return the columns of the ends of an interval, each with what it holds."""
    return {f"{name}_low": f"lower end of the 95 % interval of {name}", f"{name}_high": "upper end of it"}


ERROR_COLUMNS = {
    "bias": "mean error, nats",
    **with_interval("bias"),
    "std": "standard deviation of the estimates (divisor ok − 1), nats",
    **with_interval("std"),
    "rmse": "root mean square error, nats",
    **with_interval("rmse"),
    "median": "median error, nats",
    **with_interval("median"),
    "q05": "quantile .05 of the errors, nats; from it to q95 is their 90 % range",
    **with_interval("q05"),
    "q95": "quantile .95 of them, nats",
    **with_interval("q95"),
    "efficiency": "RMSE / RMSE of the oracle on the same draws; 1 is sampling noise alone, and bias may buy less",
    **with_interval("efficiency"),
    "violated": "of a bound, the share of estimates on the wrong side of the MI",
    **with_interval("violated"),
}


def error_statistics(records: pd.DataFrame) -> pd.DataFrame:
    """Return one row a cell, with the columns of `ERROR_COLUMNS`, NaN where they are unknown.

    `records` are those of `records.current_records`. The oracle's error has mean 0, so that its RMSE is its standard
    deviation, from one degree of freedom more. Without an error of the oracle there is no efficiency.
    """
    code: Codes = records["cell"].to_numpy()
    size = int(code[-1]) + 1
    error, ideal = records["error"].to_numpy(), oracle_errors(records)
    found = {name: np.full(size, np.nan) for name in ERROR_COLUMNS}
    known = ~np.isnan(error)
    for here, (errors,) in stacks(code[known], error[known]):
        _set(found, here, _of_errors(errors))
    paired = known & ~np.isnan(ideal)
    for here, (errors, oracle) in stacks(code[paired], error[paired], ideal[paired]):
        able = np.sqrt((oracle**2).mean(axis=1)) > EXACT
        _set(found, here[able], _of_pairs(errors[able], oracle[able]))
    _set(found, np.arange(size), _violations(_bounds(records), code[known], error[known]))
    return pd.DataFrame(found, index=pd.RangeIndex(size, name="cell"))


def oracle_errors(records: pd.DataFrame) -> Array:
    """Return for each record the error of the oracle on the same draws, NaN where it was not run or has none."""
    of_oracle = (are_of_oracle(records) & records["error"].notna()).to_numpy()  # a failure at a seed hides no other
    if not of_oracle.any():
        return np.full(len(records), np.nan)
    draw: Codes = records.groupby(["task", "n_samples", "replicate"], observed=True).ngroup().to_numpy()
    ideal = np.full(draw.max() + 1, np.nan)
    ideal[draw[of_oracle]] = records["error"].to_numpy()[of_oracle]
    return ideal[draw]


def _bounds(records: pd.DataFrame) -> NDArray[np.object_]:
    first = np.flatnonzero(np.diff(records["cell"], prepend=-1))
    return records["bound"].take(first).to_numpy(dtype=object)


def _set(found: dict[str, Array], cells: Codes, values: dict[str, Array]) -> None:
    for name, value in values.items():
        found[name][cells] = value


def _of_errors(errors: Array) -> dict[str, Array]:
    ordered = np.sort(errors, axis=1)
    count = errors.shape[1]
    std = errors.std(axis=1, ddof=1) if count > 1 else np.full(len(errors), np.nan)
    of_bias, of_std = bias_interval(errors), std_interval(errors)
    return {
        "bias": errors.mean(axis=1),
        **_ends("bias", of_bias),
        "std": std,
        **_ends("std", of_std),
        "rmse": np.sqrt((errors**2).mean(axis=1)),
        **_ends("rmse", rmse_interval(errors, of_bias, of_std)),
        "median": _quantile(ordered, 0.5),
        **_ends("median", quantile_interval(ordered, 0.5)),
        "q05": _quantile(ordered, 0.05),
        **_ends("q05", quantile_interval(ordered, 0.05)),
        "q95": _quantile(ordered, 0.95),
        **_ends("q95", quantile_interval(ordered, 0.95)),
    }


def _quantile(ordered: Array, p: float) -> Array:
    """Return the quantile of sorted rows, between the two nearest by interpolation, as `np.quantile` does."""
    place = p * (ordered.shape[1] - 1)
    below = int(place)
    above = min(below + 1, ordered.shape[1] - 1)
    value = ordered[:, below] + (place - below) * (ordered[:, above] - ordered[:, below])
    return np.asarray(value, dtype=np.float64)


def _of_pairs(errors: Array, oracle: Array) -> dict[str, Array]:
    ratio = np.sqrt((errors**2).mean(axis=1) / (oracle**2).mean(axis=1))
    return {"efficiency": ratio, **_ends("efficiency", efficiency_interval(errors, oracle))}


def _violations(bound: NDArray[np.object_], code: Codes, error: Array) -> dict[str, Array]:
    """Count the estimates of each cell that are on the wrong side of the MI, where its `bound` is of one side."""
    side = np.select([bound == "lower", bound == "upper"], [1.0, -1.0], 0.0)
    total = np.bincount(code, minlength=len(bound)) * (side != 0)
    wrong = np.bincount(code[side[code] * error > 0], minlength=len(bound))
    share = np.divide(wrong, total, out=np.full(len(bound), np.nan), where=total > 0)
    return {"violated": share, **_ends("violated", share_interval(wrong, total))}


def _ends(name: str, interval: tuple[Array, Array]) -> dict[str, Array]:
    return {f"{name}_low": interval[0], f"{name}_high": interval[1]}
