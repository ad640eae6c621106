"""Disks that are full, read-only or gone under a queue file: said clearly, and no result is lost."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from coolrunner.queue.base import Status
from coolrunner.queue.file import read_ledger
from tests.studies import Finished, Project, Started, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounts disks, and drops capabilities")

MODULE = """
def main(exp):
    if exp.REP == 3:
        Path(exp.here, "began").write_text("yes\\n")
        end = time.monotonic() + 60
        while not Path(exp.here, "go").exists() and time.monotonic() < end:
            time.sleep(0.01)
    exp.TEXT = "x" * 500
"""

#: The fourth waits for a gate, which is in a directory that stays.
STUDY = """
Global: {{queue: {queue}/queue.yaml}}
Module: modules.module
YamlLog: {log}/log.yaml
here: {here}
---
Name: many
Repeat: {count}
"""


class Trouble:
    """A study whose queue and log are on disks of their own.

    Parameters
    ----------
    project
        Where the study is, and where the results go that their log does not take.
    queue, log
        The directories of the two, in the project.
    """

    def __init__(self, project: Project, queue: str = "queue", log: str = "log", count: int = 60) -> None:
        self.project = project
        self.queue = project.path / queue
        self.log = project.path / log
        self.here = project.path.parent / "here"
        self.spare = project.path.parent / "spare"
        self.count = count
        for directory in (self.queue, self.log, self.here, self.spare):
            directory.mkdir(exist_ok=True)
        project.module(MODULE)
        project.study(STUDY.format(queue=queue, log=log, here=self.here, count=count))

    def start(self) -> Started:
        """Start it, and wait until its fourth experiment waits at the gate."""
        study = self.project.start(TMPDIR=str(self.spare))
        until(lambda: (self.here / "began").exists(), "the fourth experiment")
        until(lambda: "REP: 3\n" not in self.text(), "a file that shows what waits")
        return study

    def text(self) -> str:
        """Return the text of the queue file."""
        return (self.queue / "queue.yaml").read_text(encoding="utf-8")

    def go(self, study: Started) -> Finished:
        """Open the gate, and wait for the end."""
        (self.here / "go").touch()
        return study.finish()

    def check_nothing_acknowledged_is_lost(self, done: Finished, *logs: Path) -> None:
        """See that each result that was announced is in a log, or in a file that was named."""
        logged = {record["ID"] for log in logs or (self.log / "log.yaml",) for record in _records(log)}
        announced = {event["id"] for event in done.named("experiment_finished")}
        assert announced
        assert announced <= logged
        for path in self.spare.glob("coolrunner-*.yaml"):
            assert any(str(path) in notice for notice in done.notices)
        self.project.check_nothing_runs()

    def go_on(self, *arguments: str) -> None:
        """Run what is left, and see that each experiment is in the log once."""
        done = self.project.json("--queue", str(self.queue / "queue.yaml"), *arguments)
        assert done.status == 0, done.stdout + done.stderr
        records = _records(self.log / "log.yaml")
        assert Counter(record["REP"] for record in records) == Counter(range(self.count))
        assert len({record["ID"] for record in records}) == self.count
        counts = read_ledger(self.queue / "queue.yaml").counts
        assert counts[Status.DONE] == self.count == counts.total()
        assert "# nothing waits" in self.text()


def _records(log: Path) -> list[dict[str, Any]]:
    if not log.exists():
        return []
    return list(yaml.safe_load_all(log.read_text(encoding="utf-8")))


# --- full ------------------------------------------------------------------------------------------

Mount = Callable[..., Path]


@pytest.fixture
def mount(project: Project) -> Iterator[Mount]:
    """Mount small disks in the project, where this user may; they are taken away in the end."""
    mounted: list[Path] = []

    def mount(name: str, size: str) -> Path:
        path = project.path / name
        path.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("this user may not mount a disk")
        mounted.append(path)
        return path

    yield mount
    project.close()
    for path in mounted:
        subprocess.run(["umount", str(path)], capture_output=True)


def fill(disk: Path) -> Path:
    """Fill a disk to the last page; return the file that takes the room."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler


