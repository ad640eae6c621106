"""What every backend does: one contract, which each of them passes.

Another backend is added to `BACKENDS`.
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from coolrunner.definition.resources import Resources
from coolrunner.execution.base import (
    Backend,
    Begun,
    Ended,
    Ending,
    Job,
    Outcome,
    Output,
    Past,
    Report,
    Warned,
)
from coolrunner.execution.forker import Forker
from coolrunner.execution.inline import InlineBackend
from coolrunner.execution.local import LocalBackend
from coolrunner.execution.pinning import PinBoard
from coolrunner.execution.ray.backend import RayBackend
from coolrunner.execution.slots import Slot, SlotPool
from coolrunner.execution.slurm.backend import SlurmBackend
from coolrunner.experiment import Experiment, freeze
from tests.ray_clusters import needs_ray, shared_settings
from tests.slurm import needs_slurm, shared_slurm
from tests.studies import runs

Make = Callable[[PinBoard, str], Backend]
BACKENDS: dict[str, Make] = {
    "inline": lambda board, directory: InlineBackend(board, directory, grace=1.0),
    "local": lambda board, directory: LocalBackend(board, directory, grace=1.0),
    "local, captured": lambda board, directory: LocalBackend(board, directory, capture=True, grace=1.0),
    "local, several": lambda board, directory: LocalBackend(
        board, directory, capture=True, grace=1.0, pool=SlotPool(jobs=3)
    ),
}
#: What a backend needs that is not always there.
MARKS: dict[str, Sequence[pytest.MarkDecorator]] = {}
_numbers = iter(range(1_000_000))


def _ray(board: PinBoard, directory: str) -> Backend:
    return RayBackend(board, directory, settings=shared_settings(), jobs=3, capture=True, grace=1.0)


def _slurm(board: PinBoard, directory: str) -> Backend:
    shared_slurm()
    return SlurmBackend(board, directory, Path(directory, ".jobs"), jobs=3, capture=True, grace=1.0)


BACKENDS["slurm"] = _slurm
MARKS["slurm"] = [needs_slurm, pytest.mark.slurm, pytest.mark.slow]
BACKENDS["ray"] = _ray
MARKS["ray"] = [needs_ray, pytest.mark.ray, pytest.mark.slow]


class Before(Past):
    """Two experiments: one that has finished, and one that has not."""

    def __init__(self) -> None:
        self.asked: list[int | str] = []

    def get(self, key: int | str) -> Experiment:
        self.asked.append(key)
        if key in ("done", 0, -2):
            inputs = freeze({"Name": "done", "optimizer": {"lr": 0.5}, "sizes": [1, 2]})
            return Experiment(dict(inputs), freeze({"ACC": 0.75, "CURVE": {"loss": [3, 2]}}))
        if key in ("other", 1, -1):
            raise LookupError("experiment 'other' has no results: it failed")
        if isinstance(key, int):
            raise IndexError(f"E[{key}]: there are 2 experiments before this one")
        raise LookupError(f"no experiment before this one is named {key!r}")

    def __len__(self) -> int:
        return 2


class Bench:
    """A backend in a directory with Modules."""

    def __init__(self, backend: Backend, directory: Path) -> None:
        self.backend = backend
        self.directory = directory
        self.before = Before()
        self.reports: list[Report] = []

    def module(self, text: str) -> str:
        """Write a Module of a name that was never used; return the name."""
        name = f"contract_module_{next(_numbers)}"
        (self.directory / f"{name}.py").write_text(dedent(text))
        importlib.invalidate_caches()
        return name

    def run(self, text: str, /, *, timeout: float | None = None, **inputs: Any) -> Outcome:
        """Run a Module once, and return what came of it."""
        return self.job({"Module": self.module(text), **inputs}, timeout=timeout)

    def job(self, inputs: dict[str, Any], timeout: float | None = None, **options: Any) -> Outcome:
        """Run a job with these inputs."""
        number = next(_numbers)
        self.start(str(number), inputs, timeout, **options)
        return self.end(str(number))

    def start(
        self, identity: str, inputs: dict[str, Any], timeout: float | None = None, **options: Any
    ) -> None:
        """Start a job."""
        frozen = {key: freeze(value) for key, value in {"Name": "test", **inputs}.items()}
        options.setdefault("argv", ["run.py"])
        self.backend.start(Job(identity, frozen, timeout=timeout, **options), self.before)

    def end(self, identity: str) -> Outcome:
        """Wait for the end of a job."""
        self.hear(lambda: identity in self.ended, f"the end of {identity}")
        return self.ended[identity]

    def hear(self, condition: Callable[[], Any], what: str) -> None:
        """Listen to the backend until something holds."""
        until = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < until, f"in vain waited for {what}: {self.reports}"
            self.reports += self.backend.reports(0.05)

    @property
    def ended(self) -> dict[str, Outcome]:
        """What came of the jobs that have ended."""
        return {report.id: report.outcome for report in self.reports if isinstance(report, Ended)}

    def reserve(self) -> Slot:
        """Reserve a slot, which there is."""
        slot = self.backend.reserve(Resources())
        assert slot is not None
        return slot


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, ())) for name in BACKENDS])
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """One backend after the other."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "runtime").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    backend = BACKENDS[request.param](PinBoard(time.time_ns()), str(tmp_path))
    yield Bench(backend, tmp_path)
    backend.close()


