"""Writes a log to stdout: as bytes, or as lines as a terminal would show them."""

from __future__ import annotations

from typing import Protocol

import regex

from mcp_background_job.cli import terminal
from mcp_background_job.cli.lines import LineDrawer, last_lines, text_of
from mcp_background_job.cli.stamps import Stamps
from mcp_background_job.core.screen import Line
from mcp_background_job.jobdir.logreader import Piece
from mcp_background_job.jobs.output import found

#: Bytes written at once.
_CHUNK = 1024 * 1024


class Printer(Protocol):
    """Writes a log that comes in pieces."""

    def tail(self, piece: Piece, count: int, *, whole: bool, more: bool) -> bool:
        """Write the last lines of a piece, unless it may hold fewer than asked for; returns whether it did.

        Args:
            piece: ends where the log ends now.
            count: how many lines.
            whole: the piece is all there is.
            more: pieces will follow this one.
        """
        ...

    def feed(self, piece: Piece) -> None:
        """Write a piece."""
        ...

    def finish(self) -> None:
        """Write what was held back, since nothing follows."""
        ...


class BytePrinter:
    """Writes the bytes, untouched."""

    def tail(self, piece: Piece, count: int, *, whole: bool, more: bool) -> bool:  # noqa: ARG002  see Printer
        data = last_lines(piece.data, count)
        if len(data) == len(piece.data) and not whole:
            return False
        self._write(data)
        return True

    def feed(self, piece: Piece) -> None:
        self._write(piece.data)

    def finish(self) -> None:
        pass

    def _write(self, data: bytes) -> None:
        for position in range(0, len(data), _CHUNK):
            terminal.data(data[position : position + _CHUNK])


class LinePrinter:
    """Writes lines as a terminal would show them."""

    def __init__(self, grep: regex.Pattern[str] | None, stamps: Stamps | None) -> None:
        """Writes all lines without ``grep``, and no times without ``stamps``."""
        self._grep = grep
        self._stamps = stamps
        self._drawer = LineDrawer()

    def tail(self, piece: Piece, count: int, *, whole: bool, more: bool) -> bool:
        # The first line of a part of the log is most likely a part of one.
        skip = 0 if whole else piece.data.find(b"\n") + 1
        drawer = LineDrawer()
        lines = self._wanted(drawer.feed(piece.data[skip:], piece.start + skip))
        if not more:
            lines += self._wanted(drawer.finish())
        elif drawer.unfinished and not self._grep:
            count -= 1  # the last line may yet grow, and is written when it is complete
        if len(lines) < count and not whole:
            return False
        self._drawer = drawer
        self._write(lines[-count:] if count > 0 else [])
        return True

    def feed(self, piece: Piece) -> None:
        self._write(self._wanted(self._drawer.feed(piece.data, piece.start)))

    def finish(self) -> None:
        self._write(self._wanted(self._drawer.finish()))

    def _wanted(self, lines: list[Line]) -> list[Line]:
        return lines if self._grep is None else [line for line in lines if found(self._grep, text_of(line))]

    def _write(self, lines: list[Line]) -> None:
        for line in lines:
            stamp = f"{self._stamps.at(line.offset)} " if self._stamps else ""
            terminal.line(f"{stamp}{text_of(line)}")
        terminal.flush()
