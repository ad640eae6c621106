"""Slack, over real HTTP against the server in tests/slack_server.py (CR-17)."""

from __future__ import annotations

import logging
import socket
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from coolrunner.errors import ListenerError
from coolrunner.events import (
    ExperimentFailed,
    ExperimentFinished,
    ExperimentInterrupted,
    ExperimentStarted,
    Stopping,
    StudyFinished,
    StudyStarted,
)
from coolrunner.reporting.slack import SlackListener
from tests.slack_server import TOKEN, SlackServer


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    with SlackServer() as server:
        yield server


class Study:
    """A listener, and what it warned of."""

    def __init__(
        self,
        base_url: str,
        message: Callable[[Mapping[str, Any]], Any] | None = None,
        token: str | None = TOKEN,
        channel: str = "#studies",
        **options: Any,
    ) -> None:
        self.warnings: list[str] = []
        self.listener = SlackListener(
            channel, message, token, warn=self.warnings.append, base_url=base_url, **options
        )

    def begin(self, total: int = 3) -> None:
        self.listener.start()
        self.listener.handle(StudyStarted("digits.yaml", total))

    def finish(self, index: int, name: str = "svm", **results: Any) -> None:
        record = {"Name": name, "C": index, **results}
        self.listener.handle(ExperimentStarted(index, f"id{index}", name))
        self.listener.handle(
            ExperimentFinished(index, f"id{index}", name, record, list(results), 1.25, "log.yaml")
        )

    def end(self, done: int = 3, failed: int = 0) -> None:
        self.listener.handle(StudyFinished("digits.yaml", done, failed, 0, 0, 2.5, 0))
        self.listener.close()


def unused_url() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/api/"


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.01)


def test_a_study_is_a_thread_with_a_message_for_each_experiment_and_a_summary(slack: SlackServer) -> None:
    """CR-17."""
    study = Study(slack.base_url, lambda exp: f"{exp['Name']} with C={exp['C']}: {exp['ACC']}")
    study.begin()
    for index, accuracy in enumerate((0.9, 0.95, 0.8)):
        study.finish(index, ACC=accuracy)
    study.end()
    first, *others = slack.posts
    assert first["text"] == "digits.yaml: 3 experiments"
    assert "thread_ts" not in first
    assert [post["text"] for post in others[:-1]] == [
        "svm with C=0: 0.9",
        "svm with C=1: 0.95",
        "svm with C=2: 0.8",
    ]
    thread = {post["thread_ts"] for post in others}
    assert len(thread) == 1
    summary = others[-1]
    assert summary["text"].splitlines() == [
        "digits.yaml: 3 of 3 done, in 2.5 s",
        "best ACC: 0.9500, 1 svm",
    ]
    assert summary["reply_broadcast"] is True
    assert not any(post.get("reply_broadcast") for post in others[:-1])
    assert study.warnings == []


def test_without_an_expression_a_message_says_name_time_and_results(slack: SlackServer) -> None:
    """CR-17."""
    study = Study(slack.base_url)
    study.begin(1)
    study.finish(0, name="a<b", ACC=0.9, LOSS=0.2)
    study.end(1)
    assert slack.texts[1] == "✓ 0 a&lt;b done in 1.2 s: ACC=0.9000, LOSS=0.2000"


def test_failed_and_interrupted_experiments_and_a_stop_are_told(slack: SlackServer) -> None:
    """CR-17."""
    study = Study(slack.base_url, lambda exp: f"{exp['Name']} {exp['ACC']}")
    study.begin(2)
    study.listener.handle(ExperimentStarted(0, "a", "svm"))
    study.listener.handle(
        ExperimentFailed(0, "a", "svm", {"Name": "svm"}, "ValueError: <bad>", "", 0.5, "log.failed.yaml")
    )
    study.listener.handle(ExperimentStarted(1, "b", "knn"))
    study.listener.handle(Stopping("Ctrl-C", 10.0, final=False))
    study.listener.handle(ExperimentInterrupted(1, "b", "knn", 3.0))
    study.end(0, failed=1)
    assert slack.texts[1:4] == [
        "✗ 0 svm failed after 0.5 s: ValueError: &lt;bad&gt;",
        "Ctrl-C: stopping 1 experiment (up to 10 s); Ctrl-C again ends the study",
        "✗ 1 knn interrupted after 3 s",
    ]
    assert study.warnings == []


def test_a_message_that_needs_no_results_stands_below_the_error_of_a_failed_experiment(
    slack: SlackServer,
) -> None:
    study = Study(slack.base_url, lambda exp: f"C={exp['C']}")
    study.begin(1)
    record = {"Name": "svm", "C": 10}
    study.listener.handle(
        ExperimentFailed(0, "a", "svm", record, "ValueError: bad", "", 0.5, "log.failed.yaml")
    )
    study.end(0, failed=1)
    assert slack.texts[1] == "✗ 0 svm failed after 0.5 s: ValueError: bad\nC=10"


