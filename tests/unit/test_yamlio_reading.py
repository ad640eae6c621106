"""Reading: what a text means, and that the quick way agrees with libyaml."""

from __future__ import annotations

import datetime
import re
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coolrunner.errors import YamlError
from coolrunner.yamlio import Source, load, read_documents, read_source, read_text, split_documents
from tests.yaml_data import TRICKY, WORDS, outcome, same


class Reference(yaml.CSafeLoader):
    """PyYAML's loader with the two things that we add: YAML 1.2's floats, and no key twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Construct a mapping, or raise where one of its own keys comes twice."""
        keys = [
            self.construct_object(key, deep=True) for key, _ in node.value if not key.tag.endswith(":merge")
        ]
        if any(key in keys[:place] for place, key in enumerate(keys)):
            raise ValueError("a key is given twice")
        return dict(super().construct_mapping(node, deep))


Reference.add_constructor(
    "tag:yaml.org,2002:map", lambda loader, node: loader.construct_mapping(node, deep=True)
)
Reference.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9][0-9_]*)[eE][-+]?[0-9]+\Z"),
    list("-+.0123456789"),
)
for tag in ("value", "merge"):
    Reference.add_constructor(f"tag:yaml.org,2002:{tag}", lambda loader, node: node.value)

words = st.sampled_from(WORDS)
comments = st.sampled_from(["", "", "", "", " # c", "# c", "  ", "\t", "\r"])
_indents = st.sampled_from(["", "", " ", "  ", "  ", "    ", "\t"])
_leads = st.sampled_from(["", "", "", "- ", "? "])
_colons = st.sampled_from([": ", ": ", ": ", ":", " : ", ":  ", ":\t"])
_ends = st.sampled_from([":", ":", "", ": "])
_usual = ["", " ", "# c", "  # c", "- a", "  - a", "- a: 1", "a:", "  b: 1", "    c: 2"]
lines = st.one_of(
    st.tuples(_indents, _leads, words, _colons, words, comments).map("".join),
    st.tuples(_indents, words, _ends, comments).map("".join),
    st.sampled_from(_usual),
)
# Lines such as a log has, in which one is odd at most.
_numbers = ["1", "-1", "1.5", "1e-3", "2021-01-01", "1:30"]
_others = [
    "a",
    "Name",
    "x.y-z",
    "true",
    "a b",
    "'a'",
    "'it''s'",
    "[1, a, 2.5]",
    "[]",
    "solve a.b",
    "a:b",
    "null",
    "",
]
tame = st.sampled_from([*_numbers, *_others])
names = st.sampled_from(["a", "b", "c", "d", "Name", "x.y-z", "e5"])


def _as_lines(value: Any, indent: str = "") -> list[str]:
    if not isinstance(value, dict):
        return []
    found = []
    for key, item in value.items():
        found.append(f"{indent}{key}:" + ("" if isinstance(item, dict) else f" {item}".rstrip(" ")))
        found += _as_lines(item, indent + "  ")
    return found


logs = st.recursive(tame, lambda inner: st.dictionaries(names, inner, max_size=5), max_leaves=8).map(
    _as_lines
)


def check_agreement(text: str) -> None:
    """See that both of our ways mean what PyYAML means by a text, or that all refuse it."""
    expected = outcome(lambda text: yaml.load(text, Loader=Reference), text)
    for read in (read_text, load):
        found = outcome(read, text)
        assert (found is None) == (expected is None), (found, expected)
        assert found is None or same(found[0], expected[0]), (found, expected)


@settings(max_examples=500, deadline=None)
@given(st.lists(lines, min_size=1, max_size=6), st.sampled_from(["\n", "\n", "\n", "", "\r\n"]))
@example(["a: b: c"], "\n")
@example(["a:", "  b: 1", " c: 2"], "\n")
@example(["k" * 1100 + ": 1"], "\n")
def test_the_quick_way_means_what_libyaml_means(chosen: list[str], end: str) -> None:
    """CR-15: either both give the same value, or both refuse."""
    text = "\n".join(chosen) + end
    if not re.search(r"^(---|\.\.\.|%)", text, re.MULTILINE):
        check_agreement(text)


@settings(max_examples=500, deadline=None)
@given(logs, st.none() | lines, st.integers(0, 10))
def test_the_quick_way_means_what_libyaml_means_by_a_log_with_an_odd_line(
    chosen: list[str], odd: str | None, place: int
) -> None:
    """CR-15."""
    if odd is not None:
        chosen = [*chosen[:place], odd, *chosen[place:]]
    text = "\n".join([*chosen, ""])
    if not re.search(r"^(---|\.\.\.|%)", text, re.MULTILINE):
        check_agreement(text)


@pytest.mark.parametrize("word", sorted({*WORDS, *(text for text in TRICKY if "\n" not in text)}))
def test_every_word_means_what_libyaml_means_by_it_wherever_it_stands(word: str) -> None:
    """CR-15."""
    for text in (
        f"a: {word}\n",
        f"a: [{word}]\n",
        f"a: [b, {word}, c]\n",
        f"{word}: 1\n",
        f"a:\n  {word}: 1\nb: 2\n",
    ):
        if not text.startswith(("---", "...", "%")):
            check_agreement(text)


def test_what_is_read_can_be_changed_without_changing_what_is_read_next() -> None:
    """CR-15: texts are remembered, values are not shared."""
    for read in (read_text, load):
        first = read("a: [1, 2]\nb:\n  c: [3]\n")
        first["a"].append(3)
        first["b"]["c"].append(4)
        assert read("a: [1, 2]\nb:\n  c: [3]\n") == {"a": [1, 2], "b": {"c": [3]}}


