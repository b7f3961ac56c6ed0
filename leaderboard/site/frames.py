"""The frames that pages show: a board's cells with their efficiency, and what newer boards tell besides."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..board import Leaderboard
from ..picture import family
from ..ranking import EXACT

SETTING = ["n_samples", "seed"]


@dataclass(frozen=True)
class Setting:
    """One (n_samples, seed): its cells, its summary, and where it is known its row of `board.contests`."""

    n_samples: int
    seed: int
    several_seeds: bool
    cells: pd.DataFrame
    summary: pd.DataFrame
    contest: dict[str, Any] | None

    @property
    def title(self) -> str:
        """``n = 1000``, and the seed where there are several."""
        return f"n = {self.n_samples}" + (f", seed {self.seed}" if self.several_seeds else "")

    @property
    def identity(self) -> str:
        """The same for an anchor."""
        return f"n{self.n_samples}-seed{self.seed}"


def with_efficiency(cells: pd.DataFrame) -> pd.DataFrame:
    """Return `cells` with RMSE / RMSE of the oracle as `efficiency`, where the board does not give it already.

    It is NaN where the oracle was not run, or has no error.
    """
    if "efficiency" in cells.columns:
        return cells
    keys = ["task", *SETTING]
    floor = cells[cells["estimator"].map(is_oracle)].drop_duplicates(keys)[[*keys, "rmse"]]
    beside = cells[keys].merge(floor, how="left", on=keys)["rmse"].to_numpy()
    known = np.where(beside > EXACT, beside, np.nan)
    return cells.assign(efficiency=cells["rmse"].to_numpy() / known)


def is_oracle(estimator: str) -> bool:
    """Return whether a spec is of the oracle, whatever its arguments."""
    return estimator.partition("(")[0] == "oracle"


def settings(board: Leaderboard, cells: pd.DataFrame) -> list[Setting]:
    """Return one setting a (n_samples, seed), from small n to large."""
    several = cells["seed"].nunique() > 1
    contests = optional_frame(board, "contests")
    found = []
    for n, seed in sorted({(int(n), int(seed)) for n, seed in zip(cells["n_samples"], cells["seed"], strict=True)}):
        own = _of(cells, n, seed)
        summary = _of(board.summary, n, seed)
        rows = [] if contests is None else _of(contests, n, seed).to_dict("records")
        contest: dict[str, Any] | None = dict(rows[0]) if rows else None  # type: ignore[arg-type]
        found.append(Setting(n, seed, several, own, summary, contest))
    return found


def _of(frame: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    return frame.loc[(frame["n_samples"] == n) & (frame["seed"] == seed)]


def optional_frame(board: Leaderboard, attribute: str) -> pd.DataFrame | None:
    """Return a frame of a board, or None where it has none of that name, or an empty one."""
    frame = getattr(board, attribute, None)
    return frame if isinstance(frame, pd.DataFrame) and not frame.empty else None


def family_of(task: str) -> str:
    """Return the family of tasks that differ from `task` in their MI alone; what is no spec is a family of its own."""
    try:
        return family(task)
    except ValueError:
        return task


def in_order(cells: pd.DataFrame) -> pd.DataFrame:
    """Return cells from small n to large, at each n from good to bad, what failed last."""
    failing = 1 - cells["ok"] / cells["replicates"]
    ordered = cells.assign(failing=failing).sort_values([*SETTING, "failing", "rmse", "estimator", "task"])
    return ordered.drop(columns="failing")


def each_group(frame: pd.DataFrame, key: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Return the rows of each value of `key`, in order."""
    for value, own in frame.groupby(key, sort=True):
        yield str(value), own
