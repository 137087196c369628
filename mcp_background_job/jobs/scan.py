"""Looks for a regular expression in output that is still being written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp_background_job.core.gaps import Gap, Why, stretches, summary
from mcp_background_job.core.screen import plain_lines
from mcp_background_job.core.text import one_line
from mcp_background_job.executors.base import Store
from mcp_background_job.jobs.output import found

if TYPE_CHECKING:
    import regex

#: Bytes searched at once: a piece takes milliseconds, and a long log does not come into memory whole.
PIECE = 1024 * 1024

#: Of a line that has not ended this much is searched again when more of it has come.
_MAX_UNFINISHED = 64 * 1024

_MAX_SHOWN = 300


class Scanner:
    """Searches a log for up to two expressions, each byte once (an unfinished line again).

    Attributes:
        offset: where it goes on.
        matched: the line in which ``until`` was found.
        failed: the line in which ``fail_on`` was found.
    """

    # A match across a place where bytes are missing would be none of the output: each stretch is searched by itself.

    def __init__(self, until: regex.Pattern[str] | None, fail_on: regex.Pattern[str] | None, offset: int) -> None:
        """Begins at an offset of the log."""
        self.offset = offset
        self.matched: str | None = None
        self.failed: str | None = None
        self._until = until
        self._fail_on = fail_on
        self._missing: dict[tuple[int, Why], Gap] = {}  # by where they are: an unfinished line is searched again

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to look for."""
        return self._until is not None or self._fail_on is not None

    @property
    def skipped(self) -> str | None:
        """How many bytes could not be searched, in words; ``None`` if all was."""
        return summary(self._missing.values())

    def scan(self, store: Store, job_id: str) -> int:
        """Search what has come since the last time, up to the first match; blocks, so call it in a thread.

        Returns the size of the log up to which it has looked: what is beyond that is news.
        """
        while True:
            piece = store.read_log(job_id, self.offset, PIECE)
            self._missing.update({(gap.offset, gap.why): gap for gap in piece.gaps})
            if not piece.data:
                self.offset = piece.next  # further on, if all was dropped meanwhile
                return piece.end
            for _, _, stretch in stretches(piece.data, piece.gaps):
                if self.matched is None and self.failed is None:
                    self._search(stretch)
            finished = piece.data.rfind(b"\n") + 1
            if len(piece.data) - finished > _MAX_UNFINISHED:
                finished = len(piece.data)
            self.offset = piece.start + finished
            if piece.next == piece.end or self.matched is not None or self.failed is not None:
                return piece.next

    def _search(self, data: bytes) -> None:
        text = plain_lines(data.decode("utf-8", "replace"))
        failed = found(self._fail_on, text) if self._fail_on else None
        matched = found(self._until, text) if self._until else None
        # Whichever came first is what happened.
        if failed and (not matched or failed.start() <= matched.start()):
            self.failed = _line_around(text, failed.start())
        elif matched:
            self.matched = _line_around(text, matched.start())


def _line_around(text: str, position: int) -> str:
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    return one_line(text[start : end if end >= 0 else len(text)], _MAX_SHOWN)
