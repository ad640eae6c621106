"""``run.py``: arguments, Modules, results, time limits, versions of code, warm libraries."""

from __future__ import annotations

import datetime
import os
import shlex
import signal
import sys
from pathlib import Path

import pytest

from tests.checkouts import ROOT
from tests.studies import Finished, Project, until

ONE = "Module: modules.module\n---\nName: one\n"


@pytest.fixture
def numbers(project: Project) -> Project:
    """A study of seven experiments, one of them skipped, whose Module does nothing."""
    project.module("def main(exp):\n    exp.DOUBLE = exp.n * 2\n")
    documents = "".join(f"---\nName: {'skip' if n == 4 else f'n{n}'}\nn: {n}\n" for n in range(7))
    project.study("Module: modules.module\n" + documents)
    return project


def names(project: Project, log: str = "log.yaml") -> list[str]:
    return [record["Name"] for record in project.log(log)]


# --- the command line ------------------------------------------------------------------------------


def test_a_module_sees_all_arguments_but_the_overrides(project: Project, executor: list[str]) -> None:
    """CR-06: those of the runner too, and a Module may parse them as it likes."""
    project.module(
        """
        import argparse

        def main(exp):
            parser = argparse.ArgumentParser()
            parser.add_argument("--gpu", type=int)
            parser.add_argument("-vocab", type=int)
            parser.add_argument("--exp")
            options, _ = parser.parse_known_args()
            exp.GPU, exp.VOCAB, exp.EXP = options.gpu, options.vocab, options.exp
            exp.ARGV = list(sys.argv)
        """
    )
    project.study(ONE)
    given = ["--exp", "study.yaml", "--gpu", "3", "-vocab", "9", "+lr=1", *executor, "--quiet", "-0.5"]
    assert project.run(*given).status == 0
    (record,) = project.log()
    assert (record["GPU"], record["VOCAB"], record["EXP"], record["lr"]) == (3, 9, "study.yaml", 1)
    assert Path(record["ARGV"][0]).name == "run.py"
    assert record["ARGV"][1:] == [argument for argument in given if argument != "+lr=1"]


def test_dry_shows_the_plan_and_runs_nothing(numbers: Project) -> None:
    """CR-07."""
    done = numbers.run("--dry")
    assert done.status == 0, done.stderr
    for n in range(7):
        assert any(line.split()[:1] == [str(n)] for line in done.stdout.splitlines()), done.stdout
    assert not (numbers.path / "log.yaml").exists()
    picked = numbers.run("--dry", "--pick", "2").stdout
    assert "n2" in picked
    assert "n3" not in picked


def test_the_definition_is_experiment_yaml_if_none_is_named(numbers: Project) -> None:
    """CR-07."""
    (numbers.path / "study.yaml").rename(numbers.path / "experiment.yaml")
    done = numbers.run("--quiet", "--exp=experiment.yaml")
    assert done.status == 0
    command = [*numbers.command("--exp", "x", "--quiet")[:2], "--quiet"]
    process = numbers.open(command, env=numbers.environment())
    assert process.wait(60) == 0
    assert numbers.log()[-1]["STUDY"] == "experiment.yaml"
    assert len(numbers.log()) == 12


