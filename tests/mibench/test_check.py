import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import mibench
from mibench.check_report import Verdict
from mibench.testing import CHECKS, as_named, check_estimator, choose, run_checks
from mibench.trace import observed

MIBENCH = Path(sys.executable).with_name("mibench")


def fitted(x, y):
    return mibench.estimator("gaussian_fit").estimate(x, y).value


def failures(estimator):
    """Return (contract, laws) that fail: the names of the checks, each with its verdict."""
    found = [v for v in run_checks(as_named(estimator), choose(False, [], [])) if v.status == "failed"]
    return [{v.check: v for v in found if v.kind == kind} for kind in ("contract", "law")]


def writes(x, y):
    value = fitted(x, y)
    x[:5] = 0
    return value


def uses_global_rng(x, y):
    return fitted(x, y) + 1e-3 * np.random.rand()


def draws_from_random(x, y):
    return fitted(x, y) + 1e-3 * random.random()


def reseeds(x, y):
    np.random.seed(0)
    return fitted(x, y)


def changes_directory(x, y):
    os.chdir("/")
    return fitted(x, y)


def changes_environment(x, y):
    os.environ["MIBENCH_WAS_HERE"] = "1"
    return fitted(x, y)


def prints(x, y):
    for step in range(100):
        print(f"step {step} of 100")
    return fitted(x, y)


def answers_text(x, y):
    return str(fitted(x, y))


def answers_complex(x, y):
    return complex(fitted(x, y))


def answers_an_array(x, y):
    return np.array([fitted(x, y), 0.0])


def dislikes_vectors(x, y):
    if x.shape[1] == 1:
        raise IndexError("index 1 is out of bounds")
    return fitted(x, y)


def dislikes_float32(x, y):
    if x.dtype != np.float64:
        raise TypeError("no loop matches float32")
    return fitted(x, y)


def dislikes_ties(x, y):
    return float("nan") if 1 < len(np.unique(x)) < 0.2 * x.size else fitted(x, y)


def dislikes_images(x, y):
    if x.ndim > 2:
        raise ValueError("too many dimensions")
    return fitted(x, y)


def dislikes_lists_reversed(x, y):
    return fitted(x, y) + (0.5 if not x.flags.c_contiguous and len(x) > 1 else 0)


def shifted(x, y):
    return fitted(x, y) + 0.3


def asymmetric(x, y):
    return fitted(x, np.cbrt(y))


def depends_on_scale(x, y):
    return fitted(x, y) + 0.1 * abs(np.log((x.std() + y.std()) / 2 + 1e-9))


@dataclass(frozen=True)
class Stacked(mibench.BatchEstimator):
    """Sees how many replicates there are."""

    def estimate_batch(self, x, y, seeds, device):
        return [fitted(a, b) + 0.01 * (len(x) - 1) for a, b in zip(x, y, strict=True)]


@dataclass(frozen=True)
class Forgetful(mibench.BatchEstimator):
    def estimate_batch(self, x, y, seeds, device):
        return [fitted(x[0], y[0])]


@dataclass(frozen=True)
class FalseClaim(mibench.Estimator):
    invariant = ("monotone",)

    def estimate(self, x, y, seed):
        return fitted(x, y)


@dataclass(frozen=True)
class FalseBound(mibench.Estimator):
    bound = "upper"

    def estimate(self, x, y, seed):
        return fitted(x, y) - 0.3


@dataclass(frozen=True)
class Worse(mibench.Estimator):
    """Has more bias with more pairs."""

    def estimate(self, x, y, seed):
        return fitted(x, y) + (0.3 if len(x) > 1000 else 0.0)


def blind(x, y):
    return 0.0


