import json
import subprocess
import sys

import pytest

import mibench
from mibench import registry, template


def test_a_package_holds_what_pip_and_pytest_need(cli, tmp_path):
    done = cli("new", "estimator", "my_mi")
    assert {file.name for file in (tmp_path / "my-mi").iterdir()} == set(template.package("my_mi"))
    assert done.stdout.splitlines()[:3] == ["cd my-mi", "pip install -e '.[test]'", "python -m pytest"]
    assert 'my_mi = "my_mi:MyMi"' in (tmp_path / "my-mi" / "pyproject.toml").read_text()


def test_the_folder_may_be_another(cli, tmp_path):
    done = cli("new", "estimator", "mi2", "--output", "a folder/in it")
    assert (tmp_path / "a folder" / "in it" / "mi2.py").is_file()
    assert done.stdout.startswith("cd 'a folder/in it'\n")


@pytest.mark.parametrize("words", [["my_mi"], ["my_mi", "--file"], ["other", "-o", "my-mi"]])
def test_nothing_is_overwritten(cli, tmp_path, words):
    (tmp_path / "my-mi").mkdir()
    (tmp_path / "my_mi.py").write_text("mine")
    assert "exists already; give another place with --output" in cli("new", "estimator", *words, code=2).stderr
    assert list((tmp_path / "my-mi").iterdir()) == []
    assert (tmp_path / "my_mi.py").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["estimator", "my-mi"], "NAME must be letters, digits and _, such as my_mi, and begin with a letter"),
        (["estimator", "2mi"], "begin with a letter, got '2mi'"),
        (["estimator", "_mi"], "begin with a letter, got '_mi'"),
        (["estimator", "mi_"], "NAME must be letters"),
        (["estimator", "mí"], "NAME must be letters"),
        (["estimator", "a/b"], "NAME must be letters"),
        (["estimator", ""], "NAME must be letters"),
        (["estimator", "lambda"], "'lambda' is a word of Python"),
        (["estimator", "ksg"], "the estimator 'ksg' exists already; choose another name"),
        (["estimator", "blobs"], "the task 'blobs' exists already"),
        (["estimator", "core"], "the suite 'core' exists already"),
        (["estimator", "numpy"], "'numpy' is the name of a module that is installed here"),
        (["estimator", "json"], "'json' is the name of a module"),
        (["estimator", "np", "--file"], "what the file holds is called 'np' already; choose another name"),
        (["estimator", "scores", "--file"], "is called 'scores' already"),
        (["estimator", "array"], "'array' is the name of a module"),
        (["estimator", "mi", "--file", "-o", "mi.txt"], "a plugin is a Python file; end 'mi.txt' in .py"),
        (["estimater", "mi"], "mibench has no template for 'estimater'; did you mean estimator?"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_written(cli, tmp_path, words, says):
    done = cli("new", *words, code=2)
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_a_plugin(cli):
    done = cli("new", "estimator", "own_mi", "--file")
    assert "--plugin own_mi.py" in done.stdout
    cli("sample", "gaussian(d=2, mi=1)", "-n", "5000", "-o", "d.npz")
    words = ["--plugin", "own_mi.py", "--json"]
    answers = json.loads(cli("estimate", "d.npz", "-e", "own_mi,own_mi(shrinkage=0.5)", *words).stdout)
    assert answers[0]["estimate"] == pytest.approx(1, abs=4 * answers[0]["std_error"])
    assert answers[1]["estimate"] < 0.5


def test_the_estimator_agrees_with_that_of_mibench(tmp_path):
    (tmp_path / "fitted.py").write_text(template.plugin("fitted_mi"))
    registry.load_plugin(tmp_path / "fitted.py")
    x, y = mibench.task("gaussian(mi=2, dx=2, dy=3)").sample(500, seed=0)
    theirs, ours = (mibench.estimator(name).estimate(x, y) for name in ("fitted_mi", "gaussian_fit"))
    assert theirs.value == pytest.approx(ours.value, abs=1e-12)
    assert theirs.std_error == pytest.approx(ours.std_error, abs=1e-12)
    assert mibench.estimator("fitted_mi").method.unsupported(5, (2,), (3,))
    with pytest.raises(mibench.SpecError, match="shrinkage must be from 0 to below 1, got 1"):
        mibench.estimator("fitted_mi(shrinkage=1)")


@pytest.mark.parametrize("name", ["my_mi", "a"])
def test_what_is_written_is_clean(tmp_path, name):
    for file, text in {**template.package(name), "plugin.py": template.plugin(name)}.items():
        (tmp_path / file).write_text(text)
    rules = ["--isolated", "--line-length", "120", "--select", "E,F,I,B,UP,SIM,RUF,PT"]
    for words in (["check", *rules], ["format", "--isolated", "--line-length", "120", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "."], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout
