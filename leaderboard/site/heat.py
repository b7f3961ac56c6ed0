"""The heat map: a table of tasks × estimators; a field is coloured by efficiency, and says in text what it is."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ..records import is_oracle
from ..rounding import compact
from .table import latex_table, name_width

SHADES = 32
FEWEST_DECADES, MOST_DECADES = 1, 3
NO_FLOOR = "no floor"


@dataclass(frozen=True)
class Field:
    """One field: its text, the class that colours it, what it is sorted by, and all of it in words."""

    text: str
    style: str
    order: float
    told: str


@dataclass(frozen=True)
class HeatMap:
    """Efficiencies of the cells of one setting; `decades` is the logarithm of the ratio at the dark end."""

    cells: pd.DataFrame
    estimators: list[str]
    decades: int

    @cached_property
    def rows(self) -> list[tuple[str, list[Field]]]:
        """A task and its fields, by task."""
        found = {(row["task"], row["estimator"]): row for row in self.cells.to_dict("records")}
        return [
            (task, [self._field(found.get((task, name)), task, name) for name in self.estimators])
            for task in sorted(set(self.cells["task"]))
        ]

    @cached_property
    def name_width(self) -> int:
        """How many characters the column of tasks is given."""
        return name_width(task for task, _ in self.rows)

    def _field(self, cell: Mapping[Any, Any] | None, task: str, estimator: str) -> Field:
        where = f"{estimator} on {task}"
        if cell is None:
            return Field("not run", "absent", 1e302, f"{where}: not run")
        counts = f"{cell['ok']} of {cell['replicates']} replicates ok"
        if not cell["ok"]:
            kind = "skipped" if cell["status"] == "skipped" else "failed"
            reason = f", {cell['reason']}" if cell["reason"] else ""
            return Field(kind, kind, 1e300 if kind == "failed" else 1e301, f"{where}: {cell['status']}{reason}")
        partial = cell["ok"] < cell["replicates"]
        mark = "†" if partial else ""
        if pd.isna(cell["efficiency"]):
            told = f"{where}: RMSE {compact(cell['rmse'])} nats; the oracle was not run or has no error; {counts}"
            return Field(NO_FLOOR + mark, "floorless", 1e299, told)
        ratio = float(cell["efficiency"])
        told = f"{where}: RMSE {compact(cell['rmse'])} nats, {compact(ratio)} × the oracle's; {counts}"
        return Field(_ratio(ratio) + mark, f"h{shade(ratio, self.decades)}" + " partial" * partial, ratio, told)

    def csv(self) -> str:
        """Return tasks × estimators: the ratio, or in words why there is none."""
        table = {name: [_plain(row[place]) for _, row in self.rows] for place, name in enumerate(self.estimators)}
        return pd.DataFrame(table, index=pd.Index([task for task, _ in self.rows], name="task")).to_csv(
            lineterminator="\n"
        )

    def latex(self, caption: str) -> str:
        """Return tasks × estimators as they are shown."""
        rows = [[task, *(field.text for field in fields)] for task, fields in self.rows]
        return latex_table(caption, ["task", *self.estimators], rows)


def heat_map(cells: pd.DataFrame, order: list[str], decades: int) -> HeatMap:
    """Return the heat map of the cells of one setting, estimators in `order`; the oracle is its unit and has no row."""
    there = set(cells["estimator"])
    names = [name for name in order if name in there and not is_oracle(name)]
    return HeatMap(cells, names, decades)


def decades_of(cells: pd.DataFrame) -> int:
    """Return how many powers of ten the colours of a board span: to where 19 in 20 ratios lie, and at most three."""
    ratios = cells.loc[np.isfinite(cells["efficiency"]) & ~cells["estimator"].map(is_oracle), "efficiency"]
    if ratios.empty:
        return FEWEST_DECADES
    most = max(float(np.quantile(ratios, 0.95)), 1.0)
    return min(max(math.ceil(math.log10(most)), FEWEST_DECADES), MOST_DECADES)


def shade(ratio: float, decades: int) -> int:
    """Return the place of a ratio on the scale, from 0 for one and less on."""
    place = math.log10(max(ratio, 1.0)) / decades if math.isfinite(ratio) else 1.0
    return min(int(place * SHADES), SHADES - 1)


def colours() -> list[tuple[str, str]]:
    """Return the background and the ink of each shade: cividis, which the colour-blind read, light where it is good."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    found = []
    for value in np.linspace(0.97, 0.03, SHADES):
        rgba = colormaps["cividis"](float(value))
        found.append((to_hex(rgba), "#000000" if value > 0.46 else "#ffffff"))
    return found


def style_sheet() -> str:
    """Return the rules that colour the fields."""
    return "".join(f".h{k}{{background:{back};color:{ink}}}\n" for k, (back, ink) in enumerate(colours()))


def _ratio(value: float) -> str:
    if value >= 10_000:
        return f"{value:.0e}".replace("e+0", "e").replace("e+", "e")
    return compact(value) if value < 10 else f"{value:.0f}"


def _plain(field: Field) -> str:
    return repr(field.order) if field.order < 1e299 else field.text.rstrip("†")
