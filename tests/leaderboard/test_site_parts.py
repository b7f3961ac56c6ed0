"""What the HTML pages are made of: numbers, colours, diagrams, formulas and odd boards."""

import math

import numpy as np
import pandas as pd
import pytest

from mibench.leaderboard import build
from mibench.leaderboard.reading import REQUIRED
from mibench.leaderboard.site import figures, write_site
from mibench.leaderboard.site.diagram import SIDE, WIDTH, cliques, diagram
from mibench.leaderboard.site.frames import settings
from mibench.leaderboard.site.heat import SHADES, colours, shade
from mibench.leaderboard.site.names import slug
from mibench.leaderboard.site.overview import by_tag, pareto_points, strengths
from mibench.leaderboard.site.plots import label, log_axis
from mibench.leaderboard.site.prose import formula, paragraphs
from mibench.leaderboard.site.table import sort_key


def test_names_of_files_differ_where_the_names_do_and_say_what_they_are_of():
    names = ["ksg", "KSG", "ksg ", "ksg(k=5)", "ksg(k=5.0)", "../ksg", "", "ξ", "η", "a" * 300, "a" * 301, "\ud800"]
    assert len({slug(name) for name in names}) == len(names)
    assert all(
        len(slug(name)) < 60 and set(slug(name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for name in names
    )
    assert slug("ksg(k=5)").startswith("ksg-k-5-")


def luminance(colour):
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_every_shade_can_be_read_and_is_darker_than_the_one_before():
    found = colours()
    assert len(found) == SHADES
    for back, ink in found:
        light, dark = sorted([luminance(back), luminance(ink)], reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5  # WCAG 2, AA
    lightness = [luminance(back) for back, _ in found]
    assert all(np.diff(lightness) < 0)


def test_a_shade_is_the_logarithm_of_the_ratio():
    assert [shade(ratio, 2) for ratio in (0.5, 1, 10, 100, 1e9, math.inf)] == [0, 0, 16, 31, 31, 31]


def test_none_on_the_front_is_beaten_in_both(world):
    frame = world({**{f"e{k}": 0.1 * 2**k for k in range(8)}, "oracle": 0.05})
    seconds = dict(zip([f"e{k}" for k in range(8)], [4.0, 9.0, 2.0, 3.0, 1.0, 0.5, 0.7, 0.1], strict=True))
    frame["seconds_amortised"] = frame["estimator"].map(seconds).fillna(1.0)
    frame.loc[(frame["estimator"] == "e7") & (frame.index % 10 == 0), ["status", "estimate"]] = ["crash", None]
    board = build(frame)
    (setting,) = settings(board)
    points = pareto_points(setting).set_index("estimator")
    assert set(points.index[points["on_front"]]) == {"e0", "e2", "e4", "e5"}
    assert points.loc["e7", "tasks_failed"] == 8
    assert points.loc["e1", "efficiency"] == pytest.approx(
        float(board.summary.set_index("estimator").loc["e1", "vs_oracle"])
    )
    drawn = figures.pareto(points.reset_index())
    assert drawn["data"][0]["y"] == sorted(drawn["data"][0]["y"], reverse=True)


def test_names_of_points_that_are_near_stand_on_different_sides():
    near = pd.DataFrame({
        "estimator": ["alone", "first_one", "second_one", "third_one"],
        "seconds": [0.001, 1.0, 1.1, 1.05],
        "efficiency": [50.0, 2.0, 2.0, 2.1],
        "on_front": False, "tasks": 3, "tasks_failed": [0, 0, 1, 0],
    })  # fmt: skip
    drawn = figures.pareto(near)
    sides = {name: side for trace in drawn["data"][1:]
             for name, side in zip(trace["text"], trace["textposition"], strict=True)}  # fmt: skip
    assert sides["alone"] == "top center"
    assert len({sides[name] for name in ("first_one", "second_one", "third_one")}) == 3


def test_strengths_are_relative_to_the_others_on_the_same_tasks_and_a_failure_is_worst(make):
    good, bad = [0.1, -0.1], [0.4, -0.4]
    tags = {"a": ["smooth"], "b": ["smooth"], "c": ["rough"], "d": ["rough"], "e": []}
    frame = make({
        "one": {"a": good, "b": good, "c": bad, "d": bad, "e": good},
        "two": {"a": bad, "b": bad, "c": good, "d": good, "e": good},
        "three": {"a": bad, "b": bad, "c": good, "d": [0.1, None], "e": good},
        "oracle": {task: [0.05, -0.05] for task in "abcde"},
    })  # fmt: skip
    found = by_tag(build(frame).cells, tags)
    one = found[found["estimator"] == "one"].set_index("tag")
    assert one.loc["smooth", ["tasks", "failed", "efficiency", "relative"]].tolist() == pytest.approx([2, 0, 2, 0.25])
    assert one.loc["rough", "efficiency"] == pytest.approx(8)
    assert one.loc["rough", "relative"] == pytest.approx(np.median([4, 0]))  # on d, half of the others failed: infinite
    three = found[found["estimator"] == "three"].set_index("tag")
    assert three.loc["rough", "failed"] == 1
    assert math.isinf(three.loc["rough", "efficiency"])
    assert strengths(found[found["estimator"] == "one"])[0] == []  # two tags on as many tasks each: both are most
    wider = pd.concat([found, found.assign(tag="all", tasks=4)])
    assert strengths(wider[wider["estimator"] == "one"]) == (["smooth"], ["rough"])


class TestDiagram:
    def test_cliques_are_the_largest_sets_within_the_difference(self):
        assert cliques([1, 1.5, 2, 4, 4.2, 6], 1) == [(0, 2), (3, 4)]
        assert cliques([1, 1.8, 2.6], 1) == [(0, 1), (1, 2)]
        assert cliques([1, 3, 5], 1) == []

    @pytest.mark.parametrize("number", [2, 3, 6, 15])
    def test_ranks_stand_where_they_are_and_no_two_names_meet(self, number):
        ranks = [(f"e{k}", 1 + k * (number - 1) / max(number - 1, 1)) for k in range(number)]
        made = diagram(ranks, 1.2)
        assert [leaf.x for leaf in made.leaves] == pytest.approx(np.linspace(SIDE, WIDTH - SIDE, number))
        assert len({(leaf.anchor, leaf.y) for leaf in made.leaves}) == number
        assert max(leaf.y for leaf in made.leaves) < made.height
        assert min(leaf.y for leaf in made.leaves) > max([y for *_, y in made.cliques], default=0)
        assert made.bar[1] - made.bar[0] == pytest.approx(min(1.2, number - 1) * (WIDTH - 2 * SIDE) / (number - 1))

    def test_there_is_none_of_one_estimator_or_of_an_unknown_difference(self):
        assert diagram([("a", 1.0)], 1) is None
        assert diagram([("a", 1.0), ("b", 2.0)], math.nan) is None


def test_a_logarithmic_axis_has_ticks_that_read_as_they_are():
    axis = log_axis("", [3e-5, 2e-4])
    ticks = dict(zip(axis["ticktext"], axis["tickvals"], strict=True))
    assert ticks["10<sup>−4</sup>"] == pytest.approx(1e-4)
    assert ticks["5·10<sup>−5</sup>"] == pytest.approx(5e-5)
    assert dict(zip(*(log_axis("", [0.01, 100])[k] for k in ("ticktext", "tickvals")), strict=True))["0.01"] == 0.01


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ρ_j = √(1 − e^(−2 I_j)), ρ_j²", "ρ<sub>j</sub> = √(1 − e<sup>−2 I<sub>j</sub></sup>), ρ<sub>j</sub>²"),
        ("w = independent_fraction", "w = independent_fraction"),
        ("R^d <b>", "R<sup>d</sup> &lt;b&gt;"),
    ],
)
def test_formulas_have_indices_and_exponents(text, shown):
    assert str(formula(text)) == shown


def test_docstrings_have_paragraphs_and_code_and_no_markup_of_their_own():
    text = "One `k` and ``a < b``.\n\nTwo <i>lines\nin one."
    assert str(paragraphs(text)) == (
        "<p>One <code>k</code> and <code>a &lt; b</code>.</p>\n<p>Two &lt;i&gt;lines in one.</p>"
    )


def test_a_label_of_a_plot_is_one_line_of_text_and_no_more():
    assert label("<b>a&b</b>\n\x07c") == "&lt;b&gt;a&amp;b&lt;/b&gt;  c"
    assert label("x" * 99).endswith("…")


def test_what_is_missing_sorts_behind_every_number():
    orders = [float(sort_key(value, False)) for value in (-math.inf, -2, 0, True, 3.5, math.inf, None)]
    assert orders == sorted(orders)
    assert all(map(math.isfinite, orders))
    assert sort_key(pd.NA, False) == sort_key(math.nan, False) == sort_key(None, False)


@pytest.mark.parametrize(
    "name",
    ["required columns alone", "baselines alone", "nothing works", "one record", "no error", "several", "surrogates"],
)
def test_a_page_comes_of_every_board(one, tmp_path, name):
    each = {
        "required columns alone": [one("a", "b", 0.1, replicate=k) for k in range(3)],
        "baselines alone": [one("a", "oracle", 0.1, replicate=k) for k in range(3)],
        "nothing works": [
            one("a", e, None, replicate=k, status=s) for k in range(3) for e, s in (("b", "error"), ("c", "skipped"))
        ],
        "one record": [one("a", "b", 0.1)],
        "no error": [one("a", e, 0.0, replicate=k) for k in range(3) for e in ("b", "oracle")],
        "several": [
            one("a", e, 0.1 * k, replicate=k, seed=s, n_samples=n)
            for k in range(3) for e in ("b", "oracle") for s in (0, 1) for n in (10, 100)
        ],
        "surrogates": [one("a\ud800", "b\udfff", 0.1, replicate=k, message="\ud800") for k in range(3)],
    }  # fmt: skip
    frame = pd.DataFrame(each[name])
    frame = frame[REQUIRED] if name.startswith("required") else frame
    write_site(build(frame), frame, tmp_path / "site")
    page = (tmp_path / "site" / "index.html").read_text("utf-8")
    assert page.count('<section class="setting"') == (4 if name == "several" else 1)
    assert ("seed 1" in page) == (name == "several")
