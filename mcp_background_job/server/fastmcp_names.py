"""Every name of FastMCP and of the MCP SDK that the server uses: a release that moves one touches this file alone.

Some are internal to those libraries. What clients use in the demonstration is public, slow to load, and stands there.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

from fastmcp import FastMCP
from fastmcp.exceptions import FastMCPError
from fastmcp.prompts.base import Prompt, PromptArgument
from fastmcp.resources.base import Resource
from fastmcp.resources.template import ResourceTemplate
from fastmcp.server.auth import AccessToken, AuthProvider, TokenVerifier
from fastmcp.server.context import Context, reset_transport, set_transport
from fastmcp.server.dependencies import get_context, get_http_request
from fastmcp.server.extensions import MethodBinding, ServerExtension
from fastmcp.server.providers import Provider
from fastmcp.tools.base import InputRequiredToolResult, Tool, ToolResult
from fastmcp.utilities.components import FastMCPComponent
from fastmcp.utilities.logging import temporary_log_level
from fastmcp.utilities.mime import UI_MIME_TYPE
from fastmcp.utilities.versions import VersionSpec
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp.shared.message import SessionMessage
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    PARSE_ERROR,
    CallToolResult,
    Completion,
    CompletionArgument,
    CompletionContext,
    ElicitRequest,
    ElicitRequestedSchema,
    ElicitRequestFormParams,
    ElicitResult,
    EmptyResult,
    ErrorData,
    ImageContent,
    InputRequiredResult,
    JSONRPCError,
    JSONRPCNotification,
    ListRootsRequest,
    ListRootsResult,
    PromptReference,
    RequestParams,
    ResourceTemplateReference,
    SubscribeRequestParams,
    SubscriptionFilter,
    SubscriptionsListenRequestParams,
    TextContent,
    ToolAnnotations,
    UnsubscribeRequestParams,
    jsonrpc_message_adapter,
)
from mcp_types import Tool as McpTool
from mcp_types.jsonrpc import HEADER_MISMATCH, MISSING_REQUIRED_CLIENT_CAPABILITY
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.middleware import Middleware

__all__ = [
    "HEADER_MISMATCH",
    "INTERNAL_ERROR",
    "INVALID_PARAMS",
    "INVALID_REQUEST",
    "MISSING_REQUIRED_CLIENT_CAPABILITY",
    "MODERN_PROTOCOL_VERSIONS",
    "PARSE_ERROR",
    "SUBSCRIPTION_ID_META_KEY",
    "UI_MIME_TYPE",
    "AccessToken",
    "AuthProvider",
    "Completion",
    "CompletionArgument",
    "CompletionContext",
    "Connection",
    "Context",
    "ElicitRequestedSchema",
    "ElicitResult",
    "EmptyResult",
    "ErrorData",
    "FastMCP",
    "FastMCPComponent",
    "FastMCPError",
    "ImageContent",
    "InputRequiredResult",
    "InputRequiredToolResult",
    "JSONRPCError",
    "JSONRPCNotification",
    "MCPError",
    "McpTool",
    "MethodBinding",
    "Middleware",
    "Prompt",
    "PromptArgument",
    "PromptReference",
    "Provider",
    "RequestParams",
    "Resource",
    "ResourceTemplate",
    "ResourceTemplateReference",
    "ServerExtension",
    "ServerRequestContext",
    "SessionMessage",
    "SubscribeRequestParams",
    "SubscriptionFilter",
    "SubscriptionsListenRequestParams",
    "TextContent",
    "TokenVerifier",
    "Tool",
    "ToolAnnotations",
    "ToolResult",
    "UnsubscribeRequestParams",
    "VersionSpec",
    "answer_requests",
    "answer_to_form",
    "can_elicit",
    "connection_of",
    "connection_to_tell",
    "declares_extension",
    "elicited",
    "first_root",
    "form_in_answer",
    "get_context",
    "http_header",
    "is_modern",
    "jsonrpc_message_adapter",
    "mcp_result",
    "name_in_header",
    "notify_on_stream",
    "serve_streams",
    "serving_stdio",
    "shows_apps",
    "shows_forms",
    "stdio_server",
    "takes_extension",
    "tell_progress",
]

#: The extension of clients that show pages of servers: MCP Apps.
_APPS = "io.modelcontextprotocol/ui"


@asynccontextmanager
async def serving_stdio(server: FastMCP[Any], log_level: str) -> AsyncGenerator[None]:
    """Run a server's lifespan, as ``FastMCP.run_stdio_async`` does around its streams."""
    token = set_transport("stdio")
    try:
        with temporary_log_level(log_level):
            async with server._lifespan_manager():  # noqa: SLF001  it has no public name
                yield
    finally:
        reset_transport(token)


