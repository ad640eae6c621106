"""The run directory that each experiment of a study leaves."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.studies import Project, until

ONE = """
Module: modules.module
---
Name: one
lr: 0.1
"""


def runs(project: Project, root: str = "results") -> list[Path]:
    """Return the run directories, in order."""
    return sorted(project.path.glob(f"{root}/runs/*"))


def status(run: Path) -> dict[str, Any]:
    """Return what a run says of itself."""
    found = yaml.safe_load((run / "status.yaml").read_text())
    assert isinstance(found, dict)
    return found


def test_each_experiment_leaves_a_directory_that_its_log_names(project: Project, executor: list[str]) -> None:
    project.module("def main(exp):\n    exp.ACC = exp.lr * 2\n")
    project.study(ONE + "---\nName: two\nlr: 0.2\n")
    assert project.run(*executor).status == 0
    found = runs(project)
    assert [run.name[:7] for run in found] == ["000001-", "000002-"]
    assert [record["RUN"] for record in project.log()] == [f"results/runs/{run.name}" for run in found]
    first = found[0]
    assert yaml.safe_load((first / "params.yaml").read_text())["lr"] == 0.1
    assert yaml.safe_load((first / "results.yaml").read_text()) == {"ACC": 0.2}
    told = status(first)
    assert (told["status"], told["id"], told["study"]) == ("done", 1, "study.yaml")
    assert told["experiment"] == project.log()[0]["ID"]
    link = project.path / "results/index" / f"{first.name}.yaml"
    assert str(link.readlink()) == f"../runs/{first.name}/params.yaml"


def test_without_a_root_there_are_no_directories(project: Project) -> None:
    project.module("def main(exp):\n    exp.ACC = 1\n")
    project.study("Global: {root: null}\n" + ONE.lstrip())
    assert project.run().status == 0
    assert not (project.path / "results").exists()
    assert "RUN" not in project.log()[0]


def test_what_the_module_and_its_children_write_is_in_the_log_and_on_the_console(
    project: Project, executor: list[str]
) -> None:
    project.module("""
        import ctypes, subprocess
        print("while it is imported", flush=True)

        def main(exp):
            print("from Python", flush=True)
            subprocess.run(["sh", "-c", "echo from a child; echo and its error >&2"])
            os.write(1, b"from a descriptor\\n")
            libc = ctypes.CDLL(None)
            libc.puts(b"from C")
            libc.fflush(None)
            for part in range(5):
                print(f"\\r{part * 25} %", end="", flush=True)
            print()
    """)
    project.study(ONE)
    done = project.run(*executor)
    assert done.status == 0
    (run,) = runs(project)
    lines = (run / "log.txt").read_text().splitlines()
    for line in (
        "while it is imported",
        "from Python",
        "from a child",
        "and its error",
        "from a descriptor",
        "from C",
        "100 %",
    ):
        assert line in lines
        assert line in done.stdout + done.stderr
    assert "0 %" not in lines


def test_what_c_has_buffered_at_the_end_is_not_lost(project: Project) -> None:
    project.module("""
        import ctypes

        def main(exp):
            ctypes.CDLL(None).puts(b"still in a buffer of C")
    """)
    project.study(ONE)
    assert project.run().status == 0
    assert "still in a buffer of C" in (runs(project)[0] / "log.txt").read_text()


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        ("raise ValueError('no')", "exception"),
        ("sys.exit(3)", "exit"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "signal"),
        ("os._exit(4)", "exit"),
        ("time.sleep(60)", "timeout"),
    ],
)
def test_a_run_says_how_it_failed(project: Project, body: str, failure: str) -> None:
    project.module(f"def main(exp):\n    print('begun', flush=True)\n    {body}\n")
    project.study("Global: {grace: 1s}\nTimeout: 1s\n" + ONE.lstrip())
    assert project.run().status == 1
    (run,) = runs(project)
    told = status(run)
    assert (told["status"], told["failure"]) == ("failed", failure)
    assert told["error"]
    assert (run / "log.txt").read_text().startswith("begun")
    if failure == "exception":
        assert "raise ValueError('no')" in (run / "traceback.txt").read_text()
    (failed,) = project.log("log.failed.yaml")
    assert failed["RUN"] == f"results/runs/{run.name}"


def test_a_value_that_cannot_be_solved_leaves_a_directory_too(project: Project) -> None:
    project.module("def main(exp):\n    pass\n")
    project.study(ONE.replace("lr: 0.1", "lr: solve no.such.thing"))
    assert project.run().status == 1
    assert status(runs(project)[0])["status"] == "failed"


def test_a_module_reaches_its_run_from_everywhere(project: Project, executor: list[str]) -> None:
    project.module("""
        import asyncio, subprocess, threading
        from coolrunner import current_run, logger

        def main(exp):
            run = exp.run
            assert current_run() is run
            run.log_scalar("loss", 0.5)
            logger.log_scalar("loss", 0.25)
            thread = threading.Thread(target=lambda: current_run().log_scalar("thread", 1))
            thread.start()
            thread.join()

            async def task(value):
                current_run().log_scalar("task", value)

            async def both():
                await asyncio.gather(task(1), task(2))

            asyncio.run(both())
            code = "from coolrunner import current_run; current_run().log_scalar('process', 7)"
            subprocess.run([sys.executable, "-c", code], check=True)
            run.file("notes/own.txt").write_text("mine")
            exp.SAVED = str(run.save({"a": [1, 2]}, "plain"))
            exp.LOADED = run.load("plain")
            exp.DIR = str(run.dir)
            exp.ATTEMPT = run.attempt
    """)
    project.study(ONE)
    root = str(Path(__file__).parents[2])
    done = project.run(*executor, PYTHONPATH=root)
    assert done.status == 0, done.stdout + done.stderr
    (run,) = runs(project)
    (record,) = project.log()
    assert record["DIR"] == str(run)
    assert record["LOADED"] == {"a": [1, 2]}
    assert Path(record["SAVED"]).parent == run / "files"
    assert record["ATTEMPT"] == 1
    assert (run / "files/notes/own.txt").read_text() == "mine"
    rows = (run / "metrics.csv").read_text().splitlines()
    assert rows[0] == "name,step,value,time"
    found = sorted(tuple(row.split(",")[:3]) for row in rows[1:])
    assert found == [
        ("loss", "0", "0.5"),
        ("loss", "1", "0.25"),
        ("process", "0", "7.0"),
        ("task", "0", "1.0"),
        ("task", "1", "2.0"),
        ("thread", "0", "1.0"),
    ]


def test_a_module_called_by_hand_works_and_warns_once(project: Project) -> None:
    import subprocess
    import sys

    project.module("""
        def main(exp):
            for step in range(3):
                exp.run.log_scalar("loss", step)
            exp.run.save([1], "list")
            exp.ACC = 1
    """)
    code = "from coolrunner import Experiment\nfrom modules.module import main\nmain(Experiment({'lr': 1}))\n"
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", code],
        cwd=project.path,
        env=project.environment(PYTHONPATH=str(Path(__file__).parents[2])),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("there is no run here") == 1
    assert not (project.path / "results").exists()
    assert sorted(path.name for path in project.path.iterdir()) == ["modules"]


def test_the_code_of_a_run_is_kept_once_and_written_back(project: Project, executor: list[str]) -> None:
    project.write("modules/helper.py", "FACTOR = 2\n")
    project.module("from modules.helper import FACTOR\n\ndef main(exp):\n    exp.ACC = exp.lr * FACTOR\n")
    project.study(ONE + "---\nName: two\nlr: 0.2\n")
    assert project.run(*executor).status == 0
    first, second = runs(project)
    assert status(first)["sources"] == status(second)["sources"]
    manifest = json.loads(_stored(project, status(first)["sources"]))
    assert sorted(manifest["files"]) == ["modules/helper.py", "modules/module.py"]
    assert _stored(project, manifest["files"]["modules/helper.py"]) == "FACTOR = 2\n"
    facts = json.loads(_stored(project, status(first)["provenance"]))
    assert "study.yaml" in facts["argv"]


def _stored(project: Project, digest: str) -> str:
    return (project.path / "results/store" / digest[:2] / digest).read_text()


def test_a_run_whose_runner_was_killed_does_not_run_for_ever(project: Project) -> None:
    project.module("def main(exp):\n    Path('begun').touch()\n    time.sleep(60)\n")
    project.study(ONE)
    started = project.start()
    until(lambda: (project.path / "begun").exists(), "the experiment begins")
    started.process.send_signal(signal.SIGKILL)
    started.process.wait()
    (run,) = runs(project)
    told = status(run)
    until(lambda: not Path(f"/proc/{told['pid']}").exists(), "its process is gone")
    listed = _coolrunner(project, "runs", "ls", "--json")
    assert [row["status"] for row in json.loads(listed)] == ["lost"]


def _coolrunner(project: Project, *arguments: str) -> str:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "coolrunner", *arguments],
        cwd=project.path,
        env=project.environment(PYTHONPATH=str(Path(__file__).parents[2])),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


RESUMING = """
    def main(exp):
        last = exp.run.resume()
        first = 0 if last is None else last.step + 1
        exp.FIRST = first
        for step in range(first, 6):
            exp.run.log_scalar("loss", step)
            exp.run.snapshot({"at": step}, step)
            if step == 2 and first == 0:
                Path("begun").touch()
                stop()
        exp.ATTEMPT = exp.run.attempt
