import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mibench
from mibench import data_file
from mibench.errors import MibenchError
from mibench.job import draw_replicates

MIBENCH = Path(sys.executable).with_name("mibench")
SPEC = "gaussian(mi=1, dx=2, dy=3)"
TASK = mibench.task(SPEC)
X, Y = TASK.sample(50, seed=3)
TASK_1 = mibench.task("gaussian")
BLOBS = mibench.task("blobs(size=3, mi=1)")


def saved(path):
    with np.load(path) as arrays:
        return arrays["x"], arrays["y"]


def test_npz_holds_the_draws_bit_for_bit(cli, tmp_path):
    done = cli("sample", SPEC, "-n", "50", "--seed", "3", "-o", "data.npz")
    x, y = saved(tmp_path / "data.npz")
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)
    assert x.dtype == y.dtype == np.float64
    assert done.stdout == ""
    assert done.stderr == f"wrote data.npz: {SPEC}, x (50, 2), y (50, 3), 1 nats, seed 3\n"
    assert os.listdir(tmp_path) == ["data.npz"]


def test_csv_on_stdout_is_that_of_the_file_and_of_the_arrays(cli, tmp_path):
    printed = cli("sample", SPEC, "-n", "50", "--seed", "3")
    cli("sample", SPEC, "--samples", "50", "--seed", "3", "--output", "data.csv")
    assert printed.stdout == (tmp_path / "data.csv").read_text()
    assert printed.stderr == f"{SPEC}, x (50, 2), y (50, 3), 1 nats, seed 3\n"
    table = pd.read_csv(io.StringIO(printed.stdout))
    assert list(table.columns) == ["x0", "x1", "y0", "y1", "y2"]
    np.testing.assert_array_equal(table.to_numpy(), np.hstack([X, Y]))


def test_a_thousand_draws_of_seed_0_by_default(cli, tmp_path):
    cli("sample", "gaussian", "-o", "a.npz")
    x, y = TASK_1.sample(1000, seed=0)
    np.testing.assert_array_equal(np.hstack(saved(tmp_path / "a.npz")), np.hstack([x, y]))


def test_a_replicate_is_the_very_data_of_a_run(cli, tmp_path):
    done = cli("sample", "gaussian", "-n", "40", "--replicate", "2", "-o", "r.npz")
    ran = draw_replicates(TASK_1.name, 40, (0, 1, 2))
    x, y = saved(tmp_path / "r.npz")
    np.testing.assert_array_equal(x, ran.x[2])
    np.testing.assert_array_equal(y, ran.y[2])
    assert f"replicate 2 (seed {TASK_1.replicate_seed(2)})" in done.stderr


@pytest.mark.parametrize("name", ["data.npz", "data.csv", "DATA.NPZ", "Data.Csv"])
def test_files_read_back_bit_for_bit(tmp_path, name):
    awkward = np.array([[0.1 + 0.2, 5e-324], [1.7976931348623157e308, -0.0], [1 / 3, 2**53 + 2.0]])
    data_file.write(tmp_path / name, awkward, -awkward)
    x, y = data_file.read(tmp_path / name)
    assert x.tobytes() == awkward.tobytes()
    assert y.tobytes() == (-awkward).tobytes()


def test_images_keep_their_shape_in_npz_and_are_flattened_in_c_order_in_csv(tmp_path):
    images = BLOBS.sample(20, seed=1)
    for name in ("i.npz", "i.csv"):
        data_file.write(tmp_path / name, *images)
    flat = [side.reshape(20, 9) for side in images]
    for written, expected in (("i.npz", images), ("i.csv", flat)):
        for read, side in zip(data_file.read(tmp_path / written), expected, strict=True):
            np.testing.assert_array_equal(read, side)
    assert (tmp_path / "i.csv").read_text().splitlines()[0].split(",")[8:10] == ["x8", "y0"]


def test_estimate_reads_both_back(cli):
    for name in ("data.npz", "data.csv"):
        cli("sample", SPEC, "-n", "50", "--seed", "3", "-o", name)
    expected = mibench.estimator("ksg").estimate(X, Y).value
    for words in (["data.npz"], ["data.csv"], ["data.csv", "--x", "x0,x1", "--y", "y0,y1", "--y", "y2"]):
        (answer,) = json.loads(cli("estimate", *words, "--json").stdout)
        assert answer["estimate"] == expected


