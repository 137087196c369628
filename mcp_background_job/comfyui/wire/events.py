"""The websocket of our own submissions: it is read without pause, and its reports on progress are kept.

If a client does not read, it blocks the events of all clients (measured). If an id is used twice, the server silently
drops the later connection when the earlier one closes (measured). So each connection has a fresh id and a task that
only reads. Its reports are hints: how a prompt ended is always read from the history.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mcp_background_job.comfyui.wire import node_outputs, nodes, previews, progress
from mcp_background_job.comfyui.wire.endpoint import Endpoint
from mcp_background_job.comfyui.wire.node_outputs import Made
from mcp_background_job.comfyui.wire.nodes import Live
from mcp_background_job.comfyui.wire.progress import Frame, Progress

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

_log = logging.getLogger(__name__)

#: Seconds: a server that does not accept the connection in this time is used without events; its prompts run all the
#: same.
_OPEN_S = 2.0

#: Seconds for a missing server to close the connection.
_CLOSE_S = 1.0

#: Bytes: previews are pictures of some megabytes.
_LARGEST_FRAME = 256 * 1024**2


class EventStream:
    """One connection at a time, as long as any prompt of ours is followed."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Takes the endpoint; opens no connection."""
        self._endpoint = endpoint
        self._followed: dict[str, Progress | None] = {}
        self._made: dict[str, dict[str, Any]] = {}
        self._live: dict[str, Live] = {}
        self._heard_last = ""
        self._overheard = ""
        self._is_held = False
        self._client_id = ""
        self._reader: asyncio.Task[None] | None = None
        self._connecting = asyncio.Lock()
        self._moved = asyncio.Event()
        self._settle: Callable[[str], Awaitable[object]] | None = None
        self._pass_on: Callable[[str, Live | None], None] | None = None
        self._settling: set[asyncio.Future[object]] = set()

    def when_over(self, settle: Callable[[str], Awaitable[object]]) -> None:
        """Call a function with the id of each followed prompt that is over, whether or not anybody waits for it."""
        self._settle = settle

    def when_moved(self, pass_on: Callable[[str, Live | None], None]) -> None:
        """Call a function with each followed prompt and its progress, whenever it moves; ``None`` when it is over."""
        self._pass_on = pass_on

    def hold(self) -> None:
        """Stay connected when no prompt is followed: others will be followed at once."""
        self._is_held = True

    async def client_id(self) -> str:
        """Return the id to submit with: that of an open connection, if there can be one."""
        async with self._connecting:  # of two concurrent submissions, the second uses the connection of the first
            if self._reader is None or self._reader.done():
                await self._connect()
            return self._client_id

    def follow(self, prompt_id: str) -> None:
        """Keep reports on a prompt."""
        self._followed.setdefault(prompt_id, None)

    async def overhear(self, prompt_id: str) -> None:
        """Listen to the server's reports to everybody on somebody else's prompt, while it runs."""
        if prompt_id in self._followed:
            return
        await self.client_id()
        self.follow(prompt_id)
        self._overheard = prompt_id

    async def forget(self, prompt_id: str) -> None:
        """Stop following a prompt that is over; the last one closes the connection."""
        self._followed.pop(prompt_id, None)
        self._made.pop(prompt_id, None)
        self._move(prompt_id, None)
        if not self._followed and not self._is_held:
            await self.close()

    def progress_of(self, prompt_id: str) -> Progress | None:
        """Return the progress of a followed prompt; times are of ``time.monotonic``."""
        return self._followed.get(prompt_id)

    def made_by(self, prompt_id: str) -> Made:
        """Return the outputs of the nodes of a followed prompt so far."""
        return node_outputs.read(self._made.get(prompt_id))

    async def moved(self, patience_s: float) -> None:
        """Return when a followed prompt has ended, or after so many seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._moved.wait(), patience_s)

    async def close(self) -> None:
        """Close the connection."""
        reader, self._reader = self._reader, None
        if reader:
            reader.cancel()
            await asyncio.wait({reader})

    async def close_for_good(self) -> None:
        """Close the connection, and drop work for ended prompts: its own connections are about to be closed."""
        await self.close()
        settling = list(self._settling)
        for task in settling:
            task.cancel()
        await asyncio.gather(*settling, return_exceptions=True)

    async def _connect(self) -> None:
        from websockets.asyncio.client import connect  # noqa: PLC0415  servers without ComfyUI need not pay for it
        from websockets.exceptions import WebSocketException  # noqa: PLC0415

        self._client_id = str(uuid.uuid4())
        try:
            connection = await connect(
                f"{self._endpoint.websocket_url}?clientId={self._client_id}",
                open_timeout=_OPEN_S,
                close_timeout=_CLOSE_S,
                max_size=_LARGEST_FRAME,
                additional_headers=self._endpoint.headers,
                proxy=None if self._endpoint.is_near else True,
            )
        except (OSError, TimeoutError, WebSocketException) as error:
            _log.info("no events from %s: %s", self._endpoint.url, error)
            return
        with contextlib.suppress(WebSocketException):  # closed already, which the reader finds as well
            await connection.send(previews.ASK)
        self._reader = asyncio.create_task(self._read(connection), name=f"events of {self._endpoint.url}")

    async def _read(self, connection: ClientConnection) -> None:
        from websockets.exceptions import ConnectionClosed  # noqa: PLC0415  loaded by now

        try:
            async with connection:
                async for message in connection:
                    self._hear(message)
        except ConnectionClosed as error:
            _log.info("events of %s ended: %s", self._endpoint.url, error)
        finally:
            self._tell()  # each waiter then looks itself

    def _hear(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            self._see(message)
            return
        frame = progress.frame_of(message)
        if frame is not None and self._overheard and _is_past(frame, self._overheard):
            overheard, self._overheard = self._overheard, ""
            self._later(self.forget(overheard))
        if frame is None or frame.prompt_id not in self._followed:
            return
        self._heard_last = frame.prompt_id
        self._move(frame.prompt_id, nodes.after(self._live.get(frame.prompt_id), frame))
        known = self._followed[frame.prompt_id]
        self._followed[frame.prompt_id] = progress.after(known, frame, time.monotonic())
        if frame.type == "executed":
            self._made.setdefault(frame.prompt_id, {})[str(frame.data.get("node"))] = frame.data.get("output")
        if progress.is_final(frame):
            self._tell()
            self._settle_later(frame.prompt_id)

    def _see(self, message: bytes) -> None:
        """Keep a preview of a node; one without a prompt's id belongs to the running prompt."""
        preview = previews.preview_of(message)
        prompt_id = preview.prompt_id or self._heard_last if preview else ""
        if prompt_id in self._followed:
            self._move(prompt_id, replace(self._live.get(prompt_id, Live()), preview=preview))

    def _move(self, prompt_id: str, live: Live | None) -> None:
        before = self._live.pop(prompt_id, None)
        if live is not None:
            self._live[prompt_id] = live
        if self._pass_on and live != before:
            self._pass_on(prompt_id, live)

    def _settle_later(self, prompt_id: str) -> None:
        # In its own task: the reader must wait for nothing but the next frame.
        if self._settle:
            self._later(self._settle(prompt_id))

    def _later(self, work: Awaitable[object]) -> None:
        task = asyncio.ensure_future(work)
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    def _tell(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()


def _is_past(frame: Frame, prompt_id: str) -> bool:
    """Tell whether somebody else's prompt is over: we hear of its end only by the events after it."""
    if frame.type != "status":
        return frame.prompt_id not in ("", prompt_id)
    return progress.remaining(frame) == 0
