"""Studies on queue files: begun, gone on with, shared, killed, and what waits for what."""

from __future__ import annotations

import os
import shutil
import signal
import sys

import pytest

from tests.checkouts import ROOT
from tests.live_queues import STUDY, Live
from tests.studies import Project, Started, Terminal, runs, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="queue files need POSIX locks")

QUEUE = "Global: {queue: queue.yaml}\n"


@pytest.fixture
def live(project: Project) -> Live:
    return Live(project)


def attach(project: Project, *arguments: str, queue: str = "queue.yaml") -> Started:
    """Start another runner on a queue, without its definition."""
    command = [project.python, str(ROOT / "run.py"), "--json", "--queue", queue, *arguments]
    return Started(project, command, project.environment())


def draws(project: Project) -> dict[str, int]:
    """Return the numbers drawn for what the log holds."""
    return {record["Name"]: record["RND_IDX"] for record in project.log()}


def left_from_before(live: Live) -> None:
    """Leave a queue of three that wait, one done and one that was killed with its runner."""
    live.project.study(STUDY.replace("Name: b\n", "Name: b\ngate: never\n"))
    study = live.start()
    live.open_gate()
    study.wait_for("experiment_started", name="b")
    live.wait_for("c d")
    study.process.kill()
    study.process.wait()
    live.project.check_nothing_runs()
    live.open_gate("never")


# --- a queue left from before ----------------------------------------------------------------------


def test_a_queue_left_from_before_is_not_overwritten(live: Live) -> None:
    """CR-03: without a terminal it is an error that says what is in it, and names what can be done."""
    left_from_before(live)
    before = live.text
    done = live.project.run()
    assert done.status == 2
    assert "the queue queue.yaml is left from before" in done.stderr
    assert "2 waiting" in done.stderr
    for option in ("--resume", "--append", "--fresh"):
        assert f"{option} (" in done.stderr
    assert "--queue queue.yaml" in done.stderr
    assert live.text == before
    assert live.ran() == "first a"


@pytest.mark.parametrize(("answer", "ran"), [("r", "b c d"), ("a", "b c d first a b c d"), ("q", "")])
def test_in_a_terminal_it_is_asked_what_to_do(live: Live, answer: str, ran: str) -> None:
    """CR-03."""
    left_from_before(live)
    (live.project.path / "log.yaml").rename(live.project.path / "old.yaml")
    terminal = Terminal(live.project, live.project.command())
    until(lambda: "> " in terminal.shown, "the question")
    assert "the queue queue.yaml is left from before" in terminal.shown
    terminal.type("what\n")
    until(lambda: "one of resume, append, fresh, quit was expected" in terminal.shown, "an objection")
    terminal.type(f"{answer}\n")
    status = terminal.finish()
    assert status == (0 if ran else 2), terminal.shown
    assert sorted(live.ran().split()) == sorted(ran.split())


def test_a_queue_without_its_journal_is_gone_on_with_as_it_stands(live: Live) -> None:
    """CR-03: nobody knows any more what ran, so nothing but the file counts."""
    left_from_before(live)
    shutil.rmtree(live.path.with_name("queue.yaml.journal"))
    done = attach(live.project).finish()
    assert done.status == 0, done.stderr
    assert live.ran() == "first a c d"


def test_append_puts_the_experiments_behind_those_that_wait(live: Live) -> None:
    """CR-03: with numbers and IDs of their own."""
    left_from_before(live)
    assert live.project.run("--append", "--quiet").status == 0
    assert live.ran() == "first a b c d first a b c d"
    records = live.project.log()
    assert len({record["ID"] for record in records}) == 10
    assert len({record["RND_IDX"] for record in records}) == 10


def test_fresh_begins_anew_and_keeps_the_old_queue(live: Live) -> None:
    """CR-03."""
    left_from_before(live)
    before = live.text
    done = live.project.run("--fresh", "--quiet")
    assert done.status == 0, done.stderr
    assert live.ran() == "first a first a b c d"
    (kept,) = live.project.path.glob("queue.yaml.2*[0-9]")
    assert f"the old queue is kept: {kept.name}" in done.stderr
    assert kept.read_text() == before
    again = attach(live.project, queue=kept.name).finish()
    assert again.status == 0
    assert live.ran() == "first a first a b c d b c d"


