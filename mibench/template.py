"""The files that ``mibench new`` writes: an estimator that works, to be replaced, and what makes a package of it."""

import ast
import keyword
from pathlib import Path
from shlex import quote
from string import Template

from mibench.errors import MibenchError

_ESTIMATOR = Template('''"""An estimator of mutual information for mibench."""

import math
from dataclasses import dataclass
from typing import ClassVar

import mibench
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class $cls(mibench.Estimator):
    """I = (ln det C_x + ln det C_y - ln det C) / 2 in nats, with C the correlations of the sample: exact if Gaussian.

    Replace it by your method. The fields are its hyperparameters: $name(shrinkage=0.1) is a spec.
    """

    source: ClassVar[str] = "Kullback 1959"  # authors, year
    shrinkage: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.shrinkage < 1:
            raise mibench.SpecError(f"shrinkage must be from 0 to below 1, got {self.shrinkage}")

    def estimate(self, x: Array, y: Array, seed: int) -> mibench.Estimate:
        """Return the MI of x (n, ...) and y (n, ...); a method that draws random numbers takes them from `seed`."""
        left, right = scores(x), scores(y)
        if left.shape[1] == 0 or right.shape[1] == 0:
            return mibench.Estimate(0.0, message="one side is constant")
        both, d = np.hstack([left, right]), left.shape[1]
        c = (1 - self.shrinkage) * both.T @ both / len(both) + self.shrinkage * np.eye(both.shape[1])
        value = (log_det(c[:d, :d]) + log_det(c[d:, d:]) - log_det(c)) / 2
        if not math.isfinite(value):
            return mibench.Estimate(value, message="the covariance is singular")
        pointwise = (lengths(left, c[:d, :d]) + lengths(right, c[d:, d:]) - lengths(both, c)) / 2
        return mibench.Estimate(value, std_error=float(pointwise.std(ddof=1)) / math.sqrt(len(both)))

    def unsupported(self, n: int, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> str:
        """Return why such data are beyond the method, which are then skipped; else an empty string."""
        d = math.prod(x_shape) + math.prod(y_shape)
        return "" if n > d + 1 or self.shrinkage else f"{d} dimensions need n of at least {d + 2}, got {n}"


def scores(side: Array) -> Array:
    """Return the columns of `side` (n, ...) that vary, (n, d), with mean 0 and variance 1."""
    columns = side.reshape(len(side), -1)
    columns = columns[:, columns.max(axis=0) > columns.min(axis=0)]
    scaled: Array = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    return scaled


def log_det(matrix: Array) -> float:
    """Return ln det of a positive definite matrix."""
    return float(np.linalg.slogdet(matrix)[1])


def lengths(rows: Array, matrix: Array) -> Array:
    """Return z' C^-1 z (n,) of each row z of `rows` (n, d), with C the `matrix`."""
    found: Array = np.einsum("ij,ij->i", rows, np.linalg.solve(matrix, rows.T).T)
    return found
''')

_PROJECT = Template("""[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "$project"
version = "0.1.0"
description = "The estimator of mutual information $name, for mibench"
readme = "README.md"
requires-python = ">=3.11"
dependencies = ["mibench", "numpy>=2.0"]

[project.optional-dependencies]
test = ["pytest>=8"]

[project.entry-points."mibench.estimators"]
$name = "$name:$cls"

[tool.setuptools]
py-modules = ["$name"]
""")

_TEST = Template("""import mibench
import numpy as np
import pytest
from mibench.testing import check_estimator


def test_keeps_the_contract_and_the_laws_of_mi():
    check_estimator("$name")


@pytest.mark.parametrize("mi", [0, 0.5, 2])
def test_the_value_is_right_where_it_is_known(mi):
    x, y = mibench.task(f"gaussian(d=2, mi={mi})").sample(5000, seed=0)
    found = mibench.estimator("$name").estimate(x, y)
    assert found.value == pytest.approx(mi, abs=4 * found.std_error + 0.002)


def test_it_follows_from_the_data_and_the_seed():
    x, y = mibench.task("asinh(gaussian(d=3, mi=1))").sample(500, seed=1)
    estimator = mibench.estimator("$name")
    assert estimator.estimate(x, y, seed=5) == estimator.estimate(x, y, seed=5)


def test_a_constant_side_tells_nothing():
    x, _ = mibench.task("gaussian(d=1, mi=1)").sample(100, seed=0)
    assert float(mibench.estimator("$name").estimate(x, np.ones_like(x))) == 0


def test_it_runs_in_the_harness():
    results = mibench.run(tasks="gaussian(d=1, mi=1)", estimators="$name", n_samples=1000, replicates=3, store=None)
    assert results.counts() == {"ok": 3}
""")

_README = Template("""# $project

The estimator of mutual information `$name`, for mibench.

```
pip install -e '.[test]'
python -m pytest
mibench run --task core --estimator $name,ksg --profile smoke
mibench leaderboard
```

The method is in `$name.py`; the entry point in `pyproject.toml` makes it known to mibench.
""")


def plugin(name: str) -> str:
    """Return the text of a file that defines the estimator `name`; `MibenchError` where the text uses that name."""
    return _estimator(name, name)


def package(name: str) -> dict[str, str]:
    """Return the files of a package that registers the estimator `name`: paths and texts."""
    cls = "".join(word[:1].upper() + word[1:] for word in name.split("_"))
    words = {"name": name, "project": name.replace("_", "-"), "cls": cls}
    return {
        "pyproject.toml": _PROJECT.substitute(words),
        "README.md": _README.substitute(words),
        f"{name}.py": _estimator(name, cls),
        f"test_{name}.py": _TEST.substitute(words),
    }


def next_steps(name: str, target: Path) -> list[str]:
    """Return the commands that go on from what was written to `target`."""
    place = quote(str(target))
    run = f"mibench run --task core --estimator {name},ksg --profile smoke"
    if target.suffix == ".py":
        return [f"{run} --plugin {place}"]
    return [f"cd {place}", "pip install -e '.[test]'", "python -m pytest", run]


def _estimator(name: str, cls: str) -> str:
    text = _ESTIMATOR.substitute(name=name, cls=cls)
    tree = ast.parse(text)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    used |= {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    if cls in used or keyword.iskeyword(cls):
        raise MibenchError(f"what the file holds is called {cls!r} already; choose another name")
    return text
