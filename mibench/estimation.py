"""What an estimator is: a method with its hyperparameters, and the checked way to call it."""

import dataclasses
import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mibench.component import Component
from mibench.device import has_cuda
from mibench.errors import DataError, MibenchError
from mibench.seeding import check_seed

Array = NDArray[np.float64]
Shape = tuple[int, ...]
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Estimate:
    """An estimate of MI in nats, with what the method knows about it; a failure is NaN with a `message`.

    `critic` is there where it was asked for: the pointwise MI (n,) in nats of any rows x (n, ...) and y (n, ...).
    """

    value: float
    std_error: float | None = None
    diagnostics: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""
    critic: Callable[[ArrayLike, ArrayLike], Array] | None = field(default=None, compare=False, repr=False)

    def __float__(self) -> float:
        return self.value


class Estimator(Component, ABC):
    """A method; a subclass is a frozen dataclass whose fields are its hyperparameters, with the published defaults.

    Its one required method is `estimate`. A method that can treat all replicates of a cell at once overrides
    `estimate_batch` too (or derives from `BatchEstimator`).
    """

    kind: ClassVar[str] = "estimator"
    source: ClassVar[str] = ""  # authors, year, equation
    bound: ClassVar[str] = ""  # "lower" or "upper" where the population value is a bound on MI
    invariant: ClassVar[tuple[str, ...]] = ()  # maps of a side that change no estimate: "scale", "affine", "monotone"
    baseline: ClassVar[bool] = False  # brackets the table instead of competing in it
    cpus: ClassVar[int] = 1  # cores that a cell takes on a cluster
    gpus: ClassVar[float] = 1.0  # share of a GPU that a cell takes on a cluster, where it runs on one

    @abstractmethod
    def estimate(self, x: Array, y: Array, seed: int) -> float | Estimate:
        """Return the estimate from x (n, *x_shape) and y (n, *y_shape); all randomness follows from `seed`.

        A further parameter ``device`` ("cpu" or "cuda") or ``pointwise_mi`` (n,) is filled in by name; asking for the
        latter declares a baseline that needs the truth. One named ``return_critic`` says that the method can hand out
        the pointwise MI that it has learnt.
        """

    def estimate_batch(self, x: Array, y: Array, seeds: Sequence[int], device: str) -> Sequence[float | Estimate]:
        """Return one estimate a replicate from x (R, n, *x_shape), y (R, n, *y_shape) and one seed a replicate."""
        return [call_estimate(self, *one, device=device) for one in zip(x, y, seeds, strict=True)]

    def unsupported(self, n: int, x_shape: Shape, y_shape: Shape) -> str:
        """Return why such data are beyond the method, which skips the cell; an empty string where they are not."""
        return ""

    def warm_up(self, device: str) -> None:
        """Do what is done once a process, off the clock: import libraries, compile, start the device."""


class BatchEstimator(Estimator):
    """A method whose one implementation is `estimate_batch`, on a device."""

    def estimate(self, x: Array, y: Array, seed: int, device: str = "cpu") -> float | Estimate:
        """Return the estimate of a single replicate."""
        return self.estimate_batch(x[None], y[None], [seed], device)[0]

    @abstractmethod
    def estimate_batch(self, x: Array, y: Array, seeds: Sequence[int], device: str) -> Sequence[float | Estimate]:
        """Return one estimate a replicate from x (R, n, *x_shape), y (R, n, *y_shape) and one seed a replicate."""

    def warm_up(self, device: str) -> None:
        """Import torch and start the device."""
        import torch

        torch.zeros(1, device=device).exp()


@dataclass(frozen=True)
class NamedEstimator:
    """An estimator under its canonical name, called with checked data."""

    method: Estimator
    source_hash: str = ""

    @cached_property
    def name(self) -> str:
        """The canonical spec."""
        return str(self.method)

    @cached_property
    def parameters(self) -> str:
        """Every hyperparameter, defaults included, as JSON."""
        return self.method.parameters_json()

    @property
    def source(self) -> str:
        """Who published the method."""
        return self.method.source

    @cached_property
    def needs_truth(self) -> bool:
        """Whether it is a baseline that is handed the pointwise MI of the draws."""
        return "pointwise_mi" in _parameters(self.method)

    @property
    def baseline(self) -> bool:
        """Whether it brackets the table instead of competing in it; who is handed the truth does not compete."""
        return self.method.baseline or self.needs_truth

    @cached_property
    def batched(self) -> bool:
        """Whether it treats all replicates of a cell at once."""
        return type(self.method).estimate_batch is not Estimator.estimate_batch

    @cached_property
    def uses_device(self) -> bool:
        """Whether the device matters to it."""
        return self.batched or "device" in _parameters(self.method)

    def estimate(
        self, x: ArrayLike, y: ArrayLike, seed: int = 0, device: str = "auto", return_critic: bool = False
    ) -> Estimate:
        """Return the MI between `x` (n, ...) and `y` (n, ...) in nats; ``float()`` of it is the value.

        With `return_critic` its ``critic`` is a function of rows x and y that returns their pointwise MI, as learnt.
        Raises `DataError` where the data cannot carry an estimate, `MibenchError` where the method cannot take them.
        """
        if self.needs_truth:
            raise MibenchError(f"{self.name} needs the true pointwise MI, which only a run on a task can give")
        if return_critic and "return_critic" not in _parameters(self.method):
            raise MibenchError(f"{self.name} trains no critic; return_critic is for neural bounds such as mine")
        check_seed(seed)
        x, y = check_pair(x, y)
        reason = self.method.unsupported(len(x), x.shape[1:], y.shape[1:])
        if reason:
            raise MibenchError(f"{self.name} cannot take these data: {reason}")
        device = self.resolve_device(device)
        return as_estimate(call_estimate(self.method, x, y, seed, device=device, return_critic=return_critic))

    def resolve_device(self, device: str) -> str:
        """Return "cuda" or "cpu" for what was asked; "auto" takes a GPU where the method can use one."""
        check_device(device)
        if device == "cpu" or not self.uses_device:
            return "cpu"
        if has_cuda():
            return "cuda"
        if device == "cuda":
            raise MibenchError("device 'cuda' is asked for, but torch sees no GPU; use --device cpu")
        return "cpu"


