import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from mibench.store import Store

ROOT = Path(__file__).parents[2]


def call(*words, cwd):
    done = subprocess.run([*map(str, words)], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A new environment that holds the built wheel, and borrows the libraries of this one."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a copy, as a build leaves files beside what it builds
    ignored = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__", "*.db")
    shutil.copytree(ROOT, source, ignore=ignored)
    words = ["wheel", source, "--no-deps", "--no-build-isolation", "--wheel-dir", folder, "--disable-pip-version-check"]
    call(sys.executable, "-m", "pip", *words, cwd=folder)
    (wheel,) = folder.glob("mibench-*.whl")
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / "bin" / "python"
    call(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=folder)
    call(python, "-m", "pip", "uninstall", "--quiet", "--yes", "setuptools", cwd=folder)  # older than the borrowed one
    site = Path(call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return folder, python.parent


def test_the_wheel_works_as_the_checkout_does(installed):
    folder, bin_folder = installed
    where = call(bin_folder / "python", "-c", "import mibench.tasks.suites as s; print(s.__file__)", cwd=folder)
    assert Path(where.strip()).is_relative_to(folder)
    here = call(Path(sys.executable).with_name("mibench"), "list", "--json", cwd=folder)
    there = call(bin_folder / "mibench", "list", "--json", cwd=folder)
    assert json.loads(there) == json.loads(here)
    words = ["-t", "gaussian(d=1, mi=1),blobs(size=8, mi=1)", "-e", "ksg,gaussian_fit,oracle", "--samples", "600"]
    call(bin_folder / "mibench", "run", *words, "--replicates", "2", "--store", "s.db", cwd=folder)
    cells = json.loads(call(bin_folder / "mibench", "leaderboard", "--store", "s.db", "--format", "json", cwd=folder))[
        "cells"
    ]
    assert len(cells) == 6


def test_the_wheel_holds_every_module(installed):
    folder, bin_folder = installed
    base = Path(call(bin_folder / "python", "-c", "import mibench; print(mibench.__file__)", cwd=folder).strip()).parent
    packed = {str(file.relative_to(base)) for file in base.rglob("*.py")}
    expected = {file.name for file in (ROOT / "mibench").glob("*.py")}
    wings = ("tasks", "estimators", "leaderboard")
    expected |= {str(file.relative_to(ROOT)) for wing in wings for file in (ROOT / wing).rglob("*.py")}
    assert packed == expected


def test_the_wheel_holds_what_the_pages_are_made_of(installed):
    folder, bin_folder = installed
    base = Path(call(bin_folder / "python", "-c", "import mibench; print(mibench.__file__)", cwd=folder).strip()).parent
    for name in ("assets", "templates"):
        there, here = base / "leaderboard" / "site" / name, ROOT / "leaderboard" / "site" / name
        assert {file.name for file in there.iterdir()} == {file.name for file in here.iterdir()} != set()
    words = ["-t", "gaussian(d=1, mi=1)", "-e", "gaussian_fit", "--samples", "50", "--replicates", "2"]
    call(bin_folder / "mibench", "run", *words, "--store", "pages.db", cwd=folder)
    call(bin_folder / "mibench", "leaderboard", "--store", "pages.db", "--output", "pages/", cwd=folder)
    assert (folder / "pages" / "index.html").is_file()


def test_the_wheel_holds_the_published_records(installed):
    folder, bin_folder = installed
    words = ["--with-published", "--samples", "10000", "--summary"]
    shown = call(bin_folder / "mibench", "leaderboard", *words, cwd=folder)
    assert "Summary over 27 tasks, n = 10000" in shown


def test_every_declared_dependency_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = {line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().split()}
    declared = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    assert {name.split(">=")[0].lower() for name in declared} - {"mibench[ray]"} <= pins


def test_the_package_of_the_document_installs_passes_its_tests_and_runs(installed, example):
    folder, bin_folder = installed
    try:
        cells = example("A package", bin_folder, PIP_NO_BUILD_ISOLATION="0", PIP_NO_INDEX="1")
    finally:
        call(bin_folder / "python", "-m", "pip", "uninstall", "--yes", "my-mi", cwd=folder)
    assert {name: cell["ok"] for name, cell in cells.items()} == {"my_mi": 3, "ksg": 3}
    assert abs(cells["my_mi"]["bias"]) < 0.1


@pytest.fixture
def package(installed, tmp_path):
    """A package with an estimator in a repository, how to plant a bias in it, and how to run the steps of a job."""
    folder, bin_folder = installed
    call(bin_folder / "mibench", "new", "estimator", "yours", cwd=tmp_path)
    yours = tmp_path / "yours"
    (module,) = (file for file in yours.rglob("*.py") if "mibench.Estimate(value, std_error" in file.read_text())
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    call(*git, "init", "--quiet", cwd=yours)
    call(*git, "add", "--all", cwd=yours)

    def commit():
        call(*git, "commit", "--quiet", "--all", "--message", "x", cwd=yours)
        return call("git", "rev-parse", "HEAD", cwd=yours).strip()

    def spoil():
        good, bad = "mibench.Estimate(value, std_error", "mibench.Estimate(value + 0.1, std_error"
        module.write_text(module.read_text().replace(good, bad))

    def steps(name, replaced="", by="", **more):
        """Run the steps of a job of docs/ci.md, on fewer tasks, and return how they ended."""
        blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "ci.md").read_text("utf-8"), re.DOTALL)
        (job,) = (jobs[name] for jobs in (yaml.safe_load(block)["jobs"] for block in blocks) if name in jobs)
        environment = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", "PIP_NO_BUILD_ISOLATION": "0"}
        environment |= {"PIP_NO_INDEX": "1", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
        environment |= {"GITHUB_WORKSPACE": str(yours), **more}
        environment["RUN"] = job["env"]["RUN"].replace("core", "gaussian").replace("1000", "500")
        return [
            subprocess.run(
                ["bash", "-e", "-c", step["run"].replace(replaced, by) if replaced else step["run"]],
                cwd=yours, env=environment, capture_output=True, text=True, check=False,
            )
            for step in job["steps"] if "run" in step
        ]  # fmt: skip

    yield SimpleNamespace(folder=yours, commit=commit, spoil=spoil, steps=steps, summary=tmp_path / "summary.md")
    call(bin_folder / "python", "-m", "pip", "uninstall", "--yes", "yours", cwd=folder)


def test_the_workflow_of_the_document_finds_a_change_for_the_worse(package):
    base = package.commit()
    package.spoil()
    head = package.commit()
    ended = package.steps("compare", "${{ github.event.pull_request.base.sha }}", base)
    assert [done.returncode for done in ended] == [0, 0, 1], [done.stdout + done.stderr for done in ended]
    assert "1 worse" in package.summary.read_text("utf-8")
    for name, commits in (("base.db", {base}), ("head.db", {base, head})):
        store = Store.open(str(package.folder / name), create=False)
        assert set(store.to_frame()["git_commit"]) == commits
        store.close()


def test_the_workflow_of_the_document_shows_the_commit_of_a_change(package, installed):
    commits = []
    for change in (lambda: None, package.spoil):
        change()
        commits.append(package.commit())
        ended = package.steps("history", GITHUB_SHA=commits[-1])
        assert [done.returncode for done in ended] == [0, 0], [done.stdout + done.stderr for done in ended]
    assert "1 worse" in package.summary.read_text("utf-8")
    assert (package.folder / "history.svg").stat().st_size
    stores = [f"stores/{commit}.db" for commit in commits]
    found = json.loads(call(installed[1] / "mibench", "history", *stores, "--format", "json", cwd=package.folder))
    assert [each["commit"] for each in found["commits"]] == commits
    assert found["notes"] == ["commits are in git's order (rev-list --topo-order), oldest first."]
