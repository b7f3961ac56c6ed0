"""What the harness costs on top of the estimators: cells of `zero`, which takes no time, and the store's part of it.

Nothing here passes or fails by time. The draws of the data, timed beside it, are left out.
"""

import time

import pytest

import mibench
from mibench.harness import Options, Run
from mibench.progress import Silent

TASKS = [f"gaussian(d=1, mi={(1 + number) / 100})" for number in range(40)]
SIZES = range(20, 70)
REPLICATES = 10


def seconds_to_draw():
    start = time.perf_counter()
    for spec in TASKS:
        task = mibench.task(spec)
        for n in SIZES:
            for replicate in range(REPLICATES):
                task.draw(n, task.replicate_seed(replicate))
    return time.perf_counter() - start


@pytest.mark.parametrize("jobs", [1, 2])
def test_overhead_of_two_thousand_cells(benchmark, tmp_path, jobs):
    stores = iter(range(100))

    def planned():
        store = tmp_path / f"{next(stores)}.db"
        return (Run(Options(TASKS, "zero", list(SIZES), REPLICATES, store=store, jobs=jobs)),), {}

    benchmark.pedantic(lambda run: run.execute(Silent()), setup=planned, rounds=3)
    cells, draws = len(TASKS) * len(SIZES), seconds_to_draw()
    whole = benchmark.stats.stats.min
    benchmark.extra_info["ms a cell"] = round(1e3 * (whole * jobs - draws) / cells, 3)
    print(f"\n{jobs} workers: {whole:.2f} s, of which {draws / jobs:.2f} s are draws: ", end="")
    print(f"{benchmark.extra_info['ms a cell']} core ms a cell of {REPLICATES} records")
