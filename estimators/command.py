"""Any program, in any language, as an estimator: it is handed a file of draws and prints its estimate."""

import contextlib
import math
import os
import platform
import re
import shlex
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import IO, ClassVar, Literal

import numpy as np
import psutil

from mibench.data_file import csv_lines
from mibench.errors import MethodError, MibenchError, SpecError
from mibench.estimation import Array, Estimate, Estimator
from mibench.memory import kill_tree

from .answer import last_line, read_answer
from .checks import above, at_most, one_of

PLACEHOLDERS = ("data", "seed", "n")
_TAIL = 2**20  # bytes of its output, from the end, in which a program's answer is looked for
_FOLDER = f"mibench-{platform.node()}-"


@dataclass(frozen=True)
class Command(Estimator):
    """What a program answers that is given the draws in a file: ``command('Rscript ksg.R {data}', format='csv')``.

    In `command`, which no shell reads, {data} is the path of the file, {seed} the seed and {n} the number of draws;
    the seed is in the environment variable MIBENCH_SEED too, and braces that mean themselves are doubled. The file is
    an NPZ with arrays x (n, ...), y (n, ...) and seed, or a CSV with the header x0,x1,…,y0,y1,…, where each draw is
    flattened in C order. The last line of standard output is the answer: a number, or a JSON object such as
    {"value": 0.5, "std_error": 0.02, "diagnostics": {"steps": 100}, "message": ""}, of which only ``value`` (or
    ``mi``) is needed, in `unit`; null, None, NA or NaN is an estimate that failed.

    Paths count from the current folder. A program that runs longer than `timeout` seconds is killed with all that it
    started. The files that the command names count as the code of the method, those that they read in turn do not
    (except what a Python file imports from its own folder). Its seconds include the start of the program.
    """

    source: ClassVar[str] = "the program that it runs"

    command: str
    format: Literal["npz", "csv"] = "npz"
    timeout: float | None = None
    unit: Literal["nats", "bits"] = "nats"

    def __post_init__(self) -> None:
        one_of("npz", "csv", format=self.format)
        one_of("nats", "bits", unit=self.unit)
        if self.timeout is not None:
            above(0, timeout=self.timeout)
            at_most(threading.TIMEOUT_MAX, timeout=self.timeout)
        used = {name for word in self._words() for name in _placeholders(word)}
        if "data" not in used:
            raise SpecError(f"command must hold {{data}}, the path of the draws, got {self.command!r}")

    def estimate(self, x: Array, y: Array, seed: int) -> Estimate:
        """Return the program's answer in nats; raises `MibenchError` where it cannot be started, fails, or gives none.

        x is (n, ...) and y (n, ...).
        """
        with _temporary_folder() as folder, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            file = folder / f"data.{self.format}"
            _write(file, x, y, seed)
            words = [word.format(data=file, seed=seed, n=len(x)) for word in self._words()]
            code = self._run(words, seed, output, errors)
            if code:
                ending = f"ended with exit code {code}" if code > 0 else f"was killed by signal {-code}"
                said = last_line(_end_of(errors)) or last_line(_end_of(output))
                raise MethodError(f"{self.command!r} {ending}" + (f": {said}" if said else ""))
            return read_answer(_end_of(output), math.log(2) if self.unit == "bits" else 1.0)

    def source_files(self) -> set[Path]:
        """Return the files that the command names, the program itself too where it is given by a path."""
        words = self._words()
        parts = {part for word in words for part in (word, *re.split(r"[\s=;|&<>'\"]+", word))}
        return {Path(part).absolute() for part in parts if os.path.isfile(part)}

    def _words(self) -> list[str]:
        try:
            return shlex.split(self.command)
        except ValueError as error:
            raise SpecError(f"command cannot be split into words, got {self.command!r}: {error}") from None

    def _run(self, words: list[str], seed: int, output: IO[bytes], errors: IO[bytes]) -> int:
        """Run the program, and return its exit code."""
        try:
            process = subprocess.Popen(  # in the process group of its parent, which is killed as one
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env={**os.environ, "MIBENCH_SEED": str(seed)},
            )
        except OSError as error:
            raise MibenchError(
                f"{words[0]!r} cannot be started: {error.strerror}; install it, or give the path of a program"
            ) from None
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            kill_tree(process.pid)

        timer = threading.Timer(self.timeout or 0, expire)
        if self.timeout is not None:
            timer.start()
        try:
            code = process.wait()
        except BaseException:
            kill_tree(process.pid)
            process.wait()
            raise
        finally:
            if self.timeout is not None:
                timer.cancel()
                timer.join()
        if expired.is_set():
            raise MethodError(f"{self.command!r} took longer than timeout={self.timeout:g} seconds")
        return code


def _placeholders(word: str) -> Iterator[str]:
    """Yield the names in braces in a word of a command; `SpecError` where one is none of `PLACEHOLDERS`."""
    try:
        found = [(name, form, conversion) for _, name, form, conversion in Formatter().parse(word) if name is not None]
    except ValueError:
        found = [(word, "", None)]
    for name, form, conversion in found:
        if name not in PLACEHOLDERS or form or conversion:
            known = ", ".join(f"{{{each}}}" for each in PLACEHOLDERS)
            raise SpecError(
                f"command has an unknown placeholder in {word!r}; known: {known}; write {{{{ and }}}} for braces"
            )
        yield name


def _write(file: Path, x: Array, y: Array, seed: int) -> None:
    if file.suffix == ".npz":
        np.savez(file, x=x, y=y, seed=seed)
    else:
        with file.open("w", encoding="ascii", newline="\n") as text:
            text.writelines(csv_lines(x, y))


def _end_of(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - _TAIL, 0))
    return file.read().decode(errors="replace")


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Give a folder that is removed in the end, and remove those of processes that were killed and could not."""
    for old in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*-*"):
        owner = old.name.removeprefix(_FOLDER).partition("-")[0]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{_FOLDER}{os.getpid()}-") as folder:
        yield Path(folder)
