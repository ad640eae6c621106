"""How durations, numbers, values and indices are written for people."""

from __future__ import annotations

import io
import math
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.reporting import text
from coolrunner.reporting.streams import write_text
from coolrunner.reporting.text import (
    brief,
    cut,
    duration,
    number,
    one_line,
    pairs,
    ranges,
    short_keys,
    spread,
    tail_of,
    width_of,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.04, "40 ms"),
        (1.24, "1.2 s"),
        (2.0, "2 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3720, "1 h 02 min"),
        (86_399.9, "1 d 00 h"),
        (273_600, "3 d 04 h"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.98611, "0.9861"),
        (0.0879, "0.0879"),
        (0.00123456, "0.001235"),
        (97.1234, "97.12"),
        (1e-7, "1.000e-07"),
        (1234567.0, "1234567"),
        (5, "5"),
        (10**400, "a number of 1329 bits"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_a_measurement_has_about_four_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_a_deviation_has_the_decimals_of_its_mean() -> None:
    assert spread(0.98611, 0.00314, 3) == "0.9861 ± 0.0031 (3)"
    assert spread(97.123, 0.4, 5) == "97.12 ± 0.40 (5)"
    assert spread(10.0, 0.0, 3) == "10 ± 0 (3)"
    assert spread(0.5, 0.0, 1) == "0.5000 (1)"
    assert spread(math.nan, math.nan, 2) == "nan ± nan (2)"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("svm", "svm"),
        (1e-3, "0.001"),
        (0.1 + 0.2, "0.3"),
        (None, "null"),
        (True, "true"),
        ("solve torch.optim.Adam", "Adam"),
        ("solve max(lr, 1)", "solve max(lr, 1)"),
        ([64, 32], "[64, 32]"),
        ({"a": [1, None]}, "{a: [1, null]}"),
        ("two\nlines\x1b[31m", "two lines [31m"),
        ("x" * 100, "x" * 29 + "…"),
    ],
)
def test_a_value_is_shown_on_one_short_line(value: Any, text: str) -> None:
    assert brief(value) == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.integers(1, 60),
)
def test_whatever_a_value_is_it_keeps_to_its_limit(value: Any, limit: int) -> None:
    text = brief(value, limit)
    assert len(text) <= max(limit, 25)  # numbers are never cut: half a number is a wrong one
    assert text.splitlines() in ([], [text])
    assert "Cc" not in map(unicodedata.category, text)


def test_pairs_are_as_many_as_there_is_room_for() -> None:
    values = {"model": "svm", "settings.C": 10, "kernel": "rbf"}
    assert pairs(values, 40) == "model=svm, C=10, kernel=rbf"
    assert pairs(values, 20) == "model=svm, C=10, …"
    assert pairs(values, 5) == "…"
    assert pairs({}, 10) == ""


def test_dotted_keys_are_shortened_where_that_is_unambiguous() -> None:
    keys = ["model.lr", "optimizer.lr", "optimizer.name", "seed"]
    assert short_keys(keys) == {
        "model.lr": "model.lr",
        "optimizer.lr": "optimizer.lr",
        "optimizer.name": "name",
        "seed": "seed",
    }


@given(st.sets(st.integers(0, 300)))
def test_ranges_mean_the_indices_that_they_were_made_of(indices: set[int]) -> None:
    meant: set[int] = set()
    for part in filter(None, ranges(sorted(indices), 10_000).split(",")):
        first, _, last = part.partition("-")
        meant.update(range(int(first), int(last or first) + 1))
    assert meant == indices


def test_ranges_are_short() -> None:
    assert ranges([9, 3, 7, 8]) == "3,7-9"
    assert ranges([1, 2]) == "1,2"
    long = ranges(range(0, 10_000, 2), 40)
    assert len(long) < 50
    assert long.endswith(",...")


def test_text_is_cut_and_made_one_line() -> None:
    assert cut("abcdef", 4) == "abc…"
    assert cut("abcd", 4) == "abcd"
    assert one_line("a\tb\r\nc\x07") == "a b c"


def test_the_tail_of_a_traceback_leaves_out_the_error_itself() -> None:
    traceback = "Traceback (most recent call last):\n  File x\n    raise E\nE: one\ntwo\n"
    assert tail_of(traceback, 10) == ["Traceback (most recent call last):", "  File x", "    raise E"]
    assert tail_of(traceback, 1) == ["  …", "    raise E"]
    assert tail_of("", 3) == []


def test_the_tail_of_a_traceback_has_no_frames_of_ours() -> None:
    """A person looks for the line of the Module."""
    before, after = (f'  File "{text.__file__}", line {line}, in f\n    f()\n    ^^^\n' for line in (1, 2))
    theirs = '  File "svm.py", line 3, in main\n    exp.C = 1\n'
    head = "Traceback (most recent call last):\n"
    assert tail_of(f"{head}{before}{theirs}{after}E: one\n", 10) == (head + theirs).splitlines()
    assert tail_of(f"{head}{before}E: one\n\nDuring ...:\n\n{head}{after}E: two\n", 10) == []


def test_wide_characters_take_two_columns() -> None:
    assert width_of("漢字") == 4
    assert width_of("e\u0301") == 1
    assert width_of("svm") == 3


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_no_encoding_is_too_small(encoding: str) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    write_text(file, "✓ größe 漢 ± … \ud800\n")
    written = file.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    assert written.startswith("+ gr")
    assert written.rstrip().endswith("+- ... \\ud800")
