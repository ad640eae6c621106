"""Plain lines read quickly: always what libyaml reads, and a canonical form that equal data shares."""

from __future__ import annotations

import datetime
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.errors import YamlError
from coolrunner.yamlio import canonical, dump, read_text
from coolrunner.yamlio import lines as quick
from coolrunner.yamlio.lines import canonical_of, read_items, read_whole, value_of

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.sampled_from(["yes", "null", "1e-3", "2021-01-01", "0x1f", "12:30", "~", "=", "<<", "no", "n", "é"]),
    st.dates(),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abé", max_size=2), inner, max_size=3)
    ),
    max_leaves=6,
)
experiments = st.dictionaries(st.text("abcx_.-", min_size=1, max_size=4), values, min_size=1, max_size=5)

# Pieces of lines, sound and broken, such as people write.
written = st.lists(
    st.sampled_from(
        [
            *(
                "a: 1\n",
                "b: 2.50\n",
                "a: x y\n",
                "opt:\n",
                "  c: 3\n",
                "    d: [1, x]\n",
                "- 4\n",
                "  - 'y'\n",
            ),
            *(
                "\n",
                "  \n",
                "# c\n",
                "  # c\n",
                "t: |\n",
                "  two\n",
                "t: |+\n",
                "q: 'a\n",
                "  b'\n",
                "-\n",
                "- \n",
            ),
            *(
                'n: "é"\n',
                'n: "\\x41"\n',
                'n: "a\u2028b"\n',
                'n: "open\n',
                "n: 'é'\n",
                "n: é\n",
                "\x01",
                "\t",
            ),
            *("f: 1.5e+3\n", "f: 1.5e3\n", "f: -0.0\n", "f: 1_0\n", "i: 007\n", "i: -0\n", "i: 0x1F\n"),
            *("w: on\n", "w: offset\n", "w: Nullable\n", "w: null\n", "w: n\n", "w: y\n", "w: true_\n"),
            *("yes: 1\n", "null: 1\n", "1: 1\n", "a: b: c\n", "a: b #c\n", "a:  1\n", "a: 1 \n", "a : 1\n"),
            *(
                "l: []\n",
                "l: [a, b]\n",
                "l: ['a']\n",
                "l: [a,b]\n",
                "m: {}\n",
                "m: {a: 1}\n",
                "x: &x 1\n",
                "y: *x\n",
            ),
            *(
                "d: 2021-01-01\n",
                "d: 2021-13-01\n",
                "s: 12:30\n",
                "s: !!str 1\n",
                "<<: 1\n",
                "k: <<\n",
                "k: =\n",
            ),
        ]
    ),
    max_size=7,
).map("".join)


def outcome(read: Any, text: str) -> Any:
    """What a text is, or that it is nothing."""
    try:
        value = read(text)
    except YamlError:
        return YamlError
    return repr(value)


@given(written)
def test_lines_are_read_as_libyaml_reads_them(text: str) -> None:
    """CR-15: twice, as what is remembered of a line counts the second time."""
    expected = outcome(read_whole, text)
    assert outcome(read_text, text) == expected
    assert outcome(read_text, text) == expected


@given(experiments)
def test_what_is_written_is_read_alike_with_the_canonical_form_of_its_data(experiment: Any) -> None:
    text = dump(experiment)
    value = read_whole(text)
    assert repr(read_text(text)) == repr(value)
    items = read_items(text)
    if items is not None:
        assert canonical_of(items) == canonical(value)


def test_what_a_runner_writes_takes_no_libyaml() -> None:
    text = dump(
        {
            "Name": "vgg 3",
            "note": "it's: größer",
            "optimizer": {"name": "adam", "betas": [0.9, 0.999], "inner": {"x": None}},
            "layers": [64, 32],
            "empty": [],
            "REP": 0,
            "ACC": 1e-05,
            "BEST": math.nan,
            "when": datetime.date(2026, 11, 21),
            "STARTED": "2026-11-21T06:00:00+00:00",
        }
    )
    assert read_items(text) is not None


def test_documents_share_no_list_and_no_mapping() -> None:
    text = "a: [1, 2]\nb:\n  c:\n  - 3\n"
    first = read_text(text)
    first["a"].append(3)
    first["b"]["c"].append(4)
    assert read_text(text) == {"a": [1, 2], "b": {"c": [3]}}
    items = read_items(text)
    assert items is not None
    assert value_of(items) == {"a": [1, 2], "b": {"c": [3]}}


def test_what_is_remembered_of_lines_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "_MEMO_LIMIT", 50)
    for number in range(500):
        assert read_text(f"lr: 0.1\nacc: 0.{number}1\n") == {"lr": 0.1, "acc": float(f"0.{number}1")}
    assert len(quick._blocks) <= 50
