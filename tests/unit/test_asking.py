"""Questions to rows: which of them, in which order, the best of them, and what groups of them come to."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coolrunner.errors import QueryError, UsageError
from coolrunner.results.annotations import MARKS, TAGS
from coolrunner.results.asking import (
    arranged,
    ask,
    narrowed,
    newest_first,
    ranking_result,
)
from coolrunner.results.joining import joined
from coolrunner.results.naming import key_named, unknown_keys
from coolrunner.results.parts import MISSING, Role
from coolrunner.results.query import parse_query
from coolrunner.results.rows import Rows, find_rows
from coolrunner.results.showing.choosing import all_headings, cells, headings_named, telling_headings
from coolrunner.results.showing.digits import Spread, aligned, rounded, with_spread
from coolrunner.results.showing.summaries import summarise
from coolrunner.yamlio import dump

RUNS: list[dict[str, Any]] = [
    {"Name": "a", "optimizer": {"name": "adam", "lr": 0.1}, "seed": 0, "ACC": 0.9, "LOSS": 3},
    {"Name": "b", "optimizer": {"name": "sgd", "lr": 0.1}, "seed": 0, "ACC": 0.5, "LOSS": 1},
    {"Name": "c", "optimizer": {"name": "adam", "lr": 0.2}, "seed": 1, "LOSS": 2},
    {"Name": "d", "optimizer.lr": 7, "seed": 1, "ACC": "broke", "LOSS": 4.5},
]


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Rows]:
    with rows_of(tmp_path, *RUNS) as found:
        yield found


def rows_of(folder: Path, *experiments: dict[str, Any]) -> Rows:
    """Return rows as they come of a log."""
    text = "".join(f"---\n{dump(experiment)}...\n" for experiment in experiments)
    (folder / "log.yaml").write_text(text, encoding="utf-8")
    return joined(find_rows([str(folder)], cache="never"))


def names(rows: Rows) -> str:
    return "".join(rows.column(("Name",)))


@contextlib.contextmanager
def refused(text: str) -> Iterator[None]:
    with pytest.raises(UsageError, match=re.escape(text)):
        yield


# --- which -----------------------------------------------------------------------------------------


def test_all_questions_have_to_be_true(rows: Rows) -> None:
    assert names(narrowed(rows, where="LOSS > 1")) == "acd"
    assert names(narrowed(rows, where=["LOSS > 1", "optimizer.name == 'adam'"])) == "ac"
    assert names(narrowed(rows, where=["LOSS > 1", "optimizer.name == 'adam'", "has(ACC)"])) == "a"
    assert names(narrowed(rows)) == "abcd"


def test_a_key_is_found_nested_and_flat(rows: Rows) -> None:
    assert names(narrowed(rows, where="optimizer.lr > 0.1")) == "cd"


def test_a_question_may_look_at_a_row_as_a_whole(rows: Rows) -> None:
    assert names(narrowed(rows, where="'ACC' in exp")) == "abd"
    assert names(narrowed(rows, where="1 < 2")) == "abcd"


def test_a_question_that_fails_names_the_row(rows: Rows) -> None:
    with pytest.raises(QueryError, match=r"(?s)--where 'ACC > 0.1' fails on .*log.yaml:\d+: .*--skip-errors"):
        narrowed(rows, where="ACC > 0.1")
    assert names(narrowed(rows, where="ACC > 0.1", skip_errors=True)) == "ab"


def test_a_key_that_no_row_has_is_told_with_the_one_that_may_be_meant(rows: Rows) -> None:
    assert unknown_keys(rows, [parse_query("ACCC > 1 and LOSS > 1")]) == [
        "no result has ACCC; did you mean ACC?"
    ]
    assert unknown_keys(rows, [parse_query("lr > 1")]) == ["no result has lr; did you mean optimizer.lr?"]
    assert unknown_keys(rows, [parse_query("optimizer.lr > 1 or optimizer != None")]) == []


def test_rows_are_chosen_by_how_they_stand(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, *RUNS)
    assert names(narrowed(rows, status="done")) == "abcd"
    assert len(narrowed(rows, status=["failed", "lost"])) == 0
    with refused("nothing is 'fialed'; did you mean failed"):
        narrowed(rows, status="fialed")


def test_a_mark_stands_for_those_that_are_nested_in_it(rows: Rows) -> None:
    marks: list[Any] = [["good"], ["good/best", "old"], MISSING, ["goodness"]]
    rows = rows.with_columns({MARKS: (Role.INFO, marks), TAGS: (Role.INFO, [["x"], MISSING, ["x"], MISSING])})
    assert names(narrowed(rows, marked="good")) == "ab"
    assert names(narrowed(rows, marked="good/")) == "ab"
    assert names(narrowed(rows, marked="")) == "abd"
    assert names(narrowed(rows, tag="x")) == "ac"
    with refused("no result has the mark 'goood'; did you mean good?"):
        narrowed(rows, marked="goood")


def test_a_mark_where_there_are_none(rows: Rows) -> None:
    with refused("none has any"):
        narrowed(rows, tag="x")


# --- in which order --------------------------------------------------------------------------------


def test_the_newest_come_first_whatever_their_zones(tmp_path: Path) -> None:
    times = [
        "2026-11-21T10:00:00+00:00",
        "2026-11-21T10:30:00+01:00",
        None,
        "2026-11-21T10:00:00.5+00:00",
        "no time",
        "2026-11-21T10:00:00+00:00",
    ]
    experiments = [
        {"Name": name, **({"STARTED": time} if time else {})}
        for name, time in zip("abcdef", times, strict=True)
    ]
    assert names(newest_first(rows_of(tmp_path, *experiments))) == "dfabec"


def test_the_last_of_a_file_comes_first_where_no_time_is_known(rows: Rows) -> None:
    assert names(ask(rows)) == "dcba"


def test_rows_are_sorted_by_a_key_or_an_expression(rows: Rows) -> None:
    assert names(arranged(rows, sort="LOSS")) == "bcad"
    assert names(arranged(rows, sort="LOSS", reverse=True)) == "dacb"
    assert names(arranged(rows, sort="-LOSS")) == "dacb"
    assert names(arranged(rows, sort=["LOSS", "seed"])) == "bacd"
    assert names(arranged(rows, sort="LOSS", top=2)) == "bc"


def test_what_has_no_value_is_sorted_last_in_either_direction(rows: Rows) -> None:
    assert names(arranged(rows, sort="ACC")) == "badc"
    assert names(arranged(rows, sort="ACC", reverse=True)) == "dabc"


def test_a_key_with_a_slash_is_a_key_and_no_division(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, {"Name": "a", "val/acc": 2}, {"Name": "b", "val/acc": 1})
    assert names(arranged(rows, sort="val/acc")) == "ba"
    assert names(arranged(rows, by="val/acc")) == "ab"


def test_to_sort_by_a_key_that_no_row_has_is_an_error(rows: Rows) -> None:
    with refused("--sort acc: no result has acc; did you mean ACC?"):
        arranged(rows, sort="acc")
    with refused("--by loss: no result has this key; did you mean LOSS?"):
        arranged(rows, by="loss")


def test_the_best_are_the_largest_unless_the_name_or_a_person_says_otherwise(rows: Rows) -> None:
    assert names(arranged(rows, by="ACC")) == "abcd"
    assert names(arranged(rows, by="LOSS")) == "bcad"
    assert names(arranged(rows, by="LOSS", largest=True)) == "dacb"


def test_what_has_no_number_is_none_of_the_best(rows: Rows) -> None:
    assert names(arranged(rows, by="ACC", top=3)) == "ab"
    assert names(arranged(rows, by="LOSS", top=3)) == "bca"
    with refused("--by Name: this is no number in any of 4 results"):
        arranged(rows, by="Name")


def test_nan_is_none_of_the_best(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, {"Name": "a", "ACC": float("nan")}, {"Name": "b", "ACC": 0.1})
    assert names(arranged(rows, by="ACC")) == "ba"
    assert names(arranged(rows, by="ACC", top=2)) == "b"


def test_without_a_key_the_main_result_ranks(rows: Rows) -> None:
    assert ranking_result(rows) == "ACC"
    assert names(arranged(rows, top=1)) == "a"


def test_a_result_that_hardly_any_row_has_does_not_rank(tmp_path: Path) -> None:
    experiments = [{"Name": "a", "LOSS": number} for number in range(9)]
    assert ranking_result(rows_of(tmp_path, *experiments, {"Name": "a", "ACC": 1})) == "LOSS"


def test_where_there_is_no_number_nothing_ranks(tmp_path: Path) -> None:
    with refused("no result is a number that could rank them; --by KEY"):
        arranged(rows_of(tmp_path, {"Name": "a"}), top=3)


def test_no_rows_can_be_asked_anything(rows: Rows) -> None:
    assert len(ask(rows, where="LOSS > 100", by="ACC", top=3)) == 0
    assert len(ask(rows, where="LOSS > 100", sort="ACC")) == 0
    assert len(ask(rows, where="LOSS > 100")) == 0


def test_a_key_that_is_not_there_is_answered_with_those_that_are(rows: Rows) -> None:
    with refused("no result has this key; there are Name, optimizer.name"):
        key_named(rows, "zzz", "--by")


# --- which columns ---------------------------------------------------------------------------------


def test_a_person_sees_what_differs_and_the_results(tmp_path: Path) -> None:
    rows = rows_of(
        tmp_path,
        {"Name": "a", "lr": 1, "same": 1, "layers": [1], "_h": 1, "ACC": 1, "LIST": [1]},
        {"Name": "a", "lr": 2, "same": 1, "layers": [1], "_h": 2, "ACC": 1, "LIST": [2]},
    )
    assert [heading.name for heading in telling_headings(rows)] == ["Name", "lr", "_h", "ACC"]
    assert [heading.name for heading in telling_headings(rows.take([0]))] == [
        *("Name", "lr", "same", "layers", "_h", "ACC")
    ]


def test_columns_are_named_by_keys_patterns_and_what_is_around_them(rows: Rows) -> None:
    def named(text: str) -> list[str]:
        return [heading.name for heading in headings_named(rows, text)]

    assert named("ACC,Name,ACC") == ["ACC", "Name"]
    assert named("optimizer") == ["optimizer.name", "optimizer.lr"]
    assert named("*e*") == ["Name", "optimizer.name", "optimizer.lr", "seed"]
    assert named("id, place") == ["id", "place"]
    assert named("all") == [heading.name for heading in all_headings(rows)]


def test_a_column_that_no_row_has_is_an_error(rows: Rows) -> None:
    with refused("--columns lr: no result has this key; did you mean optimizer.lr"):
        headings_named(rows, "Name,lr")
    with refused("--group-by x*: no result has a key like this"):
        headings_named(rows, "x*", "--group-by")


def test_a_column_that_only_other_rows_have_is_empty(rows: Rows) -> None:
    few = rows.take([2])
    headings = headings_named(few, "ACC,place", among=rows)
    ((value, place),) = cells(few, headings)
    assert value is MISSING
    assert place.endswith("log.yaml:20")


def test_a_key_is_one_column_be_it_nested_or_flat(rows: Rows) -> None:
    assert [value for (value,) in cells(rows, headings_named(rows, "optimizer.lr"))] == [0.1, 0.1, 0.2, 7]
    assert names(arranged(rows, by="optimizer.lr", top=2)) == "dc"
    assert names(arranged(rows, sort="optimizer.lr", reverse=True)) == "dcab"


def test_cells_come_piece_by_piece_and_in_order(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, *({"n": number} for number in range(4500)))
    assert [value for (value,) in cells(rows, headings_named(rows, "n"))] == list(range(4500))


# --- groups ----------------------------------------------------------------------------------------

REPEATED = [
    {"Name": name, "seed": seed, "REP": seed, "ACC": value, "note": "x"}
    for name, values in (("a", [1.0, 2.0, 3.0]), ("b", [5.0, None]))
    for seed, value in enumerate(values)
]


def test_repetitions_are_found_by_themselves(tmp_path: Path) -> None:
    summary = summarise(rows_of(tmp_path, *REPEATED), None, "mean,std,n")
    assert summary.keys == ["Name"]
    assert summary.values == [("a",), ("b",)]
    assert summary.sizes == [3, 2]
    assert summary.results == {"ACC": {"mean": [2.0, 5.0], "std": [1.0, MISSING], "n": [3, 1]}}


def test_groups_are_of_the_keys_that_are_named(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, *REPEATED)
    summary = summarise(rows, "seed", "max")
    assert summary.columns() == {"seed": [0, 1, 2], "count": [2, 2, 1], "ACC.max": [5.0, 2.0, 3.0]}
    with refused("--group-by sed: no result has this key; did you mean seed?"):
        summarise(rows, "sed", "max")
    with refused("there is no statistic 'maks'"):
        summarise(rows, None, "maks")


def test_the_best_group_has_the_best_mean(tmp_path: Path) -> None:
    summary = summarise(rows_of(tmp_path, *REPEATED), None, "std,mean")
    assert summary.best_first("ACC").values == [("b",), ("a",)]
    assert summary.best_first("ACC", largest=False, top=1).values == [("a",)]
    assert summary.sorted_by("Name", reverse=True).values == [("b",), ("a",)]
    assert summary.sorted_by("ACC").values == [("a",), ("b",)]
    with refused("--by ACCC: the groups have no such number; did you mean ACC?"):
        summary.best_first("ACCC")


def test_for_people_mean_and_deviation_are_one_column(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, *REPEATED)
    assert summarise(rows, None, "mean,std,n").compact() == {
        "Name": ["a", "b"],
        "ACC": [Spread("2.0", "1.0"), 5.0],
        "n": [3, 1],
    }
    assert summarise(rows, None, "median,n").compact() == {"Name": ["a", "b"], "ACC": [2.0, 5.0], "n": [3, 1]}
    assert list(summarise(rows, None, "mean,std,max").compact()) == ["Name", "ACC", "ACC max"]


# --- digits ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (0.0, "0"),
        (0.986133, "0.9861"),
        (1e-5, "1e-05"),
        (12345.678, "12345.7"),
        (1234567.8, "1.235e+06"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (-0.5, "-0.5"),
    ],
)
def test_a_number_has_four_digits_or_more(value: float, text: str) -> None:
    assert rounded(value) == text


def test_a_mean_has_the_decimals_of_two_digits_of_its_spread() -> None:
    assert with_spread(0.98613, 0.00312) == ("0.9861", "0.0031")
    assert with_spread(1234.5, 12.34) == ("1234", "12")
    assert with_spread(5.0, 0.0) == ("5", "0")
    assert with_spread(1e-9, 1e-10) == ("1e-09", "1e-10")
    assert with_spread(float("nan"), 1.0) == ("nan", "1")


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.96, 0.98667, 1.0], ["0.9600", "0.9867", "1.0000"]),
        ([64.0, 0.125], ["64", "0.125"]),
        ([2.94011, 0.000312345, 1.5], ["2.940", "0.0003123", "1.500"]),
        ([1e-5, 0.333333], ["1e-05", "0.3333"]),
        ([123456.789, 0.1234567], ["123457", "0.1235"]),
        ([float("nan"), 0.12345, 0.0], ["nan", "0.1235", "0.0000"]),
    ],
)
def test_measurements_have_the_same_decimals(values: list[float], texts: list[str]) -> None:
    assert list(map(aligned(values), values)) == texts


def test_a_heading_of_the_table_is_understood_only_where_no_row_has_such_a_key(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, *RUNS)
    assert len(narrowed(rows, where="status == 'done'")) == 4
    assert not unknown_keys(rows, [parse_query("status == 'done'")])
    assert unknown_keys(rows, [parse_query("started > ago('1h')")])
    rows = rows_of(tmp_path, *RUNS, {"Name": "e", "status": "bad", "ACC": 1})
    assert names(narrowed(rows, where="status == 'bad'")) == "e"
    assert names(narrowed(rows, where="status == 'done'")) == ""
    assert list(cells(rows, headings_named(rows, "status")))[-1] == ("bad",)


def test_a_column_of_the_table_can_be_named_though_no_row_has_anything_in_it(rows: Rows) -> None:
    headings = headings_named(rows, "Name,note,tags,status")
    assert [heading.name for heading in headings] == ["Name", "note", "tags", "status"]
    assert next(cells(rows, headings)) == ("a", MISSING, MISSING, "done")


def test_groups_without_a_number_of_what_is_summed_up_come_last(tmp_path: Path) -> None:
    rows = rows_of(
        tmp_path,
        {"lr": 1, "LOSS": 1},
        {"lr": 2, "ACC": "broke"},
        {"lr": 3, "ACC": 0.5},
        {"lr": 3, "ACC": 0.7},
    )
    summary = summarise(rows, "lr", "mean,n", "ACC")
    assert summary.values == [(3,), (1,), (2,)]
    assert summary.has_numbers == [True, False, False]
    assert summary.results["ACC"]["n"] == [2, 0, 0]
    assert summarise(rows, "lr", "mean").values == [(1,), (2,), (3,)]
