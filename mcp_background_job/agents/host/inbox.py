"""The caller's input while the agent works: answers, further messages, and cancels."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar

from mcp_background_job.agents.adapters.base import Event
from mcp_background_job.agents.adapters.reading import object_in, unparsed
from mcp_background_job.agents.host.lines import Output, lines_of
from mcp_background_job.core.run import EventType

T = TypeVar("T")


class Inbox:
    """The host's stdin, sorted. At most one question is open at a time."""

    def __init__(self, output: Output) -> None:
        """Takes the output, on which unusable lines are reported."""
        self._output = output
        self._messages: deque[str] = deque()
        self._request_id = ""
        self._reply: asyncio.Future[dict[str, Any] | None] | None = None
        self._asked = 0
        self._turn = asyncio.Lock()
        self.cancelled = asyncio.Event()

    async def follow(self, reader: asyncio.StreamReader) -> None:
        """Take lines until the end, which is a cancel: nobody can answer any more."""
        async for line in lines_of(reader):
            self.take(line)
        self.cancel()

    def take(self, line: bytes) -> None:
        """Take one line."""
        match object_in(line):
            case {"cancel": True}:
                self.cancel()
            case {"message": str(text)}:
                self._messages.append(text)
            case {"answer": {"request_id": str(request_id), **answer}}:
                self._answer(request_id, answer)
            case _:
                if line.strip():
                    self._output.event(unparsed(line))

    def cancel(self) -> None:
        """Cancel the session; an open question gets no answer any more."""
        self.cancelled.set()
        if self._reply and not self._reply.done():
            self._reply.set_result(None)

    async def unless_cancelled(self, asking: Coroutine[Any, Any, T]) -> T | None:
        """Return the answer, or ``None`` if the session is cancelled first."""
        asked = asyncio.ensure_future(asking)
        cancelled = asyncio.ensure_future(self.cancelled.wait())
        await asyncio.wait({asked, cancelled}, return_when=asyncio.FIRST_COMPLETED)
        cancelled.cancel()
        if asked.done():
            return asked.result()
        asked.cancel()
        return None

    def next_message(self) -> str | None:
        """Return the oldest further message that was not sent yet, ``None`` if there is none."""
        return self._messages.popleft() if self._messages else None

    async def ask(self, question: Event) -> dict[str, Any] | None:
        """Ask a question, with a number, and wait for the answer; ``None`` if the session is cancelled first.

        A second question waits until the first one is answered, so a caller never has to tell them apart.
        """
        async with self._turn:
            if self.cancelled.is_set():
                return None
            self._asked += 1
            self._request_id = str(self._asked)
            self._reply = asyncio.get_running_loop().create_future()
            self._output.event(Event(question.type, {"request_id": self._request_id, **question.data}))
            try:
                return await self._reply
            finally:
                self._reply = None
                self._output.answered(self._request_id)

    def _answer(self, request_id: str, answer: dict[str, Any]) -> None:
        if self._reply and not self._reply.done() and request_id == self._request_id:
            self._reply.set_result(answer)
        else:
            text = f"question {request_id} is not open (any more); the answer to it was not used"
            self._output.event(Event(EventType.REASONING, {"text": text, "warning": True}))
