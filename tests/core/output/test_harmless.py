"""What reaches a terminal of what a job wrote: it may draw, and nothing else."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.core.output.harmless import Filter, shown
from mcp_background_job.core.wire import to_json

_CASES = {
    "text": (b"plain \xc3\xa4\tend\n", "plain ä\tend\n"),
    "colours": (b"\x1b[1;38;5;9mred\x1b[m", "\x1b[1;38;5;9mred\x1b[m"),
    "a progress bar": (b"50%\r\x1b[K100%\x08\n", "50%\r\x1b[K100%\x08\n"),
    "several bars": (b"\x1b[2A\x1b[1Gx\x1b[0J", "\x1b[2A\x1b[1Gx\x1b[0J"),
    "a clipboard": (b"a\x1b]52;c;aGVsbG8=\x07b", "ab"),
    "a title, ended by ST": (b"a\x1b]0;title\x1b\\b", "ab"),
    "a title in C1": (b"a\xc2\x9d0;title\xc2\x9cb", "ab"),
    "a link": (b"\x1b]8;;http://x\x1b\\text\x1b]8;;\x1b\\", "text"),
    "a title that never ends": (b"a\x1b]0;title\nshown", "a\nshown"),
    "a title that an escape ends": (b"\x1b]0;title\x1b[1mx", "\x1b[1mx"),
    "a picture": (b"\x1bPq#0;2;0;0;0\x1b\\x", "x"),
    "questions": (b"\x1b[6n\x1b[c\x1b[>0q\x1bZx", "x"),
    "modes and keys": (b"\x1b[?1049h\x1b[?2004l\x1b[>4;2m\x1b[4hx", "x"),
    "the end of what can be scrolled to": (b"\x1b[3Jx", "x"),
    "a reset, and other sets of characters": (b"\x1bc\x1b(0\x0e\x1b=x", "x"),
    "bells and the like": (b"\x07\x05\x7f\x00x", "x"),
    "another direction": ("a\u2067b\u200fc\n".encode(), "a\\u2067b\\u200fc\n"),
    "not UTF-8": (b"\xffx", "\ufffdx"),
}


@pytest.mark.parametrize("name", _CASES)
def test_what_draws_passes_and_the_rest_does_not_wherever_it_is_cut(name: str) -> None:
    data, passed = _CASES[name]
    assert Filter().feed(data) == passed
    byte_by_byte = Filter()
    assert "".join(byte_by_byte.feed(data[at : at + 1]) for at in range(len(data))) == passed


_PIECES = st.sampled_from(
    [b"\x1b", b"[", b"]", b"P", b"52;c;", b"\x07", b"\\", b"m", b"h", b"?", b"\n", b"\xc2\x9b", b"x"]
)
_PASSES = re.compile(r"(?:[^\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f]|\x1b\[(?:[0-9:;]*[ABCDEFGHKfm]|[012]?J))*")


@given(st.lists(_PIECES, max_size=20), st.integers(min_value=1, max_value=9))
def test_nothing_else_passes_however_it_is_put_together(pieces: list[bytes], size: int) -> None:
    data = b"".join(pieces)
    pieced = Filter()
    passed = "".join(pieced.feed(data[at : at + size]) for at in range(0, len(data), size))
    assert _PASSES.fullmatch(passed)


def test_what_would_read_as_another_name_is_escaped_also_in_json() -> None:
    name = "\u202egnp.exe\x9b2J"
    assert shown(name) == r"\u202egnp.exe\x9b2J"
    text = to_json({"file": name})
    assert text.isascii()
    assert json.loads(text) == {"file": name}
