"""Slots: what of a machine each experiment is given, also where several runners share it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from coolrunner.definition.resources import Resources
from coolrunner.execution import base
from coolrunner.execution.gpus import Gpu, GpuSet
from coolrunner.execution.local import LocalBackend
from coolrunner.execution.locks import Locks, runtime_directory
from coolrunner.execution.machine import Machine, this_machine
from coolrunner.execution.pinning import PinBoard
from coolrunner.execution.slots import THREADS, Slot, SlotPool, choose_cpus
from coolrunner.experiment import Experiment
from tests.checkouts import ROOT
from tests.studies import runs, until

NOTHING = Resources()
POOLS: list[SlotPool] = []


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime directory of the test's own."""
    path = tmp_path / "runtime"
    path.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(path))
    yield path
    while POOLS:
        POOLS.pop().close()


def machine(cpus: int = 8, gpus: int = 0, memory: int | None = 64 << 30) -> Machine:
    """Return a machine."""
    found = GpuSet(tuple(Gpu(str(number), f"GPU-{number}") for number in range(gpus)))
    return Machine(tuple(range(cpus)), memory, "", lambda: found)


def new_pool(*arguments: Any, **options: Any) -> SlotPool:
    """Return a pool, which is closed at the end of the test."""
    POOLS.append(SlotPool(*arguments, **options))
    return POOLS[-1]


def all_of(pool: SlotPool, resources: Resources = NOTHING) -> list[Slot]:
    """Reserve as many slots as there are."""
    slots = []
    while (slot := pool.reserve(resources)) is not None:
        slots.append(slot)
    return slots


def one(pool: SlotPool, resources: Resources = NOTHING) -> Slot:
    """Reserve a slot, which there is."""
    slot = pool.reserve(resources)
    assert slot is not None
    return slot


# --- how many, and which ---


@pytest.mark.parametrize("jobs", [None, 1])
def test_one_at_a_time_that_asks_for_nothing_is_left_as_it_is(jobs: int | None, runtime: Path) -> None:
    pool = new_pool(machine(), jobs)
    assert all_of(pool) == [Slot()]
    assert not list(runtime.iterdir())


@pytest.mark.parametrize(
    ("cpus", "jobs", "expected"),
    [
        (8, 2, [(0, 1, 2, 3), (4, 5, 6, 7)]),
        (8, 3, [(0, 1), (2, 3), (4, 5)]),
        (3, "auto", [(0,), (1,), (2,)]),
        (2, 5, [(0,), (1,), (0,), (1,), (0,)]),
        (1, 3, [(0,), (0,), (0,)]),
    ],
)
def test_jobs_that_ask_for_nothing_divide_the_cpus(
    cpus: int, jobs: int | str, expected: list[tuple[int, ...]]
) -> None:
    slots = all_of(new_pool(machine(cpus), jobs))
    assert [slot.cpus for slot in slots] == expected
    assert [slot.number for slot in slots] == list(range(len(expected)))


def test_as_many_run_as_have_room_for_what_they_ask() -> None:
    pool = new_pool(machine(8), "auto")
    assert [slot.cpus for slot in all_of(pool, Resources(cpus=3))] == [(0, 1, 2), (3, 4, 5)]
    assert [slot.cpus for slot in all_of(pool)] == [(6,), (7,)]


def test_no_more_run_than_jobs_whatever_they_ask() -> None:
    pool = new_pool(machine(8, 4), 2)
    assert len(all_of(pool, Resources(gpus=1))) == 2
    assert pool.reserve(NOTHING) is None


def test_a_slot_that_was_given_back_is_given_again() -> None:
    pool = new_pool(machine(4), 2)
    first, second = all_of(pool)
    pool.release(first)
    again = one(pool)
    assert (again.number, again.cpus) == (first.number, first.cpus)
    pool.release(first)  # twice: it is another's now
    assert pool.reserve(NOTHING) is None
    pool.release(second)
    assert one(pool) == second


