"""Every name of FastMCP and of the MCP SDK that the server uses: a release that moves one touches this file alone.

Some are internal to those libraries. What clients use in the demonstration is public, slow to load, and stands there.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from fastmcp import FastMCP
from fastmcp.exceptions import FastMCPError
from fastmcp.server.auth import AccessToken, AuthProvider, TokenVerifier
from fastmcp.server.context import Context, reset_transport, set_transport
from fastmcp.server.dependencies import get_context, get_http_request
from fastmcp.server.providers import Provider
from fastmcp.tools.base import Tool, ToolResult
from fastmcp.utilities.components import FastMCPComponent
from fastmcp.utilities.logging import temporary_log_level
from fastmcp.utilities.versions import VersionSpec
from mcp.server.connection import Connection
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp_types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    ImageContent,
    JSONRPCError,
    JSONRPCNotification,
    ListRootsRequest,
    ListRootsResult,
    TextContent,
    ToolAnnotations,
    jsonrpc_message_adapter,
)
from mcp_types import Tool as McpTool
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.middleware import Middleware

__all__ = [
    "INVALID_PARAMS",
    "INVALID_REQUEST",
    "PARSE_ERROR",
    "AccessToken",
    "AuthProvider",
    "Connection",
    "Context",
    "ErrorData",
    "FastMCP",
    "FastMCPComponent",
    "FastMCPError",
    "ImageContent",
    "JSONRPCError",
    "JSONRPCNotification",
    "MCPError",
    "McpTool",
    "Middleware",
    "Provider",
    "SessionMessage",
    "TextContent",
    "TokenVerifier",
    "Tool",
    "ToolAnnotations",
    "ToolResult",
    "VersionSpec",
    "connection_of",
    "connection_to_tell",
    "first_root",
    "get_context",
    "http_header",
    "jsonrpc_message_adapter",
    "serve_streams",
    "serving_stdio",
    "stdio_server",
]


@asynccontextmanager
async def serving_stdio(server: FastMCP[Any], log_level: str) -> AsyncGenerator[None]:
    """Let a server live, as ``FastMCP.run_stdio_async`` does around its streams."""
    token = set_transport("stdio")
    try:
        with temporary_log_level(log_level):
            async with server._lifespan_manager():  # noqa: SLF001  it has no public name
                yield
    finally:
        reset_transport(token)


async def serve_streams(server: FastMCP[Any], incoming: Any, outgoing: Any) -> None:
    """Answer what comes in until it ends."""
    low_level = server._mcp_server  # noqa: SLF001  it has no public name
    await low_level.run(incoming, outgoing, low_level.create_initialization_options())


def http_header(name: str) -> str:
    """Return a header of the request that is being answered; empty if it has none, or did not come over HTTP."""
    try:
        value = get_http_request().headers.get(name, "")
    except RuntimeError:
        return ""
    return value.encode("latin-1").decode("utf-8", "surrogateescape")


def connection_of(context: Context) -> Connection:
    """Return the connection that a request came by; in the newest era of the protocol each has its own."""
    return context.session._connection  # noqa: SLF001  it has no public name


def connection_to_tell() -> Connection | None:
    """Return the connection of the request that is being answered, if it takes notices that nobody asked for.

    In the newest era of the protocol none does.
    """
    try:
        session = get_context().session
    except RuntimeError:  # nobody asks but this program
        return None
    return None if session.protocol_version in MODERN_PROTOCOL_VERSIONS else session._connection  # noqa: SLF001  see above


async def first_root(context: Context) -> str:
    """Return the URI of the first of the client's roots; empty if it offers none.

    In the newest era of the protocol a server cannot ask.

    Raises:
        MCPError: the client does not answer as it should.
    """
    session = context.session
    capabilities = session.client_capabilities
    if session.protocol_version in MODERN_PROTOCOL_VERSIONS or capabilities is None or capabilities.roots is None:
        return ""
    roots = (await session.send_request(ListRootsRequest(), ListRootsResult)).roots
    return str(roots[0].uri) if roots else ""
