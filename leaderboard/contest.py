"""The errors of estimators that compete at one sample size, on the tasks and replicates that all of them share."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from .resampling import Array, ranks_by_task


@dataclass(frozen=True)
class Contest:
    """The tasks that all ranked estimators share at one (n_samples, seed), on the replicates that all of them share.

    `ranked` and `baselines` are names in order; `errors` holds a frame a task: a row a shared replicate, a column an
    estimator, errors in nats, NaN where it failed or where a baseline was not run.
    """

    ranked: list[str]
    baselines: list[str]
    errors: dict[str, pd.DataFrame]

    @classmethod
    def of(cls, records: pd.DataFrame) -> "Contest":
        """Gather the errors of `records`, all of one n_samples and seed."""
        is_baseline = records.groupby("estimator", observed=True)["baseline"].any()
        ranked = sorted(is_baseline.index[~is_baseline])
        baselines = sorted(is_baseline.index[is_baseline])
        names = ranked + baselines
        column = pd.Index(names).get_indexer(pd.Index(records["estimator"]))
        error, replicate = (records[name].to_numpy() for name in ("error", "replicate"))
        errors: dict[str, pd.DataFrame] = {}
        for task, places in records.groupby("task", observed=True).indices.items():
            replicates, row = np.unique(replicate[places], return_inverse=True)
            table = np.full((len(replicates), len(names)), np.nan)
            table[row, column[places]] = error[places]
            taken = np.bincount(row[column[places] < len(ranked or baselines)], minlength=len(replicates))
            shared = taken == len(ranked or baselines)
            if shared.any():
                errors[str(task)] = pd.DataFrame(table[shared], replicates[shared], names, copy=False)
        return cls(ranked, baselines, errors)

    @cached_property
    def matrices(self) -> list[Array]:
        """The errors (E, R) of the ranked estimators, a matrix a task."""
        return [frame.to_numpy()[:, : len(self.ranked)].T for frame in self.errors.values()]

    @cached_property
    def ranks(self) -> Array:
        """The ranks (T, E) of the ranked estimators on each task, all replicates together; 1 is best."""
        return ranks_by_task(self.matrices) if self.errors else np.empty((0, len(self.ranked)))