@pytest.mark.parametrize(
    ("free", "count", "chosen"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7], 2, [0, 1]),
        ([0, 2, 3, 5, 6, 7], 2, [2, 3]),
        ([0, 1, 2, 3, 6, 7], 2, [6, 7]),
        ([0, 2, 3, 5, 7, 8, 9], 5, [2, 3, 7, 8, 9]),
        ([1, 3, 5], 2, [1, 3]),
        ([1, 3], 3, []),
    ],
)
def test_cpus_side_by_side_are_preferred(free: list[int], count: int, chosen: list[int]) -> None:
    assert choose_cpus(free, count) == chosen


def test_experiments_without_gpus_do_not_wait_for_those_with_them() -> None:
    pool = new_pool(machine(8, 1), 4)
    one(pool, Resources(gpus=1))
    assert pool.reserve(Resources(gpus=1)) is None
    assert len(all_of(pool)) == 3


# --- GPUs and memory ---


def test_a_whole_gpu_is_one_experiments_alone() -> None:
    pool = new_pool(machine(8, 3), "auto")
    assert [slot.gpus for slot in all_of(pool, Resources(gpus=2))] == [("0", "1")]
    assert [slot.gpus for slot in all_of(pool, Resources(gpus=1))] == [("2",)]
    assert pool.reserve(Resources(gpus=0.5)) is None


def test_shares_of_gpus_fill_one_before_they_begin_another() -> None:
    pool = new_pool(machine(8, 2), "auto")
    half, quarter = one(pool, Resources(gpus=0.5)), one(pool, Resources(gpus=0.25))
    assert half.gpus == quarter.gpus == ("0",)
    assert one(pool, Resources(gpus=0.5)).gpus == ("1",)
    assert one(pool, Resources(gpus=0.25)).gpus == ("0",)
    assert pool.reserve(Resources(gpus=1)) is None
    pool.release(half)
    assert one(pool, Resources(gpus=0.5)).gpus == ("0",)


def test_ten_tenths_are_a_gpu() -> None:
    pool = new_pool(machine(64, 1), "auto")
    assert len(all_of(pool, Resources(gpus=0.1))) == 10


def test_memory_is_counted() -> None:
    pool = new_pool(machine(memory=20 << 30), "auto")
    slots = all_of(pool, Resources(memory=8 << 30))
    assert [slot.memory for slot in slots] == [8 << 30] * 2
    assert pool.reserve(NOTHING) is not None
    pool.release(slots[0])
    assert pool.reserve(Resources(memory=8 << 30)) is not None


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        (Resources(8, 2, 64 << 30), ""),
        (Resources(cpus=9), "asks for 9 CPUs; this runner has 8"),
        (Resources(gpus=8), "asks for 8 GPUs; this runner has 2"),
        (Resources(memory=65 << 30), "asks for 65G of memory; this runner has 64G"),
    ],
)
def test_what_can_never_fit_is_said_at_once(resources: Resources, words: str) -> None:
    for jobs in (None, 2, "auto"):
        assert new_pool(machine(gpus=2), jobs).impossible(resources) == words


def test_what_leaves_no_gpus_is_named() -> None:
    lent = machine()
    lent.find_gpus = lambda: GpuSet(limits="CUDA_VISIBLE_DEVICES is ''")
    pool = new_pool(lent)
    assert pool.impossible(Resources(gpus=1)) == (
        "asks for 1 GPU; this runner has none (CUDA_VISIBLE_DEVICES is '')"
    )
    assert pool.impossible(Resources(gpus=0.5)).startswith("asks for 0.5 GPUs; this runner has none")
    assert pool.reserve(Resources(gpus=0.5)) is None


# --- the environment ---


def test_the_variables_for_threads_agree_with_the_cpus() -> None:
    slot = one(new_pool(machine(8), 2, environ={}))
    assert {slot.environment[name] for name in THREADS} == {"4"}
    assert slot.environment["COOLRUNNER_SLOT"] == "0"
    assert not any("VISIBLE_DEVICES" in name for name in slot.environment)