def test_a_queue_that_was_worked_off_is_begun_anew_without_a_word(live: Live) -> None:
    """CR-03: as a log is appended to; the journal of before is kept aside."""
    live.open_gate()
    assert live.project.run("--quiet").status == 0
    done = live.project.run("--quiet")
    assert (done.status, done.stderr) == (0, "")
    assert live.ran() == "first a b c d first a b c d"
    assert live.path.with_name("queue.yaml.before").exists()


def test_another_file_is_never_taken_for_a_queue(live: Live) -> None:
    """CR-03."""
    live.path.write_text("my: notes\n")
    done = live.project.run()
    assert done.status == 2
    assert "queue.yaml is there already and is no queue" in done.stderr
    assert live.text == "my: notes\n"


def test_a_queue_in_use_is_not_begun_anew(live: Live) -> None:
    """CR-03."""
    study = live.start()
    done = live.project.run("--fresh")
    assert done.status == 2
    assert "a runner works on queue.yaml" in done.stderr
    live.open_gate()
    assert study.finish().status == 0


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--queue", "nowhere.yaml"], "the queue nowhere.yaml does not exist"),
        (["--queue", "study.yaml"], "study.yaml is a definition; it is run with "),
        (["--queue", "modules/module.py"], "--queue: modules/module.py is no queue"),
        (["--queue-file", "study.yaml"], "study.yaml is the definition itself"),
        (["--queue", "queue.yaml", "--queue-file", "queue.yaml"], "not allowed with argument"),
        (["--resume", "--append"], "not allowed with argument"),
        (["--drain", "--wait"], "not allowed with argument"),
        (["--why"], "--why explains what --resume leaves out; add --resume"),
        (["+Global.queue=", "--fresh"], "--fresh is about a queue file; name one with --queue-file FILE"),
        (["+Global.queue=", "--wait"], "--wait stays for what is added to a queue file"),
        (["--jobs", "0"], "a whole number from 1, or auto, was expected, not '0'"),
        (["--jobs", "many"], "a whole number from 1, or auto, was expected, not 'many'"),
    ],
)
def test_a_wrong_call_ends_with_status_2_and_makes_no_queue(
    live: Live, arguments: list[str], error: str
) -> None:
    """CR-07."""
    done = live.project.run(*arguments)
    assert done.status == 2
    assert error in done.stderr
    assert "Traceback" not in done.stderr
    assert not live.path.exists()


# --- going on --------------------------------------------------------------------------------------


def test_resume_after_a_kill_runs_what_is_missing(live: Live) -> None:
    """CR-03: what was lost with its runner stands where it stood."""
    left_from_before(live)
    before = {document["Name"]: document["RND_IDX"] for document in live.documents}
    done = live.project.json("--resume")
    assert done.status == 0, done.stderr
    assert any("b (" in message and "was lost with its runner" in message for message in done.notices)
    assert live.ran() == "first a b c d"
    assert before.items() <= draws(live.project).items()


def test_resume_of_a_finished_study_runs_nothing(live: Live) -> None:
    """CR-03."""
    live.open_gate()
    assert live.project.run("--quiet").status == 0
    done = live.project.run("--resume", "--quiet")
    assert done.status == 0
    assert "5 experiments are not run again (--why says what each equals)" in done.stderr
    assert live.ran() == "first a b c d"


def test_why_says_what_each_equals(live: Live) -> None:
    """CR-03: and how it stands with that."""
    left_from_before(live)
    live.replace("Name: c\n", "Name: c\nHold: true\n")
    done = live.project.run("--resume", "--why", "--quiet")
    ids = {record["Name"]: record["ID"] for record in live.project.log()}
    assert f"first: equals {ids['first']}, done, in log.yaml\n" in done.stderr
    assert f"a: equals {ids['a']}, done, in log.yaml\n" in done.stderr
    assert f"c: equals {live.named('c')['ID']}, held\n" in done.stderr


GROWN = """
Module: modules.module
seed: parse RND_IDX % 1000
---
Name: first
---
Name: a
wild: "parse [RND_IDX, E[-1].RND_IDX]"
Repeat: 2
---
Name: b
n: parse E['a'].seed
"""


@pytest.mark.parametrize("head", [QUEUE, ""])
def test_resume_of_a_study_that_has_grown_runs_what_is_new(project: Project, head: str) -> None:
    """CR-03: the numbers drawn before are used again, also where expressions have used them."""
    live = Live(project, head + GROWN)
    assert project.run("--quiet").status == 0
    before = project.log()
    project.study(head + GROWN + "---\nName: c\nn: \"parse E[-1].n + E['first'].seed\"\n")
    done = project.run("--resume", "--quiet")
    assert done.status == 0, done.stderr
    assert "4 experiments are not run again" in done.stderr
    assert live.ran() == "first a a b c"
    assert project.log()[:4] == before
    numbers = draws(project)
    assert live.record("c")["n"] == numbers["a"] % 1000 + numbers["first"] % 1000


