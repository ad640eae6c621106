"""Affinity codes mean what rlpyt and exptools have published, and no slot is given twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from coolrunner.errors import UserError
from coolrunner.frontends.launching import affinity_machine
from coolrunner.frontends.launching.affinity import (
    LAUNCHED_WITH,
    affinity_from_code,
    encode_affinity,
    make_affinity,
    quick_affinity_code,
    shares_of,
)

# What was published: a code, the number of slots, all_cpus, workers_cpus, cuda_idx.
PUBLISHED: list[tuple[str, int, Any, Any, Any]] = [
    ("0slt_4cpu_4gpu_8hto", 4, (0, 8), ((0, 8),), 0),
    ("3slt_4cpu_4gpu_8hto", 4, (3, 11), ((3, 11),), 3),
    ("0slt_2cpu_0gpu_1cpr_0hto", 2, (0,), ((0,),), None),
    ("1slt_2cpu_0gpu_1cpr_0hto", 2, (1,), ((1,),), None),
    ("1slt_12cpu_4gpu_3cxg_0hto", 12, (3,), ((3,),), 1),
    ("4slt_12cpu_4gpu_3cxg_0hto", 12, (1,), ((1,),), 0),
    ("11slt_12cpu_4gpu_3cxg_0hto", 12, (11,), ((11,),), 3),
    ("2slt_8cpu_4gpu", 4, (4, 5, 12, 13), ((4, 12), (5, 13)), 2),
    ("1slt_4cpu_2gpu_0hto", 2, (2, 3), ((2,), (3,)), 1),
    ("2slt_4cpu_0gpu_1cpr", 4, (2, 6), ((2, 6),), None),
    ("1slt_4cpu_0gpu_2cpr_0hto", 2, (2, 3), ((2,), (3,)), None),
    ("1slt_8cpu_0gpu_4cpr_2cpw_0hto", 2, (4, 5, 6, 7), ((4, 5), (6, 7)), None),
    (
        "1slt_8cpu_0gpu_4cpr_2cpw_8hto",
        2,
        (4, 5, 6, 7, 12, 13, 14, 15),
        ((4, 5, 12, 13), (6, 7, 14, 15)),
        None,
    ),
    (
        "0slt_8cpu_0gpu_4cpr_16hto",
        2,
        (0, 1, 2, 3, 16, 17, 18, 19),
        ((0, 16), (1, 17), (2, 18), (3, 19)),
        None,
    ),
    (
        "1slt_8cpu_0gpu_4cpr_16hto_2skt",
        2,
        (8, 9, 10, 11, 24, 25, 26, 27),
        ((8, 24), (9, 25), (10, 26), (11, 27)),
        None,
    ),
    ("2slt_8cpu_4gpu_16hto_2skt", 4, (8, 9, 24, 25), ((8, 24), (9, 25)), 2),
    ("3slt_8cpu_4gpu_0hto_2skt", 4, (6, 7), ((6,), (7,)), 3),
    (
        "0slt_8cpu_0gpu_8cpr_0hto_2skt",
        1,
        (0, 1, 2, 3, 4, 5, 6, 7),
        ((0,), (1,), (2,), (3,), (4,), (5,), (6,), (7,)),
        None,
    ),
    (
        "1slt_16cpu_0gpu_8cpr_0hto_4skt",
        2,
        (8, 9, 10, 11, 12, 13, 14, 15),
        ((8,), (9,), (10,), (11,), (12,), (13,), (14,), (15,)),
        None,
    ),
    ("0slt_8cpu_2gpu_1res_0hto", 2, (0, 1, 2, 3), ((1,), (2,), (3,)), 0),
    ("1slt_8cpu_2gpu_2res", 2, (4, 5, 6, 7, 12, 13, 14, 15), ((6, 14), (7, 15)), 1),
    ("0slt_6cpu_0gpu_3cpr_1res_2cpw_0hto", 2, (0, 1, 2), ((1, 2),), None),
    ("1slt_6cpu_2gpu_0hto_1alt", 2, (3, 4, 5), ((3,), (4,), (5,), (3,), (4,), (5,)), 1),
    ("1slt_4cpu_2gpu_1alt", 2, (2, 3, 6, 7), ((2,), (3,), (6,), (7,)), 1),
    ("0slt_4cpu_2gpu_2cpw_4hto_1alt", 2, (0, 1, 4, 5), ((0, 1), (4, 5)), 0),
    ("0slt_4cpu_2gpu_0hto_0saf", 2, (0, 1), ((0,), (1,)), 0),
    (
        "1slt_40cpu_8gpu_40hto_2skt",
        8,
        (5, 6, 7, 8, 9, 45, 46, 47, 48, 49),
        ((5, 45), (6, 46), (7, 47), (8, 48), (9, 49)),
        1,
    ),
    (
        "7slt_40cpu_8gpu_2skt",
        8,
        (35, 36, 37, 38, 39, 75, 76, 77, 78, 79),
        ((35, 75), (36, 76), (37, 77), (38, 78), (39, 79)),
        7,
    ),
    ("3slt_6cpu_2gpu_3cxg_0hto", 6, (4,), ((4,),), 1),
    ("1slt_4cpu_1gpu_2cxg_0hto", 2, (2, 3), ((2,), (3,)), 0),
    ("2slt_8cpu_4gpu_2cpw_0hto", 4, (4, 5), ((4, 5),), 2),
    ("0slt_1cpu_1gpu_0hto", 1, (0,), ((0,),), 0),
]
# The same for runs with several GPUs.
SEVERAL_GPUS: list[tuple[str, int, list[Any]]] = [
    ("0slt_8cpu_4gpu_2gpr_0hto", 2, [((0, 1), ((0,), (1,)), 0), ((2, 3), ((2,), (3,)), 1)]),
    (
        "1slt_8cpu_4gpu_2gpr_16hto",
        2,
        [((4, 5, 20, 21), ((4, 20), (5, 21)), 2), ((6, 7, 22, 23), ((6, 22), (7, 23)), 3)],
    ),
    (
        "1slt_16cpu_8gpu_4gpr_0hto_2skt",
        2,
        [
            ((8, 9), ((8,), (9,)), 4),
            ((10, 11), ((10,), (11,)), 5),
            ((12, 13), ((12,), (13,)), 6),
            ((14, 15), ((14,), (15,)), 7),
        ],
    ),
]
# For asynchronous runs: the slots, all_cpus, CPUs and GPU of each optimizer, and of each sampler.
ASYNCHRONOUS: list[tuple[str, int, Any, list[Any], Any]] = [
    ("0slt_8cpu_2gpu_0hto_1ass", 2, (0, 1, 2, 3), [((0,), 0)], ((1, 2, 3), None)),
    ("1slt_8cpu_4gpu_0hto_1ass_1sgr", 2, (4, 5, 6, 7), [((4,), 2)], [((5, 6, 7), 3)]),
    ("0slt_8cpu_2gpu_0hto_1ass_1oss", 2, (0, 1, 2, 3), [((0,), 0)], [((1, 2, 3), 0)]),
    (
        "0slt_16cpu_4gpu_2gpr_0hto_2res_1ass_2sgr",
        1,
        (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
        [((0, 1), 0), ((2, 3), 1)],
        [((4, 5, 6, 7, 8, 9), 2), ((10, 11, 12, 13, 14, 15), 3)],
    ),
    (
        "1slt_16cpu_4gpu_0hto_2skt_1ass_1sgr",
        2,
        (8, 9, 10, 11, 12, 13, 14, 15),
        [((8,), 2)],
        [((9, 10, 11, 12, 13, 14, 15), 3)],
    ),
    (
        "0slt_16cpu_4gpu_2gpr_0hto_2skt_1ass_2sgr",
        1,
        (0, 8, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15),
        [((0,), 0), ((8,), 2)],
        [((1, 2, 3, 4, 5, 6, 7), 1), ((9, 10, 11, 12, 13, 14, 15), 3)],
    ),
]


def slots(code: str) -> int:
    return shares_of(code.partition("_")[2]).slots


def told(affinity: Any) -> tuple[Any, Any, Any]:
    return affinity.all_cpus, affinity.workers_cpus, affinity["cuda_idx"]


@pytest.mark.parametrize(("code", "count", "all_cpus", "workers_cpus", "cuda_idx"), PUBLISHED)
def test_a_code_means_what_was_published(
    code: str, count: int, all_cpus: Any, workers_cpus: Any, cuda_idx: int | None
) -> None:
    affinity = affinity_from_code(code)
    assert told(affinity) == (all_cpus, workers_cpus, cuda_idx)
    assert affinity.master_cpus == all_cpus
    assert affinity.set_affinity == ("0saf" not in code)
    assert affinity.alternating == ("1alt" in code)
    assert slots(code) == count


@pytest.mark.parametrize(("code", "count", "shares"), SEVERAL_GPUS)
def test_a_run_with_several_gpus_has_a_share_for_each(code: str, count: int, shares: Any) -> None:
    assert [told(share) for share in affinity_from_code(code)] == shares
    assert slots(code) == count


@pytest.mark.parametrize(("code", "count", "all_cpus", "optimizers", "samplers"), ASYNCHRONOUS)
def test_an_asynchronous_run_optimizes_and_samples_apart(
    code: str, count: int, all_cpus: Any, optimizers: Any, samplers: Any
) -> None:
    affinity = affinity_from_code(code)
    assert affinity.all_cpus == all_cpus
    assert [(each.cpus, each.cuda_idx) for each in affinity.optimizer] == optimizers
    sampler = affinity.sampler
    found = [told(each)[::2] for each in sampler] if isinstance(sampler, list) else told(sampler)[::2]
    assert found == samplers
    assert slots(code) == count


def test_without_gpus_the_index_is_there_and_none() -> None:
    affinity = affinity_from_code("0slt_2cpu_0gpu_1cpr_0hto")
    assert "cuda_idx" in affinity
    assert affinity["cuda_idx"] is None


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"n_cpu_core": 4, "n_gpu": 4, "hyperthread_offset": 8}, "4cpu_4gpu_8hto"),
        ({"n_cpu_core": 2, "hyperthread_offset": 0}, "2cpu_0gpu_1cpr_0hto"),
        ({"n_cpu_core": 4, "cpu_per_run": 2, "hyperthread_offset": 4}, "4cpu_0gpu_2cpr"),
        (
            {"n_cpu_core": 12, "n_gpu": 4, "contexts_per_gpu": 3, "hyperthread_offset": 0},
            "12cpu_4gpu_3cxg_0hto",
        ),
        ({"n_cpu_core": 8, "n_gpu": 4, "gpu_per_run": 2, "hyperthread_offset": 8}, "8cpu_4gpu_2gpr"),
        (
            {"n_cpu_core": 8, "n_gpu": 2, "cpu_per_worker": 2, "cpu_reserved": 2, "hyperthread_offset": 0},
            "8cpu_2gpu_2cpw_0hto_2res",
        ),
        (
            {
                "n_cpu_core": 8,
                "n_gpu": 2,
                "n_socket": 2,
                "hyperthread_offset": 8,
                "run_slot": 1,
                "alternating": True,
                "set_affinity": False,
            },
            "1slt_8cpu_2gpu_2skt_1alt_0saf",
        ),
        (
            {
                "n_cpu_core": 8,
                "n_gpu": 4,
                "hyperthread_offset": 0,
                "async_sample": True,
                "sample_gpu_per_run": 1,
                "optim_sample_share_gpu": True,
            },
            "8cpu_4gpu_0hto_1ass_1sgr_1oss",
        ),
    ],
)
def test_a_machine_is_encoded_as_published(arguments: dict[str, Any], code: str) -> None:
    assert encode_affinity(**{"n_socket": 1, **arguments}) == code


def test_what_is_not_said_is_looked_up_on_this_machine() -> None:
    code = encode_affinity()
    assert code.startswith(f"{affinity_machine.usable_cores()}cpu_0gpu_1cpr")
    assert make_affinity(n_cpu_core=2, n_gpu=0, run_slot=1, hyperthread_offset=0).all_cpus == (1,)


def test_a_quick_code_counts_only_gpus_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(affinity_machine, "usable_cores", lambda: 7)
    for gpus, beginning in ((0, "6cpu_0gpu_2cpr"), (1, "7cpu_1gpu"), (2, "6cpu_2gpu")):
        monkeypatch.setattr(affinity_machine, "usable_gpus", lambda gpus=gpus: gpus)
        assert quick_affinity_code(n_parallel=3).startswith(beginning)
    monkeypatch.setattr(affinity_machine, "usable_gpus", lambda: 2)
    assert quick_affinity_code(contexts_per_gpu=2).startswith("4cpu_2gpu_2cxg")
    assert quick_affinity_code(2, use_gpu=False).startswith("6cpu_0gpu_3cpr")


def test_an_empty_list_of_visible_gpus_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert affinity_machine.usable_gpus() == 0
    with pytest.raises(ValueError, match="there is no GPU here: n_parallel must say"):
        quick_affinity_code()


def test_a_quick_code_needs_to_know_how_many_runs() -> None:
    with pytest.raises(ValueError, match="use_gpu=True, or n_parallel"):
        quick_affinity_code(use_gpu=False)


def test_in_a_launched_script_the_index_counts_the_gpus_that_it_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "3slt_4cpu_4gpu_0hto"
    assert affinity_from_code(code).cuda_idx == 3
    monkeypatch.setenv(LAUNCHED_WITH, code)
    assert affinity_from_code(code).cuda_idx == 0
    assert affinity_from_code("2slt_4cpu_4gpu_0hto").cuda_idx == 2
    several = "1slt_4cpu_4gpu_2gpr_0hto"
    monkeypatch.setenv(LAUNCHED_WITH, several)
    assert [share.cuda_idx for share in affinity_from_code(several)] == [0, 1]


def test_on_a_cluster_a_script_has_all_that_it_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    affinity = affinity_from_code("cluster")
    assert affinity.cuda_idx is None
    assert affinity.all_cpus == affinity_machine.usable_cpus()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-8a3f,GPU-9b40")
    monkeypatch.setattr("coolrunner.execution.gpus.nvidia_uuids", lambda: None)
    assert [share.cuda_idx for share in affinity_from_code("cluster")] == [0, 1]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("4cpu_4gpu", "does not begin with a slot, such as 0slt_"),
        ("0slt_4cpu_4gpx", "abbreviation 'gpx' in '4cpu_4gpx'; did you mean 'gpu'?"),
        ("0slt_4cpu_4xyz", "abbreviation 'xyz'"),
        ("0slt_4cpu_gpu", "unrecognized part 'gpu'"),
        ("0slt_", "unrecognized part ''"),
        ("0slt_0slt_4cpu_4gpu", "the slot stands in front"),
        ("0slt_4cpu_2cpu", "'cpu' stands twice"),
        ("0slt_4gpu", "how many cores there are"),
        ("4slt_4cpu_4gpu_0hto", "there is no slot 4: the slots are 0 to 3"),
        ("0slt_3cpu_2gpu_0hto", "3 CPU cores cannot be divided by 2 runs"),
        ("0slt_4cpu_0gpu_3cpr", "4 CPU cores cannot be divided by 3 cores a run"),
        ("0slt_4cpu_0gpu_0cpr", "'cpr' must be 1 or more"),
        ("0slt_6cpu_2gpu_2cpw_0hto", "3 CPU cores of a run cannot be divided by 2 cores a worker"),
        ("0slt_8cpu_4gpu_2cxg_2gpr", "exclude each other"),
        ("0slt_4cpu_2gpu_4gpr", "a run is to have 4 GPUs, and there are 2"),
        ("0slt_4cpu_2gpu_1ass_2sgr", "a run is to have 3 GPUs, and there are 2"),
        ("0slt_4cpu_0gpu_1cpr_7hto_2skt", "2 sockets .* do not fit"),
    ],
)
def test_a_code_that_is_wrong_says_what_was_expected(code: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        affinity_from_code(code)
    assert isinstance(caught.value, UserError)


def test_a_slot_that_is_not_there_is_not_encoded() -> None:
    with pytest.raises(ValueError, match="there is no slot 2"):
        encode_affinity(n_cpu_core=2, run_slot=2, hyperthread_offset=0, n_socket=1)


@st.composite
def codes(draw: st.DrawFn) -> str:
    """Codes of machines that come out even, with hardware threads beyond the cores or none."""
    gpus, sharing, sockets = draw(st.integers(0, 8)), draw(st.integers(1, 3)), draw(st.sampled_from([1, 2]))
    runs = gpus * sharing or draw(st.integers(1, 6))
    cores_of_run = draw(st.integers(1, 4))
    cores = runs * cores_of_run
    assume(cores % sockets == 0)
    assume(runs % sockets == 0 or (runs == 1 and cores_of_run % sockets == 0))
    return encode_affinity(
        n_cpu_core=cores,
        n_gpu=gpus,
        contexts_per_gpu=sharing,
        cpu_per_run=cores_of_run,
        n_socket=sockets,
        hyperthread_offset=draw(st.sampled_from([0, cores, cores + 2 * sockets])),
    )


@given(codes())
def test_no_slot_is_given_twice(code: str) -> None:
    shares = shares_of(code)
    given_out = [affinity_from_code(f"{slot}slt_{code}") for slot in range(shares.slots)]
    cpus = [cpu for affinity in given_out for cpu in affinity.all_cpus]
    assert len(cpus) == len(set(cpus))
    if shares.gpu:
        gpus = [affinity.cuda_idx for affinity in given_out]
        assert all(gpus.count(gpu) == shares.cxg for gpu in range(shares.gpu))
        # Few runs are spread over all GPUs.
        assert sorted(gpus[: shares.gpu]) == list(range(shares.gpu))


@given(codes())
def test_a_code_says_all_that_it_was_made_of(code: str) -> None:
    shares = shares_of(code)
    again = encode_affinity(
        n_cpu_core=shares.cpu,
        n_gpu=shares.gpu,
        contexts_per_gpu=shares.cxg,
        cpu_per_run=shares.cpr,
        n_socket=shares.skt,
        hyperthread_offset=shares.offset,
    )
    assert again == code
