"""Argparse scripts as people write them, started as people start them."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import yaml

from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.provenance import read_provenance
from coolrunner.runs.sources import read_manifest
from coolrunner.runs.status import RunStatus, is_alive
from coolrunner.runs.store import Store
from tests.checkouts import ROOT, clean_environment, run, shell, write_script

# As the document of exman shows it, with its import line changed.
SNIPPET = """\
#file: main.py
import coolrunner as exman

parser = exman.ExParser(root=exman.simpleroot(__file__))  # `root = ./exman` relative to the main file
parser.add_argument("--param1")
parser.add_argument("--param2", default="1")
parser.add_argument("--steps", type=int, default=3)
"""
PARSE = "args = parser.parse_args()\n"


class Script:
    """A script in a directory of its own."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.root = place / "exman"

    def write(self, *parts: str, name: str = "main.py") -> None:
        """Write the script."""
        (self.place / name).write_text("\n".join(textwrap.dedent(part) for part in parts))

    def environment(self) -> dict[str, str]:
        """Return the variables that it is started with."""
        return {**clean_environment(), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}

    def __call__(
        self, *words: str, status: int = 0, name: str = "main.py"
    ) -> subprocess.CompletedProcess[str]:
        """Start it and wait for its end."""
        command = [sys.executable, name, *words]
        done = run(command, cwd=self.place, PYTHONPATH=str(ROOT), PYTHONWARNINGS="error")
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start it, with pipes for its output."""
        return subprocess.Popen(
            [sys.executable, "main.py", *words],
            cwd=self.place,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def runs(self, place: str = "runs") -> list[RunDirectory]:
        """Return its runs."""
        return [RunDirectory.at(path) for path in sorted((self.root / place).iterdir())]

    def only(self, place: str = "runs") -> RunDirectory:
        """Return its only run."""
        (found,) = self.runs(place)
        return found


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """A script that is still to be written."""
    place = tmp_path / "project"
    place.mkdir()
    return Script(place)


# --- the snippets of the document ---


def test_exm_01_to_05_the_snippet_of_the_document_makes_a_run(script: Script) -> None:
    script.write(SNIPPET, PARSE, "print(args.root, args.param1, args.param2)\n")
    done = script("--param1", "foo", "--param2", "bar")
    found = script.only()
    assert done.stdout == f"{found.path} foo bar\n"
    assert re.fullmatch(r"000001-\d{4}(-\d\d){5}", found.name)
    data = yaml.safe_load((found.path / "params.yaml").read_text())
    assert {"param1": "foo", "param2": "bar", "steps": 3, "id": 1, "root": f"runs/{found.name}"}.items() <= (
        data.items()
    )
    assert f"run exman/runs/{found.name}\n" in done.stderr
    link = script.root / "index" / f"{found.name}.yaml"
    assert str(link.readlink()) == f"../runs/{found.name}/params.yaml"
    assert {path.name for path in script.root.iterdir()} >= {"runs", "index", "marked", "tmp", "fails"}
    assert found.read_state().status is RunStatus.DONE


def test_exm_04_to_try_a_script_out_leaves_the_index_alone(script: Script) -> None:
    script.write(SNIPPET, PARSE)
    script("--param1", "foo", "--tmp")
    assert not list((script.root / "index").iterdir())
    assert script.only("tmp").number == 1


def test_exm_06_a_run_is_repeated_from_the_index(script: Script) -> None:
    script.write(SNIPPET, PARSE, "print(repr(args.param1), repr(args.param2), args.steps)\n")
    script("--param1", "2024-01-01", "--param2", "yes", "--steps", "7", "--name", "first")
    (link,) = (script.root / "index").iterdir()
    done = script("--config", f"exman/index/{link.name}", "--steps", "8")
    assert done.stdout == "'2024-01-01' 'yes' 8\n"
    assert script.runs()[1].title == ""


def test_exm_07_to_09_runs_are_marked_and_loaded_into_pandas(script: Script) -> None:
    pytest.importorskip("pandas", reason="the extra [frame] is not installed")
    script.write(SNIPPET, PARSE)
    for word in ("foo", "bar", "baz"):
        script("--param1", word)
    done = script("mark", "key", "1", "3", "7")
    assert done.stdout == ""
    assert "runs {7} were not found" in done.stderr
    script.write(
        f"""\
        import coolrunner as exman
        index = exman.Index(exman.simpleroot({str(script.place / "main.py")!r}))
        experiments = index.info()
        for i, ex in experiments.iterrows():
            # do some actions
            # use ex.param for parameters
            # ex.root / 'plot.png' for file paths
            (ex.root / 'plot.png').write_text(ex.param1)
        print(*experiments.dtypes[['time', 'param1', 'steps']])
        experiments = index.info('key')
        print(*experiments.param1)
        """,
        name="notebook.py",
    )
    assert script(name="notebook.py").stdout == "datetime64[ns] object int64\nfoo baz\n"
    assert [(found.path / "plot.png").read_text() for found in script.runs()] == ["foo", "bar", "baz"]


def test_exm_10_runs_are_deleted_through_the_script(script: Script) -> None:
    script.write(SNIPPET, PARSE)
    for _ in range(3):
        script()
    script("delete", "1")
    script("delete", "--all", "3")
    assert [found.number for found in script.runs()] == [1, 2]
    assert [path.name[:6] for path in (script.root / "index").iterdir()] == ["000002"]
    script()
    assert script.runs()[-1].number == 4
    assert "usage: main.py delete" in script("delete", "--help").stdout
    assert "usage: main.py mark" in script("mark", status=2).stderr


def test_exm_11_to_15_all_that_a_parser_can_do_in_one_script(script: Script) -> None:
    script.write(
        """\
        import coolrunner as exman

        parser = exman.ExParser(root=exman.simpleroot(__file__), automark=["user", "baseline"])
        parser.add_argument("--user", default="me")
        parser.add_argument("--fast", type=bool, default=False)
        parser.add_argument("--limit", type=exman.optional(int), default=5)
        parser.add_argument("--job", volatile=True)
        parser.register_setter(lambda params: vars(params).update(double=(params.limit or 0) * 2))
        parser.register_validator(lambda params: params.double < 100, "too much: {double}")
        try:
            args = parser.parse_args()
        except exman.ArgumentError as error:
            raise SystemExit(f"refused: {error}")
        print(args.fast, args.limit, args.job, args.double)
        """
    )
    assert script("--fast", "yes", "--limit", "none", "--job", "x").stdout == "True None x 0\n"
    assert script("--config", str(script.only().params), "--user", "a/b").stdout == "True None None 0\n"
    assert "refused: too much: 120" in script("--limit", "60", status=1).stderr
    marks = {
        str(path.parent.relative_to(script.root / "marked")) for path in script.root.glob("marked/**/*.yaml")
    }
    assert marks == {"user/me/baseline", "user/a%2Fb/baseline"}


# --- EXM-16: output and endings ---


def test_exm_16_output_of_children_is_in_the_log_too(script: Script) -> None:
    script.write(
        SNIPPET,
        PARSE,
        """\
        import os
        with args.safe_experiment:
            print("from Python")
            os.system("echo from a child")
        print("behind")
        """,
    )
    done = script()
    log = script.only().log.read_text()
    assert "from Python" in log
    assert "from a child" in log
    assert "behind" not in log
    assert sorted(done.stdout.splitlines()) == ["behind", "from Python", "from a child"]


def test_exm_16_a_failed_run_is_put_aside_and_the_script_fails(script: Script) -> None:
    script.write(SNIPPET, PARSE, "with args.safe_experiment:\n    print('begun')\n    1 / 0\n")
    done = script(status=1)
    assert "ZeroDivisionError" in done.stdout
    assert "ZeroDivisionError" in done.stderr
    found = script.only("fails")
    assert "begun" in found.log.read_text()
    assert "ZeroDivisionError" in found.traceback.read_text()
    assert found.read_state().status is RunStatus.FAILED
    assert not list((script.root / "index").iterdir())
    assert not script.runs()


SLEEP = """\
import sys, time
with args.safe_experiment{call}:
    print("ready", flush=True)
    time.sleep(60)
