"""Runs on a real Ray cluster: two nodes on this machine, each with a raylet of its own, of which one is killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import psutil
import pytest

import mibench
from mibench import cluster as on_ray
from mibench.errors import MibenchError
from mibench.process import Limits

PLUGIN = '''
import os
import random
import signal
import time

import psutil

import mibench


def where(x, y, pause: float = 0.3):
    """The raylet of the node that it runs on, in the diagnostics."""
    time.sleep(pause)
    node = psutil.Process().parent().ppid()
    return mibench.Estimate(random.random() + float(x[0, 0]), diagnostics={"node": node})


def sleeps(x, y):
    time.sleep(60)


def kills_what_ray_runs(x, y):
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


class Wide(mibench.Estimator):
    cpus = 2

    def estimate(self, x, y, seed):
        return 1.0


class Half(mibench.BatchEstimator):
    gpus = 0.5

    def estimate_batch(self, x, y, seeds, device):
        return [1.0] * len(x)
'''
TASKS = ",".join(f"gaussian(d={d}, mi={mi})" for d in (1, 2) for mi in (1, 2, 3))
SIZES = ["--samples", "100,200", "--replicates", "2"]


def estimates(frame):
    return frame.set_index(["task", "estimator", "n_samples", "replicate"]).estimate.sort_index()


NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module", autouse=True)
def apart():
    """A folder in which Ray looks for a running cluster, and the commands started here too, but nobody else."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="r") as folder:
        patch.setenv("RAY_TMPDIR", folder)
        patch.delenv("RAY_ADDRESS", raising=False)
        yield


@pytest.fixture(scope="module")
def nodes(apart):
    """A cluster with one node, the head, which a driver on this machine takes as its own."""
    from ray.cluster_utils import Cluster

    cluster = Cluster()
    cluster.add_node(**NODE)
    yield cluster
    cluster.shutdown()


@pytest.fixture
def second(nodes):
    node = nodes.add_node(**NODE)
    yield node
    if node in nodes.worker_nodes:
        nodes.remove_node(node)


@pytest.fixture
def plugin(tmp_path):
    path = tmp_path / "plugin.py"
    path.write_text(PLUGIN)
    return path


@pytest.fixture
def on_cluster(nodes, plugin, start):
    """Start the command on the cluster."""

    def call(*words, **options):
        where = ["--executor", "ray", "--address", nodes.address, "--plugin", plugin]
        return start("run", "--store", "ray.db", *SIZES, *words, *where, stderr=subprocess.PIPE, **options)

    return call


@pytest.fixture
def connected(nodes):
    """This process as a driver of the cluster."""
    import ray

    ray.init(nodes.address, log_to_driver=False, logging_level="ERROR")
    yield ray
    ray.shutdown()


def test_bit_for_bit_what_this_machine_gives(start, second, on_cluster, records):
    words = ["-t", TASKS, "-e", "ksg,mine(max_steps=30),sliced"]
    assert start("run", "--store", "here.db", *SIZES, *words).wait() == 0
    run = on_cluster(*words)
    assert run.wait() == 0, run.stderr.read()
    here, there = records("here.db"), records("ray.db")
    assert len(here) == 6 * 3 * 2 * 2
    assert estimates(there).to_dict() == estimates(here).to_dict()


def test_a_node_that_is_killed_loses_nothing(tmp_path, start, nodes, second, on_cluster, records, wait_for):
    words = ["-t", TASKS, "-e", "where"]
    run = on_cluster(*words)
    wait_for("ray.db", 8)
    nodes.remove_node(second, allow_graceful=False)
    assert run.wait(timeout=120) == 0, run.stderr.read()
    found = records("ray.db")
    assert set(found.status) == {"ok"}
    nodes_used = set(found.diagnostics.map(lambda text: json.loads(text)["node"]))
    assert len(nodes_used) >= 2  # what outlives its raylet for a moment has another parent
    here = start("run", "--store", "here.db", *SIZES, *words, "--plugin", tmp_path / "plugin.py")
    assert here.wait() == 0
    expected = estimates(records("here.db"))
    assert len(found) == len(expected) == 6 * 2 * 2
    assert estimates(found).to_dict() == expected.to_dict()


