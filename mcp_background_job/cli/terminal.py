"""What is written where: results to stdout, remarks and errors to stderr; and whether people or pipes read it."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

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
    sys.stdout.write(f"{text}\n")


def as_json(value: Any) -> None:
    """Write a result as one line of JSON."""
    line(json.dumps(value, ensure_ascii=False))


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
    sys.stderr.write(f"{PROGRAM}: {' '.join(text.split())}\n")
    sys.stderr.flush()


def forget_stdout() -> None:
    """Write no more, since nobody reads it; the interpreter would complain when it flushes at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
