"""In which keys experiments differ, and which of them repeat each other."""

from __future__ import annotations

import datetime
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.errors import UsageError
from coolrunner.keys import lower_is_better
from coolrunner.results.groups.repeats import differing, group, identity
from coolrunner.results.groups.statistics import aggregate_groups, best, main_column
from coolrunner.results.logs.collect import digest
from coolrunner.results.parts import MISSING

scalars = st.one_of(
    st.sampled_from([MISSING, None, True, False, 0, 1, 0.0, -0.0, 1.0, math.nan, "", "1", "1.0", "None"]),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.dates(),
)
values = st.recursive(
    scalars.filter(lambda value: value is not MISSING),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=1), inner, max_size=2),
    max_leaves=4,
)
columns = st.lists(scalars | values, max_size=12)


def same(one: Any, other: Any) -> bool:
    if one is MISSING or other is MISSING:
        return one is other
    return digest(one) == digest(other)


@given(scalars | values, scalars | values)
def test_two_values_are_the_same_when_collect_takes_them_for_the_same(one: Any, other: Any) -> None:
    assert (identity(one) == identity(other)) == same(one, other)


@given(columns)
def test_a_column_differs_when_one_of_its_values_is_not_the_same_as_the_first(column: list[Any]) -> None:
    assert differing({"x": column}) == (["x"] if any(not same(column[0], value) for value in column) else [])


@pytest.mark.parametrize(
    ("column", "differs"),
    [
        ([], False),
        ([1], False),
        ([1, 1], False),
        ([1, 1.0], True),
        ([1, True], True),
        ([0, False], True),
        ([0.0, -0.0], True),
        ([math.nan, float("nan")], False),
        ([1, MISSING], True),
        ([None, MISSING], True),
        ([{"a": 1, "b": 2}, {"b": 2, "a": 1}], False),
        ([[1, 2], [2, 1]], True),
        ([datetime.date(2026, 1, 1), datetime.datetime(2026, 1, 1)], True),
    ],
)
def test_what_differs_is_what_collect_keeps_apart(column: list[Any], differs: bool) -> None:
    assert bool(differing({"x": column})) is differs


@given(st.integers(0, 12).flatmap(lambda n: st.lists(st.lists(scalars, min_size=n, max_size=n), max_size=3)))
def test_groups_part_the_rows_by_what_these_share(table: list[list[Any]]) -> None:
    named = {f"k{place}": column for place, column in enumerate(table)}
    groups = group(named)
    length = len(table[0]) if table else 0
    assert sorted(position for positions in groups.positions for position in positions) == list(range(length))
    assert [positions[0] for positions in groups.positions] == sorted(p[0] for p in groups.positions)
    number = {position: which for which, places in enumerate(groups.positions) for position in places}
    for one in range(length):
        for other in range(length):
            alike = all(same(column[one], column[other]) for column in table)
            assert (number[one] == number[other]) == alike
    assert groups.keys == differing(named)
    for row, positions in zip(groups.values, groups.positions, strict=True):
        assert all(
            same(value, named[key][positions[-1]]) for key, value in zip(groups.keys, row, strict=True)
        )


def test_runs_that_share_all_but_their_seeds_repeat_each_other() -> None:
    table = {
        "model": ["vgg", "vgg", "wrn", "vgg"],
        "data.seed": [1, 2, 1, 3],
        "REP": [0, 1, 0, 2],
        "depth": [3, 3, 3, 3],
    }
    groups = group(table)
    assert groups.keys == ["model"]
    assert groups.values == [("vgg",), ("wrn",)]
    assert groups.positions == [[0, 1, 3], [2]]


def test_repetitions_may_differ_in_more_where_that_is_named() -> None:
    table = {"model": ["vgg", "vgg", "wrn"], "fold": [1, 2, 1]}
    assert group(table).positions == [[0], [1], [2]]
    assert group(table, ignore=["fold"]).positions == [[0, 1], [2]]


def test_runs_can_be_grouped_by_what_a_person_names() -> None:
    table = {"model": ["vgg", "vgg"], "lr": [0.1, 0.2], "seed": [1, 1]}
    assert group(table, ["model"]) == (["model"], [("vgg",)], [[0, 1]])
    assert group(table, ["seed", "lr"]).values == [(1, 0.1), (1, 0.2)]


def test_what_nothing_tells_apart_is_one_group() -> None:
    assert group({"seed": [1, 2, 3]}) == ([], [()], [[0, 1, 2]])
    assert group({"seed": []}) == ([], [], [])
    assert group({}) == ([], [], [])


@pytest.mark.parametrize("how", [{"by": ["optimiser"]}, {"ignore": ["optimiser"]}])
def test_a_key_that_is_not_there_is_told_with_the_nearest(how: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="there is no key 'optimiser'; did you mean 'optimizer'"):
        group({"optimizer": [1]}, **how)


def test_a_table_of_groups_best_first_takes_a_few_lines() -> None:
    """What ``coolrunner results --group-by lr --agg mean,n --top 1`` does."""
    parameters = {"lr": [0.1, 0.1, 0.2, 0.2], "seed": [1, 2, 1, 2]}
    results = {"LOSS": [3.0, 5.0, 2.0, 1.0], "NOTE": ["a", "b", "c", "d"]}
    groups = group(parameters, ["lr"])
    table = aggregate_groups(results, groups.positions, "mean,n")
    main = main_column(results)
    order = best(table[main]["mean"], 1, largest=not lower_is_better(main))
    assert main == "LOSS"
    assert [(*groups.values[place], table[main]["mean"][place]) for place in order] == [(0.2, 1.5)]
