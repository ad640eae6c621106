"""The parser that makes a run of what it parses, and that is otherwise the parser of argparse."""

from __future__ import annotations

import argparse
import copy
import os
import pickle
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from coolrunner.errors import BadNameError, UsageError
from coolrunner.frontends.parsing.parser import ArgumentError, ExParser, optional, simpleroot
from coolrunner.runs.directory import RunDirectory
from coolrunner.runs.repository import read_repository
from coolrunner.runs.status import RunStatus
from tests.exparsers import a_root, git, make_repository

root = pytest.fixture(a_root)


@pytest.fixture
def parser(root: Path) -> ExParser:
    """A parser with two arguments."""
    parser = ExParser(root=root)
    parser.add_argument("--width", default=1, type=int)
    parser.add_argument("--flag", default=True, type=bool)
    return parser


def params(args: argparse.Namespace) -> dict[str, Any]:
    """Return what ``params.yaml`` holds, as plain PyYAML reads it."""
    data: dict[str, Any] = yaml.safe_load((args.root / "params.yaml").read_text())
    return data


# --- EXM-01: the root ---


def test_exm_01_the_root_is_exman_beside_the_script(tmp_path: Path) -> None:
    assert simpleroot(tmp_path / "main.py") == tmp_path / "exman"
    assert simpleroot(str(tmp_path / "sub" / ".." / "main.py")) == tmp_path / "exman"


def test_exm_01_a_root_gets_its_directories(root: Path) -> None:
    ExParser(root=root)
    assert {"runs", "index", "tmp", "marked", "fails"} <= {path.name for path in root.iterdir()}


@pytest.mark.parametrize("root", [None, "exman", Path("some/exman")])
def test_exm_01_a_missing_or_relative_root_is_a_value_error(root: Any) -> None:
    with pytest.raises(ValueError, match=r"root=simpleroot\(__file__\)|absolute path"):
        ExParser(root=root)


def test_exm_01_a_file_is_no_root(tmp_path: Path) -> None:
    (tmp_path / "exman").write_text("")
    with pytest.raises(ValueError, match="cannot be a root of runs"):
        ExParser(root=tmp_path / "exman")


# --- EXM-02, EXM-04: names and places ---


def test_exm_02_a_run_is_named_by_its_number_its_time_and_its_name(parser: ExParser) -> None:
    first, second = parser.parse_args([]), parser.parse_args(["--name", "foo"])
    assert re.fullmatch(r"000001(-\d\d(\d\d)?)(-\d\d){5}", first.root.name)
    assert re.fullmatch(r"000002-\d{4}(-\d\d){5}-foo", second.root.name)


def test_exm_02_a_number_is_above_those_of_failed_and_tried_runs(parser: ExParser) -> None:
    tried = parser.parse_args(["--tmp"])
    failed = parser.parse_args([])
    with pytest.raises(ValueError, match="oh"), failed.safe_experiment:
        raise ValueError("oh")
    assert tried.root.name.startswith("000001-")
    assert failed.root.name.startswith("000002-")
    assert parser.parse_args([]).root.name.startswith("000003-")


def test_exm_02_the_digits_of_a_number_can_be_chosen(root: Path) -> None:
    parser = ExParser(root=root, zfill=3)
    assert parser.zfill == 3
    assert parser.parse_args([]).root.name.startswith("001-")


def test_exm_02_parsers_that_run_at_once_give_different_numbers(root: Path) -> None:
    parsers = [ExParser(root=root) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda parser: [parser.parse_args([]).root.name for _ in range(5)], parsers))
    numbers = sorted(int(name[:6]) for names in made for name in names)
    assert numbers == list(range(1, 21))


@pytest.mark.parametrize("name", ["../../evil", "a/b", "..", "a\nb", "x" * 300, "\udc80", "ünï"])
def test_a_name_never_leads_out_of_the_root(parser: ExParser, name: str) -> None:
    args = parser.parse_args(["--name", name])
    assert args.root.parent == parser.runs
    assert args.root.is_dir()
    assert RunDirectory.at(args.root).read_params()["id"] == 1


def test_exm_04_the_index_has_a_relative_link(parser: ExParser) -> None:
    args = parser.parse_args([])
    link = parser.index / f"{args.root.name}.yaml"
    assert str(link.readlink()) == f"../runs/{args.root.name}/params.yaml"
    assert yaml.safe_load(link.read_text())["width"] == 1


