"""Hears of each change of a server's queue, whoever made it: the server tells it to every websocket.

The connection has an id of its own and submits nothing, so that nothing else comes by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator

from mcp_background_job.comfyui.wire import progress
from mcp_background_job.comfyui.wire.endpoint import Endpoint
from mcp_background_job.jobs.waiting.change import Change

#: A server that does not take the connection within this time is tried again later.
_OPEN_S = 5.0

#: What a server that is gone is given to close the connection.
_CLOSE_S = 1.0

#: Between two attempts: a server that is started takes longer.
_AGAIN_S = 5.0

#: Frames on the queue have some hundred bytes, but nodes of others may tell everybody of pictures.
_LARGEST_FRAME = 64 * 1024**2


class QueueEvents:
    """What is heard of one queue.

    Attributes:
        change: changes with the queue, and when the server begins or ceases to be heard.
        remaining: how many prompts run and wait, as far as was heard.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        """Names the server; connects nowhere."""
        self._endpoint = endpoint
        self.change = Change()
        self.remaining = 0.0

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncGenerator[None]:
        """Listen meanwhile; begins once the server has taken the connection, or has not."""
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
        except Exception as error:  # noqa: BLE001  whatever it is, it is for those who wait
            self.change.fail(error)

    async def _once(self) -> None:
        """Listen to one connection until it ends."""
        from websockets.asyncio.client import connect  # noqa: PLC0415  most never listen
        from websockets.exceptions import WebSocketException  # noqa: PLC0415

        was_heard = self.change.count == 0  # that the first attempt fails is known with it
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
            pass  # whoever looks is told why it does not answer
        if was_heard:
            self.remaining = 0.0
            self.change.tell()

    def _hear(self, message: str | bytes) -> None:
        frame = progress.frame_of(message)
        remaining = progress.remaining(frame) if frame is not None and frame.type == "status" else None
        if remaining is not None:
            self.remaining = remaining
            self.change.tell()
