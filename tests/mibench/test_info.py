import json
import os
import pty
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

import mibench
from mibench import catalogue, picture
from mibench.cli_info import describe, find, law
from mibench.distribution import Distribution, Draw, Task

MIBENCH = Path(sys.executable).with_name("mibench")
CHAIN = "asinh(spiral(gaussian(d=3, mi=2)))"


@dataclass(frozen=True)
class Guess(Distribution):
    """X and Y are one."""

    x_shape = (1,)
    y_shape = (1,)
    mutual_information = 1.25
    truth = "Monte Carlo"
    mi_std_error = 0.00321
    formula = "I = 5/4"

    def draw(self, n, rng):
        x = rng.normal(size=(n, 1))
        return Draw(x, x, None)


@dataclass(frozen=True)
class Both(Guess):
    """Two of them, side by side."""

    first: Distribution = field(default_factory=Guess)
    second: Distribution = field(default_factory=Guess)
    others: tuple[Distribution, ...] = ()
    formula = ""

    @property
    def hidden(self):
        return mibench.task("gaussian").distribution


def test_the_facts_of_a_task():
    task = mibench.task("gaussian_dense(d=2, rho=0.5)")
    facts = describe(find("gaussian_dense(d=2, rho=0.5)"))
    assert facts["task"] == task.name
    assert facts["mutual_information"] == task.mutual_information
    assert facts["truth"] == task.truth
    assert facts["source"] == task.source
    assert facts["x_shape"] == facts["y_shape"] == (2,)
    assert facts["tags"] == task.tags
    assert facts["fingerprint"] == task.fingerprint
    assert "the same correlation ρ" in facts["law"]


def test_a_formula_and_a_standard_error_are_said_where_there_are_any():
    facts = describe(Task(Guess()))
    assert (facts["mutual_information"], facts["mi_std_error"]) == (1.25, pytest.approx(0.0032, abs=2e-5))
    assert facts["formula"] == "I = 5/4"
    assert "formula" not in describe(Task(Both()))


def test_the_law_of_a_nested_task_is_that_of_the_whole_chain():
    words = law(mibench.task(CHAIN).distribution)
    places = [words.index(start) for start in ("asinh: x ↦ asinh(x)", "spiral: x ↦ exp", "gaussian: X, Y in R^d")]
    assert places == sorted(places)
    assert law(Guess()) == "X and Y are one."
    nested = law(Both(others=(mibench.task("blobs").distribution,)))
    assert nested.startswith("Both: Two of them, side by side.\n\nGuess: X and Y are one.\n\nblobs: Images of a blob")
    assert nested.count("Guess:") == 1


def test_the_law_does_not_depend_on_what_was_computed_before():
    task = mibench.task("blobs")
    before = law(task.distribution)
    task.sample(3)  # keeps its latent Gaussian
    assert law(task.distribution) == before


def test_what_is_printed(cli):
    done = cli("info", CHAIN, "--picture")
    said = done.stdout
    assert said.splitlines()[0].split(None, 1) == ["task:", CHAIN]
    assert max(map(len, said.splitlines())) <= 100
    assert "mutual information: 2 nats\n" in said
    assert "gaussian: X, Y in R^d" in said
    assert said.endswith(f"\n\n{picture.draw(mibench.task(CHAIN))}\n")
    assert done.stderr == ""


def test_a_pipe_gets_no_picture_unasked_and_json_none_at_all(cli):
    plain = cli("info", CHAIN).stdout
    assert plain == cli("info", CHAIN, "--no-picture").stdout
    assert "draws, seed 0" not in plain
    facts = json.loads(cli("info", CHAIN, "--json", "--picture").stdout)
    assert facts["mutual_information"] == 2
    assert list(facts)[:3] == ["task", "law", "mutual_information"]
    assert facts["x_shape"] == [3]
    assert facts["parameters"]["side"] == "both"


