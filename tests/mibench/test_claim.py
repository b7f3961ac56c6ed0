"""Two runs on one store: the second is refused in one line, and a claim ends with its process."""

import os
import platform
import re
import signal
import subprocess
import sys

import pytest

import mibench
from mibench.errors import MibenchError
from mibench.store import Store

TASK = "gaussian(d=1, mi=1)"
HOLD = "import sys, mibench.store; store = mibench.store.Store.open(sys.argv[1])"
HOLD += "; claim = store.claim(); print('claimed', flush=True); sys.stdin.read()"


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the claim on s.db."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "s.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "claimed\n"
        yield process
        process.kill()


def test_the_second_run_is_told_who_holds_the_claim(tmp_path, holder):
    store = Store.open(tmp_path / "s.db")
    for _ in range(2):  # who is refused leaves the claim as it is
        with pytest.raises(MibenchError) as caught:
            store.claim()
        who = rf"process {holder.pid} on {re.escape(platform.node())} since 20\d\d-\d\d-\d\dT[\d:]+\+00:00"
        remedy = "wait for it or end it, or give another with --store"
        told = rf"another run \({who}\) writes to the store {re.escape(str(tmp_path))}/s\.db; {remedy}"
        assert re.fullmatch(told, str(caught.value))
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "s.db")
    with pytest.raises(MibenchError, match=f"process {holder.pid}"):
        Store.open(link).claim()


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, None])
def test_a_claim_ends_with_its_process(tmp_path, holder, ending):
    holder.send_signal(ending) if ending else holder.stdin.close()
    holder.wait(10)
    store = Store.open(tmp_path / "s.db")
    with store.claim():
        assert f"process {os.getpid()} " in (tmp_path / "s.db.lock").read_text()
    assert not (tmp_path / "s.db.lock").exists()
    store.claim().close()


def test_reading_and_planning_need_no_claim(cli, tmp_path, holder):
    words = ["-t", TASK, "-e", "zero", "--samples", "20", "--replicates", "2", "--store", "s.db"]
    (line,) = cli("run", *words, code=2).stderr.splitlines()
    assert line.startswith(f"mibench: another run (process {holder.pid} on ")
    assert "1 cells, 0 stored" in cli("plan", *words).stdout
    holder.kill()
    holder.wait()
    cli("run", *words)
    assert "zero" in cli("leaderboard", "--store", "s.db").stdout
    assert os.listdir(tmp_path) == ["s.db"]


def test_two_runs_at_once_store_each_record_once(tmp_path):
    (tmp_path / "slow.py").write_text("import time\n\ndef slow(x, y):\n    time.sleep(0.2)\n    return 1.0\n")
    words = ["run", "-t", "gaussian(d=1*", "-e", "slow", "--plugin", "slow.py", "--samples", "20", "--replicates", "3"]
    command = [sys.executable, "-m", "mibench.cli", *words, "--jobs", "1", "--store", "s.db"]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    runs = [subprocess.Popen(command, cwd=tmp_path, **pipes) for _ in range(2)]
    told = [run.communicate(timeout=120)[1] for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 2], told
    winner, refused = sorted(runs, key=lambda run: run.returncode)
    (line,) = told[runs.index(refused)].splitlines()
    assert f"another run (process {winner.pid} on " in line
    frame = Store.open(tmp_path / "s.db").to_frame()
    assert len(frame) == 3 * frame.task.nunique()
    assert not frame.duplicated(["task", "replicate"]).any()


def test_a_run_gives_its_claim_back_however_it_ends(tmp_path, plugin):
    options = {"tasks": TASK, "n_samples": 20, "replicates": 1, "store": tmp_path / "s.db", "plugins": [plugin]}

    def breaks(self, cell, records):
        raise RuntimeError("the report broke")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mibench.progress.Silent.on_cell", breaks)
        with pytest.raises(RuntimeError, match="the report broke"):
            mibench.run(estimators="plain", **options)
    assert mibench.run(estimators="plain,raises", **options).counts() == {"ok": 1, "error": 1}
    with pytest.raises(MibenchError):
        mibench.run(estimators="plain", **{**options, "tasks": "blob?x"})
    assert not (tmp_path / "s.db.lock").exists()


def test_a_store_in_memory_needs_none():
    store = Store.open(None)
    with store.claim(), store.claim():
        store.add([])