print("goes on", flush=True)
"""


def test_exm_16_after_ctrl_c_the_script_goes_on(script: Script) -> None:
    script.write(SNIPPET, PARSE, SLEEP.format(call=""))
    process = script.start()
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=30)
    assert process.returncode == 0, error
    assert "KeyboardInterrupt" in out
    assert out.endswith("goes on\n")
    found = script.only()
    assert found.read_state().status is RunStatus.INTERRUPTED
    assert "KeyboardInterrupt" in found.traceback.read_text()
    assert len(list((script.root / "index").iterdir())) == 1


@pytest.mark.parametrize(
    ("answer", "default", "is_moved"),
    [("yes\n", False, True), ("no\n", True, False), ("\n", True, True), ("\n", False, False)],
)
def test_exm_16_a_person_at_a_terminal_is_asked(
    script: Script, answer: str, default: bool, is_moved: bool
) -> None:
    script.write(SNIPPET, PARSE, SLEEP.format(call=f"(prompt=True, default={default})"))
    keyboard, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "main.py"],
        cwd=script.place,
        env=script.environment(),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    shown = read_until(keyboard, "ready")
    process.send_signal(signal.SIGINT)
    shown += read_until(keyboard, "move to fails?")
    os.write(keyboard, answer.encode())
    assert process.wait(timeout=30) == (-signal.SIGINT if is_moved else 0), shown
    os.close(keyboard)
    found = script.only("fails" if is_moved else "runs")
    assert found.read_state().status is RunStatus.INTERRUPTED


def read_until(descriptor: int, text: str) -> str:
    """Return what a terminal shows until some text is there."""
    shown = ""
    while text not in shown:
        shown += os.read(descriptor, 4096).decode(errors="replace")
    return shown


# --- scripts that never say where their run begins and ends ---


@pytest.mark.parametrize(
    ("ending", "code", "status", "failure", "error"),
    [
        ("", 0, RunStatus.DONE, "", ""),
        ("sys.exit()", 0, RunStatus.DONE, "", ""),
        ("raise SystemExit(0)", 0, RunStatus.DONE, "", ""),
        ("sys.exit(3)", 3, RunStatus.FAILED, "exit", ""),
        ("sys.exit('no data')", 1, RunStatus.FAILED, "exit", "SystemExit: no data"),
        ("raise ValueError('oh')", 1, RunStatus.FAILED, "exception", "ValueError: oh"),
        ("raise KeyboardInterrupt", -signal.SIGINT, RunStatus.INTERRUPTED, "", "KeyboardInterrupt"),
        ("threading.Thread(target=sys.exit, args=[3]).start()", 0, RunStatus.DONE, "", ""),
        ("os.fork() or os._exit(0)", 0, RunStatus.DONE, "", ""),
        ("os.fork() or sys.exit(3)", 0, RunStatus.DONE, "", ""),
    ],
)
def test_a_run_ends_with_its_script(
    script: Script, ending: str, code: int, status: RunStatus, failure: str, error: str
) -> None:
    script.write("import os, sys, threading\n", SNIPPET, PARSE, "from coolrunner import current_run\n")
    with (script.place / "main.py").open("a") as file:
        file.write(f"current_run().log_scalar('acc', 1)\n{ending}\n")
    script(status=code)
    found = script.only()
    state = found.read_state()
    assert (state.status, state.failure, state.error) == (status, failure, error)
    assert state.exit == (None if status is RunStatus.INTERRUPTED else code)
    assert found.metrics.read_text().startswith("name,step,value,time\nacc,0,1")
    assert found.traceback.exists() == (error in ("ValueError: oh", "KeyboardInterrupt"))


def test_a_script_that_is_killed_leaves_a_run_that_is_known_to_be_lost(script: Script) -> None:
    script.write(SNIPPET, PARSE, "print('ready', flush=True)\nimport time\ntime.sleep(60)\n")
    process = script.start()
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    state = script.only().read_state()
    assert (state.status, state.pid) == (RunStatus.RUNNING, process.pid)
    assert is_alive(state)
    process.kill()
    process.communicate()
    assert not is_alive(state)


def test_the_logger_and_subprocesses_find_the_run(script: Script) -> None:
    script.write(
        SNIPPET,
        PARSE,
        """\
        import subprocess, sys
        from coolrunner import current_run, logger
        logger.log_scalar("loss", 0.5)
        child = "from coolrunner import current_run; print(current_run().dir)"
        found = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True)
        print(found.stdout.strip() == str(args.root), current_run().id)
        """,
    )
    assert script().stdout == "True 1\n"
    assert "loss,0,0.5" in script.only().metrics.read_text()


def test_where_a_run_comes_from_is_in_the_store(script: Script) -> None:
    (script.place / "helper.py").write_text("value = 1\n")
    (script.place / "late.py").write_text("value = 2\n")
    script.write("import helper\n", SNIPPET, PARSE, "import late\n")
    script("--param1", "foo")
    found = script.only()
    state = found.read_state()
    store = Store(script.root / "store")
    facts = read_provenance(store, state.provenance)
    assert facts["argv"][-2:] == ["--param1", "foo"]
    assert facts["cwd"] == str(script.place)
    assert set(read_manifest(store, state.sources).files) == {"main.py", "helper.py", "late.py"}


# --- many at once ---


@pytest.mark.slow
def test_exm_02_eight_processes_make_runs_at_once(script: Script) -> None:
    script.write(SNIPPET, "for _ in range(5):\n    parser.parse_args(['--param1', 'x'])\n")
    processes = [script.start() for _ in range(8)]
    seen: set[str] = set()
    while any(process.poll() is None for process in processes):
        for path in (script.root / "index").glob("*.yaml") if script.root.exists() else ():
            if path.name not in seen:
                assert yaml.safe_load(path.read_text())["id"] == int(path.name[:6])
                seen.add(path.name)
        time.sleep(0.005)
    for process in processes:
        _, error = process.communicate()
        assert process.returncode == 0, error
    assert sorted(found.number for found in script.runs()) == list(range(1, 41))
    assert len(list((script.root / "index").iterdir())) == 40


# --- in place of argparse ---


def test_help_and_mistakes_look_like_those_of_argparse(script: Script) -> None:
    script.write(SNIPPET, PARSE)
    text = script("--help").stdout
    assert text.startswith("usage: main.py [-h] [--config FILE] [--tmp] [--git-dirty] [--name NAME]")
    assert "--steps" in text
    error = script("--steps", "x", status=2).stderr
    assert error.startswith("usage: main.py")
    assert "main.py: error: argument --steps: invalid int value: 'x'" in error
    assert not script.runs()


def test_a_parser_does_not_load_what_is_heavy(script: Script) -> None:
    script.write(
        SNIPPET,
        PARSE,
        """\
        import sys
        heavy = {"pandas", "numpy", "torch", "matplotlib", "rich", "streamlit", "tensorboardX", "slack_sdk"}
        print(sorted(heavy & set(sys.modules)))
        """,
    )
    assert script().stdout == "[]\n"


# --- the page of this door ---

PAGE = ROOT / "docs" / "argparse-scripts.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PARSES = "args = parser.parse_args()\n"


def test_the_examples_of_the_page_run(script: Script) -> None:
    pytest.importorskip("pandas", reason="the extra [frame] is not installed")
    bin = script.place.parent / "bin"
    write_script(bin / "python", f"exec '{sys.executable}' \"$@\"")
    shown, others = [], []
    # From the top: the script is written, commands are typed, notebooks run.
    for language, text in BLOCK.findall(PAGE.read_text()):
        if language == "sh":
            for line in text.splitlines():
                done = shell(line, cwd=script.place, bin=bin, PYTHONPATH=str(ROOT), PYTHONWARNINGS="error")
                assert done.returncode == 0, f"{line}\n{done.stderr}"
        elif text.startswith("# main.py\n"):
            script.write(text)
            before, _ = text.split(PARSES)
        elif text.startswith("# in a notebook\n"):
            script.write(text, name="notebook.py")
            shown.append(script(name="notebook.py").stdout)
        elif language == "python":
            others.append(text)
    assert [found.number for found in script.runs()] == [1, 3, 4]
    assert "0.05 0.95" in shown[0]
    assert "small" in shown[0]
    assert "0.3" in shown[1]
    for text in others:
        makes_parser = "ExParser(" in text
        is_about_arguments = makes_parser or "parser." in text
        parts = [text, PARSES] if is_about_arguments else [PARSES, text]
        script.write("import coolrunner\n", "" if makes_parser else before, *parts)
        script()
    (metrics,) = script.root.glob("runs/*/metrics.csv")
    assert "loss,0,0.5" in metrics.read_text()
