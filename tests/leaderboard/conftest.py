import json

import numpy as np
import pandas as pd
import pytest


def record(task, estimator, error, *, mi=1.0, replicate=0, status="ok", **more):
    """One record, as the store exports it; `error` is None where there is no estimate."""
    values = {
        "task": task,
        "task_fingerprint": f"data of {task}",
        "mi_true": mi,
        "estimator": estimator,
        "estimator_params": json.dumps({}),
        "estimator_source": "aaaa",
        "baseline": estimator in ("oracle", "zero"),
        "bound": "",
        "n_samples": 1000,
        "replicate": replicate,
        "seed": 0,
        "data_seed": 10 + replicate,
        "status": status,
        "estimate": None if error is None else mi + error,
        "std_error": None,
        "message": "",
        "seconds_amortised": None if error is None else 0.25,
        "seconds_solo": None,
        "batch": 10,
        "threads": 1,
        "peak_memory_mb": 12.0,
        "device": "cpu",
        "host": "here",
        "mibench_version": "0.1.0",
        "git_commit": "0" * 40,
        "started_at": "2026-01-01T00:00:00+00:00",
        "diagnostics": "{}",
    }
    return values | more


@pytest.fixture(scope="session")
def make():
    """A frame from {estimator: {task: errors}}; an error of None is a timeout."""

    def build(errors, **more):
        rows = [
            record(task, estimator, error, replicate=r, status="ok" if error is not None else "timeout", **more)
            for estimator, tasks in errors.items()
            for task, column in tasks.items()
            for r, error in enumerate(column)
        ]
        return pd.DataFrame(rows)

    return build


@pytest.fixture(scope="session")
def one():
    return record


@pytest.fixture(scope="session")
def world(make):
    """A frame of estimators with given standard deviations of their error, on tasks whose MI differs by far."""

    def build(scales, tasks=8, replicates=10, seed=0):
        rng = np.random.default_rng(seed)
        names = [f"gaussian(d={d}, mi={d})" for d in range(1, tasks + 1)]
        return make({e: {t: scale * rng.normal(size=replicates) for t in names} for e, scale in scales.items()})

    return build