@pytest.mark.parametrize(
    ("arguments", "picked"),
    [
        (["--pick", "1"], [1]),
        (["--pick", "0,1,3"], [0, 1, 3]),
        (["--pick", "0", "1", "3"], [0, 1, 3]),
        (["--pick", "2-5"], [2, 3, 5]),
        (["--pick=5,2-3"], [2, 3, 5]),
        (["--cherrypick-experiments", "0, 6"], [0, 6]),
        (["--pick", "4"], []),
        (["--pick", "1", "word"], [1]),
    ],
)
def test_picked_experiments_run_and_no_others(
    numbers: Project, arguments: list[str], picked: list[int]
) -> None:
    """CR-07: the numbers are those of --dry, skipped ones included."""
    assert numbers.run("--quiet", *arguments).status == 0
    assert names(numbers) == [f"n{n}" for n in picked]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--pick", "7"], "there is no experiment 7; this study has 7, numbered 0 to 6"),
        (["--pick", "n1"], "--pick: 'n1' is no index; write 0,1,3 or 2-5"),
        (["--pick", "1x"], "--pick: '1x' is no index"),
        (["--pick", "0", "1x"], "--pick: '1x' is no index"),
        (["--max-failures", "0"], "a whole number from 1 was expected, not '0'"),
        (["--quiet", "--json"], "not allowed with argument"),
        (["--exp", "nowhere.yaml"], "nowhere.yaml: this file does not exist"),
        (["--exp", "modules"], "modules: this is a directory"),
        (["other.yaml"], "the path other.yaml stands alone; for the definition write --exp other.yaml"),
        (["--dry", "other.yaml"], "the path other.yaml stands alone"),
        (["modules/module.py"], "the path modules/module.py stands alone"),
        (["--queue", "queue.yaml"], "the queue queue.yaml does not exist"),
        (["+Global.queue=study.yaml"], "Global.queue is this definition itself"),
    ],
)
def test_a_wrong_call_ends_with_status_2_before_anything_runs(
    numbers: Project, arguments: list[str], error: str
) -> None:
    """CR-07: with one clear word and no traceback."""
    done = numbers.run(*arguments)
    assert done.status == 2
    assert error in done.stderr
    assert "Traceback" not in done.stderr
    assert not (numbers.path / "log.yaml").exists()


@pytest.mark.parametrize(
    ("given", "meant"), [("--inlin", "--inline"), ("--max-failure=3", "--max-failures"), ("-exp", "--exp")]
)
def test_a_near_miss_of_an_option_is_warned_about_and_goes_to_the_module(
    numbers: Project, given: str, meant: str
) -> None:
    """CR-06."""
    done = numbers.run("--quiet", "--pick", "0", given)
    assert done.status == 0
    assert f"is no option of ours and goes to the Module; did you mean {meant}?" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["--data", "a.yaml"], ["--files", "modules", "b"], ["--lr=1", "-q1"], ["word"]]
)
def test_other_arguments_are_the_module_s_own(numbers: Project, arguments: list[str]) -> None:
    """CR-06: values of its options are no stray paths."""
    done = numbers.run("--quiet", "--pick", "0", *arguments)
    assert (done.status, done.stderr) == (0, "")


def test_no_abbreviation_of_an_option_is_ours(numbers: Project) -> None:
    """CR-06: --dr belongs to the Module, and the study runs."""
    assert numbers.run("--quiet", "--dr").status == 0
    assert len(names(numbers)) == 6


def test_no_code_refuses_every_expression(project: Project) -> None:
    project.module("def main(exp):\n    pass\n")
    project.study("Module: modules.module\na: parse 1 + 1\n---\nName: one\nb: solve math.sin\n")
    done = project.run("--no-code")
    assert done.status == 2
    assert "study.yaml:2:4: an expression, refused by --no-code: parse 1 + 1" in done.stderr
    assert "study.yaml:5:4: an expression, refused by --no-code: solve math.sin" in done.stderr
    project.study(ONE)
    assert project.run("--no-code", "--quiet").status == 0


# --- where it runs ---------------------------------------------------------------------------------


def test_the_directory_of_the_command_is_where_modules_and_paths_are_found(
    project: Project, executor: list[str]
) -> None:
    """CR-11: not the checkout's, not the definition's; and it comes first on the import path."""
    project.module(
        "import json\ndef main(exp):\n    exp.MINE = json.mine\n    exp.CWD = os.getcwd()\n"
        "    exp.READ = Path('data.txt').read_text()\n    exp.FIRST = sys.path[0]\n"
    )
    project.write("json.py", "mine = True\n")
    project.write("data.txt", "content")
    project.study(ONE + "YamlLog: out/deep/log.yaml\n", "studies/study.yaml")
    # The runner itself must not trip over the names of the project's own files.
    done = project.run("--quiet", "--exp", "studies/study.yaml", "++Module=modules.module")
    assert done.status == 0, done.stderr
    (record,) = project.log("out/deep/log.yaml")
    assert record["CWD"] == record["FIRST"] == str(project.path)
    assert (record["MINE"], record["READ"], record["STUDY"]) == (True, "content", "study.yaml")


