import json
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from mibench import MibenchError
from mibench.leaderboard.board import FORMATS
from mibench.leaderboard.command import leaderboard
from mibench.leaderboard.output import FORMAT_OF_SUFFIX
from mibench.leaderboard.reading import select

APP = typer.Typer()
APP.command()(leaderboard)


@pytest.fixture
def frame(world):
    return world({"ksg": 0.3, "ksg(k=5)": 0.4, "ae(ksg, latent=2)": 0.5, "oracle": 0.1}, tasks=3)


@pytest.fixture
def call(frame, monkeypatch):
    """Run the command on a store that holds `frame`; errors are raised."""

    class Opened:
        def to_frame(self, columns):
            return frame if columns is None else frame[[column for column in frame if column in columns]]

        def close(self):
            pass

    class Store:
        @staticmethod
        def open(where, create=True):
            assert not create
            if where == "none.db":
                raise MibenchError("there is no store none.db")
            return Opened()

    monkeypatch.setitem(sys.modules, "mibench.store", type(sys)("mibench.store"))
    monkeypatch.setattr(sys.modules["mibench.store"], "Store", Store, raising=False)
    return lambda *words: CliRunner().invoke(APP, list(words), catch_exceptions=False)


def test_it_prints_text_by_default(call):
    result = call()
    assert result.exit_code == 0
    assert "Summary over 3 tasks, n = 1000" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("name", "format", "start"),
    [
        ("out.md", "markdown", "### "),
        ("out.TEX", "latex", "\\begin{table}"),
        ("out.csv", "csv", "task,mi_true,"),
        ("out.json", "json", "{\n"),
        ("out.txt", "text", "gaussian(d=1, mi=1): true MI"),
    ],
)
def test_the_suffix_of_the_output_says_the_format(call, tmp_path, name, format, start):
    path = tmp_path / name
    result = call("--output", str(path))
    assert path.read_text(encoding="utf-8").startswith(start)
    assert result.stdout == ""
    assert " ".join(result.stderr.split()) == f"wrote {path} ({format})"


def test_a_picture_is_drawn_where_the_output_is_one(call, tmp_path):
    path = tmp_path / "out.svg"
    result = call("--task", "gaussian(d=1, mi=1)", "--output", str(path))
    assert path.read_text(encoding="utf-8").startswith("<?xml")
    assert " ".join(result.stderr.split()) == f"wrote {path} (picture)"
    with pytest.raises(MibenchError, match=r"cannot write .*missing/out.png: No such file or directory"):
        call("-t", "gaussian(d=1, mi=1)", "-o", str(tmp_path / "missing" / "out.png"))


