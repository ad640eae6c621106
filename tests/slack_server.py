"""A small Slack on loopback: as much of its Web API as Coolrunner uses, and its bad days.

>>> with SlackServer() as slack:
...     slack.fail(2, status=500)          # the next two calls
...     slack.fail(1, status=429, retry_after=1)
...     slack.fail(1, drop=True)           # then one connection that breaks off
"""

from __future__ import annotations

import collections
import http.server
import json
import threading
import time
from dataclasses import dataclass
from typing import Any

TOKEN = "xoxb-a-secret-of-the-tests"


@dataclass(frozen=True)
class Call:
    """One call: its method (``chat.postMessage``), its arguments, when, and what it was answered."""

    method: str
    arguments: dict[str, Any]
    time: float
    answer: dict[str, Any] | str


@dataclass(frozen=True)
class _BadDay:
    status: int = 200
    error: str = ""
    retry_after: float | None = None
    drop: bool = False
    delay: float = 0.0


class SlackServer:
    """Answers like Slack and remembers what it was asked.

    Parameters
    ----------
    token
        The one that it takes.
    channels
        Those in which a bot may post.
    """

    def __init__(self, token: str = TOKEN, channels: tuple[str, ...] = ("#studies",)) -> None:
        self.token, self.channels = token, channels
        self.calls: list[Call] = []
        self._bad_days: collections.deque[_BadDay] = collections.deque()
        self._lock = threading.Lock()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                server._handle(self)

            def log_message(self, *_: object) -> None:
                pass

        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def base_url(self) -> str:
        """What `slack_sdk.WebClient` takes as such."""
        return f"http://127.0.0.1:{self._http.server_port}/api/"

    @property
    def posts(self) -> list[dict[str, Any]]:
        """The arguments of the messages that were taken, in order."""
        taken = [call for call in self.calls if call.method == "chat.postMessage"]
        return [call.arguments for call in taken if isinstance(call.answer, dict) and call.answer["ok"]]

    @property
    def texts(self) -> list[str]:
        """The texts of the messages that were taken, in order."""
        return [post["text"] for post in self.posts]

    def fail(
        self,
        times: int,
        *,
        status: int = 200,
        error: str = "",
        retry_after: float | None = None,
        drop: bool = False,
        delay: float = 0.0,
    ) -> None:
        """Answer the next calls badly: with a status or an error, late, or by breaking off."""
        self._bad_days.extend([_BadDay(status, error, retry_after, drop, delay)] * times)

    def __enter__(self) -> SlackServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _handle(self, request: http.server.BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        arguments = json.loads(body) if body.startswith(b"{") else {}
        method = request.path.rpartition("/")[2]
        with self._lock:
            bad = self._bad_days.popleft() if self._bad_days else None
        if bad is not None:
            time.sleep(bad.delay)
        answer = self._answer(method, arguments, request.headers.get("Authorization", ""))
        status, headers = 200, {}
        if bad is not None and (bad.status != 200 or bad.error):
            status, answer = bad.status, {"ok": False, "error": bad.error or "ratelimited"}
            if bad.retry_after is not None:
                headers["Retry-After"] = str(bad.retry_after)
        dropped = bad is not None and bad.drop
        with self._lock:
            self.calls.append(Call(method, arguments, time.monotonic(), "dropped" if dropped else answer))
        if dropped:
            request.close_connection = True
            return
        data = json.dumps(answer).encode()
        request.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": len(data),
            **headers,
        }.items():
            request.send_header(name, str(value))
        request.end_headers()
        request.wfile.write(data)

    def _answer(self, method: str, arguments: dict[str, Any], authorization: str) -> dict[str, Any]:
        if authorization != f"Bearer {self.token}":
            return {"ok": False, "error": "invalid_auth" if authorization else "not_authed"}
        if method == "auth.test":
            return {"ok": True, "user": "coolrunner", "team": "tests"}
        if arguments.get("channel") not in self.channels:
            return {"ok": False, "error": "channel_not_found"}
        return {"ok": True, "channel": arguments["channel"], "ts": f"1700000000.{len(self.calls):06d}"}
