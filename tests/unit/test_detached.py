"""What travels to another machine, and what comes back."""

from __future__ import annotations

import os
import pickle
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from coolrunner.definition.clusters import ClusterError, SlurmSettings, read_ray, read_slurm
from coolrunner.definition.resources import Resources, ResourcesError, parse_resources
from coolrunner.execution.base import Ending, Job, Outcome, Past
from coolrunner.execution.detached import Parcel, Recorded, Returned, Site, Wish, record
from coolrunner.execution.detached_files import JobsDirectory, make_order, order_data, same_as
from coolrunner.execution.pinning import Pin
from coolrunner.execution.slurm.nodes import clock, find_troubles
from coolrunner.execution.slurm.states import Life, Seen, look
from coolrunner.execution.slurm.verdict import judge
from coolrunner.experiment import Experiment, freeze
from coolrunner.runs.attempts import Order
from coolrunner.runs.root import Root


class Three(Past):
    """Three experiments, of which the second has no results."""

    def __init__(self) -> None:
        self.asked: list[int | str] = []

    def get(self, key: int | str) -> Experiment:
        self.asked.append(key)
        names = ["a", "b", "c"]
        if isinstance(key, str):
            if key not in names:
                raise LookupError(f"no experiment before this one is named {key!r}")
            key = names.index(key)
        if not -3 <= key < 3:
            raise IndexError(f"E[{key}]: there are 3 experiments before this one")
        name = names[key]
        if name == "b":
            raise LookupError("experiment 'b' has no results: it failed")
        return Experiment(dict(freeze({"Name": name})), freeze({"ACC": names.index(name)}))

    def __len__(self) -> int:
        return 3


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("1 + 1", []),
        ("E['a'].ACC", ["a"]),
        ("E[-1].ACC + E['a'].ACC", [-1, "a"]),
        ("len(E)", []),
        ("[e.ACC for e in E[2:]]", [2]),
        ("[e.ACC for e in E]", [0, 1, 2, "x", "c"]),
        ("E[base].ACC", [0, 1, 2, "x", "c"]),
        ("'not E at all' and (", []),
    ],
)
def test_only_what_is_asked_for_is_sent_along(text: str, asked: list[Any]) -> None:
    past = Three()
    inputs = {"Name": "x", "base": "c", "value": f"solve {text}"}
    recorded = record(inputs, past)
    assert [key for key in past.asked if not str(key).startswith("solve")] == asked
    assert len(recorded) in (0, 3)


def test_what_was_sent_along_answers_as_the_runner_would() -> None:
    past = pickle.loads(
        pickle.dumps(record({"value": "solve [e.ACC for e in E] or E['a'] or E['z']"}, Three()))
    )
    assert past.get("a").ACC == 0
    assert (past.get(-1).ACC, past.get(2).Name, len(past)) == (2, "c", 3)
    with pytest.raises(LookupError, match="experiment 'b' has no results: it failed"):
        past.get(1)
    with pytest.raises(LookupError, match="experiment 'b' has no results: it failed"):
        past.get(-2)
    with pytest.raises(LookupError, match="no experiment before this one is named 'z'"):
        past.get("z")
    with pytest.raises(IndexError, match="there are 3 experiments"):
        past.get(7)
    with pytest.raises(LookupError, match="was not known to be asked for"):
        past.get("made up later")


def _job(inputs: dict[str, Any], **more: Any) -> Job:
    return Job("one", dict(freeze({"Name": "one", **inputs})), **more)


def test_what_comes_back_is_plain_data_and_anything_else_is_refused() -> None:
    outcome = Outcome(Ending.FINISHED, {"ACC": 0.5, "WHEN": datetime(2026, 7, 1)}, warnings=["w"])
    returned = Returned(outcome, {"/m.py": Pin(b"c", 1, 2, b"t")}, {"host": "n1"})
    again = Returned.unpack(returned.pack())
    assert again == returned

    class Hostile:
        def __reduce__(self) -> Any:
            return (os.system, ("touch hacked",))

    for data in (b"", b"nonsense", pickle.dumps(Hostile()), pickle.dumps((1, 2)), returned.pack()[:-3]):
        with pytest.raises(ValueError, match="no outcome can be read"):
            Returned.unpack(data)


def test_a_job_is_begun_once_or_taken_back_and_never_both(tmp_path: Path) -> None:
    jobs = JobsDirectory(tmp_path / ".jobs")
    jobs.make()
    parcel = Parcel(_job({}), Recorded({}, {}, 0), str(tmp_path), token="t")
    for identity in ("one", "a b", "../../x", ".", "é/ü"):
        files = jobs.job(identity)
        files.send(parcel, {"engine": "slurm"})
        assert files.path.parent == tmp_path / ".jobs" / "jobs"
        begun = files.begin()
        assert begun is not None
        assert begun.token == "t"
        assert not files.take_back()
        assert files.begin() is None
        assert files.begin(again=True) is not None
        files.want(Wish.KILL)
        assert files.wish() is Wish.KILL
        files.end(Returned(Outcome(Ending.FINISHED, {"X": 1})))
        assert jobs.ended() == {identity}
        assert files.begin(again=True) is None
        returned = files.returned()
        assert returned is not None
        assert returned.outcome.results == {"X": 1}
        files.send(parcel, {"engine": "slurm"})
        assert jobs.ended() == set()
        assert files.take_back()
        assert files.begin(again=True) is None
        assert [job.id for job in jobs.known()] == [identity]
        files.remove()
    assert list(jobs.known()) == []


