"""The loop: what is recorded, what is announced, and in which order."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml

from coolrunner.definition.plan import Plan, Planned, read_plan
from coolrunner.definition.resources import Resources
from coolrunner.errors import ListenerError, LogError, QueueError, UsageError
from coolrunner.events import (
    Announcer,
    Event,
    ExperimentFailed,
    ExperimentFinished,
    ExperimentInterrupted,
    ExperimentStarted,
    Listener,
    Notice,
    Stopping,
    StudyFinished,
    StudyStarted,
)
from coolrunner.execution.base import Backend, Ended, Ending, Job, Outcome, Past, Report
from coolrunner.execution.inline import InlineBackend
from coolrunner.execution.pinning import PinBoard
from coolrunner.experiment import Slot
from coolrunner.queue.base import Fits
from coolrunner.queue.memory import MemoryQueue
from coolrunner.runner import RunOptions, Study
from coolrunner.studies.opening import open_memory

MODULE = """
def main(exp):
    exp.Z = 1
    exp.A = exp.get("lr", 0) * 2
    if exp.get("fails"):
        raise ValueError("as told")
"""


_PLAIN = RunOptions()


class Recorder:
    """A listener that keeps the events, and what stood in the logs when each was announced."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.logged: list[int] = []

    def start(self) -> None:
        pass

    def handle(self, event: Event) -> None:
        self.events.append(event)
        log = getattr(event, "log", None)
        if log is not None:
            self.logged.append(Path(log).read_text().count("\n...\n"))

    def close(self) -> None:
        pass

    def of(self, *kinds: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kinds)]

    @property
    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


class Scripted:
    """A backend in which experiments end as a script says."""

    slots = 1
    retry_after = None

    def __init__(self, *endings: Ending) -> None:
        self._endings = list(endings)
        self._ended: list[Report] = []
        self.started: list[str] = []
        self.killed = 0

    def start(self, job: Job, past: Past) -> None:
        self.started.append(job.inputs["Name"])
        ending = self._endings.pop(0) if self._endings else Ending.FINISHED
        self._ended.append(Ended(job.id, Outcome(ending, error="as told", started=time.time())))

    def reports(self, timeout: float | None = None) -> Iterator[Report]:
        while self._ended:
            yield self._ended.pop(0)

    def reserve(self, resources: Resources) -> Slot | None:
        return Slot()

    def release(self, slot: Slot) -> None:
        pass

    def impossible(self, resources: Resources) -> str:
        return ""

    def interrupt(self, ids: Collection[str] | None = None) -> None:
        pass

    def kill(self, ids: Collection[str] | None = None) -> None:
        self.killed += 1

    def close(self) -> None:
        pass


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a Module, in which the study is started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "runner_module.py").write_text(MODULE)
    return tmp_path


def run(
    definition: str, backend: Backend | None = None, pick: tuple[str, ...] = (), **options: Any
) -> tuple[StudyFinished, Recorder]:
    """Run a study in this process."""
    Path("study.yaml").write_text(dedent(definition))
    plan = read_plan("study.yaml", pick=pick)
    recorder = Recorder()
    used = backend or InlineBackend(PinBoard(time.time_ns()), str(Path.cwd()))
    try:
        return study_of(plan, used, [recorder], RunOptions(("run.py",), **options)).run(), recorder
    finally:
        used.close()


def study_of(
    plan: Plan, backend: Backend, listeners: Sequence[Listener], options: RunOptions = _PLAIN
) -> Study:
    """Return a study whose queue is in memory."""
    opened = open_memory(plan)
    return Study(opened.brief, opened.queue, backend, Announcer(listeners), options, opened.items)


def log(name: str = "log.yaml") -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(Path(name).read_text()))


def test_a_record_holds_what_the_design_says_in_its_order(directory: Path) -> None:
    """CR-14: inputs in their order, REP, RND_IDX, results in theirs, then what the runner adds."""
    run(
        """
        Module: runner_module
        lr: 0.25
        ---
        second: {b: 1, a: 2}
        Name: one
        first: solve 1 + 1
        Repeat: 1
        """
    )
    (record,) = log()
    assert list(record) == [
        "second", "Name", "first", "Repeat", "Module", "lr", "YamlLog", "REP", "RND_IDX",
        "Z", "A", "SOLVED", "ID", "STUDY", "HOST", "RUN", "STARTED", "TIME_ELAPSED",
    ]  # fmt: skip
    assert list(record["second"]) == ["b", "a"]
    assert (record["first"], record["SOLVED"]) == ("solve 1 + 1", {"first": 2})
    assert (record["A"], record["STUDY"], record["REP"]) == (0.5, "study.yaml", 0)
    assert isinstance(record["STARTED"], str)
    assert record["STARTED"][10] == "T"
    assert record["STARTED"][-6] in "+-"
    assert isinstance(record["TIME_ELAPSED"], float)
    assert record["RND_IDX"] >= 100_000


