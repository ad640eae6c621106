"""How messages get to Slack: in order, from a thread of their own, again and again until they are there.

A message may arrive twice, where a connection broke after Slack had taken it, and never gets lost
while the study runs.
"""

from __future__ import annotations

import collections
import logging
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coolrunner.reporting.text import cut

if TYPE_CHECKING:
    from slack_sdk import WebClient

__all__ = ["Delivery", "Post"]

#: What Slack recommends for a text; it cuts at some 40,000 and shows a fold much earlier.
TEXT_LIMIT = 3900
#: Posts that wait beyond this are left out, and counted.
_WAITING_LIMIT = 10_000
#: Where more than this wait, Slack is behind: several go into one post.
_JOIN_ABOVE = 10
_REQUEST_TIMEOUT = 10
_FIRST_PAUSE, _LONGEST_PAUSE, _CLOSING_PAUSE = 1.0, 60.0, 0.5

_TOKEN_ERRORS = frozenset(
    {
        "access_denied",
        "account_inactive",
        "ekm_access_denied",
        "enterprise_is_restricted",
        "invalid_auth",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "not_authed",
        "org_login_required",
        "team_access_not_granted",
        "token_expired",
        "token_revoked",
    }
)
_CHANNEL_ERRORS = frozenset(
    {
        "channel_not_found",
        "is_archived",
        "not_in_channel",
        "restricted_action",
        "restricted_action_non_threadable_channel",
        "restricted_action_read_only_channel",
        "restricted_action_thread_only_channel",
    }
)
_PASSING_ERRORS = frozenset(
    {"fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org"}
)


@dataclass(frozen=True, slots=True)
class Post:
    """A message; `broadcast` shows it in the channel too, and `count` is how many were joined in it."""

    text: str
    broadcast: bool = False
    count: int = 1


