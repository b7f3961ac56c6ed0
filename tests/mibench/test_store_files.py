"""Files that are no store, or cannot be written or read: one clear line, and what was there stays as it was."""

import multiprocessing
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import sqlalchemy as sa

from mibench import store_file
from mibench.errors import MibenchError
from mibench.store import Store

NOBODY = 65534
PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + bytes(2000)
FIRST_VERSION = (
    "key VARCHAR(40) PRIMARY KEY, task TEXT, task_fingerprint TEXT, estimator_source TEXT, schema_version INT"
)


def database(path, *statements):
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def cut(path, record, size):
    with_records(path, record)
    os.truncate(path, path.stat().st_size - size)


def with_records(path, record, count=2000):
    store = Store.open(path)
    values = ({"task": f"t{r // 50}", "replicate": r % 50, "message": f"{r} " * 25} for r in range(count))
    store.add([record(**each) for each in values])
    store.close()


def version(path, number):
    Store.open(path).close()
    database(path, f"UPDATE mibench_schema SET version = {number}")


OF_SOMETHING_ELSE = "is a database of something else; give another file"
BAD = {
    "text": (lambda path, _: path.write_text("this is no database, " * 100), "it is no SQLite database; give another"),
    "short": (lambda path, _: path.write_text("no"), "it is no SQLite database; give another"),
    "png": (lambda path, _: path.write_bytes(PNG), "it is no SQLite database; give another"),
    "random": (lambda path, _: path.write_bytes(os.urandom(2**15)), "it is no SQLite database; give another"),
    "zeros": (lambda path, _: path.write_bytes(bytes(2**15)), "it is no SQLite database; give another"),
    "foreign": (lambda path, _: database(path, "CREATE TABLE songs (a INT)"), OF_SOMETHING_ELSE),
    "foreign with a log": (
        lambda path, _: database(path, "PRAGMA journal_mode=WAL", "CREATE TABLE records (a INT)"), OF_SOMETHING_ELSE,
    ),
    "older": (
        lambda path, _: database(path, "PRAGMA journal_mode=WAL", f"CREATE TABLE records ({FIRST_VERSION})"),
        "is of version 1, and this mibench reads version 3; start a new one with --store",
    ),
    "old": (lambda path, _: version(path, 2), "version 2, and this mibench reads version 3; start a new one with"),
    "newer": (lambda path, _: version(path, 4), "is of version 4, and this mibench reads version 3; upgrade"),
    "cut by a byte": (lambda path, record: cut(path, record, 1), "is cut off"),
    "cut by half a page": (lambda path, record: cut(path, record, 2048), "is cut off"),
    "cut by a page": (lambda path, record: cut(path, record, 4096), "is damaged"),
    "cut by half": (lambda path, record: cut(path, record, 100_000), "is damaged"),
}  # fmt: skip


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_store_is_refused_and_stays_as_it_is(tmp_path, record, kind):
    make, says = BAD[kind]
    path = tmp_path / "s.db"
    make(path, record)
    before = content(tmp_path)
    for where in (path, f"sqlite:///{path}"):
        for create in (True, False):
            with pytest.raises(MibenchError, match=says) as caught:
                Store.open(where, create=create)
            assert str(path) in str(caught.value)
            assert "\n" not in str(caught.value)
            assert content(tmp_path) == before
    with pytest.raises(MibenchError, match=says):
        Store.peek(path)


@pytest.mark.parametrize("command", ["run", "plan", "leaderboard"])
@pytest.mark.parametrize("kind", ["png", "foreign with a log", "cut by a page"])
def test_commands_refuse_it_in_one_line(tmp_path, record, cli, command, kind):
    make, says = BAD[kind]
    make(tmp_path / "s.db", record)
    before = content(tmp_path)
    words = [] if command == "leaderboard" else ["-t", "gaussian(d=1, mi=1)", "-e", "zero"]
    (line,) = cli(command, *words, "--store", "s.db", code=2).stderr.splitlines()
    assert says in line
    assert content(tmp_path) == before


def damaged(path, record):
    with_records(path, record)
    with path.open("r+b") as file:
        file.seek(10 * 4096)
        file.write(os.urandom(40 * 4096))