def test_a_job_that_returns_has_finished_with_its_results_in_order(bench: Bench) -> None:
    """CR-13."""
    outcome = bench.run("def main(exp):\n    exp.B = exp.x * 2\n    exp['A'] = [1, {'deep': None}]\n", x=21)
    assert outcome.ending is Ending.FINISHED
    assert list(outcome.results.items()) == [("B", 42), ("A", [1, {"deep": None}])]
    assert outcome.error == outcome.traceback == ""
    assert outcome.elapsed >= 0
    assert abs(outcome.started - time.time()) < 3600
    assert not outcome.warnings


def test_a_job_that_raises_has_failed_with_the_traceback_of_the_module(bench: Bench) -> None:
    outcome = bench.run("def main(exp):\n    exp.DONE = 1\n    return 1 / 0\n")
    assert (outcome.ending, outcome.kind) == (Ending.FAILED, "exception")
    assert outcome.error == "ZeroDivisionError: division by zero"
    assert "return 1 / 0" in outcome.traceback
    assert "worker.py" not in outcome.traceback
    assert outcome.results == {"DONE": 1}


@pytest.mark.parametrize(
    ("statement", "ending", "error"),
    [
        ("raise SystemExit", Ending.FINISHED, ""),
        ("raise SystemExit(0)", Ending.FINISHED, ""),
        ("raise SystemExit(2)", Ending.FAILED, "SystemExit: 2"),
        ("raise SystemExit('why')", Ending.FAILED, "SystemExit: why"),
        ("raise MemoryError", Ending.FAILED, "MemoryError"),
        ("raise KeyboardInterrupt", Ending.INTERRUPTED, "KeyboardInterrupt"),
    ],
)
def test_a_job_may_leave_in_other_ways(bench: Bench, statement: str, ending: Ending, error: str) -> None:
    outcome = bench.run(f"def main(exp):\n    {statement}\n")
    assert (outcome.ending, outcome.error) == (ending, error)


@pytest.mark.parametrize(
    "body",
    [
        "time.sleep(60)",
        "try:\n        time.sleep(60)\n    except BaseException:\n        pass",
        "try:\n        time.sleep(60)\n    finally:\n        exp.CLEANED = True",
        (
            "while True:\n        try:\n            time.sleep(60)\n        except BaseException:\n"
            "            tries = exp.get('TRIES', 0) + 1\n            exp.TRIES = tries\n"
            "            if tries == 2: raise"
        ),
    ],
)
def test_a_job_whose_time_is_up_has_failed_whatever_it_does(bench: Bench, body: str) -> None:
    outcome = bench.run(f"import time\ndef main(exp):\n    exp.BEGUN = 1\n    {body}\n", timeout=0.2)
    assert (outcome.ending, outcome.kind) == (Ending.FAILED, "timeout")
    assert outcome.error == "Timeout: it ran for longer than 0.2 s"


def test_a_job_that_is_done_in_time_has_finished(bench: Bench) -> None:
    for timeout in (60, 90 * 86400, 1e300):
        assert bench.run("def main(exp):\n    pass\n", timeout=timeout).ending is Ending.FINISHED
    assert bench.run("import time\ndef main(exp):\n    time.sleep(0.3)\n").ending is Ending.FINISHED


