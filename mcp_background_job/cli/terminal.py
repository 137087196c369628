"""What is written where: results to stdout, remarks and errors to stderr; and whether people or pipes read it."""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import sys
from functools import cache
from typing import Any, TextIO

from mcp_background_job.cli import fields
from mcp_background_job.cli.wording import PROGRAM, typed
from mcp_background_job.cli.wrapping import wrapped
from mcp_background_job.core.output.harmless import shown, shown_in_json
from mcp_background_job.core.wire import plain, utf8
from mcp_background_job.errors import BackgroundJobError

#: Columns of a terminal that does not tell how wide it is.
_WIDTH = 80


def for_people() -> bool:
    """Tell whether stdout is a terminal."""
    return sys.stdout.isatty()


def line(text: str = "") -> None:
    """Write one line of a result; what a terminal would obey is escaped."""
    sys.stdout.write(f"{shown(utf8(text))}\n")


def paragraph(text: str, *, indent: str = "") -> None:
    """Write a sentence of a result: on one line for a pipe, wrapped between words on a terminal.

    Args:
        text: the sentence; a line end in it becomes a space.
        indent: what the lines behind the first begin with.
    """
    safe = shown(" ".join(utf8(text).split("\n")))
    line(fitted(safe, indent=indent) if for_people() else safe)


def label(name: str) -> str:
    """Return what a field is called: words for people, the name in JSON for a pipe."""
    return fields.label(name) if for_people() else name


def value(name: str, known: Any) -> str:
    """Return how the value of a field reads: with its unit for people, as in JSON for a pipe."""
    return fields.value(name, known) if for_people() else str(known)


def fact(label: str, text: str, width: int) -> None:
    """Write a line of a list of facts: a label in so many columns, and behind it what wraps within its own column."""
    paragraph(f"{label:{width - 1}} {text}".rstrip(), indent=" " * width)


def copied(label: str, text: str, width: int) -> None:
    """Write a line of a list of facts that people may copy: as it is, however wide."""
    line(f"{label:{width - 1}} {text}".rstrip())


@cache  # once: whoever says what goes on has left that line already
def leave_interrupted_line() -> None:
    """Go to the next line, behind the ``^C`` that a terminal shows where somebody types Ctrl-C."""
    if sys.stderr.isatty():
        sys.stderr.write("\n")
        sys.stderr.flush()


def say_interrupted(text: str) -> None:
    """Say what becomes of the work that was watched when somebody typed Ctrl-C."""
    leave_interrupted_line()
    say(text)


def as_json(value: Any) -> None:
    """Write a result as one line of JSON."""
    # What another encoding lacks would be written as "\\xe9", which is not JSON.
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
    notice(f"{PROGRAM}: {' '.join(utf8(typed(text)).split())}", indent="  ")


def notice(text: str, *, indent: str = "") -> None:
    """Write a sentence to stderr as it is: on one line for a pipe, wrapped between words on a terminal."""
    safe = shown(text)
    told = wrapped(safe, width_of(sys.stderr), indent=indent) if sys.stderr.isatty() else safe
    sys.stderr.write(f"{told}\n")
    sys.stderr.flush()


def quote(text: str) -> None:
    """Write lines of somebody else's to stderr, each behind two blanks."""
    for one in shown(utf8(text)).splitlines():
        sys.stderr.write(f"  {one}\n")
    sys.stderr.flush()


def fail(error: BackgroundJobError, *, to_program: bool) -> None:
    """Say what went wrong; to a program that reads JSON, with its code."""
    sentence = typed(str(error))
    if to_program:
        as_json({"error": {"code": error.code, "message": sentence}})
    say(sentence)


def fitted(text: str, *, indent: str = "") -> str:
    """Return text wrapped between words to the width of the terminal that stdout is."""
    return wrapped(text, width_of(sys.stdout), indent=indent)


def width_of(stream: TextIO) -> int:
    """Return how many columns the terminal has that a stream writes to: stderr may be one where stdout is a pipe."""
    with contextlib.suppress(ValueError):
        return max(1, int(os.environ.get("COLUMNS", "")))
    with contextlib.suppress(OSError):
        return os.get_terminal_size(stream.fileno()).columns or _WIDTH
    return _WIDTH
