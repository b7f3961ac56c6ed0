"""The adapters, with scikit-learn itself and with stand-ins for the libraries that are not dependencies."""

import importlib
import json
import math
import random
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

import mibench
from mibench import catalogue, registry
from mibench.estimation import call_estimate
from mibench.selection import select_estimators

MIBENCH = Path(sys.executable).with_name("mibench")
OTHERS = {
    "npeet_ksg": "npeet-plus",
    "infomeasure_ksg": "infomeasure",
    "bmi_ksg": "benchmark-mi",
    "bmi_neural": "benchmark-mi",
    "mist_neural": "torch-mist",
}


@pytest.fixture
def without(monkeypatch):
    """Hide the other libraries, where they happen to be installed."""

    def version(package):
        if package in OTHERS.values():
            raise catalogue.PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr(catalogue, "version", version)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that makes a stand-in of a library importable, with the metadata of a distribution."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def make(package, module, code):
        file = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(code))
        folder = tmp_path / f"{package.replace('-', '_')}-9.9.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 9.9\n")
        for name in [name for name in sys.modules if name.split(".")[0] == module.split(".")[0]]:
            monkeypatch.delitem(sys.modules, name)
        importlib.invalidate_caches()

    yield make
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def pair():
    return mibench.task("gaussian(d=1, mi=1)").sample(2000, seed=0)


def test_each_entry_point_names_the_package_that_its_class_needs():
    entries = catalogue.registered("mibench.estimators")
    found = {name: [each.replace("_", "-") for each in entry.extras] for name, entry in entries.items() if entry.extras}
    assert found == {name: [package] for name, package in OTHERS.items()}
    assert {name: registry.ESTIMATORS.load(name).library for name in OTHERS} == OTHERS


def test_all_leaves_out_what_is_not_installed(without):
    names = [chosen.name for chosen in select_estimators("all")]
    assert "sklearn_ksg" in names
    assert not set(names) & set(OTHERS)
    assert {chosen.name for chosen in select_estimators("bmi*")} == {"bmi_ksg", "bmi_neural"}
    assert set(registry.ESTIMATORS.names()) - set(registry.ESTIMATORS.usable()) == set(OTHERS)


def test_all_holds_what_is_installed(install):
    install("npeet-plus", "npeet_plus", "")
    assert "npeet_ksg" in [chosen.name for chosen in select_estimators("all")]


@pytest.mark.parametrize(("name", "package"), OTHERS.items())
def test_a_missing_library_is_named_with_its_install_line(without, pair, name, package):
    with pytest.raises(mibench.MibenchError, match=f"needs {package}; pip install {package}$"):
        mibench.estimator(name).estimate(*pair)
    with pytest.raises(mibench.MibenchError, match=f"needs {package}; pip install {package}$"):
        mibench.estimator(f"jackknife({name})").estimate(*pair)


def test_a_run_skips_a_missing_library(tmp_path):
    absent = [name for name, package in OTHERS.items() if not catalogue.is_installed(package)]
    options = {"tasks": "gaussian(d=1, mi=1)", "n_samples": 600, "replicates": 1, "store": None}
    frame = mibench.run(estimators=[*absent, "sklearn_ksg"], **options).to_frame().set_index("estimator")
    assert frame.status.to_dict() == {**dict.fromkeys(absent, "skipped"), "sklearn_ksg": "ok"}
    for name in absent:
        assert frame.message[name] == f"needs {OTHERS[name]}; pip install {OTHERS[name]}"


def test_the_command_line_names_what_to_install():
    def said(*words):
        return subprocess.run([MIBENCH, *words], capture_output=True, text=True, check=True).stdout

    listed = {row["name"]: row["from"] for row in json.loads(said("list", "estimators", "--json"))}
    assert listed["sklearn_ksg"] == ""
    for name, package in OTHERS.items():
        absent = not catalogue.is_installed(package)
        assert listed[name] == (f"needs {package}; pip install {package}" if absent else "")
        assert ("pip install" in said("info", name)) == absent


def test_sklearn_is_ksg_on_sides_of_unit_variance_with_noise(pair):
    x, y = pair
    ours = float(mibench.estimator("ksg(k=3)").estimate(x / x.std(), y / y.std()))
    found = mibench.estimator("sklearn_ksg").estimate(7 * x, y)
    assert found.value == pytest.approx(ours, abs=1e-4)
    assert found.diagnostics["library"].startswith("scikit-learn ")
    wider = float(mibench.estimator("sklearn_ksg(k=30)").estimate(x, y))
    assert wider == pytest.approx(float(mibench.estimator("ksg(k=30)").estimate(x / x.std(), y / y.std())), abs=1e-4)


def test_sklearn_takes_one_coordinate_a_side_and_clips():
    x, y = mibench.task("gaussian(d=2, mi=1)").sample(300, seed=0)
    with pytest.raises(mibench.MibenchError, match="one coordinate a side"):
        mibench.estimator("sklearn_ksg").estimate(x, y)
    near = [mibench.task("independent(gaussian(d=1, mi=1))").sample(300, seed=seed) for seed in range(10)]
    ours = np.array([float(mibench.estimator("ksg(k=3)").estimate(x / x.std(), y / y.std())) for x, y in near])
    theirs = np.array([float(mibench.estimator("sklearn_ksg").estimate(*each)) for each in near])
    assert (ours < 0).any()
    assert theirs == pytest.approx(np.maximum(ours, 0), abs=1e-3)


