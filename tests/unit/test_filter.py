"""Choosing and ordering experiments, and the formats that they are written in."""

from __future__ import annotations

import csv
import datetime
import io
import json
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from coolrunner.cli.filter import convert_arg_line_to_args
from coolrunner.errors import QueryError
from coolrunner.results.filter import Selection, choose, compile_expression, select
from coolrunner.results.keywatch import KeyWatch, unknown_keys
from coolrunner.results.logs.reading import Entry
from coolrunner.results.query import KeyPath, lookup
from coolrunner.results.showing.formats import FORMATS, KeyChoice, flatten
from coolrunner.results.showing.table import fitted_table, plain_table
from coolrunner.yamlio import RawDocument, dump


def entry(value: dict[str, Any], number: int = 1) -> Entry:
    return Entry(value, RawDocument(dump(value), 10 * number, "", True), "log.yaml", number)


def entries(*values: dict[str, Any]) -> list[Entry]:
    return [entry(value, number) for number, value in enumerate(values, 1)]


def chosen(values: list[dict[str, Any]], *options: str, **more: Any) -> list[dict[str, Any]]:
    filters = [compile_expression(text, "--filter") for kind, text in map(split, options) if kind == "filter"]
    sorts = [compile_expression(text, "--sort") for kind, text in map(split, options) if kind == "sort"]
    return select(entries(*values), filters, sorts, lambda each: each.value, **more).kept


def split(option: str) -> list[str]:
    return option.split("=", 1)


def ids(values: list[dict[str, Any]]) -> str:
    return "".join(value["id"] for value in values)


RUNS = [
    {"id": "a", "ACC": 0.9, "model": "vgg"},
    {"id": "b", "model": "wrn"},
    {"id": "c", "ACC": 0.5, "model": "wrn"},
    {"id": "d", "ACC": None, "model": "vgg"},
    {"id": "e", "ACC": 0.7, "model": "vgg"},
]


# --- choosing --------------------------------------------------------------------------------------


def test_filters_apply_in_the_order_given() -> None:
    """CR-16: the second is shown only what passed the first."""
    assert ids(chosen(RUNS, "filter=ACC > 0.6", "filter=lambda exp: exp['ACC'] < 0.8")) == "e"
    assert ids(chosen(RUNS, "filter=lambda exp: exp.get('ACC')", "filter=lambda exp: exp.ACC < 0.8")) == "ce"


def test_a_lambda_sees_the_experiment_by_index_and_by_attribute_and_cannot_change_it() -> None:
    """CR-16."""
    values = [{"id": "a", "optimizer": {"lr": 0.1}, "layers": [1, 2]}]
    assert chosen(
        values, "filter=lambda exp: exp.optimizer.lr == exp['optimizer']['lr'] == 0.1 and 'id' in exp"
    )
    assert chosen(values, "filter=lambda exp: math.sqrt(4) == 2 and re.match('a', exp.id)")
    with pytest.raises(QueryError, match="read-only"):
        chosen(values, "filter=lambda exp: exp['layers'].append(3)")


def test_an_expression_that_fails_names_itself_the_experiment_and_the_place() -> None:
    """CR-16."""
    with pytest.raises(QueryError) as caught:
        chosen([{"Name": "vgg", "ID": "k7f3q2ma", "ACC": 1}], "filter=lambda exp: exp['ACCU'] > 0.9")
    assert str(caught.value).split("\n")[0] == (
        "--filter \"lambda exp: exp['ACCU'] > 0.9\" fails on experiment 'vgg' "
        "(ID k7f3q2ma, number 1 in its file, log.yaml:10): there is no key 'ACCU'; did you mean 'ACC'?"
    )
    with pytest.raises(QueryError, match="TypeError: '>' not supported"):
        chosen([{"ACC": "n/a"}], "filter=ACC > 0.9")
    with pytest.raises(QueryError, match=r"--sort .* fails on an experiment without a name"):
        chosen(RUNS, "sort=lambda exp: exp['ACC']")