def test_a_study_is_announced_step_by_step(directory: Path) -> None:
    finished, recorder = run(
        "Module: runner_module\nlr: 1\n---\nName: one\n---\nName: skip\n---\nName: two\nlr: 2\n"
    )
    assert recorder.names == [
        "StudyStarted", "ExperimentStarted", "ExperimentFinished", "ExperimentStarted", "ExperimentFinished",
        "StudyFinished",
    ]  # fmt: skip
    begin = recorder.of(StudyStarted)[0]
    assert (begin.study, begin.total, begin.skipped) == ("study.yaml", 2, 1)
    one, two = recorder.of(ExperimentFinished)
    assert (one.index, two.index, two.name) == (0, 2, "two")
    assert (two.results, two.record, two.log) == (("Z", "A"), log()[1], "log.yaml")
    assert recorder.of(ExperimentStarted)[1].differing["lr"] == 2
    assert (finished.status, finished.done, finished.logs) == (0, 2, ["log.yaml"])


def test_a_result_is_in_its_log_before_it_is_announced(directory: Path) -> None:
    """CR-14."""
    _, recorder = run("Module: runner_module\n---\nName: one\nRepeat: 3\n---\nName: bad\nfails: true\n")
    assert recorder.logged == [1, 2, 3, 1]


def test_a_failed_experiment_is_recorded_apart_and_the_study_goes_on(directory: Path) -> None:
    finished, recorder = run("Module: runner_module\n---\nName: bad\nfails: true\n---\nName: good\n")
    (failure,) = recorder.of(ExperimentFailed)
    (record,) = log("log.failed.yaml")
    assert failure.record == record
    assert (record["ERROR"], record["Z"]) == ("ValueError: as told", 1)
    assert record["TRACEBACK"].startswith("Traceback (most recent call last):\n")
    assert list(record)[-2:] == ["ERROR", "TRACEBACK"]
    assert [record["Name"] for record in log()] == ["good"]
    assert (finished.status, finished.done, finished.failed, finished.unfinished) == (1, 1, 1, [0])
    assert finished.failed_logs == ["log.failed.yaml"]


@pytest.mark.parametrize(("limit", "started"), [(1, 2), (2, 3), (5, 4), (None, 4)])
def test_enough_failures_end_the_study(directory: Path, limit: int | None, started: int) -> None:
    backend = Scripted(Ending.FINISHED, Ending.FAILED, Ending.FAILED, Ending.FINISHED)
    finished, recorder = run(
        "Module: runner_module\n---\nName: one\nRepeat: 4\n", backend, max_failures=limit
    )
    assert len(backend.started) == started
    assert (finished.status, finished.left) == (1, 4 - started)
    told = any("the study ends after" in notice.message for notice in recorder.of(Notice))
    assert told == (started < 4)


def test_the_log_of_each_experiment_is_its_own(directory: Path) -> None:
    """CR-14: YamlLog may differ; directories are made."""
    finished, _ = run(
        "Module: runner_module\nYamlLog: parse f'out/{Name}/log.yaml'\n"
        "---\nName: one\n---\nName: two\nRepeat: 2\n"
    )
    assert finished.logs == ["out/one/log.yaml", "out/two/log.yaml"]
    assert len(log("out/two/log.yaml")) == 2


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("study.yaml", "is the definition itself"),
        (".", "it is a directory"),
        ("study.yaml/x.yaml", "cannot be"),
    ],
)
def test_a_log_that_cannot_be_written_keeps_the_study_from_beginning(
    directory: Path, value: str, error: str
) -> None:
    """CR-14."""
    backend = Scripted()
    with pytest.raises((UsageError, LogError), match=error):
        run(f"Module: runner_module\nYamlLog: {value}\n---\nName: one\n", backend)
    assert not backend.started


def test_a_lost_experiment_is_started_again_in_its_place(directory: Path) -> None:
    backend = Scripted(Ending.FINISHED, Ending.LOST, Ending.LOST, Ending.FINISHED)
    finished, recorder = run("Module: runner_module\n---\nName: a\n---\nName: b\n---\nName: c\n", backend)
    assert backend.started == ["a", "b", "b", "b", "c"]
    assert (finished.status, finished.done) == (0, 3)
    assert sum("b was lost" in notice.message for notice in recorder.of(Notice)) == 2


