"""``--pick``: which experiments of a study are run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.definition.plan import parse_pick
from coolrunner.errors import UsageError
from tests.definitions import read


@pytest.mark.parametrize(
    ("texts", "indices"),
    [
        (["0,1,3"], [0, 1, 3]),
        (["1"], [1]),
        (["0", "1", "3"], [0, 1, 3]),
        (["0 1 3"], [0, 1, 3]),
        (["2-5"], [2, 3, 4, 5]),
        (["0,2-4", "7"], [0, 2, 3, 4, 7]),
        (["3,1,3,2-3"], [1, 2, 3]),
        (["0, 1,", "3"], [0, 1, 3]),
        (["4-4"], [4]),
        (["007"], [7]),
    ],
)
def test_indices_are_given_with_commas_with_spaces_or_as_ranges(texts: list[str], indices: list[int]) -> None:
    """CR-07: in the order of the study, each once."""
    assert parse_pick(texts, 8) == indices


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8", r"there is no experiment 8; this study has 8, numbered 0 to 7 \(--dry lists them\)"),
        ("0-8", "there is no experiment 8"),
        ("5-2", "5-2 runs backwards; write 2-5"),
        ("a", "'a' is no index; write 0,1,3 or 2-5"),
        ("-1", "'-1' is no index"),
        ("1-", "'1-' is no index"),
        ("1.5", "'1.5' is no index"),
        ("1;2", "'1;2' is no index"),
        ("", "'' is no index"),
        (",", "'' is no index"),
        ("0-99999999999999", "there is no experiment 99999999999999"),
    ],
)
def test_what_is_no_index_of_this_study_is_an_error(text: str, message: str) -> None:
    """CR-07."""
    with pytest.raises(UsageError, match=f"--pick: {message}"):
        parse_pick([text], 8)


@given(st.sets(st.integers(0, 30), min_size=1))
def test_any_set_of_experiments_can_be_picked(indices: set[int]) -> None:
    """CR-07."""
    plan = read("{}\n---\nRepeat: 31\nName: a\n", pick=[",".join(map(str, indices))])
    assert [planned.index for planned in plan.chosen] == sorted(indices)


def test_without_a_pick_all_are_chosen() -> None:
    """CR-07."""
    plan = read("{}\n---\nRepeat: 3\nName: a\n")
    assert plan.chosen == plan.experiments


def test_an_empty_study_has_nothing_to_pick() -> None:
    """CR-07."""
    with pytest.raises(UsageError, match=r"there is no experiment 0; this study has 0 \("):
        parse_pick(["0"], 0)
