import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mibench.record import Record

MIBENCH = Path(sys.executable).with_name("mibench")
PLUGINS = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text("utf-8")

PLUGIN = '''
import abc
import ctypes
import os
import subprocess
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


def asks_torch_for_too_much(x, y):
    import torch

    return float(torch.empty(2**55)[0])


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


def exits_as_the_memory_watch(x, y):
    os._exit(87)


def forks(x, y):
    os.fork()
    time.sleep(60)


def starts_a_program(x, y):
    return float(len(subprocess.run(["cat"], capture_output=True).stdout))


def raises_odd_text(x, y):
    raise ValueError("bad \\udcff\\0\\n")


def odd_message(x, y):
    return mibench.Estimate(1.0, message=["a", "b"], diagnostics={"a": {1, 2}})


def knows_the_truth(x, y, pointwise_mi):
    return pointwise_mi.mean()


def fails_first(x, y):
    return float("nan") if abs(x[0, 0] - FIRST) < 1e-12 else 1.0


class Abstract(abc.ABC):
    @abc.abstractmethod
    def estimate(self, x, y): ...


FIRST = mibench.task("gaussian(d=1, mi=1)").sample(100, mibench.task("gaussian(d=1, mi=1)").replicate_seed(0))[0][0, 0]


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


@pytest.fixture
def record():
    def make(**changes):
        values = {
            "task": "t", "task_fingerprint": "f", "mi_true": 1 / 3, "estimator": "e", "estimator_params": "{}",
            "estimator_source": "s", "baseline": False, "bound": "", "n_samples": 10, "replicate": 0, "seed": 0,
            "data_seed": 2**63 - 1, "status": "ok", "estimate": 0.1 + 0.2, "std_error": None, "message": "",
            "seconds_amortised": 0.5, "seconds_solo": None, "batch": 1, "threads": 1, "peak_memory_mb": 1.5,
            "device": "cpu", "host": "h", "mibench_version": "0", "library_versions": "{}", "git_commit": "",
            "started_at": "2026-01-01", "diagnostics": "{}",
        }  # fmt: skip
        return Record(**{**values, **changes})

    return make


@pytest.fixture
def example(tmp_path):
    """Run a section of docs/plugins.md as it stands: write its files, run its commands; return the cells of the board.

    A file is a block whose first line is a comment with its name. The folder of the programs to use may be another.
    """

    def run(heading, bin_folder=MIBENCH.parent, **environment):
        section = re.search(rf"^##+ {heading}\n(.*?)(?=^##|\Z)", PLUGINS, re.DOTALL | re.MULTILINE)[1]
        for code, name in re.findall(r"```\w+\n(# (\S+)\n.*?)```", section, re.DOTALL):
            (tmp_path / name).write_text(code, encoding="utf-8")
        (commands,) = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
        environment = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}", **environment}
        script = f"set -e\n{commands}\nmibench leaderboard --output board.json"
        done = subprocess.run(
            ["sh", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        (board,) = tmp_path.rglob("board.json")
        return {cell["estimator"]: cell for cell in json.loads(board.read_text("utf-8"))["cells"]}

    return run
