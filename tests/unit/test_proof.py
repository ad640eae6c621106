"""Who a process is, what proves that it is dead, and the heartbeat."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from coolrunner import proof
from coolrunner.proof import Heartbeat, Life, Process, life, process_here, silence, this_process

linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the kernel has no /proc")


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits to be killed."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


@pytest.fixture
def no_proc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A system without /proc, as macOS."""
    monkeypatch.setattr(proof, "_PROC", str(tmp_path / "none"))
    proof._this.cache_clear()
    yield
    proof._this.cache_clear()


def wait_for(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not what():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


def known(pid: int) -> Process:
    process = process_here(pid)
    assert process is not None
    return process


def test_this_process_is_alive() -> None:
    assert this_process().pid == os.getpid()
    assert life(this_process()) is Life.ALIVE


def test_a_process_survives_being_written_as_json() -> None:
    data = json.loads(json.dumps(this_process().to_data()))
    assert Process.from_data(data) == this_process()
    assert Process.from_data({**data, "of a later version": 1}) == this_process()


@pytest.mark.parametrize(
    "wrong", [{"pid": "7"}, {"pid": 0}, {"pid": -1}, {"pid": True}, {"host": None}, {"start": 5}]
)
def test_what_is_not_a_process_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Process.from_data({**this_process().to_data(), **wrong})


def test_a_child_is_alive_until_it_is_killed(child: subprocess.Popen[bytes]) -> None:
    process = known(child.pid)
    assert life(process) is Life.ALIVE
    child.kill()
    child.wait()
    assert life(process) is Life.DEAD
    assert process_here(child.pid) is None


@linux
def test_one_that_has_ended_and_that_nobody_waited_for_is_dead(child: subprocess.Popen[bytes]) -> None:
    process = known(child.pid)
    child.kill()
    wait_for(lambda: life(process) is Life.DEAD)
    assert process_here(child.pid) == process


@linux
def test_one_whose_first_thread_alone_has_ended_is_alive() -> None:
    script = (
        "import ctypes, threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "ctypes.CDLL(None).pthread_exit(None)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: ") Z " in Path(f"/proc/{process.pid}/stat").read_text())
            assert life(known(process.pid)) is Life.ALIVE
        finally:
            process.kill()


@linux
def test_a_process_that_got_the_number_of_another_one_is_not_that_one(
    child: subprocess.Popen[bytes],
) -> None:
    assert life(replace(known(child.pid), start="1")) is Life.DEAD
    assert life(replace(known(child.pid), start="")) is Life.ALIVE


@linux
def test_a_name_with_spaces_and_brackets_does_no_harm(tmp_path: Path) -> None:
    program = tmp_path / "a) Z 1 (b"
    program.symlink_to(str(shutil.which("sleep")))
    with subprocess.Popen([program, "60"]) as process:
        try:
            assert life(known(process.pid)) is Life.ALIVE
        finally:
            process.kill()


def test_of_another_host_nothing_is_known() -> None:
    for other in (
        replace(this_process(), host="elsewhere"),
        replace(this_process(), machine="another"),
        replace(this_process(), host="elsewhere", boot="another"),
        replace(this_process(), boot=""),
    ):
        assert life(other) is Life.UNKNOWN
        assert life(other, silent=1e6) is Life.UNKNOWN


def test_of_another_namespace_nothing_is_known() -> None:
    assert life(replace(this_process(), namespace="pid:[1]", pid=2**22)) is Life.UNKNOWN


def test_a_host_that_was_started_anew_has_no_process_of_before(monkeypatch: pytest.MonkeyPatch) -> None:
    here = replace(this_process(), machine="0123", boot="now")
    monkeypatch.setattr(proof, "this_process", lambda: here)
    before = replace(here, boot="before", namespace="pid:[1]")
    assert life(before) is Life.DEAD
    assert life(before, silent=15.1) is Life.DEAD
    assert life(before, silent=4) is Life.UNKNOWN
    monkeypatch.setattr(proof, "this_process", lambda: replace(here, machine=""))
    assert life(replace(before, machine="")) is Life.UNKNOWN


@linux
def test_a_process_in_a_container_looks_in_its_own_namespace() -> None:
    """Its /proc may be that of the host, where its own number is another process."""
    unshare = shutil.which("unshare")
    if (
        unshare is None
        or subprocess.run([unshare, "--pid", "--fork", "true"], stderr=subprocess.DEVNULL).returncode
    ):
        pytest.skip("no namespace can be made here")
    script = (
        "import os, json, subprocess, sys\n"
        "from coolrunner.proof import *\n"
        "me = this_process()\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "it = process_here(child.pid)\n"
        "alive = life(it).value\n"
        "child.kill()\n"
        "child.wait()\n"
        "print(json.dumps([me.to_data(), alive, life(it).value, life(me).value,\n"
        "    life(Process.from_data(json.loads(sys.argv[1]))).value]))"
    )
    ours = json.dumps(this_process().to_data())
    done = subprocess.run(
        [unshare, "--pid", "--fork", sys.executable, "-c", script, ours], capture_output=True, text=True
    )
    data, alive, dead, me, outside = json.loads(done.stdout or done.stderr)
    assert (alive, dead, me, outside) == ("alive", "dead", "alive", "unknown")
    there = Process.from_data(data)
    assert there.pid == 1
    assert there.start
    assert life(there) is Life.UNKNOWN


def test_without_proc_a_process_is_looked_at_too(child: subprocess.Popen[bytes], no_proc: None) -> None:
    here = replace(this_process(), boot="now")
    process = replace(known(child.pid), boot="now")
    if shutil.which("ps"):
        assert process.start
        assert str(time.gmtime().tm_year) in process.start
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proof, "this_process", lambda: here)
        assert life(process) is Life.ALIVE
        child.kill()
        child.wait()
        assert life(process) is Life.DEAD


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_fork_is_another_process_and_its_parent_beats_on(tmp_path: Path) -> None:
    beat = tmp_path / "beat"
    heart = Heartbeat(beat, every=0.01)
    parent = this_process()
    pid = os.fork()
    if pid == 0:  # pragma: no cover
        with contextlib.suppress(BaseException):
            heart.stop()
            alone = threading.active_count() == 1
            os._exit(0 if alone and this_process().pid == os.getpid() and life(parent) is Life.ALIVE else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.utime(beat, (1, 1))
    wait_for(lambda: beat.stat().st_mtime > 1)
    heart.stop()


def test_a_heart_beats_until_it_is_stopped(tmp_path: Path) -> None:
    beat = tmp_path / "beats" / "runner"
    assert silence(beat) is None
    heart = Heartbeat(beat, every=0.01)
    assert beat.read_bytes() == b""
    os.utime(beat, (1, 1))
    wait_for(lambda: (silence(beat) or 0) < 60)
    heart.stop()
    assert not beat.exists()
    heart.stop()


def test_it_stops_at_once_however_seldom_it_beats(tmp_path: Path) -> None:
    heart = Heartbeat(tmp_path / "runner", every=3600)
    heart.stop()
    assert not heart._thread.is_alive()
    assert not (tmp_path / "runner").exists()


def test_a_heart_outlives_its_directory(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    beat = journal / "beats" / "runner"
    journal.mkdir()
    heart = Heartbeat(beat, every=0.01)
    journal.rename(tmp_path / "away")
    time.sleep(0.05)
    assert not journal.exists()
    journal.mkdir()
    wait_for(beat.exists)
    heart.stop()
    assert not beat.exists()


def test_a_place_that_cannot_be_written_does_not_stop_the_runner(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    heart = Heartbeat(tmp_path / "file" / "runner", every=0.01)
    time.sleep(0.03)
    assert heart._thread.is_alive()
    heart.stop()


def test_a_beat_of_the_future_is_no_silence(tmp_path: Path) -> None:
    beat = tmp_path / "runner"
    beat.touch()
    os.utime(beat, (time.time() + 3600,) * 2)
    assert silence(beat) == 0
    os.utime(beat, (time.time() - 60,) * 2)
    assert 60 <= (silence(beat) or 0) < 120


def test_a_killed_runner_falls_silent(tmp_path: Path) -> None:
    beat = tmp_path / "runner"
    script = (
        "import pathlib, sys\n"
        "from coolrunner.proof import Heartbeat\n"
        "Heartbeat(pathlib.Path(sys.argv[1]), 0.01)\n"
        "input()"
    )
    with subprocess.Popen([sys.executable, "-c", script, beat], stdin=subprocess.PIPE) as process:
        wait_for(beat.exists)
        process.send_signal(signal.SIGKILL)
    os.utime(beat, (1, 1))
    assert (silence(beat) or 0) > 1e6
