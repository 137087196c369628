"""Stdout and stderr as the command line writes to them: a full disk, or a reader that has gone, is no traceback.

If stderr cannot be written to, the exit code still tells. If stdout cannot be written to, that is an internal error.
Libraries that draw for us write to the same streams, so this is seen to where the bytes leave.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

from mcp_background_job.errors import BackgroundJobError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class UnreadError(Exception):
    """Nobody reads our output any more. No ``BrokenPipeError``: one library ends the program at that."""


class UnwritableError(BackgroundJobError):
    """The command line cannot write its output."""

    code = "output"


class _Out(io.FileIO):
    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError as error:
            raise UnreadError from error
        except OSError as error:
            raise UnwritableError(f"the output cannot be written: {error.strerror}") from error


class _Err(io.FileIO):
    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def guard() -> None:
    """Have all that this process writes go through here, whatever the locale."""
    sys.stdout = _over(sys.stdout, _Out)
    guard_errors()


def guard_errors() -> None:
    """The same for stderr alone, where stdout is a client's."""
    sys.stderr = _over(sys.stderr, _Err)


def _over(stream: TextIO, raw: type[_Out | _Err]) -> TextIO:
    stream.flush()
    binary = io.BufferedWriter(raw(stream.fileno(), "w", closefd=False))
    return io.TextIOWrapper(binary, stream.encoding, "backslashreplace", line_buffering=stream.isatty())


def forget() -> None:
    """Write no more to stdout; the interpreter would complain when it flushes at its end."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
