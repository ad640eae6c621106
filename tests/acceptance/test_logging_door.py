"""The logger as Modules and scripts use it: reached from everywhere, for all data, and resumed."""

from __future__ import annotations

import json
import math
import re
import signal
import subprocess
import sys
from typing import Any

import pytest
import yaml

from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.rows import read_metrics
from coolrunner.runs.status import RunStatus
from tests.checkouts import ROOT, shell, write_script
from tests.studies import Finished, Project, until

ONE = """
Module: modules.module
---
Name: one
lr: 0.1
"""


def run(project: Project, *arguments: str, **variables: str) -> Finished:
    """Run the study where Modules can import coolrunner, and see that it went well."""
    done = project.run(*arguments, PYTHONPATH=str(ROOT), **variables)
    assert done.status == 0, done.stdout + done.stderr
    return done


def python(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the project."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=project.path,
        env=project.environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
    )


def only(project: Project) -> RunDirectory:
    """Return the only run of a study."""
    (path,) = project.path.glob("results/runs/*")
    return RunDirectory.at(path)


def scalars(directory: RunDirectory) -> list[tuple[str, int, float]]:
    """Return name, step and value of each row."""
    return [row[:3] for row in read_metrics(directory.metrics)]


def served(directory: RunDirectory) -> Any:
    """Return what TensorBoard reads of a run."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(directory.tensorboard), size_guidance={"scalars": 0})
    events.Reload()
    return events


# --- EXP-05: one way into an experiment ---


def test_exp_05_one_function_leaves_the_same_run_however_it_is_entered(project: Project) -> None:
    project.write(
        "modules/work.py",
        """
        from coolrunner import logger

        def train(lr):
            print("it begins", flush=True)
            for epoch in range(3):
                logger.log_scalar("loss", lr * epoch)
            logger.log_text("done")
        """,
    )
    project.module("from modules.work import train\n\ndef main(exp):\n    train(exp.lr)\n")
    project.write(
        "script.py",
        """
        import sys
        from coolrunner import logger_context
        from modules.work import train

        def main(log_dir, run_id, lr):
            with logger_context(log_dir, run_id, "one", {"lr": float(lr)}):
                train(float(lr))

        main(*sys.argv[1:])
        """,
    )
    project.study(ONE)
    run(project)
    done = python(project, "script.py", "data/local/title/today/lr_0.1", "0", "0.1")
    assert done.returncode == 0, done.stderr
    entered = [only(project), RunDirectory.at(project.path / "data/local/title/today/lr_0.1/run_0")]
    for directory in entered:
        assert directory.read_params()["lr"] == 0.1
        state = directory.read_state()
        assert (state.status, state.name) == (RunStatus.DONE, "one")
        assert state.provenance
        assert state.sources
        assert directory.log.read_text() == "it begins\n"
        assert scalars(directory) == [("loss", epoch, 0.1 * epoch) for epoch in range(3)]
        assert (directory.files / "text/text.txt").read_text().endswith("\tdone\n")


# --- EXP-06: reached from everywhere ---


def test_exp_06_every_layer_logs_with_prefixes_and_steps(project: Project, executor: list[str]) -> None:
    project.write(
        "modules/agent.py",
        """
        from coolrunner import current_run, logger

        class Agent:
            def learn(self):
                with logger.prefix("I/"):
                    logger.log_scalar("loss", 0.25)
                    logger.log_scalar_batch("reward", [1.0, 3.0, float("nan")])
                current_run().log_scalar("short", 1)
        """,
    )
    project.module("""
        import threading
        from coolrunner import logger
        from modules.agent import Agent

        def main(exp):
            assert exp.run.logger.log_scalar == logger.log_scalar
            logger.log_scalar("counted", 1)
            logger.log_scalar("counted", 2, step=10)
            logger.log_scalar("counted", 3)
            logger.set_step(100)
            for iteration in range(2):
                with logger.prefix("O/"):
                    logger.log_scalar("loss", iteration)
                    Agent().learn()
                    thread = threading.Thread(target=logger.log_scalar, args=("thread", 1))
                    thread.start()
                    thread.join()
                logger.dump_data()
            logger.log_scalar("loss", 7)
            exp.STEP = logger.step
    """)
    project.study(ONE)
    run(project, *executor)
    assert project.log()[0]["STEP"] == 102
    found = scalars(only(project))
    counted, iterations, last = found[:3], found[3:-1], found[-1]
    assert counted == [("counted", 0, 1.0), ("counted", 10, 2.0), ("counted", 11, 3.0)]
    batch = {"Average": 2.0, "Std": 1.0, "Max": 3.0, "Min": 1.0, "Len": 2.0}
    assert iterations == [
        row
        for iteration in range(2)
        for row in (
            ("O/loss", 100 + iteration, float(iteration)),
            ("O/I/loss", 100 + iteration, 0.25),
            *((f"O/I/reward/{name}", 100 + iteration, value) for name, value in batch.items()),
            ("short", iteration, 1.0),
            ("thread", 100 + iteration, 1.0),
        )
    ]
    assert last == ("loss", 102, 7.0)


def test_exp_06_the_logger_of_a_module_that_is_called_by_hand_warns_once(project: Project) -> None:
    project.module("""
        from coolrunner import logger

        def main(exp):
            with logger.prefix("O/"):
                logger.log_scalar("loss", 1)
            logger.log_text("nothing of it is kept")
            logger.tensorboard()
            logger.dump_data()
    """)
    code = "from coolrunner import Experiment\nfrom modules.module import main\nmain(Experiment({}))\n"
    done = python(project, "-W", "default", "-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("there is no run here") == 1
    assert sorted(path.name for path in project.path.iterdir()) == ["modules"]


# --- EXP-07: many kinds of data, and TensorBoard ---

EVERYTHING = """
    import math
    import numpy as np
    from coolrunner import logger

    def main(exp):
        exp.WHERE = str(logger.tensorboard())
        for step in range(2000):
            logger.log_scalar("loss", 1 / (step + 1))
        logger.log_scalar("odd", math.nan)
        logger.log_text("# Start", 3)
        logger.log_histogram("weights", np.arange(100), 5, bins=10)
        logger.log_image("digit", np.zeros((8, 9)), 1)
        logger.log_gif("moving", np.zeros((3, 8, 8, 3)), 2)
        logger.log_embedding("points", np.eye(3), 6, labels="abc")
        logger.log_table("confusion", {"a": [1, 2], "b": ["x", "y"]}, 4)
