"""What is written is read back equal: by us in both ways, and by plain PyYAML in both of its own."""

from __future__ import annotations

import datetime
import math
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from coolrunner.yamlio import Source, dump, flow_text, load, read_documents, read_text, split_documents
from tests.yaml_data import TRICKY, mappings, plain, same


@given(mappings)
@example({text: text for text in TRICKY})
@example({"l": TRICKY, "n": {"l": [TRICKY, {"m": TRICKY}]}})
@example(
    {"f": [0.0, -0.0, 1e-05, 1e22, 1e300, 5e-324, math.inf, -math.inf, math.nan, 0.1, 1.0, 123456789.123]}
)
@example({"e": {}, "l": [], "n": [[], {}, [[]], [{}]], "d": {"e": {"f": {}}}})
@example({7: "int", True: "bool", 1.5: "float", None: "none", datetime.date(2021, 1, 1): "date"})
@example({"bytes": b"\x00\xff" * 60, "in list": [b"a"], "k" * 130: {"k" * 1100: "long"}})
def test_what_is_written_is_read_back_equal_by_every_reader(value: dict[Any, Any]) -> None:
    """CR-14: any plain data survives the log, with its types and the order of its keys."""
    text = dump(value)
    assert text.endswith("\n")
    assert same(value, yaml.load(text, Loader=yaml.CSafeLoader))
    assert same(value, yaml.safe_load(text))
    assert same(value, load(text))
    assert same(value, read_text(text))


@given(st.from_regex(r"[A-Za-z_][ -~]{0,12}", fullmatch=True) | st.sampled_from(TRICKY))
def test_a_text_that_needs_no_quotes_is_read_back_equal_by_every_reader(text: str) -> None:
    for value in ({"x": text}, {"x": {"y": text, "z": text}}):
        written = dump(value)
        assert yaml.load(written, Loader=yaml.CSafeLoader) == value
        assert yaml.safe_load(written) == value
        assert load(written) == read_text(written) == value


@given(st.lists(mappings, max_size=4))
@example([{"a": "---"}, {"b": "...\n---\n# x"}, {}, {"c": ["--- a"]}])
def test_a_stream_of_documents_is_cut_and_read_back_equal(values: list[dict[Any, Any]]) -> None:
    """CR-14, CR-15: the cut needs no reading."""
    text = "".join(f"--- # {number}\n{dump(value)}...\n" for number, value in enumerate(values))
    raw = list(split_documents(text))
    assert [document.comment for document in raw] == [str(number) for number in range(len(values))]
    assert all(document.ended for document in raw)
    assert all(text.split("\n")[document.line - 1 :][0] == document.text.split("\n")[0] for document in raw)
    assert all(same(*pair) for pair in zip(values, (read_text(d.text) for d in raw), strict=True))
    assert all(same(*pair) for pair in zip(values, yaml.safe_load_all(text), strict=True))
    ours = [document.value for document in read_documents(Source("text", text))]
    assert all(same(*pair) for pair in zip(values, ours, strict=True))


@given(st.dictionaries(st.from_regex(r"[A-Za-z_]{1,8}", fullmatch=True), plain, max_size=6))
def test_a_mapping_is_written_in_lines_that_a_person_reads(value: dict[str, Any]) -> None:
    """CR-14: a key a line, nothing flows but lists of scalars."""
    lines = dump(value).split("\n")
    tops = [
        line for line in lines if line[:1] not in ("", " ", "-") and not line.startswith(("{}", "]", "}"))
    ]
    assert len(tops) == len(value)


@given(plain)
def test_any_value_can_be_shown_on_one_line_that_reads_back_equal(value: Any) -> None:
    """CR-07: where a plan shows it."""
    text = flow_text(value)
    assert "\n" not in text
    assert same(load(f"x: {text}")["x"], value)


LOOKS: list[tuple[dict[str, Any], str]] = [
    ({}, "{}\n"),
    (
        {"Name": "vgg", "lr": 0.001, "width": 5, "ok": True, "none": None},
        "Name: vgg\nlr: 0.001\nwidth: 5\nok: true\nnone: null\n",
    ),
    ({"tiny": 1e-05, "text": "1e-3", "yes": "yes"}, "tiny: 1.0e-05\ntext: '1e-3'\n'yes': 'yes'\n"),
    (
        {"start": "solve E['pre'].lr * 2", "a": "parse [x for x in (1, 2)]", "url": "https://a.b:80/#c"},
        "start: solve E['pre'].lr * 2\na: parse [x for x in (1, 2)]\nurl: https://a.b:80/#c\n",
    ),
    (
        {"a": "parse {'b': 1}", "b": "x # y", "c": "it ends: ", "d": "it ends:", "l": ["solve a[0]"]},
        "a: 'parse {''b'': 1}'\nb: 'x # y'\nc: 'it ends: '\nd: 'it ends:'\nl: ['solve a[0]']\n",
    ),
    ({"l": [1, "a b", [2.5, None]], "e": []}, "l: [1, a b, [2.5, null]]\ne: []\n"),
    ({"m": {"a": {"b": 1}, "c": {}}}, "m:\n  a:\n    b: 1\n  c: {}\n"),
    ({"day": datetime.date(2021, 1, 1)}, "day: 2021-01-01\n"),
    ({"trace": "a: 1\n  b\nc\n"}, "trace: |\n  a: 1\n    b\n  c\n"),
    ({"m": {"t": "x\ny"}}, "m:\n  t: |-\n    x\n    y\n"),
    ({"e": "é"}, 'e: "é"\n'),
]


@pytest.mark.parametrize(("value", "text"), LOOKS)
def test_a_document_looks_as_a_person_would_write_it(value: dict[str, Any], text: str) -> None:
    """CR-14."""
    assert dump(value) == text
