"""Studies on a real Ray cluster of two nodes: what a person who adds ``executor: ray`` gets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ray_clusters import ENVIRONMENT, RayNodes, needs_ray, shared_nodes
from tests.studies import Finished, Project, Started, runs, until

pytestmark = [needs_ray, pytest.mark.ray, pytest.mark.slow]

COUNTS = """
    def main(exp):
        with open("ran", "a") as file:
            file.write(f"{exp.n}\\n")
        exp.SQUARE = exp.n ** 2
"""
# Waits for a file, and can be told when it runs, and where.
WAITS = """
    def main(exp):
        with open("ran", "a") as file:
            file.write(f"{exp.n}\\n")
        Path(f"begun-{exp.n}").write_text(f"{os.getpid()} {os.environ['RAY_RAYLET_PID']}\\n")
        print("number", exp.n)
        while not Path("go").exists():
            time.sleep(0.02)
        exp.SQUARE = exp.n ** 2
"""


class RayStudy:
    """A project whose studies run on a cluster."""

    def __init__(self, project: Project, nodes: RayNodes) -> None:
        self.project = project
        self.path = project.path
        self.nodes = nodes

    def write(self, count: int, *, ray: dict[str, Any] | None = None, **more: Any) -> str:
        """Write a study of so many experiments; return its text."""
        cluster = {"address": self.nodes.address, **(ray or {})}
        said = {"executor": "ray", "grace": 2, "ray": cluster, **more.pop("settings", {})}
        head = yaml.safe_dump({"Global": said, "Module": "modules.module", "YamlLog": "log.yaml", **more})
        text = "---\n".join([head, *(f"Name: e{n}\nn: {n}\n" for n in range(count))])
        self.project.study(text)
        return text

    def run(self, *arguments: str) -> Finished:
        """Run it to its end."""
        return self.project.json(*arguments, **ENVIRONMENT)

    def start(self, *arguments: str) -> Started:
        """Start it."""
        return self.project.start(*arguments, **ENVIRONMENT)

    def begun(self, number: int = 0) -> tuple[int, int]:
        """Wait until an experiment runs; return its process, and that of Ray on its node."""
        path = self.path / f"begun-{number}"
        until(lambda: path.exists() and path.read_text().endswith("\n"), f"experiment {number} to begin")
        pid, node = path.read_text().split()
        return int(pid), int(node)

    def facts(self) -> list[tuple[str, int]]:
        """Return what the log says of each experiment, in the order of their names."""
        return sorted((record["Name"], record["SQUARE"]) for record in self.project.log())

    def ran(self) -> Counter[str]:
        """Return how often each experiment has begun."""
        return Counter((self.path / "ran").read_text().split())


@pytest.fixture
def study(project: Project) -> Iterator[RayStudy]:
    """A project for the cluster that all tests share."""
    yield RayStudy(project, shared_nodes())
    (project.path / "go").touch()


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_study_through_ray_leaves_the_log_that_it_leaves_here(study: RayStudy) -> None:
    study.project.module(COUNTS)
    definition = study.write(60)
    assert study.run().status == 0
    study.project.study(
        definition.replace("executor: ray", "executor: local").replace("log.yaml", "here.yaml")
    )
    assert study.project.run("--jobs", "2").status == 0
    apart = {"RND_IDX", "ID", "RUN", "STARTED", "TIME_ELAPSED", "HOST", "YamlLog"}

    def told(log: str) -> list[dict[str, Any]]:
        records = [{k: v for k, v in record.items() if k not in apart} for record in study.project.log(log)]
        return sorted(records, key=lambda record: record["n"])

    assert told("log.yaml") == told("here.yaml")
    assert [record["SQUARE"] for record in told("log.yaml")] == [n * n for n in range(60)]
    directories = [study.path / record["RUN"] for record in study.project.log()]
    assert len(set(directories)) == 60
    assert all((directory / "results.yaml").exists() for directory in directories)
    assert not list((study.path / "results" / ".jobs").glob("**/about.json"))


def test_a_hundred_experiments_may_be_with_ray_at_once(study: RayStudy) -> None:
    study.project.module(COUNTS)
    study.write(100, settings={"jobs": 100})
    finished = study.run()
    assert finished.status == 0
    kinds = [event["event"] for event in finished.events if event["event"].startswith("experiment")]
    assert kinds[:100] == ["experiment_started"] * 100
    assert study.facts() == sorted((f"e{n}", n * n) for n in range(100))


@pytest.mark.parametrize("queue", ["memory", "file"])
def test_a_runner_that_is_killed_leaves_its_experiments_and_the_next_takes_them_up(
    study: RayStudy, queue: str
) -> None:
    study.project.module(WAITS)
    study.write(6, settings={"jobs": 3, **({"queue": "queue.yaml"} if queue == "file" else {})})
    started = study.start()
    pids = [study.begun(number)[0] for number in range(3)]
    started.process.kill()
    started.process.wait()
    again = study.start("--resume")
    until(lambda: any("with Ray already" in str(e.get("message", "")) for e in again.events), "a word of it")
    assert all(runs(pid) for pid in pids)
    (study.path / "go").touch()
    assert again.finish().status == 0
    assert study.facts() == [(f"e{n}", n * n) for n in range(6)]
    assert study.ran() == Counter("012345")
    directories = {study.path / record["RUN"] for record in study.project.log()}
    assert {yaml.safe_load((path / "results.yaml").read_text())["SQUARE"] for path in directories} == {
        n * n for n in range(6)
    }


def test_results_that_come_while_no_runner_is_there_are_not_lost(study: RayStudy) -> None:
    study.project.module(WAITS)
    study.write(3, settings={"jobs": 3})
    started = study.start()
    pids = [study.begun(number)[0] for number in range(3)]
    started.process.kill()
    started.process.wait()
    (study.path / "go").touch()
    until(lambda: not any(map(runs, pids)), "the end of all")
    assert study.project.log() == []
    assert study.run("--resume").status == 0
    assert study.facts() == [(f"e{n}", n * n) for n in range(3)]
    assert study.ran() == Counter("012")


def test_ctrl_c_stops_what_runs_and_takes_back_what_waits(study: RayStudy) -> None:
    study.project.module(WAITS)
    study.write(4, settings={"jobs": 4, "queue": "queue.yaml"}, Resources={"cpus": 2})
    started = study.start()
    until(lambda: len(list(study.path.glob("begun-*"))) == 2, "two that run, with no room for a third")
    pids = [study.begun(int(path.name[6:]))[0] for path in study.path.glob("begun-*")]
    started.interrupt()
    until(lambda: any(event["event"] == "stopping" for event in started.events), "a word of it")
    started.interrupt()
    finished = started.finish()
    assert finished.status == 130
    assert len(finished.named("experiment_interrupted")) == 4
    until(lambda: not any(map(runs, pids)), "the end of what ran")


def test_a_process_of_ray_that_is_killed_loses_its_experiment_which_is_started_again(study: RayStudy) -> None:
    study.project.module(WAITS)
    study.write(2)
    started = study.start()
    pid, _ = study.begun(0)
    study.begun(1)
    (study.path / "begun-0").unlink()
    os.kill(_parent(_parent(pid)), signal.SIGKILL)
    until(lambda: not runs(pid), "the end of what ran in it")
    study.begun(0)
    (study.path / "go").touch()
    finished = started.finish()
    assert finished.status == 0
    assert any("e0 was lost (its process on" in notice for notice in finished.notices)
    assert study.facts() == [("e0", 0), ("e1", 1)]
    assert study.ran() == Counter({"0": 2, "1": 1})


def test_a_crash_of_the_module_is_a_failure_and_nothing_to_the_next(study: RayStudy) -> None:
    study.project.module(
        "def main(exp):\n    if exp.n == 0: os.kill(os.getpid(), signal.SIGSEGV)\n    exp.SQUARE = 1\n"
    )
    study.write(2)
    finished = study.run()
    assert finished.status == 1
    (failed,) = finished.named("experiment_failed")
    assert "killed by SIGSEGV" in failed["error"]
    assert study.facts() == [("e1", 1)]


def test_experiments_of_a_dead_node_are_started_again_on_another(project: Project) -> None:
    with RayNodes(1, 2) as nodes:
        study = RayStudy(project, nodes)
        project.module(WAITS)
        study.write(3)
        started = study.start()
        where = {number: study.begun(number) for number in range(3)}
        second = Counter(node for _, node in where.values()).most_common(1)[0][0]
        gone = [number for number, (_, node) in where.items() if node == second]
        for number in gone:
            (study.path / f"begun-{number}").unlink()
        nodes.ask("kill")
        nodes.ask("add")
        for number in gone:
            study.begun(number)
        (study.path / "go").touch()
        finished = started.finish()
        assert finished.status == 0
        assert study.facts() == [(f"e{n}", n * n) for n in range(3)]
        assert study.ran() == Counter({str(n): 2 if n in gone else 1 for n in range(3)}), str(
            finished.notices
        )


def test_a_directory_that_travels_brings_runs_home(study: RayStudy) -> None:
    study.project.module(
        """
        import modules.other
        def main(exp):
            print("in", os.getcwd())
            exp.run.log_scalar("loss", 0.5, step=1)
            exp.SQUARE = modules.other.square(exp.n)
            exp.CWD = os.getcwd()
        """
    )
    study.project.module("def square(n):\n    return n ** 2\n", "other")
    study.write(3, ray={"runtime_env": {"working_dir": str(study.path)}})
    finished = study.run()
    assert finished.status == 0
    assert study.facts() == [(f"e{n}", n * n) for n in range(3)]
    for record in study.project.log():
        run = study.path / record["RUN"]
        assert record["CWD"] != str(study.path)
        assert yaml.safe_load((run / "results.yaml").read_text())["SQUARE"] == record["SQUARE"]
        assert (run / "log.txt").read_text() == f"in {record['CWD']}\n"
    listed = subprocess.run(
        [sys.executable, "-m", "coolrunner", "runs", "ls"], cwd=study.path, capture_output=True, text=True
    )
    assert all(f"e{n}" in listed.stdout for n in range(3)), listed.stderr


def test_an_experiment_gets_what_it_asks_for(study: RayStudy) -> None:
    study.project.module(
        """
        def main(exp):
            exp.SAW = [os.environ["OMP_NUM_THREADS"], exp.slot.memory, os.environ["GIVEN"]]
        """
    )
    resources = {"cpus": 2, "memory": "100M"}
    study.write(1, ray={"runtime_env": {"env_vars": {"GIVEN": "here"}}}, Resources=resources)
    assert study.run().status == 0
    assert [record["SAW"] for record in study.project.log()] == [["2", 100 << 20, "here"]]


def test_what_no_node_has_is_left_and_said(study: RayStudy) -> None:
    study.project.module(COUNTS)
    study.write(2, Resources={"cpus": 64})
    finished = study.run()
    assert finished.status == 1
    assert any("asks for 64 CPUs; no node of the Ray cluster has more than 2" in n for n in finished.notices)
    assert not (study.path / "ran").exists()


def test_a_cluster_that_is_not_there_is_an_error_before_anything_runs(study: RayStudy) -> None:
    study.project.module(COUNTS)
    study.write(1, ray={"address": "127.0.0.1:1"})
    done = study.project.run(**ENVIRONMENT)
    assert done.status == 2
    assert "study.yaml:" in done.stderr
    assert "no Ray cluster answers at 127.0.0.1:1 (Global.ray.address): Connection refused" in done.stderr
    assert not (study.path / "ran").exists()
