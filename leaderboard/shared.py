"""The records that can be compared over commits: those on the same draws that all commits of an estimator have."""

from collections.abc import Sequence

import pandas as pd

from mibench.errors import MibenchError

from .records import CELL, REQUIRED, current_records

DATA = [*CELL, "task_fingerprint", "replicate"]
COPY = [*DATA, "estimator_params", "estimator_source", "git_commit", "started_at", "host"]


def pool(frames: Sequence[pd.DataFrame], names: Sequence[str]) -> pd.DataFrame:
    """Return the records of several stores, which `names` names, in one frame; a record that was copied counts once."""
    for frame, name in zip(frames, names, strict=True):
        if missing := [column for column in (*REQUIRED, "baseline") if column not in frame.columns]:
            raise MibenchError(f"{name}: the records lack {', '.join(missing)}; give them as Store.to_frame() does")
    together = pd.concat(frames, ignore_index=True)
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
    """Return the replicates, on the same data, that all commits of their estimator have."""
    everywhere = records.groupby("estimator")["position"].transform("nunique")
    keep = records.groupby(DATA)["position"].transform("nunique") == everywhere
    for estimator, lost in records[~keep].groupby("estimator"):
        own = records["estimator"] == estimator
        places = sorted(set(records.loc[own, "position"]))
        kept = set(records.loc[own & keep, CELL].itertuples(index=False, name=None))
        gone = sorted(set(lost[CELL].itertuples(index=False, name=None)) - kept)
        if gone:
            cells = "its cells" if not kept else f"{len(gone)} of its {len(gone) + len(kept)} cells"
            why = _why(lost, gone[0], places, names)
            notes.append(f"{estimator}: {cells} are left out, as not all {len(places)} commits have them: {why}.")
        if some := int(pd.MultiIndex.from_frame(lost[CELL]).isin(list(kept)).sum()) if kept else 0:
            notes.append(f"{estimator}: {some} records are left out, as not all commits have their replicate.")
    return records[keep].reset_index(drop=True)


def _why(lost: pd.DataFrame, cell: tuple[object, ...], places: list[int], names: dict[int, str]) -> str:
    """Say of a cell that is left out where it is missing, or since when its data are others."""
    task, _, n, seed = cell
    told = f"{task} · n={n}" + (f" · seed {seed}" if seed else "")
    own = lost[(lost[CELL] == list(cell)).all(axis=1)]
    absent = [names[place] for place in places if place not in set(own["position"])]
    if absent:
        return f"{told} is not at {', '.join(absent[:3])}" + (" and others" if len(absent) > 3 else "")
    if own["task_fingerprint"].nunique() > 1:
        data = own.sort_values("position").drop_duplicates("task_fingerprint")
        return f"the data of {told} have changed at {names[int(data['position'].iloc[1])]}"
    return f"{told} has no replicate in common"
