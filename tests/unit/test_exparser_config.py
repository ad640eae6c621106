"""``--config``: what was recorded comes back as it was, and a file by hand is read as a command line is."""

from __future__ import annotations

import argparse
import datetime
import enum
import functools
import json
import math
import operator
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coolrunner.frontends.parsing.parser import ExParser, optional
from coolrunner.frontends.parsing.values import same
from tests.exparsers import a_root

root = pytest.fixture(a_root)


class Color(enum.Enum):
    """Read by name, and recorded so."""

    RED = 1
    BLUE = 2


class Level(enum.IntEnum):
    """Numbers with names."""

    LOW = 1
    HIGH = 2


class Point:
    """Of a type that nobody knows, with a text that its type reads."""

    def __init__(self, text: str) -> None:
        self.x, self.y = map(int, text.split("x"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and (self.x, self.y) == (other.x, other.y)

    __hash__ = None  # type: ignore[assignment]


def params(args: argparse.Namespace) -> dict[str, Any]:
    """Return what ``params.yaml`` holds, as plain PyYAML reads it."""
    data: dict[str, Any] = yaml.safe_load((args.root / "params.yaml").read_text())
    return data


def config(args: argparse.Namespace) -> list[str]:
    """Return the words that restore a run."""
    return ["--config", str(args.root / "params.yaml")]


def refused(parser: ExParser, words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a refused command line prints."""
    with pytest.raises(SystemExit) as raised:
        parser.parse_args(words)
    assert raised.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "nargs", "value", "text"),
    [
        (str, None, "example", "example"),
        (str, "+", ["example", "example"], "example example"),
        (str, None, "1", "1"),
        (str, None, "yes", "yes"),
        (str, None, "None", "None"),
        (str, None, "1e3", "1e3"),
        (str, None, "2024-01-01", "2024-01-01"),
        (str, "+", ["1", "2"], "1 2"),
        (int, None, 1, "1"),
        (int, "+", [1, 2], "1 2"),
        (int, 1, [1], "1"),
        (float, None, 1.1, "1.1"),
        (float, None, 1e-05, "1e-5"),
        (float, None, math.inf, "inf"),
        (float, "*", [1.0, 2.1], "1 2.1"),
        (bool, None, True, "1"),
        (bool, "+", [True, False], "T F"),
        (optional(int), None, None, "none"),
        (optional(int), "+", [None, 2], "null 2"),
        (Path, None, Path("a/b"), "a/b"),
        (Path, "+", [Path("a"), Path("b")], "a b"),
        (operator.attrgetter("upper"), None, None, "x"),
        (Color.__getitem__, None, Color.BLUE, "BLUE"),
        (Color.__getitem__, "+", [Color.RED, Color.BLUE], "RED BLUE"),
        (lambda text: Level(int(text)), None, Level.HIGH, "2"),
        (Level.__getitem__, None, Level.HIGH, "HIGH"),
        (Fraction, None, Fraction(1, 3), "1/3"),
        (complex, None, 1 + 2j, "1+2j"),
        (re.compile, None, re.compile("a+"), "a+"),
        (Point, None, Point("3x4"), "3x4"),
        (Point, "+", [Point("3x4"), Point("1x1")], "3x4 1x1"),
        (datetime.date.fromisoformat, None, datetime.date(2024, 2, 3), "2024-02-03"),
        (datetime.datetime.fromisoformat, None, datetime.datetime(2024, 2, 3, 4, 5), "2024-02-03T04:05"),
        (lambda text: tuple(map(int, text.split(","))), None, (3, 4), "3,4"),
        (lambda text: set(text.split(",")), None, {"a", "b"}, "a,b"),
        (lambda text: f"{text}!", None, "a!", "a"),
        (yaml.safe_load, None, "1", "'1'"),
        (yaml.safe_load, None, {"a": [1, {"b": None}]}, "{a: [1, {b: null}]}"),
    ],
)
def test_exm_06_every_value_comes_back_as_it_was(
    root: Path, kind: Any, nargs: Any, value: Any, text: str
) -> None:
    if isinstance(kind, operator.attrgetter):
        kind, value = str.upper, "X"
    parser = ExParser(root=root)
    parser.add_argument("--param", nargs=nargs, type=kind)
    words = [text] if nargs is None else text.split()
    first = parser.parse_args(["--param", *words])
    assert (first.param, type(first.param)) == (value, type(value))
    second = parser.parse_args(config(first))
    assert (second.param, type(second.param)) == (value, type(value))
    assert params(second)["param"] == params(first)["param"], "what was restored is recorded alike"
    third = parser.parse_args(config(second))
    assert (third.param, third.root) == (value, third.root)
    assert len({first.root, second.root, third.root}) == 3


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc1 ", max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(value=PLAIN)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_exm_06_plain_data_of_any_shape_comes_back(root: Path, value: Any) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--param", type=json.loads)
    parser.add_argument("--free", default=value)
    first = parser.parse_args([f"--param={json.dumps(value)}"])
    other = ExParser(root=root)
    other.add_argument("--param", type=json.loads, default=0)
    other.add_argument("--free", default=Color.RED)
    second = other.parse_args(config(first))
    assert same(second.param, first.param)
    assert same(second.free, value)


def test_exm_06_defaults_that_have_no_plain_form_come_back(root: Path) -> None:
    def parser() -> ExParser:
        parser = ExParser(root=root)
        parser.add_argument("--sizes", type=int, nargs=2, default=(1, 2))
        parser.add_argument("--color", type=Color.__getitem__, default=Color.RED)
        parser.add_argument("--loss", type=lambda text: getattr(math, text), default=math.sqrt)
        parser.add_argument("--path", type=Path, default="data")
        parser.add_argument("--max", dest="pick", action="store_const", const=max, default=min)
        return parser

    first = parser().parse_args(["--max"])
    assert params(first)["loss"] == "math.sqrt"
    second = parser().parse_args(config(first))
    for name in ("sizes", "color", "loss", "path", "pick"):
        assert getattr(second, name) == getattr(first, name)
    assert second.sizes == (1, 2)
    assert second.pick is max
    assert second.path == Path("data")


def test_exm_06_the_command_line_is_above_the_file(root: Path) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--width", type=int, default=1)
    parser.add_argument("-v", action="count", default=0)
    parser.add_argument("--tag", action="append", default=["base"])
    parser.add_argument("--flag", action=argparse.BooleanOptionalAction, default=False)
    parser.add_argument("files", nargs="*")
    first = parser.parse_args("--lr 5 --width 7 -vv --tag a --flag x y")
    again = parser.parse_args([*config(first), "--lr", "0.1", "-v", "--tag", "b", "--no-flag", "z"])
    assert (again.lr, again.width, again.v, again.tag, again.flag) == (0.1, 7, 1, ["base", "b"], False)
    assert again.files == ["z"]
    again = parser.parse_args(config(first))
    assert (again.lr, again.v, again.tag, again.flag, again.files) == (
        5.0,
        2,
        ["base", "a"],
        True,
        ["x", "y"],
    )


def test_exm_06_required_arguments_are_those_of_the_file(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = ExParser(root=root)
    parser.add_argument("data")
    parser.add_argument("more", nargs="+", type=int)
    parser.add_argument("--lr", type=float, required=True)
    parser.add_argument("--new")
    either = parser.add_mutually_exclusive_group(required=True)
    either.add_argument("--a", type=int)
    either.add_argument("--b", type=int)
    first = parser.parse_args("mnist 1 2 --lr 3 --a 4")
    again = parser.parse_args(config(first))
    assert (again.data, again.more, again.lr, again.a, again.b) == ("mnist", [1, 2], 3.0, 4, None)
    again = parser.parse_args([*config(first), "--b", "5"])
    assert (again.a, again.b) == (None, 5), "one of a group takes the place of the other"
    again = parser.parse_args([*config(first), "cifar"])
    assert (again.data, again.more) == ("cifar", [1, 2])
    assert "required" in refused(parser, [], capsys), "without the file they are as required as before"
    parser._actions[-1].required = True
    parser.add_argument("--later", required=True)
    assert "arguments are required: --later" in refused(parser, config(first), capsys)


def test_exm_06_only_parameters_are_restored(root: Path) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--lr", type=float, default=0.1)
    first = parser.parse_args("--lr 1 --tmp --name mine --git-dirty")
    again = parser.parse_args(config(first))
    assert (again.lr, again.tmp, again.name, again.git_dirty) == (1.0, False, None, False)
    assert again.config_file == str(first.root / "params.yaml")
    assert again.root.parent == parser.runs
    assert params(again)["id"] == 2


def test_exm_06_unknown_keys_are_ignored(root: Path) -> None:
    old = ExParser(root=root)
    old.add_argument("--gone", default=1)
    first = old.parse_args([])
    new = ExParser(root=root)
    new.add_argument("--here", default=2)
    again = new.parse_args(config(first))
    assert again.here == 2
    assert not hasattr(again, "gone")


def test_exm_06_an_argument_is_recorded_under_its_destination(root: Path) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--arg1", dest="arg2", default="1")
    parser.add_argument("--two-words", default="1")
    first = parser.parse_args("--arg1 2 --two-words 3")
    again = parser.parse_args(config(first))
    assert (again.arg2, again.two_words) == ("2", "3")


def test_exm_06_a_link_of_the_index_serves_as_well(root: Path) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--lr", type=float)
    first = parser.parse_args("--lr 3")
    link = parser.index / f"{first.root.name}.yaml"
    for words in (["--config", str(link)], [f"--config={link}"], ["--conf", str(link)]):
        assert parser.parse_args(words).lr == 3.0


def test_exm_06_commands_are_restored_with_their_arguments(root: Path) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--seed", type=int, default=0)
    commands = parser.add_subparsers(dest="command", required=True)
    train = commands.add_parser("train")
    train.add_argument("--lr", type=float, required=True)
    train.set_defaults(function=max)
    evaluate = commands.add_parser("evaluate")
    evaluate.add_argument("--lr", type=float, default=9.0)
    evaluate.add_argument("--split", default="test")
    first = parser.parse_args("--seed 3 train --lr 2")
    again = parser.parse_args(config(first))
    assert (again.command, again.seed, again.lr, again.function) == ("train", 3, 2.0, max)
    again = parser.parse_args([*config(first), "train", "--lr", "1"])
    assert (again.command, again.seed, again.lr) == ("train", 3, 1.0)
    again = parser.parse_args([*config(first), "evaluate"])
    assert (again.command, again.lr, again.split) == ("evaluate", 2.0, "test")
    assert not hasattr(again, "function")


def test_exm_06_commands_of_another_class_are_restored_too(root: Path) -> None:
    parser = ExParser(root=root)
    commands = parser.add_subparsers(dest="command", parser_class=argparse.ArgumentParser)
    commands.add_parser("train").add_argument("--lr", type=float, required=True)
    first = parser.parse_args("train --lr 2")
    assert parser.parse_args(config(first)).lr == 2.0


@pytest.mark.parametrize("method", ["parse_args", "parse_intermixed_args", "parse_known_args"])
def test_exm_06_every_way_to_parse_restores(root: Path, method: str) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--lr", type=float, required=True)
    parser.add_argument("data", type=Path)
    first = parser.parse_args("x --lr 2")
    parse: Callable[..., Any] = getattr(parser, method)
    again = parse(config(first))
    again = again[0] if isinstance(again, tuple) else again
    assert (again.lr, again.data) == (2.0, Path("x"))


def test_a_parser_is_as_before_after_a_file_was_read(root: Path) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--lr", type=float, required=True)
    before = {name: dict(vars(action)) for name, action in enumerate(parser._actions)}
    keys = set(vars(parser))
    first = parser.parse_args("--lr 1")
    parser.parse_args(config(first))
    assert {name: dict(vars(action)) for name, action in enumerate(parser._actions)} == before
    assert set(vars(parser)) == keys


# --- EXM-13 ---


def test_exm_13_what_is_volatile_is_recorded_and_never_restored(root: Path) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--kept", default="1")
    parser.add_argument("--fresh", default="1", volatile=True)
    group = parser.add_argument_group("more")
    group.add_argument("--also", default="1", volatile=True)
    first = parser.parse_args("--kept 2 --fresh 2 --also 2")
    assert (params(first)["fresh"], params(first)["also"]) == ("2", "2")
    again = parser.parse_args(config(first))
    assert (again.kept, again.fresh, again.also) == ("2", "1", "1")


def test_exm_13_a_volatile_argument_stays_required(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--fresh", required=True, volatile=True)
    first = parser.parse_args("--fresh 2")
    assert "required: --fresh" in refused(parser, config(first), capsys)


# --- files by hand ---


def by_hand(tmp_path: Path, text: str) -> list[str]:
    """Write a file and return the words that read it."""
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return ["--config", str(path)]


def test_a_file_by_hand_is_read_as_the_command_line_is(root: Path, tmp_path: Path) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--lr", type=float)
    parser.add_argument("--big-steps", type=int)
    parser.add_argument("--name-of-it", type=str)
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("--pair", type=lambda text: tuple(map(int, text.split("-"))))
    parser.add_argument("--color", type=Color.__getitem__, choices=list(Color))
    parser.add_argument("--flag", action="store_true")
    parser.add_argument("--fast", type=bool)
    parser.add_argument("--maybe", type=optional(int), default=3)
    parser.add_argument("--tag", action="append")
    text = (
        "lr: 1\nbig-steps: '5'\nname-of-it: 7\nsizes: 3\npair: 1-5\ncolor: RED\nflag: 'on'\nfast: no\n"
        "maybe: null\ntag: a\nunknown: 1\n"
    )
    args = parser.parse_args(by_hand(tmp_path, text))
    assert (args.lr, type(args.lr), args.big_steps, args.name_of_it) == (1.0, float, 5, "7")
    assert (args.sizes, args.pair, args.color, args.flag) == ([3], (1, 5), Color.RED, True)
    assert (args.fast, args.maybe, args.tag) == (False, None, ["a"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lr: fast", "mine.yaml:1:5: argument --lr: invalid float value: 'fast'"),
        ("\nmode: slo", "mine.yaml:2:7: argument --mode: invalid choice: 'slo'"),
        ("pair: [1, 2, 3]", "mine.yaml:1:7: argument --pair: expected 2 arguments, not 3"),
        ("flag: perhaps", "mine.yaml:1:7: argument --flag: 'perhaps' is neither"),
        ("a: 1\nb: 2", "mine.yaml:2:4: argument --b: not allowed with argument --a"),
        ("command: x", "mine.yaml:1:10: argument command: invalid choice: 'x'"),
        ("lr: 1\nlr: 2", "mine.yaml:2:1: the key 'lr' is given twice"),
        ("[1]", "mine.yaml:1:1: values of arguments were expected"),
        ("lr: [", "mine.yaml:"),
        ("lr: 1\n---\nlr: 2", "mine.yaml:3"),
    ],
)
def test_a_mistake_in_a_file_is_shown_with_its_place(
    root: Path, tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--lr", type=float)
    parser.add_argument("--mode", choices=["fast", "slow"])
    parser.add_argument("--pair", type=int, nargs=2)
    parser.add_argument("--flag", action="store_true")
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--a", type=int)
    either.add_argument("--b", type=int)
    parser.add_subparsers(dest="command").add_parser("train")
    assert message in refused(parser, by_hand(tmp_path, text), capsys)
    assert parser.max_ex() == 0


def test_a_missing_file_is_named(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = ExParser(root=root)
    assert "nothing.yaml: this file does not exist" in refused(
        parser, ["--config", str(tmp_path / "nothing.yaml")], capsys
    )
    assert "argument --config: expected one argument" in refused(parser, ["--config"], capsys)


def test_an_empty_file_sets_nothing(root: Path, tmp_path: Path) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--lr", type=float, default=0.5)
    assert parser.parse_args(by_hand(tmp_path, "# nothing\n")).lr == 0.5


def test_errors_are_raised_where_a_parser_does_not_exit(root: Path, tmp_path: Path) -> None:
    parser = ExParser(root=root, exit_on_error=False)
    parser.add_argument("--lr", type=float)
    with pytest.raises(argparse.ArgumentError, match="invalid float value"):
        parser.parse_args(by_hand(tmp_path, "lr: x"))


def test_files_of_defaults_are_below_a_config_and_the_command_line(root: Path, tmp_path: Path) -> None:
    (tmp_path / "local.cfg").write_text("user: me\nlr: 1\nwidth: 1\nfresh: 1\n")
    parser = ExParser(root=root, default_config_files=[tmp_path / "*.cfg", tmp_path / "missing.yaml"])
    parser.add_argument("--user", required=True)
    parser.add_argument("--lr", type=float)
    parser.add_argument("--width", type=int)
    parser.add_argument("--fresh", type=int, volatile=True, default=0)
    args = parser.parse_args([*by_hand(tmp_path, "lr: 2\nwidth: 2"), "--width", "3"])
    assert (args.user, args.lr, args.width, args.fresh) == ("me", 2.0, 3, 0)


def test_the_option_can_have_another_name_or_none(root: Path, tmp_path: Path) -> None:
    words = by_hand(tmp_path, "lr: 2")
    parser = ExParser(root=root, args_for_setting_config_path=["-c", "--from"])
    parser.add_argument("--lr", type=float)
    assert parser.parse_args(["-c", words[1]]).lr == 2.0
    parser = ExParser(root=root, args_for_setting_config_path=[])
    parser.add_argument("--config")
    assert parser.parse_args(words).config == words[1]


def test_the_option_is_found_wherever_it_stands_and_nowhere_else(root: Path, tmp_path: Path) -> None:
    words = by_hand(tmp_path, "lr: 2")
    (tmp_path / "words").write_text("\n".join(words))

    def parser() -> ExParser:
        parser = ExParser(root=root, fromfile_prefix_chars="@")
        parser.add_argument("--lr", type=float, default=0.0)
        parser.add_argument("--constant")
        parser.add_argument("rest", nargs="*")
        return parser

    assert parser().parse_args(["a", *words, "--constant", "1"]).lr == 2.0
    assert parser().parse_args([f"@{tmp_path / 'words'}"]).lr == 2.0
    assert parser().parse_args(["--", *words]).lr == 0.0
    assert parser().parse_args(["--cons", "1"]).lr == 0.0


def test_the_parameters_of_a_run_of_run_py_are_recorded_ones(root: Path, tmp_path: Path) -> None:
    run = tmp_path / "results" / "runs" / "000001-2026-01-01-00-00-00-x"
    run.mkdir(parents=True)
    (run / "status.yaml").write_text("version: 1\nstatus: done\n")
    (run / "params.yaml").write_text("value: '1'\n")
    parser = ExParser(root=root)
    parser.add_argument("--value", type=yaml.safe_load)
    assert parser.parse_args(["--config", str(run / "params.yaml")]).value == "1"


def test_what_its_type_cannot_read_any_more_stays_a_text_and_is_named(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--color", type=Color.__getitem__)
    first = parser.parse_args("--color RED")
    (first.root / "params.yaml").write_text((first.root / "params.yaml").read_text().replace("RED", "PINK"))
    assert parser.parse_args(config(first)).color == "PINK"
    assert "warning: --color: its type does not read the recorded 'PINK'" in capsys.readouterr().err


def test_open_files_are_recorded_by_name_and_opened_again(root: Path, tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("hello")
    opened: list[Any] = []

    def reader(name: str) -> Any:
        opened.append(Path(name).open())  # noqa: SIM115  (argparse opens files so)
        return opened[-1]

    parser = ExParser(root=root)
    parser.add_argument("--data", type=reader)
    first = parser.parse_args(["--data", str(tmp_path / "data.txt")])
    assert params(first)["data"] == str(tmp_path / "data.txt")
    again = parser.parse_args(config(first))
    assert again.data.read() == "hello"
    for file in opened:
        file.close()


def test_types_that_are_partial_or_have_no_name_can_be_used(root: Path) -> None:
    parser = ExParser(root=root)
    parser.add_argument("--base", type=functools.partial(int, base=16))
    first = parser.parse_args("--base ff")
    assert params(first)["base"] == 255
    assert parser.parse_args(config(first)).base == 255


@pytest.mark.parametrize("scalar", ["float32", "int64"])
def test_numbers_of_numpy_are_numbers_in_the_file(root: Path, scalar: str) -> None:
    numpy = pytest.importorskip("numpy")
    kind = getattr(numpy, scalar)
    parser = ExParser(root=root)
    parser.add_argument("--value", type=kind)
    first = parser.parse_args("--value 3")
    assert type(params(first)["value"]) in (int, float)
    again = parser.parse_args(config(first))
    assert (again.value, type(again.value)) == (kind(3), kind)


def test_a_value_without_any_form_costs_nothing_but_itself(root: Path) -> None:
    class Thing:
        pass

    parser = ExParser(root=root)
    parser.add_argument("--lr", type=float, default=1.0)
    parser.set_defaults(thing=Thing(), nested=[Thing, {"a": Thing()}])
    args = parser.parse_args("--lr 2")
    name = f"{__name__}.{Thing.__qualname__}"
    assert params(args)["thing"] == f"<{name}>"
    assert params(args)["nested"] == [name, {"a": f"<{name}>"}]
    assert parser.parse_args(config(args)).lr == 2.0
