"""Several experiments at once: ``--jobs``, ``Resources``, what each is given, and how all are stopped."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from coolrunner.execution.machine import this_machine
from tests.studies import Finished, Project, Started, until

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="experiments are bound to CPUs on Linux"),
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc"),
]

ALL = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
#: Those that a quota leaves.
CPUS = list(this_machine().cpus)

#: Each waits for as many others as it is told to, and says what it was given.
MEETS = """
def main(exp):
    exp.CPUS = sorted(os.sched_getaffinity(0))
    exp.NUMBER = exp.slot.number
    exp.GPUS = list(exp.slot.gpus)
    exp.SHOWN = os.environ.get("CUDA_VISIBLE_DEVICES")
    exp.THREADS = os.environ.get("OMP_NUM_THREADS")
    Path(f"here-{exp.Name}-{exp.REP}").touch()
    while len(list(Path().glob("here-*"))) < exp.meet:
        time.sleep(0.01)
"""


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One GPU by name, and a runtime directory in which other tests' runners are not in the way."""
    (tmp_path / "runtime").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def run(project: Project, text: str, *arguments: str, **variables: str) -> list[dict[str, Any]]:
    """Run a study to its good end; return its log."""
    project.module(MEETS)
    project.study(text)
    done = project.json(*arguments, **variables)
    assert done.status == 0, done.stdout + done.stderr
    return project.log()


# --- what each is given ----------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["option", "setting"])
def test_several_experiments_run_at_once_each_on_cpus_of_its_own(project: Project, how: str) -> None:
    setting, option = ("", ["--jobs", "2"]) if how == "option" else ("Global: {jobs: 2}\n", [])
    study = f"{setting}Module: modules.module\nmeet: 2\n---\nName: a\n---\nName: b\n"
    records = run(project, study, *option)
    assert {record["NUMBER"] for record in records} == {0, 1}
    share = max(len(CPUS) // 2, 1)
    assert {len(record["CPUS"]) for record in records} == {share}
    assert {record["THREADS"] for record in records} == {str(share)}
    if len(CPUS) > 1:
        assert not set(records[0]["CPUS"]) & set(records[1]["CPUS"])


def test_one_at_a_time_is_left_as_it_is(project: Project) -> None:
    (record,) = run(project, "Module: modules.module\nmeet: 1\n---\nName: a\n")
    assert (record["CPUS"], record["THREADS"], record["SHOWN"]) == (ALL, None, "0")


def test_as_many_run_as_fit(project: Project) -> None:
    count = len(CPUS)
    study = f"Module: modules.module\nmeet: {count}\n---\nName: a\nRepeat: {count}\n"
    records = run(project, study, "--jobs", "auto")
    assert sorted(record["CPUS"] for record in records) == [[cpu] for cpu in CPUS]


def test_gpus_are_given_out_of_what_the_runner_was_given_itself(project: Project) -> None:
    """In its terms; a share of one GPU leaves room for another, and who asks for none sees none."""
    study = """
        Module: modules.module
        meet: 4
        ---
        Name: half
        Repeat: 2
        Resources: {gpus: 0.5}
        ---
        Name: whole
        Resources: {gpus: 1}
        ---
        Name: none
    """
    records = run(project, study, "--jobs", "4", CUDA_VISIBLE_DEVICES="GPU-1f,GPU-2e")
    seen = sorted((record["Name"], record["SHOWN"], record["GPUS"]) for record in records)
    shared, alone = seen[0][1], seen[3][1]
    assert {shared, alone} == {"GPU-1f", "GPU-2e"}
    assert seen == [
        ("half", shared, [shared]),
        ("half", shared, [shared]),
        ("none", "", []),
        ("whole", alone, [alone]),
    ]


def test_experiments_without_gpus_pass_those_that_wait_for_one(project: Project) -> None:
    project.module("""
        def main(exp):
            Path(f"here-{exp.Name}").touch()
            while exp.Name == "first" and not Path("here-fourth").exists():
                time.sleep(0.01)
    """)
    gpu = "Resources: {gpus: 1}\n"
    project.study(
        f"Global: {{jobs: 2, gpus: [0]}}\nModule: modules.module\n"
        f"---\nName: first\n{gpu}---\nName: second\n{gpu}---\nName: third\n---\nName: fourth\n"
    )
    done = project.json()
    assert done.status == 0, done.stderr
    names = [record["Name"] for record in project.log()]
    assert names[0] == "third"
    assert sorted(names[1:]) == ["first", "fourth", "second"]
    assert names.index("first") < names.index("second")


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ("{gpus: 2}", "asks for 2 GPUs; this runner has 1"),
        ("{cpus: 100000}", f"asks for 100000 CPUs; this runner has {len(CPUS)}"),
        ("{memory: 1000T}", "asks for 1000T of memory; this runner has "),
    ],
)
def test_what_can_never_fit_is_an_error_before_anything_runs(
    project: Project, resources: str, words: str
) -> None:
    project.module(MEETS)
    project.study(
        f"Module: modules.module\nmeet: 1\n---\nName: good\n---\nName: large\nResources: {resources}\n"
    )
    done = project.run()
    assert done.status == 2
    assert words in done.stderr
    assert not project.log()
    assert not list(project.path.glob("here-*"))


# --- several runners -------------------------------------------------------------------------------