def test_exm_04_a_run_that_is_tried_out_is_in_no_index_and_has_no_marks(root: Path) -> None:
    parser = ExParser(root=root, automark=["fixed"])
    args = parser.parse_args(["--tmp"])
    assert args.root.parent == parser.tmp
    assert params(args)["root"] == f"tmp/{args.root.name}"
    assert not list(parser.index.iterdir())
    assert not list(parser.marked.iterdir())


# --- EXM-03: the parameters ---


def test_exm_03_all_arguments_are_recorded_in_order_and_then_the_time_and_the_id(parser: ExParser) -> None:
    args = parser.parse_args(["--width", "5", "--name", "foo"])
    data = params(args)
    assert list(data) == [*sorted(set(data) - {"time", "id"}), "time", "id"]
    assert data == {
        "config_file": None,
        "flag": True,
        "git_dirty": False,
        "name": "foo",
        "root": f"runs/{args.root.name}",
        "tmp": False,
        "width": 5,
        "time": data["time"],
        "id": 1,
    }
    text = (args.root / "params.yaml").read_text()
    assert re.search(r"^time: '\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d'$", text, re.MULTILINE)
    assert re.search(r"^id: 1$", text, re.MULTILINE)


def test_an_argument_named_like_a_fact_of_the_run_is_recorded_beside_it(root: Path) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--time", type=int, default=3)
    parser.add_argument("--id", default="x")
    args = parser.parse_args(["--time", "9"])
    assert (args.time, args.id) == (9, "x")
    assert {"time_": 9, "id_": "x", "id": 1}.items() <= params(args).items()
    again = parser.parse_args(["--config", str(args.root / "params.yaml")])
    assert (again.time, again.id) == (9, "x")


def test_an_argument_that_the_run_would_hide_is_refused_with_a_way_out(root: Path) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--root", default="data")
    with pytest.raises(UsageError, match=r"--root would be hidden by args.root.*dest='root_argument'"):
        parser.parse_args([])
    parser = ExParser(root=root)
    parser.add_argument("--root", default="data", dest="root_argument")
    assert parser.parse_args([]).root_argument == "data"


def test_the_value_of_a_secret_is_not_recorded(root: Path) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--api-key")
    args = parser.parse_args(["--api-key", "abc123"])
    assert args.api_key == "abc123"
    assert params(args)["api_key"] == "<api_key left out>"
    assert parser.parse_args(["--config", str(args.root / "params.yaml")]).api_key is None


# --- EXM-05: what parser and namespace have ---


def test_exm_05_the_namespace_has_the_absolute_root_and_the_experiment(parser: ExParser) -> None:
    args = parser.parse_args([])
    assert isinstance(args.root, Path)
    assert args.root.is_absolute()
    assert args.root.is_dir()
    assert args.safe_experiment.run == args.root


def test_exm_05_the_parser_knows_its_places(parser: ExParser, root: Path) -> None:
    assert parser.root == root
    assert parser.zfill == 6
    for name in ("runs", "index", "marked", "fails", "tmp"):
        assert getattr(parser, name) == root / name


def test_exm_05_the_parser_counts(parser: ExParser) -> None:
    assert (parser.num_ex(), parser.max_ex(), parser.next_ex()) == (0, 0, 1)
    parser.parse_args([])
    assert (parser.num_ex(), parser.max_ex(), parser.next_ex()) == (1, 1, 2)
    parser.parse_args(["--tmp"])
    assert (parser.num_ex(), parser.max_ex(), parser.next_ex()) == (1, 2, 3)
    assert parser.next_ex_str() == "000003"


def test_exm_05_one_string_is_split_as_a_shell_does(root: Path) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--note")
    assert parser.parse_args("--note 'two words' --name x").note == "two words"


def test_the_run_has_a_status_with_where_it_comes_from(parser: ExParser) -> None:
    args = parser.parse_args([])
    state = RunDirectory.at(args.root).read_state()
    assert (state.status, state.id, state.kind, state.pid) == (RunStatus.RUNNING, 1, "exman", os.getpid())
    assert len(state.provenance) == 64
    assert len(state.sources) == 64


def test_arguments_can_be_copied_and_sent_to_other_processes(parser: ExParser) -> None:
    args = parser.parse_args(["--width", "3"])
    for other in (copy.deepcopy(args), pickle.loads(pickle.dumps(args))):
        assert (other.width, other.root) == (3, args.root)
        assert other.safe_experiment.run == args.root


# --- EXM-10: deleting; EXM-09: marking, through the parser ---


def command(parser: ExParser, text: str) -> int:
    """Call the script with a command; return the exit status."""
    with pytest.raises(SystemExit) as raised:
        parser.parse_args(text)
    return int(raised.value.code or 0)