def test_the_shipped_command_runs_from_any_directory(project: Project) -> None:
    """CR-11: run.py is called by its path, and finds what lies where it is called."""
    project.module("def main(exp):\n    exp.FILE = __file__\n")
    project.study(ONE)
    assert not project.path.is_relative_to(ROOT)
    assert project.run("--quiet").status == 0
    assert project.log()[0]["FILE"] == str(project.path / "modules" / "module.py")


# --- Modules and results ---------------------------------------------------------------------------


def test_every_form_of_a_module_runs(project: Project, executor: list[str]) -> None:
    """CR-11."""
    project.write("modules/__init__.py", "")
    project.module("def main(exp):\n    exp.GOT = 'main'\ndef train(exp):\n    exp.GOT = 'train'\n")
    project.module(
        "import asyncio\nasync def main(exp):\n    await asyncio.sleep(0)\n    exp.GOT = 'async'\n", "late"
    )
    project.write("package/__init__.py", "def main(exp):\n    exp.GOT = 'package'\n")
    project.study(
        """
        Module: modules.module
        ---
        Name: a
        ---
        Name: b
        Module: modules.module:train
        ---
        Name: c
        Module: modules.late
        ---
        Name: d
        Module: package
        ---
        Name: e
        Run: solve modules.module.train
        ---
        Name: f
        Run: "solve lambda exp: exp.update(GOT='lambda')"
        """
    )
    assert project.run("--quiet", *executor).status == 0
    assert [record["GOT"] for record in project.log()] == [
        "main",
        "train",
        "async",
        "package",
        "train",
        "lambda",
    ]


def test_solve_makes_objects_right_before_the_experiment_runs(project: Project, executor: list[str]) -> None:
    """CR-12: in its process; the log keeps the text, and the plain values apart."""
    project.module(
        """
        class Net:
            def __init__(self, width):
                self.width = width

        def main(exp):
            exp.WIDTH = exp.net(exp.model.width).width
            exp.SAME = exp.model.pid == os.getpid()
        """
    )
    project.study(
        """
        Global: {imports: [os]}
        Module: modules.module
        net: solve modules.module.Net
        ---
        base: 4
        Name: one
        model: {width: solve base * 2, pid: solve os.getpid()}
        """
    )
    assert project.run("--quiet", *executor).status == 0
    (record,) = project.log()
    assert (record["WIDTH"], record["SAME"]) == (8, True)
    assert record["net"] == "solve modules.module.Net"
    assert record["model"] == {"width": "solve base * 2", "pid": "solve os.getpid()"}
    assert record["SOLVED"]["model.width"] == 8
    assert "net" not in record["SOLVED"]


def test_solve_makes_an_experiment_depend_on_an_earlier_one(project: Project, executor: list[str]) -> None:
    """CR-12: on its results; where it failed, the other is blocked, and it is said why."""
    project.module("def main(exp):\n    if exp.get('fail'):\n        1 / 0\n    exp.ACC = exp.start + 1\n")
    project.study(
        """
        Module: modules.module
        start: 0
        ---
        Name: pretrain
        Repeat: 2
        start: parse 10 * REP
        ---
        Name: broken
        fail: true
        ---
        Name: tuned
        start: solve E['pretrain'].ACC
        ---
        Name: hopeless
        start: solve E['broken'].ACC
        """
    )
    done = project.json(*executor)
    assert done.status == 1
    assert [(record["Name"], record["ACC"]) for record in project.log()] == [
        ("pretrain", 1), ("pretrain", 11), ("tuned", 12)
    ]  # fmt: skip
    assert [record["Name"] for record in project.log("log.failed.yaml")] == ["broken"]
    assert any("hopeless" in notice and "which failed" in notice for notice in done.notices)


