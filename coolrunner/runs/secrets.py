"""Which names speak of secrets: those values and files are left out of what is kept, and listed by name.

A name is looked at word by word (``SLACK_BOT_TOKEN``, ``apiKey``, ``db-password``). The words that machine
learning uses for harmless things (``pad_token``, ``max_tokens``, ``sort_key``) are left alone; in doubt a
value is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import PurePath
from typing import Any

__all__ = [
    "SECRET_CONTENT",
    "SECRET_NAME",
    "hide_arguments",
    "hide_values",
    "is_secret_file",
    "is_secret_name",
    "looks_secret",
    "placeholder",
]

#: Why a file is left out, for a person.
SECRET_NAME = "its name speaks of secrets"
SECRET_CONTENT = "it holds what looks like a secret"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# --- names ---

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
#: A word that makes a name secret wherever it stands; also with another word glued to it.
_ALWAYS = re.compile(
    r".*(passwords?|passwd|passphrases?|secrets?|credentials?|apikeys?|accesskey|secretkey|privatekey"
    r"|(auth|access|api|bot|refresh|session|bearer|slack|github|hf)tokens?)"
)
_STRONG = frozenset({"pwd", "creds", "jwt", "webhook", "htpasswd"})
#: Words that make a name secret as its last one.
_LAST = frozenset({"token", "auth", "authorization", "bearer", "cookie", "cookies", "dsn", "otp"})
#: With these in front, a token is a piece of text and a pass goes forward.
_HARMLESS = _words(
    "pad eos bos unk mask sep cls start end stop begin special per num n max min new next last first "
    "image audio text eot prefix suffix placeholder class word sub target source prompt"
)
_KEYS = _words(
    "api access secret private auth authentication signing encryption decryption ssh gpg pgp rsa aes hmac "
    "master service account storage license licence wandb openai anthropic comet neptune azure aws gcp hf"
)
_PASSES = _words("user db smtp ftp mail email proxy http root admin redis mysql postgres pg")
#: Words that say that the value is only about a secret.
_ABOUT = _words(
    "file path dir directory env var variable name length len size dim count type prefix field column index "
    "prob rate dropout"
)


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether the value of an argument, a key or a variable of this name is to be left out.

    Parameters
    ----------
    name
        In any style of writing; dots nest (``slack.token``).
    """
    if name in ("PWD", "OLDPWD"):  # the working directory, in every environment
        return False
    return _is_secret([word.lower() for word in _WORD.findall(name)])


def _is_secret(words: Sequence[str]) -> bool:
    if not words or words[-1] in _ABOUT:
        return False
    if any(word in _STRONG or _ALWAYS.fullmatch(word) for word in words):
        return True
    *before, last = words
    nearest = before[-1] if before else ""
    if last in ("key", "keys"):
        return nearest in _KEYS
    if last == "pass":
        return not before or nearest in _PASSES
    if last == "tokens":
        return nearest in ("api", "access", "auth", "refresh", "bearer", "session")
    if words[-2:] == ["connection", "string"]:
        return True
    return last in _LAST and nearest not in _HARMLESS


# --- contents ---

# What each begins with, and what comes after it. The beginning is looked for first, which is a hundred times
# as fast as the whole.
_TOKENS = {
    "-----BEGIN ": r"[A-Z ]*PRIVATE KEY-----",
    "github_pat_": r"[A-Za-z0-9_]{30,}",
    "glpat-": r"[A-Za-z0-9_-]{18,}",
    "hf_": r"[A-Za-z0-9]{30,}",
    "sk-": r"[A-Za-z0-9_-]{20,}",
    "AKIA": r"[A-Z0-9]{16}\b",
    "AIza": r"[A-Za-z0-9_-]{35}\b",
    "https://hooks.slack.com/services/": r"\w+/\w+/\w+",
    **{f"gh{kind}_": r"[A-Za-z0-9]{30,}" for kind in "opsu"},
    **{f"xox{kind}-": r"[A-Za-z0-9-]{10,}" for kind in "abeoprs"},
}
# Fewer characters than any of these has, and an address with a password.
_SHORTEST = 12
# The look behind stands after the beginning, which keeps the search for it quick.
_PATTERNS = {
    start: re.escape(start) + rf"(?<![A-Za-z0-9]{re.escape(start)})" + rest for start, rest in _TOKENS.items()
}