def test_an_expression_that_fails_costs_no_message_and_is_warned_of_once(slack: SlackServer) -> None:
    study = Study(slack.base_url, lambda exp: exp["TYPO"])
    study.begin(2)
    study.finish(0, ACC=0.9)
    study.finish(1, ACC=0.8)
    study.end(2)
    assert (
        slack.texts[1] == "✓ 0 svm done in 1.2 s: ACC=0.9000\n(Global.slack.message failed: KeyError: 'TYPO')"
    )
    assert len(slack.texts) == 4
    assert len(study.warnings) == 1
    assert "Global.slack.message failed on experiment 0 (svm): KeyError: 'TYPO'" in study.warnings[0]


def test_an_empty_message_is_not_posted(slack: SlackServer) -> None:
    study = Study(slack.base_url, lambda exp: "" if exp["ACC"] < 0.5 else None)
    study.begin(2)
    study.finish(0, ACC=0.1)
    study.finish(1, ACC=0.9)
    study.end(2)
    assert len(slack.texts) == 2


def test_a_long_message_is_cut(slack: SlackServer) -> None:
    study = Study(slack.base_url, lambda exp: "x" * 100_000)
    study.begin(1)
    study.finish(0)
    study.end(1)
    assert len(slack.texts[1]) <= 3900
    assert slack.texts[1].endswith(" …")


def test_a_missing_token_keeps_the_study_from_beginning(slack: SlackServer) -> None:
    for token in (None, "", "  "):
        with pytest.raises(ListenerError, match="SLACK_BOT_TOKEN"):
            Study(slack.base_url, token=token).begin()
    assert slack.calls == []


def test_a_refused_token_keeps_the_study_from_beginning(slack: SlackServer) -> None:
    study = Study(slack.base_url, token="xoxb-old")
    with pytest.raises(ListenerError, match=r"invalid_auth.*SLACK_BOT_TOKEN"):
        study.begin()
    study.listener.close()
    assert "chat.postMessage" not in [call.method for call in slack.calls]


@pytest.mark.parametrize("error", ["token_revoked", "account_inactive", "not_authed", "something_new"])
def test_whatever_slack_says_against_the_token_is_an_error(slack: SlackServer, error: str) -> None:
    slack.fail(1, error=error)
    with pytest.raises(ListenerError, match=error):
        Study(slack.base_url).begin()


def test_a_refused_channel_keeps_the_study_from_beginning_if_the_opening_is_known(slack: SlackServer) -> None:
    study = Study(slack.base_url, channel="#typo", opening="digits.yaml: 3 experiments")
    with pytest.raises(ListenerError, match=r"channel_not_found.*#typo"):
        study.begin()


def test_a_known_opening_is_posted_once(slack: SlackServer) -> None:
    study = Study(slack.base_url, opening="digits.yaml & friends: 1 experiment")
    study.begin(1)
    assert slack.texts == ["digits.yaml &amp; friends: 1 experiment"]
    study.finish(0)
    study.end(1)
    assert len(slack.texts) == 3


def test_a_channel_refused_later_is_one_warning_and_ends_the_messages(slack: SlackServer) -> None:
    study = Study(slack.base_url, channel="#typo")
    study.begin(2)
    study.finish(0)
    study.finish(1)
    study.end(2)
    assert len([call for call in slack.calls if call.method == "chat.postMessage"]) == 1
    assert len(study.warnings) == 1
    assert "channel_not_found" in study.warnings[0]


def test_a_message_that_slack_does_not_take_does_not_hold_up_the_others(slack: SlackServer) -> None:
    study = Study(slack.base_url, opening="begin")
    study.listener.start()
    slack.fail(1, error="invalid_blocks")
    study.finish(0)
    study.finish(1)
    study.end(2)
    assert len(slack.texts) == 3
    assert study.warnings == ["Slack did not take a message: invalid_blocks"]


@pytest.mark.parametrize(
    "bad_day",
    [
        {"status": 500, "error": "internal_error"},
        {"status": 503},
        {"error": "fatal_error"},
        {"drop": True},
    ],
    ids=["500", "503", "fatal_error", "dropped connection"],
)
def test_what_fails_for_a_moment_is_tried_again_in_order(slack: SlackServer, bad_day: dict[str, Any]) -> None:
    """CR-17."""
    study = Study(slack.base_url, lambda exp: str(exp["C"]))
    study.begin(3)
    wait_until(lambda: len(slack.texts) == 1)
    slack.fail(2, **bad_day)
    for index in range(3):
        study.finish(index)
    study.end(3)
    assert slack.texts[1:4] == ["0", "1", "2"]
    assert len(slack.calls) == 1 + 1 + 2 + 4
    assert study.warnings == []


