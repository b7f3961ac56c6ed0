import numpy as np
import pandas as pd
import pytest

from mibench.leaderboard.ranking import CONTEST_COLUMNS, SUMMARY_COLUMNS, groups, summarise
from mibench.leaderboard.records import current_records
from mibench.leaderboard.statistics import cell_statistics

TASKS = [f"t{i}" for i in range(6)]


def summary(frame):
    records, _ = current_records(frame)
    table, _, notes = summarise(records, cell_statistics(records))
    return table, notes


def contests(frame):
    records, _ = current_records(frame)
    return summarise(records, cell_statistics(records))[1]


def by_name(frame):
    return summary(frame)[0].set_index("estimator")


def everywhere(column, tasks=TASKS):
    return dict.fromkeys(tasks, column)


def test_mean_rank_and_tasks_won_by_hand(make):
    errors = {
        "a": {"t1": [0.1, 0.1], "t2": [0.2, 0.2], "t3": [0.3, 0.3]},
        "b": {"t1": [0.2, 0.2], "t2": [0.1, 0.1], "t3": [0.4, 0.4]},
        "c": {"t1": [0.3, 0.3], "t2": [0.2, 0.2], "t3": [0.3, 0.3]},
    }
    table = by_name(make(errors))
    assert table["mean_rank"].to_dict() == pytest.approx({"a": (1 + 2.5 + 1.5) / 3, "b": 2, "c": (3 + 2.5 + 1.5) / 3})
    assert table["won"].to_dict() == {"a": 2, "b": 1, "c": 1}
    assert set(table["tasks"]) == {3}
    assert table.index.tolist() == ["a", "b", "c"]


def test_columns_are_those_that_are_documented(make):
    assert list(summary(make({"a": everywhere([0.1])}))[0].columns) == list(SUMMARY_COLUMNS)


def test_one_task_of_huge_errors_weighs_no_more_than_another(world):
    frame = world({"a": 0.5, "b": 1.0, "c": 2.0})
    hard = frame["task"] == "gaussian(d=3, mi=3)"
    stretched = frame.copy()
    stretched.loc[hard, "estimate"] = 1.0 + (frame.loc[hard, "estimate"] - 1.0) * 1e6
    columns = ["estimator", "mean_rank", "mean_rank_low", "mean_rank_high", "group", "won"]
    pd.testing.assert_frame_equal(summary(frame)[0][columns], summary(stretched)[0][columns])


def test_ranks_survive_any_positive_rescaling_of_each_task(world):
    frame = world({"a": 0.9, "b": 1.0, "c": 1.1, "d": 3.0})
    factor = frame["task"].map({task: 0.01 * 7.0**i for i, task in enumerate(sorted(set(frame["task"])))})
    scaled = frame.assign(estimate=1.0 + (frame["estimate"] - 1.0) * factor)
    pd.testing.assert_frame_equal(summary(frame)[0], summary(scaled)[0])


def test_the_order_of_records_does_not_matter(world):
    frame = world({"a": 0.9, "b": 1.0, "oracle": 0.5})
    pd.testing.assert_frame_equal(summary(frame)[0], summary(frame.sample(frac=1, random_state=1))[0])


def test_baselines_are_listed_last_without_a_rank_and_do_not_move_others(world):
    scales = {"a": 0.5, "b": 1.0}
    table = by_name(world({**scales, "oracle": 0.1, "zero": 9.0}))
    assert table.index.tolist() == ["a", "b", "oracle", "zero"]
    assert table.loc[["oracle", "zero"], ["mean_rank", "mean_rank_low", "group", "won"]].isna().all(axis=None)
    assert table.loc[["a", "b"], "mean_rank"].tolist() == by_name(world(scales))["mean_rank"].tolist()


