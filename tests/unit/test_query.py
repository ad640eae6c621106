"""The language of filters and sorts."""

from __future__ import annotations

import datetime
import math
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.errors import QueryError
from coolrunner.results.parts import MISSING
from coolrunner.results.query import KeyPath, lookup, order_key, ordered, parse_query, spellings

EXPERIMENT: dict[str, Any] = {
    "Name": "vgg-11",
    "ACC": 0.93,
    "EPOCH": 20,
    "done": True,
    "nothing": None,
    "odd key": 3,
    "lambda": 0.1,
    "layers": [64, 32, 10],
    "optimizer": {"name": "adam", "lr": 0.001, "betas": [0.9, 0.999]},
    "min": 5,
    "a.b": 7,
    "STARTED": "2026-11-21T14:30:00+01:00",
    "when": datetime.date(2026, 11, 21),
    "at": datetime.datetime(2026, 11, 21, 13, 30, tzinfo=datetime.timezone.utc),
}
NOW = datetime.datetime(2026, 11, 21, 15, 30, tzinfo=datetime.timezone.utc)


def value(text: str, experiment: dict[str, Any] = EXPERIMENT) -> Any:
    return parse_query(text, at=NOW).evaluate(experiment)


@pytest.mark.parametrize(
    "text",
    [
        "ACC > 0.9",
        "0.9 < ACC <= 0.93 < 1",
        "not ACC > 0.95",
        "ACC > 0.9 and Name == 'vgg-11'",
        "ACC > 0.95 or EPOCH == 20",
        "Name in ['vgg-11', 'wrn']",
        "Name in {'vgg-11', 'wrn'} and Name in ('vgg-11',)",
        "'vgg' in Name and 'wrn' not in Name",
        "64 in layers and 'lr' in optimizer",
        "layers == (64, 32, 10)",
        "optimizer.lr < 1e-2 and optimizer['name'] == 'adam'",
        "optimizer.betas[-1] == 0.999",
        "exp['odd key'] == 3 and exp.ACC == ACC and exp['lambda'] == 0.1 and exp['a.b'] == 7",
        "'ACC' in exp and 'TIME' not in exp",
        "(ACC * 100 - 3) / 2 == 45 and EPOCH // 3 == 6 and EPOCH % 3 == 2 and 2 ** 3 == 8",
        "-ACC < +EPOCH",
        "abs(-ACC) == ACC and round(ACC, 1) == 0.9 and len(layers) == 3 and max(layers) == 64",
        "sum(layers) == 106 and min(ACC, EPOCH) == ACC and int('3') == 3 and float('1e-3') == 0.001",
        "lower('A') == 'a' and Name.upper() == 'VGG-11' and startswith(Name, 'vgg') and str(EPOCH) == '20'",
        "Name + '!' == 'vgg-11!'",
        "min == 5",
        "done and done == true and done is not None and not false",
        "ACC < inf and not nan == nan",
        "lambda == 0.1 and exp.lambda == lambda",
        "Name in ('vgg-11') and Name not in ('vgg') and 'vgg' in Name",
        "EPOCH in [1, 2, 3, 4, 5, 6, 7, 8, 9, 20] and Name not in ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']",
        "1 not in [] and has(ACC) and has('optimizer.lr') and has(exp['odd key']) and not has(nothing)",
        "'nothing' in exp and nothing == None",
        "0x10 == 16 and 1_000 == 1e3 and .5 == 5e-1 and 2 ** -1 == 0.5 and -2 ** 2 == -4",
        r"""'\x41\u00e9\n' == 'A\u00e9\x0a' and r'\n' != '\n' and 'it\'s' == "it's" """,
        "(ACC >\n 0.9  # good\n)",
    ],
)
def test_an_expression_means_what_it_looks_like(text: str) -> None:
    """CR-16."""
    assert value(text)


@pytest.mark.parametrize(
    "key", ["missing", "nothing", "optimizer.missing", "ACC.x", "layers[7]", "exp['x y']"]
)
def test_every_comparison_with_a_missing_key_is_false(key: str) -> None:
    """CR-16: so that ``not``, ``and`` and ``or`` keep their sense."""
    for test in ("== 1", "!= 1", "< 1", ">= 1", "in [1]", "not in [1]", "== missing", "+ 1 < 5", "* 2 >= 0"):
        assert value(f"{key} {test}") is False
        assert value(f"not {key} {test}") is True
    assert not value(key)
    assert value(f"not {key} and ACC > 0.9") is True
    assert value(f"{key} > 1 or ACC > 0.9") is True
    assert value(f"abs({key})") is None
    assert value(f"-{key}") is None