async def serve_streams(server: FastMCP[Any], incoming: Any, outgoing: Any) -> None:
    """Answer the messages of the streams until they end."""
    low_level = server._mcp_server  # noqa: SLF001  it has no public name
    await low_level.run(incoming, outgoing, low_level.create_initialization_options())


def http_header(name: str) -> str:
    """Return a header of the request that is being answered; empty if it has none, or did not come over HTTP."""
    try:
        value = get_http_request().headers.get(name, "")
    except RuntimeError:
        return ""
    return value.encode("latin-1").decode("utf-8", "surrogateescape")


def connection_of(context: Context | ServerRequestContext[Any, Any]) -> Connection:
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


def name_in_header() -> str | None:
    """Return what a request over HTTP names in its header ``Mcp-Name``; ``None`` if it has none, or came otherwise."""
    try:
        return decode_header_value(get_http_request().headers.get(MCP_NAME_HEADER))
    except RuntimeError:
        return None


def _declared(context: Any) -> dict[str, Any]:
    """Return the capabilities that the client has declared with a request of the newest era; of others none."""
    if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return {}
    return _object(_object(_object(context.params).get("_meta")).get(CLIENT_CAPABILITIES_META_KEY))


def _object(value: Any) -> dict[str, Any]:
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, Mapping) else {}


def declares_extension(context: Any, identifier: str) -> bool:
    """Tell whether the client has declared an extension with the request, as the handler of a method sees that."""
    return isinstance(_object(_declared(context).get("extensions")).get(identifier), Mapping)


def can_elicit(context: Any) -> bool:
    """Tell whether the client can ask a person to fill in a form."""
    declared = _declared(context)
    modes = _object(declared.get("elicitation"))
    # Without any mode it is the one that there was first.
    return "form" in modes or ("elicitation" in declared and not modes)


def takes_extension(context: Context, identifier: str) -> bool:
    """Tell whether the client has declared an extension with a call of a tool."""
    request = context.request_context
    is_modern = request is not None and request.protocol_version in MODERN_PROTOCOL_VERSIONS
    return is_modern and context.client_extension_settings(identifier) is not None


def mcp_result(result: ToolResult) -> dict[str, Any]:
    """Return the result of a call as it stands on the wire."""
    told = CallToolResult(
        content=result.content,
        structured_content=result.structured_content,
        is_error=result.is_error,
        _meta=result.meta,
    )
    return told.model_dump(by_alias=True, mode="json", exclude_none=True)


def answer_requests(server: FastMCP[Any], method: str, params: type[Any], handler: Any) -> None:
    """Have requests of a method answered: the handler gets their context and parameters, and returns the result."""
    server._mcp_server.add_request_handler(method, params, handler)  # noqa: SLF001  it has no public name


async def notify_on_stream(context: ServerRequestContext[Any, Any], method: str, params: dict[str, Any]) -> None:
    """Send a notification that belongs to a request which is not answered yet."""
    await context.session._request_outbound.notify(method, params)  # noqa: SLF001  it has no public name


async def tell_progress(context: Context, done: float, of: float, message: str) -> None:
    """Tell how far a call is, if its client has asked to be told.

    To others FastMCP would look for a library of background work, in every directory of the path of modules.
    """
    request = context.request_context
    if request is not None and (request.meta or {}).get("progressToken") is not None:
        await context.report_progress(done, of, message)


def is_modern(context: Context) -> bool:
    """Tell whether a request is of the newest era of the protocol, in which a server asks in its answers alone."""
    return context.session.protocol_version in MODERN_PROTOCOL_VERSIONS


def shows_apps(context: Context) -> bool:
    """Tell whether a client shows pages of servers: said with the request, or in older protocols at the beginning."""
    if takes_extension(context, _APPS):
        return True
    capabilities = context.session.client_capabilities
    return capabilities is not None and _APPS in (capabilities.extensions or {})


def shows_forms(context: Context) -> bool:
    """Tell whether a client shows forms to a person. One that does not say which kinds of forms shows these."""
    capabilities = context.session.client_capabilities
    declared = capabilities.elicitation if capabilities else None
    return declared is not None and (declared.form is not None or declared.url is None)


async def elicited(context: Context, message: str, form: ElicitRequestedSchema) -> ElicitResult:
    """Show a form while a call is answered; waits for as long as the person takes."""
    return await context.session.elicit_form(message, form, context.request_id)


def form_in_answer(name: str, message: str, form: ElicitRequestedSchema, state: str) -> InputRequiredResult:
    """Return an answer that has a client show a form, and call again with what was said and with the state."""
    asked = ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=form))
    return InputRequiredResult(input_requests={name: asked}, request_state=state)


def answer_to_form(context: Context, name: str) -> ElicitResult | None:
    """Return what was said to a form that an earlier answer had shown, ``None`` if nothing was."""
    said = (context.input_responses or {}).get(name)
    return said if isinstance(said, ElicitResult) else None