@pytest.mark.parametrize("mark", ["new", "new/21", "a/a/a/a"])
def test_exm_09_the_script_marks_runs(
    parser: ExParser, mark: str, capsys: pytest.CaptureFixture[str]
) -> None:
    args = parser.parse_args([])
    assert command(parser, f"mark {mark} 1 2") == 0
    link = parser.marked / mark / f"{args.root.name}.yaml"
    assert str(link.readlink()) == f"{'../' * (len(mark.split('/')) + 1)}runs/{args.root.name}/params.yaml"
    assert link.exists()
    captured = capsys.readouterr()
    assert "runs {2} were not found" in captured.err
    assert "not found" not in captured.out
    assert parser.num_ex() == 1


def test_exm_09_marks_that_lead_elsewhere_are_refused(
    parser: ExParser, capsys: pytest.CaptureFixture[str]
) -> None:
    parser.parse_args([])
    for mark in ("../x", "/etc", "a//b", ".", "a/.."):
        assert command(parser, f"mark {mark} 1") == 2
        assert "mark" in capsys.readouterr().err
    assert command(parser, "mark key") == 2
    assert "usage:" in capsys.readouterr().err
    assert not list(parser.marked.iterdir())


def test_exm_09_the_script_takes_marks_away(parser: ExParser) -> None:
    parser.parse_args([])
    parser.parse_args([])
    command(parser, "mark good 1 2")
    assert command(parser, "unmark good 1") == 0
    assert [link.name[:6] for link in (parser.marked / "good").iterdir()] == ["000002"]


def test_exm_10_a_run_is_deleted_from_the_index_alone_or_with_its_directory(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = ExParser(root=root, automark=["all"])
    first, second = parser.parse_args([]), parser.parse_args([])
    for args in (first, second):
        with args.safe_experiment:
            pass
    assert command(parser, "delete 1 7") == 0
    assert "runs {7} were not found" in capsys.readouterr().err
    assert first.root.is_dir()
    assert [link.name[:6] for link in parser.index.iterdir()] == ["000002"]
    assert command(parser, "delete 2 --all") == 0
    assert not second.root.exists()
    assert not list(parser.index.iterdir())
    assert all(link.exists() for link in parser.marked.rglob("*.yaml"))
    assert parser.next_ex() == 3


def test_a_word_of_the_script_itself_is_no_command(root: Path) -> None:
    parser = ExParser(root=root)
    parser.add_argument("task", nargs="?")
    parser.add_argument("rest", nargs="*")
    assert parser.parse_args(["mark", "x", "y"]).task == "mark"
    parser = ExParser(root=root)
    commands = parser.add_subparsers(dest="task")
    commands.add_parser("mark").add_argument("what", nargs="+")
    assert parser.parse_args(["mark", "key", "1"]).what == ["key", "1"]
    parser = ExParser(root=root)
    parser.add_argument("data", nargs="?")
    assert command(parser, "mark key 1") == 0


# --- EXM-11: types ---


@pytest.mark.parametrize(
    ("texts", "value"),
    [("true t yes y on 1 True YES On", True), ("false f no n off 0 False NO Off", False)],
)
def test_exm_11_truth_values_have_many_words(root: Path, texts: str, value: bool) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--flag", type=bool)
    for text in texts.split():
        assert parser.parse_args(["--flag", text]).flag is value


def test_exm_11_another_word_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--flag", type=bool)
    assert command(parser, "--flag maybe") == 2
    assert "argument --flag: 'maybe' is neither true/t/yes/y/on/1 nor" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (int, "2", 2),
        (int, "none", None),
        (int, "NULL", None),
        (str, "None", None),
        (bool, "no", False),
        (float, "nan2", SystemExit),
    ],
)
def test_exm_11_an_optional_type_reads_none(root: Path, kind: Any, text: str, value: Any) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--value", type=optional(kind))
    if value is SystemExit:
        assert command(parser, f"--value {text}") == 2
    else:
        assert parser.parse_args(["--value", text]).value is value or value == 2


# --- EXM-12: setters and validators ---


def test_exm_12_a_validator_passes_on_true_and_none_alone(root: Path) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--word")
    answers = {"a": True, "b": None, "c": False, "d": "no", "e": 1}
    parser.register_validator(lambda params: answers[params.word], "not {word}, said {tmp}")
    for word in ("a", "b"):
        assert parser.parse_args(["--word", word]).word == word
    for word in ("c", "d", "e", "f"):
        with pytest.raises(argparse.ArgumentError, match=f"not {word}, said False"):
            parser.parse_args(["--word", word])
    assert ArgumentError is argparse.ArgumentError
    assert parser.num_ex() == 2, "what does not pass makes no run"
    assert parser.max_ex() == 2


