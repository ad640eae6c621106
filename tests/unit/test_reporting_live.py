"""The console of a terminal: a live region below, everything else intact above it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

import pytest

from coolrunner.events import (
    Event,
    ExperimentFailed,
    ExperimentFinished,
    ExperimentInterrupted,
    ExperimentStarted,
    Listener,
    Notice,
    OutputWritten,
    Pausing,
    Stopping,
    StudyFinished,
    StudyStarted,
)
from coolrunner.reporting.console import console_listener, resolve_mode
from coolrunner.reporting.output import Output
from tests.terminal import Screen, Terminal

TRACEBACK = """\
Traceback (most recent call last):
  File "svm.py", line 3, in main
    raise ValueError("bad")
ValueError: bad
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    yield terminal
    if not terminal.file.closed:
        terminal.close()


def listen(terminal: Terminal, *events: Event) -> Listener:
    listener = console_listener(stdout=terminal.file, stderr=terminal.file)
    listener.start()
    for event in events:
        listener.handle(event)
    return listener


def started(index: int, name: str = "svm", **differing: object) -> ExperimentStarted:
    return ExperimentStarted(index, f"id{index}", name, differing)


def finished(index: int, name: str = "svm", **results: object) -> ExperimentFinished:
    record = {"Name": name, "C": index, **results}
    return ExperimentFinished(
        index, f"id{index}", name, record, list(results), 1.25, "log.yaml", {"C": index}
    )


