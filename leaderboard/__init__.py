"""From records to answers: statistics of every cell, ranks over tasks, and tables of both."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from .board import Leaderboard

__all__ = ["build"]


def build(frame: "pd.DataFrame") -> "Leaderboard":
    """Return the `Leaderboard` of a frame of records (one row a replicate, MI in nats), as ``to_frame()`` gives them.

    Raises `MibenchError` where the frame is empty or lacks a column. Example::

        print(build(results.to_frame()).render("markdown"))
    """
    from .board import Leaderboard

    return Leaderboard.from_records(frame)
