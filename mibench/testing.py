"""For the author of an estimator: `check_estimator` in a test, or ``mibench check`` on the command line.

Two kinds of check are told apart. The *contract* holds exactly, whatever the method is worth: answers are real numbers
that follow from the data and the seed, what is given is left as it was, a limit is declared. The *laws* are truths
about MI, which an estimate obeys up to bias and scatter: see `mibench.check_laws` for when a deviation counts. A check
that could not look is skipped, which is not passed.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from mibench import check_contract, check_laws, registry
from mibench.check_report import Failed, NotApplicable, Report, Skipped, Status, Verdict
from mibench.check_subject import Subject
from mibench.errors import MibenchError, suggest
from mibench.estimation import Estimator, NamedEstimator, function_estimator


@dataclass(frozen=True)
class Check:
    """A check by name, and the checks without whose passing it says nothing."""

    kind: Literal["contract", "law"]
    look: Callable[[Subject], str]
    needs: tuple[str, ...] = ("answer",)

    @property
    def name(self) -> str:
        """The name of its function, with hyphens."""
        return self.look.__name__.replace("_", "-")


_REPEATABLE = ("answer", "determinism")
_CONTRACT = partial(Check, "contract")
_LAW = partial(Check, "law")
_ALL = (
    _CONTRACT(check_contract.answer, needs=()),
    *map(_CONTRACT, (check_contract.declaration, check_contract.inputs, check_contract.determinism)),
    *map(_CONTRACT, (check_contract.generators, check_contract.surroundings, check_contract.silence)),
    *(
        _CONTRACT(look, needs=_REPEATABLE)
        for look in (check_contract.batch, check_contract.layout, check_contract.vectors)
    ),
    *map(_CONTRACT, (check_contract.single_precision, check_contract.columns, check_contract.images)),
    *map(_CONTRACT, (check_contract.ties, check_contract.duplicates, check_contract.constants)),
    *map(_CONTRACT, (check_contract.constant_column, check_contract.few_rows)),
    *map(_LAW, (check_laws.independence, check_laws.dependence, check_laws.symmetry, check_laws.row_order)),
    *map(_LAW, (check_laws.rescaling, check_laws.additivity)),
    _LAW(check_laws.invariance, needs=("answer", "declaration")),
    *map(_LAW, (check_laws.consistency, check_laws.bound)),
)
CHECKS: Mapping[str, Check] = {check.name: check for check in _ALL}


def check_estimator(
    estimator: Any,
    *,
    quick: bool = False,
    only: Iterable[str] = (),
    skip: Iterable[str] = (),
    device: str = "cpu",
    seed: int = 0,
) -> Report:
    """Check an estimator and return the report; raises `AssertionError`, which lists what failed.

    `estimator` is a spec, an `Estimator` or `NamedEstimator`, a class, or a function (x, y) -> float in nats. `quick`
    leaves out the laws; `only` and `skip` name checks (see `CHECKS`), as ``skip=["rescaling"]`` where a method is known
    not to keep that law; what is left out is reported as skipped.

    Raises `MibenchError` where `estimator` is none, or a name is no check's.
    """
    named = as_named(estimator)
    shown = repr(named.name) if isinstance(estimator, str | NamedEstimator) else named.name
    command = f"check_estimator({shown}, only=['{{check}}'], device={device!r}, seed={seed})"
    chosen = choose(quick, _names(only), _names(skip))
    report = Report(named.name, list(run_checks(named, chosen, device, seed, command)))
    if not report.ok:
        failed = (str(verdict) for verdict in report.verdicts if verdict.status == "failed")
        raise AssertionError("\n".join([report.summary, *failed]))
    return report


def as_named(estimator: Any) -> NamedEstimator:
    """Return what a spec, an estimator, a class or a function stands for; `MibenchError` where it is none of them."""
    if isinstance(estimator, str):
        return registry.estimator(estimator)
    if isinstance(estimator, NamedEstimator):
        return estimator
    cls = None
    if isinstance(estimator, type) and callable(getattr(estimator, "estimate", None)):
        cls = registry.as_estimator_class(estimator)
    elif callable(estimator) and not isinstance(estimator, type | Estimator):
        cls = function_estimator(estimator)
    try:
        method = cls() if cls is not None else estimator
    except TypeError as error:
        raise MibenchError(
            f"{estimator.__name__} cannot be built without arguments: {error}; give an instance"
        ) from None
    if not isinstance(method, Estimator):
        raise MibenchError(
            f"estimator must be a spec, an Estimator, a class with estimate(x, y) or a function (x, y) -> float, "
            f"got {estimator!r}"
        )
    return NamedEstimator(method)


def choose(quick: bool, only: list[str], skip: list[str]) -> dict[Check, str]:
    """Return the checks to run, each with why it is left out, if it is; `MibenchError` where a name is no check's."""
    for name in (*only, *skip):
        if name not in CHECKS:
            raise MibenchError(f"there is no check {name!r}; {suggest(name, CHECKS)}")
    wanted = {check for name in only for check in (name, *CHECKS[name].needs)} or set(CHECKS)
    chosen = {}
    for name, check in CHECKS.items():
        if name in wanted and not (quick and not only and check.kind == "law"):
            chosen[check] = "left out by the caller" if name in skip else ""
    return chosen


def run_checks(
    named: NamedEstimator, chosen: Mapping[Check, str], device: str = "cpu", seed: int = 0, command: str = ""
) -> Iterator[Verdict]:
    """Yield the verdicts of the chosen checks, as they are reached.

    `command` is how one of them is run again, with ``{check}`` for its name.
    """
    subject = Subject(named, device, seed)
    passed: set[str] = set()
    for check, left_out in chosen.items():
        started = time.perf_counter()
        status, detail = _look(check, left_out, subject, passed)
        if status == "passed":
            passed.add(check.name)
        seconds = time.perf_counter() - started
        yield Verdict(check.name, check.kind, status, detail, command.replace("{check}", check.name), seconds)


def _look(check: Check, left_out: str, subject: Subject, passed: set[str]) -> tuple[Status, str]:
    if left_out:
        return "skipped", left_out
    if lacking := [name for name in check.needs if name not in passed]:
        return "skipped", f"says nothing unless the check {lacking[0]} passes"
    try:
        return "passed", check.look(subject)
    except (Skipped, NotApplicable) as reason:
        return "skipped" if isinstance(reason, Skipped) else "not applicable", str(reason)
    except Failed as reason:
        return "failed", str(reason)
    except (Exception, SystemExit) as error:  # a stranger's attributes and warm_up may do anything
        return "failed", f"raised {type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _names(given: Iterable[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)
