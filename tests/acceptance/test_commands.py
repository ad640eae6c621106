"""Experiments that are programs: real ones, in fresh processes and from the runner's own."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.studies import Project, runs, until

TRAIN = """
    import json, os, sys, time

    values = dict(zip(sys.argv[1::2], sys.argv[2::2]))
    print("training with", values, flush=True)
    with open(os.environ["COOLRUNNER_RESULT"], "w") as file:
        json.dump({"ACC": 1 - float(values["--lr"]), "lr": float(values["--lr"])}, file)
"""


def log_of_run(project: Project, name: str) -> str:
    (path,) = (project.path / "results" / "runs").glob(f"*-{name}/log.txt")
    return path.read_text()


def test_a_program_gets_its_values_and_gives_results(project: Project, executor: list[str]) -> None:
    project.write("train.py", TRAIN)
    project.study(
        "Command: train.py --lr {lr} --text {text}\n---\nName: a\nlr: 0.25\ntext: x; $(touch bad)\n"
    )
    assert project.run(*executor).status == 0
    (record,) = project.log()
    assert (record["ACC"], record["lr"], record["Command"]) == (
        0.75,
        0.25,
        "train.py --lr {lr} --text {text}",
    )
    assert "Module" not in record
    assert "training with {'--lr': '0.25', '--text': 'x; $(touch bad)'}" in log_of_run(project, "a")
    assert not (project.path / "bad").exists()


def test_a_program_in_another_language_writes_yaml(project: Project, executor: list[str]) -> None:
    project.write(
        "train", '#!/bin/sh\nprintf \'ACC: %s\\nCURVE: [1, 2]\\nnested: {a: 1e-3}\\n\' "$1" > "$2"\n'
    )
    (project.path / "train").chmod(0o755)
    project.study("Command: ./train {lr} {RESULT}\n---\nName: a\nlr: 0.25\n")
    assert project.run(*executor).status == 0
    (record,) = project.log()
    assert (record["ACC"], record["CURVE"], record["nested"]) == (0.25, [1, 2], {"a": 0.001})


def test_a_program_finds_its_run_and_all_parameters(project: Project, executor: list[str]) -> None:
    project.write(
        "look.py",
        """
        import json, os
        params = json.load(open(os.environ["COOLRUNNER_PARAMS"]))
        json.dump(
            {"PARAMS": params, "HERE": os.environ["COOLRUNNER_RUN"], "CWD": os.getcwd()},
            open(os.environ["COOLRUNNER_RESULT"], "w"),
        )
        """,
    )
    project.study("Command: look.py\n---\nName: a\nmodel: {layers: [1, 2], wide: true}\nbest: solve 1 + 1\n")
    assert project.run(*executor).status == 0
    (record,) = project.log()
    run = project.path / record["RUN"]
    given = record["PARAMS"]
    assert (given["model"], given["best"]) == ({"layers": [1, 2], "wide": True}, 2)
    assert (given["ID"], given["Name"], given["RUN"]) == (record["ID"], "a", str(run))
    assert (record["HERE"], record["CWD"]) == (str(run), str(project.path))


def test_without_run_directories_nothing_is_left_behind(project: Project, executor: list[str]) -> None:
    project.write("train.py", TRAIN)
    project.study("Global: {root: null}\nCommand: train.py --lr {lr}\n---\nName: a\nlr: 0.25\n")
    temporary = project.path / "tmp"
    temporary.mkdir()
    assert project.run(*executor, TMPDIR=str(temporary)).status == 0
    assert project.log()[0]["ACC"] == 0.75
    assert not list(temporary.glob("coolrunner-*"))


def test_a_program_may_have_a_place_a_file_and_variables_of_its_own(
    project: Project, executor: list[str]
) -> None:
    project.study(
        """
        lr: 0.25
        Command:
          run: [sh, -c, 'echo "{{\\"ACC\\": $LR}}" > mine.json; echo x > "$1"', _, "{Name}"]
          directory: "{RUN}"
          result: mine.json
          environment: {LR: "{lr}"}
        ---
        Name: a
        """
    )
    assert project.run(*executor).status == 0
    (record,) = project.log()
    assert record["ACC"] == 0.25
    assert (project.path / record["RUN"] / "a").read_text() == "x\n"


def test_a_status_that_is_not_0_is_a_failure_with_the_last_words(
    project: Project, executor: list[str]
) -> None:
    project.write(
        "fail.py",
        """
        import json, os, sys
        json.dump({"STEPS": 3}, open(os.environ["COOLRUNNER_RESULT"], "w"))
        for number in range(100):
            print("line", number, file=sys.stderr)
        sys.exit("lr must be positive")
        """,
    )
    project.study("Command: fail.py\n---\nName: a\n")
    assert project.run(*executor).status == 1
    (record,) = project.log("log.failed.yaml")
    assert record["ERROR"] == "fail.py left with status 1: lr must be positive"
    assert record["FAILURE"] == "exit"
    assert record["STEPS"] == 3
    lines = record["TRACEBACK"].splitlines()
    assert lines[-3:] == ["line 98", "line 99", "lr must be positive"]
    assert len(lines) < 30
    assert "line 0\n" in log_of_run(project, "a")


def test_a_program_that_is_killed_says_by_what(project: Project, executor: list[str]) -> None:
    project.study("Command: [sh, -c, 'kill -SEGV $$']\n---\nName: a\n")
    assert project.run(*executor).status == 1
    (record,) = project.log("log.failed.yaml")
    assert (record["ERROR"], record["FAILURE"]) == ("sh was killed by SIGSEGV", "signal")


@pytest.mark.parametrize(
    ("written", "error"),
    [
        ("[1, 2]", "results were expected"),
        ("{a: [}", "neither JSON nor YAML"),
        ('{"lr": 7}', "'lr' is an input of this experiment"),
    ],
)
def test_what_are_no_results_fails_the_experiment(project: Project, written: str, error: str) -> None:
    project.write("out", written)
    project.study("Command: [cp, out, '{RESULT}']\n---\nName: a\nlr: 1\n")
    assert project.run().status == 1
    (record,) = project.log("log.failed.yaml")
    assert error in record["ERROR"]


def test_a_named_file_that_was_not_written_fails_the_experiment(project: Project) -> None:
    project.study("Command: {run: 'true', result: '{RUN}/x.json'}\n---\nName: a\n")
    assert project.run().status == 1
    assert "has not written its results" in project.log("log.failed.yaml")[0]["ERROR"]


def test_a_named_file_that_is_left_from_before_is_not_taken_for_results(project: Project) -> None:
    project.write("mine.json", '{"ACC": 1}')
    project.study("Command: {run: 'true', result: mine.json}\n---\nName: a\n")
    assert project.run().status == 1
    assert "has not written its results" in project.log("log.failed.yaml")[0]["ERROR"]


def test_a_program_whose_time_is_up_is_ended_with_all_that_it_started(
    project: Project, executor: list[str]
) -> None:
    project.write("long.sh", "sleep 300 & echo $! > child; echo $$ > self; wait\n")
    project.study("Global: {grace: 0.5}\nTimeout: 3\nCommand: sh long.sh\n---\nName: a\n")
    assert project.run(*executor).status == 1
    (record,) = project.log("log.failed.yaml")
    assert record["ERROR"] == "Timeout: it ran for longer than 3 s"
    for name in ("self", "child"):
        pid = int((project.path / name).read_text())
        until(lambda pid=pid: not runs(pid), f"the end of {name}")
    project.check_nothing_runs()


STOPPED = """
    import os, signal, sys, time

    def stop(*_):
        with open(os.environ["COOLRUNNER_RESULT"], "w") as file:
            file.write("STEPS: 5")
        sys.exit(int(sys.argv[1]))

    signal.signal(signal.SIGINT, stop)
    open("ready", "w").write("yes")
    time.sleep(300)
