"""``coolrunner queue``: the real command, on queues that runners work on and on queues at rest."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.checkouts import ROOT
from tests.studies import Finished, Project, Started, Terminal, until

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")

MODULE = """
Path("imported").touch()

def main(exp):
    Path(f"started-{exp.Name}").touch()
    while exp.gate and not Path(f"go-{exp.Name}").exists():
        time.sleep(0.01)
    if exp.Name.startswith("bad"):
        raise ValueError("the loss is nan")
    exp.ACC = exp.lr
"""
STUDY = """
Global: {queue: queue.yaml, breaker: false, grace: 1s}
Module: modules.module
gate: false
lr: 0.1
---
Name: first
gate: true
---
# a person's comment
Name: second
lr: 0.2
---
Name: third
lr: 0.3
---
Name: fourth
After: bad
---
Name: bad
"""


def queue(project: Project, *arguments: str, stdin: str = "", **variables: str) -> Finished:
    """Run ``coolrunner queue`` in the project's directory."""
    done = subprocess.run(
        [project.python, "-m", "coolrunner", "queue", *arguments],
        cwd=project.path,
        env=project.environment(PYTHONPATH=str(ROOT), **variables),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def ask(project: Project, *arguments: str) -> Any:
    """Run ``coolrunner queue`` and return what it says to other programs."""
    done = queue(project, *arguments, "--json")
    assert done.status == 0, done.stderr
    return json.loads(done.stdout)


def do(project: Project, *arguments: str, stdin: str = "", **variables: str) -> str:
    """Run ``coolrunner queue``, which must succeed; return what it prints."""
    done = queue(project, *arguments, stdin=stdin, **variables)
    assert done.status == 0, done.stderr
    return done.stdout


def refused(project: Project, *arguments: str, **variables: str) -> str:
    """Run ``coolrunner queue``, which must end with status 2; return its complaint."""
    done = queue(project, *arguments, **variables)
    assert (done.status, done.stdout) == (2, ""), done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


def standings(project: Project) -> dict[str, str]:
    """Return how it stands with each experiment, by its Name, in the order of the list."""
    listed = ask(project, "ls", "--all")
    return {row["name"]: row["standing"] for row in listed["experiments"]}


def order(project: Project) -> list[str]:
    """Return the names of those that wait, in order."""
    listed = ask(project, "ls", "--status", "waiting,held,blocked")
    return [row["name"] for row in listed["experiments"]]


def live(project: Project, study: str = STUDY, *arguments: str) -> Started:
    """Start a study whose first experiment runs until it is let go."""
    project.module(MODULE)
    project.study(study)
    started = project.start(*arguments)
    until(lambda: (project.path / "started-first").exists(), "the first experiment")
    return started


def go(project: Project, name: str = "first") -> None:
    """Let an experiment end."""
    (project.path / f"go-{name}").touch()


def at_rest(project: Project, study: str = STUDY) -> None:
    """Leave a queue as a runner leaves it that was interrupted in its first experiment."""
    started = live(project, study)
    started.process.send_signal(signal.SIGTERM)
    started.finish()
    do(project, "retry", "--interrupted")


def names(project: Project) -> list[str]:
    """Return what is done, in order."""
    return [record["Name"] for record in project.log()]


# --- looking ---------------------------------------------------------------------------------------


def test_a_queue_is_shown_while_a_runner_works_on_it(project: Project) -> None:
    study = live(project)
    lines = do(project, "ls", "queue.yaml").splitlines()
    assert lines[0].split() == ["standing", "ID", "Name", "lr", "gate"]
    assert [line.split()[0:3:2] for line in lines[2:7]] == [
        ["running", "first"],
        ["waiting", "second"],
        ["waiting", "third"],
        ["waiting", "fourth"],
        ["waiting", "bad"],
    ]
    assert lines[5].endswith("needs bad (waiting)")
    assert lines[-1] == "1 running, 4 waiting"
    status = do(project, "status")
    assert f":{study.process.pid}  alive  1 of 1" in status
    assert "running   " in status
    go(project)
    assert study.finish().status == 1
    assert list(standings(project).values()) == ["blocked", "done", "done", "done", "failed"]
    assert do(project, "ls").splitlines()[-1] == "1 blocked, 1 failed, 3 done"


def test_the_table_has_at_most_so_many_rows_and_the_data_has_all(project: Project) -> None:
    project.module(MODULE)
    project.study(STUDY.replace("Name: second", "Name: second\nRepeat: 60"))
    started = project.start()
    until(lambda: (project.path / "started-first").exists(), "the first experiment")
    lines = do(project, "ls").splitlines()
    assert "50 of 64 are shown (--limit 0 shows all): 1 running, 63 waiting" in lines[-1]
    assert len(lines) == 2 + 50 + 2
    assert len(do(project, "ls", "--limit", "3").splitlines()) == 2 + 3 + 2
    assert len(do(project, "ls", "--limit", "0").splitlines()) == 2 + 64 + 2
    assert len(ask(project, "ls")["experiments"]) == 64
    assert ask(project, "ls", "--limit", "5")["left_out"] == 59
    assert [row["name"] for row in ask(project, "ls", "--status", "running")["experiments"]] == ["first"]
    started.process.kill()


def test_explain_says_in_plain_words_why_an_experiment_is_not_running(project: Project) -> None:
    study = live(project)
    assert "it has been running for" in do(project, "explain", "first")
    text = do(project, "explain", "queue.yaml", "third", "fourth")
    assert "third (" in text
    assert "1 experiment is taken before it: second (" in text
    assert "it needs bad (" in text
    assert "which waits, with 2 before it" in text
    kinds = [reason["kind"] for reason in ask(project, "explain", "second")["experiments"][0]["reasons"]]
    assert kinds == ["next"]
    go(project)
    study.finish()
    text = do(project, "explain", "fourth", "bad", "first")
    assert "which failed: ValueError: the loss is nan" in text
    identity = ask(project, "show", "bad")["experiments"][0]["id"]
    assert f"coolrunner queue retry queue.yaml {identity}" in text
    assert "no runner works on this queue" in text
    assert "coolrunner run --queue queue.yaml" in text
    assert "more is in log.failed.yaml" in text
    assert "its result is in log.yaml" in text


def test_show_prints_the_document_and_what_became_of_it(project: Project) -> None:
    study = live(project)
    go(project)
    study.finish()
    text = do(project, "show", "bad")
    assert "# bad (" in text
    assert "put into the queue" in text
    assert f"started by {os.uname().nodename}:{study.process.pid}" in text
    assert "ValueError: the loss is nan (exception)" in text
    assert text.splitlines()[-1].startswith("ID: ")
    (row,) = ask(project, "show", "second")["experiments"]
    assert (row["standing"], row["attempts"], row.get("error")) == ("done", 1, None)
    assert "lr: 0.2" in row["text"]
    assert [entry["what"].split()[0] for entry in row["history"]] == ["put", "started", "runs", "done"]


def test_what_a_runner_has_is_shown_with_what_is_in_use(project: Project) -> None:
    cpus = len(os.sched_getaffinity(0))
    study = live(project, STUDY.replace("gate: true", "gate: true\nResources: {cpus: 1, memory: 100M}"))
    (runner,) = ask(project, "status")["runners"]
    assert (runner["lends"]["jobs"], runner["lends"]["cpus"]) == (1, cpus)
    assert runner["used"] == {"jobs": 1, "cpus": 1, "memory": 100 * 2**20}
    status = do(project, "status")
    assert f"1 of {cpus}  100M of " in status
    assert "1 of 1" in status
    do(project, "add", "Name=huge", f"Resources={{cpus: {cpus + 1}}}")
    do(project, "add", "Name=fits", f"Resources={{cpus: {cpus}}}")
    told = " ".join(do(project, "explain", "huge").split())
    count = f"{cpus} CPU{'' if cpus == 1 else 's'}"
    assert f"it asks for {cpus + 1} CPUs, and no runner at work has that ({os.uname().nodename}:" in told
    assert f" has {count}): start one where there is more" in told
    assert ask(project, "explain", "huge")["experiments"][0]["reasons"][-1]["kind"] == "too_large"
    assert f"it asks for {count}: it starts on a runner that has this free" in do(project, "explain", "fits")
    go(project)
    study.finish()
    assert "fits" in names(project)


def test_gpus_are_known_once_an_experiment_has_asked_for_one(project: Project) -> None:
    study = live(project, STUDY, "--wait")
    assert "gpus" not in ask(project, "status")["runners"][0]["lends"]
    do(project, "add", "Name=drawing", "Resources={gpus: 64}")
    assert "it asks for 64 GPUs: it starts on a runner" in do(project, "explain", "drawing")
    go(project)
    runner = until(lambda: ask(project, "status")["runners"][0]["lends"].get("gpus") is not None, "the GPUs")
    assert runner
    told = " ".join(do(project, "explain", "drawing").split())
    assert "it asks for 64 GPUs, and no runner at work has that" in told
    study.process.send_signal(signal.SIGTERM)
    study.finish()


def test_what_went_down_with_its_runner_is_shown_as_lost_and_comes_back(project: Project) -> None:
    study = live(project)
    for pid in project.processes():
        os.kill(pid, signal.SIGKILL)
    study.process.wait()
    assert standings(project)["first"] == "lost"
    status = do(project, "status")
    assert "went down with the runner" in status
    assert "coolrunner run --queue queue.yaml" in status
    assert "its runner" in do(project, "explain", "first")
    go(project)
    project.run("--exp", "study.yaml", "--resume")
    assert names(project) == ["first", "second", "third"]


def test_a_mistake_in_the_file_is_shown_with_its_place(project: Project) -> None:
    study = live(project)
    file = project.path / "queue.yaml"
    text = file.read_text()
    file.write_text(text.replace("lr: 0.3", "lr: 0.3: 1"))
    line = text[: text.index("lr: 0.3")].count("\n") + 1
    status = until(lambda: f"queue.yaml:{line}" in (text := do(project, "status")) and text, "the mistake")
    assert "lr: 0.3: 1" in status
    assert "until queue.yaml is mended, only what it holds unchanged is started" in status
    assert ask(project, "status")["problems"]
    assert "the file has a mistake" in do(project, "explain", "third")
    file.write_text(text)
    until(lambda: not ask(project, "status")["problems"], "that it is in order")
    go(project)
    study.finish()
    assert names(project) == ["first", "second", "third"]


def test_a_mistake_in_the_file_is_told_once_by_every_command(project: Project) -> None:
    at_rest(project)
    file = project.path / "queue.yaml"
    text = file.read_text()
    file.write_text(text.replace("lr: 0.3", "lr: 0.3: 1").replace("lr: 0.2", "lr: 0.25"))
    calls = "ls;status;explain second third;hold fourth;release fourth;prio 1 fourth;prio 0 fourth"
    calls += ";move fourth --top;rm fourth;add Name=new;edit;pause;resume;cancel second;free second;retry bad"
    for call in calls.split(";"):
        done = queue(project, *call.split(), EDITOR="true")
        assert (done.stdout + done.stderr).count("lr: 0.3: 1") == 1, call


def test_what_was_saved_with_no_runner_is_shown_as_it_will_be(project: Project) -> None:
    at_rest(project)
    file = project.path / "queue.yaml"
    text = file.read_text()
    journal = (project.path / "queue.yaml.journal" / "journal.jsonl").read_bytes()
    file.write_text(text.removesuffix("...\n") + "---\nName: short\nlr: 9\n...\n")
    done = queue(project, "ls")
    assert done.stdout.splitlines()[7].split()[:3] == ["waiting", "(new)", "short"]
    assert "no runner has taken that up yet: 1 added" in done.stderr
    assert ask(project, "ls")["experiments"][-1]["id"] is None
    assert "no runner has taken that up yet" in do(project, "explain", "short")
    assert (project.path / "queue.yaml.journal" / "journal.jsonl").read_bytes() == journal
    assert file.read_text().endswith("Name: short\nlr: 9\n...\n")


def test_a_runner_that_rewrites_the_file_is_not_taken_for_a_person_who_saved_it(project: Project) -> None:
    project.module("def main(exp):\n    time.sleep(0.005)\n")
    project.study("Global: {queue: queue.yaml}\nModule: modules.module\n---\nName: short\nRepeat: 200\n")
    study = project.start()
    until(lambda: (project.path / "queue.yaml").exists(), "the queue")
    while study.process.poll() is None:
        status = ask(project, "status")
        assert (status["not_taken_up"], status["problems"]) == ("", [])
    study.finish()
    assert standings(project) == {"short": "done"}


def test_a_name_that_the_output_cannot_show_does_not_end_the_command(project: Project) -> None:
    at_rest(project, STUDY.replace("second", "zweites_ä"))
    for verb in (["ls"], ["show", "zweites_ä"], ["explain", "zweites_ä"], ["hold", "zweites_ä"]):
        assert "zweites_" in do(project, *verb, PYTHONIOENCODING="ascii")
    assert "zweites_ä" in standings(project)


# --- what is wrong with a call ---------------------------------------------------------------------


def test_a_call_that_is_wrong_says_what_would_be_right(project: Project) -> None:
    assert "which queue? there is none in this directory" in refused(project, "ls")
    at_rest(project)
    assert "no verb 'lss'; did you mean ls?" in refused(project, "lss")
    assert "the verb comes first: coolrunner queue ls queue.yaml" in refused(project, "queue.yaml", "ls")
    assert "there is no queue quee.yaml; did you mean queue.yaml?" in refused(project, "ls", "quee.yaml")
    told = refused(project, "status", "study.yaml")
    assert "study.yaml is a definition; it is run with coolrunner run --exp study.yaml" in told
    assert "its queue is queue.yaml" in told
    assert "no verb 'sl'; did you mean ls?" in refused(project, "sl")
    assert "no verb 'remove'; did you mean rm?" in refused(project, "remove")
    assert "is called 'secnd'; did you mean second?" in refused(project, "explain", "secnd")
    assert "which experiment? coolrunner queue show queue.yaml ID" in refused(project, "show")
    assert "no experiment stands 'runing'; did you mean running?" in refused(
        project, "ls", "--status", "runing"
    )
    (project.path / "other.yaml.journal").mkdir()
    (project.path / "other.yaml.journal" / "journal.jsonl").write_text('{"t":"journal","version":1}\n')
    assert "there are other.yaml, queue.yaml" in refused(project, "ls")
    assert "first" in do(project, "ls", "--queue", "queue.yaml")
    assert "nothing is in this queue" in do(project, "ls", "other.yaml.journal")


def test_a_file_of_another_kind_is_told_with_what_it_is_for(project: Project) -> None:
    project.module(MODULE.replace("while exp.gate", "while False"))
    project.study(STUDY)
    assert project.run("-q").status == 1
    for arguments in (["--queue", "log.yaml"], ["--exp", "log.yaml"]):
        done = project.run(*arguments)
        assert done.status == 2
        assert "log.yaml is a log of results; to try again what failed: " in done.stderr
        assert done.stderr.endswith("run.py --queue log.failed.yaml\n")
    assert "log.failed.yaml is a log of failures; " in refused(project, "ls", "log.failed.yaml")
    (project.path / "log.failed.yaml").unlink()
    assert refused(project, "ls", "log.yaml").endswith("coolrunner run --exp study.yaml --resume\n")
    done = project.run("--exp", "queue.yaml")
    assert done.status == 2
    assert "queue.yaml is a queue; to go on with it: " in done.stderr
    assert done.stderr.endswith("run.py --queue queue.yaml\n")
    project.write("memory.yaml", "Module: modules.module\n---\nName: a\n")
    assert "its queue is in memory (--queue-file FILE" in refused(project, "ls", "memory.yaml")
    project.write("wrong.yaml", "Module: modules.nowhere\n---\nName: a\n")
    assert "the Module 'modules.nowhere' cannot be found" in project.run("--exp", "wrong.yaml").stderr


def test_help_names_every_verb_and_each_verb_has_help(project: Project) -> None:
    verbs = "ls show status explain add edit rm move hold release prio retry cancel free pause resume"
    bare = do(project)
    for verb in verbs.split():
        assert f"  {verb} " in bare
        assert f"usage: coolrunner queue {verb}" in do(project, verb, "--help")


def test_an_experiment_is_called_by_its_id_by_its_beginning_or_by_its_name(project: Project) -> None:
    at_rest(project, STUDY + "---\nName: second\nlr: 0.4\n")
    rows = ask(project, "ls")["experiments"]
    identity = rows[2]["id"]
    for word in (identity, identity[:5], "third"):
        (found,) = ask(project, "show", word)["experiments"]
        assert found["id"] == identity
    assert len(ask(project, "show", "second")["experiments"]) == 2


def test_no_command_imports_a_module(project: Project) -> None:
    at_rest(project)
    (project.path / "imported").unlink()
    for verb in (["ls"], ["show", "second"], ["status"], ["explain", "second"], ["add", "Name=more"]):
        do(project, *verb)
    for verb in (["hold", "second"], ["release", "second"], ["prio", "3", "second"], ["rm", "second"]):
        do(project, *verb)
    assert not (project.path / "imported").exists()


def test_looking_needs_neither_what_reads_definitions_nor_what_runs_experiments(project: Project) -> None:
    at_rest(project)
    for verb in ("ls", "status"):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "coolrunner", "queue", verb],
            cwd=project.path,
            env=project.environment(PYTHONPATH=str(ROOT)),
            capture_output=True,
            text=True,
            check=True,
        )
        loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert not loaded & {"coolrunner.definition.plan", "coolrunner.execution.base", "rich", "asyncio"}
        assert "coolrunner.queue.ledger" in loaded


