"""A queue file under way, and the editors and programs with which people save it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live_queues import STUDY, Live, backup_first, rename_over, through_descriptor
from tests.studies import Project, Started, Terminal, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="queue files need POSIX locks")

#: The Debian packages of the editors. In a throw-away environment (CI) that may install them, it does.
PACKAGES = {"vim": "vim-tiny", "ed": "ed", "nano": "nano"}

#: One and the same edit in the words of ed and vim: b held back, c another n, d deleted, new at the end.
COMMANDS = """\
/^Name: b$/a
Hold: true
.
/^'n': 3$/s/3/30/
/^Name: d$/
?^---$?,/^ID: /d
/^\\.\\.\\.$/i
---
Name: new
n: 5  # five
.
"""


@pytest.fixture(scope="session")
def editors() -> dict[str, str]:
    """The editors by name; those that are not there are installed where that is nobody's own machine."""
    missing = [package for name, package in PACKAGES.items() if not _where(name)]
    if missing and os.environ.get("CI") and os.geteuid() == 0 and shutil.which("apt-get"):
        install = ["install", "-y", "--no-install-recommends", *missing]
        if not _apt(*install):  # its lists may be old, or not there at all
            _apt("update")
            _apt(*install)
    return {name: place for name in PACKAGES if (place := _where(name))}


def _apt(*arguments: str) -> bool:
    command = ["apt-get", "-q", "-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=20", *arguments]
    return not subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode


def _where(name: str) -> str | None:
    return shutil.which(name) or (shutil.which("vim.tiny") if name == "vim" else None)


@pytest.fixture
def live(project: Project) -> Live:
    return Live(project)


def need(editors: dict[str, str], name: str) -> str:
    if name not in editors:
        pytest.skip(f"{name} is not installed, and can only be installed here as root, with apt-get, in CI")
    return editors[name]


