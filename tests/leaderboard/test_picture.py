"""Estimated against true MI: what is drawn is what the records say."""

import numpy as np
import pandas as pd
import pytest

from mibench import MibenchError
from mibench.leaderboard.picture import family, make, save


@pytest.fixture
def frame(one):
    rows = []
    for mi in (1.0, 2.0, 4.0):
        for task in (f"gaussian(d=2, mi={mi})", f"asinh(gaussian(d=3, mi={mi}))"):
            for replicate, error in enumerate((-0.1, 0.0, 0.1)):
                rows.append(one(task, "ksg", error - mi / 4, mi=mi, replicate=replicate))
                rows.append(one(task, "kl", 100 if mi == 2 else -100, mi=mi, replicate=replicate))
                rows.append(one(task, "zero", -mi, mi=mi, replicate=replicate))
            rows.append(one(task, "broken", None, mi=mi, status="error"))
    return pd.DataFrame(rows)


def panel(figure, name):
    return next(ax for ax in figure.axes if ax.get_title() == name)


def drawn(ax, marker):
    """The points (x, y) of lines with this marker."""
    lines = [line for line in ax.lines if line.get_marker() == marker]
    return np.concatenate([np.array(line.get_data(), dtype=float).T for line in lines]).tolist()


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("gaussian(d=2, mi=1)", "gaussian(d=2)"),
        ("spiral(asinh(gaussian(d=3, mi=0.5)), v=2)", "spiral(asinh(gaussian(d=3)), v=2)"),
        ("blobs(size=16, mi=10)", "blobs(size=16)"),
        ("mixture_x", "mixture_x"),
    ],
)
def test_a_family_is_a_task_without_its_mi(task, expected):
    assert family(task) == expected


def test_points_are_the_means_at_the_true_mi(frame):
    figure = make(frame)
    means = drawn(panel(figure, "ksg"), "o") + drawn(panel(figure, "ksg"), "s")
    assert np.allclose(sorted(means), sorted([[mi, 0.75 * mi] for mi in (1, 2, 4)] * 2))


def test_bars_reach_two_standard_deviations(frame):
    bars = panel(make(frame), "ksg").collections
    lengths = [np.diff(segment[:, 1])[0] for each in bars for segment in each.get_segments()]
    assert np.allclose(lengths, 4 * 0.1)
    assert len(lengths) == 6


def test_what_lies_beyond_the_plot_is_a_triangle_at_its_edge(frame):
    ax = panel(make(frame), "kl")
    low, high = ax.get_ylim()
    up, down = drawn(ax, "^"), drawn(ax, "v")
    assert sorted({x for x, _ in up}) == [2]
    assert sorted({x for x, _ in down}) == [1, 4]
    assert all(high - 0.1 * (high - low) < y < high for _, y in up)
    assert all(low < y < low + 0.1 * (high - low) for _, y in down)
    assert not drawn(ax, "o")


def test_baselines_come_first_and_estimators_without_an_estimate_are_left_out(frame):
    titles = [ax.get_title() for ax in make(frame).axes]
    assert titles == ["zero", "kl", "ksg"]


def test_the_legend_names_families_and_the_sample_size(frame):
    (legend,) = make(frame).legends
    assert [text.get_text() for text in legend.texts] == [
        "asinh(gaussian(d=3)), n = 1000",
        "gaussian(d=2), n = 1000",
    ]


@pytest.mark.parametrize("suffix", [".svg", ".pdf", ".png"])
def test_the_same_records_give_the_same_bytes(frame, tmp_path, suffix, recwarn):
    files = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for file in files:
        save(frame, file)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert not [each for each in recwarn if "layout" in str(each.message)]


def test_what_cannot_be_drawn_is_one_clear_error(frame, one):
    with pytest.raises(MibenchError, match="one with --samples: 1000, 5000"):
        make(pd.concat([frame, frame.assign(n_samples=5000)]))
    with pytest.raises(MibenchError, match="no record has an estimate"):
        make(frame[frame["estimator"] == "broken"])
    many = [one(f"gaussian(d={d}, mi=1)", "ksg", 0.1) for d in range(1, 9)]
    with pytest.raises(MibenchError, match="at most 6 families of tasks, got 8; use --task"):
        make(pd.DataFrame(many))