def looks_secret(data: bytes) -> bool:
    """Whether a content has in it what is plainly a secret: a private key, or a token of a known service."""
    return any(
        start.encode() in data and re.search(pattern.encode(), data) for start, pattern in _PATTERNS.items()
    )


# --- arguments ---

# A name and a sign after it, as in KEY=VALUE, +a.b=VALUE, {"key": VALUE} and "Authorization: VALUE".
_PAIR = re.compile(r"""(?<![\w.])(["']?)([A-Za-z_][\w.\-]*)\1\s*[:=]\s*""")
_URL = re.compile(r"(?<=://)([^/\s:@]*):([^/\s@]+)(?=@)")
_NOTHING = frozenset({"", "true", "false", "null", "none", "~", "yes", "no"})


def placeholder(name: str) -> str:
    """Return what stands in a command line in place of the value of that name."""
    return f"<{name} left out>"


def hide_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Leave the values of secret names out of a command line.

    Parameters
    ----------
    arguments
        As a program gets them: ``--api-key X``, ``--password=X``, ``+slack.token=X``, ``KEY=VALUE``, also
        within an argument (``--env=KEY=VALUE``, ``{token: X}``), and addresses with a password.

    Returns
    -------
    The arguments with a `placeholder` for each value left out, and the names of these, in order.
    """
    shown: list[str] = []
    names: list[str] = []
    waiting = ""  # the option whose value comes next
    for argument in arguments:
        if waiting and not _is_option(argument):
            shown.append(placeholder(waiting))
            names.append(waiting)
            # Of several values all are left out, up to the next option.
            waiting = waiting if re.search("[^s]s$", waiting) else ""
            continue
        waiting = ""
        shown.append(_hide_in(argument, names))
        option = argument.lstrip("-")
        if argument.startswith("-") and "=" not in option and is_secret_name(option):
            waiting = option
    return shown, list(dict.fromkeys(names))


def _is_option(argument: str) -> bool:
    # A token may begin with a dash; one letter after it is an option.
    return argument.startswith("--") or (argument.startswith("-") and len(argument) <= 2)


def _hide_in(text: str, names: list[str]) -> str:
    """Return an argument without what is secret in it, adding the names of that to `names`."""
    parts: list[str] = []
    done = 0
    while found := _PAIR.search(text, done):
        end = _end_of_value(text, found)
        name = found[2]
        if is_secret_name(name) and text[found.end() : end].strip("\"' ").lower() not in _NOTHING:
            parts += [text[done : found.end()], placeholder(name)]
            names.append(name)
            done = end
        else:
            parts.append(text[done : found.end()])
            done = found.end()
    parts.append(text[done:])
    return _hide_tokens("".join(parts), names)


def _end_of_value(text: str, pair: re.Match[str]) -> int:
    """Return where the value after a name ends: within braces at a comma, else where the text does."""
    start = pair.end()
    first = text[start : start + 1]
    if first in ("'", '"') and (closing := text.find(first, start + 1)) >= 0:
        return closing + 1
    before = text[: pair.start()]
    within = sum(map(before.count, "{([")) > sum(map(before.count, "})]"))
    if within and first not in ("{", "["):
        end = re.compile(r"[,})\]]").search(text, start)
        return end.start() if end else len(text)
    return len(text)


def _hide_tokens(text: str, names: list[str]) -> str:
    if "://" in text and _URL.search(text):
        names.append("password")
        text = _URL.sub(lambda found: f"{found[1]}:{placeholder('password')}", text)
    for start, pattern in _PATTERNS.items():
        if start in text and re.search(pattern, text):
            names.append("token")
            text = re.sub(pattern, placeholder("token"), text)
    return text


# --- parameters ---


def hide_values(parameters: Mapping[Any, Any]) -> tuple[dict[Any, Any], list[str]]:
    """Leave the values of secret names out of parameters, and texts that plainly are secrets.

    Parameters
    ----------
    parameters
        Plain data; it is not changed.

    Returns
    -------
    The parameters without these keys, and the names of these, nested ones with dots
    (``optimizer.api_key``; ``servers.0.password`` in a list). A key whose value says nothing (None, a
    boolean, an empty text) stays.
    """
    names: list[str] = []
    return _without(parameters, "", names), names


def _without(mapping: Mapping[Any, Any], above: str, names: list[str]) -> dict[Any, Any]:
    kept = {}
    for key, value in mapping.items():
        name = key if type(key) is str else str(key)
        says_nothing = value is None or value is True or value is False or value == ""
        if not says_nothing and (is_secret_name(name) or _tells(value)):
            names.append(above + name)
        elif isinstance(value, (dict, list)):
            kept[key] = _without_in(value, f"{above}{name}.", names)
        else:
            kept[key] = value
    return kept


def _tells(value: Any) -> bool:
    """Whether a value is a secret by itself; nested mappings are looked at key by key."""
    if isinstance(value, str):
        return len(value) >= _SHORTEST and _hide_tokens(value, []) != value
    return isinstance(value, list) and any(map(_tells, value))


def _without_in(value: Any, above: str, names: list[str]) -> Any:
    if isinstance(value, dict):
        return _without(value, above, names)
    if isinstance(value, list):
        return [_without_in(item, f"{above}{index}.", names) for index, item in enumerate(value)]
    return value


# --- files ---

_FILES = _words(
    ".env .envrc .netrc _netrc .pypirc .npmrc .pgpass .my.cnf .htpasswd .git-credentials .dockercfg "
    ".boto .s3cfg id_rsa id_dsa id_ecdsa id_ed25519 kubeconfig kaggle.json"
)
_SUFFIXES = (".pem", ".key", ".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".ppk", ".gpg", ".age")
_DIRECTORIES = frozenset({".ssh", ".aws", ".gnupg", ".kube", ".docker", "secrets", ".secrets"})
_TEMPLATES = frozenset({"example", "sample", "template", "dist", "test", "tests"})
#: Code speaks of tokens for many reasons; it holds secrets where its name ends with one of these.
_CODE = _words(".py .pyi .pyx .ipynb .c .cc .cpp .cu .cuh .h .hpp .rs .go .js .ts .jl .r .md .rst")
_HOLDS = re.compile(r"secrets?|credentials?|creds|passwords?|(api)?keys")


def is_secret_file(path: str | PurePath) -> bool:
    """Whether a file is to be left out for its name: ``.env``, ``id_rsa``, ``*.pem``, ``slack-token.txt``.

    Parameters
    ----------
    path
        Relative to the project; directories count too (``.ssh/config``).
    """
    path = PurePath(path)
    # The module of this name here has none in it, and a checkout's runs cannot be restored without it.
    if path.parts[-3:] == ("coolrunner", "runs", "secrets.py"):
        return False
    name = path.name.lower()
    words = [word.lower() for word in _WORD.findall(path.name.partition(".")[0] or path.name)]
    if _TEMPLATES & {*words, *name.split(".")}:
        return False
    if name in _FILES or name.startswith(".env.") or name.endswith(_SUFFIXES):
        return True
    if path.suffix.lower() in _CODE:
        return bool(words) and _HOLDS.fullmatch(words[-1]) is not None and is_secret_name("_".join(words))
    return not _DIRECTORIES.isdisjoint(path.parts[:-1]) or _is_secret(words)