def test_fewer_threads_that_a_person_has_asked_for_stay_fewer() -> None:
    environ = {"OMP_NUM_THREADS": "2,1", "MKL_NUM_THREADS": "3", "NUMEXPR_NUM_THREADS": "many"}
    environment = one(new_pool(machine(8), 2, environ=environ)).environment
    assert environment["OMP_NUM_THREADS"] == "2"
    assert environment["MKL_NUM_THREADS"] == "3"
    assert environment["OPENBLAS_NUM_THREADS"] == environment["NUMEXPR_NUM_THREADS"] == "2"
    assert one(new_pool(machine(2), 2, environ=environ)).environment["OMP_NUM_THREADS"] == "1"


def test_cpus_are_bound_also_where_one_runs_at_a_time_and_asks_for_them() -> None:
    slot = one(new_pool(machine(8), environ={}), Resources(cpus=3))
    assert slot.cpus == (0, 1, 2)
    assert slot.environment["OMP_NUM_THREADS"] == "3"


def test_gpus_alone_bind_no_cpus() -> None:
    slot = one(new_pool(machine(8, 2)), Resources(gpus=1))
    assert slot.cpus == ()
    assert slot.environment == {"CUDA_VISIBLE_DEVICES": "0", "COOLRUNNER_SLOT": "0"}


def test_who_asks_for_no_gpu_sees_none_where_gpus_are_assigned() -> None:
    lent = machine(8, 2)
    assert one(new_pool(lent, assign_gpus=True)).environment["CUDA_VISIBLE_DEVICES"] == ""
    assert "CUDA_VISIBLE_DEVICES" not in one(new_pool(lent, 2)).environment


def test_an_experiment_may_ask_for_its_slot() -> None:
    given = Slot(3, (0, 1), ("GPU-1",), 8 << 30, {"COOLRUNNER_SLOT": "3"})
    assert Experiment({}, slot=lambda: given).slot is given
    alone = Experiment({"slot": 7})
    assert (alone.slot.number, alone.slot.memory) == (0, None)
    assert alone.slot.cpus
    assert alone["slot"] == 7


# --- several runners ---

RUNNER = """
import sys
from coolrunner.definition.resources import Resources
from coolrunner.execution import base
from coolrunner.execution.gpus import Gpu, GpuSet
from coolrunner.execution.local import LocalBackend
from coolrunner.execution.machine import Machine, this_machine
from coolrunner.execution.slots import SlotPool
gpus = GpuSet(tuple(Gpu(name, f"GPU-{number}") for number, name in enumerate("ab")))
machine = Machine(tuple(range(8)), 64 << 30, "", lambda: gpus)
pool = SlotPool(machine, "auto")
for text in sys.argv[1:]:
    slot = pool.reserve(Resources.from_text(text))
    print(slot and slot.cpus, slot and slot.gpus, flush=True)
sys.stdin.read()
"""


