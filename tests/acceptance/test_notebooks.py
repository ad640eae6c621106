"""`coolrunner.study` where a person sits: a terminal, IPython, the kernel of a notebook."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import pytest

from tests.checkouts import ROOT, clean_environment
from tests.studies import DEADLINE, Project, Terminal, until
from tests.terminal import Screen

SCRIPT = """
import sys, time
sys.path[:0] = [{root!r}]
import coolrunner.frontends.calling.studies as studies

def train(exp):
    print("trains", exp.lr, flush=True)
    time.sleep(exp.get("t", 0.1))
    exp.ACC = exp.lr * 2

made = studies.study([{{"lr": 1}}, {{"lr": 2}}], defaults={{"Module": train}}, name="mine")
{body}
"""


def script(body: str) -> str:
    """Return a script with a study of two experiments."""
    return SCRIPT.format(root=str(ROOT), body=body)


# --- a terminal, and none --------------------------------------------------------------------------


def test_a_terminal_shows_how_it_goes_on_and_what_the_loop_prints(project: Project) -> None:
    """No line of the one falls into the other."""
    path = project.write(
        "sweep.py", script("for result in made:\n    print('got', result.ACC)\nprint('end')")
    )
    terminal = Terminal(project, [project.python, str(path)])
    assert terminal.finish() == 0
    screen = Screen(80)
    screen.feed(terminal.shown)
    lines = ["".join(line).rstrip() for line in screen.lines]
    for line in ("trains 1", "got 2", "trains 2", "got 4", "end"):
        assert line in lines
    assert any(line.startswith("✓ 2/2 train  ACC 4") for line in lines)
    assert any(line.startswith("mine: 2 of 2 done") for line in lines)
    assert "━" in terminal.shown
    assert not any("━" in line or "Next:" in line for line in lines)


def test_nothing_is_shown_where_the_output_is_read_by_another_program(project: Project) -> None:
    path = project.write("sweep.py", script("print([result.ACC for result in made])"))
    done = subprocess.run([project.python, str(path)], cwd=project.path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("trains 1\ntrains 2\n[2, 4]\n", "")


def test_ctrl_c_goes_to_the_next_experiment_and_a_second_one_ends_the_script(project: Project) -> None:
    body = "three = [{'lr': n, 't': 60} for n in (1, 2, 3)]\n"
    body += "made = studies.study(three, defaults={'Module': train})\n"
    body += "try:\n    made.run()\nfinally:\n    print('finally', made.finished)"
    path = project.write("sweep.py", script(body))
    terminal = Terminal(project, [project.python, str(path)])
    until(lambda: "trains 1" in terminal.shown, "the first experiment")
    terminal.type("\x03")
    until(lambda: "trains 2" in terminal.shown, "the second experiment")
    terminal.type("\x03")
    until(lambda: "next experiment in 2 s" in terminal.shown.rpartition("trains 2")[2], "the pause")
    terminal.type("\x03")
    assert terminal.finish() in (1, 130, -signal.SIGINT)
    assert "trains 3" not in terminal.shown
    assert "interrupted=2, left=1" in terminal.shown.replace("\r\n", "")
    assert "KeyboardInterrupt" in terminal.shown
    project.check_nothing_runs()


def test_a_script_that_is_killed_leaves_nothing_that_runs(project: Project) -> None:
    body = "made = studies.study({'lr': 1, 't': 60}, defaults={'Module': train})\nmade.run()"
    path = project.write("sweep.py", script(body))
    process = project.open(
        [project.python, str(path)], env=project.environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "trains 1\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    project.check_nothing_runs()


def test_a_script_that_ends_in_the_middle_ends_the_study(project: Project) -> None:
    body = "two = [{'lr': 1}, {'lr': 2, 't': 60}]\n"
    body += "results = iter(studies.study(two, defaults={'Module': train}, jobs=2))\n"
    path = project.write("sweep.py", script(f"{body}next(results)\nprint('end')"))
    command = [project.python, str(path)]
    environment = project.environment()
    done = subprocess.run(command, cwd=project.path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "end" in done.stdout
    assert len(project.log()) == 1
    project.check_nothing_runs()


def test_a_script_run_as_a_module_names_its_functions_by_that(project: Project) -> None:
    project.write("sweep.py", script("if __name__ == '__main__':\n    print(made.run()[1].Module)"))
    command = [project.python, "-m", "sweep"]
    done = subprocess.run(command, cwd=project.path, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "sweep:train"


def test_ipython_runs_functions_of_its_session(project: Project) -> None:
    pytest.importorskip("IPython", reason="IPython is not installed")
    environment = {**clean_environment(), "IPYTHONDIR": str(project.path / "ipython")}
    code = script("print([result.ACC for result in made]); made.frame()")
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", "-c", code],
        cwd=project.path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "[2, 4]" in done.stdout


# --- the kernel of a notebook ----------------------------------------------------------------------


class Kernel:
    """A kernel, and what a notebook would show of its cells."""

    def __init__(self, place: Path) -> None:
        client = pytest.importorskip("jupyter_client", reason="jupyter_client is not installed")
        pytest.importorskip("ipykernel", reason="ipykernel is not installed")
        self._manager, self._client = client.manager.start_new_kernel(
            kernel_name="python3", cwd=str(place), env={**os.environ, "IPYTHONDIR": str(place / "ipython")}
        )

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()
        self._manager.context.destroy(linger=0)

    def run(self, code: str, interrupt_at: str = "") -> list[tuple[str, str]]:
        """Run a cell; return kind and text of all that it shows."""
        shown: list[tuple[str, str]] = []
        asked = self._client.execute(code)
        until = time.monotonic() + DEADLINE
        while time.monotonic() < until:
            try:
                message = self._client.get_iopub_msg(timeout=1)
            except Empty:
                continue
            content: dict[str, Any] = message["content"]
            if message["parent_header"].get("msg_id") != asked:
                continue
            if content.get("execution_state") == "idle":
                return shown
            kind = message["msg_type"]
            if kind == "stream":
                shown.append((content["name"], content["text"]))
            elif kind in ("display_data", "update_display_data"):
                assert set(content["data"]) == {"text/plain", "text/html"}
                shown.append((kind, content["data"]["text/plain"]))
            elif kind == "error":
                shown.append((kind, content["ename"]))
            if interrupt_at and interrupt_at in shown[-1][1] if shown else False:
                self._manager.interrupt_kernel()
                interrupt_at = ""
        raise AssertionError(f"the cell does not end: {shown}")


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel in a directory of its own."""
    kernel = Kernel(tmp_path)
    with contextlib.closing(kernel):
        yield kernel


