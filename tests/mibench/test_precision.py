"""Replicates are added until the interval of the bias is as narrow as asked for, and a rerun adds the same."""

import math
import statistics

import pandas as pd
import pytest
from scipy import stats

import mibench
from mibench.precision import half_width, needed

NOISY = '''
import numpy as np


def noisy(x, y, scale: float = 1.0):
    """One nat, give or take, as the draws have it."""
    return 1 + scale * float(x[0, 0])


def fails(x, y):
    raise ValueError("no")
'''
RUN = {"tasks": "gaussian(d=1, mi=1)", "n_samples": 20, "replicates": 5, "jobs": 2}


@pytest.fixture
def noisy(tmp_path):
    path = tmp_path / "noisy.py"
    path.write_text(NOISY)
    return path


def errors_of(frame, name):
    own = frame[frame.estimator == name].sort_values("replicate")
    return list(own.estimate - own.mi_true)


def test_half_width_is_that_of_students_interval_where_errors_are_symmetric_and_more_where_they_are_not():
    errors = [0.5, -0.5, 0.25, -0.25, 0.0]
    half = stats.t.ppf(0.975, 4) * statistics.stdev(errors) / math.sqrt(5)
    assert half_width(errors) == pytest.approx(half)
    assert half_width([*errors[:4], 3.0]) > stats.t.ppf(0.975, 4) * statistics.stdev([*errors[:4], 3.0]) / math.sqrt(5)
    assert half_width([1.0, 1.1]) == math.inf
    assert half_width([2.0, 2.0, 2.0]) == 0


@pytest.mark.parametrize("precision", [2.0, 0.5, 0.1, 0.02, 1e-4])
def test_needed_is_the_least_that_does(precision):
    errors = [1.0, -1.0, 0.5, -0.5]
    spread = statistics.stdev(errors)

    def width(count):
        return stats.t.ppf(0.975, count - 1) * spread / math.sqrt(count)

    found = needed(errors, precision)
    assert width(found) <= precision * (1 + 1e-12)
    assert found == 2 or width(found - 1) > precision


def test_replicates_are_added_until_the_interval_is_narrow(noisy):
    names = "noisy(scale=0.1),noisy(scale=0.4),noisy(scale=4.5),fails,zero"
    frame = mibench.run(
        estimators=names, plugins=noisy, store=None, precision=0.1, max_replicates=150, **RUN
    ).to_frame()
    counts = frame.groupby("estimator").size()
    assert counts["zero"] == counts["fails"] == 5  # nothing scatters, or nothing is known
    assert counts["noisy(scale=4.5)"] == 150
    assert half_width(errors_of(frame, "noisy(scale=4.5)")) > 0.1
    for name in ("noisy(scale=0.1)", "noisy(scale=0.4)"):
        errors = errors_of(frame, name)
        assert half_width(errors) <= 0.1
        assert len(errors) == 5 or half_width(errors[: len(errors) // 2]) > 0.1
    assert 50 < counts["noisy(scale=0.4)"] < 110
    assert (frame.groupby("estimator").replicate.agg(lambda r: sorted(r) == list(range(len(r))))).all()


def test_a_run_that_goes_on_adds_what_it_would_have(noisy, tmp_path):
    options = {**RUN, "estimators": "noisy(scale=0.4),ksg", "plugins": noisy, "precision": 0.1}
    whole = mibench.run(**options, store=None).to_frame()
    for most in (7, 23):
        mibench.run(**options, store=tmp_path / "s.db", max_replicates=most)
    parts = mibench.run(**options, store=tmp_path / "s.db").to_frame()
    columns = ["estimator", "replicate", "estimate"]
    pd.testing.assert_frame_equal(parts[columns], whole[columns])
    again = mibench.run(**options, store=tmp_path / "s.db").to_frame()
    pd.testing.assert_frame_equal(again, parts)
    forced = mibench.run(**options, store=tmp_path / "s.db", force=True).to_frame()
    assert (forced.started_at >= parts.started_at.max()).all()
    pd.testing.assert_frame_equal(forced[columns], whole[columns])


def test_a_plan_predicts_the_replicates_and_a_run_tells_what_it_adds(noisy, cli):
    words = ["-t", "gaussian(d=1, mi=1)", "-e", "noisy(scale=0.4)", "--samples", "20", "--replicates", "5"]
    words += ["--plugin", noisy]
    assert "begins with" in cli("plan", *words, "--precision", "0.1").stdout
    cli("run", *words)
    row = cli("plan", *words, "--precision", "0.1").stdout.splitlines()[2].split()
    assert int(row[-3]) > 10
    assert "1 cells" not in cli("plan", *words, "--precision", "10").stdout.splitlines()[2]
    said = cli("run", *words, "--precision", "0.1").stderr
    assert "[1/1]" in said
    assert "[2/2]" in said
    assert cli("plan", *words, "--precision", "0.1").stdout.splitlines()[2].split()[-1] == "done"
    assert "precision must be more than 0" in cli("run", *words, "--precision", "0", code=2).stderr
    assert "max_replicates must be more than 0" in cli("run", *words, "--max-replicates", "0", code=2).stderr
