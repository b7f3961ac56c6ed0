"""Cells on a Ray cluster: Ray chooses the node, and there a worker as on this machine computes the cell."""

import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mibench import provenance
from mibench.component import parameters
from mibench.errors import MibenchError
from mibench.estimation import Estimator, NamedEstimator
from mibench.job import Job, clean
from mibench.process import Limits, Worker
from mibench.record import Outcome

_TRIES = 4  # of a cell whose node, or Ray's process there, dies under it
_REACH = 15.0  # seconds in which the head of a cluster must answer: Ray itself goes on trying for many minutes
_IDLE = 60.0  # seconds after which a worker on a node ends that has nothing to do
_REMEDY = "give --address host:port of its head; where it wants a token, set RAY_AUTH_MODE=token"


class RayExecutor:
    """A Ray cluster: the one at `address`, that of this process, one that runs on this machine, or else a new one."""

    def __init__(self, estimators: Sequence[NamedEstimator], device: str, address: str | None = None) -> None:
        self._ray = _import_ray()
        self._mine = not self._ray.is_initialized()
        if not self._mine and address:
            raise MibenchError("this process is on a Ray cluster already; leave address out, or call ray.shutdown()")
        if self._mine:
            _connect(self._ray, address or os.environ.get("RAY_ADDRESS"))
        try:
            self._device = device
            self._methods = {estimator.name: estimator.method for estimator in estimators}
            self._nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
            demands = [self._demand(estimator) for estimator in estimators]
            self.slots = max(1, int(self._room(demands)))
        except BaseException:
            self.close()
            raise
        self._remote = self._ray.remote(_compute)
        self._identity = uuid.uuid4().hex

    def threads(self, workers: int) -> int:
        """Return 1; an estimator that declares more cores has as many threads."""
        return 1

    def device(self, estimator: NamedEstimator) -> str:
        """Return "cuda" where the estimator can use a GPU and the cluster has one, whatever this machine has."""
        gpus = sum(node.get("GPU", 0) for node in self._nodes)
        wanted = estimator.uses_device and self._device != "cpu" and (gpus or self._device == "cuda")
        return "cuda" if wanted else "cpu"

    def worker(self, threads: int, limits: Limits) -> "RayWorker":
        """Return a place in the queue of the cluster."""
        return RayWorker(self._ray, self._remote, self._methods, limits, self._identity)

    def close(self) -> None:
        """Leave the cluster, and end it where this process began it."""
        if self._mine:
            self._ray.shutdown()

    def _demand(self, estimator: NamedEstimator) -> tuple[int, float]:
        """Return the cores and the share of a GPU that a cell takes; `MibenchError` where no node has them."""
        cpus, gpus = resources(estimator.method, self.device(estimator))
        if not any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in self._nodes):
            lacking = f"{cpus} core{'s' * (cpus > 1)}" + (f" and {gpus:g} GPU" if gpus else "")
            raise MibenchError(f"no node of the Ray cluster has the {lacking} that {estimator.name} takes")
        return cpus, gpus

    def _room(self, demands: Sequence[tuple[int, float]]) -> float:
        """Return how many of the largest cells run at once: on the GPUs, or on the cores where no GPU is used."""
        kind, sizes = ("GPU", [gpus for _, gpus in demands]) if any(gpus for _, gpus in demands) else ("CPU", None)
        total: float = sum(node.get(kind, 0) for node in self._nodes)
        return total / max(sizes or [cpus for cpus, _ in demands])


def resources(method: Estimator, device: str) -> tuple[int, float]:
    """Return the cores and the share of a GPU that `method` takes: the most that it or what it is built of declares."""
    cpus, gpus = method.cpus, method.gpus
    if isinstance(cpus, bool) or not isinstance(cpus, int) or cpus < 1:
        raise MibenchError(f"{type(method).__name__}.cpus must be an integer of at least 1, got {cpus!r}")
    if not isinstance(gpus, int | float) or not (0 < gpus <= 1 or (gpus > 1 and gpus == int(gpus))):
        raise MibenchError(f"{type(method).__name__}.gpus must be a share of at most 1 or a number, got {gpus!r}")
    inner = [getattr(method, field.name) for field in parameters(type(method))]
    taken = [(cpus, float(gpus)), *(resources(each, "cuda") for each in inner if isinstance(each, Estimator))]
    return max(cpus for cpus, _ in taken), max(gpus for _, gpus in taken) if device == "cuda" else 0.0


