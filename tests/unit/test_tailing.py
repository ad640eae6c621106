"""A log that grows: where its last lines begin, and how it is shown as it changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.reporting.tailing import CHANGING, LineTail, ScreenTail, last_lines, read_settled
from tests.terminal import Screen


@pytest.mark.parametrize(
    ("text", "count", "last"),
    [
        (b"", 3, b""),
        (b"one", 1, b"one"),
        (b"one\n", 1, b"one\n"),
        (b"one\ntwo", 1, b"two"),
        (b"one\ntwo\n", 1, b"two\n"),
        (b"one\ntwo\n", 2, b"one\ntwo\n"),
        (b"one\ntwo\n", 9, b"one\ntwo\n"),
        (b"one\ntwo\n", 0, b""),
        (b"\n\n\n", 2, b"\n\n"),
        (b"one\n\n", 1, b"\n"),
    ],
)
def test_the_last_lines_begin_where_as_many_are_left(
    tmp_path: Path, text: bytes, count: int, last: bytes
) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(text)
    assert text[last_lines(path, count) :] == last


@pytest.mark.parametrize("length", [10, 65_535, 65_536, 200_000])
def test_long_lines_are_found_across_what_is_read_at_once(tmp_path: Path, length: int) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"first\n" + b"x" * length + b"\nlast\n")
    assert last_lines(path, 1) == 6 + length + 1
    assert last_lines(path, 2) == 6


@given(lines=st.lists(st.text("ab", max_size=3), max_size=8), count=st.integers(0, 9))
def test_the_last_lines_are_those_of_a_reader_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], count: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "log.txt"
    text = "\n".join(lines)
    path.write_text(text)
    whole = text.splitlines(keepends=True)
    assert text[last_lines(path, count) :] == "".join(whole[max(len(whole) - count, 0) :])


def test_a_log_that_is_not_there_yet_begins_at_its_beginning(tmp_path: Path) -> None:
    assert last_lines(tmp_path / "log.txt", 5) == 0
    assert read_settled(tmp_path / "log.txt", 0, 100) == b""


def test_what_is_read_while_a_line_is_drawn_over_is_read_once_more(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"done 90 %")
    assert read_settled(path, 0, 100, b"done 80 %, 3 s left") == b"done 90 %"
    assert read_settled(path, 5, 2, b"9") == b"90"


# --- for other programs ---


def shown(tail: LineTail | ScreenTail, *states: bytes) -> bytes:
    """Return all that is written while a log goes through these states, each of them whole."""
    written, place = b"", 0
    for state in states:
        written += tail.show(state[place:])
        place += tail.settle()
    return written


def test_a_line_is_written_once_when_it_has_its_end() -> None:
    tail = LineTail()
    assert (
        shown(tail, b"10 %", b"20 %", b"30 %\nmore", b"30 %\nmore\n", b"30 %\nmore\nlast") == b"30 %\nmore\n"
    )
    assert tail.finish() == b"last\n"


def test_bars_below_each_other_are_not_written_over_and_over() -> None:
    tail = LineTail()
    assert (
        shown(tail, b"epoch 1\n10 %", b"epoch 2\n20 %", b"epoch 22\n30 %\nend\n") == b"epoch 1\n30 %\nend\n"
    )
    assert tail.finish() == b""


def test_lines_that_were_erased_are_not_missed() -> None:
    assert shown(LineTail(), b"a\nbar\nbar\n", b"a\n", b"a\nb\nc\nd\n") == b"a\nbar\nbar\nd\n"


def test_of_a_long_log_only_the_end_is_looked_at_again() -> None:
    text = b"".join(b"line %d\n" % number for number in range(1000))
    for tail in (LineTail(), ScreenTail(80, 24)):
        assert tail.show(text) == text
        moved = tail.settle()
        assert text[moved:].count(b"\n") == CHANGING
        assert tail.show(text[moved:] + b"more\n") == b"more\n"


def test_a_line_without_an_end_is_not_kept_back_for_ever() -> None:
    for tail in (LineTail(), ScreenTail(80, 24)):
        text = b"a\n" + b"x" * 100_000
        assert tail.show(text) == text
        assert tail.settle() == len(text)
        assert tail.show(b"y\nb\n") == b"y\nb\n"


# --- on a terminal ---


def test_what_is_only_longer_is_only_continued() -> None:
    tail = ScreenTail(80, 24)
    assert tail.show(b"begun") == b"begun"
    assert tail.show(b"begun and\nmore") == b" and\nmore"
    assert tail.show(b"begun and\nmore") == b""
    assert tail.finish() == b"\n"


def test_a_line_that_takes_several_rows_is_drawn_over_whole() -> None:
    tail, screen = ScreenTail(10, 24), Screen(10)
    for state in (b"above\n" + b"#" * 25, b"above\n" + b"=" * 12, b"above\n\x1b[32mok\x1b[0m\nbelow\n"):
        screen.feed(tail.show(state).decode())
    assert screen.text == ["above", "ok", "below"]


def test_what_has_left_the_screen_stays_as_it_is() -> None:
    tail = ScreenTail(80, 3)
    tail.show(b"a\nb\nc\nd")
    assert tail.show(b"A\nB\nC\nD") == b"\r\x1b[2A\x1b[JB\nC\nD"


LINES = st.lists(st.text("ab\u00e4#", max_size=25), min_size=1, max_size=6)


@given(st.lists(LINES, max_size=6))
def test_in_the_end_the_screen_shows_what_the_log_holds(states: list[list[str]]) -> None:
    tail, screen = ScreenTail(10, 1000), Screen(10)
    for state in states:
        screen.feed(tail.show("\n".join(state).encode()).decode())
    rows = [
        line[start : start + 10]
        for line in (states or [[""]])[-1]
        for start in range(0, max(len(line), 1), 10)
    ]
    assert screen.text == "\n".join(rows).rstrip("\n").split("\n")
