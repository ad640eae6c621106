"""``--config FILE``: the values of a file stand where the command line gives none.

A library for such files (ConfigArgParse) turns values into words of a command line and back, which loses
what they were: ``"1"`` and ``1``, None, nested lists. So the command line is parsed as argparse does it,
and what it left out is then filled in with the values themselves.
"""

from __future__ import annotations

import argparse
import contextlib
import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coolrunner.errors import Position, YamlError
from coolrunner.frontends.parsing.values import Recorder, restored, same
from coolrunner.runs.secrets import placeholder
from coolrunner.yamlio import Source, read_documents, read_source

__all__ = ["Given", "Values", "all_parsers", "config_word", "read_values", "watched"]

#: What a run adds to its parameters.
RUN_KEYS = ("id", "root", "time")


@dataclass
class Values:
    """What files hold for arguments, and where it stands.

    Attributes
    ----------
    of
        By key: the value, its source, and whether a person wrote it.
    """

    of: dict[str, tuple[Any, Source, bool]] = field(default_factory=dict)

    def place(self, key: str) -> str:
        """Return file, line and column of a key."""
        _, source, _ = self.of[key]
        document = next(read_documents(source))
        return str(Position(source.name, *source.locate(document, (key,))))


def read_values(paths: Iterable[str | os.PathLike[str]]) -> Values:
    """Return what files hold, the later ones above the earlier.

    Raises
    ------
    YamlError
        One is missing or no YAML mapping.
    """
    values = Values()
    for path in paths:
        source = read_source(Path(path))
        documents = list(read_documents(source))
        data = documents[0].value if documents else None
        if len(documents) > 1:
            raise YamlError(source.problem("one document was expected, more follow", documents[1].line, 1))
        if not isinstance(data, dict):
            if data is None:
                continue
            raise YamlError(source.problem("values of arguments were expected, as in 'lr: 0.1'", 1, 1))
        by_hand = not (all(key in data for key in RUN_KEYS) or _has_status(Path(path)))
        values.of |= {str(key): (value, source, by_hand) for key, value in data.items()}
    return values


def _has_status(path: Path) -> bool:
    # A run of another door keeps its parameters alone in this file.
    return (path.resolve().parent / "status.yaml").is_file()


def default_files(patterns: Iterable[str | os.PathLike[str]]) -> list[str]:
    """Return those files that exist, of names that may have ``~`` and wildcards, in order."""
    return [
        path
        for pattern in patterns
        for path in sorted(glob.glob(os.path.expanduser(pattern)))  # noqa: PTH111, PTH207
    ]


def all_parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield a parser and the parsers of its commands, at every depth."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in {id(each): each for each in action.choices.values()}.values():
                yield from all_parsers(each)


# --- which file ---


class _Stop(Exception):
    """The command line is wrong; argparse is about to say so itself."""


class _Scan(argparse.ArgumentParser):
    """Finds where one option stands among others, and does nothing else."""

    def error(self, message: str) -> Any:
        """Give up."""
        raise _Stop


class _Passed(argparse.Action):
    def __call__(self, *args: Any) -> None:
        """Do nothing: what belongs to other arguments is only passed over."""


class _Found(argparse.Action):
    word: str | None = None

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        """Remember the last one."""
        self.word = str(values)


def config_word(parser: argparse.ArgumentParser, option: argparse.Action, words: Sequence[str]) -> str | None:
    """Return what a command line gives for an option, without any effect; None where it is not there.

    Parameters
    ----------
    parser
        Whose arguments decide what belongs to what: abbreviations, ``--``, files of arguments, commands.
    option
        One of its options that takes one word.
    words
        The command line.
    """
    scan = _Scan(
        add_help=False,
        prefix_chars=parser.prefix_chars,
        fromfile_prefix_chars=parser.fromfile_prefix_chars,
        allow_abbrev=parser.allow_abbrev,
        argument_default=argparse.SUPPRESS,
    )
    vars(scan)["convert_arg_line_to_args"] = parser.convert_arg_line_to_args
    found = _Found(option.option_strings, "found")
    for number, action in enumerate(parser._actions):
        same_place = _Passed(action.option_strings, f"passed{number}", nargs=action.nargs)
        scan._add_action(found if action is option else same_place)
    with contextlib.suppress(_Stop, argparse.ArgumentError):
        scan.parse_known_args(list(words))
    return found.word


# --- what the command line gave ---


@dataclass
class Given:
    """What a command line gave.

    Attributes
    ----------
    actions
        The arguments that stood in it.
    parsers
        The parsers at work: the one itself, and that of each command that was called.
    """

    actions: list[argparse.Action] = field(default_factory=list)
    parsers: list[argparse.ArgumentParser] = field(default_factory=list)


@contextlib.contextmanager
def watched(parser: argparse.ArgumentParser, recorder: Recorder) -> Iterator[Given]:
    """See what a command line gives to a parser, and from which texts values are read.

    argparse calls two methods for that, one for each argument and one for each word. They are looked
    through on these instances alone and for this one call, so that parsers of commands of any class do.
    """
    given = Given(parsers=[parser])
    parsers = list(all_parsers(parser))
    for each in parsers:
        vars(each)["_get_values"] = _seeing(each._get_values, given)
        vars(each)["_get_value"] = _noting(each._get_value, recorder)
    try:
        yield given
    finally:
        for each in parsers:
            del vars(each)["_get_values"], vars(each)["_get_value"]