def test_slack_is_asked_again_no_sooner_than_it_asks_for(slack: SlackServer) -> None:
    """CR-17."""
    study = Study(slack.base_url, opening="begin")
    study.listener.start()
    slack.fail(1, status=429, retry_after=2)
    study.finish(0)
    study.end(1)
    refused, taken = [call for call in slack.calls if call.method == "chat.postMessage"][1:3]
    assert refused.arguments == taken.arguments
    assert taken.time - refused.time >= 2
    assert study.warnings == []


def test_many_messages_that_wait_are_joined_and_keep_their_order(slack: SlackServer) -> None:
    study = Study(slack.base_url, lambda exp: f"message {exp['C']}", opening="begin")
    study.listener.start()
    slack.fail(1, status=429, retry_after=1)
    for index in range(500):
        study.finish(index)
    study.end(500)
    lines = [line for text in slack.texts[1:-1] for line in text.splitlines()]
    assert lines == [f"message {index}" for index in range(500)]
    assert len(slack.texts) < 30
    assert all(len(text) <= 3900 for text in slack.texts)
    assert slack.texts[-1].startswith("digits.yaml: 500 of 500 done")


def test_an_unreachable_slack_is_a_warning_and_delays_nothing() -> None:
    """CR-17."""
    study = Study(unused_url(), patience=0.2, drain=0.2)
    study.begin(2)
    assert len(study.warnings) == 1
    assert study.warnings[0].startswith("Slack cannot be reached (")
    study.finish(0)
    study.finish(1)
    study.end(2)
    assert study.warnings[1:] == ["4 messages could not be delivered to Slack"]


def test_a_slack_that_never_answers_holds_neither_the_begin_nor_the_end() -> None:
    """CR-17."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        study = Study(f"http://127.0.0.1:{silent.getsockname()[1]}/api/", patience=0.2, drain=0.2)
        study.begin(1)
        study.finish(0)
        study.end(1)
    assert study.warnings == [
        "Slack cannot be reached (no answer yet); messages wait until it can",
        "3 messages could not be delivered to Slack",
    ]


def test_what_was_written_while_slack_was_away_is_delivered_when_it_is_back(slack: SlackServer) -> None:
    """CR-17."""
    slack.fail(3, drop=True)
    study = Study(slack.base_url, lambda exp: str(exp["C"]), patience=0.1)
    study.begin(2)
    study.finish(0)
    study.finish(1)
    study.end(2)
    assert slack.texts[:3] == ["digits.yaml: 2 experiments", "0", "1"]
    assert len(study.warnings) == 1


def test_an_answer_that_is_not_from_slack_counts_as_unreachable(slack: SlackServer) -> None:
    slack.fail(1, status=404, error="no such page")
    study = Study(slack.base_url)
    study.begin(1)
    study.end(0)
    assert len(slack.texts) == 2


def test_closing_without_a_start_or_twice_does_no_harm(slack: SlackServer) -> None:
    Study(slack.base_url).listener.close()
    study = Study(slack.base_url)
    study.begin(1)
    study.end(0)
    study.listener.close()
    assert study.warnings == []


def test_the_token_is_in_no_message_repr_log_or_traceback(
    slack: SlackServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """CR-17."""
    seen: list[str] = []
    caplog.set_level(logging.DEBUG)
    for token in (TOKEN, f"{TOKEN}-old", f"{TOKEN} x", f"{TOKEN}\nX: y", f"{TOKEN}ü"):

        def leak(exp: Mapping[str, Any], token: str = token) -> str:
            if exp["C"]:
                raise ValueError(f"the token is {token}")
            return f"here it is: {token}"

        study = Study(slack.base_url, leak, token=token)
        try:
            study.begin(2)
            study.finish(0)
            study.finish(1)
            study.end(2)
        except ListenerError:
            seen.append(traceback.format_exc())
            study.listener.close()
        seen += [repr(study.listener), str(vars(study.listener).get("_delivery")), *study.warnings]
    seen += [str(call.arguments) for call in slack.calls] + [str(call.answer) for call in slack.calls]
    seen += [caplog.text, *capfd.readouterr()]
    assert len(slack.texts) == 4
    assert "here it is: ***" in slack.texts
    assert not [text for text in seen if "a-secret" in text]


def test_a_slack_that_cannot_be_reached_reveals_no_token() -> None:
    study = Study("http://127.0.0.1:1/api/", patience=0.3, drain=0.1)
    study.begin(1)
    study.end(0)
    assert "a-secret" not in "".join(study.warnings)
