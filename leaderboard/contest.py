"""The errors of estimators that compete at one sample size, on the tasks and replicates that all of them share."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from .resampling import Array, ranks


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
        is_baseline = records.groupby("estimator")["baseline"].any()
        ranked = sorted(is_baseline.index[~is_baseline])
        baselines = sorted(is_baseline.index[is_baseline])
        errors: dict[str, pd.DataFrame] = {}
        for task, part in records.groupby("task"):
            table = part.pivot(index="replicate", columns="estimator", values="error").reindex(
                columns=ranked + baselines
            )
            takers = part[part["estimator"].isin(ranked or baselines)].groupby("replicate").size()
            shared = takers.index[takers == len(ranked or baselines)]
            if len(shared):
                errors[str(task)] = table.loc[shared]
        return cls(ranked, baselines, errors)

    @cached_property
    def matrices(self) -> list[Array]:
        """The errors (E, R) of the ranked estimators, a matrix a task."""
        return [frame[self.ranked].to_numpy().T for frame in self.errors.values()]

    @cached_property
    def ranks(self) -> Array:
        """The ranks (T, E) of the ranked estimators on each task, all replicates together; 1 is best."""
        each = [ranks(errors, np.ones((1, errors.shape[1])))[0] for errors in self.matrices]
        return np.array(each).reshape(len(each), len(self.ranked))