# --- changes by a word -----------------------------------------------------------------------------


def test_changes_hold_while_a_runner_works_on_the_queue(project: Project) -> None:
    """CR-03."""
    study = live(project)
    assert "third (" in do(project, "hold", "third")
    assert do(project, "prio", "5", "bad").endswith(": priority set\n")
    assert do(project, "move", "fourth", "--before", "second").endswith(": moved\n")
    assert do(project, "rm", "queue.yaml", "second").endswith(": removed\n")
    until(lambda: "Hold: true" in (project.path / "queue.yaml").read_text(), "the change in the file")
    assert order(project) == ["fourth", "third", "bad"]
    assert standings(project) == {
        "first": "running",
        "fourth": "waiting",
        "third": "held",
        "bad": "waiting",
        "second": "removed",
    }
    go(project)
    study.finish()
    assert names(project) == ["first"]
    assert do(project, "release", "third").endswith(": released\n")
    assert standings(project)["third"] == "waiting"
    assert ask(project, "hold", "third", "fourth")["changed"][1] == {
        "id": ask(project, "show", "fourth")["experiments"][0]["id"],
        "name": "fourth",
        "standing": "held",
    }
    assert do(project, "hold", "third").endswith(" is held already\n")


def test_a_change_leaves_comments_and_everything_else_as_they_were(project: Project) -> None:
    at_rest(project)
    file = project.path / "queue.yaml"
    text = (
        file.read_text()
        .replace("lr: 0.2", "lr: 0.2  # twice the usual")
        .replace("\n---\n", "\n---\n# mine\n")
    )
    file.write_text(text)
    do(project, "hold", "second")
    do(project, "prio", "-2.5", "second")
    do(project, "move", "third", "--top")
    changed = file.read_text()
    assert changed.count("# mine") == text.count("# mine")
    assert "lr: 0.2  # twice the usual" in changed
    do(project, "release", "second")
    do(project, "prio", "0", "second")
    do(project, "move", "third", "--after", "second")

    def documents(text: str) -> str:
        return text.partition("\n---\n")[2]

    assert documents(file.read_text()) == documents(text)


