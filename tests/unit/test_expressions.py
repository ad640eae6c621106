"""Expressions: compiled once, and given just the names that they use."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest

from coolrunner.definition.expressions import BUILTINS, History, Imports, compile_expression
from coolrunner.experiment import Experiment


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1 + 1", ()),
        ("a + b.c[d] + a", ("a", "b", "d")),
        ("f(a, *b, c=d, **e)", ("f", "a", "b", "d", "e")),
        ("f'{a} {b!r:{c}}'", ("a", "b", "c")),
        ("[x for x in xs if x > y]", ("xs", "y")),
        ("[x for x in x]", ("x",)),
        ("[x for x in xs] + [x]", ("xs", "x")),
        ("[x + y for x in xs for y in ys[x]]", ("xs", "ys")),
        ("{k: v for k, (v, *w) in d.items()}", ("d",)),
        ("sum(x * w for x, w in zip(xs, ws))", ("sum", "zip", "xs", "ws")),
        ("{x for x in [[x for x in y] for y in z]}", ("z",)),
        ("[[a * b for a in c] for b in d]", ("d", "c")),
        ("lambda x, *a, y=z, **k: x + a + y + k + w", ("z", "w")),
        ("(lambda x: lambda: x)(x)", ("x",)),
        ("[(lambda: i + w)() for i in v]", ("v", "w")),
        ("(n := len(a)) + n", ("len", "a")),
        ("(x := x + 1) + x", ("x",)),
        ("[y := f(x), y ** 2]", ("f", "x")),
        ("[m for n in range(3) if (m := n)] + [m]", ("range",)),
        ("(lambda: (q := 1))() + q", ("q",)),
        ("a if b else c", ("b", "a", "c")),
        ("a[b:c, ...]", ("a", "b", "c")),
        ("None or True or __debug__", ("__debug__",)),
        ("E[-1].x", ("E",)),
    ],
)
def test_the_names_that_an_expression_takes_from_outside_are_known(text: str, names: tuple[str, ...]) -> None:
    """CR-09: the same on every Python, whether comprehensions are functions or not."""
    assert set(compile_expression(text).names) == set(names)
    assert len(compile_expression(text).names) == len(names)


def test_names_come_in_the_order_in_which_they_appear() -> None:
    """CR-09: of two unknown ones the first is told."""
    assert compile_expression("a + [c for b in d][e]").names == ("a", "d", "c", "e")


def test_an_expression_is_evaluated_with_the_names_it_is_given_and_builtins() -> None:
    """CR-09."""
    assert compile_expression("max(a, 2) + len(b)").evaluate({"a": 1, "b": "xyz"}) == 5
    assert compile_expression("max(a, 2)").evaluate({"a": 1, "max": min}) == 1
    assert [f(2) for f in [compile_expression("lambda x: x * y").evaluate({"y": 3})]] == [6]


def test_the_same_text_is_compiled_once() -> None:
    """CR-09."""
    assert compile_expression("once + 1") is compile_expression("once + 1")


@pytest.mark.parametrize(
    ("text", "value"), [(" 1 + 1 ", 2), ("1 +\n  1", 2), ("[1,\n2]", [1, 2]), ("1\n", 1), ("1 # c", 1)]
)
def test_spaces_line_breaks_and_comments_are_free(text: str, value: Any) -> None:
    """CR-09."""
    assert compile_expression(text).evaluate({}) == value


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("1 +* 2", 4),
        ("   1 +* 2", 7),
        ("(1,", 1),
        ("  (1,", 3),
        ("1 +", 4),
        ("a.b.", 5),
        ("a b", 3),
        ("1)", 2),
        ("é + + é )", 9),
        ("[1,\n2 2]", None),
        ("", None),
        ("   ", None),
        ("a\x00b", None),
    ],
)
def test_a_mistake_is_told_with_its_place_where_that_is_sure(text: str, offset: int | None) -> None:
    """CR-09."""
    with pytest.raises(SyntaxError) as caught:
        compile_expression(text)
    assert caught.value.offset == offset
    assert caught.value.msg


@pytest.mark.parametrize(
    "text", ["x = 5", "import os", "del x", "f'{1 +}'", "f'{a b}' + c", "await x", "return 1", "1; 2"]
)
def test_what_is_no_expression_is_a_syntax_error(text: str) -> None:
    """CR-09."""
    with pytest.raises(SyntaxError):
        compile_expression(text)


def test_an_expression_that_is_nested_too_deeply_is_a_syntax_error() -> None:
    """CR-09."""
    with pytest.raises(SyntaxError):
        compile_expression("(" * 500 + ")" * 500)
    with pytest.raises(SyntaxError):
        compile_expression("-" * 100_000 + "1")


def test_what_python_warns_of_is_kept_and_not_shown() -> None:
    """CR-09: the definition's own warning has the place."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "is" in compile_expression("kept is 'a'").doubt
        assert compile_expression("kept == 'a'").doubt == ""


