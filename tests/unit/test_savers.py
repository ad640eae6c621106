"""Objects to files and back: plain data, arrays, mixes of both, and savers of one's own."""

from __future__ import annotations

import datetime
import enum
import json
import math
import pickle
import random
import subprocess
import sys
import zipfile
from collections import OrderedDict, namedtuple
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from coolrunner.errors import RunError, UserError
from coolrunner.experiment import freeze
from coolrunner.runs.savers import SAVERS, Savers, load, save, saver_of

np = pytest.importorskip("numpy", reason="numpy comes with the extra [frame]")


class Own:
    """A type that nobody knows."""

    def __init__(self, number: int = 1) -> None:
        self.number = number


def round_trip(obj: Any, path: Path, **options: Any) -> Any:
    return load(save(obj, path, **options), **options)


# --- plain data ---


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        2.5,
        10**30,
        [],
        {},
        (),
        [1, [2, [3]]],
        (1, "a", (None,)),
        {"a": (1, 2), "b": [(3,)]},
        {0: "Brussels", 1: "Paris"},
        {1: {2: {None: True}}, "x": {(1, 2): 3}},
        {1, 2, 3},
        frozenset({"a", "b"}),
        {"s": set(), "mixed": {1, "a"}},
        float("inf"),
        [1.5, float("-inf")],
        1 + 2j,
        {"raw": b"\x00\xff", "array": bytearray(b"ab")},
        datetime.datetime(2026, 11, 21, 6, 23, 29, 5, datetime.timezone.utc),
        [datetime.date(2026, 11, 21), datetime.time(6, 23), datetime.timedelta(-1, 3, 5)],
        {"cost": Decimal("0.10"), "data": Path("data/a.txt")},
        {"!tuple": [1]},
        {"!": 1, "!map": [[1, 2]]},
        {"": 0, "ключ": "значение"},
        random.Random(0).getstate(),
    ],
    ids=repr,
)
@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_plain_data_comes_back_with_its_types(value: Any, suffix: str, tmp_path: Path) -> None:
    found = round_trip(value, tmp_path / f"x{suffix}")
    assert found == value
    assert repr(found) == repr(value) or isinstance(value, (set, frozenset, dict))


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_nan_comes_back_and_the_file_is_strict(suffix: str, tmp_path: Path) -> None:
    path = save({"a": [math.nan, 1.0]}, tmp_path / f"x{suffix}")
    assert math.isnan(load(path)["a"][0])
    assert "NaN" not in path.read_text()


def test_half_a_character_is_in_json_and_cannot_be_in_yaml(tmp_path: Path) -> None:
    assert round_trip(["\udc80"], tmp_path / "x.json") == ["\udc80"]
    with pytest.raises(TypeError, match="YAML cannot hold"):
        save(["\udc80"], tmp_path / "x.yaml")


def test_a_plain_configuration_is_json_that_anybody_reads(tmp_path: Path) -> None:
    config = {"lr": 0.1, "layers": [1, 2], "name": "é", "nested": {"a": None}}
    path = save(config, tmp_path / "config")
    assert path == tmp_path / "config.json"
    assert json.loads(path.read_text("utf-8")) == config
    assert path.read_text("utf-8").splitlines()[1] == '  "lr": 0.1,'


def test_a_name_with_yaml_gets_yaml(tmp_path: Path) -> None:
    path = save({"towns": {0: "Brussels"}, "lr": 1e-3}, tmp_path / "config.yml")
    assert yaml.safe_load(path.read_text()) == {"towns": {0: "Brussels"}, "lr": 1e-3}
    assert load(save([1, {"a": "1e-3"}], tmp_path / "list.yaml")) == [1, {"a": "1e-3"}]


class Colour(enum.IntEnum):
    """An enumeration of numbers."""

    RED = 1


Point = namedtuple("Point", "x y")


def test_types_derived_from_pythons_own_come_back_as_those(tmp_path: Path) -> None:
    value = {"point": Point(1, 2), "order": OrderedDict(b=1, a=2), "colour": Colour.RED}
    found = round_trip(value, tmp_path / "x")
    assert found == {"point": (1, 2), "order": {"b": 1, "a": 2}, "colour": 1}
    assert [type(item) for item in found.values()] == [tuple, dict, int]
    assert round_trip(freeze({"a": [{"b": 1}]}), tmp_path / "frozen") == {"a": [{"b": 1}]}


@pytest.mark.parametrize("text", ["", "line\nline\r\n", "\ufeffmark", "é\udc80\ud800", "null"])
def test_text_comes_back_to_the_letter(text: str, tmp_path: Path) -> None:
    path = save(text, tmp_path / "notes")
    assert path.name == "notes.txt"
    assert load(path) == text


