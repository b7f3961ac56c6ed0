import csv
import io
import json
import re

import numpy as np
import pandas as pd
import pytest

from mibench import MibenchError
from mibench.leaderboard import build
from mibench.leaderboard.page import LONGEST_MESSAGE, one_line
from mibench.leaderboard.rounding import compact, plus_minus, share, with_interval
from mibench.leaderboard.statistics import CELL_COLUMNS

LONG = "ae(flow_gaussian(head='tridiagonal', hidden=128), latent=2)"


@pytest.fixture(scope="module")
def board(world):
    frame = world({"ksg(k=5)": 0.3, LONG: 0.5, "mine": 1.0, "oracle": 0.1, "zero": 2.0}, tasks=3)
    on_second = (frame["estimator"] == "mine") & (frame["task"] == "gaussian(d=2, mi=2)")
    told = ["timeout", None, "longer than 5 s\n\x1b[31mkilled | worker_1"]
    frame.loc[on_second, ["status", "estimate", "message"]] = told
    frame.loc[(frame["estimator"] == "ksg(k=5)") & (frame["replicate"] == 3), ["status", "estimate"]] = ["nan", None]
    return build(frame)


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (0.01234, 0.00812, "+0.012 ± 0.008"),
        (-0.01234, 0.0012, "-0.0123 ± 0.0012"),
        (1.5, 0.4, "+1.5 ± 0.4"),
        (1.5, 0.35, "+1.50 ± 0.35"),
        (123.4, 60.0, "+123 ± 60"),
        (-2.0, 0.0, "-2.00 ± 0"),
        (0.0, 0.0, "0 ± 0"),
        (0.3333, np.nan, "+0.333"),
        (np.nan, np.nan, "–"),
        (3.2e7, 1.1e6, "+3.20e+07 ± 1.10e+06"),
    ],
)
def test_biases_are_rounded_by_their_uncertainty(value, half, text):
    assert plus_minus(value, half) == text


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ((0.02134, 0.01412, 0.03821), "0.021 [0.014, 0.038]"),
        ((0.5, np.nan, np.nan), "0.500"),
        ((2.0, 2.0, 2.0), "2.00"),
        ((np.nan, np.nan, np.nan), "–"),
        ((np.inf, np.nan, np.nan), "inf"),
    ],
)
def test_intervals_are_rounded_by_their_shorter_side(numbers, text):
    assert with_interval(*numbers) == text


def test_other_numbers_have_three_digits():
    numbers = [0.0123456, 1.23456, 123.456, 12345.6, 1.23456e-5, 1.23456e7, 0.0]
    assert [compact(x) for x in numbers] == ["0.0123", "1.23", "123", "12346", "1.23e-05", "1.23e+07", "0"]
    assert [share(x) for x in (0, 0.125, 1)] == ["0", "12.5 %", "100 %"]


def test_messages_become_one_short_printable_line():
    assert one_line("a\n\tb\x1b[31m\x00c") == "a b [31m c"
    assert len(one_line("word " * 100)) <= LONGEST_MESSAGE
    assert one_line("x" * 500).endswith("x…")


def test_text_fits_a_terminal_and_ends_with_the_summary(board):
    text = board.render("text")
    assert max(map(len, text.splitlines())) <= 120
    assert text.index("gaussian(d=3, mi=3): true MI") < text.index("Summary over 3 tasks, n = 1000")
    assert text.endswith("\n")
    assert all(note[:30] in text for note in board.notes)


def test_long_names_are_broken_and_short_ones_left_alone(make):
    short, long = "own(sizes=(1,), mode='x,y')", "ae(" * 9 + "ksg(k=(5,))" + ", latent=2)" * 9
    text = build(make({short: {"t": [0.1, 0.2]}, long: {"t": [0.1, None]}})).render("text")
    assert short in text
    assert max(map(len, text.splitlines())) <= 120
    block = re.findall(r"^(?:ae\(|ksg|latent).*", text.split("Summary")[0], re.MULTILINE)
    assert "".join(line.split("  ")[0] for line in block).replace(" ", "") == long.replace(" ", "")


def test_rows_are_sorted_by_rmse_with_failures_last_and_baselines_marked(board):
    block = board.render("text").split("gaussian(d=2, mi=2): true MI 1.00 nats, n = 1000")[1].split("gaussian(d=3")[0]
    names = [line.split("  ")[0] for line in block.splitlines()]
    found = [name for name in names if re.match(r"oracle|zero|mine|ksg|ae\(", name)]
    assert found == ["oracle (baseline)", "ae(flow_gaussian(", "zero (baseline)", "ksg(k=5)", "mine"]


def test_failed_cells_are_shown_as_what_they_are(board):
    text = board.render("text")
    assert '  mine: timeout 10/10: "longer than 5 s [31mkilled | worker_1"\n' in text
    assert '  ksg(k=5): nan 1/10: "the estimate is' not in text
    assert "  ksg(k=5): nan 1/10\n" in text
    assert re.search(r"^mine +0/10 +timeout +– +–", text, re.MULTILINE)
    assert re.search(r"^ksg\(k=5\) +9/10 +[+-]0\.\d+ ± 0\.\d+", text, re.MULTILINE)


