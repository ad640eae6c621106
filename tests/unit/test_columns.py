"""Values as columns of a frame, with the types that they have, whatever the version of pandas."""

from __future__ import annotations

import datetime
import math
from typing import Any

import pytest

from coolrunner.results.frames.columns import column
from coolrunner.results.parts import MISSING

pandas = pytest.importorskip("pandas", reason="the extra [frame] is not installed")
DAY = datetime.datetime(2024, 1, 1)
UTC = datetime.timezone.utc


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([], "object", []),
        ([1, 2], "int64", [1, 2]),
        ([1, MISSING], "float64", [1.0, math.nan]),
        ([2**63 - 1, -(2**63)], "int64", [2**63 - 1, -(2**63)]),
        ([2**63, 1], "object", [2**63, 1]),
        # A float would be another number.
        ([2**53 + 1, None], "object", [2**53 + 1, None]),
        ([-(2**53) - 1, 0.5], "object", [-(2**53) - 1, 0.5]),
        ([2**53, MISSING], "float64", [2.0**53, math.nan]),
        ([1, 0.5], "float64", [1.0, 0.5]),
        ([True, False], "bool", [True, False]),
        ([True, MISSING], "object", [True, math.nan]),
        ([True, None], "object", [True, None]),
        ([True, 1], "object", [True, 1]),
        ([MISSING, None], "object", [math.nan, None]),
        (["a", MISSING, 1], "object", ["a", math.nan, 1]),
        ([[1], [2]], "object", [[1], [2]]),
        ([DAY, DAY], "datetime64[ns]", [pandas.Timestamp(DAY)] * 2),
        ([DAY, MISSING], "datetime64[ns]", [pandas.Timestamp(DAY), pandas.NaT]),
        ([DAY.replace(tzinfo=UTC)] * 2, "object", [DAY.replace(tzinfo=UTC)] * 2),
        ([datetime.datetime(1, 1, 1), DAY], "object", [datetime.datetime(1, 1, 1), DAY]),
        ([DAY.date(), DAY], "object", [DAY.date(), DAY]),
    ],
)
def test_a_column_has_the_type_of_its_values(values: list[Any], dtype: str, expected: list[Any]) -> None:
    made = column(pandas, "x", values)
    assert str(made.dtype) == dtype
    assert made.name == "x"
    assert list(map(repr, made.tolist())) == list(map(repr, expected))


def test_what_is_changed_in_a_column_is_not_changed_in_the_values() -> None:
    values = [{"a": [1]}, [[2]], MISSING]
    made = column(pandas, "x", values)
    made[0]["a"].append(3)
    made[1][0].append(4)
    assert values == [{"a": [1]}, [[2]], MISSING]
