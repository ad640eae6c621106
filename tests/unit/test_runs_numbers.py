"""The numbers of runs: unique among processes, threads and hosts, never given twice, without gaps."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from coolrunner.errors import RunError, RunWriteError
from coolrunner.runs import numbers
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.layout import MANAGED, RESULTS, Layout
from coolrunner.runs.root import Root
from coolrunner.runs.status import RunState, RunStatus

PROJECT = Path(__file__).parents[2]

# So many processes each make their share when all are ready, and finish each run as they go.
MAKERS = """
import os, sys
from coolrunner.runs.layout import {layout}
from coolrunner.runs.root import Root
from coolrunner.runs.status import RunState, RunStatus, move

root = Root(sys.argv[1], {layout})
gate, opened = os.pipe()

def make(share):
    for number in range(share):
        state = RunState(error="x" * 5000)
        run = root.create("a: 1\\nlast: true\\n", state, name="many", files={{"deep/x": b"y" * 9000}})
        run.write_state(move(run.read_state(), RunStatus.DONE, elapsed=float(number)))

def wait_and_make(share):
    os.close(opened)
    os.read(gate, 1)
    try:
        make(share)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)

children = []
for _ in range(int(sys.argv[3]) - 1):
    child = os.fork()
    if not child:
        wait_and_make(int(sys.argv[2]))
    children.append(child)
print("ready", flush=True)
sys.stdin.readline()
os.close(opened)
make(int(sys.argv[2]))
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=PROJECT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def begin(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def never() -> int:
    raise AssertionError("the runs were looked at")


def nothing() -> int:
    return 0


def check_whole(run: RunDirectory) -> None:
    """Look at a run as any reader may, at any time."""
    assert run.read_params() == {"a": 1, "last": True}
    assert run.read_state().status in (RunStatus.RUNNING, RunStatus.DONE)
    assert run.read_state().error == "x" * 5000
    assert (run.path / "deep" / "x").read_bytes() == b"y" * 9000


@pytest.mark.parametrize("layout", [RESULTS, MANAGED], ids=lambda layout: layout.kind)
def test_eight_processes_make_200_runs_at_once(tmp_path: Path, layout: Layout) -> None:
    root = Root(tmp_path / "root", layout)
    name = "RESULTS" if layout is RESULTS else "MANAGED"
    makers = start(MAKERS.format(layout=name), root.path, 25, 8)
    begin(makers)
    looks = 0
    while makers.poll() is None:
        for run in root.runs():
            check_whole(run)
        for run in root.indexed():
            assert run.params.exists()
        if layout.index is not None and (root.path / layout.index).exists():
            for link in (root.path / layout.index).iterdir():
                assert link.read_text() == "a: 1\nlast: true\n"
        looks += 1
    _, errors = makers.communicate()
    assert (makers.returncode, errors) == (0, "")
    assert looks > 1
    assert sorted(run.number for run in root.runs()) == list(range(1, 201))
    assert root.indexed() == root.runs()
    assert {run.read_state().status for run in root.runs()} == {RunStatus.DONE}
    assert [path.name for path in root.path.rglob(".*") if path.name != ".numbers"] == []


def test_threads_get_numbers_of_their_own(tmp_path: Path) -> None:
    found: list[int] = []
    root = Root(tmp_path)

    def take() -> None:
        for _ in range(50):
            found.append(root.allocate().number)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(1, 401))


def test_the_runs_are_not_looked_at_for_each_number(tmp_path: Path) -> None:
    assert numbers.next_number(tmp_path, lambda: 41) == 42
    assert [numbers.next_number(tmp_path, never) for _ in range(3)] == [43, 44, 45]
    assert numbers.last_number(tmp_path, never) == 45
    assert (tmp_path / ".numbers").read_text() == "45\n"


