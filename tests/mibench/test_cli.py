import json

import numpy as np
import pytest

import mibench

X, Y = mibench.task("gaussian(d=2, mi=1)").sample(300, seed=0)


def error_line(done):
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize(
    "words",
    [[], ["--help"], ["run", "--help"], ["plan", "-h"], ["leaderboard", "--help"], ["estimate", "-h"], ["new", "-h"]],
)
def test_help_has_examples(cli, words):
    assert "Example" in cli(*words).stdout


def test_the_version(cli):
    assert cli("--version").stdout.startswith("mibench 0.")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["rnu"], "Did you mean 'run'"),
        (["run", "--taks", "all"], "--task"),
        (["run", "--replicates", "x"], "not a valid integer"),
        (["run", "--samples", "1e3"], "--samples must be integers"),
        (["run", "-t", "gausian", "-e", "ksg"], "did you mean gaussian"),
        (["run", "-t", "gaussian(d=0)", "-e", "ksg"], "d must be at least 1, got 0"),
        (["run", "-t", "gaussian(d=1, mi=-1)", "-e", "ksg"], "mi must be a finite number of nats, at least 0"),
        (["run", "-t", "gaussian", "-e", "ksg(k=0)"], "k must be at least 1"),
        (["run", "-t", "gaussian", "-e", "ksg(neighbours=2)"], "no argument 'neighbours'"),
        (["run", "-t", "gaussian", "-e", "ksg", "--samples", "1"], "n_samples must be"),
        (["run", "-t", "gaussian", "-e", "ksg", "--profile", "ful"], "did you mean full"),
        (["run", "-t", "gaussian", "-e", "ksg", "--plugin", "none.py"], "the plugin none.py is not there"),
        (["plan", "-t", "nothing*"], "no task matches"),
        (["info", ""], "the spec is empty"),
        (["info", "kssg"], "did you mean ksg"),
        (["info", "gaussian(dd=1)"], "no argument 'dd'"),
        (["list", "estimator"], "did you mean estimators"),
        (["list", "tasks", "zzz"], "nothing matches 'zzz'"),
        (["leaderboard", "--store", "none.db"], "there is no store none.db"),
        (["estimate", "none.npz"], "there is no file none.npz"),
    ],
)
def test_errors_are_one_line_and_exit_2(cli, words, says):
    assert says in error_line(cli(*words, code=2))


def arrays(**changes):
    return {"x": X, "y": Y, **changes}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (arrays(y=Y[:-1]), "x has 300 rows and y has 299"),
        (arrays(x=np.where(X > 2, np.nan, X)), "x holds NaN or infinity"),
        (arrays(y=np.where(Y > 2, np.inf, Y)), "y holds NaN or infinity"),
        (arrays(x=np.array(["a"] * 300)), "x does not hold real numbers"),
        (arrays(x=np.array([{}] * 300, dtype=object)), "is not an NPZ file of numbers"),
        (arrays(x=X[:2], y=Y[:2]), "k=3 neighbours need n of at least 4, got 2"),
        ({"a": X, "y": Y}, "holds a, y, not x and y"),
    ],
)
def test_bad_data_are_one_line_and_exit_2(cli, tmp_path, data, says):
    np.savez(tmp_path / "data.npz", **data)
    assert says in error_line(cli("estimate", "data.npz", code=2))


def test_files_that_are_no_data(cli, tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "empty.npz").write_text("")
    np.save(tmp_path / "one.npy", X)
    (tmp_path / "table.csv").write_text("a,b,c\n1,2,u\n2,1,v\n3,5,w\n")
    (tmp_path / "empty.csv").write_text("")
    for words, says in (
        (["text.npz"], "is not an NPZ file"),
        (["empty.npz"], "is not an NPZ file"),
        (["one.npy"], "not x and y"),
        (["table.csv"], "needs --x and --y"),
        (["table.csv", "--x", "a", "--y", "z"], "no column 'z' in table.csv; it has a, b, c"),
        (["table.csv", "--x", "a", "--y", "c"], "does not hold numbers"),
        (["empty.csv", "--x", "a", "--y", "b"], "is not a CSV file"),
        (["text.npz", "--x", "a"], "--x and --y name columns of a CSV"),
    ):
        assert says in error_line(cli("estimate", *words, code=2))


