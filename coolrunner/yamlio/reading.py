"""YAML text to plain data, by libyaml, with the place of everything that is wrong.

A stream is read from libyaml's events by a small builder that remembers resolved scalars, about twice
as fast as PyYAML's constructor. Documents with tags, anchors or aliases go to PyYAML's safe
constructor. Both refuse a key given twice.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from yaml.nodes import MappingNode, ScalarNode

from coolrunner.errors import NotPlainError, Position, Problem, YamlError
from coolrunner.yamlio.mistakes import yaml_problem
from coolrunner.yamlio.plain import to_plain
from coolrunner.yamlio.scalars import Loader, check_length, resolve_plain
from coolrunner.yamlio.source import Document, Source, moved

__all__ = ["load", "read_documents"]


_DEPTH_LIMIT = 250  # more than what is written can have
_PARTS_LIMIT = 2_000_000  # lists and mappings in a document, each of which takes a hundred bytes or more
_SHOWN = 100  # characters of a text that is at fault
_ALIAS_LIMIT = 10_000_000  # characters that aliases may add to a document
_OPENS = {SequenceStartEvent: 1, MappingStartEvent: 1, SequenceEndEvent: -1, MappingEndEvent: -1}


class _NeedsNodes(Exception):
    """The document has tags, anchors or aliases."""


def read_documents(source: Source) -> Iterator[Document]:
    """Read the documents of a stream, one after the other.

    Raises
    ------
    YamlError
        The text is not YAML from some place on (the documents before it have been yielded), or gives
        a key twice.
    """
    try:
        loader = Loader(source.text)
    except (yaml.YAMLError, UnicodeEncodeError) as error:  # characters that YAML does not allow
        raise YamlError(yaml_problem(source, error)) from None
    get_event: Callable[[], Any] = loader.get_event
    builder = _Builder(source, get_event)
    try:
        get_event()  # stream start
        while True:
            event = get_event()
            kind = type(event)
            if kind is StreamEndEvent:
                return
            if kind is not DocumentStartEvent:
                continue
            start = event.start_mark
            first = get_event()
            mark = first.start_mark
            try:
                value = builder.document(first)
                get_event()  # document end
            except _NeedsNodes:
                depth = 0
                while kind is not DocumentEndEvent:
                    event = get_event()
                    kind = type(event)
                    depth += _OPENS.get(kind, 0)
                    if depth > _DEPTH_LIMIT:
                        raise YamlError(Problem("nested too deeply", Position(source.name))) from None
                value = _from_nodes(source, mark, event.start_mark.index)
            line = mark.line if value is not None else start.line
            yield Document(value, line + 1, mark.index)
    except yaml.YAMLError as error:
        raise YamlError(yaml_problem(source, error)) from None
    except RecursionError:
        raise YamlError(Problem("nested too deeply", Position(source.name))) from None
    finally:
        loader.dispose()


def load(text: str, name: str = "text") -> Any:
    """Return the plain data of a text that holds one document (None for none).

    Raises
    ------
    YamlError
        It is not YAML, or holds more than one document.
    """
    source = Source(name, text)
    documents = list(read_documents(source))
    if len(documents) > 1:
        raise YamlError(source.problem("one document was expected, more follow", documents[1].line, 1))
    return documents[0].value if documents else None


class _Builder:
    """Builds plain data from libyaml's events."""

    __slots__ = ("_depth", "_next", "_parts", "_source")

    def __init__(self, source: Source, get_event: Any) -> None:
        self._source = source
        self._next = get_event
        self._depth = self._parts = 0

    def document(self, event: Any) -> Any:
        self._depth = self._parts = 0
        return self._built(event)

    def _built(self, event: Any) -> Any:
        kind = type(event)
        if kind is ScalarEvent:
            return self._scalar(event)
        if kind is MappingStartEvent:
            self._enter(event)
            result = self._mapping()
            self._depth -= 1
            return result
        if kind is SequenceStartEvent:
            self._enter(event)
            get_event = self._next
            items = []
            while type(event := get_event()) is not SequenceEndEvent:
                items.append(self._built(event))
            self._depth -= 1
            return items
        raise _NeedsNodes  # an alias

    def _enter(self, event: Any) -> None:
        if event.anchor is not None or event.tag is not None:
            raise _NeedsNodes
        self._depth += 1
        self._parts += 1
        if self._depth > _DEPTH_LIMIT:
            raise YamlError(_at(self._source, event, "nested too deeply"))
        if self._parts > _PARTS_LIMIT:
            raise YamlError(_at(self._source, event, f"more than {_PARTS_LIMIT:,} lists and mappings"))

    def _scalar(self, event: Any) -> Any:
        if event.anchor is not None or event.tag is not None:
            raise _NeedsNodes
        if not event.implicit[0]:
            return event.value
        try:
            return resolve_plain(event.value)
        except ValueError as error:
            raise YamlError(_bad_scalar(self._source, event, error)) from None

    def _mapping(self) -> dict[Any, Any]:
        get_event = self._next
        result: dict[Any, Any] = {}
        while type(event := get_event()) is not MappingEndEvent:
            if event.value == "<<" if type(event) is ScalarEvent else True:
                raise _NeedsNodes  # a merge key, or a key that is no scalar
            key = self._scalar(event)
            mark = event.start_mark
            value = self._built(get_event())
            if key in result:
                raise YamlError(_twice(self._source, key, mark))
            result[key] = value
        return result


