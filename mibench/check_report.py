"""What a check of an estimator finds, and how that is told."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Status = Literal["passed", "failed", "skipped", "not applicable"]


class Failed(Exception):  # noqa: N818 - an ending, not an error
    """A check found the estimator wanting: the effect seen and the tolerance."""


class Skipped(Exception):  # noqa: N818 - an ending, not an error
    """A check could not look, and why: it says nothing for the estimator, nor against it."""


class NotApplicable(Exception):  # noqa: N818 - an ending, not an error
    """A check that has no meaning for this estimator, and why."""


@dataclass(frozen=True)
class Verdict:
    """How one check ended; `detail` is what it saw, in nats where it is a number, or why it did not look."""

    check: str
    kind: Literal["contract", "law"]
    status: Status
    detail: str
    reproduce: str
    seconds: float

    def __str__(self) -> str:
        line = f"{self.status:<14}  {self.kind:<8}  {self.check}"
        line += f": {self.detail}" if self.detail else ""
        return f"{line}\n    reproduce: {self.reproduce}" if self.status == "failed" else line


@dataclass(frozen=True)
class Report:
    """The verdicts on one estimator, in the order of the checks."""

    estimator: str
    verdicts: Sequence[Verdict]

    def names(self, status: Status) -> list[str]:
        """Return the names of the checks that ended so."""
        return [verdict.check for verdict in self.verdicts if verdict.status == status]

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return not self.names("failed")

    @property
    def summary(self) -> str:
        """One line: how many checks passed, failed, were skipped and did not apply; none of these counts as another."""
        counts = Counter(verdict.status for verdict in self.verdicts)
        line = f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped"
        rest = counts["not applicable"]
        return f"{self.estimator}: {line}" + (f", {rest} not applicable" if rest else "")

    def __str__(self) -> str:
        return "\n".join([*map(str, self.verdicts), self.summary])
