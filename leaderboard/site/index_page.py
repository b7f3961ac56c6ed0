"""The first page: ranks, efficiency on each task, accuracy against cost, and where the records come from."""

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..export import to_json
from ..page import LEGEND
from ..records import is_oracle
from ..rounding import compact
from . import columns as c
from . import figures, reproduce
from .contents import Contents, plot
from .diagram import Diagram, diagram
from .frames import Setting
from .heat import HeatMap, decades_of, heat_map
from .names import slug
from .overview import pareto_points
from .render import page, write_text
from .table import Column, Table

PARETO = [
    c.name("estimator"),
    c.number("efficiency", "RMSE / oracle", "geometric mean over tasks", unit="×"),
    c.number("seconds", "seconds", "median over tasks of the seconds an estimate, amortised"),
    c.count("tasks", "tasks", "tasks that it was run on"),
    c.count("tasks_failed", "of them failed", "tasks on which a replicate has no estimate; the mean leaves them out"),
    c.yes("on_front", "on the front", "whether none is both more accurate and faster"),
]
ORIGIN = [
    c.text("mibench_version", "mibench"),
    Column(
        "commit", ("git_commit",), lambda row: reproduce.commit(row["git_commit"]), words=True, wide=True, code=True
    ),
    c.text("host", "host"),
    c.text("device", "device"),
    c.text("threads", "threads"),
    c.count("records", "records"),
    Column("first started", ("first",), lambda row: reproduce.moment(row["first"]), words=True, wide=True),
    Column("last started", ("last",), lambda row: reproduce.moment(row["last"]), words=True, wide=True),
    Column(
        "libraries",
        ("library_versions",),
        lambda row: reproduce.libraries(row["library_versions"]),
        words=True,
        wide=True,
    ),
]
TASKS = [
    c.name("task"),
    c.number("mi_true", "true MI", "nats"),
    c.text("shape", "X, Y", "shape of a draw of each side"),
    c.text("tags", "tags", wide=True),
    Column("most accurate", ("leader",), lambda row: str(row["leader"]), "lowest RMSE of those that did not fail",
           words=True, code=True),
]  # fmt: skip
ESTIMATORS = [
    c.name("estimator"),
    c.text("role", "role"),
    c.text("bound", "bound", "the side of the MI that the method bounds"),
    c.count("tasks", "tasks"),
    c.count("cells", "cells", "a task at one n and seed"),
    c.text("source", "source", wide=True),
]


@dataclass(frozen=True)
class Section:
    """What the first page shows of one setting."""

    setting: Setting
    summary: Table
    ranks: dict[str, Any] | None
    diagram: Diagram | None
    verdict: str
    heat: HeatMap
    heat_caption: str
    heat_file: str
    points: Table
    pareto: dict[str, Any] | None


def write(contents: Contents) -> None:
    """Write index.html, and the downloads of all cells."""
    sections = [_section(contents, setting) for setting in contents.settings]
    board = contents.board
    for name, format in (("leaderboard.tex", "latex"), ("cells.csv", "csv")):
        write_text(contents.folder / "data" / name, board.render(format))
    write_text(contents.folder / "data" / "leaderboard.json", to_json(board.tables, board.notes, indent=None))
    unknown = {"task": contents.task_facts, "estimator": contents.estimator_facts}
    text = page(
        "index.html",
        root="",
        title="mibench leaderboard",
        sections=sections,
        several=len(sections) > 1,
        main=contents.main,
        decades=decades_of(contents.cells),
        counts=_counts(contents),
        tasks=contents.table(f"Tasks, and who is best at {contents.main.title}", _tasks(contents), TASKS),
        estimators=contents.table("Estimators, by their mean rank", _estimators(contents), ESTIMATORS),
        notes=board.notes,
        legend=LEGEND,
        origin=contents.table("Provenance", reproduce.provenance(contents.records), ORIGIN),
        commands=reproduce.commands(contents.cells),
        strangers=[name for facts in unknown.values() for name, each in facts.items() if not each.known],
        links=contents.links(""),
    )
    contents.page("index.html", text)


