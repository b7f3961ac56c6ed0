"""The history: records in which the truth over the commits is planted, and what the command draws and says of them."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mibench.errors import MibenchError
from mibench.leaderboard.commits import commits_of
from mibench.leaderboard.comparison import Comparison
from mibench.leaderboard.history import CELL_COLUMNS, ESTIMATOR_COLUMNS, History
from mibench.leaderboard.history_page import render
from mibench.leaderboard.history_picture import make as draw
from mibench.leaderboard.history_picture import save
from mibench.leaderboard.shared import pool

MIBENCH = Path(sys.executable).with_name("mibench")
TASKS = [f"gaussian(d={d}, mi=1)" for d in range(1, 5)]
RNG = np.random.default_rng(0)
ERRORS = {task: RNG.normal(0.1, 0.3, 10) for task in TASKS}


def commit(number):
    return f"{number:x}".ljust(40, "a")


@pytest.fixture
def at(make):
    """Records of one commit: errors that are `scale` times those of the first, and seconds that are `slower`."""

    def build(number, scale=1.0, slower=1.0, estimators=("ksg",), tasks=TASKS, **more):
        frame = make({e: {t: list(scale * ERRORS[t]) for t in tasks} for e in estimators})
        values = {"git_commit": commit(number), "started_at": f"2026-01-{number:02}T00:00:00+00:00"} | more
        return frame.assign(seconds_amortised=slower * frame["seconds_amortised"], **values)

    return build


def of(*frames, **options):
    return History.of(pool(frames, ["s"] * len(frames)), **options)


def steps(history, estimator="ksg"):
    return history.estimators[history.estimators["estimator"] == estimator].set_index("position")


def test_a_doubled_error_shows_at_its_commit_and_stays(at):
    history = of(at(1), at(2), at(3, scale=2), at(4, scale=2))
    table = steps(history)
    assert table["error"].tolist() == pytest.approx([1, 1, 2, 2])
    assert table["verdict"].tolist() == ["", "equivalent", "worse", "equivalent"]
    assert table[["worse", "better", "cells", "replicates"]].to_numpy().tolist() == [
        [0, 0, 4, 40], [0, 0, 4, 40], [4, 0, 4, 40], [0, 0, 4, 40]
    ]  # fmt: skip
    one = history.cells[(history.cells["task"] == TASKS[0]) & (history.cells["position"] == 2)].iloc[0]
    assert one["rmse"] == pytest.approx(2 * np.sqrt(np.mean(ERRORS[TASKS[0]] ** 2)))
    assert one["rmse_low"] < one["rmse"] < one["rmse_high"]
    assert one["change"] == pytest.approx(np.mean(np.abs(ERRORS[TASKS[0]])))
    assert list(history.cells) == list(CELL_COLUMNS)
    assert list(history.estimators) == list(ESTIMATOR_COLUMNS)


def test_verdicts_are_those_of_compare_on_all_estimators_of_the_step(at):
    rng = np.random.default_rng(1)
    base, head = (at(n, estimators=("ksg", "mine")) for n in (1, 2))
    head["estimate"] += rng.normal(0.1, 0.2, len(head))
    found = of(base, head)
    expected = Comparison.of(base, head).cells.set_index(["estimator", "task"])
    after = found.cells[found.cells["position"] == 1].set_index(["estimator", "task"])
    assert set(after["verdict"]) > {"worse"}
    assert after["verdict"].to_dict() == expected["verdict"].to_dict()
    assert after["change"].to_dict() == pytest.approx(expected["difference"].to_dict())


def test_an_improvement_is_better(at):
    assert steps(of(at(1), at(2, scale=0.2)))["verdict"].tolist() == ["", "better"]


def test_seconds_are_relative_to_the_first(at):
    table = steps(of(at(1), at(2, slower=1.5), at(3, slower=3)))
    assert table["seconds"].tolist() == pytest.approx([1, 1.5, 3])
    assert table["verdict"].tolist() == ["", "equivalent", "equivalent"]


def test_seconds_of_another_host_or_device_are_left_out_and_told(at):
    history = of(at(1), at(2, host="there"), at(3, device="cuda"), at(4, slower=2))
    assert steps(history)["seconds"].tolist() == pytest.approx([1, math.nan, math.nan, 2], nan_ok=True)
    names = history.commits["name"].tolist()
    note = f"ksg: seconds of another host or device than at its first commit are left out: {names[1]}, {names[2]}."
    assert note in history.notes
    assert steps(history)["error"].tolist() == pytest.approx([1, 1, 1, 1])


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_intervals_over_cells_cover_a_planted_ratio(make, scale):
    """Each commit trains anew, so that errors scatter about those of the draws; tasks differ in their scale."""
    rng = np.random.default_rng(int(scale))
    sizes = rng.uniform(0.1, 1, (400, 8, 1))
    frames = []
    for number, factor in enumerate((1, scale)):
        errors = factor * sizes * rng.normal(size=(400, 8, 10))
        tables = {f"e{e}": {f"t{t}": list(row) for t, row in enumerate(table)} for e, table in enumerate(errors)}
        frames.append(make(tables, git_commit=commit(number + 1)))
    last = of(*frames).estimators.query("position == 1")
    assert len(last) == 400
    covered = last["error_low"].le(scale) & last["error_high"].ge(scale)
    assert 0.92 <= covered.mean() <= 0.98  # a chance of 0.004 where it is 95 %


def test_one_cell_has_no_interval(at):
    table = steps(of(at(1, tasks=TASKS[:1]), at(2, scale=2, slower=2, tasks=TASKS[:1])))
    assert table["error"].tolist() == pytest.approx([1, 2])
    assert table[["error_low", "error_high", "seconds_low", "seconds_high"]].isna().all(axis=None)


def test_new_failures_are_counted_once_and_the_error_rests_on_the_other_replicates(at):
    broken = [at(n) for n in (2, 3)]
    for frame in broken:
        lost = (frame["task"] == TASKS[0]) & (frame["replicate"] < 3)
        frame.loc[lost, ["status", "estimate", "message"]] = ["timeout", None, "longer\nthan 5 s"]
    history = of(at(1), *broken)
    table = steps(history)
    assert table["failed"].tolist() == [0, 3, 3]
    assert table["new_failures"].tolist()[1:] == [3, 0]
    assert pd.isna(table["new_failures"].iloc[0])
    assert table["verdict"].tolist() == ["", "worse", "equivalent"]
    assert table["error"].tolist() == pytest.approx([1, 1, 1])
    name = history.commits["name"][1]
    assert f"fails anew at {name} on {TASKS[0]}, n = 1000 (replicates: 3): longer than 5 s" in render(history, "text")


def test_a_cell_that_has_no_estimate_is_told_and_no_estimate_at_all_is_no_error(at):
    partly, wholly = at(2), at(3)
    partly.loc[partly["task"] == TASKS[0], ["status", "estimate"]] = ["crash", None]
    wholly[["status", "estimate"]] = ["crash", None]
    history = of(at(1), partly, wholly, wholly.assign(git_commit=commit(4)))
    table = steps(history)
    assert table["error"].tolist() == pytest.approx([1, 1, math.nan, math.nan], nan_ok=True)
    assert table["error_cells"].tolist() == [4, 3, 0, 0]
    assert table["verdict"].tolist() == ["", "worse", "worse", ""]
    names = history.commits["name"]
    assert any(f"of its 4 cells the error rests on 3 at {names[1]}, 0 at {names[2]}" in note for note in history.notes)
    assert "1.00 (3 of 4)" in render(history, "text")
    figure = draw(history)
    (fewer,) = [
        line for line in figure.axes[0].lines if line.get_markerfacecolor() == "white" and len(line.get_xdata())
    ]
    assert np.allclose(fewer.get_data(), [[1], [1]])
    assert "fewer cells" in [text.get_text() for text in figure.legends[0].texts]


def test_a_cell_without_an_estimate_at_any_commit_is_told_and_what_is_declined_is_no_failure(at):
    frames = [at(n) for n in (1, 2)]
    for frame in frames:
        frame.loc[frame["task"] == TASKS[0], ["status", "estimate"]] = ["skipped", None]
    frames[0].loc[3 * 10, ["status", "estimate"]] = ["skipped", None]
    history = of(*frames)
    assert steps(history)[["cells", "error_cells", "failed"]].to_numpy().tolist() == [[3, 3, 0]] * 2
    assert f"left out, as no commit has an estimate: ksg, {TASKS[0]} · n=1000." in history.notes


def test_an_exact_first_commit_has_no_relative_error(at):
    history = of(at(1, scale=0), at(2))
    assert steps(history)["error"].isna().all()
    assert history.cells["rmse"].notna().all()


def test_only_cells_that_all_commits_have_on_the_same_data_count(at):
    changed, shorter = at(2), at(3, tasks=TASKS[:3])
    changed.loc[changed["task"] == TASKS[0], "task_fingerprint"] = "other draws"
    changed = changed[(changed["task"] != TASKS[1]) | (changed["replicate"] < 6)]
    shorter.loc[shorter["task"] == TASKS[0], "task_fingerprint"] = "other draws"
    history = of(at(1), changed, shorter)
    assert set(history.cells["task"]) == {TASKS[1], TASKS[2]}
    assert set(history.cells.loc[history.cells["task"] == TASKS[1], "replicates"]) == {6}
    _, second, third = history.commits["name"]
    left_out = "left out, as not all commits have it: ksg,"
    assert [note for note in history.notes if note.startswith("left out")] == [
        f"{left_out} whose data changed at {second}: {TASKS[0]} · n=1000.",
        f"{left_out} some replicates of {TASKS[1]} · n=1000.",
        f"{left_out} not at {third}: {TASKS[3]} · n=1000.",
    ]


def test_what_several_estimators_lack_is_told_once(at):
    names = ["a", "b", "c", "d"]
    history = of(at(1, estimators=names), at(2, estimators=names, tasks=TASKS[1:]))
    (note,) = [each for each in history.notes if each.startswith("left out")]
    assert "it: a, b, c and 1 more, not at" in note


def test_a_revised_truth_counts_for_all_commits(at):
    later = at(2)
    history = of(at(1), later.assign(mi_true=1.5))
    assert steps(history)["error"].tolist() == pytest.approx([1, 1])
    assert any("the true MI was revised" in note for note in history.notes)
    assert history.cells["mi_true"].tolist() == [1.5] * 8


def test_estimators_have_commits_of_their_own(at):
    history = of(at(1, estimators=["ksg", "kde"]), at(2, scale=2), at(3, scale=3, estimators=["ksg", "kde"]))
    assert steps(history)["error"].tolist() == pytest.approx([1, 2, 3])
    assert steps(history, "kde").index.tolist() == [0, 2]
    assert steps(history, "kde")["verdict"].tolist() == ["", "worse"]


def test_baselines_are_left_out(at):
    assert set(of(at(1, estimators=["zero", "ksg"]), at(2)).estimators["estimator"]) == {"ksg"}
    with pytest.raises(MibenchError, match="all of baselines; run an estimator too"):
        of(at(1, estimators=["zero"]))


def test_no_cell_in_common_is_an_error(at):
    with pytest.raises(
        MibenchError,
        match=r"nothing to compare over commits; run the same tasks.* left out, .*: ksg, not at",
    ):
        of(at(1, tasks=TASKS[:2]), at(2, tasks=TASKS[2:]))


def test_one_commit_is_a_row_with_a_note(at):
    history = of(at(1))
    assert steps(history)["error"].tolist() == [1]
    assert any("there is one commit only" in note for note in history.notes)


def test_a_store_that_was_copied_before_the_next_run_counts_once(at):
    first, second = at(1), at(2, scale=2)
    history = of(first, pd.concat([first, second]))
    assert steps(history)["error"].tolist() == pytest.approx([1, 2])
    assert not any("run again" in note for note in history.notes)


def test_records_without_a_commit_are_told_apart_by_version_and_code(at):
    frames = [at(n, scale=n, git_commit=None, estimator_source=f"code{n}") for n in (1, 2)]
    history = of(*frames)
    assert history.commits["name"].tolist() == ["0.1.0, code code1", "0.1.0, code code2"]
    assert history.commits["commit"].tolist() == ["", ""]
    assert steps(history)["error"].tolist() == pytest.approx([1, 2])
    assert any("without a commit are told apart" in note for note in history.notes)


def test_commits_without_a_date_come_last_and_records_may_lack_columns(at):
    frames = [at(3), at(2, started_at="the 32nd"), at(1, started_at=None)]
    bare = at(1)[["task", "mi_true", "estimator", "n_samples", "replicate", "seed", "status", "estimate"]]
    history = of(*(frame.assign(task_fingerprint=None) for frame in (*frames, bare)))
    assert history.commits["commit"].tolist() == [commit(3), commit(1), commit(2), ""]
    assert history.commits["name"].tolist()[-1] == "unknown"
    assert history.commits["started_at"].tolist()[1:] == [""] * 3
    assert steps(history)["seconds"].tolist() == pytest.approx([1, 1, 1, math.nan], nan_ok=True)
    assert re.search(r"unknown +– +1\.00", render(history, "text"))


def test_names_are_as_short_as_tells_them_apart(at):
    hashes = ["0123456789" + c * 30 for c in "ab"]
    commits, _, notes = commits_of(pd.concat([at(1, git_commit=each) for each in (*hashes, hashes[0] + "+dirty")]))
    assert sorted(commits["name"]) == ["0123456789a", "0123456789a+dirty", "0123456789b"]
    assert any(note.startswith("+dirty: with changes that were not committed") for note in notes)


@pytest.fixture
def git(tmp_path):
    """Call git in a new repository."""
    names = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

    def call(*words):
        done = subprocess.run(
            ["git", *words], cwd=tmp_path / "repository", env={**os.environ, **names}, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        return done.stdout.strip()

    (tmp_path / "repository").mkdir()
    call("init", "--quiet")
    call.folder = tmp_path / "repository"
    call.commit = lambda: (call("commit", "--quiet", "--allow-empty", "-m", "x"), call("rev-parse", "HEAD"))[1]
    return call


def test_git_orders_the_commits_whatever_ran_first(at, git):
    first, second, third = (git.commit() for _ in range(3))
    ran = [second, third + "+dirty", first, third]
    frames = [at(n + 1, git_commit=each) for n, each in enumerate(ran)]
    ordered = of(*frames, repository=git.folder)
    assert ordered.commits["commit"].tolist() == [first, second, third, third + "+dirty"]
    assert "commits are in git's order (rev-list --topo-order), oldest first." in ordered.notes
    unknown = of(*frames, at(9), repository=git.folder)
    assert unknown.commits["commit"].tolist() == [*ran, commit(9)]
    note = f"in the order of their earliest records, as {git.folder} does not know {commit(9)}."
    assert any(each.endswith(note) for each in unknown.notes)


def test_a_commit_that_is_no_hash_is_no_word_for_git(at, git, tmp_path):
    git.commit()
    hostile = f"--output={tmp_path / 'written'}"
    history = of(at(1, git_commit=hostile), at(2, git_commit="--all"), repository=git.folder)
    assert history.commits["commit"].tolist() == [hostile, "--all"]
    assert not (tmp_path / "written").exists()


def test_a_repository_that_is_none_is_an_error(at, tmp_path):
    with pytest.raises(MibenchError, match="it is no git repository; leave it out"):
        of(at(1), repository=tmp_path)


HOSTILE = ["a|b`c`", "$x^{2$", "<script>&amp;", "new\nline\x07\x1b[31m", "x" * 300]


@pytest.fixture
def hostile(at):
    frames = [
        at(n, estimators=HOSTILE, git_commit=each, scale=n) for n, each in enumerate(("$\\frac{$", "<b>|`\n"), start=1)
    ]
    frames[1].loc[3, ["status", "estimate", "message"]] = ["error", None, "<i>|\x1b[31m`"]
    return of(*frames)


@pytest.mark.parametrize("format", ["text", "markdown", "latex"])
def test_hostile_names_stay_data(hostile, format):
    text = render(hostile, format)
    assert "\x1b" not in text
    assert "\x07" not in text
    if format == "markdown":
        assert "<script>" not in text.replace("\\<", "")
        rows = [re.split(r"(?<!\\)\|", line) for line in text.splitlines() if line.startswith("| ")]
        assert {len(row) for row in rows} == {9}


@pytest.mark.parametrize("suffix", [".svg", ".pdf", ".png"])
def test_the_same_records_give_the_same_bytes(hostile, tmp_path, suffix):
    files = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for file in files:
        save(hostile, file)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_the_picture_shows_what_the_table_says(at):
    history = of(at(1), at(2), at(3, scale=2, slower=1.5), at(4, scale=0.2))
    above, below = draw(history).axes
    lines = {line.get_marker(): line.get_data() for line in reversed(above.lines) if len(line.get_xdata())}
    assert np.allclose(lines["o"], [[0, 1, 2, 3], [1, 1, 2, 0.2]])
    assert np.allclose(lines["^"], [[2], [2]])
    assert np.allclose(lines["v"], [[3], [0.2]])
    (seconds,) = [line for line in below.lines if line.get_marker() == "o" and len(line.get_xdata())]
    assert np.allclose(seconds.get_data(), [[0, 1, 2, 3], [1, 1, 1.5, 1]])
    assert above.get_yscale() == below.get_yscale() == "log"
    assert [text.get_text() for text in below.get_xticklabels()] == history.commits["name"].tolist()
    low, high = above.get_ylim()
    assert low < 0.2
    assert high > 2


def test_without_seconds_to_compare_there_is_one_panel(at):
    assert len(draw(of(at(1), at(2, host="there"))).axes) == 1


def test_more_estimators_than_kinds_of_line_are_an_error(at):
    names = [f"e{i}" for i in range(15)]
    with pytest.raises(MibenchError, match="at most 14 estimators, got 15; use --estimator"):
        draw(of(at(1, estimators=names), at(2, estimators=names)))


@pytest.fixture
def folder(at, tmp_path):
    at(1, estimators=["ksg", "kde"]).to_csv(tmp_path / "one.csv", index=False)
    at(2, scale=2, estimators=["ksg", "kde"]).to_csv(tmp_path / "two.csv.gz", index=False)
    return tmp_path


def call(folder, *words):
    done = subprocess.run([MIBENCH, "history", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done


def test_the_command_pools_its_stores_and_writes_what_the_suffix_says(folder):
    shown = call(folder, "one.csv", "two.csv.gz", "-e", "ksg")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "ksg: 4 cells, 40 replicates" in shown.stdout
    assert "kde" not in shown.stdout
    assert "in the order of their earliest records" in shown.stdout
    for name, kind in {"h.svg": "picture", "h.md": "markdown", "h.json": "json", "h.csv": "csv"}.items():
        done = call(folder, "one.csv", "two.csv.gz", "-o", name, "--task", TASKS[0])
        assert (done.returncode, done.stderr) == (0, f"wrote {name} ({kind})\n")
    assert "<svg" in (folder / "h.svg").read_text()
    assert (folder / "h.md").read_text().startswith("### kde: 1 cell, 10 replicates")
    found = json.loads((folder / "h.json").read_text())
    assert [step["error"] for step in found["estimators"]] == pytest.approx([1, 2, 1, 2])
    assert found["estimators"][1]["error_low"] is None
    assert found["estimators"][0]["new_failures"] is None
    cells = pd.read_csv(folder / "h.csv")
    assert cells["rmse"].tolist() == pytest.approx([each["rmse"] for each in found["cells"]])
    assert len(cells) == 4


def test_one_commit_is_no_error(folder):
    done = call(folder, "one.csv")
    assert done.returncode == 0
    assert "there is one commit only; run another one" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "there is no store mibench.db; `mibench run --store mibench.db` makes one"),
        (["one.csv", "none.csv"], "none.csv cannot be read as records"),
        (["one.csv", "empty.csv"], "empty.csv: the store has no records; run `mibench run` first"),
        (["one.csv", "other.csv"], "other.csv: the records lack mi_true"),
        (["one.csv", "-e", "nobody"], "--estimator 'nobody' selects no record"),
        (["one.csv", "--samples", "7"], "--samples '7' selects no record"),
        (["one.csv", "--format", "html"], "unknown format 'html'"),
        (["one.csv", "-o", "h.bmp"], "end it in one of .txt .md .tex .csv .json .svg .pdf .png"),
        (["one.csv", "-o", "no/where.svg"], "cannot write no/where.svg"),
        (["one.csv", "--repository", "nowhere"], "--repository nowhere: it is no git repository"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(folder, words, said):
    (folder / "other.csv").write_text("task,estimator\nt,e\n")
    (folder / "empty.csv").write_text("task,estimator\n")
    done = call(folder, *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_help_has_examples(folder):
    assert "Examples: mibench history stores/*.db" in " ".join(call(folder, "--help").stdout.split())


PLUGIN = """
import numpy as np

