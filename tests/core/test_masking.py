"""Which values of an environment are shown."""

from __future__ import annotations

import pytest

from mcp_background_job.core.masking import MASK, masked


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GITHUB_TOKEN", "x"),
        ("PGPASSWORD", "hunter2"),
        ("api_key", "1"),
        ("OPENAI_APIKEY", "k"),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("MCP_BG_COOKIE", "a-b-c"),
        ("npm_config_//registry/:_authToken", "x"),
        ("DB_PASS", "x"),
        ("SMTP_AUTH", "x"),
        ("ANYTHING", "ghp_abcdef"),
        ("PLAIN", "eyJhbGciOi.eyJzdWIi.c2ln"),
        ("PEM", "-----BEGIN RSA PRIVATE KEY-----\nMII"),
    ],
)
def test_secrets_are_masked(name: str, value: str) -> None:
    assert masked(name, value) == MASK


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PATH", "/bin"),
        ("PWD", "/home/me"),
        ("KEYBOARD", "us"),
        ("AUTHOR", "me"),
        ("GIT_AUTHOR_NAME", "me"),
        ("PASSENGER_COUNT", "3"),
        ("TOKENIZERS_PARALLELISM", "false"),
        ("SSH_AUTH_SOCK", "/run/ssh"),
        ("SSL_CERT_FILE", "/etc/ssl"),
        ("EMPTY_TOKEN", ""),
        ("URL", "https://example.org/a:b@c"),
    ],
)
def test_what_only_sounds_like_one_is_shown(name: str, value: str) -> None:
    assert masked(name, value) == value


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("postgres://user:secret@host/db", f"postgres://user:{MASK}@host/db"),
        ("redis://:secret@host", f"redis://:{MASK}@host"),
        ("a=amqp://u:p@h b=http://v:q@i", f"a=amqp://u:{MASK}@h b=http://v:{MASK}@i"),
    ],
)
def test_of_an_address_only_the_password_is_masked(value: str, shown: str) -> None:
    assert masked("DATABASE_URL", value) == shown
