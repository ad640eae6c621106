"""A document's text with other values: the lines that a person wrote stay as they are.

Values that differ are replaced where they stand, keys that are new come below; comments, order and
form of everything else are kept. The result is read back, and where it would not say what it should
(an anchor that others refer to, a document in braces) the document is written anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, SequenceNode

from coolrunner.errors import YamlError
from coolrunner.yamlio import dump, flow_text, read_text
from coolrunner.yamlio.scalars import Loader

__all__ = ["same", "with_values"]


class _Edit(NamedTuple):
    """A stretch of the text, from one character to before another, and what takes its place."""

    start: int
    end: int
    text: str


class _CannotEdit(Exception):
    """The text has a form in which single values cannot be replaced."""


def with_values(text: str, values: Mapping[Any, Any]) -> str:
    """Return the text of a document, changed so that it holds `values`.

    Parameters
    ----------
    text
        The text of a `coolrunner.yamlio.RawDocument`: a mapping of plain data.
    values
        What it is to hold; every key that is written is among them.
    """
    try:
        edited = _edited(text, values)
        if same(read_text(edited), values):
            return edited
    except (_CannotEdit, YamlError, yaml.YAMLError):
        pass
    return _leading_comments(text) + dump(values)


def same(one: Any, other: Any) -> bool:
    """Whether plain data is equal in value and type, whatever the order of keys."""
    if isinstance(one, dict):
        if not isinstance(other, dict) or one.keys() != other.keys():
            return False
        return all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list):
        if not isinstance(other, list) or len(one) != len(other):
            return False
        return all(map(same, one, other))
    nans = one != one and other != other
    return type(one) is type(other) and (one == other or nans)


def _edited(text: str, values: Mapping[Any, Any]) -> str:
    written = read_text(text)
    loader = Loader(text)
    try:
        node = loader.get_single_node()
    finally:
        loader.dispose()
    if not isinstance(node, MappingNode) or node.flow_style or not isinstance(written, dict):
        raise _CannotEdit
    edits: list[_Edit] = []
    missing = _edit_pairs(node, written, values, text, edits)
    edits.sort(reverse=True)
    for edit in edits:
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text.rstrip() + _break(text) + _lines(missing, "", _break(text)) if missing else text


def _edit_pairs(
    node: MappingNode, written: dict[Any, Any], wanted: Mapping[Any, Any], text: str, edits: list[_Edit]
) -> dict[Any, Any]:
    """Note what is to be changed in a mapping; return the items that it lacks."""
    # Keys that came by a merge key stand elsewhere.
    if len(node.value) != len(written) or not written.keys() <= wanted.keys():
        raise _CannotEdit
    for key, (_, value) in zip(written, node.value, strict=True):
        _edit_value(value, written[key], wanted[key], text, edits)
    return {key: value for key, value in wanted.items() if key not in written}


def _edit_value(node: Node, written: Any, wanted: Any, text: str, edits: list[_Edit]) -> None:
    if same(written, wanted):
        return
    block = isinstance(node, (MappingNode, SequenceNode)) and not node.flow_style
    if (
        block
        and isinstance(node, MappingNode)
        and isinstance(wanted, dict)
        and written.keys() <= wanted.keys()
    ):
        missing = _edit_pairs(node, written, wanted, text, edits)
        if missing:
            place = _line_after(node, text)
            lead = "" if text[place - 1] == "\n" else _break(text)
            indent = " " * node.start_mark.column
            edits.append(_Edit(place, place, lead + _lines(missing, indent, _break(text))))
    elif isinstance(node, SequenceNode) and isinstance(wanted, list) and len(wanted) == len(node.value):
        for part, old, new in zip(node.value, written, wanted, strict=True):
            _edit_value(part, old, new, text, edits)
    elif block:
        raise _CannotEdit
    else:
        start, end = node.start_mark.index, node.end_mark.index
        lead = "" if start < end else " "  # "key:" with nothing behind it
        end = start + len(text[start:end].rstrip())  # a block text takes the blank lines below it
        edits.append(_Edit(start, end, lead + flow_text(wanted)))


def _line_after(node: Node, text: str) -> int:
    """Return where the line after the last one of a block begins, before the comments that follow it."""
    while isinstance(node, (MappingNode, SequenceNode)) and not node.flow_style and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    place: int = node.end_mark.index
    if text[place - 1] == "\n":
        return place
    return text.find("\n", place) + 1 or len(text)


def _lines(values: Mapping[Any, Any], indent: str, feed: str) -> str:
    lines = dump(values).removesuffix("\n").split("\n")
    return "".join(f"{indent}{line}{feed}" if line else feed for line in lines)


def _break(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _leading_comments(text: str) -> str:
    lines = []
    for line in text.splitlines(keepends=True):
        if line.strip() and not line.lstrip().startswith("#"):
            break
        lines.append(line)
    return "".join(lines)
