"""The status of a run: one function moves it, its file is read alike by all, a broken one is named."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import fields, replace
from datetime import datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.errors import IllegalMove, RunError
from coolrunner.runs.status import RunState, RunStatus, correct, is_alive, move, now
from coolrunner.yamlio import dump, read_text

RUNNING, DONE, FAILED = RunStatus.RUNNING, RunStatus.DONE, RunStatus.FAILED
INTERRUPTED, LOST = RunStatus.INTERRUPTED, RunStatus.LOST
MOVES = {
    (RUNNING, DONE), (RUNNING, FAILED), (RUNNING, INTERRUPTED), (RUNNING, LOST),
    (INTERRUPTED, RUNNING), (FAILED, RUNNING), (LOST, RUNNING),
    (LOST, DONE), (LOST, FAILED),
}  # fmt: skip

TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)
STATES = st.builds(
    RunState,
    status=st.sampled_from(RunStatus),
    id=st.integers(0, 10**12),
    name=TEXTS,
    kind=st.sampled_from(["results", "exman", ""]),
    started=st.datetimes(timezones=st.timezones()).map(lambda time: time.isoformat(timespec="seconds")),
    elapsed=st.none() | st.floats(allow_nan=False),
    host=TEXTS,
    pid=st.none() | st.integers(1, 2**22),
    exit=st.none() | st.integers(-64, 255),
    failure=TEXTS,
    error=TEXTS,
    experiment=st.text("0123456789abcdefe", max_size=12),
    attempt=st.integers(1, 99),
    resumable=st.booleans(),
    sources=st.text("0123456789abcdef", min_size=64, max_size=64),
    process=st.text("0123456789abcdef -:[]", min_size=1),
)


@pytest.mark.parametrize("before", RunStatus)
@pytest.mark.parametrize("after", RunStatus)
def test_a_run_moves_only_as_runs_do(before: RunStatus, after: RunStatus) -> None:
    state = RunState(status=before)
    if (before, after) in MOVES:
        assert move(state, after).status is after
    else:
        with pytest.raises(IllegalMove, match=f"that is {before.value} cannot become {after.value}"):
            move(state, after)
    assert state.status is before


def test_a_move_takes_what_is_known_from_now_on() -> None:
    state = move(
        RunState(id=3), FAILED, ended="now", elapsed=1.5, exit=1, failure="error", error="ValueError"
    )
    assert (state.id, state.ended, state.elapsed, state.exit) == (3, "now", 1.5, 1)
    with pytest.raises(TypeError, match="colour"):
        move(RunState(), DONE, colour="red")


def test_an_attempt_more_forgets_the_end_of_the_last() -> None:
    ended = move(
        RunState(resumable=True), LOST, ended="then", elapsed=1.0, exit=-9, failure="lost", error="x"
    )
    again = move(ended, RUNNING, pid=5)
    assert again == RunState(attempt=2, pid=5, resumable=True)
    assert move(move(again, INTERRUPTED), RUNNING).attempt == 3


def test_who_watched_a_run_may_put_its_end_right() -> None:
    ended = move(RunState(id=3), DONE, exit=0)
    assert correct(ended, FAILED, failure="timeout") == replace(ended, status=FAILED, failure="timeout")
    for before, after in ((RUNNING, DONE), (DONE, RUNNING)):
        with pytest.raises(IllegalMove, match="cannot be put right"):
            correct(RunState(status=before), after)


def test_times_have_a_zone() -> None:
    assert datetime.fromisoformat(now()).utcoffset() is not None


@given(STATES)
def test_what_is_written_is_read_back(state: RunState) -> None:
    text = state.text()
    assert RunState.read(text) == state
    plain = yaml.safe_load(text)
    assert plain.pop("version") == 1
    assert plain == {key: value for key, value in state.as_data().items() if value is not False}


@given(STATES)
def test_a_status_is_written_as_all_yaml_of_ours(state: RunState) -> None:
    assert read_text(state.text()) == read_text(dump(read_text(state.text())))
    if all(
        value.isascii() and value.isprintable()
        for value in (state.name, state.host, state.failure, state.error)
    ):
        assert state.text() == dump(read_text(state.text()))


@pytest.mark.parametrize(
    "name", ["yes", "null", "1", "1e-3", "12:30", "a: b", "# x", "two\nlines", "'", '"', "é", "~"]
)
def test_a_name_stays_a_text(name: str) -> None:
    assert RunState.read(RunState(name=name).text()).name == name


def test_what_no_text_can_hold_is_written_escaped() -> None:
    assert RunState.read(RunState(error="\ud800 x").text()).error == "\\ud800 x"


def test_every_field_is_read_and_written() -> None:
    ended = ("s", "e", 1.5, "h", 2, "m b n s", 0, "f", "e")
    full = RunState(DONE, 7, "n", "k", *ended, "s", "x", 3, True, "p", "q")
    assert set(yaml.safe_load(full.text())) == {field.name for field in fields(RunState)} | {"version"}
    assert RunState.read(full.text()) == full


def test_what_is_not_known_is_left_out() -> None:
    assert RunState().text() == "version: 1\nstatus: running\nid: 0\nattempt: 1\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 1\nstatus: dnoe\nid: 1\n", "status.yaml:2:9: there is no status 'dnoe'"),
        ("version: 1\nstatus: [1\n", "status.yaml:2:9"),
        ("version: 1\nstatus: done\nid: one\n", "status.yaml:3:5: 'id' must be a whole number, not one"),
        ("version: 1\nstatus: done\nid: true\n", "status.yaml:3:5: 'id' must be a whole number"),
        ("version: 1\nstatus: done\nname: 42\n", "status.yaml:3:7: 'name' must be a text, not 42"),
        (
            "version: 1\nstatus: done\nelapsed: long\n",
            "status.yaml:3:10: 'elapsed' must be a number of seconds",
        ),
        ("version: 1\nstatus: done\nstatus: done\n", "status.yaml:3"),
        ("version: 2\nstatus: done\n", "status.yaml:1:10: was written by a later version"),
        ("version: x\nstatus: done\n", "status.yaml:1:10: "),
        ("status: done\n", "status.yaml:1: "),
        ("version: 1\nid: 1\n", "status.yaml:1: the key 'status' is missing"),
        ("- a\n", "status.yaml:1: "),
        ("", "status.yaml:1: "),
        ("\0", "status.yaml:1"),
    ],
)
def test_what_a_hand_has_broken_is_named(text: str, said: str) -> None:
    with pytest.raises(RunError) as caught:
        RunState.read(text)
    assert said in str(caught.value)


def test_the_nearest_status_is_offered() -> None:
    with pytest.raises(RunError, match="did you mean failed"):
        RunState.read("version: 1\nstatus: faild\n")


def test_a_hand_may_write_it_in_its_own_way() -> None:
    text = "# mine\nstatus:   'done'\nversion: 1\nstarted: 2026-11-21 06:23:29+01:00\nelapsed: 3\n"
    state = RunState.read(text + "mine: yes\nhost: null\n")
    assert (state.status, state.elapsed, state.host) == (DONE, 3.0, "")
    assert state.started == "2026-11-21T06:23:29+01:00"


def test_a_run_is_alive_while_its_process_is() -> None:
    here = RunState(host=platform.node(), pid=os.getpid())
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert is_alive(here) is True
    assert is_alive(replace(here, pid=child.pid)) is False
    assert is_alive(replace(here, status=DONE)) is False
    assert is_alive(replace(here, host="elsewhere.example")) is None
    assert is_alive(replace(here, pid=None)) is None