def test_inputs_cannot_be_changed_at_any_depth(bench: Bench) -> None:
    """CR-13."""
    outcome = bench.run(
        """
        def main(exp):
            for change in ("exp.lr = 1", "exp['lr'] = 1", "exp.optimizer.lr = 1", "exp.optimizer['lr'] = 1",
                           "exp.optimizer.sizes.append(1)", "exp.optimizer.update(lr=1)", "del exp.lr",
                           "exp.optimizer.sizes[0] = 1", "exp.optimizer.sizes += [1]"):
                try:
                    exec(change)
                except (AttributeError, TypeError) as error:
                    exp[change] = str(error)
        """,
        lr=0.5,
        optimizer={"lr": 0.1, "sizes": [3]},
    )
    assert outcome.ending is Ending.FINISHED
    assert len(outcome.results) == 9
    assert "'lr' is an input" in outcome.results["exp.lr = 1"]


def test_inputs_that_nobody_read_are_told(bench: Bench) -> None:
    """CR-13: the runner's own keys and those with an underscore are not looked for."""
    outcome = bench.run(
        "def main(exp):\n    exp.read\n    'asked' in exp\n    exp.get('got')\n",
        read=1, asked=1, got=1, typo=1, _hidden=1, REP=0, RND_IDX=123456, Repeat=1, YamlLog="x", Timeout=9,
    )  # fmt: skip
    assert outcome.unread == ["typo"]


def test_results_without_a_plain_form_are_kept_as_their_repr_with_a_warning(bench: Bench) -> None:
    """CR-13."""
    outcome = bench.run(
        """
        import datetime, decimal, enum, pathlib, zoneinfo
        class Colour(enum.Enum):
            RED = 1
        class Silent:
            def __repr__(self):
                raise ValueError
        class Odd(dict):
            def items(self):
                raise ValueError("no items")
        def main(exp):
            exp.PLAIN = (1, Colour.RED, pathlib.Path("a"))
            exp.WHEN = datetime.datetime(2026, 7, 1, 12, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
            exp.NUMBER = decimal.Decimal("1.5")
            exp.DEEP = {"list": [1, object]}
            exp.SILENT = Silent()
            exp.ODD = Odd()
            exp.TEXT = "\\udcff"
            exp.ID = "mine"
            exp["\\udcff"] = 1
            exp.LAST = 1
        """
    )
    assert outcome.ending is Ending.FINISHED, outcome.error
    results = outcome.results
    assert results["PLAIN"] == [1, 1, "a"]
    assert results["WHEN"].isoformat() == "2026-07-01T12:00:00+02:00"
    assert results["NUMBER"] == "Decimal('1.5')"
    assert results["DEEP"] == {"list": [1, "<class 'object'>"]}
    assert results["SILENT"] == "<Silent, whose repr raises ValueError>"
    assert (results["TEXT"], results["\\udcff"]) == ("\\udcff", 1)
    assert results["ID_"] == "mine"
    assert results["LAST"] == 1
    assert any("DEEP.list[1] is of type type, which has no plain form" in text for text in outcome.warnings)
    assert any("ODD cannot be read (ValueError: no items)" in text for text in outcome.warnings)
    assert any("ID is written by the runner" in text for text in outcome.warnings)


def test_what_main_returns_is_not_kept_and_that_is_told(bench: Bench) -> None:
    outcome = bench.run("def main(exp):\n    return {'ACC': 1}\n")
    assert outcome.ending is Ending.FINISHED
    assert outcome.results == {}
    assert outcome.warnings == ["main returned a dict, which is not kept; write results as exp.NAME = ..."]


def test_main_may_be_asynchronous(bench: Bench) -> None:
    """CR-11."""
    outcome = bench.run("import asyncio\nasync def main(exp):\n    await asyncio.sleep(0)\n    exp.ACC = 1\n")
    assert outcome.results == {"ACC": 1}


def test_another_function_may_be_named(bench: Bench) -> None:
    """CR-11."""
    name = bench.module("def train(exp):\n    exp.ACC = 1\nvalue = 3\n")
    assert bench.job({"Module": f"{name}:train"}).results == {"ACC": 1}
    assert bench.job({"Run": f"solve {name}.train"}).results == {"ACC": 1}
    assert "has no function 'main'" in bench.job({"Module": name}).error
    assert "is a int, which cannot be called" in bench.job({"Module": f"{name}:value"}).error
    assert "Run: it gives a int, which cannot be called" in bench.job({"Run": f"solve {name}.value"}).error