def test_results_of_numpy_become_numbers_and_lists(project: Project, executor: list[str]) -> None:
    """CR-13."""
    pytest.importorskip("numpy")
    project.module(
        """
        import numpy as np
        def main(exp):
            exp.SCALAR = np.float32(0.5)
            exp.COUNT = np.int64(3)
            exp.FLAG = np.bool_(True)
            exp.ARRAY = np.arange(4).reshape(2, 2)
            exp.NESTED = {"mean": np.mean([1.0, 2.0]), "all": [np.float64(1.5)]}
            exp.NAN = np.float64("nan")
        """
    )
    project.study(ONE)
    done = project.json(*executor)
    (record,) = project.log()
    assert (record["SCALAR"], record["COUNT"], record["FLAG"]) == (0.5, 3, True)
    assert record["ARRAY"] == [[0, 1], [2, 3]]
    assert record["NESTED"] == {"mean": 1.5, "all": [1.5]}
    assert record["NAN"] != record["NAN"]
    assert not done.notices


def test_a_person_is_told_of_parameters_never_read_and_of_results_without_a_plain_form(
    project: Project, executor: list[str]
) -> None:
    """CR-13."""
    project.module("def main(exp):\n    exp.MODEL = object()\n    exp.LR = exp.lr\n    return 3\n")
    project.study("Module: modules.module\n---\nName: one\nlr: 1\nlearning_rate: 2\n_remark: x\n")
    done = project.json(*executor)
    assert done.status == 0
    assert any(
        "MODEL is of type object, which has no plain form; its repr is logged" in text
        for text in done.notices
    )
    assert any("main returned a int, which is not kept" in text for text in done.notices)
    assert any(text.startswith("modules.module never read: learning_rate (") for text in done.notices)
    assert project.log()[0]["MODEL"].startswith("<object object")


def test_a_record_says_where_when_and_for_how_long_it_ran(project: Project, executor: list[str]) -> None:
    """CR-14."""
    project.module("def main(exp):\n    time.sleep(0.05)\n")
    project.study(ONE + "YamlLog: new/directory/log.yaml\n")
    before = datetime.datetime.now().astimezone().replace(microsecond=0)
    done = project.json(*executor)
    (record,) = project.log("new/directory/log.yaml")
    assert list(record)[-6:] == ["ID", "STUDY", "HOST", "RUN", "STARTED", "TIME_ELAPSED"]
    assert (
        before <= datetime.datetime.fromisoformat(record["STARTED"]) <= datetime.datetime.now().astimezone()
    )
    assert record["TIME_ELAPSED"] >= 0.05
    assert record["ID"] == done.named("experiment_finished")[0]["id"]
    assert (record["STUDY"], record["HOST"]) == ("study.yaml", os.uname().nodename)


def test_output_appears_where_it_belongs(project: Project, executor: list[str]) -> None:
    """Between the start and the end of its experiment, that of its children and of C included."""
    project.module(
        """
        import atexit, subprocess
        def main(exp):
            print(f"<{exp.Name}")
            sys.stderr.write("aside\\n")
            subprocess.run(["echo", "child"])
            os.write(1, b"raw\\n")
            print(f"{exp.Name}>", end="")
            sys.stdout.write("\\n" if exp.Name == "b" else "")
        """
    )
    project.study("Module: modules.module\n---\nName: a\n---\nName: b\n")
    done = project.run(*executor)
    assert done.status == 0
    shown = done.stdout.replace("a>[", "a>\n[").splitlines()
    places = [shown.index(line) for line in ("<a", "a>", "<b", "b>")]
    assert places == sorted(places)
    for start, end in (places[:2], places[2:]):
        assert shown[start + 1 : end] == ["child", "raw"]
    begun, over = (
        next(i for i, line in enumerate(shown) if f" a {word}" in line) for word in ("started", "done")
    )
    assert begun < places[0] < places[1] < over < places[2]
    assert done.stderr.count("aside") == 2
    assert project.json().output.count("<a\naside\nchild\nraw\na>") == 1


