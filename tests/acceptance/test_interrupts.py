"""Ctrl-C, SIGTERM and SIGHUP: the real command, its processes, and a real terminal (CR-04)."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.studies import Finished, Project, Started, Terminal, until

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")

#: What experiments do: wait until they are stopped, each in its own way, or return at once.
MODULE = """
def main(exp):
    exp.BEFORE = 1
    if exp.get("child"):
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            time.sleep(600)
            os._exit(0)
    Path(f"pid-{exp.Name}").write_text(f"{os.getpid()}\\n")
    if exp.Name == "quick":
        return
    if exp.how == "stubborn":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    end = time.monotonic() + 300
    Path(f"waits-{exp.Name}").write_text("yes\\n")
    while time.monotonic() < end:
        try:
            time.sleep(0.1)
        except KeyboardInterrupt:
            if exp.how == "returns":
                exp.STOPPED_EARLY = True
                return
            if exp.how == "raises":
                raise ValueError("because of the interrupt")
            raise
"""

STUDY = """
Global: {grace: GRACE}
Module: modules.module
how: HOW
---
Name: first
---
Name: quick
---
Name: third
how: returns
---
Name: quick
"""


def prepare(project: Project, how: str = "plain", grace: str = "30s", **keys: object) -> None:
    project.module(MODULE)
    more = "".join(f"{key}: {value}\n" for key, value in keys.items())
    project.study(STUDY.replace("HOW", how + "\n" + more).replace("GRACE", grace))


def wait_until_inside(project: Project, study: Started, name: str) -> None:
    study.wait_for("experiment_started", name=name)
    project.wait_for(f"waits-{name}")


def ends(done: Finished) -> list[tuple[str, str]]:
    """Return how each experiment ended, in order."""
    found = done.named("experiment_finished", "experiment_failed", "experiment_interrupted")
    return [(event["name"], event["event"].removeprefix("experiment_")) for event in found]


# --- once ------------------------------------------------------------------------------------------


def test_one_interrupt_stops_what_runs_and_the_next_one_starts_after_a_pause(
    project: Project, executor: list[str]
) -> None:
    """CR-04: KeyboardInterrupt in the Module, 2 s for a second one, then the next; status 1."""
    prepare(project)
    study = project.start(*executor)
    wait_until_inside(project, study, "first")
    study.interrupt()
    assert study.wait_for("pausing")["seconds"] == 2.0
    wait_until_inside(project, study, "third")
    study.interrupt()
    done = study.finish()
    assert ends(done) == [
        ("first", "interrupted"),
        ("quick", "finished"),
        ("third", "finished"),
        ("quick", "finished"),
    ]
    assert done.status == 1
    end = done.named("study_finished")[0]
    assert (end["done"], end["interrupted"], end["failed"], end["left"]) == (3, 1, 0, 0)
    assert end["unfinished"] == [0]
    assert [record["Name"] for record in project.log()] == ["quick", "third", "quick"]
    assert not (project.path / "log.failed.yaml").exists()
    project.check_nothing_runs()


def test_a_module_that_returns_within_the_grace_counts_as_finished(
    project: Project, executor: list[str]
) -> None:
    """CR-04: with what it has written before and after; yet the study was not as defined (status 1)."""
    prepare(project, "returns")
    study = project.start("--pick", "0", *executor)
    wait_until_inside(project, study, "first")
    study.interrupt()
    done = study.finish()
    assert ends(done) == [("first", "finished")]
    record = project.log()[0]
    assert (record["BEFORE"], record["STOPPED_EARLY"]) == (1, True)
    assert done.status == 1


def test_what_a_module_raises_when_it_is_interrupted_is_no_failure(
    project: Project, executor: list[str]
) -> None:
    """CR-04: an interrupted one waits for a person; it is not among those that failed by themselves."""
    prepare(project, "raises")
    study = project.start("--pick", "0", *executor)
    wait_until_inside(project, study, "first")
    study.interrupt()
    done = study.finish()
    assert ends(done) == [("first", "interrupted")]
    assert done.status == 1
    assert not (project.path / "log.failed.yaml").exists()


def test_a_module_that_ignores_the_interrupt_is_killed_after_the_grace(project: Project) -> None:
    """CR-04: and so are its children."""
    prepare(project, "stubborn", grace="1s", child=True)
    study = project.start("--pick", "0,1")
    wait_until_inside(project, study, "first")
    study.interrupt()
    assert study.wait_for("stopping")["grace"] == 1.0
    done = study.finish()
    assert ends(done) == [("first", "interrupted"), ("quick", "finished")]
    assert done.status == 1
    project.check_nothing_runs()


def test_after_the_last_experiment_there_is_no_pause(project: Project) -> None:
    """CR-04."""
    prepare(project)
    study = project.start("--pick", "0")
    wait_until_inside(project, study, "first")
    study.interrupt()
    done = study.finish()
    assert not done.named("pausing")
    assert done.status == 1


def test_an_interrupt_while_nothing_can_be_heard_of_it_is_not_lost(project: Project) -> None:
    """CR-04: it comes in the very moment that experiments start and end, over and over."""
    project.module("def main(exp):\n    pass\n")
    project.study("Module: modules.module\n---\nName: quick\nRepeat: 20000\n")
    for _ in range(3):
        study = project.start()
        study.wait_for("experiment_finished")
        study.interrupt()
        study.wait_for("pausing")
        study.interrupt()
        done = study.finish()
        assert done.status == 130
        announced = {event["id"] for event in done.named("experiment_finished")}
        assert announced <= {record["ID"] for record in project.log()}
    project.check_nothing_runs()


# --- twice -----------------------------------------------------------------------------------------


def test_a_second_interrupt_in_the_pause_ends_the_study(project: Project, executor: list[str]) -> None:
    """CR-04: 130, and nothing is left running."""
    prepare(project)
    study = project.start(*executor)
    wait_until_inside(project, study, "first")
    study.interrupt()
    study.wait_for("pausing")
    study.interrupt()
    done = study.finish()
    assert done.status == 130
    assert ends(done) == [("first", "interrupted")]
    end = done.named("study_finished")[0]
    assert (end["status"], end["left"], end["unfinished"]) == (130, 3, [0, 1, 2, 3])
    project.check_nothing_runs()


def test_a_second_interrupt_during_the_grace_kills_what_runs_and_ends_the_study(project: Project) -> None:
    """CR-04: nobody has to wait for a grace of minutes."""
    prepare(project, "stubborn", grace="10m", child=True)
    study = project.start()
    wait_until_inside(project, study, "first")
    study.interrupt()
    study.wait_for("stopping")
    study.interrupt()
    done = study.finish()
    assert done.status == 130
    assert ends(done) == [("first", "interrupted")]
    project.check_nothing_runs()


def test_two_interrupts_at_once_end_the_study(project: Project, executor: list[str]) -> None:
    """CR-04."""
    prepare(project)
    study = project.start("--pick", "0,1", *executor)
    wait_until_inside(project, study, "first")
    study.interrupt()
    study.interrupt()
    done = study.finish()
    # Two that come before the first is taken notice of are one to the operating system.
    assert done.status == 130 or ends(done)[1:] == [("quick", "finished")]
    project.check_nothing_runs()


def test_interrupts_that_are_far_apart_each_stop_one_experiment(project: Project) -> None:
    """CR-04: the second one belongs to the next experiment, not to the pause."""
    prepare(project)
    study = project.start("--pick", "0,2")
    for name in ("first", "third"):
        wait_until_inside(project, study, name)
        study.interrupt()
    assert study.finish().status == 1


# --- other signals ---------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_ends_the_study_and_all_of_its_processes(
    project: Project, executor: list[str], number: signal.Signals
) -> None:
    """CR-04: SIGTERM and SIGHUP are one Ctrl-C that is final; status 130."""
    prepare(project, "returns", child=True) if not executor else prepare(project, "returns")
    study = project.start(*executor)
    wait_until_inside(project, study, "first")
    study.process.send_signal(number)
    done = study.finish()
    assert done.status == 130
    assert ends(done) == [("first", "finished")]
    stopping = done.named("stopping")
    assert executor or [(event["reason"], event["final"]) for event in stopping] == [(number.name, True)]
    assert [record["Name"] for record in project.log()] == ["first"]
    project.check_nothing_runs()


def test_a_signal_to_end_in_the_pause_ends_the_study(project: Project) -> None:
    """CR-04."""
    prepare(project)
    study = project.start()
    wait_until_inside(project, study, "first")
    study.interrupt()
    study.wait_for("pausing")
    study.process.terminate()
    assert study.finish().status == 130
    project.check_nothing_runs()


def test_a_signal_to_end_kills_a_module_that_ignores_it_after_the_grace(project: Project) -> None:
    """CR-04."""
    prepare(project, "stubborn", grace="1s", child=True)
    study = project.start()
    wait_until_inside(project, study, "first")
    study.process.terminate()
    done = study.finish()
    assert done.status == 130
    assert ends(done) == [("first", "interrupted")]
    project.check_nothing_runs()


def test_a_signal_to_every_process_of_the_study_is_answered_by_the_runner_alone(project: Project) -> None:
    """CR-04: as service managers and batch systems send it; the helper waits for its runner's word."""
    prepare(project)
    study = project.start("--pick", "0")
    wait_until_inside(project, study, "first")
    experiment = int((project.path / "pid-first").read_text())
    for pid in project.processes():
        if pid != experiment:
            os.kill(pid, signal.SIGTERM)
    done = study.finish()
    assert done.status == 130
    assert ends(done) == [("first", "interrupted")]
    assert not done.notices
    project.check_nothing_runs()


