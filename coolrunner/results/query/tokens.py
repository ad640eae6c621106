"""The words of questions: a text cut into tokens, and what is said where they make no sense."""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

from coolrunner.errors import Position, Problem, QueryError

__all__ = ["Token", "Tokens"]

_LENGTH = 1_000_000  # characters: room for a list of a hundred thousand IDs
_DIGITS = 400  # of a number
_TOKEN = re.compile(
    r"(?P<space>(?:\s|\#[^\n]*)+)"
    r"|(?P<number>0[xX][0-9a-fA-F]+|(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?)"
    r"""|(?P<text>[rR]?(?:'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*"))"""
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<symbol>===|\*\*|//|==|!=|<=|>=|!~|=~|<>|&&|\|\||:=|.)",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "\n": "", "0": "\0"}
_WORDS = ("and", "or", "not", "in", "is")
_INSTEAD = {
    **dict.fromkeys(("=", "===", ":="), "'==' compares"),
    **dict.fromkeys(("&", "&&"), "write 'and'; it needs no brackets around comparisons"),
    **dict.fromkeys(("|", "||"), "write 'or'; it needs no brackets around comparisons"),
    **dict.fromkeys(("!", "~"), "write 'not'"),
    **dict.fromkeys(("'", '"'), "a quotation mark is missing"),
    "=~": "write '~'",
    "<>": "write '!='",
    "^": "write '**'",
}


class Token(NamedTuple):
    """A word of a question, and from where to where it stands.

    Attributes
    ----------
    kind
        ``number``, ``text``, ``name``, ``word`` (and or not in is), ``symbol`` or ``end``.
    """

    kind: str
    text: str
    start: int
    end: int

    @property
    def inner(self) -> str:
        """What stands between the quotes of a text, as it is written."""
        return self.text.lstrip("rR")[1:-1]

    @property
    def unquoted(self) -> str:
        """What a text means."""
        return self.inner if self.text[0] in "rR" else _ESCAPE.sub(_character, self.inner)


def _character(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    return chr(int(code, 16)) if code else _ESCAPED.get(match[3], match[0])


class Tokens:
    """The tokens of a question, of which the first ones have been read.

    Parameters
    ----------
    text
        The question.
    label
        What it is called in errors.

    Raises
    ------
    QueryError
        It has what no question has.
    """

    def __init__(self, text: str, label: str) -> None:
        self.text = text
        self.label = label
        self.place = 0
        self._tokens = self._cut()

    def _cut(self) -> list[Token]:
        if len(self.text) > _LENGTH:
            self.fail(f"an expression has at most {_LENGTH:,} characters", 0)
        tokens: list[Token] = []
        before = Token("end", "", 0, -1)
        for match in _TOKEN.finditer(self.text):
            kind = match.lastgroup or ""
            if kind == "space":
                continue
            token = Token("word" if match[0] in _WORDS else kind, match[0], *match.span())
            # 3x, 1j, b'...' and f'...' are one thing to a reader, and no value.
            if token.start == before.end and before.kind in ("number", "name") and kind != "symbol":
                self.refuse(before.start, token.end)
            tokens.append(token)
            before = token
        return [*tokens, Token("end", "", len(self.text), len(self.text))]

    # --- reading on --------------------------------------------------------------------------------

    @property
    def token(self) -> Token:
        """The next one."""
        return self._tokens[self.place]

    @property
    def end(self) -> int:
        """Where the last one that was read ends."""
        return self._tokens[self.place - 1].end

    def at(self, *texts: str) -> bool:
        """Whether the next token is one of these symbols or words."""
        return self.token.kind in ("symbol", "word") and self.token.text in texts

    def take(self, *texts: str) -> str:
        """Return the next token and go on, if it is one of these symbols or words; else nothing."""
        if not self.at(*texts):
            return ""
        self.place += 1
        return self._tokens[self.place - 1].text

    def need(self, closing: str, opened: int) -> None:
        """Go on behind a closing bracket; an error if another token is next."""
        if self.token.kind == "end":
            self.fail(f"{self.text[opened]!r} is never closed", opened)
        if not self.take(closing):
            self.unexpected(f"{closing!r}")

    def skip(self, opened: int) -> None:
        """Go on behind the bracket that closes one that was read."""
        depth = 1
        while depth:
            if self.token.kind == "end":
                self.need(")", opened)
            depth += self.at("(") - self.at(")")
            self.place += 1

    def number(self, token: Token) -> int | float:
        """Return the number that a token is."""
        if len(token.text) > _DIGITS:
            self.fail(f"a number has at most {_DIGITS} digits", token.start)
        try:
            if token.text[:2] in ("0x", "0X"):
                return int(token.text, 16)
            return int(token.text) if token.text.replace("_", "").isdigit() else float(token.text)
        except ValueError:
            self.refuse(token.start, token.end)

    # --- errors ------------------------------------------------------------------------------------

    def fail(self, message: str, place: int, hint: str = "") -> NoReturn:
        """Raise an error with a caret under a place."""
        before = self.text[:place].split("\n")
        shown = self.text.split("\n")[len(before) - 1]
        problem = Problem(message, Position(self.label, 0, len(before[-1]) + 1), shown, hint)
        raise QueryError(str(problem)) from None

    def refuse(self, start: int, end: int, hint: str = "") -> NoReturn:
        """Raise an error about what stands between two places."""
        what = self.text[start:end]
        self.fail(f"{what if len(what) < 60 else what[:60] + '...'} is not allowed here", start, hint)

    def unexpected(self, expected: str) -> NoReturn:
        """Raise an error about the next token."""
        kind, text, start, end = self.token
        if kind == "end":
            self.fail(f"invalid syntax: {expected} is missing at the end", start)
        if kind == "symbol":
            self.refuse(start, end, _INSTEAD.get(text, f"{expected} is expected"))
        hint = ""
        if kind != "word":  # two values in a row
            expected = "'and', 'or' or a comparison"
            hint = "a text stands in quotes, an odd key in exp['...']"
            hint = f"write '{text.lower()}'" if text.lower() in _WORDS else hint
        self.fail(f"invalid syntax: {expected} is expected before {text[:60]}", start, hint)
