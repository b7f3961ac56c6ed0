"""Runs in a peer's environment: ``python neural.py PEER METHOD DATA.npz ...`` prints nats and seconds of each estimate.

Estimators have their library's default parameters, but for mist's, which has none for the network's size and trains on
minibatches of 64 unless told otherwise. With ``--warm-up`` the first is estimated twice, and only then timed. A line is
printed as soon as it is known, so that what was measured outlives a kill.
"""

import sys
import time

import numpy as np


def bmi(method, x, y):
    from bmi import estimators

    make = {
        "mine": estimators.MINEEstimator,
        "nwj": estimators.NWJEstimator,
        "infonce": estimators.InfoNCEEstimator,
    }[method]
    return make(verbose=False).estimate(x, y)


def mist(method, x, y):
    from torch_mist import estimate_mi

    data = (x.astype("float32"), y.astype("float32"))
    return estimate_mi(data=data, estimator=method, hidden_dims=[128, 128], batch_size=512, verbose=False)[0]


def main():
    peer, method, *files = (word for word in sys.argv[1:] if word != "--warm-up")
    for place, file in enumerate(files):
        with np.load(file) as data:
            x, y = data["x"], data["y"]
        if place == 0 and "--warm-up" in sys.argv:
            globals()[peer](method, x, y)
        start = time.perf_counter()
        value = float(globals()[peer](method, x, y))
        print(value, time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
