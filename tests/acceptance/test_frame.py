"""The frame: scripts, shipped studies, ``coolrunner init``, the wheel, and the README's two commands."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
import yaml

from tests.checkouts import ROOT, bare_python, copy_checkout, equipped_python, run, shell, write_script

SCRIPTS = ["run.py", "collect.py", "filter.py"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this working tree, without an environment, in a directory with a space in its name."""
    return copy_checkout(tmp_path_factory.mktemp("clone") / "the checkout")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python without any dependency."""
    return bare_python(tmp_path_factory.mktemp("bare") / "environment")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skip where no package index answers."""
    target = str(tmp_path_factory.mktemp("index"))
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", target, "slack_sdk"]
    answer = run(command, cwd=ROOT)
    if answer.returncode:
        pytest.skip(f"no package index answers: {answer.stderr.strip()[-200:]}")


# --- scripts of a checkout -------------------------------------------------------------------------


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_the_command_of_its_name(script: str, tmp_path: Path) -> None:
    helped = run([sys.executable, str(ROOT / script), "--help"], cwd=tmp_path)
    assert helped.returncode == 0, helped.stderr
    assert f"usage: {script}" in helped.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_without_dependencies_a_script_says_in_one_line_how_to_get_them(
    script: str, bare: str, checkout: Path, tmp_path: Path
) -> None:
    done = run([bare, str(checkout / script), "--help"], cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "PyYAML and rich and slack_sdk are missing" in done.stderr
    assert f"python3 '{checkout / 'quickstart.py'}' setup" in done.stderr


def test_without_dependencies_a_script_uses_the_checkouts_own_environment(bare: str, tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    equipped_python(checkout / ".venv")
    study = ["--exp", str(checkout / "experiments" / "tricks.yaml"), "--dry"]
    done = run([bare, "-X", "utf8", str(checkout / "run.py"), *study], cwd=checkout)
    assert done.returncode == 0, done.stderr
    assert "above" in done.stdout


def test_an_environment_that_does_not_help_is_tried_once(bare: str, tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    bare_python(checkout / ".venv")
    done = run([bare, str(checkout / "run.py"), "--help"], cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_help_and_import_load_nothing_heavy() -> None:
    heavy = {"yaml", "rich", "slack_sdk", "numpy", "pandas", "sklearn", "torch"}
    for call in ("import coolrunner", "from coolrunner.cli import main; main(['run', '--help'])"):
        code = f"import sys\ntry:\n    {call}\nfinally:\n    print(*sys.modules, file=sys.stderr)"
        loaded = run([sys.executable, "-c", code], cwd=ROOT).stderr.split()
        assert "coolrunner" in loaded
        assert not heavy & set(loaded)


# --- shipped studies and Modules -------------------------------------------------------------------


def test_every_shipped_module_is_documented() -> None:
    """CR-10: `modules/README.md` documents each shipped Module."""
    readme = (ROOT / "modules" / "README.md").read_text()
    modules = [path.stem for path in (ROOT / "modules").glob("*.py") if path.stem != "__init__"]
    assert modules
    for module in modules:
        assert f"\n### modules.{module}\n" in readme


def log_of(directory: Path, name: str) -> list[dict[str, object]]:
    """Read a log as anybody would: with plain PyYAML."""
    return list(yaml.safe_load_all((directory / "logs" / name).read_text()))


def test_the_tricks_give_what_their_comments_say(tmp_path: Path) -> None:
    """CR-05, CR-09, CR-12: every trick of the expressions, in one study."""
    checkout = copy_checkout(tmp_path / "checkout")
    done = run([sys.executable, "run.py", "--exp", "experiments/tricks.yaml"], cwd=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    log = log_of(checkout, "tricks.yaml")
    by_name = {str(record["Name"]): record for record in log}
    expected: dict[str, dict[str, object]] = {
        "above": {"shape": [64, 64, 64], "title": "WRN-18-2", "label": "above-0"},
        "history": {
            "lr": 0.05,
            "width": 128,
            "momentum": 0.9,
            "optimizer": {"name": "SGD", "momentum": 0.9, "lr": 0.05},
            "before": 2,
        },
        "levels": {"outer": {"size": 2, "inner": {"doubled": 4, "widest": 128}}},
        "lists": {
            "sizes": [8, 16, 32],
            "last": 32,
            "odd": [1, 3, 5, 7],
            "grid": [[1, "a"], [1, "b"], [2, "a"], [2, "b"]],
            "numbers": [8, 16],
            "TOTAL": 24,
        },
        "names": {"directory": "runs/names/123456", "draw": True, "RND_IDX": 123456},
        "overview": {
            "names": ["above", "history", "levels", "lists", "names", "repeats", "skip"],
            "recent": ["repeats", "names"],
            "samples": 11100,
            "middle": 1000,
        },
        "solved": {"function": "solve math.sqrt", "root": "solve function(2)"},
    }
    assert "skip" not in by_name
    for name, values in expected.items():
        assert {key: by_name[name].get(key) for key in values} == values
    repeats = [record for record in log if record["Name"] == "repeats"]
    assert [(record["REP"], record["samples"]) for record in repeats] == [(0, 100), (1, 1000), (2, 10000)]
    solved = by_name["solved"]["SOLVED"]
    assert isinstance(solved, dict)
    assert (round(solved["root"], 4), solved["total"]) == (1.4142, 24)


@pytest.mark.slow
def test_the_main_job_trains_real_classifiers(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the extra [examples] is not installed")
    checkout = copy_checkout(tmp_path / "checkout")
    done = run([sys.executable, "run.py", "--exp", "experiments/digits.yaml"], cwd=checkout)
    assert done.returncode == 0, done.stdout + done.stderr
    log = log_of(checkout, "digits.yaml")
    assert len(log) == 16
    assert all(0.9 < float(str(record["ACCURACY"])) <= 1 for record in log)
    assert len({str(record["Name"]) for record in log}) == 5
    support = [record["settings"]["C"] for record in log if record["Name"] == "svm"]  # type: ignore[index]
    assert support == [0.125, 1, 8, 64]


# --- coolrunner init -------------------------------------------------------------------------------


def coolrunner(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Call the console command of this checkout."""
    code = "import sys; from coolrunner.cli import main; sys.exit(main())"
    return run([sys.executable, "-c", code, *arguments], cwd=cwd, PYTHONPATH=str(ROOT))


def test_init_writes_a_study_and_says_what_to_type(tmp_path: Path) -> None:
    done = coolrunner("init", "my study", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "my study").iterdir()) == [
        "README.md",
        "mymodule.py",
        "study.yaml",
    ]
    assert "cd 'my study'\ncoolrunner run --exp study.yaml\n" in done.stdout


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("mine")
    done = coolrunner("init", cwd=tmp_path)
    assert done.returncode == 2
    assert "study.yaml" in done.stderr and "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]
    assert (tmp_path / "study.yaml").read_text() == "mine"


def test_init_names_what_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = coolrunner("init", "file/study", cwd=tmp_path)
    assert done.returncode == 2
    assert "file" in done.stderr and "Traceback" not in done.stderr
    assert "file is a file" in coolrunner("init", "file", cwd=tmp_path).stderr


# --- the wheel, and the two commands ---------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.index
def test_the_wheel_works_in_an_empty_environment(checkout: Path, index: None, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    built = run([*pip, "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(checkout)], cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("coolrunner-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"coolrunner"}
    assert {"coolrunner/py.typed", "coolrunner/cli/template/study.yaml"} <= set(names)
    installed = run([*pip, "install", "-q", str(wheel)], cwd=tmp_path)
    assert installed.returncode == 0, installed.stderr

    home = tmp_path / "home"
    home.mkdir()
    bin = environment / "bin"
    begun = shell("coolrunner init 'my study'", cwd=home, bin=bin)
    assert begun.returncode == 0, begun.stderr
    _, _, commands = begun.stdout.partition("Next:\n\n")
    assert commands.count("coolrunner") == 2
    done = shell(f"set -e\n{commands}", cwd=home, bin=bin)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(log_of(home / "my study", "study.yaml")) == 9
    table = done.stdout.splitlines()
    place = next(number for number, line in enumerate(table) if line.startswith("id "))
    assert "ACCURACY" in table[place]
    assert len(table[place:]) == 6


def strictest_python() -> str:
    """Return the system's own Python where it refuses ``pip install``, else the one that runs the tests."""
    system = Path("/usr/bin/python3")
    question = (
        "import os, sys, sysconfig; sys.exit(sys.version_info < (3, 10) or not os.path.exists("
        "os.path.join(sysconfig.get_path('stdlib'), 'EXTERNALLY-MANAGED')))"
    )
    if system.exists() and not run([str(system), "-c", question], cwd=ROOT).returncode:
        return str(system)
    base = Path(sys.base_prefix) / "bin" / f"python{sysconfig.get_python_version()}"
    return str(base if base.exists() else sys.executable)


@pytest.mark.slow
@pytest.mark.index
def test_the_readmes_two_commands_work_in_a_fresh_clone(checkout: Path, index: None, tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text()
    commands = re.findall(r"^\$ (python3 quickstart\.py.*)$", readme, re.MULTILINE)
    assert commands == ["python3 quickstart.py", "python3 quickstart.py test"]
    main_job, tests = commands

    bin = tmp_path / "bin"
    write_script(bin / "python3", f'exec {strictest_python()} "$@"')
    done = shell(main_job, cwd=checkout, bin=bin)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(log_of(checkout, "digits.yaml")) == 16
    # All the tests would run this one again, and so on for ever; CI gives the command as it stands.
    some = "tests/acceptance/test_frame.py::test_every_shipped_module_is_documented"
    passed = shell(tests, cwd=checkout, bin=bin, PYTEST_ADDOPTS=some)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert "1 passed" in passed.stdout
    again = shell(main_job, cwd=checkout, bin=bin)
    assert again.returncode == 0
    assert again.stdout.startswith("Running: ")
    # From now on the scripts find the environment by themselves, with a Python that has nothing.
    plain = shell("python3 collect.py logs --dest collected", cwd=checkout, bin=bin)
    assert plain.returncode == 0, plain.stderr
