import numpy as np
import pandas as pd
import pytest

from mibench.bias_interval import bias_interval
from mibench.leaderboard.intervals import (
    efficiency_interval,
    quantile_interval,
    rmse_interval,
    share_interval,
    std_interval,
)
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
    assert cell["median"] == pytest.approx(0.1)
    assert (cell["q05"], cell["q95"]) == pytest.approx((-0.08, 0.28))
    assert ends(cell, "bias") == pytest.approx(np.ravel(bias_interval(np.array([[0.1, 0.3, -0.1]]))))


def test_intervals_of_a_cell_are_those_of_its_errors(make):
    rng = np.random.default_rng(0)
    sets = {"ksg": {"a": rng.gamma(2, size=80), "b": rng.normal(size=10)}, "mine": {"a": rng.normal(size=80)}}
    for cell in cells(make(sets)).to_dict("records"):
        errors = np.asarray(sets[cell["estimator"]][cell["task"]])[None]
        intervals = {"bias": bias_interval(errors), "std": std_interval(errors), "rmse": rmse_interval(errors)}
        for name, p in (("median", 0.5), ("q05", 0.05), ("q95", 0.95)):
            intervals[name] = quantile_interval(np.sort(errors), p)
        for name, interval in intervals.items():
            assert ends(cell, name) == pytest.approx(np.ravel(interval), nan_ok=True)


def ends(cell, name):
    return [cell[f"{name}_low"], cell[f"{name}_high"]]


def test_efficiency_is_the_rmse_over_that_of_the_oracle_on_the_same_draws(make):
    rng = np.random.default_rng(0)
    oracle, errors = rng.normal(size=15), rng.normal(size=12)
    frame = make({"oracle": {"a": oracle}, "ksg": {"a": errors}, "mine": {"a": [2 * e for e in oracle[:4]]}})
    table = cells(frame.sample(frac=1, random_state=0)).set_index("estimator")
    expected = np.sqrt(np.mean(errors**2) / np.mean(oracle[:12] ** 2))
    assert table["efficiency"].to_dict() == pytest.approx({"oracle": 1, "mine": 2, "ksg": expected})
    assert ends(table.loc["ksg"], "efficiency") == pytest.approx(
        np.ravel(efficiency_interval(errors[None], oracle[None, :12]))
    )
    assert np.isnan(ends(table.loc["mine"], "efficiency")).all()


def test_there_is_no_efficiency_without_an_oracle_or_an_error_of_it(make):
    assert cells(make({"ksg": {"a": [0.1, 0.2]}}))["efficiency"].isna().all()
    exact = make({"oracle": {"a": [0.0, 1e-17]}, "ksg": {"a": [0.1, 0.2]}})
    assert cells(exact)["efficiency"].isna().all()
    failed = make({"oracle": {"a": [None, None]}, "ksg": {"a": [0.1, 0.2]}})
    assert cells(failed)["efficiency"].isna().all()


@pytest.mark.parametrize(("bound", "share"), [("lower", 0.4), ("upper", 0.6)])
def test_violations_of_a_bound_are_counted_on_its_side(make, bound, share):
    frame = make({"mine": {"a": [0.1, -0.2, 0.3, -0.1, -0.5, None]}}, bound=bound)
    (cell,) = cells(frame).to_dict("records")
    assert cell["violated"] == pytest.approx(share)
    assert ends(cell, "violated") == pytest.approx(np.ravel(share_interval(round(5 * share), 5)))


def test_what_is_no_bound_violates_none(make):
    assert cells(make({"ksg": {"a": [0.1, -0.2]}}))["violated"].isna().all()


def test_the_front_holds_what_nobody_beats_in_efficiency_and_seconds(make):
    oracle = make({"oracle": {"a": [1.0, -1.0]}}, seconds_amortised=0.001)
    costs = {"best": (1.0, 4.0), "middle": (2.0, 2.0), "beaten": (3.0, 3.0), "fast": (5.0, 0.5), "tied": (2.0, 2.0)}
    rows = [make({name: {"a": [e, -e]}}, seconds_amortised=s) for name, (e, s) in costs.items()]
    partial = make({"partial": {"a": [0.1, None]}}, seconds_amortised=0.1)
    table = cells(pd.concat([oracle, *rows, partial]))
    assert set(table.loc[table["on_front"], "estimator"]) == {"best", "middle", "fast", "tied"}


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
    assert ends(cell, "share_failed") == pytest.approx(np.ravel(share_interval(2, 4)))


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