def test_a_clear_order_makes_groups_and_equal_estimators_share_one(world):
    table = by_name(world({"good": 0.1, "fair": 1.0, "fair too": 1.0, "poor": 10.0}, tasks=20))
    assert table["group"].to_dict() == {"good": 1, "fair": 2, "fair too": 2, "poor": 3}
    assert table.loc["good", "mean_rank_high"] < table.loc["fair", "mean_rank_low"]


def test_groups_are_opened_by_the_best_that_is_left():
    mean = np.array([3.0, 1.0, 2.0, 4.0])
    apart = np.zeros((4, 4), dtype=bool)
    apart[3, 1] = apart[0, 1] = apart[3, 0] = True
    assert groups(mean, apart).tolist() == [2, 1, 1, 3]


def test_a_failed_cell_ranks_last_and_is_counted(make):
    errors = {"good": everywhere([0.1, 0.1]), "poor": everywhere([9.0, 9.0])}
    errors["broken"] = everywhere([0.0, 0.0]) | {"t0": [None, 0.0], "t1": [None, None]}
    table = by_name(make(errors))
    assert table.loc["broken", "mean_rank"] == pytest.approx((3 + 3 + 4 * 1) / 6)
    assert table["won"].to_dict() == {"good": 2, "poor": 0, "broken": 4}
    assert table["share_failed"].to_dict() == pytest.approx({"good": 0, "poor": 0, "broken": 3 / 12})


def test_nobody_wins_a_task_on_which_all_failed(make):
    table = by_name(make({name: {"t0": [None], "t1": [0.1]} for name in "ab"}))
    assert table["won"].to_dict() == {"a": 1, "b": 1}
    assert set(table["mean_rank"]) == {1.5}


def test_a_skipped_cell_ranks_last_and_is_counted_on_its_own(make):
    frame = make({"a": everywhere([5.0, 5.0]), "picky": everywhere([0.1, 0.1]) | {"t0": [None, None]}})
    frame.loc[frame["status"] == "timeout", "status"] = "skipped"
    table = by_name(frame)
    assert table.loc["picky", ["share_failed", "share_skipped"]].tolist() == pytest.approx([0, 1 / 6])
    assert table.loc["picky", "mean_rank"] == pytest.approx(7 / 6)


def test_ranks_rest_on_shared_tasks_and_a_note_says_who_ran_the_fewest(make):
    frame = make({"a": everywhere([0.1]), "b": everywhere([0.2]), "new": {"t0": [0.0], "t1": [0.3]}})
    table, notes = summary(frame)
    assert set(table["tasks"]) == {2}
    assert table.set_index("estimator")["mean_rank"].to_dict() == pytest.approx({"a": 1.5, "b": 2.5, "new": 2.0})
    assert notes == ["n = 1000: ranks rest on the 2 of 6 tasks that all 3 estimators ran on; new ran on 2."]


def test_without_a_shared_task_there_is_no_rank(make):
    table, notes = summary(make({"a": {"t0": [0.1]}, "b": {"t1": [0.1]}}))
    assert table[["mean_rank", "group", "won", "seconds"]].isna().all(axis=None)
    assert table["share_failed"].tolist() == [0, 0]
    assert "0 of 2 tasks" in notes[0]


def test_estimators_are_compared_on_the_replicates_they_share(make):
    errors = {"a": everywhere([0.2, 0.2]), "b": everywhere([0.1, 0.1, 9.0, 9.0])}
    table = by_name(make(errors))
    assert table["mean_rank"].to_dict() == {"a": 2, "b": 1}


def test_seconds_are_the_median_over_tasks(make):
    frames = [make({"a": {task: [0.1]}}, seconds_amortised=s) for task, s in [("t0", 1.0), ("t1", 2.0), ("t2", 30.0)]]
    assert by_name(pd.concat(frames)).loc["a", "seconds"] == 2.0