def test_only_none_asks_whether_a_key_is_missing() -> None:
    assert value("missing == None and nothing is None and null == nothing and ACC != None")
    assert not value("ACC == None or missing is not None")


def test_a_comparison_of_what_has_no_order_is_an_error() -> None:
    with pytest.raises(TypeError, match="not supported between"):
        value("Name > 3")
    with pytest.raises(TypeError, match="not both numbers"):
        value("Name * 3")
    with pytest.raises(TypeError, match="takes texts"):
        value("lower(ACC)")


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("ACC >", 6, "invalid syntax"),
        ("ACC = 1", 5, "'==' compares"),
        ("ACC > 1 and (lambda: 1)", 20, ": is not allowed here"),
        ("Name.strip() == 'x'", 1, "Name.strip() is not allowed here"),
        ("lowr(Name) == 'x'", 1, "did you mean lower()?"),
        ("quit()", 1, "there are abs, date"),
        ("exp.get('x')(1)", 1, "is not allowed here"),
        ("max(layers, key=len)", 16, "'==' compares"),
        ("[x for x in layers]", 4, "is expected before for"),
        ("f'{Name}'", 1, "is not allowed here"),
        ("(x := 3)", 4, ":= is not allowed here"),
        ("1 if ACC else 2", 3, "is expected before if"),
        ("max(*layers)", 5, "is not allowed here"),
        ("layers[0:2]", 1, "is not allowed here"),
        ("Name.__class__", 1, "Name.__class__ is not allowed here"),
        ("exp['__class__']", 1, "is not allowed here"),
        ("__import__('os')", 1, "is not allowed here"),
        ("(ACC > 1) & (ACC < 2)", 11, "write 'and'"),
        ("~ACC", 1, "write 'not'"),
        ("ACC is 1", 1, "'is' asks for None alone"),
        ("ACC > None", 1, "None has no order"),
        ("'ä' + b'x'", 7, "b'x' is not allowed here"),
        ("ACC 0.9", 5, "'and', 'or' or a comparison is expected before 0.9"),
        ("ACC > 1 AND Name", 9, "write 'and'"),
        ("Name == svm 2", 13, "a text stands in quotes"),
        ("Name == 'x", 9, "a quotation mark is missing"),
        ("(ACC > 1", 1, "'(' is never closed"),
        ("quit(", 5, "'(' is never closed"),
        ("optimizer[lr] > 1", 1, "a key stands in quotes: ['lr']"),
        ("ACC > 1 || done", 9, "write 'or'"),
        ("!done", 1, "write 'not'"),
        ("2 ^ 3", 3, "write '**'"),
        ("ACC <> 1", 5, "write '!='"),
        ("Name =~ 'x'", 6, "write '~'"),
        ("Name ~ other", 8, "a pattern is a text in quotes"),
        ("Name ~", 7, "a pattern in quotes is missing"),
        ("Name ~ 'a(b'", 10, "this bracket is not closed"),
        ("1 < ACC ~ 'x'", 9, "a pattern stands by itself"),
        ("STARTED > ago('3 parsecs')", 15, "is no duration such as '90s'"),
        ("STARTED > ago(-1)", 15, "-1 is no duration"),
        ("STARTED > ago('9999999d')", 15, "before the calendar begins"),
        ("STARTED > ago(3h)", 15, "3h is not allowed here"),
        ("STARTED > ago(ACC)", 11, "ago('3h')"),
        ("STARTED > now(1)", 11, "now() takes nothing"),
        ("STARTED > date('21.11.2026')", 16, "is no date or time such as"),
        ("STARTED > date('2026-13-01')", 16, "is no date or time such as"),
        ("has(ACC > 1)", 1, "has() takes a key"),
        ("abs(1, 2)", 1, "abs() takes one value"),
        ("max()", 1, "max() takes 1 or more values"),
        ("(optimizer).lr", 1, "only keys have keys in them"),
        ("'x'['y']", 1, "only keys have keys in them"),
        ("ACC > 1\n  and )", 7, ") is not allowed here"),
        ("", 1, "invalid syntax"),
        ("(" * 300 + ")" * 300, 0, ""),
        ("a\0b", 0, ""),
    ],
)
def test_what_is_not_in_the_grammar_is_refused_with_a_caret(text: str, column: int, message: str) -> None:
    """CR-16: nothing but the grammar exists, so an expression can do no harm."""
    with pytest.raises(QueryError) as caught:
        parse_query(text, "--filter")
    shown = str(caught.value)
    assert shown.startswith("--filter: ")
    assert message in shown
    if column and text:
        lines = shown.split("\n")
        assert lines[1] == "    " + text.split("\n")[-1]
        assert lines[2].index("^") == 4 + column - 1


