"""The gate: verdicts on planted changes, counted over many runs, and what it prints and exits with."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mibench
from mibench.errors import MibenchError
from mibench.leaderboard.comparison import Comparison
from mibench.leaderboard.comparison_page import render

MIBENCH = Path(sys.executable).with_name("mibench")
TASKS = "gaussian(d=1, mi=1),gaussian(d=1, mi=0.5),asinh(gaussian(d=1, mi=1))"
RUNS = 20


@pytest.fixture(scope="module")
def runs():
    """Twenty runs of ksg of ten replicates on three tasks, each with its own draws."""
    frame = mibench.run(TASKS, "ksg", n_samples=5000, replicates=10 * RUNS, store=None).to_frame()
    return [frame[frame.replicate // 10 == run] for run in range(RUNS)]


def verdicts(cells):
    return cells.groupby("task").verdict.first().to_dict()


def test_a_planted_bias_of_a_twentieth_nat_is_found(runs):
    found = [Comparison.of(run, run.assign(estimate=run.estimate + 0.05)).cells.verdict for run in runs]
    assert np.mean(pd.concat(found) == "worse") >= 0.95


def test_a_planted_slow_down_is_found_and_is_no_regression(runs):
    slow = [Comparison.of(run, run.assign(seconds_amortised=1.5 * run.seconds_amortised)) for run in runs]
    assert all(found.slower == ["ksg"] for found in slow)
    assert all(set(found.cells.verdict) == {"equivalent"} for found in slow)


def test_no_change_is_no_alarm(runs):
    for run in runs:
        found = Comparison.of(run, run)
        assert set(found.cells.verdict) == {"equivalent"}
        assert found.runtimes.verdict.tolist() == ["equivalent"]


@pytest.mark.parametrize("spread", [0.03, 0.3])
@pytest.mark.parametrize("cells", [1, 30])
def test_another_seed_is_an_alarm_in_at_most_one_run_of_twenty(make, cells, spread):
    """Training scatters as much as the draws do, and nothing else has changed; errors have heavy tails."""
    rng = np.random.default_rng(cells)

    def run(shared):
        errors = shared + stats.t.rvs(3, scale=spread, size=shared.shape, random_state=rng)
        return make({"mine": {f"t{i}": list(row) for i, row in enumerate(errors)}})

    alarms = 0
    for _ in range(100):
        shared = stats.t.rvs(3, scale=spread, size=(cells, 10), random_state=rng)
        alarms += Comparison.of(run(shared), run(shared)).count("worse") > 0
    assert alarms <= 9  # a chance of 0.03 where the rate is 5 %


def test_a_doubled_variance_is_found_where_it_matters(make):
    rng = np.random.default_rng(0)
    base = rng.normal(0, 0.2, (1000, 30))
    frames = [make({"mine": {f"t{i}": list(row) for i, row in enumerate(side)}}) for side in (base, base * 2**0.5)]
    assert Comparison.of(*frames).count("worse") > 950  # the absolute error grows by 0.07 nats


def test_numbers_are_those_of_a_paired_test(make):
    rng = np.random.default_rng(3)
    base, head = rng.normal(0, 0.1, 12), rng.normal(0.05, 0.2, 12)
    (cell,) = Comparison.of(make({"a": {"t": base}}), make({"a": {"t": head}})).cells.to_dict("records")
    test = stats.ttest_rel(np.abs(head), np.abs(base), alternative="greater")
    both = stats.ttest_rel(np.abs(head), np.abs(base)).confidence_interval(0.95)
    assert (cell["low"], cell["high"]) == pytest.approx((both.low, both.high))
    assert cell["q_worse"] == pytest.approx(test.pvalue)
    assert cell["difference"] == pytest.approx(np.abs(head).mean() - np.abs(base).mean())
    assert cell["pairs"] == 12


def test_the_detectable_effect_is_detected_four_times_in_five(make):
    rng = np.random.default_rng(5)
    base = rng.uniform(1, 2, 10)
    spread = rng.normal(0, 0.1, 10)

    def one(shift):
        return Comparison.of(make({"a": {"t": base}}), make({"a": {"t": base + shift}})).cells.iloc[0]

    effect = one(spread).detectable
    scale = np.std(spread, ddof=1)
    shifts = [rng.normal(effect, scale, 10) for _ in range(150)]
    assert np.mean([one(shift).verdict == "worse" for shift in shifts]) == pytest.approx(0.8, abs=0.1)


def test_the_detectable_effect_is_that_of_a_lone_cell_among_many_that_changed(make):
    """Of thirty cells that scatter, one is shifted by what is said to be detectable in it."""
    rng = np.random.default_rng(6)
    scale, found = 0.1, []
    for _ in range(150):
        base = rng.uniform(1, 2, (30, 10))
        change = rng.normal(0, scale, base.shape)
        sides = [make({"a": {f"t{i:02}": list(row) for i, row in enumerate(side)}}) for side in (base, base + change)]
        effect = Comparison.of(*sides).cells.set_index("task").detectable["t00"] * scale / change[0].std(ddof=1)
        sides[1].loc[sides[1].task == "t00", "estimate"] += effect - change[0].mean()
        found.append(Comparison.of(*sides).cells.set_index("task").verdict["t00"] == "worse")
    assert np.mean(found) == pytest.approx(0.8, abs=0.1)


def test_cells_without_a_change_are_no_hypotheses(make):
    rng = np.random.default_rng(7)
    base = rng.uniform(1, 2, (100, 10))
    head = base.copy()
    head[0] += rng.normal(0.08, 0.1, 10)
    frames = [make({"a": {f"t{i:02}": list(row) for i, row in enumerate(side)}}) for side in (base, head)]
    cells = Comparison.of(*frames).cells.set_index("task")
    assert cells.q_worse["t00"] == pytest.approx(stats.ttest_rel(head[0], base[0], alternative="greater").pvalue)
    assert set(cells.verdict.drop("t00")) == {"equivalent"}


def test_a_replicate_that_explodes_does_not_hide_the_others(make):
    rng = np.random.default_rng(8)
    base = rng.uniform(0.1, 0.2, 10)
    head = base + rng.uniform(0.3, 0.4, 10)
    for explosion in (100.0, 1e200, 1e308):
        head[3] = explosion
        frames = [make({"a": {"t": list(side)}}) for side in (base, head)]
        assert Comparison.of(*frames).cells.verdict.tolist() == ["worse"]
        assert Comparison.of(*reversed(frames)).cells.verdict.tolist() == ["better"]
    alone = base.copy()
    alone[3] = 100.0
    frames = [make({"a": {"t": list(side)}}) for side in (base, alone)]
    assert Comparison.of(*frames).cells.verdict.tolist() == ["inconclusive"]


def test_one_wild_estimate_before_the_change_hides_no_change(make):
    base = [1e12] + [0.1] * 9
    head = [1e12] + [0.7] * 9
    frames = [make({"a": {"t": side}}) for side in (base, head)]
    assert Comparison.of(*frames).cells.verdict.tolist() != ["equivalent"]


def test_replicates_without_a_counterpart_are_told(make):
    base = make({"a": {"t": [0.1] * 10, "u": [0.1] * 10}})
    head = base.copy()
    head.loc[head.task == "u", "replicate"] += 5
    found = Comparison.of(base, head[(head.task == "u") | (head.replicate < 4)])
    assert found.cells.set_index("task").pairs.to_dict() == {"t": 4, "u": 5}
    assert found.notes == (
        "some replicates only in BASE: t · a · n=1000.",
        "some replicates only in BASE: u · a · n=1000.",
        "some replicates only in HEAD: u · a · n=1000.",
    )


def test_a_revised_truth_is_no_regression(make):
    base = make({"a": {"t": [0.1, 0.12, 0.09]}})
    found = Comparison.of(base, base.assign(mi_true=base.mi_true + 0.15))
    assert found.cells.verdict.tolist() == ["equivalent"]
    assert found.notes == ("the true MI was revised; errors on both sides are from HEAD's: t.",)


def test_what_is_left_out_of_a_side_is_told(make):
    base = make({"a": {"t": [0.1, 0.2], "u": [0.1, 0.2]}})
    newer = base[base.task == "t"].assign(estimator_source="other", started_at="2030-01-01T00:00:00+00:00")
    found = Comparison.of(base, pd.concat([base, newer]))
    assert any(note.startswith("in HEAD, a: its cells come from 2 versions") for note in found.notes)


def test_seeds_are_told_apart(make):
    base = pd.concat([make({"a": {"t": [0.1, 0.2, 0.3]}}).assign(seed=seed) for seed in (0, 1)])
    text = render(Comparison.of(base, base.assign(estimate=base.estimate + 1)), "text")
    assert "a on t, seed 0" in text
    assert "a on t, seed 1" in text


def test_many_cells_are_judged_together(make):
    rng = np.random.default_rng(1)
    base = rng.uniform(1, 2, (200, 5))
    head = base + rng.normal(0, 0.05, base.shape)
    frames = [make({"a": {f"t{i:03}": list(row) for i, row in enumerate(side)}}) for side in (base, head)]
    cells = Comparison.of(*frames, margin=1e-6, relative_margin=1e-6).cells
    alone = stats.ttest_1samp(head - base, 0, axis=1, alternative="greater").pvalue
    assert (alone < 0.05).sum() > 3
    assert (cells.verdict == "worse").sum() == 0
    assert sorted(cells.q_worse) == pytest.approx(sorted(stats.false_discovery_control(alone)))


def test_the_margin_is_the_larger_of_nats_and_a_share_of_the_mi(make):
    for mi, margin in ((0.5, 0.02), (5.0, 0.1)):
        base = make({"a": {"t": [0.1, 0.12, 0.09, 0.11]}}, mi=mi)
        head = base.assign(estimate=base.estimate + 0.05)
        (cell,) = Comparison.of(base, head).cells.to_dict("records")
        assert cell["margin"] == pytest.approx(margin)
        assert cell["verdict"] == ("worse" if margin < 0.05 else "equivalent")
        assert Comparison.of(head, base).cells.verdict[0] == ("better" if margin < 0.05 else "equivalent")


def test_a_new_failure_is_a_regression_and_a_fixed_one_is_told(make, one):
    base = make({"a": {"t": [0.1, 0.1, 0.1]}, "b": {"t": [None, 0.1, 0.1]}})
    head = make({"a": {"t": [0.1, 0.1, None]}, "b": {"t": [0.1, 0.1, 0.1]}})
    head.loc[head.status == "timeout", "message"] = "longer than 5 s"
    found = Comparison.of(base, head)
    cells = found.cells.set_index("estimator")
    assert cells.verdict.to_dict() == {"a": "worse", "b": "better"}
    assert cells[["new_failures", "fixed", "pairs"]].to_numpy().tolist() == [[1, 0, 2], [0, 1, 2]]
    assert "a fails anew on t, n = 1000 (replicates: 1): longer than 5 s" in render(found, "text")
    assert "b fails no more on t, n = 1000 (replicates: 1)" in render(found, "text")


def test_a_single_pair_says_nothing(make):
    frame = make({"a": {"t": [0.1]}})
    assert Comparison.of(frame, frame.assign(estimate=9.0)).cells.verdict.tolist() == ["inconclusive"]


def test_what_fails_on_both_sides_or_has_not_changed_is_no_open_question(make):
    frame = make({"a": {"t": [0.1, None], "u": [None, None], "v": [0.1, 0.2]}})
    found = Comparison.of(frame, frame)
    assert found.cells.verdict.tolist() == ["equivalent"] * 2
    assert found.notes == ("not compared, as neither side has an estimate: u · a · n=1000.",)


def test_what_has_no_counterpart_is_told(make):
    base = make({"a": {"t": [0.1, 0.2], "old": [0.1, 0.2], "moved": [0.1, 0.2]}, "oracle": {"t": [0.0, 0.0]}})
    head = make({"a": {"t": [0.1, 0.2], "new": [0.1, 0.2], "moved": [0.1, 0.2]}})
    head.loc[head.task == "moved", "task_fingerprint"] = "other draws"
    found = Comparison.of(base, head)
    assert found.cells.task.tolist() == ["t"]
    assert found.notes == (
        "only in BASE: old · a · n=1000.",
        "only in HEAD: new · a · n=1000.",
        "not compared, as its data have changed: moved.",
    )
    with pytest.raises(MibenchError, match="no replicate of a cell in common; only in BASE: t · a"):
        Comparison.of(base[base.task == "t"], head[head.task == "new"])


def test_seconds_of_other_hosts_are_not_compared(make):
    base = make({"a": {"t": [0.1, 0.2], "u": [0.1, 0.2]}})
    assert Comparison.of(base, base.assign(host="there")).runtimes.empty


@pytest.mark.parametrize("options", [{"margin": 0}, {"relative_margin": float("nan")}, {"runtime_margin": 1.0}])
def test_margins_that_make_no_sense(make, options):
    frame = make({"a": {"t": [0.1, 0.2]}})
    with pytest.raises(MibenchError, match="--" + next(iter(options)).replace("_", "-")):
        Comparison.of(frame, frame, **options)


def test_a_margin_in_nats_alone(make):
    frame = make({"a": {"t": [0.1, 0.2]}}, mi=50.0)
    assert Comparison.of(frame, frame, relative_margin=0).cells.margin.tolist() == [0.02]


@pytest.fixture
def files(tmp_path, make):
    """Records before a change; after one that is worse, and after one that may be; a file each."""
    base = make({"a": {t: list(np.linspace(0.1, 0.2, 10)) for t in "tuv"}})
    base.to_csv(tmp_path / "base.csv", index=False)
    base.assign(estimate=base.estimate + 0.05).to_csv(tmp_path / "worse.csv.gz", index=False)
    noise = np.tile([-0.1, 0.1], 15)
    base.assign(estimate=base.estimate + noise, seconds_amortised=9.0).to_csv(tmp_path / "noisy.csv", index=False)
    return tmp_path


def call(folder, *words, **environment):
    done = subprocess.run(
        [MIBENCH, "compare", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["base.csv", "base.csv"], 0, "3 cells: 3 equivalent"),
        (["base.csv", "worse.csv.gz"], 4, "3 cells: 3 worse"),
        (["base.csv", "noisy.csv"], 5, "3 cells: 3 inconclusive"),
        (["base.csv", "noisy.csv", "--fail-on-runtime"], 4, "slower"),
        (["base.csv", "worse.csv.gz", "--margin", "0.06"], 0, "3 equivalent"),
        (["base.csv", "worse.csv.gz", "--task", "t"], 4, "1 cell: 1 worse"),
    ],
)
def test_exit_codes(files, words, code, said):
    done = call(files, *words)
    assert (done.returncode, done.stderr) == (code, "")
    assert said in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["base.csv", "none.csv"], "none.csv cannot be read as records"),
        (["base.csv", "none.db"], "there is no store none.db"),
        (["base.csv", "base.csv", "--format", "html"], "unknown format 'html'; use text, markdown, json"),
        (["base.csv", "base.csv", "--margin", "-1"], "margin must be above 0"),
        (["base.csv", "base.csv", "--estimator", "nobody"], "--estimator 'nobody' selects no record"),
        (["base.csv", "base.csv", "-o", "no/where.md"], "cannot write no/where.md"),
        (["base.csv", "worse.csv.gz", "-o", "base.csv"], "end it in one of .txt .md .json"),
        (["base.csv", "worse.csv.gz", "--format", "text", "-o", "base.csv"], "would overwrite the records"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(files, words, said):
    done = call(files, *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_pull_request_gets_its_summary(files):
    (files / "summary.md").write_text("before\n")
    done = call(files, "base.csv", "worse.csv.gz", "--format", "json", GITHUB_STEP_SUMMARY="summary.md")
    found = json.loads(done.stdout)
    assert found["verdicts"] == {"worse": 3}
    assert found["cells"][0]["difference"] == pytest.approx(0.05)
    summary = (files / "summary.md").read_text("utf-8")
    assert summary.startswith("before\n### 3 cells: 3 worse\n\n| estimator on task")
    assert re.search(r"\| `a on t` +\| 1000 \| +worse \|", summary)


def test_the_verdict_stands_where_the_summary_cannot_be_written(files):
    done = call(files, "base.csv", "worse.csv.gz", GITHUB_STEP_SUMMARY="no/where.md")
    assert done.returncode == 4
    assert done.stderr == "mibench: GITHUB_STEP_SUMMARY: cannot write no/where.md: No such file or directory\n"


def test_the_format_is_that_of_the_file(files):
    assert call(files, "base.csv", "worse.csv.gz", "-o", "found.json").returncode == 4
    assert json.loads((files / "found.json").read_text("utf-8"))["verdicts"] == {"worse": 3}


def test_names_of_a_store_stay_data_in_markdown(make):
    base = make({"<script>|`x`": {"t": [0.1, 0.2]}})
    assert "| `` <script>\\|`x` on t `` |" in render(Comparison.of(base, base), "markdown")
