"""The same command gives the same bits, however many processes compute, in whatever order, resumed or not."""

import contextlib
import dataclasses
import sqlite3

import pandas as pd
import pytest

import mibench
from mibench import registry
from mibench.store_layout import CELL, key_of
from mibench.store_pack import listed, pack

KEY = ["task", "estimator", "n_samples", "replicate"]
RUN = {"tasks": "gaussian(d=2, mi=1),quantized(d=1, mi=1),blobs(size=8, mi=1)", "n_samples": 60, "replicates": 3}


def short(name):
    """A spec of the estimator that trains for few steps."""
    fields = {field.name for field in dataclasses.fields(registry.ESTIMATORS.load(name))}
    limits = {"max_steps": 10, "search_steps": 5, "check_every": 5}
    chosen = ", ".join(f"{key}={value}" for key, value in limits.items() if key in fields)
    return f"{name}({chosen})" if chosen else name


ALL = [short(name) for name in registry.ESTIMATORS.usable() if name != "command"] + ["ae(kde, latent=2, max_steps=10)"]


def estimates(**options):
    frame = mibench.run(**{**RUN, **options}).to_frame()
    return frame[[*KEY, "status", "estimate", "std_error"]]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return estimates(estimators=ALL, jobs=1, store=tmp_path_factory.mktemp("once") / "s.db")


def test_whatever_the_processes_threads_and_order(expected):
    found = estimates(estimators=ALL[::-1], jobs=3, store=None)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert (found.groupby("estimator").status.agg("unique").map(lambda kinds: "ok" in kinds)).all()


def test_whatever_was_stored_before(expected, tmp_path):
    some = ["gaussian_fit", "ksg", "kde", short("mine"), short("flow_gaussian")]
    estimates(estimators=some[::2], jobs=2, tasks="gaussian(d=2, mi=1)", store=tmp_path / "s.db")
    resumed = estimates(estimators=some, jobs=2, store=tmp_path / "s.db")
    wanted = expected[expected.estimator.isin(set(resumed.estimator))].reset_index(drop=True)
    pd.testing.assert_frame_equal(resumed, wanted, check_exact=True)


def test_verify_finds_all_the_same_and_what_was_changed(tmp_path, start):
    frame = mibench.run("gaussian(d=2, mi=1)", "ksg,kde,oracle,mine(max_steps=40)", 120, 3, store=tmp_path / "s.db")
    assert len(frame.to_frame()) == 12
    run = start("verify", "s.db", stdout=-1, stderr=-1)
    said, _ = run.communicate()
    assert (run.returncode, said) == (0, "12 same\n")
    run = start("verify", "s.db", "--sample", "2", stdout=-1, stderr=-1)
    assert run.communicate()[0].split()[1] == "same"
    tamper(tmp_path / "s.db")
    run = start("verify", "s.db", stdout=-1, stderr=-1)
    said, _ = run.communicate()
    lines = said.splitlines()
    assert run.returncode == 3
    assert lines[-1] == "3 changed, 1 differs, 8 same"
    (differs,) = [
        line for line in lines[:-1] if line.startswith("differs: gaussian(d=2, mi=1) · kde · n=120 · replicate 1")
    ]
    assert ", now 1.0" in differs
    assert sum("the code of its estimator has changed since" in line for line in lines) == 3


def tamper(path):
    """Change an estimate of kde a little, and the code that ksg is said to have run with."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        (stored,) = connection.execute("select estimate from mibench_cells where estimator = 'kde'").fetchone()
        estimates = listed("estimate", [stored], [3], ["kde"])
        estimates[1] += 1e-9
        changed = pack("estimate", estimates)
        connection.execute("update mibench_cells set estimate = ? where estimator = 'kde'", (changed,))
        ksg = connection.execute(f"select {', '.join(CELL)} from mibench_cells where estimator = 'ksg'").fetchone()
        key, _ = key_of(CELL, ["older" if name == "estimator_source" else v for name, v in zip(CELL, ksg, strict=True)])
        older = "update mibench_cells set key = ?, estimator_source = 'older' where estimator = 'ksg'"
        connection.execute(older, (key,))


@pytest.mark.parametrize(
    ("words", "says"), [(["none.db"], "there is no store none.db"), (["s.db"], "no estimate to verify")]
)
def test_verify_of_nothing_is_refused(tmp_path, start, words, says):
    mibench.run("gaussian(d=1, mi=1)", "image_flow_gaussian", 50, 2, store=tmp_path / "s.db")
    run = start("verify", *words, stdout=-1, stderr=-1)
    assert says in run.communicate()[1]
    assert run.returncode == 2


HALVES = """
import mibench
import numpy as np


class Halves(mibench.BatchEstimator):
    \"\"\"Has no answer for one replicate, no room for more than two, and sees which it is given together.\"\"\"

    def estimate_batch(self, x, y, seeds, device):
        if len(x) > 2:
            raise MemoryError("too many")
        return [float("nan") if one[0, 0] == x.max() and len(x) == 1 else float(x.sum()) for one in x]
"""


def test_verify_makes_the_same_calls(tmp_path, start):
    (tmp_path / "halves.py").write_text(HALVES)
    frame = mibench.run("gaussian(d=1, mi=1)", "Halves", 50, 7, store=tmp_path / "s.db", plugins=tmp_path / "halves.py")
    sound = (frame.to_frame().status == "ok").sum()
    assert sound > 0
    run = start("verify", "s.db", "--plugin", "halves.py", "--sample", "4", stdout=-1, stderr=-1)
    said, _ = run.communicate()
    assert run.returncode == 0, said
    count, verdict = said.split()
    assert (4 <= int(count) <= sound, verdict) == (True, "same")
    run = start("verify", "s.db", stdout=-1, stderr=-1)  # without the plugin
    said, _ = run.communicate()
    assert run.returncode == 5, said
    assert said.splitlines()[-1] == f"{sound} changed"