def test_numbers_in_the_text_are_those_of_the_cells(board):
    cell = board.cells[(board.cells["estimator"] == "zero") & (board.cells["task"] == "gaussian(d=1, mi=1)")].iloc[0]
    shown = with_interval(cell["rmse"], cell["rmse_low"], cell["rmse_high"])
    assert re.search(rf"zero \(baseline\) .*{re.escape(shown)}", board.render("text"))


def test_seeds_are_named_where_there_are_several(make):
    frames = [make({"a": {"t": [0.1, 0.2]}}, seed=seed) for seed in (0, 7)]
    assert "t: true MI 1.00 nats, n = 1000, seed 7" in build(pd.concat(frames)).render("text")
    assert "seed" not in build(frames[0]).render("text")


def test_columns_that_hold_nothing_are_left_out(make):
    frame = make({"a": {"t": [0.1, 0.2]}})
    assert "solo s" not in build(frame).render("text")
    assert "solo s" in build(frame.assign(seconds_solo=1.5)).render("text")


def test_markdown_tables_have_as_many_bars_in_every_row(board):
    text = board.render("markdown")
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    assert len(re.findall(r"^### ", text, re.MULTILINE)) == 4
    assert f"| `{LONG}`" in text
    assert "`oracle` (baseline)" in text


def test_markdown_starts_with_the_summary_and_escapes_what_is_no_markup(board):
    text = board.render("markdown")
    assert text.startswith("### Summary over 3 tasks")
    assert r'- mine: timeout 10/10: "longer than 5 s [31mkilled \| worker\_1"' in text


def test_a_bar_in_a_name_stays_in_its_cell(make):
    text = build(make({"own(mode='a|b')": {"t": [0.1, 0.2]}})).render("markdown")
    assert r"| `own(mode='a\|b')` |" in text


def test_latex_escapes_specials_and_has_booktabs(board):
    text = board.render("latex")
    assert r"flow\_gaussian(head='tridiagonal', hidden=128)" in text
    assert r"worker\_1" in text
    assert not re.search(r"(?<!\\)[_%#]", text)
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == text.count(r"\end{table}") == 4
    assert text.isascii()
    for table in re.findall(r"\\midrule\n(.*?)\\bottomrule", text, re.DOTALL):
        rows = [line for line in table.splitlines() if line.strip()]
        assert len({line.count(" & ") for line in rows}) == 1
        assert all(line.endswith(r"\\") for line in rows)


def test_latex_never_leaves_more_floats_than_it_can_hold(world):
    text = build(world({"a": 1.0, "b": 2.0}, tasks=20, replicates=2)).render("latex")
    assert max(part.count(r"\begin{table}") for part in text.split(r"\clearpage")) <= 12
    assert text.count(r"\begin{table}") == 21


def test_csv_comes_back_at_full_precision(board):
    rows = list(csv.DictReader(io.StringIO(board.render("csv"))))
    assert len(rows) == len(board.cells)
    assert list(rows[0]) == list(CELL_COLUMNS)
    for column in board.cells.select_dtypes("number"):
        back = [float(row[column]) if row[column] else np.nan for row in rows]
        np.testing.assert_array_equal(back, board.cells[column].to_numpy(float))
    for column in ("task", "estimator", "status", "reason"):
        assert [row[column] for row in rows] == board.cells[column].tolist()


def no_constant(name):
    raise AssertionError(f"{name} is not JSON")


def test_json_is_strict_and_complete(board):
    document = json.loads(board.render("json"), parse_constant=no_constant)
    assert (document["schema"], document["units"]) == (1, "nats")
    assert len(document["cells"]) == len(board.cells) == 15
    assert len(document["summary"]) == len(board.summary) == 5
    assert document["notes"] == list(board.notes)
    failed = next(cell for cell in document["cells"] if cell["status"] == "timeout")
    assert failed["rmse"] is None
    assert failed["ok"] == 0
    assert failed["baseline"] is False
    assert [row["won"] for row in document["summary"]][-2:] == [None, None]
    assert document["cells"][0]["bias"] == board.cells["bias"].iloc[0]


def test_an_overflow_is_null_in_json_and_shown_in_text(make):
    with np.errstate(all="ignore"):
        board = build(make({"a": {"t": [1e200, -1e200]}}))
        assert json.loads(board.render("json"), parse_constant=no_constant)["cells"][0]["rmse"] is None
        assert "inf" in board.render("text")


def test_unknown_formats_are_named_with_those_that_are_accepted(board):
    with pytest.raises(MibenchError, match="unknown format 'markdwon'; use text, markdown, latex, csv, json"):
        board.render("markdwon")


@pytest.mark.parametrize("format", ["text", "markdown", "latex", "csv", "json"])
def test_the_same_records_render_the_same(world, format):
    frame = world({"a": 1.0, "b": 1.1, "oracle": 0.5})
    assert build(frame).render(format) == build(frame.sample(frac=1, random_state=2)).render(format)