def test_a_change_takes_up_what_was_saved_before_it(project: Project) -> None:
    at_rest(project)
    file = project.path / "queue.yaml"
    file.write_text(file.read_text().replace("Name: third", "Name: renamed").replace("lr: 0.2", "lr: 0.25"))
    done = queue(project, "hold", "renamed")
    assert done.stdout.startswith("renamed (")
    assert "2 changed" in done.stderr
    assert order(project) == ["first", "second", "renamed", "fourth", "bad"]


def test_what_runs_is_cancelled_and_what_ended_is_tried_again(project: Project) -> None:
    study = live(project, STUDY, "--wait")
    assert do(project, "cancel", "first").endswith(": told to stop\n")
    until(lambda: standings(project).get("first") == "interrupted", "the end of the first experiment")
    until(lambda: standings(project).get("bad") == "failed", "the failure")
    assert standings(project)["fourth"] == "blocked"
    assert do(project, "retry", "--interrupted").endswith(": waits again\n")
    go(project)
    until(lambda: "first" in names(project), "the first experiment")
    assert do(project, "retry", "--interrupted") == "nothing was there to change\n"
    assert do(project, "retry", "--failed").startswith("bad (")
    until(lambda: ask(project, "show", "bad")["experiments"][0]["attempts"] == 2, "a second try")
    study.process.send_signal(signal.SIGTERM)
    study.finish()


