"""What is left out of what is kept: values and files with the names of secrets."""

from __future__ import annotations

from typing import Any

import pytest

from coolrunner.runs.secrets import (
    hide_arguments,
    hide_values,
    is_secret_file,
    is_secret_name,
    looks_secret,
    placeholder,
)

SECRET = """
    password PASSWORD db-password passwd passphrase pwd mysql_pwd pass smtp_pass secret
    client_secret clientSecret mySecret token HF_TOKEN slack_token SLACK_BOT_TOKEN githubToken
    access_token authtoken api_key apiKey API-KEY apikey OPENAI_API_KEY WANDB_KEY wandb.api_key
    private_key AWS_SECRET_ACCESS_KEY ssh_key credentials aws_creds auth authorization Authorization
    session.cookie jwt SLACK_WEBHOOK_URL sentry_dsn connection_string api_tokens dbpassword
    password2 db.slack.token
"""
HARMLESS = """
    lr tokenizer tokens max_tokens num_tokens n_token pad_token eos_token unk_token mask_token
    token_dim token_type tokens_per_batch key keys sort_key key_dim num_keys public_key primary_key
    passes n_pass forward_pass compass author authors secretary secretion password_length token_file
    credentials_path api_key_env pin_memory password_file cookie_cutter author_name PWD OLDPWD
"""
SECRET_FILES = """
    .env .env.local id_rsa .netrc server.pem host.key .ssh/config .aws/credentials credentials.json
    my-credentials.yaml token token.txt slack_token.json .slack_token api-key.txt secrets.toml
    config/secrets.yaml secrets/prod.yaml secrets.py my_secrets.py credentials.py api_keys.py
    passwords.csv db_password.txt kaggle.json
"""
OTHER_FILES = """
    train.py tokenizer.json tokenizer.py tokens.py token.py tokenizer_config.json
    special_tokens_map.json keys.py keyboard.py id_rsa.pub .env.example secrets.example.toml
    test_secrets.py environment.yaml data/train.csv coolrunner/runs/secrets.py authors.txt
    password_strength.py
"""


@pytest.mark.parametrize(
    "name",
    SECRET.split(),
)
def test_the_name_of_a_secret_is_known(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    HARMLESS.split(),
)
def test_harmless_names_are_left_alone(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("given", "shown", "names"),
    [
        (["--api-key", "hunter2"], ["--api-key", "<api-key left out>"], ["api-key"]),
        (["--password=hunter2"], ["--password=<password left out>"], ["password"]),
        (["+slack_token=hunter2"], ["+slack_token=<slack_token left out>"], ["slack_token"]),
        (["++Global.slack.token=hunter2"], ["++Global.slack.token=<Global.slack.token left out>"], None),
        (["API_KEY=hunter2"], ["API_KEY=<API_KEY left out>"], ["API_KEY"]),
        (["--env=API_KEY=hunter2"], ["--env=API_KEY=<API_KEY left out>"], None),
        (["-e", "A=1,API_KEY=hunter2"], ["-e", "A=1,API_KEY=<API_KEY left out>"], None),
        (["+x={token: hunter2, lr: 1}"], ["+x={token: <token left out>, lr: 1}"], ["token"]),
        (['{"api_key": "hunter2, 3", "lr": 1}'], ['{"api_key": <api_key left out>, "lr": 1}'], None),
        (["-H", "Authorization: Bearer hunter2"], ["-H", "Authorization: <Authorization left out>"], None),
        (["--token", "-hunter2"], ["--token", "<token left out>"], ["token"]),
        (
            ["--api-keys", "hunter2", "hunter2", "--lr", "1"],
            ["--api-keys", "<api-keys left out>", "<api-keys left out>", "--lr", "1"],
            ["api-keys"],
        ),
        (["sqlite://me:hunter2@host/db"], ["sqlite://me:<password left out>@host/db"], ["password"]),
        (
            ["--storage=postgresql://me:hunter2@host"],
            ["--storage=postgresql://me:<password left out>@host"],
            None,
        ),
        (["hf_" + "hunter2" * 6], ["<token left out>"], ["token"]),
    ],
)
def test_the_values_of_secrets_are_left_out(
    given: list[str], shown: list[str], names: list[str] | None
) -> None:
    result, left_out = hide_arguments(["run.py", *given, "--epochs", "3"])
    assert result == ["run.py", *shown, "--epochs", "3"]
    assert names is None or left_out == names
    assert left_out
    assert "hunter2" not in repr((result, left_out))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--lr", "1e-3", "--max-tokens", "512", "--pad_token=<pad>", "a:b", "C:\\data", "https://host:80/x"],
        ["--use-auth", "--lr", "1"],
        ["--use-auth", "-v"],
        ["--use-auth=true", "--password=", "token: null"],
        ["https://me@host", "--tokenizer", "bert", "x={tokens: [1, 2]}"],
    ],
)
def test_other_arguments_stay_as_they_are(arguments: list[str]) -> None:
    assert hide_arguments(arguments) == (arguments, [])


def test_a_secret_given_twice_is_listed_once() -> None:
    assert hide_arguments(["token=a", "token=b"]) == ([f"token={placeholder('token')}"] * 2, ["token"])


def test_secret_parameters_are_left_out_at_every_depth() -> None:
    parameters = {
        "lr": 0.1,
        "api_key": "x",
        "optimizer": {"name": "adam", "auth": {"user": "me"}},
        "servers": [{"host": "a", "password": "x"}, "b", [{"token": "x"}]],
        3: "a number for a name",
    }
    before = repr(parameters)
    kept, names = hide_values(parameters)
    assert kept == {
        "lr": 0.1,
        "optimizer": {"name": "adam"},
        "servers": [{"host": "a"}, "b", [{}]],
        3: "a number for a name",
    }
    assert names == ["api_key", "optimizer.auth", "servers.0.password", "servers.2.0.token"]
    assert repr(parameters) == before


def test_parameters_that_plainly_are_secrets_are_left_out_whatever_their_name() -> None:
    token = "hf_" + "a1" * 17
    parameters = {
        "x": token,
        "storage": "postgresql://me:hunter2@host/db",
        "many": ["a", [token]],
        "lr": "1e-3",
    }
    assert hide_values(parameters) == ({"lr": "1e-3"}, ["x", "storage", "many"])


@pytest.mark.parametrize("value", [None, True, False, ""])
def test_a_secret_that_says_nothing_stays(value: Any) -> None:
    assert hide_values({"password": value}) == ({"password": value}, [])


@pytest.mark.parametrize(
    "name",
    SECRET_FILES.split(),
)
def test_the_name_of_a_secret_file_is_known(name: str) -> None:
    assert is_secret_file(name)


@pytest.mark.parametrize(
    "name",
    OTHER_FILES.split(),
)
def test_other_files_are_no_secrets(name: str) -> None:
    assert not is_secret_file(name)


def test_what_is_plainly_a_secret_is_seen_in_a_content() -> None:
    assert looks_secret(b"-----BEGIN RSA PRIVATE KEY-----\nabc")
    assert looks_secret(b"key = 'sk-" + b"a1" * 20 + b"'")
    assert looks_secret(b"url: https://hooks.slack.com/services/T0/B0/abc")
    assert not looks_secret(b"task-" + b"a1" * 20)
    assert not looks_secret(b"-----BEGIN PUBLIC KEY-----")
    assert not looks_secret(rb"re.compile(r'ghp_[A-Za-z0-9]{36}')")
