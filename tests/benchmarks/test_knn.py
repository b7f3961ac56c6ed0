"""KSG beside other libraries on the same data in one run: ``make peers bench``. Nothing passes or fails by the clock.

The libraries live in environments of their own, in the folder ``.peers`` or the one that ``MIBENCH_PEERS`` names. An
estimate that takes more than two minutes counts as two minutes. The table of ratios is printed at the end.
"""

import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import mibench

HERE = Path(__file__).parent
PEERS = Path(os.environ.get("MIBENCH_PEERS", HERE.parents[1] / ".peers"))
NAMES = ("bmi", "infomeasure", "npeet", "sklearn")
LIMIT, SLOW, START = 120.0, 10.0, 30.0  # seconds of an estimate that is too long, that is timed once, and of imports
K = 5
EXACT = ("infomeasure", "npeet")  # which compute variant 1 on the data as they are


@pytest.fixture(scope="module")
def table(request):
    """Collect (n, d, our seconds, {peer: seconds}), and print them at the end."""
    rows = []
    yield rows
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("\n\n     n   d      ours  ratio  " + "".join(f"{name:>13s}" for name in NAMES))
        for n, d, ours, peers in rows:
            seconds = "".join(f"{peers.get(name, math.nan):11.4g} s" for name in NAMES)
            print(f"{n:6d} {d:3d} {ours:8.4f} s {min(peers.values()) / ours:5.1f}  {seconds}")
        if rows:
            ratios = [min(peers.values()) / ours for *_, ours, peers in rows]
            print(f"geometric mean {statistics.geometric_mean(ratios):.1f}, least {min(ratios):.1f}")


@pytest.fixture(scope="module")
def ksg():
    method = mibench.estimator(f"ksg(k={K})").method
    method.warm_up("cpu")
    return method


def estimates(name, data, rounds):
    """Return (nats, seconds) of each estimate that ends in time, of which the first is a warm-up."""
    command = [PEERS / name / "bin" / "python", HERE / "peers" / "ksg.py", name, data, str(K), str(rounds)]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, timeout=START + LIMIT, check=True).stdout
    except subprocess.TimeoutExpired as late:
        lines = (late.stdout or b"").decode()
    return [tuple(map(float, line.split())) for line in lines.splitlines()]


def peer_seconds(name, data):
    """Return the median seconds of a warm estimate and its value, or two minutes and NaN where one takes longer."""
    first = estimates(name, data, 0)
    if not first or first[0][1] > LIMIT:
        return LIMIT, math.nan
    warm = estimates(name, data, 5)[1:] if first[0][1] < SLOW else []  # of a slow one the warm-up is a small part
    return statistics.median(seconds for _, seconds in warm or first), first[0][0]


@pytest.mark.benchmark(group="ksg beside peers")
@pytest.mark.parametrize("d", [1, 3, 10, 50])
@pytest.mark.parametrize("n", [1000, 10_000, 50_000])
def test_ksg(benchmark, table, ksg, tmp_path, n, d):
    installed = [name for name in NAMES if (PEERS / name).is_dir() and (name != "sklearn" or d == 1)]
    if not installed:
        pytest.skip(f"no other library is installed in {PEERS}; run make peers")
    x, y = mibench.task(f"gaussian(d={d}, mi=2)").sample(n, seed=0)
    np.savez(tmp_path / "data.npz", x=x, y=y)
    rounds = 1 if n * d >= 100_000 else 5
    value = benchmark.pedantic(lambda: float(ksg.estimate(x, y, 0)), rounds=4 * rounds + 1)
    seconds = list(benchmark.stats.stats.data) if benchmark.stats else []
    peers = {}
    for name in installed:
        peers[name], theirs = peer_seconds(name, tmp_path / "data.npz")
        if name in ("infomeasure", "npeet") and math.isfinite(theirs):
            assert value == pytest.approx(theirs, abs=1e-9)
    for _ in range(4 * rounds + 1):  # and again after the others, lest the machine changed its speed
        start = time.perf_counter()
        ksg.estimate(x, y, 0)
        seconds.append(time.perf_counter() - start)
    table.append((n, d, statistics.median(seconds), peers))


@pytest.mark.benchmark(group="ten replicates")
@pytest.mark.parametrize("way", ["one call", "ten calls"])
@pytest.mark.parametrize(("n", "d"), [(1000, 3), (10_000, 1), (10_000, 10)])
def test_ten_replicates(benchmark, ksg, n, d, way):
    task = mibench.task(f"gaussian(d={d}, mi=2)")
    x, y = (np.stack(side) for side in zip(*(task.sample(n, seed=s) for s in range(10)), strict=True))

    def batch():
        return [float(one) for one in ksg.estimate_batch(x, y, range(10), "cpu")]

    def singles():
        return [float(ksg.estimate(x[r], y[r], r)) for r in range(10)]

    assert benchmark.pedantic(batch if way == "one call" else singles, rounds=5) == singles()


@pytest.mark.benchmark(group="compiled kernels from the cache")
def test_cold_start(benchmark):
    """What the first estimate of a process costs beyond a warm one: loading the compiled searches."""
    code = (
        "import time, numpy as np, mibench;"
        "from mibench.estimators import ksg, neighbours;"
        "start = time.perf_counter(); neighbours.warm_up('cpu'); print(time.perf_counter() - start)"
    )

    def first():
        return float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)

    first()
    seconds = [benchmark.pedantic(first, rounds=1)] + [first() for _ in range(4)]
    benchmark.extra_info["seconds of loading"] = statistics.median(seconds)
    print(f"\nthe compiled searches load in {statistics.median(seconds):.2f} s")