def test_with_json_nothing_stands_between_the_objects(project: Project, executor: list[str]) -> None:
    project.module("def main(exp):\n    print('not json')\n    os.system('echo nor this')\n")
    project.study(ONE)
    done = project.json(*executor)
    assert [event["event"] for event in done.events if event["event"] != "output"] == [
        "study_started", "experiment_started", "experiment_finished", "study_finished",
    ]  # fmt: skip
    shown = done.stderr if executor else done.output
    assert "not json" in shown
    assert "nor this" in shown


def test_experiments_know_nothing_of_each_other(project: Project) -> None:
    """A fresh process each: no module, environment or directory of one is another's."""
    project.module(
        """
        import json
        seen = []
        def main(exp):
            exp.SEEN = len(seen) + len(getattr(json, "seen", [])) + ("SEEN" in os.environ)
            seen.append(1); json.seen = [1]; os.environ["SEEN"] = "1"; os.chdir("/"); sys.path.clear()
        """
    )
    project.study("Module: modules.module\n---\nName: one\nRepeat: 3\n")
    assert project.run("--quiet").status == 0
    assert [record["SEEN"] for record in project.log()] == [0, 0, 0]


def test_a_module_may_have_processes_and_threads_of_its_own(project: Project, executor: list[str]) -> None:
    """Pools of every kind, as data loaders use them."""
    project.module(
        """
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

        def square(x):
            return x * x

        def main(exp):
            context = multiprocessing.get_context(exp.how)
            with context.Pool(2) as pool:
                exp.POOL = pool.map(square, range(3))
            with ProcessPoolExecutor(2, mp_context=context) as pool:
                exp.FUTURES = list(pool.map(square, range(3)))
            with ThreadPoolExecutor(2) as pool:
                exp.THREADS = list(pool.map(square, range(3)))
        """
    )
    project.study(
        "Module: modules.module\nhow: parse Name\n---\nName: fork\n---\nName: spawn\n---\nName: forkserver\n"
    )
    done = project.json(*executor)
    assert done.status == 0, done.stdout
    assert not done.notices
    for record in project.log():
        assert record["POOL"] == record["FUTURES"] == record["THREADS"] == [0, 1, 4]
    project.check_nothing_runs()


# --- ends ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["sleeps", "swallows", "ignores"])
def test_an_experiment_whose_time_is_up_has_failed(project: Project, executor: list[str], how: str) -> None:
    """Timeout: it is asked to stop, then killed; the study goes on."""
    if how == "ignores" and executor:
        pytest.skip("what ignores everything cannot be ended in this very process")
    project.module(
        """
        def main(exp):
            exp.BEGUN = True
            if exp.how == "ignores":
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            end = time.monotonic() + (120 if exp.how != "none" else 0)
            while time.monotonic() < end:
                try:
                    time.sleep(0.05)
                except BaseException:
                    if exp.how != "swallows":
                        raise
                    break
        """
    )
    project.study(
        f"Global: {{grace: 1s}}\nModule: modules.module\n---\nName: slow\nTimeout: 0.4s\nhow: {how}\n"
        "---\nName: fine\nTimeout: 1h\nhow: none\n"
    )
    done = project.json(*executor)
    assert done.status == 1
    assert names(project) == ["fine"]
    (record,) = project.log("log.failed.yaml")
    assert record["ERROR"] == "Timeout: it ran for longer than 0.4 s"
    if how != "ignores":
        assert record["BEGUN"] is True
    if how == "sleeps":
        assert "time.sleep(0.05)" in record["TRACEBACK"]


