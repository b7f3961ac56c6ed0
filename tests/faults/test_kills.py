"""SIGKILL of the driver or of a worker, at any moment, loses at most the cells under way; a rerun does just those.

MIBENCH_KILLS says how many; ``make faults`` asks for 100.
"""

import contextlib
import os
import random
import signal
import subprocess
import time

import pandas as pd
import psutil
import pytest

KILLS = int(os.environ.get("MIBENCH_KILLS", "8"))
KEY = ["task", "estimator", "n_samples", "replicate"]
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
TASKS = [f"gaussian(d={d}, mi={mi})" for d in (1, 2, 3) for mi in (1, 2)]
SIZES = ["--samples", "100,200", "--replicates", "3", "--jobs", "2"]


@pytest.fixture
def words(good):
    return ["run", "-t", ",".join(TASKS), "-e", "slow,global_numbers,gaussian_fit", "--plugin", good, *SIZES]


def kill_one(run, rng):
    """Kill the driver or one of its workers; return whether it was the driver."""
    victims = [psutil.Process(run.pid)]
    try:
        victims += victims[0].children()
        victim = rng.choice(victims)
        victim.kill()
    except psutil.NoSuchProcess:
        return False
    return victim.pid == run.pid


def test_random_kills_lose_and_invent_nothing(words, start, records, capsys):
    assert start(*words, "--store", "whole.db", **QUIET).wait() == 0
    whole = records("whole.db")
    rng, kills, rounds, found, duplicates = random.Random(7), 0, 0, 0, 0
    while kills < KILLS:
        rounds += 1
        store, seen = f"round{rounds}.db", []
        finished = False
        while not finished and kills < KILLS:
            run = start(*words, "--store", store, **QUIET)
            while True:
                try:
                    run.wait(timeout=rng.uniform(0.2, 3))
                    finished = run.returncode != -signal.SIGKILL
                    break
                except subprocess.TimeoutExpired:
                    if kills < KILLS:
                        kills += 1
                        with contextlib.suppress(psutil.NoSuchProcess):
                            seen += psutil.Process(run.pid).children()
                        kill_one(run, rng)
        assert start(*words, "--store", store, "--retry", **QUIET).wait() == 0
        killed = records(store)
        duplicates += int(killed.duplicated(KEY).sum())
        found += len(killed)
        columns = [*KEY, "status", "estimate", "data_seed"]
        pd.testing.assert_frame_equal(killed[columns], whole[columns], check_exact=True)
        assert not psutil.wait_procs(seen, timeout=10)[1]
    with capsys.disabled():
        print(f"\n{kills} kills in {rounds} runs: {len(whole) * rounds} records expected, {found} found, ", end="")
        print(f"{duplicates} duplicates")
    assert (found, duplicates) == (len(whole) * rounds, 0)


LONG = """
import time


def long(x, y):
    time.sleep(1.5)
    return 1.0
"""


@pytest.fixture
def long_run(tmp_path, start, wait_for):
    """A run of cells of three seconds each, two at a time, of which the first two are stored."""
    (tmp_path / "long.py").write_text(LONG)
    words = ["run", "-t", ",".join(TASKS), "-e", "long", "--plugin", "long.py", "--samples", "50", "--replicates", "2"]
    run = start(*words, "--jobs", "2", "--store", "s.db", stderr=subprocess.PIPE, start_new_session=True)
    wait_for("s.db", 4)
    time.sleep(0.5)
    return run


def test_ctrl_c_finishes_the_cells_under_way(long_run, records):
    os.killpg(long_run.pid, signal.SIGINT)
    assert long_run.wait(timeout=30) == 130
    said = long_run.stderr.read()
    assert "2 cells under way will be finished and stored; Ctrl-C again stops now" in said
    assert "the same command goes on" in said
    assert len(records("s.db")) == 8
    assert set(records("s.db").status) == {"ok"}


def test_a_second_ctrl_c_stops_now(long_run, records):
    workers = psutil.Process(long_run.pid).children()
    os.killpg(long_run.pid, signal.SIGINT)
    time.sleep(0.5)
    begin = time.monotonic()
    os.killpg(long_run.pid, signal.SIGINT)
    assert long_run.wait(timeout=30) == 130
    assert time.monotonic() - begin < 1.5
    assert len(records("s.db")) == 4
    assert workers
    assert not psutil.wait_procs(workers, timeout=5)[1]
