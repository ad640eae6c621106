"""What goes down, and what must not go down with it: experiments, helpers, runners, disks."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from coolrunner.results.logs.reading import read_logs
from coolrunner.results.logs.sources import LogFile, Report
from tests.studies import Finished, Project, Started, until

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")

TWO = """
Global: {grace: 1s}
Module: modules.module
---
Name: bad
---
Name: good
"""

GOOD = """
def main(exp):
    if exp.Name == "bad":
        bad(exp)
    exp.ACC = 1
"""


def prepare(project: Project, bad: str) -> None:
    """Make a study of two experiments, the first of which does something bad."""
    project.module(GOOD + "\ndef bad(exp):\n" + "".join(f"    {line}\n" for line in bad.splitlines()))
    project.study(TWO)


def check_only_the_bad_one_failed(project: Project, done: Finished) -> dict[str, object]:
    """See that the good one is done; return the record of the failed one."""
    assert done.status == 1, done.stderr
    assert [record["Name"] for record in project.log()] == ["good"]
    (failed,) = project.log("log.failed.yaml")
    assert failed["Name"] == "bad"
    assert done.named("experiment_failed")[0]["error"] == failed["ERROR"]
    assert done.named("study_finished")[0]["unfinished"] == [0]
    project.check_nothing_runs()
    return dict(failed)


# --- an experiment ---------------------------------------------------------------------------------


def run_each(project: Project, statements: Sequence[str], *arguments: str) -> list[dict[str, Any]]:
    """Run an experiment for each of these, all of which fail, each with a good one after it."""
    functions = "".join(
        f"def bad_{number}(exp):\n" + "".join(f"    {line}\n" for line in text.splitlines())
        for number, text in enumerate(statements)
    )
    project.module(functions + "def main(exp):\n    globals().get(exp.Name, str)(exp)\n")
    documents = "".join(f"---\nName: bad_{i}\n---\nName: good_{i}\n" for i in range(len(statements)))
    project.study("Module: modules.module\n" + documents)
    done = project.json(*arguments)
    assert done.status == 1, done.stderr
    assert [record["Name"] for record in project.log()] == [f"good_{i}" for i in range(len(statements))]
    failed = project.log("log.failed.yaml")
    assert [record["Name"] for record in failed] == [f"bad_{i}" for i in range(len(statements))]
    assert [event["error"] for event in done.named("experiment_failed")] == [r["ERROR"] for r in failed]
    project.check_nothing_runs()
    return failed


def test_experiments_that_take_their_process_down_cost_nothing_else(project: Project) -> None:
    expected = {
        "os.kill(os.getpid(), signal.SIGKILL)": "killed by SIGKILL",
        "import ctypes; ctypes.string_at(0)": "killed by SIGSEGV: a segmentation fault",
        "os.abort()": "killed by SIGABRT",
        "os._exit(0)": "left with status 0 before the Module returned",
        "os._exit(7)": "left with status 7 before the Module returned",
        "os.killpg(0, signal.SIGTERM); time.sleep(60)": "killed by SIGTERM",
        "os.closerange(3, 4096); os._exit(3)": "left with status 3",
    }
    for record, error in zip(run_each(project, list(expected)), expected.values(), strict=True):
        assert error in record["ERROR"]


def test_an_experiment_that_somebody_kills_has_failed_and_the_study_goes_on(project: Project) -> None:
    prepare(project, "Path('pid').write_text(str(os.getpid()))\ntime.sleep(300)")
    study = project.start()
    os.kill(int(project.wait_for("pid")), signal.SIGKILL)
    failed = check_only_the_bad_one_failed(project, study.finish())
    assert "killed by SIGKILL" in str(failed["ERROR"])


def test_what_a_module_raises_is_recorded_with_its_traceback(project: Project, executor: list[str]) -> None:
    """CR-13: also for a changed input, whose name the error tells."""
    expected = {
        "raise ValueError('lr must be positive')": "ValueError: lr must be positive",
        "exit(3)": "SystemExit: 3",
        "sys.exit('no data')": "SystemExit: no data",
        "raise GeneratorExit": "GeneratorExit",
        "globals()[exp.Name](exp)": "RecursionError",
        "raise RuntimeError('first line\\nsecond line')": "RuntimeError: first line",
        "raise OSError('\\udcff')": "OSError: \\udcff",
        # How its message is shown depends on the Python.
        "class Odd(Exception):\n    def __str__(self): raise KeyError\nraise Odd": "Odd: <",
        "import nowhere_to_be_found": "No module named 'nowhere_to_be_found'",
        "exec('a b')": "SyntaxError: invalid syntax",
        "exp.Name = 'other'": "'Name' is an input of this experiment and cannot be changed",
        "exp.results = 1": "exp.results belongs to the experiment itself",
    }
    for record, error in zip(run_each(project, list(expected), *executor), expected.values(), strict=True):
        assert error in record["ERROR"]
        assert "\n" not in record["ERROR"]
        # It begins with the user's own code.
        before, _, after = record["TRACEBACK"].partition(f"in {record['Name']}")
        assert after
        assert "coolrunner" not in before


def test_what_was_written_before_a_failure_is_kept(project: Project, executor: list[str]) -> None:
    prepare(project, "exp.EPOCHS = 3\nraise ValueError")
    failed = check_only_the_bad_one_failed(project, project.json(*executor))
    assert failed["EPOCHS"] == 3
    assert list(failed)[-2:] == ["ERROR", "TRACEBACK"]


def test_a_module_that_leaves_with_status_0_has_finished(project: Project, executor: list[str]) -> None:
    prepare(project, "exp.LEFT = True\nsys.exit(0)")
    done = project.json(*executor)
    assert done.status == 0, done.stdout
    assert [record.get("LEFT") for record in project.log()] == [True, None]


def test_a_module_that_leaves_before_its_function_is_called_has_failed(
    project: Project, executor: list[str]
) -> None:
    project.module("def main(exp):\n    pass\n\nsys.exit(0)\n")
    project.study("Module: modules.module\n---\nName: bad\n")
    done = project.json(*executor)
    assert done.status == 1
    assert project.log("log.failed.yaml")[0]["ERROR"] == "SystemExit: 0"


def test_a_module_that_takes_all_the_memory_costs_one_experiment(project: Project) -> None:
    prepare(
        project,
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n"
        "exp.PARTS = 0\nhoard = []\n"
        "while True:\n    hoard.append(bytearray(1 << 26))\n    exp.PARTS += 1",
    )
    failed = check_only_the_bad_one_failed(project, project.json())
    assert failed["ERROR"] == "MemoryError"
    assert isinstance(failed["PARTS"], int)
    assert failed["PARTS"] > 0


def test_threads_and_children_that_a_module_leaves_behind_are_ended(project: Project) -> None:
    """Its result counts; a person is told why it took so long."""
    prepare(
        project,
        "import threading\nthreading.Thread(target=time.sleep, args=(600,)).start()\n"
        "if os.fork() == 0:\n    time.sleep(600)\n    os._exit(0)",
    )
    done = project.json()
    assert done.status == 0
    assert [record["Name"] for record in project.log()] == ["bad", "good"]
    assert any("did not end within 1 s after the Module had returned" in text for text in done.notices)
    project.check_nothing_runs()


def test_a_forked_copy_that_comes_back_from_the_module_does_not_go_on(
    project: Project, executor: list[str]
) -> None:
    """Neither counts its experiment twice nor runs the rest of the study a second time."""
    prepare(project, "if os.fork():\n    os.wait()")
    done = project.json(*executor)
    assert done.status == 0
    assert [record["Name"] for record in project.log()] == ["bad", "good"]
    project.check_nothing_runs()


def test_a_process_that_leaves_its_group_does_not_hold_the_study_up(project: Project) -> None:
    prepare(
        project,
        "pid = os.fork()\n"
        "if pid == 0:\n    os.setsid()\n    print('still here', flush=True)\n    time.sleep(600)\n"
        "    os._exit(0)\n"
        "while os.getsid(pid) != pid:\n    time.sleep(0.01)",
    )
    done = project.json()
    assert done.status == 0
    assert [record["Name"] for record in project.log()] == ["bad", "good"]


def test_output_without_end_from_a_process_that_left_its_group_does_not_hold_the_study_up(
    project: Project,
) -> None:
    prepare(project, "import subprocess\nsubprocess.Popen(['yes'], start_new_session=True)")
    done = project.json()
    assert done.status == 0
    assert [record["Name"] for record in project.log()] == ["bad", "good"]


@pytest.mark.parametrize(
    "bad",
    [
        "sys.stdout.close()\nsys.stderr.close()",
        "os.close(1)\nos.close(2)",
        "sys.stdout = sys.stderr = None",
        "sys.stdout = sys.__stdout__ = open(os.devnull, 'w')",
    ],
)
def test_a_module_that_closes_its_output_has_finished_all_the_same(project: Project, bad: str) -> None:
    prepare(project, bad)
    done = project.json()
    assert done.status == 0, done.stdout
    assert [record["Name"] for record in project.log()] == ["bad", "good"]


def test_a_module_that_closes_the_output_of_all_does_not_end_an_inline_study(project: Project) -> None:
    prepare(project, "sys.stdout.close()")
    done = project.run("--inline")
    assert done.status == 0, done.stderr
    assert [record["Name"] for record in project.log()] == ["bad", "good"]


def test_a_module_that_closes_every_file_loses_only_itself(project: Project) -> None:
    prepare(project, "os.closerange(3, 4096)")
    failed = check_only_the_bad_one_failed(project, project.json())
    assert "before the Module returned" in str(failed["ERROR"])


# --- the helper ------------------------------------------------------------------------------------


def helper_of(project: Project, study: Started) -> int:
    """Return the process that forks the experiments."""
    children = Path(f"/proc/{study.process.pid}/task/{study.process.pid}/children")
    (helper,) = map(int, children.read_text().split())
    return helper


WAITING = """
def main(exp):
    if exp.Name == "waits":
        with open("attempts", "a") as file:
            file.write(f"{os.getpid()}\\n")
        if exp.get("child") and os.fork() == 0:
            time.sleep(600)
        end = time.monotonic() + 300
        while not Path("go").exists() and time.monotonic() < end:
            time.sleep(0.02)
    exp.ACC = 1