def on_terminal(*words):
    ours, theirs = pty.openpty()
    done = subprocess.Popen(
        [MIBENCH, *words], stdout=theirs, stderr=subprocess.STDOUT, env={**os.environ, "TERM": "xterm"}
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            said += os.read(ours, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
    os.close(ours)
    assert done.wait() == 0, said.decode()
    return said.decode().replace("\r\n", "\n")


def test_a_terminal_gets_the_picture_of_a_task_and_of_nothing_else():
    drawn = picture.draw(mibench.task("gaussian"))
    assert on_terminal("info", "gaussian").endswith(f"{drawn}\n")
    assert "draws, seed 0" not in on_terminal("info", "gaussian", "--no-picture")
    assert json.loads(on_terminal("info", "gaussian", "--json"))["task"] == "gaussian(d=1, mi=1)"
    assert on_terminal("info", "zero").startswith("estimator:")


def test_a_plot_is_written_and_said(cli, tmp_path):
    done = cli("info", "gaussian", "--plot", "g.png", "--json")
    assert done.stderr == "wrote g.png\n"
    assert json.loads(done.stdout)["task"] == "gaussian(d=1, mi=1)"
    assert (tmp_path / "g.png").read_bytes().startswith(b"\x89PNG")
    cli("info", "blobs(size=8, mi=1)", "--plot", "g.PDF")
    assert (tmp_path / "g.PDF").read_bytes().startswith(b"%PDF")
    assert sorted(os.listdir(tmp_path)) == ["g.PDF", "g.png"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["gaussian", "--plot", "a.jpg"], "'a.jpg'; the name of a picture ends in one of .png .pdf .svg"),
        (["gaussian", "--plot", "a"], "ends in one of .png .pdf .svg"),
        (["gaussian", "--plot", "none/a.png"], "cannot write none/a.png: No such file or directory"),
        (["ksg", "--plot", "a.png"], "ksg has no picture, as only a task has one"),
        (["core", "--picture"], "core has no picture, as only a task has one"),
        (["asinh", "--picture"], "asinh has no picture, as only a task has one; give it the arguments that it needs"),
        (["coree"], "did you mean core"),
        (["gaussain"], "there is no task, estimator or suite 'gaussain'; did you mean gaussian"),
    ],
)
def test_errors_are_one_line_exit_2_and_print_no_facts(cli, tmp_path, words, says):
    done = cli("info", *words, code=2)
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""
    assert os.listdir(tmp_path) == []


def test_help_has_examples(cli):
    said = cli("info", "--help").stdout
    assert "Examples: mibench info" in said
    assert "--no-picture" in said


def test_a_family_that_needs_arguments_is_described_without_them():
    facts = describe(find("asinh"))
    assert facts["family"] == "asinh(base, side=both)"
    assert facts["law"].startswith("x ↦ asinh(x)")
    assert "about" in describe(find("ksg"))


def test_a_suite_is_its_version_and_its_tasks(cli):
    suite = catalogue.suites()["core"]
    facts = describe(find("core"))
    assert (facts["suite"], facts["version"], facts["number_of_tasks"]) == ("core", suite.version, len(suite.tasks))
    assert facts["tasks"] == {spec: mibench.task(spec).mutual_information for spec in suite.tasks}
    lines = cli("info", "core").stdout.splitlines()
    assert len(lines) == 3 + len(suite.tasks)
    assert lines[-1].split() == [*suite.tasks[-1].split(), f"{facts['tasks'][suite.tasks[-1]]:.12g}", "nats"]


def test_a_suite_of_another_benchmark_shows_its_names(cli):
    aliases = describe(find("bmi40"))["aliases"]
    assert aliases["student-identity-3-3-2"] == "student(d=3, df=2)"
    assert "student-identity-3-3-2" in cli("info", "bmi40").stdout


def test_a_list_shows_the_families_and_counts_the_tasks_of_suites(cli):
    families = sorted(catalogue.registered("mibench.tasks"))
    members = {spec for suite in catalogue.suites().values() for spec in suite.tasks}
    *rows, empty, hint = cli("list", "tasks").stdout.splitlines()
    assert [row.split() for row in rows] == [["task", name] for name in families]
    assert empty == ""
    assert hint == f"and {len(members)} tasks of suites: mibench info SUITE, or mibench list tasks PATTERN"
    assert hint in cli("list").stdout


def test_a_pattern_and_json_give_everything(cli):
    members = [(spec, name) for name, suite in catalogue.suites().items() for spec in suite.tasks]
    listed = cli("list", "tasks", "*").stdout
    for spec, suite in members:
        assert f"{spec} " in listed
        assert f"suite {suite}" in listed
    assert "mibench info SUITE" not in listed
    rows = json.loads(cli("list", "tasks", "--json").stdout)
    found = [(row["name"], row["from"]) for row in rows if row["from"] and row["kind"] == "task"]
    assert found == [(spec, f"suite {suite}") for spec, suite in members]
    assert "of student(d=3, df=2)" in cli("list", "tasks", "student-id*").stdout
    for line, (name, suite) in zip(cli("list", "suites").stdout.splitlines(), catalogue.suites().items(), strict=True):
        assert line.split() == ["suite", name, "version", f"{suite.version},", str(len(suite.tasks)), "tasks"]


def test_toys_are_drawn_as_they_say():
    x, y = Task(Guess()).sample(5)
    np.testing.assert_array_equal(x, y)