def test_a_pause_holds_for_the_whole_study_until_it_goes_on(project: Project) -> None:
    study = live(project)
    assert "what runs (1) goes on to its end" in do(project, "pause", "the", "disk", "is", "full")
    go(project)
    until(lambda: standings(project)["first"] == "done", "the end of the first experiment")
    assert "paused: the disk is full" in do(project, "status")
    assert "the whole study is paused: the disk is full" in do(project, "explain", "second")
    assert ask(project, "status")["paused"] == "the disk is full"
    assert study.process.poll() is None
    assert do(project, "resume", "queue.yaml") == "queue.yaml goes on\n"
    study.finish()
    assert names(project) == ["first", "second", "third"]
    assert do(project, "resume") == "queue.yaml was not paused\n"


def claim_from_elsewhere(project: Project) -> None:
    """Let a runner on another machine have the second experiment, and be silent for long."""
    identity = ask(project, "show", "second")["experiments"][0]["id"]
    process = {"host": "elsewhere", "machine": "m", "boot": "b", "namespace": "n", "pid": 7, "start": "1"}
    records = [
        {"t": "runner", "r": "7-x", "process": process, "at": 1.0},
        {"t": "claim", "id": identity, "r": "7-x", "at": 2.0},
    ]
    with (project.path / "queue.yaml.journal" / "journal.jsonl").open("a") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


