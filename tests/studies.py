"""Small projects in which the real ``run.py`` is run, for the acceptance tests."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

import yaml

from tests.checkouts import ROOT, clean_environment

#: No test waits for longer than this for what must happen.
DEADLINE = 60.0
_MARK = "TEST_STUDY_MARK"


def until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE) -> Any:
    """Wait until a condition holds; return its value."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"in vain waited for: {what}")
        time.sleep(0.02)
    return value


def runs(pid: int) -> bool:
    """Whether a process runs: it is there, and no more than a name that waits to be taken off the list."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


@dataclass
class Finished:
    """What a command left."""

    status: int
    stdout: str
    stderr: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The lines of ``--json``."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    def named(self, *names: str) -> list[dict[str, Any]]:
        """Return the events of these names."""
        return [event for event in self.events if event["event"] in names]

    @property
    def notices(self) -> list[str]:
        """The messages of the notices."""
        return [event["message"] for event in self.named("notice")]

    @property
    def output(self) -> str:
        """What experiments wrote, as ``--json`` reports it."""
        return "".join(event["text"] for event in self.named("output"))


@dataclass
class Project:
    """A directory with Modules and definitions."""

    path: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    python: str = sys.executable
    _started: list[subprocess.Popen[Any]] = field(default_factory=list)

    def write(self, name: str, text: str) -> Path:
        """Write a file, making its directory."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        return path

    def module(self, text: str, name: str = "module") -> Path:
        """Write a Module; what it imports most stands above it."""
        head = "import os, signal, sys, time\nfrom pathlib import Path\n\n"
        return self.write(f"modules/{name}.py", head + dedent(text).lstrip("\n"))

    def study(self, text: str, name: str = "study.yaml") -> Path:
        """Write a definition."""
        return self.write(name, text)

    def log(self, name: str = "log.yaml") -> list[dict[str, Any]]:
        """Read a log, as anybody would; an empty list for none."""
        path = self.path / name
        if not path.exists():
            return []
        return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))

    def command(self, *arguments: str) -> list[str]:
        """Return the command that runs ``study.yaml``, or what the arguments say."""
        exp = [] if {"--exp", "--queue"} & set(arguments) else ["--exp", "study.yaml"]
        return [self.python, str(ROOT / "run.py"), *exp, *arguments]

    def environment(self, **variables: str) -> dict[str, str]:
        """Return the variables of a command; one of them marks every process that comes of it."""
        return {**clean_environment(), _MARK: self.mark, **variables}

    def run(self, *arguments: str, **variables: str) -> Finished:
        """Run a study to its end."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.path,
            env=self.environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def json(self, *arguments: str, **variables: str) -> Finished:
        """Run a study to its end, and have it tell its events."""
        return self.run("--json", *arguments, **variables)

    def start(self, *arguments: str, **variables: str) -> Started:
        """Start a study, and listen to its events."""
        return Started(self, self.command("--json", *arguments), self.environment(**variables))

    def processes(self) -> list[int]:
        """Return the processes that have come of this project's commands and still live."""
        needle = f"{_MARK}={self.mark}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or entry.name == str(os.getpid()):
                continue
            with suppress(OSError):
                if needle in (entry / "environ").read_bytes().split(b"\0") and runs(int(entry.name)):
                    found.append(int(entry.name))
        return found

    def wait_for(self, name: str) -> str:
        """Wait until a Module has written a file and a line in it; return its text."""
        path = self.path / name

        def written() -> str:
            over = all(process.poll() is not None for process in self._started)
            text = path.read_text().strip() if path.exists() else ""
            if over and not text:
                raise AssertionError(f"the study ended without {name}")
            return text

        return str(until(written, name))

    def open(self, command: list[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a command, as the leader of a session of its own."""
        process = subprocess.Popen(command, cwd=self.path, start_new_session=True, **options)
        self._started.append(process)
        return process

    def close(self) -> None:
        """End whatever still runs."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self._started:
            process.wait(DEADLINE)

    def check_nothing_runs(self) -> None:
        """See that no process of the study is left."""
        until(lambda: not self.processes(), "the end of all processes")


class Started:
    """A study under way."""

    def __init__(self, project: Project, command: list[str], environment: dict[str, str]) -> None:
        self._project = project
        self.process = project.open(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: list[str] = []
        self._errors: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self._lines)),
            threading.Thread(target=self._read, args=(self.process.stderr, self._errors)),
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: Any, lines: list[str]) -> None:
        for line in stream:
            lines.append(line)
        stream.close()

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events so far."""
        return [json.loads(line) for line in list(self._lines)]

    def wait_for(self, name: str, /, **fields: Any) -> dict[str, Any]:
        """Wait for an event with these fields."""

        def found() -> dict[str, Any] | None:
            for event in self.events:
                if event["event"] == name and fields.items() <= event.items():
                    return event
            if self.process.poll() is not None and not any(map(threading.Thread.is_alive, self._readers)):
                raise AssertionError(f"the study ended without {name} {fields}: {self.events} {self._errors}")
            return None

        event = until(found, f"{name} {fields}")
        assert isinstance(event, dict)
        return event

    def interrupt(self) -> None:
        """Press Ctrl-C, as it reaches a command without a terminal."""
        self.process.send_signal(signal.SIGINT)

    def finish(self) -> Finished:
        """Wait for the end."""
        try:
            status = self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"the study does not end: {self.events} {self._errors}") from None
        for reader in self._readers:
            reader.join(DEADLINE)
        return Finished(status, "".join(self._lines), "".join(self._errors))


# Takes the terminal that it is given for its own, and becomes the command.
_IN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """A command in the foreground of a real terminal."""

    def __init__(self, project: Project, command: list[str]) -> None:
        self._ours, theirs = pty.openpty()
        self.process = project.open(
            [sys.executable, "-c", _IN_TERMINAL, *command],
            env=project.environment(TERM="xterm"),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        self._shown = bytearray()
        self._closing = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # what a terminal says when nobody has it open any more
            while not self._closing.is_set():
                if select.select([self._ours], [], [], 0.05)[0]:
                    self._shown += os.read(self._ours, 1 << 16)

    @property
    def shown(self) -> str:
        """What the terminal was sent so far."""
        return bytes(self._shown).decode("utf-8", "replace")

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._ours, text.encode())

    def hang_up(self) -> None:
        """Close the window: whoever is in its foreground gets SIGHUP, and can write to it no more."""
        self._closing.set()
        self._reader.join(DEADLINE)
        os.close(self._ours)
        self._ours = -1

    def finish(self) -> int:
        """Wait for the end of the command; return its exit status."""
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"the study does not end: {self.shown}") from None
        finally:
            if self._ours >= 0:
                self._reader.join(DEADLINE)
                os.close(self._ours)
