"""Cells of as many replicates each as one matrix, so that a statistic of all cells takes a few calls of NumPy."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.integer[Any]]


def stacks(cell: Codes, *columns: Array) -> Iterator[tuple[Codes, list[Array]]]:
    """Yield, for each number R of rows that cells have, these cells (C,) and a matrix (C, R) of each column.

    `cell` (N,) numbers the cell of each row and does not decrease; each of `columns` (N,) has a value a row.
    """
    starts = np.flatnonzero(np.diff(cell, prepend=-1))
    cells, counts = cell[starts], np.diff(starts, append=len(cell))
    for count in np.unique(counts):
        chosen = counts == count
        rows = starts[chosen, None] + np.arange(count)
        yield cells[chosen], [column[rows] for column in columns]


def complete_series(
    records: pd.DataFrame, series: list[str], level: str
) -> Iterator[tuple[pd.DataFrame, list[int], Array]]:
    """Yield, for each set of K levels that series have, their names (C rows), the levels, and errors (C, R, K).

    A series is what records share that are alike in the columns `series`; `level` is the column in which they differ.
    Replicates with an estimate at every level count, baselines and series of a single level do not. `records` are those
    of `records.current_records`; series with different numbers R of replicates come one after another.
    """
    if records[level].nunique() == 1:
        return
    known = records[records["error"].notna() & ~records["baseline"].astype(bool)]
    levels = known.groupby(series, observed=True)[level].transform("nunique")
    taken = known.groupby([*series, "replicate"], observed=True)[level].transform("size")
    whole = known[(levels > 1) & (taken == levels)].sort_values([*series, "replicate", level])
    found = whole.groupby(series, observed=True)[level].transform(lambda values: str(sorted(set(values))))
    for _, part in whole.groupby(found.to_numpy()):
        at = sorted(int(value) for value in part[level].unique())
        names = part[series].drop_duplicates().astype({"task": str, "estimator": str}).reset_index(drop=True)
        code: Codes = part.groupby(series, observed=True).ngroup().to_numpy(dtype=np.int64)
        for here, (errors,) in stacks(code, part["error"].to_numpy()):
            yield names.loc[here].reset_index(drop=True), at, errors.reshape(len(here), -1, len(at))
