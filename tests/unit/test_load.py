"""`load`: results of all kinds as a frame, with the types that they have."""

from __future__ import annotations

from pathlib import Path

import pytest

import coolrunner
from coolrunner.errors import QueryError, UsageError
from coolrunner.results.frames.load import frame_of
from coolrunner.results.rows import find_rows

pd = pytest.importorskip("pandas", reason="pandas is not installed")

LOG = """\
# Coolrunner log, version 1
--- # aaaa1111
Name: vgg
optimizer: {lr: 0.1, name: sgd, betas: [0.9, 0.999]}
batch: 32
augment: true
note: '1e-3'
REP: 0
ACC: 0.5
EPOCH: 3
ID: aaaa1111
STARTED: '2026-11-21T06:23:29+01:00'
...
--- # bbbb2222
Name: wrn
optimizer: {lr: 1, name: adam}
batch: 64
augment: false
note: text
REP: 1
ACC: 0.75
ID: bbbb2222
STARTED: '2026-11-21T07:23:29.5+01:00'
...
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.yaml"
    path.write_text(LOG)
    return path


def test_columns_have_the_types_of_their_values(log: Path) -> None:
    frame = coolrunner.load(log)
    kinds = {name: str(kind) for name, kind in frame.dtypes.items()}
    assert kinds["batch"] == "int64"
    assert kinds["augment"] == "bool"
    assert kinds["optimizer.lr"] == "float64"
    assert kinds["EPOCH"] == "float64"  # a whole number with a gap
    assert kinds["STARTED"] == "datetime64[ns, UTC]"
    assert frame["STARTED"][0] == pd.Timestamp("2026-11-21T05:23:29Z")
    assert list(frame["note"]) == ["1e-3", "text"]
    assert frame["optimizer.betas"][0] == [0.9, 0.999]
    assert pd.isna(frame["optimizer.betas"][1])
    assert list(frame.index) == [0, 1]


def test_parameters_come_first_then_results_then_the_record(log: Path) -> None:
    frame = coolrunner.load(log)
    roles = frame.attrs["roles"]
    assert list(frame.columns[:6]) == [
        *("Name", "optimizer.lr", "optimizer.name", "optimizer.betas", "batch", "augment"),
    ]
    assert [roles[name] for name in ("optimizer.lr", "ACC", "ID", "REP")] == [
        *("parameter", "result", "info", "info"),
    ]


def test_another_sign_stands_between_nested_keys(log: Path) -> None:
    assert "optimizer/lr" in coolrunner.load(log, separator="/").columns


def test_rows_are_chosen_sorted_and_cut_down(log: Path) -> None:
    frame = coolrunner.load(log, where="ACC > 0.4", sort="-ACC", columns=["Name", "optimizer.*"])
    assert list(frame.columns) == ["Name", "optimizer.lr", "optimizer.name", "optimizer.betas"]
    assert list(frame["Name"]) == ["wrn", "vgg"]
    assert list(coolrunner.load(log, where=["ACC > 0.4", "batch == 64"])["Name"]) == ["wrn"]
    assert len(coolrunner.load(log, where="ACC > 1")) == 0


def test_without_a_sort_rows_stand_as_they_were_found(log: Path) -> None:
    assert list(coolrunner.load(log)["Name"]) == ["vgg", "wrn"]


def test_keys_with_dots_and_nested_keys_of_one_name_share_a_column(tmp_path: Path) -> None:
    (tmp_path / "log.yaml").write_text("{Name: a, a.b: 1}\n---\n{Name: b, a: {b: 2}}\n")
    assert list(coolrunner.load(tmp_path)["a.b"]) == [1, 2]


def test_values_of_several_types_are_kept(tmp_path: Path) -> None:
    (tmp_path / "log.yaml").write_text("{Name: a, x: 1}\n---\n{Name: b, x: one}\n---\n{Name: c, x: [1]}\n")
    assert list(coolrunner.load(tmp_path)["x"]) == [1, "one", [1]]


def test_nothing_is_an_empty_frame(tmp_path: Path) -> None:
    frame = coolrunner.load(tmp_path)
    assert len(frame) == 0


def test_what_cannot_be_read_is_named_in_a_warning(log: Path) -> None:
    (log.parent / "broken.yaml").write_text("Name: a\n---\n: : [\n---\nName: c\n")
    with pytest.warns(UserWarning, match=r"1 place could not be read:\n.*broken.yaml:3"):
        frame = coolrunner.load(log.parent)
    assert len(frame) == 4


def test_a_wrong_call_is_an_error_that_helps(log: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        coolrunner.load(log.parent / "nothing.yaml")
    with pytest.raises(QueryError):
        coolrunner.load(log, where="ACC >")
    with pytest.raises(UsageError, match="did you mean ACC"):
        coolrunner.load(log, columns="ACX")
    with pytest.raises(UsageError, match="pandas, polars, arrow"):
        coolrunner.load(log, into="numpy")


def test_polars_has_the_same_columns_and_types(log: Path) -> None:
    pl = pytest.importorskip("polars", reason="polars is not installed")
    frame = coolrunner.load(log, into="polars")
    assert frame["batch"].dtype == pl.Int64
    assert frame["EPOCH"].to_list() == [3, None]
    assert frame["EPOCH"].dtype == pl.Int64
    assert frame["optimizer.lr"].to_list() == [0.1, 1.0]
    assert frame["optimizer.betas"].to_list() == [[0.9, 0.999], None]


def test_arrow_has_the_same_columns_and_types(log: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    table = coolrunner.load(log, into="arrow")
    assert table["EPOCH"].to_pylist() == [3, None]
    assert table.schema.field("optimizer.betas").type == pa.list_(pa.float64())
    assert table.schema.metadata[b"role:ACC"] == b"result"


@pytest.mark.parametrize("into", ["polars", "arrow"])
def test_values_of_several_types_become_texts_where_a_column_has_one(tmp_path: Path, into: str) -> None:
    pytest.importorskip({"polars": "polars", "arrow": "pyarrow"}[into], reason=f"{into} is not installed")
    (tmp_path / "log.yaml").write_text(
        "{Name: a, x: 1, y: [1, a], z: 9999999999999999999999, w: {}}\n---\n{Name: b, x: one, y: [{b: 1}]}\n"
    )
    table = coolrunner.load(tmp_path, into=into)
    columns = {
        name: table[name].to_list() if into == "polars" else table[name].to_pylist() for name in "xyzw"
    }
    assert columns == {
        "x": ["1", "one"],
        "y": ['[1, "a"]', '[{"b": 1}]'],
        "z": ["9999999999999999999999", None],
        "w": ["{}", None],
    }


def test_rows_become_a_frame_as_load_makes_it(log: Path) -> None:
    with find_rows([log]) as rows:
        assert list(frame_of(rows)["ACC"]) == [0.5, 0.75]


def test_a_frame_is_the_same_with_an_index_and_without(log: Path) -> None:
    plain = coolrunner.load(log, cache="never")
    for _ in range(2):
        cached = coolrunner.load(log, cache="always")
        pd.testing.assert_frame_equal(plain, cached)


def test_the_headings_of_the_terminal_are_understood_and_name_their_columns(log: Path) -> None:
    frame = coolrunner.load(log, where="status == 'done' and id != 'bbbb2222'", columns="id,status,started")
    assert frame.columns.tolist() == ["id", "status", "started"]
    assert frame.id.tolist() == ["aaaa1111"]
    assert frame.started[0] == pd.Timestamp("2026-11-21T05:23:29Z")
    assert coolrunner.load(log, sort="id").ID.tolist() == ["aaaa1111", "bbbb2222"]


def test_what_is_wrong_is_told_in_the_words_of_python(log: Path) -> None:
    with pytest.raises(UsageError) as failure:
        coolrunner.load(log, sort="acuracy")
    assert str(failure.value).startswith("sort acuracy: no result has acuracy")
    for question in ({"sort": "-Name"}, {"where": "Name > 1"}):
        with pytest.raises(QueryError) as failed:
            coolrunner.load(log, **question)
        assert "--" not in str(failed.value)