def check_device(device: str) -> None:
    """Raise `MibenchError` where `device` is none of `DEVICES`."""
    if device not in DEVICES:
        raise MibenchError(f"device must be one of {', '.join(DEVICES)}, got {device!r}")


def call_estimate(
    method: Estimator,
    x: Array,
    y: Array,
    seed: int,
    *,
    device: str,
    pointwise_mi: Array | None = None,
    return_critic: bool = False,
) -> float | Estimate:
    """Call ``method.estimate`` with those of seed, device, pointwise_mi and return_critic that it takes."""
    offered: dict[str, Any] = {"seed": seed, "device": device, "pointwise_mi": pointwise_mi}
    offered["return_critic"] = return_critic
    taken = _parameters(method)
    return method.estimate(x, y, **{key: value for key, value in offered.items() if key in taken})


def as_estimate(result: Any) -> Estimate:
    """Return what a method answered, a number or an `Estimate`, as an `Estimate`."""
    if isinstance(result, Estimate):
        return dataclasses.replace(result, value=float(result.value))
    try:
        return Estimate(float(result))
    except (TypeError, ValueError):
        raise MibenchError(f"an estimator must return a number, got {type(result).__name__}") from None


def function_estimator(function: Callable[..., Any]) -> type[Estimator]:
    """Return the estimator class of a plain function (x, y, ...) -> float; its further defaults are hyperparameters."""
    reserved = {"x", "y", "seed", "device", "pointwise_mi", "return_critic"}
    signature = inspect.signature(function)
    fields: list[tuple[str, Any, Any]] = []
    for parameter in signature.parameters.values():
        if parameter.name not in reserved and parameter.default is not inspect.Parameter.empty:
            if not isinstance(parameter.default, int | float | str | tuple | None):
                raise MibenchError(
                    f"{function.__name__}: the default of {parameter.name} must be a number, a string, True, False, "
                    f"None or a tuple, got {parameter.default!r}"
                )
            known = type(parameter.default) if parameter.default is not None else Any
            hint = parameter.annotation if isinstance(parameter.annotation, type) else known
            hint = Any if hint is tuple else hint
            fields.append((parameter.name, hint, field(default=parameter.default)))

    def estimate(self: Any, x: Array, y: Array, **offered: Any) -> float | Estimate:
        chosen = {name: getattr(self, name) for name, *_ in fields}
        answer: float | Estimate = function(x, y, **chosen, **offered)
        return answer

    hooks = [p for name, p in signature.parameters.items() if name in reserved]
    self_parameter = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    estimate.__signature__ = inspect.Signature([self_parameter, *hooks])  # type: ignore[attr-defined]
    namespace = {"estimate": estimate, "__module__": function.__module__, "__doc__": function.__doc__}
    return dataclasses.make_dataclass(function.__name__, fields, bases=(Estimator,), namespace=namespace, frozen=True)


def check_pair(x: ArrayLike, y: ArrayLike) -> tuple[Array, Array]:
    """Return x and y as float64 (n, ...) of the same n ≥ 2, finite, or raise `DataError`."""
    left, right = check_side("x", x), check_side("y", y)
    if len(left) != len(right):
        raise DataError(f"x has {len(left)} rows and y has {len(right)}; they must be draws of the same pairs")
    if len(left) < 2:
        raise DataError(f"n is {len(left)}; give at least 2 pairs")
    return left, right


def check_side(name: str, data: ArrayLike) -> Array:
    """Return one side as float64 (n, ...); a vector becomes (n, 1), and a constant, which tells nothing, is taken."""
    try:
        given = np.asarray(data)
        array = given.astype(np.float64) if given.dtype.kind in "biufO" else None
    except (TypeError, ValueError):
        array = None
    if array is None:
        raise DataError(f"{name} does not hold real numbers; give a numeric array of shape (n, ...)")
    if array.ndim == 0 or math.prod(array.shape) == 0:
        raise DataError(f"{name} has shape {array.shape}; give an array of shape (n, ...) with n of at least 2")
    array = array[:, None] if array.ndim == 1 else array
    bad = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
    if bad.any():
        where = f"{bad.sum()} of {len(array)} rows, first in row {bad.argmax()}"
        raise DataError(f"{name} holds NaN or infinity in {where}; drop those rows")
    return array


def _parameters(method: Estimator) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(method.estimate).parameters