@pytest.mark.parametrize("words", [["--output", "{}/"], ["--format", "html", "--output", "{}"]])
def test_a_folder_is_a_page(call, tmp_path, words):
    folder = tmp_path / "pages"
    result = call(*(word.format(folder) for word in words))
    assert (folder / "index.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert " ".join(result.stderr.split()) == f"wrote {folder / 'index.html'} (html)"
    assert result.stdout == ""
    assert call("--output", str(folder)).exit_code == 0  # a folder that is there already needs no slash


def test_a_page_needs_a_folder(call, tmp_path):
    with pytest.raises(MibenchError, match="--format html writes a folder of pages; say which with --output"):
        call("--format", "html")
    with pytest.raises(MibenchError, match=r"'site'; give --format, or end it in one of .* or in / for a folder"):
        call("--output", str(tmp_path / "site"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("text")
    with pytest.raises(MibenchError, match="holds files that are no pages of mibench"):
        call("--output", str(tmp_path / "mine"))


def test_a_given_format_wins_over_the_suffix(call, tmp_path):
    call("--format", "json", "-o", str(tmp_path / "out.data"))
    assert json.loads((tmp_path / "out.data").read_text())["units"] == "nats"


def test_what_cannot_be_written_or_read_is_one_clear_error(call, tmp_path):
    with pytest.raises(MibenchError, match=r"cannot write .*missing/out.md: No such file or directory"):
        call("--output", str(tmp_path / "missing" / "out.md"))
    with pytest.raises(MibenchError, match=r"there is no store none\.db"):
        call("--store", "none.db")


def test_every_format_has_a_suffix():
    assert tuple(FORMAT_OF_SUFFIX.values()) == FORMATS


def test_unknown_formats_and_suffixes_list_what_is_accepted(call):
    with pytest.raises(MibenchError, match=r"unknown format 'pdf'; use text, markdown, latex, csv, json, html$"):
        call("--format", "pdf")
    with pytest.raises(MibenchError, match="unknown format 'picture'; use text"):
        call("--format", "picture")
    suffixes = ".txt .md .tex .csv .json .svg .pdf .png, or in / for a folder of HTML pages$"
    with pytest.raises(MibenchError, match=f"'out.bmp'; give --format, or end it in one of {suffixes}"):
        call("-o", "out.bmp")


@pytest.mark.parametrize(
    ("patterns", "selected"),
    [
        (["ksg"], {"ksg"}),
        (["ksg*"], {"ksg", "ksg(k=5)"}),
        (["ksg,ae(ksg, latent=2)"], {"ksg", "ae(ksg, latent=2)"}),
        (["ksg", "ae(ksg,latent=2)"], {"ksg", "ae(ksg, latent=2)"}),
        (["*"], {"ksg", "ksg(k=5)", "ae(ksg, latent=2)"}),
        (["oracle"], set()),
        (None, {"ksg", "ksg(k=5)", "ae(ksg, latent=2)"}),
    ],
)
def test_estimators_are_chosen_by_name_spec_or_glob_and_baselines_stay(frame, patterns, selected):
    assert set(select(frame, estimators=patterns)["estimator"]) == selected | {"oracle"}


def test_tasks_and_samples_are_chosen_too(frame):
    assert set(select(frame, tasks=["gaussian(d=2, mi=2)"])["task"]) == {"gaussian(d=2, mi=2)"}
    assert len(select(frame, samples="1000")) == len(frame)


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"estimators": ["ksh"]}, "--estimator 'ksh' selects no record; did you mean ksg"),
        ({"tasks": ["gaussian*", "blobs*"]}, r"--task 'blobs\*' selects no record; known: gaussian\(d=1, mi=1\), "),
        ({"samples": "1000,500"}, "--samples '500' selects no record; "),
        ({"tasks": [","]}, "--task names nothing; known: gaussian"),
    ],
)
def test_a_filter_that_selects_nothing_names_what_is_there(frame, filters, message):
    with pytest.raises(MibenchError, match=message):
        select(frame, **filters)


def test_an_empty_store_says_what_to_do_first(tmp_path):
    from mibench.store import Store

    path = tmp_path / "empty.db"
    Store.open(path).close()
    with pytest.raises(MibenchError, match="the store has no records; run `mibench run` first"):
        CliRunner().invoke(APP, ["--store", str(path)], catch_exceptions=False)


def test_importing_the_command_loads_no_heavy_library():
    code = (
        "import sys, mibench.leaderboard.command\n"
        "print({'pandas', 'numpy', 'scipy', 'sqlalchemy', 'tabulate', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_run_ends_in_a_leaderboard():
    import mibench
    from mibench.leaderboard import build

    results = mibench.run(
        tasks=["gaussian(d=1, mi=1)", "gaussian(d=2, mi=0.5)"],
        estimators=["oracle", "zero", "gaussian_fit"],
        n_samples=200,
        replicates=3,
        store=None,
    )
    board = build(results.to_frame())
    assert board.cells["status"].tolist() == ["ok"] * 6
    cells = board.cells.set_index(["task", "estimator"])
    assert cells.loc[("gaussian(d=1, mi=1)", "zero"), "bias"] == pytest.approx(-1)
    assert board.summary["estimator"].tolist() == ["gaussian_fit", "oracle", "zero"]