def test_exm_12_an_error_of_the_validator_itself_goes_through(root: Path) -> None:
    parser = ExParser(root=root)

    def validator(params: argparse.Namespace) -> None:
        raise ArgumentError(None, "mine")

    parser.register_validator(validator, "not this one")
    with pytest.raises(ArgumentError, match="mine"):
        parser.parse_args([])


def test_exm_12_a_message_may_have_braces_of_its_own(root: Path) -> None:
    parser = ExParser(root=root)
    parser.register_validator(lambda params: False, "expected {a: 1}, or {}")
    with pytest.raises(ArgumentError, match=re.escape("expected {a: 1}, or {}")):
        parser.parse_args([])


def test_exm_12_setters_come_before_validators_and_what_they_set_is_recorded(root: Path) -> None:
    parser = ExParser(root=root, automark=["made"])
    parser.register_validator(lambda params: params.made == 2, "made is {made}")
    parser.register_setter(lambda params: vars(params).update(made=1))
    parser.register_setter(lambda params: vars(params).update(made=params.made + 1))
    args = parser.parse_args([])
    assert args.made == 2
    assert params(args)["made"] == 2
    assert (parser.marked / "made" / "2" / f"{args.root.name}.yaml").exists()


def test_exm_12_only_callables_are_registered(root: Path) -> None:
    parser = ExParser(root=root)
    for register in (parser.register_validator, parser.register_setter):
        with pytest.raises(TypeError, match="must be callable"):
            register("no")  # type: ignore[operator]


# --- EXM-14: git ---


def test_exm_14_commit_and_changes_are_recorded(root: Path, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "code")
    parser = ExParser(root=root, git=repository)
    clean = parser.parse_args([])
    assert params(clean)["commit"] == git(repository, "rev-parse", "HEAD")
    assert params(clean)["dirty"] is False
    assert not (clean.root / "changes.diff").exists()
    (repository / "code.py").write_text("changed = 1\n")
    dirty = parser.parse_args([])
    assert params(dirty)["dirty"] is True
    assert "+changed = 1" in (dirty.root / "changes.diff").read_text()


def test_exm_14_true_is_the_working_directory(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = make_repository(tmp_path / "code")
    monkeypatch.chdir(repository)
    args = ExParser(root=root, git=True).parse_args([])
    assert params(args)["commit"] == read_repository(repository).commit


def test_exm_14_changes_are_refused_before_setters_unless_they_are_allowed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = make_repository(tmp_path / "code")
    (repository / "code.py").write_text("changed = 1\n")
    monkeypatch.chdir(repository)
    parser = ExParser(root=root, git_assert_clean=True)
    called = []
    parser.register_setter(called.append)
    with pytest.raises(RuntimeError, match="dirty"):
        parser.parse_args([])
    assert not called
    assert parser.max_ex() == 0
    args = parser.parse_args(["--git-dirty"])
    assert params(args)["dirty"] is True
    git(repository, "checkout", "code.py")
    (repository / "new.py").write_text("")
    assert params(parser.parse_args([]))["dirty"] is False


def test_exm_14_what_is_no_repository_is_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"git does not tell of .*no git repository"):
        ExParser(root=root, git=tmp_path).parse_args([])


# --- EXM-15: marks by themselves ---


def test_exm_15_arguments_and_constants_become_nested_marks(root: Path) -> None:
    parser = ExParser(root=root, automark=["width", "constant", "flag"])
    parser.add_argument("--width", default=1, type=int)
    parser.add_argument("--flag", default=True, type=bool)
    args = parser.parse_args("--width 10 --flag no")
    link = parser.marked / "width" / "10" / "constant" / "flag" / "False" / f"{args.root.name}.yaml"
    assert str(link.readlink()) == f"{'../' * 6}runs/{args.root.name}/params.yaml"
    assert link.exists()


@pytest.mark.parametrize("value", ["a/b", "../../..", "..", ".", "", "x" * 300, "a\nb", "/etc"])
def test_exm_15_a_value_is_one_level_whatever_is_in_it(root: Path, value: str) -> None:
    parser = ExParser(root=root, automark=["user"])
    parser.add_argument("--user")
    parser.parse_args([f"--user={value}"])
    (level,) = (parser.marked / "user").iterdir()
    (link,) = level.iterdir()
    assert link.exists()
    assert {path.name for path in root.parent.iterdir()} == {"exman"}


def test_exm_15_a_constant_that_leads_elsewhere_is_refused(root: Path) -> None:
    with pytest.raises(BadNameError):
        ExParser(root=root, automark=["../x"])


