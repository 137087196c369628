r"""Speaks MCP over stdin and stdout, with UTF-8 out whatever is to be said, and an answer to all that is JSON.

The SDK's own transport ends with the server when it is to write a lone surrogate, and drops a message that holds one
(``"\ud800"``, which JSON may) without an answer. So its two streams are wrapped.
"""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from mcp_background_job.core.wire import plain
from mcp_background_job.server.fastmcp_names import (
    FastMCP,
    SessionMessage,
    jsonrpc_message_adapter,
    serve_streams,
    serving_stdio,
    stdio_server,
)


async def serve_stdio(server: FastMCP[Any]) -> None:
    """Serve until stdin is closed."""
    async with serving_stdio(server, "WARNING"), stdio_server() as (incoming, outgoing):
        await serve_streams(server, Incoming(incoming), Outgoing(outgoing))


class _Stream:
    """A stream of messages that is closed with the one that it wraps."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def __aenter__(self) -> Any:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._inner.__aexit__(kind, error, trace)


class Outgoing(_Stream):
    """Messages to the client."""

    async def send(self, item: SessionMessage) -> None:
        """Send a message; in one that cannot be encoded, what cannot is made visible."""
        await self._inner.send(encodable(item))


class Incoming(_Stream):
    """Messages from the client, and what came in place of one."""

    @property
    def last_context(self) -> Any:
        """The context in which the last message was sent, for its handler."""
        return self._inner.last_context

    async def receive(self) -> SessionMessage | Exception:
        return understood(await self._inner.receive())

    def __aiter__(self) -> Incoming:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        return understood(await self._inner.__anext__())


def encodable(item: SessionMessage) -> SessionMessage:
    """Return a message that can be written as UTF-8; most are so already."""
    try:
        item.message.model_dump_json(by_alias=True, exclude_unset=True)
    except PydanticSerializationError:
        content = plain(item.message.model_dump(by_alias=True, exclude_unset=True))
        return SessionMessage(jsonrpc_message_adapter.validate_python(content, by_name=False), item.metadata)
    return item


def understood(item: SessionMessage | Exception) -> SessionMessage | Exception:
    """Return the message that a line holds which was refused for its lone surrogates; what is no message stays so."""
    if not isinstance(item, ValidationError):
        return item
    line = item.errors()[0]["input"]
    if not isinstance(line, str):
        return item
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_python(json.loads(line), by_name=False))
    except (ValueError, RecursionError):  # pydantic's error is a ValueError too
        return item
