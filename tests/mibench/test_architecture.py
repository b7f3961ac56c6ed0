import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mibench
import mibench.catalogue
from mibench.registry import source_files

ROOT = Path(__file__).parents[2]
WINGS = ("tasks", "estimators", "leaderboard")


def imported(file):
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("file", sorted((ROOT / "mibench").glob("*.py")), ids=lambda file: file.name)
def test_the_core_imports_no_wing(file):
    public = ("mibench.api.tasks",)
    assert not [
        name for name in imported(file) if name.startswith(tuple(f"mibench.{w}" for w in WINGS)) and name not in public
    ]


@pytest.mark.parametrize("wing", WINGS)
def test_wings_do_not_import_each_other(wing):
    others = tuple(f"mibench.{other}" for other in WINGS if other != wing)
    files = list((ROOT / wing).rglob("*.py"))
    assert files
    assert not [(file.name, name) for file in files for name in imported(file) if name.startswith(others)]


@pytest.mark.parametrize(
    "statement",
    ["import mibench", "import mibench.cli; mibench.cli.make_app()", "import mibench.cli_show as s; s.list_()"],
)
def test_starting_up_loads_no_heavy_library(statement):
    heavy = "{'torch', 'numba', 'pandas', 'scipy', 'sqlalchemy', 'numpy', 'matplotlib', 'plotly', 'jinja2', 'itables'}"
    code = f"{statement}\nimport sys\nprint('loaded:', sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "loaded: []"


def test_tasks_can_be_called_before_and_after_their_package_is_imported():
    before, after = "a = mibench.tasks('blobs*')", "assert a and a == mibench.tasks('blobs*')"
    code = f"import mibench\n{before}\nimport mibench.tasks.blobs\n{after}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_module_of_a_method_counts_in_its_hash(tmp_path):
    ksg = {"ksg.py", "neighbour_estimator.py", "neighbours.py", "neighbour_kernels.py", "neighbours_torch.py"}
    ksg |= {"neighbour_scan.py", "neighbour_tree.py", "checks.py", "parallel.py"}
    kde = {"kde.py", "kernel_density.py", "kernels.py", "columns.py", "checks.py"}
    ae = {"autoencoder.py", "compression.py", "principal_axes.py", "same_law.py", "stack.py", "training.py"}
    ae |= {"wrapper.py", "conv_autoencoder.py", "stacked_autoencoder.py", "towers.py", "standardise.py"} | kde
    flows = {"flows.py", "couplings.py", "splines.py"}
    for name, used in {
        "ksg": ksg,
        "ae(ksg)": ae | ksg,
        "jackknife(ae(gaussian_fit()))": {"jackknife.py", "gaussian_fit.py", "wishart.py"} | ae | ksg,
        "flow_gaussian": {"flow_gaussian.py", "flow_method.py", "paired_flow.py", "gaussian_heads.py"}
        | flows
        | {"goodness.py", "same_law.py", "stack.py", "training.py", "columns.py", "wishart.py"}
        | ksg,
        "image_flow_gaussian": {"image_flow_gaussian.py", "multiscale.py", "principal_axes.py", "flow_gaussian.py"}
        | {"flow_method.py", "paired_flow.py", "gaussian_heads.py", "goodness.py", "same_law.py"}
        | flows
        | {"stack.py", "training.py", "columns.py", "wishart.py"}
        | ksg,
        "infonce": {"infonce.py", "neural_bound.py", "bound_values.py", "critics.py", "towers.py", "stack.py"}
        | {"training.py", "standardise.py", "pointwise.py", "parallel.py", "checks.py", "columns.py"},
    }.items():
        method = mibench.estimator(name).method
        assert {file.name for file in source_files(method)} == used


def test_public_names_can_be_imported():
    for name in mibench.__all__:
        assert getattr(mibench, name)
    with pytest.raises(AttributeError, match="no_such_name"):
        mibench.no_such_name  # noqa: B018


def test_every_public_thing_has_a_docstring():
    for group in ("mibench.tasks", "mibench.maps", "mibench.estimators", "mibench.commands"):
        for entry in mibench.catalogue.registered(group).values():
            assert entry.load().__doc__, entry
