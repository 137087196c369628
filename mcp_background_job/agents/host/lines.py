"""Lines in, lines out: JSON objects separated by newlines."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, BinaryIO

from mcp_background_job.agents.adapters.base import Event, ParsedEnd

#: Bytes of a line that are kept together. Agents put the output of a command into one line; 1.1 MB were seen. A longer
#: line comes in pieces, which are not valid JSON and are reported as unparsed.
LINE_MAX = 16 * 1024**2

#: Seconds of silence of the host after which it says that the agent is at work, so an idle limit counts only the
#: agent's silence. Chunks of one message make one event, so a long message would look like silence.
BEAT_S = 5.0


async def lines_of(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield each line without its newline; the last one may lack it. The reader's limit is the longest piece."""
    while True:
        try:
            yield (await reader.readuntil(b"\n"))[:-1]
        except asyncio.LimitOverrunError as longer:
            yield await reader.readexactly(longer.consumed)
        except asyncio.IncompleteReadError as last:
            if last.partial:
                yield last.partial
            return


class Output:
    """The host's stdout. If its reader does not read, writes block, and that slows the agent down too."""

    def __init__(self, stream: BinaryIO) -> None:
        """Writes each line to the stream, and flushes it."""
        self._stream = stream
        self._written_at = time.monotonic()

    def event(self, event: Event) -> None:
        """Report an event."""
        self._write({"type": event.type.value, "data": event.data})

    def session(self, session_id: str) -> None:
        """Report the id to resume by."""
        self._write({"session_id": session_id})

    def answered(self, request_id: str) -> None:
        """Report that a question is no longer open."""
        self._write({"answered": request_id})

    def end(self, end: ParsedEnd) -> None:
        """Report how the agent says that it ended."""
        self._write({"end": {"status": end.status.value, "data": end.data}})

    def beat(self) -> None:
        """Report that the agent is at work, unless something was reported lately."""
        if time.monotonic() - self._written_at > BEAT_S:
            self._write({"beat": True})

    def _write(self, message: Mapping[str, Any]) -> None:
        # Half of a surrogate pair, which JSON may hold and UTF-8 may not, becomes a question mark.
        self._stream.write(json.dumps(message, ensure_ascii=False).encode(errors="replace") + b"\n")
        self._stream.flush()
        self._written_at = time.monotonic()
