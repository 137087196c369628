r"""Speaks MCP over stdin and stdout: its output is always valid UTF-8, and every message gets an answer.

The SDK's own transport ends with the server when it is to write a lone surrogate, and drops without an answer a line
that holds one (``"\ud800"``, which JSON may) or that is not a message; whoever sent it would wait for ever. So its two
streams are wrapped.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from mcp_background_job.core.wire import plain
from mcp_background_job.server.fastmcp_names import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    FastMCP,
    JSONRPCError,
    JSONRPCNotification,
    SessionMessage,
    jsonrpc_message_adapter,
    serve_streams,
    serving_stdio,
    stdio_server,
)

#: What the names of all notifications begin with.
_NOTIFICATIONS = "notifications/"


async def serve_stdio(server: FastMCP[Any]) -> None:
    """Serve until stdin is closed."""
    async with serving_stdio(server, "WARNING"), stdio_server() as (incoming, outgoing):
        answers = Outgoing(outgoing)
        await serve_streams(server, Incoming(incoming, answers), answers)


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
        """Send a message; characters that cannot be encoded are replaced by visible escapes."""
        await self._inner.send(encodable(item))


class Incoming(_Stream):
    """Messages from the client; a line that is not a message is answered here, and not passed on."""

    def __init__(self, inner: Any, answers: Outgoing) -> None:
        super().__init__(inner)
        self._answers = answers

    @property
    def last_context(self) -> Any:
        """The context in which the last message was sent, for its handler."""
        return self._inner.last_context

    async def receive(self) -> SessionMessage | Exception:
        return await self._message(self._inner.receive)

    def __aiter__(self) -> Incoming:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        return await self._message(self._inner.__anext__)

    async def _message(self, following: Callable[[], Awaitable[Any]]) -> SessionMessage | Exception:
        while True:
            item = understood(await following())
            error = answer_to(item) if isinstance(item, ValidationError) else answer_to_unanswerable(item)
            if error:
                await self._answers.send(SessionMessage(error))
            elif not isinstance(item, ValidationError):
                return item


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
    first = item.errors()[0]
    line = first["input"]
    if first["type"] != "json_invalid" or not isinstance(line, str):
        return item
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_python(json.loads(line), by_name=False))
    except ValidationError as error:
        return error  # it is JSON, and what it lacks is more than that
    except (ValueError, RecursionError):
        return item


def answer_to_unanswerable(item: SessionMessage | Exception) -> JSONRPCError | None:
    """Return the answer to a request whose id is none, ``null`` or ``1.5`` say; ``None`` to all else.

    The SDK takes it for a notification. Those have names of their own.
    """
    if not isinstance(item, SessionMessage) or not isinstance(item.message, JSONRPCNotification):
        return None
    method = item.message.method
    if method.startswith(_NOTIFICATIONS):
        return None
    return _error(None, INVALID_REQUEST, f"{method:.100} takes an id: a string or a whole number")


def answer_to(error: ValidationError) -> JSONRPCError | None:
    """Return the answer to a line that is not a message; ``None`` if nobody waits for an answer to it."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        is_blank = isinstance(first["input"], str) and not first["input"].strip()
        return None if is_blank else _error(None, PARSE_ERROR, f"the line is not JSON: {first['msg']}")
    message = _whole(error)
    named, request_id = message.get("method"), message.get("id")
    if "method" not in message and {"result", "error"} & message.keys():
        return None  # an answer, to which ours might be taken for that to a request of the client with the same id
    if isinstance(named, str) and "id" not in message:
        return None  # a notification
    known = request_id if isinstance(request_id, str | int) and not isinstance(request_id, bool) else None
    if message.get("jsonrpc") == "2.0" and isinstance(named, str) and known is not None:
        return _error(known, INVALID_PARAMS, "params must be an object")
    return _error(known, INVALID_REQUEST, 'not a request: it takes "jsonrpc": "2.0", an id and a method')


def _whole(error: ValidationError) -> dict[str, Any]:
    """Return the message that was refused; empty if it is not an object."""
    # Each kind of message was tried, and that of which a field is missing tells what it is missing in.
    tried = (problem["input"] for problem in error.errors() if problem["type"] == "missing")
    nothing: dict[str, Any] = {}
    return next((cast("dict[str, Any]", value) for value in tried if isinstance(value, dict)), nothing)


def _error(request_id: str | int | None, code: int, sentence: str) -> JSONRPCError:
    return JSONRPCError(jsonrpc="2.0", id=request_id, error=ErrorData(code=code, message=sentence))