def test_it_is_known_which_keys_an_expression_looks_at() -> None:
    """Of a key in a list, the list."""
    query = parse_query(
        "optimizer.lr > 1 and exp['odd key'] == ACC and layers[0].x in [true, inf] and 'x' in exp and a.b"
    )
    assert query.paths == (("optimizer", "lr"), ("odd key",), ("ACC",), ("layers",), ("x",), ("a", "b"))
    assert not query.whole
    assert parse_query("len(exp) > 3 and Name").whole


def test_a_question_about_a_table_needs_its_columns() -> None:
    query = parse_query("optimizer.lr > 1 and ACC > 0")
    assert query.over([("x",), ("ACC",), ("optimizer", "lr")])((0, 1, 2))
    with pytest.raises(ValueError, match=r"no column optimizer\.lr"):
        query.over([("ACC",)])


plain = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5))


@given(
    st.dictionaries(st.sampled_from(["a", "b"]), plain), st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
)
def test_a_comparison_of_keys_is_pythons_where_both_are_there(exp: dict[str, Any], sign: str) -> None:
    """CR-16."""
    a, b = exp.get("a"), exp.get("b")
    try:
        expected = a is not None and b is not None and eval(f"a {sign} b", {"a": a, "b": b})
    except TypeError:
        with pytest.raises(TypeError):
            value(f"a {sign} b", exp)
        return
    assert value(f"a {sign} b", exp) is expected
    assert value(f"not a {sign} b", exp) is not expected


def test_nan_is_a_value_and_equals_nothing() -> None:
    assert value("ACC != nan and ACC != None", {"ACC": math.nan})
    assert not value("ACC == nan or ACC > 0 or ACC < 0", {"ACC": math.nan})


def test_the_questions_of_the_docs_can_be_asked() -> None:
    page = (Path(__file__).parents[2] / "docs/queries.md").read_text(encoding="utf-8")
    *blocks, mistake = re.findall(r"^```text\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    for line in "".join(blocks).splitlines():
        parse_query(line)
    (snippet,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    exec(snippet, {})
    with pytest.raises(QueryError) as caught:
        parse_query(mistake.splitlines()[1].strip(), "--filter")
    assert f"{caught.value}\n" == mistake


# --- keys with dots --------------------------------------------------------------------------------


def test_a_dotted_key_is_the_nested_one_and_without_it_the_flat_one() -> None:
    nested, flat = {"optimizer": {"lr": 1}}, {"optimizer.lr": 2}
    for exp, expected in ((nested, 1), (flat, 2), (nested | flat, 1), ({"optimizer": "adam", **flat}, 2)):
        assert value("optimizer.lr", exp) == expected
        assert value("exp['optimizer'].lr", exp) == expected
    assert value("exp['optimizer.lr']", nested) is None
    assert value("a.b.c", {"a.b": {"c": 1}}) == value("a.b.c", {"a": {"b.c": 1}}) == 1
    assert value("optimizer.lr", {"optimizer": {"lr": None}, **flat}) is None


steps = st.sampled_from(["a", "b", "a.b", "b.a"])
nested_data = st.recursive(
    st.integers(0, 3), lambda inner: st.dictionaries(steps, inner, max_size=3), max_leaves=8
)


@given(
    st.dictionaries(steps, nested_data, max_size=3), st.lists(st.sampled_from("ab"), min_size=1, max_size=4)
)
def test_each_spelling_of_a_key_is_tried_in_order(data: dict[str, Any], path: list[str]) -> None:
    def walk(spelling: KeyPath) -> Any:
        here: Any = data
        for step in spelling:
            here = here.get(step, MISSING) if isinstance(here, dict) else MISSING
        return here

    found = [there for spelling in spellings(tuple(path)) if (there := walk(spelling)) is not MISSING]
    assert lookup(data, tuple(path)) == (found[0] if found else MISSING)
    assert value(".".join(path), data) == (found[0] if found else None)


# --- patterns, dates and times ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "Name ~ 'gg-1'",
        "Name ~ '^vgg' and not Name ~ '^gg' and Name !~ '^gg'",
        r"Name ~ '-\d+$' and Name ~ '\bvgg\b' and Name ~ r'\d'",
        "Name ~ '(?i)VGG' and Name !~ 'VGG'",
        "str(EPOCH) ~ '20' and Name.upper() ~ 'VGG'",
        "not missing ~ 'x' and not missing !~ 'x'",
    ],
)
def test_a_pattern_is_looked_for_anywhere_in_a_text(text: str) -> None:
    """CR-16."""
    assert value(text)


