"""``run``: run the experiments of a definition."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from coolrunner.cli.queues import DEFAULT_DEFINITION

if TYPE_CHECKING:
    from coolrunner.cli.backends import Lending
    from coolrunner.definition.plan import Plan
    from coolrunner.events import Announcer, Listener
    from coolrunner.runner import RunOptions
    from coolrunner.studies.brief import Brief
    from coolrunner.studies.opening import Opened

__all__ = ["HELP", "configure", "execute", "is_override", "parse"]

HELP = "run the experiments of a definition"
EPILOG = """\
+Key=value sets a default (+optimizer.lr=1e-3 a nested one), ++Key=value
sets it in every experiment; values are YAML. Whatever else is given belongs
to the Modules, which see it in sys.argv.

exit status: 0 all done, 1 some experiments failed, 2 the call or the
definition is wrong, 130 interrupted"""

_LOOKED_AT = 5000  # at either end of a sweep that is only shown
_NUMBERS = re.compile(r"[\d,-]")
_LONG_WITH_ONE_DASH = re.compile(r"-(?![hqv]+\Z)[A-Za-z].")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add = parser.add_argument
    add("--exp", metavar="FILE", default=DEFAULT_DEFINITION, help="the definition (default: %(default)s)")
    add(
        "--pick",
        "--cherrypick-experiments",
        dest="pick",
        nargs="+",
        default=[],
        metavar="PICK",
        help="run only these experiments: 0,1,3 or 2-5 (--dry shows the numbers)",
    )
    add(
        "--jobs",
        type=_jobs,
        metavar="N",
        help="run N experiments at once; auto: as many as fit",
    )
    queues = parser.add_argument_group("the queue")
    from_file = queues.add_mutually_exclusive_group()
    from_file.add_argument(
        "--queue-file", metavar="FILE", help="keep the queue in this file, which may be edited at any time"
    )
    from_file.add_argument(
        "--queue", metavar="FILE", help="work on a queue that is there already, or on a log of failures"
    )
    left = queues.add_mutually_exclusive_group()
    left.add_argument(
        "--resume", action="store_true", help="run only what is missing of this definition (or queue)"
    )
    left.add_argument("--append", action="store_true", help="put the experiments behind those in the queue")
    left.add_argument("--fresh", action="store_true", help="begin the queue anew; the old one is kept aside")
    queues.add_argument("--why", action="store_true", help="with --resume: say what each one left out equals")
    stay = queues.add_mutually_exclusive_group()
    stay.add_argument("--drain", action="store_true", help="end when nothing is left to run (the default)")
    stay.add_argument("--wait", action="store_true", help="stay, and run what is added to the queue")
    add("--dry", action="store_true", help="show the plan and run nothing; with -v where each value is from")
    add("--inline", action="store_true", help="run in this process, for a debugger or for speed")
    add("--fail-fast", action="store_true", help="end the study with the first failure")
    add("--max-failures", type=_count, metavar="N", help="end the study after N failures")
    add("--no-code", action="store_true", help="refuse a definition that holds expressions")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("-q", "--quiet", action="store_true", help="say nothing but what goes wrong")
    how.add_argument("--json", action="store_true", help="print one JSON object an event")
    add("-v", "--verbose", action="store_true", help="say more; errors with their traceback")


def _count(text: str, otherwise: str = "") -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number from 1{otherwise} was expected, not {text!r}")
    return int(text)


def _jobs(text: str) -> int | str:
    return text if text == "auto" else _count(text, ", or auto,")


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace:
    """Read the arguments: ours, the overrides, and those that belong to the Modules.

    Raises
    ------
    UsageError
        A path stands alone, as if it were the definition.
    """
    overrides = [text for text in arguments if is_override(text)]
    others = [text for text in arguments if not is_override(text)]
    # argparse would take "-vocab" for our -v with something behind it; with dashes enough it is not ours.
    options, foreign = parser.parse_known_args(
        [f"--{text}" if _LONG_WITH_ONE_DASH.match(text) else text for text in others]
    )
    foreign = [text.removeprefix("--") if text.startswith("---") else text for text in foreign]
    # What follows the numbers, and is none, was not meant for --pick.
    numbers = options.pick[:1] + [text for text in options.pick[1:] if _NUMBERS.match(text)]
    foreign += [text for text in options.pick[1:] if not _NUMBERS.match(text)]
    options.pick = numbers
    options.overrides = overrides
    options.argv = [sys.argv[0], *others]
    options.foreign = foreign
    _check_foreign(foreign, others, [name for action in parser._actions for name in action.option_strings])
    return options


def is_override(text: str) -> bool:
    """Whether an argument is an override, well-formed or not (``+5`` is none)."""
    return re.match(r"\+\+?[A-Za-z_]", text) is not None


def _check_foreign(foreign: Sequence[str], others: Sequence[str], known: Sequence[str]) -> None:
    """Refuse what was probably meant for us, or warn of it."""
    from coolrunner.errors import UsageError

    for text in foreign:
        name = text.partition("=")[0]
        if name.startswith("-"):
            _warn_of_near_miss(name, known)
        elif _is_stray(text, others, known):
            raise UsageError(f"the path {text} stands alone; for the definition write --exp {text}")


def _warn_of_near_miss(name: str, known: Sequence[str]) -> None:
    import difflib

    # One letter may be anything; -exp is --exp with a dash too few.
    full = name if name.startswith("--") else f"-{name}"
    close = difflib.get_close_matches(full, known, n=1, cutoff=0.8) if len(full) > 3 else []
    if close:
        hint = f"did you mean {close[0]}?"
        sys.stderr.write(f"warning: {name} is no option of ours and goes to the Module; {hint}\n")


def _is_stray(text: str, others: Sequence[str], known: Sequence[str]) -> bool:
    """Whether a path is likely to be a definition that lacks its ``--exp``."""
    foreign = [i for i, other in enumerate(others) if other.startswith("-") and other not in known]
    place = others.index(text)
    if text.endswith((".yaml", ".yml")):
        return place - 1 not in foreign  # else it may be that option's value
    return Path(text).exists() and not any(i < place for i in foreign)


def execute(options: argparse.Namespace) -> int:
    """Run the study and return the exit status."""
    # Here, as a project may have files of these names, which are not meant for this process.
    import json  # noqa: F401
    import platform  # noqa: F401

    directory = os.getcwd()  # noqa: PTH109 - as a string, for sys.path
    sys.path[:] = [directory, *(entry for entry in sys.path if entry not in (directory, ""))]
    if options.queue:
        from coolrunner.cli.queues import open_attached

        return _run(options, open_attached(options), None, directory)
    plan = _read(options)
    _warn_of_missing_plus(plan, options.foreign)
    if options.dry:
        from coolrunner.cli.dry import show_plan
        from coolrunner.cli.queues import searches_of

        show_plan(plan, options.verbose)
        searches_of(options, plan)  # what would keep them from beginning is known now
        return 0
    from coolrunner.cli.backends import check_fit
    from coolrunner.cli.queues import open_for

    check_fit(plan, options)
    return _run(options, open_for(options, plan, _read), plan, directory)


def _read(options: argparse.Namespace, draws: Mapping[tuple[int, int], int] | None = None) -> Plan:
    from coolrunner.definition.plan import read_plan
    from coolrunner.errors import DefinitionError, UsageError

    _check_definition(options.exp)
    try:
        return read_plan(
            options.exp,
            options.overrides,
            pick=options.pick,
            code=not options.no_code,
            draws=draws,
            only_picked=not options.resume,  # what was done is counted in the whole list
            ends=_LOOKED_AT if options.dry else None,
        )
    except DefinitionError:
        from coolrunner.cli.kinds import instead_of_definition

        told = instead_of_definition(Path(options.exp), options.program)
        if told:
            raise UsageError(f"--exp: {told}") from None
        raise


def _run(options: argparse.Namespace, opened: Opened, plan: Plan | None, directory: str) -> int:
    from coolrunner.cli.backends import Lending
    from coolrunner.errors import BackendError
    from coolrunner.events import Announcer
    from coolrunner.runner import Study

    brief, settings = opened.brief, opened.brief.settings
    inline = options.inline or settings.executor == "inline" or not hasattr(os, "fork")
    mode, stream = _console_mode(options, inline)
    announcer = Announcer()
    try:
        for listener in _listeners(opened, options, mode, stream, announcer):
            announcer.add(listener)
        lending = Lending(options, opened, inline=inline)
        lending.tell()
        backend = lending.backend(directory, capture=mode in ("live", "json"))
    except BaseException:
        opened.queue.close()
        raise
    run_options = _run_options(options, opened, plan, lending, directory)
    study = Study(brief, opened.queue, backend, announcer, run_options, opened.items, opened.searches)
    try:
        return study.run().status
    except BrokenPipeError as error:
        # Not the reader of our output, who may leave: a listener's trouble does not come this far.
        raise BackendError(f"a process of the study has gone away: {error.strerror}") from error
    finally:
        backend.close()
        opened.queue.close()
        announcer.close()


def _run_options(
    options: argparse.Namespace, opened: Opened, plan: Plan | None, lending: Lending, directory: str
) -> RunOptions:
    from coolrunner.cli.queues import keeper
    from coolrunner.cli.terminal import is_there, typed
    from coolrunner.runner import RunOptions

    settings = opened.brief.settings
    limit = 1 if options.fail_fast or settings.fail_fast else options.max_failures or settings.max_failures
    return RunOptions(
        options.argv,
        limit,
        options.wait,
        typed if is_there() else None,
        keeper(plan, opened, lending.tell) if plan is not None else None,
        directory,
        options.resume or bool(options.queue),
    )


def _check_definition(path: str) -> None:
    """Say more than that a file is missing where none was given."""
    from coolrunner.errors import UsageError

    if path != DEFAULT_DEFINITION or Path(path).exists():
        return
    there = [str(found) for folder in ("*.yaml", "*/*.yaml") for found in sorted(Path().glob(folder))]
    found = f" (here are {', '.join(there[:5])})" if there else ""
    raise UsageError(f"no definition was given, and there is no {path} here; write --exp FILE{found}")


def _warn_of_missing_plus(plan: Plan, foreign: Sequence[str]) -> None:
    for text in foreign:
        key, equals, _ = text.partition("=")
        if equals and key.partition(".")[0] in {"Global", *plan.definition.default}:
            sys.stderr.write(f"warning: {text} goes to the Module; to change the definition write +{text}\n")


def _console_mode(options: argparse.Namespace, inline: bool) -> tuple[str, TextIO]:
    from coolrunner.reporting.console import resolve_mode

    asked = "json" if options.json else "quiet" if options.quiet else "auto"
    mode = resolve_mode(asked, inline=inline)
    if mode == "json" and inline:
        # What Modules print in this process must not come between the objects.
        stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        return mode, stream
    return mode, sys.stdout


def _listeners(
    opened: Opened, options: argparse.Namespace, mode: str, stdout: TextIO, announcer: Announcer
) -> list[Listener]:
    from coolrunner.events import Notice
    from coolrunner.reporting.console import console_listener

    program = options.program
    rerun = f"{program} {shlex.join(_again(options))}"
    resume = f"{program} {shlex.join(_again(options, resume=True))}" if _can_resume(options, opened) else ""
    listeners: list[Listener] = [
        console_listener(mode, program=program, rerun=rerun, resume=resume, stdout=stdout)
    ]
    brief = opened.brief
    slack = brief.settings.slack
    if slack is not None:
        from coolrunner.reporting.slack import SlackListener

        ledger = opened.queue.ledger
        count = len(ledger.waiting()) + sum(
            opened.queue.will_run(item) for item in opened.items if item.id not in ledger.entries
        )
        listeners.append(
            SlackListener(
                slack.channel,
                _message(brief, slack.message) if slack.message else None,
                os.environ.get("SLACK_BOT_TOKEN"),
                warn=lambda text: announcer.emit(Notice(text)),
                opening=f"{brief.name}: {count} experiment{'' if count == 1 else 's'}",
                base_url=os.environ.get("SLACK_API_URL"),
            )
        )
    return listeners


def _again(options: argparse.Namespace, *, resume: bool = False) -> list[str]:
    """Return the arguments that make this study again, for a command that runs another part of it."""
    if options.queue:
        return ["--queue", options.queue]
    rest = [*(["--pick", *options.pick] if options.pick else []), "--resume"] if resume else []
    return ["--exp", options.exp, *options.overrides, *rest, *options.foreign]


def _can_resume(options: argparse.Namespace, opened: Opened) -> bool:
    """Whether ``--resume`` would run just what this study leaves: its logs hold nothing else.

    That is better than to name what is left, for the numbers that were drawn are kept.
    """
    logs = {str(item.experiment.inputs["YamlLog"]) for item in opened.items if item.runs}
    return options.resume or not any(Path(log).exists() for log in logs)


def _message(brief: Brief, text: str) -> Any:
    from coolrunner.definition.expressions import compile_expression
    from coolrunner.experiment import Experiment, freeze

    expression = compile_expression(text)
    imports = brief.settings.imports

    def message(record: Mapping[str, Any]) -> Any:
        names = {name: imports.get(name) for name in expression.names if name in imports}
        exp = Experiment({key: freeze(value) for key, value in record.items()})
        return expression.evaluate({**names, "exp": exp})

    return message
