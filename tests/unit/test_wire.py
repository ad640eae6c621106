"""Frames between a runner, its helper and experiments."""

from __future__ import annotations

import datetime
import os
import pickle
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.execution.base import Ending, Outcome
from coolrunner.execution.wire import FrameReader, make_outcome, outcome_fields, pack, plain_loads, send


@given(st.lists(st.binary(max_size=300), max_size=6), st.data())
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(
    messages: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(map(pack, messages))
    reader = FrameReader()
    frames: list[bytes] = []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        frames += reader.feed(stream[:cut])
        stream = stream[cut:]
    assert [plain_loads(frame) for frame in frames] == messages
    assert not reader.pending


def test_half_a_frame_is_known_to_be_one() -> None:
    reader = FrameReader()
    assert not reader.pending
    assert reader.feed(pack("message")[:-1]) == []
    assert reader.pending


PLAIN: list[Any] = [
    None, True, 1, 10**5000, -0.5, "text", b"bytes", [1, [2]], {"a": {"b": None}}, (1, 2),
    datetime.date(2026, 1, 1), datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc),
    datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=2))),
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: type(value).__name__)
def test_plain_data_passes(value: Any) -> None:
    (frame,) = FrameReader().feed(pack(value))
    assert plain_loads(frame) == value


class Evil:
    """Would run a command in whoever unpickles it."""

    def __reduce__(self) -> Any:
        return os.system, ("true",)


@pytest.mark.parametrize("value", [Evil(), os.system, Outcome(Ending.FAILED), ValueError("x")])
def test_nothing_but_plain_data_is_read_from_an_experiment(value: object) -> None:
    """Whatever a Module writes to its runner's socket, nothing of it is run or imported."""
    with pytest.raises(pickle.UnpicklingError, match="is no plain data"):
        plain_loads(pickle.dumps(value))


def test_an_outcome_survives_the_way() -> None:
    outcome = Outcome(Ending.FAILED, {"A": 1}, {"b": 2}, ["c"], "error", "trace", "timeout", 1.5, 2.5, ["w"])
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send(ours, outcome_fields(outcome))
        (frame,) = FrameReader().feed(theirs.recv(1 << 16))
    assert make_outcome(plain_loads(frame)) == outcome
