"""What many results come to, as NumPy, SciPy and pandas see it too."""

from __future__ import annotations

import math
import statistics
import subprocess
import sys
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from coolrunner.errors import UsageError
from coolrunner.results.groups.statistics import (
    STATISTICS,
    aggregate,
    aggregate_groups,
    best,
    main_column,
    numbers,
    statistics_named,
)
from coolrunner.results.parts import MISSING

EVERY = [*STATISTICS, "count", "first", "last"]
reals = st.floats(-1e9, 1e9).map(lambda value: round(value, 6)) | st.integers(-(10**9), 10**9)
samples = st.lists(reals, min_size=2, max_size=40)
junk = st.sampled_from([MISSING, None, math.nan, "0.5", [1.0], {}, 1 << 2000])


def about(value: float) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-6)


@settings(deadline=None)  # SciPy is imported in it
@given(samples)
def test_the_statistics_are_those_of_numpy_and_scipy(values: list[float]) -> None:
    numpy = pytest.importorskip("numpy", reason="the extra [stats] is not installed")
    scipy = pytest.importorskip("scipy.stats", reason="the extra [stats] is not installed")
    found = aggregate(values, EVERY)
    array = numpy.asarray(values, dtype=float)
    assert found["mean"] == about(array.mean())
    assert found["std"] == about(array.std(ddof=1))
    assert found["sem"] == about(scipy.sem(array))
    low, high = scipy.t.interval(0.95, len(values) - 1, 0, max(scipy.sem(array), 1e-300))
    assert found["ci95"] == about((high - low) / 2)
    assert found["median"] == about(numpy.median(array))
    assert [found["q25"], found["q75"]] == [about(q) for q in numpy.quantile(array, [0.25, 0.75])]
    assert found["iqr"] == about(scipy.iqr(array))
    assert (found["min"], found["max"], found["sum"]) == (array.min(), array.max(), about(array.sum()))
    assert (found["n"], found["count"]) == (len(values), len(values))
    assert (found["first"], found["last"]) == (values[0], values[-1])


@given(samples)
def test_the_deviation_is_the_exact_one(values: list[float]) -> None:
    exact = statistics.stdev(map(float, values))
    assert aggregate(values, ["std"])["std"] == pytest.approx(exact, rel=1e-12, abs=1e-300)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_means_and_quartiles_lie_between_the_smallest_and_the_largest(values: list[float]) -> None:
    found = aggregate(values, ["min", "q25", "median", "mean", "q75", "max"])
    assert found["min"] <= found["q25"] <= found["median"] <= found["q75"] <= found["max"]
    assert found["min"] <= found["mean"] <= found["max"]


@given(samples, st.lists(junk, max_size=5), st.randoms(use_true_random=False))
def test_what_is_no_number_counts_for_nothing_but_count(
    values: list[Any], others: list[Any], order: Any
) -> None:
    mixed = [*values, *others]
    order.shuffle(mixed)
    names = [name for name in STATISTICS if name != "sum"]
    found, expected = aggregate(mixed, names), aggregate(values, names)
    assert found == {name: about(value) for name, value in expected.items()}
    assert aggregate(mixed, ["n", "count"]) == {"n": len(values), "count": len(values) + len(others)}


@given(samples, reals)
def test_the_deviation_does_not_change_when_all_values_move(values: list[float], by: float) -> None:
    moved = [value + by for value in values]
    assert aggregate(moved, ["std"])["std"] == pytest.approx(aggregate(values, ["std"])["std"], abs=1e-5)


@given(reals, st.integers(2, 30))
def test_equal_values_do_not_deviate(value: float, count: int) -> None:
    found = aggregate([value] * count, ["mean", "std", "sem", "iqr"])
    assert found == {"mean": value, "std": 0, "sem": 0, "iqr": 0}


def test_a_single_value_has_no_deviation_and_no_interval() -> None:
    found = aggregate([3], EVERY)
    assert {name for name in EVERY if found[name] is MISSING} == {"std", "sem", "ci95"}
    assert found["mean"] == found["median"] == 3


@pytest.mark.parametrize("values", [[], [MISSING, None], ["a", [1]], [math.nan]])
def test_of_no_numbers_nothing_can_be_said(values: list[Any]) -> None:
    found = aggregate(values, list(STATISTICS))
    assert found.pop("n") == 0
    assert set(found.values()) == {MISSING}


def test_truth_values_are_counted_as_zero_and_one() -> None:
    assert aggregate([True, True, False, True], ["mean", "min", "sum"]) == {"mean": 0.75, "min": 0, "sum": 3}


def test_integers_stay_integers_where_nothing_is_divided() -> None:
    large = (1 << 60) + 1
    found = aggregate([large, 1], ["sum", "min", "max"])
    assert found == {"sum": large + 1, "min": 1, "max": large}
    assert {type(value) for value in found.values()} == {int}


