"""Studies on a real Slurm of two nodes: what a person who adds ``executor: slurm`` gets."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.slurm import needs_slurm, shared_slurm
from tests.studies import Project, until
from tests.tools.slurm_cluster import SlurmCluster

pytestmark = [needs_slurm, pytest.mark.slurm, pytest.mark.slow]

COUNTS = """
    def main(exp):
        with open("ran", "a") as file:
            file.write(f"{exp.n}\\n")
        time.sleep(exp.get("seconds", 0))
        exp.SQUARE = exp.n ** 2
"""
OWN_JOB = """
    def own_job():
        said = os.environ
        array = said.get("SLURM_ARRAY_JOB_ID")
        return f"{array}_{said['SLURM_ARRAY_TASK_ID']}" if array else said["SLURM_JOB_ID"]
"""
# Waits for a file, and can be told when it runs.
WAITS = (
    OWN_JOB
    + """
    def main(exp):
        with open("ran", "a") as file:
            file.write(f"{exp.n}\\n")
        Path(f"begun-{exp.n}").write_text(f"{os.getpid()} {own_job()}\\n")
        while not Path("go").exists():
            time.sleep(0.02)
        exp.SQUARE = exp.n ** 2
"""
)
# Counts to 5 with snapshots, and stays at 2 until it is interrupted.
CONTINUES = (
    OWN_JOB
    + """
    def main(exp):
        snapshot = exp.run.resume()
        begin = snapshot.state["at"] + 1 if snapshot else 0
        for at in range(begin, 5):
            exp.run.snapshot({"at": at}, step=at)
            if at == 2 and not snapshot:
                Path(f"begun-{exp.n}").write_text(f"{os.getpid()} {own_job()}\\n")
                while True:
                    time.sleep(0.02)
        exp.BEGAN = begin
