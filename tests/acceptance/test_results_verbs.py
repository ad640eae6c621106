"""``coolrunner results``: what is done with one result, or a few: the real commands on real studies."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.checkouts import ROOT
from tests.studies import Finished, Project, Terminal, until

MODULE = """
from modules.helper import scaled


def main(exp):
    if exp.lr > 0.8 and not os.path.exists("fixed"):
        raise ValueError("the loss is nan")
    for step in range(3):
        exp.run.log_scalar("val/loss", 1.0 / (step + 1))
    exp.ACC = scaled(exp.lr)
"""
STUDY = """
Module: modules.module
YamlLog: logs/study.yaml
optimizer: {name: sgd, decay: 0.0}
---
Name: slow
lr: 0.01
---
Name: good
lr: 0.3
optimizer: {name: adam, decay: 0.0}
---
Name: wild
lr: 0.9
"""


def results(project: Project, *words: str, cwd: str = ".") -> Finished:
    """Run ``coolrunner results``."""
    done = subprocess.run(
        [project.python, "-m", "coolrunner", "results", *words],
        cwd=project.path / cwd,
        env=project.environment(PYTHONPATH=str(ROOT)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


def do(project: Project, *words: str, cwd: str = ".") -> str:
    """Run it; it must succeed without a word of complaint. Return what it prints."""
    done = results(project, *words, cwd=cwd)
    assert (done.status, done.stderr) == (0, ""), done.stderr
    return done.stdout


def ask(project: Project, *words: str) -> Any:
    """Return what it says to other programs."""
    return json.loads(do(project, *words, "--json"))


def refused(project: Project, *words: str) -> str:
    """Run it; it must end with status 2. Return its complaint."""
    done = results(project, *words)
    assert (done.status, done.stdout) == (2, ""), done
    return done.stderr.removeprefix("error: ").rstrip("\n")


def ids(project: Project) -> dict[str, str]:
    """Return the ID of each experiment in the log, by its name."""
    return {record["Name"]: record["ID"] for record in project.log("logs/study.yaml")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A study of three experiments, of which one has failed, and was tried again with other code."""
    path = tmp_path_factory.mktemp("study") / "project"
    path.mkdir()
    project = Project(path)
    project.module(MODULE)
    project.write("modules/helper.py", "def scaled(x):\n    return round(x, 6)\n")
    project.study(STUDY)
    assert project.run("--inline").status == 1
    project.write("modules/helper.py", "def scaled(x):\n    return round(x, 5)\n")
    project.write("fixed", "")
    assert project.run("--inline", "--queue", "logs/study.failed.yaml").status == 0
    yield project
    project.close()


@pytest.fixture
def study(finished: Project, tmp_path: Path) -> Project:
    """A copy of it, with which a test may do what it wants."""
    subprocess.run(["cp", "-a", str(finished.path), str(tmp_path / "project")], check=True)
    return Project(tmp_path / "project")


# --- show ---


def test_show_tells_all_that_is_known_of_a_result(finished: Project) -> None:
    identity = ids(finished)["slow"]
    shown = do(finished, "show", identity)
    first, *_ = shown.splitlines()
    assert first == f"{identity}  slow"
    for words in (
        "  status     done, after ",
        "  study      study.yaml",
        "  log        logs/study.yaml:3",
        "  directory  results/runs/000001-",
        "\nparameters\n  Name: slow\n  lr: 0.01\n",
        "\nresults\n  ACC: 0.01\n",
        "\nmetrics\n  name        last  at step     min    max  values\n",
        "\n  val/loss  0.3333        2  0.3333  1.000       3\n",
        "  modules/helper.py\n  modules/module.py\n",
        "to run it again: coolrunner runs rerun results/runs/000001-",
    ):
        assert words in shown, words
    data = ask(finished, "show", identity)
    assert (data["id"], data["name"], data["status"], data["kind"]) == (identity, "slow", "done", "log")
    assert data["parameters"] == {"Name": "slow", "lr": 0.01, "optimizer": {"name": "sgd", "decay": 0.0}}
    assert data["results"]["ACC"] == 0.01
    assert data["metrics"]["val/loss"] == {"last": 1 / 3, "step": 2, "min": 1 / 3, "max": 1.0, "count": 3}
    assert sorted(data["sources"]) == ["modules/helper.py", "modules/module.py"]
    assert data["provenance"]["python"]["version"]