def test_text_that_is_not_utf_8_is_read_as_names_of_files_are(tmp_path: Path) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes("é".encode("latin-1"))
    assert load(path) == "\udce9"


def test_text_keeps_a_suffix_that_is_one_of_text(tmp_path: Path) -> None:
    assert save("# Title", tmp_path / "report.md").name == "report.md"
    assert save("text", tmp_path / "model.v2").name == "model.v2.txt"
    assert load(save('{"a": 1}', tmp_path / "a.json")) == {"a": 1}


@pytest.mark.parametrize("data", [b"", b"\x00\r\n\xff", bytearray(b"ab"), memoryview(b"ab")])
def test_bytes_come_back(data: Any, tmp_path: Path) -> None:
    path = save(data, tmp_path / "raw")
    assert path.name == "raw.bin"
    assert load(path) == bytes(data)
    assert save(data, tmp_path / "page.PDF").name == "page.PDF"


def test_a_path_is_copied(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "net.onnx").write_bytes(b"net")
    copy = save(source / "net.onnx", tmp_path / "best")
    assert copy.name == "best.onnx"
    assert copy.read_bytes() == b"net"
    assert load(copy) == copy
    assert (save(source, tmp_path / "all") / "net.onnx").read_bytes() == b"net"


def test_a_copied_file_of_a_known_kind_is_read(tmp_path: Path) -> None:
    (tmp_path / "given.json").write_text("[1, NaN]")
    assert load(save(tmp_path / "given.json", tmp_path / "x"))[0] == 1


def test_what_is_not_there_cannot_be_copied_nor_a_directory_into_itself(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no file .*gone"):
        save(tmp_path / "gone", tmp_path / "x")
    with pytest.raises(RunError, match="into itself"):
        save(tmp_path, tmp_path / "x")


# --- arrays, and mixes ---


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.ones((2, 3), np.float32)),
        np.array(5.0),
        np.zeros((0, 3), np.int8),
        np.array(["a", "bcd"]),
        np.array(["2026-11-21", "NaT"], "datetime64[ns]"),
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
        np.array([1 + 2j]),
    ],
    ids=str,
)
def test_an_array_is_an_npy(array: Any, tmp_path: Path) -> None:
    path = save(array, tmp_path / "x")
    assert path.name == "x.npy"
    for found in (load(path), np.load(path), round_trip({"in": [array]}, tmp_path / "tree")["in"][0]):
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


def test_an_array_of_objects_is_kept_without_a_pickle(tmp_path: Path) -> None:
    array = np.array([["a", None], [(1, 2), np.arange(2)]], dtype=object)
    path = save(array, tmp_path / "x")
    assert path.name == "x.npz"
    found = load(path)
    assert found.dtype == object
    assert found.shape == (2, 2)
    assert found[1, 0] == (1, 2)
    assert found[1, 1].tolist() == [0, 1]


def test_a_masked_array_keeps_its_mask(tmp_path: Path) -> None:
    array = np.ma.MaskedArray([1.0, 2.0], mask=[True, False], fill_value=-1.0)
    found = round_trip(array, tmp_path / "x")
    assert found.mask.tolist() == [True, False]
    assert found.fill_value == -1.0
    assert found[1] == 2.0


def test_numbers_of_numpy_become_pythons_in_a_mapping(tmp_path: Path) -> None:
    path = save(
        {"acc": np.float32(0.5), "n": np.int64(3), "ok": np.bool_(True), np.str_("k"): 1}, tmp_path / "x"
    )
    assert path.name == "x.json"
    found = load(path)
    assert found == {"acc": 0.5, "n": 3, "ok": True, "k": 1}
    assert [type(value) for value in found.values()] == [float, int, bool, int]


@pytest.mark.parametrize(
    "scalar", [np.datetime64("2026-11-21T00:00:00", "ns"), np.longdouble("0.1")], ids=repr
)
def test_numbers_that_python_does_not_have_stay_numpys(scalar: Any, tmp_path: Path) -> None:
    found = round_trip([scalar], tmp_path / "x")[0]
    assert found == scalar
    assert type(found) is type(scalar)


