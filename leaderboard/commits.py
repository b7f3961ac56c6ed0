"""The commits that records come from: which there are, in which order, and what they are called for short."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from mibench.errors import MibenchError

from .page import printable

DIRTY = "+dirty"
SHORTEST = 7  # digits of a hash
LONGEST = 40  # characters of what is no hash
LONGEST_LISTED = 120  # characters of a name in a note
SECONDS = 60  # that git may take
COMMIT_COLUMNS = {
    "position": "place in the order, from 0 on",
    "commit": "as the records give it; empty where they give none",
    "name": "the shortest name that tells it apart; without a commit, mibench's version and the hash of the code",
    "started_at": "start of the earliest of its records, UTC; empty where none says it",
}


def commits_of(frame: pd.DataFrame, repository: Path | None = None) -> tuple[pd.DataFrame, pd.Series, list[str]]:
    """Return the commits of records, one a replicate, in order; the position of each record's commit; and notes.

    The table has the columns of `COMMIT_COLUMNS`. The order is git's (`git rev-list --topo-order`, oldest first) where
    `repository`, by default the one that the working folder is in, knows all commits, and else that of the earliest
    records. Records without a commit are told apart by mibench's version and the hash of the estimator's code. Raises
    `MibenchError` where `repository` is given and is none.
    """
    commit = _texts(frame, "git_commit")
    version, code = _texts(frame, "mibench_version"), _texts(frame, "estimator_source")
    unnamed = ("mibench " + version + ", code " + code).where((version != "") | (code != ""), "unknown")
    key = commit.where(commit != "", unnamed)
    started = pd.to_datetime(_texts(frame, "started_at"), utc=True, format="ISO8601", errors="coerce")
    first = started.groupby(key).min()
    places, note = _places(set(first.index), set(commit) - {""}, repository)
    order = sorted(first.index, key=lambda each: (places.get(each, 0), pd.isna(first[each]), first[each], each))
    names = _short(order, set(commit))
    columns = {
        "position": range(len(order)),
        "commit": [each if each in set(commit) else "" for each in order],
        "name": [names[each] for each in order],
        "started_at": ["" if pd.isna(first[each]) else first[each].isoformat() for each in order],
    }
    notes = [note] if len(order) > 1 else []
    return pd.DataFrame(columns), key.map({each: i for i, each in enumerate(order)}), notes + _caveats(order, commit)


def _texts(frame: pd.DataFrame, column: str) -> pd.Series:
    if column not in frame.columns:
        return pd.Series("", index=frame.index)
    return frame[column].map(lambda value: "" if pd.isna(value) else str(value)).astype(object)


def _caveats(order: list[str], commit: pd.Series) -> list[str]:
    notes = []
    if (commit == "").any():
        notes.append("records without a commit are told apart by mibench's version and the hash of the code.")
    if any(each.endswith(DIRTY) for each in order):
        notes.append(f"{DIRTY}: with changes that were not committed; of several states the one that ran last counts.")
    return notes


def _places(keys: set[str], commits: set[str], repository: Path | None) -> tuple[dict[str, int], str]:
    """Return the place in git's order of each key, none where git cannot tell, and a note on the order."""
    by_date = "commits are in the order of their earliest records"
    folder = repository or Path.cwd()
    found = _git(folder, "rev-parse", "--git-dir")
    if found is None or found.returncode:
        if repository is not None:
            reason = "git is not installed" if found is None else "it is no git repository"
            raise MibenchError(f"--repository {repository}: {reason}; leave it out to order commits by their records")
        return {}, f"{by_date}; --repository would order them as git does."
    hashes = {each: each.removesuffix(DIRTY) for each in commits}
    known = topological({each for each in hashes.values() if _is_hash(each)}, folder)
    unknown = sorted(key for key in keys if hashes.get(key) not in known)
    if unknown:
        return {}, f"{by_date}, as {repository or 'the repository at hand'} does not know {few(unknown)}."
    places = {key: 2 * known[each] + key.endswith(DIRTY) for key, each in hashes.items()}
    return places, "commits are in git's order (rev-list --topo-order), oldest first."


def topological(commits: set[str], folder: Path) -> dict[str, int]:
    """Return the places of `commits`, full hashes, in git's topological order; without those that are not there."""
    there = _git(folder, "cat-file", "--batch-check", words="\n".join(sorted(commits)))
    lines = [line.split() for line in there.stdout.splitlines()] if there and not there.returncode else []
    present = sorted(line[0] for line in lines if len(line) == 3 and line[1] == "commit")
    if not present:
        return {}
    listed = _git(folder, "rev-list", "--topo-order", "--reverse", "--stdin", words="\n".join(present) + "\n")
    if listed is None or listed.returncode:
        return {}
    wanted = set(present)
    return {line: place for place, line in enumerate(listed.stdout.split()) if line in wanted}


def _git(folder: Path, *command: str, words: str = "") -> "subprocess.CompletedProcess[str] | None":
    """Call git; commits go to its standard input, where none of them reads as an option."""
    call = ["git", "-C", str(folder), *command]
    try:
        return subprocess.run(call, input=words, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None


def _is_hash(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", text) is not None


def _short(keys: list[str], commits: set[str]) -> dict[str, str]:
    hashes = {each.removesuffix(DIRTY) for each in commits}
    digits = next(
        (size for size in range(SHORTEST, LONGEST) if len({each[:size] for each in hashes}) == len(hashes)), LONGEST
    )
    names = {}
    for key in keys:
        bare = key.removesuffix(DIRTY)
        if key in commits and _is_hash(bare):
            names[key] = bare[:digits] + key[len(bare) :]
        else:
            names[key] = printable(key.removeprefix("mibench ") if key not in commits else key)[:LONGEST]
    return names


def few(names: Iterable[str], most: int = 3) -> str:
    """Return the first of `names`, and how many more there are."""
    listed = [printable(name)[:LONGEST_LISTED] for name in names]
    more = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {more} more" if more > 0 else "")