def test_the_first_version_of_a_file_stays_for_all_jobs_of_a_session(tmp_path: Path) -> None:
    jobs = JobsDirectory(tmp_path)
    jobs.keep_pins("s", {"/m.py": Pin(b"1", 1, 1)})
    jobs.keep_pins("s", {"/m.py": Pin(b"2", 2, 2), "/n.py": Pin(b"3", 3, 3)})
    assert {path: pin.code for path, pin in jobs.pins("s").items()} == {"/m.py": b"1", "/n.py": b"3"}
    assert jobs.pins("other") == {}
    jobs.forget(["s"])
    assert jobs.pins("s") == {}


def test_what_jobs_still_go_by_is_not_forgotten(tmp_path: Path) -> None:
    jobs = JobsDirectory(tmp_path)
    jobs.make()
    batch, done = jobs.new_batch(), jobs.new_batch()
    for session in ("here", "gone"):
        jobs.keep_pins(session, {"/m.py": Pin(b"1", 1, 1)})
    left = jobs.job("left")
    left.path.mkdir(parents=True)
    left.write_about({"session": "here", "batch": str(batch)})
    jobs.forget(["here", "gone", str(batch), str(done), ""])
    assert jobs.pins("here") and not jobs.pins("gone")
    assert batch.exists() and not done.exists()
    left.remove()
    jobs.forget(["here", str(batch)])
    assert not jobs.pins("here") and not batch.exists()
    assert (tmp_path / "code").exists() and (tmp_path / "batches").exists()


def test_an_order_is_the_same_after_a_journey(tmp_path: Path) -> None:
    root = Root(tmp_path / "results")
    order = Order(str(root.path), root.allocate("vgg"), "Name: vgg\n", "study.yaml", "abc", again=True)
    assert make_order(order_data(order)) == order
    assert make_order(order_data(None)) is None


def test_an_experiment_is_the_same_however_it_is_to_be_run() -> None:
    one = {"Name": "a", "Module": "m", "lr": 0.1, "Resources": {"cpus": 1}, "Priority": 1}
    assert same_as(one) == same_as({**one, "Resources": {"cpus": 2}, "Timeout": 3})
    assert same_as(one) != same_as({**one, "lr": 0.2})
    assert same_as(one) != same_as({**one, "Module": "n"})


def test_a_site_carries_out_one_parcel_after_the_other_and_stops_one_when_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site_module.py").write_text(
        "import time\n"
        "def main(exp):\n"
        "    print('at work')\n"
        "    while exp.get('waits'):\n        time.sleep(0.01)\n"
        "    exp.X = exp.x\n"
    )
    site = Site(str(tmp_path), grace=1.0)
    heard: list[bytes] = []
    try:
        for number in range(2):
            job = _job({"Module": "site_module", "x": number})
            returned = site.carry_out(Parcel(job, Recorded({}, {}, 0), str(tmp_path)), hear=heard.append)
            assert returned.outcome.results == {"X": number}
            assert len(returned.pins) == (number == 0)
        job = _job({"Module": "site_module", "waits": True})
        until = time.monotonic() + 0.2

        def wish() -> Wish:
            return Wish.INTERRUPT if time.monotonic() > until else Wish.GO_ON

        stopped = site.carry_out(Parcel(job, Recorded({}, {}, 0), str(tmp_path)), wish=wish, every=0.05)
        assert stopped.outcome.ending is Ending.INTERRUPTED
    finally:
        site.close()
    assert b"".join(heard) == b"at work\nat work\n"


# --- Slurm's words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "life"),
    [
        ("PENDING", Life.WAITING),
        ("REQUEUED", Life.WAITING),
        ("RUNNING", Life.RUNNING),
        ("COMPLETING", Life.RUNNING),
        ("SUSPENDED", Life.RUNNING),
        ("A_WORD_OF_LATER", Life.RUNNING),
        ("CANCELLED", Life.ENDED),
        ("NODE_FAIL", Life.ENDED),
        ("", Life.FORGOTTEN),
    ],
)
def test_a_job_lives_unless_slurm_says_that_it_ended(word: str, life: Life) -> None:
    assert Seen(word).life is life