"""


@pytest.mark.parametrize("child", [False, True])
def test_a_helper_that_is_killed_loses_nothing_and_doubles_nothing(project: Project, child: bool) -> None:
    """Its experiment is started again, once nothing of the first attempt runs any more."""
    project.module(WAITING)
    project.study(
        f"Module: modules.module\nchild: {child}\n---\nName: quick\n---\nName: waits\n---\nName: last\n"
    )
    study = project.start()
    first = int(project.wait_for("attempts"))
    os.kill(helper_of(project, study), signal.SIGKILL)
    until(lambda: len((project.path / "attempts").read_text().split()) == 2, "the second attempt")
    assert first not in project.processes()
    (project.path / "go").touch()
    done = study.finish()
    assert done.status == 0
    assert [record["Name"] for record in project.log()] == ["quick", "waits", "last"]
    assert any("waits was lost" in notice and "started again" in notice for notice in done.notices)
    project.check_nothing_runs()


def test_an_experiment_that_takes_the_helper_down_again_and_again_has_failed(project: Project) -> None:
    prepare(project, "os.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(300)")
    failed = check_only_the_bad_one_failed(project, project.json())
    assert "the process that starts experiments is gone" in str(failed["ERROR"])


def test_helpers_killed_as_soon_as_they_start_cost_their_experiments_alone(project: Project) -> None:
    project.module(WAITING)
    project.study("Module: modules.module\n---\nName: many\nRepeat: 30\n")
    study = project.start()
    children = Path(f"/proc/{study.process.pid}/task/{study.process.pid}/children")
    killed: set[int] = set()
    while study.process.poll() is None:
        with suppress(OSError):
            for helper in set(map(int, children.read_text().split())) - killed:
                if len(killed) < 12:
                    os.kill(helper, signal.SIGKILL)
                killed.add(helper)
    done = study.finish()
    end = done.named("study_finished")[0]
    assert end["done"] + end["failed"] == 30
    assert end["failed"] <= 4
    assert len({record["ID"] for record in project.log()}) == len(project.log()) == end["done"]
    project.check_nothing_runs()


def test_a_helper_killed_between_two_experiments_is_replaced(project: Project) -> None:
    project.module(
        "def main(exp):\n"
        "    exp.HELPER = os.getppid()\n"
        "    if exp.REP == 5 and not Path('killed').exists():\n"
        "        Path('killed').touch()\n"
        "        pid = os.fork()\n"
        "        if pid == 0:\n"
        "            os.setsid()\n"
        "            time.sleep(0.05)\n"
        "            os.kill(exp.HELPER, signal.SIGKILL)\n"
        "            os._exit(0)\n"
        "        while os.getsid(pid) != pid:\n"
        "            time.sleep(0.01)\n"
    )
    project.study("Module: modules.module\n---\nName: many\nRepeat: 200\n")
    done = project.json()
    assert done.status == 0
    assert [record["REP"] for record in project.log()] == list(range(200))
    assert len({record["HELPER"] for record in project.log()}) == 2


# --- the runner ------------------------------------------------------------------------------------


def test_a_runner_that_is_killed_takes_everything_down_and_has_lost_nothing(project: Project) -> None:
    """CR-14: helper, experiment and the Module's own children end; what was announced is in the log."""
    project.module(WAITING)
    project.study(
        "Module: modules.module\nchild: true\n"
        "---\nName: quick\nRepeat: 50\n---\nName: waits\n---\nName: last\n"
    )
    study = project.start()
    project.wait_for("attempts")
    assert len(project.processes()) == 4
    study.process.kill()
    project.check_nothing_runs()
    announced = [event["id"] for event in study.events if event["event"] == "experiment_finished"]
    assert len(announced) == 50
    assert [record["ID"] for record in project.log()] == announced

    (project.path / "go").touch()
    assert project.run("--quiet", "--pick", "50,51").status == 0
    assert [record["Name"] for record in project.log()][50:] == ["waits", "last"]


