"""The options that the commands on records share: which tasks, estimators and sample sizes."""

from typing import Annotated

import typer

DEFAULT_STORE = "mibench.db"
Tasks = Annotated[
    list[str] | None, typer.Option("--task", "-t", metavar="SPEC", help="Suites, globs or specs, with commas.")
]
Estimators = Annotated[
    list[str] | None, typer.Option("--estimator", "-e", metavar="SPEC", help="Glob or spec, or several with commas.")
]
Samples = Annotated[str | None, typer.Option(metavar="N[,N...]", help="Sample sizes. Default: all.")]
