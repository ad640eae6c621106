"""What holds for every loader, whatever store it reads; and stores as their own tools wrote them.

The stores in ``tests/data/v1`` were made by the tools themselves (Hydra 1.3, Sacred 0.8, MLflow 3, PyTorch
and TensorBoard 2). They must always load, to the rows in ``tests/data/v1/loaders.yaml``.
"""

from __future__ import annotations

import datetime
import math
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from coolrunner.results.discovery import find_parts
from coolrunner.results.loaders import KINDS, loader_of
from coolrunner.results.logs.sources import Report
from coolrunner.results.parts import GONE, Folder, Loader, Part, Role, Row
from coolrunner.yamlio import load

GOLDEN = Path(__file__).parents[1] / "data" / "v1"
#: What a store of each kind is called, and what is in it.
STORES = {
    "log": ("logs", ["log-complete.yaml", "log-hand-written.yaml"]),
    "run": ("results", ["results"]),
    "hydra": ("hydra", ["hydra"]),
    "sacred": ("sacred", ["sacred"]),
    "mlflow": ("mlruns", ["mlruns"]),
    "tensorboard": ("tensorboard", ["tensorboard"]),
    "csv": ("table.csv", ["table.csv"]),
    "jsonl": ("rows.jsonl", ["rows.jsonl"]),
}
NAMED_ALONE = ("csv", "jsonl")
PLAIN = {dict, list, str, int, float, bool, type(None), bytes, datetime.date, datetime.datetime}


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "nothing is in it": lambda data: b"",
    "half of it": lambda data: data[: len(data) // 2],
    "all but the last byte": lambda data: data[:-1],
    "all bytes": lambda data: bytes(range(256)) * 16,
    "zeros": lambda data: bytes(4096),
    "zeros behind it": lambda data: data + bytes(4096),
    "not UTF-8": lambda data: b"\xff\xfe" + data,
    "UTF-16": lambda data: "lr: 0.1\n".encode("utf-16"),
    "lists in lists": lambda data: b"[" * 100_000,
    "objects in objects": lambda data: b'{"a":' * 100_000,
    "keys in keys": lambda data: b"".join(b" " * depth + b"a:\n" for depth in range(2_000)),
    "anchors that expand": lambda data: bomb(20).encode(),
    "a tag that runs something": lambda data: b"a: !!python/object/apply:os.mkdir [was-run]\n",
    "an object that runs something": lambda data: (
        b'{"a": {"py/reduce": [{"py/function": "os.mkdir"}, {"py/tuple": ["was-run"]}]}}'
    ),
    "a number without end": lambda data: b'{"a": ' + b"9" * 10_000 + b"}\n",
    "half a character": lambda data: b'{"a": "\\ud800", "\\udfff": 1}\n',
    "a list": lambda data: b"[1, 2]\n",
    "a number": lambda data: b"7\n",
    "the same twice": lambda data: data + data,
}
#: What can be no store of any kind; the others may be one, with other rows.
NO_TEXT = ("all bytes", "zeros", "not UTF-8")


class Store:
    """A store in a directory of its own, of which everything is read again each time."""

    def __init__(self, kind: str, place: Path) -> None:
        name, sources = STORES[kind]
        self.kind = kind
        self.path = place / name
        place.mkdir(parents=True, exist_ok=True)
        for source in sources:
            target = self.path / source if len(sources) > 1 else self.path
            target.parent.mkdir(exist_ok=True)
            if (GOLDEN / source).is_dir():
                shutil.copytree(GOLDEN / source, target, symlinks=True)
            else:
                shutil.copy(GOLDEN / source, target)

    @property
    def loader(self) -> Loader:
        return loader_of(self.kind)

    def parts(self, report: Report | None = None) -> list[Part]:
        return list(find_parts([str(self.path)], report or Report(), kinds=[self.kind]))

    def rows(self, report: Report | None = None) -> dict[str, list[Row]]:
        """Return the rows by the part that they are in."""
        report = report or Report()
        return {part.path: list(self.loader.read(part, report)) for part in self.parts(report)}

    def files(self) -> list[Path]:
        """Return the files that the first part is read from, and those beside it."""
        if self.path.is_file():
            return [self.path]
        first = Path(self.parts()[0].path)
        found = [path for path in self.path.rglob("*") if path.is_file() and not path.is_symlink()]
        return sorted(
            path for path in found if first in (path, *path.parents) or path.parent in (first.parent, first)
        )


