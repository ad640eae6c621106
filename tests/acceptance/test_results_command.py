"""``coolrunner results`` and ``coolrunner results export``: the real commands."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from tests.checkouts import ROOT
from tests.studies import Finished, Project, Terminal

_SIZED = """\
import fcntl, os, runpy, struct, sys, termios
fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 40, int(sys.argv.pop(1)), 0, 0))
sys.path.insert(0, sys.argv.pop(1))
from coolrunner.cli.entry import main
sys.exit(main())
"""
LOG = """\
--- # a1
Name: vgg
optimizer: {name: adam, lr: 0.1}
seed: 0
momentum: 0.9
REP: 0
ACC: 0.91234567890123
LOSS: 0.5
ID: a1
STARTED: '2026-11-20T10:00:00+00:00'
...
--- # a2
Name: vgg
optimizer: {name: adam, lr: 0.1}
seed: 1
momentum: 0.9
REP: 1
ACC: 0.93
LOSS: 0.4
ID: a2
STARTED: '2026-11-20T11:00:00+00:00'
...
--- # b1
Name: wrn|x
optimizer: {name: sgd, lr: 0.01}
seed: 0
momentum: 0.9
REP: 0
ACC: 0.5
LOSS: 0.7
ID: b1
STARTED: '2026-11-20T12:00:00+00:00'
...
"""


@pytest.fixture(autouse=True)
def log(project: Project) -> None:
    project.write("logs/log.yaml", LOG)


def results(project: Project, *words: str, stdin: str = "") -> Finished:
    """Run the command in the project's directory."""
    done = subprocess.run(
        [project.python, "-m", "coolrunner", "results", *words],
        cwd=project.path,
        env=project.environment(PYTHONPATH=str(ROOT)),
        input=stdin.encode(),
        capture_output=True,
        timeout=60,
    )
    return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())


def do(project: Project, *words: str) -> str:
    """Run the command, which must succeed without a word of complaint; return what it prints."""
    done = results(project, *words)
    assert (done.status, done.stderr) == (0, ""), done.stderr
    return done.stdout


def ask(project: Project, *words: str) -> Any:
    return json.loads(do(project, *words, "--json"))


def ids(project: Project, *words: str) -> list[str]:
    return [each["id"] for each in ask(project, *words)]


def refused(project: Project, *words: str) -> str:
    """Run the command, which must end with status 2; return its complaint."""
    done = results(project, *words)
    assert (done.status, done.stdout) == (2, ""), done.stdout
    return done.stderr.strip().removeprefix("error: ")


def at_terminal(project: Project, width: int, *words: str) -> list[str]:
    """Run the command in a terminal; return the lines that it shows."""
    command = [project.python, "-c", _SIZED, str(width), str(ROOT), "results", *words]
    terminal = Terminal(project, command)
    assert terminal.finish() == 0, terminal.shown
    return re.sub(r"\x1b\[[0-9;]*m", "", terminal.shown).splitlines()


def words_of(lines: Sequence[str]) -> list[list[str]]:
    return [line.split() for line in lines]


# --- the listing -----------------------------------------------------------------------------------


def test_a_table_shows_what_differs_and_what_came_of_it_the_newest_first(project: Project) -> None:
    header, *lines = words_of(do(project).splitlines())
    assert header == ["id", "Name", "optimizer.name", "optimizer.lr", "seed", "ACC", "LOSS", "started"]
    assert [line[0] for line in lines] == ["b1", "a2", "a1"]
    assert lines[2] == [
        *("a1", "vgg", "adam", "0.1", "0", "0.91234567890123", "0.5", "2026-11-20T10:00:00+00:00")
    ]


def test_results_of_several_kinds_stand_in_one_table(project: Project) -> None:
    project.module("def main(exp):\n    if exp.lr > 1:\n        raise ValueError\n    exp.ACC = exp.lr\n")
    project.study("Module: modules.module\nYamlLog: new.yaml\n---\nName: x\nlr: 0.5\n---\nName: y\nlr: 2\n")
    project.run()
    project.write("table.csv", "lr,ACC\n0.25,0.75\n")
    found = ask(project, "new.yaml", "results", "logs", "table.csv", "--sort", "ACC")
    assert [(each["kind"], each["results"].get("ACC")) for each in found] == [
        *(("log", 0.5), ("log", 0.5), ("csv", 0.75), ("log", 0.91234567890123), ("log", 0.93), ("run", None))
    ]
    assert [each["info"]["STATUS"] for each in ask(project, "--status", "failed")] == ["failed"]
    assert "status" in do(project).splitlines()[0]


