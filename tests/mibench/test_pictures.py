from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

import mibench
from mibench import figure, picture, view
from mibench.distribution import Distribution, Draw, Task
from mibench.errors import MibenchError


class Toy(Distribution):
    """Tasks that hold what pictures must cope with; their MI is of no matter."""

    x_shape = (1,)
    y_shape = (1,)
    mutual_information = 0.5


@dataclass(frozen=True)
class Pair(Toy):
    """Both sides discrete."""

    def draw(self, n, rng):
        x = rng.integers(0, 3, (n, 1)).astype(float)
        return Draw(x, np.where(rng.random((n, 1)) < 0.8, x, 2 - x), None)


@dataclass(frozen=True)
class Label(Toy):
    """Y is discrete."""

    def draw(self, n, rng):
        y = rng.integers(0, 2, (n, 1)).astype(float)
        return Draw(4 * y + rng.uniform(0, 1, (n, 1)), y, None)


@dataclass(frozen=True)
class Swapped(Toy):
    """X is discrete."""

    def draw(self, n, rng):
        return Draw(*Label().draw(n, rng)[1::-1], None)


@dataclass(frozen=True)
class Digit(Toy):
    """An image with a label: row y of the image is bright."""

    x_shape = (8, 8)

    def draw(self, n, rng):
        y = rng.integers(0, 8, n)
        return Draw(np.eye(8)[y][:, :, None] * np.ones(8), y[:, None].astype(float), None)


@dataclass(frozen=True)
class Colour(Toy):
    """RGB images, bright on the left and on the right."""

    x_shape = (3, 8, 8)
    y_shape = (3, 8, 8)
    mi_std_error = 0.0123

    def draw(self, n, rng):
        x = np.zeros((n, 3, 8, 8))
        x[..., :4] = [[[1.0]], [[0.5]], [[0.5]]]
        return Draw(x, x[..., ::-1].copy(), None)


@dataclass(frozen=True)
class Constant(Toy):
    def draw(self, n, rng):
        return Draw(np.full((n, 1), 7.0), rng.normal(size=(n, 1)), None)


@dataclass(frozen=True)
class Heavy(Toy):
    def draw(self, n, rng):
        x = rng.standard_cauchy((n, 1))
        return Draw(x, x + 0.1 * rng.standard_cauchy((n, 1)), None)


@dataclass(frozen=True)
class Painted(Toy):
    """A name that looks like mathematics."""

    how: str = ""

    def draw(self, n, rng):
        return Draw(rng.normal(size=(n, 1)), rng.normal(size=(n, 1)), None)


TOYS = [Task(cls()) for cls in (Pair, Label, Swapped, Digit, Colour, Constant, Heavy, Painted)]
BUILT_IN = [mibench.task(s) for s in ("gaussian(d=1, mi=2)", "gaussian(mi=1, dx=2, dy=5)", "blobs(size=32, mi=1)")]
EVERY = pytest.mark.parametrize("task", TOYS + BUILT_IN, ids=lambda task: task.name)


def dots(text):
    """Return where the braille dots of a scatter are, as (row, column), from its top left corner."""
    lines = [line.split("│")[1] for line in text.splitlines() if line.count("│") == 2]
    bits = {0x01: (0, 0), 0x02: (1, 0), 0x04: (2, 0), 0x40: (3, 0), 0x08: (0, 1), 0x10: (1, 1), 0x20: (2, 1)}
    bits[0x80] = (3, 1)
    return {
        (4 * i + down, 2 * j + right)
        for i, line in enumerate(lines)
        for j, char in enumerate(line)
        for bit, (down, right) in bits.items()
        if char != " " and ord(char) - 0x2800 & bit
    }


@pytest.fixture(autouse=True)
def _terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


