"""The patterns of questions."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coolrunner.results.query.patterns import Pattern, PatternError

atoms = st.sampled_from(
    ["a", "b", ".", r"\w", r"\d", r"\W", "[ab]", "[^a]", "[]a]", r"[\d_-]", r"\.", "-", "{", "é"]
)
places = st.sampled_from(["^", "$", r"\b", r"\A", r"\Z"])
repeats = st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{,2}", "{0,3}", "*?", "+?", "??", "{1,2}?"])


def joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    group = st.tuples(st.sampled_from(["(", "(?:"]), inner).map(lambda pair: f"{pair[0]}{pair[1]})")
    repeated = st.tuples(atoms | group, repeats).map("".join)
    sequence = st.lists(st.one_of(inner, repeated, places), max_size=3).map("".join)
    return st.one_of(sequence, st.tuples(inner, inner).map("|".join), group)


patterns = st.recursive(atoms, joined, max_leaves=8)


@given(patterns, st.text("ab-1.\né A", max_size=8))
@example("^a$", "a\n")
@example(r"a\Z", "a\n")
@example("$", "\n")
@example("a\n$", "a\n")
@example("(a*)*b", "aaaa")
@example("(|a)+", "b")
@example("x*$", "\n\n")
def test_a_pattern_finds_what_pythons_would(pattern: str, text: str) -> None:
    """CR-16."""
    assert Pattern(pattern).found_in(text) == (re.search(pattern, text) is not None)


@given(st.text("AaBb-éÉß", max_size=4), st.text("AaBb-éÉß", max_size=8))
def test_letters_of_either_case_are_found_where_that_is_asked_for(part: str, text: str) -> None:
    pattern = f"(?i){part}"
    assert Pattern(pattern).found_in(text) == (re.search(pattern, text) is not None)


@pytest.mark.parametrize(
    ("pattern", "place", "message"),
    [
        ("a(b", 1, "not closed"),
        ("a)b", 1, "closes nothing"),
        ("a[b", 1, "']' is missing"),
        ("[b-a]", 0, "bad character range"),
        ("*a", 0, "nothing to repeat"),
        ("a|*", 2, "nothing to repeat"),
        ("a**", 2, "a repeat of a repeat"),
        ("a++", 2, "a repeat of a repeat"),
        ("^*", 1, "cannot be repeated"),
        ("a{3,2}", 1, "is no count"),
        ("a{2000}", 1, "is no count"),
        ("(a{100}){100}", 0, "too large"),
        (r"(a)\1", 3, "no references back"),
        (r"a\q", 1, "is none"),
        ("a\\", 1, "is none"),
        ("(?=a)", 0, "look around"),
        ("(?P<x>a)", 0, "name groups"),
        ("a(?i)", 1, "look around"),
        ("(" * 60 + ")" * 60, 20, "nested more than"),
        ("a" * 1_001, 0, "at most 1,000"),
    ],
)
def test_a_pattern_that_cannot_be_used_says_where_and_why(pattern: str, place: int, message: str) -> None:
    with pytest.raises(PatternError, match=re.escape(message)) as caught:
        Pattern(pattern)
    assert caught.value.place == place


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "^(a|a)*$", "(a*)*c", "(.*)*x", ".*.*.*.*.*x", "(a?){200}a{200}", "(a|b)*a(a|b){30}c"],
)
def test_no_pattern_takes_more_time_than_the_text_is_long(pattern: str) -> None:
    """CR-16: Python's own would not be done with these in a lifetime."""
    assert not Pattern(pattern).found_in("ab" * 2_000 + "!")


def test_what_a_pattern_has_learnt_of_texts_is_bounded() -> None:
    pattern = Pattern(r"\d[^x]{3}x$")
    for start in range(0x100, 0x1F000, 16):
        pattern.found_in("".join(map(chr, range(start, start + 16))))
    assert sum(map(len, pattern._steps._known.values())) <= 50_000
    assert pattern.found_in("a1abcx")