EDITED = {
    "an estimate": "update mibench_cells set estimate = zeroblob(length(estimate)) where task = 't0'",
    "nothing": "update mibench_cells set status = zeroblob(4)",
    "null": "update mibench_origins set host = x'ff'",
    "a column of another": "update mibench_cells set peak_memory_mb = estimate",
    "counts": "update mibench_cells set records = records + (task = 't0') - (task = 't1')",
    "no count": "update mibench_cells set records = 'abc' where task = 't1'",
    "a name": "update mibench_cells set task = 't10' where task = 't1'",
    "a size": "update mibench_cells set n_samples = 74",
    "a seed": "update mibench_cells set seed = 'x'",
    "the truth": "update mibench_origins set mi_true = mi_true + 1e-9",
    "a truth too few": "delete from mibench_origins where id = 1",
    "all truths": "delete from mibench_origins",
}


@pytest.mark.parametrize("kind", EDITED)
def test_what_was_changed_by_other_means_is_reported(tmp_path, record, cli, kind):
    path = tmp_path / "s.db"
    store = Store.open(path)
    for task in range(3):
        store.add([record(task=f"t{task}", replicate=r, estimate=r / 7, host=f"h{task}") for r in range(4)])
    store.close()
    database(path, EDITED[kind])
    said = "is damaged; take a copy of it, or start a new one with --store"
    for columns in (None, ["task", "estimate", "peak_memory_mb", "status"]):
        with pytest.raises(MibenchError, match=said):
            Store.open(path, create=False).to_frame(columns=columns)
    (line,) = cli("leaderboard", "--store", path, code=2).stderr.splitlines()
    assert said in line
    assert ("is not there any more" if kind.endswith(("few", "truths")) else "is not what was written") in line


def test_damage_within_is_reported_when_it_is_met(tmp_path, record):
    path = tmp_path / "s.db"
    damaged(path, record)
    before = content(tmp_path)
    store = Store.open(path)
    with pytest.raises(MibenchError, match="is damaged; take a copy of it"):
        store.to_frame()
    store.close()
    assert content(tmp_path) == before


def test_an_empty_file_becomes_a_store_when_it_is_written(tmp_path):
    path = tmp_path / "s.db"
    path.touch()
    with pytest.raises(MibenchError, match="is no store of mibench; `mibench run --store FILE` makes one"):
        Store.open(path, create=False)
    assert content(tmp_path) == {"s.db": b""}
    assert Store.peek(path).to_frame().empty
    assert content(tmp_path) == {"s.db": b""}
    Store.open(path).close()
    assert Store.open(path, create=False).to_frame().empty


def test_only_the_file_is_left(tmp_path, record):
    with_records(tmp_path / "s.db", record)
    before = content(tmp_path)
    assert set(before) == {"s.db"}
    store = Store.open(tmp_path / "s.db", create=False)
    assert len(store.to_frame()) == 2000
    store.close()
    assert content(tmp_path) == before


def as_nobody(function, *arguments):
    """Call `function` in a process that may write only what anybody may."""

    def call(answers):
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        try:
            answers.put(function(*arguments))
        except MibenchError as error:
            answers.put(error)

    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    process = context.Process(target=call, args=(answers,))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    return answers.get()


