"""What is written where: results to stdout, remarks and errors to stderr; and whether people or pipes read it."""

from __future__ import annotations

import codecs
import json
import sys
from typing import Any

from mcp_background_job.cli.wording import PROGRAM, typed
from mcp_background_job.core.output.harmless import shown, shown_in_json
from mcp_background_job.core.wire import plain, utf8
from mcp_background_job.errors import BackgroundJobError


def for_people() -> bool:
    """Tell whether stdout is a terminal."""
    return sys.stdout.isatty()


def line(text: str = "") -> None:
    """Write one line of a result; what a terminal would obey is escaped."""
    sys.stdout.write(f"{shown(utf8(text))}\n")


def as_json(value: Any) -> None:
    """Write a result as one line of JSON."""
    # What another encoding lacks would be written as "\\xe9", which is no JSON.
    is_utf8 = codecs.lookup(sys.stdout.encoding).name == "utf-8"
    text = json.dumps(plain(value), ensure_ascii=not is_utf8, allow_nan=False)
    sys.stdout.write(f"{shown_in_json(text)}\n")


def flush() -> None:
    """Let the reader have what was written so far."""
    sys.stdout.flush()


def data(chunk: bytes) -> None:
    """Write bytes as they are, at once."""
    sys.stdout.flush()
    sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def draw(text: str) -> None:
    """Write text to a terminal at once."""
    sys.stdout.write(utf8(text))
    sys.stdout.flush()


def say(text: str) -> None:
    """Write a remark or an error: on one line for a pipe, wrapped between words on a terminal."""
    message = shown(f"{PROGRAM}: {' '.join(utf8(typed(text)).split())}")
    sys.stderr.write(f"{_wrapped(message) if sys.stderr.isatty() else message}\n")
    sys.stderr.flush()


def fail(error: BackgroundJobError, *, to_program: bool) -> None:
    """Say what went wrong; to a program that reads JSON, with its code."""
    sentence = typed(str(error))
    if to_program:
        as_json({"error": {"code": error.code, "message": sentence}})
    say(sentence)


def _wrapped(message: str) -> str:
    import shutil  # noqa: PLC0415  only for people
    import textwrap  # noqa: PLC0415

    width = shutil.get_terminal_size().columns
    # A path or an id that is broken cannot be copied.
    return textwrap.fill(message, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
