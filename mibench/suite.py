"""What a suite is. It is apart from tasks so that listing suites imports no numerical library."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Suite:
    """A named, versioned, frozen list of task specs; `aliases` gives other benchmarks' names for specs."""

    name: str
    version: int
    tasks: tuple[str, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)
