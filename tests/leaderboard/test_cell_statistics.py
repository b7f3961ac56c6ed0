import numpy as np
import pandas as pd
import pytest

from mibench.leaderboard.intervals import bias_interval, rmse_interval, std_interval
from mibench.leaderboard.records import STATUSES, current_records
from mibench.leaderboard.statistics import CELL_COLUMNS, cell_statistics

NUMBERS = ["bias", "std", "rmse"]
ENDS = [f"{name}_{end}" for name in NUMBERS for end in ("low", "high")]


def cells(frame):
    return cell_statistics(current_records(frame)[0])


def test_the_numbers_of_a_cell_by_hand(make):
    (cell,) = cells(make({"ksg": {"a": [0.1, 0.3, -0.1]}})).to_dict("records")
    assert cell["bias"] == pytest.approx(0.1)
    assert cell["std"] == pytest.approx(0.2)
    assert cell["rmse"] == pytest.approx(np.sqrt(0.11 / 3))
    assert (cell["bias_low"], cell["bias_high"]) == pytest.approx(bias_interval(0.1, 0.2, 3))
    assert (cell["std_low"], cell["std_high"]) == pytest.approx(std_interval(0.2, 3))
    assert (cell["rmse_low"], cell["rmse_high"]) == pytest.approx(rmse_interval(0.1, 0.2, 3))


def test_squared_rmse_is_squared_bias_plus_variance(world):
    table = cells(world({"ksg": 0.3, "mine": 2.0}))
    r = table["ok"]
    expected = table["bias"] ** 2 + table["std"] ** 2 * (r - 1) / r
    assert (table["rmse"] ** 2).tolist() == pytest.approx(expected.tolist())


def test_columns_are_those_that_are_documented(make):
    assert list(cells(make({"ksg": {"a": [0.1]}})).columns) == list(CELL_COLUMNS)


def test_one_replicate_has_a_bias_but_no_interval(make):
    table = cells(make({"ksg": {"a": [0.1]}}))
    assert table.loc[0, ["bias", "rmse"]].tolist() == pytest.approx([0.1, 0.1])
    assert table.loc[0, ["std", *ENDS]].isna().all()


def test_failures_are_counted_and_statistics_rest_on_the_rest(make):
    (cell,) = cells(make({"mine": {"a": [0.1, None, 0.3, None]}})).to_dict("records")
    assert (cell["replicates"], cell["ok"], cell["n_timeout"], cell["status"]) == (4, 2, 2, "partial")
    assert (cell["share_failed"], cell["share_skipped"]) == (0.5, 0.0)
    assert cell["bias"] == pytest.approx(0.2)
    assert (cell["bias_low"], cell["bias_high"]) == pytest.approx(bias_interval(0.2, np.std([0.1, 0.3], ddof=1), 2))


def test_every_status_is_counted_on_its_own(one):
    frame = pd.DataFrame([one("a", "x", None, replicate=r, status=s) for r, s in enumerate(STATUSES[1:])])
    (cell,) = cells(frame).to_dict("records")
    assert [cell[f"n_{status}"] for status in STATUSES[1:]] == [1] * 6
    assert cell["share_failed"] == pytest.approx(5 / 6)
    assert cell["share_skipped"] == pytest.approx(1 / 6)


def test_a_cell_without_an_estimate_says_what_happened_and_why(one):
    messages = [("error", "first error"), ("oom", ""), ("oom", "no memory left"), ("oom", "again")]
    frame = pd.DataFrame([one("a", "x", None, replicate=r, status=s, message=m) for r, (s, m) in enumerate(messages)])
    table = cells(frame.iloc[::-1])
    assert table.loc[0, ["status", "reason"]].tolist() == ["oom", "no memory left"]
    assert table.loc[0, [*NUMBERS, *ENDS, "seconds"]].isna().all()


def test_costs_are_medians_of_what_worked_and_the_largest_memory_of_all(one):
    rows = [
        one("a", "x", 0.1, replicate=0, seconds_amortised=1.0, seconds_solo=9.0, peak_memory_mb=10.0, device="cpu"),
        one("a", "x", 0.1, replicate=1, seconds_amortised=3.0, peak_memory_mb=30.0, device="cuda"),
        one("a", "x", 0.1, replicate=2, seconds_amortised=2.0, peak_memory_mb=None, device=None),
        one("a", "x", None, replicate=3, status="oom", seconds_amortised=99.0, peak_memory_mb=500.0),
    ]
    (cell,) = cells(pd.DataFrame(rows)).to_dict("records")
    assert (cell["seconds"], cell["seconds_solo"], cell["peak_memory_mb"]) == (2.0, 9.0, 500.0)
    assert cell["device"] == "cpu, cuda"


def test_n_and_seed_make_cells_of_their_own(make):
    settings = [(500, 0), (1000, 0), (1000, 1)]
    frames = [make({"ksg": {"a": [0.1 * i]}}, n_samples=n, seed=s) for i, (n, s) in enumerate(settings)]
    table = cells(pd.concat(frames))
    assert list(zip(table["n_samples"], table["seed"], strict=True)) == settings
    assert table["bias"].tolist() == pytest.approx([0.0, 0.1, 0.2])


def test_the_order_of_records_does_not_matter(world):
    frame = world({"ksg": 0.3, "mine": 2.0, "zero": 1.0})
    frame.loc[::7, ["status", "estimate", "message"]] = ["error", None, "why"]
    shuffled = frame.sample(frac=1, random_state=3)
    pd.testing.assert_frame_equal(cells(frame), cells(shuffled), rtol=1e-12)


def test_adding_a_constant_to_estimates_moves_only_the_bias(world):
    frame = world({"ksg": 0.3})
    plain, moved = cells(frame), cells(frame.assign(estimate=frame["estimate"] + 5.0))
    assert moved["bias"].tolist() == pytest.approx((plain["bias"] + 5.0).tolist())
    assert moved[["std", "std_low", "std_high"]].to_numpy() == pytest.approx(plain[["std", "std_low", "std_high"]])
