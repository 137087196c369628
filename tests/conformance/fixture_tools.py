"""The tools of the conformance suite that answer at once, or ask the client while they are called."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any

from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.tools import FunctionTool
from mcp_types import (
    AudioContent,
    EmbeddedResource,
    ImageContent,
    SamplingMessage,
    TextContent,
    TextResourceContents,
)

from mcp_background_job.server.fastmcp_names import MISSING_REQUIRED_CLIENT_CAPABILITY, MCPError
from tests.conformance.forms import CHOICES, DEFAULTS, RESPONSE

#: Nobody looks into them.
PICTURE = b"\x89PNG\r\n\x1a\n"
_SOUND = b"RIFF\x04\x00\x00\x00WAVE"

#: Sampling was the first thing that a server could ask for.
_SAMPLED_TOKENS = 100


def picture() -> ImageContent:
    return ImageContent(type="image", data=b64encode(PICTURE).decode(), mime_type="image/png")


def embedded(uri: str) -> EmbeddedResource:
    text = TextResourceContents(uri=uri, mime_type="text/plain", text=f"What is at {uri}.")
    return EmbeddedResource(type="resource", resource=text)


async def _simple() -> str:
    return "Text."


async def _picture() -> ImageContent:
    return picture()


async def _sound() -> AudioContent:
    return AudioContent(type="audio", data=b64encode(_SOUND).decode(), mime_type="audio/wav")


async def _embedded() -> EmbeddedResource:
    return embedded("test://embedded-resource")


async def _mixed() -> list[Any]:
    return [TextContent(type="text", text="Text."), picture(), embedded("test://mixed-content-resource")]


async def _logging(ctx: Context) -> str:
    for message in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.info(message)
    return "It has logged, if it may."


async def _progress(ctx: Context) -> str:
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100)
    return "Done."


async def _reconnection(ctx: Context) -> str:
    await ctx.close_sse_stream()
    return "The client has come back, if it had to."


async def _failing() -> str:
    raise ToolError("This tool intentionally returns an error for testing")


async def _sampling(prompt: str, ctx: Context) -> str:
    asked = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    session: Any = ctx.session  # what asks for it is deprecated, and the older eras have it
    said = await session.create_message([asked], max_tokens=_SAMPLED_TOKENS, related_request_id=ctx.request_id)
    return f"The model said: {said.content}"


async def _elicitation(message: str, ctx: Context) -> str:
    return await _shown(ctx, message, RESPONSE)


async def _defaults(ctx: Context) -> str:
    return await _shown(ctx, "Which of these are right?", DEFAULTS)


async def _choices(ctx: Context) -> str:
    return await _shown(ctx, "Which of these?", CHOICES)


async def _shown(ctx: Context, message: str, form: dict[str, Any]) -> str:
    said = await ctx.session.elicit_form(message, form, ctx.request_id)
    return f"The user said: {said.action} {said.content}"


async def _in_header(region: str) -> str:
    return f"In {region}."


async def _only_with_sampling(ctx: Context) -> str:
    capabilities = ctx.session.client_capabilities
    if capabilities is None or capabilities.sampling is None:
        needed: dict[str, Any] = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "it needs a model to ask", needed)
    return "It could ask."


async def _schema(name: str = "", address: dict[str, Any] | None = None) -> str:
    return f"{name} at {address}"


#: All that a schema may have, and that a server must not lose on the way to the client.
_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}

_HEADER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
    "required": ["region"],
}

_TOOLS: dict[str, Callable[..., Any]] = {
    "test_simple_text": _simple,
    "test_image_content": _picture,
    "test_audio_content": _sound,
    "test_embedded_resource": _embedded,
    "test_multiple_content_types": _mixed,
    "test_tool_with_logging": _logging,
    "test_logging_tool": _logging,
    "test_tool_with_progress": _progress,
    "test_reconnection": _reconnection,
    "test_error_handling": _failing,
    "test_sampling": _sampling,
    "test_elicitation": _elicitation,
    "test_elicitation_sep1034_defaults": _defaults,
    "test_elicitation_sep1330_enums": _choices,
    "test_missing_capability": _only_with_sampling,
}


def add_tools(server: FastMCP[Any], whenever_tools_change: Sequence[Callable[[], None]]) -> None:
    """Add them to the tools of a server.

    Args:
        server: that is to have them.
        whenever_tools_change: what the server calls each time that it offers other tools.
    """

    async def change() -> str:
        for tell in whenever_tools_change:
            tell()
        return "The tools are others now."

    for name, tool in {**_TOOLS, "test_trigger_tool_change": change}.items():
        server.tool(tool, name=name, description="Of the conformance suite.", output_schema=None)
    for name, tool, schema in (
        ("json_schema_2020_12_tool", _schema, _SCHEMA),
        ("test_in_header", _in_header, _HEADER_SCHEMA),
    ):
        server.add_tool(FunctionTool(fn=tool, name=name, description="Of the conformance suite.", parameters=schema))
