"""Whether a Module is there and has its function: found out from its source, without importing it."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from coolrunner.definition.modules import ModuleTarget, check_module, parse_module

NEVER = "raise RuntimeError('it was imported')\n"


def write(path: Path, text: str = "def main(exp): pass\n") -> None:
    """Write a file of a project."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def check(text: str) -> tuple[str, str] | None:
    """Return what is wrong with a Module."""
    target = parse_module(text)
    assert target is not None
    return check_module(target)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("train", ModuleTarget("train", "main")),
        ("modules.example", ModuleTarget("modules.example", "main")),
        ("a.b:run", ModuleTarget("a.b", "run")),
        ("_a1.b_2:_c", ModuleTarget("_a1.b_2", "_c")),
    ],
)
def test_a_module_is_a_dotted_name_with_a_function_if_that_is_not_main(
    text: str, target: ModuleTarget
) -> None:
    """CR-11."""
    assert parse_module(text) == target


FORMLESS = ["", "a.", ".a", "a..b", "a:", ":a", "a:b:c", "a:b.c", "a b", "a/b", "1a", "a-b", 5, None, True]


@pytest.mark.parametrize("text", FORMLESS)
def test_anything_else_is_no_module(text: object) -> None:
    """CR-11."""
    assert parse_module(text) is None


def test_a_module_is_found_and_not_imported(project: Path) -> None:
    """CR-11: in the working directory, in a package, in a directory without __init__.py."""
    write(project / "train.py", f"{NEVER}def main(exp): pass\n")
    write(project / "models/__init__.py", NEVER)
    write(project / "models/vgg.py", f"{NEVER}def main(exp): pass\ndef other(exp): pass\n")
    write(project / "plain/deep/resnet.py", f"{NEVER}main = lambda exp: None\n")
    for name in ("train", "models.vgg", "models.vgg:other", "plain.deep.resnet"):
        assert check(name) is None
    assert not {"train", "models", "models.vgg", "plain"} & set(sys.modules)


def test_a_package_may_be_a_module(project: Path) -> None:
    """CR-11."""
    write(project / "study/__init__.py")
    assert check("study") is None


@pytest.mark.parametrize(
    "source",
    [
        "def main(exp): pass",
        "async def main(exp): pass",
        "class main: pass",
        "main = print",
        "main: object = print",
        "main, other = print, len",
        "(a, [main, *b]) = x",
        "import main",
        "import a.b as main",
        "import main.sub",
        "from a import main",
        "from a import b as main",
        "try:\n    from a import main\nexcept ImportError:\n    main = None",
        "try:\n    pass\nexcept ImportError:\n    pass\nelse:\n    def main(exp): pass",
        "if x:\n    pass\nelse:\n    def main(exp): pass",
        "for main in [print]:\n    pass",
        "while x:\n    main = y",
        "with x as main:\n    pass",
        "match x:\n    case 1:\n        def main(exp): pass",
        "match x:\n    case main:\n        pass",
        "print(main := len)",
        "def setup():\n    global main\n    main = print\nsetup()",
        "@decorated\ndef main(exp): pass",
    ],
)
def test_whatever_binds_the_name_counts(project: Path, source: str) -> None:
    """CR-11."""
    write(project / "module.py", f"{source}\n")
    assert check("module") is None


@pytest.mark.parametrize(
    "source",
    [
        "from a import *",
        "exec('def main(exp): pass')",
        "globals()['main'] = print",
        "globals().update(main=print)",
        "vars()['main'] = print",
        "import sys\nsetattr(sys.modules[__name__], 'main', print)",
        "import sys\nsys.modules[__name__] = x",
        "def __getattr__(name): return print",
    ],
)
def test_what_cannot_be_known_is_taken_to_be_right(project: Path, source: str) -> None:
    """CR-11: a mistake then shows when the experiment starts."""
    write(project / "module.py", f"{source}\n")
    assert check("module") is None


@pytest.mark.parametrize(
    "source",
    [
        "",
        "def other(exp): pass",
        "def other(exp):\n    def main(exp): pass",
        "class A:\n    def main(self): pass",
        "print(main)",
        "import a.main",
        "x.main = 5",
        "'main'",
    ],
)
def test_what_does_not_bind_the_name_does_not_count(project: Path, source: str) -> None:
    """CR-11."""
    write(project / "module.py", f"{source}\n")
    wrong = check("module")
    assert wrong is not None
    assert wrong[0] == f"the Module 'module' has no function 'main' ({project / 'module.py'})"