def test_a_state_of_a_training_comes_back_as_it_was(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    state = {
        "epoch": 3,
        "model": {"w": np.eye(2), "b": [np.zeros(1), (np.ones(1), None)]},
        "rng": generator.bit_generator.state,
        "legacy": np.random.RandomState(1).get_state(),
        "python": random.Random(1).getstate(),
        1: "one",
    }
    path = save(state, tmp_path / "state")
    assert path.name == "state.npz"
    found = load(path)
    assert list(found) == list(state)
    np.testing.assert_array_equal(found["model"]["w"], np.eye(2))
    assert type(found["model"]["b"][1]) is tuple
    assert found["python"] == state["python"]
    other = np.random.default_rng(2)
    other.bit_generator.state = found["rng"]
    assert other.random() == generator.random()
    np.random.RandomState().set_state(found["legacy"])


def test_an_npz_is_read_by_numpy_under_the_names_of_the_tree(tmp_path: Path) -> None:
    path = save({"model": {"w": np.eye(2)}, "list": [np.zeros(1)], "a/../b": np.ones(1)}, tmp_path / "x")
    with np.load(path) as archive:
        assert {"model/w", "list/0"} <= set(archive.files)
        np.testing.assert_array_equal(archive["model/w"], np.eye(2))
    with zipfile.ZipFile(path) as archive:
        assert not [name for name in archive.namelist() if ".." in name.split("/")]


def test_an_npz_of_somebody_else_is_a_mapping_of_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.arange(2), b=np.ones(1))
    assert {name: array.tolist() for name, array in load(tmp_path / "x.npz").items()} == {
        "a": [0, 1],
        "b": [1.0],
    }


def test_an_array_that_stands_in_two_places_is_kept_once(tmp_path: Path) -> None:
    array = np.zeros(1000)
    path = save({"a": array, "b": [array]}, tmp_path / "x")
    assert path.stat().st_size < 2 * array.nbytes
    found = load(path)
    assert found["a"] is found["b"][0]


def test_names_that_differ_in_strange_characters_alone_do_not_collide(tmp_path: Path) -> None:
    found = round_trip({"a?": np.zeros(1), "a!": np.ones(1), "": np.ones(2)}, tmp_path / "x")
    assert [array.tolist() for array in found.values()] == [[0.0], [1.0], [1.0, 1.0]]


def test_objects_that_arrays_hold_are_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([Own()], dtype=object), allow_pickle=True)
    with pytest.raises(RunError, match=r"x\.npy cannot be read"):
        load(tmp_path / "x.npy")
    np.savez(tmp_path / "x.npz", a=np.array([Own()], dtype=object))
    with pytest.raises(RunError, match=r"x\.npz cannot be read"):
        load(tmp_path / "x.npz")
    assert load(tmp_path / "x.npy", pickle=True)[0].number == 1


# --- what nothing is known of ---


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (Own(), "type .*Own cannot be saved"),
        ({"a": [1, Own()]}, r"a\.1"),
        (np.array([Own()]), "Own"),
        ({"f": len}, "builtin_function_or_method"),
    ],
)
def test_an_unknown_type_is_an_error_that_says_how_to_go_on(value: Any, place: str) -> None:
    with pytest.raises(TypeError, match=place) as caught:
        saver_of(value)
    assert "add_saver" in str(caught.value)
    assert "pickle=True" in str(caught.value)


def test_what_is_wrong_with_a_type_is_said_once() -> None:
    with pytest.raises(TypeError) as caught:
        saver_of(len)
    expected = "a value of type builtin_function_or_method cannot be saved: add a saver for it (add_saver), "
    assert str(caught.value) == f"{expected}or allow pickle=True"


def test_data_within_itself_is_an_error() -> None:
    inner: list[Any] = []
    inner.append({"a": inner})
    with pytest.raises(TypeError, match="in itself"):
        saver_of(inner)


def test_a_pickle_is_written_and_read_only_where_that_is_said(tmp_path: Path) -> None:
    path = save({"own": Own(7)}, tmp_path / "x", pickle=True)
    assert path.name == "x.pkl"
    with pytest.raises(RunError, match=r"pickle=True"):
        load(path)
    assert load(path, pickle=True)["own"].number == 7
    assert save([1], tmp_path / "plain", pickle=True).name == "plain.json"


def test_what_cannot_even_be_pickled_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        save(lambda: 0, tmp_path / "x", pickle=True)


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('it ran')",))