@pytest.mark.parametrize(
    ("arguments", "ran"),
    [
        ([], 5),
        (["--fail-fast"], 2),
        (["--max-failures", "1"], 2),
        (["--max-failures", "2"], 3),
        (["--max-failures", "3"], 5),
        (["+Global.fail_fast=true"], 2),
        (["+Global.max_failures=2"], 3),
    ],
)
def test_failures_may_end_a_study(project: Project, arguments: list[str], ran: int) -> None:
    project.module("def main(exp):\n    assert exp.fine\n")
    documents = "".join(f"---\nName: e{i}\nfine: {i not in (1, 2)}\n" for i in range(5))
    project.study("Module: modules.module\n" + documents)
    done = project.json(*arguments)
    assert done.status == 1
    assert len(done.named("experiment_started")) == ran
    assert done.named("study_finished")[0]["left"] == 5 - ran


def test_the_exit_status_says_how_a_study_went(project: Project, executor: list[str]) -> None:
    """0 all done, 1 some failed, 2 a wrong definition, 130 ended by a person."""
    project.module(
        """
        def main(exp):
            if exp.how == "fail":
                raise ValueError
            if exp.how == "end":
                Path("ready").write_text("yes\\n")
                time.sleep(300)
        """
    )
    for how, status in {"fine": 0, "fail": 1, "[": 2}.items():
        project.study(f"Module: modules.module\n---\nName: one\nhow: {how}\n")
        assert project.run("--quiet", *executor).status == status
    project.study("Module: modules.module\n---\nName: one\nhow: end\n")
    study = project.start(*executor)
    project.wait_for("ready")
    study.process.terminate()
    assert study.finish().status == 130


def test_a_reader_that_has_seen_enough_does_not_spoil_the_study(project: Project) -> None:
    project.module("def main(exp):\n    pass\n")
    project.study("Module: modules.module\n---\nName: one\nRepeat: 50\n")
    command = shlex.join(project.command("--inline"))
    process = project.open(
        ["bash", "-c", f"{command} | head -1 >/dev/null; exit ${{PIPESTATUS[0]}}"], env=project.environment()
    )
    assert process.wait(60) == 0
    assert len(project.log()) == 50


# --- versions of the code --------------------------------------------------------------------------

WAITS = """
VERSION = "first"

def main(exp):
    exp.VERSION = VERSION
    if exp.get("late"):
        from modules import late
        exp.LATE = late.VERSION
    if exp.get("waits"):
        Path("waits").write_text("yes\\n")
        end = time.monotonic() + 60
        while not Path("go").exists() and time.monotonic() < end:
            time.sleep(0.02)
"""


def test_a_module_edited_during_a_study_goes_on_in_its_first_version(
    project: Project, executor: list[str]
) -> None:
    """The edit is announced once, and waits for the next study."""
    project.module(WAITS)
    project.study("Module: modules.module\n---\nName: a\nwaits: true\n---\nName: b\nRepeat: 3\n")
    os.utime(project.path / "modules" / "module.py", (0, 0))
    study = project.start(*executor)
    project.wait_for("waits")
    project.module(WAITS.replace("first", "second edition"))
    (project.path / "go").touch()
    done = study.finish()
    assert [record["VERSION"] for record in project.log()] == ["first"] * 4
    told = [text for text in done.notices if "modules/module.py has changed on the disk" in text]
    assert len(told) == 1
    assert "this study goes on with the version that it began with" in told[0]
    assert project.run("--quiet", "--pick", "1", *executor).status == 0
    assert project.log()[-1]["VERSION"] == "second edition"