def test_the_last_number_is_told_without_writing(tmp_path: Path) -> None:
    assert numbers.last_number(tmp_path / "nowhere", lambda: 7) == 7
    assert numbers.last_number(tmp_path, lambda: 7) == 7
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "5", "5\n5\n", "five\n", "-5\n", "\0\0\n", " 5\n"])
def test_a_counter_that_cannot_be_read_is_counted_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / ".numbers").write_text(text)
    assert numbers.next_number(tmp_path, lambda: 7) == 8
    assert (tmp_path / ".numbers").read_text() == "8\n"


def test_a_start_of_the_machine_has_the_runs_looked_at_once(tmp_path: Path) -> None:
    counter = tmp_path / ".numbers"
    counter.write_text("40\n")
    os.utime(counter, (1, 1))  # before this machine was started: a power cut may have cost 41 and 42
    assert numbers.next_number(tmp_path, lambda: 42) == 43
    assert numbers.next_number(tmp_path, never) == 44
    # And the other way round: what was deleted is in the counter alone.
    os.utime(counter, (1, 1))
    assert numbers.next_number(tmp_path, lambda: 3) == 45


def test_a_number_may_be_asked_for(tmp_path: Path) -> None:
    assert numbers.next_number(tmp_path, nothing, wanted=7) == 7
    assert numbers.next_number(tmp_path, never, wanted=3) == 3
    assert numbers.next_number(tmp_path, never) == 8


def test_a_missing_root_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        numbers.next_number(tmp_path / "nowhere", nothing)


def test_a_root_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    (tmp_path / ".numbers").mkdir()
    with pytest.raises(RunWriteError, match="the number of a run cannot be written") as caught:
        numbers.next_number(tmp_path, nothing)
    assert isinstance(caught.value, OSError)
    assert isinstance(caught.value, RunError)


def test_a_link_in_place_of_the_counter_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine\n")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / ".numbers").symlink_to(outside)
    with pytest.raises(RunWriteError):
        numbers.next_number(tmp_path / "root", nothing)
    assert outside.read_text() == "mine\n"


def test_the_lock_goes_with_the_process_that_holds_it(tmp_path: Path) -> None:
    holder = start(
        "import sys, time; from pathlib import Path; from coolrunner.runs import numbers\n"
        "def slow():\n    print('ready', flush=True); time.sleep(60)\n"
        "numbers.next_number(Path(sys.argv[1]), slow)",
        tmp_path,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "ready\n"
    found: list[int] = []
    waiter = threading.Thread(target=lambda: found.append(numbers.next_number(tmp_path, nothing)))
    waiter.start()
    waiter.join(0.1)
    assert (waiter.is_alive(), found) == (True, [])
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    waiter.join()
    assert found == [1]


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that knows no locks."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(numbers.fcntl, "flock", refuse)


@pytest.mark.usefixtures("without_locks")
def test_where_files_have_no_locks_a_file_is_the_lock(tmp_path: Path) -> None:
    found: list[int] = []

    def take() -> None:
        for _ in range(20):
            found.append(numbers.next_number(tmp_path, nothing))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(1, 81))
    assert [path.name for path in tmp_path.iterdir()] == [".numbers"]


@pytest.mark.usefixtures("without_locks")
def test_such_a_lock_of_a_killed_process_is_taken_away(tmp_path: Path) -> None:
    lock = tmp_path / ".numbers.lock"
    lock.touch()
    long_ago = time.time() - 60
    os.utime(lock, (long_ago, long_ago))
    assert numbers.next_number(tmp_path, nothing) == 1


def test_a_killed_process_leaves_nothing_that_a_reader_sees(tmp_path: Path) -> None:
    root = Root(tmp_path / "root")
    for _ in range(3):
        process = start(MAKERS.format(layout="RESULTS"), root.path, 10**6, 1)
        begin(process)
        until(lambda: len(root.runs()) >= 5)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        for run in root.runs():
            check_whole(run)
        found = [run.number for run in root.runs()]
        assert len(found) == len(set(found))
        run = root.create("a: 1\n", RunState())
        assert run.number > max(found)
        root.delete(root.runs(), everything=True, force=True)


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)
