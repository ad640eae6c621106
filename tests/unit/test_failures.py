"""Logs of failures, read to be tried again."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from coolrunner.definition.plan import read_plan
from coolrunner.errors import LogError, UsageError
from coolrunner.results.logs.failures import (
    Failure,
    is_failed_log,
    is_queue_file,
    move_failures,
    read_failures,
)
from coolrunner.results.logs.sources import Report, find_logs
from coolrunner.results.logs.yamllog import HEADER, YamlLog
from coolrunner.yamlio import dump

LATER = {
    "SOLVED": {"rate": 0.1},
    "ID": "b2",
    "STUDY": "digits.yaml",
    "HOST": "here",
    "RUN": "results/b2",
    "STARTED": "2026-01-31T12:00:00+01:00",
    "TIME_ELAPSED": 1.5,
    "ERROR": "ValueError: no",
    "TRACEBACK": "Traceback ...\nValueError: no\n",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a log of failures is going to be."""
    return tmp_path / "log.failed.yaml"


def fail(path: Path, identity: str, inputs: dict[str, Any], results: dict[str, Any] | None = None) -> None:
    """Append the record of a failure, as the runner does."""
    log = YamlLog(str(path))
    log.append(identity, {**inputs, **(results or {}), **LATER, "ID": identity})
    log.close()


def planned(folder: Path, *documents: str) -> list[dict[str, Any]]:
    """Return the inputs of the experiments of a definition, in the order in which they are logged."""
    definition = folder / "digits.yaml"
    (folder / "fit.py").write_text("def main(exp): ...\n")
    definition.write_text("Module: fit\n---\n" + "---\n".join(documents))
    return [dict(planned.experiment.inputs) for planned in read_plan(definition).experiments]


def refusal(call: Any, path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        call(path)
    return str(caught.value)


# --- inputs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        "Name: drawn\nlr: 0.1\nL2: 0.5\n",
        "Name: by hand\nRND_IDX: 123456\nlr: 0.1\nL2: 0.5\n",
        "RND_IDX: 123456\nName: by hand, in the first place\n",
        "Name: by hand, last\nlr: 0.1\nRND_IDX: 123456\n",
        "Name: repeated\nRepeat: 2\nlr: 0.1\n",
        "Name: with a log\nYamlLog: out/log.yaml\nrate: solve 1 / 3\nnested: {REP: 1, ERROR: a}\n",
    ],
)
@pytest.mark.parametrize("results", [{}, {"ACCURACY": 0.5, "loss": [1.5, 0.25]}, {"Best": 1, "_x": None}])
def test_inputs_come_back_in_their_order_and_nothing_else(
    project: Path, path: Path, document: str, results: dict[str, Any]
) -> None:
    experiments = planned(project, document)
    for number, inputs in enumerate(experiments):
        fail(path, f"a{number}", inputs, results)
    failures = read_failures(path)
    assert [list(failure.inputs.items()) for failure in failures] == [list(i.items()) for i in experiments]
    assert [failure.id for failure in failures] == [f"a{number}" for number in range(len(experiments))]


@pytest.mark.parametrize(
    "inputs",
    [
        {"Name": "a", "lr": 0.1, "REP": 0, "RND_IDX": 123456},
        {"Name": "a", "RND_IDX": 123456, "lr": 0.1, "REP": 0},
        {"Name": "a", "lr": 0.1, "RND_IDX": 123456, "REP": 0},
    ],
    ids=["drawn", "by hand", "by hand, in the last place"],
)
def test_results_are_what_stands_behind_rep(path: Path, inputs: dict[str, Any]) -> None:
    fail(path, "a1", inputs, {"LOSS": 1.5, "lower": "also a result"})
    assert list(read_failures(path)[0].inputs.items()) == list(inputs.items())


def test_a_result_called_error_that_the_failure_has_overwritten_is_no_input(path: Path) -> None:
    inputs = {"Name": "a", "REP": 0, "RND_IDX": 123456}
    fail(path, "a1", inputs, {"ERROR": 0.25, "ACCURACY": 0.75})
    assert read_failures(path) == [Failure("a1", inputs)]


