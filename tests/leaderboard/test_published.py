"""The records that ship with mibench, and what README says of them."""

import gzip
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import mibench
from mibench.cli import make_app
from mibench.errors import MibenchError
from mibench.leaderboard import build
from mibench.leaderboard.published import FILE, VERSION, published_records, with_published
from mibench.leaderboard.published.__main__ import pack
from mibench.leaderboard.reading import read_records

ROOT = Path(__file__).parents[2]
TABLE = ["leaderboard", "--store", "published", "--samples", "10000", "--summary", "--format", "markdown"]
PICTURE = ["leaderboard", "--store", "published", "--samples", "10000", "--picture", "efficiency", "--output"]


@pytest.fixture(scope="module")
def published():
    return published_records()


def shell(*words):
    done = CliRunner().invoke(make_app(), list(words))
    assert done.exit_code == 0, done.output
    return done.stdout


def test_they_are_whole_cells_of_core_on_the_data_of_today(published):
    cells = published.groupby(["task", "estimator", "n_samples"])
    assert (cells["replicate"].nunique() == 10).all()
    assert (cells.size() == 10).all()
    core = mibench.tasks("core")
    prints = {task.name: task.fingerprint for task in core}
    assert dict(published[["task", "task_fingerprint"]].drop_duplicates().to_numpy()) == prints
    assert {(n, e): set(t) for (n, e), t in published.groupby(["n_samples", "estimator"])["task"]} == {
        (n, e): set(prints) for n, e in set(zip(published["n_samples"], published["estimator"], strict=True))
    }
    assert {1000, 5000, 10_000} == set(published["n_samples"])


def test_every_record_says_where_it_ran_and_of_what_code(published):
    columns = ["host", "git_commit", "library_versions", "mibench_version", "started_at", "estimator_source"]
    assert published[columns].notna().all(axis=None)
    assert published.loc[published["status"] != "skipped", "device"].isin(["cpu", "cuda"]).all()
    assert not published["git_commit"].str.contains("dirty").any()


@pytest.mark.parametrize("name", ["gaussian_fit", "ksg"])
def test_they_can_be_computed_again(published, name):
    own = published[(published["estimator"] == name) & (published["n_samples"] == 10_000)]
    for row in own[(own["replicate"] == 3) & own["task"].str.startswith(("gaussian", "student"))].itertuples():
        task = mibench.task(row.task)
        draw = task.draw(10_000, task.replicate_seed(3))
        found = float(mibench.estimator(name).estimate(draw.x, draw.y))
        assert found == pytest.approx(row.estimate, rel=1e-9, abs=1e-12)


def test_readme_shows_the_summary_that_the_command_prints():
    table = shell(*TABLE).partition("\n\n")[2].partition("\n\n")[0]
    assert table.startswith("|")
    assert table in (ROOT / "README.md").read_text("utf-8")
    assert f"mibench {' '.join(TABLE)}" in (ROOT / "README.md").read_text("utf-8")


def test_the_picture_in_readme_is_the_one_that_the_command_draws(tmp_path):
    shell(*PICTURE, str(tmp_path / "efficiency.svg"))
    found, kept = ((folder / "efficiency.svg").read_text("utf-8") for folder in (tmp_path, ROOT / "docs"))
    texts = [[line.strip() for line in svg.splitlines() if "<!--" in line] for svg in (found, kept)]
    assert texts[0] == texts[1]
    assert "docs/efficiency.svg" in (ROOT / "README.md").read_text("utf-8")


def test_a_new_estimator_stands_beside_them_on_its_own_tasks_and_sizes(one):
    task = "gaussian(d=1, mi=1)"
    rows = [one(task, "mine_own", 0.01 * r, replicate=r, n_samples=10_000) for r in range(10)]
    together = with_published(pd.DataFrame(rows))
    assert set(together["task"]) == {task}
    assert set(together["n_samples"]) == {10_000}
    assert {"mine_own", "ksg", "oracle"} <= set(together["estimator"])


def test_own_records_of_an_estimator_take_the_place_of_the_published(published):
    task = "gaussian(d=1, mi=1)"
    own = published[(published["task"] == task) & published["estimator"].isin(["ksg", "oracle"])].assign(host="mine")
    own = own[own["n_samples"] == 1000]
    together = with_published(own)
    assert set(together.loc[together["estimator"] == "ksg", "host"]) == {"mine"}
    assert "mine" not in set(together.loc[together["estimator"] == "mine", "host"])
    assert not build(together).cells.duplicated(["task", "estimator", "n_samples", "seed"]).any()


def test_own_records_of_another_seed_take_the_place_of_none(published, tmp_path):
    own = published[(published["estimator"] == "ksg") & (published["n_samples"] == 1000)].assign(seed=1)
    assert set(with_published(own).query("estimator == 'ksg'")["seed"]) == {0, 1}
    own.to_csv(tmp_path / "own.csv", index=False)
    words = ["leaderboard", "--store", str(tmp_path / "own.csv"), "--with-published", "--summary"]
    done = CliRunner().invoke(make_app(), words)
    assert "the published records are of seed 0 and ranked apart from other seeds" in done.stderr


@pytest.mark.parametrize("column", ["task", "n_samples", "seed"])
def test_own_records_that_lack_a_column_are_told(published, column):
    with pytest.raises(MibenchError, match=f"the records lack {column}"):
        with_published(published.head(20).drop(columns=column))


def test_without_a_store_they_are_shown_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = shell("leaderboard", "--with-published", "--samples", "1000", "--summary")
    assert "n = 1000" in found
    assert "ksg" in found
    assert not list(tmp_path.iterdir())


def test_a_run_is_compared_with_them(published, tmp_path):
    own = published[(published["estimator"] == "ksg") & (published["n_samples"] == 1000)]
    own.assign(estimate=own["estimate"] + 5).to_csv(tmp_path / "worse.csv", index=False)
    done = CliRunner().invoke(make_app(), ["compare", "published", str(tmp_path / "worse.csv")])
    assert done.exit_code == 4
    own.to_csv(tmp_path / "same.csv", index=False)
    done = CliRunner().invoke(make_app(), ["compare", "published", str(tmp_path / "same.csv")])
    assert done.exit_code == 0, done.output
    assert "only in BASE: 54 cells of ksg." in done.output
    assert "only in BASE: 81 cells of mine." in done.output


def test_they_are_a_store_by_their_name():
    assert len(read_records("published", estimators=["ksg"], samples="1000")) == 27 * 10 * 3  # and two baselines


def test_packing_them_again_changes_nothing():
    kept = gzip.decompress((ROOT / "leaderboard/published" / VERSION / FILE).read_bytes())
    assert gzip.decompress(pack(["published"])) == kept