def test_a_log_on_the_standard_input_is_listed(project: Project) -> None:
    done = results(project, "-", "--columns", "Name,ACC", "--csv", stdin=LOG)
    assert (done.status, done.stdout.splitlines()[1]) == (0, "wrn|x,0.5")


def test_no_format_steers_a_terminal_and_a_file_gets_everything(project: Project) -> None:
    (project.path / "evil.yaml").write_text('---\nName: "a\\e[2J\\u202eb"\nACC: 0.5\n')
    for form in ("--csv", "--json", "--yaml"):
        shown = "".join(at_terminal(project, 80, "evil.yaml", form))
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    assert "a\x1b[2J\u202eb" in do(project, "evil.yaml", "--csv")


def test_an_empty_list_of_columns_is_a_wrong_call(project: Project) -> None:
    assert refused(project, "--columns", "") == "--columns: the name of a key was expected"


def test_a_table_is_fitted_to_the_terminal_and_says_what_it_leaves_out(project: Project) -> None:
    lines = at_terminal(project, 28)
    assert max(map(len, lines)) <= 28
    assert lines[0].split()[:4] == ["id", "Name", "ACC", "LOSS"]
    assert lines[3].split()[:4] == ["a2", "vgg", "0.9300", "0.4"]
    assert " ".join(lines[5:]).startswith("not shown: optimizer.name, optimizer.lr, seed")
    assert at_terminal(project, 200)[0].split() == [
        *("id", "Name", "optimizer.name", "optimizer.lr", "seed", "ACC", "LOSS", "started")
    ]


def test_what_all_results_have_is_shown_before_what_few_of_them_have(project: Project) -> None:
    kinds = [
        f"---\nName: n{number}\nlr: 0.{number}\nonly{number}: 1\nRESULT{number}: 2\n" for number in range(6)
    ]
    project.write("many/log.yaml", "".join(kinds))
    assert at_terminal(project, 45, "many")[0].split()[:3] == ["id", "Name", "lr"]


def test_a_parameter_is_shown_before_the_fourth_result(project: Project) -> None:
    results = "".join(f"RESULT{number}: 2\n" for number in range(6))
    project.write("log.yaml", f"---\nlr: 0.1\nwd: 1\n{results}---\nlr: 0.2\nwd: 2\n{results}")
    assert at_terminal(project, 60, "log.yaml")[0].split() == [
        *("id", "lr", "wd", "RESULT0", "RESULT1", "RESULT2", "RESULT3")
    ]


def test_failures_are_listed_with_their_reasons_in_the_room_that_there_is(project: Project) -> None:
    reason = "the loss is nan at step 17, and was 3.4e38 in the one before"
    project.module(f"def main(exp):\n    if exp.lr > 1:\n        raise ValueError({reason!r})\n")
    ones = "".join(f"---\nName: x\nlr: 0.{number}\n" for number in range(1, 4))
    project.study(f"Module: modules.module\nYamlLog: new.yaml\n{ones}---\nName: y\nlr: 2\n")
    project.run()
    header, _, line = at_terminal(project, 160, "results", "--status", "failed")
    assert header.split()[-1] == "error"
    assert line.endswith(f"ValueError: {reason}")
    narrow = at_terminal(project, 70, "results", "--status", "failed")[2]
    assert len(narrow) <= 70
    assert "ValueError: the loss" in narrow
    # One of many is no reason to show less of the others.
    assert "error" not in at_terminal(project, 50, "results")[0]


def test_in_a_terminal_the_first_fifty_are_shown(project: Project) -> None:
    project.write("many/log.yaml", "".join(f"---\nn: {number}\nACC: {number}\n" for number in range(70)))
    lines = at_terminal(project, 100, "many", "--by", "ACC")
    assert len(lines) == 2 + 50 + 2
    assert lines[2].split()[-1] == "69"
    assert lines[-2:] == ["by ACC, the best first", "... 20 more (-n 0 shows all)"]
    assert len(at_terminal(project, 100, "many", "-n", "0")) == 2 + 70
    assert len(do(project, "many").splitlines()) == 1 + 70
    assert len(do(project, "many", "-n", "3").splitlines()) == 1 + 3


