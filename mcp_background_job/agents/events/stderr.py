"""Reports an agent's stderr as a sign of life: a line at intervals, so that events are not flooded.

Some agents print nothing on stdout while they retry to reach their model; only their stderr says why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from mcp_background_job.agents.adapters.base import Event
from mcp_background_job.core.output.screen import plain_lines
from mcp_background_job.core.run import EventType
from mcp_background_job.core.text import one_line
from mcp_background_job.jobdir.log.reader import Part

#: Seconds between two lines that are reported.
INTERVAL_S = 10.0

#: Characters of a reported line, and bytes that are kept of an unfinished one.
_SHOWN = 500
_KEPT = 4 * _SHOWN

#: The first line that matches is reported at once. Other lines wait for the first interval: agents greet on stderr.
_TROUBLE = re.compile(r"retry|retri|attempt|error|fail|limit|quota|time(?:d|out)|overload|unavailable", re.IGNORECASE)

#: A line of a structured log (logfmt), as opencode writes it, and its informative fields: message and errors.
_LOGGED = re.compile(r"timestamp=\S+ level=\w+ ")
_SAID = re.compile(r' (?:message|error(?:\.\w+)?)=(?:"((?:[^"\\]|\\.)*)"|(\S+))')


def _told_by(line: str) -> str:
    if not _LOGGED.match(line):
        return line
    return ": ".join(quoted or bare for quoted, bare in _SAID.findall(line)) or line


@dataclass
class Stderr:
    """The lines on stderr of one run.

    Attributes:
        began_at: when the run began (seconds since the epoch).
        read_to: the offset in the log up to which stderr was read.
        told_at: when the last reported line was written; ``None`` if there was none.
        unfinished: the bytes of an unfinished line, each as one character.
    """

    began_at: float
    read_to: int = 0
    told_at: float | None = None
    unfinished: str = ""

    def dump(self) -> dict[str, Any]:
        """Return the state as JSON, without the fields that the run itself has."""
        return {"read_to": self.read_to, "told_at": self.told_at, "unfinished": self.unfinished}

    def feed(self, part: Part) -> list[Event]:
        """Take a part of the log; returns the events for it. Bytes that were read before are skipped."""
        data = part.data[max(0, self.read_to - part.offset) :]
        self.read_to = max(self.read_to, part.offset + len(part.data))
        # Each byte becomes one character, since the cut between two parts may be within a character.
        *lines, unfinished = (self.unfinished + data.decode("latin-1")).split("\n")
        self.unfinished = unfinished[-_KEPT:]
        told: list[Event] = []
        for line in lines:
            words = one_line(_told_by(plain_lines(line.encode("latin-1").decode("utf-8", "replace"))), _SHOWN)
            if words and self._is_due(words, part.at):
                self.told_at = part.at
                told.append(Event(EventType.REASONING, {"text": words, "stderr": True}))
        return told

    def _is_due(self, words: str, at: float) -> bool:
        if self.told_at is None and _TROUBLE.search(words):
            return True
        since = self.began_at if self.told_at is None else self.told_at
        return at - since >= INTERVAL_S