def test_without_rep_all_that_is_not_the_runners_is_an_input(path: Path) -> None:
    path.write_text("Name: a\nlr: 0.1\nL2: 0.5\nHOST: here\nERROR: 'no'\nTIME_ELAPSED: 1.5\n")
    assert read_failures(path) == [Failure("", {"Name": "a", "lr": 0.1, "L2": 0.5})]


def test_what_a_person_changes_above_rep_is_tried(path: Path) -> None:
    fail(path, "a1", {"Name": "a", "lr": 0.1, "REP": 0, "RND_IDX": 123456})
    path.write_text(path.read_text().replace("lr: 0.1\n", "lr: 0.01\nbatch: 8\n"))
    assert read_failures(path)[0].inputs == {
        "Name": "a",
        "lr": 0.01,
        "batch": 8,
        "REP": 0,
        "RND_IDX": 123456,
    }


# --- which experiments -----------------------------------------------------------------------------


def test_an_experiment_that_failed_several_times_counts_once_the_last_time(path: Path) -> None:
    for identity, rate in [("a", 0.1), ("b", 0.2), ("a", 0.3)]:
        fail(path, identity, {"Name": identity, "lr": rate, "REP": 0})
    assert [(failure.id, failure.inputs["lr"]) for failure in read_failures(path)] == [("b", 0.2), ("a", 0.3)]


def test_documents_without_an_id_are_experiments_of_their_own(path: Path) -> None:
    path.write_text("--- # mine\nName: a\nERROR: 'no'\n" * 2)
    assert read_failures(path) == [Failure("", {"Name": "a"})] * 2


def test_what_cannot_be_used_is_an_error_or_a_warning(path: Path) -> None:
    fail(path, "a", {"Name": "a", "REP": 0})
    good = len(path.read_text().splitlines())
    with path.open("a") as file:
        file.write("--- # b\nName: [\n...\n--- # c\nName: done\n...\n--- # d\nName: torn\nERROR: 'no'\n")
    warnings: list[str] = []
    assert [failure.id for failure in read_failures(path, warnings.append)] == ["a"]
    assert sorted(warning.split(" ")[0] for warning in warnings) == sorted(
        [f"{path}:{good + 3}:", f"{path}:{good + 5}:", f"{path}:{good + 8}:"]
    )
    with pytest.raises(LogError) as caught:
        read_failures(path)
    assert sorted(str(caught.value).splitlines()) == sorted(warnings)


# --- what is no log of failures --------------------------------------------------------------------