class Other:
    """Another runner on this machine."""

    def __init__(self, *texts: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", RUNNER, *texts],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.told = [self.process.stdout.readline().strip() for _ in texts]

    def kill(self) -> None:
        """Kill it, so that it cannot clean up."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def other(request: pytest.FixtureRequest) -> Iterator[Other]:
    """One that holds what the test says."""
    runner = Other(*request.param)
    yield runner
    runner.kill()


@pytest.mark.parametrize("other", [("cpus=4", "cpus=2")], indirect=True)
def test_runners_do_not_give_out_the_same_cpu(other: Other) -> None:
    assert other.told == ["(0, 1, 2, 3) ()", "(4, 5) ()"]
    pool = new_pool(machine(8), "auto")
    assert one(pool, Resources(cpus=2)).cpus == (6, 7)
    assert pool.reserve(Resources(cpus=1)) is None
    assert pool.retry_after


@pytest.mark.parametrize("other", [("cpus=8",)], indirect=True)
def test_what_a_runner_had_is_free_as_soon_as_it_is_dead(other: Other) -> None:
    pool = new_pool(machine(8), "auto")
    assert pool.reserve(Resources(cpus=1)) is None
    other.kill()
    assert one(pool, Resources(cpus=8)).cpus == tuple(range(8))


@pytest.mark.parametrize("other", [("cpus=8",)], indirect=True)
def test_a_runner_that_finds_no_cpu_free_runs_one_that_asked_for_none_all_the_same(other: Other) -> None:
    pool = new_pool(machine(8), 2)
    slot = one(pool)
    assert len(slot.cpus) == 4
    assert pool.reserve(NOTHING) is None
    other.kill()
    assert len(one(pool).cpus) == 4


@pytest.mark.parametrize("other", [("cpus=7",)], indirect=True)
def test_a_runner_that_finds_few_cpus_free_takes_those(other: Other) -> None:
    pool = new_pool(machine(8), 2)
    slot = one(pool)
    assert slot.cpus == (7,)
    assert slot.environment["OMP_NUM_THREADS"] == "1"


@pytest.mark.parametrize("other", [("gpus=1", "gpus=0.5 cpus=1")], indirect=True)
def test_runners_do_not_give_out_the_same_gpu(other: Other) -> None:
    """Whatever each of them calls it."""
    assert other.told == ["(0,) ('a',)", "(1,) ('b',)"]
    pool = new_pool(machine(8, 2), "auto")
    assert pool.reserve(Resources(gpus=1)) is None
    slot = one(pool, Resources(gpus=0.5))
    assert slot.gpus == ("1",)
    assert pool.reserve(Resources(gpus=0.1)) is None
    other.kill()
    assert one(pool, Resources(gpus=1)).gpus == ("0",)
    assert one(pool, Resources(gpus=0.5)).gpus == ("1",)


@pytest.mark.parametrize("other", [(f"memory={40 << 30}",)], indirect=True)
def test_runners_count_the_memory_that_they_share_together(other: Other) -> None:
    pool = new_pool(machine(8), "auto")
    assert pool.reserve(Resources(memory=30 << 30)) is None
    assert pool.retry_after
    elsewhere = replace(machine(8, memory=64 << 30), memory_of="/sys/fs/cgroup/service")
    assert new_pool(elsewhere, "auto").reserve(Resources(memory=30 << 30)) is not None
    other.kill()
    assert pool.reserve(Resources(memory=30 << 30)) is not None


def test_waiting_for_ones_own_experiments_needs_no_second_look() -> None:
    pool = new_pool(machine(8, 1), "auto")
    all_of(pool, Resources(cpus=2))
    assert pool.reserve(NOTHING) is None
    assert pool.retry_after is None


def test_what_is_released_is_free_for_other_runners() -> None:
    pool, another = new_pool(machine(8, 1), "auto"), new_pool(machine(8, 1), "auto")
    slot = one(pool, Resources(cpus=8, gpus=0.5, memory=60 << 30))
    assert another.reserve(Resources(cpus=1)) is None
    assert another.reserve(Resources(gpus=1)) is None
    pool.release(slot)
    slot = one(another, Resources(cpus=8, gpus=1, memory=60 << 30))
    another.close()
    assert one(pool, Resources(cpus=8, gpus=1)).gpus == ("0",)


def test_locks_are_nothing_that_a_started_process_has(runtime: Path) -> None:
    pool = new_pool(machine(8, 1), "auto")
    slot = one(pool, Resources(cpus=1, gpus=1))
    kept = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, close_fds=False)
    pool.release(slot)
    assert one(new_pool(machine(8, 1), "auto"), Resources(cpus=8, gpus=1)).gpus == ("0",)
    kept.communicate(b"\n")


# --- the directory of locks ---


def test_locks_are_in_the_users_runtime_directory(runtime: Path) -> None:
    assert runtime_directory() == runtime / "coolrunner"


@pytest.mark.parametrize("spoil", ["missing", "shared", "a file", "a link"])
def test_a_runtime_directory_that_others_could_write_to_is_not_used(
    spoil: str, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if Path(f"/run/user/{os.geteuid()}").exists():
        pytest.skip("there is one that a login has made")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if spoil == "shared":
        runtime.chmod(0o770)
    else:
        runtime.rmdir()
    if spoil == "a file":
        runtime.touch()
    elif spoil == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        runtime.symlink_to(tmp_path / "elsewhere")
    found = runtime_directory()
    assert found.parent == tmp_path / f"coolrunner-{os.geteuid()}"
    assert found.stat().st_mode & 0o777 == 0o700
    assert runtime_directory() == found


def test_without_a_directory_for_locks_slots_work_and_one_warning_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "nowhere"))
    if Path(f"/run/user/{os.geteuid()}").exists():
        pytest.skip("there is one that a login has made")
    pool = new_pool(machine(8, 1), "auto")
    assert one(pool, Resources(cpus=2, gpus=0.5, memory=1 << 30)).gpus == ("0",)
    assert len(all_of(pool)) == 6
    (warning,) = pool.take_warnings()
    assert warning.startswith("other runners on this machine are not seen")
    assert pool.take_warnings() == []


def test_a_directory_that_vanishes_is_made_again(runtime: Path) -> None:
    pool = new_pool(machine(8), "auto")
    slots = [one(pool, Resources(cpus=1, memory=1 << 30))]
    for path in (runtime / "coolrunner").iterdir():
        path.unlink()
    (runtime / "coolrunner").rmdir()
    slots += [one(pool, Resources(cpus=1)), one(pool, Resources(cpus=1))]
    assert [slot.cpus for slot in slots] == [(0,), (1,), (2,)]
    for slot in slots:
        pool.release(slot)
    assert (runtime / "coolrunner/cpu-2").exists()


def test_a_share_of_a_dead_runner_is_cleared_away(runtime: Path) -> None:
    runner = Other("gpus=0.5")
    runner.kill()
    directory = runtime_directory()
    assert len(list(directory.glob("gpu-*"))) == 1
    with Locks(directory).guarded() as free:
        assert free
        assert Locks(directory).shared_by_others("gpu-GPU-0") == Fraction(0)
    assert not list(directory.glob("gpu-*"))


def test_a_runner_that_is_held_up_while_it_chooses_does_not_hold_up_others() -> None:
    with Locks(runtime_directory()).guarded() as free:
        assert free
        pool = new_pool(machine(8), "auto")
        assert pool.reserve(NOTHING) is None
        assert pool.retry_after
    assert pool.reserve(NOTHING) is not None


# --- threads and warm libraries ---


class Past(base.Past):
    """Nothing stands before these experiments."""

    def get(self, key: int | str) -> Experiment:
        raise LookupError(key)

    def __len__(self) -> int:
        return 0


class Rig:
    """A backend, and a directory with a Module and with site-packages."""

    def __init__(self, path: Path, pool: SlotPool) -> None:
        self.path = path
        self.backend = LocalBackend(PinBoard(0), str(path), pool=pool)
        self.ended: dict[str, base.Outcome] = {}

    def start(self, name: str, resources: Resources = NOTHING) -> None:
        """Start an experiment of the Module, on a slot that there is."""
        slot = self.backend.reserve(resources)
        assert slot is not None
        self.backend.start(base.Job(name, {"Name": name, "Module": "module"}, slot=slot), Past())

    def run(self, name: str, resources: Resources = NOTHING) -> dict[str, Any]:
        """Run an experiment to its end; return its results."""
        self.start(name, resources)
        return self.end(name)

    def end(self, name: str) -> dict[str, Any]:
        """Wait for the end of an experiment; return its results."""
        while name not in self.ended:
            for report in self.backend.reports(60):
                if isinstance(report, base.Ended):
                    self.ended[report.id] = report.outcome
        assert self.ended[name].error == ""
        return self.ended[name].results


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file for a Module, in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return tmp_path / "module.py"


linux = pytest.mark.skipif(sys.platform != "linux", reason="libraries are warmed on Linux")

COUNTS_THREADS = """
import sys
COLD = "numpy" not in sys.modules
import numpy, os, threadpoolctl

def main(exp):
    matrix = numpy.ones((300, 300))
    matrix @ matrix
    exp.COLD = COLD
    exp.THREADS = sorted({pool["num_threads"] for pool in threadpoolctl.threadpool_info()})
    exp.TASKS = len(os.listdir("/proc/self/task"))
    exp.CPUS = len(os.sched_getaffinity(0))
"""


@linux
@pytest.mark.parametrize("jobs", [None, 2])
def test_libraries_start_no_more_threads_than_there_are_cpus_cold_or_warm(
    jobs: int | None, module: Path
) -> None:
    """A warm library has read the variables before the experiment had them."""
    pytest.importorskip("numpy")
    pytest.importorskip("threadpoolctl")
    module.write_text(COUNTS_THREADS)
    one_cpu = {"THREADS": [1], "TASKS": 1, "CPUS": 1}
    rig = Rig(module.parent, new_pool(jobs=jobs))
    try:
        assert rig.run("first", Resources(cpus=1)) == {"COLD": True, **one_cpu}
        assert rig.run("second", Resources(cpus=1)) == {"COLD": False, **one_cpu}
        if jobs is None:
            everything = rig.run("third")
            assert everything["CPUS"] == everything["THREADS"][0] == len(os.sched_getaffinity(0))
            assert rig.run("fourth", Resources(cpus=1)) == {"COLD": False, **one_cpu}
    finally:
        rig.backend.close()


HEAVY = """
import sys
WARM = "heavy" in sys.modules
import heavy
import os, time
from pathlib import Path

def main(exp):
    exp.WARM = WARM
    exp.HELPER = os.getppid()
    while exp.Name == "long" and not Path("go").exists():
        time.sleep(0.01)
"""


@pytest.fixture
def rig(module: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    """Two slots, and an installed library."""
    packages = module.parent / "site-packages"
    packages.mkdir()
    (packages / "heavy.py").touch()
    monkeypatch.syspath_prepend(packages)
    module.write_text(HEAVY)
    rig = Rig(module.parent, new_pool(jobs=2))
    yield rig
    rig.backend.close()


@linux
def test_libraries_become_warm_while_experiments_run(rig: Rig) -> None:
    """By a second helper, which takes over from the first one; that lives as long as it has a job."""
    rig.start("long")
    number = 0
    while not rig.run(f"short {number}")["WARM"]:
        number += 1
    (rig.path / "go").touch()
    first, second = rig.end("long")["HELPER"], rig.run("last")["HELPER"]
    assert first != second
    until(lambda: not runs(first), "the end of the first helper")
    assert rig.run("very last")["HELPER"] == second


@linux
@pytest.mark.parametrize("spoil", ["os._exit(3)", "threading.Thread(target=time.sleep, args=(9,)).start()"])
def test_a_library_that_is_not_safe_to_share_harms_nothing_that_runs(rig: Rig, spoil: str) -> None:
    (rig.path / "site-packages/heavy.py").write_text(
        "import os, threading, time\n"
        f"if os.getpid() == os.getsid(0):\n    open('tried', 'a').write('x')\n    {spoil}\n"
    )
    rig.start("long")
    number = 0
    while number < 3 or not (rig.path / "tried").exists():
        assert not rig.run(f"short {number}")["WARM"]
        number += 1
    (rig.path / "go").touch()
    helper = rig.end("long")["HELPER"]
    assert rig.run("last") == {"WARM": False, "HELPER": helper}
    assert (rig.path / "tried").read_text() == "x"


def test_an_experiment_that_asks_for_no_gpu_sees_those_that_the_study_may_use() -> None:
    """``Global.gpus`` limits a study in which no experiment asks for one."""
    machine = this_machine(["3", "1"], {})
    limited = SlotPool(machine, limit_gpus=True, environ={}).reserve(Resources())
    free = SlotPool(machine, environ={}).reserve(Resources())
    assert limited is not None
    assert free is not None
    assert limited.environment["CUDA_VISIBLE_DEVICES"] == "3,1"
    assert "CUDA_VISIBLE_DEVICES" not in free.environment
