"""Accuracy tables of the neural bounds, which take minutes to hours.

``python neural_tables.py published TABLE.csv [MI ...]``: mean absolute errors beside mutinfo's (July 2026), n = 10 000,
over d = 1, 2, 3 and the seeds 42 … 51, the MI split unevenly; theirs have the width that errs least, ours the defaults.

``python neural_tables.py bmi40 PEERS``: mean errors over five replicates of n = 5 000 of each task of `bmi40`, beside
those of bmi with its default parameters on the same draws; PEERS is the folder of its environment (``make peers``).

``python neural_tables.py independence``: means and violations without dependence, d = 1 and 10, n = 5 000.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import mibench

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "estimators"))
from test_published import LAWS  # noqa: E402

NAMES = {"MINE-DV": "mine", "MINE-NWJ": "nwj", "InfoNCE": "infonce"}
BOUNDS = ("mine", "nwj", "infonce", "dv", "tuba", "js", "nishiyama", "flo")


def estimates(name, draws):
    """Return (R, 2) values and standard errors of one cell."""
    x, y = (np.stack(side) for side in zip(*draws, strict=True))
    found = mibench.estimator(name).method.estimate_batch(x, y, range(len(draws)), "cpu")
    return np.array([(one.value, np.nan if one.std_error is None else one.std_error) for one in found])


def published(file, *chosen):
    """Print the table beside the published one."""
    table = pd.read_csv(file).set_index(["distribution", "estimator", "mi"])["mean_absolute_error"]
    law = "Correlated Normal"
    print("estimator  MI published  measured  bias by d")
    for mi in map(int, chosen or range(11)):
        cells = [[LAWS[law](mi, d, seed) for seed in range(42, 52)] for d in (1, 2, 3)]
        for title, name in NAMES.items():
            errors = np.stack([estimates(name, draws)[:, 0] for draws in cells]) - mi
            biases = " ".join(f"{bias:+.3f}" for bias in errors.mean(axis=1))
            print(f"{name:9s} {mi:3d} {table[law, title, mi]:9.2f} {np.abs(errors).mean():9.4f}  {biases}", flush=True)


def bmi40(peers):
    """Print the errors of both libraries, task by task."""
    totals = []
    print(f"{'':55s}   MI  " + "  ".join(f"{name:>7s}     bmi" for name in NAMES.values()))
    for task in mibench.tasks("bmi40"):
        draws = [task.sample(5000, seed=seed) for seed in range(5)]
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / f"{seed}.npz" for seed in range(5)]
            for file, (x, y) in zip(files, draws, strict=True):
                np.savez(file, x=x, y=y)
            row = []
            for name in NAMES.values():
                ours = estimates(name, draws)[:, 0].mean() - task.mutual_information
                command = [Path(peers) / "bmi" / "bin" / "python", HERE / "peers" / "neural.py", "bmi", name, *files]
                lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-5:]
                row += [ours, np.mean([float(line.split()[0]) for line in lines]) - task.mutual_information]
        totals.append(row)
        print(f"{task.name:55s} {task.mutual_information:.2f}  " + " ".join(f"{e:+8.3f}" for e in row), flush=True)
    means = np.abs(totals).mean(axis=0)
    print(f"{'mean |bias|':61s}" + " ".join(f"{mean:8.4f}" for mean in means))


def independence():
    """Print the mean over 20 replicates, and how many are above 0 by more than two standard errors."""
    for d in (1, 10):
        draws = [mibench.task(f"independent(gaussian(d={d}, mi=1))").sample(5000, seed=seed) for seed in range(20)]
        for name in BOUNDS:
            value, error = estimates(name, draws).T
            print(
                f"d = {d:2d} {name:9s} mean {value.mean():+.4f}  above 2 s.e. {np.mean(value > 2 * error):.2f}",
                flush=True,
            )


if __name__ == "__main__":
    {"published": published, "bmi40": bmi40, "independence": independence}[sys.argv[1]](*sys.argv[2:])
