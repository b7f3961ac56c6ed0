"""Records that ship with mibench: the main estimators on the suite `core`, baselines for whoever adds another.

`v1/README.md` says how and where they were made. A version is frozen; new records make a new one.
"""

from importlib.resources import as_file, files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

VERSION = "v1"
FILE = "records.csv.gz"


def published_records() -> "pd.DataFrame":
    """Return the published records, one row a replicate, as ``Store.to_frame()`` gives them."""
    from ..reading import read_csv

    with as_file(files(__package__) / VERSION / FILE) as file:
        return read_csv(str(file))


def with_published(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return `frame` with the published records of its tasks and sample sizes that it lacks.

    Of an estimator that `frame` has on a task at one n and seed, none is added: its own records stand. Baselines whose
    data are of another version are left to `current_records`. The added records come first.
    """
    import pandas as pd

    from ..records import CELL, require, with_whole_numbers

    require(frame, CELL)
    frame = with_whole_numbers(frame)
    published = published_records()
    if "task_fingerprint" not in frame.columns:
        data = published.drop_duplicates("task").set_index("task")["task_fingerprint"]
        frame = frame.assign(task_fingerprint=frame["task"].map(data))
    setting = ["task", "n_samples"]
    wanted = published.merge(frame[setting].drop_duplicates(), on=setting)
    own = frame[CELL].drop_duplicates().assign(own=True)
    added = wanted.merge(own, on=CELL, how="left")
    return pd.concat([added[added["own"].isna()].drop(columns="own"), frame], ignore_index=True)