def test_what_a_log_holds_does_not_steer_the_terminal(project: Project) -> None:
    project.write("bad/log.yaml", '---\nName: "a\\e[31m\\nb"\n"k\\ey": 1\nACC: 1\n---\nName: b\nACC: 2\n')
    for lines in (at_terminal(project, 100, "bad"), do(project, "bad").splitlines()):
        assert not [sign for line in lines for sign in line if not sign.isprintable()]


def test_what_is_chosen_and_in_which_order(project: Project) -> None:
    assert ids(project, "--where", "ACC > 0.6", "--where", "seed == 1") == ["a2"]
    assert ids(project, "--where", "optimizer.name == 'adam' and Name ~ '^v'") == ["a2", "a1"]
    assert ids(project, "--by", "ACC") == ["a2", "a1", "b1"]
    assert ids(project, "--by", "LOSS") == ["a2", "a1", "b1"]
    assert ids(project, "--by", "LOSS", "--max") == ["b1", "a1", "a2"]
    assert ids(project, "--top", "1") == ["a2"]
    assert ids(project, "--sort", "optimizer.lr") == ["b1", "a1", "a2"]
    assert ids(project, "--sort=-ACC", "-n", "2") == ["a2", "a1"]
    nothing = results(project, "--where", "ACC > 1", "--json")
    assert (nothing.stdout, nothing.stderr) == ("[]\n", "none of 3 results fits --where 'ACC > 1'\n")


def test_columns_are_chosen_by_name_and_pattern(project: Project) -> None:
    assert do(project, "--columns", "id,place,opt*,ACC", "-n", "1").splitlines() == [
        "id  place             optimizer.name  optimizer.lr  ACC",
        "b1  logs/log.yaml:24  sgd                     0.01  0.5",
    ]


# --- groups ----------------------------------------------------------------------------------------


def test_repetitions_are_found_and_summed_up(project: Project) -> None:
    first, second = ask(project, "--agg", "mean,n,ci95", "--by", "ACC")
    assert (first["Name"], first["count"], first["ACC.n"]) == ("vgg", 2, 2)
    assert first["ACC.mean"] == pytest.approx(0.921172839450615)
    assert first["ACC.ci95"] == pytest.approx(0.11216, rel=1e-3)
    assert (second["Name"], "ACC.ci95" in second) == ("wrn|x", False)


def test_groups_in_a_terminal_show_mean_and_deviation_together(project: Project) -> None:
    lines = at_terminal(project, 100, "--group-by", "Name", "--columns", "ACC", "--by", "ACC")
    assert lines[0].split() == ["Name", "ACC", "n"]
    assert lines[2].split() == ["vgg", "0.921", "±", "0.012", "2"]
    assert lines[-1] == "2 groups of 3 results; ± is std; by ACC, the best first"


def test_what_was_run_again_with_the_same_seed_is_said_to_be_no_new_evidence(project: Project) -> None:
    assert "evidence" not in " ".join(at_terminal(project, 120, "--agg", "mean,ci95"))
    project.write("logs/again.yaml", LOG.replace("a1", "c1").replace("b1", "c2").replace("a2", "c3"))
    lines = at_terminal(project, 120, "--agg", "mean,ci95")
    assert "3 of them were given what others were, seeds included: they are no evidence of their own" in lines


def test_groups_that_are_no_repetitions_are_said_to_be_none(project: Project) -> None:
    lines = at_terminal(project, 120, "--where", "seed == 0", "--agg", "mean")
    assert "no two of them share all parameters but a seed" in lines[-1]


def test_agg_without_statistics_gives_mean_spread_and_count(project: Project) -> None:
    assert do(project, "--agg") == do(project, "--agg", "mean,std,n")


def test_of_groups_in_a_terminal_the_keys_that_none_has_are_not_shown(project: Project) -> None:
    project.write("log.yaml", "---\nnothing: null\nlr: 0.1\nACC: 1\n---\nnothing: null\nlr: 0.2\nACC: 2\n")
    assert at_terminal(project, 120, "log.yaml", "--agg", "mean")[0].split() == ["lr", "ACC"]


