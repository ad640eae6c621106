"""Scripts with a manager as people write them, started as people start them (EXG-01 to EXG-11)."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.layout import MANAGED, MANAGED_RUN
from coolrunner.runs.provenance import read_provenance
from coolrunner.runs.root import Root
from coolrunner.runs.rows import read_metrics
from coolrunner.runs.sources import read_manifest
from coolrunner.runs.status import RunStatus, is_alive
from coolrunner.runs.store import Store
from tests.checkouts import ROOT, clean_environment


class Script:
    """A script in a directory of its own."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.experiments = place / "managed_experiments"

    def write(self, text: str, name: str = "main.py") -> None:
        """Write the script."""
        (self.place / name).write_text(textwrap.dedent(text))

    def start(self, *words: str, name: str = "main.py", **options: Any) -> subprocess.Popen[str]:
        """Start it, with pipes for its output."""
        return subprocess.Popen(
            [sys.executable, *words, name],
            cwd=self.place,
            env={**clean_environment(), "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def __call__(self, text: str | None = None, *words: str, status: int = 0) -> tuple[str, str]:
        """Write it, start it, wait for its end; return what it prints."""
        if text is not None:
            self.write(text)
        process = self.start(*words)
        out, err = process.communicate(timeout=300)
        assert process.returncode == status, out + err
        return out, err

    def all(self) -> list[RunDirectory]:
        """Return its experiments."""
        return Root(self.experiments, MANAGED).runs()

    def only(self) -> RunDirectory:
        """Return its only experiment."""
        (found,) = self.all()
        return found

    def runs(self) -> list[RunDirectory]:
        """Return the runs of its only experiment."""
        return Root(self.only().path, MANAGED_RUN).runs()


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """A script that is still to be written."""
    place = tmp_path / "project"
    place.mkdir()
    return Script(place)


def files(directory: Path) -> list[str]:
    """Return the files below a directory."""
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


def metrics(run: RunDirectory) -> dict[str, list[float]]:
    """Return the values of each metric of a run."""
    found: dict[str, list[float]] = {}
    for row in read_metrics(run.metrics):
        found.setdefault(row.name, []).append(row.value)
    return found


# --- the snippets of the reference, with only their import lines changed ---


def test_exg_01_the_first_snippet_makes_the_directories_that_it_promises(script: Script) -> None:
    script(
        """\
        from coolrunner import createExperiment
        manager = createExperiment('my first experiment')
        """
    )
    experiment = script.only()
    assert re.fullmatch(r"my first experiment \d{4}(-\d\d){5}", experiment.name)
    assert {path.name for path in experiment.path.iterdir()} == {
        "saved_files",
        "saved_sources",
        "saved_metrics",
        "saved_runs",
        "experiment_info.log",
        # The document calls it minisacred_debug.log, and wants that name changed.
        "debug.log",
        "stdout_capture.log",
        "params.yaml",
        "status.yaml",
    }
    assert files(experiment.sources) == ["main.py"]
    state = experiment.read_state()
    assert (state.status, state.exit, state.name) == (RunStatus.DONE, 0, "my first experiment")
    assert read_provenance(Store(experiment.store), state.provenance)["argv"][-1].endswith("main.py")
    assert list(read_manifest(Store(experiment.store), state.sources).files) == ["main.py"]


# As printed, the last decorator is a syntax error, for a quote is missing before `details`, and the last
# two functions have the same name and a parameter `names`; what the document says they are equivalent to
# shows what is meant: `function3(name, towns, age, details)`, of which not all have to be covered.
CONFIGURATION = """\
from coolrunner import createManager

manager = createManager('test')

config1 = {
\t\t"name" : "Victor",
\t\t"status" : 1,
\t\t"details" : {
\t\t\t"age" : 22,
\t\t\t"towns" : {
\t\t\t\t0 : "Brussels",
\t\t\t\t1 : "Paris"
\t\t\t\t}
\t\t\t}
\t\t}

manager.add_config(config1) #this will update the general configurations dict since we are not in a run

@manager.capture()
def function1(time,name,details):
    return time, name, details

@manager.capture()
def function2(name,status,details):
    return name, status, details

@manager.capture(prefixes=['name','details.towns','details.age','details'])
def function3(name,towns,details):
    return name, towns, details

@manager.capture(prefixes=['name','details.towns','details.age','details'])
def function4(**kwargs):
    return kwargs
"""


def test_exg_07_the_snippet_of_configurations_is_equivalent_to_what_the_document_says(script: Script) -> None:
    script(
        CONFIGURATION
        + textwrap.dedent(
            """
            towns = {0: "Brussels", 1: "Paris"}
            details = {"age": 22, "towns": towns}
            assert function1(5) == (5, "Victor", details)
            assert function2() == ("Victor", 1, details)
            assert function3() == ("Victor", towns, details)
            assert function4() == {"name": "Victor", "towns": towns, "age": 22, "details": details}
            """
        )
    )
    assert yaml.safe_load(script.only().params.read_text())["details"]["towns"] == {0: "Brussels", 1: "Paris"}


def test_exg_08_both_ways_to_run_a_command_work(script: Script) -> None:
    script(
        """\
        from coolrunner import createExperiment
        manager = createExperiment('test')
        manager.add_config({"lr": 0.5})

        @manager.command
        def train(lr):
            manager.save([lr], "result")
            manager.log_scalar("loss", lr)

        def evaluate():
            manager.log_scalar("accuracy", 1)

        manager.add_command(evaluate)
        manager.run('train')
        manager.run('evaluate')
        manager.save("general", "notes")
        """
    )
    evaluated, trained = sorted(script.runs(), key=lambda run: run.title)
    assert files(trained.files) == ["result.json"] and metrics(trained) == {"loss": [0.5]}
    assert metrics(evaluated) == {"accuracy": [1]} and files(script.only().files) == ["notes.txt"]
    assert {trained.read_state().status, evaluated.read_state().status} == {RunStatus.DONE}
    assert trained.read_params() == {"lr": 0.5}
    assert "======== train begins ========" in trained.log.read_text()


def test_exg_01_the_experiment_is_found_from_other_files(script: Script) -> None:
    script.write(
        """\
        from coolrunner import getExperiment

        def work():
            getExperiment().log_scalar("loss", 1)
            return getExperiment().save("text", "text")
        """,
        "helper.py",
    )
    script(
        """\
        from coolrunner import createExperiment
        manager = createExperiment('test')
        import helper
        assert helper.work().parent == manager.saved_files
        manager.add_command(helper.work)
        assert manager.run("work").parent == manager.runs[1].saved_files
        """
    )
    assert files(script.only().sources) == ["helper.py", "main.py"]


# --- output ---


def test_exg_03_output_is_kept_and_still_shown_and_progress_bars_collapse(script: Script) -> None:
    out, err = script(
        """\
        import subprocess, sys
        from coolrunner import createExperiment
        manager = createExperiment('test')
        print("to standard output")
        print("to standard error", file=sys.stderr)
        for n in range(101):
            sys.stderr.write(f"\\r{n:3}% " + "#" * (n // 10))
        sys.stderr.write("\\n")
        sys.stdout.flush()
        subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
        manager.close()
        print("after the end")
        """
    )
    kept = script.only().log.read_text()
    for line in ("to standard output", "from a child"):
        assert line in out and line in kept
    assert "to standard error" in err and "to standard error" in kept
    assert "after the end" in out and "after the end" not in kept
    bars = [line for line in kept.splitlines() if "%" in line]
    assert bars == ["100% ##########"] and err.count("%") == 101


def test_exg_03_output_need_not_be_kept(script: Script) -> None:
    script(
        """\
        from coolrunner import create_experiment
        create_experiment('test', capture_output=False)
        print("hello")
        """
    )
    assert script.only().log.read_text() == ""


NOTEBOOK = """\
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
for cell in (
    "from coolrunner import createExperiment",
    "manager = createExperiment('test', verbose=0)\\nprint('first')",
    "print('second')",
    "1 / 0",
    "manager = createExperiment('test', verbose=0)\\nprint('third')",
    "async def train():\\n    print('fourth')\\nmanager.add_command(train)\\nawait manager.run('train')",
    "manager.close()\\nprint('fifth')",
):
    shell.run_cell(cell)
"""


def test_exg_03_the_output_of_all_cells_of_a_notebook_is_kept(script: Script) -> None:
    pytest.importorskip("IPython", reason="it runs the cells")
    out, _ = script(NOTEBOOK)
    first, second = script.all()
    assert first.log.read_text().splitlines()[:2] == ["first", "second"]
    assert "ZeroDivisionError" in first.log.read_text()
    assert second.log.read_text() == "third\nfourth\n"
    assert all(word in out for word in ("first", "second", "third", "fourth", "fifth"))
    assert {first.read_state().status, second.read_state().status} == {RunStatus.DONE}


# --- how a script ends ---


def test_an_exception_that_nobody_catches_makes_the_experiment_fail(script: Script) -> None:
    _, err = script(
        """\
        from coolrunner import createExperiment
        manager = createExperiment('test')

        @manager.command
        def train():
            manager.log_scalar("loss", 1)
            raise ValueError("no luck")

        manager.run("train")
        print("not reached")
        """,
        status=1,
    )
    state = script.only().read_state()
    assert (state.status, state.failure, state.error) == (
        RunStatus.FAILED,
        "exception",
        "ValueError: no luck",
    )
    assert err.count("Traceback") == 1
    assert "ValueError: no luck" in script.only().traceback.read_text()
    assert "ValueError: no luck" in script.only().log.read_text()
    (run,) = script.runs()
    assert run.read_state().error == "ValueError: no luck" and metrics(run) == {"loss": [1]}


@pytest.mark.parametrize(("status", "expected"), [(0, RunStatus.DONE), (3, RunStatus.FAILED)])
def test_the_exit_status_of_the_script_is_that_of_the_experiment(
    script: Script, status: int, expected: RunStatus
) -> None:
    script(
        f"""\
        import sys
        from coolrunner import createExperiment
        createExperiment('test').log_scalar("loss", 1)
        sys.exit({status})
        """,
        status=status,
    )
    state = script.only().read_state()
    assert (state.status, state.exit) == (expected, status)
    assert metrics(script.only()) == {"loss": [1]}


WAITING = """\
import time
from coolrunner import createExperiment
manager = createExperiment('test')

@manager.command
def train():
    manager.save("text", "text")
    manager.log_scalar("loss", 1)
    time.sleep(1.5)
    print("ready", flush=True)
    time.sleep(60)

manager.run("train")
"""


def test_ctrl_c_interrupts_the_run_and_the_experiment(script: Script) -> None:
    script.write(WAITING)
    process = script.start()
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert script.only().read_state().status is RunStatus.INTERRUPTED
    (run,) = script.runs()
    assert run.read_state().status is RunStatus.INTERRUPTED and metrics(run) == {"loss": [1]}


def test_what_a_killed_script_has_kept_can_be_read(script: Script) -> None:
    script.write(WAITING)
    process = script.start()
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.kill()
    process.communicate(timeout=60)
    (run,) = script.runs()
    assert run.read_state().status is RunStatus.RUNNING and not is_alive(run.read_state())
    assert metrics(run) == {"loss": [1]} and files(run.files) == ["text.txt"]


def test_threads_that_still_work_at_the_end_do_not_keep_the_script_from_ending(script: Script) -> None:
    _, err = script(
        """\
        import threading, time
        from coolrunner import createExperiment
        manager = createExperiment('test', verbose=0)

        def work():
            while True:
                manager.log_scalar("loss", 1)
                time.sleep(0.001)

        manager.add_command(work)
        threading.Thread(target=manager.run, args=("work",), daemon=True).start()
        while not manager.runs:
            time.sleep(0.01)
        time.sleep(0.1)
        """
    )
    assert "Traceback" not in err
    assert script.only().read_state().status is RunStatus.DONE
    assert script.runs()[0].read_state().status is RunStatus.INTERRUPTED
    assert metrics(script.runs()[0])["loss"]


# --- other processes ---


def test_a_process_that_a_run_starts_is_part_of_the_run(script: Script) -> None:
    script.write(
        """\
        from coolrunner import current_run, getExperiment
        manager = getExperiment()
        current_run().log_scalar("child", 1)
        manager.log_scalar("child", 2)
        manager.save("from the child", "child")
        manager.info("hello")

        @manager.capture
        def configured(lr):
            return lr

        manager.save(configured(), "lr")
        manager.save("for all", "general", shared=True)
        """,
        "child.py",
    )
    script(
        """\
        import subprocess, sys
        from coolrunner import createExperiment
        manager = createExperiment('test')

        @manager.command
        def train(lr=0.1):
            subprocess.run([sys.executable, "child.py"], check=True)

        manager.run("train", update_dict={"lr": 0.5})
        outside = "from coolrunner import getExperiment; getExperiment().save(1, 'outside')"
        subprocess.run([sys.executable, "-c", outside], check=True)
        """
    )
    (run,) = script.runs()
    assert (
        files(run.files) == ["child.txt", "lr.json"] and run.files.joinpath("lr.json").read_text() == "0.5\n"
    )
    assert metrics(run) == {"child": [1, 2]}
    assert "INFO     [train] hello" in run.log.read_text()
    assert files(script.only().files) == ["general.txt", "outside.json"]
    assert script.only().read_state().status is RunStatus.DONE


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_of_multiprocessing_take_part_in_the_run_that_starts_them(
    script: Script, method: str
) -> None:
    script(
        f"""\
        import multiprocessing
        from coolrunner import createExperiment, getExperiment

        # Runs again in each worker that is not forked.
        manager = createExperiment('test', verbose=0)

        def work(number):
            getExperiment().log_scalar("number", number)
            getExperiment().save(number, f"number {{number}}")

        @manager.command
        def train():
            context = multiprocessing.get_context("{method}")
            workers = [context.Process(target=work, args=(number,)) for number in range(3)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
                assert worker.exitcode == 0

        if __name__ == "__main__":
            manager.run("train")
        """
    )
    (run,) = script.runs()
    assert files(run.files) == ["number 0.json", "number 1.json", "number 2.json"]
    assert sorted(metrics(run)["number"]) == [0, 1, 2]
    assert (run.read_state().status, script.only().read_state().status) == (RunStatus.DONE, RunStatus.DONE)


def test_a_forked_process_that_closes_the_experiment_leaves_it_to_its_parent(script: Script) -> None:
    script(
        """\
        import os
        from coolrunner import createExperiment
        manager = createExperiment('test', verbose=0)
        child = os.fork()
        if not child:
            manager.close()
            os._exit(0)
        os.waitpid(child, 0)
        manager.save("still open", "text")
        print("still shown")
        """
    )
    assert files(script.only().files) == ["text.txt"]
    assert script.only().read_state().status is RunStatus.DONE
    assert "still shown" in script.only().log.read_text()


# --- the rest ---


def test_exg_08_automain_runs_in_the_script_and_not_where_it_is_imported(script: Script) -> None:
    script.write(
        """\
        from coolrunner import createExperiment
        manager = createExperiment('trained')

        @manager.automain
        def train(lr=0.1):
            print("training with", lr)
        """,
        "train.py",
    )
    out, _ = script("import train\nprint(sorted(train.manager.runs))\n")
    assert out == "[]\n"
    process = script.start(name="train.py")
    assert process.communicate(timeout=60)[0] == "training with 0.1\n"
    assert len(script.all()) == 2


def test_exg_09_a_ghost_leaves_nothing_behind(script: Script) -> None:
    out, _ = script(
        CONFIGURATION.replace("createManager('test')", "createManager('test', ghost=True)")
        + textwrap.dedent(
            """
            @manager.command
            def train(status):
                manager.log_scalar("loss", 1)
                manager.save([status], "a")
                print(manager.load("a"), function2()[0])
                (manager.experiment_dir / "own.txt").write_text("x")
                print(manager.experiment_dir)
            manager.run("train")
            """
        )
    )
    shown, place = out.splitlines()
    assert shown == "[1] Victor" and not Path(place).exists()
    assert files(script.place) == ["main.py"]


def test_two_experiments_are_open_in_one_script(script: Script) -> None:
    script(
        """\
        from coolrunner import createExperiment, getExperiment
        one, two = createExperiment('one'), createExperiment('two')
        print("to both")
        getExperiment('one').save(1, "n")
        one.close()
        print("to two")
        """
    )
    one, two = script.all()
    assert (one.title, two.title) == ("one", "two") and files(one.files) == ["n.json"]
    assert one.log.read_text() == "to both\n" and two.log.read_text() == "to both\nto two\n"
    assert {one.read_state().status, two.read_state().status} == {RunStatus.DONE}


def test_two_scripts_at_once_make_experiments_of_their_own(script: Script) -> None:
    script.write("from coolrunner import createExperiment\ncreateExperiment('test').save(1, 'n')\n")
    processes = [script.start() for _ in range(4)]
    assert [process.wait(120) for process in processes] == [0] * 4
    for process in processes:
        process.communicate()
    assert sorted(run.number for run in script.all()) == [1, 2, 3, 4]
    assert all(files(run.files) == ["n.json"] for run in script.all())


def test_a_directory_that_cannot_be_made_is_an_error_that_names_it(script: Script) -> None:
    (script.place / "managed_experiments").write_text("a file")
    _, err = script("from coolrunner import createExperiment\ncreateExperiment('test')\n", status=1)
    assert re.search(r"BadRootError: .*/managed_experiments cannot be a root of runs", err)


def test_the_import_loads_nothing_heavy(script: Script) -> None:
    script(
        """\
        import sys
        from coolrunner import createExperiment
        manager = createExperiment('test', verbose=0)
        manager.add_command(lambda: manager.log_scalar("a", 1), name="a")
        manager.run("a")
        heavy = {"numpy", "pandas", "torch", "tensorflow", "matplotlib", "PIL", "rich", "multiprocessing"}
        assert not heavy & set(sys.modules), heavy & set(sys.modules)
        """
    )


# --- the page of the docs ---


def blocks() -> list[str]:
    """Return the examples of the page, in order."""
    text = (ROOT / "docs" / "manager.md").read_text()
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_examples_of_the_page_run_one_after_the_other(script: Script) -> None:
    pytest.importorskip("matplotlib", reason="it draws the pictures of metrics")
    assert len(blocks()) > 8
    script("\n".join(blocks()))
    assert script.only().read_state().status is RunStatus.DONE