def test_a_silent_runner_is_shown_and_a_person_frees_what_it_has(project: Project) -> None:
    at_rest(project)
    claim_from_elsewhere(project)
    assert standings(project)["second"] == "stale?"
    status = do(project, "status")
    assert "elsewhere:7  stale?     1" in status
    command = [line.strip() for line in status.splitlines() if "queue free" in line]
    assert "its runner has been silent for" in do(project, "explain", "second")
    done = subprocess.run(
        [project.python, "-m", *command[0].split()],
        cwd=project.path,
        env=project.environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
    )
    assert done.stdout.endswith(": freed, waits again\n")
    assert order(project) == ["first", "second", "third", "fourth", "bad"]


def test_nothing_is_taken_from_a_runner_that_lives_unless_by_force(project: Project) -> None:
    study = live(project)
    complaint = refused(project, "free", "first")
    assert f"its runner (process {study.process.pid} on" in complaint
    assert "--force" in complaint
    assert standings(project)["first"] == "running"
    assert do(project, "free", "first", "--force").endswith(": freed, waits again\n")
    go(project)
    study.finish()
    assert names(project).count("first") == 1


def test_a_change_that_makes_no_sense_says_why_and_changes_nothing(project: Project) -> None:
    study = live(project)
    before = standings(project)
    assert "first (" in (complaint := refused(project, "rm", "first"))
    assert "cannot be removed: running; one that runs can be cancelled" in complaint
    assert "cannot be cancelled: waiting" in refused(project, "cancel", "second")
    assert "cannot be tried again: waiting" in refused(project, "retry", "second")
    assert "which experiment? coolrunner queue hold queue.yaml ID" in refused(project, "hold")
    assert do(project, "prio", "second", "-2.5") == do(project, "prio", "7", "second")
    assert ask(project, "show", "second")["experiments"][0]["priority"] == 7
    do(project, "prio", "second", "third", "0")
    assert "which priority? coolrunner queue prio queue.yaml 5 ID" in refused(project, "prio", "second")
    assert "or --failed, --interrupted" in refused(project, "retry")
    assert "one of the arguments --top --bottom --before --after" in refused(project, "move", "second")
    assert "did you mean second?" in refused(project, "hold", "secnd")
    assert "coolrunner queue release queue.yaml second" in refused(project, "resume", "second")
    assert standings(project) == before
    go(project)
    study.finish()


