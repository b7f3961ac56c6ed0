"""Cells of as many replicates each as one matrix, so that a statistic of all cells takes a few calls of NumPy."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.integer[Any]]


def stacks(cell: Codes, *columns: Array) -> Iterator[tuple[Codes, list[Array]]]:
    """Yield, for each number R of rows that cells have, these cells (C,) and a matrix (C, R) of each column.

    `cell` (N,) numbers the cell of each row and does not decrease; each of `columns` (N,) has a value a row.
    """
    cells, starts, counts = np.unique(cell, return_index=True, return_counts=True)
    for count in np.unique(counts):
        chosen = counts == count
        rows = starts[chosen, None] + np.arange(count)
        yield cells[chosen], [column[rows] for column in columns]