def test_an_ignored_hangup_stays_ignored(project: Project, executor: list[str]) -> None:
    """CR-04: nohup does what it promises."""
    prepare(project, "returns")
    command = ["nohup", *project.command("--json", "--pick", "0", *executor)]
    study = Started(project, command, project.environment())
    wait_until_inside(project, study, "first")
    study.process.send_signal(signal.SIGHUP)
    study.process.send_signal(signal.SIGINT)
    done = study.finish()
    assert ends(done) == [("first", "finished")]
    assert done.status == 1


def test_an_experiment_can_be_interrupted_where_the_shell_ignores_interrupts(project: Project) -> None:
    """CR-04: a script's background jobs ignore SIGINT; SIGTERM still lets a Module end in good order."""
    prepare(project, "returns")
    command = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *project.command("--json", "--pick", "0")]
    study = Started(project, command, project.environment())
    wait_until_inside(project, study, "first")
    study.interrupt()
    study.process.terminate()
    done = study.finish()
    assert ends(done) == [("first", "finished")]
    assert done.status == 130
    assert done.named("stopping")[0]["reason"] == "SIGTERM"


# --- in a terminal ---------------------------------------------------------------------------------


def test_ctrl_c_in_a_terminal_stops_one_experiment_once(project: Project, executor: list[str]) -> None:
    """CR-04: the whole foreground group gets the signal, and still it is one interrupt."""
    prepare(project)
    terminal = Terminal(project, project.command("--pick", "0,1,2", *executor))
    project.wait_for("waits-first")
    terminal.type("\x03")
    project.wait_for("waits-third")
    terminal.type("\x03")
    assert terminal.finish() == 1
    assert [record["Name"] for record in project.log()] == ["quick", "third"]
    assert "Traceback" not in terminal.shown
    project.check_nothing_runs()


def test_ctrl_c_twice_in_a_terminal_ends_the_study(project: Project, executor: list[str]) -> None:
    """CR-04."""
    prepare(project)
    terminal = Terminal(project, project.command(*executor))
    project.wait_for("waits-first")
    terminal.type("\x03")
    until(lambda: "next experiment in" in terminal.shown, "the pause")
    terminal.type("\x03")
    assert terminal.finish() == 130
    assert project.log() == []
    assert "Traceback" not in terminal.shown
    project.check_nothing_runs()


def test_a_terminal_that_is_closed_ends_the_study(project: Project, executor: list[str]) -> None:
    """CR-04: SIGHUP, and nobody left to write to."""
    prepare(project, "returns")
    terminal = Terminal(project, project.command(*executor))
    project.wait_for("waits-first")
    terminal.hang_up()
    assert terminal.finish() == 130
    assert [record["Name"] for record in project.log()] == ["first"]
    project.check_nothing_runs()