def test_a_name_means_all_that_have_it_and_many_are_told_in_short(project: Project) -> None:
    project.module(MODULE)
    project.study(STUDY.replace("Name: third", "Name: third\nRepeat: 30"))
    study = project.start()
    until(lambda: (project.path / "started-first").exists(), "the first experiment")
    lines = do(project, "hold", "third").splitlines()
    assert len(lines) == 11
    assert lines[-1] == "and 20 more: held"
    assert ask(project, "status")["counts"]["held"] == 30
    go(project)
    study.finish()


# --- what is added and edited ----------------------------------------------------------------------


def test_short_documents_are_completed_and_run(project: Project) -> None:
    """CR-03."""
    study = live(project)
    project.write("more.yaml", "# a comment\nName: later\nlr: solve 1 / 2\n---\n# another\nName: last\n")
    lines = do(project, "add", "queue.yaml", "more.yaml", "Name=soon", "lr=0.9", "optimizer.beta=3", "--top")
    assert [line.split()[0] for line in lines.splitlines()] == ["later", "last", "soon"]
    assert order(project)[:4] == ["later", "last", "soon", "second"]
    assert do(project, "add", "-", stdin="Name: by_hand\n").startswith("by_hand (")
    assert ask(project, "add", "Name=before", "--before", "second")["added"][0]["name"] == "before"
    assert order(project)[3:5] == ["before", "second"]
    text = ask(project, "show", "later")["experiments"][0]["text"]
    assert text.startswith("# a comment\nName: later\nlr: solve 1 / 2\n")
    assert "Module: modules.module\n" in text
    assert "RND_IDX: " in text
    go(project)
    study.finish()
    assert names(project) == ["first", "later", "last", "soon", "before", "second", "third", "by_hand"]
    (soon,) = [record for record in project.log() if record["Name"] == "soon"]
    assert (soon["lr"], soon["optimizer"]) == (0.9, {"beta": 3})


