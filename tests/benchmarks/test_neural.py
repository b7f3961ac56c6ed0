"""Neural bounds beside other libraries on the same data in one run, and stacks beside single networks.

``make peers bench``. Nothing passes or fails by the clock. The libraries live in environments of their own, in the
folder ``.peers`` or the one that ``MIBENCH_PEERS`` names.
"""

import os
import statistics
import subprocess
from pathlib import Path

import numpy as np
import pytest

import mibench

HERE = Path(__file__).parent
PEERS = Path(os.environ.get("MIBENCH_PEERS", HERE.parents[1] / ".peers"))
TASK, N, REPLICATES = "gaussian(d=3, mi=1.532)", 10_000, 10


@pytest.fixture(scope="module")
def table(request):
    """Collect (name, estimates, seconds of an estimate), and print them at the end."""
    rows = []
    yield rows
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        truth = mibench.task(TASK).mutual_information
        print(f"\n\n{TASK}, n = {N}, {REPLICATES} replicates\n{'':14s}    bias      sd  seconds")
        for name, values, seconds in rows:
            print(f"{name:14s} {np.mean(values) - truth:+7.3f} {np.std(values, ddof=1):7.3f} {seconds:8.3f}")


@pytest.fixture(scope="module")
def draws():
    return [mibench.task(TASK).sample(N, seed=seed) for seed in range(REPLICATES)]


@pytest.fixture(scope="module")
def files(draws, tmp_path_factory):
    folder = tmp_path_factory.mktemp("draws")
    for seed, (x, y) in enumerate(draws):
        np.savez(folder / f"{seed}.npz", x=x, y=y)
    return [folder / f"{seed}.npz" for seed in range(REPLICATES)]


def stacked(name, draws):
    """Return the estimates of all draws as one cell."""
    method = mibench.estimator(name).method
    x, y = (np.stack(side) for side in zip(*draws, strict=True))
    return [float(answer) for answer in method.estimate_batch(x, y, range(len(draws)), "cpu")]


@pytest.mark.benchmark(group="neural bounds, ten replicates as one cell")
@pytest.mark.parametrize("name", ["mine", "nwj", "infonce"])
def test_ours(benchmark, table, draws, name):
    stacked(name, [(x[:200], y[:200]) for x, y in draws])
    values = benchmark.pedantic(lambda: stacked(name, draws), rounds=3)
    seconds = list(benchmark.stats.stats.data) if benchmark.stats else []
    table.append((name, values, statistics.median(seconds) / REPLICATES if seconds else float("nan")))


@pytest.mark.parametrize("name", ["bmi:mine", "bmi:nwj", "bmi:infonce", "mist:mine"])
def test_peer(table, files, name):
    peer, method = name.split(":")
    if not (PEERS / peer).is_dir():
        pytest.skip(f"{peer} is not installed in {PEERS}; run make peers")
    command = [PEERS / peer / "bin" / "python", HERE / "peers" / "neural.py", peer, method, "--warm-up", *files]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found = [tuple(map(float, line.split())) for line in lines[-REPLICATES:]]
    table.append((name, [value for value, _ in found], statistics.median(seconds for _, seconds in found)))


@pytest.mark.benchmark(group="a replicate of mine, n = 5 000, in a stack of so many")
@pytest.mark.parametrize("replicates", [1, 32])
def test_scaling(benchmark, replicates):
    draws = [mibench.task(TASK).sample(5000, seed=seed) for seed in range(32)]
    single = mibench.estimator("mine").method

    def stack():
        return stacked("mine", draws)

    def one_by_one():
        return [float(single.estimate(x, y, seed)) for seed, (x, y) in enumerate(draws)]

    benchmark.pedantic(stack if replicates > 1 else one_by_one, rounds=1, warmup_rounds=0)