@pytest.mark.parametrize("suffix", [".json", ".yaml", ".txt", ".npy", ".npz", ".png", ".csv", ".pkl", ".bin"])
def test_no_file_runs_code_when_it_is_read(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(pickle.dumps(Trap()))
    try:
        load(path)
    except RunError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("x.json", "{"),
        ("x.json", '{"!array": "a"}'),
        ("x.json", '{"!timedelta": "soon"}'),
        ("x.yaml", "a: [1"),
        ("x.npz", "no zip"),
        ("x.npy", "no array"),
    ],
)
def test_a_broken_file_is_named(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(RunError, match=name):
        load(tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no file .*gone\.json"):
        load(tmp_path / "gone.json")


def test_a_tree_of_a_later_version_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("tree.json", '{"version": 2, "tree": {}}')
    with pytest.raises(RunError, match="later version"):
        load(tmp_path / "x.npz")


def test_a_tag_that_is_not_known_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"!reference": [1, {"!tuple": [2]}]}')
    assert load(tmp_path / "x.json") == {"!reference": [1, (2,)]}


# --- savers of one's own ---


@pytest.fixture
def savers() -> Savers:
    return Savers()


def write_own(own: Own, path: Path) -> None:
    path.write_text(str(own.number))


def read_own(path: Path) -> Own:
    return Own(int(path.read_text()))


@pytest.mark.parametrize("kind", [Own, f"{__name__}.Own"])
def test_a_saver_is_added_for_a_class_or_for_its_name(kind: Any, savers: Savers, tmp_path: Path) -> None:
    savers.add(kind, write_own, read_own, ".own")
    path = savers.save(Own(3), tmp_path / "x")
    assert path.name == "x.own"
    assert savers.load(path).number == 3


def test_it_holds_for_derived_classes_and_within_other_data(savers: Savers, tmp_path: Path) -> None:
    class Derived(Own):
        pass

    savers.add(Own, write_own, read_own)
    path = savers.save({"own": [Derived(4), np.ones(1)]}, tmp_path / "x")
    assert path.name == "x.npz"
    assert savers.load(path)["own"][0].number == 4
    with pytest.raises(RunError, match="add_saver"):
        Savers().load(path)


def test_one_without_a_loader_gives_the_path(savers: Savers, tmp_path: Path) -> None:
    savers.add(Own, write_own)
    path = savers.save(Own(3), tmp_path / "x")
    assert path.name == "x.own"
    assert savers.load(path) == path
    assert Savers().load(path) == path


def test_the_last_one_added_wins_also_over_those_that_are_there(savers: Savers, tmp_path: Path) -> None:
    savers.add("numpy.ndarray", lambda array, path: path.write_text("first"), suffix=".first")
    savers.add(np.ndarray, lambda array, path: np.savetxt(path, array), np.loadtxt, ".dat")
    path = savers.save(np.arange(2), tmp_path / "x")
    assert path.name == "x.dat"
    assert savers.load(path).tolist() == [0, 1]


def test_what_a_saver_of_ones_own_raises_is_not_changed(savers: Savers, tmp_path: Path) -> None:
    savers.add(Own, lambda own, path: None, lambda path: 1 / 0, ".own")
    (tmp_path / "x.own").touch()
    with pytest.raises(ZeroDivisionError):
        savers.load(tmp_path / "x.own")


@pytest.mark.parametrize("suffix", ["own", ".", ".a/b", ". "])
def test_a_suffix_has_to_be_one(suffix: str, savers: Savers) -> None:
    with pytest.raises(UserError, match="suffix"):
        savers.add(Own, write_own, suffix=suffix)


# --- what it costs ---


def test_nothing_is_imported_that_is_not_there_already() -> None:
    code = (
        "import sys, tempfile\n"
        "from pathlib import Path\n"
        "from coolrunner.runs.savers import save, load\n"
        "place = Path(tempfile.mkdtemp())\n"
        "for number, value in enumerate(['text', b'bytes', {'a': [1, (2,)]}, place]):\n"
        "    if value is not place: load(save(value, place / str(number)))\n"
        "heavy = {'numpy', 'pandas', 'torch', 'tensorflow', 'keras', 'matplotlib', 'plotly', 'PIL', 'yaml'}\n"
        "print(heavy & set(sys.modules))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"


def test_the_default_savers_are_those_of_the_functions() -> None:
    assert type(saver_of({})) is type(SAVERS.of({}))


GOLDEN = Path(__file__).parents[1] / "data" / "v1" / "saved"


def test_what_version_1_has_written_is_read() -> None:
    assert load(GOLDEN / "plain.json") == {
        "lr": 0.1,
        "towns": {0: "Brussels", 1: "Paris"},
        "shape": (2, 3),
        "tags": {"a", "b"},
        "raw": b"\x00\xff",
        "when": datetime.datetime(2026, 11, 21, 6, 23, 29),
        "far": float("inf"),
    }
    tree = load(GOLDEN / "state.npz")
    np.testing.assert_array_equal(tree["model"]["w"], np.eye(2))
    assert tree["objects"].tolist() == ["a", None]
    assert tree["masked"].mask.tolist() == [True, False]
    assert tree["when"] == np.datetime64("2026-11-21", "ns")