def test_the_death_of_the_drivers_own_node_ends_the_run_and_is_no_record(start, plugin, records, wait_for):
    from ray.cluster_utils import Cluster

    alone = Cluster()
    try:
        node = alone.add_node(**NODE)
        where = ["--executor", "ray", "--address", alone.address, "--plugin", plugin]
        run = start("run", "--store", "ray.db", "-t", TASKS, "-e", "where", *SIZES, *where, stderr=subprocess.DEVNULL)
        wait_for("ray.db", 4)
        node.kill_raylet()
        assert run.wait(timeout=60) in (1, 2)
        assert set(records("ray.db").status) == {"ok"}
        assert len(records("ray.db")) < 6 * 2 * 2
    finally:
        alone.shutdown()


def test_limits_hold_and_what_dies_each_time_is_a_crash(on_cluster, records):
    run = on_cluster("-t", "gaussian", "-e", "sleeps,kills_what_ray_runs,ksg", "--timeout", "1", "--samples", "100")
    assert run.wait(timeout=120) == 3
    found = records("ray.db").groupby("estimator")
    assert found.status.agg(set).to_dict() == {"ksg": {"ok"}, "sleeps": {"timeout"}, "kills_what_ray_runs": {"crash"}}
    assert "WorkerCrashedError" in found.get_group("kills_what_ray_runs").message.iloc[0]


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c(on_cluster, times, records, wait_for):
    run = on_cluster("-t", TASKS, "-e", "where(pause=1.0)", start_new_session=True)
    wait_for("ray.db", 2)
    time.sleep(0.5)
    for _ in range(times):
        os.killpg(run.pid, signal.SIGINT)
        time.sleep(0.2)
    begin = time.monotonic()
    assert run.wait(timeout=60) == 130
    assert "the same command goes on" in run.stderr.read()
    assert len(records("ray.db")) == (4 if times == 1 else 2)
    assert times == 1 or time.monotonic() - begin < 5
    time.sleep(1)
    assert not [
        p for p in psutil.process_iter(["cmdline"]) if "mibench.worker" in (p.info["cmdline"] or []) and is_ours(p)
    ]


def is_ours(process):
    """Whether it is a worker on the cluster, and not one of a test beside this one."""
    try:
        return any("ray" in parent.name() for parent in process.parents())
    except psutil.Error:
        return False


def test_a_ray_of_its_own_begins_and_ends_with_the_run(tmp_path, start, plugin, records, wait_for):
    environment = {**os.environ, "RAY_TMPDIR": tempfile.mkdtemp(prefix="r")}
    words = ["run", "--store", "ray.db", "-t", TASKS, *SIZES, "--executor", "ray", "--plugin", plugin]
    run = start(*words, "-e", "where(pause=1.0)", env=environment, stderr=subprocess.DEVNULL)
    wait_for("ray.db", 2)
    started = psutil.Process(run.pid).children(recursive=True)
    assert any("raylet" in process.name() for process in started)
    run.terminate()
    assert run.wait(timeout=30) == signal.SIGTERM
    assert len(records("ray.db")) >= 2
    assert not psutil.wait_procs(started, timeout=30)[1]
    shutil.rmtree(environment["RAY_TMPDIR"], ignore_errors=True)


def test_a_new_run_has_the_code_that_is_there_now(connected, tmp_path):
    for value in (1.0, 2.0):
        (tmp_path / "changes.py").write_text(f"def changes(x, y):\n    return {value}\n")
        options = {"n_samples": 10, "replicates": 1, "store": None, "executor": "ray"}
        frame = mibench.run("gaussian", "changes", plugins=tmp_path / "changes.py", **options).to_frame()
        assert frame.estimate.tolist() == [value]


