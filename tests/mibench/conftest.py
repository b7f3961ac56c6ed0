import subprocess
import sys
from pathlib import Path

import pytest

MIBENCH = Path(sys.executable).with_name("mibench")

PLUGIN = '''
import ctypes
import os
import time
from dataclasses import dataclass

import numpy as np

import mibench


def plain(x, y):
    """A plain function is an estimator."""
    return float(np.mean(x[:, 0] * y[:, 0]))


def tuned(x, y, power: int = 1):
    return float(np.mean(x[:, 0] * y[:, 0]) ** power)


@dataclass(frozen=True)
class Own:
    scale: float = 1.0

    def estimate(self, x, y, seed):
        return self.scale * np.random.default_rng(seed).uniform()


@dataclass(frozen=True)
class Stacked(mibench.BatchEstimator):
    def estimate_batch(self, x, y, seeds, device):
        return [float(len(x))] * len(x)


@dataclass(frozen=True)
class Hungry(mibench.BatchEstimator):
    """Runs out of memory above two replicates at once."""

    def estimate_batch(self, x, y, seeds, device):
        if len(x) > 2:
            raise MemoryError("too many replicates")
        return [float(len(x))] * len(x)


@dataclass(frozen=True)
class Picky(mibench.Estimator):
    def estimate(self, x, y, seed):
        return 0.0

    def unsupported(self, n, x_shape, y_shape):
        return f"n={n} is not to my taste"


def raises(x, y):
    raise RuntimeError("no luck\\ntoday")


def raises_sometimes(x, y):
    if x[0, 0] > 0:
        raise ValueError("positive")
    return 1.0


def answers_nan(x, y):
    return float("nan")


def answers_text(x, y):
    return "one"


def sleeps(x, y):
    time.sleep(60)


def dies(x, y):
    os._exit(1)


def leaves(x, y):
    raise SystemExit(4)


def segfaults(x, y):
    ctypes.string_at(0)


def eats(x, y):
    hoard = []
    while True:
        hoard.append(np.ones(1_000_000))
        time.sleep(0.005)


def writes_on_the_data(x, y):
    x[:] = 0
    print("and prints")
    return 1.0
'''


@pytest.fixture
def plugin(tmp_path):
    path = tmp_path / "plugin.py"
    path.write_text(PLUGIN)
    return path


@pytest.fixture
def cli(tmp_path):
    def call(*words, code=0, timeout=300):
        done = subprocess.run(
            [MIBENCH, *map(str, words)], cwd=tmp_path, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert done.returncode == code, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr
        return done

    return call