def test_resume_runs_what_was_put_between_and_leaves_out_what_is_gone(live: Live) -> None:
    """CR-03: places in the list are not what experiments are known by."""
    live.open_gate()
    assert live.project.run("--quiet").status == 0
    between = STUDY.replace("---\nName: b\n", "---\nName: between\n---\nName: b\n")
    live.project.study(between.replace("---\nName: c\nn: 3\n", ""))
    assert live.project.run("--resume", "--quiet").status == 0
    assert live.ran() == "first a b c d between"


def test_resume_counts_repeats(live: Live) -> None:
    """CR-03: five where there were three are two more."""
    study = "Global: {queue: queue.yaml}\nModule: modules.module\n---\nName: a\nRepeat: 3\n"
    live.project.study(study)
    assert live.project.run("--quiet").status == 0
    live.project.study(study.replace("3", "5"))
    assert live.project.run("--resume", "--quiet").status == 0
    assert sorted(record["REP"] for record in live.project.log()) == [0, 1, 2, 3, 4]
    assert len({record["RND_IDX"] for record in live.project.log()}) == 1


def test_resume_takes_a_changed_value_for_a_new_experiment(live: Live) -> None:
    """CR-03: but not a changed way to run it."""
    live.open_gate()
    assert live.project.run("--quiet").status == 0
    live.project.study(
        STUDY.replace("n: 1\n", "n: 10\n").replace("n: 2\n", "n: 2\nTimeout: 1h\nPriority: 3\nRetries: 1\n")
    )
    assert live.project.run("--resume", "--quiet").status == 0
    assert live.ran() == "first a b c d a"


def test_resume_keeps_what_a_person_did_to_the_queue(live: Live) -> None:
    """CR-03: a deletion is not undone, an edit is not run twice."""
    left_from_before(live)
    text = live.text.replace("'n': 3", "'n': 30")
    live.save(text[: text.rindex("---\n")] + "---\nName: mine\n...\n")
    done = live.project.run("--resume", "--why", "--quiet")
    assert done.status == 0, done.stderr
    assert "deleted from the queue" in done.stderr
    assert live.ran() == "first a b c mine"
    assert live.record("c")["OUT"] == 60
    assert live.project.run("--resume", "--quiet").status == 0
    assert live.ran() == "first a b c mine"


def test_resume_without_a_queue_file_goes_by_the_logs(project: Project) -> None:
    """CR-03: what failed is tried again."""
    study = STUDY.replace(QUEUE, "").replace("Name: b\n", "Name: b\nfails: repaired\n")
    live = Live(project, study)
    live.open_gate()
    assert project.run("--quiet").status == 1
    assert live.ran() == "first a c d"
    live.open_gate("repaired")
    done = project.run("--resume", "--why", "--quiet")
    assert done.status == 0
    assert f"a: equals {live.record('a')['ID']}, done, in log.yaml" in done.stderr
    assert live.ran() == "first a c d b"
    assert project.run("--resume", "--quiet").status == 0
    assert live.ran() == "first a c d b"


def test_resume_without_anything_from_before_runs_it_all(live: Live) -> None:
    """CR-03: so it may stand in a script."""
    live.open_gate()
    assert live.project.run("--resume", "--quiet").status == 0
    assert live.ran() == "first a b c d"


def test_resume_with_pick_runs_what_is_missing_of_the_picked(live: Live) -> None:
    """CR-03, CR-07."""
    live.open_gate()
    assert live.project.run("--pick", "0,1", "--quiet").status == 0
    assert live.project.run("--pick", "1,3", "--resume", "--quiet").status == 0
    assert live.ran() == "first a c"
    assert live.project.run("--resume", "--quiet").status == 0
    assert sorted(live.ran().split()) == ["a", "b", "c", "d", "first"]


def test_what_a_resumed_experiment_asks_of_the_past_is_the_result_of_before(project: Project) -> None:
    """CR-03: its needs are those that ran in the earlier run."""
    study = QUEUE + "Module: modules.module\n---\nName: pretrain\nn: 21\n"
    live = Live(project, study)
    assert project.run("--quiet").status == 0
    project.study(study + "---\nName: tune\nn: solve E['pretrain'].OUT\n---\nName: late\nAfter: pretrain\n")
    done = project.run("--resume", "--quiet")
    assert done.status == 0, done.stderr
    assert live.ran() == "pretrain tune late"
    assert live.record("tune")["SOLVED"] == {"n": 42}