"""


@pytest.mark.parametrize("status", [0, 1])
def test_an_interrupt_reaches_the_program(project: Project, executor: list[str], status: int) -> None:
    """One that leaves with 0 has finished, as a Module that returns."""
    project.write("long.py", STOPPED)
    project.study(f"Command: long.py {status}\n---\nName: a\n")
    started = project.start(*executor)
    project.wait_for("ready")
    started.interrupt()
    started.finish()
    records = project.log()
    assert [record["STEPS"] for record in records] == ([5] if status == 0 else [])
    assert not project.log("log.failed.yaml")
    project.check_nothing_runs()


def test_a_program_ends_with_a_runner_that_is_killed(project: Project, executor: list[str]) -> None:
    project.write("long.py", STOPPED)
    project.study("Command: long.py 0\n---\nName: a\n")
    started = project.start(*executor)
    project.wait_for("ready")
    os.kill(started.process.pid, signal.SIGKILL)
    started.finish()
    project.check_nothing_runs()


def test_programs_run_side_by_side_and_each_has_its_slot(project: Project) -> None:
    project.write(
        "slot.py",
        """
        import json, os, time
        time.sleep(0.2)
        json.dump({"CPUS": sorted(os.sched_getaffinity(0))}, open(os.environ["COOLRUNNER_RESULT"], "w"))
        """,
    )
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("this machine has one CPU")
    project.study("Command: slot.py\nResources: {cpus: 1}\nRepeat: 4\n---\nName: a\n")
    assert project.run("--jobs", "2").status == 0
    assert all(len(record["CPUS"]) == 1 for record in project.log())


def test_a_program_in_python_logs_to_its_run(project: Project, executor: list[str]) -> None:
    project.write(
        "log.py", "import coolrunner\nfor i in range(3):\n    coolrunner.logger.log_scalar('loss', i)\n"
    )
    root = Path(__file__).resolve().parents[2]
    project.study("Command: log.py\n---\nName: a\n")
    assert project.run(*executor, PYTHONPATH=str(root)).status == 0
    run = project.path / project.log()[0]["RUN"]
    assert len((run / "metrics.csv").read_text().splitlines()) == 4


def test_a_failed_program_is_tried_again_from_the_log_of_failures(project: Project) -> None:
    project.write("once.sh", "test -e there && echo 'OK: 1' > $COOLRUNNER_RESULT\n")
    project.study("Command: sh once.sh\n---\nName: a\n")
    assert project.run().status == 1
    (project.path / "there").write_text("")
    assert project.run("--queue", "log.failed.yaml").status == 0
    assert json.dumps(project.log()[0]["OK"]) == "1"
