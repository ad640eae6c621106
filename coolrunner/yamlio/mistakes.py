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
    place = mark.line + 1, mark.column + 1
    if "mapping values are not allowed" in words and (above := _line_without_colon(source, *place)):
        # A line such as "lr:0.1" is a text, which goes on in the next one up to its colon.
        return source.problem(message, above, 1, _colon_hint(source.line(above)))
    return source.problem(message, *place, _hint(source, words, str(context), mark))


def _without_mark(source: Source, error: yaml.YAMLError | UnicodeError, message: str) -> Problem:
    position = getattr(error, "position", getattr(error, "start", None))
    if not isinstance(position, int):
        return Problem(message, Position(source.name))
    before = source.text[:position]
    return source.problem(message, before.count("\n") + 1, position - before.rfind("\n"))


def _line_without_colon(source: Source, line: int, column: int) -> int:
    """Return the line above a place if it lacks the colon that the one at the place has; 0 if not."""
    if re.search(r":\s", source.line(line)[: column - 1]):
        return 0
    above = line - 1
    while above and not source.line(above).strip():
        above -= 1
    text = source.line(above).strip()
    plain = text and not re.search(r":(\s|$)", text) and not text.startswith(("#", "-", "...", "%"))
    return above if plain else 0


def _colon_hint(text: str) -> str:
    if _NO_SPACE.match(text):
        return "write a space after the colon"
    return "'key: value' was expected; is a colon missing?"


def _hint(source: Source, words: str, context: str, mark: Any) -> str:
    text = source.line(mark.line + 1)
    before, after = text[: mark.column], text[mark.column :]
    value = match[1] if (match := _VALUE.match(text)) else ""
    hint = ""
    if "\t" in text[: len(text) - len(text.lstrip())]:
        hint = "YAML is indented with spaces, never with tabs"
    elif "simple key" in context:
        hint = _colon_hint(text)
    elif "scanning a quoted scalar" in context and "end of stream" in words:
        hint = "this quotation mark is never closed"
    elif "escape character" in words:
        hint = "use single quotes: in double ones a backslash begins an escape such as \\n"
    elif "flow" in context and after[:1] in ("[", "{") and before[-1:].strip(" [{,:-"):
        hint = "put quotes around the whole of a value that has brackets in it"
    elif "flow" in context and after[:1] in ("[", "{"):
        hint = "this bracket is never closed"
    elif _BEGINS.search(words) and (after[:1] in _INDICATORS or before[-1:] in _INDICATORS):
        hint = "put quotes around a text that begins with this character"
    elif "unhashable key" in words:
        hint = "put quotes around a text that begins with {"
    elif "mapping values are not allowed" in words and re.search(r":\s", before):
        hint = "put quotes around a value that contains ': '"
    elif "did not find expected key" in words and value in ("[", "{", "'", '"') and before.strip():
        hint = f"put quotes around the whole of a value that begins with {value}"
    elif "mapping values are not allowed" in words or (text.strip() and not before.strip()):
        hint = "is this line indented as it should be?"
    return hint