def test_show_finds_a_result_by_whatever_names_it(finished: Project) -> None:
    identity = ids(finished)["slow"]
    run = next((finished.path / "results/runs").glob("000001-*"))
    for text in (identity[:5], "1", "slow", "logs/study.yaml:7", f"results/runs/{run.name}", str(run)):
        assert do(finished, "show", text).splitlines()[0] == f"{identity}  slow", text
    assert do(finished, "show", "../logs/study.yaml:7", cwd="modules").startswith(identity)
    assert do(finished, "show", "slow", "--in", "logs").startswith(identity)
    assert do(finished, "show").splitlines()[0].endswith("  wild")  # the newest


def test_show_of_a_failure_tells_why(finished: Project) -> None:
    shown = do(finished, "show", "3")
    assert "  status     failed, after " in shown
    assert "  error      ValueError: the loss is nan\n" in shown
    assert f"  ID         {ids(finished)['wild']}\n" in shown
    assert "its output: coolrunner runs logs results/runs/000003-" in shown


@pytest.mark.parametrize(
    "words, told",
    [
        (["show", "nope"], "there is no result nope; there are 4 results, such as 3"),
        (["show", "99"], "there is no result 99"),
        (["show", "slwo"], "did you mean slow?"),
        (["show", "1", "--in", "nowhere"], "nowhere: there is no such file or directory"),
        (["shwo", "1"], "shwo is neither a verb nor a path; did you mean 'coolrunner results show'?"),
        (["unmark", "good", "1"], "did you mean 'coolrunner results mark --remove'?"),
        (["failures"], "did you mean 'coolrunner results ls --status failed'?"),
        (["diff", "1"], "diff compares two results or more, and only 1 was named"),
        (["diff"], "none were named; --by KEY compares the best with the worst"),
        (["diff", "1", "--by", "ACC"], "--by finds the best and the worst itself, and needs no IDs"),
        (["diff", "--by", "ACCC"], "did you mean ACC?"),
        (["diff", "1", "000001"], "1 and 000001 are the same result"),
        (["best", "--by", "AC"], "did you mean ACC?"),
        (["best", "--where", "lr > 5"], "none of 4 results is one of those that were asked for"),
        (["mark", "good"], "which results? coolrunner results mark good ID..."),
        (["mark", "1", "fine"], "the mark comes first: coolrunner results mark fine 1"),
        (["mark", "../x", "1"], "must not have the part '..'"),
        (["tag", "a,b", "1"], "this can be no tag: 'a,b'"),
        (["tag", "x", "1", "nope"], "there is no result nope"),
        (["tag", "--remove", "x", "1"], "has no tag x"),
        (["note", "1"], "1 has no note; to write one: coolrunner results note 1 TEXT..."),
        (["note", "1", "text", "--remove"], "--remove takes a note away, and needs no text"),
    ],
)
def test_a_wrong_call_is_answered_with_what_is_meant(finished: Project, words: list[str], told: str) -> None:
    assert told in refused(finished, *words)
    assert not list(finished.path.rglob("annotations.yaml"))


def test_where_there_is_nothing_it_is_said_so(project: Project) -> None:
    for words in (["show"], ["show", "1"], ["best"]):
        assert "there are no" in refused(project, *words) or "there are none" in refused(project, *words)
    assert do(project, "check").endswith("read: 0 results\nall is well\n")


# --- diff ---


