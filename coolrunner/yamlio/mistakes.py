"""What libyaml complains of, with a place where a person can mend it and a word on how."""

from __future__ import annotations

import re
from typing import Any

import yaml

from coolrunner.errors import Position, Problem
from coolrunner.yamlio.source import Source

__all__ = ["yaml_problem"]

_NO_SPACE = re.compile(r"\s*[\w.-]+:\S")
_VALUE = re.compile(r"(?:.*?:|\s*-)\s+(.)")
_INDICATORS = {"%", "@", "`", "*", "&", "!"}
_BEGINS = re.compile("cannot start any token|undefined alias|alphabetic or numeric|tag")


def yaml_problem(source: Source, error: yaml.YAMLError | UnicodeError) -> Problem:
    """Return what is wrong with a text that libyaml (or PyYAML's constructor) refuses."""
    words = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    context = getattr(error, "context", None)
    message = f"not valid YAML: {words}" + (f" ({context})" if context else "")
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return _without_mark(source, error, message)
    begun = getattr(error, "context_mark", None)
    # A bracket or a quote that is never closed is found at the end, and mended at its beginning.
    line = source.line(mark.line + 1)
    if begun is not None and (
        "simple key" in str(context) or not line.strip() or line.startswith(("---", "..."))
    ):
        mark = begun
    return source.problem(message, mark.line + 1, mark.column + 1, _hint(source, words, str(context), mark))


def _without_mark(source: Source, error: yaml.YAMLError | UnicodeError, message: str) -> Problem:
    position = getattr(error, "position", getattr(error, "start", None))
    if not isinstance(position, int):
        return Problem(message, Position(source.name))
    before = source.text[:position]
    return source.problem(message, before.count("\n") + 1, position - before.rfind("\n"))


def _hint(source: Source, words: str, context: str, mark: Any) -> str:
    text = source.line(mark.line + 1)
    before, after = text[: mark.column], text[mark.column :]
    value = match[1] if (match := _VALUE.match(text)) else ""
    hint = ""
    if "\t" in text[: len(text) - len(text.lstrip())]:
        hint = "YAML is indented with spaces, never with tabs"
    elif "simple key" in context:
        spaced = _NO_SPACE.match(text)
        hint = "write a space after the colon" if spaced else "'key: value' was expected; is a colon missing?"
    elif "scanning a quoted scalar" in context and "end of stream" in words:
        hint = "this quotation mark is never closed"
    elif "escape character" in words:
        hint = "use single quotes: in double ones a backslash begins an escape such as \\n"
    elif "flow" in context and after[:1] in ("[", "{"):
        hint = "this bracket is never closed"
    elif _BEGINS.search(words) and (after[:1] in _INDICATORS or before[-1:] in _INDICATORS):
        hint = "put quotes around a text that begins with this character"
    elif "mapping values are not allowed" in words and re.search(r":\s", before):
        hint = "put quotes around a value that contains ': '"
    elif "did not find expected key" in words and value in ("[", "{", "'", '"') and before.strip():
        hint = f"put quotes around the whole of a value that begins with {value}"
    elif "mapping values are not allowed" in words or not before.strip():
        hint = "is this line indented as it should be?"
    return hint
