"""What ``coolrunner queue`` prints: tables that fit, reasons that wrap."""

from __future__ import annotations

import io

from coolrunner.reporting.queue import (
    QueueRow,
    QueueStatus,
    RunnerRow,
    RunningRow,
    counted,
    print_queue,
    print_reasons,
    print_status,
)
from tests.terminal import Terminal

ROWS = [
    QueueRow("running", "k7f3q2ma", "vgg", 0, "for 12 s", {"model": "vgg", "lr": 0.1}),
    QueueRow("held", "b2x9r4tz", "svm", 0, "", {"model": "svm", "lr": 0.01}),
    QueueRow("blocked", "c8w1p6ye", "svm", 0, "needs vgg (failed)", {"model": "svm", "lr": 1}),
]


def shown(rows: list[QueueRow], width: int | None = None) -> list[str]:
    file = io.StringIO()
    print_queue(rows, file=file, width=width)
    return file.getvalue().splitlines()


def test_a_queue_is_a_table_of_what_stands_how_and_the_keys_that_differ() -> None:
    assert shown(ROWS) == [
        "standing  ID        Name  model    lr",
        "─────────────────────────────────────────────────────────",
        "running   k7f3q2ma  vgg   vgg     0.1  for 12 s",
        "held      b2x9r4tz  svm   svm    0.01",
        "blocked   c8w1p6ye  svm   svm       1  needs vgg (failed)",
    ]


def test_priorities_are_shown_where_there_are_any() -> None:
    rows = [QueueRow("waiting", "a", "x", 2.5), QueueRow("waiting", "b", "y")]
    assert [line.split() for line in shown(rows)[2:]] == [
        ["waiting", "a", "x", "2.5"],
        ["waiting", "b", "y", "0"],
    ]


def test_what_has_no_id_yet_is_called_new() -> None:
    assert "(new)" in shown([QueueRow("waiting", "", "x")])[2]


def test_a_table_never_is_wider_than_the_terminal() -> None:
    many = {f"a_long_parameter_{number}": number for number in range(20)}
    rows = [
        QueueRow("interrupted", "k7f3q2ma", "a name of some length", 5, "ValueError: " + "nan " * 40, many),
        QueueRow("waiting", "b2x9r4tz", "short", 0, "", {**many, "a_long_parameter_0": 7}),
    ]
    lines = shown(rows, width=100)
    assert all(len(line) <= 100 for line in lines)
    assert "a_long_parameter_0=0" in lines[2]
    assert "ValueError: nan" in lines[2]
    assert lines[2].endswith("…")


def test_a_line_break_in_an_error_does_not_break_the_table() -> None:
    assert len(shown([QueueRow("failed", "a", "x\ny", 0, "one\ntwo")])) == 3


def test_no_rows_are_no_table() -> None:
    assert shown([]) == []


def test_counts_name_what_there_is_in_an_order_that_does_not_change() -> None:
    assert counted({"done": 400, "held": 1, "failed": 0, "waiting": 8}) == "8 waiting, 1 held, 400 done"
    assert counted({}) == ""


def status(**values: object) -> QueueStatus:
    return QueueStatus("queue.yaml, of study.yaml", {"waiting": 2, "running": 1}, **values)  # type: ignore[arg-type]


def test_a_status_shows_runners_what_runs_and_what_is_wrong() -> None:
    file = io.StringIO()
    running = RunningRow("stale?", "k7f3q2ma", "vgg", "farm:12", 320.0, "about 10 s left")
    print_status(
        status(
            runners=[RunnerRow("farm:12", "stale?", 1, 4000.0)],
            running=[running],
            remarks=["paused: lunch\n  coolrunner queue resume queue.yaml"],
            outlook="about 5 min 00 s left",
        ),
        file=file,
    )
    assert file.getvalue().splitlines() == [
        "queue.yaml, of study.yaml",
        "1 running, 2 waiting",
        "paused: lunch",
        "  coolrunner queue resume queue.yaml",
        "",
        "runner           runs         for",
        "─────────────────────────────────",
        "farm:12  stale?     1  1 h 06 min",
        "",
        "standing  ID        Name         for                   runner",
        "──────────────────────────────────────────────────────────────",
        "stale?    k7f3q2ma  vgg   5 min 20 s  about 10 s left  farm:12",
        "",
        "about 5 min 00 s left",
    ]


def test_a_status_shows_how_much_of_what_a_runner_lends_is_in_use() -> None:
    file = io.StringIO()
    lends = {"jobs": 4, "cpus": 16, "gpus": 2, "memory": 64 * 2**30}
    used = {"jobs": 3, "cpus": 6, "gpus": 0.5, "memory": 12 * 2**29}
    rows = [RunnerRow("farm:12", "alive", 3, 4.0, lends, used), RunnerRow("old:7", "stale?", 0, 4.0)]
    print_status(status(runners=rows), file=file)
    assert file.getvalue().splitlines()[3:] == [
        "runner             runs  for      GPUs     CPUs     memory",
        "──────────────────────────────────────────────────────────",
        "farm:12  alive   3 of 4  4 s  0.5 of 2  6 of 16  6G of 64G",
        "old:7    stale?       0  4 s",
    ]


def test_a_narrow_terminal_leaves_the_runner_of_an_experiment_out() -> None:
    file = io.StringIO()
    rows = [
        RunningRow("running", "k7f3q2ma", "a name", "a-host-of-some-length:12345", 3.0, "about 10 s left")
    ]
    print_status(status(running=rows), file=file, width=60)
    lines = file.getvalue().splitlines()
    assert all(len(line) <= 60 for line in lines)
    assert "a-host" not in file.getvalue()


def test_colours_are_for_terminals() -> None:
    terminal = Terminal(columns=80)
    print_status(status(remarks=["paused: lunch"]), file=terminal.file)
    print_queue(ROWS, file=terminal.file)
    lines = terminal.close()
    assert "\x1b[1mqueue.yaml" in terminal.raw
    assert "\x1b[2mheld" in terminal.raw
    assert lines[:3] == ["queue.yaml, of study.yaml", "1 running, 2 waiting", "paused: lunch"]


def test_reasons_wrap_and_commands_do_not() -> None:
    file = io.StringIO()
    command = "coolrunner queue retry a/long/path/of/a/queue.yaml k7f3q2ma"
    print_reasons(
        "vgg (k7f3q2ma): blocked",
        [
            ("it needs pre (b2x9r4tz), which failed: ValueError: the loss is nan", command),
            ("queue.yaml:3:1: wrong\n    lr:: 1\n      ^", ""),
        ],
        file=file,
        width=50,
    )
    assert file.getvalue().splitlines() == [
        "vgg (k7f3q2ma): blocked",
        "  - it needs pre (b2x9r4tz), which failed:",
        "    ValueError: the loss is nan",
        f"      {command}",
        "queue.yaml:3:1: wrong",
        "    lr:: 1",
        "      ^",
    ]