@pytest.mark.parametrize(
    ("sin", "contract", "laws"),
    [
        (writes, {"inputs"}, set()),
        (uses_global_rng, {"determinism", "generators"}, set()),
        (draws_from_random, {"determinism", "generators"}, set()),
        (reseeds, {"generators"}, set()),
        (changes_directory, {"surroundings"}, set()),
        (changes_environment, {"surroundings"}, set()),
        (prints, {"silence"}, set()),
        (answers_text, {"answer"}, set()),
        (answers_complex, {"answer"}, set()),
        (answers_an_array, {"answer"}, set()),
        (dislikes_vectors, {"vectors"}, set()),
        (dislikes_float32, {"single-precision"}, set()),
        (dislikes_images, {"images"}, set()),
        (dislikes_ties, {"ties"}, set()),
        (dislikes_lists_reversed, {"layout"}, set()),
        (Stacked, {"batch"}, set()),
        (Forgetful, {"batch"}, set()),
        (shifted, set(), {"independence", "additivity"}),
        (asymmetric, set(), {"symmetry"}),
        (depends_on_scale, set(), {"rescaling"}),
        (FalseClaim, set(), {"invariance"}),
        (FalseBound, set(), {"independence", "bound"}),
        (Worse, set(), {"consistency"}),
        (blind, set(), {"dependence"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_sin_is_found_by_its_check_and_by_no_other(sin, contract, laws):
    found = failures(sin)
    assert [set(each) for each in found] == [contract, laws]


def test_what_is_checked_leaves_no_trace():
    before = os.getcwd(), dict(os.environ), random.getstate(), np.random.get_state()[1].copy()
    for sin in (uses_global_rng, reseeds, changes_directory, changes_environment, draws_from_random):
        failures(sin)
    after = os.getcwd(), dict(os.environ), random.getstate(), np.random.get_state()[1]
    assert before[:3] == after[:3]
    assert np.array_equal(before[3], after[3])


def test_what_a_call_leaves_behind_is_told_though_it_raises():
    state = random.getstate()
    with pytest.raises(ZeroDivisionError), observed(3):
        1 / (random.random() * 0)
    assert random.getstate() == state


def test_the_report_of_a_good_estimator():
    report = check_estimator("gaussian_fit")
    assert report.ok
    assert set(report.names("skipped")) == {"few-rows"}
    assert set(report.names("not applicable")) == {"batch", "bound"}
    assert report.summary == "gaussian_fit: 24 passed, 0 failed, 1 skipped, 2 not applicable"
    assert len(report.verdicts) == len(CHECKS)


def test_a_failure_tells_effect_tolerance_and_how_to_see_it_again():
    with pytest.raises(AssertionError) as caught:
        check_estimator(shifted)
    text = str(caught.value)
    assert "the mean estimate at independence is +0.30" in text
    assert "tolerance 0.1, scatter of 8 replicates explains" in text
    assert "reproduce: check_estimator(shifted, only=['independence'], device='cpu', seed=0)" in text
    with pytest.raises(AssertionError, match="1 passed, 1 failed"):
        check_estimator(shifted, only=["independence"])
    report = check_estimator(shifted, skip=["independence", "additivity"])
    assert report.names("skipped")[-2:] == ["independence", "additivity"]


def test_one_that_takes_nothing_fails_and_the_rest_is_skipped():
    @dataclass(frozen=True)
    class Picky(mibench.Estimator):
        def estimate(self, x, y, seed):
            return 0.0

        def unsupported(self, n, x_shape, y_shape):
            return "not to my taste"

    found = list(run_checks(as_named(Picky), choose(False, [], [])))
    assert [v.check for v in found if v.status == "failed"] == ["answer"]
    assert {v.status for v in found[1:]} == {"skipped"}
    assert "not to my taste" in found[0].detail


@pytest.mark.parametrize("given", ["ksg", mibench.estimator("ksg"), mibench.estimator("ksg").method])
def test_what_is_taken_for_an_estimator(given):
    assert as_named(given).name == "ksg"


@pytest.mark.parametrize("given", [3, None, object])
def test_what_is_no_estimator_is_refused(given):
    with pytest.raises(mibench.MibenchError):
        as_named(given)


def test_names_of_checks_that_are_none():
    with pytest.raises(mibench.MibenchError, match="there is no check 'symetry'; did you mean symmetry"):
        check_estimator("ksg", only="symetry")


def test_verdicts_of_a_failure_take_two_lines():
    verdict = Verdict("ties", "contract", "failed", "answered nan", "mibench check f", 0.1)
    assert str(verdict).splitlines()[1].strip() == "reproduce: mibench check f"


SOURCE = """
import time
import mibench

def good(x, y):
    return mibench.estimator("gaussian_fit").estimate(x, y).value

def shifted(x, y, by: float = 0.3):
    return good(x, y) + by

def slow(x, y):
    time.sleep(60)
"""


def test_on_the_command_line(cli, tmp_path):
    (tmp_path / "own.py").write_text(SOURCE)
    done = cli("check", "good", "shifted", "--plugin", "own.py", code=3)
    assert "good: 23 passed, 0 failed, 1 skipped" in done.stdout
    assert "shifted: 21 passed, 2 failed, 1 skipped" in done.stdout
    again = "mibench check shifted --plugin own.py --device cpu --seed 0 --only independence"
    assert f"reproduce: {again}" in done.stdout
    assert "1 failed, 0 skipped" in cli(*again.split()[1:], code=3).stdout
    assert "shifted(by=0)" in cli("check", "shifted(by=0)", "--plugin", "own.py", "--quick").stdout
    cli("check", "shifted", "--plugin", "own.py", "--skip", "independence,additivity")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["kssg"], "did you mean ksg"),
        (["none.py"], "the plugin none.py is not there"),
        (["ksg", "--only", "symetry"], "did you mean symmetry"),
        (["ksg", "--seed", "-1"], "seed must be an integer"),
        (["ksg", "--device", "gpu"], "device must be one of"),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(cli, words, says):
    done = cli("check", *words, code=2)
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_interrupt_ends_it_with_130(tmp_path):
    (tmp_path / "own.py").write_text(SOURCE)
    words = [MIBENCH, "check", "slow", "--plugin", "own.py"]
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "slow\n"
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
