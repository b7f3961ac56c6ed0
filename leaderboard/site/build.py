"""A site from a board: all pages, what they run, and their pictures."""

import shutil
from pathlib import Path

import pandas as pd

from ..board import Leaderboard
from . import estimator_page, heat, index_page, task_page
from .bundles import write_bundles
from .contents import Contents
from .folder import replacing_folder
from .render import write_text

_OWN = ("site.css", "site.js", "theme.js", "plots.js")


def build(board: Leaderboard, records: pd.DataFrame, folder: Path) -> None:
    """Write the site; see `write_site`."""
    with replacing_folder(folder) as draft:
        _assets(draft / "assets")
        contents = Contents(board, records, draft)
        index_page.write(contents)
        task_page.write_all(contents)
        estimator_page.write_all(contents)


def _assets(folder: Path) -> None:
    folder.mkdir()
    write_bundles(folder)
    for name in _OWN:
        shutil.copyfile(Path(__file__).parent / "assets" / name, folder / name)
    write_text(folder / "heat.css", heat.style_sheet())
