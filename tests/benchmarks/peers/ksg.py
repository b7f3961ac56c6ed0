"""Runs in a peer's environment: ``python ksg.py PEER DATA.npz K ROUNDS`` prints nats and seconds of each KSG estimate.

The first estimate is a warm-up. A line is printed as soon as it is known, so that what was measured outlives a kill.
"""

import math
import sys
import time

import numpy as np


def bmi(x, y, k):
    from bmi.estimators import KSGEnsembleFirstEstimator

    return KSGEnsembleFirstEstimator(neighborhoods=(k,)).estimate(x, y)


def infomeasure(x, y, k):
    from infomeasure import mutual_information

    return mutual_information(x, y, approach="ksg", k=k, noise_level=0)  # 1e-10 by default, which can move a count


def npeet(x, y, k):
    from npeet_plus import mi

    return mi(x, y, k=k) * math.log(2)  # from bits


def sklearn(x, y, k):  # for one coordinate a side
    from sklearn.feature_selection import mutual_info_regression

    return mutual_info_regression(x, y[:, 0], n_neighbors=k, n_jobs=-1)[0]


def main():
    peer, data, k, rounds = sys.argv[1], np.load(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    for _ in range(rounds + 1):
        start = time.perf_counter()
        value = globals()[peer](data["x"], data["y"], k)
        print(float(value), time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