class _Later(Exception):
    """Slack cannot be reached, or asks to wait; with the seconds that it asks for."""

    def __init__(self, reason: str, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.seconds = seconds


class _Refused(Exception):
    """Slack takes nothing with this token or for this channel."""


class _Rejected(Exception):
    """Slack does not take this one message."""


class _TooLate(Exception):
    """The time that `Delivery.close` was given is over."""


class Delivery:
    """Posts to one channel; the first post begins a thread, in which all others stand.

    Parameters
    ----------
    channel
        Its name or its identifier.
    token
        A bot's token; it is in no text that this class gives.
    base_url
        Where Slack is, if not at its usual place.
    """

    def __init__(self, channel: str, token: str, base_url: str | None = None) -> None:
        self._channel = channel
        self._token = token
        self._base_url = base_url
        self._condition = threading.Condition()
        self._posts: collections.deque[Post] = collections.deque()
        self._under_way = 0
        self._left_out = 0
        self._deadline: float | None = None
        self._thread_ts = ""
        self._trouble, self._warned = "", False
        self._warnings: collections.deque[str] = collections.deque()
        self._answered = threading.Event()
        self._refusal = ""
        self._thread = threading.Thread(target=self._work, name="slack", daemon=True)

    # --- for the listener ---

    def start(self, patience: float, opening: str = "") -> str:
        """Begin; wait a while for Slack to take the token, and the first post if it is given here.

        Parameters
        ----------
        patience
            How long, in seconds.
        opening
            The first post.

        Returns
        -------
        str
            Why Slack refuses; an empty string where it does not, or could not be asked yet.
        """
        if opening:
            self.post(opening)
        self._thread.start()
        if not self._answered.wait(patience):
            self._warn()
        return self._refusal

    def post(self, text: str, broadcast: bool = False) -> None:
        """Let a message wait for its turn; takes no time."""
        with self._condition:
            if self._refusal:
                return
            if len(self._posts) >= _WAITING_LIMIT and not broadcast:
                self._left_out += 1
                return
            self._posts.append(Post(shortened(text.replace(self._token, "***")), broadcast))
            self._condition.notify_all()

    def warnings(self) -> Iterator[str]:
        """Yield what a person should know, once."""
        while self._warnings:
            yield self._warnings.popleft()

    def close(self, seconds: float) -> int:
        """Wait until everything is delivered, at most `seconds`; return how many messages are not."""
        with self._condition:
            self._deadline = time.monotonic() + seconds
            self._condition.notify_all()
        if self._thread.ident is not None:
            self._thread.join(seconds)
        with self._condition:
            waiting = sum(post.count for post in self._posts) + self._under_way + self._left_out
            self._posts.clear()
        return 0 if self._refusal else waiting

    # --- in the thread ---

    def _work(self) -> None:
        try:
            client = self._client()
            self._again_and_again(lambda: self._ask(client.auth_test))
            while (post := self._next()) is not None:
                self._deliver(client, post)
        except _TooLate:
            pass  # `close` counts what is left
        except _Refused as refusal:
            self._refuse(str(refusal))
        except Exception as error:  # nobody else would hear of it
            self._refuse(f"{type(error).__name__}: {error}")
        finally:
            self._answered.set()

    def _deliver(self, client: WebClient, post: Post) -> None:
        options: dict[str, Any] = {"channel": self._channel, "text": post.text, "unfurl_links": False}
        first = not self._thread_ts
        if not first:
            options["thread_ts"] = self._thread_ts
            if post.broadcast:
                options["reply_broadcast"] = True
        try:
            answer = self._again_and_again(lambda: self._ask(client.chat_postMessage, **options))
        except _Rejected as rejection:
            if first:
                raise _Refused(str(rejection)) from None
            self._warnings.append(f"Slack did not take a message: {rejection}")
        else:
            self._thread_ts = self._thread_ts or str(answer.get("ts") or "")
        if first:
            self._answered.set()
        with self._condition:
            self._under_way = 0

    def _next(self) -> Post | None:
        """Wait for a post; return None when there is no more to come."""
        with self._condition:
            while not self._posts:
                if self._deadline is not None:
                    return None
                if not self._thread_ts:  # no opening was given: the token is all that can be told
                    self._answered.set()
                self._condition.wait()
            post = self._posts.popleft()
            if len(self._posts) >= _JOIN_ABOVE and self._thread_ts:
                post = self._joined(post)
            self._under_way = post.count
            return post

    def _joined(self, post: Post) -> Post:
        texts, length = [post.text], len(post.text)
        while self._posts and not post.broadcast and not self._posts[0].broadcast:
            length += len(self._posts[0].text) + 1
            if length > TEXT_LIMIT:
                break
            texts.append(self._posts.popleft().text)
        return Post("\n".join(texts), post.broadcast, len(texts))

    def _again_and_again(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return what `call` returns once Slack takes it; give up only after the deadline."""
        pause = _FIRST_PAUSE
        while True:
            try:
                answer = call()
            except _Later as later:
                self._trouble = cut(str(later), 200)
                if pause > 2 * _FIRST_PAUSE and not later.seconds:  # it was no hiccup
                    self._warn()
                self._wait(pause, later.seconds)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._trouble, self._warned = "", False
                return answer

    def _wait(self, pause: float, asked: float) -> None:
        """Wait as long as Slack asks for, or else for a pause that closing makes short."""
        begun = time.monotonic()
        with self._condition:
            while True:
                closing = self._deadline is not None
                waited = time.monotonic() - begun
                rest = (asked or (min(pause, _CLOSING_PAUSE) if closing else pause)) - waited
                if self._deadline is not None and begun + waited + max(rest, 0.0) > self._deadline:
                    raise _TooLate
                if rest <= 0:
                    return
                self._condition.wait(rest)

    def _warn(self) -> None:
        """Warn once for each time that Slack is away."""
        if not self._warned:
            self._warned = True
            reason = self._trouble or "no answer yet"
            self._warnings.append(f"Slack cannot be reached ({reason}); messages wait until it can")

    def _refuse(self, reason: str) -> None:
        with self._condition:
            self._refusal = self._clean(reason)
            self._warnings.append(f"Slack refuses: {self._refusal}; nothing more is sent to it")
            self._under_way = 0
            self._posts.clear()

    # --- talking to Slack ---

    def _client(self) -> WebClient:
        from slack_sdk import WebClient

        # What slack_sdk logs would end up on the console, and could hold a header.
        logger = logging.Logger("coolrunner.slack", logging.CRITICAL + 1)
        options: dict[str, Any] = {} if self._base_url is None else {"base_url": self._base_url}
        client = WebClient(self._token, timeout=_REQUEST_TIMEOUT, retry_handlers=[], logger=logger, **options)
        host = urllib.parse.urlsplit(client.base_url).hostname or ""
        if client.proxy and urllib.request.proxy_bypass(host):  # slack_sdk does not look at no_proxy
            client.proxy = None
        return client

    def _ask(self, method: Callable[..., Any], **options: Any) -> dict[str, Any]:
        from slack_sdk.errors import SlackApiError

        try:
            answer = method(**options).data
        except SlackApiError as error:
            raise self._meaning(error.response) from None
        except Exception as error:  # refused, reset, timed out, no such host, a broken answer, ...
            reason = getattr(error, "reason", error)
            raise _Later(self._clean(str(reason) or type(error).__name__)) from None
        return answer if isinstance(answer, dict) else {}

    def _meaning(self, response: Any) -> Exception:
        """Return what an answer that is not ok means for this message and the others."""
        status, error = response.status_code, self._clean(str(response.get("error", "")))
        if status == 429 or error in ("ratelimited", "rate_limited"):
            return _Later("it asks to wait", _retry_after(response.headers))
        # Slack's errors are words; a sentence is slack_sdk's about an answer that is not from Slack.
        if status != 200 or error in _PASSING_ERRORS or " " in error or not error:
            return _Later(f"it answers {status}" if status != 200 else error or "an answer without a reason")
        if error == "missing_scope":
            return _Refused(f"{error}: the app needs the permission chat:write")
        if error in _TOKEN_ERRORS:
            return _Refused(f"{error}: the token is not, or no longer, a valid token of a bot")
        if error in _CHANNEL_ERRORS:
            return _Refused(f"{error}: is {self._channel} the right channel, and was the bot invited to it?")
        return _Rejected(error)

    def _clean(self, text: str) -> str:
        return text.replace(self._token, "***")


def shortened(text: str) -> str:
    """Return at most as much of a text as Slack shows well."""
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 2].rstrip() + " …"


def _retry_after(headers: Any) -> float:
    for name, value in dict(headers).items():
        if str(name).lower() == "retry-after":
            try:
                return max(float(value), 0.1)
            except (TypeError, ValueError):
                break
    return 1.0
