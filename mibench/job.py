"""What is sent to a worker process, and how it computes a cell; text and numbers alone cross the pipe."""

import importlib
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from mibench import registry
from mibench.distribution import Array
from mibench.errors import MibenchError, StaleError
from mibench.estimation import Estimate, NamedEstimator, as_estimate, call_estimate
from mibench.generators import seed_everything
from mibench.memory import PeakMeter, is_out_of_memory, limit_allocator, release_allocator
from mibench.provenance import now
from mibench.record import Outcome
from mibench.seeding import derive_seed


@dataclass(frozen=True)
class Job:
    """A cell by name: specs, sizes, and where the plugins are that the specs may need."""

    task: str
    estimator: str
    source_hash: str
    n_samples: int
    replicates: tuple[int, ...]
    seed: int
    device: str
    solo: bool
    plugins: tuple[str, ...]
    memory_mb: float | None = None


@dataclass(frozen=True)
class Data:
    """The replicates of a task: x (R, n, *x_shape), y (R, n, *y_shape), pointwise MI (R, n) where it is known."""

    x: Array
    y: Array
    pointwise_mi: Array | None


@lru_cache(maxsize=1)
def prepare(job: Job) -> NamedEstimator:
    """Do all that stays off the clock: import, draw the data, warm up."""
    try:
        estimator = _estimator(job.estimator, job.plugins)
    except MibenchError as error:
        raise StaleError(str(error)) from None
    if estimator.source_hash != job.source_hash:
        raise StaleError(f"the code of {job.estimator} is not what the run was planned with; run the command again")
    draw_replicates(job.task, job.n_samples, job.replicates)
    device = estimator.resolve_device(job.device)
    if device == "cuda" and job.memory_mb:
        limit_allocator(job.memory_mb)
    estimator.method.warm_up(device)
    return estimator


@lru_cache
def _estimator(spec: str, plugins: tuple[str, ...]) -> NamedEstimator:
    """Return an estimator, whose libraries are imported; what it is made of is looked at once a process."""
    registry.load_plugins(plugins)
    estimator = registry.estimator(spec)
    if any(b"torch" in file.read_bytes() for file in registry.source_files(estimator.method)):
        importlib.import_module("torch")  # before the first cell, as only what is there can be seeded
    return estimator


def compute(job: Job) -> list[Outcome]:
    """Compute a cell; what goes wrong in the estimator becomes the outcome's status and message."""
    estimator = prepare(job)
    data = draw_replicates(job.task, job.n_samples, job.replicates)
    reason = estimator.method.unsupported(job.n_samples, data.x.shape[2:], data.y.shape[2:])
    if estimator.needs_truth and data.pointwise_mi is None:
        reason = "the draws of this task come without their pointwise MI"
    if reason:
        return [Outcome("skipped", clean(reason))] * len(job.replicates)
    everything = list(range(len(job.replicates)))
    groups = [everything] if estimator.batched else [[one] for one in everything]
    outcomes = [outcome for group in groups for outcome in _attempt(estimator, job, data, group)]
    first = next((one for one in everything if outcomes[one].status == "ok"), None)
    if job.solo and first is not None:
        (alone,) = _attempt(estimator, job, data, [first])
        outcomes[first] = replace(outcomes[first], seconds_solo=alone.seconds_amortised)
    if estimator.resolve_device(job.device) == "cuda":
        release_allocator()
    return outcomes


@lru_cache(maxsize=1)
def draw_replicates(task: str, n_samples: int, replicates: tuple[int, ...]) -> Data:
    """Draw a task's replicates; the last are kept, as the cells of a task follow each other."""
    source = registry.task(task)
    draws = [source.draw(n_samples, source.replicate_seed(replicate)) for replicate in replicates]
    pointwise = [draw.pointwise_mi for draw in draws if draw.pointwise_mi is not None]
    return Data(
        np.stack([draw.x for draw in draws]),
        np.stack([draw.y for draw in draws]),
        np.stack(pointwise) if len(pointwise) == len(draws) else None,
    )


def _attempt(estimator: NamedEstimator, job: Job, data: Data, chosen: list[int]) -> list[Outcome]:
    """Compute the chosen replicates in one call; out of memory halves the call before it fails."""
    device = estimator.resolve_device(job.device)
    started_at = now()
    seeds = [derive_seed("estimator", job.seed, job.replicates[one]) for one in chosen]
    seed_everything(seeds[0])
    x, y = data.x[chosen], data.y[chosen]  # copies, so that a method that writes on them harms no other
    pointwise = None if data.pointwise_mi is None else data.pointwise_mi[chosen[0]]
    try:
        with PeakMeter(device) as meter:
            start = time.perf_counter()
            if estimator.batched:
                answers = list(estimator.method.estimate_batch(x, y, seeds, device))
            else:
                answers = [call_estimate(estimator.method, x[0], y[0], seeds[0], device=device, pointwise_mi=pointwise)]
            meter.synchronise()
            seconds = (time.perf_counter() - start) / len(chosen)
        estimates = _check_answers(answers, len(chosen))
    except BaseException as error:  # a worker outlives whatever an estimator throws, sys.exit() included
        status, message = "oom" if is_out_of_memory(error) else "error", _one_line(error)
    else:
        status, message = "ok", ""
    if status == "oom" and len(chosen) > 1:  # here the failed call is over, and what it held is free
        del x, y
        half = len(chosen) // 2
        return _attempt(estimator, job, data, chosen[:half]) + _attempt(estimator, job, data, chosen[half:])
    if status != "ok":
        failure = Outcome(status, message, device=device, batch=len(chosen), started_at=started_at)
        return [failure] * len(chosen)
    common = Outcome(
        "ok",
        seconds_amortised=seconds,
        batch=len(chosen),
        peak_memory_mb=meter.peak_mb,
        device=device,
        started_at=started_at,
    )
    return [_finish(common, estimate) for estimate in estimates]


def _check_answers(answers: Sequence[object], expected: int) -> list[Estimate]:
    if len(answers) != expected:
        raise ValueError(f"estimate_batch returned {len(answers)} estimates for {expected} replicates")
    return [as_estimate(answer) for answer in answers]


def _finish(common: Outcome, estimate: Estimate) -> Outcome:
    diagnostics = clean(json.dumps(dict(estimate.diagnostics), default=str))
    if not math.isfinite(estimate.value):
        message = clean(estimate.message) or f"the estimate is {estimate.value}"
        return replace(common, status="nan", message=message, diagnostics=diagnostics)
    error = estimate.std_error
    error = float(error) if error is not None and math.isfinite(error) else None
    return replace(
        common, message=clean(estimate.message), estimate=estimate.value, std_error=error, diagnostics=diagnostics
    )


def _one_line(error: BaseException) -> str:
    text = clean(error)
    return f"{type(error).__name__}: {text}"[:500] if text else type(error).__name__


def clean(text: object) -> str:
    """Return a stranger's text as one line that every database takes."""
    return " ".join(str(text).encode("utf-8", "replace").decode().split()).replace("\0", "")