def test_a_full_disk_under_the_queue_ends_the_study_and_loses_nothing(project: Project, mount: Mount) -> None:
    mount("queue", "512k")
    trouble = Trouble(project)
    study = trouble.start()
    filler = fill(trouble.queue)
    done = trouble.go(study)
    assert done.status == 1
    (said,) = [notice for notice in done.notices if "what runs goes on" in notice]
    assert "the journal queue/queue.yaml.journal/journal.jsonl cannot be written" in said
    assert "No space left on device" in said
    assert done.named("study_finished")[0]["left"] > 0
    trouble.check_nothing_acknowledged_is_lost(done)
    filler.unlink()
    trouble.go_on()


def test_a_full_disk_under_the_log_ends_the_study_and_loses_nothing(project: Project, mount: Mount) -> None:
    mount("log", "64k")
    trouble = Trouble(project)
    study = trouble.start()
    filler = fill(trouble.log)
    done = trouble.go(study)
    assert done.status == 1
    assert any("No space left on device" in notice for notice in done.notices)
    trouble.check_nothing_acknowledged_is_lost(done)
    (saved,) = trouble.spare.glob("coolrunner-*.yaml")
    assert yaml.safe_load(saved.read_text())["TEXT"] == "x" * 500
    filler.unlink()
    trouble.go_on("--resume")


def test_a_full_disk_under_all_of_it_ends_the_study_and_loses_nothing(project: Project, mount: Mount) -> None:
    disk = mount("disk", "512k")
    trouble = Trouble(project, "disk", "disk")
    study = trouble.start()
    filler = fill(disk)
    done = trouble.go(study)
    assert done.status == 1
    assert any("No space left on device" in notice for notice in done.notices)
    trouble.check_nothing_acknowledged_is_lost(done)
    filler.unlink()
    trouble.go_on("--resume")


def test_a_queue_for_which_there_is_no_room_is_not_begun_and_can_be_completed(
    project: Project, mount: Mount
) -> None:
    disk = mount("queue", "200k")
    trouble = Trouble(project, count=1200)
    (trouble.here / "go").touch()
    done = project.json()
    assert done.status != 0
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (trouble.log / "log.yaml").exists()
    subprocess.run(["mount", "-o", "remount,size=16m", str(disk)], check=True)
    assert project.json("--resume", "--inline").status == 0
    trouble.go_on()


# --- read-only -------------------------------------------------------------------------------------


def without_privileges() -> None:
    """Let permissions hold for the superuser, too, from the next program on: see capabilities(7)."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            if libc.prctl(24, capability, 0, 0, 0):  # PR_CAPBSET_DROP
                raise OSError(ctypes.get_errno(), "prctl")


@pytest.fixture
def modest(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project whose commands have no more rights than the permissions of files say."""
    open_as_before = project.open

    def open_modestly(command: list[str], **options: Any) -> subprocess.Popen[Any]:
        return open_as_before(command, preexec_fn=without_privileges, **options)

    monkeypatch.setattr(project, "open", open_modestly)
    yield project
    for path in (project.path, *project.path.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)


def lock_up(directory: Path) -> None:
    """Make a directory and those in it read-only."""
    for path in (directory, *directory.rglob("*")):
        if path.is_dir():
            path.chmod(0o555)


def test_a_queue_whose_directory_becomes_read_only_is_worked_off_by_its_journal(modest: Project) -> None:
    trouble = Trouble(modest)
    study = trouble.start()
    before = trouble.text()
    lock_up(trouble.queue)
    done = trouble.go(study)
    said = [notice for notice in done.notices if "the queue goes on by its journal" in notice]
    assert said == [said[0]]
    assert "queue/queue.yaml cannot be written: Permission denied" in said[0]
    assert len(done.named("experiment_finished")) == trouble.count
    trouble.check_nothing_acknowledged_is_lost(done)
    assert trouble.text() == before
    for path in (trouble.queue, *trouble.queue.rglob("*")):
        path.chmod(0o755)
    trouble.go_on()


