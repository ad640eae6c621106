"""Several runners at once, and one runner for a long time."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.studies import Project, until

MODULE = """
def main(exp):
    exp.TEXT = "ä" * (exp.REP * 397 % 4000)
    exp.RUNNER = sys.argv[-1]
"""


def test_ten_runners_write_to_one_log_and_no_document_is_torn_or_lost(project: Project) -> None:
    """CR-14: ten terminals, twenty experiments each, one log."""
    project.module(MODULE)
    project.study("Module: modules.module\n---\nName: shared\nRepeat: 20\n")
    runners = [
        project.open(
            project.command("--quiet", "--inline", "--runner", str(number)),
            env=project.environment(),
            stdin=subprocess.DEVNULL,
        )
        for number in range(10)
    ]
    assert [runner.wait(120) for runner in runners] == [0] * 10
    records = project.log()
    assert Counter((record["RUNNER"], record["REP"]) for record in records) == Counter(
        (str(runner), rep) for runner in range(10) for rep in range(20)
    )
    assert len({record["ID"] for record in records}) == 200
    assert all(len(record["TEXT"]) == record["REP"] * 397 % 4000 for record in records)
    assert (project.path / "log.yaml").read_text(encoding="utf-8").count("# Coolrunner log") == 1


def test_runners_that_are_killed_among_others_tear_no_document_of_theirs(project: Project) -> None:
    """CR-14: the others mend what a killed one has left, and go on."""
    project.module(MODULE)
    project.study("Module: modules.module\n---\nName: shared\nRepeat: 150\n")
    lasting = [project.start("--inline", "--runner", f"lasting{number}") for number in range(2)]
    for _ in range(4):
        killed = project.start("--inline", "--runner", "killed")
        killed.wait_for("experiment_finished")
        killed.process.kill()
        killed.process.wait()
    for study in lasting:
        assert study.finish().status == 0
    counts = Counter(record["RUNNER"] for record in project.log())
    assert (counts["lasting0"], counts["lasting1"]) == (150, 150)


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc")
@pytest.mark.parametrize("arguments", [["--json"], ["--quiet"], ["--json", "--inline"]])
def test_hundreds_of_experiments_leave_no_open_file_and_no_process_behind(
    project: Project, arguments: list[str]
) -> None:
    """Neither in the runner, nor in its helper, nor in the experiments."""
    project.module(
        """
        def main(exp):
            print("some output")
            exp.RUNNER = os.getppid() if os.environ.get("INLINE") is None else os.getpid()
            exp.OPEN = len(os.listdir("/proc/self/fd"))
            exp.HELPERS = len(os.listdir(f"/proc/{exp.RUNNER}/fd"))
            children = Path(f"/proc/{exp.RUNNER}/task/{exp.RUNNER}/children")
            exp.CHILDREN = len(children.read_text().split()) if children.exists() else 1
            if exp.REP == exp.last:
                Path("last").write_text("yes\\n")
                while not Path("go").exists():
                    time.sleep(0.02)
        """
    )
    project.study("Module: modules.module\nlast: 299\n---\nName: many\nRepeat: 300\n")
    inline = "--inline" in arguments
    study = project.open(
        project.command(*arguments),
        env=project.environment(**({"INLINE": "1"} if inline else {})),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    project.wait_for("last")
    until(lambda: len(project.log()) == 299, "the records of the others")
    open_now = descriptors(study.pid)
    (project.path / "go").touch()
    assert study.wait(60) == 0
    records = project.log()
    for key in ("OPEN", "HELPERS", "CHILDREN"):
        assert max(record[key] for record in records[-5:]) <= max(record[key] for record in records[1:10]), (
            key
        )
    assert open_now < 40
    project.check_nothing_runs()


def test_one_study_may_hold_thousands_of_experiments(project: Project) -> None:
    project.module("def main(exp):\n    exp.N = exp.REP\n")
    project.study("Module: modules.module\n---\nName: many\nRepeat: 3000\n")
    assert project.run("--quiet", "--inline").status == 0
    assert [record["N"] for record in project.log()] == list(range(3000))


def test_what_an_experiment_prints_passes_through_whatever_its_size(project: Project) -> None:
    """A hundred megabytes, and the runner does not grow by them."""
    project.module(
        """
        def main(exp):
            line = b"x" * 999 + b"\\n"
            for _ in range(100):
                os.write(1, line * 1000)
            size = Path(f"/proc/{os.getppid()}/status").read_text()
            runner = next(line.split()[1] for line in size.splitlines() if line.startswith("PPid"))
            status = Path(f"/proc/{runner}/status").read_text()
            (kilobytes,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
            exp.RUNNER_KB = int(kilobytes)
        """
    )
    project.study("Module: modules.module\n---\nName: chatty\n")
    reader, writer = os.pipe()
    study = project.open(project.command("--json"), env=project.environment(), stdout=writer)
    os.close(writer)
    size = 0
    with os.fdopen(reader, "rb") as stream:
        while data := stream.read(1 << 20):
            size += data.count(b"x")
    assert study.wait(60) == 0
    assert size >= 99_900_000
    assert project.log()[0]["RUNNER_KB"] < 300_000
