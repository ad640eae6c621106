"""Tables of results as files of other programs."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from coolrunner.errors import LogError, UsageError
from coolrunner.results.joining import joined
from coolrunner.results.parts import MISSING, Role
from coolrunner.results.rows import Rows, find_rows
from coolrunner.results.showing.choosing import HANDLE, all_headings, cells
from coolrunner.results.showing.digits import Spread
from coolrunner.results.showing.export import (
    csv_lines,
    data_of,
    json_lines,
    latex_lines,
    markdown_lines,
    shown,
    texts_of,
    write_file,
    write_parquet,
    yaml_documents,
)
from coolrunner.yamlio import dump

RUNS: list[dict[str, Any]] = [
    {"Name": "a", "net": {"layers": [1, 2], "p": 0.1}, "REP": 0, "ACC": 0.1 + 0.2, "HOST": "vm"},
    {"Name": 'b, "c"\nd', "net": {"layers": [], "p": None}, "REP": 0, "ACC": math.nan},
]


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[Rows]:
    text = "".join(f"---\n{dump(run)}...\n" for run in RUNS)
    (tmp_path / "log.yaml").write_text(text, encoding="utf-8")
    with find_rows([str(tmp_path)], cache="never") as found:
        yield found.with_columns({HANDLE: (Role.INFO, ["x", "y"])})


# --- in full ---------------------------------------------------------------------------------------


def test_csv_has_every_digit_and_every_key(rows: Rows) -> None:
    headings = all_headings(rows)
    text = "".join(csv_lines([heading.name for heading in headings], cells(rows, headings)))
    header, *lines = csv.reader(io.StringIO(text))
    assert header == ["Name", "net.layers", "net.p", "ACC", "REP", "HOST"]
    assert lines[0] == ["a", "[1, 2]", "0.1", "0.30000000000000004", "0", "vm"]
    assert lines[1] == ['b, "c"\nd', "[]", "", "nan", "0", ""]


@given(st.lists(st.one_of(st.floats(allow_nan=False), st.integers(), st.booleans()), min_size=1))
def test_no_number_of_a_csv_is_rounded(values: list[Any]) -> None:
    _, line = "".join(csv_lines(["x"] * len(values), [values])).splitlines()
    for text, value in zip(line.split(","), values, strict=True):
        assert (text == "true") is value if type(value) is bool else type(value)(text) == value


def test_json_knows_what_is_given_and_what_was_found_out(rows: Rows) -> None:
    first, second = json.loads("".join(json_lines(data_of(rows, ["x", "y"]))))
    assert first["place"].endswith("log.yaml:2")
    assert first | {"place": ""} == {
        "id": "x",
        "kind": "log",
        "place": "",
        "parameters": {"Name": "a", "net": {"layers": [1, 2], "p": 0.1}},
        "results": {"ACC": 0.1 + 0.2},
        "info": {"REP": 0, "HOST": "vm"},
    }
    assert second["results"] == {"ACC": None}


def test_json_of_nothing_is_an_empty_list() -> None:
    assert json.loads("".join(json_lines([]))) == []


def test_chosen_keys_are_chosen_in_json_and_yaml(rows: Rows) -> None:
    first, _ = data_of(rows, ["x", "y"], ["net.p", "HOST"])
    assert (first["parameters"], first["results"]) == ({"net": {"p": 0.1}}, {})
    text = "".join(yaml_documents(rows, ["x", "y"], ["Name"]))
    assert list(yaml.safe_load_all(text)) == [{"Name": "a"}, {"Name": RUNS[1]["Name"]}]


def test_yaml_is_a_log_of_the_same_rows(rows: Rows, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    write_file(tmp_path / "again" / "log.yaml", yaml_documents(rows, ["x", "y"]))
    with find_rows([str(tmp_path / "again")], cache="never") as again:
        assert not again.report.broken
        assert list(map(repr, again.values())) == list(map(repr, RUNS))


def test_yaml_leaves_out_how_a_row_stands_which_is_found_out_anew(rows: Rows) -> None:
    documents = list(yaml.safe_load_all("".join(yaml_documents(joined(rows), ["x", "y"]))))
    assert [document.get("STATUS") for document in documents] == [None, None]


# --- for people ------------------------------------------------------------------------------------


def test_markdown_takes_nothing_for_markup() -> None:
    table = [("a|b", 0.98765, Spread("1.0", "0.1")), ("<b>*x*", MISSING, 2), ("two\nlines", None, 10)]
    assert "".join(markdown_lines(["Na|me", "ACC", "T"], table)) == (
        "| Na\\|me      |    ACC |         T |\n"
        "| ----------- | -----: | --------: |\n"
        "| a\\|b        | 0.9877 | 1.0 ± 0.1 |\n"
        "| &lt;b>\\*x\\* |        |         2 |\n"
        "| two lines   |        |        10 |\n"
    )


@pytest.mark.parametrize("begin", ["[64, 32]", "*"])
def test_latex_takes_no_cell_for_an_option_of_the_line_above(begin: str) -> None:
    lines = "".join(latex_lines([begin, "b"], [[begin, 1], [begin, 2]])).splitlines()
    assert [line[:3] for line in lines if begin in line] == ["{}" + begin[0]] * 3


def test_no_heading_tears_a_table_or_steers_a_terminal() -> None:
    names = ["a\x1b[2J\nb", "c\rd\x07"]
    for lines in (markdown_lines(names, [["x", "y"]]), latex_lines(names, [["x", "y"]])):
        assert all(sign.isprintable() or sign == "\n" for line in lines for sign in line)
    assert next(markdown_lines(names, [["x", "y"]])).count("\n") == 1


def test_latex_is_escaped_and_has_the_rules_of_booktabs() -> None:
    table = [("50% of_{x} & \\y", -0.5, Spread("0.91", "0.02")), ("#~^$", 1.5e-7, MISSING)]
    assert "".join(latex_lines(["a_b", "ACC", "T"], table)) == (
        "% \\usepackage{booktabs}\n"
        "\\begin{tabular}{lrr}\n"
        "\\toprule\n"
        "a\\_b & ACC & T \\\\\n"
        "\\midrule\n"
        "50\\% of\\_\\{x\\} \\& \\textbackslash{}y & $-0.5$ & $0.91 \\pm 0.02$ \\\\\n"
        "\\#\\textasciitilde{}\\textasciicircum{}\\$ & $1.5 \\cdot 10^{-7}$ &  \\\\\n"
        "\\bottomrule\n"
        "\\end{tabular}\n"
    )


def test_tables_without_rows_are_tables() -> None:
    assert "".join(markdown_lines(["a"], [])).count("\n") == 2
    assert "\\midrule\n\\bottomrule" in "".join(latex_lines(["a"], []))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (MISSING, ""),
        (None, ""),
        (True, "true"),
        (0.123456, "0.1235"),
        ("solve torch.optim.Adam", "Adam"),
        ("a\x1b[31m\nb", "a [31m b"),
        ([1, "x"], '[1, "x"]'),
        (Spread("1", "2"), "1 ± 2"),
    ],
)
def test_a_value_is_shown_on_one_line(value: Any, text: str) -> None:
    assert shown(value) == text


def test_measurements_of_a_column_have_the_same_decimals() -> None:
    assert texts_of([0.96, MISSING, 0.98667, "none", 3]) == ["0.9600", "", "0.9867", "none", "3"]


# --- files -----------------------------------------------------------------------------------------


def test_a_file_is_there_as_a_whole_or_stays_what_it_was(tmp_path: Path) -> None:
    def failing() -> Iterator[str]:
        yield "new"
        raise OSError(28, "No space left on device")

    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(LogError, match=r"out\.csv cannot be written: No space left on device"):
        write_file(path, failing())
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    write_file(path, ["new\n", "lines\r\n"])
    assert path.read_bytes() == b"new\nlines\r\n"


def test_a_file_in_no_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="cannot be written: No such file"):
        write_file(tmp_path / "no" / "out.csv", ["x"])


def test_parquet_keeps_types(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    columns: dict[str, list[Any]] = {
        "int": [1, MISSING],
        "float": [0.1, math.inf],
        "both": [1, 0.5],
        "bool": [True, None],
        "text": ["a", "ä"],
        "list": [[1, 2], []],
        "lists": [[1, "a"], [2]],
        "mixed": [1, "a"],
        "huge": [1 << 70, 1],
        "map": [{"a": 1}, MISSING],
        "empty": [MISSING, None],
    }
    write_parquet(tmp_path / "x.parquet", columns.items())
    table = parquet.read_table(tmp_path / "x.parquet")
    assert [str(field.type) for field in table.schema][:6] == [
        *("int64", "double", "double", "bool", "string", "list<element: int64>")
    ]
    assert table.to_pydict() == {
        "int": [1, None],
        "float": [0.1, math.inf],
        "both": [1.0, 0.5],
        "bool": [True, None],
        "text": ["a", "ä"],
        "list": [[1, 2], []],
        "lists": ['[1, "a"]', "[2]"],
        "mixed": ["1", "a"],
        "huge": [str(1 << 70), "1"],
        "map": ['{"a": 1}', None],
        "empty": [None, None],
    }


def test_without_pyarrow_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'coolrunner\[arrow\]'"):
        write_parquet(tmp_path / "x.parquet", [])