def test_diff_tells_in_what_two_results_differ(finished: Project) -> None:
    slow, good = ids(finished)["slow"], ids(finished)["good"]
    data = ask(finished, "diff", "slow", "good")
    assert data["parameters"] == {
        "Name": {slow: "slow", good: "good"},
        "lr": {slow: 0.01, good: 0.3},
        "optimizer.name": {slow: "sgd", good: "adam"},
    }
    assert data["results"]["ACC"] == {slow: 0.01, good: 0.3}
    assert (data["sources"], data["packages"], data["git"], data["unknown"]) == ({}, {}, {}, [])
    assert data["same"]["sources"] == 2 and data["same"]["parameters"] == 1
    text = do(finished, "diff", "slow", "good")
    assert "\noptimizer.name  sgd       adam\n" in text
    assert "+0.2900 (+" not in text and " +0.2900\n" in text
    assert ", parameters 1, " in text


def test_diff_by_a_result_compares_the_best_with_the_worst(finished: Project) -> None:
    compared = ask(finished, "diff", "--by", "ACC")["compared"]
    assert [each["name"] for each in compared] == ["wild", "slow"]


def test_diff_by_a_result_compares_two_results_also_where_all_are_equally_good(tmp_path: Path) -> None:
    (tmp_path / "log.yaml").write_text("{Name: a, ACC: 1}\n---\n{Name: b, ACC: 1}\n---\n{Name: c, ACC: 1}\n")
    assert len(ask(Project(tmp_path), "diff", "--by", "ACC")["compared"]) == 2


def test_diff_by_a_result_that_one_row_has_is_refused(project: Project) -> None:
    project.write("log.yaml", "---\nACC: 1\n---\nLOSS: 1\n")
    done = results(project, "diff", "--by", "ACC")
    assert (done.status, "two results that have this number were expected" in done.stderr) == (2, True)


def test_diff_tells_what_has_changed_in_the_code_between_an_attempt_and_the_next(finished: Project) -> None:
    wild = ids(finished)["wild"]
    data = ask(finished, "diff", "3", wild)
    assert data["parameters"] == {}
    assert data["results"]["ACC"] == {wild: 0.9}
    assert data["info"]["STATUS"] == {"3": "failed", wild: "done"}
    assert data["info"]["ERROR"] == {"3": "ValueError: the loss is nan"}
    assert list(data["sources"]) == ["modules/helper.py"]
    assert "--sources shows the lines" in do(finished, "diff", "3", wild)
    lines = do(finished, "diff", "3", wild, "--sources").splitlines()
    assert lines[-6:] == [
        "--- 3/modules/helper.py",
        f"+++ {wild}/modules/helper.py",
        "@@ -1,2 +1,2 @@",
        " def scaled(x):",
        "-    return round(x, 6)",
        "+    return round(x, 5)",
    ]


def test_diff_tells_packages_and_commits_and_says_of_what_it_knows_nothing(project: Project) -> None:
    project.module("def main(exp):\n    exp.ACC = exp.lr\n")
    project.study("Module: modules.module\nYamlLog: log.yaml\n---\nName: a\nlr: 1\n")
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@y.z"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], cwd=project.path, check=True)
    assert project.run("--inline").status == 0
    project.study("Module: modules.module\nYamlLog: log.yaml\n---\nName: b\nlr: 1\n")
    subprocess.run([*git, "commit", "-qam", "two"], cwd=project.path, check=True)
    site = project.path / "site/extra-1.2.dist-info"
    site.mkdir(parents=True)
    (site / "METADATA").write_text("Metadata-Version: 2.1\nName: extra\nVersion: 1.2\n")
    assert project.run("--inline", PYTHONPATH=str(site.parent)).status == 0
    project.write("hand.yaml", "---\nName: c\nlr: 1\nACC: 2\n")
    data = ask(project, "diff", "a", "b", "c")
    a, b, c = [each["id"] for each in data["compared"]]
    assert c == "hand.yaml:2"
    assert data["packages"] == {"extra": {b: "1.2"}}
    assert set(data["git"]["commit"]) == {a, b} and len(set(data["git"]["commit"].values())) == 2
    assert data["unknown"] == [c]
    assert data["results"]["ACC"] == {a: 1, b: 1, c: 2}
    assert "not known: where hand.yaml:2 came from" in do(project, "diff", "a", "b", "c")