# --- in place of argparse ---


def test_groups_and_exclusive_ones_are_those_of_argparse(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = ExParser(root=root)
    group = parser.add_argument_group("training", "how to train")
    group.add_argument("--lr", type=float, default=0.1, volatile=True)
    either = parser.add_mutually_exclusive_group(required=True)
    either.add_argument("--a", action="store_true")
    either.add_argument("--b", action="store_true")
    inner = group.add_mutually_exclusive_group()
    inner.add_argument("--c", action="store_true", volatile=True)
    inner.add_argument("--d", action="store_true")
    assert parser.parse_args(["--a", "--lr", "3"]).lr == 3.0
    assert "how to train" in parser.format_help()
    assert command(parser, "") == 2
    assert "one of the arguments --a --b is required" in capsys.readouterr().err
    assert command(parser, "--a --b") == 2
    assert "argument --b: not allowed with argument --a" in capsys.readouterr().err
    assert command(parser, "--a --c --d") == 2
    assert "argument --d: not allowed with argument --c" in capsys.readouterr().err


def test_commands_with_arguments_and_defaults_of_their_own(root: Path) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--seed", type=int, default=0)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train", aliases=["t"])
    train.add_argument("--lr", type=float, default=0.1)
    train.add_argument("--fast", type=bool, default=False)
    train.set_defaults(function=command)
    args = parser.parse_args(["--seed", "3", "train", "--lr", "1", "--fast", "yes"])
    assert (args.command, args.lr, args.fast, args.seed, args.function) == ("train", 1.0, True, 3, command)
    data = params(args)
    assert (data["command"], data["lr"], data["seed"]) == ("train", 1.0, 3)
    assert data["function"] == f"{__name__}.command"


def test_what_is_not_known_is_given_back(root: Path) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--lr", type=float)
    args, rest = parser.parse_known_args(["--lr", "1", "--other", "x"])
    assert (args.lr, rest) == (1.0, ["--other", "x"])
    assert args.root.is_dir()
    assert parser.num_ex() == 1


def test_options_may_stand_between_positional_arguments(root: Path) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--lr", type=float)
    parser.add_argument("first")
    parser.add_argument("rest", nargs="*")
    args = parser.parse_intermixed_args(["a", "--lr", "1", "b", "c"])
    assert (args.first, args.rest, args.lr) == ("a", ["b", "c"], 1.0)
    assert parser.num_ex() == 1
    args, unknown = parser.parse_known_intermixed_args(["a", "b", "--what"])
    assert (args.first, args.rest, unknown) == ("a", ["b"], ["--what"])
    assert parser.num_ex() == 2


def test_defaults_choices_numbers_of_words_and_files_of_arguments(root: Path, tmp_path: Path) -> None:
    (tmp_path / "more.txt").write_text("--mode\nslow\n--sizes\n3\n4\n")
    parser = ExParser(root=root, fromfile_prefix_chars="@")
    parser.add_argument("--mode", choices=["fast", "slow"])
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("-v", action="count", default=0)
    parser.add_argument("--tag", action="append")
    parser.set_defaults(mode="fast", extra=[1, 2])
    args = parser.parse_args([f"@{tmp_path / 'more.txt'}", "-vv", "--tag", "a", "--tag", "b"])
    assert (args.mode, args.sizes, args.v, args.tag, args.extra) == ("slow", [3, 4], 2, ["a", "b"], [1, 2])
    assert params(args)["extra"] == [1, 2]


def test_arguments_come_from_parents_and_from_a_namespace(root: Path) -> None:
    parent = argparse.ArgumentParser(add_help=False)
    parent.add_argument("--seed", type=int, default=1)
    parser = ExParser(root=root, parents=[parent])
    given = argparse.Namespace(kept=5)
    args = parser.parse_args([], given)
    assert args is given
    assert (args.seed, args.kept, params(args)["kept"]) == (1, 5, 5)


def test_the_command_line_of_the_process_is_the_default(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["main.py", "--name", "mine"])
    assert ExParser(root=root).parse_args().name == "mine"


def test_a_wrong_command_line_makes_no_run(parser: ExParser, capsys: pytest.CaptureFixture[str]) -> None:
    for text in ("--width x", "--unknown", "--help"):
        command(parser, text)
    assert parser.max_ex() == 0
    assert "invalid int value: 'x'" in capsys.readouterr().err


def test_other_prefixes_have_options_of_their_own(root: Path) -> None:
    parser = ExParser(root=root, prefix_chars="+")
    assert parser.parse_args(["++name", "x"]).name == "x"