def test_a_file_first_imported_after_an_edit_is_used_and_announced(
    project: Project, executor: list[str]
) -> None:
    """It has no first version in this study; a person is told that it is a newer one."""
    project.module(WAITS)
    late = project.module("VERSION = 'old'\n", "late")
    project.study("Module: modules.module\n---\nName: a\nwaits: true\n---\nName: b\nRepeat: 2\nlate: true\n")
    for path in (late, project.path / "modules" / "module.py"):
        os.utime(path, (0, 0))
    study = project.start(*executor)
    project.wait_for("waits")
    project.module("VERSION = 'new edition'\n", "late")
    (project.path / "go").touch()
    done = study.finish()
    assert [record.get("LATE") for record in project.log()] == [None, "new edition", "new edition"]
    told = [text for text in done.notices if "modules/late.py was changed after this study began" in text]
    assert len(told) == 1


def test_a_module_deleted_during_a_study_still_runs(project: Project, executor: list[str]) -> None:
    path = project.module(WAITS)
    project.study("Module: modules.module\n---\nName: a\nwaits: true\n---\nName: b\n")
    os.utime(path, (0, 0))
    study = project.start(*executor)
    project.wait_for("waits")
    path.unlink()
    (project.path / "go").touch()
    done = study.finish()
    assert done.status == 0
    assert any("modules/module.py is gone from the disk" in text for text in done.notices)


def test_pins_outlive_the_helper(project: Project) -> None:
    """A new helper forks experiments with the same versions as the old one."""
    path = project.module(WAITS)
    project.study("Module: modules.module\n---\nName: a\n---\nName: b\nwaits: true\n---\nName: c\n")
    os.utime(path, (0, 0))
    study = project.start()
    study.wait_for("experiment_finished", name="a")
    project.wait_for("waits")
    project.module(WAITS.replace("first", "second edition"))
    children = Path(f"/proc/{study.process.pid}/task/{study.process.pid}/children")
    if not children.exists():
        pytest.skip("looks for processes in /proc")
    os.kill(int(children.read_text()), signal.SIGKILL)
    (project.path / "go").touch()
    assert study.finish().status == 0
    assert [record["VERSION"] for record in project.log()] == ["first"] * 3


# --- warm libraries --------------------------------------------------------------------------------


def run_with_library(
    project: Project, library: str, definition: str = "", module: str = "", repeat: int = 5
) -> tuple[Finished, list[int]]:
    """Run experiments that import an installed library; return the processes that imported it, too."""
    head = "import os\nwith open('imports.txt', 'a') as file:\n    file.write(f'{os.getpid()}\\n')\n"
    project.write("site-packages/heavy/__init__.py", head + "VALUE = 7\n" + library)
    project.module(
        module + "import heavy\ndef main(exp):\n    exp.VALUE = heavy.VALUE\n    exp.PID = os.getpid()\n"
        "    exp.VARIABLE = os.environ.get('HEAVY')\n"
    )
    project.study(f"{definition}Module: modules.module\n---\nName: one\nRepeat: {repeat}\n")
    done = project.json(PYTHONPATH=str(project.path / "site-packages"))
    assert done.status == 0, done.stderr
    assert [record["VALUE"] for record in project.log()] == [7] * repeat
    imports = [int(line) for line in (project.path / "imports.txt").read_text().split()]
    assert len({record["PID"] for record in project.log()}) == repeat
    return done, imports


THREAD = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
SETS_VARIABLE = "os.environ['HEAVY'] = '1'\n"


@pytest.mark.skipif(sys.platform != "linux", reason="libraries are warmed on Linux")
@pytest.mark.parametrize("library", ["", SETS_VARIABLE], ids=["plain", "sets a variable"])
def test_an_installed_library_is_imported_once_where_that_is_safe(project: Project, library: str) -> None:
    """By the first experiment, which shows that it is needed, and by the helper; by no other."""
    _, imports = run_with_library(project, library)
    pids = [record["PID"] for record in project.log()]
    assert len(imports) == 2
    assert imports[0] == pids[0]
    assert imports[1] not in pids
    assert {record["VARIABLE"] for record in project.log()} == {"1" if library else None}


