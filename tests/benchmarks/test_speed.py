"""Speed, side by side in one run: ``make bench``. Nothing here passes or fails by the clock."""

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.special import digamma

import mibench
from mibench.estimation import call_estimate


def tree_ksg(x, y, k=3):
    """KSG-1 the usual way, on SciPy's k-d trees with all cores: what the compiled search is compared with."""
    n = len(x)
    radius = cKDTree(np.hstack([x, y])).query(np.hstack([x, y]), k + 1, p=np.inf, workers=-1)[0][:, -1]
    inside = np.nextafter(radius, 0)
    counts = [cKDTree(side).query_ball_point(side, inside, p=np.inf, workers=-1, return_length=True) for side in (x, y)]
    return digamma(k) + digamma(n) - (digamma(counts[0]) + digamma(counts[1])).mean()


@pytest.fixture(params=["gaussian(d=1, mi=1)", "gaussian(d=3, mi=2)", "gaussian(d=10, mi=2)"])
def data(request):
    return mibench.task(request.param).sample(10_000, seed=0)


@pytest.mark.benchmark(group="ksg, n = 10 000")
@pytest.mark.parametrize("way", ["compiled", "tree"])
def test_ksg(benchmark, data, way):
    ksg = mibench.estimator("ksg")
    ksg.method.warm_up("cpu")
    run = (lambda: ksg.method.estimate(*data, 0).value) if way == "compiled" else (lambda: tree_ksg(*data))
    assert benchmark.pedantic(run, rounds=3) == pytest.approx(tree_ksg(*data), abs=1e-9)


@pytest.mark.benchmark(group="ten replicates of n = 2 000, together and one by one")
@pytest.mark.parametrize("way", ["stack", "one by one"])
@pytest.mark.parametrize("name", ["mine", "flow_gaussian"])
def test_stacks(benchmark, name, way):
    method = mibench.estimator(name).method
    task = mibench.task("gaussian(d=3, mi=2)")
    draws = [task.sample(2000, seed=s) for s in range(10)]
    x, y = (np.stack(side) for side in zip(*draws, strict=True))
    seeds = list(range(10))

    def stack():
        return method.estimate_batch(x, y, seeds, "cpu")

    def one_by_one():
        return [call_estimate(method, *draw, seed, device="cpu") for draw, seed in zip(draws, seeds, strict=True)]

    values = benchmark.pedantic(stack if way == "stack" else one_by_one, rounds=1)
    assert np.mean([float(value) for value in values]) == pytest.approx(2, abs=0.4)


@pytest.mark.benchmark(group="start")
@pytest.mark.parametrize("words", [["--help"], ["list"]], ids=["help", "list"])
def test_start(benchmark, words):
    import subprocess
    import sys
    from pathlib import Path

    command = [Path(sys.executable).with_name("mibench"), *words]
    assert (
        benchmark.pedantic(lambda: subprocess.run(command, capture_output=True, check=True).returncode, rounds=10) == 0
    )
