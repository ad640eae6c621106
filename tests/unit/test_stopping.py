"""How far a study is in being stopped (CR-04)."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from coolrunner.execution.stopping import Interrupts, Phase, Stop

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


@pytest.mark.parametrize(
    ("presses", "requested", "final", "kill_now"),
    [
        ([INT], True, False, False),
        ([INT, INT], True, True, True),
        ([TERM], True, True, False),
        ([HUP], True, True, False),
        ([TERM, TERM], True, True, False),
        ([HUP, HUP, TERM], True, True, False),
        ([INT, TERM], True, True, False),
        ([TERM, INT], True, True, True),
    ],
)
def test_what_signals_ask_for(
    presses: list[signal.Signals], requested: bool, final: bool, kill_now: bool
) -> None:
    """CR-04: Ctrl-C asks; again, or SIGTERM, it ends the study; only a person's hurry denies the grace."""
    stop = Stop()
    for number in presses:
        stop.press(number)
    assert (stop.requested, stop.final, stop.kill_now) == (requested, final, kill_now)
    assert stop.pressed
    assert stop.reason == ("Ctrl-C" if presses[-1] is INT else presses[-1].name)


def test_after_the_pause_an_interrupt_is_the_first_one_again() -> None:
    """CR-04."""
    stop = Stop()
    stop.press(INT)
    stop.requested = False
    stop.begin(Phase.PAUSING, 0.0)
    assert stop.is_over()
    stop.begin(Phase.NONE)
    stop.press(INT)
    assert (stop.requested, stop.final) == (True, False)


def test_a_person_who_ends_a_study_that_failures_end_has_ended_it() -> None:
    stop = Stop()
    stop.end_by_failures()
    assert (stop.final, stop.by_failures, stop.remaining()) == (True, True, None)
    stop.press(TERM)
    assert (stop.final, stop.by_failures) == (True, False)


def test_phases_end() -> None:
    stop = Stop()
    assert stop.remaining() is None
    stop.begin(Phase.STOPPING, 60)
    assert not stop.is_over()
    remaining = stop.remaining()
    assert remaining is not None
    assert 0 < remaining <= 60


def test_signals_are_noted_while_a_study_runs_and_do_what_they_did_afterwards() -> None:
    """CR-04."""
    before = {number: signal.getsignal(number) for number in (INT, TERM, HUP)}
    stop = Stop()
    with Interrupts() as interrupts:
        os.kill(os.getpid(), INT)
        os.kill(os.getpid(), HUP)
        interrupts.check(stop)
    assert stop.final
    assert {number: signal.getsignal(number) for number in (INT, TERM, HUP)} == before


def test_an_ignored_signal_stays_ignored() -> None:
    """CR-04: nohup."""
    before = signal.signal(HUP, signal.SIG_IGN)
    try:
        stop = Stop()
        with Interrupts() as interrupts:
            os.kill(os.getpid(), HUP)
            interrupts.check(stop)
        assert not stop.pressed
    finally:
        signal.signal(HUP, before)


def test_a_signal_ends_a_sleep() -> None:
    """CR-04: the pause, and nobody waits for the rest of it."""
    with Interrupts() as interrupts:
        timer = threading.Timer(0.05, os.kill, (os.getpid(), INT))
        timer.start()
        begin = time.monotonic()
        interrupts.sleep(600)
        assert time.monotonic() - begin < 300
        timer.join()


def test_in_another_thread_signals_are_left_alone() -> None:
    before = signal.getsignal(INT)
    seen = []

    def study() -> None:
        with Interrupts():
            seen.append(signal.getsignal(INT))

    thread = threading.Thread(target=study)
    thread.start()
    thread.join()
    assert seen == [before]
