"""Where a record comes from: versions, commit and host."""

import datetime
import json
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_LIBRARIES = ("numpy", "scipy", "torch", "numba")


def now() -> str:
    """Return the time, UTC, in ISO 8601 to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@cache
def mibench_version() -> str:
    """Return the version of mibench."""
    return version("mibench")


@cache
def library_versions() -> str:
    """Return the versions of Python and of the numerical libraries, as JSON."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return json.dumps(found)


@cache
def git_commit() -> str:
    """Return the commit of the checkout that mibench or else the working folder is in, "+dirty" if it is changed."""
    for folder in (Path(__file__).parent, Path.cwd()):
        head = _git(folder, "rev-parse", "HEAD")
        if head:
            return head + ("+dirty" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    return ""


@cache
def host() -> str:
    """Return the host's name."""
    return platform.node()


def _git(folder: Path, *words: str) -> str:
    try:
        command = ["git", "-C", str(folder), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
