import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mibench.leaderboard.records import current_records
from mibench.leaderboard.sources import SOURCE_COLUMNS, sources, variances

EXPERIMENTS = 4000
LAWS = {"normal": stats.norm(), "exponential": stats.expon(), "laplace": stats.laplace(), "t": stats.t(5)}


def drawn(rng, law, shape):
    frozen = LAWS[law]
    return (frozen.rvs(shape, random_state=rng) - frozen.mean()) / frozen.std()


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("replicates", [10, 30])
@pytest.mark.parametrize("seeds", [2, 4])
@pytest.mark.parametrize(("data", "training"), [(1.0, 0.3), (1.0, 1.0), (0.3, 1.0), (0.0, 1.0)])
def test_the_intervals_of_both_sources_are_honest(law, replicates, seeds, data, training):
    rng = np.random.default_rng([replicates, seeds, len(law)])
    shape = (EXPERIMENTS, replicates, seeds)
    errors = data * drawn(rng, law, (*shape[:2], 1)) + training * drawn(rng, law, shape)
    table = variances(errors)
    for name, truth, most in (("std_data", data, 1.0), ("std_training", training, 0.985)):
        covered = np.mean((table[f"{name}_low"] <= truth) & (truth <= table[f"{name}_high"]))
        assert 0.92 - 0.015 <= covered <= most + 0.01


def test_the_two_sources_are_told_apart(make):
    rng = np.random.default_rng(0)
    draws = rng.normal(0, 0.3, size=400)
    frames = [
        make({"noisy": {"a": draws + rng.normal(0, 0.01, 400)}, "unstable": {"a": rng.normal(0, 0.2, 400)}}, seed=s)
        for s in range(3)
    ]
    table = sources(current_records(pd.concat(frames))[0]).set_index("estimator")
    assert set(SOURCE_COLUMNS) == {"estimator", *table.columns}
    assert table.loc["noisy", "std_data"] == pytest.approx(0.3, rel=0.1)
    assert table.loc["noisy", "std_training"] == pytest.approx(0.01, rel=0.1)
    assert table.loc["unstable", "std_data"] < 0.06
    assert table.loc["unstable", "std_training"] == pytest.approx(0.2, rel=0.1)
    assert table[["replicates", "seeds"]].to_numpy().tolist() == [[400, 3], [400, 3]]


def test_only_replicates_with_an_estimate_at_every_seed_count(make):
    frames = [make({"ksg": {"a": [1.0, 2.0, 99.0 if s else None]}}, seed=s) for s in range(2)]
    (row,) = sources(current_records(pd.concat(frames))[0]).to_dict("records")
    assert row["replicates"] == 2
    assert (row["std_data"], row["std_training"]) == pytest.approx((np.sqrt(0.5), 0))


def test_one_seed_or_one_replicate_says_nothing_of_the_sources(make):
    assert sources(current_records(make({"ksg": {"a": [0.1, 0.2]}}))[0]).empty
    lone = pd.concat([make({"ksg": {"a": [0.1]}}, seed=s) for s in range(2)])
    assert sources(current_records(lone)[0]).empty