def test_a_run_that_cannot_begin_leaves_the_cluster(nodes, plugin):
    import ray

    mibench.registry.load_plugins([plugin])
    with pytest.raises(MibenchError, match="no node of the Ray cluster has the 2 cores that Wide takes"):
        on_ray.RayExecutor([mibench.estimator("Wide")], "auto", nodes.address)
    assert not ray.is_initialized()


def test_what_an_estimator_takes_counts_inside_of_another_and_must_make_sense(plugin):
    mibench.registry.load_plugins([plugin])
    assert on_ray.resources(mibench.estimator("sliced(Wide)").method, "cpu") == (2, 0)
    assert on_ray.resources(mibench.estimator("Half").method, "cuda") == (1, 0.5)
    half = type(mibench.estimator("Half").method)
    for name, value in [("cpus", 0), ("cpus", 0.5), ("cpus", True), ("gpus", 0), ("gpus", 1.5), ("gpus", "1")]:
        with pytest.raises(MibenchError, match=rf"Odd\.{name} must be"):
            on_ray.resources(type("Odd", (half,), {name: value})(), "cuda")


def test_a_cell_takes_what_its_estimator_declares(connected, second, plugin):
    mibench.registry.load_plugins([plugin])
    narrow, wide, half = (mibench.estimator(name) for name in ("ksg", "Wide", "Half"))
    assert on_ray.RayExecutor([narrow, half], "auto").slots == 2
    with pytest.raises(MibenchError, match="no node of the Ray cluster has the 2 cores that Wide takes"):
        on_ray.RayExecutor([narrow, wide], "auto")
    with pytest.raises(MibenchError, match=r"has the 1 core and 0\.5 GPU that Half takes"):
        on_ray.RayExecutor([half], "cuda")
    with pytest.raises(MibenchError, match=r"on a Ray cluster already; leave address out"):
        on_ray.RayExecutor([narrow], "auto", "10.9.9.9:1")
    assert connected.is_initialized()


def test_a_gpu_anywhere_in_the_cluster_is_used(connected, nodes, plugin):
    mibench.registry.load_plugins([plugin])
    node = nodes.add_node(**{**NODE, "num_cpus": 2}, num_gpus=2)
    try:
        nodes.wait_for_nodes()
        estimators = [mibench.estimator(name) for name in ("histogram", "Half", "mine")]
        executor = on_ray.RayExecutor(estimators, "auto")
        assert executor.slots == 2
        assert [executor.device(one) for one in estimators] == ["cpu", "cuda", "cuda"]
        assert on_ray.RayExecutor(estimators[:2], "auto").slots == 4
        assert on_ray.RayExecutor(estimators, "cpu").slots == 3
    finally:
        nodes.remove_node(node)


def test_a_node_with_other_versions_takes_no_part():
    with pytest.raises(MibenchError, match="driver mibench 0 with numpy 1; install the same on both"):
        on_ray._compute(None, Limits(), 1, "/", "mibench 0 with numpy 1", "")


def test_a_missing_ray_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MibenchError, match=r"pip install 'mibench\[ray\]'"):
        mibench.run("gaussian", "ksg", executor="ray", store=None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"executor": "ray", "address": "127.0.0.1:9"}, r"no Ray cluster can be reached at 127\.0\.0\.1:9: .*refused"),
        ({"executor": "ray", "address": "nonsense"}, "at nonsense: .*--address host:port"),
        ({"address": "127.0.0.1:6379"}, "give --executor ray as well"),
        ({"executor": "ray", "device": "cdua"}, "device must be one of auto, cpu, cuda, got 'cdua'"),
        ({"executor": "slurm"}, "there is no executor 'slurm'; known: local, ray"),
    ],
)
def test_bad_addresses_and_executors(options, said):
    with pytest.raises(MibenchError, match=said):
        mibench.run("gaussian", "ksg", store=None, **options)
