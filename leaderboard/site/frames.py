"""The frames that pages show: a board's cells and its summary, setting by setting."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..board import Leaderboard
from ..page import rows_of

SETTING = ["n_samples", "seed"]


@dataclass(frozen=True)
class Setting:
    """One (n_samples, seed): its cells, its summary, and its row of `board.contests`."""

    n_samples: int
    seed: int
    several_seeds: bool
    cells: pd.DataFrame
    summary: pd.DataFrame
    contest: dict[str, Any]

    @property
    def title(self) -> str:
        """``n = 1000``, and the seed where there are several."""
        return f"n = {self.n_samples}" + (f", seed {self.seed}" if self.several_seeds else "")

    @property
    def identity(self) -> str:
        """The same for an anchor."""
        return f"n{self.n_samples}-seed{self.seed}"


def settings(board: Leaderboard) -> list[Setting]:
    """Return one setting a (n_samples, seed), from small n to large."""
    several = board.cells["seed"].nunique() > 1
    return [
        Setting(n, seed, several, _of(board.cells, n, seed), _of(board.summary, n, seed), contest)
        for contest in rows_of(board.contests)
        for n, seed in [(contest["n_samples"], contest["seed"])]
    ]


def main(settings: Sequence[Setting]) -> Setting:
    """Return the setting of most estimators, and of these that of the largest n: what the pages show of one alone."""
    return max(settings, key=lambda setting: (len(setting.summary), setting.n_samples, -setting.seed))


def _of(frame: pd.DataFrame, n: int, seed: int) -> pd.DataFrame:
    return frame.loc[(frame["n_samples"] == n) & (frame["seed"] == seed)]


def in_order(cells: pd.DataFrame) -> pd.DataFrame:
    """Return cells from small n to large, at each n from good to bad, what failed last."""
    failing = 1 - cells["ok"] / cells["replicates"]
    ordered = cells.assign(failing=failing).sort_values([*SETTING, "failing", "rmse", "estimator", "task"])
    return ordered.drop(columns="failing")


def each_group(frame: pd.DataFrame, key: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Return the rows of each value of `key`, in order."""
    for value, own in frame.groupby(key, sort=True):
        yield str(value), own
