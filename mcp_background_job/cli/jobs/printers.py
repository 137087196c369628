"""Writes a log to stdout: as bytes, or as lines as a terminal would show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from mcp_background_job.cli import terminal
from mcp_background_job.cli.jobs.lines import LineDrawer, last_lines, text_of
from mcp_background_job.cli.jobs.stamps import Stamps
from mcp_background_job.core.output.gaps import Gap, note, shifted, stretches
from mcp_background_job.core.output.harmless import Filter
from mcp_background_job.core.output.screen import Line
from mcp_background_job.jobdir.log.reader import Piece
from mcp_background_job.jobs.output import found

if TYPE_CHECKING:
    import regex

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
    """Writes the bytes, untouched, or what draws of them."""

    def __init__(self, *, drawn: bool = False) -> None:
        """With ``drawn``, of what a terminal obeys only that passes which draws: it does so by itself, and at once."""
        self._filter = Filter() if drawn else None

    def tail(self, piece: Piece, count: int, *, whole: bool, more: bool) -> bool:  # noqa: ARG002  see Printer
        data = last_lines(piece.data, count)
        if len(data) == len(piece.data) and not whole:
            return False
        self._write(data, shifted(piece.gaps, len(piece.data) - len(data)))
        return True

    def feed(self, piece: Piece) -> None:
        self._write(piece.data, piece.gaps)

    def finish(self) -> None:
        pass

    def _write(self, data: bytes, gaps: Iterable[Gap]) -> None:
        for gap, _, stretch in stretches(data, gaps):
            if gap is not None:
                terminal.say(note(gap))  # beside the bytes, which stay what the job wrote
            for position in range(0, len(stretch), _CHUNK):
                self._write_chunk(stretch[position : position + _CHUNK])

    def _write_chunk(self, chunk: bytes) -> None:
        if self._filter:
            terminal.draw(self._filter.feed(chunk))
        else:
            terminal.data(chunk)


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
        before, self._drawer = self._drawer, LineDrawer()
        lines = self._drawn(piece.data[skip:], piece.start + skip, shifted(piece.gaps, skip))
        if not more:
            lines += self._wanted(self._drawer.finish())
        elif self._drawer.unfinished and not self._grep:
            count -= 1  # the last line may yet grow, and is written when it is complete
        if sum(isinstance(line, Line) for line in lines) < count and not whole:
            self._drawer = before
            return False
        self._write(_last(lines, count))
        return True

    def feed(self, piece: Piece) -> None:
        self._write(self._drawn(piece.data, piece.start, piece.gaps))

    def finish(self) -> None:
        self._write(self._wanted(self._drawer.finish()))

    def _drawn(self, data: bytes, offset: int, gaps: Iterable[Gap]) -> list[Line | Gap]:
        lines: list[Line | Gap] = []
        for gap, begin, stretch in stretches(data, gaps):
            if gap is not None:
                lines += [*self._wanted(self._drawer.finish()), gap]  # nothing is drawn across it
            lines += self._wanted(self._drawer.feed(stretch, offset + begin))
        return lines

    def _wanted(self, lines: list[Line]) -> list[Line]:
        return lines if self._grep is None else [line for line in lines if found(self._grep, text_of(line))]

    def _write(self, lines: Sequence[Line | Gap]) -> None:
        for line in lines:
            if isinstance(line, Gap):
                terminal.line(note(line))
                continue
            stamp = f"{self._stamps.at(line.offset)} " if self._stamps else ""
            terminal.line(f"{stamp}{text_of(line)}")
        terminal.flush()


def _last(lines: list[Line | Gap], count: int) -> list[Line | Gap]:
    """Return the last so many lines with the gaps among them, and those before them if there are no more lines."""
    at = [number for number, line in enumerate(lines) if isinstance(line, Line)]
    if len(at) <= count:
        return lines
    return lines[at[-count - 1] + 1 :] if count >= 0 else []
