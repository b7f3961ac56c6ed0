"""Fit the constants of the cost model that chooses between the scan and the trees: ``python fit_search_cost.py``.

Both searches are timed on one thread, over sizes, dimensions and intrinsic dimensions; the constants minimise the
relative error of the predicted seconds. The last lines say what the choice costs against the better of the two.
"""

import time

import numpy as np
from scipy.optimize import nnls

from mibench.estimators import neighbours as search

K = 3


def data():
    rng = np.random.default_rng(0)
    for n in (300, 1000, 3000, 10_000):
        for d in (1, 2, 3, 5, 10, 30):
            for latent in {d, min(d, 2)}:
                x = rng.standard_normal((n, latent)) @ rng.standard_normal((latent, d))
                yield x, x + 0.5 * rng.standard_normal((n, latent)) @ rng.standard_normal((latent, d))


def seconds(work):
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def by_trees(x, y):
    tree = search.Tree.build(np.concatenate([x, y], axis=1), 1)
    return search._by_trees(tree, x, y, K, False, 1)


def fit(terms, taken):
    taken = np.array(taken)
    return nnls(np.array(terms) / taken[:, None], np.ones(len(taken)))[0]


def main():
    rows = []
    for x, y in data():
        n, d = len(x), x.shape[1] + y.shape[1]
        pairs = search.Tree.build(np.concatenate([x, y], axis=1), 1).pilot(K)
        scan = seconds(lambda x=x, y=y: search.Scan.of(x, y).search(K, False, 1))
        rows.append((n, d, pairs, scan, seconds(lambda x=x, y=y: by_trees(x, y))))
    scan_terms, tree_terms = ([(n * m, n * m * d, n) for n, d, m in sizes] for sizes in (
        [(n, d, n) for n, d, *_ in rows], [(n, d, pairs) for n, d, pairs, *_ in rows]))  # fmt: skip
    scans, trees = np.array([row[3] for row in rows]), np.array([row[4] for row in rows])
    scan_fit, tree_fit = fit(scan_terms, scans), fit(tree_terms, trees)
    print("scan: a pair, a coordinate of a pair, a point:", *(f"{value:.2g}" for value in scan_fit))
    print("tree: a pair, a coordinate of a pair, a point:", *(f"{value:.2g}" for value in tree_fit))
    chosen = np.where(np.dot(scan_terms, scan_fit) < np.dot(tree_terms, tree_fit), scans, trees)
    loss = chosen / np.minimum(scans, trees)
    print(f"the choice takes {np.exp(np.log(loss).mean()):.2f} times the better one's time, at worst {loss.max():.2f}")
    for row, ratio in zip(rows, loss, strict=True):
        print("n {:6d} d {:3d} pairs {:7.0f} scan {:.2e} s trees {:.2e} s".format(*row), f"loss {ratio:.2f}")


if __name__ == "__main__":
    main()
