"""The door for argparse scripts: a parser that makes a run of what it has parsed.

The interface is that of exman (see docs/argparse-scripts.md): ``import coolrunner as exman`` is all that a
script of exman's has to change.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from argparse import ArgumentError, Namespace
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from coolrunner.errors import BadRootError, UsageError, YamlError
from coolrunner.frontends.lifetime import Lifetime
from coolrunner.frontends.origins import new_state
from coolrunner.frontends.parsing.arguments import ArgumentParser, is_volatile
from coolrunner.frontends.parsing.commands import is_command, run_command
from coolrunner.frontends.parsing.config import (
    Filling,
    Values,
    all_parsers,
    config_word,
    default_files,
    read_values,
    watched,
)
from coolrunner.frontends.parsing.git import read_git
from coolrunner.frontends.parsing.record import ADDED, automatic_mark, key_of, recorded
from coolrunner.frontends.parsing.safe import SafeExperiment
from coolrunner.frontends.parsing.types import optional
from coolrunner.frontends.parsing.values import Recorder
from coolrunner.runs.attempts import where_shown
from coolrunner.runs.layout import EXMAN
from coolrunner.runs.links import add_link, mark_parts
from coolrunner.runs.root import Root
from coolrunner.yamlio import dump

__all__ = ["ArgumentError", "ExParser", "optional", "simpleroot"]


class Validator(NamedTuple):
    """A check of all arguments, and what is said where it does not pass."""

    call: Callable[[Namespace], object]
    message: str


def simpleroot(file: str | os.PathLike[str]) -> Path:
    """Return the root for the runs of a script: ``exman`` beside it.

    Parameters
    ----------
    file
        The script, usually ``__file__``.
    """
    return Path(os.path.abspath(file)).parent / "exman"  # noqa: PTH100  (links are not to be followed)


class ExParser(ArgumentParser):
    """`argparse.ArgumentParser` that makes a run, with a directory, of the arguments that it parses.

    It adds the options ``--config FILE`` (restores the values of another run, or of any YAML file),
    ``--name``, ``--tmp`` and ``--git-dirty``. What it parses gets two attributes more: ``root``, the
    absolute path of the run's directory, and ``safe_experiment``, see `SafeExperiment`. A call of
    `parse_args`, of `parse_known_args` or of their intermixed forms makes one run each.

    Parameters
    ----------
    root
        Where the runs are: an absolute path, see `simpleroot`. Its directories are made.
    zfill
        Digits that the number of a run has at least.
    args_for_setting_config_path
        The names of the option ``--config``; none for no such option.
    default_config_files
        YAML files with values for arguments, read where they exist; ``--config`` and the command line are
        above them.
    automark
        Under which marks each run stands: a name of an argument gives two levels, its name and its value;
        any other name stands for itself. ``["user", "baseline"]`` marks with ``user/<user>/baseline``.
    git
        A path in a git repository, or True for the working directory: ``commit`` and ``dirty`` are recorded,
        and what differs from the commit is ``changes.diff`` of the run.
    git_assert_clean
        Whether to refuse to run where files differ from the commit, unless ``--git-dirty`` is given.
    args, kwargs
        As for `argparse.ArgumentParser`.

    Attributes
    ----------
    root, zfill, automark
        As given; `root` is a path.
    validators, setters
        As registered, in order.

    Raises
    ------
    BadRootError
        `root` is missing, relative, or cannot be a directory; it is a ValueError.
    BadNameError
        A name of `automark` can be no mark.
    """

    def __init__(
        self,
        *args: Any,
        root: str | os.PathLike[str] | None = None,
        zfill: int = 6,
        args_for_setting_config_path: Sequence[str] = ("--config",),
        default_config_files: Iterable[str | os.PathLike[str]] = (),
        automark: Sequence[str] = (),
        git: bool | str | os.PathLike[str] | None = None,
        git_assert_clean: bool = False,
        **kwargs: Any,
    ) -> None:
        self.zfill = zfill
        self.automark = [automark] if isinstance(automark, str) else list(automark)
        for mark in self.automark:
            mark_parts(mark)
        self.validators: list[Validator] = []
        self.setters: list[Callable[[Namespace], object]] = []
        self._runs = Root(_checked_root(root), replace(EXMAN, zfill=zfill))
        self._runs.make()
        self.root = self._runs.path
        self._git = git if git or not git_assert_clean else True
        self._git_assert_clean = git_assert_clean
        self._default_config_files = list(default_config_files)
        self._is_parsing = False
        super().__init__(*args, **kwargs)
        self._config = self._add_own(args_for_setting_config_path)

    def _add_own(self, names: Sequence[str]) -> argparse.Action | None:
        dash = "-" if "-" in self.prefix_chars else self.prefix_chars[0]
        config = None
        if names:
            names = [name if name[0] == dash else f"{dash * 2}{name.lstrip('-')}" for name in names]
            text = "restore the values of another run from its params.yaml, or take those of any YAML file"
            config = self.add_argument(*names, dest="config_file", metavar="FILE", help=text, volatile=True)
        self.add_argument(
            f"{dash * 2}tmp",
            action="store_true",
            help="only try it out: the run is in tmp/, and in no index",
            volatile=True,
        )
        text = "run although files differ from the commit"
        self.add_argument(f"{dash * 2}git-dirty", action="store_true", help=text, volatile=True)
        self.add_argument(
            f"{dash * 2}name", help="a name for the run: the end of its directory's", volatile=True
        )
        return config

    # --- where runs are ---

    @property
    def runs(self) -> Path:
        """The directory of runs."""
        return self.root / "runs"

    @property
    def index(self) -> Path:
        """The directory of links to the parameters of all runs."""
        return self.root / "index"

    @property
    def marked(self) -> Path:
        """The directory of marks, which hold such links."""
        return self.root / "marked"

    @property
    def fails(self) -> Path:
        """The directory of runs that have failed."""
        return self.root / "fails"

    @property
    def tmp(self) -> Path:
        """The directory of runs that were only tried out."""
        return self.root / "tmp"

    def num_ex(self) -> int:
        """Return how many runs there are, without those in `tmp` and `fails`."""
        return len(self._runs.runs())

    def max_ex(self) -> int:
        """Return the highest number that a run has had, 0 where there was none."""
        return self._runs.last_number()

    def next_ex(self) -> int:
        """Return the number of the next run, if nobody else begins one before."""
        return self.max_ex() + 1

    def next_ex_str(self) -> str:
        """Return the number of the next run as it begins the name of a directory."""
        return str(self.next_ex()).zfill(self.zfill)

    # --- what is done with arguments ---

    def register_validator(
        self, validator: Callable[[Namespace], object], message: str = "validation error"
    ) -> None:
        """Add a check of what was parsed, after all setters and before a run is made.

        Parameters
        ----------
        validator
            Called with the namespace; it passes where it returns True or None. Where it returns anything
            else, or raises, that is an `ArgumentError`.
        message
            Its text, formatted with the parameters: ``"lr must be positive, not {lr}"``.
        """
        if not callable(validator):
            raise TypeError(f"a validator must be callable, and {validator!r} is not")
        self.validators.append(Validator(validator, message))

    def register_setter(self, setter: Callable[[Namespace], object]) -> None:
        """Add what is called with the namespace after parsing, to change or add values in it."""
        if not callable(setter):
            raise TypeError(f"a setter must be callable, and {setter!r} is not")
        self.setters.append(setter)

    def add_subparsers(self, **kwargs: Any) -> Any:
        """Add commands, as argparse does; the runs of all of them are those of this parser."""
        kwargs.setdefault("parser_class", ArgumentParser)
        return super().add_subparsers(**kwargs)

    # --- parsing ---

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse a command line and make a run.

        Parameters
        ----------
        args
            Words, or one string that is split as a shell does; those of the process by default.
        namespace
            Takes the values; a new one by default.

        Raises
        ------
        RuntimeError
            Files differ from the commit, and that is not allowed.
        ArgumentError
            A validator does not pass.
        RunWriteError
            The disk does not take the run.
        """
        return self._parse(super().parse_args, args, namespace)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse what is known of a command line and make a run; return the namespace and the rest."""
        return self._parse(super().parse_known_args, args, namespace)

    def parse_intermixed_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse a command line with options between positional arguments, and make a run."""
        return self._parse(super().parse_intermixed_args, args, namespace)

    def parse_known_intermixed_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse what is known of a command line with options between positional arguments; make a run."""
        return self._parse(super().parse_known_intermixed_args, args, namespace)

    def _parse(self, parse: Callable[..., Any], args: Any, namespace: Any) -> Any:
        if self._is_parsing:  # argparse's ways to parse call each other
            return parse(args, namespace)
        words = _words(args)
        if is_command(self, words):
            self.exit(run_command(self._runs, self.prog, words))
        recorder = Recorder()
        self._is_parsing = True
        try:
            self._check_names()
            parsed = self._parse_and_fill(parse, words, namespace, recorder)
        finally:
            self._is_parsing = False
        self._make_run(parsed[0] if isinstance(parsed, tuple) else parsed, recorder)
        return parsed

    def _check_names(self) -> None:
        for parser in all_parsers(self):
            for action in parser._actions:
                if action.dest in ADDED:
                    name = "/".join(action.option_strings) or action.dest
                    raise UsageError(
                        f"the argument {name} would be hidden by args.{action.dest}, which a run adds: "
                        f"give it another name, as in add_argument(..., dest='{action.dest}_argument')"
                    )

    def _parse_and_fill(
        self, parse: Callable[..., Any], words: list[str], namespace: Any, recorder: Recorder
    ) -> Any:
        filling = Filling(
            self,
            self._values(words),
            lambda action: not is_volatile(action),
            partial(key_of, with_git=bool(self._git)),
            recorder,
        )
        with watched(self, recorder) as given, filling.required_no_more():
            parsed = parse(words, namespace)
            try:
                filling.fill(parsed[0] if isinstance(parsed, tuple) else parsed, given)
            except ArgumentError as error:
                self._refuse(str(error))
        return parsed

    def _values(self, words: Sequence[str]) -> Values:
        """Return what the files hold that this command line names."""
        paths: list[str | os.PathLike[str]] = [*default_files(self._default_config_files)]
        if self._config is not None:
            word = config_word(self, self._config, words)
            paths += [] if word is None else [word]
        try:
            return read_values(paths)
        except YamlError as error:
            self._refuse(str(error))

    def _refuse(self, message: str) -> NoReturn:
        if not self.exit_on_error:
            raise ArgumentError(None, message)
        self.error(message)

    # --- making a run ---

    def _make_run(self, params: Namespace, recorder: Recorder) -> None:
        repository = None
        if self._git:
            must_be_clean = self._git_assert_clean and not getattr(params, "git_dirty", False)
            repository = read_git(self._git, self.root, must_be_clean=must_be_clean)
        for setter in self.setters:
            setter(params)
        for validator in self.validators:
            _validate(validator, params)
        tmp = bool(getattr(params, "tmp", False))
        state = new_state(self._runs)
        ticket = self._runs.allocate(str(getattr(params, "name", None) or ""), tmp=tmp)
        git = None if repository is None else {"commit": repository.commit, "dirty": repository.dirty}
        files = {"changes.diff": repository.diff} if repository is not None and repository.dirty else {}
        text = dump(recorded(params, recorder, ticket, git))
        directory = self._runs.create(text, state, ticket, files=files)
        if self.automark and not tmp:
            add_link(self.root, ("marked", *automatic_mark(self.automark, params)), directory)
        sys.stderr.write(f"run {where_shown(directory.path)}\n")
        lifetime = Lifetime(directory)
        lifetime.begin()
        params.root = directory.path
        params.safe_experiment = SafeExperiment(self._runs, lifetime)


def _checked_root(root: str | os.PathLike[str] | None) -> Path:
    if root is None:
        raise BadRootError("ExParser needs a root for its runs, as in ExParser(root=simpleroot(__file__))")
    path = Path(root)
    if not path.is_absolute():
        raise BadRootError(
            f"the root of runs must be an absolute path, not {str(path)!r}: use simpleroot(__file__)"
        )
    return path


def _words(args: Any) -> list[str]:
    if args is None:
        return sys.argv[1:]
    return shlex.split(args) if isinstance(args, str) else list(args)


def _validate(validator: Validator, params: Namespace) -> None:
    cause: Exception | None = None
    try:
        answer = validator.call(params)
    except ArgumentError:
        raise
    except Exception as error:
        cause = error
    else:
        if answer is True or answer is None:
            return
    raise ArgumentError(None, _formatted(validator.message, params)) from cause


def _formatted(message: str, params: Namespace) -> str:
    try:
        return message.format(**vars(params))
    except (LookupError, ValueError, AttributeError):  # a brace that means itself
        return message
