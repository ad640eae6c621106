"""Runners that are killed lose nothing and do nothing twice, whoever edits the queue meanwhile."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from coolrunner.queue.base import Status
from coolrunner.queue.entries import Entry
from coolrunner.queue.file import read_ledger
from coolrunner.queue.ledger import Ledger
from coolrunner.queue.steps import STEPS, VARIABLE
from tests.faults.harness import hunt
from tests.faults.person import join, split
from tests.faults.processes import children
from tests.faults.slow import REST
from tests.studies import Project, until

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")

SLOW = Path(__file__).with_name("slow.py")
KILLED = -9

STUDY = """
Global: {queue: queue.yaml}
Module: modules.module
size: 0
---
Name: a
---
Name: b
---
Name: c
---
Name: d
"""

#: Some wait for a gate; the log says which n each had.
MODULE = """
def main(exp):
    end = time.monotonic() + 60
    while exp.get("gate") and not Path(exp.gate).exists() and time.monotonic() < end:
        time.sleep(0.01)
    exp.OUT = exp.size
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A study whose queue file is there, with nothing of it run."""
    path = tmp_path / "project"
    path.mkdir()
    project = Project(path)
    project.module(MODULE)
    project.study(STUDY)
    assert project.run("--quiet", **{VARIABLE: "before-claim"}).status == KILLED
    yield project
    project.close()


def work(
    project: Project, *arguments: str, slowly: bool = False, **variables: str
) -> subprocess.Popen[bytes]:
    """Start a runner on the queue."""
    program = [sys.executable, str(SLOW)] if slowly else project.command()[:2]
    return project.open(
        [*program, "--queue", "queue.yaml", "--quiet", *arguments],
        env=project.environment(**variables),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def text(project: Project) -> str:
    return (project.path / "queue.yaml").read_text(encoding="utf-8")


def with_lines(text: str, name: str, lines: str) -> str:
    """Return the text of a queue file in which one experiment has other lines behind its name."""
    keys = "|".join(line.partition(":")[0] for line in lines.splitlines())
    head, documents = split(text)
    for place, document in enumerate(documents):
        if f"Name: {name}\n" in document:
            document = re.sub(rf"^(?:{keys}): .*\n", "", document, flags=re.MULTILINE)
            documents[place] = document.replace(f"Name: {name}\n", f"Name: {name}\n{lines}")
    return join(head, documents)


def save(project: Project, text: str) -> None:
    """Save the queue file as most editors do."""
    new = project.path / ".new"
    new.write_text(text, encoding="utf-8")
    new.replace(project.path / "queue.yaml")


def ledger(project: Project) -> Ledger:
    return read_ledger(project.path / "queue.yaml")


def entry(project: Project, name: str) -> Entry:
    return next(entry for entry in ledger(project).entries.values() if entry.facts.name == name)


def logged(project: Project) -> dict[str, int]:
    """Return the size of what is logged, by name; none of them twice."""
    records = project.log()
    assert len({record["Name"] for record in records}) == len(records)
    return {record["Name"]: record["OUT"] for record in records}


@pytest.mark.slow
def test_each_experiment_is_logged_exactly_once_however_often_runners_are_killed(tmp_path: Path) -> None:
    """At random moments and at named steps, four at a time, while a person edits the file."""
    lines: list[str] = []
    problems = hunt(300, seed=3, count=300, directory=tmp_path, say=lines.append)
    assert problems == [], "\n".join(lines)
    killed = json.loads(lines[-3].removeprefix("killed: "))
    assert sum(killed.values()) >= 300
    kinds = {"at random", "a helper", "a worker", "a worker with its runner", "while its helper hangs"}
    assert kinds <= killed.keys()


@pytest.mark.parametrize("step", [step for step in STEPS if step != "rows-written"])
def test_a_runner_killed_at_any_step_has_lost_nothing_and_done_nothing_twice(
    project: Project, step: str
) -> None:
    save(project, with_lines(text(project), "b", "size: 1\n"))
    assert work(project, **{VARIABLE: step}).wait(60) == KILLED
    assert work(project).wait(60) == 0
    assert logged(project) == {"a": 0, "b": 1, "c": 0, "d": 0}
    assert ledger(project).counts[Status.DONE] == 4
    project.check_nothing_runs()


def test_a_definition_that_was_put_in_half_is_completed_when_it_is_resumed(project: Project) -> None:
    project.study("Global: {queue: many.yaml}\nModule: modules.module\n---\nName: many\nRepeat: 2500\n")
    assert project.run("--quiet", **{VARIABLE: "rows-written:2"}).status == KILLED
    assert len(read_ledger(project.path / "many.yaml").waiting()) == 2000
    assert project.run("--quiet", "--resume", **{VARIABLE: "before-claim"}).status == KILLED
    waiting = read_ledger(project.path / "many.yaml").waiting()
    assert len(waiting) == len({entry.text.partition("REP: ")[2].split()[0] for entry in waiting}) == 2500


def save_in_the_gap(project: Project, text: str, step: str) -> None:
    """Save while a runner is between its look at the file and the exchange, and kill it at a step."""
    before = ledger(project).published
    runner = work(project, slowly=True, **{VARIABLE: step, REST: "announced:0.5"})
    until(lambda: ledger(project).published > before, "an announcement")
    save(project, text)
    assert runner.wait(60) == KILLED


@pytest.mark.parametrize("step", ["exchanged", "displaced-read"])
def test_a_save_that_a_killed_runner_displaced_is_taken_up_by_the_next(project: Project, step: str) -> None:
    save(project, with_lines(text(project), "d", "Hold: true\n"))
    save_in_the_gap(project, with_lines(text(project), "d", "Hold: false\nsize: 7\n"), step)
    assert work(project).wait(60) == 0
    assert logged(project)["d"] == 7


@pytest.fixture
def worker(project: Project) -> subprocess.Popen[bytes]:
    """A runner that waits at a gate in its first experiment."""
    save(project, with_lines(text(project), "a", "gate: go\n"))
    worker = work(project)
    until(lambda: entry(project, "a").status is Status.RUNNING, "its first experiment")
    until(lambda: "Name: a\n" not in text(project), "a file that shows it")
    return worker


def pause(project: Project, process: subprocess.Popen[bytes]) -> None:
    """Stop a runner, but not while it has the lock."""
    with (project.path / "queue.yaml.journal" / "journal.jsonl").open("rb") as file:
        while True:
            fcntl.flock(file, fcntl.LOCK_EX)
            process.send_signal(signal.SIGSTOP)
            fcntl.flock(file, fcntl.LOCK_UN)
            time.sleep(0.05)
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            process.send_signal(signal.SIGCONT)


def test_a_save_that_a_killed_runner_displaced_is_taken_up_by_those_that_live(
    project: Project, worker: subprocess.Popen[bytes]
) -> None:
    save(project, with_lines(text(project), "d", "Hold: true\n"))
    until(lambda: entry(project, "d").facts.hold, "the hold")
    pause(project, worker)
    save_in_the_gap(project, with_lines(text(project), "d", "Hold: false\nsize: 7\n"), "exchanged")
    worker.send_signal(signal.SIGCONT)
    until(lambda: "size: 7" in text(project), "the edit", 15)
    (project.path / "go").touch()
    assert worker.wait(60) == 0
    assert logged(project)["d"] == 7


def test_a_save_that_a_killed_runner_took_up_is_not_taken_up_again(
    project: Project, worker: subprocess.Popen[bytes]
) -> None:
    """What the person has changed back since then stays so."""
    pause(project, worker)
    save(project, with_lines(text(project), "d", "Hold: true\n"))
    assert work(project, **{VARIABLE: "exchanged"}).wait(60) == KILLED
    assert entry(project, "d").facts.hold
    worker.send_signal(signal.SIGCONT)
    save(project, text(project).replace("Hold: true\n", ""))
    until(lambda: not entry(project, "d").facts.hold, "its release")
    before = len(ledger(project).runners)
    other = work(project)
    until(lambda: len(ledger(project).runners) > before, "another runner")
    (project.path / "go").touch()
    assert [other.wait(60), worker.wait(60)] == [0, 0]
    assert logged(project).keys() == {"a", "b", "c", "d"}


def test_a_helper_that_hangs_while_its_runner_dies_does_not_start_what_others_have_taken_over(
    project: Project,
) -> None:
    """It comes back when the experiment runs elsewhere, with the order to start it still unread."""
    project.module(
        """
        def main(exp):
            with open(f"attempts-{exp.Name}", "a") as file:
                file.write(f"{os.getpid()}\\n")
            end = time.monotonic() + 60
            while exp.get("gate") and not Path(exp.gate).exists() and time.monotonic() < end:
                time.sleep(0.01)
            exp.OUT = exp.size
        """
    )
    for name in "abcd":
        save(project, with_lines(text(project), name, "gate: go\n" if name == "a" else "Hold: true\n"))
    first = work(project, "--jobs", "2")
    project.wait_for("attempts-a")
    (helper,) = children(first.pid)
    os.kill(helper, signal.SIGSTOP)
    save(project, with_lines(text(project), "b", "Hold: false\ngate: go\n"))
    until(lambda: entry(project, "b").status is Status.RUNNING, "the claim")
    time.sleep(0.2)  # for the order to be sent
    first.kill()
    other = work(project, "--jobs", "2")
    project.wait_for("attempts-b")
    os.kill(helper, signal.SIGCONT)
    until(lambda: helper not in project.processes(), "the end of the helper")
    assert len((project.path / "attempts-b").read_text().split()) == 1
    (project.path / "go").touch()
    other.wait(60)
    assert logged(project).keys() == {"a", "b"}