def test_skip_errors_leaves_out_those_on_which_an_expression_fails() -> None:
    """CR-16."""
    filters = [compile_expression("lambda exp: exp['ACC'] > 0.6", "--filter")]
    selection = select(entries(*RUNS), filters, [], lambda each: each.value["id"], skip_errors=True)
    assert (selection.kept, selection.seen, selection.dropped) == (["a", "e"], 5, 2)


@pytest.mark.parametrize("text", ["lambda exp: exp[", "lambda exp: ", "lambda exp=nothing: exp"])
def test_a_lambda_that_is_no_python_is_an_error(text: str) -> None:
    with pytest.raises(QueryError, match="--filter"):
        compile_expression(text, "--filter")


# --- ordering --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "reverse", "expected"),
    [
        (["sort=ACC"], False, "ceabd"),
        (["sort=ACC"], True, "aecbd"),
        (["sort=lambda exp: exp.get('ACC')"], True, "aecbd"),
        (["sort=model"], False, "adebc"),
        (["sort=model"], True, "bcade"),
        (["sort=ACC", "sort=model"], False, "eadcb"),
        (["sort=ACC", "sort=model"], True, "cbaed"),
        (["sort=lambda exp: (exp['model'], exp['id'])"], True, "cbeda"),
        (["sort=-ACC"], False, "aecbd"),
    ],
)
def test_sorts_apply_in_the_order_given_each_stable_missing_values_last(
    options: list[str], reverse: bool, expected: str
) -> None:
    """CR-16."""
    assert ids(chosen(RUNS, *options, reverse=reverse)) == expected


mixed = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(),
    st.text("ab", max_size=2),
    st.dates(),
    st.datetimes(timezones=st.sampled_from([None, datetime.timezone.utc])),
    st.lists(st.one_of(st.none(), st.integers(), st.text("ab")), max_size=2),
    st.dictionaries(st.text("ab"), st.integers(), max_size=1),
)


@given(st.lists(mixed), st.booleans())
def test_values_of_any_types_can_be_sorted_and_what_has_no_value_comes_last(
    values: list[Any], reverse: bool
) -> None:
    """CR-16."""
    result = chosen(
        [{"key": value, "place": i} for i, value in enumerate(values)], "sort=key", reverse=reverse
    )
    assert sorted(value["place"] for value in result) == list(range(len(values)))
    absent = [value["key"] is None or value["key"] != value["key"] for value in result]
    assert absent == sorted(absent)
    last = [value["place"] for value, gone in zip(result, absent, strict=True) if gone]
    assert last == sorted(last)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3))), st.booleans())
def test_sorting_numbers_is_pythons_stable_sort(pairs: list[tuple[int, int]], reverse: bool) -> None:
    """CR-16."""
    values = [{"a": a, "b": b, "place": i} for i, (a, b) in enumerate(pairs)]
    expected = sorted(
        sorted(values, key=lambda v: v["a"], reverse=reverse), key=lambda v: v["b"], reverse=reverse
    )
    assert chosen(values, "sort=a", "sort=lambda exp: exp.b", reverse=reverse) == expected


def test_what_a_lambda_gives_has_to_be_sortable() -> None:
    with pytest.raises(QueryError, match=r"--sort .* cannot be sorted"):
        chosen(RUNS, "sort=lambda exp: object()")


# --- a table of which only columns are read ---------------------------------------------------------


class Columns:
    """A table made of experiments, which notes what is asked of it."""

    def __init__(self, experiments: list[dict[str, Any]]) -> None:
        self.experiments = experiments
        self.asked: list[KeyPath] = []
        self.whole = 0

    def __len__(self) -> int:
        return len(self.experiments)

    def table(self, paths: Sequence[KeyPath]) -> Iterator[tuple[Any, ...]]:
        self.asked += paths
        for experiment in self.experiments:
            yield tuple(lookup(experiment, path) for path in paths)

    def values(self) -> Iterator[dict[Any, Any]]:
        for position in range(len(self)):
            yield self.value(position)

    def value(self, position: int) -> dict[Any, Any]:
        self.whole += 1
        return self.experiments[position]


