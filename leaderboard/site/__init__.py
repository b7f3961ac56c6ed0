"""The leaderboard as a folder of HTML pages, which opens without a server and without a network."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from ..board import Leaderboard

__all__ = ["write_site"]


def write_site(board: "Leaderboard", records: "pd.DataFrame", folder: "Path") -> None:
    """Write the pages of `board` to `folder`, a new one or one that this function wrote before.

    `records` are those that `board` was made from, one row a replicate; of them the pages take the versions, commits,
    hosts and devices. No estimator is run. What is neither installed here nor loaded as a plugin is described by its
    records alone. Raises `MibenchError` where the folder holds something else or cannot be written.
    """
    from .build import build

    build(board, records, folder)
