"""Who keeps what is logged: as files of the run here, for TensorBoard in `tensorboard`."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from datetime import datetime
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from coolrunner.errors import RunWriteError
from coolrunner.runs.names import LONGEST, parts_of, safe_part
from coolrunner.runs.pictures import Animation, Picture
from coolrunner.runs.records import Embedding, Histogram, Record, Table, Text, need
from coolrunner.runs.rows import Row

if TYPE_CHECKING:
    from coolrunner.runs.directory import RunDirectory

__all__ = ["FileSink", "Sink", "table_text"]


class Sink(Protocol):
    """What is logged goes to these; each keeps what it can."""

    def scalars(self, rows: Sequence[Row]) -> None:
        """Keep scalars, in the order logged; may be called from any thread, one at a time."""

    def record(self, record: Record) -> None:
        """Keep something else.

        Raises
        ------
        RunWriteError
            The disk did not take it; nothing half written stays.
        """

    def close(self) -> None:
        """Let go of files; they are opened again where more comes."""


#: Below the files of a run: the directory of each kind, and the suffix of its files.
_PLACES: dict[type[Record], tuple[str, str]] = {
    Text: ("text", ".txt"),
    Histogram: ("histograms", ".json"),
    Picture: ("images", ".png"),
    Animation: ("gifs", ".gif"),
    Embedding: ("embeddings", ".npy"),
    Table: ("tables", ".csv"),
}


class FileSink:
    """Keeps each record as a file of the run, such as ``files/images/<name>-<step>.png``.

    Texts of one name are appended to one file: step, time and text, the further lines of a text indented.
    Scalars are in ``metrics.csv`` already.

    Parameters
    ----------
    directory
        The run.
    """

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory

    def __str__(self) -> str:
        return str(self._directory.files)

    def scalars(self, rows: Sequence[Row]) -> None:
        """Do nothing."""

    def record(self, record: Record) -> None:
        """See `Sink`."""
        if isinstance(record, Text):
            self._append(record)
            return
        path = self.path(type(record), record.name, record.step)
        if isinstance(record, (Picture, Animation)):
            data = record.data
        elif isinstance(record, Histogram):
            data = histogram_text(record).encode()
        elif isinstance(record, Table):
            data = table_csv(record).encode("utf-8", "backslashreplace")
        elif isinstance(record, Embedding):
            buffer = BytesIO()
            need("numpy").save(buffer, record.vectors, allow_pickle=False)
            data = buffer.getvalue()
            if record.labels:
                self._write(path.with_suffix(".tsv"), labels_tsv(record).encode("utf-8", "backslashreplace"))
        self._write(path, data)

    def close(self) -> None:
        """Do nothing."""

    def path(self, kind: type[Record], name: str, step: int) -> Path:
        """Return where a record is kept; a name that is too long for a file is cut."""
        place, suffix = _PLACES[kind]
        *groups, last = parts_of(name, "the name of what is logged")
        end = suffix if kind is Text else f"-{step}{suffix}"
        return self._directory.files.joinpath(place, *groups, safe_part(last, limit=LONGEST - len(end)) + end)

    def next_step(self, kind: type[Record], name: str) -> int:
        """Return the step after the last one of a name, from the files that are there."""
        path = self.path(kind, name, 0)
        if kind is Text:
            try:
                lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            except FileNotFoundError:
                return 0
            found = (re.match(r"(-?\d+)\t", line) for line in reversed(lines))
            return next((int(match[1]) + 1 for match in found if match), 0)
        pattern = re.compile(re.escape(path.stem[:-1]) + r"(\d+)" + re.escape(path.suffix))
        try:
            names = [entry.name for entry in path.parent.iterdir()]
        except FileNotFoundError:
            return 0
        return max((int(match[1]) + 1 for match in map(pattern.fullmatch, names) if match), default=0)

    def _write(self, path: Path, data: bytes) -> None:
        self._directory.write_whole(path.relative_to(self._directory.path).as_posix(), data)

    def _append(self, record: Text) -> None:
        path = self.path(Text, record.name, record.step)
        text = "\n\t\t".join(record.text.splitlines())
        when = datetime.fromtimestamp(record.time).astimezone().isoformat(timespec="seconds")
        line = f"{record.step}\t{when}\t{text}\n".encode("utf-8", "backslashreplace")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab", buffering=0) as file:
                size = file.tell()
                if file.write(line) != len(line):
                    file.truncate(size)
                    raise OSError(0, "the disk did not take all of it")
        except OSError as error:
            raise RunWriteError(f"{path} cannot be written: {error.strerror}") from None


def histogram_text(record: Histogram) -> str:
    """Return a histogram as JSON, version 1; NaN and infinities, which JSON has not, are null."""
    found = record.statistics
    data = {
        "version": 1,
        "name": record.name,
        "step": record.step,
        "time": round(record.time, 6),
        "count": found.len,
        "average": _finite(found.average),
        "std": _finite(found.std),
        "min": _finite(found.min),
        "max": _finite(found.max),
        "nan": record.nan,
        "infinite": record.infinite,
        "edges": record.edges,
        "counts": record.counts,
    }
    return json.dumps(data, ensure_ascii=False) + "\n"


def _finite(number: float) -> float | None:
    return number if abs(number) < float("inf") else None


def table_csv(record: Table) -> str:
    """Return a table as CSV with a header."""
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows([record.columns, *record.rows])
    return text.getvalue()


def table_text(record: Table) -> str:
    """Return a table in Markdown, as TensorBoard shows it."""
    lines = [record.columns, ["---"] * len(record.columns), *record.rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(cell: object) -> str:
    return " ".join(str(cell).replace("|", r"\|").split())


def labels_tsv(record: Embedding) -> str:
    """Return the labels of points as TensorBoard's projector reads them: a header only for many columns."""
    rows = [record.header, *record.labels] if record.header else record.labels
    return "".join("\t".join(row) + "\n" for row in rows)
