"""Any value to plain data."""

from __future__ import annotations

import collections
import datetime
import enum
import fractions
import types
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pytest
from hypothesis import given

from coolrunner.errors import NotPlainError
from coolrunner.experiment import Experiment, freeze
from coolrunner.yamlio import dump, load, to_plain
from tests.yaml_data import mappings, same

PLAIN = {type(None), bool, int, float, str, bytes, datetime.date, datetime.datetime, list, dict}


class Colour(enum.Enum):
    RED = "red"


class Size(enum.IntEnum):
    BIG = 3


class Flag(enum.Flag):
    A = 1


class Point(NamedTuple):
    x: int
    y: float


class Name(str):
    __slots__ = ()


def types_in(value: Any) -> set[type]:
    """Return the exact types of a value and of all that is in it."""
    inner = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    return {type(value)}.union(*map(types_in, inner))


@given(mappings)
def test_plain_data_stays_as_it_is_and_is_not_shared(value: dict[Any, Any]) -> None:
    """CR-14."""
    plain = to_plain(value)
    assert same(plain, value)
    assert plain is not value
    frozen = to_plain(freeze(value))
    assert same(frozen, value)
    assert types_in(frozen) <= PLAIN


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ((1, (2, [3])), [1, [2, [3]]]),
        (Point(1, 2.0), [1, 2.0]),
        (Colour.RED, "red"),
        (Size.BIG, 3),
        (Flag.A, 1),
        (Name("a"), "a"),
        (PurePosixPath("a/b"), "a/b"),
        (Path("a"), "a"),
        (collections.OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (collections.defaultdict(list, a=[1]), {"a": [1]}),
        (types.MappingProxyType({"a": (1,)}), {"a": [1]}),
        ({(1, 2): 3, Colour.RED: 4, None: 5}, {"(1, 2)": 3, "red": 4, None: 5}),
        (datetime.date(2021, 1, 1), datetime.date(2021, 1, 1)),
        ("a\udc80b", "a\\udc80b"),
    ],
)
def test_what_stands_for_plain_data_becomes_it(value: Any, plain: Any) -> None:
    """CR-14."""
    found = to_plain(value)
    assert same(found, plain)
    assert types_in(found) <= PLAIN
    assert load(dump({"x": found})) == {"x": plain}


@pytest.mark.parametrize(
    "value", [{1}, 1j, object(), range(3), iter([]), len, fractions.Fraction(1, 2), Experiment({})]
)
def test_what_has_no_plain_form_is_an_error_that_names_type_and_place(value: Any) -> None:
    """CR-14."""
    with pytest.raises(NotPlainError, match=f"{type(value).__name__} at a.b\\[1\\] is no plain data"):
        to_plain({"a": {"b": [0, value]}})


def test_something_else_may_stand_for_what_has_no_plain_form() -> None:
    """CR-14: a value that has none never costs the result."""
    seen = []

    def otherwise(value: Any, path: str) -> str:
        seen.append(path)
        return repr(value)

    assert to_plain({"a": [1, {2}], "b": 1j, "c": {"d": 2j}}, otherwise) == {
        "a": [1, "{2}"],
        "b": "1j",
        "c": {"d": "2j"},
    }
    assert seen == ["a[1]", "b", "c.d"]


def test_what_contains_itself_has_no_plain_form() -> None:
    """CR-14."""
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(NotPlainError, match="nested too deeply, or in itself"):
        to_plain({"a": circle})
    assert "..." in str(to_plain({"a": circle}, lambda value, path: "..."))


def test_values_that_refuse_to_be_looked_at_have_no_plain_form() -> None:
    """CR-14."""

    class Odd:
        shape = ()

        def tolist(self) -> Any:
            raise RuntimeError("the device is lost")

    with pytest.raises(NotPlainError, match="Odd"):
        to_plain(Odd())


def test_numpy_scalars_and_arrays_become_numbers_and_lists() -> None:
    """CR-14."""
    np = pytest.importorskip("numpy", reason="numpy converts only where it is installed")
    value = {
        "float64": np.float64(0.5),
        "float32": np.float32(0.5),
        "int64": np.int64(3),
        "uint8": np.uint8(3),
        "bool": np.bool_(True),
        "str": np.str_("a"),
        "array": np.array([[1, 2], [3, 4]]),
        "floats": np.array([0.5, np.nan, np.inf]),
        "zero-dimensional": np.array(5),
        "empty": np.array([]),
        "texts": np.array(["a", "b"]),
        "objects": np.array([None, {"a": (1,)}], dtype=object),
        "structured": np.array([(1, 2.0)], dtype=[("x", "i4"), ("y", "f4")]),
        "day": np.datetime64("2021-01-01"),
        np.int64(7): np.array([True]),
    }
    plain = to_plain(value)
    assert types_in(plain) <= PLAIN
    assert same(
        plain,
        {
            "float64": 0.5,
            "float32": 0.5,
            "int64": 3,
            "uint8": 3,
            "bool": True,
            "str": "a",
            "array": [[1, 2], [3, 4]],
            "floats": [0.5, float("nan"), float("inf")],
            "zero-dimensional": 5,
            "empty": [],
            "texts": ["a", "b"],
            "objects": [None, {"a": [1]}],
            "structured": [[1, 2.0]],
            "day": datetime.date(2021, 1, 1),
            7: [True],
        },
    )
    assert same(load(dump(plain)), plain)


def test_numpy_values_without_a_plain_form_are_errors() -> None:
    """CR-14."""
    np = pytest.importorskip("numpy", reason="numpy converts only where it is installed")
    for value in (np.complex128(1j), np.array([1j]), np.longdouble(1) / 3, np.array([object()])):
        with pytest.raises(NotPlainError):
            to_plain(value)