def test_an_experiment_lost_too_often_has_failed(directory: Path) -> None:
    backend = Scripted(Ending.LOST, Ending.LOST, Ending.LOST)
    finished, _ = run("Module: runner_module\n---\nName: a\n---\nName: b\n", backend)
    assert backend.started == ["a", "a", "a", "b"]
    assert (finished.failed, finished.done) == (1, 1)


def test_an_interrupted_experiment_stands_in_no_log(directory: Path) -> None:
    """CR-04."""
    finished, recorder = run(
        "Module: runner_module\n---\nName: a\n---\nName: b\n", Scripted(Ending.INTERRUPTED)
    )
    assert [event.name for event in recorder.of(ExperimentInterrupted)] == ["a"]
    assert [record["Name"] for record in log()] == ["b"]
    assert (finished.status, finished.interrupted, finished.unfinished) == (1, 1, [0])


def test_a_signal_before_the_first_experiment_is_heeded(directory: Path) -> None:
    """CR-04."""

    class Early(Scripted):
        def start(self, job: Job, past: Past) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            super().start(job, past)

    backend = Early()
    finished, recorder = run("Module: runner_module\n---\nName: a\nRepeat: 3\n", backend)
    assert backend.started == ["a"]
    assert (finished.status, finished.left) == (130, 2)
    assert not recorder.of(Stopping)


def test_parameters_that_no_experiment_read_are_told_once_at_the_end(directory: Path) -> None:
    """CR-13: one that some experiment of the Module read, and one for an expression, are no typos."""
    _, recorder = run(
        """
        Module: runner_module
        typo: 1
        ---
        base: 2
        Name: parse f'n{base}'
        _note: x
        Repeat: 3
        ---
        Name: other
        lr: 3
        """
    )
    (notice,) = recorder.of(Notice)
    assert notice.message.startswith("runner_module never read: typo (")
    assert recorder.events[-2] is notice


def test_solve_reaches_results_of_experiments_before(directory: Path) -> None:
    """CR-12: by name and by place, within a repetition of the list; skipped ones count."""
    finished, _ = run(
        """
        Global: {repeat: 2}
        Module: runner_module
        ---
        Name: pretrain
        lr: 3
        ---
        Name: skip
        width: 7
        ---
        Name: next
        lr: solve E['pretrain'].A * E[-1].width
        ---
        Name: last
        lr: solve E[0].A + E[-1].A + len(E)
        """
    )
    assert finished.status == 0
    assert [record["A"] for record in log()] == [6, 84, 186, 6, 84, 186]
    assert log()[1]["SOLVED"] == {"lr": 42}


@pytest.mark.parametrize(
    ("expression", "pick", "error"),
    [
        ("E['b' + 'ad'].A", ("0-9",), "experiment 'bad' (index 0) has no results: it failed"),
        ("E[str('good')].A", ("0", "2"), "experiment 'good' (index 1) was not picked, so it has no results"),
        ("E[str('bda')].A", ("0-2",), "no experiment before this one is named 'bda'"),
        ("E[1 - 4].A", ("0-2",), "E[-3]: there are 2 experiments before this one"),
    ],
)
def test_solve_says_why_it_cannot_have_a_result(
    directory: Path, expression: str, pick: tuple[str, ...], error: str
) -> None:
    """CR-12: where the key is computed, so that reading the expression does not tell it beforehand."""
    before = "Module: runner_module\n---\nName: bad\nfails: true\n---\nName: good\n"
    text = f"{before}---\nName: x\nlr: solve {expression}\n"
    finished, recorder = run(text, pick=(pick if pick != ("0-9",) else ()))
    assert error in recorder.of(ExperimentFailed)[-1].error
    assert recorder.of(ExperimentFailed)[-1].name == "x"
    assert finished.status == 1