@pytest.mark.parametrize(
    ("library", "definition", "module"),
    [
        (THREAD, "", ""),
        ("", "Global: {warm: false}\n", ""),
        ("if os.getpid() == os.getsid(0):\n    os._exit(3)\n", "", ""),
        ("if os.getpid() == os.getsid(0):\n    raise RuntimeError('not here')\n", "", ""),
        ("SEEN = os.environ['HEAVY']\n", "", SETS_VARIABLE),
        ("SEEN = os.environ.get('HEAVY')\n", "", SETS_VARIABLE),
    ],
    ids=["thread", "off", "dies in the helper", "raises in it", "needs the Module", "heeds the Module"],
)  # fmt: skip
def test_a_library_that_is_not_safe_to_share_is_imported_by_each_experiment(
    project: Project, library: str, definition: str, module: str
) -> None:
    """The results are the same, and the study is none the worse for the attempt."""
    done, imports = run_with_library(project, library, definition, module)
    pids = [record["PID"] for record in project.log()]
    assert [pid for pid in imports if pid in pids] == pids
    assert not done.notices
    assert done.stderr == ""


def test_random_numbers_differ_between_experiments(project: Project) -> None:
    """Also where the library that draws them was imported once, and seeded then, for all."""
    pytest.importorskip("numpy")
    project.module(
        "import random\nimport numpy\n"
        "def main(exp):\n    exp.N = float(numpy.random.rand())\n    exp.R = random.random()\n"
    )
    project.study("Module: modules.module\n---\nName: one\nRepeat: 5\n")
    done = project.json()
    assert done.status == 0
    assert not done.notices
    for key in ("N", "R"):
        assert len({record[key] for record in project.log()}) == 5


def test_a_ctrl_c_while_libraries_are_warmed_is_heeded(project: Project) -> None:
    """CR-04: and the next experiment does not need them warm."""
    if sys.platform != "linux":
        pytest.skip("libraries are warmed on Linux")
    library = """
        import os, time
        if os.getpid() == os.getsid(0):
            open("warming", "w").write("yes\\n")
            time.sleep(600)
    """
    project.write("site-packages/heavy/__init__.py", library)
    project.module("import heavy\ndef main(exp):\n    exp.A = 1\n")
    project.study("Module: modules.module\n---\nName: one\nRepeat: 3\n")
    study = project.start(PYTHONPATH=str(project.path / "site-packages"))
    project.wait_for("warming")
    study.interrupt()
    until(lambda: any(event["event"] == "stopping" for event in study.events), "the interrupt")
    study.interrupt()
    assert study.finish().status == 130
    project.check_nothing_runs()


# --- what is left ----------------------------------------------------------------------------------

LEFT = """
Module: modules.module
---
Name: first
---
Name: bad
---
Name: last
seed: parse E[0].RND_IDX
"""


def test_the_command_for_what_is_left_keeps_the_numbers_that_were_drawn(project: Project) -> None:
    project.module("def main(exp):\n    assert exp.Name != 'bad' or Path('mended').exists()\n")
    project.study(LEFT)
    stopped = project.run("--fail-fast", "--pick", "0,1,2")
    command = stopped.stdout.splitlines()[-1].strip()
    assert command.endswith("run.py --exp study.yaml --pick 0,1,2 --resume")
    project.write("mended", "")
    assert project.run(*shlex.split(command)[2:]).status == 0
    first, bad, last = project.log()
    assert (first["Name"], bad["Name"], last["seed"]) == ("first", "bad", first["RND_IDX"])


def test_what_is_left_is_named_where_the_log_has_results_of_another_time(project: Project) -> None:
    """Else these would count, and nothing would be run."""
    project.module("def main(exp):\n    assert exp.Name != 'bad' or not Path('log.yaml').exists()\n")
    project.study(LEFT)
    assert project.run("--pick", "0").status == 0
    stopped = project.run("--fail-fast")
    assert stopped.stdout.splitlines()[-1].strip().endswith("run.py --exp study.yaml --pick 1,2")