# --- best ---


def test_best_shows_the_best_one_whole(finished: Project) -> None:
    shown = do(finished, "best").splitlines()
    assert shown[0] == f"{ids(finished)['wild']}  wild"
    assert shown[1] == "  best       of 3 by ACC (more is better)"
    assert do(finished, "best", "--by", "ACC", "--min").startswith(ids(finished)["slow"])
    assert do(finished, "best", "--by", "lr", "--where", "lr < 0.5").startswith(ids(finished)["good"])
    assert ask(finished, "best", "logs")["best"] == "of 3 by ACC (more is better)"


# --- mark, tag, note ---


def test_marks_tags_and_notes_are_there_the_next_time(study: Project) -> None:
    good = ids(study)["good"]
    assert do(study, "mark", "paper/main", "good", "3") == ""
    assert do(study, "tag", "baseline", "slow", good) == ""
    assert do(study, "note", "good", "the", "one: for # the paper") == ""
    data = ask(study, "show", good)
    assert data["marks"] == ["paper/main"]
    assert (data["tags"], data["note"]) == (["baseline"], "the one: for # the paper")
    assert do(study, "note", "good") == "the one: for # the paper\n"
    assert do(study, "mark") == "     2  paper/main\n"
    assert do(study, "tag") == "     2  baseline\n"
    assert do(study, "note") == f"{good}  the one: for # the paper\n"
    # Marks of runs are the same for both commands.
    marked = subprocess.run(
        [study.python, "-m", "coolrunner", "runs", "ls", "--mark", "paper", "--json"],
        cwd=study.path, env=study.environment(PYTHONPATH=str(ROOT)), capture_output=True, check=True,
    )  # fmt: skip
    assert [row["id"] for row in json.loads(marked.stdout)] == [2, 3]
    do(study, "mark", "--remove", "paper", "good")
    do(study, "tag", "baseline", "good", "--remove")
    do(study, "note", "good", "--remove")
    data = ask(study, "show", good)
    assert (data["marks"], data["tags"], data["note"]) == ([], [], "")


def test_what_is_so_already_is_said_and_no_error(study: Project) -> None:
    do(study, "tag", "baseline", "slow")
    done = results(study, "tag", "baseline", "slow", "good")
    assert (done.status, done.stderr) == (0, f"{ids(study)['slow']} has the tag baseline already\n")


def test_collect_and_filter_pass_over_what_was_said(study: Project) -> None:
    before = study.log("logs/study.yaml")
    do(study, "tag", "baseline", "slow")
    collected = subprocess.run(
        [study.python, str(ROOT / "collect.py"), ".", "--dest", "-"],
        cwd=study.path, env=study.environment(), capture_output=True, check=True, text=True,
    )  # fmt: skip
    assert collected.stdout.count("\n--- ") == len(before)
    assert "1 file of annotations (logs/annotations.yaml)" in collected.stderr


def test_what_results_hold_does_not_steer_a_terminal(project: Project) -> None:
    hostile = "red\x1b[31m\u202e"
    document = json.dumps({"Name": hostile, hostile: hostile, "ACC": 1})
    project.write("a.yaml", f"---\n{document}\n---\n{document.replace('1}', '2}')}\n")
    do(project, "tag", "x", "a.yaml:2")
    for words in (["show", "a.yaml:2"], ["diff", "a.yaml:2", "a.yaml:4"], ["best"], ["check"], ["tag"]):
        shown = do(project, *words)
        assert "\x1b" not in shown and "\u202e" not in shown, words


