"""Distributions: what a person writes, what is drawn, and what is said of a wrong one."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.definition.sweeps.distributions import (
    Choice,
    Distribution,
    DistributionError,
    Int,
    LogInt,
    LogNormal,
    LogUniform,
    Normal,
    QUniform,
    Uniform,
    looks_like_one,
    parse_distribution,
    shielded,
    unshielded,
)

WRITTEN = {
    "uniform(0, 0.5)": Uniform(0, 0.5),
    "loguniform(1e-5, 1e-1)": LogUniform(1e-5, 0.1),
    "quniform(0, 1, 0.25)": QUniform(0, 1, 0.25),
    "int(1, 6)": Int(1, 6),
    "int(2, 10, 2)": Int(2, 10, 2),
    "logint(1, 1024)": LogInt(1, 1024),
    "normal(0, 1)": Normal(0, 1),
    "lognormal(0, 1)": LogNormal(0, 1),
    "choice([64, 128])": Choice((64, 128)),
    "choice(relu, gelu)": Choice(("relu", "gelu")),
    "choice([[1, 2], {a: 1}], null)": Choice(([[1, 2], {"a": 1}], None)),
    "  uniform ( -1 , 1 )  ": Uniform(-1, 1),
}
BOUNDS = st.floats(-1e6, 1e6).map(lambda number: float(f"{number:.6g}"))


@pytest.mark.parametrize("text", WRITTEN)
def test_a_distribution_is_read_as_it_is_written(text: str) -> None:
    assert parse_distribution(text) == WRITTEN[text]


@pytest.mark.parametrize("text", WRITTEN)
def test_what_is_read_is_written_so_that_it_reads_the_same(text: str) -> None:
    assert parse_distribution(str(WRITTEN[text])) == WRITTEN[text]


def test_what_is_drawn_stays_the_same_for_ever() -> None:
    drawn = {text: parse_distribution(text).draw(random.Random(7)) for text in list(WRITTEN)[:10]}
    assert drawn == {
        "uniform(0, 0.5)": 0.161916382417,
        "loguniform(1e-5, 1e-1)": 0.000197392687197,
        "quniform(0, 1, 0.25)": 0.25,
        "int(1, 6)": 2,
        "int(2, 10, 2)": 4,
        "logint(1, 1024)": 6,
        "normal(0, 1)": 0.516166163357,
        "lognormal(0, 1)": 1.67559137615,
        "choice([64, 128])": 64,
        "choice(relu, gelu)": "relu",
    }


@given(low=BOUNDS, high=BOUNDS, seed=st.integers(0, 2**32))
def test_what_is_drawn_is_within_its_bounds(low: float, high: float, seed: int) -> None:
    low, high = min(low, high), max(low, high) + 1
    generator = random.Random(seed)
    for distribution in (Uniform(low, high), LogUniform(abs(low) + 1e-9, abs(low) + high - low)):
        assert distribution.low <= distribution.draw(generator) <= distribution.high
    whole = Int(math.floor(low), math.floor(high), 1)
    assert whole.low <= whole.draw(generator) <= whole.high


@given(low=st.integers(1, 50), more=st.integers(1, 50), step=st.integers(1, 9), seed=st.integers(0, 2**32))
def test_what_can_be_counted_draws_one_of_its_values(low: int, more: int, step: int, seed: int) -> None:
    generator = random.Random(seed)
    step = min(step, more)
    countable: list[Distribution] = [
        Int(low, low + more, step),
        LogInt(low, low + more),
        QUniform(low / 10, (low + more) / 10, step / 10),
        Choice(tuple(range(more))),
    ]
    for distribution in countable:
        assert distribution.count
        values = [distribution.value(index) for index in range(distribution.count)]
        assert distribution.draw(generator) in values
        with pytest.raises(IndexError):
            distribution.value(distribution.count)


def test_steps_are_the_decimals_that_a_person_would_write() -> None:
    tenths = QUniform(0.1, 0.75, 0.1)
    assert [tenths.value(index) for index in range(7)] == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert tenths.count == 7


def test_both_ends_of_whole_numbers_come_up_and_each_as_often() -> None:
    generator = random.Random(0)
    drawn = Counter(Int(1, 4).draw(generator) for _ in range(4000))
    assert set(drawn) == {1, 2, 3, 4}
    assert all(850 < count < 1150 for count in drawn.values())


def test_logarithmic_numbers_are_as_often_in_each_order_of_magnitude() -> None:
    generator = random.Random(0)
    orders = Counter(math.floor(math.log10(LogUniform(1e-4, 1).draw(generator))) for _ in range(4000))
    assert all(850 < orders[order] < 1150 for order in (-4, -3, -2, -1))
    low = sum(LogInt(1, 1000).draw(generator) <= 31 for _ in range(2000))
    assert 900 < low < 1300


def test_normal_numbers_have_their_mean_and_deviation() -> None:
    generator = random.Random(0)
    drawn = [Normal(3, 2).draw(generator) for _ in range(4000)]
    mean = sum(drawn) / len(drawn)
    assert abs(mean - 3) < 0.15
    assert abs(math.sqrt(sum((x - mean) ** 2 for x in drawn) / len(drawn)) - 2) < 0.15
    assert all(LogNormal(900, 5).draw(generator) < math.inf for _ in range(20))


def test_a_list_that_was_chosen_is_its_owners() -> None:
    choice = parse_distribution("choice([[1, 2]], [3])")
    choice.value(0).append("changed")
    assert choice.value(0) == [[1, 2]]


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("unifrom(0, 1)", 0, "there is no distribution unifrom|did you mean uniform?"),
        ("log_uniform(1, 2)", 0, "did you mean loguniform?"),
        ("range(1, 2)", 0, "did you mean int?"),
        ("uniform(1, 0)", 8, "its low end 1 is above its high end 0"),
        ("uniform(1, 1)", 11, "both 1: there is nothing to choose from|write the value alone"),
        ("uniform(0, 1", 12, "its closing parenthesis is missing|put quotes around it"),
        ("uniform(0)", 8, "2 arguments were expected, there is 1|write uniform(low, high)"),
        ("int(1, 2, 3, 4)", 4, "2 or 3 arguments were expected, there are 4"),
        ("uniform(0, b)", 11, "high is 'b'; a number was expected"),
        ("uniform(0, true)", 11, "high is true; a number was expected"),
        ("uniform(0, .inf)", 11, "high is inf; a number was expected"),
        ("loguniform(0, 1)", 11, "low is 0; a number above zero was expected|zero has no logarithm"),
        ("logint(0, 9)", 7, "low is 0; a number above zero"),
        ("int(1.5, 2)", 4, "low is 1.5; a whole number was expected"),
        ("int(1, 3, 5)", 10, "step is 5, more than the whole range of 2"),
        ("quniform(0, 1, -1)", 15, "step is -1; a number above zero"),
        ("quniform(0, 1, 2)", 15, "step is 2, more than the whole range of 1"),
        ("normal(0, 0)", 10, "deviation is 0; a number above zero"),
        ("choice()", 7, "nothing to choose from"),
        ("choice([])", 7, "nothing to choose from"),
        ("choice([1, 2)", 7, "its arguments cannot be read"),
        ("uniform(0, 1) + 1", 14, "'+ 1' stands behind the distribution"),
        ("0.1", 0, "a distribution was expected"),
        ("uniform", 0, "a distribution was expected|write one such as uniform(0, 1)"),
    ],
)
def test_a_wrong_distribution_is_told_with_its_place(text: str, place: int, said: str) -> None:
    with pytest.raises(DistributionError) as error:
        parse_distribution(text)
    for part in said.split("|"):
        assert part in f"{error.value.message} {error.value.hint}"
    assert error.value.place == place


@given(st.text("uniform()[]{},0123456789.e- '\"#:", max_size=30))
def test_no_text_is_worse_than_wrong(text: str) -> None:
    for written in (text, f"uniform({text})", f"choice({text})", f"int({text})"):
        try:
            parsed = parse_distribution(written)
        except DistributionError as error:
            assert 0 <= error.place <= len(written) + 1
        else:
            assert parse_distribution(str(parsed)) == parsed or "nan" in str(parsed)


def test_what_begins_like_a_call_is_taken_for_a_distribution() -> None:
    assert looks_like_one("uniform(0, 1)")
    assert looks_like_one("loguniform(1e-5")
    assert not looks_like_one("relu")
    assert not looks_like_one([1, 2])


def test_distributions_can_be_written_inside_braces() -> None:
    text = "{a.lr: loguniform(1e-5, 1e-1), w: choice([64, {k: 1}]), n: [int(1, 6), 'int(1, 2)'], x: f(1)}"
    assert len(shielded(text)) == len(text)
    assert unshielded(shielded(text)) == text
    assert unshielded(yaml.safe_load(shielded(text))) == {
        "a.lr": "loguniform(1e-5, 1e-1)",
        "w": "choice([64, {k: 1}])",
        "n": ["int(1, 6)", "int(1, 2)"],
        "x": "f(1)",
    }


def test_a_shielded_distribution_is_read_too() -> None:
    assert parse_distribution(shielded("choice([64, 128])")) == Choice((64, 128))


def test_texts_that_only_mention_a_distribution_stay_what_they_are() -> None:
    for text in (
        "Name: 'uniform(0, 1)'",
        "x: parse np.random.uniform(0, 1)",
        "# int(1, 2)\na: 1",
        "a: myint(1)",
    ):
        assert unshielded(yaml.safe_load(shielded(text))) == yaml.safe_load(text)
