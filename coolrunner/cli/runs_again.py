"""``coolrunner runs restore`` and ``rerun``: a run's code and parameters, and the same run again."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coolrunner
from coolrunner.cli.runs_find import path_shown, run_of
from coolrunner.cli.verbs import add_json, print_json
from coolrunner.errors import RunError, UsageError, UserError
from coolrunner.reporting.runs import escaped
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.provenance import read_provenance, rerun_command
from coolrunner.runs.secrets import placeholder
from coolrunner.runs.status import RunState
from coolrunner.runs.store import Store

__all__ = ["configure", "execute"]

# How the run command is called: by a script of a checkout, by the console command, by python -m.
_SCRIPT, _COMMAND = "run.py", "coolrunner"


def configure(parser: argparse.ArgumentParser, verb: str) -> None:
    """Describe the arguments of a verb."""
    add = parser.add_argument
    add("run", metavar="RUN", help="its number, the beginning of its name, or a path")
    if verb == "restore":
        add("directory", metavar="DIR", help="where to write to; a new directory, or an empty one")
        add("--overwrite", action="store_true", help="replace files that are there")
        add_json(parser)
    else:
        add("--stored", metavar="DIR", help="with the code as it was, which is written to DIR, and in there")
        add("--print", dest="only_print", action="store_true", help="print the command and do not run it")
        add_json(parser, "print the command as JSON and do not run it")


def execute(options: argparse.Namespace) -> int:
    """Do what the verb says; return the exit status, for ``rerun`` that of the run."""
    _, run = run_of(options.root, options.run)
    return _restore(options, run) if options.verb == "restore" else _rerun(options, run)


def _restore(options: argparse.Namespace, run: RunDirectory) -> int:
    from coolrunner.runs.restoring import restore

    target = Path(options.directory)
    with contextlib.suppress(OSError):  # which is told when it is written to
        if not options.overwrite and target.is_dir() and any(target.iterdir()):
            where = path_shown(target)
            raise UsageError(f"{where} is not an empty directory: name another one, or --overwrite")
    written = restore(run, Store(run.store), target, overwrite=options.overwrite)
    if options.json:
        print_json([str(path) for path in written])
        return 0
    files = "1 file" if len(written) == 1 else f"{len(written)} files"
    sys.stdout.write(f"{files} of {escaped(run.name)} in {path_shown(target)}: README.txt there says more\n")
    return 0


# --- again ---


@dataclass(frozen=True)
class _Command:
    """What does a run again.

    Attributes
    ----------
    words
        The command line, with a placeholder for each secret.
    directory
        Where to start it.
    variables
        What the environment needs besides.
    secrets
        The names of what was left out.
    """

    words: Sequence[str]
    directory: Path
    variables: Mapping[str, str]
    secrets: Sequence[str] = ()

    def __str__(self) -> str:
        given = [f"{name}={shlex.quote(value)} " for name, value in self.variables.items()]
        return f"cd {shlex.quote(str(self.directory))} && {''.join(given)}{shlex.join(self.words)}"


def _rerun(options: argparse.Namespace, run: RunDirectory) -> int:
    state = run.read_state()
    facts = read_provenance(Store(run.store), state.provenance) if state.provenance else {}
    only_told = options.json or options.only_print
    again = _experiment if state.experiment else _script
    with _definition_directory(kept=only_told) as place:
        # All that may be wrong is found before anything is written.
        again(run, state, facts, None, place)
        project = _stored(run, state, Path(options.stored)) if options.stored else None
        command = again(run, state, facts, project, place)
        if options.json:
            print_json(
                {
                    "command": list(command.words),
                    "directory": str(command.directory),
                    "environment": dict(command.variables),
                }
            )
        elif options.only_print:
            sys.stdout.write(f"{escaped(str(command))}\n")
        else:
            sys.stderr.write(f"running: {escaped(str(command))}\n")
            sys.stderr.flush()
            return _run(command)
    return 0


def _stored(run: RunDirectory, state: RunState, target: Path) -> Path:
    """Write the stored sources of a run; return where they are, absolute."""
    from coolrunner.runs.restoring import write_sources

    if not state.sources:
        raise RunError(f"{run.name}: its sources were not kept; without --stored the code of now is run")
    write_sources(Store(run.store), state.sources, target)
    return target.absolute()


def _script(
    run: RunDirectory, state: RunState, facts: Mapping[str, Any], project: Path | None, place: Path
) -> _Command:
    """Return the command line of the script that made a run."""
    names = _secrets(facts)
    words, directory = rerun_command(run, facts, {name: placeholder(name) for name in names}, project)
    return _Command(words, _existing(run, directory), _own_path(), names)


def _experiment(
    run: RunDirectory, state: RunState, facts: Mapping[str, Any], project: Path | None, place: Path
) -> _Command:
    """Return what runs one experiment of a study: its command line would run the others as well."""
    from coolrunner.execution.attempt import read_results
    from coolrunner.studies.again import definition_of

    directory = project or _existing(run, Path(str(facts.get("cwd") or Path.cwd())))
    given = _Given.of(run, facts)
    settings = given.settings() if given is not None else {}
    if project is None:
        settings["root"] = str(run.root)
    text, number = definition_of(run, settings, read_results(run))
    definition = place / (os.path.basename(state.study) or "again.yaml")  # noqa: PTH119 - any text
    definition.write_text(text, encoding="utf-8")
    words = [sys.executable, "-m", "coolrunner", "run", "--exp", str(definition)]
    words += ["--pick", str(number)] if number is not None else []
    passed_on = given.passed_on if given is not None else []
    secrets = [name for name in _secrets(facts) if any(placeholder(name) in word for word in passed_on)]
    return _Command([*words, *passed_on], directory, _own_path(), secrets)


def _existing(run: RunDirectory, directory: Path) -> Path:
    if not directory.is_dir():
        raise RunError(f"{run.name}: it was started in {directory}, which is not there any more")
    return directory


def _own_path() -> dict[str, str]:
    """Return what makes this package importable from anywhere, where it is not installed."""
    home = Path(coolrunner.__file__).parents[1]
    if home.name in ("site-packages", "dist-packages"):
        return {}
    before = list(filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))
    return {} if str(home) in before else {"PYTHONPATH": os.pathsep.join([str(home), *before])}


def _secrets(facts: Mapping[str, Any]) -> list[str]:
    """Return the names of the values that were left out of what is kept of a command line."""
    names = facts.get("left_out")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


class _Given:
    """What stood on the command line of a study.

    Parameters
    ----------
    options
        As the run command reads it.
    directory
        Where it was started.
    """

    def __init__(self, options: argparse.Namespace, directory: Path) -> None:
        self._options = options
        self._directory = directory

    @classmethod
    def of(cls, run: RunDirectory, facts: Mapping[str, Any]) -> _Given | None:
        """Return it; None where it is not known, or was another program's."""
        from coolrunner.cli import run as command

        arguments = _arguments(facts.get("argv"))
        if arguments is None:
            return None
        parser = argparse.ArgumentParser(prog=_COMMAND, allow_abbrev=False)
        command.configure(parser)
        # What it has to say it has said before, and will say again.
        with contextlib.redirect_stderr(io.StringIO()):
            try:
                options = command.parse(parser, arguments)
            except (UserError, SystemExit):
                return None
        return cls(options, Path(str(facts.get("cwd"))))

    @property
    def passed_on(self) -> list[str]:
        """What was for the Module, and that it ran in the runner's own process."""
        return [*(["--inline"] if self._options.inline else []), *self._options.foreign]

    def settings(self) -> dict[str, Any]:
        """Return what ``Global`` said."""
        from coolrunner.cli.queue_find import journal_in
        from coolrunner.studies.again import settings_in, settings_of

        options = self._options
        if options.queue:
            return settings_in(journal_in(self._directory / options.queue))
        return settings_of(self._directory / options.exp, options.overrides)