def planted(x, y):
    r = np.corrcoef(x[:, 0], y[:, 0])[0, 1]
    return -0.5 * np.log(1 - r**2) + {bias}
"""


def test_a_change_that_was_committed_shows_at_its_commit(git, tmp_path):
    """From the code of an estimator in a repository to the picture; mibench's own checkout is out of git's sight."""
    code = "import mibench; mibench.run({tasks!r}, 'planted', 400, 6, store={store!r}, plugins=['planted.py'], jobs=1)"
    tasks = "gaussian(d=1, mi=1),gaussian(d=1, mi=0.5)"
    sight = {**os.environ, "GIT_DIR": str(git.folder / ".git"), "GIT_WORK_TREE": str(git.folder)}
    stores, hashes = [], []
    for bias in (0, 0.5):
        (git.folder / "planted.py").write_text(PLUGIN.format(bias=bias))
        git("add", "planted.py")
        hashes.append(git.commit())
        stores.append(str(tmp_path / f"{hashes[-1]}.db"))
        words = [sys.executable, "-c", code.format(tasks=tasks, store=stores[-1])]
        subprocess.run(words, cwd=git.folder, env=sight, check=True)
    done = call(git.folder, *reversed(stores), "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [each["commit"] for each in found["commits"]] == hashes
    assert "commits are in git's order (rev-list --topo-order), oldest first." in found["notes"]
    first, second = found["estimators"]
    assert (first["error"], second["verdict"], second["worse"]) == (1, "worse", 2)
    assert second["error"] > 3
    changes = [cell["change"] for cell in found["cells"] if cell["position"] == 1]
    assert len(changes) == 2
    assert all(0.3 < change < 0.5 for change in changes)
    assert call(git.folder, *stores, "-o", "history.png").returncode == 0
