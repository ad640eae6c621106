"""Frames and series to files and back, with their types."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from coolrunner.errors import RunError
from coolrunner.runs.savers import load, save

np = pytest.importorskip("numpy", reason="numpy comes with the extra [frame]")
pd = pytest.importorskip("pandas", reason="the extra [frame] is not installed")

COLUMNS: dict[str, Any] = {
    "int": [1, 2],
    "int8": np.array([1, 2], np.int8),
    "float32": np.array([1.5, np.nan], np.float32),
    "bool": [True, False],
    "complex": [1j, 2.0],
    "text": ["a", None],
    "string": pd.array(["a", None], dtype="string"),
    "objects": pd.Series([(1, 2), pd.NaT], dtype=object),
    "texts as objects": pd.Series(["a", "b"], dtype=object),
    "Int64": pd.array([2**60, None], dtype="Int64"),
    "Float32": pd.array([1.5, None], dtype="Float32"),
    "boolean": pd.array([True, None], dtype="boolean"),
    "category": pd.Categorical(["b", None], categories=["b", "a"], ordered=True),
    "category of numbers": pd.Categorical([2, 1]),
    "datetime": pd.to_datetime(["2026-11-21T06:23:29.123456789", None]),
    "zone": pd.date_range("2026-10-25", periods=2, freq="D", tz="Europe/Berlin"),
    "timedelta": pd.to_timedelta([1, None], unit="s"),
    "period": pd.period_range("2026-11", periods=2, freq="M"),
    "interval": pd.interval_range(0.0, 2.0),
    "sparse": pd.arrays.SparseArray([0, 1]),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_keeps_its_type(name: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({name: COLUMNS[name]})
    path = save(frame, tmp_path / "x")
    assert path.name == "x.npz"
    pd.testing.assert_frame_equal(load(path), frame)
    pd.testing.assert_series_equal(load(save(frame[name], tmp_path / "y")), frame[name])


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(2, 10, 4, name="row"),
        pd.Index(["a", "b"], name=("x", 1)),
        pd.Index(["a", "b"], dtype=object),
        pd.Index([0.5, 1.5]),
        pd.date_range("2026-11-21", periods=2, freq="D"),
        pd.date_range("2026-11-21", periods=2, freq="D", tz="UTC"),
        pd.timedelta_range("1s", periods=2, freq="s"),
        pd.period_range("2026-11", periods=2, freq="M"),
        pd.CategoricalIndex(["a", "b"]),
        pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", None]),
    ],
    ids=lambda index: f"{type(index).__name__} {index.dtype}",
)
def test_an_index_is_kept_in_rows_and_in_columns(index: Any, tmp_path: Path) -> None:
    frame = pd.DataFrame([[1, 2.0], [3, 4.0]], index=index)
    found = load(save(frame, tmp_path / "x"))
    pd.testing.assert_frame_equal(found, frame)
    pd.testing.assert_index_equal(found.index, index, exact=True)
    assert getattr(found.index, "freq", None) == getattr(index, "freq", None)
    across = frame.set_axis(index, axis="columns")
    pd.testing.assert_frame_equal(load(save(across, tmp_path / "y")), across)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame(index=[1, 2]),
        pd.DataFrame({"a": pd.Series(dtype="Int64")}),
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
    ],
    ids=["nothing", "rows alone", "no rows", "a name twice"],
)
def test_strange_frames_are_kept(frame: Any, tmp_path: Path) -> None:
    pd.testing.assert_frame_equal(load(save(frame, tmp_path / "x")), frame)


def test_what_is_noted_on_a_frame_is_kept(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["source"] = ("run", 1)
    assert load(save(frame, tmp_path / "x")).attrs == {"source": ("run", 1)}


def test_frames_and_moments_are_kept_within_other_data(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1]})
    moment = pd.Timestamp("2026-11-21T06:23:29.123456789", tz="Europe/Berlin")
    found = load(
        save({"tables": [frame], "at": moment, "took": pd.Timedelta(5), "no": pd.NaT}, tmp_path / "x")
    )
    pd.testing.assert_frame_equal(found["tables"][0], frame)
    assert (found["at"], found["took"]) == (moment, pd.Timedelta(5))
    assert str(found["at"].tz) == "Europe/Berlin"
    assert found["no"] is pd.NaT


def test_a_name_with_csv_gets_csv(tmp_path: Path) -> None:
    path = save(pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), tmp_path / "x.csv")
    assert path.read_text() == "a,b\n1,x\n2,y\n"
    assert load(path)["b"].tolist() == ["x", "y"]
    indexed = save(pd.Series([1], index=["row"], name="a"), tmp_path / "y.csv")
    assert load(indexed).loc["row", "a"] == 1


def test_a_name_with_parquet_gets_parquet_or_is_told_what_that_needs(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    try:
        path = save(frame, tmp_path / "x.parquet")
    except TypeError as error:
        assert "pip install pyarrow" in str(error)
        (tmp_path / "x.parquet").touch()
        with pytest.raises(RunError, match="pip install pyarrow"):
            load(tmp_path / "x.parquet")
    else:
        pd.testing.assert_frame_equal(load(path), frame)


def test_a_column_of_unknown_objects_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"at mine"):
        save(pd.DataFrame({"mine": [object()]}), tmp_path / "x")


def test_a_zone_that_this_machine_does_not_know_costs_no_moment(tmp_path: Path) -> None:
    moments = pd.Series(pd.date_range("2026-11-21", periods=2, tz="Europe/Berlin"))
    known = save(moments, tmp_path / "known")
    with zipfile.ZipFile(known) as old, zipfile.ZipFile(tmp_path / "unknown.npz", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"Europe/Berlin", b"Europe/Nowhere"))
    assert (load(tmp_path / "unknown.npz") == moments).all()


def test_without_pandas_the_file_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(pd.DataFrame({"a": [1]}), tmp_path / "x")
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(RunError, match="pip install pandas"):
        load(path)


GOLDEN = Path(__file__).parents[1] / "data" / "v1" / "saved"


def test_a_frame_of_version_1_is_read() -> None:
    frame = load(GOLDEN / "frame.npz")
    assert frame.index.tolist() == [("a", 1), ("b", 2)]
    assert [str(dtype) for dtype in frame.dtypes] == [
        "Int64",
        "category",
        "datetime64[ns, Europe/Berlin]",
        "string",
    ]
    assert frame["when"].iloc[0] == pd.Timestamp("2026-11-21", tz="Europe/Berlin")
    assert frame["n"].isna().tolist() == [False, True]