@pytest.mark.parametrize(
    ("needs", "pick", "why"),
    [
        ("lr: solve E['bad'].A", (), "it needs bad ({bad}), which failed"),
        ("lr: solve E[-1].A", (), ""),
        ("After: bad", (), "it needs bad ({bad}), which failed"),
        ("After: [good, bad]", (), "it needs bad ({bad}), which failed"),
        ("lr: solve E['good'].A", ("0", "2"), "it needs good ({good}), which was not picked; pick it, too"),
    ],
)
def test_an_experiment_that_needs_a_failed_one_is_blocked_and_it_is_told_why(
    directory: Path, needs: str, pick: tuple[str, ...], why: str
) -> None:
    before = "Module: runner_module\n---\nName: bad\nfails: true\n---\nName: good\n"
    finished, recorder = run(f"{before}---\nName: x\n{needs}\n", pick=pick)
    started = {event.name: event.id for event in recorder.of(ExperimentStarted)}
    notices = [event.message for event in recorder.of(Notice)]
    assert ("x" in started) == (not why)
    if why:
        ids = {"bad": started.get("bad", ""), "good": started.get("good", "")}
        (notice,) = [text for text in notices if "is blocked" in text]
        assert why.partition(" (")[0] in notice
        assert why.rpartition("), ")[2] in notice
        assert all(identity in notice for name, identity in ids.items() if f"{{{name}}}" in why)
        assert (finished.status, finished.left) == (1, 1)


def test_a_listener_that_fails_later_cannot_stop_a_study(directory: Path) -> None:
    class Failing(Recorder):
        def handle(self, event: Event) -> None:
            if isinstance(event, ExperimentStarted):
                raise RuntimeError("no more")
            super().handle(event)

    Path("study.yaml").write_text("Module: runner_module\n---\nName: a\nRepeat: 2\n")
    plan, failing, recorder = read_plan("study.yaml"), Failing(), Recorder()
    finished = study_of(plan, Scripted(), [failing, recorder]).run()
    assert (finished.status, finished.done) == (0, 2)
    assert sum("Failing failed and is left out" in notice.message for notice in recorder.of(Notice)) == 1


def test_a_listener_that_cannot_start_keeps_the_study_from_beginning(directory: Path) -> None:
    class Closed(Recorder):
        def start(self) -> None:
            raise ListenerError("no token")

    Path("study.yaml").write_text("Module: runner_module\n---\nName: a\n")
    backend = Scripted()
    with pytest.raises(ListenerError):
        study_of(read_plan("study.yaml"), backend, [Closed()]).run()
    assert not backend.started


def test_two_logs_of_one_file_hold_all_records(directory: Path) -> None:
    """CR-14: log.yaml and ./log.yaml are one file, written through two handles."""
    run(
        "Module: runner_module\n---\nName: a\nYamlLog: log.yaml\n---\nName: b\nYamlLog: ./log.yaml\n"
        "---\nName: c\nYamlLog: log.yaml\n"
    )
    assert [record["Name"] for record in log()] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("repeat", "told"),
    [
        (1, "it is left for another machine"),
        (2, "it and 1 other like it are left for another machine"),
        (3, "it and 2 others like it are left for another machine"),
    ],
)
def test_what_this_machine_can_never_run_is_named_once(directory: Path, repeat: int, told: str) -> None:
    class Small(Scripted):
        def impossible(self, resources: Resources) -> str:
            return "asks for too much" if resources.cpus else ""

    backend = Small()
    finished, recorder = run(
        "Module: runner_module\n---\nName: held\nHold: true\nResources: {cpus: 2}\n---\nName: small\n"
        f"---\nName: large\nResources: {{cpus: 2}}\nRepeat: {repeat}\n---\nName: small\n",
        backend,
    )
    assert backend.started == ["small", "small"]
    (notice,) = [event.message for event in recorder.of(Notice) if "too much" in event.message]
    name, identity, rest = notice.split(" ", 2)
    assert (name, rest) == ("large", f"asks for too much; {told}")
    assert identity.startswith("(")
    assert (finished.status, finished.left) == (1, repeat + 1)


def test_a_slot_is_given_back_where_the_queue_cannot_be_worked_on(directory: Path) -> None:
    class Counting(Scripted):
        reserved = 0

        def reserve(self, resources: Resources) -> Slot | None:
            self.reserved += 1
            return super().reserve(resources)

        def release(self, slot: Slot) -> None:
            self.reserved -= 1

    class Broken(MemoryQueue[Planned]):
        def take(self, fits: Fits | None = None) -> Planned | None:
            assert fits is not None
            assert fits("")
            raise QueueError("the disk is full")

    Path("study.yaml").write_text("Module: runner_module\n---\nName: a\n")
    opened, backend, recorder = open_memory(read_plan("study.yaml")), Counting(), Recorder()
    queue = Broken()
    finished = Study(opened.brief, queue, backend, Announcer([recorder]), _PLAIN, opened.items).run()
    assert (finished.status, finished.left, backend.started) == (1, 1, [])
    assert backend.reserved == 0
    assert [event.message for event in recorder.of(Notice)] == [
        "the disk is full; what runs goes on to its end"
    ]