def test_a_runner_killed_at_any_moment_has_lost_nothing_that_it_announced(
    project: Project, executor: list[str]
) -> None:
    """CR-14: again and again, while results are written; the log stays loadable throughout."""
    project.module("def main(exp):\n    exp.TEXT = 'ä\\n' * 20_000\n    exp.ACC = 1\n")
    project.study("Module: modules.module\n---\nName: many\nRepeat: 500\n")
    announced: list[str] = []
    path = project.path / "log.yaml"
    for round_number in range(6):
        study = project.start(*executor)
        until(
            lambda study=study, count=1 + round_number * 3: (
                sum(event["event"] == "experiment_finished" for event in study.events[:-1]) >= count
            ),
            "some results",
        )
        study.process.kill()
        study.process.wait()
        lines = study.finish().stdout.splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        events = Finished(0, "".join(whole), "").named("experiment_finished")
        announced += [event["id"] for event in events]
        found = {entry.value["ID"] for entry in read_logs([LogFile("log.yaml", path)], Report())}
        assert set(announced) <= found
    project.check_nothing_runs()
    assert project.run("--quiet", "--pick", "0", *executor).status == 0
    with path.open(encoding="utf-8") as file:
        loaded = [record["ID"] for record in yaml.load_all(file, Loader=yaml.CSafeLoader)]
    assert set(announced) <= set(loaded)
    assert len(loaded) == len(set(loaded))


