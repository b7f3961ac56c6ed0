"""Make the published records from stores: ``python -m mibench.leaderboard.published [HOST=]STORE... > records.csv.gz``.

HOST says in words what machine the records of the store are from, in place of a host's name that says nothing. The
store ``published`` stands for the records that ship already, to which others are added.
"""

import gzip
import sys

import pandas as pd

from ..reading import read_records
from ..records import CELL


def pack(stores: list[str]) -> bytes:
    """Return the records of stores, each given as [HOST=]STORE, as compressed CSV; the same records, the same bytes."""
    frames = []
    for each in stores:
        host, _, store = each.rpartition("=")
        records = read_records(store)
        frames.append(records.assign(host=host) if host else records)
    records = pd.concat(frames).sort_values([*CELL, "replicate"], kind="stable")
    return gzip.compress(records.to_csv(index=False, lineterminator="\n").encode(), mtime=0)


if __name__ == "__main__":
    sys.stdout.buffer.write(pack(sys.argv[1:]))
