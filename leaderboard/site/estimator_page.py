"""The page of an estimator: what it is, where it is strong and weak, and its errors on every task."""

import math

import pandas as pd

from ..rounding import compact
from . import columns as c
from .contents import Contents, errors_plot
from .facts import hyperparameters
from .figures import styles
from .frames import in_order
from .names import slug
from .overview import strengths
from .render import page
from .table import Column, Row

ROOT = "../"


def _beside_others(row: Row) -> str:
    value = float(row["relative"])
    if value == 0:
        return "most others failed"
    return "failed" if math.isinf(value) else f"{compact(value)}×"


TAGS = [
    c.text("tag", "tag"),
    *c.SETTING,
    c.count("tasks", "tasks", "tasks with this tag that it was run on"),
    Column("RMSE / others", ("relative",), _beside_others,
           "median over the tasks of RMSE / median RMSE of the other estimators"),
    c.number("efficiency", "RMSE / oracle", "median over the tasks of RMSE / RMSE of the oracle", unit="×"),
    c.count("failed", "failed", "tasks on which a replicate has no estimate; each counts as worse than any other"),
]  # fmt: skip


def write_all(contents: Contents) -> None:
    """Write the page of every estimator."""
    for name, cells in contents.groups("estimator").items():
        _write(contents, name, cells)


def _write(contents: Contents, name: str, cells: pd.DataFrame) -> None:
    facts = contents.estimator_facts[name]
    columns = [c.name("task"), c.number("mi_true", "true MI", "nats"), *c.SETTING]
    columns += [*([c.SEED] if contents.several_seeds else []), *c.ERRORS]
    table = contents.table(f"Errors of {name} on every task", in_order(cells), columns, ROOT)
    tags = contents.tags[contents.tags["estimator"] == name].sort_values(["n_samples", "seed", "relative", "tag"])
    strong, weak = strengths(tags)
    last = contents.main
    standing = last.summary[last.summary["estimator"] == name].to_dict("records")
    text = page(
        "estimator.html",
        root=ROOT,
        title=name,
        name=name,
        facts=facts,
        baseline=bool(cells["baseline"].any()),
        bound=str(cells["bound"].iloc[-1]),
        source_hash=str(cells["estimator_source"].iloc[-1]),
        hyperparameters=hyperparameters(str(cells["estimator_params"].iloc[-1]), facts),
        table=table,
        tags=None if tags.empty else contents.table(
            f"Strengths and weaknesses of {name}", tags,
            [*TAGS[:2], *([c.SEED] if contents.several_seeds else []), *TAGS[2:]], ROOT),
        strong=strong,
        weak=weak,
        standing=standing[0] if standing else None,
        setting=last,
        by_size=errors_plot(cells, f"of {name} on every task", "task", styles(contents.tasks), table.identity),
        more=list(contents.further_tables("estimator", name, ROOT)),
        links=contents.links(ROOT),
    )  # fmt: skip
    contents.page(f"estimators/{slug(name)}.html", text)