def test_a_module_sees_its_arguments_and_cannot_change_those_of_the_next(bench: Bench) -> None:
    """CR-06."""
    name = bench.module(
        "import sys\ndef main(exp):\n    exp.ARGV = list(sys.argv)\n    sys.argv.append('x')\n"
    )
    before = list(sys.argv)
    for _ in range(2):
        assert bench.job({"Module": name}, argv=["run.py", "--lr", "1"]).results["ARGV"] == [
            "run.py",
            "--lr",
            "1",
        ]
    assert sys.argv == before


def test_a_module_that_changes_the_directory_does_not_move_the_next(bench: Bench) -> None:
    name = bench.module("import os\ndef main(exp):\n    exp.CWD = os.getcwd()\n    os.chdir('/')\n")
    for _ in range(2):
        assert bench.job({"Module": name}).results == {"CWD": str(bench.directory)}


def test_solve_sees_experiments_before_with_their_results(bench: Bench) -> None:
    """CR-12."""
    outcome = bench.run(
        "def main(exp):\n    exp.GOT = [exp.a, exp.b, exp.c, exp.d, exp.e, exp.f]\n",
        a="solve E['done'].ACC",
        b="solve E[-2].CURVE.loss[-1] + E[0].CURVE['loss'][0]",
        c="solve len(E)",
        d="solve E['done'].optimizer.lr",
        e="solve E[0]['sizes']",
        f="solve [experiment.Name for experiment in E[:1]]",
    )
    assert outcome.error == ""
    assert outcome.results == {"GOT": [0.75, 5, 2, 0.5, [1, 2], ["done"]]}
    assert outcome.solved["a"] == 0.75


def test_solve_costs_what_it_asks_for(bench: Bench) -> None:
    """CR-12: no history is sent along; of those before, the one that is named is looked at."""
    outcome = bench.run("def main(exp):\n    exp.GOT = exp.a + exp.b\n", a="solve E['done'].ACC", b="solve 1")
    assert outcome.results == {"GOT": 1.75}
    assert bench.before.asked == ["done"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("E['other'].ACC", "a: solve E['other'].ACC: LookupError: experiment 'other' has no results"),
        ("E['nobody']", "a: solve E['nobody']: LookupError: no experiment before this one is named 'nobody'"),
        ("E[7]", "a: solve E[7]: IndexError: E[7]: there are 2 experiments before this one"),
        ("E['done'].NOTHING", "a: solve E['done'].NOTHING: AttributeError: there is no key 'NOTHING'"),
        ("E['done'].CURVE.update(x=1)", "the inputs of an experiment are read-only"),
    ],
)
def test_solve_says_what_it_cannot_have(bench: Bench, text: str, error: str) -> None:
    """CR-12."""
    outcome = bench.run("def main(exp):\n    pass\n", a=f"solve {text}")
    assert outcome.ending is Ending.FAILED
    assert error in outcome.error


def test_large_inputs_and_results_pass(bench: Bench) -> None:
    outcome = bench.run(
        "def main(exp):\n    exp.BACK = exp.text[::-1]\n    exp.LIST = list(range(300_000))\n",
        text="ab" * 5_000_000,
    )
    assert outcome.ending is Ending.FINISHED
    assert outcome.results["BACK"] == "ba" * 5_000_000
    assert outcome.results["LIST"][-1] == 299_999


def test_many_jobs_run_one_after_the_other(bench: Bench) -> None:
    name = bench.module("def main(exp):\n    exp.SQUARE = exp.n ** 2\n")
    for number in range(30):
        assert bench.job({"Module": name, "n": number}).results == {"SQUARE": number**2}


def test_a_file_edited_between_two_jobs_is_used_in_its_first_version(bench: Bench) -> None:
    """The first version goes on, and a notice is given once."""
    name = bench.module("VERSION = 'first'\ndef main(exp):\n    exp.VERSION = VERSION\n")
    assert bench.job({"Module": name}).results == {"VERSION": "first"}
    (bench.directory / f"{name}.py").write_text("VERSION = 'second edition'\ndef main(exp):\n    1 / 0\n")
    for _ in range(3):
        assert bench.job({"Module": name}).results == {"VERSION": "first"}
    warned = [report.message for report in bench.reports if isinstance(report, Warned)]
    notice = f"{name}.py has changed on the disk; this study goes on with the version that it began with"
    assert sum(notice in message for message in warned) == 1


def test_output_comes_before_the_end_where_it_is_captured(bench: Bench) -> None:
    name = bench.module(
        "import os\ndef main(exp):\n    print('one')\n    os.system('echo two')\n    print('three', end='')\n"
    )
    assert bench.job({"Module": name}).ending is Ending.FINISHED
    kinds = [type(report) for report in bench.reports]
    data = b"".join(report.data for report in bench.reports if isinstance(report, Output))
    if Output in kinds:
        assert data == b"one\ntwo\nthree"
        assert kinds.index(Ended) == len(kinds) - 1


