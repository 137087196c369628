"""Listens to changes of a server's queue, whoever causes them: the server reports them to every websocket.

The connection has its own id and submits nothing, so nothing else arrives on it.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator

from mcp_background_job.comfyui.wire import progress
from mcp_background_job.comfyui.wire.endpoint import Endpoint
from mcp_background_job.jobs.waiting.change import Change

#: Seconds: if a server does not accept the connection in this time, we try again later.
_OPEN_S = 5.0

#: Seconds for a missing server to close the connection.
_CLOSE_S = 1.0

#: Seconds between two attempts: a starting server takes longer.
_AGAIN_S = 5.0

#: Bytes: frames about the queue have some hundred, but custom nodes may send pictures to everybody.
_LARGEST_FRAME = 64 * 1024**2


class QueueEvents:
    """The reports on one queue.

    Attributes:
        change: changes with the queue, and when the connection to the server begins or ends.
        remaining: how many prompts run and wait, by the last report.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        """Takes the endpoint; opens no connection."""
        self._endpoint = endpoint
        self.change = Change()
        self.remaining = 0.0

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncGenerator[None]:
        """Listen within the context, which begins once the server has accepted or refused the connection."""
        listening = asyncio.create_task(self._listen(), name=f"queue of {self._endpoint.url}")
        first = asyncio.create_task(self.change.beyond(0, None))
        try:
            await asyncio.wait({first, listening}, timeout=_OPEN_S, return_when=asyncio.FIRST_COMPLETED)
            yield
        finally:
            first.cancel()
            listening.cancel()
            await asyncio.wait({first, listening})

    async def _listen(self) -> None:
        try:
            while True:
                await self._once()
                await asyncio.sleep(_AGAIN_S)
        except Exception as error:  # noqa: BLE001  whatever it is, the waiting callers get it
            self.change.fail(error)

    async def _once(self) -> None:
        """Listen to one connection until it ends."""
        from websockets.asyncio.client import connect  # noqa: PLC0415  most never listen
        from websockets.exceptions import WebSocketException  # noqa: PLC0415

        was_heard = self.change.count == 0  # the first attempt counts as heard even if it fails
        try:
            async with connect(
                f"{self._endpoint.websocket_url}?clientId={uuid.uuid4()}",
                open_timeout=_OPEN_S,
                close_timeout=_CLOSE_S,
                max_size=_LARGEST_FRAME,
                additional_headers=self._endpoint.headers,
                proxy=None if self._endpoint.is_near else True,
            ) as connection:
                was_heard = True
                async for message in connection:
                    self._hear(message)
        except (OSError, TimeoutError, WebSocketException):
            pass  # the next look reports why the server does not answer
        if was_heard:
            self.remaining = 0.0
            self.change.tell()

    def _hear(self, message: str | bytes) -> None:
        frame = progress.frame_of(message)
        remaining = progress.remaining(frame) if frame is not None and frame.type == "status" else None
        if remaining is not None:
            self.remaining = remaining
            self.change.tell()