QUEUE = "# Coolrunner queue, version 1: the experiments of digits.yaml that wait, in order.\n---\nName: a\n"
OTHERS = {
    "queue.yaml": (QUEUE, "is a queue, no log of failures; run.py --queue {} takes from it"),
    "noted.yaml": (f"# mine\n\n{QUEUE}ERROR: 'no'\n", "is a queue"),
    "study.yaml": (
        "Global: {retries: 1}\nModule: fit\n---\nName: a\nnote: |\n  ERROR: no\n",
        "is a definition, no log of failures; run.py --exp {} runs it",
    ),
    "odd.yaml": ("Module: fit\n---\nName: a\nERROR: 'no'\n", "is a definition"),
    "log.yaml": (
        f"{HEADER}--- # a\nName: a\nREP: 0\nERROR: 0.25\n...\n",
        "is no log of failures: nothing in it has an ERROR",
    ),
    "empty.yaml": ("", "is empty: it holds no failures"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_file_is_refused_and_named_and_left_where_it_is(tmp_path: Path, name: str) -> None:
    text, expected = OTHERS[name]
    path = tmp_path / name
    path.write_text(text)
    assert not is_failed_log(path)
    assert is_queue_file(path) is ("queue" in text)
    for call in (read_failures, move_failures):
        assert f"{path} {expected.format(path)}" in refusal(call, path)
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_a_log_whose_failures_stand_beside_it_leads_to_them(path: Path) -> None:
    log = path.with_name("log.yaml")
    log.write_text(f"{HEADER}--- # a\nName: a\n...\n")
    fail(path, "b", {"Name": "b", "REP": 0})
    assert refusal(read_failures, log) == f"{log} is a log of what did not fail; the failures are in {path}"


def test_a_missing_file_is_named_with_the_nearest(path: Path) -> None:
    fail(path, "a", {"Name": "a", "REP": 0})
    missing = path.with_name("log.faild.yaml")
    assert not is_failed_log(missing) and not is_queue_file(missing)
    for call in (read_failures, move_failures):
        assert refusal(call, missing).endswith(f"did you mean {path}?")


def test_failures_that_are_all_torn_are_no_empty_log(path: Path) -> None:
    path.write_text(f"{HEADER}--- # a\nName: a\nERROR: 'no'\n")
    assert not is_failed_log(path)
    for call in (read_failures, move_failures):
        with pytest.raises(LogError, match=r"holds no failures that could be read\n.*torn"):
            call(path)


def test_directories_are_neither(tmp_path: Path) -> None:
    assert not is_failed_log(tmp_path) and not is_queue_file(tmp_path)


# --- moving ----------------------------------------------------------------------------------------


def test_a_log_of_failures_is_moved_aside_and_stays_one(path: Path) -> None:
    fail(path, "a", {"Name": "a", "REP": 0})
    before = read_failures(path)
    assert is_failed_log(path)
    moved = move_failures(path)
    assert moved == path.with_name("log.retried-1.failed.yaml")
    assert not path.exists()
    assert read_failures(moved) == before
    assert list(find_logs([str(path.parent)], Report())) == []  # its failures never count as results


def test_moving_overwrites_nothing(path: Path) -> None:
    path.with_name("log.retried-1.failed.yaml").write_text("another")
    for number in (2, 3):
        fail(path, f"a{number}", {"Name": "a", "REP": 0})
        assert move_failures(str(path)) == path.with_name(f"log.retried-{number}.failed.yaml")
    assert path.with_name("log.retried-1.failed.yaml").read_text() == "another"
    assert move_failures(path.with_name("log.retried-2.failed.yaml")).name == "log.retried-4.failed.yaml"


def test_a_log_may_be_moved_to_another_directory(path: Path) -> None:
    fail(path, "a", {"Name": "a", "REP": 0})
    folder = path.parent / "old" / "logs"
    assert move_failures(path, folder) == folder / "log.retried-1.failed.yaml"
    assert [failure.id for failure in read_failures(folder / "log.retried-1.failed.yaml")] == ["a"]


def test_a_log_that_cannot_be_moved_stays(path: Path) -> None:
    fail(path, "a", {"Name": "a", "REP": 0})
    with pytest.raises(LogError, match="cannot be moved"):
        move_failures(path, path)  # a file, where a directory was to be
    assert is_failed_log(path)


def test_a_writer_that_holds_the_log_is_waited_for_and_goes_on_in_a_new_one(path: Path) -> None:
    fail(path, "a", {"Name": "a", "REP": 0})
    writer = YamlLog(str(path))
    writer.append("b", {"Name": "b", "REP": 0, **LATER, "ID": "b"})
    moved: list[Path] = []
    mover = threading.Thread(target=lambda: moved.append(move_failures(path)))
    held = os.open(path, os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    mover.start()
    mover.join(0.1)
    assert mover.is_alive() and path.exists()
    os.close(held)
    mover.join()
    writer.append("c", {"Name": "c", "REP": 0, **LATER, "ID": "c"})
    writer.close()
    assert [failure.id for failure in read_failures(moved[0])] == ["a", "b"]
    assert [failure.id for failure in read_failures(path)] == ["c"]


def test_two_that_move_the_same_log_do_not_both_get_it(path: Path) -> None:
    fail(path, "a", {"Name": "a", "REP": 0})
    results: list[str] = []

    def move() -> None:
        try:
            results.append(move_failures(path).name)
        except UsageError:
            results.append("")

    movers = [threading.Thread(target=move) for _ in range(4)]
    for mover in movers:
        mover.start()
    for mover in movers:
        mover.join()
    assert sorted(results) == ["", "", "", "log.retried-1.failed.yaml"]


def test_a_record_without_any_of_the_runners_marks_can_be_tried(path: Path) -> None:
    path.write_text(dump({"Name": "a", "lr": 0.1, "ERROR": "no"}))
    assert is_failed_log(path)
    assert read_failures(path) == [Failure("", {"Name": "a", "lr": 0.1})]
