"""``coolrunner runs``, ``mark``, ``unmark`` and ``delete``: the real commands, on the runs of every door."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.layout import EXMAN, LAUNCHED
from coolrunner.runs.root import Root
from coolrunner.runs.status import RunState, RunStatus, move, this_process_facts
from tests.checkouts import ROOT
from tests.studies import Finished, Project, Terminal, until

STATUSES = "running, done, failed, interrupted, lost, unreadable"
HOSTILE = "red\x1b[31m\u202e\x07"


def coolrunner(project: Project, *words: str, cwd: str = ".", **variables: str) -> Finished:
    """Run a command in the project's directory, or in one below it."""
    done = subprocess.run(
        [project.python, "-m", "coolrunner", *words],
        cwd=project.path / cwd,
        env=project.environment(**{"PYTHONPATH": str(ROOT), **variables}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


def do(project: Project, *words: str, **variables: str) -> str:
    """Run a command, which must succeed without a word of complaint; return what it prints."""
    done = coolrunner(project, *words, **variables)
    assert (done.status, done.stderr) == (0, ""), done.stderr
    return done.stdout


def ask(project: Project, *words: str) -> Any:
    """Return what a command says to other programs."""
    return json.loads(do(project, *words, "--json"))


def refused(project: Project, *words: str, **variables: str) -> str:
    """Run a command that must end with status 2; return its complaint, which is one line."""
    done = coolrunner(project, *words, **variables)
    assert (done.status, done.stdout) == (2, ""), done.stdout
    (line,) = done.stderr.splitlines()
    return line.removeprefix("error: ")


def make(
    root: Root, params: str = "lr: 0.1\n", status: str = "done", *, log: str = "", at: int = 0, **how: Any
) -> RunDirectory:
    """Make a run that has ended, or that this process does; `at` minutes after the others."""
    ticket = root.allocate(time=datetime.now() + timedelta(minutes=at), **how)
    run = root.create(params, RunState(**this_process_facts()), ticket)
    to = RunStatus(status)
    if to is not RunStatus.RUNNING:
        facts = {"error": "ValueError: the loss is nan"} if to is RunStatus.FAILED else {}
        run.write_state(move(run.read_state(), to, elapsed=1.5, **facts))
    if log:
        run.log.write_text(log)
    return run


@pytest.fixture
def results(project: Project) -> Root:
    """The root that ``run.py`` makes, empty."""
    root = Root(project.path / "results")
    root.make()
    return root


def lines(table: str) -> list[list[str]]:
    """Return the words of each row of a table, without its head."""
    text = table.split("\n\n")[0]
    return [line.split() for line in text.splitlines()[2:]]


# --- ls ---


def test_a_list_shows_what_tells_runs_apart_and_what_came_of_them(project: Project) -> None:
    project.module("def main(exp):\n    exp.ACC = exp.lr * 2\n    exp.CURVE = [1, 2]\n")
    project.study("Module: modules.module\nopt: {name: sgd, decay: 1}\n---\nName: one\nlr: 0.1\n"
                  "---\nName: two\nlr: 0.2\nopt: {name: sgd, decay: 2}\n")  # fmt: skip
    assert project.run().status == 0
    listed = do(project, "runs", "ls").splitlines()
    assert listed[0].split() == ["id", "status", "name", "started", "time", "ACC", "lr", "opt.decay"]
    first, second = lines("\n".join(listed))
    assert (first[:3], first[-3:]) == (["1", "done", "one"], ["0.2", "0.1", "1"])
    assert (second[:3], second[-3:]) == (["2", "done", "two"], ["0.4", "0.2", "2"])
    one, two = ask(project, "runs", "ls")
    assert (one["id"], one["status"], one["name"], one["error"]) == (1, "done", "one", "")
    assert one["results"] == {"ACC": 0.2, "CURVE": [1, 2]}
    assert two["parameters"]["opt"] == {"name": "sgd", "decay": 2}
    assert Path(two["path"]).parent == project.path / "results/runs"
    assert two["elapsed"] >= 0


def test_a_list_of_a_script_has_no_columns_for_what_the_parser_adds(project: Project) -> None:
    root = Root(project.path / "exman", EXMAN)
    for config, name in (("null", "a/b"), ("one.yaml", "a/c")):
        params = f"lr: 1\nconfig_file: {config}\ngit_dirty: false\nname: {name}\ntmp: false\n"
        make(root, params, name=name)
    table = do(project, "runs", "ls")
    assert table.splitlines()[0].split() == ["id", "status", "name", "started", "time"]
    assert ask(project, "runs", "ls")[1]["parameters"]["config_file"] == "one.yaml"
    assert do(project, "runs", "ls", "--limit", "1").splitlines()[0].split()[-1] == "lr"


def test_a_list_tells_an_exception_without_its_module(project: Project, results: Root) -> None:
    for said in ("a.b.BadError: x.y: 1", "os.path is gone", "ValueError"):
        run = make(results, status="running")
        run.write_state(move(run.read_state(), RunStatus.FAILED, error=said))
    table = do(project, "runs", "ls")
    assert "  BadError: x.y: 1" in table and "  os.path is gone" in table and "  ValueError" in table
    assert ask(project, "runs", "ls")[0]["error"] == "a.b.BadError: x.y: 1"


def test_a_list_is_narrowed_by_status_mark_and_number(project: Project, results: Root) -> None:
    for status in ("done", "failed", "running", "interrupted", "done"):
        make(results, status=status, name=status)
    results.mark([1, 5], "good/really")
    assert [row[0] for row in lines(do(project, "runs", "ls"))] == ["1", "2", "3", "4", "5"]
    assert [row["id"] for row in ask(project, "runs", "ls", "--status", "failed,interrupted")] == [2, 4]
    assert [row["id"] for row in ask(project, "runs", "ls", "--mark", "good")] == [1, 5]
    assert ask(project, "runs", "ls", "--mark", "good")[0]["marks"] == ["good/really"]
    assert [row["id"] for row in ask(project, "runs", "ls", "--limit", "2")] == [4, 5]
    few = do(project, "runs", "ls", "--limit", "2")
    assert few.endswith("\n2 of 5 are shown (--limit 0 shows all)\n")
    some = do(project, "runs", "ls", "--limit", "1", "--status", "done")
    assert some.endswith("\nthe newest 1 are shown (--limit 0 shows all)\n")
    assert do(project, "runs", "ls", "--status", "lost") == "there are no such runs\n"


def test_a_run_that_was_tried_out_or_taken_out_of_the_index_is_listed_when_asked_for(
    project: Project, results: Root
) -> None:
    for tmp in (False, True, False):
        make(results, tmp=tmp)
    do(project, "delete", "3")
    assert [row["id"] for row in ask(project, "runs", "ls")] == [1]
    assert [row["id"] for row in ask(project, "runs", "ls", "--all")] == [1, 2, 3]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["ls", "--status", "faild"], "--status: no run is 'faild'; did you mean failed?"),
        (["ls", "--status", "x"], f"--status: no run is 'x'; there are {STATUSES}"),
        (["ls", "--mark", "god"], "no run in {root} has the mark 'god'; did you mean good?"),
        (["ls", "--mark", "../x"], "a mark must not have the part '..': '../x'"),
        (["ls", "--limit", "-1"], "--limit: a whole number from 0 was expected"),
        (["ls", "--root", "result"], "--root: result is no directory; did you mean results?"),
        (["ls", "--root", "empty"], "--root: empty holds no runs; here are results"),
        (["show", "7"], "there is no run 7 in results; the last one is 3"),
        (["show", "2"], "there is no run 2 in results; the nearest are 1 and 3"),
        (["show", "0"], "there is no run 0 in results; the first one is 1"),
        (["show", "resnt"], "there is no run resnt in results; did you mean resnet?"),
        (["show", "x"], "there is no run x in results; the last one is {last}"),
        (["logs", "-n", "-1"], "-n: a whole number from 0 was expected"),
        (["list"], "coolrunner runs has no verb 'list'; did you mean ls?"),
        (["ps"], "coolrunner runs has no verb 'ps'; did you mean ls?"),
        (["lgos"], "coolrunner runs has no verb 'lgos'; did you mean logs?"),
        (["1", "show"], "the verb comes first: coolrunner runs show 1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_a_mistake_is_met_with_what_was_likely_meant(
    project: Project, results: Root, words: list[str], complaint: str
) -> None:
    (project.path / "empty").mkdir()
    for _ in range(3):
        last = make(results, name="resnet" if not results.last_number() else "")
    results.mark([1], "good")
    results.delete([2], everything=True)
    assert refused(project, "runs", *words) == complaint.format(root=results.path, last=last.name)


def test_where_there_are_no_runs_that_is_said(project: Project) -> None:
    complaint = "there are no runs in this directory or below it; --root DIR names another one"
    assert refused(project, "runs", "ls") == complaint
    assert refused(project, "runs", "logs") == complaint
    assert refused(project, "mark", "good", "1") == complaint
    Root(project.path / "results").make()
    assert do(project, "runs", "ls") == "there are no runs yet\n"
    assert refused(project, "runs", "logs") == "there are no runs in results"
    assert refused(project, "runs", "show", "1") == "there is no run 1 in results: there are none at all"


def test_runs_of_several_doors_are_one_list(project: Project, results: Root) -> None:
    make(results, "lr: 1\n", name="resnet")
    make(Root(project.path / "lab/exman", EXMAN), "width: 3\nname: wide\n", name="wide", at=1)
    for number in range(2):
        launched = Root(project.path / "data/local/title/2026-11-21/seed 0", LAUNCHED)
        make(launched, f"seed: {number}\n", at=2 + number)
    table = do(project, "runs", "ls")
    assert "lab/exman" in table and "data/local/title/2026-11-21/seed 0" in table and "wide" in table
    listed = ask(project, "runs", "ls")
    assert [(Path(row["root"]).name, row["id"]) for row in listed] == [
        ("results", 1),
        ("exman", 1),
        ("seed 0", 0),
        ("seed 0", 1),
    ]
    assert ask(project, "runs", "ls", "--root", "lab")[0]["name"] == "wide"
    assert [row["id"] for row in ask(project, "runs", "ls", "--limit", "2")] == [0, 1]
    told = refused(project, "runs", "show", "1")
    roots = "'data/local/title/2026-11-21/seed 0', lab/exman and results"
    assert told == f"there is a run 1 in {roots}; --root says which is meant"
    assert refused(project, "mark", "good", "1").startswith(f"which runs? there are {roots}")
    assert ask(project, "runs", "show", "1", "--root", "lab/exman")["name"] == "wide"
    assert ask(project, "runs", "show", "wide")["parameters"] == {"width": 3, "name": "wide"}
    Root(project.path / "lab/exman", EXMAN).mark([1], "good")
    assert [row["name"] for row in ask(project, "runs", "ls", "--mark", "good")] == ["wide"]
    told = refused(project, "runs", "ls", "--mark", "godo")
    assert told == "no run has the mark 'godo'; did you mean good?"


def test_within_a_root_it_is_the_one_that_is_meant(project: Project, results: Root) -> None:
    make(Root(project.path / "exman", EXMAN), name="other")
    run = make(results, name="mine")
    for place in ("results", "results/runs", f"results/runs/{run.name}"):
        done = coolrunner(project, "runs", "ls", "--json", cwd=place)
        assert [row["name"] for row in json.loads(done.stdout)] == ["mine"]
    done = coolrunner(project, "runs", "show", ".", "--json", cwd=f"results/runs/{run.name}")
    assert json.loads(done.stdout)["id"] == 1


def test_what_cannot_be_read_is_named_and_hides_nothing_else(project: Project, results: Root) -> None:
    runs = [make(results, name=name) for name in ("status", "params", "results", "fine")]
    runs[0].status.write_text("status: dnoe\nversion: 1\n")
    runs[1].params.write_text("lr: [1\n")
    (runs[2].path / "results.yaml").write_text("- 1\n")
    listed = ask(project, "runs", "ls")
    assert [row["status"] for row in listed] == ["unreadable", "done", "done", "done"]
    assert [bool(row["error"]) for row in listed] == [True, True, True, False]
    assert [row["id"] for row in listed] == [1, 2, 3, 4]
    assert "did you mean done?" in listed[0]["error"]
    assert [row["name"] for row in ask(project, "runs", "ls", "--status", "unreadable")] == ["status"]
    assert "status.yaml:1:9" in do(project, "runs", "ls")
    done = coolrunner(project, "runs", "show", "1")
    assert done.status == 2
    assert done.stderr.startswith(f"error: {runs[0].status}:1:9: there is no status 'dnoe'")


def test_of_many_runs_no_more_is_read_than_is_shown(project: Project, results: Root) -> None:
    for number in range(20):
        run = make(results, f"lr: {number}\n")
        if number < 17:  # whoever reads these waits for ever
            for path in (run.params, run.status):
                path.unlink()
                os.mkfifo(path)
    assert [row["id"] for row in ask(project, "runs", "ls", "--limit", "3")] == [18, 19, 20]
    assert ask(project, "runs", "ls", "--limit", "2", "--status", "done")[0]["id"] == 19
    assert ask(project, "runs", "show", "19")["parameters"] == {"lr": 18}
    assert coolrunner(project, "mark", "good", "3").status == 0
    assert ask(project, "runs", "show")["id"] == 20


def test_what_names_and_values_hold_does_not_reach_the_terminal(project: Project, results: Root) -> None:
    text = yaml.safe_dump({f"key{HOSTILE}": f"value{HOSTILE}", "lr": 1})
    run = make(results, text, "failed")
    moved = run.path.with_name(f"{run.name}-{HOSTILE}")
    run.path.rename(moved)
    run = RunDirectory(moved, run.layout)
    state = run.read_state()
    run.write_state(replace(state, error=f"Error: {HOSTILE}", host=HOSTILE))
    run.traceback.write_text(f"Traceback\nError: {HOSTILE}\n")
    run.metrics.write_text(f'name,step,value,time\n"loss{HOSTILE}",0,1,0\n')
    run.files.mkdir()
    (run.files / HOSTILE).write_text("")
    make(results, "lr: 2\n")
    results.mark([1], "seen")
    for words in (
        ["runs", "ls", "--all"],
        ["runs", "show", "1"],
        ["runs", "logs", "1"],
        ["runs", "prune", "--dry"],
        ["runs", "show", "nothing" + HOSTILE],
        ["runs", "show", moved.name[:-2]],
        ["runs", "rerun", "1", "--print"],
        ["runs", "restore", "1", "restored"],
        ["mark", "good", HOSTILE],
    ):
        done = coolrunner(project, *words)
        assert "Traceback (most" not in done.stderr
        for sign in ("\x1b", "\u202e", "\x07"):
            assert sign not in done.stdout + done.stderr, words
    (told,) = [row for row in ask(project, "runs", "ls", "--all") if row["id"] == 1]
    assert told["parameters"][f"key{HOSTILE}"] == f"value{HOSTILE}"


def test_on_a_terminal_a_list_keeps_to_its_width(project: Project, results: Root) -> None:
    for number in range(2):
        values = "".join(f"parameter{i}: {'long ' * 9}{number}\n" for i in range(20))
        make(results, values, "failed" if number else "done")
    terminal = Terminal(project, [project.python, "-c", _NARROW, str(ROOT), "runs", "ls"])
    assert terminal.finish() == 0
    shown = [re.sub(r"\x1b\[\d*m", "", line) for line in terminal.shown.replace("\r", "").splitlines()]
    table = shown[: shown.index("")]
    assert len(table) == 4 and max(map(len, table)) <= 70
    assert "ValueError: the loss" in table[-1]
    assert "no room for parameter" in "\n".join(shown)


_NARROW = """
import fcntl, struct, sys, termios
fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 70, 0, 0))
sys.path.insert(0, sys.argv.pop(1))
from coolrunner.cli import main
sys.exit(main())
"""


# --- show ---


def test_one_run_is_shown_with_all_there_is_to_say(project: Project) -> None:
    project.module("""
        def main(exp):
            exp.ACC = 0.5
            exp.run.log_scalar("train/loss", 0.25)
            exp.run.log_scalar("train/loss", float("nan"))
            exp.run.file("deep/er/note.txt").write_text("x" * 100)
            print("hello")
    """)
    project.study("Module: modules.module\n---\nName: one\nlr: 0.1\nwhen: 2026-11-21\n")
    assert project.run("--own", "argument").status == 0
    do(project, "mark", "good", "1")
    shown = do(project, "runs", "show", "1")
    for expected in (
        "  status      done",
        "  marks       good",
        "  study       study.yaml",
        "--own argument",
        "  lr: 0.1",
        "  ACC: 0.5",
        "  train/loss  nan at step 1",
        "  files/deep/er/note.txt  100 bytes",
        "its output: coolrunner runs logs 1",
    ):
        assert expected in shown
    told = ask(project, "runs", "show")
    assert told["results"] == {"ACC": 0.5}
    assert told["parameters"]["when"] == "2026-11-21"
    assert told["metrics"] == {"train/loss": {"step": 1, "value": "nan"}}
    assert told["files"] == ["files/deep/er/note.txt", "log.txt", "metrics.csv", "params.yaml",
                             "results.yaml", "status.yaml"]  # fmt: skip
    assert told["provenance"]["argv"][-2:] == ["--own", "argument"]
    assert told["marks"] == ["good"]


def test_a_run_is_named_by_number_name_title_or_any_path_to_it(project: Project, results: Root) -> None:
    results.mark([make(results, name="resnet")], "good")
    make(results, name="vgg")
    name = results.runs()[0].name
    for key in (
        "1",
        "000001",
        "resnet",
        name,
        name[:20],
        f"results/runs/{name}",
        f"results/runs/{name}/",
        f"results/runs/{name}/params.yaml",
        f"./results/index/{name}.yaml",
        f"results/marked/good/{name}.yaml",
        str(results.path / "runs" / name),
    ):
        assert ask(project, "runs", "show", key)["id"] == 1, key
    told = refused(project, "runs", "show", "0000")
    assert told.startswith("there is no run 0000 in results")


MANAGER = """
from coolrunner import create_experiment

manager = create_experiment("my first experiment")
manager.add_config({"lr": 0.1})


@manager.command
def train(lr):
    print("training with", lr)
    manager.log_scalar("loss", lr)


manager.run("train")
manager.run("train", update_dict={"lr": 0.3}, run_name="fast")
print("all done")
"""


def test_runs_within_a_run_are_found_by_their_path(project: Project) -> None:
    project.write("main.py", MANAGER)
    subprocess.run(
        [project.python, "main.py"],
        cwd=project.path,
        env=project.environment(PYTHONPATH=str(ROOT)),
        check=True,
        capture_output=True,
    )
    told = ask(project, "runs", "show", "my first")
    outer = Path(told["path"])
    assert outer.name.startswith("my first experiment 2")
    assert len(told["runs"]) == 2
    (inner,) = [os.path.relpath(path, project.path) for path in told["runs"] if "/fast " in path]
    told = ask(project, "runs", "show", inner)
    assert told["parameters"] == {"lr": 0.3}
    assert told["metrics"]["loss"]["value"] == 0.3
    listed = ask(project, "runs", "ls", "--root", os.path.relpath(outer, project.path))
    assert sorted(row["parameters"]["lr"] for row in listed) == [0.1, 0.3]
    written = do(project, "runs", "logs", "my first").splitlines()
    assert {"training with 0.1", "training with 0.3", "all done"} < set(written)
    shown = do(project, "runs", "show", "my first")
    command = shown.splitlines()[-1].removeprefix("its output: coolrunner ")
    assert command.startswith("runs logs 'managed_experiments/my first experiment 2")


# --- logs ---


def test_the_output_of_a_run_is_printed_as_it_is(project: Project, results: Root) -> None:
    make(results, log="old\n")
    text = "first\n\x1b[32mgreen\x1b[0m ä\nlast without an end"
    make(results, log=text)
    assert do(project, "runs", "logs") == text
    assert do(project, "runs", "logs", "2", "-n", "2") == text.partition("\n")[2]
    assert do(project, "runs", "logs", "2", "--tail", "0") == ""
    assert do(project, "runs", "logs", "1") == "old\n"
    assert do(project, "runs", "logs", "-f", "2") == text + "\n"
    silent = make(results)
    done = coolrunner(project, "runs", "logs")
    assert (done.status, done.stdout, done.stderr) == (0, "", f"{silent.name} has written nothing\n")


def test_of_a_failure_the_traceback_is_printed_too(project: Project, results: Root) -> None:
    run = make(results, status="failed", log="begun\n")
    traceback = "Traceback (most recent call last):\n  File\nValueError: no\n"
    run.traceback.write_text(traceback)
    done = coolrunner(project, "runs", "logs")
    assert (done.status, done.stdout, done.stderr) == (0, "begun\n", traceback)
    run.log.write_text(f"begun\n{traceback}")
    assert do(project, "runs", "logs") == f"begun\n{traceback}"
    run.traceback.unlink()
    done = coolrunner(project, "runs", "logs", "-n", "1")
    assert done.stderr == f"{run.name}: failed: ValueError: the loss is nan\n"


LIVE = """
def main(exp):
    def step(name):
        Path(name).touch()
        while not Path(f"go-{name}").exists():
            time.sleep(0.01)

    print("begun", flush=True)
    for part in range(5):
        print(f"\\r{part * 25:3} %", end="", flush=True)
        if part == 2:
            step("half")
    print("\\nthe end is near", flush=True)
    step("near")
    print("the end")
    exp.ACC = 1
"""


def test_a_run_under_way_is_followed_to_its_end(project: Project) -> None:
    project.module(LIVE)
    project.study("Module: modules.module\n---\nName: one\n")
    started = project.start()
    until((project.path / "half").exists, "the Module")
    follower = project.open(
        [project.python, "-m", "coolrunner", "runs", "logs", "-f"],
        env=project.environment(PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    assert follower.stdout is not None and follower.stderr is not None
    assert follower.stdout.readline() == "begun\n"
    (project.path / "go-half").touch()
    # Of a bar no more than what it came to: other programs read lines.
    assert follower.stdout.readline() == "100 %\n"
    assert follower.stdout.readline() == "the end is near\n"
    assert follower.poll() is None
    (project.path / "go-near").touch()
    assert follower.stdout.read() == "the end\n"
    assert (follower.wait(), follower.stderr.read()) == (0, "")
    assert started.finish().status == 0
    follower.stdout.close()
    follower.stderr.close()


def test_on_a_terminal_a_bar_is_drawn_as_it_moves(project: Project) -> None:
    project.module(LIVE)
    project.study("Module: modules.module\n---\nName: one\n")
    started = project.start()
    until((project.path / "half").exists, "the Module")
    terminal = Terminal(project, [project.python, "-c", _NARROW, str(ROOT), "runs", "logs", "-f"])
    until(lambda: " 50 %" in terminal.shown, "the half of it")
    (project.path / "go-half").touch()
    until(lambda: "\r\x1b[J100 %\r\n" in terminal.shown, "all of it")
    (project.path / "go-near").touch()
    assert terminal.finish() == 0
    assert terminal.shown == "begun\r\n 50 %\r\x1b[J100 %\r\nthe end is near\r\nthe end\r\n"
    assert started.finish().status == 0


def test_a_run_that_is_put_aside_as_failed_is_followed_to_its_end(project: Project) -> None:
    project.write("main.py", """
        import time
        from pathlib import Path
        import coolrunner

        args = coolrunner.ExParser(root=coolrunner.simpleroot(__file__)).parse_args()
        with args.safe_experiment:
            print("begun", flush=True)
            Path("begun").touch()
            while not Path("go").exists():
                time.sleep(0.01)
            raise ValueError("no more")
    """)  # fmt: skip
    environment = project.environment(PYTHONPATH=str(ROOT))
    script = project.open([project.python, "main.py"], env=environment, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)  # fmt: skip
    until((project.path / "begun").exists, "the Module")
    follower = project.open(
        [project.python, "-m", "coolrunner", "runs", "logs", "-f"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert follower.stdout is not None
    assert follower.stdout.readline() == "begun\n"
    (project.path / "go").touch()
    out, err = follower.communicate(timeout=60)
    assert (follower.returncode, out) == (0, "")
    assert "ValueError: no more" in err
    assert script.wait() == 1


def test_a_follower_hears_of_a_run_that_is_lost(project: Project) -> None:
    project.module("def main(exp):\n    print('begun', flush=True)\n    time.sleep(60)\n")
    project.study("Module: modules.module\n---\nName: one\n")
    started = project.start()
    started.wait_for("output")
    follower = project.open(
        [project.python, "-m", "coolrunner", "runs", "logs", "-f", "1"],
        env=project.environment(PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert follower.stdout is not None
    assert follower.stdout.readline() == "begun\n"
    started.process.send_signal(signal.SIGKILL)
    out, err = follower.communicate(timeout=60)
    assert (follower.returncode, out) == (0, "")
    assert re.fullmatch(r"000001-.*-one: lost\n", err)


# --- prune ---


@pytest.fixture
def mixed(results: Root) -> Root:
    """Runs of all kinds: 1 done, 2 tried out, 3 and 4 failed, 5 under way, 4 with a mark."""
    for status, tmp in (("done", False), ("done", True), ("failed", False), ("failed", False)):
        make(results, status=status, tmp=tmp)
    make(results, status="running")
    results.mark([4], "kept")
    return results


def numbers(root: Root) -> list[int]:
    """Return the numbers of all runs that there are."""
    return sorted(run.number for run in root.runs(tmp=True, fails=True))


def test_nothing_is_removed_before_somebody_agrees(project: Project, mixed: Root) -> None:
    done = coolrunner(project, "runs", "prune")
    assert done.status == 2
    assert done.stderr == "error: 2 runs would be removed: --yes agrees, --dry only lists them\n"
    listed = do(project, "runs", "prune", "--dry")
    assert "2 runs would be removed" in listed
    assert [line.split("/")[1] for line in listed.splitlines()[:2]] == ["tmp", "runs"]
    assert numbers(mixed) == [1, 2, 3, 4, 5]
    for answer in ("n\n", "\n", "yes\n"):
        terminal = Terminal(project, [project.python, "-c", _NARROW, str(ROOT), "runs", "prune"])
        until(lambda: "Remove 2 runs? [y/N] " in terminal.shown, "the question")  # noqa: B023
        terminal.type(answer)
        assert terminal.finish() == 0
    assert "2 runs are removed" in terminal.shown
    assert numbers(mixed) == [1, 4, 5]
    assert do(project, "runs", "prune", "--yes") == "there is nothing to remove\n"


def test_what_is_removed_can_be_chosen(project: Project, mixed: Root) -> None:
    assert len(ask(project, "runs", "prune", "--tmp", "--dry")["runs"]) == 1
    assert ask(project, "runs", "prune", "--yes", "--older-than", "1d") == {"runs": [], "removed": 0}
    told = ask(project, "runs", "prune", "--failed", "--yes", "--older-than", "0s")
    assert told["removed"] == 1
    assert numbers(mixed) == [1, 2, 4, 5]
    told = refused(project, "runs", "prune", "--older-than", "3 weeks")
    assert told == "--older-than 3 weeks: a time such as 30d, 12h or 1h30m was expected"


# --- mark, unmark, delete ---


def test_exm_09_marks_are_relative_links_and_unknown_ids_a_warning(project: Project, results: Root) -> None:
    run = make(results)
    done = coolrunner(project, "mark", "paper/figure-1", "1", "2", "7")
    assert (done.status, done.stdout) == (0, "")
    assert done.stderr == "warning: runs {2, 7} were not found\n"
    link = results.path / f"marked/paper/figure-1/{run.name}.yaml"
    assert str(link.readlink()) == f"../../../runs/{run.name}/params.yaml"
    do(project, "unmark", "paper", "1")
    assert not os.path.lexists(link)
    do(project, "mark", "good", "--root", "results", run.name)
    do(project, "unmark", "--all", "good", "--root", "results")
    assert results.marks() == []


def test_exm_10_a_deleted_run_leaves_no_mark_and_its_number_is_not_given_again(
    project: Project, results: Root
) -> None:
    for _ in range(3):
        make(results)
    do(project, "mark", "good", "2", "3")
    do(project, "delete", "2")
    assert numbers(results) == [1, 2, 3]
    assert [run.number for run in results.marked("good")] == [3]
    do(project, "delete", "--all", "3")
    assert numbers(results) == [1, 2]
    assert results.marks() == []
    assert make(results).number == 4


def test_what_is_under_way_is_removed_only_by_force(project: Project, results: Root) -> None:
    run = make(results, status="running")
    told = refused(project, "delete", "1", "--all")
    assert told == f"{run.name} is still under way, as process {os.getpid()}"
    do(project, "delete", "1", "--all", "--force")
    assert numbers(results) == []


def test_what_cannot_have_a_mark_is_told(project: Project, results: Root) -> None:
    make(results, tmp=True)
    make(results)
    done = coolrunner(project, "mark", "good", "1", "2")
    name = results.runs(tmp=True)[0].name
    assert done.stderr == (
        f"warning: runs {{1}} were not found\n{name} was only tried out, and cannot have a mark\n"
    )
    assert refused(project, "unmark", "godo", "2").endswith("has the mark 'godo'; did you mean good?")
    told = refused(project, "unmark", "good")
    assert told == "name the runs, or say --all for all that have the mark"
    assert "must not begin with a slash" in refused(project, "mark", "/good", "2")
    for _ in range(2):
        make(results, name="same")
    assert refused(project, "mark", "good", "same").startswith("same may be any of 2 runs in ")


def test_runs_of_several_roots_are_marked_by_their_paths(project: Project, results: Root) -> None:
    exman = Root(project.path / "exman", EXMAN)
    one, other = make(results), make(exman)
    do(project, "mark", "good", f"results/runs/{one.name}", f"exman/index/{other.name}.yaml")
    assert results.marks() == exman.marks() == ["good"]


# --- restore, rerun ---

SEEDED = """
import random

def main(exp):
    random.seed(exp.RND_IDX + exp.REP)
    exp.DRAWN = random.random()
    exp.ARGV = sys.argv[-2:]
    exp.FACTOR = exp.factor(2.5)
    Path("data.txt").read_text()
"""


def test_an_experiment_is_run_again_with_all_that_it_was_given(project: Project) -> None:
    (project.path / "data.txt").touch()
    project.module(SEEDED)
    project.write("tools.py", "def floor(x):\n    return int(x)\n")
    project.study("""
        Global: {imports: [tools as t], root: out put}
        Module: modules.module
        YamlLog: logs/log.yaml
        Repeat: 2
        ---
        Name: one
        factor: solve t.floor
        ---
        Name: two
        factor: solve t.floor
        before: solve E['one'].DRAWN
        width: parse 2 * 3
    """)
    assert project.run("--own", "argument").status == 0
    log = project.log("logs/log.yaml")
    for number in (1, 4):
        done = coolrunner(project, "runs", "rerun", str(number))
        assert done.status == 0, done.stderr
        assert done.stderr.startswith("running: cd ")
    again = project.log("logs/log.yaml")[4:]
    for record, old in zip(again, (log[0], log[3]), strict=True):
        for key in ("Name", "DRAWN", "FACTOR", "RND_IDX", "REP", "STUDY", "Repeat", "ARGV"):
            assert record[key] == old[key], key
        assert record["ID"] != old["ID"]
    # What it had of another's results is what it was.
    assert again[1]["before"] == log[3]["SOLVED"]["before"]
    assert again[1]["width"] == 6
    assert [row["id"] for row in ask(project, "runs", "ls")] == [1, 2, 3, 4, 5, 6]
    assert again[0]["RUN"].startswith("out put/runs/000005-")
    told = ask(project, "runs", "rerun", "1")
    assert told["directory"] == str(project.path)
    assert told["command"][-2:] == ["--own", "argument"]
    shown = do(project, "runs", "rerun", "4", "--print")
    assert f"cd {project.path} && " in shown and "--pick 1 --own argument" in shown
    assert subprocess.run(["sh", "-c", shown], env=project.environment(), capture_output=True).returncode == 0
    assert len(project.log("logs/log.yaml")) == 7


def test_an_experiment_is_run_again_with_the_code_as_it_was(project: Project) -> None:
    project.module("from helper import VALUE\n\ndef main(exp):\n    exp.ACC = VALUE\n")
    project.write("helper.py", "VALUE = 1\n")
    project.study("Module: modules.module\n---\nName: one\n")
    assert project.run().status == 0
    # Of another length: bytecode of the same second and size would be taken for that of this file.
    project.write("helper.py", "VALUE = 1 + 1\n")
    stored = project.path / "as it was"
    done = coolrunner(project, "runs", "rerun", "1", "--stored", "as it was")
    assert done.status == 0, done.stderr
    assert yaml.safe_load((next(stored.glob("results/runs/*")) / "results.yaml").read_text()) == {"ACC": 1}
    assert coolrunner(project, "runs", "rerun", "1", "--root", "results").status == 0
    assert [record["ACC"] for record in project.log()] == [1, 2]
    told = refused(project, "runs", "rerun", "1", "--root", "results", "--stored", "as it was")
    assert told == "as it was is not an empty directory: name another one"


def test_the_status_of_what_is_run_again_is_that_of_the_command(project: Project) -> None:
    project.module("def main(exp):\n    raise ValueError('no')\n")
    project.study("Module: modules.module\n---\nName: one\n")
    assert project.run().status == 1
    assert coolrunner(project, "runs", "rerun", "1").status == 1
    assert [row["status"] for row in ask(project, "runs", "ls")] == ["failed", "failed"]


def test_an_experiment_of_a_queue_is_run_again(project: Project) -> None:
    project.module("def main(exp):\n    exp.ACC = exp.root(9)\n")
    project.study("""
        Global: {imports: [math as m], queue: queue.yaml}
        Module: modules.module
        root: solve m.sqrt
        ---
        Name: one
    """)
    assert project.run().status == 0
    do(project, "queue", "add", "queue.yaml", "Name=two")
    assert project.run("--queue", "queue.yaml").status == 0
    (project.path / "study.yaml").unlink()
    # What the definition would tell, the queue remembers.
    assert coolrunner(project, "runs", "rerun", "2").status == 0
    assert [(record["Name"], record["ACC"]) for record in project.log()[1:]] == [("two", 3.0)] * 2
    assert coolrunner(project, "runs", "rerun", "1").status == 1  # nobody knows any more what m is


def test_interrupting_what_is_run_again_leaves_it_its_time_to_stop(project: Project) -> None:
    project.module("""
        def main(exp):
            Path(f"begun-{len(list(Path().glob('begun*')))}").touch()
            try:
                time.sleep(60 if exp.run.id > 1 else 0)
            except KeyboardInterrupt:
                time.sleep(0.6)
                exp.STOPPED = True
    """)
    project.study("Global: {grace: 10s}\nModule: modules.module\n---\nName: one\n")
    assert project.run().status == 0
    terminal = Terminal(project, [project.python, "-c", _NARROW, str(ROOT), "runs", "rerun", "1"])
    until((project.path / "begun-1").exists, "the Module")
    terminal.type("\x03")
    assert terminal.finish() == 1
    assert project.log()[1]["STOPPED"] is True


SCRIPT = """
import sys
import coolrunner

parser = coolrunner.ExParser(root=coolrunner.simpleroot(__file__))
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--api-key", default="")
args = parser.parse_args()
with args.safe_experiment:
    print("lr", args.lr, len(args.api_key))
    sys.exit(3 if args.lr > 1 else 0)
"""


def script(project: Project, *words: str) -> int:
    """Start the project's script."""
    command = [project.python, "main.py", *words]
    environment = project.environment(PYTHONPATH=str(ROOT))
    return subprocess.run(command, cwd=project.path, env=environment, capture_output=True).returncode


def test_an_argparse_script_is_run_again(project: Project) -> None:
    project.write("main.py", SCRIPT)
    assert script(project, "--lr", "0.25", "--name", "a b") == 0
    assert script(project, "--lr", "2") == 3
    done = coolrunner(project, "runs", "rerun", "1")
    assert (done.status, "lr 0.25 0" in done.stdout) == (0, True)
    assert coolrunner(project, "runs", "rerun", "2").status == 3
    assert [row["name"] for row in ask(project, "runs", "ls") if row["status"] == "done"] == ["a b", "a b"]
    done = coolrunner(project, "runs", "rerun", "1", "--stored", "stored")
    assert done.status == 0, done.stderr
    assert len(list(project.path.glob("stored/exman/runs/*"))) == 1


def test_a_secret_that_was_not_kept_is_asked_for(project: Project) -> None:
    project.write("main.py", SCRIPT)
    assert script(project, "--api-key", "12345678") == 0
    done = coolrunner(project, "runs", "rerun", "1")
    assert done.status == 2
    assert done.stderr.endswith(
        "error: the value of api-key was not kept, as it is secret: set API_KEY to it\n"
    )
    done = coolrunner(project, "runs", "rerun", "1", API_KEY="123456789")
    assert (done.status, "lr 0.1 9" in done.stdout) == (0, True)
    assert "123456789" not in done.stdout + done.stderr
    assert "123456789" not in do(project, "runs", "rerun", "1", "--print", API_KEY="123456789")


def test_a_managers_script_is_run_again(project: Project) -> None:
    project.write("main.py", MANAGER)
    assert script(project) == 0
    done = coolrunner(project, "runs", "rerun", "my first")
    assert done.status == 0, done.stderr
    assert len(ask(project, "runs", "ls")) == 2


def test_what_cannot_be_run_again_is_explained(project: Project, results: Root) -> None:
    made = make(results)
    told = refused(project, "runs", "rerun", "1")
    assert told == f"{made.name}: it is not known which command line started it"
    made = make(results, "Name: one\nModule: m\ntext: parse this\n")
    made.write_state(replace(made.read_state(), experiment="x", study="study.yaml"))
    told = refused(project, "runs", "rerun", "2")
    assert told == f"{made.name}: text is the text 'parse this', which a definition would evaluate"
    made = make(results, "Name: one\nModule: m\nlr:\n- solve 2 * E['a'].ACC\n")
    made.write_state(replace(made.read_state(), experiment="x", study="study.yaml"))
    told = refused(project, "runs", "rerun", "3")
    assert told.startswith(f"{made.name}: lr[0] comes from the results of another experiment")
    told = refused(project, "runs", "rerun", "1", "--stored", "there")
    assert not (project.path / "there").exists()


def test_code_and_parameters_are_written_into_a_directory(project: Project) -> None:
    project.write("main.py", SCRIPT)
    assert script(project) == 0
    shown = do(project, "runs", "restore", "1", "my copy")
    assert re.fullmatch(r"3 files of 000001-\S+ in my copy: README.txt there says more\n", shown)
    assert (project.path / "my copy/sources/main.py").read_text() == (project.path / "main.py").read_text()
    told = "my copy is not an empty directory: name another one, or --overwrite"
    assert refused(project, "runs", "restore", "1", "my copy") == told
    written = ask(project, "runs", "restore", "1", "my copy", "--overwrite")
    assert [Path(path).name for path in written] == ["README.txt", "params.yaml", "main.py"]


# --- the house ---


def test_the_commands_load_nothing_that_is_heavy(project: Project, results: Root) -> None:
    make(results, log="hello\n")
    heavy = ("numpy", "pandas", "rich", "slack_sdk", "torch", "asyncio", "multiprocessing", "http")
    commands: Sequence[Sequence[str]] = (
        ["runs", "ls"], ["runs", "show"], ["runs", "logs"], ["runs", "prune", "--dry"], ["mark", "good", "1"],
        ["unmark", "good", "1"], ["delete", "1"],
    )  # fmt: skip
    for words in commands:
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "coolrunner", *words],
            cwd=project.path,
            env=project.environment(PYTHONPATH=str(ROOT)),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
        assert not loaded & set(heavy), words


def test_each_verb_has_its_help(project: Project) -> None:
    assert "prune" in do(project, "runs", "--help")
    for verb in ("ls", "show", "logs", "restore", "rerun", "prune"):
        shown = do(project, "runs", verb, "--help")
        assert "--root DIR" in shown
        assert ("--json" in shown) == (verb != "logs")