# --- several runners -------------------------------------------------------------------------------


def test_two_runners_share_a_queue(live: Live) -> None:
    """CR-03: each experiment runs once; both know the defaults."""
    gates = "".join(f"---\nName: e{n}\ngate: go\n" for n in range(6))
    live.project.study("Global: {queue: queue.yaml}\nModule: modules.module\nsize: 1\n" + gates)
    one = live.project.start()
    one.wait_for("experiment_started", name="e0")
    two = attach(live.project)
    two.wait_for("experiment_started", name="e1")
    live.wait_for("e2 e3 e4 e5")
    live.replace("...\n", "---\nName: new\n...\n")
    live.wait_for("e2 e3 e4 e5 new")
    live.open_gate()
    done = [one.finish(), two.finish()]
    assert [end.status for end in done] == [0, 0]
    assert sorted(live.ran().split()) == ["e0", "e1", "e2", "e3", "e4", "e5", "new"]
    assert {record["STUDY"] for record in live.project.log()} == {"study.yaml"}
    assert live.record("new")["size"] == 1
    counts = [end.named("study_finished")[0]["done"] for end in done]
    assert sum(counts) == 7
    assert all(counts)


def test_a_runner_takes_over_from_one_that_dies(live: Live) -> None:
    """CR-03: what was lost runs where it stood, before those behind it."""
    live.project.study(STUDY.replace("Name: a\n", "Name: a\ngate: second\n"))
    study = live.start()
    other = attach(live.project)
    other.wait_for("experiment_started", name="a")
    study.process.kill()
    study.process.wait()
    other.wait_for("notice", level="warning")
    live.open_gate()
    live.open_gate("second")
    done = other.finish()
    assert done.status == 0
    assert any("first (" in text and "was lost with its runner" in text for text in done.notices)
    assert live.ran() == "a first b c d"


def test_a_runner_does_not_end_before_it_has_looked_after_the_others(live: Live) -> None:
    """CR-03: one dies in the very moment that the last experiment of the other ends."""
    live.project.study(STUDY.replace("Name: d\n", "Name: d\ngate: second\n"))
    study = live.start()
    other = attach(live.project)
    other.wait_for("experiment_started", name="d")
    study.process.kill()
    until(lambda: not runs(study.process.pid), "it is dead")  # on a busy machine that takes a while
    live.open_gate("second")
    study.process.wait()
    live.open_gate()
    assert other.finish().status == 0
    assert live.ran() == "a b c d first"


def test_drain_waits_for_what_another_runner_s_death_would_leave(project: Project) -> None:
    """CR-03: a runner with nothing to take stays while others run what its own experiments need."""
    study = "Module: modules.module\n---\nName: first\ngate: go\n---\nName: next\nAfter: first\n"
    live = Live(project, QUEUE + study)
    one = live.start(names="next")
    two = attach(project)
    two.wait_for("study_started")
    live.open_gate()
    assert [one.finish().status, two.finish().status] == [0, 0]
    assert live.ran() == "first next"


def test_a_runner_that_waits_picks_up_what_is_added(live: Live) -> None:
    """CR-03: until it is told to end."""
    live.open_gate()
    study = live.project.start("--wait")
    study.wait_for("experiment_finished", name="d")
    live.wait_until(lambda text: "# nothing waits" in text)
    with live.path.open("a") as file:
        file.write("---\nName: new\nn: 5\n")
    study.wait_for("experiment_finished", name="new")
    other = live.project.run("--append", "--quiet")
    assert other.status == 0, other.stderr
    study.process.terminate()
    assert study.finish().status == 130
    assert live.ran().startswith("first a b c d new")
    assert len(live.ran().split()) == 11