questions = st.sampled_from(
    [
        *(
            "a > 1",
            "a",
            "not b",
            "b in ['x', 1]",
            "'a' in exp",
            "has(c.d)",
            "c.d == a",
            "c ~ 'x'",
            "a / b > 0",
        ),
        *("len(exp) > 1", "lambda exp: exp['a'] > 0", "lambda exp: exp.get('b')", "c.d", "-a", "len(c)"),
    ]
)
few = st.one_of(st.none(), st.integers(-1, 2), st.sampled_from(["x", "y", math.nan, True]))
experiments = st.lists(
    st.fixed_dictionaries(
        {}, optional={"a": few, "b": few, "c": st.one_of(few, st.fixed_dictionaries({"d": few})), "c.d": few}
    ),
    max_size=6,
)


@given(
    experiments,
    st.lists(questions, max_size=2),
    st.lists(questions, max_size=2),
    st.booleans(),
    st.booleans(),
    st.none() | st.integers(0, 3),
)
def test_a_table_gives_what_its_experiments_give(
    values: list[dict[str, Any]],
    filters: list[str],
    sorts: list[str],
    reverse: bool,
    skip_errors: bool,
    first: int | None,
) -> None:
    """CR-16: and the same errors."""
    given_entries = entries(*values)
    tests = [compile_expression(text, "--filter") for text in filters]
    keys = [compile_expression(text, "--sort") for text in sorts]
    options: Any = {"reverse": reverse, "skip_errors": skip_errors}

    def told(call: Callable[[], Selection[int]]) -> Any:
        try:
            selection = call()
        except QueryError as error:
            return str(error)
        return selection.kept[:first], selection.seen, selection.dropped

    titles = [str(each) for each in given_entries]
    assert told(
        lambda: choose(Columns(values), tests, keys, titles.__getitem__, first=first, **options)
    ) == told(lambda: select(given_entries, tests, keys, lambda each: each.number - 1, **options))


def test_of_a_table_only_what_is_asked_for_is_read() -> None:
    table = Columns([{"a": i, "b": {"c": -i}, "d": 1} for i in range(5)])
    filters = [
        compile_expression("a > 1", "--filter"),
        compile_expression("lambda exp: exp.a > 2", "--filter"),
    ]
    sorts = [compile_expression("b.c", "--sort")]
    assert choose(table, filters[:1], sorts, str).kept == [4, 3, 2]
    assert (table.asked, table.whole) == ([("a",), ("b", "c")], 0)
    assert choose(table, filters, sorts, str, first=1).kept == [4]
    assert table.whole == 3


def test_questions_that_belong_together_have_one_now() -> None:
    at = datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.timezone.utc)
    values = [{"id": "a", "when": "2026-11-21T11:30Z"}, {"id": "b", "when": "2026-11-21T08:30Z"}]
    kept = select(entries(*values), [compile_expression("when > ago('3h')", "--filter", at)], [], lambda e: e)
    assert [each.value["id"] for each in kept.kept] == ["a"]


# --- keys that nobody has --------------------------------------------------------------------------


def test_a_key_that_no_experiment_has_is_named_with_the_nearest_one() -> None:
    """CR-16."""
    watch = KeyWatch(
        [("ACCURACYY",), ("optimizer", "lrr"), ("model",), ("optimizer", "lr"), ("a", "b"), ("NOTE",)]
    )
    for value in ({"model": "x", "a.b": 1, "NOTE": None}, {"ACCURACY": 1, "optimizer": {"lr": 1}}):
        watch.look(value)
    assert watch.warnings() == [
        "no experiment has ACCURACYY; did you mean ACCURACY?",
        "no experiment has optimizer.lrr; did you mean optimizer.lr?",
    ]
    assert KeyWatch([("ACC",)]).warnings() == []