def test_each_n_and_each_seed_is_ranked_on_its_own(make):
    first = make({"a": everywhere([0.1]), "b": everywhere([0.2])}, n_samples=100)
    second = make({"a": everywhere([0.2]), "b": everywhere([0.1])}, n_samples=1000)
    third = make({"a": everywhere([0.1]), "b": everywhere([0.1])}, n_samples=1000, seed=1)
    table, _ = summary(pd.concat([first, second, third]))
    settings = table.groupby(["n_samples", "seed"])
    ranks = {key: part.set_index("estimator")["mean_rank"].to_dict() for key, part in settings}
    assert ranks == {(100, 0): {"a": 1, "b": 2}, (1000, 0): {"a": 2, "b": 1}, (1000, 1): {"a": 1.5, "b": 1.5}}


def test_vs_oracle_is_a_geometric_mean_of_ratios(make):
    errors = {"oracle": {"t0": [0.1, -0.1], "t1": [1.0, 1.0]}, "a": {"t0": [0.2, 0.2], "t1": [8.0, -8.0]}}
    table = by_name(make(errors))
    assert table["vs_oracle"].to_dict() == pytest.approx({"a": np.sqrt(2 * 8), "oracle": 1})


def test_tasks_without_oracle_error_are_left_out_of_vs_oracle_with_a_note(make):
    errors = {"oracle": {"t0": [0.1], "t1": [1e-16]}, "a": {"t0": [0.2], "t1": [8.0]}}
    table, notes = summary(make(errors))
    assert table["vs_oracle"].tolist() == pytest.approx([2, 1])
    assert notes == ["n = 1000: vs oracle leaves out 1 of 2 tasks, where the oracle was not run or has no error."]


def test_vs_oracle_is_undefined_after_a_failure_and_without_an_oracle(make):
    errors = {"oracle": everywhere([0.1, 0.1]), "a": everywhere([0.2, 0.2]) | {"t3": [0.2, None]}}
    assert np.isnan(by_name(make(errors)).loc["a", "vs_oracle"])
    assert np.isnan(by_name(make({"a": everywhere([0.2])})).loc["a", "vs_oracle"])


def test_vs_oracle_compares_the_same_replicates(make):
    errors = {"oracle": everywhere([0.1, None]), "a": everywhere([0.3, 99.0])}
    assert by_name(make(errors)).loc["a", "vs_oracle"] == pytest.approx(3)


def test_one_task_has_no_interval_and_no_group(make):
    table, notes = summary(make({"a": {"t0": [0.1, 0.2]}, "b": {"t0": [0.3, 0.4]}}))
    assert table["mean_rank"].tolist() == [1, 2]
    assert table[["mean_rank_low", "mean_rank_high", "group", "best"]].isna().all(axis=None)
    assert notes == ["n = 1000: with 1 task, ranks say little about other tasks."]


def test_baselines_alone_are_still_summed_up(make):
    table = by_name(make({"oracle": everywhere([0.1]), "zero": everywhere([1.0])}))
    assert table["vs_oracle"].to_dict() == pytest.approx({"oracle": 1, "zero": 10})
    assert table["mean_rank"].isna().all()


def test_the_probability_of_being_best_is_shared_out_among_those_that_compete(world):
    clear = by_name(world({"a": 0.1, "b": 1.0, "c": 3.0}))["best"]
    assert clear["a"] > 0.95
    assert clear.sum() == pytest.approx(1)
    frame = world({"a": 1.0, "c": 3.0})
    twin = frame[frame["estimator"] == "a"].assign(estimator="b")
    chance = by_name(pd.concat([frame, twin]))["best"].to_dict()
    assert chance == pytest.approx({"a": 0.5, "b": 0.5, "c": 0.0}, abs=0.02)