# --- the disk --------------------------------------------------------------------------------------


def test_a_result_for_which_the_disk_has_no_room_is_saved_elsewhere(
    project: Project, executor: list[str], tmp_path: Path
) -> None:
    """CR-14: the study ends, the log stays loadable, and a person is told where the result is."""
    project.module("def main(exp):\n    exp.TEXT = 'x' * 3000\n")
    project.study("Module: modules.module\n---\nName: many\nRepeat: 20\n")
    spare = tmp_path / "spare"
    spare.mkdir()
    limit = 10_000
    done = subprocess.run(
        project.command("--json", *executor),
        cwd=project.path,
        env=project.environment(TMPDIR=str(spare)),
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    result = Finished(done.returncode, done.stdout, done.stderr)
    assert result.status == 1
    (saved,) = spare.iterdir()
    (failure,) = result.named("experiment_failed")
    assert "could not be logged: the log log.yaml cannot be written: File too large" in failure["error"]
    assert failure["log"] == str(saved)
    assert any(str(saved) in notice for notice in result.notices)
    announced = [event["id"] for event in result.named("experiment_finished")]
    assert announced
    assert [record["ID"] for record in project.log()] == announced
    (rescued,) = yaml.safe_load_all(saved.read_text())
    assert (rescued["ID"], rescued["TEXT"]) == (failure["id"], "x" * 3000)
    end = result.named("study_finished")[0]
    assert (end["done"], end["failed"], end["left"]) == (len(announced), 1, 19 - len(announced))


@pytest.fixture
def small_disk(project: Project) -> Path:
    """A disk of 64 KiB in the project, where this user may mount one."""
    disk = project.path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user may not mount a disk")
    return disk


@pytest.fixture
def unmounted(project: Project) -> object:
    """Take the disk away in the end."""
    yield
    subprocess.run(["umount", str(project.path / "disk")], capture_output=True)


def test_a_full_disk_costs_no_result(
    project: Project, unmounted: object, small_disk: Path, tmp_path: Path
) -> None:
    """CR-14: neither those that were announced nor the one for which there was no room."""
    project.module("def main(exp):\n    exp.TEXT = 'x' * 3000\n")
    project.study("Module: modules.module\nYamlLog: disk/log.yaml\n---\nName: many\nRepeat: 40\n")
    spare = tmp_path / "spare"
    spare.mkdir()
    done = project.json(TMPDIR=str(spare))
    assert done.status == 1
    assert any("No space left on device" in notice for notice in done.notices)
    announced = [event["id"] for event in done.named("experiment_finished")]
    assert 10 < len(announced) < 40
    assert [record["ID"] for record in project.log("disk/log.yaml")] == announced
    (saved,) = spare.iterdir()
    assert yaml.safe_load(saved.read_text())["ID"] not in announced


# --- people ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["moved", "deleted"])
def test_a_log_taken_away_during_a_study_is_begun_again(
    project: Project, executor: list[str], how: str
) -> None:
    """CR-14: results are never written into a file that nobody can find any more."""
    project.module(WAITING)
    project.study("Module: modules.module\n---\nName: quick\n---\nName: waits\n---\nName: last\n")
    study = project.start(*executor)
    project.wait_for("attempts")
    log = project.path / "log.yaml"
    if how == "moved":
        log.rename(project.path / "old.yaml")
    else:
        log.unlink()
    (project.path / "go").touch()
    assert study.finish().status == 0
    assert [record["Name"] for record in project.log()] == ["waits", "last"]
    if how == "moved":
        assert [record["Name"] for record in project.log("old.yaml")] == ["quick"]
