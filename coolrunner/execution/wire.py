"""Frames between a runner, its helper and the processes of its experiments: a length and a pickle.

Only processes of one study speak over these sockets. Still, what comes from an experiment is the one
thing that a Module could tamper with, so it is read with an unpickler that knows plain data alone.
"""

from __future__ import annotations

import datetime
import io
import pickle
import socket
import struct
from typing import Any

from coolrunner.execution.base import Ending, Outcome

__all__ = ["FrameReader", "make_outcome", "outcome_fields", "pack", "plain_loads", "send"]

_LENGTH = struct.Struct("!Q")
_KINDS = (datetime.date, datetime.datetime, datetime.timezone, datetime.timedelta)
_ALLOWED = {("datetime", kind.__name__): kind for kind in _KINDS}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is no plain data") from None


def plain_loads(data: bytes) -> Any:
    """Return what was packed, if it is plain data and nothing else."""
    return _PlainUnpickler(io.BytesIO(data)).load()


def pack(message: Any) -> bytes:
    """Return one frame."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data


def send(sock: socket.socket, message: Any) -> None:
    """Send one frame."""
    sock.sendall(pack(message))


def outcome_fields(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as plain data."""
    fields = {name: getattr(outcome, name) for name in Outcome.__slots__}
    return {**fields, "ending": outcome.ending.value}


def make_outcome(fields: dict[str, Any]) -> Outcome:
    """Return the outcome that `outcome_fields` was given."""
    return Outcome(**{**fields, "ending": Ending(fields["ending"])})


class FrameReader:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending(self) -> bool:
        """Whether a part of a frame has come, and the rest has not."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes as they came; return the frames that are complete now."""
        self._buffer += data
        frames = []
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                break
            frames.append(bytes(self._buffer[_LENGTH.size : end]))
            del self._buffer[:end]
        return frames