def test_what_is_wrong_with_an_added_document_is_shown_with_its_place_and_nothing_is_added(
    project: Project,
) -> None:
    at_rest(project)
    project.write("good.yaml", "Name: good\n")
    project.write("bad.yaml", "Name: x\nModule: modules.nowhere\n---\n\nName: y\nTimeout: soon\n")
    complaint = refused(project, "add", "good.yaml", "bad.yaml")
    assert "bad.yaml:2:9: the Module 'modules.nowhere' cannot be found" in complaint
    assert "bad.yaml:6:10: " in complaint
    assert "bad.yaml:2:5: not valid YAML" in refused(
        project, "add", write(project, "bad.yaml", "Name: a\n  lr: 1\n")
    )
    assert "this file does not exist" in refused(project, "add", "nowhere.yaml")
    assert "'good' is neither a file nor Key=value" in refused(project, "add", "good")
    assert "add what?" in refused(project, "add")
    assert "command line:1:1: this experiment has no Name" in refused(project, "add", "lr=1")
    assert "holds expressions" not in order(project)
    assert refused(project, "add", "Name=x", "lr=parse 1 + 1", "--no-code")
    assert order(project) == ["first", "second", "third", "fourth", "bad"]


def write(project: Project, name: str, text: str) -> str:
    """Write a file; return its name."""
    project.write(name, text)
    return name


def editor(project: Project, text: str, name: str = "editor") -> str:
    """Write a script that edits the file that it is given; return the command."""
    path = project.write(name, "import re, sys\nfrom pathlib import Path\n\n")
    body = f"file = Path(sys.argv[-1])\ntext = file.read_text()\n{text}\nfile.write_text(text)\n"
    path.write_text(path.read_text() + body)
    return shlex.join([sys.executable, str(path)])


def test_an_editor_opens_on_a_copy_and_what_it_saves_is_merged(project: Project) -> None:
    study = live(project)
    change = editor(
        project,
        "assert file.resolve().parent == Path.cwd() and file.name != 'queue.yaml'\n"
        "head, *documents, last = text.removesuffix('...\\n').split('\\n---\\n')\n"
        "documents = [documents[1].replace('lr: 0.3', 'lr: 0.7'), *documents[2:], 'Name: new']\n"
        "text = '\\n---\\n'.join([head, *documents, last]) + '...\\n'",
    )
    assert (
        do(project, "edit", "queue.yaml", EDITOR="nowhere", VISUAL=change)
        == "1 changed, 1 removed, 1 added\n"
    )
    assert order(project) == ["third", "fourth", "new", "bad"]
    assert not list(project.path.glob("*edit-*"))
    go(project)
    study.finish()
    assert [(record["Name"], record["ACC"]) for record in project.log()][1:3] == [
        ("third", 0.7),
        ("new", 0.1),
    ]


