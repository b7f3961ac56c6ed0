"""The outcome of one replicate, as it is stored and exported."""

import dataclasses
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

SCHEMA_VERSION = 2
FAILURES = ("error", "timeout", "oom", "crash", "nan")
STATUSES = ("ok", *FAILURES, "skipped")
CELL = (
    "task", "task_fingerprint", "estimator", "estimator_params", "estimator_source", "n_samples", "seed",
    "schema_version",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What a worker says of one replicate; times in seconds, `estimate` and `std_error` in nats."""

    status: str
    message: str = ""
    estimate: float | None = None
    std_error: float | None = None
    seconds_amortised: float | None = None
    seconds_solo: float | None = None
    batch: int | None = None
    peak_memory_mb: float | None = None
    device: str | None = None
    started_at: str | None = None
    host: str = ""
    threads: int = 1
    diagnostics: str = "{}"


@dataclass(frozen=True)
class Record:
    """One replicate of a cell. MI in nats; `peak_memory_mb` is what the call added (on a GPU: what it allocated)."""

    task: str
    task_fingerprint: str
    mi_true: float
    estimator: str
    estimator_params: str
    estimator_source: str
    baseline: bool
    bound: str
    n_samples: int
    replicate: int
    seed: int
    data_seed: int
    status: str
    estimate: float | None
    std_error: float | None
    message: str
    seconds_amortised: float | None
    seconds_solo: float | None
    batch: int | None
    threads: int
    peak_memory_mb: float | None
    device: str | None
    host: str
    mibench_version: str
    library_versions: str
    git_commit: str
    started_at: str | None
    diagnostics: str
    schema_version: int = SCHEMA_VERSION


COLUMNS = tuple(field.name for field in dataclasses.fields(Record))


def digest(parts: Iterable[Any]) -> str:
    """Return a key of 40 characters that follows from the text of `parts` alone."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:40]