@EVERY
@pytest.mark.parametrize(("columns", "widest"), [(30, 30), (45, 45), (80, 79), (200, 79)])
def test_a_picture_is_plain_text_that_fits_a_terminal_and_follows_from_the_task(task, columns, widest, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    text = picture.draw(task)
    assert max(map(len, text.splitlines())) <= widest
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "seed 0" in " ".join(text.splitlines()[-3:])
    assert picture.draw(task) == text


def test_the_dots_of_a_scatter_are_the_draws():
    task = mibench.task("gaussian(d=1, mi=2)")
    x, y = (side[:, 0] for side in task.sample(1000, seed=0))
    text = picture.draw(task)
    assert "y against x; 1000 draws, seed 0" in text
    (left, right), (bottom, top) = view.limits(x), view.limits(y)
    shown = (x >= left) & (x <= right) & (y >= bottom) & (y <= top)
    columns = np.rint((x - left) / (right - left) * 103)[shown]
    rows = np.rint((top - y) / (top - bottom) * 71)[shown]
    assert dots(text) == set(zip(rows.astype(int).tolist(), columns.astype(int).tolist(), strict=True))
    rise = np.array(sorted(dots(text)))
    assert np.corrcoef(rise.T)[0, 1] < -0.8  # rows count downwards


def test_vectors_are_shown_by_their_first_coordinates():
    text = picture.draw(mibench.task("gaussian(mi=1, dx=2, dy=5)"))
    said = "y[0] against x[0]; 1000 draws, seed 0; the first of 2 coordinates of x; the first of 5 coordinates of y"
    assert " ".join(text.splitlines()[-2:]) == said
    assert len(dots(text)) > 500


def test_two_discrete_sides_are_counted():
    x, y = (side[:, 0] for side in TOYS[0].sample(1000, seed=0))
    lines = picture.draw(TOYS[0]).splitlines()
    assert lines[0].split() == ["y", "\\", "x", "0", "1", "2"]
    for line, value in zip(lines[1:4], (2, 1, 0), strict=True):
        counts = [int(np.sum((x == other) & (y == value))) for other in (0, 1, 2)]
        assert [int(cell) for cell in line.split()] == [value, *counts]


@pytest.mark.parametrize(("task", "names"), [(TOYS[1], "xy"), (TOYS[2], "yx")], ids=["label", "swapped"])
def test_one_discrete_side_makes_a_histogram_a_value(task, names):
    text = picture.draw(task)
    assert f"histograms of {names[0]} for each {names[1]}" in text
    high, low = text.splitlines()[1:3]
    assert high.startswith(f"{names[1]} = 1 (")
    left, right = high.split("│")[1], low.split("│")[1]
    assert not left[:26].strip()
    assert not right[26:].strip()
    assert "█" in left[26:]
    assert "█" in right[:26]


def test_images_are_drawn_beside_each_other():
    lines = picture.draw(TOYS[4]).splitlines()
    assert lines[0].split() == ["x", "│", "y"]
    assert lines[1:9] == ["█" * 8 + " " * 8 + " │ " + " " * 8 + "█" * 8] * 8


def test_an_image_with_a_label_says_the_label():
    (y,) = TOYS[3].sample(8, seed=0)[1][0]
    lines = picture.draw(TOYS[3]).splitlines()
    assert f"│ y = {y:.0f}" in lines[0]
    assert [line[:16].strip() for line in lines[1:9]] == ["█" * 16 if row == y else "" for row in range(8)]


def test_large_images_are_averaged():
    lines = picture.draw(mibench.task("blobs(size=32, mi=1)")).splitlines()
    assert len(lines) == 18
    assert {len(line.split("│")[0]) for line in lines[:-1]} == {33}
    assert {char for line in lines[1:-1] for char in line} == set(" ░▒▓█│")


def test_heavy_tails_are_cut_and_said_so_and_discrete_ones_are_not():
    rng = np.random.default_rng(0)
    x, y = (side[:, 0] for side in TOYS[6].sample(1000, seed=0))
    inside = view.within(x, y)
    assert 900 < inside.sum() < 1000
    said = f"1000 draws, seed 0; {1000 - inside.sum()} outside"
    assert said in picture.draw(TOYS[6])
    drawn = figure.make(TOYS[6])
    assert drawn.get_supxlabel() == said
    (points,) = drawn.axes[2].collections
    np.testing.assert_array_equal(points.get_offsets(), np.stack([x, y], axis=1)[inside])
    normal, cauchy = rng.normal(size=1000), rng.standard_cauchy(1000)
    assert view.limits(normal) == (normal.min(), normal.max())
    low, high = view.limits(cauchy)
    assert -40 < low < -5
    assert 5 < high < 40
    rare = np.array([0.0] * 999 + [50.0])
    assert view.limits(rare) == (0, 50)
    assert view.limits(np.full(5, 7.0)) == (6, 8)


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<svg")])
@pytest.mark.parametrize("task", [TOYS[1], BUILT_IN[0], BUILT_IN[2]], ids=lambda task: task.name)
def test_a_figure_is_a_file_of_its_kind_and_the_same_each_time(tmp_path, task, suffix, start):
    for name in ("a", "b"):
        figure.save(task, tmp_path / (name + suffix))
    data = (tmp_path / f"a{suffix}").read_bytes()
    assert data == (tmp_path / f"b{suffix}").read_bytes()
    assert start in data[:600]
    assert len(data) > 4000


def test_an_unknown_suffix_names_those_that_are_known(tmp_path):
    with pytest.raises(MibenchError, match=r"'a.jpg'; the name of a picture ends in one of .png .pdf .svg"):
        figure.save(TOYS[0], tmp_path / "a.jpg")


@EVERY
def test_the_title_is_the_spec_and_the_mi(task):
    spec, mi = figure.make(task).get_suptitle().rsplit("\n", 1)
    assert spec.replace("\n", " ") == task.name
    assert mi.startswith(f"I(X; Y) = {task.mutual_information:.4g}")
    assert mi.endswith("0.500 ± 0.012 nats" if task.name == "Colour" else " nats")


def test_a_long_title_is_wrapped_and_no_mathematics(tmp_path):
    task = Task(Painted("$x_{ " + "very long " * 12))
    lines = figure.make(task).get_suptitle().splitlines()
    assert len(lines) > 2
    assert max(map(len, lines)) < 60
    figure.save(task, tmp_path / "a.png")


def test_a_scatter_matrix_shows_three_coordinates_of_each_side_against_each_other():
    task = mibench.task("gaussian(mi=1, dx=2, dy=5)")
    x, y = task.sample(1000, seed=0)
    columns = np.hstack([x, y[:, :3]])
    grid = np.reshape(figure.make(task).axes, (5, 5))
    names = ["$x_{0}$", "$x_{1}$", "$y_{0}$", "$y_{1}$", "$y_{2}$"]
    assert [ax.get_xlabel() for ax in grid[-1]] == names
    assert [ax.get_ylabel() for ax in grid[1:, 0]] == names[1:]
    for i in range(5):
        assert sum(bar.get_height() for bar in grid[i, i].patches) == 1000
        for j in range(i):
            (points,) = grid[i, j].collections
            np.testing.assert_array_equal(points.get_offsets(), columns[:, [j, i]])
            assert not grid[j, i].axison


def test_discrete_sides_become_bars_discs_and_violins():
    pair, label = (np.reshape(figure.make(task).axes, (2, 2)) for task in TOYS[:2])
    x, y = (side[:, 0] for side in TOYS[0].sample(1000, seed=0))
    assert [bar.get_height() for bar in pair[0, 0].patches] == [np.sum(x == value) for value in (0, 1, 2)]
    (discs,) = pair[1, 0].collections
    counts = [np.sum((x == a) & (y == b)) for a, b in discs.get_offsets()]
    np.testing.assert_allclose(discs.get_sizes() / discs.get_sizes().max(), np.array(counts) / max(counts))
    assert [patch.get_data().values.max() for patch in label[1, 0].patches] == pytest.approx([0.42, 1.42])
    y = TOYS[1].sample(1000, seed=0)[1]
    assert [bar.get_width() for bar in label[1, 1].patches] == [np.sum(y == value) for value in (0, 1)]


def test_narrow_clusters_are_drawn_as_one_value_each_and_said_so():
    rng = np.random.default_rng(0)
    centres = rng.integers(1, 6, 1000)
    near = centres + 0.01 * rng.normal(size=1000)
    x, y = view.Side("x", rng.normal(size=(1000, 2))), view.Side("y", near[:, None])
    np.testing.assert_array_equal(y.column(0), centres)
    assert view.note(x, y, 3) == "1000 draws, seed 0; each cluster of y as one value"
    for values in (rng.normal(size=1000), rng.standard_cauchy(1000), rng.integers(0, 3, 1000) * 0.1, np.ones(9)):
        np.testing.assert_array_equal(view.Side("x", values[:, None]).column(0), values)
    task = mibench.task("concentric")
    counts = [bar.get_height() for bar in figure.make(task).axes[-1].patches]
    assert counts == np.unique(task.sample(1000, seed=0)[1].round(), return_counts=True)[1].tolist()


@pytest.mark.parametrize("spec", ["gaussian(d=2, mi=1)", "affine(gaussian(d=2, mi=1), shift=1000, scale=0.001)"])
def test_a_variable_has_the_same_ticks_everywhere_and_no_label_meets_another(spec):
    drawn = figure.make(mibench.task(spec))
    drawn.draw_without_rendering()
    grid = np.reshape(drawn.axes, (4, 4))
    for j in range(4):
        ticks = grid[j, j].get_xticks()
        assert len(ticks) >= 2
        for i in range(j + 1, 4):
            np.testing.assert_array_equal(grid[i, j].get_xticks(), ticks)
        for i in range(j):
            np.testing.assert_array_equal(grid[j, i].get_yticks(), ticks)
        boxes = [label.get_window_extent() for label in grid[3, j].get_xticklabels()]
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_one_against_one_is_a_scatter_with_margins():
    drawn = figure.make(BUILT_IN[0])
    drawn.draw_without_rendering()
    top, corner, middle, right = drawn.axes
    assert not corner.axison
    assert middle.get_xlim() == top.get_xlim()
    assert middle.get_ylim() == right.get_ylim()
    assert middle.get_position().width > 2.5 * right.get_position().width


def test_text_in_a_picture_stays_text(tmp_path):
    figure.save(BUILT_IN[1], tmp_path / "a.svg")
    said = (tmp_path / "a.svg").read_text()
    assert "gaussian(mi=1, dx=2, dy=5)</text>" in said
    assert "1000 draws, seed 0; the first 3 of 5 coordinates of y</text>" in said


def test_pairs_of_images_are_the_first_draws():
    for task in (mibench.task("blobs(size=32, mi=1)"), TOYS[4]):
        x, y = task.sample(8, seed=0)
        grid = np.reshape(figure.make(task).axes, (2, 4))
        for row, side in zip(grid, (x, y), strict=True):
            for ax, image in zip(row, side, strict=False):
                shown = np.moveaxis(image, 0, -1) if image.ndim == 3 else image
                np.testing.assert_array_equal(ax.images[0].get_array(), shown)
        assert [row[0].get_ylabel() for row in grid] == ["$X$", "$Y$"]


def test_images_are_titled_with_their_labels():
    x, y = TOYS[3].sample(8, seed=0)
    axes = figure.make(TOYS[3]).axes
    assert [ax.get_title() for ax in axes] == [f"y = {label:.0f}" for label in y[:, 0]]
    assert figure.make(TOYS[3]).get_supxlabel().startswith("the first 8 draws, seed 0; each y is drawn from the law")
    for ax, image in zip(axes, x, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), image)


def test_values_are_short():
    assert view.Side("y", np.array([[7.0]])).value(0) == "y = 7"
    assert view.Side("x", np.array([[-0.123456, 2.0]])).value(0) == "x = (−0.12, 2)"
    assert view.Side("x", np.arange(5.0)[None]).value(0) == "x = (0, 1, …)"


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ((-3.8612, 3.0712), ("−3.86", "3.07")),
        ((999.996, 1000.003), ("999.996", "1000.003")),
        ((0, 2e-9), ("0", "2e−09")),
    ],
)
def test_the_ends_of_an_axis_tell_its_length(ends, said):
    assert picture._ends(*ends) == said