def test_columns_that_are_left_out_are_those_called_x_and_y_with_a_number(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("id,x10,y,xylophone,x2,year\n1,1,2,3,4,5\n2,6,7,8,9,9\n3,3,3,1,1,1\n")
    x, y = data_file.read(file)
    np.testing.assert_array_equal(x, [[1, 4], [6, 9], [3, 1]])
    np.testing.assert_array_equal(y, [[2], [7], [3]])
    for given in ((["x2"], None), (None, ["y"])):
        with pytest.raises(MibenchError, match="needs --x and --y"):
            data_file.read(file, *given)


def test_the_same_draws_give_the_same_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        data_file.write(tmp_path / name, X, Y)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_file_is_replaced_by_force_alone(cli, tmp_path):
    (tmp_path / "data.csv").write_text("precious")
    done = cli("sample", "gaussian", "-n", "2", "-o", "data.csv", code=2)
    assert done.stderr == "mibench: data.csv exists already; --force replaces it\n"
    assert (tmp_path / "data.csv").read_text() == "precious"
    cli("sample", "gaussian", "-n", "2", "-o", "data.csv", "--force")
    assert (tmp_path / "data.csv").read_text().startswith("x0,y0\n")


@pytest.mark.parametrize("name", ["data.npz", "data.csv"])
@pytest.mark.parametrize("trouble", [KeyboardInterrupt, OSError("no space left")])
def test_what_is_not_written_whole_is_not_there(tmp_path, monkeypatch, name, trouble):
    def half(*args, **kwargs):
        yield "x0,y0\n"
        raise trouble

    def half_npz(handle, **arrays):
        handle.write(b"PK")
        raise trouble

    monkeypatch.setattr(data_file, "csv_lines", half)
    monkeypatch.setattr(np, "savez", half_npz)
    (tmp_path / name).write_text("precious")
    expected = KeyboardInterrupt if trouble is KeyboardInterrupt else MibenchError
    with pytest.raises(expected) as caught:
        data_file.write(tmp_path / name, X, Y)
    if expected is MibenchError:
        assert str(caught.value) == f"cannot write {tmp_path / name}: no space left"
    assert os.listdir(tmp_path) == [name]
    assert (tmp_path / name).read_text() == "precious"


def test_ctrl_c_leaves_nothing_behind(tmp_path):
    words = [MIBENCH, "sample", "gaussian(d=20, mi=1)", "-n", "300000", "-o", "big.csv"]
    with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not os.listdir(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert os.listdir(tmp_path)  # the draft: it is writing
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert os.listdir(tmp_path) == []


def test_a_link_is_written_through_and_modes_are_those_of_any_file(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link.npz").symlink_to(tmp_path / "elsewhere" / "data.npz")
    data_file.write(tmp_path / "link.npz", X, Y)
    (tmp_path / "plain").write_text("")
    assert (tmp_path / "link.npz").is_symlink()
    assert (tmp_path / "elsewhere" / "data.npz").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("n", [5, 20000])
def test_a_reader_that_leaves_early_ends_it_in_silence(n):
    words = [MIBENCH, "sample", "gaussian(d=3, mi=1)", "-n", str(n)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        if n > 5:
            assert process.stdout.readline() == b"x0,x1,x2,y0,y1,y2\n"
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 0
    assert said == b""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["gaussian", "-o", "data.txt"], "cannot tell the format from 'data.txt'; end it in one of .npz .csv"),
        (["gaussian", "-o", "data"], "end it in one of .npz .csv"),
        (["gaussian", "-n", "0"], "n must be at least 1, and an integer, got 0"),
        (["gaussian", "-n", "-5", "-o", "a.npz"], "n must be at least 1, and an integer, got -5"),
        (["gaussian", "-n", "1e3"], "not a valid integer"),
        (["gaussian", "--seed", "-1"], "seed must be an integer from 0"),
        (["gaussian", "--seed", str(2**63)], "seed must be an integer from 0"),
        (["gaussian", "--seed", "x"], "not a valid integer"),
        (["gaussian", "--replicate", "-1"], "--replicate must be at least 0, got -1"),
        (["gaussian", "--replicate", "1", "--seed", "0"], "--seed and --replicate exclude each other"),
        (["gaussian", "-o", "none/data.npz"], "cannot write none/data.npz: there is no folder none"),
        (["gaussian", "-o", "file/data.npz"], "there is no folder file"),
        (["gaussian", "-o", "folder.npz", "--force"], "folder.npz is a folder"),
        (["gaussian", "-o", "a" * 300 + ".csv"], "File name too long"),
        (["gausian"], "did you mean gaussian"),
        (["ksg"], "there is no task 'ksg'"),
        ([""], "the spec is empty"),
        (["gaussian", "--plugin", "none.py"], "the plugin none.py is not there"),
    ],
)
def test_errors_are_one_line_exit_2_and_write_nothing(cli, tmp_path, words, says):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.npz").mkdir()
    done = cli("sample", *words, code=2)
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.npz"]


def test_help_has_examples(cli):
    said = cli("sample", "--help").stdout
    assert "Examples: mibench sample" in said
    assert "--replicate" in said
