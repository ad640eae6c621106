"""``with args.safe_experiment:`` keeps the output of a run, and puts it aside when it fails."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from coolrunner.errors import CoolrunnerError
from coolrunner.frontends.lifetime import Lifetime, exit_status
from coolrunner.frontends.parsing.types import truth
from coolrunner.runs.capture import Capture, CollapsedLog
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.root import Root

__all__ = ["SafeExperiment"]

_PATIENCE = 10.0  # seconds in which a question is to be answered


class SafeExperiment:
    """The run of one ``parse_args``, as a context.

    Within it, what is printed goes to ``log.txt`` as well, and `coolrunner.current_run` is this run. At its
    end the status is written. After an exception the run is in ``fails/``, with ``traceback.txt`` and without
    links from the index and from marks, and the exception goes on. After Ctrl-C the run stays where it is and
    the script goes on behind the block.

    Parameters
    ----------
    root
        Where runs are.
    lifetime
        The run.

    Attributes
    ----------
    root
        As given, a path.
    run
        The directory of the run; in ``fails/`` after a failure.
    prompt
        Whether a person is asked after Ctrl-C if the run is to be put aside as failed. Nobody is asked where
        there is no terminal.
    default
        The answer where none comes within ten seconds.
    """

    def __init__(self, root: Root, lifetime: Lifetime) -> None:
        self.prompt = False
        self.default = True
        self._root = root
        self._lifetime = lifetime
        self._output: _Output | None = None

    @property
    def root(self) -> Path:
        """Where runs are."""
        return self._root.path

    @property
    def run(self) -> Path:
        """The directory of the run."""
        return self._lifetime.directory.path

    def __call__(self, *, prompt: bool | None = None, default: bool | None = None) -> SafeExperiment:
        """Set `prompt` and `default`, as in ``with args.safe_experiment(prompt=True):``; return itself."""
        if prompt is not None:
            self.prompt = prompt
        if default is not None:
            self.default = default
        return self

    def __enter__(self) -> SafeExperiment:
        self._lifetime.begin()
        self._output = _Output(self._lifetime.directory.log)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        output, self._output = self._output, None
        is_failure, is_interrupt = _judged(error)
        with self._hiding_no(error):
            if output is not None:
                output.stop()
        if is_interrupt and self.prompt:
            is_failure = _answer("move to fails?", self.default)
        with self._hiding_no(error):
            self._lifetime.end(error)
        if is_failure:
            with self._hiding_no(error):
                self._lifetime.directory = self._root.fail(self._lifetime.directory)
        if is_failure or is_interrupt:
            sys.stdout.write("".join(traceback.format_exception(kind, error, trace)))
            sys.stdout.flush()
        return is_interrupt and not is_failure

    @contextlib.contextmanager
    def _hiding_no(self, error: BaseException | None) -> Iterator[None]:
        """Only tell of what goes wrong here where the script itself has raised something."""
        try:
            yield
        except (CoolrunnerError, OSError) as problem:
            if error is None:
                raise
            sys.stderr.write(f"warning: the end of {self.run.name} is not written down: {problem}\n")

    def __getstate__(self) -> dict[str, Any]:
        # Arguments are handed to other processes, which may enter the run as well.
        return {
            "prompt": self.prompt,
            "default": self.default,
            "root": (self._root.path, self._root.layout),
            "run": (self.run, self._lifetime.directory.layout),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        root, run = Root(*state["root"]), RunDirectory(*state["run"])
        self.__init__(root, Lifetime(run))  # type: ignore[misc]
        self.prompt, self.default = state["prompt"], state["default"]

    def __repr__(self) -> str:
        return f"<SafeExperiment {self.run.name}>"


class _Output:
    """What is printed from now on, in a log."""

    def __init__(self, path: Path) -> None:
        self._log = CollapsedLog(path)
        self._capture = Capture(self._log)
        self._capture.start()

    def stop(self) -> None:
        """End; say so where the log could not take all of it."""
        self._capture.stop()
        self._log.close()
        if self._log.error is not None:
            sys.stderr.write(f"warning: output is missing in {self._log.path}: {self._log.error.strerror}\n")


def _judged(error: BaseException | None) -> tuple[bool, bool]:
    """Return whether it is a failure, and whether a person has stopped it."""
    if error is None or (isinstance(error, SystemExit) and not exit_status(error.code)):
        return False, False
    is_interrupt = isinstance(error, KeyboardInterrupt)
    return not is_interrupt, is_interrupt


def _answer(question: str, default: bool) -> bool:
    """Ask the person at the terminal, if there is one, and wait for a while."""
    with contextlib.suppress(OSError, ValueError, AttributeError, KeyboardInterrupt):
        if os.name == "nt" or not (sys.stdin.isatty() and sys.stdout.isatty()):
            return default
        sys.stdout.write(f"\n{question} ({'yes' if default else 'no'}): ")
        sys.stdout.flush()
        if select.select([sys.stdin], [], [], _PATIENCE)[0]:
            with contextlib.suppress(Exception):  # no word for either
                return truth(sys.stdin.readline())
        sys.stdout.write("\n")
    return default
