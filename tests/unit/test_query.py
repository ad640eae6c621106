"""The language of filters and sorts."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.errors import QueryError
from coolrunner.results.query import parse_query

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
}


def value(text: str, experiment: dict[str, Any] = EXPERIMENT) -> Any:
    return parse_query(text).evaluate(experiment)


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
        ("ACC > 1 and (lambda: 1)", 14, "lambda: 1 is not allowed here"),
        ("Name.strip() == 'x'", 1, "Name.strip() is not allowed here"),
        ("lowr(Name) == 'x'", 1, "did you mean lower()?"),
        ("quit()", 1, "there are abs, float"),
        ("exp.get('x')(1)", 1, "is not allowed here"),
        ("max(layers, key=len)", 1, "is not allowed here"),
        ("[x for x in layers]", 1, "is not allowed here"),
        ("f'{Name}'", 1, "is not allowed here"),
        ("(x := 3)", 2, "is not allowed here"),
        ("1 if ACC else 2", 1, "is not allowed here"),
        ("max(*layers)", 5, "is not allowed here"),
        ("layers[0:2]", 1, "is not allowed here"),
        ("Name.__class__", 1, "Name.__class__ is not allowed here"),
        ("exp['__class__']", 1, "is not allowed here"),
        ("__import__('os')", 1, "is not allowed here"),
        ("(ACC > 1) & (ACC < 2)", 1, "write 'and'"),
        ("~ACC", 1, "write 'not'"),
        ("ACC is 1", 1, "'is' asks for None alone"),
        ("ACC > None", 1, "None has no order"),
        ("'ä' + b'x'", 7, "b'x' is not allowed here"),
        ("lambda > 0.1", 8, "exp['lambda']"),
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
        assert lines[1] == f"    {text}"
        assert lines[2].index("^") == 4 + column - 1


def test_a_tower_of_powers_cannot_take_all_memory() -> None:
    with pytest.raises(OverflowError):
        value("9 ** 9 ** 9 ** 9")


def test_it_is_known_which_keys_an_expression_looks_at() -> None:
    query = parse_query(
        "optimizer.lr > 1 and exp['odd key'] == ACC and layers[0] in [true, inf] and 'x' in exp"
    )
    assert query.paths == {("optimizer", "lr"), ("odd key",), ("ACC",), ("layers", 0)}


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