def test_estimates_of_a_file(cli, tmp_path):
    np.savez(tmp_path / "data.npz", x=X, y=Y)
    expected = mibench.estimator("ksg").estimate(X, Y).value
    assert f"ksg: {expected:.4f} nats" in cli("estimate", "data.npz").stdout
    assert f"ksg: {expected / np.log(2):.4f} bits" in cli("estimate", "data.npz", "--bits").stdout
    answers = json.loads(cli("estimate", "data.npz", "-e", "ksg,ksg(k=5)", "--json").stdout)
    assert [answer["estimator"] for answer in answers] == ["ksg", "ksg(k=5)"]
    assert answers[0]["estimate"] == expected
    rows = "\n".join(f"{a},{b},{c},{d}" for (a, b), (c, d) in zip(X.tolist(), Y.tolist(), strict=True))
    (tmp_path / "data.csv").write_text(f"a,b,c,d\n{rows}\n")
    assert f"ksg: {expected:.4f} nats" in cli("estimate", "data.csv", "--x", "a,b", "--y", "c", "--y", "d").stdout


def test_a_constant_has_no_information(cli, tmp_path):
    np.savez(tmp_path / "data.npz", x=np.ones((300, 1)), y=Y)
    assert "gaussian_fit: 0.0000 nats" in cli("estimate", "data.npz", "-e", "gaussian_fit").stdout


def test_lists_and_facts(cli, plugin):
    rows = json.loads(cli("list", "--json").stdout)
    assert {row["kind"] for row in rows} == {"task", "map", "estimator", "suite", "alias"}
    assert "blobs(size=16, mi=10)" in cli("list", "tasks", "blobs*").stdout
    assert "plain" in cli("list", "estimators", "--plugin", plugin).stdout
    facts = json.loads(cli("info", "asinh(gaussian(d=3, mi=2))", "--json").stdout)
    assert facts["mutual_information"] == 2
    assert facts["x_shape"] == [3]
    assert "rho" in cli("info", "gaussian_dense").stdout
    assert "k=3" in cli("info", "ksg").stdout


def test_a_run_a_plan_and_a_leaderboard(cli):
    words = [
        "-t",
        "gaussian(d=1, mi=1)",
        "-e",
        "ksg,zero",
        "--samples",
        "100,200",
        "--replicates",
        "2",
        "--store",
        "s.db",
    ]
    planned = cli("plan", *words).stdout
    assert "4 cells, 0 stored in s.db" in planned
    assert "no timing stored" in planned
    done = cli("run", *words)
    assert "[4/4]" in done.stderr
    assert "8 ok" in done.stderr
    assert "4 cells, 4 stored in s.db" in cli("plan", *words).stdout
    assert "predicted time" in cli("plan", *words, "--force").stdout
    again = cli("run", *words)
    assert "4 of them stored already" in again.stderr
    assert "ksg" in cli("leaderboard", "--store", "s.db").stdout


def test_failed_cells_are_exit_3_again_until_they_are_retried(cli, plugin):
    words = ["run", "-t", "gaussian(d=1, mi=1)", "--samples", "50", "--replicates", "2", "--store", "s.db"]
    for _ in range(2):
        assert "2 error" in cli(*words, "-e", "raises,zero", "--plugin", plugin, code=3).stderr
    cli(*words, "-e", "zero")
    assert "raises" in cli("leaderboard", "--store", "s.db").stdout


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("x = 1\n", "defines no estimator"),
        ("def ksg(x, y):\n    return 1.0\n", "'ksg' exists already"),
        ("def f(x, y:\n", "cannot be imported: SyntaxError"),
        ("import no_such_module\n", "cannot be imported: ModuleNotFoundError"),
    ],
)
def test_bad_plugins_are_one_line_and_exit_2(cli, tmp_path, source, says):
    (tmp_path / "bad.py").write_text(source)
    assert says in error_line(cli("run", "-t", "gaussian", "--plugin", "bad.py", "-e", "zero", code=2))