def test_numbers_without_a_dot_are_floats_dates_are_dates_and_the_rest_is_yaml_1_1() -> None:
    """CR-09."""
    found = load(
        "a: 1e-3\nb: 2021-01-01\nc: yes\nd: 0x10\ne: 010\nf: 1:30\ng: '1e-3'\nh: =\ni: .5e3\nj: 1e400\n"
    )
    values = [0.001, datetime.date(2021, 1, 1), True, 16, 8, 90, "1e-3", "=", 500.0, float("inf")]
    assert found == dict(zip("abcdefghij", values, strict=True))


def test_aliases_and_merge_keys_are_copied_out() -> None:
    """CR-01: what stands in two places is not shared."""
    found = load("base: &b {x: [1]}\nc: *b\nd: {<<: *b, y: 2}\n")
    assert found == {"base": {"x": [1]}, "c": {"x": [1]}, "d": {"x": [1], "y": 2}}
    assert found["base"] is not found["c"]
    assert found["base"]["x"] is not found["d"]["x"]


def test_one_document_is_expected_of_a_value() -> None:
    """CR-08."""
    assert load("") is None
    with pytest.raises(YamlError, match="one document was expected, more follow"):
        load("a\n---\nb\n")


# --- places ------------------------------------------------------------------------------------------

TEXT = """\
# a comment
Name: a
opt:
  lr: 0.1
  betas: [0.9, 0.999]
layers:
  - width: 1
    "depth": 2
  - [1, parse x]
--- # another
{b: {c: d}, e: 'f'}
---

? g
: h
block: |
  text
...
--- !!map
i: &i 1
j: *i
"""


@pytest.mark.parametrize(
    ("document", "path", "key", "value"),
    [
        (0, ("Name",), (2, 1), (2, 7)),
        (0, ("opt",), (3, 1), (3, 1)),
        (0, ("opt", "betas", 1), (5, 16), (5, 16)),
        (0, ("layers", 0, "depth"), (8, 5), (8, 14)),
        (0, ("layers", 1, 1), (9, 9), (9, 9)),
        (0, ("opt", "missing"), (3, 1), (3, 1)),
        (0, ("missing",), (2, 1), (2, 1)),
        (0, ("layers", 7), (6, 1), (6, 1)),
        (1, ("b", "c"), (11, 6), (11, 9)),
        (1, ("e",), (11, 13), (11, 16)),
        (2, ("g",), (14, 3), (15, 3)),
        (2, ("block",), (16, 1), (16, 8)),
        (3, ("i",), (20, 1), (20, 4)),
        (3, ("j",), (21, 1), (20, 4)),
    ],
)
def test_the_place_of_every_key_and_value_is_found(
    document: int, path: tuple[Any, ...], key: tuple[int, int], value: tuple[int, int]
) -> None:
    """CR-09."""
    source = Source("text", TEXT)
    found = list(read_documents(source))[document]
    assert source.locate(found, path, key=True) == key
    assert source.locate(found, path) == value


def test_a_place_within_a_text_is_found_where_it_stands_in_one_line() -> None:
    """CR-09."""
    source = Source("text", "a: parse x\nb: 'parse x'\nc: |\n  parse x\nd: parse\n   x\n")
    (document,) = read_documents(source)
    assert [source.locate(document, (key,), skip=6) for key in "abcd"] == [(1, 10), (2, 11), (4, 9), (5, 4)]


def test_lines_are_those_that_libyaml_counts() -> None:
    """CR-09."""
    source = Source("text", "a: 1\r\nb: 2\rc: 3\n")
    (document,) = read_documents(source)
    assert [source.locate(document, (key,), key=True) for key in "abc"] == [(1, 1), (2, 1), (3, 1)]
    assert [source.line(number) for number in range(5)] == ["", "a: 1", "b: 2", "c: 3", ""]


def test_documents_before_a_mistake_are_read() -> None:
    """CR-15."""
    found = []
    with pytest.raises(YamlError, match="text:4:4"):
        for document in read_documents(Source("text", "a: 1\n--- # x\n--- # y\nb: [1\n")):
            found.append(document.value)
    assert found == [{"a": 1}, None]


def test_a_mistake_in_a_piece_of_a_stream_is_told_with_its_place_in_the_stream() -> None:
    """CR-15."""
    stream = "a: 1\n---\nb: 1\nc: [1\n---\nd: 1\nd: 2\n---\ne: &e 2021-13-01\n"
    told = []
    for raw in split_documents(stream):
        try:
            read_text(raw.text, "log.yaml", raw.line)
        except YamlError as error:
            told.append(str(error).partition(": ")[0])
    assert told == ["log.yaml:4:4", "log.yaml:7:1", "log.yaml:9:4"]


def test_a_stream_is_cut_at_its_markers() -> None:
    """CR-15: blank documents are left out, and what closes one is known."""
    head = "\ufeff%YAML 1.1\n# head\n---\n"
    stream = f"{head}--- # one\na: 1\n...\n\n--- {{b: 2}}\n---\n# nothing\n--- |\n text\n  ---\n...\nc: 3\n"
    raw = [(d.text, d.line, d.comment, d.ended) for d in split_documents(stream)]
    assert raw == [
        ("a: 1\n", 5, "one", True),
        ("{b: 2}\n", 8, "", False),
        ("|\n text\n  ---\n", 11, "", True),
        ("c: 3\n", 15, "", False),
    ]


def test_a_source_is_a_file_of_utf_8(tmp_path: Any) -> None:
    """CR-01."""
    path = tmp_path / "x.yaml"
    path.write_bytes("\ufeffa: é\n".encode())
    source = read_source(path, "shown.yaml")
    assert (source.name, source.text) == ("shown.yaml", "a: é\n")
    with pytest.raises(YamlError, match=r"no\.yaml: this file does not exist"):
        read_source(tmp_path / "no.yaml")
