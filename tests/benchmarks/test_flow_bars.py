"""What flow_gaussian and compress-then-estimate must reach, 10 replicates a task at n = 10 000: ``make bench``.

A table of bias and seconds is printed at the end; a bias beyond its bar fails, the clock never does.
"""

import math
import time

import numpy as np
import pytest

import mibench

N, SEEDS = 10_000, range(1000, 1010)
WIDE = "gaussian(d=50, mi=25)"
BENT = ("asinh", "half_cube", "uniform")
BARS = [
    *[(WIDE, f"flow_gaussian(head='{head}')", 0.15) for head in ("general", "tridiagonal", "shared")],
    *[(f"{name}(gaussian(d=10, mi=5))", "flow_gaussian", 0.15) for name in BENT],
    *[(f"{name}({WIDE})", "flow_gaussian", 1) for name in BENT],
    *[(f"blobs(mi={mi})", "ae(flow_gaussian)", bar) for mi, bar in ((2, 0.02), (5, 0.05), (10, 0.15))],
    *[(f"blobs(size=32, mi={mi})", "ae(flow_gaussian)", 0.15) for mi in (5, 10)],
    ("rectangles(mi=5)", "ae(flow_gaussian)", 0.3),
]


@pytest.fixture(scope="module")
def table(request):
    """Collect rows of text, and print them at the end."""
    rows = []
    yield rows
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n\n{'':56s}    bias    s.e.  seconds", *rows, sep="\n")


@pytest.mark.parametrize(("task", "estimator", "bar"), BARS)
def test_bias(table, task, estimator, bar):
    law, method = mibench.task(task), mibench.estimator(estimator).method
    x, y = (np.stack(side) for side in zip(*(law.sample(N, seed=seed) for seed in SEEDS), strict=True))
    method.warm_up("cpu")
    start = time.perf_counter()
    found = method.estimate_batch(x, y, list(SEEDS), "cpu")
    seconds = (time.perf_counter() - start) / len(SEEDS)
    errors = np.array([float(each) for each in found]) - law.mutual_information
    error = errors.std(ddof=1) / math.sqrt(len(SEEDS))
    table.append(f"{f'{task} {estimator}':56s} {errors.mean():+7.4f} {error:7.4f} {seconds:8.2f}")
    assert abs(errors.mean()) <= bar