"""
)


@pytest.fixture
def slurm() -> SlurmCluster:
    """The cluster."""
    return shared_slurm()


@pytest.fixture
def study(project: Project, slurm: SlurmCluster) -> Iterator[Project]:
    """A project; the jobs that it leaves behind are cancelled."""
    yield project
    (project.path / "go").touch()
    jobs = list(_slurm_jobs(project))
    if jobs:
        subprocess.run(["scancel", "--quiet", *jobs], capture_output=True)


def _abouts(project: Project) -> list[dict[str, Any]]:
    found = (project.path / "results" / ".jobs" / "jobs").glob("*/about.json")
    return [yaml.safe_load(path.read_text()) for path in found]


def _left(project: Project) -> list[Path]:
    """Return what is still kept of sessions and of batches."""
    jobs = project.path / "results" / ".jobs"
    return [*jobs.glob("code/*"), *jobs.glob("batches/*"), *jobs.glob("ended/*")]


def _slurm_jobs(project: Project) -> set[str]:
    return {about["slurm"] for about in _abouts(project) if about.get("slurm")}


def _begun(project: Project, number: int = 0) -> tuple[int, str]:
    """Wait until an experiment runs; return its process and its Slurm job."""
    path = project.path / f"begun-{number}"
    until(lambda: path.exists() and path.read_text().endswith("\n"), f"experiment {number} to begin")
    pid, job = path.read_text().split()
    return int(pid), job


def _list(count: int, module: str = "module", **more: Any) -> str:
    documents = [f"Name: e{n}\nn: {n}\n" for n in range(count)]
    said = {"executor": "slurm", "grace": 2, **more.pop("settings", {})}
    head = yaml.safe_dump({"Global": said, "Module": f"modules.{module}", "YamlLog": "log.yaml", **more})
    return "---\n".join([head, *documents])


def _facts(project: Project, log: str = "log.yaml") -> list[tuple[str, int]]:
    return sorted((record["Name"], record["SQUARE"]) for record in project.log(log))


def test_a_study_through_slurm_leaves_the_log_that_it_leaves_here(study: Project) -> None:
    study.module(COUNTS)
    definition = _list(60, settings={"slurm": {"experiments_per_job": 6}, "jobs": 8})
    study.study(definition)
    assert study.run().status == 0
    study.study(definition.replace("executor: slurm", "executor: local").replace("log.yaml", "here.yaml"))
    assert study.run("--jobs", "2").status == 0
    apart = {"RND_IDX", "ID", "RUN", "STARTED", "TIME_ELAPSED", "HOST", "YamlLog"}

    def told(log: str) -> list[dict[str, Any]]:
        records = [{key: value for key, value in r.items() if key not in apart} for r in study.log(log)]
        return sorted(records, key=lambda record: record["n"])

    assert told("log.yaml") == told("here.yaml")
    assert [record["SQUARE"] for record in told("log.yaml")] == [n * n for n in range(60)]
    runs = [study.path / record["RUN"] for record in study.log()]
    assert len(set(runs)) == 60
    assert all((run / "results.yaml").exists() for run in runs)
    assert not _abouts(study) and not _left(study)


@pytest.mark.parametrize("queue", ["memory", "file"])
def test_a_runner_that_is_killed_leaves_its_jobs_and_the_next_takes_them_up(
    study: Project, queue: str
) -> None:
    study.module(WAITS)
    settings = {"jobs": 3, **({"queue": "queue.yaml"} if queue == "file" else {})}
    study.study(_list(5, settings=settings))
    started = study.start()
    for number in range(3):
        _begun(study, number)
    until(lambda: len(_slurm_jobs(study)) == 3, "three jobs")
    started.process.kill()
    started.process.wait()
    jobs = _slurm_jobs(study)
    again = study.start("--resume")
    until(
        lambda: any("with Slurm already" in str(e.get("message", "")) for e in again.events), "a word of it"
    )
    assert jobs <= _slurm_jobs(study)
    (study.path / "go").touch()
    assert again.finish().status == 0
    assert _facts(study) == [(f"e{n}", n * n) for n in range(5)]
    assert Counter((study.path / "ran").read_text().split()) == Counter("01234")
    assert not _abouts(study) and not _left(study)


def test_results_of_jobs_that_end_while_no_runner_is_there_are_not_lost(study: Project) -> None:
    study.module(WAITS)
    study.study(_list(4, settings={"jobs": 4}))
    started = study.start()
    for number in range(4):
        _begun(study, number)
    started.process.kill()
    started.process.wait()
    (study.path / "go").touch()
    ended = study.path / "results" / ".jobs" / "ended"
    until(lambda: len(list(ended.iterdir())) == 4, "the ends of all")
    assert study.log() == []
    assert study.run("--resume").status == 0
    assert _facts(study) == [(f"e{n}", n * n) for n in range(4)]
    assert Counter((study.path / "ran").read_text().split()) == Counter("0123")
    assert not _abouts(study) and not _left(study)


def test_a_runner_that_is_told_to_end_lets_its_jobs_go_on(study: Project) -> None:
    study.module(WAITS)
    study.study(_list(2, settings={"jobs": 2}))
    started = study.start()
    pids = [_begun(study, number)[0] for number in range(2)]
    started.process.send_signal(signal.SIGTERM)
    finished = started.finish()
    assert any("2 experiments go on without this runner" in notice for notice in finished.notices)
    assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    warned = study.run("--dry")
    assert warned.status == 0
    (study.path / "go").touch()
    assert study.run("--resume").status == 0
    assert _facts(study) == [("e0", 0), ("e1", 1)]


def test_ctrl_c_stops_what_runs_and_takes_back_what_waits(study: Project) -> None:
    study.module(WAITS)
    study.study(_list(3, settings={"jobs": 3, "queue": "queue.yaml"}, Resources={"cpus": 4}))
    started = study.start()
    until(
        lambda: len(list(study.path.glob("begun-*"))) == 2, "two that run"
    )  # and there is no node for a third
    started.interrupt()
    finished = started.finish()
    assert finished.status == 1
    assert len(finished.named("experiment_interrupted")) == 3
    until(lambda: not study.processes(), "the end of what ran")
    assert not _abouts(study) and not _left(study)


def test_a_job_that_somebody_cancels_is_interrupted_and_the_others_go_on(
    study: Project, slurm: SlurmCluster
) -> None:
    study.module(WAITS)
    study.study(_list(2, settings={"jobs": 2}))
    started = study.start()
    _, job = _begun(study, 0)
    _begun(study, 1)
    assert slurm.succeeds("scancel", job)
    started.wait_for("experiment_interrupted", name="e0")
    (study.path / "go").touch()
    assert started.finish().status == 1
    assert _facts(study) == [("e1", 1)]


def test_a_job_whose_time_is_nearly_over_is_continued_from_its_snapshot(
    study: Project, slurm: SlurmCluster
) -> None:
    """Slurm's own word for that is the signal; it would send it after half a minute at the earliest."""
    study.module(CONTINUES)
    study.study(_list(2, settings={"jobs": 2}, Resources={"time": "1m"}))
    started = study.start()
    jobs = [_begun(study, number)[1] for number in range(2)]
    assert slurm.succeeds("scancel", "--signal=USR2", *jobs)
    finished = started.finish()
    assert finished.status == 0, finished.stdout
    for record in study.log():
        assert record["BEGAN"] == 3
        status = yaml.safe_load((study.path / record["RUN"] / "status.yaml").read_text())
        assert (status["status"], status["attempt"]) == ("done", 2)


