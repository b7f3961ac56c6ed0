import math
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

import mibench
from mibench.errors import DataError, MibenchError
from mibench.estimation import Estimator, NamedEstimator, as_estimate, check_pair, function_estimator
from mibench.registry import as_estimator_class

RNG = np.random.default_rng(0)
GOOD = RNG.standard_normal((20, 2))


def with_value(value, row=3, column=1):
    bad = GOOD.copy()
    bad[row, column] = value
    return bad


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (with_value(np.nan), "x holds NaN or infinity in 1 of 20 rows, first in row 3"),
        (with_value(-np.inf), "x holds NaN or infinity"),
        (GOOD[:-1], "x has 19 rows and y has 20"),
        (np.empty((20, 0)), "x has shape (20, 0)"),
        (np.float64(3), "x has shape ()"),
        ([["a"]] * 20, "x does not hold real numbers"),
        ([[1], [2, 3]], "x does not hold real numbers"),
    ],
)
def test_bad_data_are_refused(x, says):
    with pytest.raises(DataError) as caught:
        mibench.estimator("gaussian_fit").estimate(x, GOOD)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_single_pair_is_refused():
    with pytest.raises(DataError, match="give at least 2 pairs"):
        check_pair(np.ones((1, 1)), np.ones((1, 1)))


def test_vectors_and_lists_are_columns():
    x, y = check_pair([1, 2, 3], np.float32([[1], [0], [1]]))
    assert x.shape == y.shape == (3, 1)
    assert x.dtype == y.dtype == np.float64


@pytest.mark.parametrize("shape", [(20,), (20, 2), (20, 3, 3)])
def test_constants_are_taken_and_carry_no_information(shape):
    constant = np.full(shape, 0.1)
    assert (check_pair(constant, GOOD)[0] == 0.1).all()
    assert mibench.estimator("gaussian_fit").estimate(constant, GOOD).value == 0


def test_a_method_that_cannot_take_the_data_says_why():
    with pytest.raises(MibenchError, match="k=30 neighbours need n of at least 31, got 20"):
        mibench.estimator("ksg(k=30)").estimate(GOOD, GOOD)
    with pytest.raises(MibenchError, match="needs the true pointwise MI"):
        mibench.estimator("oracle").estimate(GOOD, GOOD)
    with pytest.raises(MibenchError, match="device must be one of auto, cpu, cuda"):
        mibench.estimator("ksg").estimate(GOOD, GOOD, device="gpu")


def test_a_function_is_an_estimator_and_its_defaults_are_hyperparameters():
    def mean_product(x, y, power: int = 1, *, seed):
        return (x[:, 0] * y[:, 0]).mean() ** power + seed

    method = function_estimator(mean_product)(power=2)
    answer = NamedEstimator(method).estimate(GOOD, GOOD, seed=5)
    assert answer.value == pytest.approx((GOOD[:, 0] ** 2).mean() ** 2 + 5)
    assert str(method) == "mean_product(power=2)"
    assert method.parameters_json() == '{"power": 2}'


def test_a_strangers_class_is_an_estimator():
    @dataclass(frozen=True)
    class Own:
        k: int = 3

        def estimate(self, x, y):
            return self.k

    cls = as_estimator_class(Own)
    assert issubclass(cls, Estimator)
    assert NamedEstimator(cls(k=4)).estimate(GOOD, GOOD).value == 4


@pytest.mark.parametrize("answer", ["1", np.float32(1), 1, np.array([[1.0]])])
def test_answers_become_estimates(answer):
    assert as_estimate(answer if not isinstance(answer, np.ndarray) else answer.item()).value == 1.0


@pytest.mark.parametrize("answer", [None, "one", [1, 2], object()])
def test_an_answer_that_is_no_number_is_an_error(answer):
    with pytest.raises(MibenchError, match="must return a number"):
        as_estimate(answer)


def test_estimates_are_numbers():
    answer = mibench.estimator("gaussian_fit").estimate(GOOD, GOOD + RNG.standard_normal((20, 2)))
    assert float(answer) == answer.value
    assert math.isfinite(answer.value)


def test_neighbour_methods_answer_without_torch_where_there_is_no_gpu():
    code = (
        "import sys, numpy as np, mibench, mibench.device as device; device._has_driver = lambda: False;"
        "mibench.estimator('ksg').estimate(np.eye(9), np.eye(9)); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