# --- imports -----------------------------------------------------------------------------------------


def test_imports_are_modules_by_name_or_by_alias() -> None:
    """CR-09."""
    imports = Imports.parse(["random", "xml.dom.minidom as md", "import os.path", "json as js"])
    assert imports.get("random").__name__ == "random"
    assert imports.get("md").__name__ == "xml.dom.minidom"
    assert imports.get("os").path.join("a", "b") == "a/b"
    assert imports.get("js").__name__ == "json"
    assert imports.get("math") is math
    assert list(imports) == ["math", "random", "md", "os", "js"]
    assert "os" in imports and "math" in imports and "json" not in imports and "xml" not in imports
    with pytest.raises(KeyError):
        imports.get("json")


def test_imports_survive_the_way_to_another_process() -> None:
    """CR-12: `modules` is all that they are made of."""
    imports = Imports.parse(["xml.dom", "xml.sax", "json as js"])
    again = Imports(dict(imports.modules))
    assert list(again) == list(imports)
    assert again.get("xml").sax and again.get("xml").dom


def test_math_may_be_something_else() -> None:
    """CR-09."""
    assert Imports.parse(["cmath as math"]).get("math").__name__ == "cmath"


@pytest.mark.parametrize(
    "text", ["from os import path", "os as", "5", "a-b", "", "os, sys", "os.", "nowhere_at_all"]
)
def test_what_cannot_be_imported_is_refused(text: str) -> None:
    """CR-09."""
    with pytest.raises(ValueError, match=r"is not of the form|there is no module"):
        Imports.parse([text])


# --- history -----------------------------------------------------------------------------------------


def history(*names: Any) -> History:
    """Return a history of experiments with these names."""
    found = History()
    for number, name in enumerate(names):
        found.append(Experiment({"Name": name, "n": number} if name is not None else {"n": number}))
    return found


def test_experiments_are_found_by_place_by_slice_and_by_name() -> None:
    """CR-09."""
    found = history("a", "b", "a", None, 18)
    assert [found[key].n for key in (0, -1, 2, "a", "b", "skip", "18")] == [0, 4, 2, 2, 1, 3, 4]
    assert [exp.n for exp in found[1:3]] == [1, 2]
    assert [exp.n for exp in found] == [0, 1, 2, 3, 4]
    assert [exp.n for exp in reversed(found)] == [4, 3, 2, 1, 0]
    assert (len(found), bool(found), bool(history())) == (5, True, False)
    assert "a" in found and "c" not in found and found[1] in found
    assert repr(found) == "<E: 5 experiments>"


@pytest.mark.parametrize(
    ("names", "key", "message"),
    [
        ((), -1, r"E\[-1\]: no experiment comes before this one"),
        (("a",), 1, r"E\[1\]: only 1 experiment comes before this one"),
        (("a", "b"), -3, r"E\[-3\]: only 2 experiments come before this one"),
        (("vgg",), "vg", "no experiment before this one is named 'vg'; did you mean 'vgg'"),
        ((), "vg", "no experiment before this one is named 'vg'"),
    ],
)
def test_what_is_not_there_is_told(names: tuple[str, ...], key: Any, message: str) -> None:
    """CR-09."""
    with pytest.raises(LookupError, match=message):
        history(*names)[key]


def test_the_builtins_are_pythons() -> None:
    """CR-09."""
    assert {"len", "sum", "max", "print", "True"} <= BUILTINS
