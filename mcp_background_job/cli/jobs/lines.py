"""Turns output that comes in pieces into lines as a terminal would show them: redraws collapse, styles go.

Unlike an answer to an agent, nothing is folded or left out: what a person pipes into ``wc`` or ``grep`` is all there.
Only the end of an endless line is cut, and that is said.
"""

from __future__ import annotations

from mcp_background_job.core.output.screen import MAX_LINE, Line, Screen, incomplete_tail


class LineDrawer:
    """Draws pieces; lines come out as soon as their end has come in.

    A program that moves the cursor up redraws lines that came out already, if they came in an earlier piece: those are
    shown twice, as they would be in any log.
    """

    def __init__(self) -> None:
        """Begins with nothing."""
        self._screen = Screen()
        self._unread = b""
        self._offset = 0

    @property
    def unfinished(self) -> bool:
        """Whether a line has begun and not ended."""
        return bool(self._unread or self._screen.size)

    def feed(self, data: bytes, offset: int) -> list[Line]:
        """Take bytes that begin at an offset of the log; returns the lines that are now complete."""
        self._begin(offset)
        data = self._unread + data
        newline = data.rfind(b"\n") + 1
        # Of a line that is not complete yet, as much is drawn as can be: memory must not grow with its length.
        stop = newline or len(data) - incomplete_tail(data)
        self._draw(data[:stop])
        self._unread = data[stop:]
        return self._take() if newline else []

    def finish(self) -> list[Line]:
        """Return the last line, if it has no end."""
        self._draw(self._unread)
        self._unread = b""
        return self._take()

    def _begin(self, offset: int) -> None:
        if not self.unfinished:
            self._offset = offset
            self._screen = Screen(offset)

    def _draw(self, data: bytes) -> None:
        position = 0
        while position < len(data):
            end = data.find(b"\n", position) + 1 or len(data)
            self._offset += end - position
            self._screen.feed(data[position:end].decode("utf-8", "replace"), self._offset)
            position = end

    def _take(self) -> list[Line]:
        lines = self._screen.lines()
        self._screen = Screen(self._offset)
        return lines


def text_of(line: Line) -> str:
    """Return a line's text, and how much of it is not shown."""
    if line.width <= MAX_LINE:
        return line.text.rstrip()
    return f"{line.text}… (+{line.width - MAX_LINE} characters; --raw prints them all)"


def last_lines(data: bytes, count: int) -> bytes:
    """Return the last so many lines of bytes, as they are."""
    position = len(data) - 1 if data.endswith(b"\n") else len(data)
    for _ in range(count):
        position = data.rfind(b"\n", 0, max(0, position))
        if position < 0:
            return data
    return data[position + 1 :] if count else b""
