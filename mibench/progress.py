"""How a run shows itself: a live bar on a terminal, a line a cell in a pipe; always on standard error."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from mibench.harness import Run
from mibench.plan import Cell, CostModel
from mibench.record import FAILURES, Record


class Silent:
    """Tells nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def on_cell(self, cell: Cell, records: list[Record]) -> None:
        """Say nothing."""

    def on_more(self, cells: Sequence[Cell]) -> None:
        """Say nothing."""

    def on_interrupt(self, under_way: int) -> None:
        """Say nothing."""


class ConsoleReporter:
    """Shows each cell, how many there are, and when the rest will be done."""

    def __init__(self, run: Run) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._left = {id(cell): cell for cell in run.plan.to_do}
        self._total = len(self._left)
        self._costs = CostModel.of(run.store)
        self._workers = run.workers
        self._started = time.monotonic()
        self._spent = 0.0
        self._eta_text, self._eta_due = "", 0.0
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._bar = Progress(*columns, TextColumn("{task.fields[eta]}"), console=self._console, transient=True)
        self._line = self._bar.add_task("cells", total=self._total, eta="")

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._console.is_terminal:
            self._bar.stop()

    def on_cell(self, cell: Cell, records: list[Record]) -> None:
        """Print the cell's line and move the bar."""
        del self._left[id(cell)]
        seconds = [r.seconds_amortised for r in records if r.seconds_amortised is not None]
        if seconds:
            self._costs.observe(cell.estimator.name, cell.task.name, cell.n_samples, sum(seconds) / len(seconds))
            self._spent += sum(seconds)
        number = self._total - len(self._left)
        width = len(str(self._total))
        line = f"[{number:>{width}}/{self._total}] {describe(cell, records)}"
        style = "red" if any(r.status in FAILURES for r in records) else None
        if self._console.is_terminal:
            self._bar.console.print(escape(line), style=style)
            self._bar.update(self._line, completed=number, eta=self._eta())
        else:
            self._console.print(f"{line}  {self._eta()}", markup=False)

    def on_more(self, cells: Sequence[Cell]) -> None:
        """Count them in."""
        self._left |= {id(cell): cell for cell in cells}
        self._total += len(cells)
        self._bar.update(self._line, total=self._total)

    def on_interrupt(self, under_way: int) -> None:
        """Print what is waited for."""
        cells = f"{under_way} cell{'s' if under_way != 1 else ''}"
        self._console.print(f"interrupted; {cells} under way will be finished and stored; Ctrl-C again stops now")

    def _eta(self) -> str:
        """Predict anew where that takes a small part of the time, which it does not after each of very many cells."""
        asked = time.monotonic()
        if asked >= self._eta_due:
            self._eta_text = self._predicted()
            self._eta_due = asked + 20 * (time.monotonic() - asked)
        return self._eta_text if self._left else ""

    def _predicted(self) -> str:
        if not self._left:
            return ""
        known, unknown = self._costs.total(list(self._left.values()))
        untimed = [cell for cell in self._left.values() if cell.estimator.name in unknown] if unknown else []
        done = self._total - len(self._left)
        known += len(untimed) * self._spent / done
        elapsed = time.monotonic() - self._started
        # what the clocks of the cells do not hold, drawing and warm-up above all, in the proportion seen so far
        overhead = elapsed * self._workers / self._spent if self._spent else 1.0
        return f"ETA {duration(known * min(overhead, 5.0) / self._workers)}"


def describe(cell: Cell, records: list[Record]) -> str:
    """Return one line on a cell: how its replicates ended, their mean estimate and time."""
    counts = Counter(record.status for record in records)
    parts = [f"{count} {status}" for status, count in counts.items()]
    values = [r.estimate for r in records if r.estimate is not None]
    seconds = [r.seconds_amortised for r in records if r.seconds_amortised is not None]
    if values:
        parts.append(f"mean {sum(values) / len(values):.4g} (true {cell.task.mutual_information:.4g})")
    if seconds:
        parts.append(f"{sum(seconds) / len(seconds):.2g} s each")
    message = next((r.message for r in records if r.status != "ok"), "")
    parts += [message] if message else []
    return f"{cell.task.name} · {cell.estimator.name} · n={cell.n_samples}: {', '.join(parts)}"


def duration(seconds: float) -> str:
    """Return seconds as a person reads them: ``45 s``, ``3 min``, ``2 h 10 min``."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
