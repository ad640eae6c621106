"""The console for other programs: a JSON object for each event, one a line.

``event`` is its name in snake case (``experiment_finished``), ``time`` when it was announced (ISO 8601
with zone), and the other fields are those of `coolrunner.events`; ``OutputWritten`` is ``output`` with
its data as ``text``. Every line is strict JSON: a number that is not finite is null, so that a column
of numbers stays one, dates are ISO 8601, and bytes are base64.
"""

from __future__ import annotations

import base64
import codecs
import datetime
import json
import math
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TextIO

from coolrunner.events import (
    Event,
    ExperimentFailed,
    ExperimentFinished,
    ExperimentInterrupted,
    OutputWritten,
)

__all__ = ["JsonListener"]


class JsonListener:
    """A line of JSON for each event.

    Parameters
    ----------
    stdout
        Where to.
    """

    def __init__(self, stdout: TextIO) -> None:
        self._stdout = stdout
        # An experiment may write half a character now and the other half later.
        self._decoders: dict[str, codecs.IncrementalDecoder] = {}

    def start(self) -> None:
        """Do nothing: a stream is ready."""

    def close(self) -> None:
        """Do nothing: every line was flushed."""

    def handle(self, event: Event) -> None:
        """Write an event."""
        if isinstance(event, OutputWritten):
            self._output(event.id, event.data)
            return
        if isinstance(event, (ExperimentFinished, ExperimentFailed, ExperimentInterrupted)):
            self._output(event.id, b"", final=True)
        values = {field.name: getattr(event, field.name) for field in fields(event)}
        self._write(_name(type(event)), values)

    def _output(self, identity: str, data: bytes, final: bool = False) -> None:
        decoder = self._decoders.get(identity)
        if decoder is None:
            if final:
                return
            decoder = self._decoders[identity] = codecs.getincrementaldecoder("utf-8")("replace")
        text = decoder.decode(data, final)
        if final:
            del self._decoders[identity]
        if text:
            self._write("output", {"id": identity, "text": text})

    def _write(self, name: str, values: dict[str, Any]) -> None:
        now = datetime.datetime.now().astimezone().isoformat(timespec="milliseconds")
        line = {"event": name, "time": now, **values}
        try:
            text = json.dumps(line, allow_nan=False)
        except (TypeError, ValueError):
            text = json.dumps(_jsonable(line), allow_nan=False)
        self._stdout.write(text + "\n")
        self._stdout.flush()


#: Bits of an integer; Python refuses to write much longer ones (beyond 4,300 digits) in decimals.
_LONGEST = 10_000


def _name(kind: type[Event]) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()


def _jsonable(value: Any) -> Any:
    """Return a value of which JSON knows every part."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and value.bit_length() > _LONGEST:
        return hex(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Mapping):
        return {_key(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return str(value)


def _key(key: Any) -> str:
    plain = _jsonable(key)
    return plain if isinstance(plain, str) else json.dumps(plain)
