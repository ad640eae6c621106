"""Experiments as YAML, JSON, CSV and plain tables.

A format first *prepares* each experiment, on its own, and later *renders* all that were prepared and
kept; so what is not needed of an experiment is forgotten at once.
"""

from __future__ import annotations

import base64
import csv
import datetime
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

from coolrunner.results.logs.reading import Entry, document_text, wrap_document
from coolrunner.results.logs.yamllog import HEADER
from coolrunner.yamlio import dump

__all__ = [
    "FORMATS",
    "CsvFormat",
    "Format",
    "JsonFormat",
    "KeyChoice",
    "YamlFormat",
    "cell",
    "columns_of",
    "flatten",
    "json_text",
]


class KeyChoice:
    """Keeps some keys of experiments, in the experiments' own order.

    Parameters
    ----------
    names
        Keys; ``optimizer.lr`` keeps one key of a nested mapping. Without any, all are kept.

    Attributes
    ----------
    names
        The keys, each once.
    paths
        The same, step by step.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = list(dict.fromkeys(names))
        self.paths = [tuple(name.split(".")) for name in self.names]
        self._whole = set(self.names)
        inside: dict[str, list[str]] = {}
        for first, *rest in self.paths:
            if rest:
                inside.setdefault(first, []).append(".".join(rest))
        self._nested = {first: KeyChoice(rests) for first, rests in inside.items()}

    def __call__(self, mapping: dict[Any, Any]) -> dict[Any, Any]:
        """Return the chosen part of a mapping."""
        if not self.names:
            return mapping
        kept: dict[Any, Any] = {}
        for key, value in mapping.items():
            if key in self._whole:
                kept[key] = value
            elif key in self._nested and isinstance(value, dict) and (part := self._nested[key](value)):
                kept[key] = part
        return kept


class Format(Protocol):
    """A way to write experiments."""

    #: The ending of its files.
    ending: str

    def prepare(self, entry: Entry) -> Any:
        """Return what is kept of an experiment until it is written."""

    def render(self, prepared: Iterable[Any]) -> Iterator[str]:
        """Yield the text, piece by piece."""


class YamlFormat:
    """A log; experiments stand in it in their own text where all their keys are kept."""

    ending = ".yaml"

    def __init__(self, keep: KeyChoice) -> None:
        self._keep = keep

    def prepare(self, entry: Entry) -> str:
        """Return the experiment's document."""
        if not self._keep.names:
            return document_text(entry)
        return wrap_document(dump(self._keep(entry.value)), entry.raw.comment)

    def render(self, prepared: Iterable[str]) -> Iterator[str]:
        """Yield the header, then the documents."""
        yield HEADER
        yield from prepared


class JsonFormat:
    """A JSON array with an object a line.

    Strict JSON: ``nan`` and infinities become null, dates ISO 8601 texts, binary values base64 texts.
    """

    ending = ".json"

    def __init__(self, keep: KeyChoice) -> None:
        self._keep = keep

    def prepare(self, entry: Entry) -> str:
        """Return the experiment's object."""
        return json_text(self._keep(entry.value))

    def render(self, prepared: Iterable[str]) -> Iterator[str]:
        """Yield the array."""
        separator = "[\n"
        for text in prepared:
            yield separator + text
            separator = ",\n"
        yield "[]\n" if separator == "[\n" else "\n]\n"


class CsvFormat:
    """A table with a header, comma-separated, quoted where needed, and nothing cut off.

    Nested mappings are spread over columns ``optimizer.lr``; lists stand as JSON in one cell; null and
    what an experiment lacks are empty cells.
    """

    ending = ".csv"

    def __init__(self, keep: KeyChoice) -> None:
        self._keep = keep

    def prepare(self, entry: Entry) -> dict[str, Any]:
        """Return the experiment's cells by column."""
        return flatten(self._keep(entry.value))

    def render(self, prepared: Iterable[dict[str, Any]]) -> Iterator[str]:
        """Yield the header, then the rows."""
        rows = list(prepared)
        columns = columns_of(rows, self._keep.names)
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        if columns:
            writer.writerow(columns)
        for row in rows:
            writer.writerow([cell(row.get(column)) for column in columns])
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()


#: The formats by the names that a person gives them.
FORMATS: dict[str, Callable[[KeyChoice], Format]] = {"yaml": YamlFormat, "json": JsonFormat, "csv": CsvFormat}


def flatten(mapping: dict[Any, Any], before: str = "") -> dict[str, Any]:
    """Return a mapping with its nested mappings spread: ``{"a": {"b": 1}}`` as ``{"a.b": 1}``."""
    flat: dict[str, Any] = {}
    for key, value in mapping.items():
        name = f"{before}{_key(key)}"
        if isinstance(value, dict) and value:
            flat |= flatten(value, name + ".")
        else:
            flat[name] = value
    return flat


def columns_of(rows: Iterable[dict[str, Any]], wanted: Sequence[str] = ()) -> list[str]:
    """Return the columns of flat rows, in the order in which they are first met.

    Parameters
    ----------
    rows
        From `flatten`.
    wanted
        Keys whose columns come in this order, as a person gave them.
    """
    columns: dict[str, None] = {}
    for row in rows:
        columns.update(dict.fromkeys(row))
    if not wanted:
        return list(columns)
    places = {name: place for place, name in reversed(list(enumerate(wanted)))}

    def place(column: str) -> int:
        parts = column.split(".")
        return min(
            (places.get(".".join(parts[:end]), len(places)) for end in range(1, len(parts) + 1)), default=0
        )

    return sorted(columns, key=place)


def cell(value: Any) -> str:
    """Return a value as the text of one cell."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    plain = _strict(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def json_text(value: Any) -> str:
    """Return a value as strict JSON, on one line; see `JsonFormat`."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):  # dates, nan, keys that are no texts
        return json.dumps(_strict(value), ensure_ascii=False, allow_nan=False)


def _strict(value: Any) -> Any:
    """Return data that JSON knows."""
    if isinstance(value, dict):
        return {_key(key): _strict(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime.date):  # date-times are dates, too
        return value.isoformat()
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def _key(key: Any) -> str:
    return key if type(key) is str else cell(key) or "null"