def test_a_log_of_failures_is_tried_again_as_a_queue(project: Project) -> None:
    """CR-03: it is moved aside first, so that nothing is tried twice."""
    study = "Module: modules.module\nn: 4\n---\nName: good\n---\nName: bad\nfails: repaired\nx: [1, {y: 2}]\n"
    live = Live(project, study, name="log.failed.queue.yaml")
    assert project.run("--quiet").status == 1
    (failure,) = project.log("log.failed.yaml")
    live.open_gate("repaired")
    command = [project.python, str(ROOT / "run.py"), "--quiet", "--queue", "log.failed.yaml"]
    process = project.open(command, env=project.environment())
    assert process.wait(60) == 0
    assert live.ran() == "good bad"
    record = live.record("bad")
    kept = ("Name", "fails", "x", "Module", "n", "REP", "RND_IDX", "ID")
    assert {key: record[key] for key in kept} == {key: failure[key] for key in kept}
    assert not {"ERROR", "TRACEBACK", "FAILURE"} & record.keys()
    assert not (project.path / "log.failed.yaml").exists()
    assert (project.path / "log.retried-1.failed.yaml").exists()


# --- told to write what is left --------------------------------------------------------------------

IN_MEMORY = STUDY.replace(QUEUE, "")


def test_sigterm_writes_what_is_left_to_a_file(project: Project) -> None:
    """CR-03: with a queue in memory nothing is lost either; what was stopped waits for a person."""
    live = Live(project, IN_MEMORY, name="study.rest.yaml")
    study = live.start(names=None)
    study.process.terminate()
    done = study.finish()
    assert done.status == 130
    assert "what is left is kept in study.rest.yaml" in done.notices
    assert live.names == "a b c d"
    assert live.standing("first") == "interrupted"
    again = attach(project, queue="study.rest.yaml").finish()
    assert again.status == 0
    assert live.ran() == "a b c d"
    live.open_gate()
    last = attach(project, "--resume", queue="study.rest.yaml").finish()
    assert last.status == 0
    assert live.ran() == "a b c d first"


def test_sigusr1_writes_what_is_left_and_the_study_goes_on(project: Project) -> None:
    """CR-03."""
    live = Live(project, IN_MEMORY, name="study.rest.yaml")
    study = live.start(names=None)
    study.process.send_signal(signal.SIGUSR1)
    study.wait_for("notice", message="what is left is kept in study.rest.yaml")
    assert live.names == "a b c d"
    live.open_gate()
    assert study.finish().status == 0
    assert live.ran() == "first a b c d"


def test_a_queue_in_memory_that_was_written_to_a_file_may_be_shared(project: Project) -> None:
    """CR-03: from then on it is the file that both take from, so that nothing runs twice."""
    live = Live(project, IN_MEMORY, name="study.rest.yaml")
    study = live.start(names=None)
    study.process.send_signal(signal.SIGUSR1)
    study.wait_for("notice", message="what is left is kept in study.rest.yaml")
    other = attach(project, queue="study.rest.yaml")
    other.wait_for("experiment_finished", name="d")
    live.open_gate()
    assert (study.finish().status, other.finish().status) == (0, 0)
    assert sorted(live.ran().split()) == ["a", "b", "c", "d", "first"]


def test_what_another_queue_has_run_is_not_run_again(project: Project) -> None:
    """CR-03: a log of failures was tried again by itself, then the queue that they came from."""
    live = Live(project, failing("bad", "good"))
    assert project.json().status == 1
    live.open_gate("repaired")
    assert attach(project, queue="log.failed.yaml").finish().status == 0
    assert attach(project, "--resume").finish().status == 0
    identities = [record["ID"] for record in project.log()]
    assert len(identities) == len(set(identities)) == 2


def test_w_in_the_pause_after_ctrl_c_writes_what_is_left_and_ends(project: Project) -> None:
    """CR-03, CR-04: in a real terminal."""
    live = Live(project, IN_MEMORY, name="study.rest.yaml")
    terminal = Terminal(project, project.command())
    project.wait_for("began-first")
    terminal.type("\x03")
    until(lambda: "next experiment in" in terminal.shown, "the pause")
    terminal.type("w\n")
    assert terminal.finish() == 130, terminal.shown
    assert "what is left is kept in study.rest.yaml" in terminal.shown
    assert live.names == "a b c d"
    assert not project.log()


# --- stopping --------------------------------------------------------------------------------------


def test_what_a_person_stopped_waits_for_a_person(live: Live) -> None:
    """CR-04: it is not started again by itself, but with --resume."""
    study = live.start()
    study.interrupt()
    assert study.finish().status == 1
    assert live.ran() == "a b c d"
    assert live.standing("first") == "interrupted"
    assert attach(live.project).finish().status == 0
    assert live.ran() == "a b c d"
    live.open_gate()
    assert live.project.run("--resume", "--quiet").status == 0
    assert live.ran() == "a b c d first"