@pytest.mark.parametrize(
    ("word", "ending", "kind"),
    [
        ("NODE_FAIL", Ending.LOST, "lost"),
        ("PREEMPTED", Ending.LOST, "lost"),
        ("BOOT_FAIL", Ending.LOST, "lost"),
        ("CANCELLED", Ending.INTERRUPTED, "interrupted"),
        ("TIMEOUT", Ending.FAILED, "timeout"),
        ("OUT_OF_MEMORY", Ending.FAILED, "memory"),
        ("FAILED", Ending.FAILED, "signal"),
        ("COMPLETED", Ending.FAILED, "signal"),
        ("", Ending.LOST, "lost"),
    ],
)
def test_each_end_at_slurm_has_its_meaning(word: str, ending: Ending, kind: str) -> None:
    outcome = judge(None, Seen(word), begun=True, wanted=False)
    assert (outcome.ending, outcome.kind) == (ending, kind)
    assert outcome.error
    assert judge(None, Seen(word), begun=True, wanted=True).ending is Ending.INTERRUPTED


def test_what_another_rank_said_comes_before_what_slurm_says() -> None:
    other = Returned(Outcome(Ending.FAILED, error="ValueError: x", kind="exception", traceback="t"))
    outcome = judge(None, Seen("FAILED"), begun=True, wanted=False, failure=(3, other))
    assert (outcome.error, outcome.kind, outcome.traceback) == ("rank 3: ValueError: x", "exception", "t")


def test_a_controller_that_does_not_answer_has_said_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    squeue = tmp_path / "squeue"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert look(["1"]) is None
    squeue.write_text(
        "#!/bin/sh\necho 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1\n"
    )
    squeue.chmod(0o755)
    assert look(["1"]) is None
    squeue.write_text("#!/bin/sh\necho 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1\n")
    assert look(["1"]) == {"1": Seen()}
    squeue.write_text("#!/bin/sh\necho '7_0|RUNNING|None'\necho '7_1|CANCELLED|None'\n")
    assert look(["7_0", "7_1", "8"]) == {
        "7_0": Seen("RUNNING", "None"),
        "7_1": Seen("CANCELLED", "None"),
        "8": Seen(),
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5:00", 300), ("1:00:00", 3600), ("1-00:00:00", 86400), ("infinite", None), ("n/a", None), ("30", 30)],
)
def test_times_are_read_as_slurm_writes_them(text: str, seconds: float | None) -> None:
    assert clock(text) == seconds


# --- what a definition says of clusters -----------------------------------------------------------------


def test_resources_of_a_cluster_are_read_and_written() -> None:
    resources = parse_resources({"cpus": 2, "nodes": 2, "tasks": 4, "time": "1h30m"})
    assert resources == Resources(cpus=2, nodes=2, tasks=4, time=5400)
    assert Resources.from_text(resources.text) == resources
    assert resources.beyond_one_machine() == "asks for 2 nodes"
    with pytest.raises(ResourcesError, match="a multiple of nodes"):
        parse_resources({"nodes": 2, "tasks": 3})
    with pytest.raises(ResourcesError, match="a duration was expected"):
        parse_resources({"time": "soon"})


def test_settings_of_slurm_are_read() -> None:
    settings = read_slurm(
        {
            "partition": "gpu",
            "setup": "module load cuda",
            "time": "2h",
            "experiments_per_job": 4,
            "options": {"--export": "NONE", "cpu_freq": "high"},
        }
    )
    assert settings.options == {"partition": "gpu"}
    assert settings.others == {"export": "NONE", "cpu-freq": "high"}
    assert (settings.setup, settings.time, settings.experiments_per_job) == (("module load cuda",), 7200, 4)


@pytest.mark.parametrize(
    ("given", "path", "hint"),
    [
        ([], (), "write slurm: {partition: NAME}"),
        ({"partion": "x"}, ("partion",), "did you mean partition?"),
        ({"cpus_per_task": 2}, ("cpus_per_task",), "Resources: {cpus: ...}"),
        ({"mail-user": "me"}, ("mail-user",), "write mail_user"),
        ({"whatever": 2}, ("whatever",), "stands under options"),
        ({"experiments_per_job": 0}, ("experiments_per_job",), ""),
        ({"time": "soon"}, ("time",), ""),
        ({"setup": [1]}, ("setup",), ""),
        ({"options": {"export": [1]}}, ("options", "export"), ""),
    ],
)
def test_a_wrong_setting_of_slurm_is_named(given: Any, path: tuple[str, ...], hint: str) -> None:
    with pytest.raises(ClusterError) as caught:
        read_slurm(given)
    assert caught.value.path == path
    assert hint in caught.value.hint


def test_a_missing_extra_is_told_with_its_line_of_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    (trouble,) = find_troubles(SlurmSettings())
    assert trouble.path == ("executor",)
    assert trouble.hint == "pip install 'coolrunner[slurm]'"


def test_settings_of_ray_are_read() -> None:
    settings = read_ray({"address": "auto", "runtime_env": {"working_dir": "."}})
    assert (settings.address, dict(settings.options)) == ("auto", {"runtime_env": {"working_dir": "."}})
    with pytest.raises(ClusterError):
        read_ray({"address": 3})