@contextmanager
def changed(path: Path, change: Callable[[bytes], bytes]) -> Iterator[None]:
    data = path.read_bytes()
    path.write_bytes(change(data))
    yield
    path.write_bytes(data)


def same(one: Any, other: Any) -> bool:
    """Tell whether values and their types are the same; nan is itself."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other or (isinstance(one, float) and math.isnan(one) and math.isnan(other)))


def is_plain(value: Any) -> bool:
    if type(value) is dict:
        return all(is_plain(key) and is_plain(item) for key, item in value.items())
    if type(value) is list:
        return all(map(is_plain, value))
    if type(value) is str:
        value.encode()  # no halves of characters
    return type(value) in PLAIN


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind in turn."""
    found: str = request.param
    return found


@pytest.fixture
def store(kind: str, tmp_path: Path) -> Store:
    """A store of that kind."""
    return Store(kind, tmp_path / "data")


def test_every_kind_has_a_store_here() -> None:
    assert set(STORES) == set(KINDS)


def test_what_tools_have_written_has_these_rows_for_ever(store: Store) -> None:
    report = Report()
    rows = [
        {"part": part.name.removeprefix(str(store.path)), **by_role(row, part)}
        for part in store.parts(report)
        for row in store.loader.read(part, report)
    ]
    expected = load((GOLDEN / "loaders.yaml").read_text())[store.kind]
    assert same(rows, expected), rows
    assert report.broken == []


def by_role(row: Row, part: Part) -> dict[str, dict[Any, Any]]:
    found: dict[str, dict[Any, Any]] = {role.value: {} for role in Role}
    for (key, value), role in zip(row.value.items(), row.roles, strict=True):
        found[role.value][key] = value
    if found["info"].get("RUN") == part.path:
        found["info"]["RUN"] = "its directory"
    return found


def test_a_loader_knows_its_kind_and_its_version(kind: str) -> None:
    loader = loader_of(kind)
    assert loader.kind == kind
    assert type(loader.version) is int
    assert loader.version >= 1


def test_parts_say_what_and_where_they_are(store: Store) -> None:
    parts = store.parts()
    assert parts
    for part in parts:
        assert part.kind == store.kind
        assert Path(part.path).is_absolute()
        assert Path(part.path).exists()
        assert part.name.startswith(str(store.path))
        assert part.stamps
        assert any(stamp != GONE for stamp in part.stamps)
    assert len({part.path for part in parts}) == len(parts)


