import numpy as np
import pandas as pd
import pytest

from mibench import MibenchError
from mibench.leaderboard.records import current_records

EARLIER, LATER = "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"


def test_errors_are_estimate_minus_truth_where_the_record_is_ok(make):
    records, notes = current_records(make({"ksg": {"a": [0.5, None, -0.25]}}))
    assert records["error"].tolist() == pytest.approx([0.5, np.nan, -0.25], nan_ok=True)
    assert notes == []


def test_no_record_is_an_error_with_its_remedy():
    with pytest.raises(MibenchError, match="the store has no records; run `mibench run` first"):
        current_records(pd.DataFrame())


def test_missing_columns_and_unknown_statuses_are_named(make):
    frame = make({"ksg": {"a": [0.5]}})
    with pytest.raises(MibenchError, match="lack mi_true, estimate;"):
        current_records(frame.drop(columns=["estimate", "mi_true"]))
    with pytest.raises(MibenchError, match="unknown status 'done'"):
        current_records(frame.assign(status="done"))


def test_columns_that_statistics_do_not_need_may_be_absent(make):
    required = ["task", "mi_true", "estimator", "n_samples", "replicate", "seed", "status", "estimate"]
    records, notes = current_records(make({"ksg": {"a": [0.5, 0.25]}})[required])
    assert records["error"].tolist() == pytest.approx([0.5, 0.25])
    assert not records["baseline"].any()
    assert notes == []


@pytest.mark.parametrize("column", ["estimator_params", "estimator_source"])
def test_only_the_code_that_ran_last_counts_and_a_note_says_so(make, column):
    errors = {"ksg": {"a": [0.5, 0.5]}}
    old = make(errors, **{column: "zzzz"}, started_at=EARLIER)
    new = make({"ksg": {"a": [0.1, 0.1]}}, **{column: "bbbb"}, started_at=LATER)
    records, notes = current_records(pd.concat([new, old]))
    assert records["error"].tolist() == pytest.approx([0.1, 0.1])
    assert notes == ["ksg: 2 records of earlier code or parameters (on 1 task) are left out."]


def test_versions_are_told_apart_in_each_n_on_its_own(make):
    old = make({"ksg": {"a": [0.5]}}, n_samples=500, estimator_source="old", started_at=EARLIER)
    new = make({"ksg": {"a": [0.1]}}, n_samples=1000, estimator_source="new", started_at=LATER)
    records, notes = current_records(pd.concat([old, new]))
    assert len(records) == 2
    assert notes == ["ksg: its cells come from 2 versions of its code or parameters."]


def test_all_estimators_are_judged_on_the_data_of_the_task_that_were_drawn_last(make):
    old = make({"ksg": {"a": [0.5]}, "mine": {"a": [0.5]}}, task_fingerprint="old", started_at=EARLIER)
    new = make({"ksg": {"a": [0.1]}}, task_fingerprint="new", started_at=LATER)
    records, notes = current_records(pd.concat([old, new]))
    assert records["estimator"].tolist() == ["ksg"]
    assert records["error"].tolist() == pytest.approx([0.1])
    assert notes == ["a: 2 records of an earlier version of its data are left out."]


def test_a_failure_without_a_date_is_as_late_as_its_code(make):
    old = make({"mine": {"a": [0.5], "b": [0.5]}}, estimator_source="old", started_at=EARLIER)
    new = make({"mine": {"a": [None], "b": [0.1]}}, estimator_source="new", started_at=LATER)
    new.loc[new["status"] == "timeout", "started_at"] = None
    records, _ = current_records(pd.concat([old, new]))
    assert records["status"].tolist() == ["timeout", "ok"]


def test_a_replicate_that_was_run_again_counts_once(make):
    first = make({"mine": {"a": [None, 0.2]}}, started_at=EARLIER)
    again = make({"mine": {"a": [0.3]}}, started_at=LATER)
    records, notes = current_records(pd.concat([again, first]))
    assert records["error"].tolist() == pytest.approx([0.3, 0.2])
    assert notes == ["1 records of replicates that were run again are left out."]


def test_seeds_are_not_versions(make):
    frames = [make({"ksg": {"a": [error]}}, seed=seed) for seed, error in enumerate([0.1, 0.2])]
    records, notes = current_records(pd.concat(frames))
    assert records["seed"].tolist() == [0, 1]
    assert notes == []


def test_a_revised_truth_holds_for_all_records_of_the_task(make):
    old = make({"ksg": {"a": [0.5]}}, mi=1.0, started_at=EARLIER)
    new = make({"mine": {"a": [0.5]}}, mi=1.25, started_at=LATER)
    records, notes = current_records(pd.concat([old, new]))
    assert records.set_index("estimator")["error"].to_dict() == pytest.approx({"ksg": 0.25, "mine": 0.5})
    assert notes == ["a: the true MI was revised; errors are taken from the latest value."]


@pytest.mark.parametrize("value", [np.inf, -np.inf, None])
def test_an_estimate_that_is_no_finite_number_is_a_failure_whatever_its_status(make, value):
    frame = make({"ksg": {"a": [0.1, 0.2]}}).astype({"estimate": object})
    frame.loc[1, "estimate"] = value
    records, _ = current_records(frame)
    assert records["status"].tolist() == ["ok", "nan"]
    assert records["message"].tolist() == ["", "the estimate is not a finite number"]


def test_several_hosts_are_noted_because_their_seconds_do_not_compare(make):
    frames = [make({name: {"a": [0.1]}}, host=host) for name, host in [("ksg", "one"), ("mine", "two")]]
    assert current_records(pd.concat(frames))[1] == [
        "seconds were measured on 2 hosts and do not compare across them: one, two."
    ]


def test_the_frame_that_is_given_is_left_as_it_was(make):
    frame = make({"ksg": {"a": [0.1, None]}})
    before = frame.copy(deep=True)
    current_records(frame)
    pd.testing.assert_frame_equal(frame, before)