def run(command: list[str], live: Live, text: str = "") -> None:
    done = subprocess.run(command, cwd=live.project.path, input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def warnings(study: Started) -> list[str]:
    return [event["message"] for event in study.events if event.get("level") == "warning"]


def edited(text: str) -> str:
    """Return the text with the edit of `COMMANDS` in it."""
    text = text.replace("Name: b\n", "Name: b\nHold: true\n").replace("'n': 3\n", "'n': 30\n")
    start = text.rindex("---\n", 0, text.index("Name: d\n"))
    end = text.index("...\n")
    return text[:start] + "---\nName: new\nn: 5  # five\n" + text[end:]


def check_the_edit_held(live: Live) -> None:
    """See that what was saved came true, and nothing else."""
    assert live.ran() == "first a c new"
    assert live.record("c")["OUT"] == 60
    assert live.record("new")["OUT"] == 10
    assert (live.record("new")["size"], live.record("new")["Module"]) == (1, "modules.module")
    assert live.names == "b"
    assert live.named("b")["Hold"] is True
    standings = {name: live.standing(name) for name in ("a", "b", "c", "d", "new")}
    assert standings == {"a": "done", "b": "held", "c": "done", "d": "removed", "new": "done"}


# --- editors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("backupcopy", ["yes", "no"])
def test_vim_may_save_the_queue_of_a_running_study(
    live: Live, editors: dict[str, str], backupcopy: str
) -> None:
    """CR-03: in place, and as a new file that takes the old one's place."""
    vim = need(editors, "vim")
    study = live.start()
    live.project.write("edit", COMMANDS + "wq\n")
    settings = [f"set backupcopy={backupcopy} writebackup", "source edit"]
    run([vim, "-u", "NONE", "-i", "NONE", "-n", "-es", *_as_commands(settings), "queue.yaml"], live)
    live.open_gate()
    assert study.finish().status == 0
    check_the_edit_held(live)


def _as_commands(texts: list[str]) -> list[str]:
    return [argument for text in texts for argument in ("-c", text)]


def test_ed_may_save_the_queue_of_a_running_study(live: Live, editors: dict[str, str]) -> None:
    """CR-03."""
    study = live.start()
    run([need(editors, "ed"), "-s", "queue.yaml"], live, COMMANDS + "w\nq\n")
    live.open_gate()
    assert study.finish().status == 0
    check_the_edit_held(live)


def test_nano_may_save_the_queue_of_a_running_study(live: Live, editors: dict[str, str]) -> None:
    """CR-03: with a person at the keys, in a real terminal."""
    nano = need(editors, "nano")
    study = live.start()
    terminal = Terminal(live.project, [nano, "--ignorercfiles", "queue.yaml"])
    until(lambda: "Name: a" in terminal.shown, "the editor")
    for keys in ("\x1c'n': 3\r", "'n': 30\r", "a"):  # replace all
        terminal.type(keys)
    until(lambda: "Replaced 1 occurrence" in terminal.shown, "the replacement")
    terminal.type("\x0f\r")  # write
    until(lambda: "Wrote" in terminal.shown, "the save")
    terminal.type("\x18")
    assert terminal.finish() == 0
    live.open_gate()
    assert study.finish().status == 0
    assert live.ran() == "first a b c d"
    assert live.record("c")["OUT"] == 60


def test_sed_may_change_the_queue_of_a_running_study(live: Live) -> None:
    """CR-03: it leaves an empty document where it has deleted one, which is no experiment."""
    if "GNU" not in subprocess.run(["sed", "--version"], capture_output=True, text=True).stdout:
        pytest.skip("sed -i is another option in this sed")
    study = live.start()
    script = "s/^'n': 3$/'n': 30/; /^# study.yaml, line 17/,/^ID:/d; s/^Name: b$/&\\nHold: true/; "
    run(["sed", "-i", script + "s/^\\.\\.\\.$/---\\nName: new\\nn: 5  # five/", "queue.yaml"], live)
    live.open_gate()
    assert study.finish().status == 0
    check_the_edit_held(live)


# --- programs, and ways to save --------------------------------------------------------------------


def in_pieces(path: Path, text: str) -> None:
    """Empty the file, think for a moment, then write it by and by."""
    with path.open("r+", encoding="utf-8") as file:
        file.truncate()
        time.sleep(0.2)
        for start in range(0, len(text), 200):
            file.write(text[start : start + 200])
            file.flush()
            time.sleep(0.01)


@pytest.mark.parametrize("save", [rename_over, backup_first, through_descriptor, in_pieces])
def test_any_way_to_save_will_do(live: Live, save: Callable[[Path, str], None]) -> None:
    """CR-03: the edit holds from the next take on, and nothing is run meanwhile that it deletes."""
    study = live.start()
    save(live.path, edited(live.text))
    live.open_gate()
    assert study.finish().status == 0
    check_the_edit_held(live)


def test_nothing_is_started_out_of_a_file_that_is_being_written(live: Live) -> None:
    """CR-03: the gate opens while the file is empty."""
    study = live.start()
    text = edited(live.text)
    with live.path.open("r+", encoding="utf-8") as file:
        file.truncate()
        live.open_gate()
        study.wait_for("experiment_finished", name="first")
        file.write(text[: text.index("'n': 30")])
        file.flush()
        time.sleep(0.1)
        file.write(text[text.index("'n': 30") :])
    assert study.finish().status == 0
    check_the_edit_held(live)


def test_a_program_may_write_the_file_with_another_library(live: Live) -> None:
    """CR-03: the comments go, with the revision and the last line; the queue stays what it is."""
    study = live.start()
    rewrite = """\
        import yaml

        with open("queue.yaml") as file:
            documents = list(yaml.safe_load_all(file))
        documents = [document for document in documents if document["Name"] != "d"]
        documents[1]["Hold"] = True
        documents[2]["n"] = 30
        documents.append({"Name": "new", "n": 5})
        with open("queue.yaml", "w") as file:
            yaml.safe_dump_all(documents, file)
        """
    live.project.write("rewrite.py", rewrite)
    run([sys.executable, "rewrite.py"], live)
    assert "..." not in live.text
    live.open_gate()
    assert study.finish().status == 0
    check_the_edit_held(live)
    assert live.text.startswith("# Coolrunner queue, version 1")


def test_a_shell_may_append_to_the_file(live: Live) -> None:
    """CR-03: below the last line, with or without a mark of its own."""
    study = live.start()
    run(["sh", "-c", "printf -- '---\\nName: new\\nn: 5\\n' >> queue.yaml"], live)
    live.wait_for("a b c d new")
    run(["sh", "-c", "cat >> queue.yaml"], live, "---\nName: newer\nn: 6\n...\n")
    live.open_gate()
    assert study.finish().status == 0
    assert live.ran() == "first a b c d new newer"


def test_a_file_with_windows_line_ends_is_understood(live: Live) -> None:
    """CR-03."""
    study = live.start()
    text = edited(live.text).replace("\n", "\r\n")
    live.path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    live.open_gate()
    assert study.finish().status == 0
    check_the_edit_held(live)


# --- what a person may do --------------------------------------------------------------------------


def test_the_order_of_the_file_is_the_order_of_the_study(live: Live) -> None:
    """CR-03."""
    study = live.start()
    head, *documents = live.text.removesuffix("...\n").split("---\n")
    live.save("---\n".join([head, *documents[::-1]]) + "...\n")
    live.wait_for("d c b a")
    live.open_gate()
    assert study.finish().status == 0
    assert live.ran() == "first d c b a"


def test_the_higher_priority_goes_first(live: Live) -> None:
    """CR-03: it stays where it stands."""
    study = live.start()
    live.replace("Name: d\n", "Name: d\nPriority: 5\n")
    live.replace("Name: c\n", "Name: c\nPriority: 1.5\n")
    live.open_gate()
    assert study.finish().status == 0
    assert live.ran() == "first d c a b"
    assert live.record("d")["Priority"] == 5


def test_what_is_held_runs_once_it_is_no_more(live: Live) -> None:
    """CR-03: Hold says how, not what; it is not in the log."""
    study = live.start()
    live.replace("Name: a\n", "Name: a\nHold: true\n")
    live.open_gate()
    study.wait_for("experiment_finished", name="d")
    assert study.finish().status == 0
    assert live.ran() == "first b c d"
    assert live.standing("a") == "held"
    live.replace("Hold: true\n", "")
    again = live.project.run("--resume", "--quiet")
    assert again.status == 0, again.stderr
    assert live.ran() == "first b c d a"
    assert "Hold" not in live.record("a")


def test_a_copy_is_an_experiment_of_its_own(live: Live) -> None:
    """CR-03: without its ID; and with it, if something in it differs."""
    study = live.start()
    a, b = (f"---\n{text}" for text in live.text.split("---\n")[1:3])
    without = "\n".join(line for line in a.split("\n") if not line.startswith("ID:"))
    live.save(live.text.replace("...\n", without + b.replace("'n': 2", "n: 20") + b + "...\n"))
    live.wait_for("a b c d a b")
    live.open_gate()
    assert study.finish().status == 0
    assert live.ran() == "first a b c d a b"
    records = live.project.log()
    assert [record["OUT"] for record in records[1:]] == [2, 4, 6, 8, 2, 40]
    assert len({record["ID"] for record in records}) == 7


def test_comments_and_their_order_stay_as_a_person_wrote_them(live: Live) -> None:
    """CR-03: above all documents, in one, and at the end of one; they go with it."""
    study = live.start()
    live.replace("---\n# study.yaml, line 8", "# look at these tomorrow\n---\n# study.yaml, line 8")
    live.replace("Name: b\n", "# the best so far\nName: b\n")
    live.replace("'n': 4\n", "'n': 4  # or 5?\n")
    live.replace("...\n", "---\nName: new\n# with the\nn: 2 # size\n# of before\n...\n")
    live.wait_for("a b c d new")
    live.replace("Name: a\n", "Name: a\nHold: true\n")
    live.replace("Name: d\n", "Name: d\nHold: true\n")
    live.open_gate()
    assert study.finish().status == 0
    assert live.names == "a d"
    assert "# look at these tomorrow\n---\n" in live.text
    assert "'n': 4  # or 5?\n" in live.text
    assert "the best so far" not in live.text
    assert "# of before" not in live.text


def test_a_short_document_is_completed_from_the_study(project: Project) -> None:
    """CR-03: defaults, expressions with the history of the study, a number and an ID of its own."""
    live = Live(project, STUDY.replace("size: 1\n", "n: 7\nsize: parse 10 * n\n"))
    study = live.start()
    live.replace("...\n", "---\nName: new\nn: parse E['d'].n + E[-1].n  # of the last\n...\n")
    live.wait_for("a b c d new")
    shown = live.named("new")
    assert (shown["n"], shown["size"], shown["Module"]) == (8, 80, "modules.module")
    assert "n: 8  # of the last\n" in live.text
    numbers = {document["RND_IDX"] for document in live.documents}
    assert len(numbers) == 5
    live.open_gate()
    assert study.finish().status == 0
    assert (live.record("new")["n"], live.record("new")["RND_IDX"]) == (8, shown["RND_IDX"])


# --- stale saves -----------------------------------------------------------------------------------


def test_a_stale_save_starts_nothing_again_and_deletes_nothing_that_it_did_not_show(live: Live) -> None:
    """CR-03: a and b have run meanwhile, and an experiment was added; the edit to d holds."""
    live.project.study(STUDY.replace("Name: c\n", "Name: c\ngate: second\n"))
    study = live.start()
    old = live.text
    live.open_gate()
    study.wait_for("experiment_started", name="c")
    live.wait_for("d")
    live.replace("...\n", "---\nName: added\n...\n")
    live.wait_for("d added")
    rename_over(live.path, old.replace("'n': 4", "'n': 40"))
    live.wait_for("d added")
    live.open_gate("second")
    done = study.finish()
    assert done.status == 0
    assert live.ran() == "first a b c d added"
    assert live.record("d")["OUT"] == 80


def test_an_edit_to_what_runs_or_ran_is_reported_and_kept(live: Live) -> None:
    """CR-03: with what to do to run it again; done so, it runs."""
    live.project.study(STUDY.replace("Name: c\n", "Name: c\ngate: second\n"))
    study = live.start()
    old = live.text
    live.open_gate()
    study.wait_for("experiment_started", name="c")
    live.wait_for("d")
    rename_over(live.path, old.replace("'n': 1\n", "'n': 10\n").replace("'n': 3\n", "'n': 30\n"))
    live.wait_until(lambda text: "#   'n': 10\n" in text and "#   'n': 30\n" in text)
    assert live.names == "d"
    until(lambda: len(warnings(study)) == 2, "both warnings")
    notices = warnings(study)
    line = old[: old.index("# study.yaml, line 8")].count("\n") + 1
    identity = old[old.index("\nID: ") + 5 :].split("\n")[0]
    assert any(
        f"queue.yaml:{line}: a ({identity}) is done already, so this document changes nothing" in message
        and "without its ID" in message
        for message in notices
    ), notices
    assert any(" is running already" in message for message in notices), notices
    # The comment made a document again.
    lines = live.text.split("\n")
    start = next(
        number
        for number, text in enumerate(lines)
        if text.startswith(f"# Not run, for {identity} was started before")
    )
    end = next(number for number in range(start + 1, len(lines)) if not lines[number].startswith("#   "))
    written = [text.removeprefix("#   ") for text in lines[start + 1 : end]]
    live.save("\n".join([*lines[:start], *lines[end:-2], "---", *written, "...", ""]))
    live.wait_for("d a")
    live.open_gate("second")
    assert study.finish().status == 0
    assert live.ran() == "first a b c d a"
    assert live.project.log()[-1]["OUT"] == 20


def test_a_short_document_that_is_saved_again_is_the_same_experiment(live: Live) -> None:
    """CR-03: an editor still holds the text without its ID; but two in one save are two."""
    study = live.start()
    mine = live.text.replace("...\n", "---\nName: new\n---\nName: new\n...\n")
    live.save(mine)
    live.wait_for("a b c d new new")
    live.save(mine.replace("'n': 1\n", "'n': 10\n"))
    live.wait_until(lambda text: "'n': 10\n" in text and text.count("ID:") == 6)
    live.open_gate()
    assert study.finish().status == 0
    assert live.ran() == "first a b c d new new"
    assert live.record("a")["OUT"] == 20


# --- broken saves ----------------------------------------------------------------------------------


def test_a_broken_save_is_shown_with_its_place_and_never_overwritten(live: Live) -> None:
    """CR-03: what is unchanged goes on, what is not waits, and once mended the study does by itself."""
    study = live.start()
    whole = live.text
    broken = whole.replace("Name: c\n", "Name: [c\n")
    live.save(broken)
    message = study.wait_for("notice", level="error")["message"]
    first, shown, caret, *_ = message.split("\n")
    number = broken[: broken.index("Name: [c")].count("\n") + 1
    assert first.startswith((f"queue.yaml:{number}:", f"queue.yaml:{number + 1}:")), message
    assert shown.strip(), message
    assert caret.strip() == "^", message
    assert "until queue.yaml is mended, only what it holds unchanged is started" in message
    live.open_gate()
    study.wait_for("experiment_finished", name="d")
    assert live.ran() == "first a b d"
    assert live.text == broken
    live.save(whole.replace("'n': 3", "'n': 30"))
    done = study.finish()
    assert done.status == 0
    assert "queue.yaml is in order again" in done.notices
    assert live.ran() == "first a b d c"
    assert live.record("c")["OUT"] == 60


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Name: c\n", "Name: c\nRepat: 2\n", "Repat is no parameter of the runner; did you mean Repeat?"),
        ("Name: c\n", "Name: c\nHold: maybe\n", "Hold"),
        ("Name: c\n", "Name: c\nlr: parse 1 +\n", "lr"),
        ("Name: c\n", "Name: c\nAfter: nobody\n", "no experiment of this study is named 'nobody'"),
        ("Name: c\n", "Name: skip\n", "what stands in a queue is run"),
    ],
)
def test_a_mistake_in_a_document_waits_until_it_is_mended(
    live: Live, old: str, new: str, message: str
) -> None:
    """CR-03: with file, line, column and caret, as in a definition."""
    study = live.start()
    whole = live.text
    broken = whole.replace(old, new)
    live.save(broken)
    told = study.wait_for("notice", level="error")["message"]
    line = broken[: broken.index(new)].count("\n") + new.count("\n")
    assert told.startswith(f"queue.yaml:{line}:"), told
    assert message in told
    assert "\n" + " " in told
    assert "^" in told
    live.open_gate()
    study.wait_for("experiment_finished", name="d")
    assert live.text == broken
    live.save(whole)
    assert study.finish().status == 0
    assert live.ran() == "first a b d c"