@pytest.fixture
def folder():
    """A folder that everybody reaches, and only the owner may change."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)
        Path(name).chmod(0o755)


def read(path):
    store = Store.peek(path)
    count = len(store.to_frame())
    store.close()
    return count


@pytest.mark.parametrize("mode", [0o444, 0o644])
def test_a_store_is_read_where_nothing_can_be_written(folder, record, mode):
    path = folder / "s.db"
    with_records(path, record, 20)
    before = content(folder)
    path.chmod(mode if os.getuid() == 0 else 0o444)
    folder.chmod(0o555)
    assert read(path) == 20  # which also imports what the next lines need
    assert as_nobody(read, path) == 20
    error = as_nobody(Store.open, path)
    assert str(error) == f"the store {path} cannot be written: {path} is read-only; give another with --store"
    error = as_nobody(Store.open, folder / "new.db")
    assert str(error).startswith(f"the store {folder / 'new.db'} cannot be written: {folder} is read-only")
    assert content(folder) == before


def test_a_store_is_read_while_a_run_of_somebody_else_writes_to_it(folder, record):
    store = Store.open(folder / "s.db")
    store.add([record(replicate=r) for r in range(20)])
    assert "s.db-wal" in content(folder)
    assert as_nobody(read, folder / "s.db") == 20
    store.close()


def test_a_lock_of_another_program_is_waited_for_and_then_told(tmp_path, record, monkeypatch):
    path = tmp_path / "s.db"
    with_records(path, record, 3)
    monkeypatch.setattr(store_file, "_PATIENCE", 0.2)
    store = Store.open(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(MibenchError, match="another program has locked it; end that or wait"):
        store.add([record(replicate=3)])
    assert len(store.to_frame()) == 3
    other.execute("ROLLBACK")
    store.add([record(replicate=3)])
    assert len(store.to_frame()) == 4
    store.close()
    other.execute("PRAGMA locking_mode=EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    other.execute("UPDATE mibench_schema SET version = version")
    for create in (True, False):
        with pytest.raises(MibenchError, match="another program has locked it; end that or wait"):
            Store.open(path, create=create)
    other.close()


def test_a_writer_that_is_killed_leaves_whole_cells(tmp_path, record):
    path = tmp_path / "s.db"
    Store.open(path).close()

    def fill(seed, written):
        store = Store.open(path)
        for n in range(2, 10**6):
            store.add([record(replicate=r, n_samples=n, seed=seed, message="text " * 100) for r in range(10)])
            written.value = n - 1

    context = multiprocessing.get_context("fork")
    told = 0
    for seed in range(5):
        written = context.Value("q", 0, lock=False)
        writer = context.Process(target=fill, args=(seed, written))
        writer.start()
        writer.join(0.3 + 0.07 * seed)
        writer.kill()
        writer.join()
        told += written.value
        frame = Store.open(path, create=False).to_frame()
        assert (frame.groupby(["seed", "n_samples"]).size() == 10).all()
        assert told <= len(frame) / 10 <= told + seed + 1  # of each writer at most the cell that it was to report
    assert told > 20
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_full_disk_keeps_what_was_committed(tmp_path, record):
    store = Store.open(tmp_path / "s.db")
    store.add([record(replicate=r) for r in range(10)])
    sa.event.listen(store._engine, "checkout", lambda connection, *_: connection.execute("PRAGMA max_page_count=20"))
    with pytest.raises(MibenchError, match="the disk is full; make space, and the same command goes on from there"):
        store.add([record(replicate=r, message=f"{r}" * 1000) for r in range(100)])
    assert list(store.to_frame().message) == [""] * 10
    store.close()
    assert read(tmp_path / "s.db") == 10


WITH_LITTLE_SPACE = """
set -e
run() {
    "$MIBENCH" run -t "$TASKS" -e wordy --plugin wordy.py --samples 50 --replicates 30 --store disk/s.db 2> "$1"
}
code=0; (ulimit -f 600; run full.txt) || code=$?
[ $code -eq 2 ]
"$MIBENCH" leaderboard --store disk/s.db --format csv > before.csv
run done.txt
"$MIBENCH" leaderboard --store disk/s.db --format csv > after.csv
ls disk > left.txt
"""
WORDY = """
import mibench

def wordy(x, y):
    return mibench.Estimate(float(x[0, 0]), diagnostics={"words": f"{x[0, 0]:.4f} " * 430})
"""


def test_a_run_goes_on_when_a_full_disk_has_space_again(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "wordy.py").write_text(WORDY)
    tasks = ",".join(f"gaussian(d={d}, mi=1)" for d in range(1, 7))  # 90 kB a task
    environment = {**os.environ, "MIBENCH": str(Path(sys.executable).with_name("mibench")), "TASKS": tasks}
    command = ["sh", "-c", WITH_LITTLE_SPACE]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + (tmp_path / "full.txt").read_text()
    told = (tmp_path / "full.txt").read_text().splitlines()
    assert "make space, and the same command goes on" in told[-1] or "the disk does not take" in told[-1], told
    computed = [line for line in told if line.startswith("[")]
    assert 0 < len(computed) < 6
    before, after = (len((tmp_path / name).read_text().splitlines()) - 1 for name in ("before.csv", "after.csv"))
    assert (before, after) == (len(computed), 6)
    assert f"6 cells, {len(computed)} of them stored already" in (tmp_path / "done.txt").read_text()
    assert (tmp_path / "left.txt").read_text() == "s.db\n"


def test_a_command_that_meets_damage_leaves_nothing_beside_the_store(tmp_path, record, cli):
    path = tmp_path / "s.db"
    damaged(path, record)
    before = content(tmp_path)
    assert "is damaged; take a copy of it" in cli("leaderboard", "--store", path, code=2).stderr
    assert content(tmp_path) == before