class _NodeLoader(Loader):
    """Constructs documents that have tags, anchors or aliases; refuses a key given twice."""

    source: Source

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """Construct a value; say where one is that looks like a date or a number and is none."""
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            if not isinstance(node, ScalarNode):
                raise
            raise YamlError(_bad_scalar(self.source, node, error)) from None

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Construct a mapping after a look at its own keys, before merge keys are spread."""
        seen = set()
        for key_node, _ in node.value if isinstance(node, MappingNode) else ():
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            try:
                if key in seen:
                    raise YamlError(_twice(self.source, key, key_node.start_mark))
                seen.add(key)
            except TypeError:
                break  # an unhashable key: the constructor below says so with its place
        result: dict[Any, Any] = super().construct_mapping(node, deep)
        return result

    def construct_yaml_map(self, node: Any) -> Generator[dict[Any, Any], None, None]:
        """Construct a mapping at once: a mapping that contains itself is no plain data."""
        yield self.construct_mapping(node, deep=True)


_NodeLoader.add_constructor("tag:yaml.org,2002:map", _NodeLoader.construct_yaml_map)


def _from_nodes(source: Source, start: yaml.Mark, end: int) -> Any:
    """Return the data of the document that begins at `start`, by PyYAML's constructor."""
    inner = Source(source.name, " " * start.column + source.text[start.index : end])
    loader = _NodeLoader(inner.text)
    loader.source = inner
    try:
        _check_aliases(inner)
        # A plain copy: what stands in one place and, through an alias, in another is not shared, and
        # !!set and a list that contains itself are found out.
        return to_plain(loader.get_single_data())
    except yaml.YAMLError as error:
        raise moved(YamlError(yaml_problem(inner, error)), start.line) from None
    except NotPlainError as error:
        raise moved(YamlError(inner.problem(str(error), 1, start.column + 1)), start.line) from None
    except YamlError as error:
        raise moved(error, start.line) from None
    finally:
        loader.dispose()


def _check_aliases(source: Source) -> None:
    """Raise where the one document of a text grows beyond bounds by its aliases.

    Ten anchors, each of a list of ten aliases of the one before, are 10,000,000,000 values.
    """
    loader: Any = Loader(source.text)
    sizes: dict[str, int] = {}  # characters by anchor
    open_: list[tuple[str | None, int]] = [(None, 0)]
    added = parts = 0
    try:
        while (kind := type(event := loader.get_event())) is not StreamEndEvent:
            size = 1
            if kind is ScalarEvent:
                size += len(event.value)
                if event.implicit[0] or event.tag is not None:
                    try:
                        check_length(event.value)
                    except ValueError as error:
                        raise YamlError(_bad_scalar(source, event, error)) from None
            elif kind is AliasEvent:
                size = sizes.get(event.anchor, 1)
                added += size
                if added > _ALIAS_LIMIT:
                    problem = f"its aliases come to more than {_ALIAS_LIMIT:,} characters"
                    raise YamlError(_at(source, event, problem))
            elif (change := _OPENS.get(kind, 0)) > 0:
                parts += 1
                if parts > _PARTS_LIMIT:
                    raise YamlError(_at(source, event, f"more than {_PARTS_LIMIT:,} lists and mappings"))
                open_.append((event.anchor, 1))
                continue
            elif change < 0:
                anchor, size = open_.pop()
                if anchor is not None:
                    sizes[anchor] = size
            else:
                continue
            if kind is ScalarEvent and event.anchor is not None:
                sizes[event.anchor] = size
            anchor, before = open_[-1]
            open_[-1] = anchor, before + size
    finally:
        loader.dispose()


def _at(source: Source, event: Any, message: str) -> Problem:
    mark = event.start_mark
    return source.problem(message, mark.line + 1, mark.column + 1)


def _bad_scalar(source: Source, scalar: Any, error: ValueError) -> Problem:
    mark = scalar.start_mark
    message = f"{_short(scalar.value)} looks like a date or a number, but {error}"
    return source.problem(message, mark.line + 1, mark.column + 1, "put quotes around it if it is a text")


def _short(text: str) -> str:
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}..."


def _twice(source: Source, key: Any, mark: Any) -> Problem:
    message = f"the key {_short(str(key))} is given twice in one mapping"
    hint = "a new experiment begins after a line '---'" if mark.column == 0 else ""
    return source.problem(message, mark.line + 1, mark.column + 1, hint)