def _arguments(argv: Any) -> list[str] | None:
    """Return what stood behind ``coolrunner run``, or behind ``run.py``; None for another program."""
    if not isinstance(argv, list) or not all(isinstance(word, str) for word in argv):
        return None
    for place, word in enumerate(argv[:4]):
        name = word.replace("\\", "/").rpartition("/")[2]
        if name == _SCRIPT:
            return argv[place + 1 :]
        if name.removesuffix(".exe") == _COMMAND and argv[place + 1 : place + 2] == ["run"]:
            return argv[place + 2 :]
    return None


@contextlib.contextmanager
def _definition_directory(*, kept: bool) -> Iterator[Path]:
    """Give a place for the definition of one experiment: until it has run, or for whoever runs it later."""
    path = tempfile.mkdtemp(prefix="coolrunner-rerun-")
    try:
        yield Path(path)
    finally:
        with contextlib.suppress(OSError):
            for entry in [] if kept else Path(path).iterdir():
                entry.unlink()
            Path(path).rmdir()


def _run(command: _Command) -> int:
    """Run it in the foreground, as if it had been typed; return its exit status."""
    words = list(command.words)
    for name in command.secrets:
        value = _asked_for(name)
        words = [word.replace(placeholder(name), value) for word in words]
    environment = {**os.environ, **command.variables}
    process = subprocess.Popen(words, cwd=command.directory, env=environment)
    # Ctrl-C reaches it as well, and it knows what to do; what is sent to us alone is passed on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, _: process.send_signal(number))
    status = process.wait()
    return status if status >= 0 else 128 - status


def _asked_for(name: str) -> str:
    """Return a value that is not kept: from the environment, or from the person at the terminal."""
    from coolrunner.cli.terminal import is_there

    variable = re.sub(r"\W+", "_", name.strip("-")).upper()
    if variable in os.environ:
        return os.environ[variable]
    if not is_there():
        raise UsageError(f"the value of {name} was not kept, as it is secret: set {variable} to it")
    from getpass import getpass

    return getpass(f"{name}, which was not kept, as it is secret: ")
