import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mibench.leaderboard.growth import GROWTH_COLUMNS, growth
from mibench.leaderboard.records import current_records

SIZES = (500, 2000, 8000)


def found(frame):
    return growth(current_records(frame)[0])


def series(make, errors, estimator="ksg", tasks=("a",)):
    """A frame of one estimator whose errors at n are `errors(n, task)`."""
    return pd.concat([make({estimator: {t: errors(n, t) for t in tasks}}, n_samples=n) for n in SIZES])


def test_the_rate_of_a_power_law_is_its_exponent(make):
    (row,) = found(series(make, lambda n, _: [3 * n**-0.4, -3 * n**-0.4, 3 * n**-0.4])).to_dict("records")
    assert list(row) == list(GROWTH_COLUMNS)
    assert (row["rate"], row["rate_low"], row["rate_high"]) == pytest.approx((-0.4, -0.4, -0.4))
    assert (row["sizes"], row["replicates"], row["grows"]) == ("500, 2000, 8000", 3, False)


@pytest.mark.parametrize("law", [stats.norm(), stats.expon(-1), stats.t(5)])
@pytest.mark.parametrize("replicates", [5, 10, 30])
def test_the_interval_of_a_rate_is_honest(make, law, replicates):
    tasks = [f"t{i}" for i in range(600)]
    rng = np.random.default_rng(replicates)
    frame = series(make, lambda n, _: law.rvs(replicates, random_state=rng) * n**-0.5, tasks=tasks)
    table = found(frame)
    covered = (table["rate_low"] <= -0.5) & (table["rate_high"] >= -0.5)
    assert 0.92 - 0.035 <= covered.mean() <= 0.98 + 0.02


def test_a_bias_that_grows_is_flagged_and_others_are_not(make):
    rng = np.random.default_rng(0)
    shapes = {
        "grows": (-0.16, -0.3, -0.44),
        "shrinks": (0.08, 0.02, 0.005),
        "changes sign and shrinks": (0.5, -0.1, -0.1),
        "changes sign and grows": (0.1, -0.5, -0.5),
        "none": (0.0, 0.0, 0.0),
    }
    frames = [
        make({name: {"a": bias + rng.normal(0, 0.02, size=10)}}, n_samples=n)
        for name, biases in shapes.items()
        for n, bias in zip(SIZES, biases, strict=True)
    ]
    table = found(pd.concat(frames)).set_index("estimator")
    assert set(table.index[table["grows"]]) == {"grows", "changes sign and grows"}
    assert table.loc["grows", "bias_last"] == pytest.approx(-0.44, abs=0.03)


def test_scatter_that_grows_without_a_bias_is_flagged_in_few_series(make):
    rng = np.random.default_rng(1)
    tasks = [f"t{i}" for i in range(400)]
    frame = series(make, lambda n, _: rng.normal(0, n / 1000, size=10), tasks=tasks)
    table = found(frame)
    assert table["grows"].sum() <= 2
    assert table["rate"].mean() == pytest.approx(1, abs=0.05)


def test_only_replicates_with_an_estimate_at_every_size_count(make):
    frame = series(make, lambda n, _: [1 / n, 1 / n, 1 / n, None if n == 500 else 99.0])
    (row,) = found(frame).to_dict("records")
    assert (row["replicates"], row["rate"]) == (3, pytest.approx(-1))


def test_series_of_other_sizes_stand_beside_each_other(make):
    both = pd.concat([
        series(make, lambda n, _: [1 / n, 2 / n, 3 / n], "ksg"),
        series(make, lambda n, _: [1 / n, 2 / n, 3 / n], "mine").query("n_samples != 2000"),
        make({"kde": {"a": [1.0, 2.0]}}),
    ])  # fmt: skip
    table = found(both)
    assert table[["estimator", "sizes"]].to_numpy().tolist() == [["ksg", "500, 2000, 8000"], ["mine", "500, 8000"]]
    assert table["rate"].tolist() == pytest.approx([-1, -1])


def test_one_size_or_two_replicates_have_no_interval_and_no_flag(make):
    assert found(make({"ksg": {"a": [0.1, 0.2]}})).empty
    (row,) = found(series(make, lambda n, _: [float(n), float(n)])).to_dict("records")
    assert row["rate"] == pytest.approx(1)
    assert np.isnan([row["rate_low"], row["q_grows"]]).all()
    assert not row["grows"]
