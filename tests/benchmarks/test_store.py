"""What a store of a million records costs to open, plan with, read and write. Nothing here passes or fails by time."""

import math
import shutil
import sqlite3
import subprocess
import sys
from functools import cache

import pytest

import mibench
from mibench.leaderboard.reading import read_records
from mibench.plan import CostModel, make_plan
from mibench.record import Record
from mibench.store import Store
from mibench.store_layout import CELLS

VERSIONS = '{"python": "3.11.7", "numpy": "2.4.1", "scipy": "1.17.0", "torch": "2.10.0", "numba": "0.63.1"}'
SHAPES = {
    "1 000 cells x 1 000": (1_000, 1, 1_000),
    "33 000 cells x 30": (1_000, 33, 30),
}  # tasks, estimators, replicates


@cache
def tasks(count):
    return [mibench.task(f"gaussian(d=1, mi={(1 + number) / 1000})") for number in range(count)]


@cache
def estimators(count):
    return [mibench.estimator(f"ksg(k={1 + number})") for number in range(count)]


def plan(store, shape):
    number_of_tasks, number_of_estimators, replicates = SHAPES[shape]
    return make_plan(tasks(number_of_tasks), estimators(number_of_estimators), [1000], replicates, store=store)


def record(cell, replicate):
    return Record(
        task=cell.task.name,
        task_fingerprint=cell.task.fingerprint,
        mi_true=cell.task.mutual_information,
        estimator=cell.estimator.name,
        estimator_params=cell.estimator.parameters,
        estimator_source=cell.estimator.source_hash,
        baseline=False,
        bound="",
        n_samples=cell.n_samples,
        replicate=replicate,
        seed=cell.seed,
        data_seed=2**62 + replicate,
        status="ok",
        estimate=cell.task.mutual_information + replicate / 7e4,
        std_error=1 / (3 + replicate),
        message="",
        seconds_amortised=0.001 + replicate / 1e6,
        seconds_solo=None,
        batch=10,
        threads=2,
        peak_memory_mb=1.5,
        device="cpu",
        host="host",
        mibench_version="0.1.0",
        library_versions=VERSIONS,
        git_commit="0" * 40 + "+dirty",
        started_at=f"2026-01-01T00:00:{replicate // 10 % 60:02}+00:00",
        diagnostics=f'{{"steps": {replicate}, "converged": true}}',
    )


def fill(path, cells):
    """Write every record of `cells`, as a run does but for the time between."""
    store = Store.open(path)
    for start in range(0, len(cells), 100):
        store.add([record(cell, replicate) for cell in cells[start : start + 100] for replicate in cell.replicates])
    store.close()


@pytest.fixture(scope="module", params=SHAPES)
def filled(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "million.db"
    empty = Store.open(None)
    fill(path, plan(empty, request.param).cells)
    return path, request.param


@pytest.mark.benchmark(group="a million records")
def test_open(benchmark, filled):
    benchmark.pedantic(lambda: Store.open(filled[0]).close(), rounds=5)


@pytest.mark.benchmark(group="a million records")
def test_plan_what_is_stored(benchmark, filled):
    path, shape = filled
    store = Store.open(path)
    done = benchmark.pedantic(lambda: plan(store, shape), rounds=2)
    assert (len(done.cells), len(done.to_do)) == (math.prod(SHAPES[shape][:2]), 0)


@pytest.mark.benchmark(group="a million records")
def test_predict_the_cost(benchmark, filled):
    path, shape = filled
    store = Store.open(path)
    cells = plan(Store.open(None), shape).cells
    seconds, unknown = benchmark.pedantic(lambda: CostModel.of(store).total(cells), rounds=2)
    assert not unknown
    assert seconds == pytest.approx(math.prod(SHAPES[shape]) * (0.001 + (SHAPES[shape][2] - 1) / 2e6))


@pytest.mark.benchmark(group="a million records")
def test_export(benchmark, filled):
    frame = benchmark.pedantic(lambda: Store.open(filled[0], create=False).to_frame(), rounds=2)
    assert len(frame) == math.prod(SHAPES[filled[1]])


@pytest.mark.benchmark(group="a million records")
def test_load_for_the_leaderboard(benchmark, filled):
    benchmark.pedantic(lambda: read_records(str(filled[0])), rounds=2)


@pytest.mark.benchmark(group="a million records")
def test_leaderboard_from_start_to_end(benchmark, filled):
    """The bar is 5 s on two cores, from the start of the process to its last line."""
    command = [sys.executable, "-m", "mibench", "leaderboard", "--store", str(filled[0])]

    def run():
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout

    benchmark.extra_info["bar"] = "5 s"
    text = benchmark.pedantic(run, rounds=3)
    number_of_tasks, number_of_estimators, replicates = SHAPES[filled[1]]
    assert text.count(": true MI ") == number_of_tasks
    assert text.count(f" {replicates}/{replicates} ") == number_of_tasks * number_of_estimators


@pytest.mark.benchmark(group="add a cell of ten records")
@pytest.mark.parametrize("before", ["empty", "million"])
def test_add(benchmark, filled, tmp_path, before):
    path = tmp_path / "grows.db"
    if before == "million":
        shutil.copy(filled[0], path)
    store = Store.open(path)
    others = make_plan(tasks(1000), estimators(34)[33:], [1000], 10, store=Store.open(None)).cells
    batches = ([record(cell, replicate) for replicate in cell.replicates] for cell in others)
    benchmark.pedantic(store.add, setup=lambda: ((next(batches),), {}), rounds=len(others))
    store.close()
    with sqlite3.connect(path) as connection:
        (count,) = connection.execute(f"SELECT sum(records) FROM {CELLS.name}").fetchone()
    assert count == 10 * len(others) + (math.prod(SHAPES[filled[1]]) if before == "million" else 0)
