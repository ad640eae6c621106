"""The index of results, under several programs at once, and with what people do to files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coolrunner.results.cache.place import DIRECTORY
from coolrunner.results.logs.yamllog import YamlLog
from coolrunner.results.rows import find_rows
from tests.checkouts import ROOT

READER = """\
import sys
from coolrunner.results.rows import find_rows

last = 0
while last < {count}:
    with find_rows([{folder!r}], cache="always") as rows:
        names = rows.column("Name")
    assert names == [f"n{{i}}" for i in range(len(names))], names[:20]
    assert len(names) >= last, (len(names), last)
    last = len(names)
print(last)
"""


def write(path: Path, start: int, count: int) -> None:
    log = YamlLog(str(path))
    for number in range(start, start + count):
        log.append(f"id{number:06}", {"Name": f"n{number}", "REP": 0, "ACC": number / 1000})
    log.close()


def python(code: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


@pytest.mark.slow
def test_several_readers_see_a_growing_log_whole(tmp_path: Path) -> None:
    folder, count = tmp_path / "logs", 400
    folder.mkdir()
    write(folder / "log.yaml", 0, 10)
    readers = [python(READER.format(folder=str(folder), count=count)) for _ in range(4)]
    for start in range(10, count, 10):
        write(folder / "log.yaml", start, 10)
        time.sleep(0.02)
    for reader in readers:
        out, errors = reader.communicate(timeout=120)
        assert reader.returncode == 0, errors
        assert out.strip() == str(count)


@pytest.mark.slow
def test_an_index_whose_writer_was_killed_is_right(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    for number in range(20):
        write(folder / f"log{number:02}.yaml", 0, 200)
    read = f"from coolrunner.results.rows import find_rows; find_rows([{str(folder)!r}], cache='always')"
    for delay in (0.15, 0.2, 0.25, 0.3, 0.4, 0.5):
        process = python(read)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        with find_rows([folder], cache="always") as rows, find_rows([folder], cache="never") as plain:
            assert rows.column("ACC") == plain.column("ACC")
        for path in (folder / DIRECTORY).iterdir():
            path.unlink()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_data_on_a_read_only_file_system_is_indexed_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write(data / "log.yaml", 0, 5)
    mounted = subprocess.run(["mount", "--bind", "-o", "ro", data, data], capture_output=True, text=True)
    if mounted.returncode or os.access(data, os.W_OK):
        subprocess.run(["umount", data], capture_output=True)
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.strip()}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    try:
        for _ in range(2):
            with find_rows([data], cache="always") as rows:
                assert len(rows) == 5
        assert len(list((tmp_path / "cache").rglob("*.sqlite"))) == 1
    finally:
        subprocess.run(["umount", data], check=True)


def test_collect_and_filter_write_the_same_with_the_index_and_without(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    write(folder / "a.yaml", 0, 20)
    write(folder / "b.yaml", 10, 20)
    (folder / "hand.yaml").write_bytes(
        b"Name: n3\r\nACC: 1.0\r\n---\r\nName: n4\r\nnote: |\r\n  two\r\n  lines\r\n---\r\n- no mapping\r\n"
    )
    (folder / "hand2.yaml").write_text("%YAML 1.1\n---\nName: odd\nACC: .nan\nx: !!float 1\n---\nName: last")
    (folder / "torn.yaml").write_text("# Coolrunner log, version 1\n--- # abc\nName: torn\nACC: 0.")
    (folder / "study.yaml").write_text("Global: {}\n---\nName: a\n")
    commands = [
        ["collect", "logs"],
        ["filter", "logs", "--filter", "ACC > 0.01", "--sort=-ACC"],
        [
            "filter",
            "logs",
            "--filter",
            "lambda exp: exp.get('ACC', 0) > 0.005",
            "--sort",
            "Name",
            "--reverse",
        ],
        ["filter", "logs", "--keep-keys", "ACC", "nothing", "--format", "json"],
        ["filter", "logs", "--format", "csv", "--sort", "note"],
        ["filter", "logs", "--table"],
        ["filter", "logs", "--filter", "ACC + note > 1"],
        ["filter", "logs", "--filter", "Nmae == 'n3'", "--skip-errors"],
    ]
    for command in commands:
        ways = {}
        for kept in ("never", "always", "always"):
            environment = {**os.environ, "PYTHONPATH": str(ROOT), "COOLRUNNER_CACHE": kept}
            whole = [sys.executable, "-m", "coolrunner", *command, "--dest", "-"]
            done = subprocess.run(whole, cwd=tmp_path, env=environment, capture_output=True)
            ways.setdefault((done.returncode, done.stdout, done.stderr), []).append(kept)
        assert len(ways) == 1, (command, ways)