def texts(shown: list[tuple[str, str]], kind: str) -> str:
    return "".join(text for each, text in shown if each == kind)


def test_a_notebook_shows_one_display_that_changes(kernel: Kernel) -> None:
    shown = kernel.run(script("for result in made:\n    print('got', result.ACC)"))
    displays = [text for kind, text in shown if kind.endswith("display_data")]
    assert [kind for kind, _ in shown].count("display_data") == 1
    assert displays[0] == "0 done, 0 left"
    assert displays[-1].splitlines()[-1].startswith("mine: 2 of 2 done")
    assert "✓  2/2  train  ACC 4" in displays[-1]
    assert texts(shown, "stdout") == "trains 1\ngot 2\ntrains 2\ngot 4\n"
    assert texts(kernel.run("print(made, len(made.frame()))"), "stdout") == "<study mine: 2 of 2 done> 2\n"


def test_a_notebook_may_run_experiments_in_its_own_process(kernel: Kernel) -> None:
    kernel.run(script("made = studies.study({'lr': 1}, defaults={'Module': train}, executor='inline')"))
    shown = kernel.run("for result in made: print(result.ACC)")
    assert texts(shown, "stdout") == "trains 1\n2\n"


def test_interrupting_a_cell_stops_as_ctrl_c_does(kernel: Kernel) -> None:
    kernel.run(script("made = studies.study([{'lr': 1, 't': 60}, {'lr': 2}], defaults={'Module': train})"))
    shown = kernel.run("results = made.run()", interrupt_at="trains 1")
    assert "Ctrl-C: stopping 1 experiment" in texts(shown, "stdout")
    assert not texts(shown, "error")
    shown = kernel.run("print(results[0].ACC, made.finished.interrupted)")
    assert texts(shown, "stdout") == "4 1\n"


def test_interrupting_the_body_of_a_loop_ends_the_study(kernel: Kernel) -> None:
    kernel.run(script("made = studies.study([{'lr': 1}, {'lr': 2}], defaults={'Module': train})"))
    shown = kernel.run("for _ in made:\n    print('body', flush=True); time.sleep(60)", interrupt_at="body")
    assert texts(shown, "error") == "KeyboardInterrupt"
    assert texts(kernel.run("print(made.finished.done, made.finished.left)"), "stdout") == "1 1\n"