def test_a_pattern_is_looked_for_in_texts_alone() -> None:
    with pytest.raises(TypeError, match="looked for in texts, and 20 is none"):
        value("EPOCH ~ '2'")


@pytest.mark.parametrize(
    "text",
    [
        "STARTED > ago('3h') and not STARTED > ago('1h') and STARTED < now()",
        "STARTED > ago('1w') and STARTED > ago('0.5d') and STARTED > ago('1h 90m') and STARTED > ago(10800)",
        "STARTED == at and at == STARTED and STARTED == date('2026-11-21T13:30Z')",
        "at in ['2026-11-21 13:30:00.000Z'] and STARTED in [date('2026-11-21T14:30:00,0+0100'), 3]",
        "date(STARTED) >= date('2026-11-20') and date(missing) == None and when == date('2026-11-21')",
        "when <= '2026-11-21' and when == '2026-11-21' and when != 'soon' and not when == 3",
        "duration('1h30m') == 5400 and duration('1w') == 7 * duration('1d')",
        "not missing > ago('3h') and not missing < now()",
    ],
)
def test_dates_and_times_are_compared_as_moments(text: str) -> None:
    """CR-16."""
    assert value(text)


def test_a_time_without_a_zone_is_in_the_zone_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert value("date('2026-11-21T09:00') == date('2026-11-21T00:00Z')")
        assert value("date('2026-11-21') == date('2026-11-20T15:00Z')")
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_is_no_date_has_no_order_with_one() -> None:
    with pytest.raises(TypeError, match="'vgg-11' is no date or time"):
        value("Name > ago('3h')")
    with pytest.raises(TypeError, match=r"0\.93 is no date or time"):
        value("ACC > date('2026-11-21')")


def test_now_is_the_same_throughout_a_question() -> None:
    query = parse_query("now() == now() and ago('1d') < at < now()")
    assert query.evaluate({"at": datetime.datetime.now() - datetime.timedelta(seconds=1)})


# --- order -----------------------------------------------------------------------------------------

sortable = st.one_of(
    *(st.none(), st.just(MISSING), st.booleans(), st.integers(-3, 3), st.floats(), st.text("ab", max_size=2)),
    *(st.dates(), st.datetimes(timezones=st.sampled_from([None, datetime.timezone.utc]))),
    st.lists(st.one_of(st.none(), st.integers()), max_size=2),
)


@given(
    st.one_of(st.lists(sortable), st.lists(st.floats()), st.lists(st.text("ab", max_size=2))),
    st.booleans(),
    st.integers(0, 5),
)
def test_the_first_of_an_order_are_those_of_the_whole_order(
    values: list[Any], reverse: bool, first: int
) -> None:
    """CR-16: and what has no value stands last, in the order in which it came."""
    keys = [order_key(each) for each in values]
    present = sorted(
        (i for i, key in enumerate(keys) if key is not None), key=lambda i: keys[i] or (), reverse=reverse
    )
    whole = present + [i for i, key in enumerate(keys) if key is None]
    assert ordered(values, reverse=reverse) == whole
    many = values * 9
    assert ordered(many, reverse=reverse, first=first) == ordered(many, reverse=reverse)[:first]
