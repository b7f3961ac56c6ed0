"""Sections on what goes beyond one cell: biases that grow with n, and the sources of scatter."""

import pandas as pd

from .page import Section, rows_of
from .rounding import compact, with_interval


def growth_section(growth: pd.DataFrame, several_seeds: bool) -> list[Section]:
    """Return a table of the biases that grow with n, where there are any."""
    flagged = growth[growth["grows"].astype(bool)]
    if flagged.empty:
        return []
    headers = ["task", "estimator", "sizes", "bias at first", "bias at last", "RMSE ~ n^"]
    rows = [
        [
            row["task"],
            row["estimator"] + (f", seed {row['seed']}" if several_seeds else ""),
            row["sizes"],
            compact(row["bias_first"]),
            compact(row["bias_last"]),
            with_interval(row["rate"], row["rate_low"], row["rate_high"]),
        ]
        for row in rows_of(flagged)
    ]
    title = f"Biases that grow with n, in {len(flagged)} of {len(growth)} series (false discovery rate 5 %)"
    return [Section(title, headers, rows)]


def source_section(sources: pd.DataFrame) -> list[Section]:
    """Return a table of where the scatter comes from, where cells were run with several seeds."""
    if sources.empty:
        return []
    headers = ["task", "estimator", "n", "replicates x seeds", "std of the data", "std of the training"]
    rows = [
        [
            row["task"],
            row["estimator"],
            str(row["n_samples"]),
            f"{row['replicates']:.0f} x {row['seeds']:.0f}",
            *(with_interval(row[k], row[f"{k}_low"], row[f"{k}_high"]) for k in ("std_data", "std_training")),
        ]
        for row in rows_of(sources)
    ]
    title = "Scatter by its source: other draws, or other seeds of the training on the same draws"
    return [Section(title, headers, rows)]
