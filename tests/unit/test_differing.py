"""The keys in which experiments differ."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from coolrunner.definition.differing import differing_keys, pick_keys
from tests.definitions import read

values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from("ab") | st.just(1.0),
    lambda inner: st.dictionaries(st.sampled_from("xyz"), inner, max_size=3) | st.lists(inner, max_size=2),
    max_leaves=4,
)
configurations = st.lists(
    st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), values, max_size=4), max_size=4
)


def differing(given_ones: list[dict[str, Any]], path: tuple[Any, ...] = ()) -> set[tuple[Any, ...]]:
    """Return the paths of the keys that not all share, as the words of the rule have it."""
    found: set[tuple[Any, ...]] = set()
    for key in set().union(*given_ones):
        there = [one[key] for one in given_ones if key in one]
        if len(there) < len(given_ones):
            found.add((*path, key))
        elif all(isinstance(value, dict) for value in there):
            found |= differing(there, (*path, key))
        elif any((type(value), value) != (type(there[0]), there[0]) for value in there):
            found.add((*path, key))
    return found


@given(configurations)
def test_the_keys_that_not_all_share_are_found_each_once(given_ones: list[dict[str, Any]]) -> None:
    """CR-07."""
    paths = differing_keys(given_ones)
    assert len(set(paths)) == len(paths)
    assert set(paths) == differing(given_ones)


def test_a_nested_mapping_that_differs_counts_by_the_keys_in_it() -> None:
    """CR-07."""
    found = differing_keys(
        [{"opt": {"lr": 1, "m": {"a": 1, "b": 2}}}, {"opt": {"lr": 2, "m": {"a": 1, "b": 3}}}]
    )
    assert found == [("opt", "lr"), ("opt", "m", "b")]


def test_a_key_that_one_of_them_lacks_is_found_wherever_that_is() -> None:
    """CR-07."""
    assert differing_keys([{"a": 1, "b": 1}, {"a": 1}]) == [("b",)]
    assert differing_keys([{"a": 1}, {"a": 1, "b": 1}]) == [("b",)]
    assert differing_keys([{"a": {"x": 1, "y": 2}}, {"a": {"x": 1}}]) == [("a", "y")]
    assert differing_keys([{"a": 1, "b": 1}, {"a": 1, "c": 1}]) == [("c",), ("b",)]


def test_a_mapping_beside_another_value_is_one_difference() -> None:
    """CR-07."""
    assert differing_keys([{"a": {"x": 1}}, {"a": 5}, {"a": {"x": 2}}]) == [("a",)]


def test_values_are_told_apart_by_type_as_well() -> None:
    """CR-07: 1, 1.0 and true."""
    assert differing_keys([{"a": 1, "b": 1, "c": 1}, {"a": 1.0, "b": True, "c": 1}]) == [("a",), ("b",)]


def test_a_default_that_is_no_number_does_not_differ_from_itself() -> None:
    """CR-07: the same nan stands in every experiment."""
    assert differing_keys([{"a": math.nan}] * 2) == []
    plan = read("a: .nan\nb: [.nan]\nc: {d: .nan}\n---\nName: a\nRepeat: 3\n")
    assert differing_keys([planned.experiment.inputs for planned in plan.experiments]) == [("REP",)]


def test_what_tells_nothing_is_left_out() -> None:
    """CR-07: Name is shown anyway, RND_IDX never the same."""
    plan = read("{}\n---\nName: a\nlr: 1\nYamlLog: a.yaml\n---\nName: b\nlr: 2\nRepeat: 1\n---\nlr: 2\n")
    assert differing_keys([planned.experiment.inputs for planned in plan.experiments]) == [("lr",)]
    assert differing_keys([{"m": {"Name": 1}}, {"m": {"Name": 2}}]) == [("m", "Name")]


def test_one_experiment_and_none_differ_from_nothing() -> None:
    """CR-07."""
    assert differing_keys([]) == []
    assert differing_keys([{"a": 1, "b": {"c": 1}}]) == []


def test_the_values_at_the_paths_are_picked_by_dotted_key() -> None:
    """CR-07: those that are missing are left out."""
    configuration = {"a": 1, "opt": {"lr": 2, "m": {"b": None}}}
    paths = [("a",), ("opt", "lr"), ("opt", "m", "b"), ("opt", "x"), ("a", "x"), ("z",)]
    assert pick_keys(configuration, paths) == {"a": 1, "opt.lr": 2, "opt.m.b": None}


def test_how_an_experiment_is_run_tells_it_from_no_other() -> None:
    keys = {"After": ["a"], "Hold": True, "Priority": 5, "Repeat": 2, "Resources": {"gpus": 1}, "Retries": 3}
    more = {"Timeout": "1h", "YamlLog": "log.yaml"}
    assert differing_keys([{"lr": 1}, {"lr": 1, **keys, **more}, {"lr": 2, "Priority": 1}]) == [("lr",)]
