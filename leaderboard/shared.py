"""The records that can be compared over commits: those on the same draws that all commits of an estimator have."""

from collections.abc import Sequence

import pandas as pd

from mibench.errors import MibenchError

from .commits import few
from .reading import REQUIRED
from .records import CELL, current_records

DATA = [*CELL, "task_fingerprint", "replicate"]
COPY = [*DATA, "estimator_params", "estimator_source", "git_commit", "started_at", "host"]


def pool(frames: Sequence[pd.DataFrame], names: Sequence[str]) -> pd.DataFrame:
    """Return the records of several stores, which `names` names, in one frame; a record that was copied counts once."""
    for frame, name in zip(frames, names, strict=True):
        if missing := [column for column in REQUIRED if column not in frame.columns]:
            raise MibenchError(f"{name}: the records lack {', '.join(missing)}; give them as Store.to_frame() does")
    together = pd.concat(frames, ignore_index=True)
    if "baseline" not in together.columns:
        together["baseline"] = False
    return together.drop_duplicates([name for name in COPY if name in together.columns], ignore_index=True)


def of_each_commit(frame: pd.DataFrame, names: dict[int, str], notes: list[str]) -> pd.DataFrame:
    """Return the records that count at each commit, with one truth for all of a task's, and without baselines."""
    parts = []
    for position, part in frame.groupby("position"):
        found, said = current_records(part)
        parts.append(found[~found["baseline"].astype(bool)])
        notes += [f"at {names[int(str(position))]}, {note}" for note in said]
    records = pd.concat(parts, ignore_index=True)
    if records.empty:
        raise MibenchError("the records are all of baselines; run an estimator too")
    task = ["task", "task_fingerprint"]
    truth = records.sort_values("started_at").groupby(task)["mi_true"].transform("last").reindex(records.index)
    if (revised := truth != records["mi_true"]).any():
        told = ", ".join(sorted(set(records.loc[revised, "task"])))
        notes.append(f"{told}: the true MI was revised; errors are taken from the latest value.")
    errors = (records["estimate"] - truth).where(records["status"] == "ok")
    return records.assign(mi_true=truth, error=errors)


def shared_records(records: pd.DataFrame, names: dict[int, str], notes: list[str]) -> pd.DataFrame:
    """Return the replicates, on the same data, that all commits of their estimator have, of cells with an estimate."""
    everywhere = records.groupby("estimator")["position"].transform("nunique")
    keep = records.groupby(DATA)["position"].transform("nunique") == everywhere
    shared = records[keep].reset_index(drop=True)
    kept = set(shared[CELL].itertuples(index=False, name=None))
    reasons: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for estimator, lost in records[~keep].groupby("estimator"):
        places = sorted(set(records.loc[records["estimator"] == estimator, "position"]))
        gone: dict[str, list[str]] = {}
        for cell, own in lost.groupby(CELL):
            if cell in kept:
                gone.setdefault("some replicates of", []).append(_data_name(cell))
            else:
                gone.setdefault(_why(own, places, names), []).append(_data_name(cell))
        for why, cells in gone.items():
            reasons.setdefault((why, tuple(cells)), []).append(str(estimator))
    for (why, told), estimators in reasons.items():
        notes.append(f"left out, as not all commits have it: {few(estimators)}, {why} {few(told)}.")
    return _answered(shared, notes)


def _answered(shared: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Return the records of cells that have an estimate at one commit or more."""
    some = (shared["status"] == "ok").groupby([shared[name] for name in CELL]).transform("any").astype(bool)
    silent = shared.loc[~some, CELL].drop_duplicates()
    for estimator, cells in silent.groupby("estimator"):
        told = few([_data_name(cell) for cell in cells[CELL].itertuples(index=False, name=None)])
        notes.append(f"left out, as no commit has an estimate: {estimator}, {told}.")
    return shared[some].reset_index(drop=True)


def _data_name(cell: Sequence[object]) -> str:
    task, _, n, seed = cell
    return f"{task} · n={n}" + (f" · seed {seed}" if seed else "")


def _why(own: pd.DataFrame, places: list[int], names: dict[int, str]) -> str:
    """Say of a cell where it is missing, or where its data have changed."""
    absent = [names[place] for place in places if place not in set(own["position"])]
    if absent:
        return f"not at {few(absent)}:"
    data = own.sort_values("position").drop_duplicates("task_fingerprint")["position"].tolist()
    return f"whose data changed at {few([names[place] for place in data[1:]])}:" if data[1:] else "no replicate of"
