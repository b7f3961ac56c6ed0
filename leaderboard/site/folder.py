"""A folder that is written as a whole: built beside its place, and put there when it is complete."""

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mibench.errors import MibenchError
from mibench.provenance import mibench_version

MARKER = ".mibench-site.json"  # says that a folder is a page of mibench, and which of its files are


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill, which takes the place of `folder` when all is written, and vanishes if it is not.

    Files that are in `folder` and were not written by an earlier call stay there. Raises `MibenchError` where `folder`
    is a file, or holds files and no `MARKER`, or cannot be written.
    """
    target = Path(os.path.realpath(folder))
    _check(folder, target)
    own = f".{target.name}-{secrets.token_hex(4)}"
    draft, old = (target.with_name(f"{own}.{kind}") for kind in ("draft", "old"))
    try:
        try:
            draft.mkdir(parents=True)
            yield draft
            _mark(draft)
            _swap(draft, target, old)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise MibenchError(f"cannot write the folder {folder}: {error.strerror or error}") from None


def _check(folder: Path, target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise MibenchError(f"--output {folder} is a file; the pages need a folder, so give another name")
    if any(target.iterdir()) and not (target / MARKER).is_file():
        raise MibenchError(
            f"the folder {folder} holds files that are no pages of mibench; give an empty or a new one with --output"
        )


def _files(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if not file.is_dir())


def _mark(draft: Path) -> None:
    text = json.dumps({"mibench": mibench_version(), "files": _files(draft)}, indent=1)
    (draft / MARKER).write_text(text + "\n", encoding="utf-8")


def _swap(draft: Path, target: Path, old: Path) -> None:
    replaced = target.exists()
    if replaced:
        target.rename(old)
    try:
        draft.rename(target)
    except BaseException:  # an interrupt too leaves the earlier pages where they were
        if replaced and not target.exists():
            old.rename(target)
        raise
    if replaced:
        _keep_foreign_files(old, target)
        shutil.rmtree(old, ignore_errors=True)


def _keep_foreign_files(old: Path, new: Path) -> None:
    """Move what a reader put into the folder from `old` to `new`."""
    written: set[str] = {MARKER}
    with suppress(ValueError, KeyError, TypeError, OSError):
        written |= set(json.loads((old / MARKER).read_text(encoding="utf-8"))["files"])
    for name in _files(old):
        if name not in written and not (new / name).exists():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            (old / name).rename(new / name)