def test_a_slot_is_free_again_as_soon_as_its_job_has_ended(bench: Bench) -> None:
    name = bench.module("def main(exp):\n    exp.NUMBER = exp.slot.number\n")
    for number in range(5):
        slot = bench.reserve()
        bench.start(f"slot {number}", {"Module": name}, slot=slot)
        assert bench.end(f"slot {number}").results == {"NUMBER": 0}


def test_a_slot_that_is_not_used_is_given_back(bench: Bench) -> None:
    slots = [bench.reserve()]
    while (slot := bench.backend.reserve(Resources())) is not None:
        slots.append(slot)
    assert 1 <= len(slots) <= bench.backend.slots
    for slot in slots:
        bench.backend.release(slot)
    assert bench.reserve() == slots[0]


def test_what_can_never_run_here_is_said(bench: Bench) -> None:
    assert bench.backend.impossible(Resources()) == ""
    assert bench.backend.impossible(Resources(memory=1 << 60)).startswith("asks for 1048576T of memory;")


def test_a_module_sees_what_its_slot_gives_it_and_the_next_does_not(bench: Bench) -> None:
    name = bench.module(
        "import os\n"
        "def main(exp):\n"
        "    slot = exp.slot\n"
        "    exp.SLOT = [slot.number, list(slot.gpus), slot.memory, len(slot.cpus) > 0]\n"
        "    exp.SEEN = os.environ.get('CUDA_VISIBLE_DEVICES')\n"
    )
    slot = Slot(2, gpus=("GPU-1",), memory=1 << 30, environment={"CUDA_VISIBLE_DEVICES": "GPU-1"})
    outcome = bench.job({"Module": name}, slot=slot)
    assert outcome.results == {"SLOT": [2, ["GPU-1"], 1 << 30, True], "SEEN": "GPU-1"}
    assert bench.job({"Module": name}).results["SEEN"] is None


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("pass", ""),
        ("1 / 0", "exception"),
        ("raise MemoryError", "memory"),
        ("raise SystemExit(2)", "exit"),
        ("raise KeyboardInterrupt", "interrupted"),
    ],
)
def test_what_went_wrong_is_told_apart(bench: Bench, statement: str, kind: str) -> None:
    assert bench.run(f"def main(exp):\n    {statement}\n").kind == kind


def test_closing_ends_what_still_runs(bench: Bench) -> None:
    if isinstance(bench.backend, InlineBackend):
        pytest.skip("nothing runs outside start")
    if bench.backend.outlives:
        pytest.skip("what runs elsewhere goes on")
    name = bench.module(
        "import os, time\n"
        "def main(exp):\n    open('pid', 'w').write(f'{os.getpid()}\\n')\n    time.sleep(300)\n"
    )
    bench.start("endless", {"Module": name})
    path = bench.directory / "pid"
    until = time.monotonic() + 60
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < until
        list(bench.backend.reports(0.05))
    bench.backend.close()
    while runs(int(path.read_text())):
        assert time.monotonic() < until
        time.sleep(0.02)
    bench.backend = BACKENDS["inline"](PinBoard(0), "")  # closed once is closed


# --- several at once --------------------------------------------------------------------------------

SLEEPS = """
    import os, signal, time
    from pathlib import Path
    def main(exp):
        Path(exp.Name).touch()
        print("I am", exp.Name)
        while not Path("go").exists():
            time.sleep(0.01)
        exp.PID = os.getpid()
        exp.GROUP = os.getpgid(0)
        exp.CPUS = sorted(os.sched_getaffinity(0)) == list(exp.slot.cpus)
        exp.SAME = os.environ["COOLRUNNER_SLOT"] == str(exp.slot.number)
"""


#: Backends that run several jobs at once.
SEVERAL = [pytest.param(name, marks=MARKS.get(name, ())) for name in ("local, several", "ray")]
of_each = pytest.mark.parametrize("several", SEVERAL, indirect=True)


