"""The page of a task: its law and truth, a picture, and the errors of every estimator on it."""

from typing import Any

import pandas as pd

from mibench.errors import SpecError
from mibench.spec import parse

from ..picture import family
from . import columns as c
from . import figures
from .contents import Contents, errors_plot, plot
from .facts import Facts, draw_picture
from .frames import in_order
from .names import slug
from .render import page

ROOT = "../"
FAMILY = [c.name("estimator"), c.name("task"), c.number("mi_true", "true MI", "nats"), *c.ERRORS[:4]]


def write_all(contents: Contents) -> None:
    """Write the page and the picture of every task."""
    families: dict[str, list[str]] = {}
    for name in contents.tasks:
        families.setdefault(family(name), []).append(name)
    groups = contents.groups("task")
    for name in contents.tasks:
        relatives = families[family(name)]
        _write(contents, name, groups[name], [each for each in relatives if each != name])


def _write(contents: Contents, name: str, cells: pd.DataFrame, relatives: list[str]) -> None:
    facts = contents.task_facts[name]
    identity = slug(name)
    file = contents.folder / "pictures" / f"{identity}.webp"
    file.parent.mkdir(exist_ok=True)
    why_not = draw_picture(facts, file)
    columns = [c.name("estimator"), *c.SETTING, *([c.SEED] if contents.several_seeds else []), *c.ERRORS]
    table = contents.table(f"Errors of every estimator on {name}", in_order(cells), columns, ROOT)
    truth = float(cells["mi_true"].iloc[-1])
    text = page(
        "task.html",
        root=ROOT,
        title=name,
        name=name,
        facts=facts,
        truth=truth,
        truth_differs=facts.known and abs(facts.known["mutual_information"] - truth) > 1e-9 * max(1.0, abs(truth)),
        parameters=_parameters(name, facts),
        fingerprint=str(cells["task_fingerprint"].iloc[-1]),
        picture=None if why_not else f"pictures/{identity}.webp",
        why_not=why_not,
        table=table,
        by_size=errors_plot(cells, f"of every estimator on {name}", "estimator", contents.style, table.identity),
        by_truth=_by_truth(contents, name, relatives),
        more=list(contents.further_tables("task", name, ROOT)),
        relatives=relatives,
        links=contents.links(ROOT),
    )  # fmt: skip
    contents.page(f"tasks/{identity}.html", text)


def _by_truth(contents: Contents, name: str, relatives: list[str]) -> dict[str, Any] | None:
    """Draw the bias over the family of a task against the MI, at the largest n, with a table of it."""
    last = contents.main
    cells = last.cells[last.cells["task"].isin([name, *relatives])]
    told = f"Bias of every estimator against the true MI, tasks like {name}, {last.title}, with 95 % intervals."
    made = figures.errors_by_truth(cells, contents.style) if relatives else None
    if made is None:
        return None
    if "range" in made["layout"]["yaxis"]:
        told += " The axis ends a little beyond the largest MI; a double click shows all."
    ordered = cells.sort_values(["estimator", "mi_true", "task"])
    table = contents.table(f"Errors on {name} and the like, {last.title}", ordered, FAMILY, ROOT)
    return {"plot": plot("by-truth", told, made, table.identity), "table": table}


def _parameters(name: str, facts: Facts) -> dict[str, str]:
    """Return the parameters of a task: all of them where it is installed, else those that its spec gives."""
    if facts.known:
        return {key: str(value) for key, value in facts.get("parameters", {}).items()}
    try:
        return {key: str(value) for key, value in parse(name).kwargs.items()}
    except SpecError:
        return {}
