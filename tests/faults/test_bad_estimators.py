"""Whatever an estimator does to its process, the next cell of that worker finds it as the first one did."""

import os
import time
from pathlib import Path

import psutil
import pytest

import mibench

RUN = {"tasks": "gaussian(d=1, mi=1)", "n_samples": 50, "replicates": 2, "store": None, "jobs": 1}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def after(bad, good, name, **options):
    """Run a bad estimator and then the witness, on one worker; return the outcomes of both, and the witness's alone."""
    expected = mibench.run(estimators="witness", plugins=[good], **RUN).to_frame()
    frame = mibench.run(estimators=f"{name},witness", plugins=[bad, good], **RUN, **options).to_frame()
    rows, witness = frame[frame.estimator == name], frame[frame.estimator == "witness"]
    assert list(witness.status) == ["ok"] * 2
    assert list(witness.estimate) == list(expected.estimate)
    return rows


def is_alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    "name",
    [
        *("moves_away", "sets_the_environment", "sets_globals", "leaks", "leaves_a_thread", "returns_twice"),
        *("prints_much", "closes_its_stream", "leaves_a_busy_pool", "leaves_a_timer", "Warms"),
    ],
)
def test_what_it_changes_does_not_reach_the_next_cell(bad, good, name):
    assert set(after(bad, good, name).status) <= {"ok", "error"}


def test_what_it_starts_ends_with_its_cell(bad, good, folder):
    assert list(after(bad, good, "leaves_a_process").status) == ["ok"] * 2
    assert not is_alive(int((folder / "pid").read_text()))


@pytest.mark.parametrize("name", ["ignores_signals", "starts_a_session"])
def test_the_time_limit_ends_it_with_all_that_it_started(bad, good, folder, name):
    begin = time.monotonic()
    rows = after(bad, good, name, timeout=3)
    assert list(rows.status) == ["timeout"] * 2
    assert set(rows.message) == {"longer than 3 s"}
    assert time.monotonic() - begin < 50
    if name == "starts_a_session":
        assert not is_alive(int((folder / "pid").read_text()))


@pytest.mark.parametrize("name", ["child_eats", "eats_while_it_holds_the_lock"])
def test_the_memory_limit_counts_children_and_needs_no_cooperation(bad, good, name):
    rows = after(bad, good, name, memory=900)
    assert list(rows.status) == ["oom"] * 2
    assert set(rows.message) == {"more than 900 MB of memory"}


def test_a_copy_that_outlives_a_dead_worker_holds_up_nothing(bad, good):
    begin = time.monotonic()
    rows = after(bad, good, "dies_and_leaves_a_copy")
    assert set(rows.message) == {"the process exited with code 1"}
    assert time.monotonic() - begin < 30


def test_a_program_that_outlives_a_dead_worker_is_killed(bad, good, folder):
    assert list(after(bad, good, "dies_and_leaves_a_program").status) == ["crash"] * 2
    assert not is_alive(int((folder / "pid").read_text()))


@pytest.mark.parametrize(
    ("name", "status", "says"),
    [("ends_by_an_odd_signal", "crash", "killed by signal 40"), ("Refuses", "error", "ValueError: bad ")],
)
def test_odd_ends_are_told_in_plain_text(bad, good, name, status, says):
    rows = after(bad, good, name)
    assert list(rows.status) == [status] * 2
    assert all(message.startswith(says) and message.isprintable() for message in rows.message)


def test_a_call_that_ran_out_of_memory_holds_none_when_its_halves_are_tried(bad, good):
    rows = after(bad, good, "Heavy")
    assert list(rows.status) == ["ok"] * 2, list(rows.message)


def test_what_it_prints_is_kept_nowhere(bad, good):
    before = psutil.Process().memory_info().rss
    free = psutil.disk_usage(os.environ.get("TMPDIR", "/tmp")).free
    assert list(after(bad, good, "prints_much").status) == ["ok"] * 2
    assert psutil.Process().memory_info().rss - before < 100 * 2**20
    assert free - psutil.disk_usage(os.environ.get("TMPDIR", "/tmp")).free < 300 * 2**20


def test_a_worker_that_was_killed_from_outside_is_tried_again(bad, good):
    assert list(after(bad, good, "killed_at_first").status) == ["ok"] * 2
    rows = after(bad, good, "killed_always")
    assert list(rows.status) == ["crash"] * 2
    assert set(rows.message) == {"killed by SIGKILL"}


def test_global_random_numbers_follow_from_the_seed(good):
    options = {**RUN, "plugins": [good], "estimators": "global_numbers"}
    first, again = (mibench.run(**options).to_frame().estimate for _ in range(2))
    other = mibench.run(**options, seed=1).to_frame().estimate
    assert list(first) == list(again)
    assert not set(first) & set(other)
    assert first.nunique() == 2


def test_a_worker_without_output_still_answers(bad, good):
    assert list(after(bad, good, "closes_its_output").status) == ["ok"] * 2
    assert Path("bad.py").exists()