"""


@pytest.mark.parametrize(
    "stop", ["time.sleep(60)", "os.kill(os.getpid(), signal.SIGKILL)"], ids=["interrupted", "killed"]
)
def test_a_module_that_can_resume_goes_on_in_the_same_directory(project: Project, stop: str) -> None:
    project.module(RESUMING.replace("stop()", stop))
    retries = "Retries: 1\n" if "kill" in stop else ""
    project.study(f"Global: {{queue: queue.yaml, grace: 1s}}\n{retries}{ONE.lstrip()}")
    if retries:
        assert project.run().status == 0
    else:
        started = project.start()
        until(lambda: (project.path / "begun").exists(), "the third step")
        started.process.send_signal(signal.SIGINT)
        started.process.wait()
        assert project.run("--resume").status == 0
    (run,) = runs(project)
    (record,) = project.log()
    assert (record["FIRST"], record["ATTEMPT"]) == (3, 2)
    told = status(run)
    assert (told["status"], told["attempt"]) == ("done", 2)
    steps = [row.split(",")[1] for row in (run / "metrics.csv").read_text().splitlines()[1:]]
    assert steps == [str(step) for step in range(6)]


def test_a_result_on_the_disk_that_no_log_has_is_logged_once_and_not_run_again(project: Project) -> None:
    project.module("""
        def main(exp):
            with open("began", "a") as file:
                file.write(exp.Name + "\\n")
            exp.ACC = 1
    """)
    project.study("Global: {queue: queue.yaml}\n" + ONE.lstrip() + "---\nName: two\nlr: 0.2\n")
    # The runner is gone between the end of the experiment and its log.
    assert project.run(COOLRUNNER_KILL_AT="log-appended:1").status == -signal.SIGKILL
    text = (project.path / "log.yaml").read_text()
    (project.path / "log.yaml").write_text(text[: text.index("--- #")])
    assert project.run("--resume").status == 0
    assert (project.path / "began").read_text().split() == ["one", "two"]
    assert [record["Name"] for record in project.log()] == ["one", "two"]
    assert [Path(record["RUN"]).name for record in project.log()] == [run.name for run in runs(project)]


def test_a_copy_that_the_module_forks_and_that_returns_is_not_the_run(
    project: Project, executor: list[str]
) -> None:
    project.module("""
        def main(exp):
            pid = os.fork()
            exp.WHO = "parent" if pid else "child"
            if pid:
                os.waitpid(pid, 0)
                exp.SEEN = (exp.run.dir / "status.yaml").read_text().split()[3]
                exp.RESULTS = (exp.run.dir / "results.yaml").exists()
    """)
    project.study(ONE)
    assert project.run(*executor).status == 0
    (record,) = project.log()
    assert (record["WHO"], record["SEEN"], record["RESULTS"]) == ("parent", "running", False)


def test_a_root_that_goes_away_fails_experiments_and_not_the_study(
    project: Project, executor: list[str]
) -> None:
    project.module("""
        import shutil

        def main(exp):
            root = exp.run.dir.parent.parent
            exp.ACC = 1
            if exp.Name == "one":
                shutil.rmtree(root)
                root.write_text("something else")
    """)
    project.study(ONE + "---\nName: two\nlr: 0.2\n")
    done = project.run(*executor)
    assert done.status == 1
    assert [record["Name"] for record in project.log()] == ["one"]
    (failed,) = project.log("log.failed.yaml")
    assert failed["Name"] == "two"
    assert "cannot be written" in failed["ERROR"]


def test_results_that_the_disk_does_not_take_are_logged_and_the_run_says_so(project: Project) -> None:
    project.module("""
        def main(exp):
            exp.ACC = 1
            (exp.run.dir / "results.yaml").mkdir()
    """)
    project.study(ONE)
    done = project.run()
    assert done.status == 0
    assert project.log()[0]["ACC"] == 1
    told = status(runs(project)[0])
    assert told["status"] == "done"
    assert "results.yaml cannot be written" in told["error"]
    assert "results.yaml cannot be written" in done.stderr


def test_a_run_whose_time_is_up_says_so_whatever_its_module_makes_of_it(
    project: Project, executor: list[str]
) -> None:
    project.module("""
        def main(exp):
            try:
                time.sleep(60)
            except BaseException:
                raise ValueError("mine")
    """)
    project.study("Global: {grace: 2s}\nTimeout: 1s\n" + ONE.lstrip())
    assert project.run(*executor).status == 1
    told = status(runs(project)[0])
    assert (told["status"], told["failure"]) == ("failed", "timeout")
    assert told["error"].startswith("Timeout: it ran for longer than 1 s")


def test_the_run_of_an_experiment_stays_its_own_within_another(project: Project, executor: list[str]) -> None:
    project.module("""
        from coolrunner import ExParser, current_run

        def main(exp):
            own = exp.run.dir
            parser = ExParser(root=str(Path("exman").absolute()))
            parser.add_argument("--rate", type=float, default=1.0)
            parser.parse_args([])
            exp.INNER = current_run().dir.parent.parent.name
            exp.SAME = exp.run.dir == own
    """)
    project.study(ONE)
    done = project.run(*executor)
    assert done.status == 0, done.stdout + done.stderr
    (record,) = project.log()
    assert (record["INNER"], record["SAME"]) == ("exman", True)


def test_output_that_goes_to_one_place_keeps_its_order(project: Project) -> None:
    import subprocess

    project.module("""
        def main(exp):
            for i in range(200):
                os.write(1 + i % 2, f"line {i:03}\\n".encode())
    """)
    project.study(ONE)
    done = subprocess.run(
        project.command("-q"),
        cwd=project.path,
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("line")]
    assert lines == [f"line {i:03}" for i in range(200)]
    assert (runs(project)[0] / "log.txt").read_text().splitlines() == lines


def test_a_pool_of_the_module_is_ended_without_a_word(project: Project, executor: list[str]) -> None:
    project.module("""
        import multiprocessing

        def main(exp):
            with multiprocessing.get_context("fork").Pool(2) as pool:
                exp.ALL = pool.map(abs, [-1, 2])
    """)
    project.study(ONE)
    done = project.run(*executor)
    assert done.status == 0
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_the_disk_does_not_take_is_shown_and_told_of(project: Project) -> None:
    project.module("""
        def main(exp):
            (exp.run.dir / "log.txt").symlink_to("/dev/full")
            print("to be seen")
            exp.ACC = 1
    """)
    project.study(ONE)
    done = project.run()
    assert done.status == 0
    assert "to be seen" in done.stdout
    assert "not all that it wrote is in" in done.stderr
