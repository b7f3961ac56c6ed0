"""A column of the records of a cell as one value of a database, and those of many cells as one array again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from mibench.errors import MibenchError
from mibench.store_layout import DTYPES

_CHECK_BYTES = 4
_WHOLE = 0x2144DF1C  # the CRC-32 of anything that is followed by its own CRC-32, whatever both begin with
_SEEDS = {name: crc32(name.encode()) for name in DTYPES}


class DamagedError(MibenchError):
    """What a database gives back is not what was written."""


def pack(name: str, values: Sequence[Any]) -> bytes:
    """Return the column `name` of a cell with a check on it, on the name and on how many records there are.

    Of equal numbers there is one; of texts, in JSON, each is followed by how many in a row there are. Raises
    `TypeError` or `ValueError` where a value is of another kind than the column.
    """
    if dtype := DTYPES[name]:
        known = np.array(values, float) if dtype.endswith("f8") else np.array(values)  # None becomes NaN
        if known.shape != (len(values),):
            raise TypeError(f"{name} must be a number, got {values[0]!r}")
        numbers = known.astype(dtype, casting="safe")
        packed, first = numbers.tobytes(), numbers[:1].tobytes()
        packed = first if packed == first * len(values) else packed
    else:
        if wrong := [value for value in values if not isinstance(value, str | None)]:
            raise TypeError(f"{name} must be text, got {wrong[0]!r}")
        runs = [part for value, alike in groupby(values) for part in (value, len(list(alike)))]
        packed = json.dumps(runs)[1:-1].encode()
    return packed + crc32(packed, _SEEDS[name] + len(values)).to_bytes(_CHECK_BYTES, "little")


def unpack(
    name: str, packed: Sequence[bytes], counts: Sequence[int], cells: Sequence[Iterable[Any]]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Return the values of a column of cells with `counts` records, and of how many records in a row each one is.

    Raises `DamagedError`, which names the cell by what `cells` holds of each (task, estimator, n), where `pack` did not
    make this of as many records.
    """
    broken = _first_broken(name, packed, counts)
    if broken is not None:
        raise DamagedError("{} of {} · {} · n={} is not what was written".format(name, *cells[broken]))
    bare = [value[:-_CHECK_BYTES] for value in packed]
    number = np.array(counts, np.int64)
    if dtype := DTYPES[name]:
        held = np.array([len(value) for value in bare], np.int64) // np.dtype(dtype).itemsize
        return np.frombuffer(b"".join(bare), dtype), np.repeat(np.where(held == 1, number, 1), held)
    runs = json.loads(b"[" + b",".join(bare) + b"]")
    return np.array(runs[::2], object), np.array(runs[1::2], np.int64)


def _first_broken(name: str, packed: Sequence[bytes], counts: Sequence[int]) -> int | None:
    """Return the place of the first value that `pack` did not make of as many records; None where there is none."""
    seed = _SEEDS[name]
    try:
        if set(map(crc32, packed, map(seed.__add__, counts))) <= {_WHOLE}:
            return None
    except TypeError:  # one is no bytes, or no whole number of records
        pass
    whole = (
        isinstance(value, bytes) and isinstance(count, int) and crc32(value, seed + count) == _WHOLE
        for value, count in zip(packed, counts, strict=True)
    )
    return next(place for place, is_whole in enumerate(whole) if not is_whole)


def listed(name: str, packed: Sequence[bytes], counts: Sequence[int], cells: Sequence[Iterable[Any]]) -> list[Any]:
    """Return the values of all records of cells as `unpack` does, None for a number that is not known."""
    values, times = unpack(name, packed, counts, cells)
    if DTYPES[name].endswith("f8"):
        unknown = np.isnan(values)
        values = values.astype(object)
        values[unknown] = None
    return list(np.repeat(values, times).tolist())