def test_a_queue_that_may_not_be_written_is_not_begun(modest: Project) -> None:
    trouble = Trouble(modest)
    lock_up(trouble.queue)
    (trouble.here / "go").touch()
    done = modest.start().finish()
    assert done.status == 2
    assert "Permission denied" in done.stderr
    assert "queue/queue.yaml" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (trouble.log / "log.yaml").exists()


def test_a_runner_leaves_a_queue_alone_that_it_may_not_write(modest: Project) -> None:
    trouble = Trouble(modest)
    study = trouble.start()
    study.process.kill()
    study.process.wait()
    journal = trouble.queue / "queue.yaml.journal" / "journal.jsonl"
    journal.chmod(0o444)
    lock_up(trouble.queue)
    before = journal.read_bytes()
    (trouble.here / "go").touch()
    done = modest.start("--queue", "queue/queue.yaml").finish()
    assert done.status == 2
    assert "Permission denied" in done.stderr
    assert "Traceback" not in done.stderr
    assert journal.read_bytes() == before
    for path in (trouble.queue, *trouble.queue.rglob("*")):
        path.chmod(0o755)
    trouble.go_on()


def test_a_log_whose_directory_becomes_read_only_goes_on(modest: Project) -> None:
    """The file itself may be written; only if it was taken away, too, a result is saved elsewhere."""
    trouble = Trouble(modest)
    study = trouble.start()
    (trouble.log / "log.yaml").rename(trouble.here / "old.yaml")
    lock_up(trouble.log)
    done = trouble.go(study)
    assert done.status == 1
    assert any("the log log/log.yaml cannot be written: Permission denied" in text for text in done.notices)
    trouble.check_nothing_acknowledged_is_lost(done, trouble.here / "old.yaml")
    (saved,) = trouble.spare.glob("coolrunner-*.yaml")
    assert yaml.safe_load(saved.read_text())["REP"] == 3


# --- gone ------------------------------------------------------------------------------------------


def test_a_queue_whose_directory_vanishes_ends_the_study_and_loses_no_result(project: Project) -> None:
    trouble = Trouble(project)
    study = trouble.start()
    shutil.rmtree(trouble.queue)
    done = trouble.go(study)
    assert done.status == 1
    (said,) = [notice for notice in done.notices if "what runs goes on" in notice]
    assert "the journal queue/queue.yaml.journal/journal.jsonl is gone" in said
    trouble.check_nothing_acknowledged_is_lost(done)
    assert len(done.named("experiment_finished")) == 4
    assert not trouble.queue.exists()


def test_what_a_vanished_queue_had_not_run_is_run_when_the_definition_is_resumed(project: Project) -> None:
    trouble = Trouble(project)
    study = trouble.start()
    shutil.rmtree(trouble.queue)
    trouble.go(study)
    done = project.json("--resume")
    assert done.status == 0, done.stdout + done.stderr
    records = _records(trouble.log / "log.yaml")
    assert Counter(record["REP"] for record in records) == Counter(range(trouble.count))


def test_a_log_whose_directory_vanishes_is_begun_again(project: Project) -> None:
    trouble = Trouble(project)
    study = trouble.start()
    shutil.rmtree(trouble.log)
    done = trouble.go(study)
    assert done.status == 0
    assert [record["REP"] for record in _records(trouble.log / "log.yaml")] == list(range(3, trouble.count))


def test_a_whole_project_that_vanishes_costs_no_result_that_comes_after(project: Project) -> None:
    trouble = Trouble(project)
    study = trouble.start()
    shutil.rmtree(project.path)
    done = trouble.go(study)
    assert done.status == 1
    assert "Traceback" not in done.stderr
    assert any("is gone" in notice for notice in done.notices)
    (saved,) = trouble.spare.glob("coolrunner-*.yaml")
    assert any(str(saved) in notice for notice in done.notices)
    assert yaml.safe_load(saved.read_text())["REP"] == 3
    project.check_nothing_runs()
