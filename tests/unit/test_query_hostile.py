"""Questions that mean harm, or no sense at all."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.errors import QueryError
from coolrunner.results.parts import MISSING
from coolrunner.results.query import lookup, parse_query

EXPERIMENT: dict[str, Any] = {
    "Name": "vgg-11",
    "ACC": 0.93,
    "layers": [64, 32, 10],
    "a": {"b": "x", "c": 1},
    "a.d": 3,
    "nothing": None,
    "STARTED": "2026-11-21T14:30:00+01:00",
    "when": datetime.date(2026, 11, 21),
}
NOW = datetime.datetime(2026, 11, 21, 15, 30, tzinfo=datetime.timezone.utc)

HOSTILE = [
    "__import__('os').system('true')",
    "().__class__.__bases__[0].__subclasses__()",
    "''.__class__.__mro__",
    "exp.__class__",
    "exp.__init__.__globals__",
    "exp['__builtins__']",
    "Name.format(exp)",
    "'{0.__class__}'.format(Name)",
    "'%s' % Name.__class__()",
    "f'{__import__(1)}'",
    "getattr(exp, 'x')",
    "eval('1')",
    "exec('1')",
    "open('/etc/passwd')",
    "compile('1', '', 'eval')",
    "globals()",
    "vars()",
    "locals()['x']",
    "breakpoint()",
    "input()",
    "print(1)",
    "type(Name)",
    "object()",
    "lambda: 0",
    "lambda exp: exp",
    "(lambda: 1)()",
    "[x for x in exp]",
    "{x: 1 for x in exp}",
    "(x for x in exp)",
    "{**exp}",
    "[*exp]",
    "max(*layers)",
    "max(layers, default=1)",
    "x := 1",
    "x = 1",
    "x += 1",
    "import os",
    "del exp",
    "raise ValueError",
    "assert 1",
    "yield 1",
    "await x",
    "return 1",
    "1; 2",
    "1\n2",
    "@x",
    "a @ b",
    "a << 100000000000",
    "1 >> 1",
    "~1",
    "a if b else c",
    "exp[0:1]",
    "exp[...]",
    "...",
    "exp[lambda: 1]",
    "b'x'",
    "1j",
    "u'x'",
    "'a' 'b'",
    "'''x'''",
    "exp()",
    "Name()",
    "Name.join(layers)",
    "Name.encode()",
    "layers.append(1)",
    "exp.update(exp)",
    "exp.pop('Name')",
    "str.upper('x')('y')",
    "abs(abs)()",
    "min.__self__",
    "date.__class__('x')",
    "9" * 500,
    "1e" + "9" * 500,
    "0x" + "f" * 500,
    "not " * 10_000 + "x",
    "-" * 10_000 + "1",
    "(" * 10_000,
    "[" * 10_000 + "]" * 10_000,
    "abs(" * 10_000 + "1" + ")" * 10_000,
    "1" + "+1" * 10_000,
    "2" + "**2" * 10_000,
    "a" + ".a" * 10_000,
    "a" + "[0]" * 10_000,
    "'" * 9_999,
    "x" * 1_000_001,
    "Name ~ '" + "(" * 2_000 + "'",
    "Name ~ '(((a{1,99}){1,99}){1,99})'",
    r"Name ~ '(a)\1'",
    "Name ~ '(?=a)'",
    "Name ~ '(?P<n>a)'",
    "\x00",
    "Name\x00",
    "\ud800",
    "\u202e1",
    "$Name",
    "`Name`",
    "Name?",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:30]))
def test_a_hostile_question_is_refused_in_few_words(text: str) -> None:
    """CR-16: nothing of Python can be reached, and no question is too deep or too long to be refused."""
    with pytest.raises(QueryError) as caught:
        parse_query(text)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("text", ["Name.upper", "min", "pass", "exp.items", "date.today", "layers.pop"])
def test_a_name_of_pythons_is_a_key_like_any_other(text: str) -> None:
    assert parse_query(text).evaluate(EXPERIMENT) is None
    assert parse_query(text).evaluate({text.removeprefix("exp."): 3}) == 3


@pytest.mark.parametrize(
    "text",
    [
        "9 ** 9 ** 9 ** 9",
        "round(EPOCH, -1000000000)",
        "round(EPOCH, EPOCH ** 9)",
        "int(long)",
        "sum(lists)",
        "'x' * 10",
        "lists * 10",
    ],
)
def test_no_calculation_takes_all_time_or_memory(text: str) -> None:
    """CR-16."""
    with pytest.raises((TypeError, ValueError, OverflowError)):
        parse_query(text).evaluate({"EPOCH": 20, "long": "9" * 1_000_000, "lists": [[1]] * 10})


def test_long_lists_and_many_questions_in_a_row_are_no_trouble() -> None:
    ids = [f"'id{i}'" for i in range(20_000)]
    assert parse_query(f"ID in [{', '.join(ids)}]").evaluate({"ID": "id19999"})
    assert parse_query(" or ".join(f"ID == {each}" for each in ids[:2_000])).evaluate({"ID": "id1999"})


pieces = st.sampled_from(
    [
        *(
            "ACC",
            "Name",
            "a.b",
            "a.d",
            "layers[0]",
            "exp",
            "exp['x']",
            "'x'",
            "0.9",
            "3",
            "null",
            "nan",
            "when",
        ),
        *("and", "or", "not", "in", "is", "==", "<", "~", "!~", "+", "*", "**", "-", "(", ")", "[", "]", ","),
        *(
            "abs(",
            "max(",
            "has(",
            "date(",
            "ago('3h')",
            "now()",
            "'2026-11-21'",
            "str(",
            ".upper()",
            "STARTED",
        ),
    ]
)
values = st.sampled_from(
    ["ACC", "Name", "a.b", "a.d", "a", "layers", "when", "STARTED", "nothing", "x.y", "3"]
)
signs = st.sampled_from(["==", "!=", "<", ">=", "in", "not in", "+", "-", "and", "or", "and not"])
sentences = st.tuples(values, st.lists(st.tuples(signs, values), min_size=1, max_size=3)).map(
    lambda both: " ".join([both[0], *(word for pair in both[1] for word in pair)])
)


def answer(ask: Any, subject: Any) -> str:
    try:
        return repr(ask(subject))
    except (TypeError, ValueError, ArithmeticError) as error:
        return str(error)


@given(st.one_of(st.lists(pieces, max_size=12).map(" ".join), sentences, st.text(max_size=30)))
def test_any_text_is_refused_or_has_one_answer_whatever_it_is_asked_about(text: str) -> None:
    """CR-16: whole experiments, those that have only the keys that it looks at, and rows of a table."""
    try:
        query = parse_query(text, at=NOW)
    except QueryError:
        return
    expected = answer(query.evaluate, EXPERIMENT)
    if query.whole:
        with pytest.raises(ValueError, match="as a whole"):
            query.over(query.paths)
        return
    row = [lookup(EXPERIMENT, path) for path in query.paths]
    assert answer(query.over(query.paths), row) == expected
    firsts = {path[0] for path in query.paths} | {".".join(map(str, path)) for path in query.paths}
    partial = {key: each for key, each in EXPERIMENT.items() if key in firsts}
    assert answer(query.evaluate, partial) == expected
    assert MISSING not in partial.values()