def test_the_winner_is_named_under_both_policies_for_failures(make):
    frame = make({"a": everywhere([0.1, 0.1, None]), "b": everywhere([0.2, 0.2, 0.2])})
    table, notes = summary(frame)
    assert table.set_index("estimator")["mean_rank"].to_dict() == {"a": 2, "b": 1}
    assert table.set_index("estimator")["mean_rank_if_ok"].to_dict() == {"a": 1, "b": 2}
    (facts,) = contests(frame).to_dict("records")
    assert list(facts) == list(CONTEST_COLUMNS)
    assert (facts["winner"], facts["winner_if_ok"], facts["winner_changes"]) == ("b", "a", True)
    told = "the winner depends on what a failure costs: b where it is the worst of all, a where only"
    assert any(told in note for note in notes)


def test_what_never_worked_is_last_under_either_policy(make):
    table = by_name(make({"a": everywhere([None, None]), "b": everywhere([9.0, 9.0])}))
    assert table["mean_rank_if_ok"].to_dict() == {"a": 2, "b": 1}


def test_the_winner_stays_where_nothing_failed(world):
    (facts,) = contests(world({"a": 0.1, "b": 1.0})).to_dict("records")
    assert (facts["winner"], facts["winner_if_ok"], facts["winner_changes"]) == ("a", "a", False)


def test_the_front_of_the_summary_is_of_vs_oracle_and_seconds(make):
    parts = [
        make({name: everywhere([error, error])}, seconds_amortised=seconds)
        for name, error, seconds in (("oracle", 0.1, 0.01), ("a", 0.2, 1.0), ("b", 0.3, 2.0), ("c", 0.4, 0.5))
    ]
    assert by_name(pd.concat(parts))["on_front"].to_dict() == {"a": True, "b": False, "c": True, "oracle": False}


def test_an_estimator_that_explodes_does_not_make_the_others_tie(make):
    errors = {"a": [0.1, 0.1], "b": [0.2, 0.2], "c": [0.3, 0.3], "d": [1e200, 1e200]}
    table = by_name(make({name: everywhere(column) for name, column in errors.items()}))
    assert table["mean_rank"].to_dict() == table["mean_rank_if_ok"].to_dict() == {"a": 1, "b": 2, "c": 3, "d": 4}


def test_a_failure_on_a_task_without_an_oracle_error_leaves_no_vs_oracle_and_no_front(make):
    tasks = {**everywhere([0.2, 0.4]), "free": [0.1, None]}
    oracle = {**everywhere([0.1, 0.2]), "free": [0.0, 0.0]}
    table = by_name(make({"oracle": oracle, "a": tasks}))
    assert np.isnan(table.loc["a", "vs_oracle"])
    assert not table.loc["a", "on_front"]


def test_a_replicate_on_which_the_oracle_failed_too_is_a_failure_still(make):
    table = by_name(make({"oracle": everywhere([0.1, None, 0.1]), "a": everywhere([0.2, None, 0.2])}))
    assert np.isnan(table.loc["a", "vs_oracle"])


def test_two_tasks_say_nothing_of_who_is_best(make):
    table = by_name(make({"a": {"t0": [0.1, 0.2], "t1": [0.1, 0.2]}, "b": {"t0": [0.3, 0.4], "t1": [0.3, 0.4]}}))
    assert table["best"].isna().all()


def test_an_oracle_of_another_seed_serves_all_seeds_and_one_that_failed_hides_none(make):
    rng = np.random.default_rng(0)
    oracle = {task: rng.normal(size=10) for task in TASKS}
    frames = [make({"a": {task: rng.normal(size=10) for task in TASKS}}, seed=seed) for seed in (0, 1)]
    frame = pd.concat([make({"oracle": oracle}), *frames])
    alone = summary(frame)[0].set_index(["seed", "estimator"])["vs_oracle"]
    assert alone[[(0, "a"), (1, "a")]].notna().all()
    failed = make({"oracle": {task: [None] * 10 for task in TASKS}}, seed=1)
    records, _ = current_records(pd.concat([frame, failed]))
    assert cell_statistics(records).query("estimator == 'a'")["efficiency"].notna().all()