def test_a_save_from_an_editor_that_was_open_for_long_is_harmless(project: Project) -> None:
    """What was started meanwhile is not started again, and what was added meanwhile stays."""
    project.module(MODULE)
    project.study(STUDY.replace("lr: 0.3", "lr: 0.3\ngate: true"))
    study = project.start()
    until(lambda: (project.path / "started-first").exists(), "the first experiment")
    slow = editor(
        project,
        "import time\nPath('open').touch()\n"
        "while not Path('save').exists():\n    time.sleep(0.01)\n"
        "text = text.replace('lr: 0.2', 'lr: 0.22').replace('Name: bad', 'Name: bad\\nextra: 1')",
    )
    process = project.open(
        [project.python, "-m", "coolrunner", "queue", "edit", "--json"],
        env=project.environment(PYTHONPATH=str(ROOT), EDITOR=slow),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: (project.path / "open").exists(), "the editor")
    do(project, "add", "Name=meanwhile")
    go(project)
    until(lambda: (project.path / "started-third").exists(), "the third experiment")
    (project.path / "save").touch()
    stdout, stderr = process.communicate(timeout=60)
    assert json.loads(stdout)["changed"] == 1
    assert json.loads(stdout)["refused"] == 1
    assert "second (" in stderr
    assert "does not count" in stderr
    assert order(project) == ["fourth", "bad", "meanwhile"]
    assert "lr: 0.22" in (project.path / "queue.yaml").read_text()
    go(project, "third")
    study.finish()
    assert names(project) == ["first", "second", "third", "meanwhile"]


def test_one_experiment_is_edited_by_itself(project: Project) -> None:
    at_rest(project)
    change = editor(project, "assert text.count('Name:') == 1\ntext = text.replace('lr: 0.2', 'lr: 0.25')")
    before = (project.path / "queue.yaml").read_text()
    assert do(project, "edit", "second", EDITOR=change) == "1 changed\n"
    after = (project.path / "queue.yaml").read_text()
    assert before.replace("lr: 0.2\n", "lr: 0.25\n").split("\n---\n")[1:] == after.split("\n---\n")[1:]
    empty = editor(project, "text = text.splitlines()[0]")
    assert do(project, "edit", "queue.yaml", "second", EDITOR=empty) == "1 removed\n"
    same = editor(project, "pass")
    assert "nothing was changed" in queue(project, "edit", "third", EDITOR=same).stderr
    assert "second (" in (complaint := refused(project, "edit", "second", EDITOR=same))
    assert "is removed: only what waits can be edited" in complaint
    assert not list(project.path.glob("*edit-*"))


def test_a_broken_text_is_shown_and_kept_where_nobody_can_be_asked(project: Project) -> None:
    at_rest(project)
    broken = editor(project, "text = text.replace('lr: 0.3', 'lr: 0.3: 1')")
    for words in ([], ["third"]):
        complaint = refused(project, "edit", *words, EDITOR=broken)
        (kept,) = project.path.glob("*edit-*")
        line = kept.read_text().splitlines().index("lr: 0.3: 1") + 1
        assert f"{kept.name}:{line}:" in complaint
        assert f"your text is kept in {kept.name}" in complaint
        kept.unlink()
    assert "lr: 0.3: 1" not in (project.path / "queue.yaml").read_text()
    file = project.path / "queue.yaml"
    text = file.read_text()
    file.write_text(text.replace("lr: 0.3", "lr: 0.3: 1"))
    assert "mend this in the file itself first: " in refused(project, "edit", EDITOR=broken)
    file.write_text(text)
    failing = editor(project, "text += '# mine'\nfile.write_text(text)\nsys.exit(3)")
    complaint = refused(project, "edit", EDITOR=failing)
    assert "ended with status 3, so nothing was changed; your text is kept in" in complaint
    assert "cannot be used" in refused(project, "edit", EDITOR="/nowhere/editor")


def test_a_person_whose_text_is_broken_is_offered_the_editor_again(project: Project) -> None:
    at_rest(project)
    twice = editor(
        project,
        "text = text.replace('lr: 0.3', 'lr: 0.3: 1') if '0.3: 1' not in text else "
        "text.replace('lr: 0.3: 1', 'lr: 0.35')",
    )
    command = [project.python, "-m", "coolrunner", "queue", "edit"]
    terminal = Terminal(project, ["/usr/bin/env", f"PYTHONPATH={ROOT}", f"EDITOR={twice}", *command])
    until(lambda: "> " in terminal.shown, "the question")
    assert "open the editor again" in terminal.shown
    terminal.type("e\n")
    assert terminal.finish() == 0
    assert "lr: 0.35" in (project.path / "queue.yaml").read_text()
