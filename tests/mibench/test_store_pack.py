import math
from itertools import chain

import pytest
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.schema import CreateTable

from mibench.store_layout import CELLS
from mibench.store_pack import DamagedError, listed, pack, unpack

CELL = ("gaussian(d=1, mi=1)", "ksg", 100)
COLUMNS = {
    "numbers": ("estimate", [0.1 + 0.2, -0.0, 0.0, 5e-324, math.inf, -math.inf, 1e300]),
    "unknown": ("estimate", [None, 1.5, None]),
    "all unknown": ("estimate", [None, None]),
    "zeros of both signs": ("estimate", [0.0, -0.0]),
    "whole": ("data_seed", [2**63 - 1, -(2**63), 0]),
    "large": ("data_seed", [2**53 + 1, 2**53 + 1]),
    "one": ("data_seed", [7]),
    "text": ("message", ["a", "a", "b", "a", "", None, None, "[1,2]", "\\", '"', "\x00", "ä", "\ud800", "a,1"]),
    "the same text": ("message", ["ok"] * 5),
    "one text": ("message", [""]),
}


def same(found, expected):
    return [repr(value) for value in found] == [repr(value) for value in expected]


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_comes_back_to_the_last_bit(kind):
    name, values = COLUMNS[kind]
    assert same(listed(name, [pack(name, values)], [len(values)], [CELL]), values)


@pytest.mark.parametrize("name", ["estimate", "data_seed", "message"])
def test_columns_of_many_cells_come_back_at_once(name):
    columns = [values for each, values in COLUMNS.values() if each == name]
    packed = [pack(name, values) for values in columns]
    assert same(listed(name, packed, list(map(len, columns)), [CELL] * len(packed)), chain.from_iterable(columns))
    assert listed(name, [], [], []) == []


def test_what_records_share_is_held_once():
    assert len(pack("estimate", [1.5] * 1000)) == len(pack("estimate", [1.5]))
    assert len(pack("status", ["timeout"] * 1000)) < 20
    packed = [pack("status", ["a", "a", "b"]), pack("status", ["b"] * 4)]
    values, times = unpack("status", packed, [3, 4], [CELL] * 2)
    assert (values.tolist(), times.tolist()) == (["a", "b", "b"], [2, 1, 4])


@pytest.mark.parametrize("kind", COLUMNS)
def test_whatever_byte_is_changed_or_lost_is_noticed(kind):
    name, values = COLUMNS[kind]
    whole, count = pack(name, values), len(values)
    flipped = [whole[:i] + bytes([whole[i] ^ bit]) + whole[i + 1 :] for i in range(len(whole)) for bit in (1, 128)]
    for broken in [*flipped, whole[:-1], whole[1:], whole + b"\x00", bytes(4), b"", None, "text"]:
        with pytest.raises(DamagedError, match=f"{name} of t1 · ksg · n=9 is not what was written"):
            unpack(name, [whole, broken, whole], [count] * 3, [("t0", "ksg", 9), ("t1", "ksg", 9), ("t2", "ksg", 9)])


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_of_another_number_of_records_or_another_name_is_noticed(kind):
    name, values = COLUMNS[kind]
    packed, count = pack(name, values), len(values)
    for wrong in (0, count - 1, count + 1, -count, count + 0.0, f"{count}", None, 10**11):
        with pytest.raises(DamagedError):
            unpack(name, [packed], [wrong], [CELL])
    with pytest.raises(DamagedError, match="diagnostics of"):
        unpack("diagnostics", [packed], [count], [CELL])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("data_seed", [1.5]), ("data_seed", ["a"]), ("data_seed", [2**63]), ("data_seed", [None]), ("estimate", ["a"]),
        ("estimate", [(1.0, 2.0)]), ("message", [5]), ("message", [["a", "b"]]), ("message", [b"a"]),
    ],
)  # fmt: skip
def test_what_is_of_another_type_is_refused(name, values):
    with pytest.raises((TypeError, ValueError)):
        pack(name, values)


def test_databases_on_servers_have_room_for_them():
    estimate = CELLS.c.estimate.type
    assert estimate.compile(mysql.dialect()) == "BLOB(4294967295)"  # which it takes for a LONGBLOB
    assert estimate.compile(postgresql.dialect()) == "BYTEA"
    assert "diagnostics BYTEA NOT NULL" in str(CreateTable(CELLS).compile(dialect=postgresql.dialect()))
