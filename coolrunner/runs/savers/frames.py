"""Savers for pandas' frames and series.

The form is a tree (`coolrunner.runs.savers.tree`) with an array for each column. It needs nothing but
pandas and numpy and gives back every type as it was: categories, time zones, missing values, indices of
several levels. Parquet, which is the usual answer, needs a package of its own; a file would look
different, and be readable or not, depending on what is installed where. It is written where the name
ends with ``.parquet``; and CSV, which keeps values and no types, where it ends with ``.csv``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coolrunner.runs.savers.base import is_a, library
from coolrunner.runs.savers.tree import TreeSaver

if TYPE_CHECKING:
    from coolrunner.runs.savers.packing import Packed, Unpacked

__all__ = ["FrameSaver", "frame_node", "frame_of"]


class FrameSaver(TreeSaver):
    """A frame or a series: a tree, or CSV or Parquet where the name says so."""

    suffixes = (".npz", ".csv", ".parquet")

    def save(self, obj: Any, path: Path) -> None:
        """Write a frame or a series."""
        if path.suffix.lower() == ".npz":
            return super().save(obj, path)
        frame = obj if is_a(obj, "pandas.DataFrame") else obj.to_frame()
        if path.suffix.lower() == ".csv":
            counted = is_a(frame.index, "pandas.RangeIndex") and frame.index.name is None
            frame.to_csv(path, index=not counted)
            return None
        try:
            frame.to_parquet(path)
        except ImportError as error:
            raise TypeError("Parquet needs a package of its own; get it with: pip install pyarrow") from error

    def load(self, path: Path, *, pickle: bool = False) -> Any:
        """Read a frame."""
        if path.suffix.lower() == ".npz":
            return super().load(path, pickle=pickle)
        pd = library("pandas", path)
        if path.suffix.lower() == ".csv":
            with path.open(encoding="utf-8") as file:
                unnamed = file.readline().startswith((",", '"",'))
            return pd.read_csv(path, index_col=0 if unnamed else None)
        library("pyarrow", path)
        return pd.read_parquet(path)


# --- to nodes ---


def frame_node(value: Any, packed: Packed, place: tuple[str, ...]) -> Any:
    """Return the node of anything of pandas'.

    Parameters
    ----------
    value
        A frame, a series, an index, or one of its scalars.
    packed
        Where arrays are put aside.
    place
        Where the value stands.
    """
    if is_a(value, "pandas.DataFrame"):
        content = {
            "index": _index_node(value.index, packed, (*place, "index")),
            "columns": _index_node(value.columns, packed, (*place, "columns")),
            "data": [
                _column_node(value.iloc[:, number], packed, (*place, str(name)))
                for number, name in enumerate(value.columns)
            ],
        }
        return {"!pandas.DataFrame": _with_attributes(content, value, packed, place)}
    if is_a(value, "pandas.Series"):
        content = {
            "index": _index_node(value.index, packed, (*place, "index")),
            "name": packed.pack(value.name, place),
            "data": _column_node(value, packed, (*place, "values")),
        }
        return {"!pandas.Series": _with_attributes(content, value, packed, place)}
    if is_a(value, "pandas.Index"):
        return _index_node(value, packed, place)
    if is_a(value, "pandas.NaTType"):
        return {"!pandas.NaT": None}
    if is_a(value, "pandas.NAType"):
        return {"!pandas.NA": None}
    if is_a(value, "pandas.Timedelta"):
        return {"!pandas.Timedelta": [value.value, value.unit]}
    zone = None if value.tz is None else str(value.tz)
    return {"!pandas.Timestamp": [value.isoformat(), value.unit, zone]}


def _with_attributes(content: dict[str, Any], value: Any, packed: Packed, place: tuple[str, ...]) -> Any:
    if value.attrs:
        content["attrs"] = packed.pack(dict(value.attrs), (*place, "attrs"))
    return content


def _index_node(index: Any, packed: Packed, place: tuple[str, ...]) -> Any:
    if is_a(index, "pandas.MultiIndex"):
        content = {
            "levels": [
                _index_node(level, packed, (*place, f"level-{i}")) for i, level in enumerate(index.levels)
            ],
            "codes": [packed.array(codes, (*place, f"codes-{i}")) for i, codes in enumerate(index.codes)],
            "names": packed.pack(list(index.names), place),
        }
        return {"!pandas.MultiIndex": content}
    name = packed.pack(index.name, place)
    if is_a(index, "pandas.RangeIndex"):
        return {"!pandas.RangeIndex": {"range": [index.start, index.stop, index.step], "name": name}}
    content = {"name": name, "values": _column_node(index, packed, place)}
    if getattr(index, "freqstr", None) and not is_a(index, "pandas.PeriodIndex"):
        content["freq"] = index.freqstr
    return {"!pandas.Index": content}


def _column_node(column: Any, packed: Packed, place: tuple[str, ...]) -> Any:
    """Return the node of the values of a series or an index."""
    values, dtype = column.array, column.dtype
    if is_a(dtype, "numpy.dtype"):
        return packed.array(column.to_numpy(), place)
    if is_a(dtype, "pandas.CategoricalDtype"):
        content = {
            "codes": packed.array(values.codes, place),
            "categories": _index_node(dtype.categories, packed, (*place, "categories")),
            "ordered": dtype.ordered,
        }
        return {"!pandas.Categorical": content}
    if is_a(dtype, "pandas.DatetimeTZDtype"):
        moments = packed.array(column.to_numpy(f"datetime64[{dtype.unit}]"), place)
        return {"!pandas.DatetimeArray": {"utc": moments, "zone": str(dtype.tz)}}
    if is_a(dtype, "pandas.BaseMaskedDtype"):
        known = column.to_numpy(dtype.numpy_dtype, na_value=dtype.numpy_dtype.type(0))
        content = {
            "dtype": str(dtype),
            "values": packed.array(known, place),
            "missing": packed.array(column.isna(), (*place, "missing")),
        }
        return {"!pandas.MaskedArray": content}
    if is_a(dtype, "pandas.IntervalDtype"):
        content = {
            side: _column_node(getattr(values, side), packed, (*place, side)) for side in ("left", "right")
        }
        return {"!pandas.IntervalArray": {**content, "closed": dtype.closed}}
    if is_a(dtype, "pandas.SparseDtype"):
        dense = packed.array(values.to_dense(), place)
        return {"!pandas.array": {"dtype": str(dtype), "values": dense}}
    items = [None if gone else item for item, gone in zip(values, column.isna(), strict=True)]
    if is_a(dtype, "pandas.PeriodDtype"):
        items = [None if item is None else str(item) for item in items]
    return {"!pandas.array": {"dtype": str(dtype), "values": packed.pack(items, place)}}


# --- from nodes ---


def frame_of(tag: str, content: Any, unpacked: Unpacked) -> Any:
    """Return what a node of `frame_node` stands for."""
    reader = _READERS.get(tag)
    if reader is None:
        return NotImplemented
    return reader(library("pandas", unpacked.path), content, unpacked.unpack)


def _frame(pd: Any, content: Any, unpack: Any) -> Any:
    index = unpack(content["index"])
    columns = unpack(content["columns"])
    data = {}
    for number, node in enumerate(content["data"]):
        values = unpack(node)
        # With its type said, or pandas would have its own idea of what objects are.
        data[number] = pd.Series(values, index=index, dtype=values.dtype, copy=False)
    frame = pd.DataFrame(data, index=index, copy=False)
    frame.columns = columns
    frame.attrs.update(unpack(content.get("attrs", {})))
    return frame


def _series(pd: Any, content: Any, unpack: Any) -> Any:
    values = unpack(content["data"])
    name, index = unpack(content["name"]), unpack(content["index"])
    series = pd.Series(values, index=index, dtype=values.dtype, name=name, copy=False)
    series.attrs.update(unpack(content.get("attrs", {})))
    return series


def _index(pd: Any, content: Any, unpack: Any) -> Any:
    values = unpack(content["values"])
    index = pd.Index(values, dtype=values.dtype, name=unpack(content["name"]))
    if "freq" in content:
        with contextlib.suppress(ValueError):  # the letters for it change between versions of pandas
            index.freq = content["freq"]
    return index


def _range(pd: Any, content: Any, unpack: Any) -> Any:
    return pd.RangeIndex(*content["range"], name=unpack(content["name"]))


def _several_levels(pd: Any, content: Any, unpack: Any) -> Any:
    return pd.MultiIndex(
        levels=unpack(content["levels"]), codes=unpack(content["codes"]), names=unpack(content["names"])
    )


def _categories(pd: Any, content: Any, unpack: Any) -> Any:
    return pd.Categorical.from_codes(
        unpack(content["codes"]), unpack(content["categories"]), ordered=content["ordered"]
    )


def _moments(pd: Any, content: Any, unpack: Any) -> Any:
    index = pd.DatetimeIndex(unpack(content["utc"])).tz_localize("UTC")
    return _in_zone(index, content["zone"]).array


def _in_zone(moments: Any, zone: str) -> Any:
    try:
        return moments.tz_convert(zone)
    except (LookupError, ValueError, TypeError):  # one that this machine does not know: the moments stay
        return moments


def _maskable(pd: Any, content: Any, unpack: Any) -> Any:
    kind = pd.api.types.pandas_dtype(content["dtype"]).construct_array_type()
    return kind(unpack(content["values"]), unpack(content["missing"]))


def _intervals(pd: Any, content: Any, unpack: Any) -> Any:
    left, right = unpack(content["left"]), unpack(content["right"])
    return pd.arrays.IntervalArray.from_arrays(left, right, closed=content["closed"])


def _extension(pd: Any, content: Any, unpack: Any) -> Any:
    values, dtype = unpack(content["values"]), content["dtype"]
    if dtype == "str":
        import numpy as np

        try:
            dtype = pd.StringDtype(na_value=np.nan)
        except TypeError:  # before pandas 3 texts are objects
            return np.array([np.nan if item is None else item for item in values], dtype=object)
    return pd.array(values, dtype=dtype)


def _timestamp(pd: Any, content: Any, unpack: Any) -> Any:
    text, unit, zone = content
    moment = pd.Timestamp(text)
    return (moment if zone is None else _in_zone(moment, zone)).as_unit(unit)


def _timedelta(pd: Any, content: Any, unpack: Any) -> Any:
    nanoseconds, unit = content
    return pd.Timedelta(nanoseconds, "ns").as_unit(unit)


_READERS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "!pandas.DataFrame": _frame,
    "!pandas.Series": _series,
    "!pandas.Index": _index,
    "!pandas.RangeIndex": _range,
    "!pandas.MultiIndex": _several_levels,
    "!pandas.Categorical": _categories,
    "!pandas.DatetimeArray": _moments,
    "!pandas.MaskedArray": _maskable,
    "!pandas.IntervalArray": _intervals,
    "!pandas.array": _extension,
    "!pandas.Timestamp": _timestamp,
    "!pandas.Timedelta": _timedelta,
    "!pandas.NaT": lambda pd, content, unpack: pd.NaT,
    "!pandas.NA": lambda pd, content, unpack: pd.NA,
}