def test_sigterm_leaves_the_queue_as_it_is(live: Live) -> None:
    """CR-04: another runner goes on with it."""
    study = live.start()
    study.process.terminate()
    assert study.finish().status == 130
    assert live.names == "a b c d"
    assert attach(live.project).finish().status == 0
    assert live.ran() == "a b c d"


# --- several at once -------------------------------------------------------------------------------


def test_jobs_run_at_once(project: Project) -> None:
    """CR-03: the gate opens when both are inside."""
    study = "Module: modules.module\ngate: go\n" + "".join(f"---\nName: e{n}\n" for n in range(5))
    live = Live(project, QUEUE + study)
    started = project.start("--jobs", "2")
    project.wait_for("began-e0")
    project.wait_for("began-e1")
    live.wait_for("e2 e3 e4")
    assert not (project.path / "began-e2").exists()
    live.open_gate()
    assert started.finish().status == 0
    assert sorted(live.ran().split()) == ["e0", "e1", "e2", "e3", "e4"]


def test_the_first_interrupt_stops_all_that_run(project: Project) -> None:
    """CR-04: then a pause, then the next ones."""
    study = "Module: modules.module\n" + "".join(
        f"---\nName: e{n}\n{'gate: never' if n < 2 else ''}\n" for n in range(4)
    )
    live = Live(project, QUEUE + study)
    started = project.start("--jobs", "2")
    project.wait_for("began-e0")
    project.wait_for("began-e1")
    started.interrupt()
    done = started.finish()
    assert done.status == 1
    assert sorted(event["name"] for event in done.named("experiment_interrupted")) == ["e0", "e1"]
    assert len(done.named("pausing")) == 1
    assert sorted(live.ran().split()) == ["e2", "e3"]
    project.check_nothing_runs()


def test_a_second_interrupt_ends_all_that_run(project: Project) -> None:
    """CR-04: nothing is orphaned."""
    study = "Module: modules.module\ngate: never\n" + "".join(f"---\nName: e{n}\n" for n in range(4))
    live = Live(project, QUEUE + study)
    started = project.start("--jobs", "2")
    project.wait_for("began-e0")
    project.wait_for("began-e1")
    started.interrupt()
    started.wait_for("pausing")
    started.interrupt()
    assert started.finish().status == 130
    assert live.names == "e2 e3"
    project.check_nothing_runs()


def test_a_killed_runner_with_several_leaves_nothing_running_and_loses_nothing(project: Project) -> None:
    """CR-04: and --resume runs each of them once."""
    study = "Module: modules.module\ngate: go\n" + "".join(f"---\nName: e{n}\n" for n in range(4))
    live = Live(project, QUEUE + study)
    started = project.start("--jobs", "2")
    project.wait_for("began-e0")
    project.wait_for("began-e1")
    started.process.kill()
    started.process.wait()
    project.check_nothing_runs()
    live.open_gate()
    assert project.run("--resume", "--quiet", "--jobs", "2").status == 0
    assert sorted(live.ran().split()) == ["e0", "e1", "e2", "e3"]


# --- failures --------------------------------------------------------------------------------------


def failing(*names: str, keys: str = "", head: str = QUEUE) -> str:
    documents = "".join(f"---\nName: {name}\nfails: repaired\n{keys}" for name in names)
    return f"{head}Module: modules.module\n{documents}"


def test_what_fails_is_tried_again_as_often_as_retries_says(project: Project) -> None:
    """CR-03: after a second, then it counts as failed, once."""
    live = Live(project, failing("bad", keys="Retries: 1\n") + "---\nName: good\n")
    done = project.json()
    assert done.status == 1
    assert [event["name"] for event in done.named("experiment_started")] == ["bad", "good", "bad"]
    assert any(
        "bad failed (ValueError: bad does not work); try 2 of 2 in 1 s" in text for text in done.notices
    )
    (failure,) = project.log("log.failed.yaml")
    assert (failure["ERROR"], failure["FAILURE"]) == ("ValueError: bad does not work", "exception")
    assert live.ran() == "good"
    assert len(done.named("experiment_failed")) == 1


def test_a_retry_that_succeeds_is_no_failure(project: Project) -> None:
    """CR-03."""
    live = Live(project, failing("bad", keys="Retries: 2\n"))
    study = project.start()
    study.wait_for("notice", level="warning")
    live.open_gate("repaired")
    assert study.finish().status == 0
    assert live.ran() == "bad"
    assert not (project.path / "log.failed.yaml").exists()