@given(experiments, st.lists(st.sampled_from([("a",), ("x",), ("c", "d"), ("c", "e"), ("c.d",), ("A",)])))
def test_keys_that_no_experiment_has_are_the_same_of_a_table(
    values: list[dict[str, Any]], wanted: list[KeyPath]
) -> None:
    watch = KeyWatch(wanted)
    known: dict[KeyPath, None] = {}
    for each in values:
        watch.look(each)
        for key, inner in each.items():
            known[(key, "d") if isinstance(inner, dict) else (key,)] = None
    texts = {text for each in values for text in each.values() if isinstance(text, str)}
    assert (unknown_keys(wanted, known, texts.__contains__) if values else []) == watch.warnings()


def test_a_text_without_its_quotes_is_recognised() -> None:
    """CR-16."""
    watch = KeyWatch([("svm",), ("svn",)])
    watch.look({"Name": "svm", "sizes": [1]})
    assert watch.warnings() == [
        "no experiment has svm; did you mean the text 'svm'?",
        "no experiment has svn",
    ]


# --- what is kept of an experiment, and how it is written ------------------------------------------

RICH: dict[str, Any] = {
    "Name": "vgg, 11",
    "lr": 1e-05,
    "optimizer": {"name": "adam", "betas": [0.9, 0.999], "deep": {"x": 1, "y": 2}},
    "BEST": math.nan,
    "WORST": [math.inf, None],
    "when": datetime.date(2026, 11, 21),
    "raw": b"\x00\x01",
    "TEXT": 'two\n"lines"',
    "flag": True,
    "none": None,
    "empty": {},
    3: "a number for a key",
}


def rendered(name: str, values: list[dict[str, Any]], *keep: str) -> str:
    form = FORMATS[name](KeyChoice(keep))
    return "".join(form.render([form.prepare(each) for each in entries(*values)]))


def test_kept_keys_stand_in_the_experiments_own_order() -> None:
    """CR-16: and what is missing is absent."""
    keep = KeyChoice(["TEXT", "optimizer.deep.y", "optimizer.name", "nowhere", "lr.x", "Name"])
    kept = keep(RICH)
    assert kept == {"Name": "vgg, 11", "optimizer": {"name": "adam", "deep": {"y": 2}}, "TEXT": RICH["TEXT"]}
    assert list(kept) == ["Name", "optimizer", "TEXT"]
    assert KeyChoice(["a.b"])({"a.b": 1, "a": {"b": 2, "c": 3}}) == {"a.b": 1, "a": {"b": 2}}
    assert KeyChoice([])(RICH) is RICH


def test_yaml_is_a_log_again() -> None:
    """CR-16."""
    text = rendered("yaml", [RICH, {"Name": "b"}], "Name", "optimizer.name")
    assert text.startswith("# Coolrunner log, version 1\n---\n")
    assert list(yaml.safe_load_all(text)) == [
        {"Name": "vgg, 11", "optimizer": {"name": "adam"}},
        {"Name": "b"},
    ]


def test_json_is_strict() -> None:
    """CR-16."""

    def refuse(name: str) -> None:
        raise AssertionError(name)

    first, second = json.loads(rendered("json", [RICH, {"Name": "b"}]), parse_constant=refuse)
    assert first["BEST"] is None
    assert first["WORST"] == [None, None]
    assert first["when"] == "2026-11-21"
    assert first["raw"] == "AAE="
    assert first["3"] == "a number for a key"
    assert first["optimizer"] == RICH["optimizer"]
    assert second == {"Name": "b"}
    assert json.loads(rendered("json", [])) == []


def test_csv_is_flat_and_survives_commas_quotes_and_line_breaks() -> None:
    """CR-16."""
    rows = list(csv.DictReader(io.StringIO(rendered("csv", [RICH, {"new": 1, "Name": "b"}]), newline="")))
    assert list(rows[0]) == [
        *("Name", "lr", "optimizer.name", "optimizer.betas", "optimizer.deep.x", "optimizer.deep.y"),
        *("BEST", "WORST", "when", "raw", "TEXT", "flag", "none", "empty", "3", "new"),
    ]
    assert rows[0]["Name"] == "vgg, 11"
    assert rows[0]["TEXT"] == 'two\n"lines"'
    assert float(rows[0]["lr"]) == 1e-05
    assert rows[0]["optimizer.betas"] == "[0.9, 0.999]"
    assert (rows[0]["flag"], rows[0]["none"], rows[0]["BEST"], rows[0]["new"]) == ("true", "", "nan", "")
    assert rows[1]["new"] == "1"
    assert rendered("csv", []) == ""