class RayWorker:
    """Hands one cell at a time to Ray, and waits for it."""

    def __init__(self, ray: Any, remote: Any, methods: dict[str, Estimator], limits: Limits, identity: str) -> None:
        self.busy = False
        self._ray = ray
        self._remote = remote
        self._methods = methods
        self._limits = limits
        self._identity = identity
        self._under_way: Any = None
        self._closed = False
        self._changing = threading.Lock()

    def run(self, job: Job) -> list[Outcome]:
        """Compute a cell on a node; where that dies, on another."""
        self.busy = True
        try:
            return self._run(job)
        finally:
            self.busy = False

    def close(self) -> None:
        """Have Ray end the cell under way, with the process that it is in."""
        with self._changing:
            self._closed = True
            if self._under_way is not None:
                self._ray.cancel(self._under_way, force=True)

    def _run(self, job: Job) -> list[Outcome]:
        errors = self._ray.exceptions
        cpus, gpus = resources(self._methods[job.estimator], job.device)
        task = self._remote.options(num_cpus=cpus, num_gpus=gpus, max_retries=0)
        failed = Outcome("crash", device=job.device, started_at=provenance.now(), threads=cpus)
        for _ in range(_TRIES):
            with self._changing:
                if self._closed:
                    break
                words = (self._limits, cpus, os.getcwd(), _versions(), self._identity)
                self._under_way = task.remote(job, *words)
            try:
                outcomes: list[Outcome] = self._ray.get(self._under_way)
                return outcomes
            except errors.RayTaskError as error:
                raise _as_ours(error) from None
            except errors.LocalRayletDiedError:
                remedy = "start it anew, and the same command goes on from there"
                raise MibenchError(f"the Ray node of this machine has died; {remedy}") from None
            except errors.OutOfMemoryError as error:  # of the node, whoever took it: the cell may be innocent
                message = f"Ray ended it {_TRIES} times, as nodes ran out of memory: {_text(error)}"
                failed = replace(failed, status="oom", message=message)
            except errors.RayError as error:
                failed = replace(failed, status="crash", message=f"{type(error).__name__}: {_text(error)}")
            finally:
                with self._changing:
                    self._under_way = None
        return [failed] * len(job.replicates)


class _Held:
    """The one worker of ours that a process of Ray keeps, with the data of its last task."""

    def __init__(self) -> None:
        self._key: object = None
        self._worker: Worker | None = None
        self._due = 0.0
        self._waiting = False
        self._changing = threading.Lock()

    def run(self, job: Job, key: object, limits: Limits, threads: int, folder: str) -> list[Outcome]:
        """Compute a cell by the worker, or by a new one where what it was made for, its `key`, is another."""
        with self._changing:
            if self._key != key:
                self._drop()
            self._key = key
            self._worker = self._worker or Worker(threads, limits, folder if os.path.isdir(folder) else None)
            outcomes = self._worker.run(job)
            self._due = time.monotonic() + _IDLE
            if not self._waiting:
                self._wait(_IDLE)
        return outcomes

    def _wait(self, seconds: float) -> None:
        self._waiting = True
        timer = threading.Timer(seconds, self._expire)
        timer.daemon = True
        timer.start()

    def _expire(self) -> None:
        with self._changing:
            left = self._due - time.monotonic()
            self._waiting = False
            if left > 0:
                self._wait(left)
            else:
                self._drop()

    def _drop(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None


_held = _Held()


def _compute(job: Job, limits: Limits, threads: int, folder: str, versions: str, identity: str) -> list[Outcome]:
    """Compute a cell on a node, in a process of Ray."""
    host = provenance.host()
    if _versions() != versions:
        raise MibenchError(f"the node {host} has {_versions()}, the driver {versions}; install the same on both")
    key = identity, threads, limits, folder, os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        return _held.run(job, key, limits, threads, folder)
    except MibenchError as error:
        raise MibenchError(f"on the node {host}: {error}") from None


def _versions() -> str:
    return f"mibench {provenance.mibench_version()} with {provenance.library_versions()}"


def _import_ray() -> Any:
    try:
        import ray
    except ImportError:
        raise MibenchError("--executor ray needs Ray; pip install 'mibench[ray]'") from None
    return ray


def _connect(ray: Any, address: str | None) -> None:
    if address is None:
        address = _on_this_machine() or "local"
    elif reason := _silence(address) or _refusal(address):
        raise MibenchError(f"no Ray cluster can be reached at {address}: {reason}; {_REMEDY}")
    try:
        ray.init(address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        raise MibenchError(f"no Ray cluster can be used at {address}: {_text(error)}; {_REMEDY}") from None


def _on_this_machine() -> str | None:
    """Return the address of the cluster that Ray takes where none is named."""
    try:
        from ray._private.services import find_bootstrap_address
    except ImportError:
        return "auto"
    found: str | None = find_bootstrap_address(None)
    return "auto" if found and not _silence(found) else None


def _silence(address: str) -> str:
    """Return why nothing listens at an address host:port; an empty string where something does, or for other forms."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():
        return ""
    try:
        socket.create_connection((host, int(port)), timeout=_REACH).close()
    except (OSError, OverflowError) as error:
        return clean(error)
    return ""


def _refusal(address: str) -> str:
    """Return why what listens at host:port is no head of a cluster that can be used; an empty string where it is."""
    if not address.rpartition(":")[2].isdecimal() or address.startswith("ray://"):
        return ""
    words = [sys.executable, "-m", "ray.scripts.scripts", "health-check", "--address", address]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_REACH, check=False)
    except subprocess.TimeoutExpired:
        return f"nothing that answers as its head within {_REACH:g} s"
    return clean(done.stderr[-300:]) if done.returncode else ""


def _as_ours(error: Any) -> MibenchError:
    """Return the error of a node that cannot take part, without Ray's traceback of it."""
    cause = error.cause
    if isinstance(cause, MibenchError):
        return cause
    return MibenchError(f"a node of the Ray cluster cannot run mibench: {type(cause).__name__}: {_text(cause)}")


def _text(error: object) -> str:
    return clean(error)[:300]
