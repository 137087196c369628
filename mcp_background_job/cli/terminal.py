"""What is written where: results to stdout, remarks and errors to stderr; and whether people or pipes read it."""

from __future__ import annotations

import codecs
import json
import os
import sys
from typing import Any

from mcp_background_job.core.wire import plain, utf8

PROGRAM = "mcp-background-job"


def prepare() -> None:
    """See to it that text can be written, whatever the locale."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def for_people() -> bool:
    """Tell whether stdout is a terminal."""
    return sys.stdout.isatty()


def line(text: str = "") -> None:
    """Write one line of a result."""
    sys.stdout.write(f"{utf8(text)}\n")


def as_json(value: Any) -> None:
    """Write a result as one line of JSON."""
    # What another encoding lacks would be written as "\\xe9", which is no JSON.
    is_utf8 = codecs.lookup(sys.stdout.encoding).name == "utf-8"
    line(json.dumps(plain(value), ensure_ascii=not is_utf8, allow_nan=False))


def flush() -> None:
    """Let the reader have what was written so far."""
    sys.stdout.flush()


def data(chunk: bytes) -> None:
    """Write bytes as they are, at once."""
    sys.stdout.flush()
    sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def say(text: str) -> None:
    """Write a remark or an error, on one line."""
    sys.stderr.write(f"{PROGRAM}: {' '.join(utf8(text).split())}\n")
    sys.stderr.flush()


def forget_stdout() -> None:
    """Write no more, since nobody reads it; the interpreter would complain when it flushes at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
