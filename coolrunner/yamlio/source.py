"""A text and where it came from: what is at fault in it can be shown with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from coolrunner.errors import Position, Problem, YamlError, nearest
from coolrunner.yamlio.scalars import Loader, resolve_plain

__all__ = ["Document", "Source", "moved", "read_source"]

Steps = tuple[Any, ...]
_MARKER = re.compile(r"^(?:---|\.\.\.)(?=[ \t\r\n]|\Z)", re.MULTILINE)
_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # as YAML 1.1, and so libyaml, counts lines
_NODES_KEPT = 16
_CUT_LIMIT = 8_000_000  # characters; the lines take twenty times as much memory


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a stream.

    Attributes
    ----------
    value
        Its plain data; None for an empty document.
    line
        The line of its first content, from 1; of its ``---`` where there is none.
    start
        Where its content begins in the text of its `Source`, in characters.
    """

    value: Any
    line: int
    start: int


@dataclass(frozen=True, eq=False)
class Source:
    """A text and where it came from; it finds the place of a key when an error needs it.

    Places are looked up by reading the document again, so that reading 100,000 documents keeps none.
    """

    name: str
    text: str
    _nodes: dict[int, Node | None] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def _lines(self) -> list[str]:
        return _BREAK.split(self.text)

    def line(self, number: int) -> str:
        """Return the text of line `number` (from 1); an empty string where the text is too long to be cut."""
        if len(self.text) > _CUT_LIMIT:
            return ""
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""

    def problem(self, message: str, line: int, column: int, hint: str = "") -> Problem:
        """Return a `Problem` at a line and column of this source (both from 1)."""
        return Problem(message, Position(self.name, line, column), self.line(line), hint)

    def locate(self, document: Document, path: Steps, *, key: bool = False, skip: int = 0) -> tuple[int, int]:
        """Return line and column (from 1) of the value at `path` in a document, or of its key.

        Parameters
        ----------
        document
            A document of this source.
        path
            Keys and list indices from the top. Where only a part of it exists (the rest came from a
            merge key or from elsewhere), the place of that part is returned.
        key
            Whether to point to the last mapping key of the path in place of its value.
        skip
            How many characters into the value to point, if it is a text and they stand in its line.
        """
        node = self._node(document)
        place = (document.line, 1)
        for step in path:
            if isinstance(node, MappingNode):
                pair = next((p for p in node.value if _key_of(p[0]) == step), None)
                if pair is None:
                    break
                node = pair[1]
                mark = pair[0].start_mark if key else _content_mark(pair)
            elif isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                mark = node.start_mark
            else:
                break
            place = (document.line + mark.line, mark.column + 1)
        return self._within(*place, skip) if skip else place

    def _within(self, line: int, column: int, skip: int) -> tuple[int, int]:
        text = self.line(line)
        if text[column - 1 : column] in ("|", ">"):  # a block: its text begins on the next line
            line, text = line + 1, self.line(line + 1)
            column = len(text) - len(text.lstrip()) + 1
        place = column + skip + (text[column - 1 : column] in ("'", '"'))
        return line, place if place <= len(text) + 1 else column

    def _node(self, document: Document) -> Node | None:
        start = document.start
        if start not in self._nodes:
            if len(self._nodes) >= _NODES_KEPT:
                self._nodes.clear()
            column = start - (self.text.rfind("\n", 0, start) + 1)
            end = _MARKER.search(self.text, start)
            self._nodes[start] = _compose(" " * column + self.text[start : end.start() if end else None])
        return self._nodes[start]


def _compose(text: str) -> Node | None:
    loader = Loader(text)
    try:
        return loader.get_single_node()
    except yaml.YAMLError:
        return None
    finally:
        loader.dispose()


def _content_mark(pair: tuple[Node, Node]) -> Any:
    # A block mapping or list begins on a later line; its key is the better place to point to.
    key, value = pair
    block = isinstance(value, (MappingNode, SequenceNode)) and value.start_mark.line != key.start_mark.line
    return key.start_mark if block else value.start_mark


def _key_of(node: Node) -> Any:
    if isinstance(node, ScalarNode) and node.tag == "tag:yaml.org,2002:str":
        return node.value
    return resolve_plain(node.value) if isinstance(node, ScalarNode) else object()


def read_source(path: Path | str, name: str | None = None) -> Source:
    """Read a file of UTF-8 text.

    Raises
    ------
    YamlError
        It is missing, a directory, unreadable, or not UTF-8.
    """
    path = Path(path)
    name = name or str(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise YamlError(Problem("this file does not exist", Position(name), hint=_neighbour(path))) from None
    except IsADirectoryError:
        raise YamlError(Problem("this is a directory; a YAML file was expected", Position(name))) from None
    except OSError as error:
        raise YamlError(Problem(f"cannot be read: {error.strerror}", Position(name))) from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        message = f"not UTF-8: byte 0x{data[error.start]:02x} cannot be read"
        raise YamlError(
            Problem(message, Position(name, line, column), hint="save the file with the encoding UTF-8")
        ) from None
    return Source(name, text)


def _neighbour(path: Path) -> str:
    """Return a hint at a file beside a missing one that may have been meant, or an empty string."""
    try:
        there = {entry.stem: entry for entry in path.parent.iterdir() if entry.suffix in (".yaml", ".yml")}
    except OSError:
        return ""
    close = nearest(path.stem, there)  # the endings are alike anyway
    return f"did you mean {there[close]}?" if close else ""


def moved(error: YamlError, lines: int) -> YamlError:
    """Return an error in a piece of a text as one in the whole, in which `lines` lines come before."""
    problem = error.problem
    if problem.position is None or not problem.position.line:
        return error
    return YamlError(replace(problem, position=replace(problem.position, line=problem.position.line + lines)))
