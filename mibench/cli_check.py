"""The command ``mibench check``: whether an estimator keeps the contract, and the laws of MI."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from mibench.errors import MibenchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mibench.check_report import Report, Verdict
    from mibench.estimation import NamedEstimator
    from mibench.testing import Check

EXIT_FAILED_CHECKS = 3


def check(
    targets: Annotated[list[str], typer.Argument(metavar="FILE.py|SPEC...", help="Plugin files, specs or globs.")],
    quick: Annotated[bool, typer.Option("--quick", help="The contract alone, without the laws of MI.")] = False,
    only: Annotated[
        list[str] | None, typer.Option(metavar="CHECK", help="Run these checks alone, with commas or again.")
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(metavar="CHECK", help="Leave these out, reported as skipped.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto; on a GPU few methods repeat to the bit.")] = "cpu",
    seed: Annotated[int, typer.Option(help="Seed of the data.")] = 0,
    plugin: Annotated[list[str] | None, typer.Option(metavar="FILE.py", help="A file that defines more.")] = None,
) -> None:
    """Check estimators: the contract that the harness relies on, and the laws of MI on small data.

    Skipped is not passed. Exit code 3: a check failed.

    Examples: mibench check yours.py · mibench check 'ksg(k=5)' mine --quick · mibench check ksg --only symmetry
    """
    from mibench.seeding import check_seed
    from mibench.testing import choose

    check_seed(seed)
    chosen = choose(quick, _split(only), _split(skip))
    failed = False
    for position, (named, files) in enumerate(_find(targets, plugin or [])):
        named.resolve_device(device)
        typer.echo(("\n" if position else "") + named.name)
        words = ["mibench", "check", named.name, *(word for file in files for word in ("--plugin", file))]
        options = ["--device", device, "--seed", str(seed)]
        command = shlex.join([*words, *options]) + " --only {check}"
        report = _run(named, chosen, device, seed, command)
        failed |= not report.ok
    if failed:
        raise typer.Exit(EXIT_FAILED_CHECKS)


def _find(targets: list[str], plugins: list[str]) -> Iterator[tuple[NamedEstimator, list[str]]]:
    """Return the estimators that files define and specs name, with the plugin files that each needs."""
    from mibench import registry
    from mibench.selection import select_estimators

    registry.load_plugins(plugins)
    found = []
    for target in targets:
        if not target.endswith(".py"):
            found += [(named, plugins) for named in select_estimators(target)]
            continue
        names = [name for kind, name in registry.load_plugin(target) if kind == "estimator"]
        if not names:
            raise MibenchError(f"{target} defines no estimator; write a function (x, y) -> float or a class")
        found += [(registry.estimator(name), [*plugins, target]) for name in names]
    return iter(found)


def _run(named: NamedEstimator, chosen: dict[Check, str], device: str, seed: int, command: str) -> Report:
    """Print each verdict as it is reached, and the summary."""
    from mibench.check_report import Report
    from mibench.testing import run_checks

    verdicts = []
    waiting = [check.name for check in chosen]
    for verdict in _shown(run_checks(named, chosen, device, seed, command), waiting):
        typer.echo(f"  {verdict}".replace("\n", "\n  "))
        verdicts.append(verdict)
    report = Report(named.name, verdicts)
    typer.echo(report.summary)
    return report


def _shown(verdicts: Iterable[Verdict], waiting: list[str]) -> Iterator[Verdict]:
    """Yield the verdicts; on a terminal, say meanwhile which check is being made."""
    if not sys.stderr.isatty():
        yield from verdicts
        return
    from rich.console import Console

    console, remaining = Console(stderr=True), iter(verdicts)
    for number, name in enumerate(waiting, start=1):
        with console.status(f"{name} ({number} of {len(waiting)})"):
            verdict = next(remaining)
        yield verdict


def _split(names: list[str] | None) -> list[str]:
    return [name.strip() for text in names or () for name in text.split(",") if name.strip()]
