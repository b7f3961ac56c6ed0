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


HOSTILE = {
    "estimators": (
        "<script>window.hit = 'estimator'</script>",
        "<img src=x onerror=\"window.hit = 'image'\">",
        "<a href=\"javascript:window.hit = 'link'\">press</a> <b>bold</b> %{x} $x^2$",
        "{{ 7 * 7 }} &lt;img src=x onerror=alert(1)&gt; \u2028 \u202e \x07",
        "../../etc/passwd",
    ),
    "tasks": (
        "gaussian(d=1, mi=1)",
        "gaussian(d=1, mi=2)",
        "\" onmouseover=\"window.hit = 'task'\" x=\"",
        "</title></script><script>window.hit = 'title'</script>",
        "ring('a, b', w=2)",
    ),
    "message": "</script><script>window.hit = 'message'</script><!-- &amp; \" onload=\"x",
}


@pytest.fixture(scope="session")
def hostile():
    """Records of tasks and estimators whose names are an attack on a page, two of tasks that exist among them."""
    rng = np.random.default_rng(0)
    rows = []
    for name in (*HOSTILE["estimators"], "ksg", "oracle"):
        for place, task in enumerate(HOSTILE["tasks"]):
            for n in (100, 1000):
                for replicate, error in enumerate(rng.normal(size=4) / n**0.5 * (1 if name == "oracle" else 3)):
                    rows.append(record(task, name, error, mi=1.0 + place, replicate=replicate, n_samples=n))
    frame = pd.DataFrame(rows)
    frame["library_versions"] = json.dumps({"python": HOSTILE["message"]})
    first, second = HOSTILE["estimators"][:2]
    failed = (frame["estimator"] == first) & (frame["task"] == HOSTILE["tasks"][2])
    frame.loc[failed, ["status", "estimate", "message"]] = ["error", None, HOSTILE["message"]]
    declined = (frame["estimator"] == second) & (frame["task"] == HOSTILE["tasks"][3])
    frame.loc[declined, ["status", "estimate", "message"]] = ["skipped", None, "needs <i>more</i>"]
    partial = (frame["estimator"] == "ksg") & (frame["replicate"] == 0) & (frame["n_samples"] == 100)
    frame.loc[partial, ["status", "estimate"]] = ["timeout", None]
    not_run = (frame["estimator"] == "ksg") & (frame["task"] == HOSTILE["tasks"][4])
    frame.loc[frame["task"] == HOSTILE["tasks"][1], "mi_true"] = 2.0
    return frame[~not_run].reset_index(drop=True)


@pytest.fixture(scope="session")
def site(hostile, tmp_path_factory):
    """The pages of `hostile`."""
    from mibench.leaderboard import build
    from mibench.leaderboard.site import write_site

    folder = tmp_path_factory.mktemp("pages") / "site"
    write_site(build(hostile), hostile, folder)
    return folder
