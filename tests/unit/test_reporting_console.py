"""The console as lines, as problems only and as JSON, and what it shows at the end."""

from __future__ import annotations

import dataclasses
import datetime
import io
import json
import math
import re
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.errors import UsageError
from coolrunner.events import (
    Event,
    ExperimentFailed,
    ExperimentFinished,
    ExperimentInterrupted,
    ExperimentStarted,
    Notice,
    OutputWritten,
    Pausing,
    Stopping,
    StudyFinished,
    StudyStarted,
)
from coolrunner.reporting.console import console_listener
from coolrunner.reporting.jsonl import JsonListener
from coolrunner.reporting.text import width_of
from tests.terminal import Terminal

TRACEBACK = 'Traceback (most recent call last):\n  File "svm.py", line 3, in main\nValueError: bad\n'


def shown(mode: str, events: Sequence[Event], encoding: str = "utf-8", **options: Any) -> tuple[str, str]:
    """Return what a console writes to its standard output and error."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding, newline="\n") for _ in range(2))
    listener = console_listener(mode, stdout=out, stderr=err, **options)
    listener.start()
    for event in events:
        listener.handle(event)
    listener.close()
    both = [file.buffer.getvalue().decode(encoding) for file in (out, err)]  # type: ignore[attr-defined]
    return both[0], both[1]


def finished(index: int, differing: dict[str, Any] | None = None, **results: Any) -> ExperimentFinished:
    record = {"Name": "svm", **(differing or {}), "REP": 0, **results}
    return ExperimentFinished(
        index, f"id{index}", "svm", record, list(results), 1.25, "log.yaml", differing or {}
    )


def failed(index: int, traceback: str = TRACEBACK) -> ExperimentFailed:
    return ExperimentFailed(
        index, f"id{index}", "x", {"Name": "x"}, "ValueError: bad", traceback, 0.1, "log.failed.yaml"
    )


STUDY = [
    StudyStarted("s.yaml", 3),
    Notice("C was never read"),
    Notice("resuming", "info"),
    ExperimentStarted(0, "id0", "svm", {"model": "svm", "settings.C": 10}),
    OutputWritten("id0", b"from the module\n"),
    finished(0, ACCURACY=0.98611, NOTE="fine", CURVE=[1, 2]),
    ExperimentStarted(1, "id1", "x"),
    failed(1),
    ExperimentStarted(2, "id2", "svm"),
    Stopping("Ctrl-C", 10.0, final=False),
    ExperimentInterrupted(2, "id2", "svm", 2.0),
    Pausing(2.0),
]
END = StudyFinished("s.yaml", 1, 1, 1, 0, 4.0, 1, ["log.yaml"], ["log.failed.yaml"], [1, 2])


def test_plain_lines_say_what_happens() -> None:
    out, err = shown("plain", STUDY)
    assert out.splitlines() == [
        "info: resuming",
        "[1/3] svm started (model=svm, C=10)",
        "from the module",
        "[1/3] svm done in 1.2 s: ACCURACY=0.9861, NOTE=fine",
        "[2/3] x started",
        "[2/3] x failed after 0.1 s: ValueError: bad",
        "    Traceback (most recent call last):",
        '      File "svm.py", line 3, in main',
        "    (all of it is in log.failed.yaml)",
        "[3/3] svm started",
        "Ctrl-C: stopping 1 experiment (up to 10 s); Ctrl-C again ends the study",
        "[3/3] svm interrupted after 2 s",
        "next experiment in 2 s; Ctrl-C ends the study",
    ]
    assert err == "warning: C was never read\n"


def test_a_failure_without_traceback_or_log_says_no_more_than_is_known() -> None:
    killed = ExperimentFailed(0, "a", "x", {}, "killed by SIGKILL", "", 0.1, "log.failed.yaml")
    lost = ExperimentFailed(0, "a", "x", {}, "", "", 0.1, "")
    out, _ = shown("plain", [StudyStarted("s.yaml", 1), ExperimentStarted(0, "a", "x"), killed, lost])
    assert out.splitlines()[1:] == [
        "[1/1] x failed after 0.1 s: killed by SIGKILL",
        "    (recorded in log.failed.yaml)",
        "[1/1] x failed after 0.1 s: no reason is known",
    ]


def test_the_end_of_a_study_names_results_failures_and_the_next_commands() -> None:
    out, _ = shown("plain", [*STUDY, END])
    assert out.partition("ends the study\n\n")[2].splitlines() == [
        "ACCURACY, highest first",
        "",
        "index  Name  ACCURACY  NOTE   time",
        "──────────────────────────────────",
        "    0  svm     0.9861  fine  1.2 s",
        "",
        "Failed (index, Name, error)",
        "  1  x  ValueError: bad",
        "",
        "s.yaml: 1 of 3 done, 1 failed, 1 interrupted, in 4 s",
        "",
        "Next:",
        "  python filter.py log.yaml --sort ACCURACY --reverse --table",
        "  python collect.py . --dest collected",
        "  less log.failed.yaml",
        "  python run.py --exp s.yaml --pick 1,2",
    ]


def test_the_next_commands_are_spelt_as_this_person_spells_them() -> None:
    end = StudyFinished("s.yaml", 1, 0, 0, 4, 1.0, 1, ["my log.yaml"], [], [1, 2, 3, 4])
    events = [finished(0, **{"val/loss": 0.1}), end]
    out, _ = shown("plain", events, program="coolrunner run", rerun="coolrunner run --exp 'a b.yaml' +lr=1")
    assert out.splitlines()[-3:] == [
        "  coolrunner filter 'my log.yaml' --sort 'lambda exp: exp['\"'\"'val/loss'\"'\"']' --table",
        "  coolrunner collect . --dest collected",
        "  coolrunner run --exp 'a b.yaml' +lr=1 --pick 1-4",
    ]
    out, _ = shown("plain", events, program="/opt/my-run/bin/python run.py")
    assert "  /opt/my-run/bin/python collect.py . --dest collected" in out.splitlines()


def test_what_is_left_is_run_by_resuming_where_that_can_be() -> None:
    command = "python run.py --exp s.yaml --resume"
    assert shown("plain", [*STUDY, END], resume=command)[0].splitlines()[-1] == f"  {command}"
    kept = dataclasses.replace(END, queue="queue.yaml")
    last = shown("plain", [*STUDY, kept], resume=command)[0].splitlines()[-1]
    assert last == "  python run.py --queue queue.yaml"
    complete = dataclasses.replace(END, unfinished=[])
    assert "--resume" not in shown("plain", [*STUDY, complete], resume=command)[0]


def test_what_is_collected_next_is_where_the_logs_are() -> None:
    def suggested(*logs: str) -> str:
        end = StudyFinished("s.yaml", 9, 0, 0, 0, 1.0, 0, list(logs), [], [])
        out, _ = shown("plain", [finished(0, ACC=0.1), end])
        return out.splitlines()[-1].strip()

    assert suggested("logs/a.yaml", "logs/b.yaml") == "python collect.py logs --dest collected"
    assert suggested("a b/x.yaml", "y.yaml") == "python collect.py 'a b' . --dest collected"
    assert suggested(*(f"{i}/x.yaml" for i in range(9))) == "python collect.py . --dest collected"


def test_a_failure_takes_one_line_in_the_list_at_the_end() -> None:
    failed = ExperimentFailed(0, "a", "x", {}, "ValueError: " + "long " * 100, "", 0.1, "")
    end = StudyFinished("s.yaml", 0, 1, 0, 0, 1.0, 1, [], [], [0])
    out, _ = shown("plain", [failed, end])
    (line,) = (line for line in out.splitlines() if line.startswith("  0  x"))
    assert len(line) == 120
    assert line.endswith("…")
    out, _ = shown("plain", [dataclasses.replace(failed, name="漢字"), end])
    (line,) = (line for line in out.splitlines() if line.startswith("  0  漢字"))
    assert width_of(line) == 120


def test_a_study_without_numbers_is_a_list_with_times() -> None:
    out, _ = shown("plain", [finished(0, {"C": 1}), finished(1, {"C": 2}), END])
    assert "Results\n\nindex  Name  C   time\n" in out
    assert "filter.py log.yaml --table" in out


def test_a_study_in_which_nothing_finished_has_no_table() -> None:
    end = StudyFinished("s.yaml", 0, 1, 0, 0, 4.0, 1, [], ["log.failed.yaml"], [0])
    out, _ = shown("plain", [failed(0), end])
    assert "index  Name" not in out
    assert "collect" not in out
    assert "--pick 0" in out


def test_repetitions_are_shown_as_mean_and_deviation() -> None:
    """CR-02."""
    events = [
        finished(3 * c + rep, {"C": c, "seed": rep}, ACC=c + rep / 10) for c in (1, 2) for rep in range(3)
    ]
    out, _ = shown("plain", [*events, END])
    assert "ACC, highest first, mean ± standard deviation (experiments)" in out
    rows = [line for line in out.splitlines() if "± 0" in line]
    assert [re.split(r"  +", row.strip()) for row in rows] == [
        ["6-8", "svm", "2", "2.100 ± 0.100 (3)", "1.2 s"],
        ["3-5", "svm", "1", "1.100 ± 0.100 (3)", "1.2 s"],
    ]
    assert "seed" not in out.partition("highest first")[2]


def test_of_many_experiments_the_best_are_shown_and_the_rest_is_counted() -> None:
    events = [finished(index, {"C": index}, ACC=index / 1000) for index in range(500)]
    failures: list[Event] = [failed(index) for index in range(500, 600)]
    end = StudyFinished("s.yaml", 500, 100, 0, 0, 4.0, 1, ["log.yaml"], [], range(500, 600))
    out, _ = shown("plain", [*events, *failures, end])
    summary = out.partition("ACC, highest first")[2]
    assert "… 480 more experiments" in summary
    assert "… 80 more" in summary
    assert "--pick 500-599" in summary
    assert len(summary.splitlines()) < 60


def test_keys_that_few_experiments_have_share_a_column() -> None:
    events = [
        finished(index, {"estimator": f"e{index}", f"settings.p{index}": index}, ACC=0.5)
        for index in range(6)
    ]
    out, _ = shown("plain", [*events, END])
    header = next(line for line in out.splitlines() if line.startswith("index"))
    assert header.split() == ["index", "Name", "estimator", "other", "settings", "ACC", "time"]
    assert "p3=3" in out


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("mode", ["plain", "quiet", "json"])
def test_a_poor_encoding_is_enough(mode: str, encoding: str) -> None:
    event = ExperimentStarted(0, "a", "größe 漢", {"π": "✓"})
    out, err = shown(mode, [event, *STUDY, END], encoding)
    if mode == "plain":
        assert "index  Name" in out
        assert "----" in out
    else:
        assert "ValueError: bad" in (out if mode == "json" else err)


def test_quiet_says_only_what_went_wrong_and_nothing_on_standard_output() -> None:
    out, err = shown("quiet", [*STUDY, END])
    assert out == ""
    assert err.splitlines() == [
        "warning: C was never read",
        "[2/3] x failed after 0.1 s: ValueError: bad",
        "    Traceback (most recent call last):",
        '      File "svm.py", line 3, in main',
        "    (all of it is in log.failed.yaml)",
    ]


def test_json_has_an_object_for_each_event() -> None:
    out, err = shown("json", [*STUDY, END])
    lines = [json.loads(line) for line in out.splitlines()]
    assert err == ""
    assert [line["event"] for line in lines] == [
        "study_started",
        "notice",
        "notice",
        "experiment_started",
        "output",
        "experiment_finished",
        "experiment_started",
        "experiment_failed",
        "experiment_started",
        "stopping",
        "experiment_interrupted",
        "pausing",
        "study_finished",
    ]
    assert all(datetime.datetime.fromisoformat(line["time"]).tzinfo for line in lines)
    assert lines[4] == {"event": "output", "time": lines[4]["time"], "id": "id0", "text": "from the module\n"}
    assert lines[5]["record"]["ACCURACY"] == 0.98611
    assert lines[5]["results"] == ["ACCURACY", "NOTE", "CURVE"]
    assert lines[-1]["unfinished"] == [1, 2]


def test_json_is_strict_whatever_a_result_is() -> None:
    values = {
        "NAN": math.nan,
        "INF": [math.inf, 1.5],
        "DAY": datetime.date(2026, 1, 2),
        "TIME": datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
        "BYTES": b"ab",
        "KEYS": {1: "a", None: "b", datetime.date(2026, 1, 2): "c"},
        "ODD": "\ud800 ✓",
    }
    out, _ = shown("json", [finished(0, **values)])
    assert out.isascii()

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    record = json.loads(out, parse_constant=refuse)["record"]
    assert record["NAN"] is None
    assert record["INF"] == [None, 1.5]
    assert record["DAY"] == "2026-01-02"
    assert record["TIME"] == "2026-01-02T03:04:05+00:00"
    assert record["BYTES"] == "YWI="
    assert record["KEYS"] == {"1": "a", "null": "b", "2026-01-02": "c"}
    assert record["ODD"] == "\ud800 ✓"


@given(st.text(), st.data())
def test_json_output_cut_anywhere_is_put_together_again(text: str, data: st.DataObject) -> None:
    written = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(written)))))
    pieces = [written[i:j] for i, j in zip([0, *cuts], [*cuts, len(written)], strict=True)]
    out, _ = shown("json", [*(OutputWritten("a", piece) for piece in pieces), finished(0)])
    outputs = [json.loads(line) for line in out.splitlines()]
    assert "".join(line["text"] for line in outputs if line["event"] == "output") == text


def test_a_plain_console_on_a_terminal_has_colours_unless_a_person_wants_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name, coloured in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", name)
        terminal = Terminal()
        listener = console_listener(inline=True, stdout=terminal.file, stderr=terminal.file)
        listener.start()
        listener.handle(StudyStarted("s.yaml", 1))
        listener.handle(failed(0, ""))
        listener.close()
        assert terminal.close()[0] == "[0/1] x failed after 0.1 s: ValueError: bad"
        assert ("\x1b[31m" in terminal.raw) == coloured


def test_a_console_that_does_not_exist_is_a_mistake_that_names_those_that_do() -> None:
    with pytest.raises(UsageError, match="live, plain, quiet, json"):
        console_listener("loud")


def test_nothing_heavy_is_loaded_before_it_is_needed() -> None:
    program = (
        "import sys; from coolrunner.reporting.console import console_listener; "
        "from coolrunner.reporting import live, plan, slack; console_listener('plain'); "
        "print([name for name in ('rich', 'slack_sdk', 'yaml') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_number_of_thousands_of_digits_does_not_end_the_json() -> None:
    stream = io.StringIO()
    listener = JsonListener(stream)
    listener.handle(ExperimentFinished(0, "k", "n", {"BIG": 10**6000}, ("BIG",), 1.0, "log.yaml"))
    assert json.loads(stream.getvalue())["record"]["BIG"] == hex(10**6000)