def test_runners_on_one_machine_do_not_give_out_the_same_cpus(project: Project) -> None:
    if len(CPUS) < 2:
        pytest.skip("needs two CPUs")
    project.module(MEETS)
    half = len(CPUS) // 2
    for name in ("one", "two"):
        project.study(
            f"Module: modules.module\nmeet: 2\nYamlLog: {name}.log.yaml\n---\nName: {name}\n"
            f"Resources: {{cpus: {half}}}\n",
            f"{name}.yaml",
        )
    studies = [project.start("--exp", f"{name}.yaml") for name in ("one", "two")]
    assert [study.finish().status for study in studies] == [0, 0]
    (one,), (two,) = project.log("one.log.yaml"), project.log("two.log.yaml")
    assert len(one["CPUS"]) == len(two["CPUS"]) == half
    assert not set(one["CPUS"]) & set(two["CPUS"])


def test_an_experiment_waits_for_the_gpu_that_another_runner_uses(project: Project) -> None:
    project.module("""
        def main(exp):
            exp.BEGAN = time.time()
            Path(f"here-{exp.Name}").write_text("yes\\n")
            while exp.Name == "one" and not Path("go").exists():
                time.sleep(0.01)
            exp.ENDED = time.time()
    """)
    for name in ("one", "two"):
        project.study(
            f"Module: modules.module\nYamlLog: {name}.log.yaml\n---\nName: {name}\n"
            f"Resources: {{gpus: 1}}\n---\nName: cpu\n",
            f"{name}.yaml",
        )
    first = project.start("--exp", "one.yaml", "--jobs", "2")
    project.wait_for("here-one")
    second = project.start("--exp", "two.yaml", "--jobs", "2")
    second.wait_for("experiment_finished", name="cpu")
    assert not (project.path / "here-two").exists()
    project.write("go", "yes")
    assert (first.finish().status, second.finish().status) == (0, 0)
    (ended,) = [record["ENDED"] for record in project.log("one.log.yaml") if record["Name"] == "one"]
    (began,) = [record["BEGAN"] for record in project.log("two.log.yaml") if record["Name"] == "two"]
    assert ended <= began


# --- stopping ---------------------------------------------------------------------------------------

WAITS = """
def main(exp):
    if exp.get("stubborn"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.fork() == 0:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        time.sleep(600)
        os._exit(0)
    Path(f"here-{exp.Name}").write_text("yes\\n")
    while exp.Name != "last":
        time.sleep(0.1)
"""


def start_three(project: Project, *arguments: str, last: str = "", **keys: object) -> Started:
    """Start three experiments that wait, at once; return the study."""
    project.module(WAITS)
    more = "".join(f"{key}: {value}\n" for key, value in keys.items())
    names = "".join(f"---\nName: {name}\n" for name in ("a", "b", "c"))
    project.study(f"Global: {{grace: 20s, jobs: 3}}\nModule: modules.module\n{more}{names}{last}")
    study = project.start(*arguments)
    for name in ("a", "b", "c"):
        project.wait_for(f"here-{name}")
    return study


def interrupted(done: Finished) -> list[str]:
    """Return the names of the experiments that were interrupted."""
    return sorted(event["name"] for event in done.named("experiment_interrupted"))


def test_one_interrupt_stops_all_that_run_and_the_rest_goes_on_after_the_pause(project: Project) -> None:
    """CR-04."""
    study = start_three(project, last="---\nName: last\n")
    study.interrupt()
    assert study.wait_for("pausing")["seconds"] == 2.0
    done = study.finish()
    assert done.status == 1
    assert interrupted(done) == ["a", "b", "c"]
    assert [record["Name"] for record in project.log()] == ["last"]
    project.check_nothing_runs()


def test_a_second_interrupt_in_the_pause_ends_everything(project: Project) -> None:
    """CR-04."""
    study = start_three(project, last="---\nName: last\n")
    study.interrupt()
    study.wait_for("pausing")
    study.interrupt()
    done = study.finish()
    assert done.status == 130
    assert interrupted(done) == ["a", "b", "c"]
    assert not project.log()
    project.check_nothing_runs()


def test_a_second_interrupt_does_not_wait_for_those_that_do_not_heed_the_first(project: Project) -> None:
    """CR-04."""
    study = start_three(project, stubborn=True)
    study.interrupt()
    study.wait_for("stopping")
    study.interrupt()
    done = study.finish()
    assert done.status == 130
    assert interrupted(done) == ["a", "b", "c"]
    project.check_nothing_runs()


def test_a_runner_that_is_killed_leaves_nothing_behind_and_its_slots_are_free(project: Project) -> None:
    study = start_three(project)
    study.process.kill()
    until(lambda: not project.processes(), "the end of all that it had started")
    study.finish()
    for path in project.path.glob("here-*"):
        path.unlink()
    everything = f"Resources: {{cpus: {len(CPUS)}}}\n"
    (record,) = run(project, f"Module: modules.module\nmeet: 1\n---\nName: a\n{everything}")
    assert record["CPUS"] == CPUS


@pytest.mark.skipif(sys.platform != "linux", reason="libraries are warmed on Linux")
def test_many_short_experiments_on_two_slots_are_each_in_the_log_once(project: Project) -> None:
    project.module("def main(exp):\n    exp.ACC = exp.REP\n")
    project.study("Module: modules.module\n---\nName: a\nRepeat: 60\n")
    done = project.json("--jobs", "2")
    assert done.status == 0, done.stderr
    assert sorted(record["ACC"] for record in project.log()) == list(range(60))
