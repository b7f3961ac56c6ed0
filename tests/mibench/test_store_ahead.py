import sys

import pandas as pd
import pytest

from mibench import store_ahead
from mibench.record import COLUMNS
from mibench.store import Store
from mibench.store_ahead import Ahead

NUMBERS = ["task", "estimator", "n_samples", "replicate", "status", "message", "estimate", "seconds_solo", "started_at"]


@pytest.fixture
def store(tmp_path, record):
    """Sixty cells of 4 to 40 records, of several tasks, in no order."""
    store = Store.open(tmp_path / "s.db")
    for cell in range(60):
        task, estimator = f"gaussian(d={cell * 7 % 60 // 6})", f"ksg(k={cell % 7})"
        values = (
            {"estimate": replicate / 7} if replicate % 3 else {"estimate": None, "status": "nan"}
            for replicate in range(40)
        )
        store.add([
            record(task=task, estimator=estimator, n_samples=100 + cell, replicate=replicate, **value)
            for replicate, value in enumerate(values)
            if replicate < 4 + cell % 37
        ])  # fmt: skip
    store.close()
    return Store.open(tmp_path / "s.db", create=False)


@pytest.fixture
def asked(monkeypatch):
    """Let a second process read whatever the size, and collect how many records it gave; None where it failed."""
    given = []
    columns = Ahead.columns

    def counted(self):
        found = columns(self)
        given.append(None if found is None else len(found["cell"]))
        return found

    monkeypatch.setattr(store_ahead, "LARGE", 0)
    monkeypatch.setattr(store_ahead, "cores", lambda: 2)
    monkeypatch.setattr(Ahead, "columns", counted)
    return given


def test_two_processes_read_what_one_does(store, asked, monkeypatch):
    both = store.to_frame(columns=NUMBERS)
    monkeypatch.setattr(store_ahead, "LARGE", 2**60)
    alone = store.to_frame(columns=NUMBERS)
    pd.testing.assert_frame_equal(both, alone, check_exact=True)
    assert len(asked) == 1
    assert 0.5 * len(alone) < asked[0] < 0.8 * len(alone)


@pytest.mark.parametrize("cells", [0, 1])
def test_of_none_or_one_cell(tmp_path, record, asked, cells):
    store = Store.open(tmp_path / "s.db")
    store.add([record(replicate=replicate) for replicate in range(3 * cells)])
    assert store.to_frame(columns=NUMBERS)["replicate"].tolist() == list(range(3 * cells))
    assert asked == [3 * cells]


def test_text_and_a_selection_are_read_by_one(store, asked):
    assert store.to_frame().columns.tolist() == list(COLUMNS)
    assert Store.open(None).to_frame(columns=NUMBERS).empty
    assert asked == []


def test_the_file_is_the_one_that_was_opened_whatever_the_folder_is_now(tmp_path, record, asked, monkeypatch):
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        Store.open("s.db").add([record(task=f"t{cell}", message=folder) for cell in range(6)])
    monkeypatch.chdir(tmp_path / "one")
    store = Store.open("s.db", create=False)
    monkeypatch.chdir(tmp_path / "other")
    assert set(store.to_frame(columns=NUMBERS)["message"]) == {"one"}
    assert asked == [4]
    monkeypatch.chdir(tmp_path)
    assert len(store.to_frame()) == 6


def test_one_core_is_left_to_one_process(store, asked, monkeypatch):
    monkeypatch.setattr(store_ahead, "cores", lambda: 1)
    assert not store.to_frame(columns=NUMBERS).empty
    assert asked == []


def test_what_a_program_prints_as_it_starts_is_no_record(store, asked, monkeypatch, tmp_path):
    expected = store.to_frame(columns=NUMBERS)
    (tmp_path / "sitecustomize.py").write_text("print('x' * 63)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    pd.testing.assert_frame_equal(store.to_frame(columns=NUMBERS), expected, check_exact=True)
    assert asked[1] is None


@pytest.mark.parametrize("broken", ["sys.exit(3)", "import os; os.kill(os.getpid(), 9)", "print('records begin')"])
def test_where_the_second_process_fails_the_first_reads_all(store, asked, monkeypatch, tmp_path, broken):
    expected = store.to_frame(columns=NUMBERS)
    program = tmp_path / "python"
    program.write_text(f"#!{sys.executable}\nimport sys\n{broken}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    pd.testing.assert_frame_equal(store.to_frame(columns=NUMBERS), expected, check_exact=True)
    assert asked[1] is None


def test_where_it_cannot_be_started_the_first_reads_all(store, asked, monkeypatch, tmp_path):
    expected = store.to_frame(columns=NUMBERS)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    pd.testing.assert_frame_equal(store.to_frame(columns=NUMBERS), expected, check_exact=True)
    assert len(asked) == 1


def test_what_is_written_meanwhile_refers_to_nothing_that_is_not_there(store, asked, monkeypatch, record, tmp_path):
    """Every record that is read has its cell and call, though others come after the second process began."""
    begun, writer = Ahead.begun, Store.open(tmp_path / "s.db")

    def written(self):
        begun(self)
        writer.add([record(task="later", replicate=replicate) for replicate in range(5)])

    monkeypatch.setattr(Ahead, "begun", written)
    frame = store.to_frame(columns=NUMBERS)
    assert not frame[["task", "status", "started_at"]].isna().to_numpy().any()
    assert "later" not in set(frame["task"])
    assert (store.to_frame(columns=NUMBERS)["task"] == "later").sum() == 5


def test_an_interruption_ends_the_second_process(store, asked, monkeypatch):
    processes = []

    def interrupted(self):
        processes.append(self._process)
        raise KeyboardInterrupt

    monkeypatch.setattr(Ahead, "begun", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.to_frame(columns=NUMBERS)
    assert processes[0].poll() is not None