def test_first_and_last_pass_over_what_is_missing_and_take_texts() -> None:
    values = [MISSING, math.nan, "a", 1, "z", None]
    assert aggregate(values, ["first", "last", "count"]) == {"first": "a", "last": "z", "count": 6}
    assert aggregate([None], ["first"]) == {"first": MISSING}


@pytest.mark.parametrize(
    ("values", "mean", "std"),
    [
        ([1e308, 1e308, 1.7e308], 1.2333333333333333e308, 4.0414518843273804e307),
        ([1e-200, 3e-200], 2e-200, 1.4142135623730951e-200),
        ([1e200, -1e200], 0.0, 1.414213562373095e200),
        ([1e16, 1e16 + 2], 1e16, math.sqrt(2)),
    ],
)
def test_very_large_and_very_small_numbers_are_no_trouble(
    values: list[float], mean: float, std: float
) -> None:
    found = aggregate(values, ["mean", "std"])
    assert found["mean"] == pytest.approx(mean, rel=1e-12)
    assert found["std"] == pytest.approx(std, rel=1e-12)


@pytest.mark.parametrize(
    ("values", "mean"),
    [([math.inf, 1], math.inf), ([-math.inf, 1], -math.inf), ([math.inf, -math.inf], math.nan)],
)
def test_infinities_count(values: list[float], mean: float) -> None:
    found = aggregate([*values, 2.0], EVERY)
    assert found["mean"] == pytest.approx(mean, nan_ok=True)
    assert found["sum"] == pytest.approx(mean, nan_ok=True)
    assert math.isnan(found["std"])
    assert found["n"] == 3
    assert math.isinf(found["max"]) or math.isinf(found["min"])


def test_names_of_statistics_come_from_a_command_line_or_a_list() -> None:
    assert statistics_named("mean, std,,mean") == ["mean", "std"]
    assert statistics_named(["n", "ci95"]) == ["n", "ci95"]


def test_a_statistic_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="no statistic 'medain'; did you mean 'median'"):
        aggregate([1], "mean,medain")
    with pytest.raises(UsageError, match="there are mean, std, sem"):
        aggregate([1], "xyz")


def test_each_group_has_its_own_statistics() -> None:
    table = aggregate_groups({"ACC": [1, 2, 3, "x"]}, [[0, 2], [1], [3]], "mean,n")
    assert table == {"ACC": {"mean": [2.0, 2.0, MISSING], "n": [2, 1, 0]}}


@given(st.lists(reals | junk), st.booleans(), st.integers(0, 10))
def test_the_best_come_first_and_what_is_no_number_last(values: list[Any], largest: bool, count: int) -> None:
    order = best(values, largest=largest)
    assert sorted(order) == list(range(len(values)))
    assert best(values, count, largest=largest) == order[:count]
    ranked = [values[place] for place in order]
    found = numbers(ranked)
    assert ranked[: len(found)] == found == sorted(found, reverse=largest)
    for one, other in pairwise(order):
        if values[one] == values[other] or not numbers([values[one]]):
            assert one < other


def test_the_name_says_whether_more_is_better() -> None:
    assert best([1, 3, 2], name="ACC") == [1, 2, 0]
    assert best([1, 3, 2], name="TEST_LOSS") == [0, 2, 1]


@pytest.mark.parametrize(
    ("columns", "name"),
    [
        ({"LOSS": [1.0, 2.0], "ACC": [0.5, 0.6]}, "ACC"),
        ({"LOSS": [1.0, 2.0, 3.0], "ACC": [0.5, MISSING, None]}, "LOSS"),
        ({"SOLVED": [True, False], "NOTE": ["a", "b"]}, ""),
        ({"X": [math.nan, 1], "NOTE": ["a", "b"]}, "X"),
        ({}, ""),
    ],
)
def test_the_result_that_ranks_is_one_that_most_have(columns: dict[str, list[Any]], name: str) -> None:
    assert main_column(columns) == name


@settings(deadline=None)  # pandas is imported in it
@given(st.lists(st.floats(allow_nan=True, allow_infinity=False, width=32), min_size=1, max_size=20))
def test_pandas_says_the_same_of_values_with_gaps(values: list[float]) -> None:
    pandas = pytest.importorskip("pandas", reason="the extra [frame] is not installed")
    assume(any(value == value for value in values))
    found, series = aggregate(values, ["mean", "std", "median", "min", "n"]), pandas.Series(values)
    for name in ("mean", "std", "median", "min"):
        expected = getattr(series, name)()
        value = math.nan if found[name] is MISSING else found[name]
        assert value == pytest.approx(expected, rel=1e-5, abs=1e-6, nan_ok=True)
    assert found["n"] == series.count()


def test_a_mean_needs_neither_numpy_nor_scipy() -> None:
    code = (
        "import sys; from coolrunner.results.groups.statistics import aggregate;"
        "aggregate([1, 2], 'mean,std,median');"
        "import coolrunner.results.groups.repeats, coolrunner.results.groups.comparing;"
        "sys.exit(any(name in sys.modules for name in ('numpy', 'scipy', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
