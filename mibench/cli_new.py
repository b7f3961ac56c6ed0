"""The command ``mibench new``: the files with which an estimator of your own begins."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mibench.errors import MibenchError, suggest

KINDS = ("estimator",)


def new(
    kind: Annotated[str, typer.Argument(help="What to begin: estimator.")],
    name: Annotated[str, typer.Argument(help="Its name in specs, such as my_mi.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="PATH", help="The folder, or file, to write. Default: ./my-mi, my_mi.py."
        ),
    ] = None,
    file: Annotated[bool, typer.Option("--file", help="Write one file, for --plugin, instead of a package.")] = False,
) -> None:
    """Write a package that adds an estimator, ready for pip: the method, its test, its entry point; or a single file.

    Examples: mibench new estimator my_mi · mibench new estimator my_mi --file
    """
    from mibench import template

    if kind not in KINDS:
        raise MibenchError(f"mibench has no template for {kind!r}; {suggest(kind, KINDS)}")
    _check_name(name)
    if file:
        target = output or Path(f"{name}.py")
        files = {target: template.plugin(name)}
        if target.suffix != ".py":
            raise MibenchError(f"a plugin is a Python file; end {target.name!r} in .py")
    else:
        target = output or Path(name.replace("_", "-"))
        files = {target / path: text for path, text in template.package(name).items()}
    if target.exists() or target.is_symlink():
        raise MibenchError(f"{target} exists already; give another place with --output")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        typer.echo(f"wrote {path}", err=True)
    typer.echo("\n".join(template.next_steps(name, target)))


def _check_name(name: str) -> None:
    """Raise `MibenchError` where `name` cannot be that of an estimator, of a module and of a project."""
    from importlib.util import find_spec
    from keyword import iskeyword

    from mibench.catalogue import COMPONENTS, registered

    if not (name.isascii() and name.isidentifier() and name[0].isalpha() and name[-1] != "_"):
        raise MibenchError(f"NAME must be letters, digits and _, such as my_mi, and begin with a letter, got {name!r}")
    if iskeyword(name):
        raise MibenchError(f"{name!r} is a word of Python; choose another name")
    for group in (*COMPONENTS, "mibench.suites"):
        if name in registered(group):
            one = group.removeprefix("mibench.").removesuffix("s")
            raise MibenchError(f"the {one} {name!r} exists already; choose another name")
    if name in sys.stdlib_module_names or find_spec(name):
        raise MibenchError(f"{name!r} is the name of a module that is installed here; choose another name")
