"""What an index keeps of plain data is that data again."""

from __future__ import annotations

import datetime
import sqlite3
from typing import Any

import pytest
from hypothesis import given, settings

from coolrunner.results.cache.encoding import (
    DEEPEST,
    WIDEST,
    decode_all,
    decoded,
    encoded,
    from_json,
    gathered,
    kind_of,
    spread,
    to_json,
)
from coolrunner.results.parts import MISSING
from tests.yaml_data import mappings, plain, same

SCALARS = [
    *(0, 1, -1, 2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 10**700, -(10**700)),
    *(0.0, -0.0, 1.0, 1e-300, float("inf"), float("-inf"), float("nan")),
    *(True, False, None, "", "text", "true", "null", "NaN", "é", "\ud800", "a\0b", "\n"),
    *(b"", b"\xff\0", b"true", datetime.date(2026, 11, 21), datetime.datetime(2026, 11, 21, 6, 23, 29, 5)),
    datetime.datetime(2026, 11, 21, 6, 23, tzinfo=datetime.timezone.utc),
    *([], {}, [[1, "a", None]], {"map": 1}, {1: 2}, {None: [b"x"]}, [{"time": "now"}]),
]


def through_sqlite(value: Any) -> Any:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE t(v)")
    db.execute("INSERT INTO t VALUES (?)", (encoded(value),))
    ((kept,),) = db.execute("SELECT v FROM t")
    db.close()
    return decoded(kept)


@pytest.mark.parametrize("value", SCALARS, ids=repr)
def test_a_value_comes_back_from_sqlite_with_its_type(value: Any) -> None:
    back = through_sqlite(value)
    assert type(back) is type(value)
    assert same(back, value)
    assert same(from_json(to_json(value)), value)
    assert same(next(iter(decode_all([encoded(value)]))), value)


@given(plain)
@settings(max_examples=200)
def test_whatever_a_log_holds_comes_back_from_sqlite(value: Any) -> None:
    assert same(through_sqlite(value), value)


def test_a_missing_value_stays_missing() -> None:
    assert through_sqlite(MISSING) is MISSING
    assert list(decode_all([None])) == [MISSING]


@given(mappings)
@settings(max_examples=200)
def test_the_leaves_of_a_mapping_gather_to_the_same_mapping(value: dict[Any, Any]) -> None:
    paths, leaves = spread(value)
    back = gathered(paths, leaves)
    assert same(back, value)


def test_wide_and_deep_mappings_are_one_value_each() -> None:
    wide = {str(number): number for number in range(WIDEST + 1)}
    deep: dict[str, Any] = {"leaf": 1}
    for _ in range(DEEPEST + 5):
        deep = {"level": deep}
    paths, leaves = spread({"wide": wide, "deep": deep})
    assert paths[0] == ("wide",)
    assert leaves[0] == wide
    assert len(paths) == 2
    assert gathered(paths, leaves) == {"wide": wide, "deep": deep}


def test_an_empty_mapping_is_a_leaf() -> None:
    assert spread({"a": {}, "b": {"c": {}}}) == ([("a",), ("b", "c")], [{}, {}])


def test_types_have_the_names_that_tables_show() -> None:
    values = ["", 1, 1.0, True, None, [], {}, b"", datetime.date.today(), datetime.datetime.now()]
    names = ["str", "int", "float", "bool", "none", "list", "map", "bytes", "date", "date"]
    assert [kind_of(type(value)) for value in values] == names
