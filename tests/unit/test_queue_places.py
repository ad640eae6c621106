"""Where experiments and comments stand."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.queue.entries import Remark
from coolrunner.queue.places import arrange, moved_places, place_remarks


def arranged(standing: dict[str, float], row: str, moved: str = "", last: float = 0.0) -> str:
    """Return who stands where after arranging; in a row, a capital stands for a new one."""
    last = last or max(standing.values(), default=0.0)
    rows = [None if one.isupper() else one for one in row]
    found = arrange([(order, one) for one, order in standing.items()], rows, moved, last)
    orders = {**standing, **found.known, **dict(zip(filter(str.isupper, row), found.new, strict=True))}
    assert len(set(orders.values())) == len(orders)
    return "".join(sorted(orders, key=lambda one: orders[one]))


def numbered(names: str) -> dict[str, float]:
    """Return experiments that were put in this order."""
    return {name: float(number) for number, name in enumerate(names, start=1)}


@pytest.mark.parametrize(
    ("row", "moved", "expected"),
    [
        ("abcd", "", "abcd"),
        ("dabc", "d", "dabc"),
        ("bcda", "a", "bcda"),
        ("adbc", "d", "adbc"),
        ("dcba", "dcb", "dcba"),
        ("Xabcd", "", "Xabcd"),
        ("XYabZcdUV", "", "XYabZcdUV"),
        ("XdYabc", "d", "XdYabc"),
    ],
)
def test_what_was_moved_or_is_new_stands_where_the_row_says(row: str, moved: str, expected: str) -> None:
    assert arranged(numbered("abcd"), row, moved) == expected


@pytest.mark.parametrize(
    ("row", "moved", "expected"),
    [
        ("acX", "", "abcXd"),  # right behind c, before what came after it
        ("Xc", "", "abXcd"),  # right before c
        ("dc", "c", "abdc"),
        ("X", "", "Xabcd"),
        ("dXa", "a", "bcdXa"),
    ],
)
def test_what_the_row_does_not_show_stays_behind_what_it_stood_behind(
    row: str, moved: str, expected: str
) -> None:
    assert arranged(numbered("abcd"), row, moved) == expected


def test_what_is_added_at_the_end_stands_behind_all_that_were_ever_put() -> None:
    found = arrange([(1.0, "a")], ["a", None, None], (), 7.0)  # those from 2 to 7 run, and may come back
    assert found.new == [8.0, 9.0]
    assert arrange([], [None, None], (), 7.0).new == [8.0, 9.0]


def test_only_what_was_moved_gets_a_new_order() -> None:
    found = arrange([(1.0, "a"), (2.0, "b"), (3.0, "c")], ["c", "a", "b"], {"c"}, 3.0)
    assert (list(found.known), found.new) == (["c"], [])


def test_there_is_always_room_between_two() -> None:
    standing = numbered("ab")
    for name in itertools.islice(itertools.cycle("xyz"), 200):
        found = arrange(
            [(order, one) for one, order in standing.items()], ["a", None], (), max(standing.values())
        )
        standing.update(found.known)
        standing.pop(name, None)
        standing[name] = found.new[0]
        row = sorted(standing, key=lambda one: standing[one])
        assert row[:2] == ["a", name]
        assert len(set(standing.values())) == len(standing)


def test_where_there_is_no_room_left_all_get_new_orders_in_the_same_row() -> None:
    standing = [(1.0, "a"), (1.0 + 1e-12, "b"), (2.0, "hidden"), (3.0, "c")]
    found = arrange(standing, ["a", None, "b", "c"], (), 3.0)
    assert found.known == {"a": 4.0, "b": 6.0, "hidden": 7.0, "c": 8.0}
    assert found.new == [5.0]


@given(st.integers(0, 8), st.randoms(use_true_random=False), st.integers(0, 4))
def test_any_row_stands_as_it_was_arranged(count: int, rng: random.Random, new: int) -> None:
    standing = numbered("abcdefgh"[:count])
    row: list[str] = rng.sample(list(standing), count) + list("WXYZ"[:new])
    rng.shuffle(row)
    known = [one for one in row if one.islower()]
    now = [standing[one] for one in known]
    moved = {known[place] for place in moved_places(now, lambda: now)}
    assert arranged(standing, "".join(row), "".join(moved)) == "".join(row)


# --- who moved what ----------------------------------------------------------------------------------


def test_the_fewest_that_can_have_been_moved_were_moved() -> None:
    assert moved_places([1, 2, 3, 4], lambda: [1, 2, 3, 4]) == set()
    assert moved_places([4, 1, 2, 3], lambda: [4, 1, 2, 3]) == {0}
    assert moved_places([2, 3, 4, 1], lambda: [2, 3, 4, 1]) == {3}
    assert moved_places([4, 3, 2, 1], lambda: [4, 3, 2, 1]) in ({0, 1, 2}, {1, 2, 3})
    assert moved_places([], list) == set()


def test_what_others_have_moved_was_not_moved_by_this_person() -> None:
    assert moved_places([4, 1, 2, 3], lambda: [1, 2, 3, 4]) == set()
    assert moved_places([1, 2, 3], lambda: [3, 1, 2]) == set()  # both have done the same


# --- comments ----------------------------------------------------------------------------------------


def test_a_comment_stands_before_the_experiment_that_follows_or_at_the_end() -> None:
    assert place_remarks(["#1", 1.0, "#2", "#3", 2.0, "#4"], [], 9.0) == [
        Remark("#1", 1.0),
        Remark("#2", 2.0),
        Remark("#3", 2.0),
        Remark("#4", 9.0, True),
    ]
    assert place_remarks(["#1"], [], 9.0) == [Remark("#1", 9.0, True)]


def test_a_comment_keeps_its_place_where_the_experiment_after_it_has_gone() -> None:
    current = [Remark("#1", 2.0), Remark("#2", 5.0, True)]
    assert place_remarks([1.0, "#1", 3.0, "#2"], current, 9.0) == current
    assert place_remarks(["#1", "#2"], current, 9.0) == current
    assert place_remarks([1.0, 3.0, "#1", "#2"], current, 9.0) == [Remark("#1", 9.0, True), current[1]]
    assert place_remarks(["#1", 1.0, "#2"], current, 9.0) == [Remark("#1", 1.0), current[1]]
