"""The real commands: ``collect.py`` and ``filter.py``."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from coolrunner.yamlio import dump

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COLUMNS"))
}

# As it stands in the document that Coolrunner grew from.
ARGS = """\
--filter=lambda exp: 'TIME' in exp
--filter=lambda exp: 'ACC' in exp and exp['ACC'] > 0.9
--sort=lambda exp: exp['TIME']
--sort=lambda exp: exp['Name']
--reverse
--keep-keys
ACC
RND_IDX
Name
model
TIME
"""


def command(script: str, *arguments: str | Path) -> list[str]:
    return [sys.executable, str(ROOT / script), *map(str, arguments)]


def call(script: str, *arguments: str | Path, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(script, *arguments),
        cwd=cwd,
        env=ENVIRONMENT,
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )


def log(path: Path, *experiments: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [f"--- # id{number}\n{dump(each)}...\n" for number, each in enumerate(experiments)]
    path.write_text("# Coolrunner log, version 1\n" + "".join(texts), encoding="utf-8")
    return path


def load(text: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(text))


def only_file(folder: Path) -> str:
    (path,) = folder.iterdir()
    return path.read_text(encoding="utf-8")


# --- collect ---------------------------------------------------------------------------------------


def test_collect_gathers_recursively_without_duplicates(tmp_path: Path) -> None:
    """CR-15: `python collect.py data/ --dest collected_logs --exclude unwanted_directory`."""
    log(tmp_path / "data/b/log.yaml", {"Name": "b", "ACC": 0.5}, {"Name": "twice", "ACC": 1})
    log(tmp_path / "data/a.yaml", {"ACC": 1, "Name": "twice"}, {"Name": "twice", "ACC": 1.0})
    log(tmp_path / "data/unwanted_directory/c.yaml", {"Name": "unwanted"})
    done = call(
        "collect.py", "data/", "--dest", "collected_logs", "--exclude", "unwanted_directory", cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")
    (path,) = (tmp_path / "collected_logs").iterdir()
    assert re.fullmatch(r"logs_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d\.yaml", path.name)
    lines = done.stdout.splitlines()
    assert lines[0] == "3 experiments collected from 2 files; 1 duplicate removed"
    assert lines[1] == f"collected_logs/{path.name}"
    # The script stands elsewhere, so it is named with its place.
    script = re.escape(shlex.quote(str(ROOT / "filter.py")))
    arguments = f"collected_logs/{path.name} --sort ACC --reverse --table"
    assert re.fullmatch(f"next: python3? {script} {arguments}", lines[2])
    collected = load(path.read_text(encoding="utf-8"))
    assert collected == [
        {"ACC": 1, "Name": "twice"},
        {"Name": "twice", "ACC": 1.0},
        {"Name": "b", "ACC": 0.5},
    ]
    assert [type(each["ACC"]) for each in collected] == [int, float, float]


def test_collect_takes_several_directories_and_prints_those_that_it_visits(tmp_path: Path) -> None:
    """CR-15: `python collect.py temp/ data/ -v`."""
    log(tmp_path / "temp/x/log.yaml", {"Name": "a"})
    log(tmp_path / "data/log.yaml", {"Name": "b"})
    done = call("collect.py", "temp/", "data/", "-v", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines()[:3] == ["temp", "temp/x", "data"]
    assert [each["Name"] for each in load(only_file(tmp_path / "yaml_collect"))] == ["a", "b"]


def test_what_collect_suggests_to_type_next_works(tmp_path: Path) -> None:
    log(
        tmp_path / "my logs/log.yaml",
        {"Name": "a", "REP": 0, "ACC": 0.5},
        {"Name": "b", "REP": 0, "ACC": 0.75},
    )
    done = call("collect.py", "my logs", "--dest", "my results", cwd=tmp_path)
    _, _, suggestion = done.stdout.splitlines()[-1].removeprefix("next: ").partition(" ")
    assert suggestion.endswith("--sort ACC --reverse --table")
    shown = subprocess.run(
        f"{shlex.quote(sys.executable)} {suggestion}",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert [line.split() for line in shown.stdout.splitlines()] == [
        ["Name", "REP", "ACC"],
        ["b", "0", "0.75"],
        ["a", "0", "0.5"],
    ]


def test_what_collect_suggests_has_the_best_first(tmp_path: Path) -> None:
    log(tmp_path / "log.yaml", {"Name": "a", "SIZE": 1.5, "TEST_ERROR": 0.5})
    assert "--sort TEST_ERROR --table" in call("collect.py", "log.yaml", cwd=tmp_path).stdout


def test_two_collections_at_once_never_overwrite_each_other(tmp_path: Path) -> None:
    """CR-15."""
    for name in "abcd":
        log(tmp_path / name / "log.yaml", {"Name": name})
    running = [
        subprocess.Popen(
            command("collect.py", name), cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.DEVNULL
        )
        for name in "abcd"
    ]
    assert [process.wait(timeout=120) for process in running] == [0] * 4
    files = list((tmp_path / "yaml_collect").iterdir())
    assert len(files) == 4
    assert {load(path.read_text())[0]["Name"] for path in files} == set("abcd")


def test_broken_and_foreign_files_are_named_and_make_the_status_1(tmp_path: Path) -> None:
    """CR-15: of a broken file the complete documents are kept."""
    log(tmp_path / "good.yaml", {"Name": "good"})
    with (tmp_path / "good.yaml").open("a") as file:
        file.write("--- # id2\nName: torn\nAC")
    (tmp_path / "broken.yaml").write_text("Name: before\n---\nName: [\n---\nName: behind\n")
    (tmp_path / "list.yaml").write_text("- 1\n")
    (tmp_path / "definition.yaml").write_text("Global: {}\n---\nName: x\n")
    (tmp_path / "log.failed.yaml").write_text("Name: x\n")
    done = call("collect.py", ".", cwd=tmp_path)
    assert done.returncode == 1
    assert (
        done.stderr.splitlines()[0]
        == "skipped 1 definition (definition.yaml), 1 log of failures (log.failed.yaml)"
    )
    assert re.search(r"^  broken\.yaml:\d: not valid YAML", done.stderr, re.MULTILINE)
    assert re.search(r"^  good\.yaml:6: torn: .* id2", done.stderr, re.MULTILINE)
    assert "  list.yaml: no log: it holds a list, not mappings\n" in done.stderr
    assert [each["Name"] for each in load(only_file(tmp_path / "yaml_collect"))] == [
        "before",
        "behind",
        "good",
    ]


def test_where_nothing_is_found_nothing_is_written(tmp_path: Path) -> None:
    """CR-15."""
    (tmp_path / "queue.yaml").write_text("# Coolrunner queue, version 1\n--- # a\nName: x\n")
    done = call("collect.py", ".", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "no experiments were found in .\n")
    assert done.stderr == "skipped 1 queue file (queue.yaml)\n"
    assert not (tmp_path / "yaml_collect").exists()


@pytest.mark.parametrize("script", ["collect.py", "filter.py"])
def test_a_missing_path_is_an_error_of_the_call(tmp_path: Path, script: str) -> None:
    """CR-15, CR-16."""
    log(tmp_path / "logs.yaml", {"Name": "a"})
    done = call(script, "log.yaml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: log.yaml: there is no such file or directory; did you mean logs.yaml?\n"
    assert call(script, cwd=tmp_path).returncode == 2


def test_collect_keeps_the_text_of_documents(tmp_path: Path) -> None:
    """CR-15."""
    text = "--- # the first try\nName: a   # best so far\nACC: 0.90\nTEXT: |\n  x\n\n  y\n"
    (tmp_path / "log.yaml").write_text(text)
    done = call("collect.py", "log.yaml", "--dest", "-", cwd=tmp_path)
    assert done.stdout == f"# Coolrunner log, version 1\n{text}...\n"
    assert done.stderr == "1 experiment collected from 1 file\n"


# --- filter ----------------------------------------------------------------------------------------


def test_the_example_of_the_document_works_as_it_stands(tmp_path: Path) -> None:
    """CR-16: several filters and sorts in the order given, stable, reversed, keys kept, %FILE."""
    log(
        tmp_path / "logs_2021-01-01_12-00-00.yaml",
        {"Name": "a", "model": "vgg", "TIME": 1, "ACC": 0.95, "RND_IDX": 1, "lr": 0.1},
        {"Name": "b", "model": "vgg", "TIME": 3, "ACC": 0.91, "RND_IDX": 2, "lr": 0.1},
        {"Name": "b", "model": "vgg", "ACC": 0.99, "RND_IDX": 3},
        {"Name": "b", "model": "vgg", "TIME": 9, "RND_IDX": 4},
    )
    log(
        tmp_path / "logs_2021-01-01_12-05-30.yaml",
        {"Name": "a", "TIME": 2, "ACC": 0.92, "RND_IDX": 5},
        {"Name": "b", "model": "wrn", "TIME": 4, "ACC": 0.93, "RND_IDX": 6, "nested": {"ACC": 1}},
        {"Name": "b", "model": "wrn", "TIME": 4, "ACC": 0.94, "RND_IDX": 7},
        {"Name": "b", "model": "wrn", "TIME": 5, "ACC": 0.9, "RND_IDX": 8},
    )
    (tmp_path / "args").write_text(ARGS)
    files = ["logs_2021-01-01_12-00-00.yaml", "logs_2021-01-01_12-05-30.yaml"]
    done = call("filter.py", *files, "%args", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "5 kept of 8 experiments of 2 files"
    text = only_file(tmp_path / "yaml_filter")
    assert [each["RND_IDX"] for each in load(text)] == [6, 7, 2, 5, 1]
    assert [list(each) for each in load(text)][-2:] == [
        ["Name", "TIME", "ACC", "RND_IDX"],
        ["Name", "model", "TIME", "ACC", "RND_IDX"],
    ]


def test_collect_and_filter_work_as_a_pipeline(tmp_path: Path) -> None:
    """CR-15, CR-16: `collect.py data/ --dest - | filter.py - --filter ... --dest -`."""
    log(tmp_path / "data/log.yaml", {"Name": "a", "ACC": 0.95}, {"Name": "b", "ACC": 0.5}, {"Name": "c"})
    log(tmp_path / "data/more.yaml", {"Name": "a", "ACC": 0.95}, {"Name": "é", "ACC": 0.99})
    collect = subprocess.Popen(
        command("collect.py", "data/", "--dest", "-"),
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    filtered = subprocess.run(
        command("filter.py", "-", "--filter", "ACC > 0.9", "--sort", "ACC", "--reverse", "--dest", "-"),
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdin=collect.stdout,
        capture_output=True,
        timeout=120,
    )
    _, said = collect.communicate(timeout=120)
    assert (collect.returncode, filtered.returncode) == (0, 0)
    assert load(filtered.stdout.decode()) == [{"Name": "é", "ACC": 0.99}, {"Name": "a", "ACC": 0.95}]
    assert said.decode() == "4 experiments collected from 2 files; 1 duplicate removed\n"
    assert filtered.stderr.decode() == "2 kept of 4 experiments of 1 file\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


@pytest.mark.parametrize("arguments", [["--dest", "-"], ["--table"], ["--format", "csv", "--dest", "-"]])
def test_a_reader_that_has_seen_enough_ends_it_quietly(tmp_path: Path, arguments: list[str]) -> None:
    """CR-16: `filter.py ... | head`."""
    log(tmp_path / "log.yaml", *({"Name": f"run {i}", "note": "x" * 100} for i in range(5000)))
    running = subprocess.Popen(
        command("filter.py", "log.yaml", *arguments),
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stdout is not None
    assert running.stderr is not None
    assert running.stdout.readline()
    running.stdout.close()
    said = running.stderr.read().decode()
    running.stderr.close()
    assert running.wait(timeout=120) == 0
    assert "Error" not in said
    assert "Exception" not in said


def test_a_filter_that_fails_names_expression_experiment_and_file(tmp_path: Path) -> None:
    """CR-16."""
    log(tmp_path / "log.yaml", {"Name": "good", "ACC": 1}, {"Name": "bad", "ID": "k7f3q2ma"})
    expression = "lambda exp: exp['ACC'] > 0.9"
    done = call("filter.py", "log.yaml", "--filter", expression, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    for part in (expression, "'bad'", "k7f3q2ma", "log.yaml:7", "no key 'ACC'", "--skip-errors"):
        assert part in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "yaml_filter").exists()
    done = call("filter.py", "log.yaml", "--filter", expression, "--skip-errors", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith(
        "1 kept of 2 experiments of 1 file; 1 left out because an expression failed on them"
    )


def test_a_mistake_in_an_expression_is_shown_with_a_caret(tmp_path: Path) -> None:
    """CR-16."""
    log(tmp_path / "log.yaml", {"Name": "good", "ACC": 1})
    done = call("filter.py", "log.yaml", "--filter", "ACC > quit()", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.split("\n")[:3] == [
        "error: --filter: quit() is not allowed here",
        "    ACC > quit()",
        "          ^",
    ]


def test_a_key_that_nobody_has_is_warned_about(tmp_path: Path) -> None:
    """CR-16."""
    log(tmp_path / "log.yaml", {"Name": "a", "ACCURACY": 1})
    done = call("filter.py", "log.yaml", "--filter", "ACCURACYY > 0.5", "--keep-keys", "Nam", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == (
        "warning: no experiment has ACCURACYY; did you mean ACCURACY?\n"
        "warning: no experiment has Nam; did you mean Name?\n"
    )
    assert done.stdout == "0 kept of 1 experiment of 1 file\nnothing was written\n"


def test_the_formats_and_their_endings(tmp_path: Path) -> None:
    """CR-16."""
    log(tmp_path / "log.yaml", {"Name": "a, b", "optimizer": {"lr": 0.1}, "BEST": float("nan")})
    for name in ("yaml", "json", "csv"):
        done = call("filter.py", "log.yaml", "--format", name, "--dest", name, cwd=tmp_path)
        assert done.returncode == 0
        (path,) = (tmp_path / name).iterdir()
        assert path.suffix == f".{name}"
    assert json.loads(only_file(tmp_path / "json")) == [
        {"Name": "a, b", "optimizer": {"lr": 0.1}, "BEST": None}
    ]
    rows = list(csv.DictReader(io.StringIO(only_file(tmp_path / "csv"))))
    assert rows == [{"Name": "a, b", "optimizer.lr": "0.1", "BEST": "nan"}]


def test_a_table_without_a_terminal_is_plain_and_complete(tmp_path: Path) -> None:
    """CR-16."""
    log(
        tmp_path / "log.yaml",
        *({"Name": f"run {i}", **{f"key_{k}": i * k for k in range(40)}} for i in range(3)),
    )
    done = call("filter.py", "log.yaml", "--table", "--filter", "key_1 > 0", cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["Name", *(f"key_{k}" for k in range(40))]
    assert len(lines) == 3
    assert done.stderr == "2 kept of 3 experiments of 1 file\n"
    assert not (tmp_path / "yaml_filter").exists()


@pytest.mark.skipif(os.name != "posix", reason="terminals of POSIX systems")
def test_a_table_in_a_terminal_fits_into_it(tmp_path: Path) -> None:
    """CR-16."""
    import pty

    log(
        tmp_path / "log.yaml",
        *({"Name": f"run {i}", **{f"key_{k}": i * k for k in range(40)}} for i in range(3)),
    )
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        command("filter.py", "log.yaml", "--table"),
        cwd=tmp_path,
        env={**ENVIRONMENT, "COLUMNS": "70", "TERM": "xterm"},
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            more = os.read(ours, 65536)
        except OSError:  # the terminal is closed
            break
        if not more:
            break
        shown += more
    os.close(ours)
    assert running.wait(timeout=120) == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r", "").split("\n")
    assert lines[0].startswith("Name")
    assert max(map(len, lines)) <= 70
    assert any(line.startswith("not shown: ") for line in lines)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--table", "--dest", "out"], "writes no file"),
        (["--table", "--format", "csv"], "not allowed with"),
        (["--dest", "out.yaml"], "--dest names a directory"),
        (["%nowhere"], "nowhere"),
        (["--filte", "ACC"], "--filte"),
    ],
)
def test_a_call_that_is_wrong_has_the_status_2(tmp_path: Path, arguments: list[str], why: str) -> None:
    """CR-16."""
    log(tmp_path / "log.yaml", {"Name": "a"})
    done = call("filter.py", "log.yaml", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def test_the_console_command_is_the_same_command(tmp_path: Path) -> None:
    """CR-15, CR-16."""
    log(tmp_path / "log.yaml", {"Name": "a"})
    environment = {**ENVIRONMENT, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "coolrunner", "collect", "log.yaml"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "next: coolrunner filter " in done.stdout