def test_the_kinds_of_failures_are_told_apart(project: Project) -> None:
    """CR-03: in the log of failures, under FAILURE."""
    project.module(
        """
        def main(exp):
            if exp.Name == "exception":
                raise ValueError("no")
            if exp.Name == "memory":
                raise MemoryError
            if exp.Name == "signal":
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)
        """
    )
    names = ["exception", "memory", "signal", "timeout"]
    documents = "".join(f"---\nName: {name}\nTimeout: {1 if name == 'timeout' else 60}\n" for name in names)
    project.study(f"{QUEUE}Module: modules.module\n{documents}")
    assert project.run("--quiet").status == 1
    kinds = {record["Name"]: record["FAILURE"] for record in project.log("log.failed.yaml")}
    assert kinds == {"exception": "exception", "memory": "memory", "signal": "signal", "timeout": "timeout"}


def test_a_failure_is_tried_again_with_resume(live: Live) -> None:
    """CR-03."""
    live.project.study(failing("bad") + "---\nName: good\n")
    assert live.project.run("--quiet").status == 1
    live.open_gate("repaired")
    done = live.project.run("--resume", "--quiet")
    assert done.status == 0, done.stderr
    assert live.ran() == "good bad"


NAMES = [f"bad{n}" for n in range(8)]


def test_a_study_whose_first_experiments_all_fail_ends_without_a_terminal(project: Project) -> None:
    """CR-03: five are enough; the queue is kept, and the rest not burnt."""
    live = Live(project, failing(*NAMES))
    done = project.json()
    assert done.status == 1
    assert len(done.named("experiment_failed")) == 5
    assert any("the first experiments have all failed at once; the study ends" in m for m in done.notices)
    assert live.names == "bad5 bad6 bad7"
    live.open_gate("repaired")
    assert project.run("--resume", "--quiet").status == 0
    assert sorted(live.ran().split()) == NAMES


def test_the_circuit_breaker_can_be_turned_off(project: Project) -> None:
    """CR-03."""
    Live(project, failing(*NAMES, head="Global: {breaker: false}\n"))
    done = project.json()
    assert done.status == 1
    assert len(done.named("experiment_failed")) == 8


def test_one_that_succeeds_among_the_first_closes_the_circuit_breaker(project: Project) -> None:
    """CR-03."""
    Live(project, failing(*NAMES[:4]) + "---\nName: good\n" + failing(*NAMES[4:]).partition("module\n")[2])
    assert len(project.json().named("experiment_failed")) == 8


def test_in_a_terminal_the_study_pauses_and_enter_goes_on(project: Project) -> None:
    """CR-03."""
    live = Live(project, failing(*NAMES))
    terminal = Terminal(project, project.command())
    until(lambda: "the first experiments have all failed at once" in terminal.shown, "the pause")
    live.wait_for("bad5 bad6 bad7")
    live.open_gate("repaired")
    terminal.type("\n")
    assert terminal.finish() == 1
    assert live.ran() == "bad5 bad6 bad7"


def test_in_a_terminal_ctrl_c_ends_a_study_that_pauses(project: Project) -> None:
    """CR-03: and the next runner is not paused."""
    live = Live(project, failing(*NAMES))
    terminal = Terminal(project, project.command())
    until(lambda: "the first experiments have all failed at once" in terminal.shown, "the pause")
    live.wait_for("bad5 bad6 bad7")
    terminal.type("\x03")
    terminal.type("\x03")
    assert terminal.finish() == 130
    assert live.names == "bad5 bad6 bad7"
    live.open_gate("repaired")
    assert attach(project).finish().status == 0
    assert live.ran() == "bad5 bad6 bad7"


def test_max_failures_ends_the_study_and_keeps_the_queue(project: Project) -> None:
    """CR-03."""
    live = Live(project, failing(*NAMES[:4]))
    done = project.json("--max-failures", "2")
    assert done.status == 1
    assert "the study ends after 2 failures" in done.notices
    assert live.names == "bad2 bad3"


# --- order and dependence --------------------------------------------------------------------------

CHAIN = """
Module: modules.module
---
Name: late
n: solve E['pretrain'].OUT + 1
---
Name: last
After: [late, other]
---
Name: pretrain
n: 20
fails: repaired
---
Name: other
"""


def test_after_makes_an_experiment_wait(project: Project) -> None:
    """CR-03: wherever it stands."""
    live = Live(project, QUEUE + CHAIN.replace("n: solve E['pretrain'].OUT + 1", "After: pretrain"))
    live.open_gate("repaired")
    assert project.run("--quiet").status == 0
    assert live.ran() == "pretrain other late last" or live.ran() == "pretrain late other last"