@pytest.fixture
def several(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Bench]:
    """A backend with three slots, all of which run an experiment that waits."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runtime").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    made_by = getattr(request, "param", "local, several")
    bench = Bench(BACKENDS[made_by](PinBoard(time.time_ns()), str(tmp_path)), tmp_path)
    module = bench.module(SLEEPS)
    for name in ("a", "b", "c"):
        # Elsewhere all three may have to begin at first.
        soon = 0.5 if made_by == "local, several" else 5.0
        timeout = soon if name == "c" else None
        bench.start(name, {"Module": module, "Name": name}, timeout, slot=bench.reserve())
    assert bench.backend.reserve(Resources()) is None
    bench.hear(lambda: all((tmp_path / name).exists() for name in "abc"), "three that run")
    yield bench
    bench.backend.close()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="CPUs are bound on Linux")
def test_several_jobs_run_at_the_same_time_each_on_its_slot(several: Bench) -> None:
    """And the time of one is up, which is nothing to the others."""
    assert several.end("c").kind == "timeout"
    assert set(several.ended) == {"c"}
    (several.directory / "go").touch()
    for name in ("a", "b"):
        results = several.end(name).results
        assert (results["CPUS"], results["SAME"]) == (True, True)
        begun = [report.pid for report in several.reports if isinstance(report, Begun) and report.id == name]
        assert begun == [results["PID"]] == [results["GROUP"]]
        output = [
            report.data for report in several.reports if isinstance(report, Output) and report.id == name
        ]
        assert b"".join(output) == f"I am {name}\n".encode()


@of_each
@pytest.mark.parametrize("verb", ["interrupt", "kill"])
def test_one_of_several_jobs_is_stopped(several: Bench, verb: str) -> None:
    getattr(several.backend, verb)(["b", "unknown"])
    outcome = several.end("b")
    assert (outcome.ending, outcome.kind) == (Ending.INTERRUPTED, "interrupted")
    several.backend.release(several.reserve())  # b's slot, and none but that
    (several.directory / "go").touch()
    assert several.end("a").ending is Ending.FINISHED


@of_each
@pytest.mark.parametrize("verb", ["interrupt", "kill"])
def test_all_jobs_are_stopped(several: Bench, verb: str) -> None:
    getattr(several.backend, verb)()
    assert {several.end(name).kind for name in ("a", "b")} == {"interrupted"}
    several.end("c")
    assert len({several.reserve().number for _ in range(3)}) == 3


def test_a_job_that_is_killed_from_outside_is_nothing_to_the_others(several: Bench) -> None:
    several.hear(lambda: len([r for r in several.reports if isinstance(r, Begun)]) == 3, "their processes")
    (pid,) = [report.pid for report in several.reports if isinstance(report, Begun) and report.id == "a"]
    os.kill(pid, signal.SIGKILL)
    outcome = several.end("a")
    assert (outcome.ending, outcome.kind) == (Ending.FAILED, "signal")
    (several.directory / "go").touch()
    assert several.end("b").ending is Ending.FINISHED


def test_a_helper_that_dies_takes_its_jobs_with_it_and_the_next_are_started_by_another(
    several: Bench,
) -> None:
    several.hear(lambda: len([r for r in several.reports if isinstance(r, Begun)]) == 3, "their processes")
    pids = [report.pid for report in several.reports if isinstance(report, Begun)]
    status = Path(f"/proc/{pids[0]}/stat")
    if not status.exists():
        pytest.skip("looks for the helper in /proc")
    os.kill(int(status.read_text().rpartition(")")[2].split()[1]), signal.SIGKILL)
    for name in ("a", "b"):
        outcome = several.end(name)
        assert (outcome.ending, outcome.kind) == (Ending.LOST, "lost")
    several.end("c")
    several.hear(lambda: not any(map(runs, pids)), "the end of their processes")
    (several.directory / "go").touch()
    module = several.module(SLEEPS)
    for name in ("a2", "b2", "c2"):
        several.start(name, {"Module": module, "Name": name}, slot=several.reserve())
    assert {several.end(name).ending for name in ("a2", "b2", "c2")} == {Ending.FINISHED}


def test_a_helper_whose_runner_is_gone_starts_nothing_more(tmp_path: Path) -> None:
    """Though it was told to, and reads that only afterwards."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os\nos.register_at_fork(before=lambda: open(os.environ['FORKED'], 'w').close())\n"
    )
    told = {"FORKED": str(tmp_path / "forked"), "PYTHONPATH": str(tmp_path)}
    forker = Forker(str(tmp_path), {**os.environ, **told})
    ours, theirs = socket.socketpair()
    with ours, theirs:
        forker.start("a", b"", {}, [theirs.fileno()])
    forker.let_go()
    forker.wait()
    assert not (tmp_path / "forked").exists()
