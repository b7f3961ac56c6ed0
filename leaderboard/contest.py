"""The errors of estimators that compete at one sample size, on the tasks and replicates that all of them share."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from .error_statistics import EXACT
from .records import is_oracle
from .resampling import Array, ranks_by_task


@dataclass(frozen=True)
class Contest:
    """The tasks that all ranked estimators share at one (n_samples, seed), on the replicates that all of them share.

    `ranked` and `baselines` are names in order; `errors` holds a matrix (E, R_t) a task: a row each of the ranked and
    then of the baselines, a column a shared replicate, errors in nats, NaN where it failed or a baseline was not run.
    """

    ranked: list[str]
    baselines: list[str]
    errors: dict[str, Array]

    @classmethod
    def of(cls, records: pd.DataFrame) -> "Contest":
        """Gather the errors of `records`, all of one n_samples and seed."""
        is_baseline = records.groupby("estimator", observed=True)["baseline"].any()
        ranked = sorted(is_baseline.index[~is_baseline])
        baselines = sorted(is_baseline.index[is_baseline])
        names = ranked + baselines
        row = pd.Index(names).get_indexer(pd.Index(records["estimator"]))
        task, tasks = pd.factorize(records["task"], sort=True)
        replicate, replicates = pd.factorize(records["replicate"], sort=True)
        column, draws = pd.factorize(task * len(replicates) + replicate, sort=True)
        table = np.full((len(names), len(draws)), np.nan)
        table[row, column] = records["error"].to_numpy()
        needed = len(ranked or baselines)
        shared = np.bincount(column[row < needed], minlength=len(draws)) == needed
        of_task = (draws // len(replicates))[shared]
        first = np.flatnonzero(np.diff(of_task, prepend=-1))
        parts = np.split(table[:, shared], first, axis=1)[1:]
        return cls(ranked, baselines, dict(zip(tasks[of_task[first]].astype(str), parts, strict=True)))

    @cached_property
    def matrices(self) -> list[Array]:
        """The errors (E, R_t) of the ranked estimators, a matrix a task."""
        return [errors[: len(self.ranked)] for errors in self.errors.values()]

    @cached_property
    def ranks(self) -> Array:
        """The ranks (T, E) of the ranked estimators on each task, all replicates together; 1 is best."""
        able = self.errors and self.ranked
        return ranks_by_task(self.matrices) if able else np.empty((len(self.errors), len(self.ranked)))

    @cached_property
    def relative(self) -> Array:
        """RMSE / RMSE of the oracle, on its own replicates, of all (T, E) on the tasks where it has an error."""
        oracle = next((i for i, name in enumerate(self.baselines, len(self.ranked)) if is_oracle(name)), None)
        of_all = self.errors.values() if oracle is not None else ()
        paired = (errors[:, ~np.isnan(errors[oracle])] for errors in of_all)
        rmse = [np.sqrt((errors**2).mean(axis=1)) for errors in paired if errors.size]
        ratios = [of_task / of_task[oracle] for of_task in rmse if of_task[oracle] > EXACT]
        return np.reshape(ratios, (len(ratios), len(self.ranked) + len(self.baselines)))
