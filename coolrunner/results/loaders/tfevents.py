"""Event files, as TensorFlow, PyTorch and others write them for TensorBoard: their scalars and parameters.

Format: records (TFRecord) of the length of the data (8 bytes, little-endian), a checksum of the length (4),
the data, and a checksum of the data (4); the data of each is an ``Event`` of protocol buffers
(``tensorflow/core/util/event.proto``, ``framework/summary.proto``, ``framework/tensor.proto``, and
``tensorboard/plugins/hparams/plugin_data.proto``), of which only the few fields are read that are wanted
here, so neither TensorFlow nor TensorBoard is needed. The checksum of the length tells whether a record is
one. That of the data is not looked at, and what is longer than 1 MiB (pictures, graphs) is passed over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["DamagedError", "Scalar", "Session", "events"]

_LARGEST = 1 << 20
_HEADER = struct.Struct("<QI")
_LARGEST_FLOAT = 3.4e38
_DEPTH = 50  # of parameters within parameters


class Scalar(NamedTuple):
    """A value of a tag; `time` is in seconds since 1970, UTC."""

    tag: str
    step: int
    value: float
    time: float


@dataclass(slots=True)
class Session:
    """What the plugin for parameters kept of a run.

    Attributes
    ----------
    parameters
        As given: texts, numbers (all of them floats there) and truth values.
    group
        The name that several sessions may share.
    status
        ``done``, ``failed`` or ``running``; empty where it is not said.
    started, ended
        In seconds since 1970, UTC; 0 where it is not said.
    """

    parameters: dict[str, Any] = field(default_factory=dict)
    group: str = ""
    status: str = ""
    started: float = 0.0
    ended: float = 0.0


class DamagedError(ValueError):
    """A file is cut off or damaged; `offset` is the byte at which that record begins."""

    def __init__(self, offset: int, why: str) -> None:
        super().__init__(why)
        self.offset = offset


def events(path: str | Path) -> Iterator[Scalar | Session]:
    """Yield the scalars of an event file, in their order, and what it has of a session.

    Raises
    ------
    DamagedError
        It cannot be read beyond some place; what is before has been yielded.
    OSError
        It cannot be read at all.
    """
    for offset, record in _records(path):
        try:
            yield from _event(record)
        except (ValueError, IndexError, struct.error, RecursionError):
            raise DamagedError(offset, "a record that is no event") from None


# --- records ---


def _records(path: str | Path) -> Iterator[tuple[int, bytes]]:
    with Path(path).open("rb", buffering=1 << 18) as file:
        offset = 0
        while header := file.read(_HEADER.size):
            if len(header) < _HEADER.size:
                raise DamagedError(offset, "the last record is cut off")
            length, checksum = _HEADER.unpack(header)
            if _masked_crc(header[:8]) != checksum:
                raise DamagedError(offset, "no event file, or damaged: a checksum does not fit")
            if length > _LARGEST:
                file.seek(length + 3, 1)
                if len(file.read(1)) < 1:
                    raise DamagedError(offset, "the last record is cut off")
            else:
                data = file.read(length + 4)
                if len(data) < length + 4:
                    raise DamagedError(offset, "the last record is cut off")
                yield offset, data[:length]
            offset += _HEADER.size + length + 4


def _crc_table() -> list[int]:
    """Return the table of CRC-32C (Castagnoli), which is not the CRC-32 of zlib."""
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_CRC = _crc_table()


def _masked_crc(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


# --- protocol buffers ---

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def _fields(data: bytes) -> Iterator[tuple[int, int, Any]]:
    """Yield the number, the wire type and the value of each field of a message."""
    place, end = 0, len(data)
    while place < end:
        tag, place = _varint(data, place)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value: Any
            value, place = _varint(data, place)
        elif wire == _BYTES:
            length, place = _varint(data, place)
            value, place = data[place : place + length], place + length
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
            value, place = data[place : place + size], place + size
        else:
            raise ValueError("no such type of field")
        if place > end:
            raise ValueError("a field is cut off")
        yield number, wire, value


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = data[place]
    place += 1
    if value < 0x80:
        return value, place
    value &= 0x7F
    shift = 7
    while True:
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _double(value: bytes) -> float:
    number: float = struct.unpack("<d", value)[0]
    return number


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


# --- events ---


def _event(data: bytes) -> Iterator[Scalar | Session]:
    time, step, summaries = 0.0, 0, []
    for number, wire, value in _fields(data):
        if number == 1 and wire == _FIXED64:
            time = _double(value)
        elif number == 2 and wire == _VARINT:
            step = _signed(value)
        elif number == 5 and wire == _BYTES:
            summaries.append(value)
    for summary in summaries:
        for number, wire, value in _fields(summary):
            if number == 1 and wire == _BYTES:
                item = _value(value, step, time)
                if item is not None:
                    yield item


def _value(data: bytes, step: int, time: float) -> Scalar | Session | None:
    """Return what a value of a summary is, if it is a scalar or belongs to a session."""
    tag, number, tensor, metadata = "", None, None, None
    for key, wire, value in _fields(data):
        if key == 1 and wire == _BYTES:
            tag = _text(value)
        elif key == 2 and wire == _FIXED32:
            number = _shortest(struct.unpack("<f", value)[0])
        elif key == 8 and wire == _BYTES:
            tensor = value
        elif key == 9 and wire == _BYTES:
            metadata = value
    if number is None and tensor is None and metadata is None:
        return None
    plugin, content = _plugin(metadata) if metadata is not None else ("", b"")
    if plugin == "hparams":
        return _session(content)
    if number is None and tensor is not None and plugin in ("", "scalars"):
        number = _scalar(tensor)
    return Scalar(tag, step, number, time) if number is not None else None


def _shortest(number: float) -> float:
    """Return a number that was kept in 32 bits as a person wrote it: 0.1, and not 0.10000000149011612."""
    packed = struct.pack("<f", number)
    for digits in (6, 7, 8):
        short = float(f"{number:.{digits}g}")
        if abs(short) < _LARGEST_FLOAT and struct.pack("<f", short) == packed:
            return short
    return float(f"{number:.9g}")


def _plugin(metadata: bytes) -> tuple[str, bytes]:
    name, content = "", b""
    for number, wire, value in _fields(metadata):
        if number == 1 and wire == _BYTES:
            for key, inner, part in _fields(value):
                if key == 1 and inner == _BYTES:
                    name = _text(part)
                elif key == 2 and inner == _BYTES:
                    content = part
    return name, content


_FLOAT32 = 1
_FORMATS = {1: "<f", 2: "<d", 3: "<i", 4: "<B", 5: "<h", 6: "<b", 9: "<q", 10: "<?", 19: "<e"}


def _scalar(tensor: bytes) -> float | None:
    """Return the number that a tensor is; None for a tensor of more than one, or of no numbers."""
    kind, content = 0, b""
    found: list[float] = []
    for number, wire, value in _fields(tensor):
        if number == 1 and wire == _VARINT:
            kind = value
        elif number == 4 and wire == _BYTES:
            content = value
        elif number in (5, 6):  # float_val, double_val: packed, or one by one
            letter, size = ("f", 4) if number == 5 else ("d", 8)
            if len(value) // size > 1:
                return None
            found += struct.unpack(f"<{len(value) // size}{letter}", value[: len(value) // size * size])
        elif number in (7, 10, 11):  # int_val, int64_val, bool_val
            place, packed = 0, value if wire == _BYTES else None
            if packed is None:
                found.append(_signed(value))
            while packed is not None and place < len(packed) and len(found) < 2:
                one, place = _varint(packed, place)
                found.append(_signed(one))
    form = _FORMATS.get(kind)
    if content and form is not None and len(content) == struct.calcsize(form):
        found = list(struct.unpack(form, content))
    if len(found) != 1:
        return None
    return _shortest(found[0]) if kind == _FLOAT32 else float(found[0])


# --- sessions ---


def _session(content: bytes) -> Session | None:
    """Return what the plugin for parameters kept: the start of a session, or its end."""
    session = Session()
    known = False
    for number, wire, value in _fields(content):
        if number == 3 and wire == _BYTES:
            known = True
            for key, inner, part in _fields(value):
                if key == 1 and inner == _BYTES:
                    name, given = _entry(part)
                    session.parameters[name] = given
                elif key == 4 and inner == _BYTES:
                    session.group = _text(part)
                elif key == 5 and inner == _FIXED64:
                    session.started = _double(part)
        elif number == 4 and wire == _BYTES:
            known = True
            for key, inner, part in _fields(value):
                if key == 1 and inner == _VARINT:
                    session.status = {1: "done", 2: "failed", 3: "running"}.get(part, "")
                elif key == 2 and inner == _FIXED64:
                    session.ended = _double(part)
    return session if known else None


def _entry(data: bytes) -> tuple[str, Any]:
    name, value = "", None
    for number, wire, part in _fields(data):
        if number == 1 and wire == _BYTES:
            name = _text(part)
        elif number == 2 and wire == _BYTES:
            value = _plain(part)
    return name, value


def _plain(data: bytes, depth: int = 0) -> Any:
    """Return a ``google.protobuf.Value`` as plain data."""
    if depth > _DEPTH:
        raise ValueError("nested too deeply")
    value: Any = None
    for number, _, part in _fields(data):
        if number == 2:
            value = _double(part)
        elif number == 3:
            value = _text(part)
        elif number == 4:
            value = bool(part)
        elif number == 6:
            value = [_plain(item, depth + 1) for key, _, item in _fields(part) if key == 1]
    return value
