"""A stretch of the log to be searched."""

from __future__ import annotations

from mcp_background_job.core.output.screen import plain_lines, plain_position, written_position
from mcp_background_job.core.text import one_line

#: Characters of a line that are shown of a match.
_MAX_SHOWN = 300


class LogText:
    """Text of a log that knows where in the log it stands.

    Attributes:
        plain: the text without styles, each redraw on a line of its own.
    """

    def __init__(self, data: bytes, offset: int) -> None:
        """Takes bytes, and the offset of the first of them."""
        self._data = data
        self._offset = offset
        # Each byte that is not UTF-8 becomes one character, so that places can be told from the text.
        self._written = data.decode("utf-8", "surrogateescape")
        self.plain = plain_lines(self._written)

    def position_of(self, offset: int) -> int:
        """Return where in the plain text a byte of the log stands."""
        if offset <= self._offset:
            return 0
        before = self._data[: offset - self._offset].decode("utf-8", "surrogateescape")
        return plain_position(self._written, len(before))

    def offset_of(self, position: int) -> int:
        """Return where in the log a character of the plain text stands."""
        before = self._written[: written_position(self._written, position)]
        return self._offset + len(before.encode("utf-8", "surrogateescape"))

    @property
    def has_styles(self) -> bool:
        """Whether the plain text is shorter than what was written."""
        return len(self.plain) != len(self._written)

    def size_between(self, begin: int, end: int) -> int:
        """Return how many bytes lie between two characters of a text without styles."""
        return len(self._written[begin:end].encode("utf-8", "surrogateescape"))

    def line_start(self, position: int) -> int:
        """Return where in the plain text the line of a character begins."""
        return self.plain.rfind("\n", 0, position) + 1

    def line_at(self, position: int) -> str:
        """Return the line of a character, without its end if it is long."""
        start = self.line_start(position)
        end = self.plain.find("\n", position)
        line = self.plain[start : end if end >= 0 else len(self.plain)]
        return one_line(line.encode("utf-8", "surrogateescape").decode("utf-8", "replace"), _MAX_SHOWN)
