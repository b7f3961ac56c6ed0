"""The examples of the documents run as they stand."""

import math
import os
import re
import shutil
import sysconfig
import venv
from pathlib import Path

import pytest

import mibench
from mibench import registry

ROOT = Path(__file__).parents[2]


@pytest.fixture
def plugin(tmp_path):
    """Write the Python block of a document whose first line names the file, and load it."""
    text = "".join((ROOT / name).read_text("utf-8") for name in ("CONTRIBUTING.md", "docs/plugins.md"))
    blocks = re.findall(r"```python\n(# (\w+\.py)\n.*?)```", text, re.DOTALL)
    found = {name: code for code, name in blocks}

    def load(name):
        (tmp_path / name).write_text(found[name], encoding="utf-8")
        return registry.load_plugin(tmp_path / name)

    return load


def test_the_estimators_of_the_example(plugin):
    assert plugin("mine.py") == [("estimator", "correlation"), ("estimator", "Binned")]
    x, y = mibench.task("gaussian(d=1, mi=1)").sample(20_000, seed=0)
    assert float(mibench.estimator("correlation").estimate(x, y)) == pytest.approx(1, abs=0.03)
    assert float(mibench.estimator("Binned(bins=30)").estimate(x, y)) == pytest.approx(0.95, abs=0.1)


def test_the_file_of_the_document(example):
    cells = example("A file")
    assert {name: cell["ok"] for name, cell in cells.items()} == {"correlation": 3, "Binned(bins=20)": 3, "ksg": 3}
    assert abs(cells["correlation"]["bias"]) < 0.1


def has(program):
    """Say whether a program is installed, as all are where MIBENCH_PROGRAMS says so."""
    return shutil.which(program) or "MIBENCH_PROGRAMS" in os.environ


@pytest.mark.skipif(not has("Rscript"), reason="R is not installed")
def test_the_program_in_r_of_the_document(example):
    theirs, ours = answers_of_both(example("R"))
    assert theirs["bias"] == pytest.approx(ours["bias"], abs=1e-9)
    assert theirs["rmse"] == pytest.approx(ours["rmse"], abs=1e-9)


def test_the_program_in_awk_of_the_document(example):
    theirs, _ = answers_of_both(example("awk"))
    assert abs(theirs["bias"]) < 0.1


def test_the_program_in_another_python_of_the_document(example, tmp_path):
    venv.create(tmp_path / "other", with_pip=False)
    (site,) = (tmp_path / "other").glob("lib/*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    theirs, ours = answers_of_both(example("Another environment's Python"))
    assert abs(theirs["bias"] - ours["bias"]) < 0.05


def answers_of_both(cells):
    """Return the cell of a program and that of ksg beside it."""
    ours = cells.pop("ksg")
    (theirs,) = cells.values()
    assert theirs["estimator"].startswith("command(")
    assert theirs["ok"] == ours["ok"] == 3
    return theirs, ours


def test_the_task_of_the_example(plugin):
    assert plugin("ring.py") == [("task", "Ring")]
    task = mibench.task("asinh(Ring)")
    assert task.mutual_information == math.log(4)
    x, y = task.sample(4000, seed=0)
    assert x.shape == (4000, 2)
    assert float(mibench.estimator("ksg").estimate(x, y)) == pytest.approx(math.log(4), abs=0.05)
    assert mibench.task("independent(Ring)").mutual_information == 0


def test_a_task_may_draw_plain_tuples(tmp_path):
    (tmp_path / "pair.py").write_text(
        "import mibench\n"
        "class Pair(mibench.Distribution):\n"
        "    x_shape = y_shape = (1,)\n"
        "    mutual_information = 0.0\n"
        "    def draw(self, n, rng):\n"
        "        return rng.standard_normal((n, 1)), rng.standard_normal((n, 1))\n"
    )
    registry.load_plugin(tmp_path / "pair.py")
    for spec in (
        "Pair",
        "asinh(Pair)",
        "swap(Pair)",
        "independent(Pair)",
        "join(Pair, gaussian)",
        "embed(Pair, dim=3)",
    ):
        assert mibench.task(spec).draw(10).x.shape[0] == 10


def test_a_task_that_lacks_something_is_not_dropped_in_silence(tmp_path):
    (tmp_path / "half.py").write_text(
        "import mibench\nclass Half(mibench.Distribution):\n    def draw(self, n, rng):\n        return None\n"
    )
    with pytest.raises(mibench.MibenchError, match=r"Half in .* lacks mutual_information, x_shape, y_shape"):
        registry.load_plugin(tmp_path / "half.py")


def test_tasks_and_estimators_may_be_given_as_such():
    results = mibench.run(
        tasks=[mibench.task("gaussian")], estimators=mibench.estimator("zero"), n_samples=10, replicates=1, store=None
    )
    assert results.counts() == {"ok": 1}


@pytest.mark.parametrize("given", [5, None, 2.5, ["gaussian"]])
def test_what_is_no_spec_is_named(given):
    with pytest.raises(mibench.SpecError, match="a spec is a string"):
        mibench.task(given)
