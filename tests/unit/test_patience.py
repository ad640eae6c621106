"""What failures lead to: the delay before a next try, the end of a study, and its pause."""

from __future__ import annotations

import pytest

from coolrunner.studies.patience import FIRST, QUICK, Patience, retry_delay


def test_each_try_waits_twice_as_long_as_the_one_before_up_to_five_minutes() -> None:
    assert [retry_delay(failures) for failures in range(1, 12)] == [
        1,
        2,
        4,
        8,
        16,
        32,
        64,
        128,
        256,
        300,
        300,
    ]


def test_many_failures_make_no_number_that_is_too_large() -> None:
    assert retry_delay(1000) == 300


@pytest.mark.parametrize(("limit", "failures", "is_over"), [(None, 99, False), (3, 2, False), (3, 3, True)])
def test_a_study_ends_after_so_many_failures(limit: int | None, failures: int, is_over: bool) -> None:
    patience = Patience(limit, breaker=False)
    for _ in range(failures):
        patience.fail(1.0)
        patience.succeed()
    assert patience.is_over is is_over


@pytest.mark.parametrize(("limit", "why"), [(1, "the first failure"), (2, "2 failures")])
def test_it_says_why_it_ends(limit: int, why: str) -> None:
    assert Patience(limit, breaker=True).end == f"the study ends after {why}"


def broken(elapsed: list[float], *, breaker: bool = True) -> list[bool]:
    """Return, after each failure, whether the study pauses."""
    patience = Patience(None, breaker=breaker)
    found = []
    for seconds in elapsed:
        patience.fail(seconds)
        found.append(patience.breaks())
    return found


def test_it_pauses_once_when_all_of_the_first_have_failed_at_once() -> None:
    assert broken([0.1] * (FIRST + 3)) == [False] * (FIRST - 1) + [True, False, False, False]


def test_one_slow_failure_among_the_first_is_enough_to_go_on() -> None:
    assert not any(broken([0.1, QUICK, *[0.1] * FIRST]))


def test_one_success_among_the_first_is_enough_to_go_on() -> None:
    patience = Patience(None, breaker=True)
    patience.fail(0.1)
    patience.succeed()
    for _ in range(FIRST):
        patience.fail(0.1)
    assert not patience.breaks()


def test_the_breaker_can_be_turned_off() -> None:
    assert not any(broken([0.1] * FIRST, breaker=False))
