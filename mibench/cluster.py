"""Cells on a Ray cluster: Ray chooses the node, and there a worker as on this machine computes the cell."""

import os
import socket
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mibench import provenance, registry
from mibench.errors import MibenchError
from mibench.estimation import NamedEstimator
from mibench.job import Job, clean
from mibench.process import Limits, Worker
from mibench.record import Outcome

_TRIES = 4  # of a cell whose node, or Ray's process there, dies under it
_REACH = 5.0  # seconds to reach the head of a cluster


class RayExecutor:
    """A Ray cluster: the one at `address`, that of this process, one that runs on this machine, or else a new one."""

    def __init__(self, estimators: Sequence[NamedEstimator], device: str, address: str | None = None) -> None:
        self._ray = _import_ray()
        self._mine = not self._ray.is_initialized()
        if self._mine:
            _connect(self._ray, address or os.environ.get("RAY_ADDRESS"))
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        self._gpus = sum(node.get("GPU", 0) for node in nodes)
        self._device = device
        demands = [self._check(estimator, nodes) for estimator in estimators]
        shares = [gpus for _, gpus in demands if gpus]
        cores = sum(node.get("CPU", 0) for node in nodes)
        self.slots = max(1, int(self._gpus / max(shares) if shares else cores / max(cpus for cpus, _ in demands)))

    def threads(self, workers: int) -> int:
        """Return 1; an estimator that declares more cores has as many threads."""
        return 1

    def device(self, estimator: NamedEstimator) -> str:
        """Return "cuda" where the estimator can use a GPU and the cluster has one, whatever this machine has."""
        return "cuda" if self._demand(estimator)[1] else "cpu"

    def worker(self, threads: int, limits: Limits) -> "RayWorker":
        """Return a place in the queue of the cluster."""
        return RayWorker(self._ray, limits)

    def close(self) -> None:
        """Leave the cluster, and end it where this process began it."""
        if self._mine:
            self._ray.shutdown()

    def _demand(self, estimator: NamedEstimator) -> tuple[int, float]:
        """Return the cores and the share of a GPU that a cell takes."""
        wants = estimator.uses_device and self._device != "cpu" and (self._gpus or self._device == "cuda")
        return estimator.method.cpus, estimator.method.gpus if wants else 0.0

    def _check(self, estimator: NamedEstimator, nodes: Sequence[dict[str, float]]) -> tuple[int, float]:
        cpus, gpus = demand = self._demand(estimator)
        if not any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in nodes):
            and_gpus = f" and {gpus:g} GPU" if gpus else ""
            raise MibenchError(f"no node of the Ray cluster has the {cpus} cores{and_gpus} that {estimator.name} takes")
        return demand


class RayWorker:
    """Hands one cell at a time to Ray, and waits for it."""

    def __init__(self, ray: Any, limits: Limits) -> None:
        self.busy = False
        self._ray = ray
        self._limits = limits
        self._under_way: Any = None
        self._closed = False

    def run(self, job: Job) -> list[Outcome]:
        """Compute a cell on a node; where that dies, on another."""
        self.busy = True
        try:
            return self._run(job)
        finally:
            self.busy = False

    def close(self) -> None:
        """Have Ray end the cell under way, with the process that it is in."""
        self._closed = True
        if self._under_way is not None:
            self._ray.cancel(self._under_way, force=True)

    def _run(self, job: Job) -> list[Outcome]:
        errors = self._ray.exceptions
        method = registry.estimator(job.estimator).method
        share = method.gpus if job.device == "cuda" else 0
        task = self._ray.remote(_compute).options(num_cpus=method.cpus, num_gpus=share, max_retries=0)
        failed = Outcome("crash", device=job.device, started_at=provenance.now(), host=provenance.host())
        for _ in range(_TRIES):
            if self._closed:
                break
            self._under_way = task.remote(job, self._limits, method.cpus, os.getcwd(), _versions())
            try:
                outcomes: list[Outcome] = self._ray.get(self._under_way)
                return outcomes
            except errors.RayTaskError as error:
                raise _as_ours(error) from None
            except errors.LocalRayletDiedError:
                remedy = "start it anew, and the same command goes on from there"
                raise MibenchError(f"the Ray node of this machine has died; {remedy}") from None
            except errors.OutOfMemoryError as error:
                message = f"Ray ended it, as the node ran out of memory: {_first(error)}"
                failed = replace(failed, status="oom", message=message)
                break
            except errors.RayError as error:
                failed = replace(failed, message=f"{type(error).__name__}: {_first(error)}")
            finally:
                self._under_way = None
        return [failed] * len(job.replicates)


_held: tuple[object, Worker] | None = None


def _compute(job: Job, limits: Limits, threads: int, folder: str, versions: str) -> list[Outcome]:
    """Compute a cell on a node; Ray's process there keeps one worker of ours, which keeps the data of its last task."""
    global _held  # noqa: PLW0603
    if _versions() != versions:
        remedy = "install the same on both"
        raise MibenchError(f"the node {provenance.host()} has {_versions()}, and the driver {versions}; {remedy}")
    key = threads, limits, folder, os.environ.get("CUDA_VISIBLE_DEVICES")
    if _held is None or _held[0] != key:
        if _held is not None:
            _held[1].close()
        _held = key, Worker(threads, limits, folder if os.path.isdir(folder) else None)
    return _held[1].run(job)


def _versions() -> str:
    return f"mibench {provenance.mibench_version()} with {provenance.library_versions()}"


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise MibenchError("--executor ray needs Ray; pip install 'mibench[ray]'") from None
    return ray


def _connect(ray: Any, address: str | None) -> None:
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    try:
        if port.isdecimal():  # for Ray would go on trying for many minutes
            socket.create_connection((host, int(port)), timeout=_REACH).close()
        ray.init(address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError, OSError, OverflowError) as error:
        where = f"at {address}" if address else "on this machine"
        remedy = "give --address host:port of its head, and where it wants a token, set RAY_AUTH_MODE=token"
        raise MibenchError(f"no Ray cluster can be reached {where}: {_first(error)}; {remedy}") from None


def _as_ours(error: Any) -> MibenchError:
    """Return the error of a node that cannot take part, without Ray's traceback of it."""
    cause = error.cause
    if isinstance(cause, MibenchError):
        return cause
    return MibenchError(f"a node of the Ray cluster cannot run mibench: {type(cause).__name__}: {_first(cause)}")


def _first(error: object) -> str:
    return clean(str(error).strip().partition("\n")[0])[:300]
