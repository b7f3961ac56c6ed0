"""Laws of the families that are not proved pair by pair: symmetry, and independence of replicates."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import spearmanr

import mibench

SYMMETRIC = [
    "gaussian(d=2, mi=1)",
    "gaussian_dense(d=3, mi=1)",
    "gaussian_sparse(d=3, pairs=2, mi=1)",
    "student(d=2, mi=1)",
    "rare_event(d=2, mi=2)",
    "mixture_x",
    "inliers(mi=0.5)",
    "blobs(size=8, mi=2)",
    "color_blobs(size=8, mi=2)",
    "nuisance_blobs(size=8, mi=2)",
    "ellipses(size=16, mi=2)",
    "rectangles(size=16, mi=2)",
    "noisy_blobs(size=16, latent_mi=2, noise=0.5)",
]
OTHERS = ["quantized(d=2, mi=2)", "digits(mi=1)", "mixture_ai", "waves", "galaxy", "concentric"]


@pytest.mark.parametrize("spec", [*SYMMETRIC, *OTHERS])
def test_swapping_sides_keeps_mi(spec):
    task, swapped = mibench.task(spec), mibench.task(f"swap({spec})")
    assert swapped.mutual_information == task.mutual_information
    assert (swapped.x_shape, swapped.y_shape) == (task.y_shape, task.x_shape)
    x, y = task.sample(50, seed=1)
    forward = task.log_density_ratio(x, y)
    assert_allclose(swapped.log_density_ratio(y, x), forward)
    if spec in SYMMETRIC:
        assert task.x_shape == task.y_shape
        assert_allclose(task.log_density_ratio(y, x), forward, atol=1e-5)


@pytest.mark.parametrize("spec", [*SYMMETRIC, *OTHERS])
def test_replicates_and_draws_are_independent(spec):
    """No rank correlation between two replicates, nor between a draw and the next."""
    task, n = mibench.task(spec), 4000
    (x, y), (x_other, y_other) = (task.sample(n, task.replicate_seed(replicate)) for replicate in (0, 1))
    x, y, x_other, y_other = (side.reshape(n, -1)[:, side[0].size // 3] for side in (x, y, x_other, y_other))
    for one, other in [(x, x_other), (y, y_other), (x, y_other), (y, x_other), (x, np.roll(x, 1)), (y, np.roll(y, 1))]:
        assert abs(spearmanr(one, other).statistic) < 5 / math.sqrt(n)


@pytest.mark.parametrize("spec", [*SYMMETRIC, *OTHERS])
def test_only_a_monte_carlo_truth_has_an_error(spec):
    assert (mibench.task(spec).mi_std_error > 0) == spec.startswith("noisy_blobs")
