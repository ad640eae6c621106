"""The docs are held to the code: commands run, links lead somewhere, nothing is left out."""

from __future__ import annotations

import argparse
import ast
import dataclasses
import re
import shutil
import sys
from pathlib import Path

import pytest
import yaml

from coolrunner.cli import entry
from coolrunner.definition.names import GIVEN_NAMES, LATER_KEYS, RUNNER_KEYS
from coolrunner.definition.settings import Settings
from tests.checkouts import ROOT, copy_checkout, shell, write_script

TEMPLATE = "coolrunner/cli/template/README.md"
PAGES = ["README.md", "modules/README.md", TEMPLATE]
PAGES += sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))
#: These set up an environment; test_frame runs them.
ELSEWHERE = "python3 quickstart.py"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    """Return the fenced blocks of a language in a page."""
    return [text for kind, text in BLOCK.findall((ROOT / page).read_text()) if kind == language]


def commands(page: str) -> list[tuple[str, list[str]]]:
    """Return the commands of a page, each with the lines of output that stand below it."""
    found: list[tuple[str, list[str]]] = []
    for text in blocks(page, "console"):
        for line in text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line.strip() not in ("", "..."):
                found[-1][1].append(" ".join(line.split()))
    return [(command, output) for command, output in found if not command.startswith(ELSEWHERE)]


def write_files(page: str, place: Path) -> None:
    """Write the files of a page: the blocks that begin with a comment that names one."""
    for language in ("python", "yaml"):
        for text in blocks(page, language):
            named = re.match(r"# ([\w/]+\.(?:py|yaml))\n", text)
            if named is not None:
                (place / named[1]).parent.mkdir(exist_ok=True)
                (place / named[1]).write_text(text)


@pytest.fixture
def bin(tmp_path: Path) -> Path:
    """Commands that a reader has: this Python, and Coolrunner as if it were installed."""
    folder = tmp_path / "bin"
    for name in ("python", "python3"):
        write_script(folder / name, f"exec '{sys.executable}' \"$@\"")
    write_script(folder / "coolrunner", f"PYTHONPATH='{ROOT}' exec '{sys.executable}' -m coolrunner \"$@\"")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)])
def test_the_commands_of_the_docs_run_and_print_what_is_shown(page: str, bin: Path, tmp_path: Path) -> None:
    if page == TEMPLATE:
        place = tmp_path / "study"
        shutil.copytree(ROOT / Path(TEMPLATE).parent, place)
    else:
        place = copy_checkout(tmp_path / "checkout")
    write_files(page, place)
    steps = commands(page)
    if any("digits.yaml" in command for command, _ in steps):
        pytest.importorskip("sklearn", reason="the extra [examples] is not installed")
    mark = "=== step"
    script = "".join(f"echo '{mark}'\n{command}\necho \"{mark} $?\"\n" for command, _ in steps)
    done = shell(f"exec 2>&1\n{script}", cwd=place, bin=bin)
    results = re.findall(rf"^{mark}\n(.*?)^{mark} (\d+)$", done.stdout, re.MULTILINE | re.DOTALL)
    assert len(results) == len(steps)
    for (command, expected), (output, status) in zip(steps, results, strict=True):
        assert status == "0", f"$ {command}\n{output}"
        lines = iter([" ".join(line.split()) for line in output.splitlines()])
        for line in expected:
            assert line in lines, f"$ {command}\nhas no line {line!r} (in this order):\n{output}"


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_the_docs_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(#[^)]*)?\)", text):
        if target.startswith("http"):
            continue
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), f"{page} links to {target}"
        if anchor:
            titles = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
            names = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
            assert anchor[1:] in names, f"{page} links to {target}{anchor}"


@pytest.mark.parametrize("page", PAGES)
def test_the_snippets_of_the_docs_are_valid(page: str) -> None:
    for text in blocks(page, "yaml"):
        assert all(isinstance(document, dict) for document in yaml.safe_load_all(text)), text
    for text in blocks(page, "python"):
        assert ast.parse(text).body, text


def test_the_study_that_the_docs_explain_is_the_one_that_init_writes() -> None:
    written = (ROOT / "coolrunner/cli/template/study.yaml").read_text()
    shown = [list(yaml.safe_load_all(text)) for text in blocks("docs/getting-started.md", "yaml")]
    assert list(yaml.safe_load_all(written)) in shown


def options(command: str) -> set[str]:
    """Return the options of a command."""
    parser = entry._parser(command, entry._command(command), None)
    assert isinstance(parser, argparse.ArgumentParser)
    return {name for action in parser._actions for name in action.option_strings}


def test_the_reference_names_everything_there_is() -> None:
    reference = (ROOT / "docs" / "reference.md").read_text()
    for command in entry.COMMANDS:
        for option in options(command):
            assert f"`{option}" in reference, f"{command} {option}"
    for key in (
        *RUNNER_KEYS,
        *GIVEN_NAMES,
        *LATER_KEYS,
        *(field.name for field in dataclasses.fields(Settings)),
    ):
        assert f"`{key}`" in reference, key
