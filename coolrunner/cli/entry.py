"""The console command ``coolrunner``: finds the subcommand and shows what goes wrong."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

__all__ = ["COMMANDS", "main"]

#: The subcommands, in the order of the help; each is a module of this package.
COMMANDS = ("run", "queue", "collect", "filter", "results", "runs", "mark", "unmark", "delete", "init")


def main(argv: Sequence[str] | None = None, *, script: str | None = None) -> int:
    """Run a command and return its exit status.

    Parameters
    ----------
    argv
        The arguments, the subcommand first; those of this process by default.
    script
        The name under which a script of the checkout calls a subcommand (``run.py``), for its help.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] not in COMMANDS:
        return _without_command(arguments)
    command = _command(arguments[0])
    parser = _parser(arguments[0], command, script)
    rest = arguments[1:]
    verbose = "-v" in rest or "--verbose" in rest
    status = 0
    try:
        parse = getattr(command, "parse", None)
        options = parse(parser, rest) if parse else parser.parse_args(rest)
        options.program = _spelling(arguments[0], script)
        status = command.execute(options)
        if not sys.stdout.closed:  # by a Module, in this process
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if not isinstance(error, OSError) or not _output_is_gone(error):
            return _show(error, verbose)
        # A flush on the way out must not fail too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


def _output_is_gone(error: OSError) -> bool:
    """Whether who read the output has seen enough (``| head``), or the terminal is gone."""
    if isinstance(error, BrokenPipeError):
        return True
    try:
        sys.stdout.flush()
    except OSError as another:
        return another.errno in (errno.EPIPE, errno.EIO)
    return False


def _spelling(command: str, script: str | None) -> str:
    """Return how this person types the command, for the next ones that are suggested to them."""
    if script is None:
        return f"coolrunner {command}"
    import shlex
    import shutil

    python = "python" if shutil.which("python") else "python3"
    called = sys.argv[0]
    try:
        here = not called.endswith(script) or os.path.samefile(script, called)  # noqa: PTH121 - cheap
    except OSError:
        here = False
    return f"{python} {script if here else shlex.quote(called)}"


def _show(error: Exception, verbose: bool) -> int:
    from coolrunner.errors import BackendError, DefinitionError, ListenerError, UserError

    if not isinstance(error, (UserError, ListenerError, BackendError)):
        raise error
    if verbose:
        import traceback

        traceback.print_exception(error)
    mistakes = error.problems if isinstance(error, DefinitionError) else [error]
    sys.stderr.writelines(f"error: {_harmless(str(mistake))}\n" for mistake in mistakes)
    return 2


def _harmless(text: str) -> str:
    """Return a message in which what files hold, or are called, does not steer the terminal."""
    import re

    steering = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"
    return re.sub(steering, lambda match: ascii(match[0])[1:-1], text)


def _command(name: str) -> Any:
    return importlib.import_module(f"coolrunner.cli.{name}")


def _parser(name: str, command: Any, script: str | None) -> argparse.ArgumentParser:
    options: dict[str, Any] = getattr(command, "PARSER_OPTIONS", {})
    parser = argparse.ArgumentParser(
        prog=script or f"coolrunner {name}",
        description=getattr(command, "DESCRIPTION", command.HELP),
        epilog=getattr(command, "EPILOG", None),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        **options,
    )
    if hasattr(command, "convert_arg_line_to_args"):
        parser.convert_arg_line_to_args = command.convert_arg_line_to_args  # type: ignore[method-assign]
    command.configure(parser)
    return parser


def _without_command(arguments: list[str]) -> int:
    if arguments[:1] == ["--version"]:
        from coolrunner import __version__

        sys.stdout.write(f"coolrunner {__version__}\n")
        return 0
    lines = ["usage: coolrunner COMMAND ...", "", "One YAML file to a finished study.", "", "commands:"]
    lines += [f"  {name:<10} {_command(name).HELP}" for name in COMMANDS]
    lines += ["", "'coolrunner COMMAND --help' says more; 'coolrunner --version' names the version."]
    text = "\n".join(lines) + "\n"
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(text)
        return 0
    from coolrunner.errors import nearest

    close = nearest(arguments[0], COMMANDS)
    hint = f"; did you mean {close}?" if close else ""
    if arguments[0].startswith(("-", "+")) or arguments[0].endswith((".yaml", ".yml")):
        hint = "; the command that runs a definition is 'coolrunner run --exp FILE'"
    sys.stderr.write(f"error: there is no command {arguments[0]!r}{hint}\n{text}")
    return 2