def test_what_needs_a_failed_one_is_blocked_until_that_has_succeeded(project: Project) -> None:
    """CR-03: it says so at the end, and --resume runs both; what was solved is logged."""
    chain = """
    Module: modules.module
    ---
    Name: pretrain
    n: 20
    fails: repaired
    ---
    Name: tune
    n: solve E['pretrain'].OUT + 1
    ---
    Name: last
    After: [tune, other]
    ---
    Name: other
    """
    live = Live(project, QUEUE + "".join(f"{line.strip()}\n" for line in chain.strip().splitlines()))
    done = project.run()
    assert done.status == 1
    assert live.ran() == "other"
    assert live.names == "tune last"
    assert (live.standing("tune"), live.standing("last")) == ("blocked", "blocked")
    live.open_gate("repaired")
    again = project.run("--resume", "--quiet")
    assert again.status == 0, again.stderr
    assert live.ran() == "other pretrain tune last"
    assert live.record("tune")["SOLVED"] == {"n": 41}


def test_a_cycle_and_an_unknown_name_are_errors_with_their_places(project: Project) -> None:
    """CR-03: before anything runs."""
    cycle = "Module: modules.module\n---\nName: one\nAfter: two\n---\nName: two\nAfter: one\n"
    live = Live(project, QUEUE + cycle)
    done = project.run()
    assert done.status == 2
    assert "study.yaml:5:" in done.stderr or "study.yaml:8:" in done.stderr, done.stderr
    assert "one" in done.stderr
    assert "^" in done.stderr
    project.study(QUEUE + cycle.replace("After: two", "After: tow"))
    done = project.run()
    assert done.status == 2
    assert "study.yaml:5:8" in done.stderr, done.stderr
    assert "two" in done.stderr
    assert not live.path.exists()


def test_a_cycle_that_a_person_writes_is_a_mistake_in_the_queue(live: Live) -> None:
    """CR-03: with its place; the rest goes on."""
    live.project.study(STUDY.replace("Name: d\n", "Name: d\nAfter: c\n"))
    study = live.start()
    whole = live.text
    live.replace("Name: c\n", "Name: c\nAfter: d\n")
    told = study.wait_for("notice", level="error")["message"]
    assert "it would wait for itself: c → d → c" in told
    live.save(whole)
    live.open_gate()
    assert study.finish().status == 0
    assert live.ran() == "first a b c d"


def test_a_person_may_make_an_experiment_wait_for_others(live: Live) -> None:
    """CR-03: After in the queue."""
    study = live.start()
    live.replace("Name: a\n", "Name: a\nAfter: [c, d]\n")
    live.open_gate()
    assert study.finish().status == 0
    assert live.ran() == "first b c d a"


# --- resources -------------------------------------------------------------------------------------


BIG = "Module: modules.module\n---\nName: big\nResources: {cpus: 100000}\n---\nName: small\n"


def test_what_can_never_fit_is_an_error_at_once(project: Project) -> None:
    """CR-03: no wait for ever."""
    live = Live(project, QUEUE + BIG)
    done = project.run()
    assert done.status == 2
    assert "study.yaml:5:12: big asks for 100000 CPUs" in done.stderr
    assert not project.log()
    assert live.text == ""


def test_what_a_person_adds_and_can_never_fit_is_left_for_another_machine(live: Live) -> None:
    """CR-03: it is said, and the rest runs."""
    study = live.start()
    live.replace("Name: a\n", "Name: a\nResources: {cpus: 100000}\n")
    live.open_gate()
    done = study.finish()
    assert done.status == 1
    assert live.ran() == "first b c d"
    assert live.names == "a"
    assert any("asks for 100000 CPUs" in message for message in done.notices), done.notices


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="processes are not bound to CPUs here")
def test_an_experiment_may_ask_what_it_was_given(project: Project) -> None:
    """CR-03: exp.slot; it is no part of the record."""
    project.module(
        "def main(exp):\n    exp.CPUS = list(exp.slot.cpus)\n    exp.REAL = sorted(os.sched_getaffinity(0))\n"
    )
    project.study("Module: modules.module\n---\nName: one\nResources: {cpus: 1}\n")
    assert project.run("--quiet").status == 0
    (record,) = project.log()
    assert len(record["CPUS"]) == 1
    assert record["REAL"] == record["CPUS"]
    assert "slot" not in record
