"""A column of the records of a cell as one value of a database, and those of many cells as one array again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

_CHECK_BYTES = 4
_WHOLE = 0x2144DF1C  # the CRC-32 of anything that is followed by its own CRC-32

_Values = tuple[npt.NDArray[Any], npt.NDArray[np.int64]]


class DamagedError(ValueError):
    """What a database gives back is not what was written."""


def pack(values: Sequence[Any], dtype: str) -> bytes:
    """Return the column of a cell with its check: numbers as `dtype`, or where that is empty texts as JSON.

    Of equal numbers there is one, of texts each is followed by how many in a row there are.
    """
    if dtype:
        known = np.array(values, float) if dtype.endswith("f8") else np.array(values)  # None becomes NaN
        numbers = known.astype(dtype, casting="safe")
        packed, first = numbers.tobytes(), numbers[:1].tobytes()
        packed = first if packed == first * len(values) else packed
    else:
        packed = ",".join(f"{json.dumps(value)},{len(list(alike))}" for value, alike in groupby(values)).encode()
    return packed + crc32(packed).to_bytes(_CHECK_BYTES, "little")


def unpack(packed: Sequence[bytes], counts: npt.NDArray[np.int64], dtype: str) -> _Values:
    """Return the values of a column of cells with `counts` records, and of how many records in a row each one is.

    Raises `DamagedError` where `pack` did not make this of as many records.
    """
    try:
        whole = set(map(crc32, packed)) <= {_WHOLE}
    except TypeError:  # it is no bytes
        whole = False
    if not whole:
        raise DamagedError("a value is not as it was written")
    values, times = (_numbers if dtype else _texts)([each[:-_CHECK_BYTES] for each in packed], counts, dtype)
    if times.sum() != counts.sum() or (times < 1).any():
        raise DamagedError("there are more or fewer values than records")
    return values, times


def _numbers(packed: Sequence[bytes], counts: npt.NDArray[np.int64], dtype: str) -> _Values:
    held = np.array([len(each) for each in packed], np.int64) // np.dtype(dtype).itemsize
    return np.frombuffer(b"".join(packed), dtype), np.repeat(np.where(held == 1, counts, 1), held)


def _texts(packed: Sequence[bytes], *_: Any) -> _Values:
    found = json.loads(b"[" + b",".join(packed) + b"]")
    return np.array(found[::2], object), np.array(found[1::2], np.int64)


def listed(packed: Sequence[bytes], counts: npt.NDArray[np.int64], dtype: str) -> list[Any]:
    """Return the values of all records of cells, None for a number that is not known."""
    values, times = unpack(packed, counts, dtype)
    if dtype.endswith("f8"):
        unknown = np.isnan(values)
        values = values.astype(object)
        values[unknown] = None
    return list(np.repeat(values, times).tolist())
