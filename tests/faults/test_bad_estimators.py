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
    ["moves_away", "sets_the_environment", "sets_globals", "leaks", "leaves_a_thread", "returns_twice", "prints_much"],
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