def test_what_a_library_raises_is_the_message_of_a_nan(pair):
    found = mibench.estimator("sklearn_ksg(k=5)").estimate(pair[0][:4], pair[1][:4])
    assert math.isnan(found.value)
    assert found.message.startswith("scikit-learn: ValueError: Expected n_neighbors")


def test_npeet_is_asked_for_nats_and_leaves_the_generators(install, pair):
    install(
        "npeet-plus",
        "npeet_plus",
        """
        import math, random
        import numpy as np
        import torch

        def mi(x, y, z=None, k=3, base=2, alpha=0):
            assert x.dtype == y.dtype == np.float64 and x.shape == (2000, 1)
            x[:] = 0
            print("noise")
            noise = np.random.random() + random.random() + float(torch.rand(1))
            return (k + alpha + noise) * math.log(2) / math.log(base)
        """,
    )
    estimator = mibench.estimator("npeet_ksg(k=4, alpha=0.25)")
    states = np.random.get_state()[1].copy(), random.getstate(), torch.get_rng_state()
    x = pair[0].copy()
    first, again, other = (estimator.estimate(*pair, seed=seed) for seed in (1, 1, 2))
    assert first.value == again.value != other.value
    assert first.value / math.log(2) - 4.25 == pytest.approx(1.5, abs=1.5)
    assert first.diagnostics == {"library": "npeet-plus 9.9"}
    assert np.array_equal(x, pair[0])
    assert (np.random.get_state()[1] == states[0]).all()
    assert random.getstate() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])


def test_infomeasure_is_handed_the_seed_and_asked_for_nats(install, pair):
    install(
        "infomeasure",
        "infomeasure",
        """
        def mutual_information(x, y, *, approach, base, seed, k, ksg_id, noise_level):
            assert (approach, base) == ("ksg", "e")
            return 100 * seed + 10 * k + ksg_id + noise_level
        """,
    )
    assert float(mibench.estimator("infomeasure_ksg").estimate(*pair, seed=3)) == 341 + 1e-10
    found = mibench.estimator("infomeasure_ksg(k=2, variant=2, noise_level=0.5)").estimate(*pair, seed=2**31 + 3)
    assert found.value == 322.5


def test_bmi_is_built_with_the_fields(install, pair):
    install(
        "benchmark-mi",
        "bmi.estimators",
        """
        class KSGEnsembleFirstEstimator:
            def __init__(self, neighborhoods, standardize, metric_x):
                self.value = sum(neighborhoods) + 100 * standardize + 1000 * len(metric_x)

            def estimate(self, x, y):
                return self.value

        class MINEEstimator:
            def __init__(self, **options):
                self.options = options

            def estimate(self, x, y):
                return len(self.options) + self.options["seed"] / 100

        class NWJEstimator(MINEEstimator):
            def estimate(self, x, y):
                raise FloatingPointError("no\\nluck")
        """,
    )
    assert float(mibench.estimator("bmi_ksg").estimate(*pair)) == 15 + 100 + 9000
    assert float(mibench.estimator("bmi_ksg(neighborhoods=(3,), metric='chebyshev')").estimate(*pair)) == 9103
    assert float(mibench.estimator("bmi_neural").estimate(*pair, seed=7)) == pytest.approx(9.07)
    with pytest.raises(mibench.MibenchError, match="100 training rows are less than batch_size=256"):
        mibench.estimator("bmi_neural").estimate(pair[0][:200], pair[1][:200])
    found = mibench.estimator("bmi_neural(method='nwj')").estimate(*pair)
    assert math.isnan(found.value)
    assert found.message == "benchmark-mi: FloatingPointError: no luck"


def test_mist_is_handed_vectors_in_single_precision(install):
    install(
        "torch-mist",
        "torch_mist",
        """
        import torch

        def estimate_mi(data, estimator, hidden_dims, batch_size, max_iterations, verbose, logger):
            assert data["x"].dtype == data["y"].dtype == "float32" and data["x"].shape == (50, 64)
            assert (estimator, hidden_dims, verbose) == ("nwj", [128], False)
            return float(torch.rand(1)), "log"
        """,
    )
    x, y = mibench.task("blobs(size=8, mi=2)").sample(50, seed=0)
    values = [float(mibench.estimator("mist_neural(method='nwj')").estimate(x, y, seed=seed)) for seed in (1, 1, 2)]
    assert values[0] == values[1] != values[2]


def test_a_broken_library_is_an_error_and_not_a_nan(install, pair):
    install("npeet-plus", "npeet_plus", "import no_such_module")
    with pytest.raises(ImportError, match="no_such_module"):
        call_estimate(mibench.estimator("npeet_ksg").method, *pair, 0, device="cpu")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("sklearn_ksg(k=0)", "k must be at least 1"),
        ("bmi_ksg(neighborhoods=())", "neighborhoods must be at least 1"),
        ("bmi_neural(method='smile')", "method must be 'mine' or"),
        ("bmi_neural(train_test_split=1.0)", "train_test_split must be below 1"),
        ("mist_neural(method='dv')", "method must be 'alpha_tuba' or"),
        ("infomeasure_ksg(variant=3)", "variant must be 1 or 2"),
    ],
)
def test_fields_are_checked(spec, words):
    with pytest.raises(mibench.SpecError, match=words):
        mibench.estimator(spec)
