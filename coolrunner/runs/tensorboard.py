"""What is logged, in event files that TensorBoard reads.

The records and their framing are TensorBoard's own (``tensorboard.compat.proto`` and its `RecordWriter`,
which PyTorch uses too), the file is ours: a batch of events is one write, there is no thread that a fork
would lose, and metrics keep the names that were given to them. TensorBoard keeps scalars as 32-bit floats,
``metrics.csv`` as they are.
"""

from __future__ import annotations

import contextlib
import os
import platform
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any

from coolrunner.errors import RunError, RunWriteError
from coolrunner.runs.names import safe_part
from coolrunner.runs.pictures import Animation, Picture
from coolrunner.runs.records import Embedding, Histogram, Record, Table, Text, need
from coolrunner.runs.rows import Row
from coolrunner.runs.sinks import labels_tsv, table_text

__all__ = ["TensorBoardSink"]

_numbers = count()


class TensorBoardSink:
    """Writes event files; each process that takes part in a run writes one of its own.

    Parameters
    ----------
    path
        The directory, made with the first event: what ``tensorboard --logdir`` is given, or below it.

    Raises
    ------
    RunError
        TensorBoard is not installed; says how to install it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._proto = _Protocol()
        self._process = 0
        self._file: int | None = None
        self._name = ""
        self._lock = threading.RLock()

    def __str__(self) -> str:
        return f"TensorBoard in {self.path}"

    # --- what a sink does ---

    def scalars(self, rows: Sequence[Row]) -> None:
        """See `Sink`."""
        self._append(self._proto.scalar(row) for row in rows)

    def record(self, record: Record) -> None:
        """See `Sink`."""
        if isinstance(record, Embedding):
            try:
                self._embedding(record)
            except OSError as error:
                raise RunWriteError(f"{self.path} cannot be written: {error.strerror or error}") from None
            return
        value = self._proto.value(record)
        if value is None:
            return
        try:
            self._append([self._proto.event(record, value)])
        except OSError as error:
            raise RunWriteError(f"{self.path} cannot be written: {error.strerror or error}") from None

    def close(self) -> None:
        """See `Sink`."""
        if self._process != os.getpid():  # forked, and the lock may be held by a thread of the parent
            self._lock = threading.RLock()
        with self._lock:
            file, self._file = self._file, None
            if file is not None:
                os.close(file)

    # --- the file ---

    def _append(self, events: Iterable[bytes]) -> None:
        data = self._proto.framed(events)
        if self._process != os.getpid():
            self._begin()
        with self._lock:
            if self._file is None:
                self._file = self._opened()
            size = os.lseek(self._file, 0, os.SEEK_END)
            if not size:
                data = self._proto.framed([self._proto.first()]) + data
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(self._file, view) :]
            except BaseException:
                # TensorBoard reads nothing beyond half a record.
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, size)
                raise

    def _begin(self) -> None:
        """Start a file for this process; one that has forked lets go of its parent's."""
        self.close()
        host = safe_part(platform.node() or "host")
        self._process = os.getpid()
        # The form of TensorBoard's own names: without "tfevents" in it, it does not look at a file.
        self._name = f"events.out.tfevents.{int(time.time()):010d}.{host}.{self._process}.{next(_numbers)}"

    def _opened(self) -> int:
        self.path.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        return os.open(self.path / self._name, flags, 0o666)

    # --- embeddings are files of their own, which the projector finds through an index ---

    def _embedding(self, record: Embedding) -> None:
        tensor = f"{record.name}:{record.step:05d}"
        place = f"embeddings/{safe_part(tensor)}"
        directory = self.path / place
        directory.mkdir(parents=True, exist_ok=True)
        lines = ["\t".join(map(repr, row)) for row in record.vectors.tolist()]
        (directory / "tensors.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        entry = [f"tensor_name: {_string(tensor)}", f"tensor_path: {_string(f'{place}/tensors.tsv')}"]
        if record.labels:
            text = labels_tsv(record).encode("utf-8", "backslashreplace")
            (directory / "metadata.tsv").write_bytes(text)
            entry.append(f"metadata_path: {_string(f'{place}/metadata.tsv')}")
        if record.images is not None:
            _, height, width, _ = record.images.shape
            _sprite(record.images, directory / "sprite.png")
            size = f"single_image_dim: {width} single_image_dim: {height}"
            entry.append(f"sprite {{ image_path: {_string(f'{place}/sprite.png')} {size} }}")
        index = self.path / "projector_config.pbtxt"
        known = index.read_text(encoding="utf-8") if index.exists() else ""
        if entry[0] + " " not in known:
            with index.open("a", encoding="utf-8") as file:
                file.write("embeddings { " + " ".join(entry) + " }\n")


class _Protocol:
    """Records as the bytes of events."""

    def __init__(self) -> None:
        try:
            writing: Any = import_module("tensorboard.summary.writer.record_writer")
            events, summaries, tensors, types = (
                import_module(f"tensorboard.compat.proto.{name}_pb2")
                for name in ("event", "summary", "tensor", "types")
            )
        except ImportError:
            raise RunError(
                "writing for TensorBoard needs it: pip install 'coolrunner[tensorboard]'"
            ) from None
        self._events: Any = events
        self._summaries: Any = summaries
        self._tensors: Any = tensors
        self._types: Any = types
        self._writer: Callable[[BytesIO], Any] = writing.RecordWriter

    def framed(self, events: Iterable[bytes]) -> bytes:
        """Return events with their lengths and checksums."""
        buffer = BytesIO()
        writer = self._writer(buffer)
        for event in events:
            writer.write(event)
        return buffer.getvalue()

    def first(self) -> bytes:
        """Return the event that begins a file."""
        event = self._events.Event(wall_time=time.time(), file_version="brain.Event:2")
        return event.SerializeToString()  # type: ignore[no-any-return]

    def scalar(self, row: Row) -> bytes:
        value = self._summaries.Summary.Value(tag=row.name, simple_value=row.value)
        return self._event(row.step, row.time, value)

    def event(self, record: Record, value: Any) -> bytes:
        return self._event(record.step, record.time, value)

    def _event(self, step: int, when: float, value: Any) -> bytes:
        summary = self._summaries.Summary(value=[value])
        event = self._events.Event(wall_time=when, step=step, summary=summary)
        return event.SerializeToString()  # type: ignore[no-any-return]

    def value(self, record: Record) -> Any:
        """Return a record as a value of a summary; None where TensorBoard has none for it."""
        new = self._summaries.Summary.Value
        if isinstance(record, Text):
            return self._text(record.name, record.text)
        if isinstance(record, Table):
            return self._text(record.name, table_text(record))
        if isinstance(record, (Picture, Animation)):
            image = self._summaries.Summary.Image(
                width=record.width,
                height=record.height,
                colorspace=record.channels if isinstance(record, Picture) else 3,
                encoded_image_string=record.data,
            )
            return new(tag=record.name, image=image)
        if isinstance(record, Histogram) and record.counts:
            return new(tag=record.name, histo=self._histogram(record))
        return None

    def _text(self, name: str, text: str) -> Any:
        tensor = self._tensors.TensorProto(
            dtype=self._types.DT_STRING, string_val=[text.encode("utf-8", "backslashreplace")]
        )
        plugin = self._summaries.SummaryMetadata.PluginData(plugin_name="text")
        metadata = self._summaries.SummaryMetadata(plugin_data=plugin)
        return self._summaries.Summary.Value(tag=name, tensor=tensor, metadata=metadata)

    def _histogram(self, record: Histogram) -> Any:
        total = sum(record.counts)
        return self._summaries.HistogramProto(
            min=record.edges[0],
            max=record.edges[-1],
            num=total,
            sum=record.total,
            sum_squares=record.squares,
            # The first limit is the lower end: there is nothing below it.
            bucket_limit=record.edges,
            bucket=[0, *record.counts],
        )


def _string(text: str) -> str:
    """Return a text as a string of protobuf's text format."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _sprite(images: Any, path: Path) -> None:
    """Write pictures as one square of pictures, row by row."""
    np = need("numpy")
    number, height, width, channels = images.shape
    side = int(np.ceil(np.sqrt(number)))
    sheet = np.zeros((side * side, height, width, channels), "uint8")
    sheet[:number] = images
    sheet = sheet.reshape(side, side, height, width, channels).swapaxes(1, 2)
    need("PIL.Image", "pillow").fromarray(sheet.reshape(side * height, side * width, channels)).save(path)
