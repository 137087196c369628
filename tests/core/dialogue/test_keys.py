"""The keys of a terminal."""

from __future__ import annotations

import pytest

from mcp_background_job.core.dialogue.keys import bytes_of
from mcp_background_job.errors import InvalidRequestError


@pytest.mark.parametrize(
    ("key", "sent"),
    [
        ("q", b"q"),
        ("Q", b"Q"),
        ("-", b"-"),
        ("é", "é".encode()),
        ("enter", b"\r"),
        ("Return", b"\r"),
        ("esc", b"\x1b"),
        ("PgUp", b"\x1b[5~"),
        ("page_down", b"\x1b[6~"),
        ("home", b"\x1b[H"),
        ("end", b"\x1b[F"),
        ("insert", b"\x1b[2~"),
        ("shift-tab", b"\x1b[Z"),
        ("backtab", b"\x1b[Z"),
        ("f1", b"\x1bOP"),
        ("F4", b"\x1bOS"),
        ("f5", b"\x1b[15~"),
        ("f10", b"\x1b[21~"),
        ("f12", b"\x1b[24~"),
        ("ctrl-x", b"\x18"),
        ("Ctrl+C", b"\x03"),
        ("C-x", b"\x18"),
        ("ctrl-space", b"\0"),
        ("ctrl-\\", b"\x1c"),
        ("ctrl-[", b"\x1b"),
        ("ctrl-up", b"\x1b[1;5A"),
        ("shift-end", b"\x1b[1;2F"),
        ("alt-x", b"\x1bx"),
        ("alt-X", b"\x1bX"),
        ("M-b", b"\x1bb"),
        ("alt-enter", b"\x1b\r"),
        ("alt-left", b"\x1b[1;3D"),
        ("shift-a", b"A"),
    ],
)
def test_a_key_is_what_a_terminal_sends_for_it(key: str, sent: bytes) -> None:
    assert bytes_of(key) == sent


@pytest.mark.parametrize("key", ["", "f13", "ctrl-", "ctrl-é", "ctrl-f5", "shift-enter", "hyper-x", "hello", "eofx"])
def test_what_is_no_key_is_refused_with_those_that_are(key: str) -> None:
    with pytest.raises(InvalidRequestError, match=r"is unknown: give one character, backspace, .* ctrl-c; eof ends"):
        bytes_of(key)
