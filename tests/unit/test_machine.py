"""What of a machine a runner may use: CPUs, memory, GPUs; and how much memory experiments have used."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from coolrunner.execution.gpus import find_gpus, nvidia_uuids
from coolrunner.execution.machine import this_machine
from coolrunner.execution.memory import Memory

TOTAL = 16 << 30


class Root:
    """A file system with what the kernel tells of a process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write("proc/meminfo", f"MemTotal:       {TOTAL // 1024} kB\nMemFree: 1 kB\n")

    def write(self, name: str, text: object) -> None:
        """Write a file."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")

    def unified(self, path: str = "/user/run", inside: str = "/") -> None:
        """Mount control groups of version 2."""
        self.write("proc/self/cgroup", f"0::{path}")
        self.write("proc/self/mountinfo", f"30 24 0:27 {inside} /sys/fs/cgroup rw - cgroup2 cgroup2 rw")
        (self.path / "sys/fs/cgroup").mkdir(parents=True)

    def divided(self, path: str = "/user/run", inside: str = "/") -> None:
        """Mount control groups of version 1, and beside them those of version 2, without a controller."""
        self.write("proc/self/cgroup", f"4:memory:{path}\n2:cpu,cpuacct:{path}\n0::/")
        self.write(
            "proc/self/mountinfo",
            f"31 24 0:28 {inside} /sys/fs/cgroup/cpu,cpuacct rw shared:7 - cgroup cgroup rw,cpu,cpuacct\n"
            "30 24 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
            f"32 24 0:29 {inside} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
        )
        (self.path / "sys/fs/cgroup/unified").mkdir(parents=True)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """A machine of 16G, with no limit on anything."""
    return Root(tmp_path)


@pytest.fixture
def eight(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that may use eight CPUs."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3, 8, 9, 10, 11}, raising=False)


# --- CPUs ---


def test_the_cpus_are_those_that_the_process_itself_may_use(root: Root, eight: None) -> None:
    assert this_machine(root=root.path).cpus == (0, 1, 2, 3, 8, 9, 10, 11)


def test_there_is_no_need_for_control_groups() -> None:
    machine = this_machine(root=Path("/nowhere"))
    assert machine.cpus
    assert machine.memory is None or machine.memory > 0


@pytest.mark.parametrize(
    ("own", "outer", "count"),
    [
        ("max 100000", "max 100000", 8),
        ("200000 100000", "max 100000", 2),
        ("250000 100000", "max 100000", 3),
        ("10000 100000", "max 100000", 1),
        ("max 100000", "400000 100000", 4),
        ("600000 100000", "50000 50000", 1),
        ("1600000 100000", "max 100000", 8),
    ],
)
def test_a_quota_of_the_processors_time_leaves_as_many_cpus(
    root: Root, eight: None, own: str, outer: str, count: int
) -> None:
    root.unified()
    root.write("sys/fs/cgroup/user/run/cpu.max", own)
    root.write("sys/fs/cgroup/user/cpu.max", outer)
    cpus = this_machine(root=root.path).cpus
    assert len(cpus) == count
    assert set(cpus) <= {0, 1, 2, 3, 8, 9, 10, 11}
    assert this_machine(root=root.path).cpus == cpus


@pytest.mark.parametrize(("quota", "count"), [(-1, 8), (150000, 2)])
def test_a_quota_of_the_older_control_groups_is_heeded_too(
    root: Root, eight: None, quota: int, count: int
) -> None:
    root.divided()
    root.write("sys/fs/cgroup/cpu,cpuacct/user/run/cpu.cfs_quota_us", quota)
    root.write("sys/fs/cgroup/cpu,cpuacct/user/run/cpu.cfs_period_us", 100000)
    assert len(this_machine(root=root.path).cpus) == count


def test_groups_with_quotas_do_not_all_choose_the_first_cpus(root: Root, eight: None) -> None:
    root.unified()
    chosen = set()
    for number in range(8):
        root.write("proc/self/cgroup", f"0::/service{number}")
        root.write(f"sys/fs/cgroup/service{number}/cpu.max", "100000 100000")
        chosen.add(this_machine(root=root.path).cpus)
    assert len(chosen) > 1


# --- memory ---


def test_the_memory_is_the_machines_where_nothing_limits_it(root: Root) -> None:
    root.unified()
    root.write("sys/fs/cgroup/user/run/memory.max", "max")
    assert (this_machine(root=root.path).memory, this_machine(root=root.path).memory_of) == (TOTAL, "")


def test_the_least_limit_on_the_way_up_is_the_memorys(root: Root) -> None:
    root.unified()
    root.write("sys/fs/cgroup/user/run/memory.max", 4 << 30)
    root.write("sys/fs/cgroup/user/memory.max", 2 << 30)
    machine = this_machine(root=root.path)
    assert machine.memory == 2 << 30
    assert machine.memory_of == str(root.path / "sys/fs/cgroup/user")


@pytest.mark.parametrize("inside", ["/", "/docker/abc"])
def test_in_a_container_the_limit_is_where_its_groups_begin(root: Root, inside: str) -> None:
    """Whether or not the path that the process is told of exists inside."""
    root.divided("/docker/abc", inside)
    root.write("sys/fs/cgroup/memory/memory.limit_in_bytes", 1 << 30)
    assert this_machine(root=root.path).memory == 1 << 30


def test_the_older_groups_number_for_no_limit_is_none(root: Root) -> None:
    root.divided()
    root.write("sys/fs/cgroup/memory/user/run/memory.limit_in_bytes", 9223372036854771712)
    assert this_machine(root=root.path).memory == TOTAL


@pytest.mark.parametrize("version", [1, 2])
def test_a_process_that_the_kernel_kills_for_want_of_memory_is_told_apart(root: Root, version: int) -> None:
    if version == 2:
        root.unified()
        file = "sys/fs/cgroup/user/run/memory.events"
    else:
        root.divided()
        file = "sys/fs/cgroup/memory/user/run/memory.oom_control"
    root.write("proc/vmstat", "oom_kill 7")
    root.write(file, "low 0\noom_kill 3")
    memory = Memory(root.path)
    watched = memory.watch(None)
    root.write("proc/vmstat", "oom_kill 8")  # somewhere else on the machine
    assert watched.shortage() == ""
    root.write(file, "low 0\noom_kill 4")
    assert watched.shortage() == "out of memory"
    assert memory.watch(None).shortage() == ""


def test_without_control_groups_the_machines_own_count_is_looked_at(root: Root) -> None:
    root.write("proc/vmstat", "pgfault 1\noom_kill 0")
    watched = Memory(root.path).watch(None)
    root.write("proc/vmstat", "pgfault 2\noom_kill 1")
    assert watched.shortage() == "out of memory"
    assert Memory(Path("/nowhere")).watch(None).shortage() == ""


@pytest.mark.parametrize("version", [1, 2])
def test_where_no_group_can_be_had_memory_is_not_limited(root: Root, version: int) -> None:
    root.unified() if version == 2 else root.divided()
    root.write("sys/fs/cgroup/user/run/cgroup.controllers", "cpu pids")
    root.write("sys/fs/cgroup/memory/user/run/memory.limit_in_bytes", 1 << 40)
    memory = Memory(root.path)
    assert memory.watch(1 << 30).group is None
    memory.close()
    assert not list(root.path.rglob("coolrunner-*"))


def test_an_experiment_in_a_limited_group_is_out_of_memory_when_that_says_so(root: Root) -> None:
    root.unified()
    root.write("sys/fs/cgroup/user/run/memory.events", "oom_kill 0")
    group = root.path / "sys/fs/cgroup/user/run/slot"
    watched = Memory(root.path).watch(8 << 30)
    watched.group = group
    assert watched.shortage() == ""
    root.write("sys/fs/cgroup/user/run/slot/memory.events", "oom_kill 1")
    assert watched.shortage() == "out of memory (its limit was 8G)"


# --- GPUs ---

NOTHING = "/nowhere"


def names(asked: Sequence[str] | None, environ: Mapping[str, str], root: str | Path = NOTHING) -> list[str]:
    """Return what the GPUs are called."""
    return [gpu.name for gpu in find_gpus(asked, environ, Path(root)).gpus]


needs_no_nvidia = pytest.mark.skipif(bool(nvidia_uuids()), reason="this machine has GPUs of its own")


def test_a_machine_without_the_driver_has_no_gpus_to_tell_of() -> None:
    assert nvidia_uuids("libno-such-library.so.1") is None
    assert nvidia_uuids("libc.so.6") is None


@needs_no_nvidia
def test_no_gpu_is_invented() -> None:
    assert names(None, {}) == []


@needs_no_nvidia
@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ("0,1", ["0", "1"]),
        (" 2 , 5 ", ["2", "5"]),
        ("", []),
        ("-1", []),
        ("0,-1,1", ["0"]),
        ("0,nonsense,1", ["0"]),
        ("NoDevFiles", []),
        ("1,1", ["1"]),
        ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6,1", ["GPU-8932f937-d72c-4106-c12f-20bd9faed9f6", "1"]),
        ("MIG-c7384736-a75d-5afc-978f-d2f1294409fd", ["MIG-c7384736-a75d-5afc-978f-d2f1294409fd"]),
        ("MIG-GPU-8932f937/1/0", ["MIG-GPU-8932f937/1/0"]),
    ],
)
def test_an_outer_mask_names_the_gpus_and_ends_where_cuda_ends_it(mask: str, expected: list[str]) -> None:
    assert names(None, {"CUDA_VISIBLE_DEVICES": mask}) == expected


@needs_no_nvidia
def test_the_gpus_of_the_definition_are_believed_where_nothing_is_known_better() -> None:
    assert names(["1", "GPU-8932f937"], {}) == ["1", "GPU-8932f937"]
    assert names([], {}) == []
    assert names(["first"], {}) == []


@needs_no_nvidia
def test_the_gpus_of_the_definition_do_not_go_beyond_an_outer_mask() -> None:
    found = find_gpus(["0", "2", "3"], {"CUDA_VISIBLE_DEVICES": "1,2,3"}, Path(NOTHING))
    assert [gpu.name for gpu in found.gpus] == ["2", "3"]
    assert found.limits == "Global.gpus is [0, 2, 3] and CUDA_VISIBLE_DEVICES is '1,2,3'"


@needs_no_nvidia
def test_an_experiment_sees_its_gpus_and_no_other() -> None:
    found = find_gpus(None, {"CUDA_VISIBLE_DEVICES": "2,3"}, Path(NOTHING))
    assert found.environment(["3"]) == {"CUDA_VISIBLE_DEVICES": "3"}
    assert found.environment([]) == {"CUDA_VISIBLE_DEVICES": ""}


@pytest.fixture
def amd(tmp_path: Path) -> Path:
    """A machine with one CPU and three GPUs of AMD, as the kernel shows them."""
    for node, (units, unique) in enumerate([(0, 0), (304, 0xA1), (304, 0xB2), (304, 0)]):
        path = tmp_path / f"sys/class/kfd/kfd/topology/nodes/{node}/properties"
        path.parent.mkdir(parents=True)
        path.write_text(f"cpu_cores_count {0 if units else 16}\nsimd_count {units}\nunique_id {unique}\n")
    return tmp_path


@needs_no_nvidia
@pytest.mark.parametrize(
    ("environ", "expected", "shown", "nothing"),
    [
        ({}, ["0", "1", "2"], {"ROCR_VISIBLE_DEVICES": "1"}, {"ROCR_VISIBLE_DEVICES": "-1"}),
        (
            {"ROCR_VISIBLE_DEVICES": "2,GPU-00000000000000a1"},
            ["2", "GPU-00000000000000a1"],
            {"ROCR_VISIBLE_DEVICES": "GPU-00000000000000a1"},
            {"ROCR_VISIBLE_DEVICES": "-1"},
        ),
        (
            {"HIP_VISIBLE_DEVICES": "0,2,7"},
            ["0", "2"],
            {"HIP_VISIBLE_DEVICES": "2"},
            {"HIP_VISIBLE_DEVICES": "-1"},
        ),
        (
            {"ROCR_VISIBLE_DEVICES": "1,2", "HIP_VISIBLE_DEVICES": "1,0"},
            ["2", "1"],
            {"ROCR_VISIBLE_DEVICES": "1", "HIP_VISIBLE_DEVICES": "0"},
            {"ROCR_VISIBLE_DEVICES": "-1", "HIP_VISIBLE_DEVICES": "-1"},
        ),
        ({"ROCR_VISIBLE_DEVICES": ""}, [], {"ROCR_VISIBLE_DEVICES": "-1"}, {"ROCR_VISIBLE_DEVICES": "-1"}),
    ],
)
def test_gpus_of_amd_are_named_as_their_own_variables_name_them(
    amd: Path, environ: dict[str, str], expected: list[str], shown: dict[str, str], nothing: dict[str, str]
) -> None:
    found = find_gpus(None, environ, amd)
    assert [gpu.name for gpu in found.gpus] == expected
    assert found.environment(expected[1:2]) == shown
    assert found.environment([]) == nothing


@needs_no_nvidia
def test_the_definition_chooses_among_gpus_of_amd(amd: Path) -> None:
    assert names(["2", "0", "5", "GPU-00000000000000b2"], {}, amd) == ["2", "0", "1"]
