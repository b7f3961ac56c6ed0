"""Records that are not as they should be: files by hand, estimators that explode, columns that are missing."""

import warnings

import numpy as np
import pandas as pd
import pytest

from mibench import MibenchError
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
    with pytest.raises(MibenchError, match=f"hold a {column} that is no finite number"):
        build(frame)


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