def test_a_job_without_a_snapshot_whose_time_is_over_has_failed(study: Project, slurm: SlurmCluster) -> None:
    study.module(WAITS)
    study.study(_list(1, Resources={"time": "1m"}))
    started = study.start()
    _, job = _begun(study)
    assert slurm.succeeds("scancel", "--signal=USR2", job)
    (failed,) = started.finish().named("experiment_failed")
    assert failed["error"] == "Timeout: the time limit of its Slurm job was reached"


def test_a_job_that_makes_room_for_another_is_continued_later(study: Project, slurm: SlurmCluster) -> None:
    study.module(CONTINUES)
    study.study(_list(1, Resources={"cpus": 4, "nodes": 2}))
    started = study.start()
    _begun(study)
    urgent = ["sbatch", "-p", "urgent", "-N2", "-n8", "-o", "/dev/null", "--wrap", "sleep 1"]
    assert slurm.succeeds(*urgent)
    finished = started.finish()
    assert finished.status == 0, finished.stdout
    (record,) = study.log()
    assert record["BEGAN"] == 3


def test_a_node_that_fails_costs_nothing_but_time(study: Project, slurm: SlurmCluster) -> None:
    study.module(WAITS)
    study.study(_list(1, settings={"slurm": {"nodelist": "n2"}}))
    started = study.start()
    _begun(study)
    (study.path / "begun-0").unlink()
    try:
        assert slurm.succeeds("scontrol", "update", "nodename=n2", "state=down", "reason=test")
        time.sleep(1)
    finally:
        slurm.succeeds("scontrol", "update", "nodename=n2", "state=idle")
    _begun(study)
    (study.path / "go").touch()
    assert started.finish().status == 0
    assert _facts(study) == [("e0", 0)]


