"""Mean absolute errors of KSG and WKL beside a published table, of which a few cells are tested.

The table is mutinfo's (July 2026): n = 10 000, the mean over d = 1, 2, 3 and the seeds 42 … 51, with the k that errs
least, chosen cell by cell, and clipped at 0. MI is split over components by exponential shares of the legacy generator
with the same seeds; the points are our own. ``python test_published.py TABLE.csv`` prints all of it beside the table
(columns n_samples, distribution, estimator, mi, mean_absolute_error).

WKL on the normal law is above the table from 6 nats on. There the table takes k = 1, whose one weight in d = 6 least
squares make 1/2, so that h(X, Y) counts half, which happens to fit: with that weight the cells of 6 to 10 nats are met
within 0.03 too, with weights that sum to 1 they cannot be.
"""

import sys

import numpy as np
import pandas as pd
import pytest
from scipy.special import lambertw

import mibench
from mibench.estimators.kozachenko_leonenko import WKL
from mibench.estimators.ksg import KSG

N, SEEDS, DIMS = 10_000, range(42, 52), (1, 2, 3)
METHODS = {"KSG": [KSG(k) for k in (1, 2, 3, 5, 10, 20)], "WKL": [WKL(k) for k in (5, 9, 13, 17)]}


def shares(mi, d, seed):
    weights = np.random.RandomState(seed).exponential(size=d)
    return mi * weights / weights.sum()


def normal(mi, d, seed):
    pairs, rng = shares(mi, d, seed), np.random.default_rng(seed)
    x, noise = rng.standard_normal((2, N, d))
    y = np.sqrt(-np.expm1(-2 * pairs)) * x + np.exp(-pairs) * noise
    left, right = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
    return x @ left, y @ right


def smoothed_uniform(mi, d, seed):
    pairs, rng = shares(mi, d, seed), np.random.default_rng(seed)
    inner = np.where(pairs < 0.5, 2 * pairs, -0.5 / lambertw(-0.5 * np.exp(-pairs)).real)
    x, u = rng.random((2, N, d))
    return x, x * np.minimum(1, inner) + u / np.maximum(1, inner)


def log_gamma_exponential(mi, d, seed):
    sides = []
    for j, pair in enumerate(shares(mi or 1, d, seed)):
        law = f"gamma_exponential(d=1, mi={float(pair)!r}, log=True)"
        sides.append(mibench.task(law if mi else f"independent({law})").sample(N, seed=100 * seed + j))
    return tuple(np.hstack(side) for side in zip(*sides, strict=True))


LAWS = {
    "Correlated Normal": normal,
    "Log-Gamma-Exp.": log_gamma_exponential,
    "Smoothed Uniform": smoothed_uniform,
}


def cell(draw, mi, methods):
    """Return the smallest mean absolute error over `methods`, and whose it is."""
    errors = np.zeros((len(methods), len(DIMS), len(SEEDS)))
    for a, d in enumerate(DIMS):
        draws = [draw(mi, d, seed) for seed in SEEDS]
        x, y = (np.stack(side) for side in zip(*draws, strict=True))
        for m, method in enumerate(methods):
            terms, _ = method.terms(x, y, "cpu")
            errors[m, a] = np.abs(np.maximum(terms.mean(axis=1), 0) - mi)
    means = errors.mean(axis=(1, 2))
    return means.min(), methods[means.argmin()]


@pytest.mark.parametrize(
    ("law", "method", "mi", "published"),
    [
        ("Correlated Normal", KSG(1), 2, 0.05),
        ("Correlated Normal", KSG(1), 6, 1.27),
        ("Correlated Normal", KSG(1), 10, 3.79),
        ("Smoothed Uniform", KSG(1), 3, 0.33),
        ("Smoothed Uniform", KSG(1), 8, 2.44),
        ("Log-Gamma-Exp.", KSG(1), 4, 0.06),
        ("Log-Gamma-Exp.", KSG(1), 8, 0.66),
        ("Correlated Normal", WKL(5), 4, 0.29),
        ("Smoothed Uniform", WKL(5), 6, 1.21),
        ("Log-Gamma-Exp.", WKL(5), 8, 0.42),
    ],
)
def test_published_errors_are_met(law, method, mi, published):
    assert cell(LAWS[law], mi, [method])[0] == pytest.approx(published, abs=0.035)


def main():
    table = pd.read_csv(sys.argv[1]).set_index(["distribution", "estimator", "mi"])["mean_absolute_error"]
    print("law                estimator  MI published  measured difference  the k that errs least")
    for law, draw in LAWS.items():
        for name, methods in METHODS.items():
            for mi in range(11):
                measured, best = cell(draw, mi, methods)
                published = table[law, name, mi]
                figures = f"{published:9.2f} {measured:9.3f} {measured - published:+10.3f}  k = {best.k}"
                print(f"{law:18s} {name:9s} {mi:3d} {figures}", flush=True)


if __name__ == "__main__":
    main()
