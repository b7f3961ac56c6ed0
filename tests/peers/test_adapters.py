"""The adapters with the libraries themselves, each in its own environment, beside this package's own on the same draws.

``make peers`` makes the environments; MIBENCH_PEERS names their folder where it is not .peers.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import digamma

import mibench
import mibench.store

ROOT = Path(__file__).parents[2]
PEERS = Path(os.environ.get("MIBENCH_PEERS", ROOT / ".peers")).absolute()
CODE = """
import json, sys
import numpy as np
state = np.random.get_state()[1].copy()
from mibench.estimators.MODULE import CLASS
with np.load(sys.argv[1]) as data:
    found = CLASS(**json.loads(sys.argv[2])).estimate(data["x"], data["y"], seed=int(sys.argv[3]))
untouched = bool((np.random.get_state()[1] == state).all())
print(json.dumps([found.value, found.message, untouched, found.diagnostics["library"]]))
"""

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A folder with the package as a wheel lays it out, for environments that lack what mibench depends on."""
    folder = tmp_path_factory.mktemp("package")
    shutil.copytree(ROOT / "mibench", folder / "mibench")
    shutil.copytree(ROOT / "estimators", folder / "mibench" / "estimators")
    return folder


@pytest.fixture
def ask(package, tmp_path):
    """Return nats that an adapter answers in the environment of its library."""

    def call(env, module, cls, x, y, seed=0, **fields):
        np.savez(tmp_path / "data.npz", x=x, y=y)
        code = CODE.replace("MODULE", module).replace("CLASS", cls)
        words = [PEERS / env / "bin" / "python", "-c", code, "data.npz", json.dumps(fields), str(seed)]
        environment = {**os.environ, "PYTHONPATH": str(package), "JAX_PLATFORMS": "cpu"}
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        value, message, untouched, library = json.loads(done.stdout)
        assert not message
        assert untouched
        print(f"{library} {cls} {fields}: {value:.6f} nats")
        return value

    return call


def own(spec, x, y):
    value = float(mibench.estimator(spec).estimate(x, y))
    print(f"{spec}: {value:.6f} nats")
    return value


@pytest.fixture(params=[(1, 1.0), (3, 2.0)], ids=["d=1", "d=3"])
def draws(request):
    return mibench.task("gaussian(d={}, mi={})".format(*request.param)).sample(2000, seed=0)


def test_npeet(ask, draws):
    assert ask("npeet", "npeet_ksg", "NpeetKSG", *draws, k=4) == pytest.approx(own("ksg(k=4)", *draws), abs=1e-4)


def test_infomeasure(ask, draws):
    found = ask("infomeasure", "infomeasure_ksg", "InfomeasureKSG", *draws)
    assert found == pytest.approx(own("ksg(k=4)", *draws), abs=1e-4)


def test_infomeasure_takes_a_square_for_the_rectangle(ask, draws):
    found = ask("infomeasure", "infomeasure_ksg", "InfomeasureKSG", *draws, variant=2, noise_level=0.0)
    far = [np.abs(side[:, None] - side).max(axis=2) for side in draws]
    radii = np.partition(np.maximum(*far), 4, axis=1)[:, 4]
    counts = [(each <= radii[:, None]).sum(axis=1) for each in far]  # the point itself is one of them
    square = digamma(4) - 1 / 4 + digamma(len(radii)) - sum(digamma(count).mean() for count in counts)
    assert found == pytest.approx(square, abs=1e-9)
    assert found < own("ksg(k=4, variant=2)", *draws) - 1 / 5


def test_bmi_ksg(ask, draws):
    options = {"neighborhoods": (5,), "standardize": False, "metric": "chebyshev"}
    found = ask("bmi", "bmi_library", "BmiKSG", *draws, **options)
    assert found == pytest.approx(own("ksg(k=5)", *draws), abs=1e-9)
    assert ask("bmi", "bmi_library", "BmiKSG", *draws) == pytest.approx(own("ksg(k=7)", *draws), abs=0.1)


def test_sklearn(ask):
    x, y = mibench.task("gaussian(d=1, mi=1)").sample(2000, seed=0)
    found = ask("sklearn", "sklearn_ksg", "SklearnKSG", x, y)
    assert found == pytest.approx(own("ksg(k=3)", x / x.std(), y / y.std()), abs=1e-4)


@pytest.mark.parametrize("method", ["mine", "infonce", "nwj", "dv"])
def test_bmi_neural(ask, method):
    x, y = mibench.task("gaussian(d=1, mi=1)").sample(2000, seed=0)
    fields = {"method": method, "learning_rate": 0.01, "max_n_steps": 2000}
    values = [ask("bmi", "bmi_library", "BmiNeural", x, y, seed=seed, **fields) for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]
    assert values[0] == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize(("method", "steps"), [("mine", 500), ("smile", 5000)])
def test_mist_neural(ask, method, steps):
    x, y = mibench.task("gaussian(d=1, mi=1)").sample(2000, seed=0)
    fields = {"method": method, "max_iterations": steps}
    values = [ask("mist", "mist_neural", "MistNeural", x, y, seed=seed, **fields) for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]
    assert values[0] == pytest.approx(1, abs=0.25)


def test_bmi_on_the_leaderboard_beside_our_own(tmp_path):
    (tmp_path / "theirs.py").write_text(
        "import sys\nimport numpy as np\nfrom bmi.estimators import KSGEnsembleFirstEstimator\n"
        "draws = np.load(sys.argv[1])\n"
        "method = KSGEnsembleFirstEstimator((5,), standardize=False, metric_x='chebyshev')\n"
        "print(float(method.estimate(draws['x'], draws['y'])))\n"
    )
    theirs = f"command('{PEERS / 'bmi' / 'bin' / 'python'} theirs.py {{data}}')"
    command = [Path(sys.executable).with_name("mibench"), "run", "--task", "gaussian(d=1, mi=1),gaussian(d=3, mi=2)"]
    command += ["--estimator", f"ksg(k=5),{theirs}", "--samples", "1000", "--replicates", "3", "--store", "s.db"]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    subprocess.run([command[0], "leaderboard", "--store", "s.db"], cwd=tmp_path, check=True)
    store = mibench.store.Store.open(tmp_path / "s.db", create=False)
    frame = store.to_frame().pivot_table("estimate", ["task", "replicate"], "estimator", observed=True)
    assert frame.shape == (6, 2)
    assert (frame.iloc[:, 0] - frame.iloc[:, 1]).abs().max() < 1e-9
