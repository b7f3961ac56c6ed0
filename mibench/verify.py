"""Whether stored estimates come out again: computations of a store, picked at random, done once more and compared."""

import contextlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mibench import registry
from mibench.errors import MibenchError
from mibench.executor import Pool
from mibench.job import Job
from mibench.process import Limits, Worker
from mibench.provenance import host, library_versions
from mibench.record import Outcome
from mibench.store import Store

GPU_TOLERANCE = 1e-3  # nats; sums on a GPU have no fixed order
_CALL = ("task", "estimator", "n_samples", "seed", "device", "started_at", "batch")


@dataclass(frozen=True)
class Verdict:
    """What became of one stored estimate: "same", "differs", "failed" or "changed".

    That is, it came out again, otherwise, or not at all; or it was not tried, as its call cannot be made again.
    """

    task: str
    estimator: str
    n_samples: int
    replicate: int
    verdict: str
    stored: float
    found: float | None = None
    message: str = ""


def verify(
    store: Store,
    sample: int = 20,
    *,
    seed: int = 0,
    workers: int = 1,
    threads: int = 1,
    plugins: Sequence[str] = (),
    timeout: float | None = None,
) -> Iterator[list[Verdict]]:
    """Compute `sample` of the estimates in a store again; yield a verdict on each, call by call.

    The replicates that were computed in one call are again: a sum over a stack may differ in its last digit from that
    of a single one. On a CPU "same" is bit by bit, on a GPU within `GPU_TOLERANCE` nats.
    """
    calls = _pick(store, sample, seed)
    reasons = [_why_not(call) for call in calls]
    for call, reason in zip(calls, reasons, strict=True):
        if reason:
            yield [_verdict(row, "changed", message=reason) for row in call if row["status"] == "ok"]
    left = [call for call, reason in zip(calls, reasons, strict=True) if not reason]
    jobs = [_job(call, tuple(plugins)) for call in left]
    pool = Pool([Worker(threads, Limits(timeout)) for _ in range(max(1, min(workers, len(jobs))))])
    with contextlib.closing(pool.run(jobs)) as results:
        for place, outcomes in results:
            pairs = zip(left[place], outcomes, strict=True)
            yield [_compare(row, outcome) for row, outcome in pairs if row["status"] == "ok"]


def _pick(store: Store, sample: int, seed: int) -> list[list[dict[str, Any]]]:
    """Return the calls, as rows of the store, that hold `sample` estimates drawn at random."""
    frame = store.to_frame()
    sound = frame[frame.status == "ok"]
    if sound.empty:
        raise MibenchError(f"the store {store.name} holds no estimate to verify")
    chosen = random.Random(seed).sample(range(len(sound)), min(sample, len(sound)))
    picked, by = sound.iloc[chosen], list(_CALL)
    wanted = set(picked.set_index([*by, "replicate"]).index)
    rows = frame.merge(picked[by].drop_duplicates(), on=by).sort_values("replicate")
    calls = []
    for _, group in rows.groupby(by, observed=True):
        together: list[dict[str, Any]] = group.to_dict("records")  # type: ignore[assignment]
        size = int(together[0]["batch"])
        calls += [together[first : first + size] for first in range(0, len(together), size)]
    return [call for call in calls if any((*(row[name] for name in by), row["replicate"]) in wanted for row in call)]


def _why_not(call: list[dict[str, Any]]) -> str:
    """Return why a call cannot be made again; an empty string where it can."""
    row = call[0]
    try:
        task, estimator = registry.task(row["task"]), registry.estimator(row["estimator"])
        estimator.resolve_device(row["device"])
    except MibenchError as error:
        return str(error)
    if reason := estimator.method.unsupported(int(row["n_samples"]), task.x_shape, task.y_shape):
        return reason
    if task.fingerprint != row["task_fingerprint"]:
        return "the draws of its task have changed since"
    if estimator.source_hash != row["estimator_source"]:
        return "the code of its estimator has changed since"
    return "" if len(call) == row["batch"] else "others of its call were computed again since"


def _job(call: list[dict[str, Any]], plugins: tuple[str, ...]) -> Job:
    first = call[0]
    replicates = tuple(int(row["replicate"]) for row in call)
    names = (first["task"], first["estimator"], first["estimator_source"], int(first["n_samples"]))
    return Job(*names, replicates, int(first["seed"]), first["device"], False, plugins)


def _compare(row: dict[str, Any], outcome: Outcome) -> Verdict:
    if outcome.estimate is None:
        return _verdict(row, "failed", message=f"{outcome.status}: {outcome.message}")
    tolerance = 0.0 if row["device"] == "cpu" else GPU_TOLERANCE
    if abs(outcome.estimate - row["estimate"]) <= tolerance:
        return _verdict(row, "same", outcome.estimate)
    versions = "" if row["library_versions"] == library_versions() else "other versions of libraries made it"
    host_of = "" if row["host"] == host() else f"it was made on {row['host']}"
    return _verdict(row, "differs", outcome.estimate, "; ".join(filter(None, (versions, host_of))))


def _verdict(row: dict[str, Any], verdict: str, found: float | None = None, message: str = "") -> Verdict:
    named = (str(row["task"]), str(row["estimator"]), int(row["n_samples"]), int(row["replicate"]))
    return Verdict(*named, verdict, float(row["estimate"]), found, message)
