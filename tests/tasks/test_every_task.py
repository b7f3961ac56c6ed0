"""Laws that every task of every suite keeps; a new one is tested by being in a suite."""

import hashlib
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy.special import expit

import mibench
from mibench import catalogue

SUITES = catalogue.suites()
NAMES = sorted({name for suite in SUITES.values() for name in suite.tasks})
FROZEN = {("core", 1): "e7f35b4c468fa0c5"}


@pytest.fixture(params=NAMES)
def task(request):
    return mibench.task(request.param)


def test_suites_hold_canonical_names():
    assert [mibench.task(name).name for name in NAMES] == NAMES


def test_frozen_suites_draw_the_same_data_for_ever():
    for suite in SUITES.values():
        prints = ",".join(mibench.task(name).fingerprint for name in suite.tasks)
        digest = hashlib.sha256(prints.encode()).hexdigest()[:16]
        assert digest == FROZEN[suite.name, suite.version], f"{suite.name}: raise the version, do not change its tasks"


def test_draws_have_the_stated_shape_and_follow_from_the_seed(task):
    x, y = task.sample(20, seed=3)
    assert x.shape == (20, *task.x_shape)
    assert y.shape == (20, *task.y_shape)
    assert x.dtype == y.dtype == np.float64
    assert np.isfinite(x).all()
    assert np.isfinite(y).all()
    again = mibench.task(task.name).sample(20, seed=3)
    assert np.array_equal(x, again[0])
    assert np.array_equal(y, again[1])
    assert not np.array_equal(x, task.sample(20, seed=4)[0])


def test_pointwise_mi_of_the_draw_is_that_of_the_density(task):
    draw = task.draw(500, seed=5)
    assert np.allclose(task.log_density_ratio(draw.x, draw.y), draw.pointwise_mi, atol=1e-6, rtol=1e-6)


def test_mean_pointwise_mi_meets_the_truth(task):
    parts = [task.draw(10_000, seed=seed).pointwise_mi for seed in range(10)]
    pointwise = np.concatenate(parts)
    error = pointwise.std() / math.sqrt(len(pointwise))
    assert abs(pointwise.mean() - task.mutual_information) <= 4 * error + 1e-12


def test_density_ratio_is_calibrated(task):
    """With i the log density ratio, the mean of σ(−i) over joint pairs is that of σ(i) over independent ones.

    Both are ∫ p q / (p + q), for p the joint density and q the product of the marginals; only the true i does this.
    """
    n = 20_000 if len(task.x_shape) == 1 else 5_000
    draw, other = task.draw(n, seed=1), task.draw(n, seed=2)
    joint, product = expit(-draw.pointwise_mi), expit(task.log_density_ratio(draw.x, other.y))
    error = math.sqrt((joint.var() + product.var()) / n)
    assert abs(joint.mean() - product.mean()) <= 5 * error + 1e-12


def test_facts_are_stated(task):
    assert task.source
    assert task.truth
    assert task.tags
    assert len(task.fingerprint) == 16
    assert task.mutual_information >= 0


def test_the_range_of_the_core_suite():
    truths = [mibench.task(name).mutual_information for name in SUITES["core"].tasks]
    assert min(truths) == 0
    assert max(truths) == 25
    assert len(truths) >= 20


def test_draws_are_bit_for_bit_the_same_on_other_vector_units_and_libraries():
    code = (
        "import hashlib, mibench\n"
        "for task in mibench.tasks('all'):\n"
        "    x, y = task.sample(50, seed=1)\n"
        "    print(task.name, hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest())"
    )
    plain = {
        "OPENBLAS_CORETYPE": "Prescott",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX2 FMA3 AVX512F AVX512_SKX",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-AVX512F",
    }
    first, second = (
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, **extra},
        ).stdout
        for extra in ({}, plain)
    )
    assert first == second
    assert len(first.splitlines()) == len(NAMES)
