"""What is known of a family of independent pairs: its definition, written a second time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import mibench


@dataclass(frozen=True)
class Family:
    """One pair (X, Y) of a family with one free parameter; every function takes that parameter last.

    `mutual_information` integrates the definition; `log_ratio` is the pointwise MI of arrays of x and y;
    `x_margin` and `y_margin` are distribution functions, or probabilities of the values 0, 1, ... where the side is
    discrete (None where it is not tested).
    """

    name: str
    parameter: str
    mutual_information: Callable[[Any], Any]
    log_ratio: Callable[..., Any]
    given: tuple[float, ...]
    wanted: tuple[float, ...]
    x_margin: Callable[..., Any] | None = None
    y_margin: Callable[..., Any] | None = None
    discrete: str = ""
    symmetric: bool = False
    tolerance: float = 1e-10
    fixed: dict[str, Any] = field(default_factory=dict)

    def __str__(self):
        return self.name + "".join(f"-{value}" for value in self.fixed.values())

    def spec(self, **more):
        return f"{self.name}({', '.join(f'{key}={value!r}' for key, value in {**self.fixed, **more}.items())})"

    def task(self, **more):
        return mibench.task(self.spec(**more))
