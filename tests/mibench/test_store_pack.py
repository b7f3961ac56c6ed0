import math
from itertools import chain

import numpy as np
import pytest
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.schema import CreateTable

from mibench.store_layout import CELLS
from mibench.store_pack import DamagedError, listed, pack, unpack

COLUMNS = {
    "numbers": ([0.1 + 0.2, -0.0, 0.0, 5e-324, math.inf, -math.inf, 1e300], "<f8"),
    "unknown": ([None, 1.5, None], "<f8"),
    "all unknown": ([None, None], "<f8"),
    "zeros of both signs": ([0.0, -0.0], "<f8"),
    "whole": ([2**63 - 1, -(2**63), 0], "<i8"),
    "large": ([2**53 + 1, 2**53 + 1], "<i8"),
    "one": ([7], "<i8"),
    "text": (["a", "a", "b", "a", "", None, None, "[1,2]", "\\", '"', "\x00", "ä", "\ud800", "a,1"], ""),
    "the same text": (["ok"] * 5, ""),
    "one text": ([""], ""),
}


def same(found, expected):
    return [repr(value) for value in found] == [repr(value) for value in expected]


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_comes_back_to_the_last_bit(kind):
    values, dtype = COLUMNS[kind]
    assert same(listed([pack(values, dtype)], np.array([len(values)]), dtype), values)


@pytest.mark.parametrize("dtype", ["<f8", "<i8", ""])
def test_columns_of_many_cells_come_back_at_once(dtype):
    columns = [values for values, kind in COLUMNS.values() if kind == dtype]
    packed = [pack(values, dtype) for values in columns]
    assert same(listed(packed, np.array(list(map(len, columns))), dtype), chain.from_iterable(columns))
    assert listed([], np.array([], int), dtype) == []


def test_what_records_share_is_held_once():
    assert len(pack([1.5] * 1000, "<f8")) == len(pack([1.5], "<f8"))
    assert len(pack(["timeout"] * 1000, "")) < 20
    values, times = unpack([pack(["a", "a", "b"], ""), pack(["b"] * 4, "")], np.array([3, 4]), "")
    assert (values.tolist(), times.tolist()) == (["a", "b", "b"], [2, 1, 4])


@pytest.mark.parametrize("kind", COLUMNS)
def test_whatever_byte_is_changed_or_lost_is_noticed(kind):
    values, dtype = COLUMNS[kind]
    whole, count = pack(values, dtype), np.array([len(values)])
    flipped = [whole[:i] + bytes([whole[i] ^ bit]) + whole[i + 1 :] for i in range(len(whole)) for bit in (1, 128)]
    for broken in [*flipped, whole[:-1], whole[1:], whole + b"\x00", b"", None, "text"]:
        with pytest.raises(DamagedError):
            unpack([whole, broken], np.append(count, count), dtype)


@pytest.mark.parametrize("dtype", ["<f8", "<i8", ""])
def test_a_column_of_another_number_of_records_is_noticed(dtype):
    values = ["a", "b", "c"] if dtype == "" else [1, 2, 3]
    for count in (0, 1, 2, 4):
        with pytest.raises(DamagedError, match="more or fewer"):
            unpack([pack(values, dtype)], np.array([count]), dtype)


@pytest.mark.parametrize(("values", "dtype"), [([1.5], "<i8"), (["a"], "<i8"), (["a"], "<f8"), ([object()], "")])
def test_what_is_of_another_type_is_refused(values, dtype):
    with pytest.raises((TypeError, ValueError)):
        pack(values, dtype)


def test_databases_on_servers_have_room_for_them():
    columns = {column.name: column for column in CELLS.c}
    assert columns["estimate"].type.compile(mysql.dialect()) == "BLOB(4294967295)"  # which it takes for a LONGBLOB
    assert columns["estimate"].type.compile(postgresql.dialect()) == "BYTEA"
    assert "diagnostics BYTEA NOT NULL" in str(CreateTable(CELLS).compile(dialect=postgresql.dialect()))
