"""The websockets: one loop sends the messages of one queue, one after another."""

import asyncio
import json
import struct
import uuid
from typing import Any

from aiohttp import WSMsgType, web

from tests.comfyui_simulator.prompt_queue import PromptQueue

#: The event, its data (bytes as they are sent), and the client that it is for, or None for all clients.
Message = tuple[str, Any, str | None]

#: Kinds of binary frames, and a format of pictures.
_PREVIEW, _NAMED_PREVIEW = 1, 4
_PNG = 2


class Publisher:
    def __init__(self, queue: PromptQueue, features: dict[str, Any]) -> None:
        self._queue = queue
        self._features = features
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._sockets: dict[str, web.WebSocketResponse] = {}
        #: Clients that have asked for previews with the names of prompt and node.
        self._named_previews: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        #: The client of the prompt that runs, or that ran last.
        self.client_id: str | None = None
        self.last_node_id: str | None = None

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def status(self) -> dict[str, Any]:
        return {"exec_info": {"queue_remaining": self._queue.remaining()}}

    def queue_changed(self) -> None:
        self.send("status", {"status": self.status()}, None)

    def send(self, event: str, data: Any, client_id: str | None) -> None:
        """Queue a message, from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._messages.put_nowait, (event, data, client_id))

    def send_to_owner(self, event: str, data: Any) -> None:
        """Send to the prompt's client; nobody sees it if the prompt was submitted without a client_id."""
        if self.client_id is not None:
            self.send(event, data, self.client_id)

    def send_preview(self, png: bytes, names: dict[str, Any]) -> None:
        """Send a picture of a node's work in progress, in a binary frame: kind, format or names, picture."""
        client_id = self.client_id
        if client_id in self._named_previews:
            facts = json.dumps(names | {"image_type": "image/png"}).encode()
            self.send("preview", struct.pack(">II", _NAMED_PREVIEW, len(facts)) + facts + png, client_id)
        else:
            self.send("preview", struct.pack(">II", _PREVIEW, _PNG) + png, client_id)

    async def publish(self) -> None:
        """Send messages for ever.

        A message that is no JSON ends the process. A client that does not read holds up all others.
        """
        while True:
            await self._send_now(*await self._messages.get())

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        sid = request.rel_url.query.get("clientId", "") or uuid.uuid4().hex
        self._sockets[sid] = socket
        try:
            await self._greet(sid)
            await self._listen(socket, sid)
        finally:
            # By name, not by socket: if an older connection of the same name ends, the newer one is lost too.
            self._sockets.pop(sid, None)
            self._named_previews.discard(sid)
        return socket

    async def _greet(self, sid: str) -> None:
        await self._send_now("status", {"status": self.status(), "sid": sid}, sid)
        if self.client_id == sid and self.last_node_id is not None:
            await self._send_now("executing", {"node": self.last_node_id}, sid)

    async def _listen(self, socket: web.WebSocketResponse, sid: str) -> None:
        first = True
        async for message in socket:
            if message.type is WSMsgType.TEXT and first and _is_feature_flags(message.data):
                if json.loads(message.data).get("data", {}).get("supports_preview_metadata"):
                    self._named_previews.add(sid)
                await self._send_now("feature_flags", self._features, sid)
            first = False

    async def _send_now(self, event: str, data: Any, sid: str | None) -> None:
        message = {"type": event, "data": data}
        sockets = list(self._sockets.values()) if sid is None else [self._sockets[sid]] if sid in self._sockets else []
        for socket in sockets:
            try:
                await (socket.send_bytes(data) if isinstance(data, bytes) else socket.send_json(message))
            except ConnectionError:
                continue


def _is_feature_flags(text: str) -> bool:
    try:
        return json.loads(text).get("type") == "feature_flags"
    except (ValueError, AttributeError):
        return False
