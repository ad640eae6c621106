"""Whether two groups of results differ, by the tests of SciPy."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coolrunner.errors import UsageError
from coolrunner.results.groups.comparing import PAIRED, TESTS, compare
from coolrunner.results.parts import MISSING

scipy = pytest.importorskip("scipy.stats", reason="the extra [stats] is not installed")

ADAM = [0.91, 0.92, 0.90, 0.93, 0.915, 0.905, 0.92, 0.91]
SGD = [0.88, 0.89, 0.91, 0.87, 0.90, 0.885, 0.895, 0.86]
reals = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
samples = st.lists(reals, min_size=2, max_size=12)


def test_every_test_says_what_scipy_says() -> None:
    welch = scipy.ttest_ind(ADAM, SGD, equal_var=False)
    expected = {
        "welch": welch,
        "mann-whitney": scipy.mannwhitneyu(ADAM, SGD),
        "paired-t": scipy.ttest_rel(ADAM, SGD),
        "wilcoxon": scipy.wilcoxon(ADAM, SGD),
    }
    for name, result in expected.items():
        found = compare(ADAM, SGD, name)
        assert (found.test, found.statistic, found.p) == (name, result.statistic, result.pvalue)
    assert compare(ADAM, SGD).test == "welch"
    interval = welch.confidence_interval(0.95)
    assert (compare(ADAM, SGD).low, compare(ADAM, SGD).high) == pytest.approx((interval.low, interval.high))
    interval = expected["paired-t"].confidence_interval(0.95)
    found = compare(ADAM, SGD, "paired-t")
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


@settings(deadline=None)
@given(samples, samples, st.sampled_from(["welch", "mann-whitney"]))
def test_swapping_the_groups_turns_the_effect_round_and_not_the_p(
    a: list[float], b: list[float], test: str
) -> None:
    one, other = compare(a, b, test), compare(b, a, test)
    assert one.difference == pytest.approx(-other.difference)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-6)
    assert one.p == pytest.approx(other.p, nan_ok=True, abs=1e-9)
    assert math.isnan(one.p) or 0 <= one.p <= 1
    assert one.low <= one.difference <= one.high


def test_the_bootstrap_comes_near_the_t_test_and_is_the_same_each_time() -> None:
    found = compare(ADAM, SGD, "bootstrap")
    welch = compare(ADAM, SGD)
    assert found == compare(ADAM, SGD, "bootstrap")
    assert found.statistic == pytest.approx(welch.difference)
    assert (found.low, found.high) == pytest.approx((welch.low, welch.high), abs=0.006)
    assert found.p < 0.01
    assert compare(ADAM, [*ADAM, 0.9], "bootstrap").p > 0.5


def test_what_is_no_number_is_left_out_and_in_pairs_its_partner_too() -> None:
    found = compare([1.0, 2.0, MISSING, 4.0], [2.0, math.nan, 3.0, 7.0, None])
    assert (found.n_a, found.n_b) == (3, 3)
    found = compare([1.0, 2.0, MISSING, 4.0], [2.0, math.nan, 3.0, 7.0], "paired-t")
    assert (found.n_a, found.n_b, found.difference) == (2, 2, -2.0)


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize(
    ("a", "b"), [([], []), ([1], [2]), ([1, 1], [1, 1]), (["x", None], [1, 2]), ([math.inf, 1], [2, 3])]
)
def test_what_cannot_be_tested_is_said_and_not_made_up(test: str, a: list[Any], b: list[Any]) -> None:
    found = compare(a, b, test)
    if not math.isnan(found.p):  # a test of ranks has something to say even then
        assert test in ("mann-whitney", "wilcoxon")
        assert found.p > 0.05
    else:
        assert "cannot tell" in found.sentence


def test_the_sentence_names_the_test_the_groups_and_the_effect() -> None:
    found = compare(ADAM, SGD, labels=("adam", "sgd"))
    assert found.sentence == (
        "adam: 0.9138 ± 0.0095 (n = 8), sgd: 0.8862 ± 0.016 (n = 8); "
        "difference 0.0275 (95% CI 0.01292 to 0.04208); Welch's t-test: t = 4.137, p = 0.0016"
    )
    assert "p < 0.0001" in compare([1, 2, 3, 2], [101, 102, 103, 102]).sentence
    assert "b: no numbers" in compare([1, 2], []).sentence


def test_pairs_have_to_be_pairs() -> None:
    for test in PAIRED:
        with pytest.raises(UsageError, match="compares pairs, and there are 2 and 1 values"):
            compare([1, 2], [1], test)


def test_a_test_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no test 'welsh'; did you mean 'welch'"):
        compare([1, 2], [3, 4], "welsh")


def test_a_comparison_is_printed_as_its_sentence() -> None:
    found = compare([1, 2, 3], [4, 5, 6])
    assert str(found) == found.sentence
    assert str(replace(found, of="ACC")) == f"ACC: {found.sentence}"
