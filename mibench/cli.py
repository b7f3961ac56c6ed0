"""The command line: ``mibench COMMAND``; every error is one line and an exit code."""

import os
import sys
from importlib.metadata import entry_points
from typing import Annotated

import typer

from mibench import (
    cli_check,
    cli_estimate,
    cli_info,
    cli_new,
    cli_run,
    cli_sample,
    cli_show,
    cli_verify,
)
from mibench.errors import MibenchError

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


def make_app() -> typer.Typer:
    """Return the application: the core's commands, and those that packages register under ``mibench.commands``."""
    app = typer.Typer(
        name="mibench",
        help="Measure estimators of mutual information against distributions whose MI is known exactly.",
        epilog="Example: mibench run --task all --profile smoke && mibench leaderboard",
        invoke_without_command=True,
        suggest_commands=False,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_top)
    app.command("list")(cli_show.list_)
    app.command("info")(cli_info.info)
    app.command("new")(cli_new.new)
    app.command("sample")(cli_sample.sample)
    app.command("plan")(cli_run.plan)
    app.command("run")(cli_run.run)
    app.command("verify")(cli_verify.verify)
    for entry in entry_points(group="mibench.commands"):
        try:
            app.command(entry.name)(entry.load())
        except Exception as error:  # a stranger's broken package must not take the other commands with it
            typer.echo(f"mibench: the command {entry.name} ({entry.value}) cannot be loaded: {error}", err=True)
    app.command("estimate")(cli_estimate.estimate)
    app.command("check")(cli_check.check)
    return app


def main() -> None:
    """Run the command line and exit."""
    try:
        code = make_app()(standalone_mode=False)
    except MibenchError as error:
        code = _fail(str(error))
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except MemoryError:
        code = _fail("that takes more memory than there is; ask for less")
    except (BrokenPipeError, SystemExit) as error:  # the reader has seen enough, as `head` has: click exits with 1
        _discard_output()
        given = getattr(error, "code", 1)
        code = 0 if given == 1 else given  # Ray exits with the number of a signal that ends it
    except OSError as error:
        _discard_output()
        code = _fail(f"{error.filename or 'the output'}: {error.strerror or error}")
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        code = _fail(error.format_message())
    sys.exit(code if isinstance(code, int) else 0)


Version = Annotated[bool, typer.Option("--version", help="Print the version and exit.")]


def _top(context: typer.Context, version: Version = False) -> None:
    if version:
        from mibench.provenance import mibench_version

        typer.echo(f"mibench {mibench_version()}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _discard_output() -> None:
    """Send to nowhere what is still to be flushed at the exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str) -> int:
    line = " ".join(message.split())
    typer.echo(f"mibench: {line}", err=True)
    return EXIT_USAGE


if __name__ == "__main__":
    main()
