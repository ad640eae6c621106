"""A study in Slack: a thread with a message for each experiment, and a summary at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from coolrunner.errors import ListenerError
from coolrunner.events import (
    Event,
    ExperimentFailed,
    ExperimentFinished,
    ExperimentInterrupted,
    Stopping,
    StudyFinished,
    StudyStarted,
)
from coolrunner.reporting.delivery import Delivery
from coolrunner.reporting.lines import headline, interruption, outcome, problem, stopping
from coolrunner.reporting.progress import Progress
from coolrunner.reporting.ranking import Ranking
from coolrunner.reporting.text import number

__all__ = ["SlackListener"]

_NEEDED = "Global.slack needs a bot's token in the environment variable SLACK_BOT_TOKEN"


class SlackListener:
    """Tells a Slack channel of a study.

    Nothing here waits for Slack but `start` and `close`, and those only for a stated time.

    Parameters
    ----------
    channel
        The channel's name or identifier.
    message
        Makes the message of a finished experiment from its record; an empty one is not posted. That of
        a failed one stands below its error. Plain messages if None.
    token
        The bot's token. It is shown nowhere.
    warn
        Called with what a person should know, from `start`, `handle` and `close` only.
    opening
        The first message. If it is given, `start` posts it, and a channel that Slack refuses keeps the
        study from beginning; if not, it is made of `StudyStarted`, and such a channel is a warning.
    base_url
        Where Slack is, if not at its usual place.
    patience
        How many seconds `start` waits for an answer. A Slack that cannot be reached is a warning.
    drain
        How many seconds `close` waits for messages that are still on their way.
    """

    def __init__(
        self,
        channel: str,
        message: Callable[[Mapping[str, Any]], Any] | None,
        token: str | None,
        *,
        warn: Callable[[str], None],
        opening: str = "",
        base_url: str | None = None,
        patience: float = 4.0,
        drain: float = 10.0,
    ) -> None:
        self._channel = channel
        self._message = message
        self._token = (token or "").strip()
        self._warn = warn
        self._opening = opening
        self._patience, self._drain = patience, drain
        self._delivery = Delivery(channel, self._token, base_url) if self._token else None
        self._progress = Progress()
        self._ranking = Ranking()
        self._warned = False

    def __repr__(self) -> str:
        return f"SlackListener({self._channel!r})"

    def start(self) -> None:
        """Show the token to Slack, and post the first message if there is one yet.

        Raises
        ------
        ListenerError
            There is no token, or Slack refuses the token or the channel.
        """
        if self._delivery is None:
            raise ListenerError(f"{_NEEDED}; it is not set")
        if not (self._token.isascii() and self._token.isprintable() and " " not in self._token):
            raise ListenerError(f"{_NEEDED}; what it holds is no token: it has spaces or strange characters")
        refusal = self._delivery.start(self._patience, _escaped(self._opening))
        if refusal:
            raise ListenerError(f"Slack refuses: {refusal} (Global.slack, SLACK_BOT_TOKEN)")
        self._pass_on_warnings()

    def handle(self, event: Event) -> None:
        """Let the message of an event wait for its turn."""
        if self._delivery is None:
            return
        self._progress.take(event)
        if isinstance(event, StudyStarted) and not self._opening:
            self._post(f"{event.study}: {event.total} experiment{'' if event.total == 1 else 's'}")
        elif isinstance(event, ExperimentFinished):
            self._ranking.add(event)
            self._finished(event)
        elif isinstance(event, ExperimentFailed):
            self._failed(event)
        elif isinstance(event, ExperimentInterrupted):
            self._post(f"✗ {event.index} {event.name} {interruption(event)}")
        elif isinstance(event, Stopping):
            self._post(stopping(event, len(self._progress.running)))
        elif isinstance(event, StudyFinished):
            self._post(headline(event) + self._best(), broadcast=True)
        if isinstance(event, (ExperimentFinished, ExperimentFailed, ExperimentInterrupted)):
            self._progress.drop(event.id)
        self._pass_on_warnings()

    def close(self) -> None:
        """Wait for what is still on its way, and say what did not get there."""
        if self._delivery is None:
            return
        undelivered = self._delivery.close(self._drain)
        self._pass_on_warnings()
        if undelivered:
            many = f"{undelivered} message{'' if undelivered == 1 else 's'}"
            self._warn(f"{many} could not be delivered to Slack")

    def _finished(self, event: ExperimentFinished) -> None:
        plain = f"✓ {event.index} {event.name} {outcome(event)}"
        if self._message is None:
            self._post(plain)
            return
        assert self._delivery is not None
        try:
            message = self._message(event.record)
            text = "" if message is None else str(message)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            self._post(f"{plain}\n(Global.slack.message failed: {reason})")
            if not self._warned:
                self._warned = True
                self._warn(
                    self._clean(
                        f"Global.slack.message failed on experiment {event.index} ({event.name}): {reason}; "
                        "plain messages are sent where it fails"
                    )
                )
        else:
            if text:  # it may mean to hold links and mentions
                self._delivery.post(text)

    def _failed(self, event: ExperimentFailed) -> None:
        assert self._delivery is not None
        text = _escaped(f"✗ {event.index} {event.name} {problem(event)}")
        if self._message is not None:
            # Most messages need results, which a failed experiment has not; that is no mistake in them.
            with contextlib.suppress(Exception):
                text += f"\n{self._message(event.record) or ''}".rstrip()
        self._delivery.post(text)

    def _best(self) -> str:
        key = self._ranking.key()
        if not key:
            return ""
        best = self._ranking.rows()[0]
        return f"\nbest {key}: {number(best.record[key])}, {best.index} {best.name}"

    def _post(self, text: str, broadcast: bool = False) -> None:
        assert self._delivery is not None
        self._delivery.post(_escaped(text), broadcast)

    def _pass_on_warnings(self) -> None:
        assert self._delivery is not None
        for warning in self._delivery.warnings():
            self._warn(warning)

    def _clean(self, text: str) -> str:
        return text.replace(self._token, "***")


def _escaped(text: str) -> str:
    """Return a text in which Slack sees no links and no mentions."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
