"""Tables of results as files of other programs: CSV, JSON, YAML, Markdown, LaTeX and Parquet.

CSV, JSON, YAML and Parquet lose nothing: numbers stand in full. Markdown and LaTeX are for people, and show
about four digits. They need no other package, but for Parquet, which is pyarrow's.
"""

from __future__ import annotations

import csv
import importlib
import io
import math
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coolrunner.errors import LogError, UsageError
from coolrunner.results.joining import STATUS
from coolrunner.results.logs.reading import wrap_document
from coolrunner.results.logs.yamllog import HEADER
from coolrunner.results.parts import MISSING, Role
from coolrunner.results.rows import Rows
from coolrunner.results.showing.choosing import HANDLE
from coolrunner.results.showing.digits import Spread, aligned, rounded
from coolrunner.results.showing.formats import KeyChoice, cell, json_text
from coolrunner.yamlio import dump

__all__ = [
    "ENDINGS",
    "csv_lines",
    "data_of",
    "is_numeric",
    "json_lines",
    "latex_lines",
    "markdown_lines",
    "one_line",
    "shown",
    "texts_of",
    "write_file",
    "write_parquet",
    "yaml_documents",
]

#: The formats by the endings of files.
ENDINGS = {
    ".csv": "csv",
    ".json": "json",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".md": "markdown",
    ".tex": "latex",
    ".parquet": "parquet",
}

Table = Iterable[Sequence[Any]]

_IN_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
_EXPONENT = re.compile(r"(-?[0-9.]+)e([-+]?)0*([0-9]+)")
_OBJECT = re.compile(r"solve\s+(?:\w+\.)*(\w+)\s*")


# --- in full ---


def csv_lines(names: Sequence[str], table: Table) -> Iterator[str]:
    """Yield a header and a line a row: comma-separated, quoted where needed, floats with all their digits.

    Lists and mappings stand as JSON in a cell; null and what a row lacks are empty cells.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")

    def taken() -> str:
        text = buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
        return text

    if names:
        writer.writerow(names)
        yield taken()
    for row in table:
        writer.writerow(["" if value is MISSING else cell(value) for value in row])
        yield taken()


def json_lines(records: Iterable[Any]) -> Iterator[str]:
    """Yield a JSON array with a record a line; ``nan`` and infinities are null, dates ISO 8601 texts."""
    separator = "[\n"
    for record in records:
        yield separator + json_text(record)
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


def yaml_documents(rows: Rows, handles: Iterable[str], names: Sequence[str] = ()) -> Iterator[str]:
    """Yield a log of whole rows, as ``coolrunner collect`` and ``filter`` read it.

    Parameters
    ----------
    rows
        What it holds.
    handles
        The short id of each, which stands as a comment above it.
    names
        The keys that are kept; all without any.
    """
    choice = KeyChoice(names)
    yield HEADER
    # How a row stands now is found out anew where it is read.
    for value, handle in zip(rows.values(without=(HANDLE, STATUS)), handles, strict=True):
        yield wrap_document(dump(choice(value)), handle)


def data_of(rows: Rows, handles: Iterable[str], names: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Yield what is known of rows for other programs.

    Each is a mapping of ``id``, ``kind``, ``place``, ``parameters``, ``results`` and ``info``, of which the
    last three hold the values of the row, nested as they are.

    Parameters
    ----------
    rows, names
        As in `yaml_documents`.
    handles
        The short id of each row.
    """
    choice = KeyChoice(names)
    roles = {key.path[0]: key.role for key in reversed(rows.keys)}
    roles |= {key.name: key.role for key in rows.keys}
    homes = {Role.PARAMETER: "parameters", Role.RESULT: "results", Role.INFO: "info"}
    values = rows.values(without=[HANDLE])
    for value, handle, place in zip(values, handles, rows.places(), strict=True):
        record: dict[str, Any] = {"id": handle, "kind": place.kind, "place": str(place)}
        record |= {home: {} for home in homes.values()}
        for key, item in choice(value).items():
            record[homes[roles.get(key, Role.PARAMETER)]][key] = item
        yield record


# --- for people ---


def shown(value: Any) -> str:
    """Return a value as people read it: on one line, a number with about four digits.

    An importable object (``solve torch.optim.Adam``) is named by its last part.
    """
    if value is MISSING or value is None:
        return ""
    if type(value) is float or type(value) is int:
        return rounded(value)
    if isinstance(value, Spread):
        return str(value)
    found = _OBJECT.fullmatch(value) if type(value) is str else None
    return one_line(found[1] if found else cell(value))


def texts_of(column: Sequence[Any]) -> list[str]:
    """Return the values of a column as people read them: `shown`, measurements with the same decimals."""
    floats = [value for value in column if type(value) is float]
    write = aligned(floats) if floats else rounded
    return [write(value) if type(value) is float else shown(value) for value in column]


def one_line(text: str) -> str:
    """Return a text without what would tear a table, or steer a terminal."""
    return text if text.isprintable() else "".join(sign if sign.isprintable() else " " for sign in text)