def test_parts_are_named_as_they_were_reached(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(store.path.parent)
    for part in find_parts([store.path.name], Report(), kinds=[store.kind]):
        assert part.name == os.path.relpath(part.path)


def test_rows_are_plain_data_with_a_role_for_each_key(store: Store) -> None:
    for rows in store.rows().values():
        for row in rows:
            assert is_plain(row.value)
            assert row.value
            assert len(row.roles) == len(row.value)
            assert all(type(role) is Role for role in row.roles)
            assert 0 <= row.start <= row.stop
        numbers = [row.number for row in rows]
        assert numbers == sorted(set(numbers))
        assert all(number >= 1 for number in numbers)


def test_the_bytes_of_a_row_are_its_text(store: Store) -> None:
    for path, rows in store.rows().items():
        for row in rows:
            if row.stop:
                text = Path(path).read_bytes()[row.start : row.stop].decode()
                assert text.strip()
                before = Path(path).read_bytes()[: row.start].decode()
                lines = before.count("\n") + len(text) - len(text.lstrip("\n")) + 1
                assert row.line in (lines, before.count("\n") + 1)


def test_finding_and_reading_again_gives_the_same(store: Store) -> None:
    assert store.parts() == store.parts()
    one, other = store.rows(), store.rows()
    assert same(one, other)
    for rows in one.values():
        for row in rows:
            row.value.clear()
    assert same(store.rows(), other)


def test_a_copy_has_the_same_rows_in_the_same_order(store: Store, tmp_path: Path) -> None:
    copy = Store(store.kind, tmp_path / "elsewhere")
    place, other = str(store.path), str(copy.path)
    assert [part.path.removeprefix(place) for part in store.parts()] == [
        part.path.removeprefix(other) for part in copy.parts()
    ]
    for mine, theirs in zip(store.rows().values(), copy.rows().values(), strict=True):
        for row, twin in zip(mine, theirs, strict=True):
            assert same({**row.value, "RUN": ""}, {**twin.value, "RUN": ""})
            assert row[1:] == twin[1:]


def test_whatever_changes_rows_changes_stamps(store: Store) -> None:
    before, stamps = store.rows(), {part.stamps for part in store.parts()}
    noticed = 0
    for path in store.files():
        for change in ("half of it", "the same twice"):
            with changed(path, DAMAGES[change]):
                if not same(store.rows(), before):
                    assert {part.stamps for part in store.parts()} != stamps, path
                    noticed += 1
    assert noticed


def test_damage_costs_no_more_than_its_own_part_and_is_told(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = store.rows()
    for path in store.files():
        for damage, change in DAMAGES.items():
            with changed(path, change):
                report = Report()
                after = store.rows(report)
                lost = [
                    part
                    for part in before
                    if Path(part) not in (path, *path.parents)
                    and len(after.get(part, ())) < len(before[part])
                ]
                shared = not any(Path(part) in (path, *path.parents) for part in before)
                assert not lost or shared, (path, damage, lost)
                for rows in after.values():
                    assert all(is_plain(row.value) for row in rows), (path, damage)
                if damage in NO_TEXT and after.keys() == before.keys() and not same(after, before):
                    assert [*report.broken, *report.foreign, *report.skipped], (path, damage)
                assert all(str(store.path) in line for line in report.broken), (path, damage)
    assert not (tmp_path / "was-run").exists()


def test_a_file_that_became_a_directory_or_went_costs_only_itself(store: Store) -> None:
    parts, before = store.parts(), store.rows()

    def read() -> None:
        for part in parts:
            list(store.loader.read(part, Report()))
        if store.path.exists():
            store.rows()

    for path in store.files():
        data = path.read_bytes()
        path.unlink()
        read()
        path.mkdir()
        read()
        path.rmdir()
        path.symlink_to("nowhere")
        read()
        path.unlink()
        path.write_bytes(data)
        assert same(store.rows(), before)


def test_what_went_between_finding_and_reading_has_no_rows(store: Store) -> None:
    parts = store.parts()
    shutil.rmtree(store.path) if store.path.is_dir() else store.path.unlink()
    for part in parts:
        assert list(store.loader.read(part, Report())) == []


def test_an_empty_directory_is_nobodys(kind: str, tmp_path: Path) -> None:
    for named in (True, False):
        assert loader_of(kind).claim(Folder(tmp_path, "x", named, {}), Report()) is None


def test_stores_beside_each_other_are_read_as_alone(tmp_path: Path) -> None:
    together = tmp_path / "data"
    stores = [Store(kind, together) for kind in KINDS]
    report = Report()
    found = [(part.kind, part.path) for part in find_parts([str(together)], report)]
    alone = [
        (part.kind, part.path) for store in stores if store.kind not in NAMED_ALONE for part in store.parts()
    ]
    assert sorted(found) == sorted(alone)
    assert report.broken == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if hasattr(loader_of(kind), "metrics")])
def test_every_step_of_metrics_can_be_read_where_the_store_has_them(store: Store) -> None:
    metrics = getattr(store.loader, "metrics")  # noqa: B009 - not all loaders have it
    met = 0
    for part in store.parts():
        rows = list(store.loader.read(part, Report()))
        last: dict[str, float] = {}
        for name, step, value, time in sorted(metrics(part, Report()), key=lambda row: row[1]):
            assert (type(name), type(step), type(value), type(time)) == (str, int, float, float)
            last[name] = value
            met += 1
        for row in rows:
            shown = {name: row.value[name] for name in last}
            assert same(shown, {name: last[name] for name in shown})
    assert met