def test_a_function_that_takes_no_experiment_is_told_to(project: Path) -> None:
    """CR-11."""
    write(project / "module.py", "def main():\n    pass\n")
    message, hint = check("module") or ("", "")
    assert message == f"main in the Module 'module' takes no argument ({project / 'module.py'})"
    assert hint == "it is given the experiment: def main(exp)"
    for arguments in ("exp", "exp, /", "*all", "exp=None"):
        write(project / "module.py", f"def main({arguments}):\n    pass\n")
        assert check("module") is None
    write(project / "module.py", "@given_the_experiment\ndef main():\n    pass\n")
    assert check("module") is None


def test_another_function_in_it_is_offered(project: Path) -> None:
    """CR-11."""
    write(project / "module.py", "def helper(): pass\ndef mian(exp): pass\n")
    assert (check("module") or ("", ""))[1] == "write Module: module:mian, or define main(exp) in it"
    assert (check("module:helpr") or ("", ""))[1] == "write Module: module:helper, or define helpr(exp) in it"


def test_a_module_that_cannot_be_found_is_told_with_the_nearest(project: Path) -> None:
    """CR-11."""
    write(project / "train.py")
    write(project / "models/vgg.py")
    assert check("trian") == ("the Module 'trian' cannot be found", "did you mean train?")
    assert check("model.vgg") == (
        "the Module 'model.vgg' cannot be found: there is no 'model'",
        "did you mean models?",
    )
    assert check("models.vg") == ("the Module 'models.vg' cannot be found", "did you mean models.vgg?")
    message, hint = check("quite.different") or ("", "")
    assert message == "the Module 'quite.different' cannot be found: there is no 'quite'"
    assert (
        hint == "it is looked for in the directory where the command was started, then in what is installed"
    )
    assert (check("models.quite_different") or ("", ""))[1] == f"looked in {project / 'models'}"


def test_a_file_name_is_told_to_be_no_module_name(project: Path) -> None:
    """CR-11."""
    write(project / "train.py")
    message = "the Module 'train.py' cannot be found: train is a file, not a package"
    assert check("train.py") == (message, "write it as Python imports it: train")
    message = "the Module 'train.main' cannot be found: train is a file, not a package"
    assert check("train.main") == (message, "for a function in it write train:main")


def test_a_directory_without_init_is_no_module(project: Path) -> None:
    """CR-11."""
    write(project / "models/vgg.py")
    message = "the Module 'models' is a directory without __init__.py, so it has no main"
    assert check("models") == (message, "")


def test_a_module_that_is_no_python_is_told_with_the_place(project: Path) -> None:
    """CR-11."""
    write(project / "module.py", "import os\ndef main(exp:\n")
    message, hint = check("module") or ("", "")
    assert message.startswith("the Module 'module' is not valid Python: ")
    assert f"({project / 'module.py'}:2:" in message
    assert hint == "def main(exp:"
    (project / "odd.py").write_bytes(b"# coding: latin-1\nx = '\xe9'\ndef main(exp): pass\n")
    assert check("odd") is None
    (project / "worse.py").write_bytes(b"x = '\xe9'\n")
    assert (check("worse") or ("", ""))[0].startswith("the Module 'worse' is not valid Python: ")


def test_what_python_warns_of_in_a_module_is_not_said_twice(project: Path) -> None:
    """CR-11: its import will say it."""
    write(project / "module.py", 'x = "\\d"\ny = 1 is 1\ndef main(exp): pass\n')
    assert check("module") is None


def test_modules_that_are_no_files_of_source_are_taken_to_be_right(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CR-11."""
    with zipfile.ZipFile(project / "archive.zip", "w") as archive:
        archive.writestr("zipped.py", "def main(exp): pass\n")
    monkeypatch.syspath_prepend(project / "archive.zip")
    assert check("zipped") is None
    assert check("sys") is None
    assert check("math:floor") is None
    assert check("os:getcwd") is None


def test_the_modules_of_the_standard_library_are_found() -> None:
    """CR-11."""
    assert check("timeit") is None
    assert check("xml.dom.minidom:parse") is None
    assert (check("json.tol") or ("", ""))[1] == "did you mean json.tool?"
