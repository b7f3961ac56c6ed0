import dataclasses
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from operator import attrgetter

import numpy as np
import pytest

from mibench.errors import MibenchError
from mibench.plan import CostModel, make_plan, sizes
from mibench.record import CELL, COLUMNS, digest
from mibench.selection import select_estimators, select_tasks
from mibench.store import Selection, Store


@pytest.fixture
def store(tmp_path):
    return Store.open(tmp_path / "s.db")


def test_records_come_back_to_the_last_bit(store, record):
    store.add([record(replicate=r) for r in range(1500)])
    frame = Store.open(store.name, create=False).to_frame()
    assert tuple(frame.columns) == COLUMNS
    assert len(frame) == 1500
    row = frame.iloc[7].to_dict()
    expected = dataclasses.asdict(record(replicate=7))
    for name, value in expected.items():
        assert row[name] == value or (value is None and (row[name] is None or math.isnan(row[name]))), name


def test_some_columns_are_the_same_with_text_as_categorical(store, record):
    store.add([record(replicate=r, device=None if r else "cpu") for r in range(3)])
    store.add([record(estimator="d", replicate=r, status="nan", estimate=None) for r in range(3)])
    chosen = ["estimator", "status", "estimate", "device", "seconds_solo", "n_samples"]
    plain, compact = store.to_frame(), store.to_frame(columns=chosen)
    assert list(compact.columns) == [column for column in COLUMNS if column in chosen]
    texts = compact.select_dtypes("category").columns
    assert list(texts) == ["estimator", "status", "device"]
    assert not len(plain.select_dtypes("category").columns)
    for column in chosen:
        values, expected = compact[column], plain[column]
        assert values.isna().equals(expected.isna())
        assert values.dropna().tolist() == expected.dropna().tolist()
    assert store.to_frame(columns=[]).shape == plain.shape
    assert store.to_frame(columns=["unknown"]).shape == (len(plain), 0)
    none = Store.open(None).to_frame(columns=chosen)
    assert (list(none.columns), len(none)) == (list(compact.columns), 0)
    numbers = plain.select_dtypes(["number", "bool"]).columns
    assert Store.open(None).to_frame()[numbers].dtypes.equals(plain[numbers].dtypes)


def test_a_key_is_held_once_and_the_last_is_kept(store, record):
    store.add([record(status="error", estimate=None)])
    store.add([record(estimate=2.0)])
    frame = store.to_frame()
    assert len(frame) == 1
    assert frame.estimate[0] == 2.0


def test_records_are_in_order_and_those_of_a_replicate_together_whatever_their_seed(store, record):
    cells = [(task, estimator, seed) for task in "ba" for estimator in ("ksg(k=10)", "ksg(k=9)") for seed in (1, 0)]
    for first in (1, 0):
        for task, estimator, seed in cells:
            of_cell = [record(task=task, estimator=estimator, seed=seed, replicate=r) for r in (first + 2, first)]
            store.add([replace(each, estimate=seed + each.replicate / 7) for each in of_cell])
    order = ["task", "estimator", "replicate", "seed"]
    for frame in (store.to_frame(), store.to_frame(columns=[*order, "estimate"])):
        found = list(frame[order].astype(str).itertuples(index=False, name=None))
        expected = [
            (task, f"ksg(k={k})", str(r), seed) for task in "ab" for k in (10, 9) for r in range(4) for seed in "10"
        ]
        assert found == expected  # of a cell that was stored first come the records first
        assert frame.estimate.tolist() == (frame.seed + frame.replicate / 7).tolist()
        assert list(frame.index) == list(range(32))


def test_a_selection_is_of_cells_and_of_replicates_below_a_number(store, record):
    store.add([record(task=task, replicate=r, message=f"{task}{r}") for task in "abc" for r in range(5)])
    selection = Selection([digest(attrgetter(*CELL)(record(task=task))) for task in "cax"], 3)
    assert store.to_frame(selection).message.tolist() == ["a0", "a1", "a2", "c0", "c1", "c2"]
    assert store.counts(selection) == {"ok": 6}
    assert {len(found) for _, found in store.stored(selection)} == {3}
    assert store.to_frame(Selection([], 3)).empty
    assert not list(store.stored(Selection(selection.keys, 0)))


def test_records_that_are_added_to_a_cell_leave_the_others_as_they_are(store, record):
    added = [record(replicate=r, estimate=r / 3, batch=None if r == 4 else r, host=f"h{r // 3}") for r in (4, 0, 7, 2)]
    for each in added:
        store.add([each])
    store.add([replace(added[1], estimate=None, status="nan", message="late")])
    frame = store.to_frame()
    assert frame.replicate.tolist() == [0, 2, 4, 7]
    assert frame.host.tolist() == ["h0", "h0", "h1", "h2"]
    assert frame.status.tolist() == ["nan", "ok", "ok", "ok"]
    assert frame.message.tolist() == ["late", "", "", ""]
    np.testing.assert_array_equal(frame.estimate, [np.nan, 2 / 3, 4 / 3, 7 / 3])
    np.testing.assert_array_equal(frame.batch, [0, 2, np.nan, 7])
    assert [found for _, found in store.estimates(Selection([digest(attrgetter(*CELL)(added[0]))], 9))] == [
        {0: None, 2: 2 / 3, 4: 4 / 3, 7: 7 / 3}
    ]