# --- check ---


def test_check_names_every_place_that_could_not_be_read(study: Project) -> None:
    assert do(study, "check").endswith("all is well\n")
    with (study.path / "logs/study.yaml").open("a") as file:
        file.write("--- # abcdefgh\nName: torn\nlr: 0.")
    study.write("hand.yaml", "---\nName: hand\nlr: '0.1'\nACC: 1\n---\na: [\n")
    study.write("list.yaml", "- 1\n")
    next((study.path / "results/runs").glob("000003-*/params.yaml")).write_text("a: [\n")
    assert "1 file without results (list.yaml)" in results(study, "check").stdout
    done = results(study, "check", ".", "list.yaml")
    assert done.status == 1
    for words in (
        "could not be read; what is before and behind is kept: 3\n",
        "  hand.yaml:",
        ": torn: no '...' line closes experiment abcdefgh",
        "/params.yaml:2:1: not valid YAML",
        "no results: 1\n  list.yaml: no log: it holds a list, not mappings\n",
        "keys with values of several types: 1\n  lr: str in 1, such as '0.1' in hand.yaml:2; float in ",
    ):
        assert words in done.stdout, (words, done.stdout)
    data = json.loads(results(study, "check", ".", "list.yaml", "--json").stdout)
    assert (len(data["broken"]), len(data["foreign"]), list(data["types"])) == (3, 1, ["lr"])


def test_check_tells_slips_duplicates_and_runs_that_were_lost(study: Project) -> None:
    log = study.path / "logs/study.yaml"
    log.write_text(log.read_text() + log.read_text().replace("ACC: ", "ACC: 1"))
    study.write("hand.yaml", "---\nName: hand\nlr: 0.1\noptimzer: {name: sgd}\n")
    status = next((study.path / "results/runs").glob("000003-*/status.yaml"))
    status.write_text(status.read_text().replace("status: failed", "status: running"))
    done = results(study, "check")
    assert done.status == 0
    assert "  optimzer.name in 1, such as sgd in hand.yaml:2; optimizer.name in 7, " in done.stdout
    assert "experiments that stand in logs more than once: 3\n" in done.stdout
    assert "(not the same)" in done.stdout
    assert "runs that say they run, and whose process is gone: 1\n  results/runs/000003-" in done.stdout


# --- watch ---


def test_watch_tells_each_new_result_in_a_line_where_there_is_no_terminal(study: Project) -> None:
    command = [study.python, "-m", "coolrunner", "results", "watch", "--interval", "0.2", "--where", "lr < 1"]
    process = study.open(
        command, env=study.environment(PYTHONPATH=str(ROOT)), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None and process.stdout is not None
    assert process.stderr.readline() == "4 results so far; each new one is a line\n"
    study.study(STUDY.split("---")[0] + "---\nName: late\nlr: 0.5\n---\nName: other\nlr: 5\n")
    study.run("--inline")
    line = process.stdout.readline()
    process.send_signal(2)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    lines = [line, *rest.splitlines()]
    finished = [each for each in lines if each.split()[2] == "done"]
    (only,) = finished
    assert only.split()[1:3] == ["late", "done"] and "ACC=0.5" in only and "lr=0.5" in only


def test_watch_draws_the_listing_anew_and_ends_with_ctrl_c(study: Project) -> None:
    call = [study.python, "-m", "coolrunner", "results", "watch", "--interval", "0.2"]
    terminal = Terminal(study, ["/usr/bin/env", f"PYTHONPATH={ROOT}", *call])
    until(lambda: "4 results; Ctrl-C ends" in terminal.shown, "the first picture")
    study.study(STUDY.split("---")[0] + "---\nName: late\nlr: 0.5\n")
    study.run("--inline")
    until(lambda: "5 results; Ctrl-C ends" in terminal.shown and "late" in terminal.shown, "the new result")
    terminal.type("\x03")
    assert terminal.finish() == 0