# --- formats ---------------------------------------------------------------------------------------


def test_csv_loses_nothing(project: Project) -> None:
    first, *_ = csv.DictReader(io.StringIO(do(project, "--csv", "--sort", "STARTED")))
    assert (first["ACC"], first["momentum"], first["optimizer.lr"]) == ("0.91234567890123", "0.9", "0.1")
    assert (first["ID"], first["STATUS"]) == ("a1", "done")


def test_tables_of_papers_have_what_differs(project: Project) -> None:
    assert do(project, "--markdown", "--columns", "Name,ACC", "--by", "ACC").splitlines() == [
        "| Name   |    ACC |",
        "| ------ | -----: |",
        "| vgg    | 0.9300 |",
        "| vgg    | 0.9123 |",
        "| wrn\\|x | 0.5000 |",
    ]
    latex = do(project, "--group-by", "Name", "--columns", "ACC", "--latex", "--by", "ACC").splitlines()
    assert latex[4:6] == ["\\midrule", "vgg & $0.921 \\pm 0.012$ & 2 \\\\"]


def test_yaml_is_a_log_that_filter_reads(project: Project) -> None:
    project.write("chosen.yaml", do(project, "logs", "--yaml", "--where", "seed == 1"))
    done = subprocess.run(
        [project.python, str(ROOT / "filter.py"), "chosen.yaml", "--table"],
        cwd=project.path,
        env=project.environment(),
        capture_output=True,
        timeout=60,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "1 kept of 1 experiment of 1 file\n")


def test_exported_files_are_in_the_format_of_their_ending(project: Project) -> None:
    pytest.importorskip("pyarrow")
    for name, beginning in {
        "a.csv": b"Name,",
        "a.tex": b"% \\use",
        "a.md": b"| Name",
        "a.parquet": b"PAR1",
    }.items():
        done = results(project, "export", name, "logs")
        assert (done.status, done.stdout, done.stderr) == (0, "", f"3 results written to {name}\n")
        assert (project.path / name).read_bytes().startswith(beginning)
    assert len(json.loads(do(project, "logs", "--json"))) == 3
    assert results(project, "--out", "b.json").status == 0
    assert len(json.loads((project.path / "b.json").read_text())) == 3


def test_a_file_is_replaced_only_where_that_is_said(project: Project) -> None:
    before = (project.path / "logs/log.yaml").read_text()
    assert (
        refused(project, "export", "logs/log.yaml") == "logs/log.yaml is there already; --force replaces it"
    )
    assert (project.path / "logs/log.yaml").read_text() == before
    project.write("a.csv", "old")
    assert results(project, "export", "a.csv", "--force").status == 0
    assert (project.path / "a.csv").read_text() != "old"


def test_who_reads_the_output_may_stop(project: Project) -> None:
    command = f"{project.python} -m coolrunner results --csv | head -n 1"
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=project.path,
        env=project.environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout.split(",")[0], done.stderr) == ("Name", "")


# --- nothing, and mistakes -------------------------------------------------------------------------