def test_the_form_of_the_console_follows_from_where_it_is_shown(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resolve_mode(stdout=terminal.file) == "live"
    assert resolve_mode(stdout=terminal.file, inline=True) == "plain"
    assert resolve_mode(stdout=io.StringIO()) == "plain"
    assert resolve_mode("live", stdout=io.StringIO()) == "plain"
    assert resolve_mode("json", stdout=terminal.file) == "json"
    monkeypatch.setenv("TERM", "dumb")
    assert resolve_mode(stdout=terminal.file) == "plain"


def test_the_region_shows_what_runs_for_how_long_and_the_keys_that_differ(terminal: Terminal) -> None:
    listener = listen(
        terminal,
        StudyStarted("s.yaml", 16),
        started(0, "svm", model="svm", **{"settings.C": 10}),
        started(1, "forest", model="solve sklearn.ensemble.RandomForestClassifier"),
    )
    lines = terminal.wait_for(lambda lines: len(lines) == 3 and "1 s" in lines[0])
    assert lines[0].startswith("▸ 1/16 svm     1 s  ")
    assert lines[0].endswith("model=svm, C=10")
    assert lines[1].endswith("model=RandomForestClassifier")
    assert lines[2].endswith("0 done  16 left  0 %")
    assert all(len(line) < 80 for line in lines)
    listener.close()


def test_the_bar_counts_and_estimates(terminal: Terminal) -> None:
    failed = ExperimentFailed(1, "id1", "svm", {}, "ValueError: bad", "", 0.1, "log.failed.yaml")
    listener = listen(
        terminal, StudyStarted("s.yaml", 8), started(0), finished(0), started(1), failed, started(2)
    )
    lines = terminal.wait_for(lambda lines: "to go" in lines[-1])
    assert "1 done  1 failed  6 left  25 %  ≈ " in lines[-1]
    listener.close()


def test_output_stays_as_it_was_written_above_the_region(terminal: Terminal) -> None:
    written = "plain [bold]no markup[/bold] \x1b[31mred\x1b[0m 12345 größe " + "x" * 200 + "\n"
    listener = listen(terminal, StudyStarted("s.yaml", 2), started(0))
    terminal.wait_for(lambda lines: "left" in lines[-1])
    listener.handle(OutputWritten("id0", written.encode()))
    listener.handle(finished(0, ACCURACY=0.98611))
    listener.close()
    shown = terminal.close()
    assert written.replace("\n", "\r\n") in terminal.raw
    assert shown[-1] == "✓ 1/2 svm  ACCURACY 0.9861  1.2 s"
    expected = Screen(80)
    expected.feed(written)
    assert shown[:-1] == expected.text


def test_a_character_cut_in_its_middle_is_put_together_again(terminal: Terminal) -> None:
    text = "größe ✓ 漢字".encode()
    listener = listen(terminal, StudyStarted("s.yaml", 1), started(0))
    for place in range(len(text)):
        listener.handle(OutputWritten("id0", text[place : place + 1]))
        whole = text[: place + 1].decode("utf-8", "ignore").strip()
        terminal.wait_for(lambda lines, whole=whole: lines[0] == whole)
    listener.handle(OutputWritten("id0", b"\n"))
    listener.close()
    assert terminal.close() == ["größe ✓ 漢字"]
    assert "\ufffd" not in terminal.raw


def test_an_unfinished_line_is_the_top_of_the_region_and_collapses_to_its_last_state(
    terminal: Terminal,
) -> None:
    listener = listen(terminal, StudyStarted("s.yaml", 1), started(0))
    for step in range(5):
        listener.handle(OutputWritten("id0", b"\repoch %d/5" % (step + 1)))
    lines = terminal.wait_for(lambda lines: lines[0] == "epoch 5/5")
    assert [line[:3] for line in lines[1:]] == ["▸ 1", "───"]
    listener.handle(finished(0))
    listener.close()
    assert terminal.close() == ["epoch 5/5", "✓ 1/1 svm  1.2 s"]


def test_outputs_of_several_experiments_do_not_run_into_each_other(terminal: Terminal) -> None:
    listener = listen(terminal, StudyStarted("s.yaml", 2), started(0), started(1))
    for index, data in ((0, b"a"), (1, b"1"), (0, b"b"), (1, b"2\n3"), (0, b"c\n"), (1, b"4\n")):
        listener.handle(OutputWritten(f"id{index}", data))
    listener.close()
    assert terminal.close() == ["12", "abc", "34"]


def test_a_failure_says_why_and_where_the_rest_is(terminal: Terminal) -> None:
    failed = ExperimentFailed(0, "id0", "svm", {}, "ValueError: bad", TRACEBACK, 0.1, "log.failed.yaml")
    listener = listen(terminal, StudyStarted("s.yaml", 1), started(0), failed)
    listener.close()
    assert terminal.close() == [
        "✗ 1/1 svm failed after 0.1 s: ValueError: bad",
        "    Traceback (most recent call last):",
        '      File "svm.py", line 3, in main',
        '        raise ValueError("bad")',
        "    (all of it is in log.failed.yaml)",
    ]
    assert "\x1b[31m✗ 1/1 svm failed" in terminal.raw


def test_a_long_traceback_is_shortened(terminal: Terminal) -> None:
    traceback = "Traceback (most recent call last):\n" + "".join(f"  line {n}\n" for n in range(100))
    failed = ExperimentFailed(0, "id0", "svm", {}, "E: x", traceback + "E: x\n", 0.1, "log.failed.yaml")
    listener = listen(terminal, StudyStarted("s.yaml", 1), started(0), failed)
    listener.close()
    assert len(terminal.close()) <= 10


def test_stopping_pausing_and_notices_stand_above_the_region(terminal: Terminal) -> None:
    """CR-04."""
    listener = listen(
        terminal,
        StudyStarted("s.yaml", 2),
        Notice("C was never read"),
        started(0),
        Stopping("Ctrl-C", 10.0, final=False),
        ExperimentInterrupted(0, "id0", "svm", 3.0),
        Pausing(2.0),
    )
    listener.close()
    assert terminal.close() == [
        "warning: C was never read",
        "Ctrl-C: stopping 1 experiment (up to 10 s); Ctrl-C again ends the study",
        "✗ 1/2 svm interrupted after 3 s",
        "next experiment in 2 s; Ctrl-C ends the study",
    ]


def test_warnings_go_to_a_standard_error_that_is_not_the_terminal(terminal: Terminal) -> None:
    stderr = io.StringIO()
    listener = console_listener(stdout=terminal.file, stderr=stderr)
    listener.start()
    listener.handle(Notice("C was never read"))
    listener.close()
    listener.handle(Notice("the last word of another listener"))
    assert stderr.getvalue() == "warning: C was never read\nwarning: the last word of another listener\n"
    assert terminal.close() == [""]


def test_a_terminal_that_becomes_narrower_keeps_what_stands_above(terminal: Terminal) -> None:
    listener = listen(terminal, StudyStarted("s.yaml", 4))
    listener.handle(started(0, "a-rather-long-name", model="svm", C=10, kernel="rbf", gamma="scale"))
    listener.handle(OutputWritten("id0", b"kept\n"))
    terminal.wait_for(lambda lines: lines[0] == "kept" and len(lines) == 3)
    screen, before = Screen(80), terminal.raw
    screen.feed(before)
    terminal.resize(30)
    screen.narrow(30)
    assert len(screen.text) > 3
    terminal.wait_for(lambda lines: terminal.raw != before)
    listener.handle(finished(0))
    listener.close()
    terminal.close()
    screen.feed(terminal.raw[len(before) :])
    assert screen.text == ["kept", "✓ 1/4 svm  1.2 s"]


def test_many_experiments_at_once_fit_on_a_small_terminal() -> None:
    terminal = Terminal(60, 10)
    listener = listen(terminal, StudyStarted("s.yaml", 100), *(started(index) for index in range(50)))
    for index in range(50):
        listener.handle(OutputWritten(f"id{index}", b"unfinished"))
    lines = terminal.wait_for(
        lambda lines: any("more" in line for line in lines) and "unfinished" in lines[0]
    )
    assert len(lines) < 10
    assert sum("unfinished" in line for line in lines) == 1
    listener.close()
    terminal.close()


def test_nothing_of_the_region_stays_and_the_cursor_is_never_hidden(terminal: Terminal) -> None:
    listener = listen(terminal, StudyStarted("s.yaml", 2), started(0, C=1), OutputWritten("id0", b"half"))
    terminal.wait_for(lambda lines: lines[0] == "half")
    listener.close()
    assert terminal.close() == ["half"]
    assert "\x1b[?25l" not in terminal.raw


def test_the_end_shows_the_results_best_first_and_what_to_type_next(terminal: Terminal) -> None:
    listener = listen(terminal, StudyStarted("s.yaml", 2), started(0), finished(0, ACCURACY=0.9))
    listener.handle(started(1))
    listener.handle(finished(1, ACCURACY=0.95))
    listener.handle(StudyFinished("s.yaml", 2, 0, 0, 0, 2.5, 0, ["log.yaml"]))
    listener.close()
    lines = terminal.close()
    start = lines.index("ACCURACY, highest first")
    assert [line.split() for line in lines[start + 2 : start + 6] if "─" not in line] == [
        ["index", "Name", "C", "ACCURACY", "time"],
        ["1", "svm", "1", "0.9500", "1.2", "s"],
        ["0", "svm", "0", "0.9000", "1.2", "s"],
    ]
    assert "s.yaml: 2 of 2 done, in 2.5 s" in lines
    assert lines[-2:] == [
        "  python filter.py log.yaml --sort ACCURACY --reverse --table",
        "  python collect.py . --dest collected",
    ]


def test_a_terminal_that_goes_away_is_the_listeners_failure_and_blocks_nobody() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as broken:
        from coolrunner.reporting.live import LiveListener
        from coolrunner.reporting.summary import Summary

        listener = LiveListener(broken, io.StringIO(), Summary("python run.py"))
        listener.start()
        with pytest.raises(OSError, match="Broken pipe"):
            for index in range(100_000):
                listener.handle(started(index))
                listener.handle(OutputWritten(f"id{index}", b"line\n"))
        listener.close()


def test_a_colour_left_on_reaches_the_next_line_of_the_same_experiment_and_no_other() -> None:
    output = Output()
    assert output.feed(b"\x1b[1m\x1b[31mred\n") == b"\x1b[1m\x1b[31mred\n\x1b[0m"
    assert output.feed(b"still red\n") == b"\x1b[1m\x1b[31mstill red\n\x1b[0m"
    assert output.feed(b"off\x1b[m\n") == b"\x1b[1m\x1b[31moff\x1b[m\n"
    assert output.feed(b"plain\n") == b"plain\n"


def test_a_line_without_end_takes_no_memory_without_end() -> None:
    output = Output()
    for step in range(100_000):
        assert output.feed(b"\rstep %d" % step) == b""
    assert len(output.finish()) < 100_000
    lines = b"".join(output.feed(b"." * 1000) for _ in range(1000)) + output.finish()
    assert lines.replace(b"\n", b"") == b"." * 1_000_000
