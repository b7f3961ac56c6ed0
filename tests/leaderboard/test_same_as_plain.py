"""What is computed in a fast way is what the plain way gives, to the last bit."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tabulate import tabulate

from mibench.leaderboard.board import FORMATS, Leaderboard
from mibench.leaderboard.comparison import Comparison
from mibench.leaderboard.page import Section
from mibench.leaderboard.ranking import Contest
from mibench.leaderboard.reading import NAMES, TEXTS
from mibench.leaderboard.records import CELL, CODE, current_records
from mibench.leaderboard.resampling import mean_positions
from mibench.leaderboard.statistics import cell_statistics
from mibench.leaderboard.tables import text_table


@pytest.fixture(params=range(6))
def mixed(request, one):
    """Records in no order, of several versions, seeds, sizes and devices, with failures, gaps and repetitions."""
    rng = np.random.default_rng(request.param)

    def pick(*values):
        return values[rng.integers(len(values))]

    rows = [
        one(
            pick("gaussian(d=1)", "gaussian(d=2)", "gaussian(d=3)"),
            pick("oracle", "a", "b"),
            pick(rng.normal(), rng.normal(), rng.normal(), np.inf, None),
            mi=pick(*[1.0] * 30, 1.5),
            replicate=int(rng.integers(5)),
            status=pick("ok", "ok", "timeout", "skipped"),
            n_samples=pick(100, 1000),
            seed=pick(0, 0, 1),
            task_fingerprint=pick(*"x" * 30, "y"),
            estimator_source=pick(*"s" * 30, "t"),
            message=pick("", "", "late", "no"),
            device=pick("cpu", "cuda:0", None),
            host=pick("one", "two", ""),
            started_at=pick("2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00", None),
            seconds_amortised=pick(0.1, 0.25, None),
        )
        for _ in range(400)
    ]
    return pd.DataFrame(rows)


def categorical(frame):
    return frame.astype(dict.fromkeys([*NAMES, *TEXTS, "started_at"], "category"))


def test_categorical_text_changes_no_leaderboard(mixed):
    plain, compact = (Leaderboard.from_records(frame) for frame in (mixed, categorical(mixed)))
    pd.testing.assert_frame_equal(compact.cells, plain.cells, check_exact=True)
    pd.testing.assert_frame_equal(compact.summary, plain.summary, check_exact=True)
    assert compact.notes == plain.notes
    assert [compact.render(format) for format in FORMATS] == [plain.render(format) for format in FORMATS]


def test_categories_that_no_record_has_change_nothing_and_give_no_warning(mixed):
    unused = categorical(mixed)
    for name in (*NAMES, *TEXTS):
        unused[name] = unused[name].cat.add_categories(["of no record"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        board, plain = Leaderboard.from_records(unused), Leaderboard.from_records(mixed)
    assert [board.render(format) for format in FORMATS] == [plain.render(format) for format in FORMATS]


def test_categorical_text_changes_no_comparison(mixed):
    head = mixed.sample(frac=0.9, random_state=1).assign(estimate=mixed["estimate"].astype(float) + 0.1)
    plain, compact = Comparison.of(mixed, head), Comparison.of(categorical(mixed), categorical(head))
    pd.testing.assert_frame_equal(compact.cells, plain.cells, check_exact=True)
    pd.testing.assert_frame_equal(compact.runtimes, plain.runtimes, check_exact=True)
    assert compact.notes == plain.notes


def test_text_keeps_the_type_in_which_it_is_given(mixed):
    assert {str(current_records(mixed)[0][name].dtype) for name in TEXTS} == {str(pd.Series(["a"]).astype(str).dtype)}
    assert {str(current_records(categorical(mixed))[0][name].dtype) for name in (*NAMES, *TEXTS)} == {"category"}


def test_cells_are_numbered_in_order_and_replicates_follow_each_other(mixed):
    records, _ = current_records(mixed)
    assert records["cell"].tolist() == records.groupby(CELL).ngroup().tolist()
    assert records.index.equals(records.sort_values(["cell", "replicate"]).index)
    assert not records.duplicated(["cell", "replicate"]).any()


def test_the_records_that_count_are_those_of_the_plain_rules(mixed):
    """One at a time: the latest fingerprint of the task, then the latest code at each n, then the latest replicate."""
    texts = {name: mixed[name].fillna("").astype(str) for name in TEXTS}
    frame = mixed.assign(**texts, place=range(len(mixed)), started_at=pd.to_datetime(mixed["started_at"], utc=True))
    latest = frame.groupby(["estimator", *CODE])["started_at"].transform("max")
    frame["started_at"] = frame["started_at"].fillna(latest)
    frame = frame.sort_values(["started_at", "task_fingerprint", *CODE], na_position="first", kind="stable")
    frame = frame[frame["task_fingerprint"] == frame.groupby("task")["task_fingerprint"].transform("last")]
    code = frame.groupby(["task", "estimator", "n_samples"])[CODE].transform("last")
    frame = frame[(frame[CODE] == code).all(axis=1)].drop_duplicates([*CELL, "replicate"], keep="last")
    records, _ = current_records(mixed.assign(place=range(len(mixed))))
    assert records["place"].tolist() == frame.sort_values([*CELL, "replicate"])["place"].tolist()


def test_devices_and_reasons_of_a_cell(mixed):
    records, _ = current_records(mixed)
    table = cell_statistics(records).set_index(CELL)
    cells = records.groupby(CELL)
    devices = cells["device"].agg(lambda names: ", ".join(sorted(set(names) - {""})))
    assert table["device"].to_dict() == devices.to_dict()
    for cell, part in cells:
        counts = table.loc[cell, [f"n_{status}" for status in ("error", "timeout", "oom", "crash", "nan", "skipped")]]
        leading = part[part["status"] == counts.astype(int).idxmax().removeprefix("n_")]
        assert table.loc[cell, "reason"] == next((message for message in leading["message"] if message), "")


def test_a_contest_is_a_pivot_of_each_task(mixed):
    here = mixed[mixed["n_samples"].eq(100) & mixed["seed"].eq(0)]
    records, _ = current_records(here.assign(task_fingerprint="x", estimator_source="s"))
    contest = Contest.of(records)
    found = 0
    for task, part in records.groupby("task"):
        table = part.pivot(index="replicate", columns="estimator", values="error")
        table = table.reindex(columns=["a", "b", "oracle"])
        shared = part[part["estimator"] != "oracle"].groupby("replicate").size() == 2
        table = table.loc[shared.index[shared]]
        if len(table):
            np.testing.assert_array_equal(contest.errors[task], table.to_numpy().T)
            found += 1
    assert found == len(contest.errors) > 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (50, 33)])
def test_mean_positions_are_scipys(shape):
    rng = np.random.default_rng(0)
    for values in (rng.normal(size=shape), rng.integers(4, size=shape).astype(float), np.zeros(shape)):
        np.testing.assert_array_equal(mean_positions(values), stats.rankdata(values, axis=1))


@pytest.mark.parametrize("name_column", [0, 2])
def test_a_table_of_text_is_tabulates(name_column):
    rows = [["1", "+0.1 ± 0.2", "22"], ["100", "–", "a longer number"], ["", "x", "3"]]
    headers = ["one", "two", "a longer header"]
    sides = ["left" if i == name_column else "right" for i in range(3)]
    expected = tabulate(rows, headers, "simple", disable_numparse=True, colalign=sides)
    assert text_table(Section("", headers, rows, name_column=name_column)) == expected
    long = ", ".join(["jackknife(sliced(copula_ksg(k=5)))"] * 5)
    broken = text_table(Section("", headers, [*rows, [*rows[0][:name_column], long, *rows[0][name_column + 1 :]]],
                                name_column=name_column)).split("\n")  # fmt: skip
    assert max(map(len, broken)) <= 118
    assert len(broken) > 2 + len(rows) + 1
    assert "".join("".join(line.split()) for line in broken[5:]).count("jackknife") == 5