def _section(contents: Contents, setting: Setting) -> Section:
    title, identity = setting.title, setting.identity
    summary = contents.table(f"Ranks over tasks, {title}", setting.summary, c.SUMMARY)
    found = pareto_points(setting)
    points = contents.table(f"Accuracy and cost, {title}", found, PARETO)
    ranked = setting.summary[setting.summary["mean_rank"].notna()]
    difference = float(setting.contest["critical_difference"])
    heat = heat_map(setting.cells, contents.estimators, decades_of(contents.cells))
    caption = f"RMSE / RMSE of the oracle, {title}"
    heat_file = slug(caption)
    write_text(contents.folder / "data" / f"{heat_file}.csv", heat.csv())
    write_text(contents.folder / "data" / f"{heat_file}.tex", heat.latex(caption))
    return Section(
        setting,
        summary,
        plot(f"ranks-{identity}", f"Mean rank of each estimator with its 95 % interval, {title}.",
             figures.ranks(setting.summary), summary.identity),
        diagram(list(zip(ranked["estimator"], ranked["mean_rank"].astype(float), strict=True)), difference),
        verdict(setting),
        heat,
        caption,
        heat_file,
        points,
        plot(f"pareto-{identity}", f"RMSE relative to the oracle's against seconds an estimate, {title}.",
             figures.pareto(found), points.identity),
    )  # fmt: skip


def verdict(setting: Setting) -> str:
    """Return what the contest of a setting says in a sentence or two; nothing where nobody is ranked."""
    facts = setting.contest
    parts = []
    if not math.isnan(p := facts["friedman_p"]):
        told = "p < 0.0001" if p < 1e-4 else f"p = {compact(p)}"
        parts.append(f"Friedman's test that all estimators are equal over the {facts['tasks']} tasks: {told}.")
    winner, forgiven = facts["winner"], facts["winner_if_ok"]
    if facts["winner_changes"]:
        parts.append(f"{winner} has the best mean rank; if failures were forgiven it would be {forgiven}.")
    elif winner:
        parts.append(f"{winner} has the best mean rank, however failures are counted.")
    return " ".join(parts)


def _counts(contents: Contents) -> dict[str, str]:
    cells = contents.cells
    failed = float((cells["share_failed"] * cells["replicates"]).sum())
    numbers = {
        "tasks": len(contents.tasks),
        "estimators": len(contents.estimators),
        "cells": len(cells),
        "estimates": int(cells["ok"].sum()),
        "failed": round(failed),
        "skipped": int(cells["n_skipped"].sum()),
    }
    return {name: f"{number:,}".replace(",", " ") for name, number in numbers.items()}


def _tasks(contents: Contents) -> pd.DataFrame:
    last = contents.main.cells
    whole = last[(last["ok"] == last["replicates"]) & ~last["baseline"].astype(bool)]
    leaders = whole.sort_values(["rmse", "estimator"]).drop_duplicates("task").set_index("task")["estimator"]
    truths = contents.cells.groupby("task")["mi_true"].last()
    rows = []
    for name, facts in contents.task_facts.items():
        shape = f"{_shape(facts.get('x_shape'))}, {_shape(facts.get('y_shape'))}" if facts.known else ""
        tags = ", ".join(facts.get("tags", ()))
        rows.append({"task": name, "mi_true": truths[name], "shape": shape, "tags": tags,
                     "leader": str(leaders.get(name, "–"))})  # fmt: skip
    return pd.DataFrame(rows)


def _shape(shape: Any) -> str:
    return " × ".join(map(str, shape)) if shape else "1"


def _estimators(contents: Contents) -> pd.DataFrame:
    rows = []
    for name, own in contents.groups("estimator").items():
        facts = contents.estimator_facts[name]
        role = "oracle" if is_oracle(name) else "baseline" if own["baseline"].any() else "competes"
        rows.append({"estimator": name, "role": role, "bound": own["bound"].iloc[-1], "tasks": own["task"].nunique(),
                     "cells": len(own), "source": facts.get("source")})  # fmt: skip
    table = pd.DataFrame(rows)
    return table.set_index("estimator").loc[contents.estimators].reset_index()
