"""Tables of other people: CSV and JSON lines, a row a line, read where a person names the file.

CSV is UTF-8 with a header, separated by commas, or by tabs or semicolons where the header has these and no
commas; fields are quoted as in RFC 4180. Each cell is typed by the rules of
`coolrunner.results.loaders.cells`; a column in which any cell is a code, such as ``007``, holds texts. An
empty cell is a missing value. A first column without a name, the row numbers of pandas, is left out. A field
has at most 131,072 characters.

JSON lines are UTF-8 with an object a line, of at most 16 MiB; a ``.json`` file holds a list of objects, or a
single one, and has at most 64 MiB.

Which columns are results, a table does not say. It goes as in a log: what stands behind ``REP``, or, without
that column, what is in capitals; and then also numbers whose name is that of a measure (``val_acc``,
``loss``; a text, as in ``loss: mse``, is a choice).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from coolrunner.keys import lower_is_better, words_of
from coolrunner.results.loaders.cells import is_code, typed
from coolrunner.results.loaders.jsontext import BadJsonError, parse_json, read_json
from coolrunner.results.loaders.logs import roles_of
from coolrunner.results.logs.sources import Report
from coolrunner.results.parts import Folder, Part, Role, Row, stamp_of

__all__ = ["CsvLoader", "JsonLinesLoader"]

_LINE_LIMIT = 16 << 20  # bytes
_JSON_LIMIT = 64 << 20
_BAD_LINES = 1000  # after so many, the rest is not told
_CODE = re.compile(rb'(?:^|[,;\t"])(?:\+[0-9.]|-?0[0-9])')
_SCORES = words_of("ACC ACCURACY F1 AUC AUROC SCORE REWARD RETURN R2 MAP IOU BLEU PRECISION RECALL")
_MEMO_LIMIT, _MEMO_LENGTH = 100_000, 40  # of cells; a long text seldom comes twice


class _Tabular:
    """What both kinds have in common: they are files that a person names."""

    kind = ""
    version = 1
    endings: tuple[str, ...] = ()

    def claim(self, folder: Folder, report: Report) -> Iterable[Part] | None:
        """Return None: a table may be anything, and is read only where it is named."""
        return None

    def open(self, path: Path, name: str, report: Report) -> Part | None:
        """Return a file with the ending of a table."""
        if path.suffix.lower() not in self.endings or not path.is_file():
            return None
        absolute = path.absolute()
        return Part(self.kind, str(absolute), name, (stamp_of(absolute),))

    def read(self, part: Part, report: Report) -> Iterator[Row]:
        """Yield the rows of a table; a line that is none is told, and left out."""
        told = _Told(part.name, report)
        try:
            yield from self._rows(part, told)
        except FileNotFoundError:
            return
        except OSError as error:
            report.broken.append(f"{part.name}: cannot be read: {error.strerror}")
        except _NotUtf8Error as error:
            told(error.line, f"not UTF-8: {error}; what is before it is kept")

    def _rows(self, part: Part, told: _Told) -> Iterator[Row]:
        raise NotImplementedError


class CsvLoader(_Tabular):
    """CSV: each file is a part."""

    kind = "csv"
    endings = (".csv", ".tsv")

    def _rows(self, part: Part, told: _Told) -> Iterator[Row]:
        deaf = _Told(part.name, Report())
        with Path(part.path).open("rb") as file:
            has_codes = any(_CODE.search(line) for line in _Lines(file, deaf).raw())
        codes = self._columns_of_codes(part) if has_codes else set()
        with Path(part.path).open("rb") as file:
            lines = _Lines(file, told)
            table = _opened(lines, told)
            if table is None:
                return
            names, records = table
            known = _Known()
            kinds: list[Callable[[str], Any]] = [
                str if place in codes else known.__getitem__ for place in range(len(names))
            ]
            number = 0
            for line, start, cells in records:
                number += 1
                if len(cells) > len(names) and any(cells[len(names) :]):
                    told(line, f"{len(cells)} cells, and there are {len(names)} columns")
                    continue
                value = {
                    name: kind(cell)
                    for name, kind, cell in zip(names, kinds, cells, strict=False)
                    if cell and name
                }
                yield Row(value, _roles_of(value), number, start, lines.offset, line)

    def _columns_of_codes(self, part: Part) -> set[int]:
        """Return the places of the columns in which any cell is a code."""
        with Path(part.path).open("rb") as file:
            deaf = _Told(part.name, Report())
            table = _opened(_Lines(file, deaf), deaf)
            if table is None:
                return set()
            codes: set[int] = set()
            try:
                for _, _, cells in table[1]:
                    codes.update(
                        place for place, cell in enumerate(cells) if cell[:1] in "+-0" and is_code(cell)
                    )
            except _NotUtf8Error:
                pass
            return codes


class JsonLinesLoader(_Tabular):
    """JSON lines, and lists of objects: each file is a part."""

    kind = "jsonl"
    endings = (".jsonl", ".ndjson", ".json")

    def _rows(self, part: Part, told: _Told) -> Iterator[Row]:
        if part.path.lower().endswith(".json"):
            try:
                value = read_json(part.path, _JSON_LIMIT)
            except BadJsonError as error:
                hint = "; JSON lines have the ending .jsonl" if "extra data" in str(error) else ""
                told.report.broken.append(error.at(part.name) + hint)
                return
            for number, item in enumerate(value if isinstance(value, list) else [value], 1):
                if isinstance(item, dict):
                    yield Row(item, _roles_of(item), number)
                else:
                    told(0, f"item {number}: an object was expected")
            return
        with Path(part.path).open("rb") as file:
            lines = _Lines(file, told)
            number = start = 0
            for text in lines:
                begin, start = start, lines.offset
                if not text.strip():
                    continue
                number += 1
                try:
                    item = parse_json(text, lines.number)
                except BadJsonError as error:
                    torn = "" if text.endswith("\n") else "; the file ends there"
                    told(error.place, f"{error}{torn}")
                    continue
                if isinstance(item, dict):
                    yield Row(item, _roles_of(item), number, begin, lines.offset, lines.number)
                else:
                    told(lines.number, "an object was expected")


class _NotUtf8Error(ValueError):
    def __init__(self, why: str, line: int) -> None:
        super().__init__(why)
        self.line = line


class _Told:
    """Tells a report of bad lines, and of no more than a thousand of one file."""

    def __init__(self, name: str, report: Report) -> None:
        self.report = report
        self._name = name
        self.count = 0

    def __call__(self, line: int | str, why: str) -> None:
        self.count += 1
        if self.count <= _BAD_LINES:
            place = f"{self._name}:{line}" if line else self._name
            self.report.broken.append(f"{place}: {why}")
        elif self.count == _BAD_LINES + 1:
            self.report.broken.append(f"{self._name}: and more such lines")


class _Lines:
    """The lines of a file; one that is too long is told, and passed over.

    Attributes
    ----------
    number
        Of the line that was read last.
    offset
        Of the byte behind it.
    """

    def __init__(self, file: IO[bytes], told: _Told) -> None:
        self._file = file
        self._told = told
        self.number = 0
        self.offset = 0

    def raw(self) -> Iterator[bytes]:
        """Yield lines as they stand."""
        while line := self._file.readline(_LINE_LIMIT):
            self.number += 1
            self.offset += len(line)
            if len(line) < _LINE_LIMIT or line.endswith(b"\n"):
                yield line
                continue
            while line and not line.endswith(b"\n"):
                line = self._file.readline(_LINE_LIMIT)
                self.offset += len(line)
            self._told(self.number, f"a line of more than {_LINE_LIMIT >> 20} MiB")

    def __iter__(self) -> Iterator[str]:
        """Yield lines as texts.

        Raises
        ------
        _NotUtf8Error
            One is none.
        """
        for line in self.raw():
            if b"\0" in line:
                self._told(self.number, "a NUL byte, as no text has")
                continue
            try:
                yield line.decode("utf-8-sig" if self.number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                byte = line[error.start]
                raise _NotUtf8Error(f"byte 0x{byte:02x} cannot be read", self.number) from None


# --- CSV ---

_Record = tuple[int, int, list[str]]


def _opened(lines: _Lines, told: _Told) -> tuple[list[str], Iterator[_Record]] | None:
    """Return the names of the columns, empty for what is left out, and an iterator over the records."""
    text = iter(lines)
    first = next(text, "")
    delimiter = max(",\t;", key=lambda letter: (letter == "," and letter in first, first.count(letter)))

    def again() -> Iterator[str]:
        yield first
        yield from text

    records = _records(csv.reader(again(), delimiter=delimiter, strict=True), lines, told)
    header = next(records, None)
    if header is None:
        if not told.count:
            told(0, "empty")
        return None
    names = [name.strip() for name in header[2]]
    if all(not name or isinstance(typed(name), (int, float)) for name in names):
        told(header[0], "no names of columns: a table begins with them")
        return None
    met: set[str] = set()
    for place, name in enumerate(names):
        if not name and place:
            names[place] = name = f"column {place + 1}"
        if name in met:
            told(header[0], f"the column {name!r} is given twice; the second is left out")
            names[place] = ""
        met.add(name)
    return names, records


def _records(reader: Any, lines: _Lines, told: _Told) -> Iterator[_Record]:
    """Yield the line, the offset and the cells of each record that is not blank."""
    while True:
        line, start = reader.line_num + 1, lines.offset if reader.line_num else 0
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            told(line, f"{error}")
            continue
        if cells:
            yield line, start, cells


class _Known(dict[str, Any]):
    """What cells mean, each looked at once."""

    def __missing__(self, text: str) -> Any:
        value = typed(text)
        if len(text) <= _MEMO_LENGTH and type(value) is not list and len(self) < _MEMO_LIMIT:
            self[text] = value
        return value


# --- roles ---


def _roles_of(value: dict[Any, Any]) -> tuple[Role, ...]:
    """Return what each key of a row is."""
    return _roles(tuple(value), tuple(map(type, value.values())))


@lru_cache(maxsize=4096)
def _roles(names: tuple[str, ...], kinds: tuple[type, ...]) -> tuple[Role, ...]:
    roles = roles_of(dict.fromkeys(names))
    if "REP" in names:
        return roles
    return tuple(
        Role.RESULT if role is Role.PARAMETER and kind is not str and _is_measure(name) else role
        for name, kind, role in zip(names, kinds, roles, strict=True)
    )


def _is_measure(name: str) -> bool:
    return lower_is_better(name) or not words_of(name).isdisjoint(_SCORES)