def test_a_half_written_file_waits_for_its_other_half(live: Live) -> None:
    """CR-03: it ends in the middle of an experiment, which nobody has meant to delete."""
    study = live.start()
    whole = live.text
    half = whole[: whole.index("Name: c\n") + len("Name: c\n'n'")]
    live.save(half)
    told = study.wait_for("notice", level="error")["message"]
    assert "the file ends in the middle of c" in told
    live.open_gate()
    study.wait_for("experiment_finished", name="b")
    assert live.text == half
    live.save(whole)
    assert study.finish().status == 0
    assert live.ran() == "first a b c d"


# --- emptied, deleted ------------------------------------------------------------------------------


def test_an_emptied_file_is_an_empty_queue(live: Live) -> None:
    """CR-03: what runs goes on to its end, and the study with it."""
    study = live.start()
    live.save("")
    live.wait_until(lambda text: "# nothing waits" in text)
    live.open_gate()
    assert study.finish().status == 0
    assert live.ran() == "first"
    assert live.standing("a") == "removed"


def test_a_deleted_file_comes_back(live: Live) -> None:
    """CR-03: nobody means to lose a queue by that; it is said, and how a queue is emptied."""
    study = live.start()
    live.path.unlink()
    live.wait_for("a b c d")
    assert "To empty the queue, empty the file" in study.wait_for("notice", level="warning")["message"]
    live.open_gate()
    assert study.finish().status == 0
    assert live.ran() == "first a b c d"


def test_a_deleted_journal_ends_the_study_when_what_runs_has_ended(live: Live) -> None:
    """CR-03: nobody could tell any more who has what; the file still says what waits."""
    study = live.start()
    shutil.rmtree(live.path.with_name("queue.yaml.journal"))
    live.open_gate()
    done = study.finish()
    assert done.status == 1
    assert any("queue.yaml.journal" in message for message in done.notices), done.notices
    assert live.ran() == "first"
    assert live.names == "a b c d"