def test_columns_come_in_the_order_in_which_their_keys_were_asked_for() -> None:
    text = rendered("csv", [RICH], "lr", "optimizer", "Name", "optimizer.deep.x")
    assert text.split("\n")[0] == "lr,optimizer.name,optimizer.betas,optimizer.deep.x,optimizer.deep.y,Name"


def test_a_plain_table_is_aligned_and_cuts_nothing_off() -> None:
    """CR-16."""
    rows = [flatten({"Name": "x" * 200, "ACC": 0.5, "note": "a\nb"}), flatten({"Name": "y", "ACC": 10})]
    lines = list(plain_table(rows))
    assert lines[0] == "Name".ljust(200) + "  ACC  note\n"
    assert lines[1] == "x" * 200 + "  0.5  a b\n"
    assert lines[2] == "y".ljust(200) + "   10\n"


@given(st.integers(20, 200), st.integers(1, 30))
def test_a_fitted_table_is_no_wider_than_the_terminal(width: int, count: int) -> None:
    """CR-16: and names the columns that it leaves out."""
    rows = [
        {"same": "the same", "Name": f"run {i}", **{f"KEY{k}": i / 7 for k in range(count)}} for i in range(3)
    ]
    table, left_out = fitted_table(rows, width)
    output = io.StringIO()
    Console(file=output, width=width).print(table)
    lines = output.getvalue().split("\n")
    assert max(map(len, lines)) <= width
    header = lines[0].split()
    assert header[0] == "Name"
    assert [*header, *left_out] == ["Name", *(f"KEY{k}" for k in range(count)), "same"]
    assert "0.142857" in output.getvalue() or "KEY0" in left_out


def test_a_fitted_table_begins_with_what_was_looked_at() -> None:
    """CR-16: and ends with what the runner noted down."""
    rows = [
        {"ID": f"k{i}", "REP": i, "lr": i, "opt.name": "solve torch.optim.Adam", "ACC": i, "Name": "a"}
        for i in range(2)
    ]
    assert header_of(rows) == ["Name", "lr", "ACC", "ID", "REP", "opt.name"]
    assert header_of(rows, looked_at=["ACC", "opt"]) == ["Name", "ACC", "opt.name", "lr", "ID", "REP"]
    assert header_of(rows, wanted=["lr"], looked_at=["ACC"]) == ["lr", "ID", "REP", "opt.name", "ACC", "Name"]
    assert header_of(rows[:1], looked_at=["ACC"])[:3] == ["Name", "ACC", "lr"]
    assert list(fitted_table(rows, 200)[0].columns[-1].cells)[-1].plain == "Adam"  # type: ignore[union-attr]


def header_of(rows: list[dict[str, Any]], **options: Any) -> list[str]:
    return [str(column.header) for column in fitted_table(rows, 200, **options)[0].columns]


def test_what_a_log_holds_cannot_steer_a_terminal() -> None:
    assert "\x1b" not in "".join(plain_table([{"Name": "\x1b[31mred"}]))


# --- arguments from a file -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--filter=lambda exp: 'ACC' in exp and exp['ACC'] > 0.9",) * 2,
        ("--keep-keys", "--keep-keys"),
        ("  ACC  ", "ACC"),
        ("two words", "two words"),
        ("--filter ACC > 0.9", "--filter=ACC > 0.9"),
        ("--keep-keys ACC Name", "--keep-keys|ACC|Name"),
        ("", ""),
        ("# a remark", ""),
    ],
)
def test_a_line_of_an_argument_file_is_an_argument(line: str, expected: str) -> None:
    """CR-16."""
    assert "|".join(convert_arg_line_to_args(line)) == expected
