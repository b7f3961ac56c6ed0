"""Laws that every registered estimator keeps; a new one is tested by being registered."""

import json
import math
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

import mibench
from mibench import registry
from mibench.estimation import as_estimate, call_estimate
from mibench.testing import CHECKS, check_estimator, choose, run_checks

NAMES = registry.ESTIMATORS.usable()  # those of other libraries where these are installed
UNTRAINED = {"copula_ksg", "gaussian_fit", "histogram", "jackknife", "kde", "kl", "ksg", "lnc", "mixed_ksg", "oracle"}
UNTRAINED |= {"pca", "ross", "sliced", "sklearn_ksg", "wkl", "zero"}
BASIC = ["inputs", "determinism", "generators", "surroundings", "silence"]
SLOW = {"ae": "latent=1, ", "flow_doe": "couplings=1, ", "flow_densities": "couplings=1, "}  # of which BASIC is asked
SLOW |= {"flow_gaussian": "couplings=1, ", "image_flow_gaussian": ""}
KNOWN_TO_BREAK = {name: {"rescaling"} for name in ("jackknife", "kl", "ksg", "lnc", "mixed_ksg")}  # distances mix units
KNOWN_TO_BREAK["histogram"] = {"additivity"}
PROGRAM = [sys.executable, str(Path(__file__).with_name("gaussian_pairs.py")), "{data}"]
GIVEN = {"command": f"command({shlex.join(PROGRAM)!r}, format='csv')"}  # what it needs
SHORT = {  # of training that takes minutes, or many rows
    "image_flow_gaussian": "image_flow_gaussian(max_steps=60)",
    "bmi_neural": "bmi_neural(batch_size=64, learning_rate=0.01)",
    "mist_neural": "mist_neural(max_iterations=500)",
}


@pytest.fixture(params=NAMES)
def estimator(request):
    return built(request.param)


def built(name):
    return mibench.estimator((SHORT | GIVEN).get(name, name))


def law(estimator, dependent=True):
    """Return a law of two nats, or without dependence, that the method is made for and answers in full."""
    special = {"ross": "quantized(d=1, mi=2)", "njee": "quantized(d=1, mi=2)", "sliced": "gaussian(d=1, mi=2)"}
    special["sklearn_ksg"] = "gaussian(d=1, mi=2)"
    special["image_flow_gaussian"] = "blobs(size=8, mi=2)"
    spec = special.get(estimator.name.split("(")[0], "gaussian(d=2, mi=2)")
    return mibench.task(spec if dependent else f"independent({spec})")


def answer(estimator, draw, seed=0):
    return as_estimate(
        call_estimate(estimator.method, draw.x, draw.y, seed, device="cpu", pointwise_mi=draw.pointwise_mi)
    )


def test_states_its_source_and_prints_itself_back(estimator):
    assert estimator.source
    assert estimator.method.bound in ("", "lower", "upper")
    assert mibench.estimator(estimator.name).name == estimator.name
    assert isinstance(json.loads(estimator.method.parameters_json()), dict)
    assert len(estimator.source_hash) == 16


def test_tells_dependence_from_independence(estimator):
    near, far = (law(estimator, dependent).draw(1000, seed=1) for dependent in (False, True))
    if estimator.name == "zero":
        assert answer(estimator, far).value == 0
    else:
        assert answer(estimator, far).value > answer(estimator, near).value + 0.8


@pytest.mark.parametrize("name", NAMES)
def test_keeps_the_contract(name):
    spec = name if name in UNTRAINED else f"{name}({SLOW.get(name, '')}max_steps=20)"
    report = check_estimator(GIVEN.get(name, spec), quick=True, only=BASIC if name in {*SLOW, *GIVEN} else ())
    assert {"answer", *BASIC} <= set(report.names("passed"))


@pytest.mark.parametrize("name", sorted(UNTRAINED - {"sliced"}))
def test_keeps_the_laws_of_mi(name):
    laws = [check.name for check in CHECKS.values() if check.kind == "law"]
    found = run_checks(mibench.estimator(name), choose(False, laws, []))
    assert {verdict.check for verdict in found if verdict.status == "failed"} == KNOWN_TO_BREAK.get(name, set())


@pytest.mark.parametrize("name", [n for n in NAMES if built(n).batched])
def test_a_replicate_does_not_depend_on_its_stack(name):
    short = f"{name}({SLOW.get(name, '')}max_steps=40)"
    estimator = built(name) if name in {*UNTRAINED, *GIVEN} else mibench.estimator(short)
    task = law(estimator)
    draws = [task.draw(300, seed=s) for s in range(3)]
    x, y = (np.stack([draw[side] for draw in draws]) for side in (0, 1))
    stacked = [as_estimate(a).value for a in estimator.method.estimate_batch(x, y, [5, 6, 7], "cpu")]
    alone = [answer(estimator, draw, seed=5 + r).value for r, draw in enumerate(draws)]
    assert stacked == pytest.approx(alone, abs=2e-3)
    assert len(set(stacked)) == 3


@pytest.mark.cuda
@pytest.mark.parametrize("name", NAMES)
def test_gpu_and_cpu_agree(name):
    estimator = mibench.estimator(GIVEN.get(name, name))
    if not estimator.uses_device:
        return
    draw = law(estimator).draw(1000, seed=0)
    cpu, gpu = (
        as_estimate(call_estimate(estimator.method, draw.x, draw.y, 3, device=device)).value
        for device in ("cpu", "cuda")
    )
    assert gpu == pytest.approx(cpu, abs=0.02)


def test_baselines_bracket():
    task = mibench.task("gaussian(d=3, mi=2)")
    draw = task.draw(1000, seed=0)
    oracle = answer(mibench.estimator("oracle"), draw)
    assert oracle.value == pytest.approx(draw.pointwise_mi.mean())
    assert abs(oracle.value - 2) < 4 * oracle.std_error
    assert oracle.std_error == pytest.approx(draw.pointwise_mi.std(ddof=1) / math.sqrt(1000))
