"""The claim on a store: one run at a time writes to it, and the operating system ends a claim with its process."""

import contextlib
import os
from pathlib import Path

from mibench import provenance
from mibench.errors import MibenchError


def claim(store: Path) -> contextlib.ExitStack:
    """Claim the store in a file; the claim ends with the context that is returned, or with the process.

    Raises `MibenchError`, which names the holder, where another run has claimed it.
    """
    from filelock import FileLock, Timeout

    path = Path(f"{store.resolve()}.lock")
    claimed = contextlib.ExitStack()
    try:
        claimed.enter_context(FileLock(path, thread_local=False).acquire(blocking=False))
    except Timeout:
        remedy = "wait for it or end it, or give another with --store"
        raise MibenchError(f"another run{_holder(path)} writes to the store {store}; {remedy}") from None
    except OSError as error:
        raise MibenchError(f"the store {store} cannot be claimed: {path}: {error.strerror or error}") from None
    claimed.callback(_discard, path)
    with contextlib.suppress(OSError):  # who holds it is good to know, and no more
        path.write_text(f"process {os.getpid()} on {provenance.host()} since {provenance.now()}", encoding="utf-8")
    return claimed


def _holder(path: Path) -> str:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        text = " ".join(path.read_text(encoding="utf-8").split())
        return f" ({text})" if text else ""
    return ""


def _discard(path: Path) -> None:
    """Remove the file while it is still locked: who waits for it sees that it is gone, and makes another."""
    with contextlib.suppress(OSError):
        path.unlink()