def test_a_worker_that_is_killed_is_a_failure(study: Project) -> None:
    study.module(WAITS)
    study.study(_list(1))
    started = study.start()
    pid, _ = _begun(study)
    helper = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    worker = int(Path(f"/proc/{helper}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(worker, signal.SIGKILL)
    (failed,) = started.finish().named("experiment_failed")
    assert "its process was killed, or its node went away" in failed["error"]
    until(lambda: not Path(f"/proc/{pid}").exists(), "the end of its experiment")


def test_an_experiment_over_several_nodes_knows_its_rank(study: Project) -> None:
    study.module("""
        def main(exp):
            slot = exp.slot
            node = os.environ["SLURMD_NODENAME"]
            Path(f"rank-{slot.rank}").write_text(f"{slot.rank} {slot.world_size} {node}")
            while len(list(Path().glob("rank-*"))) < slot.world_size:
                time.sleep(0.02)
            exp.WORLD = [slot.world_size, os.environ["RANK"], os.environ["WORLD_SIZE"]]
            exp.HAS_MASTER = bool(os.environ["MASTER_ADDR"]) and int(os.environ["MASTER_PORT"]) > 1024
    """)
    study.study(_list(1, Resources={"nodes": 2, "tasks": 4}))
    finished = study.json()
    assert finished.status == 0, finished.stdout
    (record,) = study.log()
    assert record["WORLD"] == [4, "0", "4"]
    assert record["HAS_MASTER"]
    told = [path.read_text().split() for path in study.path.glob("rank-*")]
    assert sorted(int(rank) for rank, _, _ in told) == [0, 1, 2, 3]
    assert {node for _, _, node in told} == {"n1", "n2"}


def test_what_goes_wrong_on_one_rank_is_told(study: Project) -> None:
    study.module("""
        def main(exp):
            if exp.slot.rank == 1:
                raise ValueError("not here")
            time.sleep(60)
    """)
    study.study(_list(1, Resources={"tasks": 2}))
    (failed,) = study.json().named("experiment_failed")
    assert failed["error"] == "rank 1: ValueError: not here"
    assert "modules/module.py" in failed["traceback"]


def test_an_experiment_gets_what_it_asks_for_and_what_setup_says(study: Project) -> None:
    study.module("""
        def main(exp):
            exp.GPUS = list(exp.slot.gpus)
            exp.SEEN = os.environ["CUDA_VISIBLE_DEVICES"]
            exp.THREADS = os.environ["OMP_NUM_THREADS"]
            exp.MEMORY = exp.slot.memory
            exp.GREETING = os.environ["GREETING"]
            exp.JOB = os.environ["SLURM_JOB_PARTITION"]
            print("written on a node")
    """)
    study.study(
        _list(
            1,
            settings={"slurm": {"partition": "short", "setup": ["export GREETING='good day'"]}},
            Resources={"cpus": 2, "gpus": 2, "memory": "500M"},
        )
    )
    finished = study.json()
    assert finished.status == 0, finished.stdout
    (record,) = study.log()
    assert (record["GPUS"], record["SEEN"]) == (["0", "1"], "0,1")
    assert (record["THREADS"], record["MEMORY"]) == ("2", 500 << 20)
    assert (record["GREETING"], record["JOB"]) == ("good day", "short")
    assert finished.output == "written on a node\n"
    assert (study.path / record["RUN"] / "log.txt").read_text() == "written on a node\n"


def test_a_setup_that_fails_is_told_with_its_own_words(study: Project) -> None:
    study.module(COUNTS)
    study.study(_list(1, settings={"slurm": {"setup": ["echo there is no such module >&2", "exit 3"]}}))
    (failed,) = study.json().named("experiment_failed")
    assert failed["error"] == "its Slurm job could not begin (FAILED): there is no such module"
    assert [path.parent.name for path in _left(study)] == ["batches"]  # where Slurm's own words stand


def test_what_sbatch_refuses_is_told_with_its_own_words(study: Project) -> None:
    study.module(COUNTS)
    study.study(_list(1, settings={"slurm": {"options": {"nosuch": 1}}}))
    (failed,) = study.json().named("experiment_failed")
    assert failed["error"].startswith("sbatch refused it: unrecognized option '--nosuch=1'")
    assert not _left(study)


def test_results_of_experiments_before_travel_with_a_job(study: Project) -> None:
    study.module("def main(exp):\n    exp.VALUE = exp.get('before', 1) + 1\n")
    study.study("""
        Global: {executor: slurm}
        Module: modules.module
        YamlLog: log.yaml
        ---
        Name: first
        ---
        Name: second
        before: solve E["first"].VALUE
    """)
    assert study.run().status == 0
    assert [record["VALUE"] for record in study.log()] == [2, 3]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"settings": {"slurm": {"partition": "debgu"}}}, "Slurm has no partition 'debgu'"),
        ({"settings": {"slurm": {"partion": "debug"}}}, "did you mean partition?"),
        ({"settings": {"slurm": {"cpus_per_task": 2}}}, "Resources: {cpus: ...}"),
        ({"Resources": {"cpus": 64}}, "e0 asks for 64 CPUs on a node; the largest of partition debug has 4"),
        ({"Resources": {"gpus": 3}}, "e0 asks for 3 GPUs; the largest node of partition debug has 2"),
        ({"Resources": {"gpus": 0.5}}, "a share of a GPU, which Slurm gives only whole"),
        ({"Resources": {"memory": "90G"}}, "asks for 90G of memory"),
        ({"Resources": {"nodes": 3}}, "asks for 3 nodes; 2 of partition debug have what it needs"),
        ({"Resources": {"nodes": 2, "tasks": 3}}, "a multiple of nodes (2) was expected"),
        (
            {"Resources": {"time": "1h"}, "settings": {"slurm": {"partition": "short"}}},
            "asks for 3600 s; a job of partition short may take 300 s",
        ),
    ],
)
def test_what_no_node_has_is_said_with_its_place_before_anything_runs(
    study: Project, said: dict[str, Any], told: str
) -> None:
    study.module(COUNTS)
    study.study(_list(1, **said))
    finished = study.run()
    assert finished.status == 2, finished.stdout
    assert told in finished.stderr
    assert "study.yaml:" in finished.stderr
    assert not (study.path / "ran").exists()


def test_a_machine_without_slurm_is_told_apart(study: Project) -> None:
    study.module(COUNTS)
    study.study(_list(1))
    nowhere = study.run(PATH="/nowhere")
    assert nowhere.status == 2
    assert "slurm needs the command sbatch" in nowhere.stderr
    silent = study.run(SLURM_CONF="/dev/null")
    assert silent.status == 2
    assert "Slurm does not answer" in silent.stderr


def test_a_cluster_of_the_tests_leaves_no_process_behind(slurm: SlurmCluster) -> None:
    other = SlurmCluster(accounting=False).start()
    try:
        assert other.succeeds("sbatch", "--output=/dev/null", "--wrap=trap '' TERM; sleep 300")
        until(lambda: other.command("squeue", "--noheader", "--format=%T") == "RUNNING", "a job that runs")
    finally:
        other.stop()
    assert not other.processes()
    assert not other.path.exists()
    assert slurm.command("sinfo", "--noheader", "--partition=debug")