def test_two_that_write_to_a_cell_at_once_lose_nothing(store, record):
    """Neither reads what the other is about to replace."""
    several = [[record(replicate=4 * r + part) for r in range(25)] for part in range(4)]

    def add(records):
        own = Store.open(store.name)
        for each in records:
            own.add([each])
        own.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, several))
    assert store.to_frame().replicate.tolist() == list(range(100))


@pytest.mark.parametrize(
    "changes",
    [
        {"task_fingerprint": "g"}, {"estimator": "d"}, {"estimator_params": '{"k": 4}'}, {"estimator_source": "z"},
        {"n_samples": 11}, {"replicate": 1}, {"seed": 1}, {"schema_version": 3},
    ],
)  # fmt: skip
def test_what_makes_a_record_unique(store, record, changes):
    store.add([record()])
    store.add([record(**changes)])
    assert len(store.to_frame()) == 2


def test_numbers_of_numpy_are_numbers(store, record):
    values = {"n_samples": np.int64(10), "seed": np.int32(3), "mi_true": np.float64(-0.0), "estimate": np.float32(0.5)}
    plain = {name: value.item() for name, value in values.items()}
    store.add([record(**values, replicate=np.int64(2))])
    store.add([record(**plain, replicate=1)])
    frame = store.to_frame()
    assert frame[list(values)].drop_duplicates().iloc[0].to_dict() == plain
    assert frame.replicate.tolist() == [1, 2]


def test_what_does_not(store, record):
    store.add([record(), record(replicate=1)])
    store.add([record(host="other", device="cuda", estimate=1.0, git_commit="abc")])
    assert len(store.to_frame()) == 2


def test_a_failed_write_changes_nothing(store, record):
    store.add([record()])
    for wrong in ({"batch": "not a number"}, {"replicate": 0.5}, {"message": 5}, {"host": None}, {"seed": 1.5}):
        broken = dataclasses.replace(record(estimator="other", estimate=5.0), **wrong)
        with pytest.raises((TypeError, ValueError)):
            store.add([record(estimate=4.0), broken])
    assert list(store.to_frame().estimate) == [0.1 + 0.2]


def test_stores_that_cannot_be(tmp_path):
    for where, create, says in (
        (tmp_path / "none.db", False, "there is no store"),
        (f"sqlite:///{tmp_path}/none.db", False, "there is no store"),
        (tmp_path, True, "is a folder"),
        (tmp_path / "no" / "s.db", True, "there is no folder"),
        ("nosuchdb://x/y", True, "cannot be opened"),
        ("://", True, "it is no URL"),
    ):
        with pytest.raises(MibenchError, match=says):
            Store.open(where, create=create)


def test_a_plan_lacks_what_is_stored(store, record):
    tasks, estimators = select_tasks("gaussian(d=1, mi=1),gaussian(d=2, mi=1)"), select_estimators("ksg,zero")
    plan = make_plan(tasks, estimators, [100, 200], 3, store=store)
    assert len(plan.cells) == len(plan.to_do) == 8
    cell = plan.cells[0]
    fields = {
        "task": cell.task.name, "task_fingerprint": cell.task.fingerprint, "estimator": cell.estimator.name,
        "estimator_params": cell.estimator.method.parameters_json(), "estimator_source": cell.estimator.source_hash,
        "n_samples": cell.n_samples,
    }  # fmt: skip
    store.add([record(**fields, replicate=0), record(**fields, replicate=2, status="error", estimate=None)])

    def missing(**options):
        return make_plan(tasks, estimators, [100, 200], 3, store=store, **options).to_do[0].replicates

    assert missing() == (1,)
    assert missing(retry=True) == (1, 2)
    assert missing(solo=True) == (0, 1)
    store.add([record(**fields, replicate=1)])
    assert missing() == (0, 1, 2)  # of the next cell: this one is done
    assert missing(solo=True) == (0, 1)  # a time alone is taken in one run with the times of the others
    assert missing(force=True) == (0, 1, 2)
    assert missing(seed=1) == (0, 1, 2)


def test_costs_are_predicted_from_what_ran(store, record):
    tasks, estimators = select_tasks("gaussian(d=1, mi=1),gaussian(d=2, mi=1)"), select_estimators("ksg,zero")
    plan = make_plan(tasks, estimators, [100], 3, store=store)
    costs = CostModel()
    assert costs.total(plan.to_do) == (0, ["ksg", "zero"])
    costs.observe("ksg", "gaussian(d=1, mi=1)", 100, 2.0)
    assert costs.total(plan.to_do) == (pytest.approx(12.0), ["zero"])
    costs.observe("ksg", "gaussian(d=2, mi=1)", 100, 4.0)
    assert costs.total(plan.to_do)[0] == pytest.approx(18.0)
    store.add([record(task="gaussian(d=1, mi=1)", estimator="zero", n_samples=100, seconds_amortised=1.0)])
    assert CostModel.of(store).total(plan.to_do) == (pytest.approx(6.0), ["ksg"])


def test_sizes_come_from_the_profile_unless_they_are_given():
    assert sizes("smoke", None, None) == ([1000], 3)
    assert sizes("standard", None, None) == ([5000], 10)
    assert sizes("full", [7, 9, 7], 2) == ([7, 9], 2)
    assert sizes("full", 50, None) == ([50], 30)