"""


def test_exp_07_a_module_logs_all_kinds_as_files_and_for_tensorboard(
    project: Project, executor: list[str]
) -> None:
    pytest.importorskip("numpy")
    pytest.importorskip("PIL")
    pytest.importorskip("tensorboard")
    project.module(EVERYTHING)
    project.study(ONE)
    run(project, *executor)
    directory = only(project)
    assert project.log()[0]["WHERE"] == str(directory.tensorboard)
    kept = sorted(str(path.relative_to(directory.files)) for path in directory.files.rglob("*.*"))
    assert kept == [
        "embeddings/points-6.npy",
        "embeddings/points-6.tsv",
        "gifs/moving-2.gif",
        "histograms/weights-5.json",
        "images/digit-1.png",
        "tables/confusion-4.csv",
        "text/text.txt",
    ]
    assert json.loads((directory.files / "histograms/weights-5.json").read_text())["counts"] == [10] * 10
    events = served(directory)
    tags = events.Tags()
    assert set(tags["scalars"]) == {"loss", "odd"}
    assert set(tags["images"]) == {"digit", "moving"}
    assert tags["histograms"] == ["weights"]
    assert set(tags["tensors"]) == {"text", "confusion"}
    rows = [row for row in scalars(directory) if row[0] == "loss"]
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [
        (step, pytest.approx(value, rel=1e-7)) for _, step, value in rows
    ]
    assert math.isnan(events.Scalars("odd")[0].value)
    assert "points:00006" in (directory.tensorboard / "projector_config.pbtxt").read_text()


# --- EXP-08: snapshots, and going on ---


@pytest.mark.parametrize(
    ("rule", "stays"),
    [
        ('"all"', [0, 1, 2, 3, 4, 5]),
        ('"last"', [5]),
        ('"all", every=2', [0, 1, 3, 5]),
        ('"best", metric="loss", goal="min"', [3, 5]),
        ('"none"', []),
    ],
)
def test_exp_08_a_module_says_which_snapshots_stay(project: Project, rule: str, stays: list[int]) -> None:
    project.module(f"""
        from coolrunner import logger

        def main(exp):
            exp.run.snapshots.keep({rule})
            for step in range(6):
                logger.log_scalar("loss", abs(step - 3))
                exp.run.snapshot({{"at": step}}, step)
    """)
    project.study(ONE)
    run(project, "--inline")
    found = only(project).snapshots
    names = sorted(path.name for path in found.iterdir()) if found.exists() else []
    assert names == [f"{step:08d}" for step in stays]
    for name in names:
        assert yaml.safe_load((found / name / "meta.yaml").read_text())["step"] == int(name)


GOES_ON = """
    from coolrunner import logger

    def main(exp):
        last = exp.run.resume()
        first = 0 if last is None else last.step + 1
        exp.FIRST, exp.STATE = first, None if last is None else last.state
        tensorboard()
        logger.set_step(first)
        with logger.prefix("O/"):
            for step in range(first, 6):
                logger.log_scalar("loss", step * 10)
                exp.run.log_scalar("short", step)
                logger.log_histogram("weights", [step])
                logger.dump_data()
                exp.run.snapshot({"at": step}, step)
                if step == 2 and first == 0:
                    Path("begun").touch()
                    stop()
