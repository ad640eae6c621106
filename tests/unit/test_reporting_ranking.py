"""Which results are best, and what repetitions have in common."""

from __future__ import annotations

import math
import random
import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.events import ExperimentFinished
from coolrunner.reporting import ranking as ranking_module
from coolrunner.reporting.ranking import Measure, Ranking


def finished(
    index: int, inputs: dict[str, Any] | None = None, differing: dict[str, Any] | None = None, **results: Any
) -> ExperimentFinished:
    inputs = {"Name": "svm", **(inputs if inputs is not None else {"C": index})}
    record = {**inputs, "REP": 0, "RND_IDX": 100_000 + index, **results, "ID": f"id{index}", "HOST": "here"}
    record |= {"STARTED": f"2026-01-01T00:00:{index}", "TIME_ELAPSED": index / 7, "RUN": f"runs/{index}"}
    return ExperimentFinished(
        index, f"id{index}", "svm", record, list(results), 1.0, "log.yaml", differing or {}
    )


def ranked(*events: ExperimentFinished) -> Ranking:
    ranking = Ranking()
    for event in events:
        ranking.add(event)
    return ranking


@pytest.mark.parametrize(
    ("results", "key"),
    [
        ({"EPOCHS": 10, "ACCURACY": 0.9}, "ACCURACY"),
        ({"LOSS": 0.1, "ACC": 0.9}, "ACC"),
        ({"TRAIN_ACC": 0.9, "TEST_ACC": 0.9}, "TEST_ACC"),
        ({"TRAIN_ACC": 0.9, "TEST_LOSS": 0.9}, "TEST_LOSS"),
        ({"MY_OWN": 1, "OTHER": 2}, "MY_OWN"),
        ({"FIT_TIME": 1.0}, "FIT_TIME"),
        ({"NOTE": "text", "FINE": True, "LIST": [1.0]}, ""),
        ({}, ""),
    ],
)
def test_the_result_that_ranks_is_the_one_a_person_would_choose(results: dict[str, Any], key: str) -> None:
    assert ranked(finished(0, **results)).key() == key


def test_a_result_that_few_experiments_wrote_does_not_rank() -> None:
    events = [finished(index, SCORE=index) for index in range(5)]
    assert ranked(finished(9, ACCURACY=1.0, SCORE=0), *events).key() == "SCORE"


@given(st.lists(st.floats(allow_infinity=False), min_size=1, max_size=80), st.sampled_from(["ACC", "LOSS"]))
def test_the_rows_are_the_best_of_all_in_order(values: list[float], key: str) -> None:
    rows = ranked(*(finished(index, **{key: value}) for index, value in enumerate(values))).rows()
    sign = 1 if key == "LOSS" else -1

    def place(index: int) -> tuple[bool, float, int]:
        value = values[index]
        return (True, 0.0, index) if math.isnan(value) else (False, sign * value, index)

    expected = sorted(range(len(values)), key=place)[:20]
    assert [row.index for row in rows] == expected


def test_without_numbers_the_first_experiments_are_shown() -> None:
    assert [row.index for row in ranked(*(finished(index) for index in range(30))).rows()] == list(range(20))


def test_experiments_without_the_result_that_ranks_come_last() -> None:
    rows = ranked(finished(0), finished(1, ACC=0.5), finished(2, ACC=0.7)).rows()
    assert [row.index for row in rows] == [2, 1, 0]


def test_repetitions_are_a_group_with_mean_and_deviation() -> None:
    """CR-02."""
    events = [
        finished(3 * c + rep, {"C": c, "seed": rep, "data": {"seed": rep, "size": 5}}, ACC=c + rep / 10)
        for c in (1, 2)
        for rep in range(3)
    ]
    ranking = ranked(*events)
    assert ranking.repeated
    best, other = ranking.groups()
    assert (best.first.record["C"], best.count, best.indices) == (2, 3, [6, 7, 8])
    assert best.measures["ACC"].mean == pytest.approx(2.1)
    assert best.measures["ACC"].deviation == pytest.approx(0.1)
    assert other.count == 3


@pytest.mark.parametrize("inputs", [{"C": 1.0}, {"C": True}, {"C": "1"}, {"C": 1, "d": {"x": 2}}])
def test_settings_that_differ_in_value_or_type_are_no_repetitions(inputs: dict[str, Any]) -> None:
    assert not ranked(finished(0, {"C": 1}, ACC=1.0), finished(1, inputs, ACC=1.0)).repeated


@given(st.lists(st.floats(-1e6, 1e6), min_size=2))
def test_mean_and_deviation_are_those_of_the_textbook(values: list[float]) -> None:
    measure = Measure()
    for value in values:
        measure.add(value)
    assert measure.mean == pytest.approx(statistics.fmean(values), abs=1e-6)
    assert measure.deviation == pytest.approx(statistics.stdev(values), abs=1e-3)


def test_too_many_groups_become_single_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking_module, "GROUP_LIMIT", 10)
    ranking = ranked(*(finished(index, {"C": index // 2}, ACC=index) for index in range(40)))
    assert not ranking.repeated
    assert [row.index for row in ranking.rows()] == list(range(39, 19, -1))


def test_only_keys_that_really_differ_among_what_finished_are_reported() -> None:
    events = [
        finished(0, differing={"C": 1, "kernel": "rbf", "same": 5}),
        finished(1, differing={"C": 2, "same": 5}),
    ]
    assert ranked(*events).differing == ["C", "kernel"]


def test_what_is_kept_of_many_experiments_is_little() -> None:
    ranking = Ranking()
    order = list(range(30_000))
    random.Random(1).shuffle(order)
    for index in order:
        ranking.add(finished(index, ACC=index, LOSS=index))
    assert [row.index for row in ranking.rows()] == list(range(29_999, 29_979, -1))
    assert ranking.count == 30_000
    kept = [value for value in vars(ranking).values() if hasattr(value, "__len__")]
    assert sum(map(len, kept)) < 100
