"""Plain data of every kind, and words of YAML that mean more than they seem to."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from typing import Any

import yaml
from hypothesis import strategies as st

from coolrunner.errors import YamlError

# What looks like something else to some table of YAML, and what breaks writers that do not quote enough.
TRICKY = [
    "", " ", "a ", " a", "yes", "No", "ON", "off", "y", "N", "true", "null", "~", "None", "1", "1e-3",
    "1e5", ".5", "-.inf", "0x1f", "0o17", "0777", "1_000", "12:30", "12:30:45.5", "1:2", "2021-01-01",
    "2021-1-1 1:1:1", "2021-13-45", "=", "<<", "-", "- a", "?", "? a", ":", "a:", "a: b", "a:b", "#",
    "a #b", "a#b", "&a", "*a", "!a", "|", ">", "%a", "@a", "`a", "[a]", "{a}", "a, b", "a]", "'", '"',
    "it's", '\\', "\\n", "a\nb", "a\n", "\n", "\na", "a\n\n", " a\nb", "a\n b", "a \nb", "\t", "a\tb", "\r",
    "a\rb", "\r\n", "\x00", "\x07", "\x1b[31m", "\x7f", "\x85", "\xa0", "\u2028", "\u2029", "\ufeff", "é",
    "日本語", "🙂", "\ud7ff", "�", "---", "--- a", "...", "a\n---\nb", "a\n...\nb", "solve a.b",
    "parse 1 + 1",
    'Traceback (most recent call last):\n  File "x", line 1\nValueError: a: b #c\n',
]  # fmt: skip
TRICKY += ["x" * 200, "a b " * 60]

texts = st.one_of(st.sampled_from(TRICKY), st.text(st.characters(codec="utf-8"), max_size=20))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    texts,
    st.binary(max_size=20),
    st.dates(),
    st.datetimes(timezones=st.sampled_from([None, datetime.timezone.utc])),
)
keys = st.one_of(texts, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False), st.dates())
plain = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=12,
)
mappings = st.dictionaries(keys, plain, max_size=6)


def same(one: Any, other: Any) -> bool:
    """Whether two plain values are equal in type, in the order of keys, and in every bit of a float."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        pairs = zip(one.items(), other.items(), strict=False)
        return len(one) == len(other) and all(same(a, b) and same(c, d) for (a, c), (b, d) in pairs)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or (
            one == other and math.copysign(1, one) == math.copysign(1, other)
        )
    return bool(one == other)


#: Values and pieces of values as they may stand in a line of YAML.
WORDS = [
    "a", "b", "Name", "x.y-z", "e5", "n", "y", "yes", "no", "on", "null", "true", "1", "1.5", "1e-3", "-1",
    "+1", "1_0", "0x1F", "0o7", "010", "09", "1:30", "1:30:00", "1:75", "12:30:45.5", "2021-01-01",
    "2021-13-01", "2021-01-01 10:00:00", "inf", ".inf", "-.INF", ".nan", "nan", ".", "..", ".5", "5.",
    "-.5e3", "1e5", "1.e5", "1E+5", "1e", "e1", "=", "<<", "~", "-", "--", "---x", "?", ":", "::", "a:b",
    "a:", "a: b", "a : b", "a :b", "b #c", "b#c", "#c", "a  b", "a b", "a, b", "a,b", "'a'", "''",
    "'it''s'", "'a", "a'", "'a' b", '"a"', '"a\\tb"', '"\\x"', '"a', "[]", "[a, b]", "[a,b]",
    "[1, 2.5, 1e3]", "[a, 'b']", "[a, [b]]", "[a", "a]", "[a: b]", "[a, ]", "[, a]", "[a b, c d]",
    "[-1, -a]", "[1:30, 2]", "[a #b]", "[yes, null]", "{}", "{a: 1}", "{a: 1, a: 2}", "{a}", "|", ">-",
    "&x", "&x 1", "*x", "!!str 5", "!!int '5'", "%a", "@a", "`a`", "a%", "a@b", "(a)", "a(b)*c/d", "*a",
    "+a", "parse 1 + 1", "parse f(x)[0]", "solve a.b", "a\tb", "\t", "é", "a\x85b", "a\u2028b", "\\n",
]  # fmt: skip


def outcome(read: Callable[[str], Any], text: str) -> Any:
    """Return what a reader makes of a text; None stands for an error."""
    try:
        return [read(text)]
    except (yaml.YAMLError, ValueError, YamlError):
        return None