def _seeing(get_values: Callable[..., Any], given: Given) -> Callable[..., Any]:
    def see(action: argparse.Action, words: list[str]) -> Any:
        if action.option_strings or words:
            given.actions.append(action)
        if isinstance(action, argparse._SubParsersAction) and words and words[0] in action.choices:
            given.parsers.append(action.choices[words[0]])
        return get_values(action, words)

    return see


def _noting(get_value: Callable[..., Any], recorder: Recorder) -> Callable[..., Any]:
    def note(action: argparse.Action, text: str) -> Any:
        value = get_value(action, text)
        recorder.note(value, text)
        return value

    return note


# --- filling in ---

_WITHOUT_VALUES = (argparse._HelpAction, argparse._VersionAction)


class Filling:
    """Fills in what a command line left out.

    Parameters
    ----------
    parser
        Whose arguments they are.
    values
        What files hold.
    is_kept
        Whether an argument may be restored at all.
    key_of
        Under which key an argument of a run is recorded.
    recorder
        Knows how values are recorded.
    """

    def __init__(
        self,
        parser: argparse.ArgumentParser,
        values: Values,
        is_kept: Callable[[argparse.Action], bool],
        key_of: Callable[[str], str],
        recorder: Recorder,
    ) -> None:
        self._parser = parser
        self._values = values
        self._is_kept = is_kept
        self._key_of = key_of
        self._recorder = recorder

    @contextlib.contextmanager
    def required_no_more(self) -> Iterator[None]:
        """Let argparse do without the arguments that the files have."""
        changed: list[Any] = []
        for parser in all_parsers(self._parser):
            for action in parser._actions:
                if action.required and self._key(action) is not None:
                    changed.append(action)
            for group in parser._mutually_exclusive_groups:
                if group.required and any(self._key(action) for action in group._group_actions):
                    changed.append(group)
        for each in changed:
            each.required = False
        try:
            yield
        finally:
            for each in changed:
                each.required = True

    def fill(self, namespace: argparse.Namespace, given: Given) -> None:
        """Set what was not given on the command line.

        Raises
        ------
        argparse.ArgumentError
            A value of a file does not fit its argument; the message begins with the place.
        """
        for parser in given.parsers:  # it grows by the commands that a file names
            self._fill_one(parser, namespace, given)

    def _fill_one(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, given: Given) -> None:
        by_name: dict[str, list[argparse.Action]] = {}
        for action in parser._actions:
            by_name.setdefault(action.dest, []).append(action)
        settled = {action.dest for action in given.actions}
        for group in parser._mutually_exclusive_groups:
            if settled & {action.dest for action in group._group_actions}:
                settled |= {action.dest for action in group._group_actions}
            else:
                self._check_group(group._group_actions)
        for name, actions in by_name.items():
            key = self._key_of_any(actions)
            if name in settled or key is None:
                continue
            value, _, by_hand = self._values.of[key]
            with self._placed(key):
                commands = next(
                    (each for each in actions if isinstance(each, argparse._SubParsersAction)), None
                )
                if commands is None:
                    setattr(namespace, name, restored(parser, actions, value, self._recorder, by_hand))
                elif value is not None:
                    command = str(value)
                    parser._check_value(commands, command)
                    commands(parser, namespace, [command])
                    given.parsers.append(commands.choices[command])

    def _check_group(self, actions: Sequence[argparse.Action]) -> None:
        """Refuse a file that sets two arguments of which only one may be."""
        first: tuple[str, argparse.Action] | None = None
        for action in actions:
            key = self._key(action)
            if key is None or not self._values.of[key][2]:
                continue  # a run had what it had
            if same(self._values.of[key][0], self._recorder.record(action.default)):
                continue
            if first is None or first[1].dest == action.dest:
                first = key, action
                continue
            with self._placed(key):
                other = "/".join(first[1].option_strings) or first[1].dest
                raise argparse.ArgumentError(action, f"not allowed with argument {other}")

    def _key_of_any(self, actions: Sequence[argparse.Action]) -> str | None:
        return next((key for action in actions if (key := self._key(action)) is not None), None)

    def _key(self, action: argparse.Action) -> str | None:
        """Return the key of the files that sets an argument; None where there is none."""
        if isinstance(action, _WITHOUT_VALUES) or action.dest == argparse.SUPPRESS:
            return None
        if not self._is_kept(action):
            return None
        own = self._key_of(action.dest)
        long = [option for option in action.option_strings if len(option) > 2]
        for key in (own, action.dest, *long, *(option.lstrip(self._parser.prefix_chars) for option in long)):
            if key not in self._values.of:
                continue
            value, _, by_hand = self._values.of[key]
            # A run has recorded it under one name alone, and a secret not at all.
            if (by_hand or key == own) and value != placeholder(key):
                return key
        return None

    @contextlib.contextmanager
    def _placed(self, key: str) -> Iterator[None]:
        try:
            yield
        except argparse.ArgumentError as error:
            raise argparse.ArgumentError(None, f"{self._values.place(key)}: {error}") from None
