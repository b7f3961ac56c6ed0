import json
import shutil
import subprocess
import sys
import textwrap
import time

import pandas as pd
import psutil
import pytest

import mibench
from mibench.errors import MibenchError
from mibench.job import Job
from mibench.process import Limits, Worker
from mibench.record import COLUMNS
from mibench.store import Store

TASK = "gaussian(d=1, mi=1)"
SMALL = {"tasks": TASK, "n_samples": 100, "replicates": 3, "store": None, "jobs": 2}


def by_estimator(frame, column):
    return {name: list(group) for name, group in frame.groupby("estimator")[column]}


def test_good_and_bad_plugins_run_beside_each_other(plugin):
    names = (
        "ksg,plain,tuned(power=2),Own(scale=2),Stacked,Hungry,Picky,raises,raises_sometimes,answers_nan,answers_text,"
        "sleeps,dies,leaves,segfaults,eats,asks_torch_for_too_much,writes_on_the_data,gaussian_fit"
    )
    alone = mibench.run(estimators="ksg,gaussian_fit", **SMALL).to_frame()
    frame = mibench.run(estimators=names, plugins=[plugin], timeout=8, memory=700, **SMALL).to_frame()
    assert len(frame) == 19 * 3
    statuses = by_estimator(frame, "status")
    expected = {
        "raises": "error",
        "answers_nan": "nan",
        "answers_text": "error",
        "sleeps": "timeout",
        "dies": "crash",
        "leaves": "error",
        "segfaults": "crash",
        "eats": "oom",
        "asks_torch_for_too_much": "oom",
        "Picky": "skipped",
    }
    for name, found in statuses.items():
        if name != "raises_sometimes":
            assert found == [expected.get(name, "ok")] * 3, name
    assert set(statuses["raises_sometimes"]) == {"ok", "error"}
    messages = {name: found[0] for name, found in by_estimator(frame, "message").items()}
    assert messages["raises"] == "RuntimeError: no luck today"
    assert messages["sleeps"] == "longer than 8 s"
    assert messages["dies"] == "the process exited with code 1"
    assert messages["segfaults"].startswith("killed by SIGSEGV")
    assert messages["eats"] == "more than 700 MB of memory"
    assert messages["Picky"] == "n=100 is not to my taste"
    estimates = by_estimator(frame, "estimate")
    assert estimates["Stacked"] == [3.0] * 3
    assert estimates["Hungry"] == [1.0, 2.0, 2.0]  # three are too many: one and two are tried
    assert pd.isna(estimates["answers_nan"]).all()
    for name in ("ksg", "gaussian_fit"):
        assert estimates[name] == by_estimator(alone, "estimate")[name]


def test_odd_answers_end_no_run(plugin):
    names = "exits_as_the_memory_watch,forks,starts_a_program,raises_odd_text,odd_message,knows_the_truth,zero"
    frame = mibench.run(estimators=names, plugins=[plugin], timeout=3, **SMALL).to_frame()
    statuses = {name: found[0] for name, found in by_estimator(frame, "status").items()}
    assert statuses == {
        "exits_as_the_memory_watch": "crash",
        "forks": "timeout",
        "starts_a_program": "ok",
        "raises_odd_text": "error",
        "odd_message": "ok",
        "knows_the_truth": "ok",
        "zero": "ok",
    }
    assert set(frame[frame.estimator == "starts_a_program"].estimate) == {0.0}
    baselines = {name: found[0] for name, found in by_estimator(frame, "baseline").items()}
    assert baselines["knows_the_truth"]  # who is handed the truth does not compete
    assert not baselines["odd_message"]


def test_a_solo_time_is_taken_once(tmp_path, plugin):
    options = {**SMALL, "store": tmp_path / "s.db", "plugins": [plugin]}
    before = mibench.run(estimators="fails_first", **options).to_frame()
    assert list(before.status) == ["nan", "ok", "ok"]
    timed = mibench.run(estimators="fails_first", solo=True, **options).to_frame()
    assert list(timed.seconds_solo.notna()) == [False, True, False]
    again = mibench.run(estimators="fails_first", solo=True, **options).to_frame()
    pd.testing.assert_frame_equal(timed, again)


def test_a_plugin_may_use_its_neighbours(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "neighbour.py").write_text("VALUE = 2.0\n")
    plugin = tmp_path / "lib" / "uses.py"
    plugin.write_text("def uses(x, y):\n    from neighbour import VALUE\n    return VALUE\n")
    frame = mibench.run(estimators="uses", plugins=plugin, **SMALL).to_frame()
    assert list(frame.estimate) == [2.0] * 3
    before = mibench.estimator("uses").source_hash
    (tmp_path / "lib" / "neighbour.py").write_text("VALUE = 3.0\n")
    assert mibench.estimator("uses").source_hash != before


def test_a_worker_with_other_code_ends_the_run():
    job = Job(TASK, "ksg", "of another file", 100, (0,), 0, "cpu", False, ())
    worker = Worker(1, Limits())
    with pytest.raises(MibenchError, match="the code of ksg is not what the run was planned with"):
        worker.run(job)
    worker.close()


def test_a_record_says_where_it_comes_from():
    frame = mibench.run(estimators="ksg(k=5),oracle", solo=True, **SMALL).to_frame()
    assert tuple(frame.columns) == COLUMNS
    row = frame[frame.estimator == "ksg(k=5)"].iloc[0]
    task = mibench.task(TASK)
    assert row.task_fingerprint == task.fingerprint
    assert row.mi_true == 1.0
    assert json.loads(row.estimator_params) == {"k": 5, "variant": 1}
    assert row.data_seed == task.replicate_seed(0)
    assert row.batch == 3
    assert row.device == "cpu"
    assert row.seconds_amortised > 0
    assert row.peak_memory_mb >= 0
    assert json.loads(row.library_versions)["numpy"]
    assert pd.Timestamp(row.started_at).tzinfo is not None
    assert frame[frame.replicate == 0].seconds_solo.notna().all()
    x, y = task.sample(100, seed=int(row.data_seed))
    assert mibench.estimator("ksg(k=5)").estimate(x, y).value == row.estimate
    assert (frame[frame.estimator == "oracle"].baseline == True).all()  # noqa: E712 - pandas


