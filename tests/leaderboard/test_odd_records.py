"""Records that are not as they should be: files by hand, estimators that explode, columns that are missing."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from mibench import MibenchError
from mibench.cli import make_app
from mibench.leaderboard import build
from mibench.leaderboard.board import FORMATS
from mibench.leaderboard.reading import read_records
from mibench.leaderboard.rounding import around
from mibench.leaderboard.site import write_site


@pytest.fixture
def frame(world):
    return world({"oracle": 0.1, "a": 0.2, "b": 0.4}, tasks=4, replicates=12)


@pytest.mark.parametrize("column", ["mi_true", "n_samples", "seed", "replicate"])
def test_a_number_that_is_missing_is_told(frame, column):
    frame[column] = frame[column].astype(float)
    frame.loc[3, column] = np.nan
    kind = "finite" if column == "mi_true" else "whole"
    with pytest.raises(MibenchError, match=f"hold a {column} that is no {kind} number"):
        build(frame)


def test_whole_numbers_may_be_written_otherwise(frame, tmp_path):
    expected = build(frame).render("json")
    mixed = frame.assign(n_samples=[str(n) if k % 2 else float(n) for k, n in enumerate(frame["n_samples"])])
    assert build(mixed.assign(replicate=mixed["replicate"].astype(str))).render("json") == expected
    frame.assign(n_samples=frame["n_samples"].astype(float)).to_csv(tmp_path / "records.csv", index=False)
    assert len(read_records(str(tmp_path / "records.csv"), samples="1000")) == len(frame)
    with pytest.raises(MibenchError, match="hold a n_samples that is no whole number"):
        build(frame.assign(n_samples=1000.5))


def test_a_column_that_stands_there_twice_is_told(frame):
    with pytest.raises(MibenchError, match="several columns estimate"):
        build(pd.concat([frame, frame["estimate"]], axis=1))


def test_an_empty_selection_of_sizes_is_none_of_all(frame, tmp_path):
    frame.to_csv(tmp_path / "records.csv", index=False)
    with pytest.raises(MibenchError, match="--samples names nothing"):
        read_records(str(tmp_path / "records.csv"), samples="")


def test_fewer_shared_replicates_are_told(frame):
    fewer = frame[(frame["estimator"] != "b") | (frame["replicate"] < 2)]
    assert any("share, on gaussian(d=1, mi=1) 2 of 12; b has 2." in note for note in build(fewer).notes)
    assert not any("replicates that all" in note for note in build(frame).notes)


def test_names_break_no_line_and_colour_no_terminal(frame):
    named = frame.assign(estimator=frame["estimator"].replace("a", "a\nb\x1b[31mc"))
    for format in ("text", "markdown", "latex"):
        shown = build(named).render(format)
        assert "\x1b" not in shown
        assert "a b [31mc" in shown


@pytest.mark.parametrize("picture", ["estimates", "efficiency"])
def test_names_in_pictures_are_no_mathematics(frame, tmp_path, picture):
    names = {"a": "command('run $a_{ b $ {data}')"}
    frame.assign(estimator=frame["estimator"].replace(names), task="my task: $x_{").to_csv(tmp_path / "r.csv")
    words = ["leaderboard", "--store", str(tmp_path / "r.csv"), "--picture", picture, "-o", str(tmp_path / "p.svg")]
    done = CliRunner().invoke(make_app(), words)
    assert done.exit_code == 0, done.output


def test_a_run_of_few_at_another_seed_does_not_stand_for_all(frame, tmp_path):
    again = frame[frame["estimator"] == "b"].assign(seed=1)
    write_site(build(both := pd.concat([frame, again])), both, tmp_path / "site")
    shown = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert "who is best at n = 1000, seed 0" in shown
    assert re.search(r'value="n1000-seed0" checked', shown)


FILTERS = {"tasks": "task", "estimators": "estimator", "samples": "n_samples"}


@pytest.mark.parametrize(("option", "column"), FILTERS.items())
def test_a_filter_on_a_column_that_is_missing_is_told(frame, tmp_path, option, column):
    frame.drop(columns=column).to_csv(tmp_path / "records.csv", index=False)
    asked = "1000" if option == "samples" else ["a"]
    with pytest.raises(MibenchError, match=f"the records lack {column}"):
        read_records(str(tmp_path / "records.csv"), **{option: asked})


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x08\x00garbage", b"not gzip"])
def test_a_broken_file_is_told(tmp_path, content):
    (tmp_path / "records.csv.gz").write_bytes(content)
    with pytest.raises(MibenchError, match="cannot be read as records"):
        read_records(str(tmp_path / "records.csv.gz"))


def test_what_does_not_say_that_it_is_a_baseline_is_none(frame, tmp_path):
    file = tmp_path / "records.csv"
    frame.assign(baseline=frame["baseline"].where(frame["estimator"] == "oracle")).to_csv(file, index=False)
    assert set(read_records(str(file), estimators=["a"])["estimator"]) == {"a", "oracle"}
    frame.drop(columns="baseline").to_csv(file, index=False)
    assert set(read_records(str(file), estimators=["a"])["estimator"]) == {"a"}
    assert not build(frame.assign(baseline="False")).summary["baseline"].any()


def test_names_that_are_numbers_are_names(frame):
    board = build(frame.assign(estimator=frame["estimator"].map({"oracle": 1, "a": 2, "b": 3}), baseline=False))
    assert board.summary["estimator"].tolist() == ["1", "2", "3"]


@pytest.mark.parametrize("who", [["b"], ["a", "b"]])
def test_an_estimator_that_explodes_is_shown_without_a_warning(frame, tmp_path, who):
    frame.loc[frame["estimator"].isin(who) & (frame["replicate"] % 2 == 0), "estimate"] = 1e200
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        board = build(frame)
        for format in FORMATS:
            assert board.render(format)
        write_site(board, frame, tmp_path / "site")
    assert np.isinf(board.cells.set_index("estimator").loc["b", "rmse"]).all()


def test_an_exact_estimator_is_shown_without_a_warning(frame):
    frame.loc[frame["estimator"] == "a", "estimate"] = frame["mi_true"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        summary = build(frame).summary.set_index("estimator")
    assert summary.loc["a", "vs_oracle"] == 0


def test_a_bias_is_shown_with_the_longer_side_of_its_interval():
    assert around(-0.108, -0.145, 0.039) == "-0.11 ± 0.15"
    assert around(0.0, 0.0, 5e-324)


def test_records_without_a_commit_or_a_date_have_a_leaderboard(frame):
    few = frame.drop(columns=["git_commit", "mibench_version", "started_at", "host", "device", "seconds_amortised"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(build(few).summary) == 3
        assert len(build(frame.assign(started_at=7)).summary) == 3
    assert pd.isna(build(few).summary["seconds"]).all()
