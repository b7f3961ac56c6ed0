import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

import mibench
from mibench import data_file
from mibench.errors import MibenchError, SpecError
from mibench.estimators import command
from mibench.estimators.command import Command
from mibench.registry import source_files, source_hash
from mibench.selection import select_estimators
from mibench.testing import as_named, choose, run_checks

X, Y = mibench.task("blobs(size=3, mi=1)").sample(20, seed=0)


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    """Every test is in an empty folder, with an empty one for temporary files."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path)


def shell(script, **options):
    """Return the command that has a shell run `script`, in which $0 is the file of the draws."""
    script = script.replace("{", "{{").replace("}", "}}").replace("<<", "{").replace(">>", "}")
    return Command(f"sh -c '{script}' {{data}}", **options)


def ended(file):
    """Return whether the process whose number is in `file` has ended, within a few seconds."""
    pid = int(Path(file).read_text())
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


def test_npz_holds_the_arrays_and_the_seed():
    assert shell("cp $0 copy.npz; echo 0").estimate(X, Y, seed=2**63 - 1).value == 0
    with np.load("copy.npz") as copy:
        np.testing.assert_array_equal(copy["x"], X)
        np.testing.assert_array_equal(copy["y"], Y)
        assert int(copy["seed"]) == 2**63 - 1


def test_csv_holds_the_draws_flattened():
    shell("cp $0 copy.csv; echo 0", format="csv").estimate(X, Y, seed=0)
    x, y = data_file.read(Path("copy.csv"))
    np.testing.assert_array_equal(x, X.reshape(20, 9))
    np.testing.assert_array_equal(y, Y.reshape(20, 9))


def test_seed_and_n_are_filled_in_and_braces_are_halved():
    found = shell('echo "{\\"value\\": <<seed>>, \\"diagnostics\\": {\\"n\\": <<n>>, \\"again\\": $MIBENCH_SEED}}"')
    answer = found.estimate(X, Y, seed=123)
    assert (answer.value, dict(answer.diagnostics)) == (123, {"n": 20, "again": 123})


def test_bits_become_nats():
    answer = shell('echo "{\\"mi\\": 3, \\"std_error\\": 0.5}"', unit="bits").estimate(X, Y, seed=0)
    assert answer.value == pytest.approx(3 * math.log(2))
    assert answer.std_error == pytest.approx(0.5 * math.log(2))


def test_only_the_end_of_the_output_counts():
    assert shell("yes 7 | head -c 3000000; echo; echo 0.5; echo").estimate(X, Y, seed=0).value == 0.5


def test_a_file_name_with_blanks_is_one_word(tmp_path, monkeypatch):
    (tmp_path / "a folder").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "a folder"))
    assert Command('sh -c \'test -f "$1" && echo $#\' 0 {data} "b c"').estimate(X, Y, seed=0).value == 2


@pytest.mark.parametrize(
    ("method", "says"),
    [
        (Command("no-such-program {data}"), "'no-such-program' cannot be started: No such file.*; install it"),
        (Command("/etc/passwd {data}"), "'/etc/passwd' cannot be started: Permission denied"),
        (shell("echo 1; echo first >&2; echo the reason >&2; exit 3"), "ended with exit code 3: the reason$"),
        (shell("echo the reason; exit 3"), "ended with exit code 3: the reason$"),
        (shell("exit 3"), "ended with exit code 3$"),
        (shell("kill -SEGV $$"), "was killed by signal 11"),
        (shell("true"), "the program printed nothing"),
        (shell("echo done"), "the program printed 'done' last; print a number"),
        (shell("cat; echo 1 2"), "the program printed '1 2' last"),
    ],
)
def test_what_fails_is_told(method, says):
    with pytest.raises(MibenchError, match=says):
        method.estimate(X, Y, seed=0)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("command", "command needs command"),
        ("command('')", "must hold {data}"),
        ("command('prog x.npz')", "must hold {data}, the path of the draws, got 'prog x.npz'"),
        ("command('prog {data} {sed}')", r"unknown placeholder in '{sed}'; known: {data}, {seed}, {n}; write {{"),
        ("command('prog {data} {}')", "unknown placeholder in '{}'"),
        ("command('prog {data} }')", "unknown placeholder in '}'"),
        ("command('prog {data.__class__}')", "unknown placeholder"),
        ("command('prog {data!r}')", "unknown placeholder"),
        ("command('prog {data:>9}')", "unknown placeholder"),
        ("command('prog \"{data}')", "cannot be split into words, .*: No closing quotation"),
        ("command('prog {data}', format='tsv')", "format must be 'npz' or 'csv', got 'tsv'"),
        ("command('prog {data}', unit='nat')", "unit must be 'nats' or 'bits', got 'nat'"),
        ("command('prog {data}', timeout=0)", "timeout must be above 0, got 0"),
        ("command(5)", "command: must be a string, got 5"),
    ],
)
def test_what_is_no_command_is_told_at_once(spec, says):
    with pytest.raises(SpecError, match=says):
        mibench.estimator(spec)


@pytest.mark.parametrize(
    "text",
    ["prog {data}", "prog 'a, b' {data}", 'it\\\'s "x, y", {data}', "a\\\\ {data}", "p\n\t{data} ), *?", "é{data}"],
)
def test_its_name_reads_back_whatever_the_command(text):
    method = Command(text, format="csv", timeout=1.5, unit="bits")
    name = str(method)
    assert mibench.estimator(name).method == method
    assert [each.name for each in select_estimators(f"{name},{name},zero")] == [name, "zero"]


def test_its_own_timeout_kills_it_with_all_that_it_started():
    start = time.monotonic()
    with pytest.raises(MibenchError, match=r"took longer than timeout=0.5 seconds"):
        shell("sleep 61 & echo $! > pid; sleep 62", timeout=0.5).estimate(X, Y, seed=0)
    assert time.monotonic() - start < 30
    assert ended("pid")


def test_a_program_in_time_is_not_disturbed_by_its_limit():
    assert shell("echo 1", timeout=60).estimate(X, Y, seed=0).value == 1


def test_what_it_leaves_behind_does_not_hold_up_the_answer():
    start = time.monotonic()
    assert shell("sleep 60 & echo $! > pid; echo 1").estimate(X, Y, seed=0).value == 1
    assert time.monotonic() - start < 30
    os.kill(int(Path("pid").read_text()), 9)


def test_no_file_is_left():
    shell("echo 1").estimate(X, Y, seed=0)
    with pytest.raises(MibenchError):
        shell("exit 1").estimate(X, Y, seed=0)
    assert os.listdir("temporary") == []


def test_files_of_processes_that_were_killed_are_removed():
    with subprocess.Popen(["true"]) as dead:
        pass
    folders = [Path("temporary") / f"{command._FOLDER}{pid}-abc" for pid in (dead.pid, os.getppid())]
    for folder in folders:
        folder.mkdir()
        (folder / "data.npz").touch()
    shell("echo 1").estimate(X, Y, seed=0)
    assert [folder.exists() for folder in folders] == [False, True]


def test_the_harness_kills_the_program_too():
    spec = str(Command("sh -c 'echo $$ > pid; sleep 60' {data}"))
    results = mibench.run(
        tasks="gaussian", estimators=spec, n_samples=10, replicates=1, store=None, timeout=1, jobs=1
    ).to_frame()
    assert results["status"].tolist() == ["timeout"]
    assert ended("pid")


def test_failures_are_records_with_their_reason():
    specs = {
        "ok": shell("echo 1"),
        "nan": shell('echo "{\\"value\\": null, \\"message\\": \\"no luck\\"}"'),
        "error": shell("echo broken >&2; exit 1"),
    }
    results = mibench.run(
        tasks="gaussian", estimators=map(str, specs.values()), n_samples=10, replicates=2, store=None, jobs=1
    )
    frame = results.to_frame().set_index("estimator")
    assert {status: set(frame.loc[str(method), "status"]) for status, method in specs.items()} == {
        status: {status} for status in specs
    }
    assert set(frame.loc[str(specs["nan"]), "message"]) == {"no luck"}
    verdicts = run_checks(as_named(specs["error"]), choose(True, ["determinism"], []))
    assert next(verdicts).status == "failed"  # to break down is no way to declare a limit
    assert frame.loc[str(specs["error"]), "message"].str.endswith("ended with exit code 1: broken").all()


def test_the_memory_of_the_program_counts():
    python = f"{sys.executable} -c \"import time; kept = b'1' * 200_000_000; time.sleep(0.3); print(1)\" {{data}}"
    frame = mibench.run("gaussian", str(Command(python)), n_samples=10, replicates=1, store=None, jobs=1).to_frame()
    assert 190 < frame.peak_memory_mb[0] < 250


def test_each_replicate_has_its_seed_and_gets_it_again():
    def values():
        results = mibench.run(
            tasks="gaussian", estimators=str(shell("echo <<seed>>")), n_samples=10, replicates=3, store=None, jobs=1
        )
        return results.to_frame()["estimate"].tolist()

    first = values()
    assert len(set(first)) == 3
    assert values() == first


def test_a_changed_script_does_not_reuse_stored_results():
    script = Path("answer.sh")

    def run(text):
        script.write_text(text)
        options = {"n_samples": 10, "replicates": 1, "store": "s.db", "jobs": 1}
        return mibench.run(tasks="gaussian", estimators="command('sh answer.sh {data}')", **options).to_frame()

    first, again = run("echo 1"), run("echo 1")
    assert again["started_at"].tolist() == first["started_at"].tolist()
    assert run("echo 2")["estimate"].tolist() == [2]
    assert run("echo 1")["started_at"].tolist() == first["started_at"].tolist()


def test_the_files_that_it_names_are_its_source(tmp_path):
    for name in ("a.R", "b c.pl", "d.py", "e.py", "f.txt", "prog"):
        Path(name).write_text("import e\n")
    Path("broken.py").write_bytes(b"print 'of another \xff Python'")
    method = Command("./prog --script=a.R 'b c.pl' broken.py {data} sh -c 'python d.py | sort; cat none'")
    own = {"command.py", "answer.py", "checks.py"}
    files = source_files(method)
    assert {file.name for file in files} == own | {"prog", "a.R", "b c.pl", "d.py", "e.py", "broken.py"}
    assert {file.parent for file in files if file.name not in own} == {tmp_path}
    nested = mibench.estimator(f"jackknife({method})").method
    assert {"a.R", "jackknife.py"} < {file.name for file in source_files(nested)}


def test_the_hash_is_of_names_and_contents_alone(tmp_path):
    hashes = []
    for one, other in (("a", "b"), ("c", "d")):
        for folder, text in ((one, "1"), (other, "2")):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "run").write_text(text)
        hashes += [source_hash(Command(f"{one}/run {other}/run {{data}}"))]
        hashes += [source_hash(Command(f"{other}/run {one}/run {{data}}"))]
    assert len(set(hashes)) == 1
    (tmp_path / "d" / "run").write_text("3")
    assert source_hash(Command("c/run d/run {data}")) != hashes[0]


def test_all_leaves_out_what_needs_arguments():
    assert not [each.name for each in select_estimators("co*,zero") if each.name.startswith("command")]
    with pytest.raises(SpecError, match="command needs command"):
        select_estimators("comm*")


def test_it_can_be_asked_about(monkeypatch):
    done = subprocess.run(
        [Path(sys.executable).with_name("mibench"), "info", "command"], capture_output=True, text=True, check=True
    )
    assert "command(command, format=npz, timeout=None, unit=nats)" in done.stdout
    assert "What a program answers" in done.stdout