def test_every_estimator_sees_the_same_data_in_whatever_order(plugin):
    first = mibench.run(estimators="plain,oracle", plugins=[plugin], **SMALL).to_frame()
    again = mibench.run(estimators="oracle,ksg,plain", plugins=[plugin], **{**SMALL, "replicates": 2}).to_frame()
    both = first.merge(again, on=["task", "estimator", "replicate"])
    assert len(both) == 4
    assert (both.estimate_x == both.estimate_y).all()


def test_the_seed_is_that_of_the_estimator_alone(plugin):
    frames = [mibench.run(estimators="Own,plain", plugins=[plugin], seed=seed, **SMALL).to_frame() for seed in (0, 1)]
    own, plain = ([list(frame[frame.estimator == name].estimate) for frame in frames] for name in ("Own", "plain"))
    assert plain[0] == plain[1]
    assert not set(own[0]) & set(own[1])


def test_what_is_stored_is_not_computed_again(tmp_path, plugin):
    store = tmp_path / "s.db"
    options = {**SMALL, "store": store, "plugins": [plugin]}
    before = mibench.run(estimators="plain,raises", **options).to_frame()
    after = mibench.run(estimators="plain,raises", **options).to_frame()
    pd.testing.assert_frame_equal(before, after)
    more = mibench.run(estimators="plain", **{**options, "replicates": 5}).to_frame()
    assert len(more) == 5
    same = more[more.replicate < 3].reset_index(drop=True)
    pd.testing.assert_frame_equal(same, before[before.estimator == "plain"].reset_index(drop=True))
    time.sleep(1.1)
    retried = mibench.run(estimators="plain,raises", retry=True, **options).to_frame()
    newer = retried.started_at != before.started_at
    assert set(retried[newer].estimator) == {"raises"}
    forced = mibench.run(estimators="plain", force=True, **options).to_frame()
    assert (forced.started_at != before[before.estimator == "plain"].started_at.to_numpy()).all()
    assert len(Store.open(store).to_frame()) == 8


def test_changed_code_is_computed_again(tmp_path, plugin):
    store = tmp_path / "s.db"
    script = textwrap.dedent(
        f"""
        import mibench
        mibench.run("{TASK}", "plain", 50, 2, store={str(store)!r}, plugins=[{str(plugin)!r}])
        """
    )
    # an unguarded script: a worker must not run it a second time
    (tmp_path / "script.py").write_text(script)
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True)
    assert len(Store.open(store).to_frame()) == 2
    plugin.write_text(plugin.read_text().replace("return float(np.mean(x[:, 0] * y[:, 0]))\n", "return 3.0\n"))
    subprocess.run([sys.executable, "script.py"], cwd=tmp_path, check=True)
    frame = Store.open(store).to_frame()
    assert len(frame) == 4
    assert frame.estimator_source.nunique() == 2
    assert sorted(frame.estimate)[-2:] == [3.0, 3.0]


def test_workers_end_with_a_parent_that_is_killed(tmp_path, plugin):
    command = [sys.executable, "-m", "mibench.cli", "run", "-t", TASK, "-e", "plain,sleeps", "--plugin", str(plugin)]
    sizes = ["--samples", "50", "--replicates", "1", "--store", "s.db", "--jobs", "2"]
    run = subprocess.Popen([*command, *sizes], cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while "plain" not in run.stderr.readline():
        assert run.poll() is None
    workers = psutil.Process(run.pid).children()
    assert workers
    run.kill()
    run.wait()
    assert not psutil.wait_procs(workers, timeout=10)[1]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tasks": "gausian"}, "did you mean gaussian"),
        ({"estimators": "kgs"}, "did you mean ksg"),
        ({"tasks": []}, "no task is given"),
        ({"estimators": [print]}, "code goes into plugins="),
        ({"tasks": "blob?x"}, "no task matches"),
        ({"n_samples": 1}, "n_samples must be an integer of at least 2"),
        ({"n_samples": [100, "x"]}, "n_samples must be an integer of at least 2, got 'x'"),
        ({"replicates": 0}, "replicates must be an integer of at least 1"),
        ({"profile": "smok"}, "did you mean smoke"),
        ({"jobs": 0}, "jobs must be more than 0"),
        ({"timeout": -1}, "timeout must be more than 0"),
        ({"device": "tpu"}, "device must be one of"),
        ({"executor": "cloud"}, "no executor 'cloud'"),
        ({"plugins": ["nowhere.py"]}, "is not there"),
        ({"store": "no/such/folder/s.db"}, "there is no folder"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(options, says):
    with pytest.raises(mibench.MibenchError) as caught:
        mibench.run(**{"tasks": TASK, "estimators": "zero", "n_samples": 10, "replicates": 1, "store": None, **options})
    assert says in str(caught.value)


def test_when_a_run_returns_its_file_alone_holds_all(tmp_path):
    """Though an earlier result has it open."""
    for replicates in (3, 6):
        results = mibench.run(TASK, "gaussian_fit", 50, replicates, store=str(tmp_path / "s.db"))
        shutil.copy(tmp_path / "s.db", tmp_path / "copy.db")
        assert len(results.to_frame()) == replicates
        assert len(Store.open(tmp_path / "copy.db", create=False).to_frame()) == replicates