"""


@pytest.mark.parametrize(
    "stop", ["time.sleep(60)", "os.kill(os.getpid(), signal.SIGKILL)"], ids=["interrupted", "killed"]
)
def test_exp_08_a_run_that_is_resumed_goes_on_with_its_steps(project: Project, stop: str) -> None:
    pytest.importorskip("numpy")
    pytest.importorskip("tensorboard")
    project.module(GOES_ON.replace("tensorboard()", "logger.tensorboard()").replace("stop()", stop))
    retries = "Retries: 1\n" if "kill" in stop else ""
    project.study(f"Global: {{queue: queue.yaml, grace: 1s}}\n{retries}{ONE.lstrip()}")
    if retries:
        run(project)
    else:
        started = project.start(PYTHONPATH=str(ROOT))
        until(lambda: (project.path / "begun").exists(), "the third step")
        started.process.send_signal(signal.SIGINT)
        started.process.wait()
        run(project, "--resume")
    directory = only(project)
    (record,) = project.log()
    assert (record["FIRST"], record["STATE"]) == (3, {"at": 2})
    assert directory.read_state().attempt == 2
    assert scalars(directory) == [
        row for step in range(6) for row in (("O/loss", step, step * 10.0), ("short", step, float(step)))
    ]
    assert sorted(path.name for path in (directory.files / "histograms/O").iterdir()) == [
        f"weights-{step}.json" for step in range(6)
    ]
    points = served(directory).Scalars("O/loss")
    assert [(point.step, point.value) for point in points] == [(step, step * 10) for step in range(6)]
    assert [path.name for path in directory.snapshots.iterdir()] == ["00000005"]


# --- the page ---

PAGE = ROOT / "docs" / "logger.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONTEXT = "from coolrunner import logger_context\n\nwith logger_context('data/page', 0):\n"


def test_the_examples_of_the_page_run(project: Project) -> None:
    for package in ("numpy", "pandas", "PIL", "tensorboard"):
        pytest.importorskip(package)
    bin = project.path.parent / "bin"
    write_script(bin / "python", f"exec '{sys.executable}' \"$@\"")
    write_script(bin / "coolrunner", f"exec '{sys.executable}' -m coolrunner \"$@\"")
    printed, within = "", ""
    # From the top: files are written, commands are typed; all else is within one run.
    for language, text in BLOCK.findall(PAGE.read_text()):
        named = re.match(r"# (\S+\.(?:py|yaml))\n", text)
        if named:
            project.write(named[1], text)
        elif language == "sh":
            for line in text.splitlines():
                done = shell(line, cwd=project.path, bin=bin, PYTHONPATH=str(ROOT), PYTHONWARNINGS="error")
                assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
                printed += done.stdout
        elif language == "python":
            within += text
    assert printed.count("name,step,value,time") == 2
    assert {record["Name"] for record in project.log()} == {"slow", "fast", "long"}
    script = project.write("page.py", CONTEXT + "".join(f"    {line}\n" for line in within.splitlines()))
    done = python(project, "-W", "error", str(script))
    assert done.returncode == 0, done.stderr
    assert "walk-" in done.stdout
    (long,) = (path for path in project.path.glob("results/runs/*-long"))
    assert [step for _, step, _ in scalars(RunDirectory.at(long))] == list(range(5))
    directory = RunDirectory.at(project.path / "data/page/run_0")
    assert directory.read_state().status is RunStatus.DONE
    assert [point.value for point in served(directory).Scalars("seen/loss")] == [pytest.approx(0.1)]


def test_the_page_names_all_that_a_logger_can_do() -> None:
    from coolrunner.runs.logger import Logger

    page = PAGE.read_text()
    for name in vars(Logger):
        if not name.startswith("_") and name not in ("close", "dump"):
            assert name in page, name
