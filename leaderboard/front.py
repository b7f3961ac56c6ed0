"""The Pareto front of efficiency against seconds."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def on_front(table: pd.DataFrame, contest: list[str]) -> NDArray[np.bool_]:
    """Return which rows are on the Pareto front of their contest: none is both as efficient and as fast, and more so.

    `table` has the columns efficiency, seconds and baseline, and those of `contest`. Baselines do not compete, nor do
    rows without an efficiency or seconds; equals in both stand or fall together.
    """
    front = np.zeros(len(table), dtype=bool)
    competes = (table["efficiency"].notna() & table["seconds"].notna() & ~table["baseline"].astype(bool)).to_numpy()
    costs = table[["efficiency", "seconds"]].to_numpy(dtype=float)
    for rows in table[competes].groupby(contest).indices.values():
        here = np.flatnonzero(competes)[rows]
        mine, others = costs[here, None], costs[None, here]
        beaten = np.all(others <= mine, axis=2) & np.any(others < mine, axis=2)
        front[here] = ~beaten.any(axis=1)
    return front
