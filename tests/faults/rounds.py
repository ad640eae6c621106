"""One round of the fault harness: a study, its runners that are killed, and the person who edits it."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from coolrunner.queue.steps import STEPS, VARIABLE
from tests.checkouts import ROOT
from tests.faults.experiments import MODULE, study
from tests.faults.judging import judge
from tests.faults.processes import children, marked
from tests.faults.slow import LONG, REST

__all__ = ["Round"]

#: How many runners work on the queue at a time.
RUNNERS = 4
#: Seconds in which runners that nobody disturbs must have done what is left.
PATIENCE = 90.0
#: How a runner whose time has come is killed, and how often so. The first ones need an experiment under way.
BUSY = {"a helper": 5, "a worker": 5, "a worker with its runner": 15, "while its helper hangs": 15}
KINDS = {**BUSY, "hangs": 5, "with all others": 5, "": 50}
#: Seconds for which a kill waits for an experiment under way.
OCCASION = 1.0
NEVER = float("inf")
_MARK = "FAULT_HARNESS_MARK"


@dataclass
class Runner:
    """A runner under way, and what is to become of it.

    Attributes
    ----------
    process
        The process.
    kill_at
        When it is killed, in monotonic seconds.
    after
        How many seconds it works before it is killed.
    how
        How it is killed, or was.
    errors
        What it writes.
    kind
        In which way it is to be killed, when its time has come; None before that.
    """

    process: subprocess.Popen[bytes]
    kill_at: float
    after: float
    how: str
    errors: Path
    kind: str | None = None


@dataclass
class Round:
    """One study, from its beginning to the judgement.

    Parameters
    ----------
    directory
        Where it is, empty.
    seed
        Of what is done.
    kills
        How many.
    count
        How many experiments it begins with.
    """

    directory: Path
    seed: str
    kills: int
    count: int
    killed: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    found: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._mark = uuid.uuid4().hex
        self._runners: list[Runner] = []
        self._started = 0
        self._stopped: dict[int, float] = {}
        self._owed = self._random.sample([*BUSY], len(BUSY))  # each of them comes, and soon
        (self.directory / "modules").mkdir()
        (self.directory / "locks").mkdir()
        (self.directory / "errors").mkdir()
        (self.directory / "modules" / "module.py").write_text(MODULE)
        text, self._tags = study(self.count, self._random)
        (self.directory / "study.yaml").write_text(text)

    def run(self) -> None:
        """Go through it; what is wrong stands in `problems`."""
        person: subprocess.Popen[bytes] | None = None
        try:
            self._open()
            person = self._start_person()
            while sum(self.killed.values()) < self.kills:
                self._tend()
                time.sleep(0.01)
            self._come_to_rest(person)
            found = judge(self.directory, self._tags)
            self.problems += found.problems
            self.found = found.counts
        except AssertionError as error:
            self.problems.append(str(error))
        finally:
            if person is not None:
                person.kill()
                person.wait()
            self._check_nothing_runs()

    # --- processes ---

    def _environment(self, **variables: str) -> dict[str, str]:
        return {**os.environ, _MARK: self._mark, "PYTHONDONTWRITEBYTECODE": "1", **variables}

    def _start(
        self,
        arguments: list[str],
        *,
        at: str = "",
        soon: float = NEVER,
        after: float = NEVER,
        rest: str = "",
        long: str = "",
    ) -> Runner:
        """Start a runner that is killed at a step, so soon, or after so many seconds of work."""
        self._started += 1
        program = Path(__file__).with_name("slow.py") if rest or long else ROOT / "run.py"
        pairs = (VARIABLE, at), (REST, rest), (LONG, long)
        variables = {name: value for name, value in pairs if value}
        errors = self.directory / "errors" / f"{self._started:04}"
        with errors.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, str(program), *arguments],
                cwd=self.directory,
                env=self._environment(**variables),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        runner = Runner(process, time.monotonic() + soon, after, at, errors)
        self._runners.append(runner)
        return runner

    def _open(self) -> None:
        """Put the experiments into the queue, with a runner that may be killed while it does."""
        last = f"tag: {self._tags[-1]}\\n".encode()
        journal = self.directory / "queue.yaml.journal" / "journal.jsonl"
        for attempt in range(100):
            at, soon = "", NEVER
            if attempt < 8 and self._random.random() < 0.7:
                at = self._random.choice(["", "rows-written", "announced", "exchanged"])
                soon = NEVER if at else self._random.uniform(0.1, 0.6)
            opener = self._start(
                ["--exp", "study.yaml", "--queue-file", "queue.yaml", "--resume", "--quiet"],
                at=at,
                soon=soon,
            )
            while opener in self._runners:
                self._look_after(opener)
                if not at and soon == NEVER and journal.exists() and last in journal.read_bytes():
                    opener.after = self._random.uniform(0.0, 1.0)
                    return
                time.sleep(0.01)
        raise AssertionError("the study does not begin")

    def _start_person(self) -> subprocess.Popen[bytes]:
        person = str(Path(__file__).with_name("person.py"))
        with (self.directory / "errors" / "person").open("wb") as file:
            return subprocess.Popen(
                [sys.executable, person, str(self.directory), f"{self.seed} person", str(self.count // 4)],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )

    def _tend(self) -> None:
        """Keep four runners going, and kill those whose time has come."""
        self._wake(time.monotonic())
        for runner in list(self._runners):
            self._look_after(runner)
        while len(self._runners) < RUNNERS:
            draw = self._random.random()
            at, soon, after = "", NEVER, self._random.uniform(0.0, 1.0)
            if draw < 0.4:
                # Not all of them come so far, so there is an end to their time, too.
                at, after = f"{self._random.choice(STEPS)}:{self._random.randint(1, 6)}", 1.5
            elif draw < 0.5:
                soon = self._random.uniform(0.05, 0.4)
            rest = ""
            if self._random.random() < 0.3:
                place = self._random.choice(["announced", "announced", "announced", *STEPS])
                rest = f"{place}:{self._random.uniform(0.01, 0.06):.3f}"
            long = self._random.choice(["", "", "1"])
            self._start(self._arguments(), at=at, soon=soon, after=after, rest=rest, long=long)

    def _arguments(self) -> list[str]:
        queue = ["--queue", "queue.yaml"]
        if self._random.random() < 0.1:
            queue = ["--exp", "study.yaml", "--queue-file", "queue.yaml", "--resume"]
        jobs = ["--jobs", "2"] if self._random.random() < 0.3 else []
        return [*queue, *jobs, "--quiet"]

    def _look_after(self, runner: Runner) -> None:
        status = runner.process.poll()
        if status is None:
            if runner.kill_at == NEVER and runner.after < NEVER and self._has_begun(runner):
                runner.kill_at = time.monotonic() + runner.after
            if time.monotonic() >= runner.kill_at:
                self._kill(runner)
        else:
            self._runners.remove(runner)
            if status == -signal.SIGKILL:
                how = runner.how.partition(":")[0]
                self.killed[f"at {how}" if how in STEPS else how or "at random"] += 1
            elif status not in (0, 1):
                message = runner.errors.read_text(errors="replace")
                self.problems.append(f"a runner ended with status {status}: {message[-2000:]}")

    def _has_begun(self, runner: Runner) -> bool:
        beats = self.directory / "queue.yaml.journal" / "beats"
        return any(beats.glob(f"{runner.process.pid}-*"))

    def _kill(self, runner: Runner) -> None:
        """Kill a runner, or something of it; where that needs an experiment under way, when there is one."""
        if runner.kind is None:
            (drawn,) = self._random.choices([*KINDS], [*KINDS.values()])
            runner.kind = self._owed.pop() if self._owed else drawn
        kind = runner.kind
        helpers = children(runner.process.pid)
        workers = [worker for helper in helpers for worker in children(helper)]
        victims = helpers if kind == "a helper" else workers
        if kind in BUSY and not (victims and (kind != "while its helper hangs" or self._are_known(workers))):
            if time.monotonic() < runner.kill_at + OCCASION:
                return
            self._owed.insert(0, kind)
            kind = ""
        runner.kind, runner.how = None, ""
        if kind in ("a helper", "a worker"):
            self._end(helpers if kind == "a helper" else workers[:1], kind)
            runner.kill_at = time.monotonic() + 0.5
            return
        if kind == "hangs":
            # For a while, perhaps with the lock, and it is none the worse for it.
            self._hang(runner.process.pid)
            runner.kill_at = time.monotonic() + 1.5
            return
        if kind == "a worker with its runner":
            self._end(workers[:1], kind)
        elif kind == "while its helper hangs":
            # Its experiments go on without it for a while.
            for helper in helpers:
                self._hang(helper)
            runner.how = kind
        elif kind == "with all others":
            for other in self._runners:
                other.how = ""
                other.process.kill()
        runner.process.kill()
        runner.process.wait()

    def _hang(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            self._stopped[pid] = time.monotonic() + self._random.uniform(0.2, 1.5)

    def _are_known(self, workers: list[int]) -> bool:
        """Whether the journal names these workers; one that it does not know must end with its runner."""
        journal = (self.directory / "queue.yaml.journal" / "journal.jsonl").read_bytes()
        return all(b'"process":{"pid":%d,' % worker in journal for worker in workers)

    def _wake(self, now: float) -> None:
        for pid, until in list(self._stopped.items()):
            if now >= until:
                del self._stopped[pid]
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def _end(self, pids: list[int], what: str) -> None:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                self.killed[what] += 1

    # --- the end ---

    def _come_to_rest(self, person: subprocess.Popen[bytes]) -> None:
        """Let the person finish, and then the runners."""
        end = time.monotonic() + PATIENCE
        for runner in self._runners:
            runner.kill_at = runner.after = NEVER
        person.terminate()
        self._wake(NEVER)
        while person.poll() is None:
            for runner in list(self._runners):
                self._look_after(runner)
            if len(self._runners) < 2:
                self._start(["--queue", "queue.yaml", "--quiet"])
            if time.monotonic() > end:
                raise AssertionError("the person does not come to an end")
            time.sleep(0.01)
        if person.returncode:
            raise AssertionError((self.directory / "errors" / "person").read_text()[-3000:])
        last = self._start(["--queue", "queue.yaml", "--quiet"])
        while self._runners:
            for runner in list(self._runners):
                self._look_after(runner)
            if time.monotonic() > end:
                raise AssertionError("the runners do not come to an end")
            time.sleep(0.01)
        if last.process.returncode:
            message = last.errors.read_text(errors="replace")
            self.problems.append(f"the last runner ended with {last.process.returncode}: {message}")

    def _check_nothing_runs(self) -> None:
        self._wake(NEVER)
        for runner in self._runners:
            with contextlib.suppress(ProcessLookupError):
                runner.process.kill()
            runner.process.wait()
        end = time.monotonic() + 5
        while left := marked(f"{_MARK}={self._mark}".encode()):
            if time.monotonic() > end:
                self.problems.append(f"processes are left: {left}")
                break
            time.sleep(0.05)
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