def test_where_there_is_nothing_it_is_said_where_was_looked(project: Project) -> None:
    project.write("empty/study.yaml", "Module: modules.module\n---\nName: x\n")
    done = results(project, "empty")
    assert (done.status, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [
        "there are no results in empty",
        "skipped 1 definition (empty/study.yaml)",
        "'coolrunner run --exp FILE' makes some",
    ]


def test_where_nothing_fits_the_nearest_key_is_named(project: Project) -> None:
    done = results(project, "--where", "ACCC > 0.5")
    assert (done.status, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [
        "warning: no result has ACCC; did you mean ACC?",
        "none of 3 results fits --where 'ACCC > 0.5'",
    ]


def test_what_cannot_be_read_is_told_in_a_line(project: Project) -> None:
    project.write("logs/torn.yaml", "---\nACC: [1\n---\nb: 2\n")
    done = results(project)
    assert (done.status, len(done.stdout.splitlines())) == (0, 5)
    assert done.stderr == "1 place could not be read; 'coolrunner results check' shows where\n"
    assert "logs/torn.yaml:" in results(project, "-v").stderr


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ("shwo", "shwo is neither a verb nor a path; did you mean 'coolrunner results show'?"),
        ("compare a b", "compare is neither a verb nor a path; did you mean 'coolrunner results diff'?"),
        ("lgos", "lgos: there is no such file or directory; did you mean logs?"),
        ("--sort acc", "--sort acc: no result has acc; did you mean ACC?"),
        ("--by loss", "--by loss: no result has this key; did you mean LOSS?"),
        ("--by Name", "--by Name: this is no number in any of 3 results"),
        ("--columns lr", "--columns lr: no result has this key; did you mean optimizer.lr?"),
        ("--group-by nam", "--group-by nam: no result has this key; did you mean Name or optimizer.name?"),
        ("--agg maen", "there is no statistic 'maen'; did you mean 'mean'?"),
        ("--reverse", "--reverse goes with --sort; of --by, --min says that less is better"),
        ("--min", "--max and --min go with --by or --top"),
        ("--parquet", "--parquet is no text: --out FILE names the file"),
        ("--kind logs", "--kind: there is no kind 'logs'; did you mean log?"),
        ("--status finished", "--status: nothing is 'finished'; there are done, failed, interrupted, lost"),
        ("export logs", "logs: this is a directory; a file such as logs/results.csv was expected"),
        ("export --out a.csv", "the file comes first, without --out: coolrunner results export a.csv [PATH"),
        ("export a.xlsx", "a.xlsx: the ending says what is written; there are .csv"),
    ],
)
def test_mistakes_are_answered_with_what_may_be_meant(project: Project, call: str, complaint: str) -> None:
    assert refused(project, *call.split()).startswith(complaint)


def test_a_question_that_fails_names_the_experiment(project: Project) -> None:
    assert refused(project, "--where", "Name > 1").startswith("--where 'Name > 1' fails on logs/log.yaml:2: ")
    assert results(project, "--where", "Name > 1", "--skip-errors").status == 0


def test_a_directory_that_is_called_like_a_verb_is_reached_by_its_path(project: Project) -> None:
    (project.path / "logs").rename(project.path / "show")
    assert len(ask(project, "./show")) == 3


def test_an_index_is_kept_where_that_is_asked_for_and_changes_nothing(project: Project) -> None:
    before = do(project)
    with_index = subprocess.run(
        [project.python, "-m", "coolrunner", "results"],
        cwd=project.path,
        env=project.environment(PYTHONPATH=str(ROOT), COOLRUNNER_CACHE="always"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert with_index.stdout == before == do(project) == do(project, "--no-cache")
    assert (project.path / ".coolrunner").is_dir()


def test_the_headings_of_the_table_are_understood_where_no_row_has_such_a_key(project: Project) -> None:
    done = results(project, "note", "a2", "an odd one")
    assert done.status == 0, done.stderr
    assert ids(project, "--where", "note ~ 'odd' and status == 'done'") == ["a2"]
    assert ids(project, "--where", "id in ('a1', 'b1')", "--sort", "started") == ["a1", "b1"]
    lines = do(project, "--columns", "id,status,note,started", "--sort", "id").splitlines()
    assert lines[0].split() == ["id", "status", "note", "started"]
    assert lines[2].split() == ["a2", "done", "an", "odd", "one", "2026-11-20T11:00:00+00:00"]


def test_groups_without_any_value_come_last_and_are_counted(project: Project) -> None:
    project.write("logs/other.yaml", "---\nName: none\nLOSS: 3\n---\nName: more\nLOSS: 4\n")
    lines = at_terminal(project, 100, "--group-by", "Name", "--columns", "ACC")
    assert [line.split()[0] for line in lines[2:6]] == ["vgg", "wrn|x", "none", "more"]
    assert "2 groups have no number under ACC" in lines


def test_a_config_that_lies_about_is_no_result_and_told_where_it_is_asked_for(project: Project) -> None:
    before = do(project)
    project.write("conf/model.yaml", "lr: 0.1\nmodel: {name: resnet}\n")
    assert do(project) == before
    assert "1 file without results (conf/model.yaml)" in results(project, "-v").stderr
    assert len(ask(project, "conf/model.yaml")) == 1