def is_numeric(column: Iterable[Any]) -> bool:
    """Return whether nothing but numbers stands in a column: it is then flush right."""
    return all(
        value is None or value is MISSING or type(value) in (int, float) or isinstance(value, Spread)
        for value in column
    )


def markdown_lines(names: Sequence[str], table: Table) -> Iterator[str]:
    """Yield a table of Markdown; what would be taken for markup in it is escaped."""
    columns = _columns(names, table)
    numeric = list(map(is_numeric, columns))
    texts = [
        [_in_markdown(name), *map(_in_markdown, texts_of(column))]
        for name, column in zip(names, columns, strict=True)
    ]
    widths = [max(3, *map(len, column)) for column in texts]
    header, *lines = zip(*texts, strict=True)
    rule = ["-" * (width - right) + ":" * right for width, right in zip(widths, numeric, strict=True)]
    for line in (header, rule, *lines):
        padded = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ]
        yield f"| {' | '.join(padded)} |\n"


def _columns(names: Sequence[str], table: Table) -> list[tuple[Any, ...]]:
    return list(zip(*table, strict=True)) or [()] * len(names)


def _in_markdown(text: str) -> str:
    text = one_line(text)
    for sign, instead in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), ("*", "\\*"), ("`", "\\`")):
        text = text.replace(sign, instead)
    return text


def latex_lines(names: Sequence[str], table: Table) -> Iterator[str]:
    """Yield a ``tabular`` of LaTeX with the rules of the package booktabs; everything is escaped."""
    columns = _columns(names, table)
    numeric = "".join("r" if is_numeric(column) else "l" for column in columns)
    yield f"% \\usepackage{{booktabs}}\n\\begin{{tabular}}{{{numeric}}}\n\\toprule\n"
    yield _begun(" & ".join(map(_in_latex, names))) + " \\\\\n\\midrule\n"
    texts = [map(_latex, column, texts_of(column)) for column in columns]
    for line in zip(*texts, strict=True):
        yield _begun(" & ".join(line)) + " \\\\\n"
    yield "\\bottomrule\n\\end{tabular}\n"


def _begun(line: str) -> str:
    """Return a line that what is above it does not take for an option of its own."""
    return f"{{}}{line}" if line.startswith(("[", "*")) else line


def _latex(value: Any, text: str) -> str:
    if isinstance(value, Spread):
        return f"${_power(value.mean)} \\pm {_power(value.spread)}$"
    if type(value) in (int, float) and math.isfinite(value):
        power = _power(text)
        return f"${power}$" if power != text or text.startswith("-") else text
    return _in_latex(text)


def _power(text: str) -> str:
    """Return a number with its power of ten as it is written in a formula."""
    match = _EXPONENT.fullmatch(text)
    return f"{match[1]} \\cdot 10^{{{match[2].replace('+', '')}{match[3]}}}" if match else text


def _in_latex(text: str) -> str:
    return "".join(_IN_LATEX.get(sign, sign) for sign in one_line(text))


# --- files ---


def write_parquet(path: Path, columns: Iterable[tuple[str, Sequence[Any]]]) -> None:
    """Write a Parquet file, which is there as a whole or stays what it was.

    Integers, floats, truth values and texts have columns of their type, integers and floats together are
    floats; lists stay lists where all are of one type. Everything else is a text, as in a CSV.

    Parameters
    ----------
    path
        The file.
    columns
        Of each the name and the values.

    Raises
    ------
    UsageError
        pyarrow is not installed.
    LogError
        It cannot be written.
    """
    pa, parquet = _arrow("pyarrow"), _arrow("pyarrow.parquet")
    table = pa.table({name: _array(pa, values) for name, values in columns})
    with _draft(path) as draft:
        parquet.write_table(table, str(draft))


def _arrow(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        raise UsageError("Parquet needs pyarrow: pip install 'coolrunner[arrow]'") from None


def _array(pa: Any, values: Sequence[Any]) -> Any:
    values = [None if value is MISSING else value for value in values]
    kinds = set(map(type, values)) - {type(None)}
    try:
        if kinds == {int, float}:
            return pa.array([None if value is None else float(value) for value in values], pa.float64())
        if len(kinds) == 1 and dict not in kinds:
            return pa.array(values)
    except (pa.ArrowException, OverflowError):
        pass  # integers of more than 64 bits, lists of several types
    return pa.array([None if value is None else cell(value) for value in values], pa.string())


def write_file(path: Path, pieces: Iterable[str]) -> None:
    """Write a text file, which is there as a whole or stays what it was.

    Raises
    ------
    LogError
        It cannot be written.
    """
    with _draft(path) as draft, draft.open("x", encoding="utf-8", newline="") as file:
        file.writelines(pieces)


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """Give the name under which a file is written until it is complete; readers of results pass over it."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield draft
        draft.replace(path)
    except OSError as error:
        raise LogError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)
